/*
 * page.h
 *		Read a page of media or of flat rows.
 */
#ifndef RARR_DATA_PAGE_H
#define RARR_DATA_PAGE_H

#include "utils/jsonb.h"

#include "data/query.h"

extern bool rarr_page_rows(RarrEntity *entity, Jsonb *filters, const List *order, const int64 *limit,
						   int64 offset, FunctionCallInfo fcinfo);
extern void rarr_page_count(RarrQuery *query, RarrEntity *entity, Jsonb *filters);

#endif /* RARR_DATA_PAGE_H */
