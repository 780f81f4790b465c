/*
 * volatile.c
 *		Compare JSON values, and ignore members that change all the time.
 *
 * The popularity of a movie changes every night, and so do some other members of
 * the objects that Radarr and Sonarr return.  Such a change is stored, but it is
 * neither logged nor does it advance updated_at.  The members are known by their
 * names (researcharr.volatile_members), and only where we keep objects of the
 * services: an application's own member of the same name is not meant.
 *
 * Both the audit log and the writers of rows compare values here, so that they
 * agree on what is a change.  Scalars are compared byte by byte: 1.0 and 1.00 are
 * different.  The members of a jsonb object are sorted, so that two objects are
 * compared in one pass.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/varlena.h"

#include "base/guc.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/text.h"
#include "base/volatile.h"

/* columns with objects of the services */
static const struct
{
	const char *table;
	const char *column;
	RarrVolatile where;
} volatile_columns[] = {
	{"media", "metadata", RARR_VOLATILE_SERVICES},
	{"tracked_items", "payload", RARR_VOLATILE_EVERYWHERE},
};

/* members of one object that differ from another one's */
typedef struct Members
{
	JsonbPair *pairs;
	int npairs;
	int size;
} Members;

/* the next member of an object that is read in order */
typedef struct Cursor
{
	JsonbIterator *it;
	JsonbValue name;
	JsonbValue value;
	bool more;
} Cursor;

static bool differs(const JsonbValue *a, const JsonbValue *b, RarrVolatile where,
					Members *old_members, Members *new_members);

/* Return the names in researcharr.volatile_members, valid until it is set. */
List *
rarr_volatile_names(void)
{
	static MemoryContext context = NULL;
	static const char *list = NULL; /* the value that was parsed last */
	static List *names = NIL;
	MemoryContext old;

	if (list != NULL && strcmp(list, rarr_volatile_members) == 0)
		return names;
	list = NULL;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "researcharr volatile members",
										ALLOCSET_SMALL_SIZES);
	MemoryContextReset(context);
	old = MemoryContextSwitchTo(context);
	if (!SplitGUCList(pstrdup(rarr_volatile_members), ',', &names))
		names = NIL;
	list = pstrdup(rarr_volatile_members);
	MemoryContextSwitchTo(old);
	return names;
}

static bool
is_volatile(const JsonbValue *name, RarrVolatile where)
{
	ListCell *lc;

	if (where != RARR_VOLATILE_EVERYWHERE)
		return false;
	foreach (lc, rarr_volatile_names())
		if (rarr_equals(lfirst(lc), name->val.string.val, name->val.string.len))
			return true;
	return false;
}

/* Which members are volatile in the value of this member? */
static RarrVolatile
where_below(const JsonbValue *name, RarrVolatile where)
{
	if (where != RARR_VOLATILE_SERVICES)
		return where;
	return rarr_equals("radarr", name->val.string.val, name->val.string.len) ||
				   rarr_equals("sonarr", name->val.string.val, name->val.string.len) ?
			   RARR_VOLATILE_EVERYWHERE :
			   RARR_VOLATILE_NOWHERE;
}

/* Which members of a column's values are volatile? */
RarrVolatile
rarr_volatile_in(Relation rel, const char *column)
{
	for (int i = 0; i < lengthof(volatile_columns); i++)
		if (strcmp(volatile_columns[i].table, RelationGetRelationName(rel)) == 0 &&
			strcmp(volatile_columns[i].column, column) == 0 &&
			RelationGetRelid(rel) == rarr_find_relation(volatile_columns[i].table))
			return volatile_columns[i].where;
	return RARR_VOLATILE_NOWHERE;
}

/* Append a member, unless nobody asks for it. */
static void
add_member(Members *members, const JsonbValue *name, const JsonbValue *value)
{
	JsonbPair *pair;

	if (members == NULL)
		return;
	if (members->npairs == members->size)
	{
		members->size = Max(8, 2 * members->size);
		members->pairs = members->pairs == NULL ? palloc(members->size * sizeof(JsonbPair)) :
												  repalloc_huge(members->pairs, members->size * sizeof(JsonbPair));
	}
	pair = &members->pairs[members->npairs];
	pair->key = *name;
	pair->value = *value;
	pair->order = members->npairs++;
}

