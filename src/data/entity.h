/*
 * entity.h
 *		The entities of the repositories, as the code and catalog say.
 */
#ifndef RARR_DATA_ENTITY_H
#define RARR_DATA_ENTITY_H

#include "access/tupdesc.h"
#include "executor/spi.h"
#include "fmgr.h"

#include "data/entity_def.h"
#include "data/plain.h"
#include "data/plan.h"

/* a column of the row type */
typedef struct RarrEntityColumn
{
	char *name;
	char *quoted;
	char *masked; /* expression for users other than admins */
	Oid type;
	int32 typmod;
	AttrNumber attnum; /* in the row type */
	AttrNumber stored; /* in the table that stores it */
	bool in_subtable;  /* is it stored in def->subtable? */
	bool of_group;     /* is it media's status or type? */
	bool by_group;     /* has media an index on status, type and it? */
	bool creatable;    /* may a new row set it? */
	bool updatable;    /* may an update set it? */
	bool required;     /* must a new row set it? */
	bool not_null;
	const RarrRule *rule; /* or NULL */
} RarrEntityColumn;

/* how rows of a table are written without a statement; see direct_write.c */
typedef struct RarrDirectTable
{
	const RarrTableDef *def;        /* NULL: never */
	bool plain[RARR_PLAIN_CHANGES]; /* which kinds of changes can be made */
	bool advances;                  /* does an update advance the time of the change? */
	AttrNumber key;                 /* the column id or media_id */
	AttrNumber updated_at;          /* the time of the change: updated_at or changed_at; or 0 */
	AttrNumber type;                /* or 0 */
	Oid key_index;                  /* a unique index on the key; or 0 */
	Bitmapset *foreign_keys;        /* columns that only a statement updates */
	bool refers;                    /* has the table a foreign key? */
} RarrDirectTable;

/*
 * The catalog's definition of an entity.  It stays valid until the transaction
 * ends: its relations are locked until then, so only the transaction itself
 * can alter them.
 */
typedef struct RarrEntity
{
	const RarrEntityDef *def;
	RarrEntityKind kind;
	Oid relid;      /* of def->relation */
	Oid tableid;    /* of def->table */
	Oid subtableid; /* of def->subtable, or 0 */
	Oid maskedid;   /* of def->masked, or 0 */
	TupleDesc desc; /* the row type */
	int ncolumns;   /* without dropped columns */
	RarrEntityColumn *columns;
	char *list;                /* SELECT list, in row type order */
	char *masked_list;         /* ... for users other than admins */
	bool versioned;            /* is there an updated_at? */
	bool of_both;              /* is it the later one of both tables' times of change? */
	bool subtable_filters;     /* can def->subtable suppress a row? */
	bool groups_known;         /* has group.c filled in plain, grouped and the columns' flags? */
	bool plain;                /* are the columns those of the tables, as they are? */
	bool grouped;              /* can pages be read by status and type? */
	Oid id_index;              /* btree indexes on a single column of */
	Oid media_id_index;        /* a table that any user may read; or 0 */
	RarrDirectTable direct[2]; /* of def->table and def->subtable */
	RarrSource *sources;       /* of the row type's columns; or NULL */

	/* private to entity.c and query.c */
	MemoryContext cxt;
	bool valid;
	RarrPlans plans;
	FmgrInfo to_jsonb;       /* for this row type, once needed */
	struct RarrEntity *next; /* in the list of outdated entities */
} RarrEntity;

extern RarrEntity *rarr_entity(RarrEntityKind kind);
extern bool rarr_direct_has_key(const RarrDirectTable *direct, AttrNumber column);
extern RarrEntity *rarr_entity_by_name(const char *name, int length);
extern RarrEntity *rarr_entity_of_function(FunctionCallInfo fcinfo, const char *suffix);
extern const RarrEntityColumn *rarr_entity_column(const RarrEntity *entity, const char *name, int length);
extern char *rarr_entity_column_names(const RarrEntity *entity);
extern const char *rarr_entity_source(const RarrEntity *entity);
extern const char *rarr_entity_list(const RarrEntity *entity);
extern const char *rarr_entity_expression(const RarrEntity *entity, const RarrEntityColumn *column);

#endif /* RARR_DATA_ENTITY_H */
