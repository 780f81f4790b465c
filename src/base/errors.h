/*-------------------------------------------------------------------------
 *
 * errors.h
 *		The error codes of the extension's own, class RA.
 *
 * Anything for which the server has a code uses the server's.  These are
 * part of the interface: applications tell errors apart by them, so a code
 * never changes its meaning.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_ERRORS_H
#define RARR_BASE_ERRORS_H

#include "utils/elog.h"

/* The job was handed on, is no longer running, or does not exist. */
#define ERRCODE_RARR_LEASE_LOST			MAKE_SQLSTATE('R','A','0','0','1')

/* No such job type. */
#define ERRCODE_RARR_UNKNOWN_JOB_TYPE	MAKE_SQLSTATE('R','A','0','0','2')

/* An entity's values break the rules of the data model. */
#define ERRCODE_RARR_VALIDATION			MAKE_SQLSTATE('R','A','0','0','3')

/* A filter names an unknown field or operator. */
#define ERRCODE_RARR_UNKNOWN_FILTER		MAKE_SQLSTATE('R','A','0','0','4')

/* Works only with the library in shared_preload_libraries. */
#define ERRCODE_RARR_NEEDS_PRELOAD		MAKE_SQLSTATE('R','A','0','0','5')

#endif							/* RARR_BASE_ERRORS_H */
