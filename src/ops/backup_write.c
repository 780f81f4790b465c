/*
 * backup_write.c
 *		Write a backup.
 *
 * The server's COPY writes a file for each table, and for each partition of a
 * log, all by one snapshot.  Each file is read again for its SHA-256, and
 * flushed to disk.  All of this happens in a directory with the name of an
 * unfinished backup.  When everything is on disk, the directory gets its name.
 * So a crash leaves a whole backup, or what the next run sweeps.
 *
 * A failed flush is an error and no PANIC, as it would be for the server's own
 * files: the backup is given up, and nothing depends on it.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/table.h"
#include "access/xlog.h"
#include "catalog/pg_attribute.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/schema.h"
#include "base/task.h"
#include "ops/backup_directory.h"
#include "ops/backup_tables.h"
#include "ops/backup_write.h"
#include "ops/schedule_table.h"

/* A relation to write: a table, or a partition of a log. */
typedef struct Source
{
	const RarrBackupTable *table;
	Relation rel;
	List *columns; /* names */
} Source;

/* What the error context says. */
typedef struct Work
{
	const char *name;
	const char *relation; /* NULL: none yet */
} Work;

static void
add_context(void *arg)
{
	const Work *work = arg;

	if (work->relation != NULL)
		errcontext("writing backup \"%s\", table \"%s\"", work->name, work->relation);
	else
		errcontext("writing backup \"%s\"", work->name);
}

/* Names of the columns whose values a file has: those that are not generated. */
static List *
list_columns(Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);
	List *columns = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && att->attgenerated == '\0')
			columns = lappend(columns, pstrdup(NameStr(att->attname)));
	}
	return columns;
}

/*
 * Lock all tables.  What is locked before the snapshot is taken can neither be
 * truncated nor changed in form behind it.
 */
static List *
lock_tables(List *tables)
{
	List *sources = NIL;
	ListCell *lc;
	ListCell *lc2;

	foreach (lc, tables)
	{
		const RarrBackupTable *table = lfirst(lc);
		List *relations = rarr_backup_lock_table(table, AccessShareLock);
		Relation parent = rarr_relation_open(table->name, NoLock);
		List *columns = list_columns(parent);

		table_close(parent, NoLock);
		foreach (lc2, relations)
		{
			Source *source = palloc0(sizeof(Source));

			source->table = table;
			source->rel = lfirst(lc2);
			source->columns = columns;
			sources = lappend(sources, source);
		}
	}
	return sources;
}

/* Names as a list of nodes. */
static List *
as_nodes(List *names)
{
	List *nodes = NIL;
	ListCell *lc;

	foreach (lc, names)
		nodes = lappend(nodes, makeString(lfirst(lc)));
	return nodes;
}

/* The query for the rows of a table under its condition. */
static RawStmt *
make_query(const Source *source, ParseState *pstate)
{
	StringInfoData sql;
	ListCell *lc;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	foreach (lc, source->columns)
		appendStringInfo(&sql, "%s%s", quote_identifier(lfirst(lc)), lnext(source->columns, lc) != NULL ? ", " : "");
	appendStringInfo(&sql, " FROM ONLY %s %s", quote_qualified_identifier(RARR_SCHEMA, source->table->name),
					 source->table->condition);
	pstate->p_sourcetext = sql.data;
	return linitial_node(RawStmt, pg_parse_query(sql.data));
}

/*
 * Copy the rows of a relation into a new file, which only the server's user can
 * read.  Returns how many there were.
 */
static int64
copy_rows(const Source *source, const char *path)
{
	ParseState *pstate = make_parsestate(NULL);
	List *options = list_make1(makeDefElem("encoding", (Node *) makeString(unconstify(char *, GetDatabaseEncodingName())), -1));
	int fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY, S_IRUSR | S_IWUSR);
	CopyToState state;
	int64 rows;

	if (fd < 0 || CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path)));
	if (source->table->condition[0] != '\0')
		state = rarr_begin_copy_to(pstate, NULL, make_query(source, pstate), path, NIL, options);
	else
		state = rarr_begin_copy_to(pstate, source->rel, NULL, path, as_nodes(source->columns), options);
	rows = (int64) DoCopyTo(state);
	EndCopyTo(state);
	free_parsestate(pstate);
	return rows;
}

