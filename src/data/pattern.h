/*
 * pattern.h
 *		Estimate how many rows match a LIKE pattern.
 */
#ifndef RARR_DATA_PATTERN_H
#define RARR_DATA_PATTERN_H

#include "access/attnum.h"

/* values of a column, from the statistics */
typedef struct RarrSample
{
	double rows; /* in the table, as of its last ANALYZE */
	int n;
	Datum *values; /* texts */
	double *parts; /* of the rows, from 0 to 1, that each value stands for */
} RarrSample;

extern void rarr_sample_read(RarrSample *sample, Oid relid, AttrNumber attnum, double more_than);
extern double rarr_sample_matches(const RarrSample *sample, Oid function, Datum pattern, int step);
extern bool rarr_pattern_has_trigram(const char *pattern, int length);
extern bool rarr_pattern_is_rare(Oid relid, AttrNumber attnum, Oid opno, Datum pattern, double wanted);

#endif /* RARR_DATA_PATTERN_H */
