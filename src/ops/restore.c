/*
 * restore.c
 *		backup_restore(): replace the extension's data by a backup's.
 *
 * Everything happens in the caller's transaction, who can look at the result and
 * roll it back.  In this order:
 *
 * 1. The backup is read and verified, without any lock on tables.
 * 2. The tables are locked, so that nobody writes any more.
 * 3. The present state is backed up, with all that was committed until then.
 * 4. The tables are emptied and loaded (restore_load.c).
 * 5. Foreign keys are checked (restore_keys.c).
 * 6. What is remembered of the old rows is forgotten, when the transaction
 *    commits: the agenda's bounds, limits, statistics, policies, the cache.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "audit/audit.h"
#include "base/args.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/text.h"
#include "job/job.h"
#include "ops/backup.h"
#include "ops/backup_directory.h"
#include "ops/backup_rows.h"
#include "ops/backup_tables.h"
#include "ops/backup_verify.h"
#include "ops/log_partition.h"
#include "ops/restore_fence.h"
#include "ops/restore_keys.h"
#include "ops/restore_load.h"
#include "ops/schedule_table.h"
#include "ops/schedule_wake.h"

#define SAFETY_PREFIX "before-restore-"

/* A restore. */
typedef struct Restore
{
	const char *name;
	const char *directory;
	const char *folder;
	RarrManifest *manifest;
	List *targets;       /* of RarrRestoreTable, in the order of locks */
	const char *locking; /* the table that is being locked, or NULL */
	char *safety;        /* the name of the backup of what is replaced, or NULL */
	int64 rows;
} Restore;

/* Error context callback. */
static void
add_context(void *arg)
{
	const Restore *restore = arg;

	if (restore->locking != NULL)
		errcontext("locking table \"%s\", to restore backup \"%s\"", restore->locking, restore->name);
	else
		errcontext("restoring backup \"%s\"", restore->name);
}

/* Is the first version, such as "1.10", higher than the second one? */
static bool
is_newer(const char *a, const char *b)
{
	char *enda;
	char *endb;
	long x = strtol(a, &enda, 10);
	long y = strtol(b, &endb, 10);

	if (x != y)
		return x > y;
	return *enda == '.' && (*endb != '.' || is_newer(enda + 1, endb + 1));
}

/* Read the backup, which must be whole, and no newer than the extension. */
static void
read_backup(Restore *restore)
{
	const char *expected[2] = {rarr_backup_row_manifest(restore->name), NULL};
	char *version = rarr_backup_extension_version();
	char *problem;

	if (expected[0] == NULL && !rarr_backup_directory_exists(restore->directory, &problem) && problem == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no backup \"%s\"", restore->name),
				 errhint("backup_list() shows those that there are.")));
	problem = rarr_backup_read_back(restore->name, restore->folder, expected, &restore->manifest);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("backup \"%s\" is damaged", restore->name),
				 errdetail("%s.", problem),
				 errhint("Nothing was changed. Restore another backup, or get this one from where it was archived.")));
	if (is_newer(restore->manifest->version, version))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("backup \"%s\" is of version %s of the extension, which is newer than %s", restore->name,
						restore->manifest->version, version),
				 errhint("Run ALTER EXTENSION researcharr UPDATE first.")));
}

/* The files of a table. */
static List *
files_of(const RarrManifest *manifest, const char *table)
{
	List *files = NIL;
	ListCell *lc;

	foreach (lc, manifest->files)
		if (strcmp(((const RarrBackupFile *) lfirst(lc))->table, table) == 0)
			files = lappend(files, lfirst(lc));
	return files;
}

/* Is the name in the list, or, without a list, is the table not a log? */
static bool
is_wanted(List *names, const char *table, bool is_log)
{
	ListCell *lc;

	if (names == NIL)
		return !is_log;
	foreach (lc, names)
		if (strcmp(lfirst(lc), table) == 0)
			return true;
	return false;
}

