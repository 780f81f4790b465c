/*
 * schedule_entry.c
 *		The functions that set, change and list entries of the schedule.
 *
 * Who may do what:
 *
 * - A command of admins is theirs, and so are the names of the built-in
 *   entries.  Any other command runs as the role that set the entry, so anybody
 *   who may call schedule_set() may have it run what that role can do anyway.
 *
 * - The owner of an entry, and admins, may pause, resume, run and drop it.  It
 *   still runs as its owner.  An admin who sets somebody else's entry anew
 *   becomes its owner.
 *
 * Each change wakes the task of the schedule when it is committed.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/args.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/text.h"
#include "ops/cron_next.h"
#include "ops/schedule_log.h"
#include "ops/schedule_wake.h"

#define MAX_NAME    100    /* characters */
#define MAX_CRON    1000   /* characters */
#define MAX_ENTRIES 1000   /* set by users */
#define MAX_JSON    100000 /* bytes of arguments as text */
#define SHOWN_BYTES 400    /* of a text in a message */

/* May the current user change the entry? */
static bool
is_mine(const RarrScheduleEntry *entry)
{
	if (rarr_schedule_is_admin(GetUserId()))
		return true;
	return !entry->built_in && OidIsValid(entry->role) && has_privs_of_role(GetUserId(), entry->role) &&
		   (entry->def == NULL || !entry->def->admin_only);
}

/* Read the entry of argument 0, which the current user is about to change. */
static RarrScheduleEntry *
entry_to_change(FunctionCallInfo fcinfo, const char *function)
{
	RarrScheduleEntry *entry;

	RARR_REQUIRE_ARG(0, "name");
	rarr_prevent_read_only(function);
	entry = rarr_schedule_read_entry(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	rarr_schedule_check_entry(entry);
	if (!is_mine(entry))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for schedule entry \"%s\"", entry->name),
				 errdetail(entry->built_in || (entry->def != NULL && entry->def->admin_only) ?
							   "Only admins may change it." :
							   "It is another role's."),
				 errhint("Let its owner or an admin do it.")));
	return entry;
}

static void
check_text(const char *name, const char *value, int most)
{
	int length = pg_mbstrlen(value);

	if (length >= 1 && length <= most)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s has %d characters", name, length),
			 errhint("Give 1 to %d characters.", most)));
}

static void
check_name(const char *name)
{
	static const char *const blanks = " \t\n\r\f\v";
	int length = strlen(name);

	check_text("name", name, MAX_NAME);
	if (strchr(blanks, name[0]) != NULL || strchr(blanks, name[length - 1]) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name begins or ends with white space: \"%s\"", name),
				 errhint("Give a name without it.")));
}

/* Find the command.  Raises 22023 if there is none of this name. */
static const RarrScheduleCommand *
find_command(const char *name)
{
	const RarrScheduleCommand *command = rarr_schedule_command_find(name);

	if (name[strspn(name, " \t\n\r\f\v")] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the command is empty"),
				 errhint("Commands are %s.", rarr_schedule_command_names())));
	if (command == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown command: \"%s\"", rarr_clip_text(name, SHOWN_BYTES)),
				 errhint("Commands are %s. A statement is an argument of sql: {\"sql\": \"...\"}.",
						 rarr_schedule_command_names())));
	return command;
}

/* Check the arguments of a command. */
static void
check_arguments(const RarrScheduleCommand *command, Jsonb *arguments)
{
	int length = strlen(JsonbToCString(NULL, &arguments->root, VARSIZE(arguments)));

	if (!JB_ROOT_IS_OBJECT(arguments))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments is not a JSON object: %s", rarr_jsonb_excerpt(arguments)),
				 errhint("Give an object, or {} for none.")));
	if (length > MAX_JSON)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments has %d bytes as text", length),
				 errhint("Give at most %d bytes; put longer SQL into a function or procedure.", MAX_JSON)));
	if (command->check != NULL)
		command->check(arguments);
	else if (command->run != NULL)
	{
		static const char *const none[] = {NULL};

		rarr_schedule_check_members(command->name, arguments, none);
	}
}

static bool
is_default_name(const char *name)
{
	int n;
	const RarrScheduleDefault *defaults = rarr_schedule_defaults(&n);

	for (int i = 0; i < n; i++)
		if (strcmp(defaults[i].name, name) == 0)
			return true;
	return false;
}

