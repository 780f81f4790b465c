/*
 * errors.h
 *		The extension's own SQLSTATEs, class RA.
 *
 * Where the server has a suitable SQLSTATE, we use that.  The codes below are
 * part of the interface: applications test for them, so a code never changes
 * its meaning.
 */
#ifndef RARR_BASE_ERRORS_H
#define RARR_BASE_ERRORS_H

#include "utils/elog.h"

/* The lease was lost: the job is another worker's, not running, or gone. */
#define ERRCODE_RARR_LEASE_LOST MAKE_SQLSTATE('R', 'A', '0', '0', '1')

/* There is no such job type. */
#define ERRCODE_RARR_UNKNOWN_JOB_TYPE MAKE_SQLSTATE('R', 'A', '0', '0', '2')

/* An entity's values violate the rules of the data model. */
#define ERRCODE_RARR_VALIDATION MAKE_SQLSTATE('R', 'A', '0', '0', '3')

/* A filter names an unknown field or operator. */
#define ERRCODE_RARR_UNKNOWN_FILTER MAKE_SQLSTATE('R', 'A', '0', '0', '4')

/* The function requires the library in shared_preload_libraries. */
#define ERRCODE_RARR_NEEDS_PRELOAD MAKE_SQLSTATE('R', 'A', '0', '0', '5')

#endif /* RARR_BASE_ERRORS_H */
