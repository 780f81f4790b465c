/*
 * entity_def.h
 *		The code's definitions of the repositories' entities.
 */
#ifndef RARR_DATA_ENTITY_DEF_H
#define RARR_DATA_ENTITY_DEF_H

#include "base/column.h"
#include "data/validate.h"

typedef enum RarrEntityKind
{
	RARR_MEDIA,
	RARR_MOVIE,
	RARR_SERIES,
	RARR_EPISODE,
	RARR_JOB,
	RARR_QUEUE_ITEM,
	RARR_CONFIG,
	RARR_WEBUI_USER,
	RARR_INSTANCE,
	RARR_TRACKED_ITEM,
	RARR_HISTORY,
	RARR_AUDIT
} RarrEntityKind;

#define RARR_NENTITIES (RARR_AUDIT + 1)

/* the code's definition of an entity */
typedef struct RarrEntityDef
{
	const char *name;     /* its functions' names begin with it */
	const char *relation; /* defines the row type */
	const char *masked;   /* the view for others than admins, or NULL */
	const char *table;    /* the table that is written to */
	const char *subtable; /* of a flat row: the second table, or NULL */
	const char *type;     /* of a flat row: media.type */
	bool read_only;
	const char *const *own_fields;    /* written by callers though named like system_fields; or NULL */
	const char *const *create_fields; /* or NULL: all but system_fields */
	const char *const *update_fields; /* ... of an update; or NULL */
	const RarrRule *const *rules;     /* NULL-terminated */
	const RarrColumn *typed;          /* columns that code reads; or NULL */
} RarrEntityDef;

extern const RarrEntityDef rarr_entity_defs[RARR_NENTITIES];

#endif /* RARR_DATA_ENTITY_DEF_H */
