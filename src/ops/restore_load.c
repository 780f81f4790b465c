/*
 * restore_load.c
 *		Replace the rows of a table by those in files of a backup.
 *
 * As TRUNCATE does, this gives the table a new file and leaves the old one to
 * the end of the transaction.  The server's COPY parses the rows.  They are put
 * into the table in bulk, without its indexes, which are built afterwards.
 * Constraints of the table hold, defaults fill columns that the backup does not
 * have, and generated columns are computed.  No trigger fires, as in a restored
 * dump; restore.c checks foreign keys at the end.
 *
 * Rows of a log are appended as the extension appends them (base/append.c),
 * which finds their partitions.
 *
 * The SHA-256 of what is read is compared once more: what is loaded is what was
 * verified.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/copy.h"
#include "commands/progress.h"
#include "commands/tablecmds.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "pgstat.h"
#include "utils/backend_progress.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "base/append.h"
#include "base/column.h"
#include "base/compat.h"
#include "base/schema.h"
#include "base/task.h"
#include "job/job.h"
#include "ops/log_month.h"
#include "ops/restore_load.h"

/* rows that are inserted together */
#define BATCH       1000
#define BATCH_BYTES (1024 * 1024)

/* A file that is being loaded. */
typedef struct Load
{
	const RarrBackupFile *file;
	const char *path;
	Relation rel; /* the table, or the log */
	CopyFromState copy;
	EState *estate;
	ResultRelInfo *rri; /* of a table */
	int fence;          /* the attempt of jobs */
	bool is_jobs;
	int64 rows;
} Load;

/* COPY's callback has no argument */
static RarrBackupReader source;
static const char *source_path;

/* COPY's callback: read at least minread bytes, or to the end of the file. */
static int
read_source(void *buffer, int minread, int maxread)
{
	int done = 0;

	while (done < maxread && (done == 0 || done < minread))
	{
		ssize_t n = rarr_backup_read(&source, (char *) buffer + done, maxread - done);

		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", source_path)));
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static void refuse_foreign_domain(Relation rel, Form_pg_attribute att, Oid type);

/* Check a domain: its owner, and the type that it is based on. */
static void
check_domain(Relation rel, Form_pg_attribute att, Oid type)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Oid owner;
	Oid base;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type);
	owner = ((Form_pg_type) GETSTRUCT(tuple))->typowner;
	base = ((Form_pg_type) GETSTRUCT(tuple))->typbasetype;
	ReleaseSysCache(tuple);
	if (owner != GetUserId() && !superuser_arg(owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("column \"%s\" of table \"%s\" has a domain of another role", NameStr(att->attname),
						RelationGetRelationName(rel)),
				 errdetail("Its checks would run with the rights of the extension's owner."),
				 errhint("Let the extension's owner own the domain.")));
	refuse_foreign_domain(rel, att, base);
}

/*
 * Raise 42501 if the column's type is, or contains, a domain of a role that is
 * neither the owner of the extension nor a superuser: its checks would run with
 * the owner's rights.  type: the column's, or a part of it.
 */
static void
refuse_foreign_domain(Relation rel, Form_pg_attribute att, Oid type)
{
	Oid element = get_element_type(type);
	TupleDesc desc;

	check_stack_depth();
	if (OidIsValid(element))
	{
		refuse_foreign_domain(rel, att, element);
		return;
	}
	switch (get_typtype(type))
	{
		case TYPTYPE_DOMAIN:
			check_domain(rel, att, type);
			break;
		case TYPTYPE_COMPOSITE:
			desc = lookup_rowtype_tupdesc_copy(type, -1);
			for (int i = 0; i < desc->natts; i++)
				if (!TupleDescAttr(desc, i)->attisdropped)
					refuse_foreign_domain(rel, att, TupleDescAttr(desc, i)->atttypid);
			break;
		case TYPTYPE_RANGE:
			refuse_foreign_domain(rel, att, get_range_subtype(type));
			break;
		case TYPTYPE_MULTIRANGE:
			refuse_foreign_domain(rel, att, get_multirange_range(type));
			break;
	}
}

/*
 * Raise 42703 if the table lacks a column of the file, 42P10 if it generates
 * it, and 42501 for a domain of another role.
 */
static void
check_file_columns(Relation rel, const RarrBackupFile *file)
{
	TupleDesc desc = RelationGetDescr(rel);
	ListCell *lc;

	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			refuse_foreign_domain(rel, TupleDescAttr(desc, i), TupleDescAttr(desc, i)->atttypid);

	foreach (lc, file->columns)
	{
		const char *name = lfirst(lc);
		AttrNumber attnum = rarr_find_column(RelationGetDescr(rel), name);

		if (attnum == 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the backup has a column \"%s\", which table \"%s\" does not have", name, RelationGetRelationName(rel)),
					 errhint("Add the column, of the type that it had, and restore again.")));
		if (TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attgenerated != '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_REFERENCE),
					 errmsg("the backup has a column \"%s\", which table \"%s\" generates", name, RelationGetRelationName(rel)),
					 errhint("Make it a plain column, and restore again.")));
	}
}