static const RarrBackupTable *
find_table(List *tables, const char *name)
{
	ListCell *lc;

	foreach (lc, tables)
		if (strcmp(((const RarrBackupTable *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

/* Raise 42P01 for a name of which the backup, or this database, has no table. */
static void
check_names(const Restore *restore, List *tables, List *names)
{
	ListCell *lc;

	foreach (lc, names)
		if (files_of(restore->manifest, lfirst(lc)) == NIL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("backup \"%s\" has no table \"%s\"", restore->name, rarr_clip_text(lfirst(lc), 200)),
					 errhint("Give names of the extension's tables, without the schema.")));
	foreach (lc, restore->manifest->files)
	{
		const RarrBackupFile *file = lfirst(lc);

		if (is_wanted(names, file->table, file->is_log) && find_table(tables, file->table) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("backup \"%s\" has a table \"%s\", which this database does not have", restore->name,
							rarr_clip_text(file->table, 200)),
					 errhint("Name the tables to restore.")));
	}
}

/* Choose the tables.  names: those that the caller named, or NIL. */
static void
choose_tables(Restore *restore, List *names)
{
	List *tables = rarr_backup_tables();
	ListCell *lc;

	check_names(restore, tables, names);
	foreach (lc, tables)
	{
		const RarrBackupTable *table = lfirst(lc);
		List *files = files_of(restore->manifest, table->name);

		if (files != NIL && is_wanted(names, table->name, table->is_log))
		{
			RarrRestoreTable *target = palloc0(sizeof(RarrRestoreTable));

			target->table = table;
			target->files = files;
			restore->targets = lappend(restore->targets, target);
		}
	}
}

/* Lock the tables against everybody. */
static void
lock_tables(Restore *restore)
{
	ListCell *lc;

	restore->locking = "retention_rules";
	rarr_log_exclude_tasks();
	foreach (lc, restore->targets)
	{
		RarrRestoreTable *target = lfirst(lc);

		restore->locking = target->table->name;
		target->relations = rarr_backup_lock_table(target->table, AccessExclusiveLock);
	}
	restore->locking = NULL;
}

static bool
restores(const Restore *restore, const char *table)
{
	ListCell *lc;

	foreach (lc, restore->targets)
		if (strcmp(((const RarrRestoreTable *) lfirst(lc))->table->name, table) == 0)
			return true;
	return false;
}

/* Replace the rows of all tables. */
static void
replace_rows(Restore *restore, int fence)
{
	RarrScheduleAccess access;
	List *relids = NIL;
	ListCell *lc;
	ListCell *lc2;

	rarr_schedule_begin(&access);
	rarr_backup_settings();
	MemoryContextSwitchTo(access.cxt);
	foreach (lc, restore->targets)
	{
		const RarrRestoreTable *target = lfirst(lc);

		restore->rows += rarr_restore_table(target, restore->directory, restore->manifest->encoding, fence);
		relids = lappend_oid(relids, target->table->relid);
		foreach (lc2, target->relations)
			table_close(lfirst(lc2), NoLock);
	}
	rarr_schedule_end(&access);
	rarr_restore_check_keys(relids);
}

/* What is remembered of the old rows is forgotten. */
static void
forget(const Restore *restore)
{
	RarrScheduleQuery query = {"SELECT researcharr.cache_clear()"};
	RarrScheduleAccess access;

	if (restores(restore, "processing_jobs"))
		rarr_jobs_replaced();
	if (restores(restore, "job_types"))
	{
		Relation rel = rarr_relation_open("job_types", NoLock);

		rarr_job_types_replaced(rel);
		table_close(rel, NoLock);
	}
	if (restores(restore, "schedule_entries"))
		rarr_schedule_wake_at_commit();
	rarr_schedule_begin(&access);
	(void) rarr_schedule_execute(&query);
	rarr_schedule_end(&access);
}

/* What goes into the audit log. */
static Jsonb *
describe(const Restore *restore)
{
	JsonbParseState *state = NULL;
	JsonbValue value;
	ListCell *lc;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	rarr_json_set_string(&value, "tables", strlen("tables"));
	pushJsonbValue(&state, WJB_KEY, &value);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach (lc, restore->targets)
	{
		const char *name = ((const RarrRestoreTable *) lfirst(lc))->table->name;

		rarr_json_set_string(&value, name, strlen(name));
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	rarr_json_put_int(&state, "rows", restore->rows);
	if (restore->safety != NULL)
		rarr_json_put_text(&state, "safety_backup", restore->safety);
	rarr_json_put_text(&state, "manifest_sha256", restore->manifest->sha256);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Restore.  The arguments are checked. */
static void
run(Restore *restore, List *names, bool safety)
{
	int fence = 0;

	restore->folder = rarr_backup_folder(false);
	restore->directory = psprintf("%s/%s", restore->folder, restore->name);
	rarr_backup_lock();
	read_backup(restore);
	choose_tables(restore, names);
	if (restores(restore, "processing_jobs"))
		fence = rarr_fence_of_history();
	lock_tables(restore);
	if (safety)
		restore->safety = rarr_backup_make(NULL, SAFETY_PREFIX, NULL)->name;
	if (restores(restore, "processing_jobs"))
		fence = rarr_fence_raise(fence);
	replace_rows(restore, fence);
	forget(restore);
	rarr_audit_event("backup", restore->name, "restore", describe(restore));
}

/* The argument tables as a list of names; NIL for NULL.  Raises 22004 and 22023. */
static List *
names_arg(FunctionCallInfo fcinfo)
{
	List *names = NIL;
	Datum *elements;
	bool *nulls;
	int n;

	if (PG_ARGISNULL(1))
		return NIL;
	elements = rarr_array_argument(fcinfo, 1, "tables", TEXTOID, true, &nulls, &n);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tables must not be empty"),
				 errhint("NULL stands for all tables but the logs.")));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("tables must not hold null"),
					 errhint("Give names of tables.")));
		names = lappend(names, TextDatumGetCString(elements[i]));
	}
	return names;
}

PG_FUNCTION_INFO_V1(researcharr_backup_restore);

/*
 * backup_restore(name text, tables text[], safety boolean)
 *		-> (safety_backup, restored_tables, restored_rows)
 *
 * tables: NULL for all but the logs.  safety: NULL for true.
 * Errors: 22004 and 22023 arguments; 25006 read-only; 25001 not READ COMMITTED,
 * or, with safety, a transaction that has changed something; 42704 no such
 * backup; XX001 a damaged one; 0A000 one of a newer version; 42P01 no such
 * table; 42703 no such column; 55P03 lock_timeout; 23503 rows that miss those
 * of a table that is not restored; those of the directory and of constraints.
 */
Datum
researcharr_backup_restore(PG_FUNCTION_ARGS)
{
	Restore restore = {0};
	ErrorContextCallback context = {error_context_stack, add_context, &restore};
	bool safety = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
	List *names;
	TupleDesc desc;
	Datum values[3];
	bool nulls[3] = {false};
	char *name;

	RARR_REQUIRE_ARG(0, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	rarr_backup_check_name(name);
	restore.name = name;
	names = names_arg(fcinfo);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rarr_backup_check_transaction("backup_restore()", !safety);

	error_context_stack = &context;
	run(&restore, names, safety);
	error_context_stack = context.previous;
	nulls[0] = restore.safety == NULL;
	values[0] = nulls[0] ? (Datum) 0 : CStringGetTextDatum(restore.safety);
	values[1] = Int32GetDatum(list_length(restore.targets));
	values[2] = Int64GetDatum(restore.rows);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}
