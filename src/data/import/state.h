/*
 * state.h
 *		The state of a running import or synchronization, and what its parts
 *		share.
 *
 * import.c and sync.c have the SQL functions, and run.c reads their arrays.
 * read.c and track.c convert objects to items, identify.c finds the media rows
 * that they stand for, write.c writes them, and remove.c handles what is absent.
 */
#ifndef RARR_DATA_IMPORT_STATE_H
#define RARR_DATA_IMPORT_STATE_H

#include "executor/spi.h"
#include "fmgr.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "data/validate.h"

#define IMPORT_MAX_FIELDS 5

/* columns of tracked_items that an object fills in */
typedef enum ImportTracked
{
	TRACKED_MONITORED,
	TRACKED_HAS_FILE,
	TRACKED_AVAILABLE_FROM,
	TRACKED_QUALITY_PROFILE_ID,
	TRACKED_CUSTOM_FORMAT_SCORE,
	TRACKED_QUALITY_CUTOFF_MET,
	TRACKED_ADDED_AT,
	TRACKED_SORT_TITLE
} ImportTracked;

#define IMPORT_NTRACKED (TRACKED_SORT_TITLE + 1)

/* bits of ImportItem.given */
#define IMPORT_GIVES_FIELD(i)   (1 << (i))
#define IMPORT_GIVES_TRACKED(i) (1 << (IMPORT_MAX_FIELDS + (i)))

/* service ids of tracked items whose id the service has given to another object */
#define IMPORT_PARKED INT64CONST(4611686018427387904)

/* identities of an object, for rarr_import_seen() */
#define IMPORT_EXTERNAL_ID "external %s"
#define IMPORT_SERVICE_ID  "id " INT64_FORMAT

/* Where a value of an item comes from and goes to. */
typedef struct ImportField
{
	const char *source; /* member, or member.member */
	const char *column; /* its name in the statements */
	Oid type;           /* of the column */
	const RarrRule *rule;
	bool identifies;      /* does a value that is not valid refuse the object? */
	bool stored;          /* is it a column of the kind's table? */
	bool in_metadata;     /* does it also stay in metadata? */
	bool zero_is_unknown; /* is 0 read as NULL? */
} ImportField;

/* A kind of object: movies, series or episodes. */
typedef struct ImportKind
{
	const char *source;        /* name of its array in error messages */
	const char *type;          /* media.type */
	const char *service;       /* key in metadata */
	const char *table;         /* the media type's own table */
	const ImportField *fields; /* the first one is the service's external id */
	int nfields;
	const char *same;  /* SQL: is media row m with its subtype row s
						* the item i, if external ids do not tell? */
	const char *moves; /* SQL: does item i change the unique place of
						* row s, which another row may hold now? or
						* NULL */
	const char *park;  /* SQL: the column of s to change meanwhile */
} ImportKind;

typedef enum ImportState
{
	IMPORT_PENDING,
	IMPORT_CREATED,
	IMPORT_UPDATED,
	IMPORT_UNCHANGED,
	IMPORT_FAILED
} ImportState;

/* An object that has been read. */
typedef struct ImportItem
{
	int index; /* in its array */
	ImportState state;
	Datum external_id; /* text, or 0 for none */
	Datum title;       /* text */
	Datum extra;       /* jsonb: the object's other members */
	Datum payload;     /* jsonb: the object */
	int given;         /* which values the object has: IMPORT_GIVES_... */
	Datum values[IMPORT_MAX_FIELDS];
	bool nulls[IMPORT_MAX_FIELDS];
	Datum tracked[IMPORT_NTRACKED];
	bool tracked_nulls[IMPORT_NTRACKED];
	bool has_source_id;
	int64 source_id;      /* the service's own id of the object */
	pg_uuid_t media_id;   /* once known */
	bool found;           /* is that a row that exists? */
	bool by_service_id;   /* ... found by source_id */
	bool conflicts;       /* has another row the external id? */
	pg_uuid_t other;      /* ... that row */
	bool has_item;        /* is there a row in tracked_items? */
	pg_uuid_t item_id;    /* ... its id */
	bool has_key_holder;  /* has a tracked item its source_id? */
	pg_uuid_t key_holder; /* ... that item */
	bool takes_key;       /* ... which is another one? */
	bool media_differs;   /* must the media row be written? */
	bool item_differs;    /* must the row in tracked_items be written? */
	bool row_differs;     /* must the row in the kind's table be written? */
	bool gets_id;         /* does its media row get another external id? */
	bool moves;           /* does it change its unique place? */
	bool is_moved;        /* does it get another identity? */
	bool leaves;          /* does it leave a media row that has jobs or episodes? */
	pg_uuid_t left;       /* ... that row */
} ImportItem;

