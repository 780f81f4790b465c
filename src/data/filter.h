/*
 * filter.h
 *		Translate filters to SQL.
 */
#ifndef RARR_DATA_FILTER_H
#define RARR_DATA_FILTER_H

#include "nodes/bitmapset.h"
#include "utils/jsonb.h"

#include "data/query.h"

/* what filters name, by the columns' positions among the entity's, from 0 */
typedef struct RarrFilterUse
{
	Bitmapset *columns;
	Bitmapset *above; /* with gt or gte */
	Bitmapset *below; /* with lt or lte */
	bool pattern;     /* is there a like, ilike or contains? */
} RarrFilterUse;

extern void rarr_filter_use(const RarrEntity *entity, Jsonb *filters, RarrFilterUse *use);
extern bool rarr_filter_is_rare(const RarrEntity *entity, Jsonb *filters, double wanted);
extern void rarr_filter_add(RarrQuery *query, const RarrEntity *entity, Jsonb *filters);
extern void rarr_unknown_column(const RarrEntity *entity, const char *what, const char *name, int length);

#endif /* RARR_DATA_FILTER_H */
