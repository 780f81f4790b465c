/*
 * job_status.h
 *		Conditions on a job's status that indexes can serve.
 */
#ifndef RARR_DATA_JOB_STATUS_H
#define RARR_DATA_JOB_STATUS_H

#include "utils/jsonb.h"

#include "data/query.h"

extern void rarr_job_status_add(RarrQuery *query, const char *status);
extern bool rarr_job_status_filter_add(RarrQuery *query, const JsonbValue *filter);

#endif /* RARR_DATA_JOB_STATUS_H */
