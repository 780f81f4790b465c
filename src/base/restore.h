/*
 * restore.h
 *		Detect that the inserted rows come from a dump.
 */
#ifndef RARR_BASE_RESTORE_H
#define RARR_BASE_RESTORE_H

#include "utils/rel.h"

extern bool rarr_is_restoring(Relation rel);

#endif /* RARR_BASE_RESTORE_H */
