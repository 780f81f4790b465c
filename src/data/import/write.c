/*
 * write.c
 *		Write items to tables, hundreds at a time.
 *
 * A batch takes a few statements over arrays with one element per item: find
 * the existing media and what differs (identify.c); insert new media; update
 * those that differ; write the rows of the kind's own table; write the tracked
 * items.
 *
 * A batch runs in a subtransaction.  If an error caused by an item (for
 * example by a user's trigger or CHECK constraint) aborts it, the batch is
 * repeated in halves, down to the single item, which is then recorded as
 * failed.  One bad item among 500 costs the time of some 18 statements.  If
 * another session inserts the same media meanwhile, ON CONFLICT detects it: the
 * batch fails, and finds the row when it is repeated.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "base/subtransaction.h"
#include "base/uuid.h"
#include "data/import/state.h"
#include "data/row_locks.h"

static bool
is_created(const ImportItem *item)
{
	return item->state == IMPORT_CREATED;
}

static bool
is_updated(const ImportItem *item)
{
	return item->state == IMPORT_UPDATED;
}

static bool
is_written(const ImportItem *item)
{
	return is_created(item) || is_updated(item);
}

static bool
gets_id(const ImportItem *item)
{
	return is_updated(item) && item->gets_id;
}

static bool
keeps_id(const ImportItem *item)
{
	return is_updated(item) && item->media_differs && !item->gets_id;
}

static bool
changes_place(const ImportItem *item)
{
	return is_updated(item) && item->moves;
}

static bool
is_put(const ImportItem *item)
{
	return is_written(item) && item->row_differs;
}

static bool
takes_key(const ImportItem *item)
{
	return item->state != IMPORT_FAILED && item->has_source_id && item->takes_key;
}

static bool
updates_item(const ImportItem *item)
{
	return is_written(item) && item->has_source_id && item->has_item && item->item_differs;
}

static bool
inserts_item(const ImportItem *item)
{
	return is_written(item) && item->has_source_id && !item->has_item;
}

static bool
is_pending(const ImportItem *item)
{
	return item->state == IMPORT_PENDING;
}

/* Select the items that satisfy the test. */
static int
choose(ImportItem *items, int nitems, bool (*test)(const ImportItem *), ImportItem **chosen)
{
	int n = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (test(&items[i]))
			chosen[n++] = &items[i];
	}
	return n;
}

/* Lock the media rows that the items change; and rows of series, which come next. */
static void
lock_media(const ImportKind *kind, ImportItem **items, int nitems, pg_uuid_t *ids)
{
	RarrRowLock lock = RARR_CHANGE_ROW;
	int n = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (!is_updated(items[i]))
			continue;
		ids[n++] = items[i]->media_id;
		if (items[i]->gets_id)
			lock = RARR_DELETE_ROW;
	}
	rarr_lock_rows(rarr_entity(RARR_MEDIA), "media", "id", "", lock, ids, n);
	if (kind == &rarr_import_series)
		rarr_lock_rows(rarr_entity(RARR_SERIES), "series", "media_id", "", RARR_CHANGE_ROW, ids, n);
}

/* Lock the tracked items that the items change, or take the service id from. */
static void
lock_tracked(ImportItem **items, int nitems, pg_uuid_t *ids)
{
	int n = 0;

	for (int i = 0; i < nitems; i++)
	{
		if (updates_item(items[i]))
			ids[n++] = items[i]->item_id;
		if (takes_key(items[i]))
			ids[n++] = items[i]->key_holder;
	}
	rarr_lock_rows(rarr_entity(RARR_TRACKED_ITEM), "tracked_items", "id", "", RARR_CHANGE_ROW, ids, n);
}

/*
 * Lock what the items of a batch will change, in the common order (src/README.md):
 * the series of episodes, then media, then tracked items, then rows of the
 * kind's table.
 */
static void
lock_items(Import *import, ImportPlans *plans, ImportItem **items, int nitems)
{
	pg_uuid_t *ids = palloc(2 * sizeof(pg_uuid_t) * Max(nitems, 1));
	ImportItem **put = palloc(sizeof(ImportItem *) * Max(nitems, 1));
	int n = 0;

	rarr_import_lock_parents(plans->kind, items, nitems);
	lock_media(plans->kind, items, nitems, ids);
	lock_tracked(items, nitems, ids);
	for (int i = 0; i < nitems; i++)
		if (is_put(items[i]) && (is_updated(items[i]) || plans->kind->moves != NULL))
			put[n++] = items[i];
	rarr_import_run(import, plans->kind, &plans->lock_rows, put, n);
	pfree(put);
	pfree(ids);
}

/* Forget what an earlier try found out about an item. */
static void
reset_item(ImportItem *item)
{
	if (item->state != IMPORT_FAILED)
		item->state = IMPORT_PENDING;
	item->found = item->by_service_id = item->conflicts = false;
	item->has_item = item->has_key_holder = item->takes_key = false;
	item->media_differs = item->row_differs = item->gets_id = item->item_differs = false;
	item->moves = item->is_moved = item->leaves = false;
}

/* Run a statement over the items that satisfy the test; returns how many rows it processed. */
static uint64
run_for(Import *import, ImportPlans *plans, ImportPlan *plan, ImportItem *items, int nitems,
		bool (*test)(const ImportItem *), ImportItem **chosen)
{
	int n = choose(items, nitems, test, chosen);

	return rarr_import_run(import, plans->kind, plan, chosen, n);
}