/* Raise 42501 or 28000 unless the current user may set such an entry. */
static void
check_setter(const char *name, const RarrScheduleCommand *command)
{
	RarrScheduleEntry setter = {.role = GetUserId(), .owner = unconstify(char *, rarr_role_name(GetUserId())), .def = command};
	bool admin = rarr_schedule_is_admin(GetUserId());
	List *existing = rarr_schedule_read(name);

	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot set a schedule entry within a security-restricted operation")));
	if (!admin && (command->admin_only || is_default_name(name)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to set schedule entry \"%s\"", name),
				 errdetail(command->admin_only ? "Only admins may use its command." : "The name is that of a built-in entry."),
				 errhint("Let an admin do it.")));
	if (existing != NIL)
	{
		rarr_schedule_check_entry(linitial(existing));
		if (!is_mine(linitial(existing)))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to set schedule entry \"%s\"", name),
					 errdetail("There is one of this name, which is another role's."),
					 errhint("Give another name.")));
	}
	if (rarr_schedule_owner_problem(&setter) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg("role \"%s\" is not permitted to log in", setter.owner),
				 errdetail("Command \"%s\" runs in a process that is logged in as the role that sets the entry.",
						   command->name),
				 errhint("Set the entry as a role with LOGIN.")));
}

/* Write an entry, as the current user's. */
static void
write_entry(const RarrScheduleEntry *entry)
{
	RarrScheduleQuery query = {
		"INSERT INTO researcharr.schedule_entries AS e (name, cron, command, arguments, zone, catch_up, paused, owner,"
		" owner_id, system_identifier) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
		" ON CONFLICT (name) DO UPDATE SET cron = excluded.cron, command = excluded.command,"
		" arguments = excluded.arguments, zone = excluded.zone, catch_up = excluded.catch_up,"
		" paused = excluded.paused, owner = excluded.owner, owner_id = excluded.owner_id,"
		" system_identifier = excluded.system_identifier, updated_at = pg_catalog.clock_timestamp()"};
	RarrScheduleAccess access;
	char *owner = GetUserNameFromId(GetUserId(), false);
	Oid role = GetUserId();

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, entry->name);
	rarr_schedule_param_text(&query, entry->cron);
	rarr_schedule_param_text(&query, entry->command);
	rarr_schedule_param(&query, JSONBOID, JsonbPGetDatum(entry->arguments), false);
	rarr_schedule_param_text(&query, entry->zone);
	rarr_schedule_param(&query, BOOLOID, BoolGetDatum(entry->catch_up), false);
	rarr_schedule_param(&query, BOOLOID, BoolGetDatum(entry->paused), false);
	rarr_schedule_param_text(&query, owner);
	rarr_schedule_param(&query, OIDOID, ObjectIdGetDatum(role), false);
	rarr_schedule_param(&query, INT8OID, Int64GetDatum((int64) GetSystemIdentifier()), false);
	if (rarr_schedule_execute(&query) != 1)
		elog(ERROR, "the entry was not written");
	rarr_schedule_end(&access);
}

/* Raise 54000 if there are as many entries as there may be. */
static void
check_room(void)
{
	RarrScheduleQuery query = {"SELECT FROM researcharr.schedule_entries"};
	RarrScheduleAccess access;
	uint64 n;

	rarr_schedule_begin(&access);
	n = rarr_schedule_execute(&query);
	rarr_schedule_end(&access);
	if (n > MAX_ENTRIES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many schedule entries"),
				 errhint("There can be %d; drop some.", MAX_ENTRIES)));
}

PG_FUNCTION_INFO_V1(researcharr_schedule_set);
PG_FUNCTION_INFO_V1(researcharr_schedule_drop);
PG_FUNCTION_INFO_V1(researcharr_schedule_pause);
PG_FUNCTION_INFO_V1(researcharr_schedule_resume);
PG_FUNCTION_INFO_V1(researcharr_schedule_run);
PG_FUNCTION_INFO_V1(researcharr_schedule_list);

