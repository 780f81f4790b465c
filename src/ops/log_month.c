/*
 * log_month.c
 *		The partition of a month of a log, and the steps towards it.
 *
 * A partition is an ordinary table, and no member of the extension, so that
 * pg_dump dumps it.  It is made aside, like the DEFAULT partition, and then
 * attached.
 *
 * The server reads the DEFAULT partition, under an ACCESS EXCLUSIVE lock, to see
 * that it has no rows of the new one, unless a constraint says so.  So there can
 * be such a constraint on it for a while: added without a look at the rows,
 * validated beside others who write, and dropped when the partition is attached.
 *
 * Functions that take a month need SPI, which is connected.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/default_privileges.h"
#include "base/foreign_code.h"
#include "base/schema.h"
#include "ops/log_month.h"

/* A name of our schema that no relation has: this one, or with a number. */
static char *
free_name(const char *wanted)
{
	char *name = pstrdup(wanted);

	for (int i = 2; OidIsValid(rarr_find_relation(name)); i++)
		name = psprintf("%s_%d", wanted, i);
	return name;
}

/* The columns of a table into which rows can be copied. */
static char *
list_columns(Oid table)
{
	Relation rel = table_open(table, AccessShareLock);
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < RelationGetDescr(rel)->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);

		if (!column->attisdropped && !column->attgenerated)
			appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "", quote_identifier(NameStr(column->attname)));
	}
	table_close(rel, AccessShareLock);
	return list.data;
}

static char *
qualified_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

RarrMonth *
rarr_month_make(const RarrLog *log, Oid fallback, TimestampTz at, int offset)
{
	RarrMonth *month = palloc0(sizeof(RarrMonth));
	char suffix[8];

	month->log = log;
	rarr_month_of(at, offset, &month->range, suffix);
	month->fallback_oid = fallback;
	month->fallback = qualified_name(fallback);
	month->name = free_name(psprintf("%s_%s", log->name, suffix));
	month->partition = quote_qualified_identifier(RARR_SCHEMA, month->name);
	month->constraint = psprintf(RARR_MONTH_CONSTRAINT "%s", suffix);
	month->columns = list_columns(fallback);
	return month;
}

/* The condition that an id is in the range. */
static char *
in_range(const RarrIdRange *range)
{
	return psprintf("id OPERATOR(pg_catalog.>=) '%s'::pg_catalog.uuid AND id OPERATOR(pg_catalog.<) '%s'::pg_catalog.uuid",
					rarr_uuid_text(&range->first), rarr_uuid_text(&range->end));
}

/* How many rows of the range are in the DEFAULT partition: at most one too many. */
uint64
rarr_month_count_few(const RarrMonth *month)
{
	rarr_maintenance_execute(psprintf("SELECT FROM ONLY %s WHERE %s LIMIT %d", month->fallback,
									  in_range(&month->range), RARR_FEW_ROWS + 1),
							 SPI_OK_SELECT);
	return SPI_processed;
}

static void
drop_constraint(const RarrMonth *month, const char *table, const char *constraint)
{
	rarr_maintenance_execute(psprintf("ALTER TABLE ONLY %s DROP CONSTRAINT IF EXISTS %s", table,
									  quote_identifier(constraint)),
							 SPI_OK_UTILITY);
}

/* The new table has copies of constraints like ours: drop them. */
static void
drop_copies(const RarrMonth *month)
{
	SPITupleTable *names;
	uint64 n;

	rarr_maintenance_execute(psprintf("SELECT conname FROM pg_catalog.pg_constraint WHERE conrelid OPERATOR(pg_catalog.=) %u "
									  "AND pg_catalog.starts_with(conname::pg_catalog.text, '" RARR_MONTH_CONSTRAINT "')",
									  rarr_relation_oid(month->name)),
							 SPI_OK_SELECT);
	names = SPI_tuptable;
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
		drop_constraint(month, month->partition, SPI_getvalue(names->vals[i], names->tupdesc, 1));
}

/*
 * Drop the constraints of months that have no partition yet, because rows of
 * these months come back to the DEFAULT partition.  The tasks make them anew.
 * The caller has it locked against everybody, and may have it open.
 */
