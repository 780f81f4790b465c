/*
 * report_html.h
 *		Write HTML.
 */
#ifndef RARR_OPS_REPORT_HTML_H
#define RARR_OPS_REPORT_HTML_H

#include "lib/stringinfo.h"

#include "ops/monitor_query.h"

/* A series of a chart. */
typedef struct RarrChart
{
	const char *title;
	const char *class; /* the colour: "good" or "bad" */
	int n;
	const int64 *values;
} RarrChart;

extern void rarr_html_text(StringInfo html, const char *text, int max_bytes);
extern void rarr_html_begin(StringInfo html, const char *title);
extern void rarr_html_end(StringInfo html);
extern void rarr_html_heading(StringInfo html, const char *heading, const char *note);
extern void rarr_html_note(StringInfo html, const char *note);
extern void rarr_html_table(StringInfo html, const char *const *columns, int ncolumns, const RarrMonitorRows *rows);
extern void rarr_html_chart(StringInfo html, const RarrChart *chart, const char *from, const char *until);

#endif /* RARR_OPS_REPORT_HTML_H */
