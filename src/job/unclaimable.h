/*
 * unclaimable.h
 *		Jobs that cannot be claimed.
 */
#ifndef RARR_UNCLAIMABLE_H
#define RARR_UNCLAIMABLE_H

#include "executor/tuptable.h"

extern char *rarr_job_why_unclaimable(TupleTableSlot *slot);

#endif /* RARR_UNCLAIMABLE_H */