void
rarr_month_drop_constraints(Oid fallback)
{
	Relation rel = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	ObjectAddresses *objects = new_object_addresses();

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(fallback));
	scan = systable_beginscan(rel, ConstraintRelidTypidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint constraint = (Form_pg_constraint) GETSTRUCT(tuple);
		ObjectAddress object = {ConstraintRelationId, constraint->oid, 0};

		if (constraint->contype == CONSTRAINT_CHECK &&
			strncmp(NameStr(constraint->conname), RARR_MONTH_CONSTRAINT, strlen(RARR_MONTH_CONSTRAINT)) == 0)
			add_exact_object_address(&object, objects);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	performMultipleDeletions(objects, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	free_object_addresses(objects);
	CommandCounterIncrement();
}

/* Make the partition's table, with all that the DEFAULT partition has. */
void
rarr_month_create(const RarrMonth *month)
{
	rarr_maintenance_execute(psprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)", month->partition, month->fallback),
							 SPI_OK_UTILITY);
	rarr_revoke_from_others(rarr_relation_oid(month->name));
	drop_copies(month);
	rarr_maintenance_execute(psprintf("CREATE TRIGGER researcharr_guard_truncate BEFORE TRUNCATE ON %s "
									  "FOR EACH STATEMENT EXECUTE FUNCTION researcharr.log_guard()",
									  month->partition),
							 SPI_OK_UTILITY);
	rarr_maintenance_execute(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER researcharr_guard_truncate", month->partition),
							 SPI_OK_UTILITY);
}

/*
 * Lock the DEFAULT partition against everybody, and the log before it if rows
 * move.  Otherwise a statement that was planned before the new partition was
 * attached, and that waits for the DEFAULT partition, would find these rows in
 * neither.  Raises 55P03 without the locks.
 */
void
rarr_month_lock(const RarrMonth *month, bool rows_move)
{
	char *log = quote_qualified_identifier(RARR_SCHEMA, month->log->name);

	if (rows_move)
		rarr_maintenance_lock(log, true);
	rarr_maintenance_lock(month->fallback, !rows_move);
	if (!rows_move && rarr_month_count_few(month) > 0)
		rarr_maintenance_lock(log, false);
}

/*
 * Move the rows of the range from the DEFAULT partition to the new table.  Raises
 * 42501 if that would run another role's code.  What was found before about that
 * does not count: a trigger can have been created since.
 */
void
rarr_month_move_rows(const RarrMonth *month)
{
	Relation fallback = table_open(month->fallback_oid, RowExclusiveLock);

	rarr_refuse_foreign_code(fallback);
	table_close(fallback, NoLock);
	rarr_maintenance_execute(psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM ONLY %s WHERE %s",
									  month->partition, month->columns, month->columns, month->fallback,
									  in_range(&month->range)),
							 SPI_OK_INSERT);
	rarr_maintenance_execute(psprintf("DELETE FROM ONLY %s WHERE %s", month->fallback, in_range(&month->range)),
							 SPI_OK_DELETE);
}

/* Attach the new table, and drop the constraint. */
void
rarr_month_attach(const RarrMonth *month)
{
	rarr_maintenance_execute(psprintf("ALTER TABLE researcharr.%s ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')",
									  month->log->name, month->partition, rarr_uuid_text(&month->range.first),
									  rarr_uuid_text(&month->range.end)),
							 SPI_OK_UTILITY);
	drop_constraint(month, month->fallback, month->constraint);
}

/* The state of the constraint that keeps the month out of the DEFAULT partition. */
bool
rarr_month_has_constraint(Oid fallback, const RarrMonth *month, bool *valid)
{
	Oid constraint = get_relation_constraint_oid(fallback, month->constraint, true);
	HeapTuple tuple;

	if (!OidIsValid(constraint))
		return false;
	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	if (!HeapTupleIsValid(tuple))
		return false;
	*valid = ((Form_pg_constraint) GETSTRUCT(tuple))->convalidated;
	ReleaseSysCache(tuple);
	return true;
}

/* The body of a subtransaction: add the constraint, without reading rows. */
bool
rarr_month_add_constraint(void *arg)
{
	const RarrMonth *month = arg;

	rarr_maintenance_lock(month->fallback, true);
	rarr_maintenance_execute(psprintf("ALTER TABLE ONLY %s ADD CONSTRAINT %s CHECK (NOT (%s)) NOT VALID", month->fallback,
									  quote_identifier(month->constraint), in_range(&month->range)),
							 SPI_OK_UTILITY);
	return true;
}

/* The same: validate it, beside others who write. */
bool
rarr_month_validate_constraint(void *arg)
{
	const RarrMonth *month = arg;

	rarr_maintenance_execute(psprintf("ALTER TABLE ONLY %s VALIDATE CONSTRAINT %s", month->fallback,
									  quote_identifier(month->constraint)),
							 SPI_OK_UTILITY);
	return true;
}
