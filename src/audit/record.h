/*
 * record.h
 *		Rows of audit_log: who changed a row, and how.
 */
#ifndef RARR_AUDIT_RECORD_H
#define RARR_AUDIT_RECORD_H

#include "executor/tuptable.h"
#include "utils/jsonb.h"

#include "audit/rules.h"

typedef struct RarrAuditLog RarrAuditLog;

extern bool rarr_audit_is_off(Relation rel, bool is_insert);
extern RarrAuditLog *rarr_audit_begin(void);
extern void rarr_audit_row(RarrAuditLog *log, const RarrAuditRules *rules, const char *action,
						   TupleTableSlot *old_row, TupleTableSlot *new_row);
extern void rarr_audit_table(RarrAuditLog *log, const RarrAuditRules *rules, const char *action);
extern void rarr_audit_event(const char *entity_type, const char *entity_id, const char *action, Jsonb *changes);
extern void rarr_audit_end(RarrAuditLog *log);

#endif /* RARR_AUDIT_RECORD_H */
