/*
 * slot.h
 *		Slots of counters in shared memory.
 */
#ifndef RARR_JOB_STATS_SLOT_H
#define RARR_JOB_STATS_SLOT_H

struct CountedTable;
struct CountedType;

extern void rarr_counted_init(void);
extern void rarr_counted_invalidate(void);
extern void rarr_counters_forget_database(Oid database);

/* These need the lock. */
extern struct CountedTable *rarr_counted_table(Oid table);
extern struct CountedType *rarr_counted_type(Oid table, const char *name);

/* This one acquires it. */
extern void rarr_counted_forget_gone(void);

#endif							/* RARR_JOB_STATS_SLOT_H */
