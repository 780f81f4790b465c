/*
 * entity.h
 *		The entities of the repositories: what the code knows of each, what the
 *		catalog says of it now, and the plans made for it.
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

/* What the code knows. */
typedef struct RarrEntityDef
{
	const char *name;			/* its functions' names begin with it */
	const char *relation;		/* whose row type its rows have */
	const char *masked;			/* what others than admins read instead, or NULL */
	const char *table;			/* that is written */
	const char *subtable;		/* of a flat row: the one with the rest, or NULL */
	const char *type;			/* of a flat row: media.type */
	bool		read_only;
	const char *const *create_fields;	/* the only ones a new row may have; or
										 * NULL: all that the tables do not keep */
	const char *const *update_fields;	/* the only ones that may change; or NULL */
	const RarrRule *const *rules;	/* up to a NULL */
	const RarrColumn *typed;	/* columns whose values code reads as of these types,
								 * beside id; up to one without a name; or NULL */
} RarrEntityDef;

/* A column of the row type. */
typedef struct RarrEntityColumn
{
	char	   *name;
	char	   *quoted;
	char	   *masked;		/* what others than admins read instead */
	Oid			type;
	int32		typmod;
	AttrNumber	attnum;			/* in the row type */
	bool		in_subtable;	/* of a flat row: where it is stored */
	bool		creatable;		/* may a new row be given it? */
	bool		updatable;		/* may it change? */
	bool		required;		/* must a new row be given it? */
	bool		not_null;
	const RarrRule *rule;		/* or NULL */
} RarrEntityColumn;

typedef struct RarrPlan RarrPlan;

/*
 * What the catalog says: stays as it is until the transaction ends.  Its relations
 * are locked until then, so that none but the transaction itself can alter them.
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
	int			ncolumns;		/* without dropped ones */
	RarrEntityColumn *columns;
	char	   *list;			/* of the columns, behind t., in the row type's order */
	char	   *masked_list;	/* of what others than admins read instead */
	bool		versioned;		/* is there an updated_at? */
	bool		subtable_filters;	/* can a write of def->subtable be kept out without
									 * an error? */
	Oid			id_index;		/* btree indexes on one column of a table whose rows */
	Oid			media_id_index; /* everybody may see as they are; or 0 */

	/* for entity.c and query.c */
	MemoryContext cxt;
	bool		valid;
	RarrPlan   *plans;
	int			nplans;
	FmgrInfo	to_jsonb;		/* for this row type; fn_oid 0 until it is needed */
	struct RarrEntity *next;	/* waiting to be freed */
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