/* Open the file and begin to parse it. */
static void
begin_load(Load *load, const char *encoding)
{
	ParseState *pstate = make_parsestate(NULL);
	List *columns = NIL;
	List *options = list_make1(makeDefElem("encoding", (Node *) makeString(pstrdup(encoding)), -1));
	ListCell *lc;
	char *problem;

	check_file_columns(load->rel, load->file);
	foreach (lc, load->file->columns)
		columns = lappend(columns, makeString(lfirst(lc)));
	if (!rarr_backup_read_begin(&source, load->path, &problem))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("%s", problem)));
	source_path = load->path;
	(void) addRangeTableEntryForRelation(pstate, load->rel, RowExclusiveLock, NULL, false, false);
	load->copy = BeginCopyFrom(pstate, load->rel, NULL, NULL, false, read_source, columns, options);
	load->estate = CreateExecutorState();
	load->estate->es_output_cid = GetCurrentCommandId(true);
}

/* Close the file, which must have been what the manifest says. */
static void
end_load(Load *load)
{
	char sha256[RARR_SHA256_TEXT];
	int64 bytes = source.bytes;

	EndCopyFrom(load->copy);
	FreeExecutorState(load->estate);
	rarr_backup_read_end(&source, sha256);
	if (bytes != load->file->bytes || strcmp(sha256, load->file->sha256) != 0 || load->rows != load->file->rows)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("file \"%s\" was changed while it was restored", load->path)));
}

/* Count a row, for the server's view of progress. */
static void
count_row(Load *load)
{
	load->rows++;
	if (load->rows % BATCH == 0)
		pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, load->rows);
}

/* Prepare to check constraints and to compute columns of a table's rows. */
static void
make_result_relation(Load *load)
{
	rarr_init_range_table(load->estate, load->rel, list_make1(NULL));
	load->rri = makeNode(ResultRelInfo);
	InitResultRelInfo(load->rri, load->rel, 1, NULL, 0);
	load->estate->es_result_relations = NULL;
}

/* Parse a row into the slot, complete it and check it.  Returns false at the end. */
static bool
next_row(Load *load, TupleTableSlot *slot)
{
	TupleConstr *constr = RelationGetDescr(load->rel)->constr;

	ExecClearTuple(slot);
	if (!NextCopyFrom(load->copy, GetPerTupleExprContext(load->estate), slot->tts_values, slot->tts_isnull))
		return false;
	if (load->is_jobs)
		rarr_job_fence(slot, load->fence);
	ExecStoreVirtualTuple(slot);
	slot->tts_tableOid = RelationGetRelid(load->rel);
	if (constr != NULL && constr->has_generated_stored)
		ExecComputeStoredGenerated(load->rri, load->estate, slot, CMD_INSERT);
	if (constr != NULL)
		ExecConstraints(load->rri, slot, load->estate);
	/* the values are in memory of this row */
	ExecMaterializeSlot(slot);
	count_row(load);
	return true;
}

static void
insert_batch(Load *load, TupleTableSlot **slots, int n, BulkInsertState bistate)
{
	if (n > 0)
		table_multi_insert(load->rel, slots, n, load->estate->es_output_cid, TABLE_INSERT_SKIP_FSM, bistate);
}

/* Put the rows of a file into a table that has no index entries yet. */
static void
load_rows(Load *load)
{
	TupleTableSlot **slots = palloc0(BATCH * sizeof(TupleTableSlot *));
	BulkInsertState bistate = GetBulkInsertState();
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "researcharr restored rows", ALLOCSET_DEFAULT_SIZES);
	MemoryContext row = GetPerTupleMemoryContext(load->estate);
	MemoryContext old;
	int64 began = 0;
	int n = 0;
	bool more = true;

	make_result_relation(load);
	while (more)
	{
		CHECK_FOR_INTERRUPTS();
		if (slots[n] == NULL)
			slots[n] = table_slot_create(load->rel, NULL);
		ResetPerTupleExprContext(load->estate);
		old = MemoryContextSwitchTo(row);
		more = next_row(load, slots[n]);
		MemoryContextSwitchTo(old);
		n += more;
		if (n == BATCH || source.bytes - began > BATCH_BYTES || !more)
		{
			old = MemoryContextSwitchTo(batch);
			insert_batch(load, slots, n, bistate);
			MemoryContextSwitchTo(old);
			MemoryContextReset(batch);
			began = source.bytes;
			n = 0;
		}
	}
	FreeBulkInsertState(bistate);
	for (int i = 0; i < BATCH && slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	table_finish_bulk_insert(load->rel, TABLE_INSERT_SKIP_FSM);
	MemoryContextDelete(batch);
	pfree(slots);
}

