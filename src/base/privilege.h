/*
 * privilege.h
 *		Check privileges that the server does not check for us.
 */
#ifndef RARR_BASE_PRIVILEGE_H
#define RARR_BASE_PRIVILEGE_H

extern bool rarr_may_execute(const char *function);

#endif							/* RARR_BASE_PRIVILEGE_H */
