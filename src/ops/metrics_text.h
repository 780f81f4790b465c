/*
 * metrics_text.h
 *		Write OpenMetrics text.
 */
#ifndef RARR_OPS_METRICS_TEXT_H
#define RARR_OPS_METRICS_TEXT_H

#include "lib/stringinfo.h"

typedef enum RarrMetricType
{
	RARR_METRIC_GAUGE,
	RARR_METRIC_COUNTER, /* its samples' names end with _total */
	RARR_METRIC_HISTOGRAM
} RarrMetricType;

/* A label of a sample. */
typedef struct RarrLabel
{
	const char *name;
	const char *value;
} RarrLabel;

extern void rarr_metric_begin(StringInfo text, const char *name, RarrMetricType type, const char *unit,
							  const char *help);
extern void rarr_metric_put(StringInfo text, const char *name, const char *suffix, const RarrLabel *labels,
							int nlabels, const char *value);
extern void rarr_metric_put_int(StringInfo text, const char *name, const char *suffix, const RarrLabel *labels,
								int nlabels, int64 value);

#endif /* RARR_OPS_METRICS_TEXT_H */
