/*
 * unique_key.h
 *		Unique keys of unfinished jobs: their order, and whether one is free.
 */
#ifndef RARR_JOB_CORE_UNIQUE_KEY_H
#define RARR_JOB_CORE_UNIQUE_KEY_H

#include "base/relation.h"

extern int rarr_unique_key_compare(text *type, text *key, text *other_type, text *other_key);
extern bool rarr_unique_key_is_free(RarrTable *jobs, int change);

#endif /* RARR_JOB_CORE_UNIQUE_KEY_H */