/*
 * schedule_set(name text, cron text, command text, arguments jsonb, zone text,
 *		catch_up boolean) -> timestamptz
 *
 * Makes an entry, or replaces the one of this name; it is not paused then.
 * Returns when it is due first.
 * Errors: 22004 NULL for name, cron or command; 22023 a wrong value; 42501 an
 * entry or a command that is not the current user's; 28000 a role without
 * LOGIN; 54000 too many entries; 25006 a read-only transaction; and what the
 * command raises for its arguments.
 */
Datum
researcharr_schedule_set(PG_FUNCTION_ARGS)
{
	RarrScheduleEntry entry = {.catch_up = true};
	RarrCron cron;
	pg_tz *zone;
	TimestampTz next;
	const RarrScheduleCommand *command;

	RARR_REQUIRE_ARG(0, "name");
	RARR_REQUIRE_ARG(1, "cron");
	RARR_REQUIRE_ARG(2, "command");
	rarr_prevent_read_only("schedule_set()");
	entry.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	entry.cron = text_to_cstring(PG_GETARG_TEXT_PP(1));
	entry.command = text_to_cstring(PG_GETARG_TEXT_PP(2));
	entry.arguments = PG_ARGISNULL(3) ? rarr_jsonb_empty_object() : PG_GETARG_JSONB_P(3);
	entry.catch_up = PG_ARGISNULL(5) || PG_GETARG_BOOL(5);
	check_name(entry.name);
	rarr_cron_parse(entry.cron, &cron);
	check_text("cron", entry.cron, MAX_CRON);
	zone = rarr_cron_zone(PG_ARGISNULL(4) ? "UTC" : text_to_cstring(PG_GETARG_TEXT_PP(4)));
	entry.zone = unconstify(char *, pg_get_timezone_name(zone));
	if (!rarr_cron_next(&cron, zone, GetCurrentTimestamp(), &next))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cron expression \"%s\" never fires in time zone \"%s\"", entry.cron, entry.zone),
				 errhint("The zone's clock skips its times, as at the beginning of daylight saving time.")));
	command = find_command(entry.command);
	check_setter(entry.name, command);
	check_arguments(command, entry.arguments);

	write_entry(&entry);
	check_room();
	rarr_schedule_reset_state(entry.name);
	rarr_schedule_log_cancel(entry.name, "the entry was set anew");
	rarr_schedule_wake_at_commit();
	PG_RETURN_TIMESTAMPTZ(next);
}

/*
 * schedule_drop(name text) -> whether there was an entry to remove
 *
 * A built-in entry that was changed becomes as it was.
 * Errors: 22004 NULL; 42501 another role's entry; 25006 a read-only transaction.
 */
Datum
researcharr_schedule_drop(PG_FUNCTION_ARGS)
{
	RarrScheduleQuery query = {"DELETE FROM researcharr.schedule_entries WHERE name = $1"};
	RarrScheduleAccess access;
	RarrScheduleEntry *entry;
	uint64 n;

	RARR_REQUIRE_ARG(0, "name");
	if (rarr_schedule_read(text_to_cstring(PG_GETARG_TEXT_PP(0))) == NIL)
	{
		rarr_prevent_read_only("schedule_drop()");
		PG_RETURN_BOOL(false);
	}
	entry = entry_to_change(fcinfo, "schedule_drop()");
	if (entry->built_in)
		PG_RETURN_BOOL(false);
	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, entry->name);
	n = rarr_schedule_execute(&query);
	rarr_schedule_end(&access);
	rarr_schedule_reset_state(entry->name);
	rarr_schedule_log_cancel(entry->name, "the entry was dropped");
	rarr_schedule_wake_at_commit();
	PG_RETURN_BOOL(n > 0);
}

/* Pause or resume an entry.  Returns whether that changed it. */
static bool
set_paused(FunctionCallInfo fcinfo, const char *function, bool paused)
{
	RarrScheduleQuery query = {
		"UPDATE researcharr.schedule_entries SET paused = $2, updated_at = pg_catalog.clock_timestamp()"
		" WHERE name = $1 AND paused <> $2"};
	RarrScheduleAccess access;
	RarrScheduleEntry *entry = entry_to_change(fcinfo, function);
	uint64 n = 1;

	if (entry->built_in)
	{
		if (!paused)
			return false;
		entry->paused = true;
		write_entry(entry);
	}
	else
	{
		rarr_schedule_begin(&access);
		rarr_schedule_param_text(&query, entry->name);
		rarr_schedule_param(&query, BOOLOID, BoolGetDatum(paused), false);
		n = rarr_schedule_execute(&query);
		rarr_schedule_end(&access);
	}
	if (n == 0)
		return false;
	rarr_schedule_reset_state(entry->name);
	rarr_schedule_log_cancel(entry->name, "the entry was paused");
	rarr_schedule_wake_at_commit();
	return true;
}

