/*-------------------------------------------------------------------------
 *
 * to_json.h
 *		Values of any type as jsonb.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_AUDIT_TO_JSON_H
#define RARR_AUDIT_TO_JSON_H

#include "fmgr.h"
#include "utils/jsonb.h"

/* how values of a type become jsonb */
typedef struct RarrToJson
{
	Oid			type;			/* no domain */
	bool		may_fail;		/* can a value exist that jsonb cannot hold? */
	FmgrInfo	function;
} RarrToJson;

extern void rarr_to_json_init(RarrToJson *how, Oid type);
extern Jsonb *rarr_to_json(const RarrToJson *how, Datum value);
extern int	rarr_use_neutral_settings(void);

#endif							/* RARR_AUDIT_TO_JSON_H */
