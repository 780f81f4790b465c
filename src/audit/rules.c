/*
 * rules.c
 *		Read an audit trigger's arguments: which columns are compared, which ones
 *		are masked, and which ones identify a row.
 *
 * README.md describes the arguments.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"

#include "base/column.h"
#include "audit/rules.h"

/* Return the number of a column named by the arguments, or raise 42703. */
static AttrNumber
named_column(const Trigger *trigger, Relation rel, const char *name)
{
	AttrNumber attnum = rarr_find_column(RelationGetDescr(rel), name);

	if (attnum == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("audit trigger \"%s\" names the column \"%s\", which \"%s\" does not have",
						trigger->tgname, name, RelationGetRelationName(rel)),
				 errhint("Recreate the trigger with the column's current name.")));
	return attnum;
}

/* Do the arguments contain this keyword with this column? */
static bool
argument_has(const Trigger *trigger, const char *word, const char *column)
{
	for (int i = 1; i + 1 < trigger->tgnargs; i += 2)
		if (strcmp(trigger->tgargs[i], word) == 0 &&
			(column == NULL || strcmp(trigger->tgargs[i + 1], column) == 0))
			return true;
	return false;
}

/*
 * Check that the arguments are the entity type and pairs, and name a key.
 * Raises 22023 otherwise: a misspelt keyword must not expose a secret.
 */
static void
check_arguments(const Trigger *trigger, Relation rel)
{
	static const char *const keywords[] = {"key", "ignore", "mask", "if", "only"};
	bool valid = trigger->tgnargs % 2 == 1 && argument_has(trigger, "key", NULL);

	for (int i = 1; i < trigger->tgnargs && valid; i += 2)
	{
		valid = false;
		for (int j = 0; j < lengthof(keywords); j++)
			valid |= strcmp(trigger->tgargs[i], keywords[j]) == 0;
		if (strcmp(trigger->tgargs[i], "if") == 0)
			valid = i > 1 && strcmp(trigger->tgargs[i - 2], "mask") == 0;
	}
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("audit trigger \"%s\" on \"%s\" has wrong arguments, or names no key",
						trigger->tgname, RelationGetRelationName(rel)),
				 errhint("Its arguments are the entity type, then pairs: key, ignore, mask, if or only, and a column; if comes after a mask.")));
}

/* List the columns to compare: all but those excluded by the arguments. */
static void
list_columns(RarrAuditRules *rules, const Trigger *trigger, Relation rel)
{
	TupleDesc desc = RelationGetDescr(rel);
	bool only = argument_has(trigger, "only", NULL);

	rules->columns = palloc(desc->natts * sizeof(RarrDiffColumn));
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		RarrDiffColumn *column = &rules->columns[rules->ncolumns];

		if (att->attisdropped ||
			argument_has(trigger, "ignore", NameStr(att->attname)) ||
			(only && !argument_has(trigger, "only", NameStr(att->attname))))
			continue;
		rarr_diff_init_column(column, att);
		if (column->kind == RARR_DIFF_JSONB)
			column->where_volatile = rarr_volatile_in(rel, column->name);
		rules->by_settings |= column->kind == RARR_DIFF_OTHER;
		rules->ncolumns++;
	}
}

/* Mask a column: always, or where the column masked_if is true. */
static void
mask_column(RarrAuditRules *rules, AttrNumber attnum, AttrNumber masked_if, const Bitmapset *assigned)
{
	for (int i = 0; i < rules->ncolumns; i++)
		if (rules->columns[i].attnum == attnum)
		{
			rules->columns[i].masked = true;
			rules->columns[i].masked_if = masked_if;
			rules->columns[i].assigned =
				bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, assigned);
		}
}

/*
 * Read the arguments of a trigger of an open relation.  assigned is the set of
 * columns that the statement assigns, offset as in updatedCols.
 *
 * The rules are allocated in the current memory context.  They are valid as
 * long as the relation stays open.  Raises 22023 for invalid arguments, 42703
 * if a named column does not exist, and 55000 if a column of "if" is not
 * boolean.
 */
void
rarr_audit_read_rules(RarrAuditRules *rules, const Trigger *trigger, Relation rel,
					  const Bitmapset *assigned)
{
	TupleDesc desc = RelationGetDescr(rel);
	AttrNumber masked = 0;

	memset(rules, 0, sizeof(RarrAuditRules));
	check_arguments(trigger, rel);
	rules->entity_type = trigger->tgargs[0];
	list_columns(rules, trigger, rel);
	rules->keys = palloc(trigger->tgnargs * sizeof(RarrDiffColumn));
	for (int i = 1; i + 1 < trigger->tgnargs; i += 2)
	{
		const char *word = trigger->tgargs[i];
		const char *name = trigger->tgargs[i + 1];

		if (strcmp(word, "key") == 0)
		{
			RarrDiffColumn *key = &rules->keys[rules->nkeys++];

			rarr_diff_init_column(key, TupleDescAttr(desc, named_column(trigger, rel, name) - 1));
			rules->by_settings |= key->kind == RARR_DIFF_OTHER;
		}
		else if (strcmp(word, "mask") == 0)
		{
			masked = named_column(trigger, rel, name);
			mask_column(rules, masked, 0, assigned);
		}
		else if (strcmp(word, "only") == 0)
			(void) named_column(trigger, rel, name);
		else if (strcmp(word, "if") == 0)
			mask_column(rules, masked, rarr_require_column(rel, name, BOOLOID), assigned);
	}
}
