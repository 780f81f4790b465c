/*
 * health_facts.h
 *		What checks of health_check() need from shared memory and from files.
 */
#ifndef RARR_OPS_HEALTH_FACTS_H
#define RARR_OPS_HEALTH_FACTS_H

#include "utils/jsonb.h"

extern const char *rarr_facts_settings(JsonbParseState **state);
extern const char *rarr_facts_disk(JsonbParseState **state);
extern const char *rarr_facts_growth(JsonbParseState **state);
extern const char *rarr_facts_jobs(JsonbParseState **state);
extern const char *rarr_facts_events(JsonbParseState **state);
extern const char *rarr_facts_worker(JsonbParseState **state);
extern const char *rarr_facts_cache(JsonbParseState **state);
extern const char *rarr_facts_agenda(JsonbParseState **state);
extern const char *rarr_facts_slow_queries(JsonbParseState **state);
extern const char *rarr_facts_tls(JsonbParseState **state);

#endif /* RARR_OPS_HEALTH_FACTS_H */
