/*
 * state.c
 *		What an import has seen: objects, series and errors.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "mb/pg_wchar.h"

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

typedef struct SeriesEntry
{
	int64 source_id;    /* Sonarr's id: the key */
	int matches;        /* number of series with this id */
	pg_uuid_t media_id; /* of the last one */
} SeriesEntry;

static HTAB *
make_table(Import *import, const char *name, Size entry_size)
{
	HASHCTL control = {
		.keysize = sizeof(uint64),
		.entrysize = entry_size,
		.hcxt = import->context};

	return hash_create(name, 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Begin an import: no series is known yet. */
void
rarr_import_begin_series(Import *import)
{
	import->series = make_table(import, "series of an import", sizeof(SeriesEntry));
}

/* Begin an array: no object is known yet. */
void
rarr_import_begin_array(Import *import)
{
	import->seen = make_table(import, "objects of an import", sizeof(SeenEntry));
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

/* Record that a series has this id in Sonarr and this media row. */
void
rarr_import_add_series(Import *import, int64 source_id, const pg_uuid_t *media_id)
{
	bool found;
	SeriesEntry *entry = hash_search(import->series, &source_id, HASH_ENTER, &found);

	entry->matches = found ? entry->matches + 1 : 1;
	entry->media_id = *media_id;
}

/*
 * Record that a series with this id in Sonarr is looked for.  Returns false if
 * it was recorded before.
 */
bool
rarr_import_expect_series(Import *import, int64 source_id)
{
	bool found;
	SeriesEntry *entry = hash_search(import->series, &source_id, HASH_ENTER, &found);

	if (!found)
		entry->matches = 0;
	return !found;
}

/* Return the number of series with this id, and the last one's media_id. */
int
rarr_import_find_series(Import *import, int64 source_id, pg_uuid_t *media_id)
{
	SeriesEntry *entry = hash_search(import->series, &source_id, HASH_FIND, NULL);

	if (entry == NULL)
		return 0;
	*media_id = entry->media_id;
	return entry->matches;
}

/*
 * Count an item as failed and record the reason. message is the reason; it is
 * truncated to MESSAGE_BYTES.
 */
void
rarr_import_fail(Import *import, const ImportKind *kind, ImportItem *item,
				 int sqlstate, const char *message)
{
	MemoryContext old = MemoryContextSwitchTo(import->context);

	item->state = IMPORT_FAILED;
	import->failed++;
	if (list_length(import->errors) < IMPORT_LISTED_ERRORS)
	{
		ImportError *error = palloc(sizeof(ImportError));

		error->kind = kind;
		error->index = item->index;
		error->sqlstate = sqlstate;
		error->message = pnstrdup(message, pg_mbcliplen(message, strlen(message), MESSAGE_BYTES));
		import->errors = lappend(import->errors, error);
	}
	MemoryContextSwitchTo(old);
}
