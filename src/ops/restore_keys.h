/*
 * restore_keys.h
 *		Check foreign keys of restored tables.
 */
#ifndef RARR_OPS_RESTORE_KEYS_H
#define RARR_OPS_RESTORE_KEYS_H

#include "nodes/pg_list.h"

extern void rarr_restore_check_keys(List *relids);

#endif /* RARR_OPS_RESTORE_KEYS_H */
