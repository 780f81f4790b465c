/*
 * run.c
 *		Run an import or a synchronization: its instance, arrays and batches.
 *
 * An array is read object by object (read.c) into batches, and each batch is
 * written with a few set-based statements (write.c).
 *
 * Calls about instances of the same service are serialized: instances can have
 * the same media, and media without an external id are identified by title and
 * year, which no unique constraint covers.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/args.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/schema.h"
#include "base/volatile.h"
#include "data/import/state.h"
#include "data/wanted_cancel.h"

#define BATCH_ITEMS 500
#define BATCH_BYTES (4 * 1024 * 1024)

#define EQ " OPERATOR(pg_catalog.=) "

/* Take the array out of a page, as the services' paged resources return. */
static Jsonb *
page_records(Jsonb *page, const char *name, bool complete)
{
	JsonbValue records;
	JsonbValue total;
	int64 number;

	if (!JB_ROOT_IS_OBJECT(page) || !rarr_json_member(&page->root, "records", &records) ||
		!rarr_json_is_array(&records))
		return NULL;
	if (complete && rarr_json_member(&page->root, "totalRecords", &total) &&
		rarr_json_int(&total, &number) == NULL &&
		number > JsonContainerSize(records.val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is a page with %d of " INT64_FORMAT " records, and is not complete",
						name, JsonContainerSize(records.val.binary.data), number),
				 errhint("Pass all records, or complete => false.")));
	return JsonbValueToJsonb(&records);
}

/*
 * Get array argument n, or the records of a page.  Raises 22004 for NULL, and
 * 22023 for others.
 */
Jsonb *
rarr_import_array(FunctionCallInfo fcinfo, int n, const char *name, const char *resource, bool complete)
{
	Jsonb *array;
	Jsonb *records;

	RARR_REQUIRE_ARG(n, name);
	array = PG_GETARG_JSONB_P(n);
	records = page_records(array, name, complete);
	if (records != NULL)
		return records;
	if (!JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON array, not %s", name,
						JB_ROOT_IS_OBJECT(array) ? "an object" : "a single value"),
				 errhint("Pass the response of GET %s.", resource)));
	return array;
}

