/*
 * rules.h
 *		What an audit trigger's arguments say.
 */
#ifndef RARR_AUDIT_RULES_H
#define RARR_AUDIT_RULES_H

#include "nodes/bitmapset.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"

#include "audit/diff.h"

typedef struct RarrAuditRules
{
	const char *entity_type;
	RarrDiffColumn *columns; /* columns to compare */
	int ncolumns;
	RarrDiffColumn *keys; /* columns that identify a row */
	int nkeys;
	bool by_settings; /* does any column's JSON depend on settings? */
} RarrAuditRules;

extern void rarr_audit_read_rules(RarrAuditRules *rules, const Trigger *trigger, Relation rel,
								  const Bitmapset *assigned);

#endif /* RARR_AUDIT_RULES_H */
