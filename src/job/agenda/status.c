/*
 * status.c
 *		agenda_status(): show the lower bounds to administrators.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/errors.h"
#include "base/guc.h"
#include "job/agenda/agenda.h"

#define NCOLUMNS 10

static Datum
time_or_null(TimestampTz at, bool *isnull)
{
	*isnull = TIMESTAMP_NOT_FINITE(at);
	return TimestampTzGetDatum(at);
}

/* Add the row of one group. */
static void
put_group(ReturnSetInfo *rsinfo, const RarrAgendaSlot *type, const char *name, int p)
{
	const RarrVerifierScan *scan = &type->scans[RARR_VERIFY_EVERYTHING];
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS] = {false};

	values[0] = CStringGetTextDatum(name);
	values[1] = Int32GetDatum(p);
	values[2] = TimestampTzGetDatum(type->bound_at[p]);
	values[3] = UUIDPGetDatum(&type->bound_id[p]);
	nulls[3] = TIMESTAMP_NOT_FINITE(type->bound_at[p]);
	values[4] = BoolGetDatum(type->bound_at[p] <= GetCurrentTimestamp());
	values[5] = time_or_null((TimestampTz) pg_atomic_read_u64(unconstify(pg_atomic_uint64 *, &type->next_lapse)),
							 &nulls[5]);
	values[6] = Int64GetDatum((int64) type->advanced[p]);
	values[7] = Int64GetDatum((int64) type->refused[p]);
	values[8] = time_or_null(scan->last_round, &nulls[8]);
	values[9] = Int64GetDatum((int64) type->found[p]);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

PG_FUNCTION_INFO_V1(researcharr_agenda_status);

/*
 * agenda_status() -> a row for each group of this database that has, or had,
 * jobs
 *
 * Raises RA005 if the library is not preloaded.
 */
Datum
researcharr_agenda_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	RarrAgendaSlot *type = palloc(sizeof(RarrAgendaSlot));
	char name[RARR_SLOT_NAME_MAX + 1];

	if (!rarr_agenda_is_there())
		ereport(ERROR,
				(errcode(ERRCODE_RARR_NEEDS_PRELOAD),
				 errmsg("there is no agenda"),
				 errdetail("It lives in the server's shared memory; without it the queue works, more slowly."),
				 errhint("Add researcharr to shared_preload_libraries and restart the server.")));
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < rarr_agenda_types; i++)
	{
		if (!rarr_agenda_copy(i, type, name))
			continue;
		for (int p = RARR_PRIORITIES - 1; p >= 0; p--)
			if (type->bound_at[p] != DT_NOEND || type->advanced[p] > 1)
				put_group(rsinfo, type, name, p);
	}
	return (Datum) 0;
}
