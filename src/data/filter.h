/*
 * filter.h
 *		Translate filters to SQL.
 */
#ifndef RARR_DATA_FILTER_H
#define RARR_DATA_FILTER_H

#include "nodes/bitmapset.h"
#include "utils/jsonb.h"

#include "data/query.h"

extern Bitmapset *rarr_filter_columns(const RarrEntity *entity, Jsonb *filters, bool *pattern);
extern void rarr_filter_add(RarrQuery *query, const RarrEntity *entity, Jsonb *filters);
extern void rarr_unknown_column(const RarrEntity *entity, const char *what, const char *name, int length);

#endif /* RARR_DATA_FILTER_H */
