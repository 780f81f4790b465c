/*
 * pending.c
 *		Pending entries: what a transaction does once it is over.
 *
 * An owner of such state keeps a list of entries, and adds one before or after
 * each change.  When a subtransaction commits, its entries become the
 * parent's.  When it aborts, the owner acts on them, and the list drops them.
 * At the end of the transaction the owner acts on all that are left.
 *
 * Entries of one subtransaction that have the same subject and kind can be
 * merged into one, so that a statement that changes a million rows adds few
 * entries, and a thousand subtransactions leave no more than one.  The list
 * finds them by a hash table with chains.  Entries are added and removed at
 * the list's end alone, so the newest entry is always the first of its chain,
 * and the level never grows along a chain.
 *
 * All memory is allocated when an entry is added.  Nothing is allocated when a
 * transaction or subtransaction ends, because an error at that point cannot be
 * handled.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "utils/memutils.h"

#include "base/pending.h"

/* entries that a list has room for at first, and the most that it keeps room for */
#define FIRST_ROOM        16
#define LARGEST_KEPT_ROOM 1024

#define NOT_MERGED   (-1)
#define END_OF_CHAIN (-1)

static RarrPendingList *lists = NULL;
static MemoryContext pending_context = NULL;

static inline RarrPendingEntry *
entry_at(const RarrPendingList *list, int i)
{
	return (RarrPendingEntry *) ((char *) list->entries + i * list->entry_size);
}

/* The room of a list is a power of two. */
static inline int *
chain_of(const RarrPendingList *list, const void *subject, int kind)
{
	uint32 hash = murmurhash32((uint32) ((uintptr_t) subject >> 3) + (uint32) kind * 0x9e3779b9);

	return &list->chains[hash & (list->room - 1)];
}

/* Put an entry, the last one that is in any chain, into its own. */
static inline void
link_entry(RarrPendingList *list, int i)
{
	RarrPendingEntry *entry = entry_at(list, i);
	int *chain;

	if (entry->kind == NOT_MERGED)
		return;
	chain = chain_of(list, entry->subject, entry->kind);
	entry->next = *chain;
	*chain = i;
}

/* Remove the entries from the first on that is to go, but leave their contents. */
static void
truncate_list(RarrPendingList *list, int first)
{
	while (list->n > first)
	{
		const RarrPendingEntry *entry = entry_at(list, --list->n);

		if (entry->kind != NOT_MERGED)
			*chain_of(list, entry->subject, entry->kind) = entry->next;
	}
}

/* The entry of a subject and kind at this level, the deepest there is; or NULL. */
static inline RarrPendingEntry *
find_entry(const RarrPendingList *list, int level, const void *subject, int kind)
{
	if (list->n == 0)
		return NULL;
	for (int i = *chain_of(list, subject, kind); i != END_OF_CHAIN;)
	{
		RarrPendingEntry *entry = entry_at(list, i);

		if (entry->level < level)
			break;
		if (entry->subject == subject && entry->kind == kind)
			return entry;
		i = entry->next;
	}
	return NULL;
}

/* Double the room.  If memory runs out, the list is what it was. */
static void
grow(RarrPendingList *list)
{
	int room = Max(list->room * 2, FIRST_ROOM);
	Size size = (Size) room * list->entry_size;
	int *chains;

	if (pending_context == NULL)
		pending_context = AllocSetContextCreate(TopMemoryContext, "researcharr pending entries",
												ALLOCSET_DEFAULT_SIZES);
	list->entries = list->entries == NULL ? MemoryContextAlloc(pending_context, size) :
											repalloc_huge(list->entries, size);
	chains = MemoryContextAllocHuge(pending_context, (Size) room * sizeof(int));
	memset(chains, 0xff, (Size) room * sizeof(int)); /* END_OF_CHAIN */
	if (list->chains != NULL)
		pfree(list->chains);
	list->chains = chains;
	list->room = room;
	for (int i = 0; i < list->n; i++)
		link_entry(list, i);
}

static void *
add_entry(RarrPendingList *list, int level, const void *subject, int kind)
{
	RarrPendingEntry *entry;

	if (list->n == list->room)
		grow(list);
	entry = entry_at(list, list->n);
	memset(entry, 0, list->entry_size);
	entry->subject = subject;
	entry->kind = kind;
	entry->level = level;
	link_entry(list, list->n++);
	return entry;
}

