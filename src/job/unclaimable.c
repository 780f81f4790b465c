/*
 * unclaimable.c
 *		Jobs that cannot be claimed: attempt would overflow, or a value cannot
 *		be read.
 *
 * If a claim raised an error about such a job, each later call would raise it
 * again, and no job behind it could be claimed.  So the claim sets the job to
 * failed instead, with the reason as error_message.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "executor/tuptable.h"

#include "base/subtransaction.h"
#include "job/core/job_row.h"
#include "job/unclaimable.h"

/* Is the value of column i, from 0, stored out of line? */
static bool
is_external(TupleTableSlot *slot, int i)
{
	return !slot->tts_isnull[i] && TupleDescAttr(slot->tts_tupleDescriptor, i)->attlen == -1 &&
		   VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(slot->tts_values[i]));
}

static bool
has_external_values(TupleTableSlot *slot)
{
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		if (is_external(slot, i))
			return true;
	return false;
}

/*
 * The body of a subtransaction: read all values that are stored out of line.
 */
static bool
read_values(void *arg)
{
	TupleTableSlot *slot = arg;

	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		if (is_external(slot, i))
			pfree(detoast_attr((struct varlena *) DatumGetPointer(slot->tts_values[i])));
	return true;
}

/* Is the error about the value, and not about the session or the disk? */
static bool
is_about_value(const ErrorData *error, void *arg)
{
	return error->sqlerrcode == ERRCODE_DATA_CORRUPTED || rarr_error_is_about_data(error);
}

/*
 * Return the reason why the job in the slot cannot be claimed, or NULL if it
 * can.  The slot is a buffer tuple with all attributes deformed.
 */
char *
rarr_job_why_unclaimable(TupleTableSlot *slot)
{
	ErrorData *error = NULL;

	if (rarr_job_int(slot, JOB_ATTEMPT) == PG_INT32_MAX)
		return "the job cannot be claimed again: attempt is out of range";
	if (has_external_values(slot) &&
		!rarr_subtransaction(read_values, is_about_value, slot, &error))
		return psprintf("the job cannot be read: %s", error->message);
	return NULL;
}
