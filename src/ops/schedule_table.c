/*
 * schedule_table.c
 *		Read and write the tables of the schedule.
 *
 * EXECUTE on the schedule's functions is what a role needs, not privileges on
 * the tables; the functions check who may do what.  Statements therefore run as
 * the owner of the tables, in a restricted operation.  Triggers do not fire, so
 * that somebody who was granted TRIGGER runs no code as the owner.
 *
 * Statements begin with rarr_schedule_begin() and end with
 * rarr_schedule_end(); an error between them undoes what the former did.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/access.h"
#include "base/schema.h"
#include "base/subtransaction.h"
#include "base/text.h"
#include "ops/schedule_table.h"

/* columns of read_sql */
enum
{
	COL_NAME = 1,
	COL_CRON,
	COL_COMMAND,
	COL_ARGUMENTS,
	COL_ZONE,
	COL_CATCH_UP,
	COL_PAUSED,
	COL_OWNER,
	COL_OWNER_ID,
	COL_SYSTEM,
	COL_HANDLED_UNTIL,
	COL_IS_ENTRY
};

/* A row of schedule_state alone is that of a built-in entry, or of a dropped one. */
static const char *const read_sql =
	"SELECT COALESCE(e.name, s.name), e.cron::text, e.command::text, e.arguments::jsonb, e.zone::text,"
	" e.catch_up::boolean, e.paused::boolean, e.owner::text, e.owner_id::oid, e.system_identifier::bigint,"
	" s.handled_until::timestamptz, e.name IS NOT NULL"
	" FROM researcharr.schedule_entries AS e FULL JOIN researcharr.schedule_state AS s ON s.name = e.name"
	" WHERE COALESCE(e.name, s.name) IS NOT NULL AND ($1 IS NULL OR $1 IN (e.name, s.name)) ORDER BY 1";

