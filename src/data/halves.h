/*
 * halves.h
 *		The times of the two halves of a flat row.
 */
#ifndef RARR_DATA_HALVES_H
#define RARR_DATA_HALVES_H

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "utils/relcache.h"

extern bool rarr_other_half_time(Relation rel, HeapTuple row, TimestampTz *time);

#endif /* RARR_DATA_HALVES_H */
