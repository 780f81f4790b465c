/*
 * schema.h
 *		Relations of the extension's schema, and read-only transactions.
 */
#ifndef RARR_BASE_SCHEMA_H
#define RARR_BASE_SCHEMA_H

#include "storage/lockdefs.h"
#include "utils/relcache.h"

#define RARR_SCHEMA "researcharr"

extern Oid rarr_find_relation(const char *name);
extern Oid rarr_relation_oid(const char *name);
extern Relation rarr_relation_open(const char *name, LOCKMODE lockmode);
extern void rarr_prevent_read_only(const char *function);

#endif /* RARR_BASE_SCHEMA_H */