/* Write the items' tracked items. */
static void
write_tracked(Import *import, ImportPlans *plans, ImportItem *items, int nitems, ImportItem **chosen)
{
	import->parks |= run_for(import, plans, &plans->park_key, items, nitems, takes_key, chosen) > 0;
	run_for(import, plans, &plans->item_update, items, nitems, updates_item, chosen);
	run_for(import, plans, &plans->item_insert, items, nitems, inserts_item, chosen);
}

static void
write_items(Import *import, ImportPlans *plans, ImportItem *items, int nitems)
{
	ImportItem **chosen = palloc(sizeof(ImportItem *) * nitems);
	int n;

	for (int i = 0; i < nitems; i++)
		reset_item(&items[i]);
	n = choose(items, nitems, is_pending, chosen);
	rarr_import_identify(import, plans, chosen, n);

	n = choose(items, nitems, is_written, chosen);
	if (import->known_media == NULL)
		lock_items(import, plans, chosen, n);
	n = choose(items, nitems, is_created, chosen);
	if (rarr_import_run(import, plans->kind, &plans->insert, chosen, n) < n)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("the media row was not inserted: another session was first, or a trigger prevented it")));
	run_for(import, plans, &plans->update, items, nitems, keeps_id, chosen);
	run_for(import, plans, &plans->update_id, items, nitems, gets_id, chosen);
	if (plans->kind->moves != NULL)
	{
		run_for(import, plans, &plans->park, items, nitems, changes_place, chosen);
		run_for(import, plans, &plans->give_up, items, nitems, is_put, chosen);
	}
	run_for(import, plans, &plans->put, items, nitems, is_put, chosen);
	write_tracked(import, plans, items, nitems, chosen);
}

/* May the user read and write the tables? */
static bool
may_write(const ImportKind *kind)
{
	Oid schema = LookupExplicitNamespace("researcharr", false);
	AclMode mode = ACL_SELECT | ACL_INSERT | ACL_UPDATE;

	return pg_class_aclmask(get_relname_relid("media", schema), GetUserId(),
							mode, ACLMASK_ALL) == mode &&
		   pg_class_aclmask(get_relname_relid(kind->table, schema), GetUserId(),
							mode, ACLMASK_ALL) == mode &&
		   pg_class_aclmask(get_relname_relid("tracked_items", schema), GetUserId(),
							mode, ACLMASK_ALL) == mode;
}

/* Items being written. */
typedef struct Writing
{
	Import *import;
	ImportPlans *plans;
	ImportItem *items;
	int nitems;
} Writing;

static bool
write_body(void *arg)
{
	Writing *writing = arg;

	write_items(writing->import, writing->plans, writing->items, writing->nitems);
	return true;
}

/*
 * Is the error caused by the items, so that others may succeed?  It is not if
 * the server, the transaction or the session is in trouble, or if the user may
 * not write to the tables at all, rather than to this row.
 */
static bool
is_about_items(const ErrorData *error, void *arg)
{
	if (error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE)
		return may_write(((Writing *) arg)->plans->kind);
	return rarr_error_is_about_data(error);
}

/*
 * Write the items in a subtransaction.  Returns NULL, or the error that rolled
 * it back.  Errors not caused by the items are rethrown.
 */
static ErrorData *
try_items(Import *import, ImportPlans *plans, ImportItem *items, int nitems)
{
	Writing writing = {import, plans, items, nitems};
	ErrorData *error;

	(void) rarr_subtransaction(write_body, is_about_items, &writing, &error);
	return error;
}

static void
count_item(Import *import, const ImportKind *kind, const ImportItem *item)
{
	if (item->state == IMPORT_FAILED)
		return;
	if (item->state == IMPORT_CREATED || (import->synchronizes && !item->has_item))
		import->created++;
	else if (import->synchronizes && item->is_moved)
		import->moved++;
	else if (item->state == IMPORT_UPDATED)
		import->updated++;
	else
		import->unchanged++;
	if (item->leaves)
		rarr_import_warn(import, kind, item->index, kind->fields[0].source,
						 psprintf("is that of another media row; that of the id before, %s, has jobs or episodes and stays",
								  DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&item->left)))));
	if (kind == &rarr_import_series && item->has_source_id && is_written(item))
		rarr_import_add_id(import, &import->changed_series, item->source_id);
}

/* The error's message, with the detail that names the other row, if it is about one. */
static const char *
message_of(const ErrorData *error)
{
	bool names_row = error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION || error->sqlerrcode == ERRCODE_EXCLUSION_VIOLATION ||
					 error->sqlerrcode == ERRCODE_FOREIGN_KEY_VIOLATION;

	return names_row && error->detail != NULL ? psprintf("%s (%s)", error->message, error->detail) : error->message;
}

/*
 * Write the items, and count the outcomes.  Requires an SPI connection, and a
 * memory context that is reset soon.
 */
void
rarr_import_write(Import *import, ImportPlans *plans, ImportItem *items, int nitems)
{
	ErrorData *error;

	CHECK_FOR_INTERRUPTS();
	error = try_items(import, plans, items, nitems);
	if (error == NULL)
	{
		for (int i = 0; i < nitems; i++)
			count_item(import, plans->kind, &items[i]);
	}
	else if (nitems == 1)
		rarr_import_fail(import, plans->kind, items, error->sqlerrcode, message_of(error));
	else
	{
		rarr_import_write(import, plans, items, nitems / 2);
		rarr_import_write(import, plans, items + nitems / 2, nitems - nitems / 2);
	}
}