/* Make an object of members. */
static JsonbValue
object_of(const Members *members)
{
	JsonbValue object = {.type = jbvObject};

	object.val.object.nPairs = members->npairs;
	object.val.object.pairs = members->pairs;
	return object;
}

static void
advance(Cursor *cursor)
{
	cursor->more = rarr_json_next_member(&cursor->it, &cursor->name, &cursor->value);
}

static void
open_object(Cursor *cursor, const JsonbValue *object)
{
	cursor->it = JsonbIteratorInit(object->val.binary.data);
	advance(cursor);
}

/* Compare two names in the order of members: by length, then by bytes. */
static int
compare_names(const JsonbValue *a, const JsonbValue *b)
{
	if (a->val.string.len != b->val.string.len)
		return a->val.string.len < b->val.string.len ? -1 : 1;
	return memcmp(a->val.string.val, b->val.string.val, a->val.string.len);
}

/*
 * Compare the values of a member that both objects have, and append what differs:
 * of two objects the members that differ, else both values.
 */
static bool
member_differs(const Cursor *a, const Cursor *b, RarrVolatile where,
			   Members *old_members, Members *new_members)
{
	Members old_part = {0};
	Members new_part = {0};
	bool collect = old_members != NULL;
	bool nested = rarr_json_is_object(&a->value) && rarr_json_is_object(&b->value);
	JsonbValue old_value = a->value;
	JsonbValue new_value = b->value;

	if (!differs(&a->value, &b->value, where_below(&a->name, where),
				 collect && nested ? &old_part : NULL, collect && nested ? &new_part : NULL))
		return false;
	if (collect && nested)
	{
		old_value = object_of(&old_part);
		new_value = object_of(&new_part);
	}
	add_member(old_members, &a->name, &old_value);
	add_member(new_members, &b->name, &new_value);
	return true;
}

/* Compare two objects in one pass.  Without lists, stop at the first difference. */
static bool
objects_differ(const JsonbValue *a, const JsonbValue *b, RarrVolatile where,
			   Members *old_members, Members *new_members)
{
	Cursor old_object, new_object;
	bool result = false;

	open_object(&old_object, a);
	open_object(&new_object, b);
	while ((old_object.more || new_object.more) && (!result || old_members != NULL))
	{
		int order = !old_object.more ? 1 :
					!new_object.more ? -1 :
									   compare_names(&old_object.name, &new_object.name);
		const JsonbValue *name = order > 0 ? &new_object.name : &old_object.name;

		CHECK_FOR_INTERRUPTS();
		if (is_volatile(name, where))
			;
		else if (order == 0)
			result |= member_differs(&old_object, &new_object, where, old_members, new_members);
		else
		{
			if (order < 0)
				add_member(old_members, name, &old_object.value);
			else
				add_member(new_members, name, &new_object.value);
			result = true;
		}
		if (order <= 0)
			advance(&old_object);
		if (order >= 0)
			advance(&new_object);
	}
	return result;
}

static bool
arrays_differ(const JsonbValue *a, const JsonbValue *b, RarrVolatile where)
{
	JsonbIterator *old_array = JsonbIteratorInit(a->val.binary.data);
	JsonbIterator *new_array = JsonbIteratorInit(b->val.binary.data);
	JsonbValue old_element, new_element;

	if (JsonContainerSize(a->val.binary.data) != JsonContainerSize(b->val.binary.data))
		return true;
	while (rarr_json_next_element(&old_array, &old_element) &&
		   rarr_json_next_element(&new_array, &new_element))
	{
		CHECK_FOR_INTERRUPTS();
		if (differs(&old_element, &new_element, where, NULL, NULL))
			return true;
	}
	return false;
}

static bool
scalars_differ(const JsonbValue *a, const JsonbValue *b)
{
	switch (a->type)
	{
		case jbvNull:
			return false;
		case jbvBool:
			return a->val.boolean != b->val.boolean;
		case jbvString:
			return a->val.string.len != b->val.string.len ||
				   memcmp(a->val.string.val, b->val.string.val, a->val.string.len) != 0;
		case jbvNumeric:
			return !datum_image_eq(NumericGetDatum(a->val.numeric), NumericGetDatum(b->val.numeric), false, -1);
		default:
			return true;
	}
}