typedef struct ImportError
{
	const ImportKind *kind;
	int index;
	int sqlstate;
	const char *member; /* of a warning; or NULL */
	char *message;
} ImportError;

/* the objects of an array */
typedef struct ImportIds
{
	int64 *ids;
	int count;
	int room;
} ImportIds;

/* what becomes of media that no instance tracks any more */
typedef enum ImportRemoval
{
	IMPORT_KEEP_MEDIA,
	IMPORT_DELETE_IDLE_MEDIA, /* without unfinished jobs */
	IMPORT_DELETE_MEDIA
} ImportRemoval;

/* The running import. */
typedef struct Import
{
	MemoryContext context;       /* lives as long as the import */
	MemoryContext batch_context; /* reset after each batch */
	pg_uuid_t instance_id;
	char *instance_name;
	const char *command; /* the SQL function's name, with parentheses */
	ImportRemoval removal;
	bool synchronizes; /* do objects need an id, and are they counted as tracked items? */
	bool complete;     /* are absent objects removed? */
	bool strict;
	const pg_uuid_t *known_media; /* the objects' media rows, which stay as they are; or NULL */
	int created;
	int updated;
	int unchanged;
	int failed;
	int moved;
	int removed;
	int unreadable; /* objects without a valid id */
	int total;
	List *errors;                      /* of ImportError, the first ones */
	List *warnings;                    /* likewise */
	Datum volatile_members;            /* text[]: members that change all the time */
	const ImportKind *unreadable_kind; /* of the first object without a valid id */
	int unreadable_index;
	int64 tracked;            /* rows of tracked_items before the call */
	bool parks;               /* have service ids of tracked items been parked? */
	HTAB *seen;               /* what the kind's objects represent */
	HTAB *series;             /* series by Sonarr's id */
	ImportIds present[3];     /* ids of movies, series and episodes in the call */
	ImportIds scope;          /* ids of the series that episodes mention */
	ImportIds changed_series; /* ids of series whose tracked items were written */
} Import;

/* maximum number of errors in the result */
#define IMPORT_LISTED_ERRORS 10000

/*
 * Parameters of statements: $1 and $2 are the instance and the volatile members,
 * the others arrays with an element per item.
 */
typedef enum ImportParam
{
	PARAM_ID,
	PARAM_EXTERNAL_ID,
	PARAM_TITLE,
	PARAM_EXTRA,
	PARAM_GIVEN,
	PARAM_SERVICE_ID,
	PARAM_PAYLOAD,
	PARAM_ITEM_ID,
	PARAM_TRACKED,
	PARAM_FIELDS = PARAM_TRACKED + IMPORT_NTRACKED
} ImportParam;

#define IMPORT_FIXED_PARAMS 2
#define IMPORT_MAX_PARAMS   (PARAM_FIELDS + IMPORT_MAX_FIELDS)

/* a statement, and which parameters it takes: bits by ImportParam */
typedef struct ImportPlan
{
	SPIPlanPtr plan;
	uint32 params;
} ImportPlan;

