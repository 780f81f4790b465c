/*
 * worker_input.c
 *		Limits of what a worker writes into a job: its name, an error, a
 *		result, and how long it keeps a job from others.
 *
 * A job's row is copied by every later change of it, and its worker and error
 * go into the history, which is append-only.  Without limits, one worker could
 * make a job that no other session can claim, cancel or delete.
 *
 * The functions of the queue and the guard of plain DML (guard.c) apply the
 * limits.  They are not constraints of the table, because a CHECK, even one
 * that is NOT VALID, is checked at each change of a row: a job that was larger
 * before the limits existed could not be claimed, finished or cancelled.
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

/* The size of a text in bytes, without reading what is stored out of line. */
static Size
text_size(Datum value)
{
	return toast_raw_datum_size(value) - VARHDRSZ;
}

/* Has this text, the name of a worker, at most RARR_WORKER_MAX_CHARS characters? */
bool
rarr_worker_name_fits(Datum worker)
{
	Size		size = text_size(worker);
	text	   *name;

	if (size <= RARR_WORKER_MAX_CHARS)
		return true;
	if (size > RARR_WORKER_MAX_CHARS * MAX_MULTIBYTE_CHAR_LEN)
		return false;
	name = DatumGetTextPP(worker);
	return pg_mbstrlen_with_len(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) <= RARR_WORKER_MAX_CHARS;
}

/* RA003 where the name of a worker is longer than RARR_WORKER_MAX_CHARS. */
void
rarr_check_worker_name(Datum worker)
{
	if (rarr_worker_name_fits(worker))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("worker is longer than %d characters", RARR_WORKER_MAX_CHARS),
			 errdetail("The value has %zu bytes.", text_size(worker)),
			 errhint("Give a short name by which the worker is found, such as a host and a process id.")));
}

/* Has this text, an error message, at most RARR_ERROR_MAX_BYTES bytes? */
bool
rarr_error_text_fits(Datum error)
{
	return text_size(error) <= RARR_ERROR_MAX_BYTES;
}

/*
 * An error message of at most RARR_ERROR_MAX_BYTES bytes: the text itself, or its
 * beginning and a mark that says how many bytes it had.  It never raises an
 * error because of the length: a worker must be able to report a failure.
 */
Datum
rarr_error_text_truncate(Datum error)
{
	if (rarr_error_text_fits(error))
		return error;
	return CStringGetTextDatum(rarr_clip_datum(error, RARR_ERROR_MAX_BYTES));
}

/* RA003 where a result, a jsonb, is larger than metadata may be. */
void
rarr_check_result(Datum result)
{
	if (rarr_jsonb_fits(result))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_RARR_VALIDATION),
			 errmsg("result is larger than %d bytes as text", RARR_METADATA_MAX_BYTES),
			 errhint("Keep large values elsewhere, and their key here.")));
}

/*
 * How long a worker keeps a job from others, in microseconds: the interval of an
 * argument of this name, a lease or a delay.
 *
 * 22023 where it is below `least`, above RARR_MAX_DURATION, or, for a role that
 * does not own the table of jobs, above researcharr.max_lease.
 */
int64
rarr_lease_arg(const Interval *interval, const char *name, int64 least)
{
	int64		duration = rarr_duration_arg(interval, name, least);

	if (duration > rarr_max_lease * USECS_PER_SEC &&
		!rarr_is_owner(rarr_relation_oid(rarr_job_table.name), GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is longer than researcharr.max_lease: %s", name,
						DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(interval)))),
				 errdetail("researcharr.max_lease is %d seconds.", rarr_max_lease),
				 errhint("Ask for less; job_heartbeat extends a lease while the work goes on.")));
	return duration;
}
