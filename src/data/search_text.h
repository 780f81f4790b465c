/*
 * search_text.h
 *		The type search_text: titles as media_search compares them.
 */
#ifndef RARR_DATA_SEARCH_TEXT_H
#define RARR_DATA_SEARCH_TEXT_H

#include "lib/stringinfo.h"

extern void rarr_search_text(StringInfo result, const char *string, int length);

#endif /* RARR_DATA_SEARCH_TEXT_H */
