/*
 * pending.h
 *		Pending entries: what a transaction does once it is over.
 */
#ifndef RARR_BASE_PENDING_H
#define RARR_BASE_PENDING_H

typedef enum RarrPendingEvent
{
	RARR_PENDING_COMMIT,
	RARR_PENDING_ABORT, /* of the transaction, or of a subtransaction */
	RARR_PENDING_PREPARE
} RarrPendingEvent;

/* The first member of each entry; for pending.c alone. */
typedef struct RarrPendingEntry
{
	const void *subject;
	int kind;  /* -1: the entry is never merged */
	int level; /* nesting level of its subtransaction */
	int next;  /* older entry in the same chain, or -1 */
} RarrPendingEntry;

/* The pending entries of one owner, which defines the list statically. */
typedef struct RarrPendingList
{
	Size entry_size;

	/*
	 * Add to an entry what another one of the same subject and kind says.  Must
	 * not fail.  NULL if the owner does not call rarr_pending_get().
	 */
	void (*merge)(void *entry, const void *other);

	/*
	 * Act on entries; the list drops them afterwards.  An abort of a
	 * subtransaction passes the entries of that subtransaction, all other events
	 * pass all entries, if only none.  Must not fail, nor allocate memory, nor
	 * add entries.
	 */
	void (*act)(RarrPendingEvent event, const void *entries, int n);

	/* the entries, in the order in which they were added */
	void *entries;
	int n;

	/* for pending.c alone */
	int room;
	int *chains; /* newest entry of each chain, or -1 */
	struct RarrPendingList *next;
} RarrPendingList;

extern void rarr_pending_init(RarrPendingList *list);
extern void *rarr_pending_add(RarrPendingList *list);
extern void *rarr_pending_get(RarrPendingList *list, const void *subject, int kind);
extern void *rarr_pending_find(const RarrPendingList *list, const void *subject, int kind);
extern void rarr_pending_drop_last(RarrPendingList *list);

#endif /* RARR_BASE_PENDING_H */
