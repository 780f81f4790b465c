/*
 * state.h
 *		The state of a running import, and what its parts share: import.c runs
 *		it, read.c converts objects to items, and write.c writes items.
 */
#ifndef RARR_DATA_IMPORT_STATE_H
#define RARR_DATA_IMPORT_STATE_H

#include "executor/spi.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "data/validate.h"

#define IMPORT_MAX_FIELDS 5

/* identity of an object with an external id, for rarr_import_seen() */
#define IMPORT_EXTERNAL_ID "external %s"

/* Where a value of an item comes from and goes to. */
typedef struct ImportField
{
	const char *source; /* member, or member.member */
	const char *column; /* its name in the statements */
	Oid type;           /* of the column */
	const RarrRule *rule;
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
	Datum values[IMPORT_MAX_FIELDS];
	bool nulls[IMPORT_MAX_FIELDS];
	bool has_source_id;
	int64 source_id;    /* the object's own "id" */
	pg_uuid_t media_id; /* once known */
	bool row_differs;   /* must the row in the kind's table be written? */
	bool gets_id;       /* does its media row get another external id? */
	bool moves;
} ImportItem;

typedef struct ImportError
{
	const ImportKind *kind;
	int index;
	int sqlstate;
	char *message;
} ImportError;

/* The running import. */
typedef struct Import
{
	MemoryContext context;       /* lives as long as the import */
	MemoryContext batch_context; /* reset after each batch */
	bool strict;
	int created;
	int updated;
	int unchanged;
	int failed;
	int total;
	List *errors; /* of ImportError, the first ones */
	HTAB *seen;   /* what the kind's objects represent */
	HTAB *series; /* series by Sonarr's id */
} Import;

/* maximum number of errors in the result */
#define IMPORT_LISTED_ERRORS 10000

/* the array parameters of every statement: these, then the kind's fields */
enum
{
	PARAM_ID,
	PARAM_EXTERNAL_ID,
	PARAM_TITLE,
	PARAM_EXTRA,
	PARAM_FIELDS
};
#define MAX_PARAMS (PARAM_FIELDS + IMPORT_MAX_FIELDS)

/* the statements for a kind of object */
typedef struct ImportPlans
{
	const ImportKind *kind;
	Oid types[MAX_PARAMS]; /* of the elements */
	SPIPlanPtr match;
	SPIPlanPtr insert;
	SPIPlanPtr update;
	SPIPlanPtr update_id; /* also sets the external id */
	SPIPlanPtr park;      /* NULL if no row can change its place */
	SPIPlanPtr put;
} ImportPlans;

extern const ImportKind rarr_import_movies;
extern const ImportKind rarr_import_series;
extern const ImportKind rarr_import_episodes;

/* state.c */
extern void rarr_import_begin_series(Import *import);
extern void rarr_import_begin_array(Import *import);
extern void rarr_import_fail(Import *import, const ImportKind *kind, ImportItem *item,
							 int sqlstate, const char *message);
extern int rarr_import_seen(Import *import, const char *identity, int index);
extern int rarr_import_first(Import *import, const char *identity);
extern void rarr_import_add_series(Import *import, int64 source_id, const pg_uuid_t *media_id);
extern bool rarr_import_expect_series(Import *import, int64 source_id);
extern int rarr_import_find_series(Import *import, int64 source_id, pg_uuid_t *media_id);

/* read.c */
extern void rarr_import_note_external_id(Import *import, const ImportKind *kind,
										 JsonbValue *object, int index);
extern bool rarr_import_read(Import *import, const ImportKind *kind, JsonbValue *object,
							 ImportItem *item);

/* statements.c */
extern ImportPlans *rarr_import_prepare(const ImportKind *kind);

/* write.c */
extern void rarr_import_write(Import *import, ImportPlans *plans, ImportItem *items, int nitems);
extern void rarr_import_find_old_series(Import *import, Datum *source_ids, int nids);

#endif /* RARR_DATA_IMPORT_STATE_H */
