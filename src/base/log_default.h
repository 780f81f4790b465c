/*
 * log_default.h
 *		Evaluate the defaults of columns that users added to a log.
 */
#ifndef RARR_BASE_LOG_DEFAULT_H
#define RARR_BASE_LOG_DEFAULT_H

#include "base/relation.h"

typedef struct RarrLogDefaults RarrLogDefaults;

extern bool rarr_log_defaults_begin(Relation log, const RarrTable *partition, const AttrNumber *filled,
									int nfilled, bool at_exit, RarrLogDefaults **defaults);
extern void rarr_log_defaults_fill(const RarrLogDefaults *defaults, RarrTable *partition, TupleTableSlot *slot);
extern void rarr_log_defaults_end(RarrLogDefaults *defaults);

#endif /* RARR_BASE_LOG_DEFAULT_H */
