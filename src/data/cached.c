/*
 * cached.c
 *		E_get_by_id_cached: rows by id, from the cache.
 *
 * A row is cached for a role that may read all of the entity's tables, without
 * row security, and only if it is made of their columns as they are.  Otherwise,
 * and where the cache cannot be used, the row is read as E_get_by_id does.
 * cache/rows.c sees to it that no row is stale.
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/result.h"
#include "cache/cache.h"
#include "data/direct.h"
#include "data/row_query.h"

/* May the user read all rows of a relation?  0 is none. */
static bool
may_read(Oid relid)
{
	return !OidIsValid(relid) || (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
								  check_enable_rls(relid, InvalidOid, true) == RLS_NONE);
}

static bool
may_cache(const RarrEntity *entity)
{
	return rarr_cache_rows_usable() && ExecutorCheckPerms_hook == NULL && entity->def->masked == NULL &&
		   entity->sources != NULL && may_read(entity->relid) && may_read(entity->tableid) && may_read(entity->subtableid);
}

/* A number that differs if rows have another shape. */
static uint64
shape_of(TupleDesc desc)
{
	uint64 shape = hash_combine64(desc->tdtypeid, desc->natts);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		shape = hash_combine64(shape, ((uint64) att->atttypid << 1) + att->attisdropped);
		shape = hash_combine64(shape, att->attlen);
	}
	return shape;
}

/* Make a row of the bytes that the cache had. */
static HeapTuple
row_of_bytes(const struct varlena *bytes)
{
	uint32 length = VARSIZE(bytes) - VARHDRSZ;
	HeapTuple row = palloc0(HEAPTUPLESIZE + length);

	row->t_len = length;
	ItemPointerSetInvalid(&row->t_self);
	row->t_data = (HeapTupleHeader) ((char *) row + HEAPTUPLESIZE);
	memcpy(row->t_data, VARDATA(bytes), length);
	return row;
}

static HeapTuple
read_row(RarrEntity *entity, const pg_uuid_t *id)
{
	HeapTuple row;

	if (!rarr_direct_row(entity, id, &row))
		row = rarr_entity_get(entity, id, RARR_READ);
	return row;
}

/*
 * Take the file of a table, or of none, into account: a command that rewrites
 * the table can change rows without triggers.  Returns false if the table has
 * children, whose changes fire no triggers of ours.
 */
static bool
add_file(Oid relid, uint64 *shape)
{
	HeapTuple tuple = OidIsValid(relid) ? SearchSysCache1(RELOID, ObjectIdGetDatum(relid)) : NULL;
	Form_pg_class form;
	bool alone;

	if (!HeapTupleIsValid(tuple))
		return !OidIsValid(relid);
	form = (Form_pg_class) GETSTRUCT(tuple);
	*shape = hash_combine64(*shape, form->relfilenode);
	alone = !form->relhassubclass;
	ReleaseSysCache(tuple);
	return alone;
}

static HeapTuple
read_cached(RarrEntity *entity, const pg_uuid_t *id)
{
	uint64 shape = shape_of(entity->desc);
	struct varlena *bytes;
	HeapTuple row;

	if (!add_file(entity->tableid, &shape) || !add_file(entity->subtableid, &shape))
		return read_row(entity, id);
	bytes = rarr_cache_row_get(entity->def->name, id, shape);
	if (bytes != NULL)
		return row_of_bytes(bytes);
	row = read_row(entity, id);
	if (row == NULL)
		return NULL;
	if (HeapTupleHasExternal(row))
		row = toast_flatten_tuple(row, entity->desc);
	rarr_cache_row_put(entity->def->name, id, shape, (char *) row->t_data, row->t_len);
	return row;
}

/*
 * E_get_by_id_cached(id uuid) returns SETOF E
 *
 * Returns the row, or nothing, as E_get_by_id() does.  Raises 22004 for NULL.
 */
PG_FUNCTION_INFO_V1(researcharr_entity_get_by_id_cached);
Datum
researcharr_entity_get_by_id_cached(PG_FUNCTION_ARGS)
{
	RarrEntity *entity = rarr_entity_of_function(fcinfo, "_get_by_id_cached");
	const pg_uuid_t *id;

	RARR_REQUIRE_ARG(0, "id");
	id = PG_GETARG_UUID_P(0);
	return rarr_result_row(fcinfo, entity->desc,
						   may_cache(entity) ? read_cached(entity, id) : read_row(entity, id));
}
