/*-------------------------------------------------------------------------
 *
 * compat.h
 *		What differs among the server versions that are supported.
 *
 * This is the only file that may look at PG_VERSION_NUM.  Each difference
 * gets a name here, and the rest of the code uses the name.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_COMPAT_H
#define RARR_BASE_COMPAT_H

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "researcharr needs PostgreSQL 15 or later"
#endif

/* 18 and later make version 7 UUIDs themselves. */
#if PG_VERSION_NUM >= 180000
#include "utils/fmgrprotos.h"
#define RARR_SERVER_UUID_V7() DirectFunctionCall1(uuidv7, (Datum) 0)
#endif

#endif							/* RARR_BASE_COMPAT_H */