/*
 * Add an entry that is never merged.  All but its head is zero.  Its index stays
 * valid as long as its subtransaction lasts, the pointer until the next entry is
 * added.
 */
void *
rarr_pending_add(RarrPendingList *list)
{
	return add_entry(list, GetCurrentTransactionNestLevel(), NULL, NOT_MERGED);
}

/*
 * This subtransaction's entry of a subject and kind, which must not be negative.
 * It is added if there is none; all but its head is zero then.
 */
void *
rarr_pending_get(RarrPendingList *list, const void *subject, int kind)
{
	int level = GetCurrentTransactionNestLevel();
	RarrPendingEntry *entry = find_entry(list, level, subject, kind);

	return entry != NULL ? entry : add_entry(list, level, subject, kind);
}

/*
 * The entry of a subject and kind at the deepest level that has one, or NULL.
 */
void *
rarr_pending_find(const RarrPendingList *list, const void *subject, int kind)
{
	return find_entry(list, 0, subject, kind);
}

/* Drop the entry that was added last; nobody acts on it. */
void
rarr_pending_drop_last(RarrPendingList *list)
{
	truncate_list(list, list->n - 1);
}

/* The first entry of this level or a deeper one; they are the last of the list. */
static int
first_of_level(const RarrPendingList *list, int level)
{
	int first = list->n;

	while (first > 0 && entry_at(list, first - 1)->level >= level)
		first--;
	return first;
}

/* The entries of this level become its parent's. */
static void
commit_level(RarrPendingList *list, int level)
{
	int end = list->n;
	int first = first_of_level(list, level);

	truncate_list(list, first);
	for (int i = first; i < end; i++)
	{
		RarrPendingEntry *entry = entry_at(list, i);
		RarrPendingEntry *same = entry->kind == NOT_MERGED ? NULL :
															 find_entry(list, level - 1, entry->subject, entry->kind);

		if (same != NULL)
		{
			list->merge(same, entry);
			continue;
		}
		entry->level = level - 1;
		if (i != list->n)
			memcpy(entry_at(list, list->n), entry, list->entry_size);
		link_entry(list, list->n++);
	}
}

static void
abort_level(RarrPendingList *list, int level)
{
	int first = first_of_level(list, level);

	if (first == list->n)
		return;
	list->act(RARR_PENDING_ABORT, entry_at(list, first), list->n - first);
	truncate_list(list, first);
}

/* The transaction is over.  What a large one needed is given back. */
static void
end_list(RarrPendingList *list, RarrPendingEvent event)
{
	list->act(event, list->entries, list->n);
	truncate_list(list, 0);
	if (list->room > LARGEST_KEPT_ROOM)
	{
		pfree(list->entries);
		pfree(list->chains);
		list->entries = list->chains = NULL;
		list->room = 0;
	}
}

static void
at_xact_end(XactEvent event, void *arg)
{
	RarrPendingEvent ours;

	if (event == XACT_EVENT_COMMIT)
		ours = RARR_PENDING_COMMIT;
	else if (event == XACT_EVENT_ABORT)
		ours = RARR_PENDING_ABORT;
	else if (event == XACT_EVENT_PREPARE)
		ours = RARR_PENDING_PREPARE;
	else
		return;
	for (RarrPendingList *list = lists; list != NULL; list = list->next)
		end_list(list, ours);
}

static void
at_subxact_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	int level = GetCurrentTransactionNestLevel();

	for (RarrPendingList *list = lists; list != NULL; list = list->next)
	{
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			commit_level(list, level);
		else if (event == SUBXACT_EVENT_ABORT_SUB)
			abort_level(list, level);
	}
}

/*
 * From now on the list's owner acts on its entries.  To be called once, before
 * any are added.  The list that comes last acts first.
 */
void
rarr_pending_init(RarrPendingList *list)
{
	if (lists == NULL)
	{
		RegisterXactCallback(at_xact_end, NULL);
		RegisterSubXactCallback(at_subxact_end, NULL);
	}
	list->next = lists;
	lists = list;
}
