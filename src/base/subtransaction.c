/*
 * subtransaction.c
 *		Run a function in an internal subtransaction.
 *
 * An error that leaves an internal subtransaction open breaks the session:
 * whatever catches the error next (an EXCEPTION block of PL/pgSQL, or the main
 * loop) ends the inner subtransaction instead of its own.  Therefore only this
 * file begins and ends internal subtransactions.  It rolls back first and
 * handles the error afterwards, whatever the error is.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/resowner.h"

#include "base/schema.h"
#include "base/subtransaction.h"

/*
 * Run body(arg) in a subtransaction, in the caller's memory context.
 *
 * Returns true if body returned true; its effects are then kept.  Otherwise
 * its effects are rolled back. *error is NULL if body returned false.  If body
 * raised an error that catches() accepts, *error is a copy of it in the
 * caller's memory context.  Any other error is rethrown after the rollback.  A
 * termination is FATAL and does not come here.
 */
bool
rarr_subtransaction(RarrSubtransactionBody body, RarrErrorFilter catches, void *arg,
					ErrorData **error)
{
	MemoryContext cxt = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile caught = NULL;
	volatile bool keep = false; /* survives longjmp */

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
 * Is the error caused by the data, so that other data may succeed?
 *
 * Errors caused by the connection, the transaction, the server, its resources
 * or the operator are not.  In class 54, only 54000 can be about the data (an
 * index entry that is too large); the others are limits of the statement, such
 * as its stack depth.
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
		case MAKE_SQLSTATE('7', '2', '0', '0', '0'): /* snapshot too old */
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
 * name alone is not enough: a user's trigger can violate a constraint of the
 * same name on another table.
 */
bool
rarr_error_names(const ErrorData *error, const char *table, const char *constraint)
{
	return error->constraint_name != NULL && strcmp(error->constraint_name, constraint) == 0 &&
		   error->table_name != NULL && strcmp(error->table_name, table) == 0 &&
		   error->schema_name != NULL && strcmp(error->schema_name, RARR_SCHEMA) == 0;
}
