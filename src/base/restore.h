/*
 * restore.h
 *		Whether the rows that arrive are those of a dump.
 */
#ifndef RARR_RESTORE_H
#define RARR_RESTORE_H

#include "utils/rel.h"

extern bool rarr_is_restoring(Relation rel);

#endif							/* RARR_RESTORE_H */
