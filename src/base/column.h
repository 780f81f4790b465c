/*-------------------------------------------------------------------------
 *
 * column.h
 *		A table's columns by name.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_COLUMN_H
#define RARR_BASE_COLUMN_H

#include "utils/rel.h"

extern AttrNumber rarr_find_column(TupleDesc desc, const char *name);
extern AttrNumber rarr_require_column(Relation rel, const char *name, Oid type);

#endif							/* RARR_BASE_COLUMN_H */
