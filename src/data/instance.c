/*
 * instance.c
 *		Look up instances of Radarr and Sonarr by name.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/column.h"
#include "base/json.h"
#include "data/instance.h"
#include "data/query.h"

/* Read a column of an instance's row, which is not NULL. */
static Datum
column_value(const RarrEntity *entity, HeapTuple row, const char *name, Oid type)
{
	AttrNumber attnum = rarr_find_column(entity->desc, name);
	bool isnull = true;
	Datum value = 0;

	if (attnum != 0 && TupleDescAttr(entity->desc, attnum - 1)->atttypid == type)
		value = heap_getattr(row, attnum, entity->desc, &isnull);
	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of an instance has no value, or is not of type %s", name, format_type_be(type)),
				 errhint("The extension's own columns must stay as they are.")));
	return value;
}

/*
 * Find the instance of this name.  Raises 22023 if the caller sees none, and
 * 42501 without the privilege to read instances.
 */
void
rarr_instance_get(const text *name, RarrInstance *instance)
{
	RarrEntity *entity = rarr_entity(RARR_INSTANCE);
	RarrQuery query;
	HeapTuple row;

	rarr_query_select(&query, entity);
	rarr_query_add_param(&query, " WHERE t.name" RARR_EQ, TEXTOID, PointerGetDatum(name));
	row = rarr_query_row(entity, &query, RARR_GENERIC);
	if (row == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("instance %s does not exist", rarr_quote_clipped(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))),
				 errhint("Make it by instance_create, or give the name of one that instance_get_all returns.")));
	instance->id = *DatumGetUUIDP(column_value(entity, row, "id", UUIDOID));
	instance->name = text_to_cstring(name);
	instance->is_sonarr = strcmp(TextDatumGetCString(column_value(entity, row, "service", TEXTOID)), "sonarr") == 0;
	instance->active = DatumGetBool(column_value(entity, row, "active", BOOLOID));
}
