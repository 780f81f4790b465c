/*
 * search_text.h
 *		The type search_text: the normalized form of titles that media_search
 *		compares.
 */
#ifndef RARR_DATA_SEARCH_TEXT_H
#define RARR_DATA_SEARCH_TEXT_H

#include "lib/stringinfo.h"

extern void rarr_search_text(StringInfo result, const char *string, int length);

#endif							/* RARR_DATA_SEARCH_TEXT_H */
