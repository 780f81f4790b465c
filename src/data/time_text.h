/*
 * time_text.h
 *		Read times as other programs write them.
 */
#ifndef RARR_DATA_TIME_TEXT_H
#define RARR_DATA_TIME_TEXT_H

#include "datatype/timestamp.h"

extern bool rarr_parse_time(const char *text, int length, TimestampTz *time);

#endif /* RARR_DATA_TIME_TEXT_H */
