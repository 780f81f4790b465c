/*
 * state.c
 *		What an import has seen: objects, errors and warnings.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "base/json.h"
#include "data/import/state.h"

/* maximum length of a message in the result, in bytes */
#define MESSAGE_BYTES 1000

/* What an object represents, and the first object that represents it. */
typedef struct SeenEntry
{
	uint64 hash; /* of the identity: the key */
	char *identity;
	int index;
} SeenEntry;

/* Make an import. */
Import *
rarr_import_make(void)
{
	Import *import = palloc0(sizeof(Import));

	import->context = AllocSetContextCreate(CurrentMemoryContext, "researcharr import",
											ALLOCSET_DEFAULT_SIZES);
	import->batch_context = AllocSetContextCreate(import->context, "researcharr import batch",
												  ALLOCSET_DEFAULT_SIZES);
	return import;
}

/* Begin an array: no object is known yet. */
void
rarr_import_begin_array(Import *import)
{
	HASHCTL control = {
		.keysize = sizeof(uint64),
		.entrysize = sizeof(SeenEntry),
		.hcxt = import->context};

	import->seen = hash_create("objects of an import", 256, &control,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static SeenEntry *
find_seen(Import *import, const char *identity, HASHACTION action, bool *found)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) identity, strlen(identity), 0);

	return hash_search(import->seen, &hash, action, found);
}

/*
 * Record what the object at this index represents. identity is the text that
 * identifies it.  Returns the index of the first object in the array that
 * represents the same: index itself if there is no other.
 */
int
rarr_import_seen(Import *import, const char *identity, int index)
{
	bool found;
	SeenEntry *entry = find_seen(import, identity, HASH_ENTER, &found);

	if (!found)
	{
		entry->identity = MemoryContextStrdup(import->context, identity);
		entry->index = index;
	}
	return strcmp(entry->identity, identity) == 0 ? entry->index : index;
}

/* Return the index of the first object that represents this; -1 if unknown. */
int
rarr_import_first(Import *import, const char *identity)
{
	SeenEntry *entry = find_seen(import, identity, HASH_FIND, NULL);

	return entry != NULL && strcmp(entry->identity, identity) == 0 ? entry->index : -1;
}

/* Add an id to a list. */
void
rarr_import_add_id(Import *import, ImportIds *ids, int64 id)
{
	if (ids->count == ids->room)
	{
		int room = Max(2 * ids->room, 1024);

		ids->ids = ids->ids == NULL ?
					   MemoryContextAllocHuge(import->context, room * sizeof(int64)) :
					   repalloc_huge(ids->ids, room * sizeof(int64));
		ids->room = room;
	}
	ids->ids[ids->count++] = id;
}

/* Return the ids as an array for a statement. */
Datum
rarr_import_id_array(const ImportIds *ids)
{
	Datum *values = palloc_extended(sizeof(Datum) * Max(ids->count, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < ids->count; i++)
		values[i] = Int64GetDatum(ids->ids[i]);
	return PointerGetDatum(construct_array(values, ids->count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Add an error or a warning to a list, unless the list is full. */
static List *
add_error(Import *import, List *list, ImportError error, const char *message)
{
	MemoryContext old = MemoryContextSwitchTo(import->context);

	if (list_length(list) < IMPORT_LISTED_ERRORS)
	{
		ImportError *kept = palloc(sizeof(ImportError));

		*kept = error;
		kept->message = pnstrdup(message, pg_mbcliplen(message, strlen(message), MESSAGE_BYTES));
		list = lappend(list, kept);
	}
	MemoryContextSwitchTo(old);
	return list;
}

/*
 * Count an item as failed and record the reason. message is the reason; it is
 * truncated to MESSAGE_BYTES.
 */
void
rarr_import_fail(Import *import, const ImportKind *kind, ImportItem *item,
				 int sqlstate, const char *message)
{
	ImportError error = {.kind = kind, .index = item->index, .sqlstate = sqlstate};

	item->state = IMPORT_FAILED;
	import->failed++;
	import->errors = add_error(import, import->errors, error, message);
}

/* Record what is wrong with an object that can be imported nevertheless. */
void
rarr_import_warn(Import *import, const ImportKind *kind, int index, const char *member,
				 const char *message)
{
	ImportError error = {.kind = kind, .index = index, .member = member};

	import->warnings = add_error(import, import->warnings, error, message);
}

/* By array, series before episodes, then by position. */
static int
compare_errors(const ListCell *a, const ListCell *b)
{
	const ImportError *x = lfirst(a);
	const ImportError *y = lfirst(b);

	if (x->kind != y->kind)
		return strcmp(y->kind->type, x->kind->type);
	return x->index < y->index ? -1 : x->index > y->index;
}

/* Return the first errors or warnings of a list as a JSON array. */
Jsonb *
rarr_import_list(List *errors, int limit)
{
	JsonbParseState *state = NULL;
	ListCell *cell;

	list_sort(errors, compare_errors);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	foreach (cell, errors)
	{
		ImportError *error = lfirst(cell);

		if (foreach_current_index(cell) >= limit)
			break;
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		rarr_json_put_text(&state, "source", error->kind->source);
		rarr_json_put_int(&state, "index", error->index);
		if (error->sqlstate != 0)
			rarr_json_put_text(&state, "sqlstate", pstrdup(unpack_sql_state(error->sqlstate)));
		if (error->member != NULL)
			rarr_json_put_text(&state, "member", error->member);
		rarr_json_put_text(&state, "message", error->message);
		pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}