/* Append the rows of a file to a log.  The first column is the partition key. */
static void
append_rows(Load *load)
{
	TupleDesc desc = RelationGetDescr(load->rel);
	int n = list_length(load->file->columns);
	RarrAppendColumn *columns = palloc0(n * sizeof(RarrAppendColumn));
	AttrNumber *attnums = palloc(n * sizeof(AttrNumber));
	Datum *values = palloc(desc->natts * sizeof(Datum));
	bool *nulls = palloc(desc->natts * sizeof(bool));
	Datum *row_values = palloc(n * sizeof(Datum));
	bool *row_nulls = palloc(n * sizeof(bool));
	RarrAppend *append;
	bool more = true;

	for (int i = 0; i < n; i++)
	{
		columns[i].name = list_nth(load->file->columns, i);
		attnums[i] = rarr_find_column(desc, columns[i].name);
		columns[i].type = TupleDescAttr(desc, attnums[i] - 1)->atttypid;
	}
	append = rarr_append_begin(RelationGetRelationName(load->rel), columns, n);
	while (more)
	{
		MemoryContext old = MemoryContextSwitchTo(GetPerTupleMemoryContext(load->estate));

		CHECK_FOR_INTERRUPTS();
		more = NextCopyFrom(load->copy, GetPerTupleExprContext(load->estate), values, nulls);
		for (int i = 0; more && i < n; i++)
		{
			row_values[i] = values[attnums[i] - 1];
			row_nulls[i] = nulls[attnums[i] - 1];
		}
		if (more)
		{
			rarr_append_row(append, row_values, row_nulls);
			count_row(load);
		}
		MemoryContextSwitchTo(old);
		ResetPerTupleExprContext(load->estate);
	}
	(void) rarr_append_end(append);
}

/* Give a relation a new, empty file, and its TOAST table, too. */
static void
empty_relation(Relation rel, bool with_indexes)
{
	Oid toast = rel->rd_rel->reltoastrelid;

	CheckTableNotInUse(rel, "backup_restore()");
	rarr_set_new_file(rel);
	if (OidIsValid(toast))
	{
		Relation toast_rel = table_open(toast, AccessExclusiveLock);

		rarr_set_new_file(toast_rel);
		table_close(toast_rel, NoLock);
		rarr_reindex(toast, 0);
	}
	if (with_indexes)
		rarr_reindex(RelationGetRelid(rel), 0);
	pgstat_count_truncate(rel);
	CommandCounterIncrement();
}

/* Load a file. */
static int64
load_one(const RarrRestoreTable *target, const RarrBackupFile *file, const char *directory, const char *encoding, int fence)
{
	Load load = {.file = file, .fence = fence};

	load.path = psprintf("%s/%s", directory, file->file);
	load.rel = rarr_relation_open(target->table->name, NoLock);
	load.is_jobs = strcmp(target->table->name, "processing_jobs") == 0;
	if (load.is_jobs)
		rarr_jobs_check_restore(load.rel);
	begin_load(&load, encoding);
	if (target->table->is_partitioned)
		append_rows(&load);
	else
		load_rows(&load);
	end_load(&load);
	table_close(load.rel, NoLock);
	CommandCounterIncrement();
	return load.rows;
}

/*
 * Replace the rows of a table.  The caller has it locked, and has set the user
 * and the settings.  directory: the backup's.  fence: the attempt that jobs get.
 * Returns the number of rows.  Errors: 42703 for a column that the table does
 * not have; XX001 for a file that is not as the manifest says; those of
 * constraints and of input functions.
 */
int64
rarr_restore_table(const RarrRestoreTable *target, const char *directory, const char *encoding, int fence)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr restored table", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	int64 rows = 0;
	ListCell *lc;

	rarr_task_progress(psprintf("restoring table \"%s\"", target->table->name));
	foreach (lc, target->relations)
		empty_relation(lfirst(lc), target->table->is_partitioned);
	if (target->table->is_partitioned)
		rarr_month_drop_constraints(get_default_partition_oid(target->table->relid));
	foreach (lc, target->files)
		rows += load_one(target, lfirst(lc), directory, encoding, fence);
	if (!target->table->is_partitioned)
		rarr_reindex(target->table->relid, REINDEX_REL_CHECK_CONSTRAINTS);
	CommandCounterIncrement();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
	return rows;
}
