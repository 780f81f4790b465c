/*
 * filter.h
 *		Translate filters and sort orders to SQL.
 */
#ifndef RARR_DATA_FILTER_H
#define RARR_DATA_FILTER_H

#include "utils/jsonb.h"

#include "data/query.h"

extern void rarr_filter_add(RarrQuery *query, const RarrEntity *entity, Jsonb *filters);
extern void rarr_order_add(RarrQuery *query, const RarrEntity *entity, const char *order, bool total);

#endif /* RARR_DATA_FILTER_H */
