/*
 * own_table.h
 *		Determine whether a table belongs to the extension.
 */
#ifndef RARR_BASE_OWN_TABLE_H
#define RARR_BASE_OWN_TABLE_H

#define RARR_EXTENSION "researcharr"

extern bool rarr_is_own_table(Oid relid);

#endif /* RARR_BASE_OWN_TABLE_H */