/* Write a file, read it again, and flush it. */
static RarrBackupFile *
write_file(const Source *source, const char *directory, int number)
{
	RarrBackupFile *file = palloc0(sizeof(RarrBackupFile));
	char *path;
	char *problem;

	file->file = psprintf("%04d.copy", number);
	file->table = source->table->name;
	file->relation = pstrdup(RelationGetRelationName(source->rel));
	file->is_log = source->table->is_log;
	file->columns = source->columns;
	path = psprintf("%s/%s", directory, file->file);
	file->rows = copy_rows(source, path);
	problem = rarr_backup_hash_file(path, true, &file->bytes, file->sha256);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_IO_ERROR),
				 errmsg("could not read what was written: %s", problem)));
	(void) fsync_fname_ext(path, false, false, ERROR);
	pfree(path);
	return file;
}

/* Write all files.  The current user and the settings are those that it takes. */
static void
write_files(RarrManifest *manifest, List *sources, const char *directory, Work *work)
{
	MemoryContext cxt = CurrentMemoryContext;
	MemoryContext file_cxt = AllocSetContextCreate(cxt, "researcharr file of a backup", ALLOCSET_DEFAULT_SIZES);
	int number = 0;
	ListCell *lc;

	foreach (lc, sources)
	{
		const Source *source = lfirst(lc);
		RarrBackupFile *file;

		CHECK_FOR_INTERRUPTS();
		work->relation = RelationGetRelationName(source->rel);
		number++;
		MemoryContextSwitchTo(file_cxt);
		rarr_task_progress(psprintf("backup \"%s\": table %d of %d, \"%s\"", manifest->name, number, list_length(sources),
									work->relation));
		MemoryContextSwitchTo(cxt);
		file = write_file(source, directory, number);
		manifest->files = lappend(manifest->files, file);
		MemoryContextReset(file_cxt);
	}
	work->relation = NULL;
	MemoryContextDelete(file_cxt);
}

/* Take a snapshot, and write all that it shows. */
static void
write_snapshot(RarrManifest *manifest, List *sources, const char *directory, Work *work)
{
	RarrScheduleAccess access;

	rarr_schedule_begin(&access);
	rarr_backup_settings();
	MemoryContextSwitchTo(access.cxt);
	PushActiveSnapshot(GetTransactionSnapshot());
	manifest->created_at = DatumGetCString(
		DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(GetCurrentTimestamp())));
	manifest->lsn = psprintf("%X/%X", LSN_FORMAT_ARGS(GetXLogInsertRecPtr()));
	write_files(manifest, sources, directory, work);
	PopActiveSnapshot();
	rarr_schedule_end(&access);
}

/* before_shmem_exit callback, and after an error: nothing half-made stays. */
static void
remove_unfinished(int code, Datum arg)
{
	rarr_backup_remove_directory(DatumGetCString(arg));
}

/* Give the directory, which is on disk, the backup's name. */
static void
finish(const char *unfinished, const char *folder, const char *name)
{
	char *path = psprintf("%s/%s", folder, name);

	(void) fsync_fname_ext(unfinished, true, false, ERROR);
	if (rename(unfinished, path) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not rename directory \"%s\" to \"%s\": %m", unfinished, path)));
	(void) fsync_fname_ext(folder, true, false, ERROR);
}

/* Write the directory.  What is not finished goes, whatever ends this. */
static void
write_directory(RarrManifest *manifest, List *sources, const char *folder, Work *work)
{
	char *directory = psprintf("%s/%s%s", folder, RARR_BACKUP_UNFINISHED, manifest->name);

	PG_ENSURE_ERROR_CLEANUP(remove_unfinished, CStringGetDatum(directory));
	{
		rarr_backup_make_directory(directory);
		write_snapshot(manifest, sources, directory, work);
		rarr_manifest_write(manifest, directory);
		finish(directory, folder, manifest->name);
	}
	PG_END_ENSURE_ERROR_CLEANUP(remove_unfinished, CStringGetDatum(directory));
}

/*
 * Write a backup into a folder.  The caller holds the lock of backups, and has
 * checked that the folder has no entry of this name.  The transaction is READ
 * COMMITTED.  Returns its manifest.  Errors: those of the file system, and of
 * locks on the tables.
 */
RarrManifest *
rarr_backup_write(const char *name, const char *folder)
{
	RarrManifest *manifest = palloc0(sizeof(RarrManifest));
	Work work = {.name = name};
	ErrorContextCallback context = {error_context_stack, add_context, &work};
	List *tables = rarr_backup_tables();
	List *sources;
	ListCell *lc;

	error_context_stack = &context;
	manifest->name = pstrdup(name);
	manifest->version = rarr_backup_extension_version();
	manifest->encoding = pstrdup(GetDatabaseEncodingName());
	sources = lock_tables(tables);
	write_directory(manifest, sources, folder, &work);
	foreach (lc, sources)
		table_close(((Source *) lfirst(lc))->rel, NoLock);
	error_context_stack = context.previous;
	return manifest;
}
