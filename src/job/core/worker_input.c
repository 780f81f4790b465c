/*
 * worker_input.c
 *		Limits of the values that a worker writes into a job: its name, an
 *		error, a result, a lease, a delay.
 *
 * Without limits, a worker could make a job so large that no session can claim,
 * cancel or delete it, because each change copies the row.  The functions of
 * the queue and the guard trigger (guard.c) apply them.  A CHECK, even a NOT
 * VALID one, is checked at each change of a row, so that a job from before the
 * limits that exceeds one could not be claimed, finished or cancelled.
 */
#include "postgres.h"

#include "access/detoast.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/duration.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/metadata.h"
#include "base/schema.h"
#include "base/text.h"
#include "job/core/job_row.h"
#include "job/core/worker_input.h"

/* The size of a text in bytes, without detoasting it. */
static Size
text_size(Datum value)
{
	return toast_raw_datum_size(value) - VARHDRSZ;
}

/* Has the name of a worker at most RARR_WORKER_MAX_CHARS characters? */
bool
rarr_worker_name_fits(Datum worker)
{
	Size size = text_size(worker);
	text *name;

	if (size <= RARR_WORKER_MAX_CHARS)
		return true;
	if (size > RARR_WORKER_MAX_CHARS * MAX_MULTIBYTE_CHAR_LEN)
		return false;
	name = DatumGetTextPP(worker);
	return pg_mbstrlen_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) <= RARR_WORKER_MAX_CHARS;
}

/* Raise RA003 if it has more. */
void
rarr_check_worker_name(Datum worker)
{
	if (rarr_worker_name_fits(worker))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("worker is longer than %d characters", RARR_WORKER_MAX_CHARS),
			 errdetail("The value has %zu bytes.", text_size(worker)),
			 errhint("Give a short name that identifies the worker, such as a host and a process id.")));
}

/*
 * Does this text, an error message, have at most RARR_ERROR_MAX_BYTES bytes?
 */
bool
rarr_error_text_fits(Datum error)
{
	return text_size(error) <= RARR_ERROR_MAX_BYTES;
}

/*
 * Return an error message of at most RARR_ERROR_MAX_BYTES bytes: the text
 * itself, or its beginning and a note of how many bytes it had.  A long text
 * is not an error, because a worker must always be able to report a failure.
 */
Datum
rarr_error_text_truncate(Datum error)
{
	if (rarr_error_text_fits(error))
		return error;
	return CStringGetTextDatum(rarr_clip_datum(error, RARR_ERROR_MAX_BYTES));
}

/*
 * Raise RA003 if a result, a jsonb value, has more than
 * RARR_METADATA_MAX_BYTES bytes as text.
 */
void
rarr_check_result(Datum result)
{
	if (rarr_jsonb_fits(result))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("result is larger than %d bytes as text", RARR_METADATA_MAX_BYTES),
			 errhint("Store large values elsewhere, and a reference to them here.")));
}

/*
 * Return the microseconds of an interval argument that keeps a job from other
 * workers: a lease or a delay.  name: of the argument, for errors; least: in
 * microseconds.
 *
 * Raises 22023 if the interval is below `least` or above RARR_MAX_DURATION, or
 * above researcharr.max_lease for a role that does not own processing_jobs.
 */
int64
rarr_lease_arg(const Interval *interval, const char *name, int64 least)
{
	int64 duration = rarr_duration_arg(interval, name, least);

	if (duration > rarr_max_lease * USECS_PER_SEC &&
		!rarr_is_owner(rarr_relation_oid(rarr_job_table.name), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is longer than researcharr.max_lease: %s", name,
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)))),
				 errdetail("researcharr.max_lease is %d seconds.", rarr_max_lease),
				 errhint("Give a shorter interval; job_heartbeat extends a lease while the job runs.")));
	return duration;
}
