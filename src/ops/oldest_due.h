/*
 * oldest_due.h
 *		When the oldest job fell due that nobody has claimed.
 */
#ifndef RARR_OPS_OLDEST_DUE_H
#define RARR_OPS_OLDEST_DUE_H

#include "datatype/timestamp.h"

extern char *rarr_oldest_due(TimestampTz now, TimestampTz *oldest);

#endif /* RARR_OPS_OLDEST_DUE_H */
