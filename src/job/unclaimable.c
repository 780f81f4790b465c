/*
 * unclaimable.c
 *		Jobs that nobody can claim: the number of attempts is used up, or a
 *		value cannot be read.
 *
 * A claim that raised an error about such a job would raise it again at the
 * next call, and no job behind it would ever be claimed.  The claim turns the
 * job to failed instead, with the reason as its error.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "executor/tuptable.h"

#include "base/compat.h"
#include "base/subtransaction.h"
#include "job/core/job_row.h"
#include "job/unclaimable.h"

/* Is this value of the row stored out of line? */
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

/* Reads every value that is stored out of line. */
static bool
read_values(void *arg)
{
	TupleTableSlot *slot = arg;

	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
		if (is_external(slot, i))
			pfree(detoast_attr((struct varlena *) DatumGetPointer(slot->tts_values[i])));
	return true;
}

/* Is the error about the value, rather than about the session or the disk? */
static bool
is_about_value(const ErrorData *error, void *arg)
{
	return error->sqlerrcode == ERRCODE_DATA_CORRUPTED || rarr_error_is_about_data(error);
}

/*
 * Why the job in the slot, a row version on a page whose attributes are all
 * deformed, cannot be claimed; NULL if it can.
 */
char *
rarr_job_why_unclaimable(TupleTableSlot *slot)
{
	ErrorData  *error = NULL;

	if (DatumGetInt32(rarr_job_value(slot, JOB_ATTEMPT)) == PG_INT32_MAX)
		return "the job cannot be claimed again: attempt is out of range";
	if (has_external_values(slot) &&
		!rarr_subtransaction(read_values, is_about_value, slot, &error))
		return psprintf("the job cannot be read: %s", error->message);
	return NULL;
}
