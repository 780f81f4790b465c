/*
 * order.h
 *		Read sort orders and translate them to SQL.
 */
#ifndef RARR_DATA_ORDER_H
#define RARR_DATA_ORDER_H

#include "data/query.h"

/* a column to sort by */
typedef struct RarrOrderKey
{
	const RarrEntityColumn *column;
	bool descending;
	const char *nulls; /* "FIRST", "LAST", or NULL for the default */
} RarrOrderKey;

extern List *rarr_order_read(const RarrEntity *entity, const char *order);
extern bool rarr_order_has(const List *keys, const char *name);
extern void rarr_order_add(RarrQuery *query, const RarrEntity *entity, const List *keys, bool total);

#endif /* RARR_DATA_ORDER_H */
