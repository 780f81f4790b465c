/*
 * backup.c
 *		backup_create(), backup_verify(), backup_list(), backup_cleanup() and
 *		backup_drop().
 *
 * A backup is a directory (backup_directory.c) with a manifest
 * (backup_manifest.c), and a row of the table backups (backup_rows.c).  The
 * row is the transaction's; a new directory is there at once, and goes after
 * the commit (backup_drop.c).  So one can be without the other, after a crash
 * or a rollback.  backup_list() shows both, and nobody guesses: a backup
 * without a row gets one when it is verified.
 *
 * EXECUTE is the gate for all of these functions.
 */
#include "postgres.h"

#include <time.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/tuplestore.h"

#include "audit/audit.h"
#include "base/args.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/text.h"
#include "ops/backup.h"
#include "ops/backup_archive.h"
#include "ops/backup_directory.h"
#include "ops/backup_drop.h"
#include "ops/backup_rows.h"
#include "ops/backup_tables.h"
#include "ops/backup_verify.h"
#include "ops/backup_write.h"

/* Is there anything of this name in the folder?  A row can have a name that leads out of it. */
static bool
has_directory(const char *folder, const char *name)
{
	char *problem;

	if (!rarr_backup_name_is_valid(name))
		return false;
	return rarr_backup_directory_exists(psprintf("%s/%s", folder, name), &problem) || problem != NULL;
}

/* A name of which there is no backup: a prefix, the time, and a number if need be. */
static char *
make_name(const char *folder, const char *prefix)
{
	pg_time_t now = (pg_time_t) time(NULL);
	char stamp[32];
	char *name;

	(void) pg_strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H%M%SZ", pg_gmtime(&now));
	name = psprintf("%s%s", prefix, stamp);
	for (int i = 2; has_directory(folder, name) || rarr_backup_row_manifest(name) != NULL; i++)
		name = psprintf("%s%s-%d", prefix, stamp, i);
	return name;
}

/* Raise 42710 if there is a backup of this name, or a part of one. */
static void
check_new_name(const char *folder, const char *name)
{
	rarr_backup_check_name(name);
	if (has_directory(folder, name))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("backup \"%s\" already exists", name),
				 errhint("Choose another name, or drop that backup with backup_drop().")));
	if (rarr_backup_row_manifest(name) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("there is a row in \"%s.backups\" for a backup \"%s\" that has no files", RARR_SCHEMA, name),
				 errhint("Bring the files back, or remove the row with backup_drop().")));
}

/*
 * Raise 25006 in a read-only transaction, and 25001 in one of another level than
 * READ COMMITTED, or, unless it may, in one that has changed something: a backup
 * would have what is not committed.
 */
void
rarr_backup_check_transaction(const char *function, bool may_have_changed)
{
	rarr_prevent_read_only(function);
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s needs a READ COMMITTED transaction", function),
				 errdetail("The snapshot of this transaction is older than the locks that are needed."),
				 errhint("Run SET TRANSACTION ISOLATION LEVEL READ COMMITTED first.")));
	if (!may_have_changed && TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run in a transaction that has changed something", function),
				 errdetail("The backup would have changes that are not committed."),
				 errhint("Commit first, or call it in a transaction of its own.")));
}

/*
 * Make a backup, and its row.  name: NULL for one that begins with the prefix.
 * function: NULL if the caller has checked the transaction.
 * Errors: 25001 a transaction that has changed something, or is not READ
 * COMMITTED; 25006 read-only; 22023 and 42710 the name; those of the directory
 * and of writing.
 */
RarrManifest *
rarr_backup_make(const char *name, const char *prefix, const char *function)
{
	char *folder;
	RarrManifest *manifest;

	if (function != NULL)
		rarr_backup_check_transaction(function, false);
	folder = rarr_backup_folder(true);
	rarr_backup_lock();
	rarr_backup_sweep(folder);
	if (name == NULL)
		name = make_name(folder, prefix);
	check_new_name(folder, name);
	manifest = rarr_backup_write(name, folder);
	rarr_backup_row_add(manifest);
	rarr_backup_archive_wake();
	return manifest;
}

