/*
 * log.c
 *		Adopt rows of the old application's logs as history.
 *
 * The old logs know no jobs.  A row's job id is made of what it is, so that it is
 * found when it is adopted again.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "data/legacy/legacy.h"
#include "job/job.h"

/* the columns of the statement's row */
enum
{
	COL_JOB = 1,
	COL_KNOWN,
	COL_MEDIA,
	COL_NOTE,
	COL_SUCCESS,
	COL_PROBLEM
};

/*
 * Adopt a row of a log, and set its outcome and its problem.  Requires an SPI
 * connection.  Raises the errors of writing processing_history.
 */
void
rarr_legacy_adopt_log(LegacyRow *row)
{
	Datum values[] = {JsonbPGetDatum(row->data), row->times[0], (Datum) 0};
	char nulls[] = {' ', row->time_nulls[0] ? 'n' : ' ', 'n'};
	RarrHistoryEntry entry = {.action = RARR_HISTORY_ADOPTED, .worker = "old application"};
	MemoryContext cxt = CurrentMemoryContext;
	SPITupleTable *result;
	HeapTuple tuple;
	TupleDesc desc;
	bool isnull;

	if (SPI_execute_plan(row->plan, values, nulls, false, 0) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not adopt a row of \"%s\"", row->table->name);
	MemoryContextSwitchTo(cxt); /* SPI leaves its own */
	result = SPI_tuptable;
	tuple = result->vals[0];
	desc = result->tupdesc;
	row->outcome = LEGACY_UNCHANGED;
	if (SPI_getvalue(tuple, desc, COL_PROBLEM) != NULL)
	{
		row->outcome = LEGACY_KEPT;
		row->problem = SPI_getvalue(tuple, desc, COL_PROBLEM);
	}
	else if (!DatumGetBool(SPI_getbinval(tuple, desc, COL_KNOWN, &isnull)))
	{
		row->outcome = LEGACY_ADOPTED;
		entry.job_id = *DatumGetUUIDP(SPI_getbinval(tuple, desc, COL_JOB, &isnull));
		entry.media_id = *DatumGetUUIDP(SPI_getbinval(tuple, desc, COL_MEDIA, &isnull));
		entry.note = SPI_getvalue(tuple, desc, COL_NOTE);
		entry.to = DatumGetBool(SPI_getbinval(tuple, desc, COL_SUCCESS, &isnull)) ? "completed" : "failed";
		entry.ended_at = row->time_nulls[0] ? GetCurrentTimestamp() : DatumGetTimestampTz(row->times[0]);
		rarr_history_write(&entry, 1);
	}
	SPI_freetuptable(result);
}
