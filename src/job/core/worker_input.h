/*
 * worker_input.h
 *		Limits of the values that a worker writes into a job.
 */
#ifndef RARR_JOB_CORE_WORKER_INPUT_H
#define RARR_JOB_CORE_WORKER_INPUT_H

#include "utils/timestamp.h"

#define RARR_WORKER_MAX_CHARS 255         /* of the name of a worker */
#define RARR_ERROR_MAX_BYTES  (64 * 1024) /* of an error message */

extern bool rarr_worker_name_fits(Datum worker);
extern void rarr_check_worker_name(Datum worker);
extern bool rarr_error_text_fits(Datum error);
extern Datum rarr_error_text_truncate(Datum error);
extern void rarr_check_result(Datum result);
extern int64 rarr_lease_arg(const Interval *interval, const char *name, int64 least);

#endif /* RARR_JOB_CORE_WORKER_INPUT_H */
