/*
 * default_privileges.h
 *		Revoke what default privileges granted on the extension's objects.
 */
#ifndef RARR_BASE_DEFAULT_PRIVILEGES_H
#define RARR_BASE_DEFAULT_PRIVILEGES_H

extern void rarr_revoke_from_others(Oid relid);

#endif /* RARR_BASE_DEFAULT_PRIVILEGES_H */
