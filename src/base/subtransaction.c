/*
 * subtransaction.c
 *		Run a function in an internal subtransaction.
 *
 *		An error that leaves an internal subtransaction open breaks the session:
 *		whoever catches the error next (an EXCEPTION block of PL/pgSQL, or the main
 *		loop) ends the inner subtransaction and takes it for his own.  So this file
 *		is the only one that begins and ends internal subtransactions, and it rolls
 *		one back before anything else happens to its error, whatever the error is.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/relation.h"
#include "base/subtransaction.h"

/*
 * Runs the body in a subtransaction, in the caller's memory context.
 *
 * True: the body returned true, and what it did is kept.  False: all that it did
 * is undone; *error is NULL where the body returned false, else the error that
 * it raised, which catches() accepted.  *error, a copy, is in the caller's memory
 * context.  An error that catches() does not accept is thrown on, after the
 * rollback.  A termination is FATAL, which never comes here.
 */
bool
rarr_subtransaction(RarrSubtransactionBody body, RarrErrorFilter catches, void *arg,
					ErrorData **error)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile caught = NULL;
	volatile bool keep = false;		/* must survive the longjmp */

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(cxt);
	PG_TRY();
	{
		keep = body(arg);
		if (keep)
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(cxt);
		caught = CopyErrorData();
		FlushErrorState();
		keep = false;
	}
	PG_END_TRY();
	if (!keep)
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(cxt);
	CurrentResourceOwner = owner;
	if (caught != NULL && !catches(caught, arg))
		ReThrowError(caught);
	*error = caught;
	return keep;
}

/*
 * Does the error say that something is wrong with the data, so that other data
 * may fare better?  It does not where the connection, the transaction, the
 * server, its resources or the operator are the reason.
 *
 * Of class 54, only 54000 can be about the data (an index entry that is too
 * large); the others are limits of the statement, such as the depth of the
 * stack.
 */
bool
rarr_error_is_about_data(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_INVALID_TRANSACTION_TERMINATION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case MAKE_SQLSTATE('7', '2', '0', '0', '0'):	/* snapshot too old, before 17 */
		case ERRCODE_CONFIG_FILE_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return error->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	}
	switch (error->sqlerrcode)
	{
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION:
			return false;
	}
	return true;
}

/*
 * Is the error about this constraint, or unique index, of one of our tables?  The
 * constraint's name alone would also fit one that a user's trigger runs into.
 */
bool
rarr_error_names(const ErrorData *error, const char *table, const char *constraint)
{
	return error->constraint_name != NULL && strcmp(error->constraint_name, constraint) == 0 &&
		error->table_name != NULL && strcmp(error->table_name, table) == 0 &&
		error->schema_name != NULL && strcmp(error->schema_name, RARR_SCHEMA) == 0;
}
