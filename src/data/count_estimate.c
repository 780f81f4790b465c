/*
 * count_estimate.c
 *		count_estimate(): about how many rows an entity has, without counting.
 *
 * E_count() reads every row.  This function takes as long for a small table as
 * for a large one: it multiplies the table's size by the rows per page that the
 * last VACUUM or ANALYZE found, as the planner does.
 */
#include "postgres.h"

#include <math.h>

#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "base/args.h"
#include "base/json.h"
#include "data/entity.h"

/* The planner's estimate of a table's rows. */
static double
estimate_table(Oid relid)
{
	Relation rel = table_open(relid, NoLock);
	BlockNumber pages = 0;
	double tuples = 0;
	double visible = 0;

	if (rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		estimate_rel_size(rel, NULL, &pages, &tuples, &visible);
	table_close(rel, NoLock);
	return tuples;
}

/* Raise 42501 if the user may read no column of the table. */
static void
check_readable(Oid relid)
{
	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(relid));
}

PG_FUNCTION_INFO_V1(researcharr_count_estimate);

/*
 * count_estimate(entity text) returns bigint
 *
 * The sum over all partitions, for a log.  Row security is not applied.  Raises
 * 22004 for NULL, 22023 for an unknown entity, and 42501 without the privilege
 * to read the table.
 */
Datum
researcharr_count_estimate(PG_FUNCTION_ARGS)
{
	RarrEntity *entity;
	text *name;
	Oid relid;
	double rows = 0;
	ListCell *lc;

	RARR_REQUIRE_ARG(0, "entity");
	name = PG_GETARG_TEXT_PP(0);
	entity = rarr_entity_by_name(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	if (entity == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown entity: %s", rarr_quote_clipped(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))),
				 errhint("Give the name of an entity as the functions have it, such as \"movie\" of movie_count.")));
	relid = OidIsValid(entity->subtableid) ? entity->subtableid : entity->tableid;
	check_readable(relid);
	foreach (lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		CHECK_FOR_INTERRUPTS();
		rows += estimate_table(lfirst_oid(lc));
	}
	PG_RETURN_INT64((int64) rint(Max(rows, 0)));
}
