/*-------------------------------------------------------------------------
 *
 * own_table.h
 *		Which tables are the extension's.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_OWN_TABLE_H
#define RARR_BASE_OWN_TABLE_H

#define RARR_EXTENSION		"researcharr"

extern bool rarr_is_own_table(Oid relid);

#endif							/* RARR_BASE_OWN_TABLE_H */
