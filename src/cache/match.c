/*
 * match.c
 *		Find the entries of the cache whose key or tags match.
 *
 * All partitions are looked through, one after the other.  Keys and tags are
 * copied under a partition's lock and compared after it, so that the lock is
 * held shortly and the search can be interrupted.
 *
 * The tags of an entry follow each other, each with a byte of its length
 * before it.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "cache/match.h"

/* A copy of what decides about an entry; key and tags follow it. */
typedef struct Candidate
{
	RarrFoundEntry found;
	Oid role;
	uint32 length;
	uint32 tags_length;
} Candidate;

/* Room for the copies of a partition. */
typedef struct Copies
{
	char *data;
	Size used;
	Size room;
} Copies;

/*
 * Put the tags, which are texts of 1 to 255 bytes, into the form of an entry's
 * tags, in the current memory context.
 */
char *
rarr_tags_make(const Datum *tags, int n, uint32 *length)
{
	char *result;
	char *end;
	Size size = 1;

	for (int i = 0; i < n; i++)
		size += 1 + VARSIZE_ANY_EXHDR(DatumGetPointer(tags[i]));
	end = result = palloc(size);
	for (int i = 0; i < n; i++)
	{
		int bytes = VARSIZE_ANY_EXHDR(DatumGetPointer(tags[i]));

		*end++ = (char) bytes;
		memcpy(end, VARDATA_ANY(DatumGetPointer(tags[i])), bytes);
		end += bytes;
	}
	*length = end - result;
	return result;
}

/* The tags as a text[]. */
Datum
rarr_tags_array(const char *tags, uint32 length)
{
	const char *end = tags + length;
	ArrayBuildState *state = initArrayResult(TEXTOID, CurrentMemoryContext, false);

	while (tags < end)
	{
		int bytes = (unsigned char) *tags++;

		state = accumArrayResult(state, PointerGetDatum(cstring_to_text_with_len(tags, bytes)), false,
								 TEXTOID, CurrentMemoryContext);
		tags += bytes;
	}
	return makeArrayResult(state, CurrentMemoryContext);
}

static bool
has_tag(const char *tags, uint32 length, const text *tag)
{
	const char *end = tags + length;

	while (tags < end)
	{
		int bytes = (unsigned char) *tags++;

		if (bytes == VARSIZE_ANY_EXHDR(tag) && memcmp(tags, VARDATA_ANY(tag), bytes) == 0)
			return true;
		tags += bytes;
	}
	return false;
}

/* Does an entry of this role, key and tags match? */
bool
rarr_match_fits(const RarrCacheMatch *match, Oid role, const char *key, int length,
				const char *tags, uint32 tags_length)
{
	text *copy;
	bool fits = false;

	switch (match->kind)
	{
		case RARR_MATCH_ALL:
			return true;
		case RARR_MATCH_ROLES:
			return OidIsValid(role);
		case RARR_MATCH_TAG:
			return has_tag(tags, tags_length, match->text);
		case RARR_MATCH_PATTERN:
			copy = cstring_to_text_with_len(key, length);
			fits = DatumGetBool(DirectFunctionCall2Coll(textlike, C_COLLATION_OID, PointerGetDatum(copy),
														PointerGetDatum(match->text)));
			pfree(copy);
	}
	return fits;
}

/* Copy what decides about an entry, if it is of this database. */
static void
add_candidate(Copies *buffer, RarrCacheEntry *entry)
{
	Candidate *candidate;
	RarrChainCursor cursor;
	Size size = MAXALIGN(sizeof(Candidate) + entry->length + entry->tags_length);

	if (entry->database != MyDatabaseId || entry->absent)
		return;
	while (buffer->used + size > buffer->room)
	{
		buffer->room *= 2;
		buffer->data = repalloc_huge(buffer->data, buffer->room);
	}
	candidate = (Candidate *) (buffer->data + buffer->used);
	buffer->used += size;
	candidate->found.hash = entry->hash;
	candidate->found.serial = entry->serial;
	candidate->role = entry->role;
	candidate->length = entry->length;
	candidate->tags_length = entry->tags_length;
	rarr_chain_seek(&cursor, entry, offsetof(RarrCacheEntry, data));
	rarr_chain_read(&cursor, (char *) (candidate + 1), entry->length);
	rarr_chain_skip(&cursor, entry->variant);
	rarr_chain_read(&cursor, (char *) (candidate + 1) + entry->length, entry->tags_length);
}

static void
copy_partition(uint32 partition, Copies *buffer)
{
	RarrCachePartition *part = rarr_cache_partition(partition);

	buffer->used = 0;
	LWLockAcquire(&part->lock, LW_SHARED);
	for (int q = 0; q < RARR_QUEUES; q++)
		for (RarrBlockNumber block = part->queues[q].oldest; block != RARR_NO_BLOCK;
			 block = rarr_cache_entry(block)->newer)
			add_candidate(buffer, rarr_cache_entry(block));
	LWLockRelease(&part->lock);
}

static void
add_found(RarrFoundEntries *found, const RarrFoundEntry *entry)
{
	if (found->n == found->room)
	{
		found->room = Max(found->room * 2, 64);
		found->entries = found->entries == NULL ?
							 palloc(found->room * sizeof(RarrFoundEntry)) :
							 repalloc_huge(found->entries, found->room * sizeof(RarrFoundEntry));
	}
	found->entries[found->n++] = *entry;
}

/*
 * Find the entries of this database that match, but for those that skip, unless
 * it is NULL, returns true for; how many are there?  They are added to found, in
 * the current memory context, unless that is NULL.
 */
uint64
rarr_match_find(const RarrCacheMatch *match, RarrSkipEntry skip, RarrFoundEntries *found)
{
	Copies buffer = {palloc(64 * 1024), 0, 64 * 1024};
	uint64 n = 0;

	for (uint32 p = 0; p < rarr_cache_partitions(); p++)
	{
		copy_partition(p, &buffer);
		for (Size at = 0; at < buffer.used;)
		{
			const Candidate *candidate = (Candidate *) (buffer.data + at);
			const char *key = (const char *) (candidate + 1);

			CHECK_FOR_INTERRUPTS();
			at += MAXALIGN(sizeof(Candidate) + candidate->length + candidate->tags_length);
			if (!rarr_match_fits(match, candidate->role, key, candidate->length, key + candidate->length,
								 candidate->tags_length) ||
				(skip != NULL && skip(candidate->role, key, candidate->length, key + candidate->length,
									  candidate->tags_length)))
				continue;
			if (found != NULL)
				add_found(found, &candidate->found);
			n++;
		}
	}
	pfree(buffer.data);
	return n;
}
