/*
 * job_type.c
 *		Job types and their policies, cached in each backend.
 *
 * Jobs have no foreign key to job_types, because each enqueue would lock the
 * type's row.  README.md says how the cache is kept up to date.  If there are
 * no invalidation messages, a lookup costs a test of a flag.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "lib/qunique.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/schema.h"
#include "job/core/job_row.h"
#include "job/core/job_type.h"

/*
 * All types that this backend ever knew, and the known ones sorted by name.
 * A RarrJobType is never moved or freed, so that pointers to it stay valid.
 */
static List *all_types = NIL;
static RarrJobType **types = NULL;
static int ntypes = 0;
static Oid types_relid = InvalidOid;
static bool cache_valid = false;
static bool frozen = false; /* the session ends: use the cache as it is */

/* relcache callback */
static void
types_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == types_relid)
		cache_valid = false;
}

static int
compare_types(const void *a, const void *b)
{
	return strcmp((*(RarrJobType *const *) a)->name, (*(RarrJobType *const *) b)->name);
}

/* Return this backend's RarrJobType for a name; create it if necessary. */
static RarrJobType *
intern_type(const char *name)
{
	MemoryContext old;
	RarrJobType *type;
	ListCell *lc;

	foreach (lc, all_types)
	{
		type = lfirst(lc);
		if (strcmp(type->name, name) == 0)
			return type;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	type = palloc0(sizeof(RarrJobType));
	type->name = pstrdup(name);
	all_types = lappend(all_types, type);
	MemoryContextSwitchTo(old);
	return type;
}

/* Read all policies, and replace the cached ones. */
static void
load_types(void)
{
	MemoryContext cxt = AllocSetContextCreate(CurrentMemoryContext, "researcharr job types",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	Relation rel = rarr_relation_open("job_types", AccessShareLock);
	List *found;
	RarrJobType **sorted;

	/* Set this first, so that an invalidation during the read is not lost. */
	types_relid = RelationGetRelid(rel);
	cache_valid = true;
	found = rarr_policies_read(rel);
	relation_close(rel, AccessShareLock);

	sorted = MemoryContextAlloc(TopMemoryContext, list_length(found) * sizeof(RarrJobType *));
	for (int i = 0; i < list_length(found); i++)
	{
		RarrJobType *type = list_nth(found, i);

		sorted[i] = intern_type(type->name);
		type->name = sorted[i]->name;
		type->pass = sorted[i]->pass;
		type->warned = sorted[i]->warned && type->version == sorted[i]->version;
		*sorted[i] = *type;
	}
	qsort(sorted, list_length(found), sizeof(RarrJobType *), compare_types);
	if (types != NULL)
		pfree(types);
	types = sorted;

	/* without its primary key, the table can hold a name twice */
	ntypes = qunique(sorted, list_length(found), sizeof(RarrJobType *), compare_types);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(cxt);
}

/*
 * Stop refreshing the cache: all lookups use it as it is.  For a session that
 * ends, which must not wait for a lock on job_types or raise an error.
 */
void
rarr_job_types_freeze(void)
{
	frozen = true;
}

/* Make the cache reflect all changes that have committed. */
static void
refresh(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(types_changed, (Datum) 0);
		registered = true;
	}
	if (frozen)
		return;
	AcceptInvalidationMessages();
	if (cache_valid)
		return;
	PG_TRY();
	{
		load_types();
	}
	PG_CATCH();
	{
		cache_valid = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* Find the policy of a type, whose name has len bytes.  NULL if not known. */
static const RarrJobType *
find_type(const char *name, int len)
{
	int low = 0;
	int high;

	refresh();
	high = ntypes;
	while (low < high)
	{
		int middle = (low + high) / 2;
		int order = strncmp(types[middle]->name, name, len);

		if (order == 0 && types[middle]->name[len] != '\0')
			order = 1;
		if (order == 0)
			return types[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const RarrJobType *
find_by_text(const text *name)
{
	return find_type(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/*
 * Return the policy of a type, or NULL if the type is not known.  The pointer
 * stays valid until the backend exits, but a call of any function of this file
 * may change the contents.
 */
const RarrJobType *
rarr_job_type_find(const char *name)
{
	return find_type(name, strlen(name));
}

/* Is there a job type of this name? */
bool
rarr_job_type_is_known(const text *name)
{
	return find_by_text(name) != NULL;
}

/*
 * Return the policy of a type, as rarr_job_type_find().  Raises RA002 if the
 * type is not known, and 55000 if its row has an invalid value.
 */
const RarrJobType *
rarr_job_type_get(const text *name)
{
	const RarrJobType *type = find_by_text(name);
	StringInfoData known;

	if (type != NULL && type->unusable != NULL)
		rarr_policy_complain(ERROR, type);
	if (type != NULL)
		return type;

	initStringInfo(&known);
	for (int i = 0; i < ntypes && i < 20; i++)
		appendStringInfo(&known, "%s\"%s\"", i > 0 ? ", " : "", types[i]->name);
	if (ntypes > 20)
		appendStringInfoString(&known, ", ...");
	ereport(ERROR,
			(errcode(ERRCODE_RARR_UNKNOWN_JOB_TYPE),
			 errmsg("unknown job type: \"%s\"",
					pnstrdup(VARDATA_ANY(name),
							 pg_mbcliplen(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), 200))),
			 errhint("Known job types are %s. Call researcharr.job_type_register to add another.",
					 known.data)));
}

/*
 * Return the policy of the job in the slot, deformed: the built-in one if the
 * type's row was deleted since, or has an invalid value.
 */
const RarrJobType *
rarr_job_type_of(TupleTableSlot *job)
{
	const RarrJobType *type = find_by_text(DatumGetTextPP(rarr_job_value(job, JOB_JOB_TYPE)));

	return type != NULL ? type : &rarr_builtin_policy;
}

static int
compare_listed(const ListCell *a, const ListCell *b)
{
	return strcmp(((RarrJobType *) lfirst(a))->name, ((RarrJobType *) lfirst(b))->name);
}

/*
 * Return all types that are not paused.  Types whose row has an invalid value
 * are skipped, with one warning in a session for each version of the row.
 */
static List *
all_usable(void)
{
	List *result = NIL;

	for (int i = 0; i < ntypes; i++)
	{
		RarrJobType *type = types[i];

		if (type->unusable == NULL && !type->paused)
			result = lappend(result, type);
		else if (type->unusable != NULL && !type->warned)
		{
			type->warned = true;
			rarr_policy_complain(WARNING, type);
		}
	}
	return result;
}

/*
 * Return the policies (const RarrJobType *) of all types, also of paused ones
 * and those with an invalid policy, in the order of their names.
 */
List *
rarr_job_types_all(void)
{
	List *result = NIL;

	refresh();
	for (int i = 0; i < ntypes; i++)
		result = lappend(result, types[i]);
	return result;
}

/*
 * Return the policies (const RarrJobType *) of the types named by an argument
 * job_types, or of all types if it is NULL: each once, without the paused
 * ones, in the order of their names.
 *
 * Raises RA002 for an unknown type, 55000 for one whose row has an invalid
 * value, and 22023 for an array that is empty, has more than one dimension or
 * contains a NULL.
 */
List *
rarr_job_types_requested(ArrayType *names)
{
	List *result = NIL;
	Datum *elements;
	bool *nulls;
	int n;

	refresh();
	if (names == NULL)
		return all_usable();
	if (ARR_NDIM(names) != 1 || array_contains_nulls(names))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("job_types must be a one-dimensional array of names, none of them null"),
				 errhint("Name at least one job type, or give NULL for all.")));
	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		const RarrJobType *type = rarr_job_type_get(DatumGetTextPP(elements[i]));

		if (!type->paused)
			result = list_append_unique_ptr(result, unconstify(RarrJobType *, type));
	}
	if (list_length(result) > 1)
		list_sort(result, compare_listed);
	return result;
}

/* Was the policy written by this transaction, so that no other one sees it? */
bool
rarr_job_type_is_uncommitted(const RarrJobType *type)
{
	return type->version != 0 &&
		   TransactionIdIsCurrentTransactionId((TransactionId) (type->version >> 32));
}

/*
 * Return the delay in microseconds before the next attempt of a job that has
 * used `retries` retries so far.  The formula is that of base/backoff.c.
 */
int64
rarr_job_type_retry_delay(const RarrJobType *type, int retries)
{
	return rarr_backoff_delay(type->backoff, type->backoff_base, type->backoff_cap,
							  type->jitter, retries, pg_prng_double(&pg_global_prng_state));
}
