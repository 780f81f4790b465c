/*
 * group.c
 *		Find out how pages of an entity can be read.
 *
 * A group is all media of one status and one type.  page.c reads rows group by
 * group where an index begins with these columns.  It relies on the CHECK
 * constraints, which say what groups there are.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"

#include "base/own_index.h"
#include "data/group.h"

/*
 * Is each column the one of this name in its table?  It is not if a user has
 * made a flat row's view anew with something else in the column's place.
 */
static bool
is_plain(const RarrEntity *entity)
{
	if (entity->sources == NULL)
		return false;
	for (int i = 0; i < entity->ncolumns; i++)
	{
		const RarrEntityColumn *column = &entity->columns[i];
		const RarrSource *source = &entity->sources[column->attnum - 1];

		if (strcmp(column->name, "id") != 0 &&
			(source->in_subtable != column->in_subtable || source->attnum != column->stored))
			return false;
	}
	return true;
}

/* Is this media's status or type, as the extension defines it? */
static bool
is_of_group(const RarrEntityColumn *column)
{
	return (column->rule == &rarr_rule_status || column->rule == &rarr_rule_type) &&
		   column->type == TEXTOID && column->not_null && !column->in_subtable;
}

/* Is there an index of media on status, type, this column, and the id? */
static bool
is_by_group(Relation table, const char *name)
{
	TupleDesc desc = RelationGetDescr(table);
	bool is_id = strcmp(name, "id") == 0;
	RarrIndexDef def = {name, {rarr_find_column(desc, "status"), rarr_find_column(desc, "type"), rarr_find_column(desc, name), is_id ? 0 : rarr_find_column(desc, "id")}};

	return (is_id || strcmp(name, "created_at") == 0 || strcmp(name, "title") == 0) &&
		   OidIsValid(rarr_index_oid(table, &def));
}

/*
 * Does the table have a valid CHECK constraint of this name?  The extension's
 * own constraints are not looked into.
 */
static bool
has_check(Relation table, const char *name)
{
	const TupleConstr *constraints = RelationGetDescr(table)->constr;

	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
	{
		if (strcmp(constraints->check[i].ccname, name) == 0)
			return constraints->check[i].ccvalid;
	}
	return false;
}

/*
 * Fill in what the entity says about groups, if that is not done yet.  The
 * entity's table must be media, which is locked as long as the entity is used.
 */
void
rarr_know_groups(RarrEntity *entity)
{
	Relation table;
	int ngroup_columns = 0;
	bool indexed = false;

	if (entity->groups_known)
		return;
	table = table_open(entity->tableid, AccessShareLock);
	entity->plain = is_plain(entity);
	for (int i = 0; i < entity->ncolumns; i++)
	{
		RarrEntityColumn *column = &entity->columns[i];

		column->of_group = is_of_group(column);
		column->by_group = !column->in_subtable && is_by_group(table, column->name);
		ngroup_columns += column->of_group;
		indexed |= column->by_group;
	}
	entity->grouped = entity->plain && indexed && ngroup_columns == 2 &&
					  has_check(table, "media_status_check") && has_check(table, "media_type_check");
	table_close(table, NoLock);
	entity->groups_known = true;
}
