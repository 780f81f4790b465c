/*
 * slips.h
 *		Build LIKE patterns for words with a typo.
 */
#ifndef RARR_DATA_SLIPS_H
#define RARR_DATA_SLIPS_H

#include "lib/stringinfo.h"

#define RARR_MAX_SLIP_LETTERS 24 /* longer words stay similar despite a typo */

extern void rarr_append_escaped(StringInfo pattern, const char *string, int length);
extern Datum rarr_slip_patterns(const char *words, bool indexed);

#endif /* RARR_DATA_SLIPS_H */