/* Find and lock the instance.  Returns false if there is none of this name. */
static bool
find_instance(Import *import, const char *name, char **service)
{
	Oid type = TEXTOID;
	Datum value = CStringGetTextDatum(name);
	HeapTuple row;
	bool isnull;
	char *removal;

	if (SPI_execute_with_args("SELECT CAST(n.id AS pg_catalog.uuid), CAST(n.service AS pg_catalog.text),"
							  " n.settings OPERATOR(pg_catalog.->>) 'removed_media'"
							  " FROM researcharr.instances AS n WHERE n.name" EQ "$1 FOR NO KEY UPDATE",
							  1, &type, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for the instance");
	if (SPI_processed == 0)
		return false;
	row = SPI_tuptable->vals[0];
	import->instance_id = *DatumGetUUIDP(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
	*service = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
	removal = SPI_getvalue(row, SPI_tuptable->tupdesc, 3);
	import->removal = removal == NULL || strcmp(removal, "keep") == 0 ? IMPORT_KEEP_MEDIA :
					  strcmp(removal, "delete_with_jobs") == 0        ? IMPORT_DELETE_MEDIA :
																		IMPORT_DELETE_IDLE_MEDIA;
	return true;
}

/* Make the default instance of a service. */
static void
create_instance(const char *service)
{
	Oid type = TEXTOID;
	Datum value = CStringGetTextDatum(service);

	if (SPI_execute_with_args("INSERT INTO researcharr.instances (name, service) VALUES ($1, $1)"
							  " ON CONFLICT (name) DO NOTHING",
							  1, &type, &value, NULL, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not make the instance");
}

/* The members that a service changes all the time. */
static Datum
volatile_members(void)
{
	List *names = rarr_volatile_names();
	Datum *values = palloc(sizeof(Datum) * Max(list_length(names), 1));

	for (int i = 0; i < list_length(names); i++)
		values[i] = CStringGetTextDatum(list_nth(names, i));
	return PointerGetDatum(construct_array(values, list_length(names), TEXTOID, -1, false, TYPALIGN_INT));
}

static void
count_tracked(Import *import)
{
	Oid type = UUIDOID;
	Datum value = UUIDPGetDatum(&import->instance_id);
	bool isnull;

	if (SPI_execute_with_args("SELECT pg_catalog.count(*) FROM researcharr.tracked_items AS k"
							  " WHERE k.instance_id" EQ "$1",
							  1, &type, &value, NULL, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not count the tracked items");
	import->tracked = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

/*
 * Begin to work on the instance of this name, and connect to SPI.  Waits for
 * other calls about the service to end.  If creates is true, an instance that
 * does not exist is made; otherwise, and if it is of another service, raises
 * 22023. command is for the message in a read-only transaction.
 */
void
rarr_import_begin(Import *import, const char *command, const char *instance, const char *service,
				  bool creates)
{
	char *its_service;

	rarr_prevent_read_only(command);
	if (!OidIsValid(rarr_find_relation("tracked_items")))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s needs the tables of version 1.13 of the extension", command),
				 errhint("Run ALTER EXTENSION researcharr UPDATE.")));
	LockDatabaseObject(RelationRelationId, rarr_relation_oid("tracked_items"),
					   strcmp(service, "radarr") == 0 ? 1 : 2, ShareUpdateExclusiveLock);
	SPI_connect();
	import->instance_name = MemoryContextStrdup(import->context, instance);
	import->command = command;
	import->volatile_members = volatile_members();
	if (!find_instance(import, instance, &its_service))
	{
		if (creates)
			create_instance(service);
		if (!creates || !find_instance(import, instance, &its_service))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("there is no instance \"%s\"", instance),
					 errhint("Create it with instance_create().")));
	}
	if (strcmp(service, its_service) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("instance \"%s\" is of the service %s, not %s", instance, its_service, service),
				 errhint("Radarr's instances have movies; Sonarr's have series and episodes.")));
	if (import->complete)
		count_tracked(import);
}

/* Write a batch.  A strict import that has already failed writes nothing. */
static void
flush(Import *import, ImportPlans *plans, ImportItem *items, int nitems)
{
	if (nitems > 0 && !(import->strict && import->failed > 0))
		rarr_import_write(import, plans, items, nitems);
	MemoryContextReset(import->batch_context);
}

/* Record the ids in the array. */
static void
note_identities(Import *import, const ImportKind *kind, Jsonb *array)
{
	JsonbIterator *it = JsonbIteratorInit(&array->root);
	JsonbValue object;
	int index = 0;

	rarr_import_begin_array(import);
	while (rarr_json_next_element(&it, &object))
	{
		MemoryContext old = MemoryContextSwitchTo(import->batch_context);

		CHECK_FOR_INTERRUPTS();
		rarr_import_note_identity(import, kind, &object, index++);
		MemoryContextSwitchTo(old);
		if (index % BATCH_ITEMS == 0)
			MemoryContextReset(import->batch_context);
	}
}

/* Import an array of objects of one kind.  Requires an SPI connection. */
void
rarr_import_run_array(Import *import, const ImportKind *kind, Jsonb *array)
{
	MemoryContext old = MemoryContextSwitchTo(import->context);
	ImportPlans *plans = rarr_import_prepare(kind);
	ImportItem *items = palloc(sizeof(ImportItem) * BATCH_ITEMS);
	JsonbIterator *it;
	JsonbValue object;
	Size bytes = 0;
	int nitems = 0;
	int index = 0;

	note_identities(import, kind, array);
	it = JsonbIteratorInit(&array->root);
	while (rarr_json_next_element(&it, &object))
	{
		ImportItem *item = &items[nitems];

		CHECK_FOR_INTERRUPTS();
		memset(item, 0, sizeof(ImportItem));
		item->index = index++;

		MemoryContextSwitchTo(import->batch_context);
		if (rarr_import_read(import, kind, &object, item))
		{
			nitems++;
			bytes += VARSIZE_ANY(DatumGetPointer(item->payload));
		}
		if (nitems == BATCH_ITEMS || bytes >= BATCH_BYTES)
		{
			flush(import, plans, items, nitems);
			nitems = 0;
			bytes = 0;
		}
		MemoryContextSwitchTo(import->context);
	}
	MemoryContextSwitchTo(import->batch_context);
	flush(import, plans, items, nitems);
	MemoryContextSwitchTo(old);

	import->total += index;
	hash_destroy(import->seen);
}

/*
 * End the work on an instance: cancel queued searches for what is not wanted any
 * more, record when, and disconnect from SPI.
 */
void
rarr_import_finish(Import *import)
{
	RarrInstance instance = {.id = import->instance_id, .name = import->instance_name};
	Oid type = UUIDOID;
	Datum value = UUIDPGetDatum(&import->instance_id);

	(void) rarr_wanted_cancel(&instance, NULL, 0, import->command);

	if (SPI_execute_with_args("UPDATE researcharr.instances SET last_synced_at = pg_catalog.clock_timestamp()"
							  " WHERE id" EQ "$1",
							  1, &type, &value, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not update the instance");
	SPI_finish();
}