static void
set_locally(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* The owner of the schedule's tables. */
static Oid
table_owner(void)
{
	Oid relid = rarr_relation_oid("schedule_entries");
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* May the role do everything with the schedule? */
bool
rarr_schedule_is_admin(Oid role)
{
	return rarr_is_admin(role);
}

/* Begin statements on the tables, as their owner.  *access is for the end. */
void
rarr_schedule_begin(RarrScheduleAccess *access)
{
	Oid owner = table_owner();

	access->cxt = CurrentMemoryContext;
	GetUserIdAndSecContext(&access->user, &access->context);
	SetUserIdAndSecContext(owner, access->context | SECURITY_RESTRICTED_OPERATION);
	access->level = NewGUCNestLevel();
	set_locally("search_path", "pg_catalog, pg_temp");
	set_locally("session_replication_role", "replica");
	set_locally("row_security", "on");
	set_locally("lock_timeout", "0");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

/* End statements. */
void
rarr_schedule_end(const RarrScheduleAccess *access)
{
	SPI_finish();
	AtEOXact_GUC(false, access->level);
	SetUserIdAndSecContext(access->user, access->context);
	MemoryContextSwitchTo(access->cxt);
}

/* Add a parameter. */
void
rarr_schedule_param(RarrScheduleQuery *query, Oid type, Datum value, bool isnull)
{
	if (query->nparams == RARR_SCHEDULE_MAX_PARAMS)
		elog(ERROR, "too many parameters");
	query->types[query->nparams] = type;
	query->values[query->nparams] = value;
	query->nulls[query->nparams++] = isnull ? 'n' : ' ';
}

/* Add a parameter of type text; NULL for a null. */
void
rarr_schedule_param_text(RarrScheduleQuery *query, const char *text)
{
	rarr_schedule_param(query, TEXTOID, text != NULL ? CStringGetTextDatum(text) : (Datum) 0, text == NULL);
}

/* Run a statement.  Returns the number of rows. */
uint64
rarr_schedule_execute(RarrScheduleQuery *query)
{
	int rc = SPI_execute_with_args(query->sql, query->nparams, query->types, query->values, query->nulls, false, 0);

	if (rc < 0)
		elog(ERROR, "a statement of the schedule failed: %s", SPI_result_code_string(rc));
	return SPI_processed;
}

/* A column of a row of the last statement as text, in the caller's memory; NULL for a null. */
char *
rarr_schedule_text(const RarrScheduleAccess *access, int row, int column)
{
	char *text = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return text != NULL ? MemoryContextStrdup(access->cxt, text) : NULL;
}

/* A column of a row of the last statement, in the caller's memory. */
Datum
rarr_schedule_datum(const RarrScheduleAccess *access, int row, int column, bool *isnull)
{
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
	Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, column - 1);
	MemoryContext old;

	if (*isnull)
		return (Datum) 0;
	old = MemoryContextSwitchTo(access->cxt);
	if (attribute->attlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		value = datumCopy(value, attribute->attbyval, attribute->attlen);
	MemoryContextSwitchTo(old);
	return value;
}

/*
 * Find the owner's role.  A role of the same name that was made later is
 * another one, which must not run what somebody else wrote.  In a cluster where
 * a dump was restored OIDs are others, and the name counts, as for all that a
 * dump says of roles.
 */
static void
find_role(RarrScheduleEntry *entry, Oid id, int64 system)
{
	entry->role = get_role_oid(entry->owner, true);
	entry->is_stale = system != (int64) GetSystemIdentifier();
	if (!entry->is_stale && entry->role != id)
		entry->role = InvalidOid;
}

/* Make an entry of a row of read_sql that is one of schedule_entries. */
static RarrScheduleEntry *
make_entry(const RarrScheduleAccess *access, int row)
{
	RarrScheduleEntry *entry = MemoryContextAllocZero(access->cxt, sizeof(RarrScheduleEntry));
	Datum arguments;
	bool isnull;
	Oid id;
	int64 system;

	entry->name = rarr_schedule_text(access, row, COL_NAME);
	entry->cron = rarr_schedule_text(access, row, COL_CRON);
	entry->command = rarr_schedule_text(access, row, COL_COMMAND);
	arguments = rarr_schedule_datum(access, row, COL_ARGUMENTS, &isnull);
	if (!isnull)
		entry->arguments = DatumGetJsonbP(arguments);
	entry->zone = rarr_schedule_text(access, row, COL_ZONE);
	entry->catch_up = DatumGetBool(rarr_schedule_datum(access, row, COL_CATCH_UP, &isnull));
	entry->paused = DatumGetBool(rarr_schedule_datum(access, row, COL_PAUSED, &isnull));
	entry->owner = rarr_schedule_text(access, row, COL_OWNER);
	id = DatumGetObjectId(rarr_schedule_datum(access, row, COL_OWNER_ID, &isnull));
	system = isnull ? 0 : DatumGetInt64(rarr_schedule_datum(access, row, COL_SYSTEM, &isnull));

	/* the table's owner can drop a NOT NULL */
	if (entry->cron == NULL || entry->command == NULL || entry->arguments == NULL || entry->zone == NULL ||
		entry->owner == NULL)
	{
		entry->problem = "its row has a null";
		entry->owner = entry->owner != NULL ? entry->owner : "";
		entry->command = entry->command != NULL ? entry->command : "";
		entry->paused = true;
	}
	else
		find_role(entry, isnull ? InvalidOid : id, isnull ? 0 : system);
	return entry;
}

/* Add the built-in entries that the list, of this name or all, lacks. */
static List *
add_defaults(List *entries, const char *name)
{
	int n;
	const RarrScheduleDefault *defaults = rarr_schedule_defaults(&n);

	for (int i = 0; i < n; i++)
	{
		RarrScheduleEntry *entry;
		ListCell *lc;
		bool found = false;

		foreach (lc, entries)
			found = found || strcmp(((RarrScheduleEntry *) lfirst(lc))->name, defaults[i].name) == 0;
		if (found || (name != NULL && strcmp(name, defaults[i].name) != 0))
			continue;
		entry = palloc0(sizeof(RarrScheduleEntry));
		entry->name = pstrdup(defaults[i].name);
		entry->cron = pstrdup(defaults[i].cron);
		entry->command = pstrdup(defaults[i].command);
		entry->arguments = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(defaults[i].arguments)));
		entry->zone = pstrdup("UTC");
		entry->catch_up = true;
		entry->role = table_owner();
		entry->owner = pstrdup(rarr_role_name(entry->role));
		entry->built_in = true;
		entries = lappend(entries, entry);
	}
	return entries;
}

/*
 * Return the entries (RarrScheduleEntry), or the one of this name, in the
 * caller's memory.
 */
List *
rarr_schedule_read(const char *name)
{
	RarrScheduleQuery query = {read_sql};
	RarrScheduleAccess access;
	List *entries = NIL;
	List *states = NIL;
	ListCell *lc;
	ListCell *lc2;
	uint64 n;

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, name);
	n = rarr_schedule_execute(&query);
	for (uint64 i = 0; i < n; i++)
	{
		RarrScheduleEntry *entry;
		bool isnull;
		bool no_value;
		Datum handled = rarr_schedule_datum(&access, i, COL_HANDLED_UNTIL, &isnull);
		bool is_entry = DatumGetBool(rarr_schedule_datum(&access, i, COL_IS_ENTRY, &no_value));
		MemoryContext old;

		if (!is_entry)
		{
			entry = MemoryContextAllocZero(access.cxt, sizeof(RarrScheduleEntry));
			entry->name = rarr_schedule_text(&access, i, COL_NAME);
		}
		else
			entry = make_entry(&access, i);
		entry->has_state = !isnull;
		entry->handled_until = isnull ? 0 : DatumGetTimestampTz(handled);
		old = MemoryContextSwitchTo(access.cxt);
		if (!is_entry)
			states = lappend(states, entry);
		else
			entries = lappend(entries, entry);
		MemoryContextSwitchTo(old);
	}
	rarr_schedule_end(&access);

	entries = add_defaults(entries, name);
	foreach (lc, entries)
		foreach (lc2, states)
		{
			RarrScheduleEntry *entry = lfirst(lc);
			const RarrScheduleEntry *state = lfirst(lc2);

			if (strcmp(entry->name, state->name) != 0)
				continue;
			entry->has_state = true;
			entry->handled_until = state->handled_until;
		}
	return entries;
}