/*
 * schedule_pause(name text) -> whether the entry was not paused before
 *
 * Errors: 22004 NULL; 22023 no such entry; 42501 another role's; 25006 a
 * read-only transaction.
 */
Datum
researcharr_schedule_pause(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(set_paused(fcinfo, "schedule_pause()", true));
}

/* schedule_resume(name text) -> whether the entry was paused before; as schedule_pause() */
Datum
researcharr_schedule_resume(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(set_paused(fcinfo, "schedule_resume()", false));
}

/*
 * schedule_run(name text) -> uuid
 *
 * Requests a run, which starts when the transaction has committed.  Returns its
 * id in schedule_runs: that of a run that waits already, if there is one.
 * Errors: as schedule_pause(), and 55000 if the entry cannot run.
 */
Datum
researcharr_schedule_run(PG_FUNCTION_ARGS)
{
	RarrScheduleEntry *entry = entry_to_change(fcinfo, "schedule_run()");
	const char *problem = entry->problem;
	Datum id;

	if (problem == NULL)
		problem = rarr_schedule_command_idle(entry->def);
	if (problem == NULL)
		problem = rarr_schedule_owner_problem(entry);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("schedule entry \"%s\" cannot run", entry->name),
				 errdetail_internal("%s", problem),
				 errhint("schedule_list() shows which entries can run.")));
	id = rarr_schedule_log_request(entry, "manual", NULL);
	rarr_schedule_wake_at_commit();
	PG_RETURN_DATUM(id);
}

/* Set a value of a row, or NULL if there is none. */
static void
put_text(Datum *value, bool *isnull, const char *text)
{
	*isnull = text == NULL;
	if (text != NULL)
		*value = CStringGetTextDatum(text);
}

/* Add an entry to a result. */
static void
list_entry(ReturnSetInfo *rsinfo, RarrScheduleEntry *entry, TimestampTz now)
{
	Datum values[11] = {0};
	bool nulls[11] = {false};
	const char *problem;
	const char *idle = NULL;
	const char *status = "active";
	TimestampTz since = entry->has_state ? entry->handled_until : now;
	TimestampTz next;

	rarr_schedule_check_entry(entry);
	problem = entry->problem != NULL ? entry->problem : rarr_schedule_owner_problem(entry);
	if (problem == NULL)
		problem = idle = rarr_schedule_command_idle(entry->def);
	if (entry->paused)
		status = "paused";
	else if (problem != NULL)
		status = idle != NULL ? "idle" : "broken";
	put_text(&values[0], &nulls[0], entry->name);
	put_text(&values[1], &nulls[1], entry->cron);
	put_text(&values[2], &nulls[2], entry->zone);
	put_text(&values[3], &nulls[3], entry->command);
	nulls[4] = entry->arguments == NULL || !is_mine(entry);
	values[4] = nulls[4] ? (Datum) 0 : JsonbPGetDatum(entry->arguments);
	values[5] = BoolGetDatum(entry->catch_up);
	put_text(&values[6], &nulls[6], entry->owner);
	values[7] = BoolGetDatum(entry->built_in);
	put_text(&values[8], &nulls[8], status);
	put_text(&values[9], &nulls[9], problem);
	nulls[10] = strcmp(status, "active") != 0 || !rarr_cron_next(&entry->when, entry->tz, since, &next);
	values[10] = nulls[10] ? (Datum) 0 : TimestampTzGetDatum(next);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * schedule_list() -> SETOF (name, cron, zone, command, arguments, catch_up,
 *		owner, built_in, status, problem, next_due)
 *
 * status is active, paused, idle (the command has nothing to do at any time)
 * or broken; problem says why.
 */
Datum
researcharr_schedule_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz now = GetCurrentTimestamp();
	ListCell *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach (lc, rarr_schedule_read(NULL))
		list_entry(rsinfo, lfirst(lc), now);
	PG_RETURN_VOID();
}
