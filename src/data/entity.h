/*-------------------------------------------------------------------------
 *
 * entity.h
 *		The entities of the repositories, as defined by the code and the
 *		catalog.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_DATA_ENTITY_H
#define RARR_DATA_ENTITY_H

#include "access/tupdesc.h"
#include "executor/spi.h"
#include "fmgr.h"

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
	RARR_HISTORY,
	RARR_AUDIT
} RarrEntityKind;

#define RARR_NENTITIES	(RARR_AUDIT + 1)

/* the code's definition of an entity */
typedef struct RarrEntityDef
{
	const char *name;			/* its functions' names begin with it */
	const char *relation;		/* defines the row type */
	const char *masked;			/* the view read by users other than admins, or
								 * NULL */
	const char *table;			/* the table that is written to */
	const char *subtable;		/* of a flat row: the second table, or NULL */
	const char *type;			/* of a flat row: media.type */
	bool		read_only;
	const char *const *create_fields;	/* the only fields of a new row; NULL:
										 * all but system_fields */
	const char *const *update_fields;	/* the only fields that can be updated;
										 * or NULL */
	const RarrRule *const *rules;	/* NULL-terminated */
	const RarrColumn *typed;	/* columns besides id that code reads with
								 * these types; ends with a NULL name; or NULL */
} RarrEntityDef;

/* a column of the row type */
typedef struct RarrEntityColumn
{
	char	   *name;
	char	   *quoted;
	char	   *masked;		/* expression for users other than admins */
	Oid			type;
	int32		typmod;
	AttrNumber	attnum;			/* in the row type */
	bool		in_subtable;	/* is it stored in def->subtable? */
	bool		creatable;		/* may a new row set it? */
	bool		updatable;		/* may an update set it? */
	bool		required;		/* must a new row set it? */
	bool		not_null;
	const RarrRule *rule;		/* or NULL */
} RarrEntityColumn;

typedef struct RarrPlan RarrPlan;

/*
 * The catalog's definition of an entity.  It stays valid until the transaction
 * ends: its relations are locked until then, so only the transaction itself
 * can alter them.
 */
typedef struct RarrEntity
{
	const RarrEntityDef *def;
	RarrEntityKind kind;
	Oid			relid;			/* of def->relation */
	Oid			tableid;		/* of def->table */
	Oid			subtableid;		/* of def->subtable, or 0 */
	Oid			maskedid;		/* of def->masked, or 0 */
	TupleDesc	desc;			/* the row type */
	int			ncolumns;		/* without dropped columns */
	RarrEntityColumn *columns;
	char	   *list;			/* SELECT list of the columns of t, in row type
								 * order */
	char	   *masked_list;	/* ... for users other than admins */
	bool		versioned;		/* is there an updated_at? */
	bool		subtable_filters;	/* can a write to def->subtable be
									 * suppressed without an error? */
	Oid			id_index;		/* btree indexes on a single column of */
	Oid			media_id_index; /* a table that any user may read; or 0 */

	/* private to entity.c and query.c */
	MemoryContext cxt;
	bool		valid;
	RarrPlan   *plans;
	int			nplans;
	FmgrInfo	to_jsonb;		/* for this row type; fn_oid is 0 until it is
								 * needed */
	struct RarrEntity *next;	/* in the list of outdated entities */
} RarrEntity;

extern RarrEntity *rarr_entity(RarrEntityKind kind);
extern RarrEntity *rarr_entity_by_name(const char *name, int length);
extern RarrEntity *rarr_entity_of_function(FunctionCallInfo fcinfo, const char *suffix);
extern const RarrEntityColumn *rarr_entity_column(const RarrEntity *entity, const char *name, int length);
extern char *rarr_entity_column_names(const RarrEntity *entity);
extern const char *rarr_entity_source(const RarrEntity *entity);
extern const char *rarr_entity_list(const RarrEntity *entity);
extern const char *rarr_entity_expression(const RarrEntity *entity, const RarrEntityColumn *column);
extern bool rarr_is_admin(const RarrEntity *entity);

#endif							/* RARR_DATA_ENTITY_H */
