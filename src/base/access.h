/*
 * access.h
 *		Who is an admin, and the levels of access after an update.
 */
#ifndef RARR_BASE_ACCESS_H
#define RARR_BASE_ACCESS_H

extern bool rarr_is_admin(Oid role);
extern void rarr_access_update(void);

#endif /* RARR_BASE_ACCESS_H */
