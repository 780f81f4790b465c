/*
 * job_json.h
 *		Jobs as jsonb objects.
 */
#ifndef RARR_JOB_CORE_JOB_JSON_H
#define RARR_JOB_CORE_JOB_JSON_H

#include "utils/tuplestore.h"

extern Datum rarr_jobs_as_jsonb(Tuplestorestate *jobs, Oid relid, MemoryContext cxt);

#endif /* RARR_JOB_CORE_JOB_JSON_H */
