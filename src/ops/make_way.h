/*
 * make_way.h
 *		Keep workers out of the way of commands that need a database for
 *		themselves.
 */
#ifndef RARR_OPS_MAKE_WAY_H
#define RARR_OPS_MAKE_WAY_H

extern void rarr_make_way_init(void);

#endif /* RARR_OPS_MAKE_WAY_H */