/*
 * Read a backup and record what was found.  manifest_sha256: what the SHA-256 of
 * its manifest should be; NULL for what the table has.  Returns NULL, or what is
 * wrong.  Raises 42704 if there is neither a row nor a directory.
 */
char *
rarr_backup_check(const char *name, const char *manifest_sha256)
{
	const char *expected[2] = {NULL, NULL};
	char *folder = rarr_backup_folder(false);
	RarrManifest *manifest;
	char *problem;

	rarr_backup_lock();
	expected[0] = rarr_backup_row_manifest(name);
	if (expected[0] == NULL && (!has_directory(folder, name) || rarr_backup_is_dropped(folder, name)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no backup \"%s\"", name),
				 errhint("backup_list() shows those that there are.")));
	problem = rarr_backup_read_back(name, folder, expected, &manifest);
	if (problem == NULL && expected[0] == NULL)
		rarr_backup_row_add(manifest);
	rarr_backup_row_verified(name, problem);
	if (problem == NULL && manifest_sha256 != NULL && strcmp(manifest->sha256, manifest_sha256) != 0)
		problem = psprintf("the manifest is another one: its SHA-256 is %s", manifest->sha256);
	return problem;
}

/* Drop a backup.  Returns false if there is none. */
static bool
drop_backup(const char *folder, const char *name)
{
	bool exists = has_directory(folder, name) && !rarr_backup_is_dropped(folder, name);
	bool deleted = rarr_backup_row_delete(name);

	if (exists)
		rarr_backup_drop_at_commit(folder, name);
	if (exists || deleted)
		rarr_audit_event("backup", name, "drop", rarr_jsonb_empty_object());
	return exists || deleted;
}

/*
 * Drop all backups but the last ones.  Those that are known to be damaged, or
 * whose files are missing, do not count.  The latter stay, for somebody to look
 * at.  Returns how many were dropped.
 */
int64
rarr_backup_clean_up(int keep_last)
{
	char *folder = rarr_backup_folder(false);
	int64 dropped = 0;
	int kept = 0;
	List *rows;

	rarr_backup_lock();
	rarr_backup_sweep(folder);
	rows = rarr_backup_rows();
	for (int i = list_length(rows) - 1; i >= 0; i--)
	{
		const RarrBackupRow *row = list_nth(rows, i);

		CHECK_FOR_INTERRUPTS();
		if (!has_directory(folder, row->name))
			continue;
		if (kept >= keep_last)
			dropped += drop_backup(folder, row->name);
		else if (!row->is_damaged)
			kept++;
	}
	return dropped;
}

/* Return a row of values from a function that returns one. */
static Datum
return_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* The argument with a backup's name.  Raises 22004 and 22023. */
static char *
name_arg(FunctionCallInfo fcinfo)
{
	char *name;

	RARR_REQUIRE_ARG(0, "name");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	rarr_backup_check_name(name);
	return name;
}

PG_FUNCTION_INFO_V1(researcharr_backup_create);

/*
 * backup_create(name text) -> (name, manifest_sha256)
 *
 * Errors: those of rarr_backup_make().
 */
Datum
researcharr_backup_create(PG_FUNCTION_ARGS)
{
	char *name = PG_ARGISNULL(0) ? NULL : name_arg(fcinfo);
	RarrManifest *manifest = rarr_backup_make(name, "", "backup_create()");
	Datum values[2] = {CStringGetTextDatum(manifest->name), CStringGetTextDatum(manifest->sha256)};
	bool nulls[2] = {false, false};

	return return_row(fcinfo, values, nulls);
}

PG_FUNCTION_INFO_V1(researcharr_backup_verify);

/*
 * backup_verify(name text, manifest_sha256 text) -> (verified, problem)
 *
 * Errors: 22004 no name; 22023 a name or a SHA-256 that cannot be one; 25006
 * read-only; those of rarr_backup_check().
 */
