/*
 * backup_rows.c
 *		Rows of the table backups.
 *
 * EXECUTE on the functions of backups is what a role needs, and not privileges
 * on the table: statements run as its owner (schedule_table.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/text.h"
#include "ops/backup_rows.h"
#include "ops/schedule_table.h"

/* the longest text that says what is wrong with a backup, in bytes */
#define MOST_PROBLEM 2000

/* Return all rows (RarrBackupRow), the oldest first. */
List *
rarr_backup_rows(void)
{
	RarrScheduleQuery query = {
		"SELECT name::text, created_at::timestamptz, extension_version::text, \"rows\"::bigint, bytes::bigint,"
		" manifest_sha256::text, verified_at::timestamptz, verify_error::text, archived_at::timestamptz,"
		" archive_error::text FROM researcharr.backups WHERE name IS NOT NULL ORDER BY created_at, name"};
	RarrScheduleAccess access;
	List *rows = NIL;
	uint64 n;

	rarr_schedule_begin(&access);
	n = rarr_schedule_execute(&query);
	for (uint64 i = 0; i < n; i++)
	{
		RarrBackupRow *row = MemoryContextAllocZero(access.cxt, sizeof(RarrBackupRow));
		MemoryContext old;

		row->name = rarr_schedule_text(&access, i, 1);
		for (int j = 0; j < RARR_BACKUP_COLUMNS; j++)
			row->values[j] = rarr_schedule_datum(&access, i, j + 2, &row->nulls[j]);
		row->is_damaged = !row->nulls[RARR_BACKUP_VERIFY_ERROR];
		old = MemoryContextSwitchTo(access.cxt);
		rows = lappend(rows, row);
		MemoryContextSwitchTo(old);
	}
	rarr_schedule_end(&access);
	return rows;
}

/* Return the SHA-256 of a backup's manifest that the table has; NULL if there is no row. */
char *
rarr_backup_row_manifest(const char *name)
{
	RarrScheduleQuery query = {"SELECT manifest_sha256::text FROM researcharr.backups WHERE name = $1"};
	RarrScheduleAccess access;
	char *sha256 = NULL;

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, name);
	if (rarr_schedule_execute(&query) > 0)
		sha256 = rarr_schedule_text(&access, 0, 1);
	rarr_schedule_end(&access);
	return sha256;
}

/* Add a row for a backup. */
void
rarr_backup_row_add(const RarrManifest *manifest)
{
	RarrScheduleQuery query = {
		"INSERT INTO researcharr.backups (name, created_at, extension_version, lsn, files, \"rows\", bytes, manifest_sha256)"
		" VALUES ($1, $2::timestamptz, $3, $4::pg_lsn, $5, $6, $7, $8)"};
	RarrScheduleAccess access;

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, manifest->name);
	rarr_schedule_param_text(&query, manifest->created_at);
	rarr_schedule_param_text(&query, manifest->version);
	rarr_schedule_param_text(&query, manifest->lsn);
	rarr_schedule_param(&query, INT4OID, Int32GetDatum(list_length(manifest->files)), false);
	rarr_schedule_param(&query, INT8OID, Int64GetDatum(manifest->rows), false);
	rarr_schedule_param(&query, INT8OID, Int64GetDatum(manifest->bytes), false);
	rarr_schedule_param_text(&query, manifest->sha256);
	(void) rarr_schedule_execute(&query);
	rarr_schedule_end(&access);
}

/* Record that a backup was read.  problem: what was wrong, or NULL. */
void
rarr_backup_row_verified(const char *name, const char *problem)
{
	RarrScheduleQuery query = {
		"UPDATE researcharr.backups SET verify_error = $2,"
		" verified_at = CASE WHEN $2 IS NULL THEN clock_timestamp() ELSE verified_at END WHERE name = $1"};
	RarrScheduleAccess access;

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, name);
	rarr_schedule_param_text(&query, problem != NULL ? rarr_clip_text(problem, MOST_PROBLEM) : NULL);
	(void) rarr_schedule_execute(&query);
	rarr_schedule_end(&access);
}

/* Delete a backup's row.  Returns false if there is none. */
bool
rarr_backup_row_delete(const char *name)
{
	RarrScheduleQuery query = {"DELETE FROM researcharr.backups WHERE name = $1"};
	RarrScheduleAccess access;
	bool deleted;

	rarr_schedule_begin(&access);
	rarr_schedule_param_text(&query, name);
	deleted = rarr_schedule_execute(&query) > 0;
	rarr_schedule_end(&access);
	return deleted;
}
