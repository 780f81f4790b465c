/*
 * volatile.h
 *		Compare JSON values, and ignore members that change all the time.
 */
#ifndef RARR_BASE_VOLATILE_H
#define RARR_BASE_VOLATILE_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/rel.h"

/* where in a JSON value members named by researcharr.volatile_members are volatile */
typedef enum RarrVolatile
{
	RARR_VOLATILE_NOWHERE,
	RARR_VOLATILE_SERVICES, /* in its members radarr and sonarr, at any depth */
	RARR_VOLATILE_EVERYWHERE
} RarrVolatile;

/* the members that differ between two objects */
typedef struct RarrJsonChanges
{
	Jsonb *old_members;
	Jsonb *new_members;
} RarrJsonChanges;

extern List *rarr_volatile_names(void);
extern RarrVolatile rarr_volatile_in(Relation rel, const char *column);
extern bool rarr_json_differs(Jsonb *old_value, Jsonb *new_value, RarrVolatile where);
extern bool rarr_json_changes(Jsonb *old_object, Jsonb *new_object, RarrVolatile where, RarrJsonChanges *changes);
extern bool rarr_only_volatile_changed(Relation rel, AttrNumber updated_at,
									   const Datum *old_values, const bool *old_nulls,
									   const Datum *new_values, const bool *new_nulls);

#endif /* RARR_BASE_VOLATILE_H */
