/*
 * stress.h
 *		What the parts of the stress program share.
 */
#ifndef RARR_STRESS_H
#define RARR_STRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <libpq-fe.h>

#define MAX_ACTORS 100

/* What an actor did, for the summary; names in stress.c. */
typedef enum Deed
{
	DEED_ENQUEUED,
	DEED_CLAIMED,
	DEED_COMPLETED,
	DEED_FAILED,
	DEED_RELEASED,
	DEED_HEARTBEAT,
	DEED_LEASE_LOST,
	DEED_REPORTED_MANY,
	DEED_OPERATED,
	DEED_EDITED,
	DEED_DELETED,
	DEED_HELD,
	DEED_TRUNCATED,
	DEED_REBUILT,
	DEED_ALTERED,
	DEED_ROW_TYPE,
	DEED_BROKEN_STATEMENT,
	DEED_SAVEPOINT_UNDONE,
	DEED_COMMITTED,
	DEED_ROLLED_BACK,
	DEED_HUNG_UP,
	DEED_PREPARED,
	DEED_PREPARED_ENDED,
	DEED_KILLED,
	DEED_CANCELLED,
	DEED_PAUSED,
	DEED_WAS_KILLED,
	DEED_LOCK_TIMEOUT,
	DEED_WAITED,
	DEED_WOKEN,
	DEED_DEADLOCK,
	DEED_SERIALIZATION,
	DEED_CHECKED,
	DEED_WATCHED,
	DEED_LATE,
	DEED_SLIPPED,
	DEEDS
} Deed;

/* In memory that all processes share. */
typedef struct Shared
{
	volatile bool pause; /* actors: end what you are at, and wait */
	volatile bool stop;
	volatile bool handing_over; /* sessions' leases are bound to them */
	volatile bool drained;
	volatile int busy; /* actors that are not waiting */
	volatile int violations;
	volatile int backends[MAX_ACTORS]; /* process ids */
	volatile unsigned long deeds[DEEDS];
	volatile unsigned long slowest_ms; /* until what slipped past was found */
	volatile long most_running;        /* of the type with a limit */
	volatile long handed[MAX_ACTORS];  /* jobs done, of each producer */
} Shared;

extern Shared *shared;
extern const char *conninfo;

#define did(deed) __atomic_add_fetch(&shared->deeds[deed], 1, __ATOMIC_RELAXED)

extern void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern int64_t clock_ms(void);
extern void nap(int ms);
extern PGconn *connect_as(const char *name);

/* A job that an actor claimed and has not spoken of yet. */
#define MAX_HELD 50
typedef struct Held
{
	char id[40];
	int attempt;
} Held;

/* actor.c */
extern PGconn *conn;
extern Held held[MAX_HELD]; /* claimed in transactions that committed */
extern int nheld;
extern Held fresh[MAX_HELD]; /* claimed in this one */
extern int nfresh;

extern void begin_actor(int number, uint64_t seed);
extern void act(int number, uint64_t seed);
extern void come_back(void);
extern uint32_t chance(uint32_t n);
extern bool lost(void);
extern PGresult *query(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern bool run(const char *sql);

/* deeds.c */
extern const char *random_type(void);
extern const char *random_types(void);
extern void step(void);
extern void burst(void);

/* check.c */
extern void setup(PGconn *conn);
extern void watch_limit(void);
extern void check_quiet(PGconn *conn, int promise_ms);
extern void drain(PGconn *conn, int promise_ms);
extern void check_sums(PGconn *conn);

/* handover.c */
extern void hand_over(PGconn *checker, long handovers, int n, uint64_t seed, int promise_ms);

#endif /* RARR_STRESS_H */