Datum
researcharr_backup_verify(PG_FUNCTION_ARGS)
{
	char *name = name_arg(fcinfo);
	char *sha256 = PG_ARGISNULL(1) ? NULL : str_tolower(text_to_cstring(PG_GETARG_TEXT_PP(1)), VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(1)), C_COLLATION_OID);
	char *problem;
	Datum values[2];
	bool nulls[2] = {false};

	rarr_prevent_read_only("backup_verify()");
	if (sha256 != NULL && !rarr_sha256_is_text(sha256))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("manifest_sha256 is no SHA-256: \"%s\"", rarr_clip_text(sha256, 200)),
				 errhint("Give the 64 hexadecimal digits that backup_create() returned.")));
	problem = rarr_backup_check(name, sha256);
	values[0] = BoolGetDatum(problem == NULL);
	nulls[1] = problem == NULL;
	values[1] = nulls[1] ? (Datum) 0 : CStringGetTextDatum(problem);
	return return_row(fcinfo, values, nulls);
}

/* Put a row of backup_list() into the result. */
static void
put_row(ReturnSetInfo *rsinfo, const RarrBackupRow *row, const char *status)
{
	Datum values[RARR_BACKUP_COLUMNS + 2];
	bool nulls[RARR_BACKUP_COLUMNS + 2];

	memcpy(values + 2, row->values, sizeof(row->values));
	memcpy(nulls + 2, row->nulls, sizeof(row->nulls));
	values[0] = CStringGetTextDatum(row->name);
	values[1] = CStringGetTextDatum(status);
	nulls[0] = nulls[1] = false;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Has the list, of rows, one of this name? */
static bool
has_row(List *rows, const char *name)
{
	ListCell *lc;

	foreach (lc, rows)
		if (strcmp(((const RarrBackupRow *) lfirst(lc))->name, name) == 0)
			return true;
	return false;
}

PG_FUNCTION_INFO_V1(researcharr_backup_list);

/*
 * backup_list() -> (name, status, created_at, ...)
 *
 * status: "complete", "files missing" or "row missing".  Errors: those of the
 * directory.
 */
Datum
researcharr_backup_list(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *folder = rarr_backup_folder(false);
	List *rows = rarr_backup_rows();
	ListCell *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach (lc, rows)
	{
		const RarrBackupRow *row = lfirst(lc);

		put_row(rsinfo, row, has_directory(folder, row->name) ? "complete" : "files missing");
	}
	foreach (lc, rarr_backup_directories(folder, true))
	{
		RarrBackupRow row = {.name = lfirst(lc)};

		memset(row.nulls, true, sizeof(row.nulls));
		if (!has_row(rows, row.name) && !rarr_backup_is_dropped(folder, row.name))
			put_row(rsinfo, &row, "row missing");
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(researcharr_backup_cleanup);

/*
 * backup_cleanup(keep_last int) -> bigint
 *
 * keep_last: from 1 on; NULL for 10.  Errors: 22023; 25006 read-only; those of
 * the directory.
 */
Datum
researcharr_backup_cleanup(PG_FUNCTION_ARGS)
{
	int keep_last = PG_ARGISNULL(0) ? 10 : PG_GETARG_INT32(0);

	rarr_prevent_read_only("backup_cleanup()");
	if (keep_last < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep_last must be at least 1, not %d", keep_last),
				 errhint("Use backup_drop() to remove a backup.")));
	PG_RETURN_INT64(rarr_backup_clean_up(keep_last));
}

PG_FUNCTION_INFO_V1(researcharr_backup_drop);

/*
 * backup_drop(name text) -> whether there was such a backup
 *
 * Errors: 22004 no name; 22023 a name that cannot be one; 25006 read-only; those
 * of the directory.
 */
Datum
researcharr_backup_drop(PG_FUNCTION_ARGS)
{
	char *name = name_arg(fcinfo);
	char *folder;

	rarr_prevent_read_only("backup_drop()");
	folder = rarr_backup_folder(false);
	rarr_backup_lock();
	PG_RETURN_BOOL(drop_backup(folder, name));
}
