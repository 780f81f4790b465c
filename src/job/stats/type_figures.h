/*
 * type_figures.h
 *		Numbers of jobs, and what happened to them, by type.
 */
#ifndef RARR_JOB_STATS_TYPE_FIGURES_H
#define RARR_JOB_STATS_TYPE_FIGURES_H

#include "base/slot_registry.h"
#include "job/core/job_row.h"
#include "job/stats/figures.h"

#define RARR_JOB_STATUSES (JOB_CANCELLED + 1)

typedef struct RarrTypeFigures
{
	char name[RARR_SLOT_NAME_MAX + 1]; /* empty: several types */
	int64 jobs[RARR_JOB_STATUSES];
	RarrJobSums sums;
} RarrTypeFigures;

extern RarrTypeFigures *rarr_type_figures(int max, int *n, bool *counted);

#endif /* RARR_JOB_STATS_TYPE_FIGURES_H */
