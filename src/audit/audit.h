/*
 * audit.h
 *		Log changes of rows that no statement makes.
 */
#ifndef RARR_AUDIT_AUDIT_H
#define RARR_AUDIT_AUDIT_H

#include "audit/record.h"

extern void rarr_audit_change(RarrAuditLog *log, Relation rel, const Trigger *trigger,
							  TupleTableSlot *old_row, TupleTableSlot *new_row);

#endif /* RARR_AUDIT_AUDIT_H */