/*
 * Do two values differ in more than volatile members?  If they are objects and
 * lists are given, append the members that differ.
 */
static bool
differs(const JsonbValue *a, const JsonbValue *b, RarrVolatile where,
		Members *old_members, Members *new_members)
{
	check_stack_depth();
	if (a->type != b->type)
		return true;
	if (a->type != jbvBinary)
		return scalars_differ(a, b);
	if (a->val.binary.len == b->val.binary.len &&
		memcmp(a->val.binary.data, b->val.binary.data, a->val.binary.len) == 0)
		return false;
	if (rarr_json_is_object(a) && rarr_json_is_object(b))
		return objects_differ(a, b, where, old_members, new_members);
	if (rarr_json_is_array(a) && rarr_json_is_array(b))
		return arrays_differ(a, b, where == RARR_VOLATILE_SERVICES ? RARR_VOLATILE_NOWHERE : where);
	return true;
}

/* Do two values differ in more than volatile members? */
bool
rarr_json_differs(Jsonb *old_value, Jsonb *new_value, RarrVolatile where)
{
	JsonbValue a, b;

	rarr_jsonb_as_value(old_value, &a);
	rarr_jsonb_as_value(new_value, &b);
	return differs(&a, &b, where, NULL, NULL);
}

/* Make a jsonb of members. */
static Jsonb *
jsonb_of(const Members *members)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < members->npairs; i++)
	{
		pushJsonbValue(&state, WJB_KEY, &members->pairs[i].key);
		pushJsonbValue(&state, WJB_VALUE, &members->pairs[i].value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * Find the members that differ between two objects.  Returns false if none does
 * but volatile ones.  A member that one object lacks is absent from its side.
 * Where both have an object, only the members of these that differ are given, and
 * so on; arrays are given whole.  The result is allocated in the current memory
 * context.
 */
bool
rarr_json_changes(Jsonb *old_object, Jsonb *new_object, RarrVolatile where, RarrJsonChanges *changes)
{
	Members old_members = {0};
	Members new_members = {0};
	JsonbValue a, b;

	rarr_jsonb_as_value(old_object, &a);
	rarr_jsonb_as_value(new_object, &b);
	if (!differs(&a, &b, where, &old_members, &new_members))
		return false;
	changes->old_members = jsonb_of(&old_members);
	changes->new_members = jsonb_of(&new_members);
	return true;
}

/* Are two values that are not NULL different in volatile members, and in nothing else? */
static bool
differs_in_volatile(Datum old_value, Datum new_value, RarrVolatile where)
{
	return where != RARR_VOLATILE_NOWHERE &&
		   !rarr_json_differs(DatumGetJsonbP(old_value), DatumGetJsonbP(new_value), where);
}

/*
 * Does an update of a row change volatile members, and nothing else?  updated_at
 * is not compared, nor are generated columns, which depend on others.  The values
 * are those of all columns, before and after the update.  May allocate in the
 * current memory context.
 */
bool
rarr_only_volatile_changed(Relation rel, AttrNumber updated_at,
						   const Datum *old_values, const bool *old_nulls,
						   const Datum *new_values, const bool *new_nulls)
{
	TupleDesc desc = RelationGetDescr(rel);
	int changed = -1;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || att->attgenerated || i == updated_at - 1 ||
			(old_nulls[i] && new_nulls[i]))
			continue;
		if (!old_nulls[i] && !new_nulls[i] &&
			datum_image_eq(old_values[i], new_values[i], att->attbyval, att->attlen))
			continue;
		if (changed >= 0 || old_nulls[i] || new_nulls[i] || att->atttypid != JSONBOID)
			return false;
		changed = i;
	}
	return changed >= 0 &&
		   differs_in_volatile(old_values[changed], new_values[changed],
							   rarr_volatile_in(rel, NameStr(TupleDescAttr(desc, changed)->attname)));
}
