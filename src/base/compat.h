/*-------------------------------------------------------------------------
 *
 * compat.h
 *		What differs among the server versions that are supported.
 *
 * This is the only file that may look at PG_VERSION_NUM.  Each difference
 * gets a name here, and the rest of the code uses the name.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_COMPAT_H
#define RARR_BASE_COMPAT_H

#include "catalog/pg_class.h"
#include "common/jsonapi.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "utils/acl.h"
#include "utils/timestamp.h"

#if PG_VERSION_NUM < 150000
#error "researcharr needs PostgreSQL 15 or later"
#endif

/* "Does not return": since 18 it stands in front of a declaration. */
#ifndef pg_noreturn
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 18 and later make version 7 UUIDs themselves. */
#if PG_VERSION_NUM >= 180000
#include "utils/fmgrprotos.h"
#define RARR_SERVER_UUID_V7() DirectFunctionCall1(uuidv7, (Datum) 0)
#endif

/* 17 and later have infinite intervals. */
static inline bool
rarr_interval_is_infinite(const Interval *interval)
{
#if PG_VERSION_NUM >= 170000
	return INTERVAL_NOT_FINITE(interval);
#else
	return false;
#endif
}

/* Whether a role is a relation's owner, a member of it, or a superuser. */
static inline bool
rarr_is_owner(Oid relid, Oid roleid)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relid, roleid);
#else
	return pg_class_ownercheck(relid, roleid);
#endif
}

/* Enters a tuple that was just inserted into its table's indexes. */
static inline List *
rarr_insert_index_tuples(ResultRelInfo *target, TupleTableSlot *slot, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	return ExecInsertIndexTuples(target, slot, estate, false, false, NULL, NIL, false);
#else
	return ExecInsertIndexTuples(target, slot, estate, false, false, NULL, NIL);
#endif
}

/* A lexer of JSON text that undoes escapes, so that it finds every error. */
static inline JsonLexContext *
rarr_json_lexer(char *json, int length, int encoding)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, length, encoding, true);
#else
	return makeJsonLexContextCstringLen(json, length, encoding, true);
#endif
}

#endif							/* RARR_BASE_COMPAT_H */
