/*
 * plain.h
 *		Which tables and views are as the extension created them.
 */
#ifndef RARR_DATA_PLAIN_H
#define RARR_DATA_PLAIN_H

#include "utils/rel.h"
#include "utils/reltrigger.h"

#include "base/table_def.h"

/* kinds of changes of the definitions */
enum
{
	RARR_PLAIN_INSERT,
	RARR_PLAIN_UPDATE,
	RARR_PLAIN_CHANGES
};

/* where a column of a row type is stored */
typedef struct RarrSource
{
	bool in_subtable;
	AttrNumber attnum; /* 0: nowhere, the column is dropped */
	AttrNumber later;  /* the value is the later one of the table's column and this one of
						* the subtable; or 0 */
} RarrSource;

extern const RarrTableDef *rarr_plain_def(const char *table);
extern bool rarr_is_plain(Relation rel, const RarrTableDef *def, int change, bool *advances);
extern bool rarr_is_cache_trigger(const Trigger *trigger);
extern const Trigger *rarr_audit_trigger(const TriggerDesc *triggers, int change);
extern bool rarr_is_latest(Relation view, AttrNumber column);
extern RarrSource *rarr_plain_sources(Relation rel, Relation table, Relation subtable);

#endif /* RARR_DATA_PLAIN_H */
