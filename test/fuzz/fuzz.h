/*
 * fuzz.h
 *		What the parts of the fuzzer share.
 */
#ifndef RARR_FUZZ_H
#define RARR_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

/* libpq's string buffer; its header expects this macro of the server's */
#define pg_attribute_printf(f, a) __attribute__((format(printf, f, a)))
#include <pqexpbuffer.h>

#define MAX_SESSIONS  64
#define MAX_ROUTINES  400
#define MAX_RELATIONS 100
#define MAX_ARGUMENTS 40
#define SHOWN         2000 /* bytes of a statement that messages show */

/* An argument of a routine, or a column of a relation. */
typedef struct Argument
{
	char name[64];
	char type[64];
	char element[64]; /* the type of an array's elements; or empty */
} Argument;

typedef struct Routine
{
	char name[64];
	char kind; /* f: function, p: procedure */
	int nargs;
	int nrequired; /* the others have defaults */
	Argument args[MAX_ARGUMENTS];
} Routine;

typedef struct Relation
{
	char name[64];
	char kind; /* pg_class.relkind */
	int ncolumns;
	Argument columns[MAX_ARGUMENTS];
} Relation;

/* What kind of statement a session is at; other errors may arise from each. */
typedef enum Kind
{
	KIND_CALL, /* calls a routine */
	KIND_DML,
	KIND_DDL,
	KIND_CONTROL, /* transactions and settings */
	KINDS
} Kind;

/* In memory that all processes share. */
typedef struct Shared
{
	volatile bool stop;
	volatile int violations;
	volatile int backends[MAX_SESSIONS]; /* process ids */
	volatile unsigned long succeeded[MAX_ROUTINES];
	volatile unsigned long failed[MAX_ROUTINES];
	volatile unsigned long ok[KINDS]; /* statements of each kind */
	volatile unsigned long errors[KINDS];
	volatile unsigned long cancelled;
	volatile unsigned long terminated;
	volatile unsigned long hung_up;
	volatile unsigned long prepared;
	char at[MAX_SESSIONS][SHOWN]; /* what each session runs */
} Shared;

extern Shared *shared;
extern const char *conninfo;
extern Routine routines[MAX_ROUTINES];
extern int nroutines;
extern Relation relations[MAX_RELATIONS];
extern int nrelations;

/* fuzz.c */
extern void violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
extern void nap(int ms);

/* catalog.c */
extern void read_catalog(PGconn *conn);

/* session.c */
extern PGconn *conn;
extern bool doomed;
extern bool in_second;
extern void run_session(int number, uint64_t seed);
extern bool execute(Kind kind, const char *sql);
extern bool run(Kind kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* random.c */
extern void seed_random(uint64_t seed);
extern uint32_t chance(uint32_t n);
#define pick(array) ((array)[chance(sizeof(array) / sizeof((array)[0]))])

/* known.c */
#define MAX_PICKED 5
typedef struct Known
{
	char kind; /* the letter of an entity; r: a running job */
	char id[40];
	int attempt;
} Known;

extern int npicked;
extern const Known *picked[MAX_PICKED];
extern void learn(void);
extern const Known *know(char kind);
extern void pick_jobs(bool running);

/* values.c */
extern void put_argument(PQExpBuffer sql, const Argument *arg, char entity, bool wild);
extern void put_literal(PQExpBuffer sql, const char *text);

/* json.c */
typedef struct Entity
{
	const char *name; /* as functions' names begin */
	const char *relation;
	char letter;
} Entity;

typedef enum Shape
{
	SHAPE_NULL,
	SHAPE_NUMBER,
	SHAPE_BOOLEAN,
	SHAPE_STRING,
	SHAPE_JSON
} Shape;

extern const Entity *entity_of(const char *routine);
extern const Entity *entity_by_letter(char letter);
extern Shape sensible(PQExpBuffer raw, const char *name, const char *type, char entity, int nth);
extern void sensible_json(PQExpBuffer raw, const char *name, char entity);
extern void put_json(PQExpBuffer raw, int depth);

/* calls.c */
extern void call_something(void);
extern void put_call(PQExpBuffer sql, const Routine *routine);

/* dml.c, ddl.c */
extern void change_something(void);
extern void define_something(void);
extern void abuse_something(void);
extern void reinstall(void);

#endif /* RARR_FUZZ_H */
