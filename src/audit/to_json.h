/*
 * to_json.h
 *		Convert values of any type to jsonb.
 */
#ifndef RARR_AUDIT_TO_JSON_H
#define RARR_AUDIT_TO_JSON_H

#include "fmgr.h"
#include "utils/jsonb.h"

/* how to convert the values of a type */
typedef struct RarrToJson
{
	Oid type;      /* not a domain */
	bool may_fail; /* can jsonb fail to represent one? */
	FmgrInfo function;
} RarrToJson;

extern void rarr_to_json_init(RarrToJson *how, Oid type);
extern Jsonb *rarr_to_json(const RarrToJson *how, Datum value);
extern int rarr_use_neutral_settings(void);

#endif /* RARR_AUDIT_TO_JSON_H */