/* the statements for a kind of object */
typedef struct ImportPlans
{
	const ImportKind *kind;
	ImportPlan same;
	ImportPlan find;
	ImportPlan compare;
	ImportPlan insert;
	ImportPlan update;
	ImportPlan update_id; /* also sets the external id */
	ImportPlan lock_rows;
	ImportPlan park;    /* no plan if no row can change its place */
	ImportPlan give_up; /* likewise */
	ImportPlan put;
	ImportPlan park_key;
	ImportPlan item_update;
	ImportPlan item_insert;
} ImportPlans;

/* kinds.c */
extern const ImportKind rarr_import_movies;
extern const ImportKind rarr_import_series;
extern const ImportKind rarr_import_episodes;

/* state.c */
extern Import *rarr_import_make(void);
extern void rarr_import_begin_array(Import *import);
extern void rarr_import_fail(Import *import, const ImportKind *kind, ImportItem *item,
							 int sqlstate, const char *message);
extern void rarr_import_warn(Import *import, const ImportKind *kind, int index, const char *member,
							 const char *message);
extern int rarr_import_seen(Import *import, const char *identity, int index);
extern int rarr_import_first(Import *import, const char *identity);
extern void rarr_import_add_id(Import *import, ImportIds *ids, int64 id);
extern Datum rarr_import_id_array(const ImportIds *ids);
extern Jsonb *rarr_import_list(List *errors, int limit);

/* series.c */
extern void rarr_import_load_series(Import *import, Jsonb *episodes);
extern bool rarr_import_find_series(Import *import, int64 source_id, pg_uuid_t *media_id);
extern bool rarr_import_season_flags(Import *import, int64 source_id, int32 season,
									 bool *monitored, int32 *profile, const char **sort_title);
extern void rarr_import_cascade_flags(Import *import);

/* read.c */
extern void rarr_import_note_identity(Import *import, const ImportKind *kind,
									  JsonbValue *object, int index);
extern bool rarr_import_read(Import *import, const ImportKind *kind, JsonbValue *object,
							 ImportItem *item);

/* track.c */
extern void rarr_import_read_tracked(Import *import, const ImportKind *kind, JsonbContainer *object,
									 ImportItem *item);

/* params.c */
extern Oid rarr_import_param_type(const ImportKind *kind, int param);
extern char *rarr_import_items(const ImportKind *kind, uint32 params);
extern ImportPlan rarr_import_plan(const ImportKind *kind, uint32 params, char *sql);

/* statements.c, track_statements.c */
extern ImportPlans *rarr_import_prepare(const ImportKind *kind);
extern void rarr_import_prepare_tracked(ImportPlans *plans);
extern char *rarr_import_item_differs(bool whole);

/* identify.c */
extern uint64 rarr_import_run(Import *import, const ImportKind *kind, ImportPlan *plan,
							  ImportItem **items, int nitems);
extern void rarr_import_identify(Import *import, ImportPlans *plans, ImportItem **items, int nitems);

/* locks.c */
extern void rarr_import_lock_parents(const ImportKind *kind, ImportItem **items, int nitems);
extern void rarr_import_lock_merges(const ImportKind *kind, ImportItem **items, int nitems);

/* merge.c */
extern void rarr_import_merge(Import *import, ImportItem *item);
extern bool rarr_import_is_shared(Import *import, const pg_uuid_t *media_id);

/* write.c */
extern void rarr_import_write(Import *import, ImportPlans *plans, ImportItem *items, int nitems);

/* remove.c */
extern void rarr_import_remove(Import *import, const ImportKind *kind, float4 max_removed);
extern void rarr_import_remove_object(Import *import, const ImportKind *kind, int64 service_id);

/* run.c */
extern Jsonb *rarr_import_array(FunctionCallInfo fcinfo, int n, const char *name, const char *resource,
								bool complete);
extern void rarr_import_begin(Import *import, const char *command, const char *instance,
							  const char *service, bool creates);
extern void rarr_import_run_array(Import *import, const ImportKind *kind, Jsonb *array);
extern void rarr_import_finish(Import *import);

#endif /* RARR_DATA_IMPORT_STATE_H */