/* Return the entry of this name.  Raises 22023 if there is none. */
RarrScheduleEntry *
rarr_schedule_read_entry(const char *name)
{
	List *entries = rarr_schedule_read(name);

	if (entries == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no schedule entry \"%s\"", rarr_clip_text(name, 400)),
				 errhint("schedule_list() shows the entries, and schedule_set() makes one.")));
	return linitial(entries);
}

static bool
parse_entry(void *arg)
{
	RarrScheduleEntry *entry = arg;

	rarr_cron_parse(entry->cron, &entry->when);
	entry->tz = rarr_cron_zone(entry->zone);
	return true;
}

static bool
is_about_data(const ErrorData *error, void *arg)
{
	return rarr_error_is_about_data(error);
}

/*
 * Find an entry's command and parse when it is due.  A row that was not written
 * by schedule_set(), or a time zone that this server does not have, is the
 * entry's problem.
 */
void
rarr_schedule_check_entry(RarrScheduleEntry *entry)
{
	ErrorData *error;

	if (entry->problem != NULL)
		return;
	entry->def = rarr_schedule_command_find(entry->command);
	if (entry->def == NULL)
		entry->problem = psprintf("unknown command \"%s\"", rarr_clip_text(entry->command, 200));
	else if (!rarr_subtransaction(parse_entry, is_about_data, entry, &error))
		entry->problem = error != NULL ? error->message : "it cannot be parsed";
}

/* Return why no process can log in as the entry's owner, or NULL. */
char *
rarr_schedule_owner_problem(const RarrScheduleEntry *entry)
{
	HeapTuple tuple;
	bool can_login;

	if (entry->def == NULL || entry->def->admin_only)
		return NULL;
	if (!OidIsValid(entry->role))
		return psprintf("its owner, role \"%s\", was dropped", entry->owner);
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(entry->role));
	can_login = HeapTupleIsValid(tuple) && ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return can_login ? NULL : psprintf("its owner, role \"%s\", is not permitted to log in", entry->owner);
}

/*
 * Record up to when an entry's due times are handled.  Returns false, and
 * changes nothing, if they are handled up to then already.
 */
bool
rarr_schedule_advance_state(const char *name, TimestampTz handled_until)
{
	RarrScheduleQuery query = {
		"INSERT INTO researcharr.schedule_state AS s (name, handled_until) VALUES ($1, $2)"
		" ON CONFLICT (name) DO UPDATE SET handled_until = excluded.handled_until"
		" WHERE s.handled_until < excluded.handled_until"};
	RarrScheduleAccess access;
	bool advanced;

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, name);
	rarr_schedule_param(&query, TIMESTAMPTZOID, TimestampTzGetDatum(handled_until), false);
	advanced = rarr_schedule_execute(&query) == 1;
	rarr_schedule_end(&access);
	return advanced;
}

/* What was due up to now does not count any more.  Also if the clock was set back. */
void
rarr_schedule_reset_state(const char *name)
{
	RarrScheduleQuery query = {
		"INSERT INTO researcharr.schedule_state AS s (name, handled_until) VALUES ($1, pg_catalog.clock_timestamp())"
		" ON CONFLICT (name) DO UPDATE SET handled_until = excluded.handled_until"};
	RarrScheduleAccess access;

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, name);
	(void) rarr_schedule_execute(&query);
	rarr_schedule_end(&access);
}

/*
 * Note who the owner of a restored entry is in this cluster.  If there is no
 * such role, a later one of that name is not the owner.
 */
void
rarr_schedule_adopt(RarrScheduleEntry *entry)
{
	RarrScheduleQuery query = {
		"UPDATE researcharr.schedule_entries SET owner_id = $2, system_identifier = $3 WHERE name = $1 AND owner = $4"};
	RarrScheduleAccess access;

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, entry->name);
	rarr_schedule_param(&query, OIDOID, ObjectIdGetDatum(entry->role), false);
	rarr_schedule_param(&query, INT8OID, Int64GetDatum((int64) GetSystemIdentifier()), false);
	rarr_schedule_param_text(&query, entry->owner);
	(void) rarr_schedule_execute(&query);
	rarr_schedule_end(&access);
	entry->is_stale = false;
}
