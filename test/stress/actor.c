/*-------------------------------------------------------------------------
 *
 * actor.c
 *		A client that does anything a client may do with a queue, at random.
 *
 * An actor goes from transaction to transaction.  Each has a few steps
 * (deeds.c), some within a savepoint that may be undone, and ends in one of
 * many ways.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stress.h"

static int me;
static int npreparations = 0;
static uint64_t state;

PGconn *conn;
Held held[MAX_HELD];
int nheld = 0;
Held fresh[MAX_HELD];
int nfresh = 0;

/*
 * A number from 0 to n - 1.
 */
uint32_t
chance(uint32_t n)
{
	uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (z ^ (z >> 31)) % n;
}

/* The errors that an actor provokes, and what they count as. */
static bool
is_expected(const char *sqlstate)
{
	static const struct
	{
		const char *sqlstate;
		int deed;
	} expected[] = {
		{"22012", DEED_BROKEN_STATEMENT}, {"23505", DEED_BROKEN_STATEMENT}, {"23514", DEED_BROKEN_STATEMENT}, {"P0001", DEED_BROKEN_STATEMENT}, {"RA001", DEED_LEASE_LOST}, {"55P03", DEED_LOCK_TIMEOUT}, {"40P01", DEED_DEADLOCK}, {"40001", DEED_SERIALIZATION}, {"57P01", DEED_WAS_KILLED}, {"57014", DEED_BROKEN_STATEMENT}, {"42704", DEEDS}, {"53400", DEEDS}, /* prepared: ended, too many */
		{"42804", DEED_ROW_TYPE}                                                                                                                                                                                                                                                                                                                                     /* a column changed while the statement ran */
	};

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (strcmp(sqlstate, expected[i].sqlstate) == 0)
		{
			if (expected[i].deed != DEEDS)
				did(expected[i].deed);
			return true;
		}
	return false;
}

/*
 * Connect, for the first time or anew.
 */
void
come_back(void)
{
	char name[30];

	if (conn != NULL)
		PQfinish(conn);
	snprintf(name, sizeof(name), "actor%d", me);
	conn = connect_as(name);
	shared->backends[me] = PQbackendPID(conn);
	if (!shared->handing_over)
		PQclear(PQexec(conn, "SET lock_timeout = '3s'"));
}

/*
 * Is the connection gone?
 */
bool
lost(void)
{
	return PQstatus(conn) != CONNECTION_OK;
}

/*
 * Runs a statement: its result, or NULL after an error that was expected.
 */
PGresult *
query(const char *format, ...)
{
	char sql[8000];
	va_list args;
	PGresult *res;
	const char *sqlstate;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	res = PQexec(conn, sql);
	if (PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK ||
		PQresultStatus(res) == PGRES_COPY_IN)
		return res;
	sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	if (sqlstate == NULL)
	{
		/* killed just before the server read it: the message may be lost */
		if (!lost())
			violation("no answer: %s%s", PQerrorMessage(conn), sql);
		did(DEED_WAS_KILLED);
	}
	else if (strcmp(sqlstate, "55000") == 0 && strstr(PQresultErrorMessage(res), "is busy") != NULL)
		; /* a prepared transaction that somebody else ends */
	else if (!is_expected(sqlstate))
		violation("%s: %s%s", sqlstate, PQresultErrorMessage(res), sql);
	PQclear(res);
	return NULL;
}

/*
 * Runs a statement; did it succeed?
 */
bool
run(const char *sql)
{
	PGresult *res = query("%s", sql);

	PQclear(res);
	return res != NULL;
}

/* A step, perhaps in a savepoint, which may be undone. */
static void
step_with_savepoint(void)
{
	bool undo;
	int nheld_before = nheld;
	int nfresh_before = nfresh;

	if (chance(3) != 0)
	{
		step();
		return;
	}
	undo = chance(2) == 0;
	run("SAVEPOINT s");
	step();
	if (chance(4) == 0 && PQtransactionStatus(conn) == PQTRANS_INTRANS)
	{
		run("SAVEPOINT s2");
		step();
		if (PQtransactionStatus(conn) == PQTRANS_INTRANS && chance(2))
			run("RELEASE s2");
	}
	if (lost())
		return;
	if (undo || PQtransactionStatus(conn) == PQTRANS_INERROR)
	{
		if (run("ROLLBACK TO s"))
			did(DEED_SAVEPOINT_UNDONE);

		/* what was said of a job is unsaid: leave it to its lease */
		nheld = nheld < nheld_before ? nheld : nheld_before;
		nfresh = nfresh < nfresh_before ? nfresh : nfresh_before;
	}
	else
		run("RELEASE s");
}

/* Sit on an open transaction for a while. */
static void
idle(int ms)
{
	int64_t end = clock_ms() + chance(ms);

	while (clock_ms() < end && !shared->pause)
		nap(20);
}

static void
end_transaction(void)
{
	uint32_t how = chance(100);

	if (lost())
		return;
	if (PQtransactionStatus(conn) != PQTRANS_INTRANS || how < 25)
	{
		run("ROLLBACK");
		nfresh = 0;
		did(DEED_ROLLED_BACK);
	}
	else if (how < 28)
	{
		did(DEED_HUNG_UP);
		nfresh = 0;
		come_back();
	}
	else if (how < 36)
	{
		PGresult *res = query("PREPARE TRANSACTION 'stress_%d_%d'", me, npreparations++);

		if (res != NULL)
			did(DEED_PREPARED);
		PQclear(res);
		nfresh = 0;
	}
	else if (run("COMMIT"))
	{
		did(DEED_COMMITTED);
		while (nfresh > 0 && nheld < MAX_HELD)
			held[nheld++] = fresh[--nfresh];
	}
	nfresh = 0;
}

static void
transaction(void)
{
	int nsteps = 1 + chance(4);

	if (!run(chance(8) == 0 ? "BEGIN ISOLATION LEVEL REPEATABLE READ" : "BEGIN"))
		return;
	for (int i = 0; i < nsteps && PQtransactionStatus(conn) == PQTRANS_INTRANS; i++)
	{
		step_with_savepoint();
		if (chance(30) == 0)
			idle(1500);
	}
	end_transaction();
}

static void
truncate_and_undo(void)
{
	if (!run("BEGIN") || !run("SET LOCAL lock_timeout = '1500 ms'"))
		return;
	if (chance(2))
		run("SAVEPOINT s");
	if (!lost() && PQtransactionStatus(conn) == PQTRANS_INTRANS &&
		run("TRUNCATE researcharr.processing_jobs"))
	{
		if (chance(2))
			run("SELECT FROM researcharr.job_dequeue()");
		did(DEED_TRUNCATED);
	}
	if (!lost())
		run("ROLLBACK");
}

static void
hold_old_snapshot(void)
{
	if (run("BEGIN ISOLATION LEVEL REPEATABLE READ") && run("SELECT count(*) FROM stress.made"))
		idle(5000);
	if (!lost())
		run("COMMIT");
}

/*
 * Rebuild the table or an index, under those who work with it.  What takes all
 * locks at once fails where somebody holds one for long, and may leave an
 * index behind that is of no use.
 */
static void
rebuild(void)
{
	static const char *const ways[] = {
		"VACUUM FULL researcharr.processing_jobs",
		"CLUSTER researcharr.processing_jobs USING processing_jobs_pkey",
		"REINDEX TABLE researcharr.processing_jobs",
		"REINDEX INDEX CONCURRENTLY researcharr.processing_jobs_take_idx",
		"REINDEX INDEX CONCURRENTLY researcharr.processing_jobs_pkey",
	};
	PGresult *res;

	if (!run("SET lock_timeout = '1500 ms'"))
		return;
	if (run(ways[chance(sizeof(ways) / sizeof(ways[0]))]))
		did(DEED_REBUILT);
	if (!lost())
	{
		res = query("SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
					" WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)' AND i.indrelid = 'researcharr.processing_jobs'::regclass LIMIT 1");
		if (res != NULL && PQntuples(res) > 0)
			PQclear(query("DROP INDEX IF EXISTS researcharr.%s", PQgetvalue(res, 0, 0)));
		PQclear(res);
	}
	if (!lost())
		run("SET lock_timeout = '3 s'");
}

/*
 * Add, drop and retype columns of a user's, under those who work with the table.
 * Whoever began a statement before gets the rows without a column, or an error that
 * says so.  A table can have 1600 columns in its life, so most changes are of types.
 */
static void
alter_columns(void)
{
	static const char *const ways[] = {
		"ADD COLUMN IF NOT EXISTS mine float DEFAULT random()",
		"DROP COLUMN IF EXISTS mine",
		"ADD COLUMN IF NOT EXISTS doubled int GENERATED ALWAYS AS (attempt * 2) STORED",
		"DROP COLUMN IF EXISTS doubled",
		"ALTER COLUMN note TYPE int USING 2147483644",
		"ALTER COLUMN note TYPE text USING 'a note'",
		"ALTER COLUMN note TYPE timestamptz USING now()",
		"ALTER COLUMN note TYPE jsonb USING '{}'",
	};
	uint32_t way = chance(5) == 0 ? chance(4) : 4 + chance(4);

	if (!run("SET lock_timeout = '300 ms'"))
		return;
	if (way < 4 || run("ALTER TABLE researcharr.processing_jobs ADD COLUMN IF NOT EXISTS note text"))
	{
		PGresult *res = query("ALTER TABLE researcharr.processing_jobs %s", ways[way]);

		if (res != NULL)
			did(DEED_ALTERED);
		PQclear(res);
	}
	if (!lost())
		run("SET lock_timeout = '3 s'");
	idle(400);
}

/* End a prepared transaction, whoever prepared it. */
static void
end_prepared(void)
{
	PGresult *res = query("SELECT gid FROM pg_prepared_xacts ORDER BY random() LIMIT 1");

	if (res != NULL && PQntuples(res) > 0)
	{
		PGresult *end = query("%s PREPARED '%s'", chance(2) ? "COMMIT" : "ROLLBACK", PQgetvalue(res, 0, 0));

		if (end != NULL)
			did(DEED_PREPARED_ENDED);
		PQclear(end);
	}
	PQclear(res);
}

static void
disturb_somebody(void)
{
	int backend = shared->backends[chance(MAX_ACTORS)];
	bool kill = chance(3) == 0;

	if (backend == 0 || backend == PQbackendPID(conn))
		return;
	PQclear(query("SELECT %s(%d)", kill ? "pg_terminate_backend" : "pg_cancel_backend", backend));
	did(kill ? DEED_KILLED : DEED_CANCELLED);
}

static void
pause_a_type(void)
{
	const char *type = random_type();

	PQclear(query("SELECT researcharr.job_type_pause('%s')", type));
	idle(300);
	if (!lost())
		PQclear(query("SELECT researcharr.job_type_resume('%s')", type));
	did(DEED_PAUSED);
}

/* Sleep until there are jobs; at times their leases end with the session. */
static void
wait_for_jobs(void)
{
	PGresult *res;
	PGresult *jobs;
	char *json;

	run(chance(2) ? "SET researcharr.bind_leases = on" : "SET researcharr.bind_leases = off");
	if (lost())
		return;
	did(DEED_WAITED);
	res = query("CALL researcharr.job_dequeue_wait(NULL, %s, %d, '%d ms', 'waiter', '%d ms')",
				random_types(), 1 + chance(3), 1 + chance(3000), chance(1500));
	if (res == NULL)
		return;
	json = PQescapeLiteral(conn, PQgetvalue(res, 0, 0), PQgetlength(res, 0, 0));
	jobs = query("INSERT INTO stress.claims SELECT id, attempt, available_at > started_at, job_type, started_at"
				 " FROM jsonb_populate_recordset(NULL::researcharr.processing_jobs, %s) RETURNING job_id, attempt",
				 json);
	for (int i = 0; jobs != NULL && i < PQntuples(jobs) && nheld < MAX_HELD; i++)
	{
		snprintf(held[nheld].id, sizeof(held[0].id), "%s", PQgetvalue(jobs, i, 0));
		held[nheld++].attempt = atoi(PQgetvalue(jobs, i, 1));
		did(DEED_WOKEN);
	}
	PQfreemem(json);
	PQclear(jobs);
	PQclear(res);
}

static void
wait_while_paused(void)
{
	while (shared->pause)
	{
		__atomic_sub_fetch(&shared->busy, 1, __ATOMIC_SEQ_CST);
		while (shared->pause)
			nap(20);
		__atomic_add_fetch(&shared->busy, 1, __ATOMIC_SEQ_CST);
	}
}

/*
 * Become the actor of this number.
 */
void
begin_actor(int number, uint64_t seed)
{
	me = number;
	state = seed;
	come_back();
}

/*
 * Act until told to stop.
 */
void
act(int number, uint64_t seed)
{
	begin_actor(number, seed);
	while (!shared->stop)
	{
		uint32_t what = chance(200);

		wait_while_paused();
		if (number == 0 && what < 100)
			alter_columns();
		else if (what < 24)
			end_prepared();
		else if (what < 30)
			disturb_somebody();
		else if (what < 32)
			pause_a_type();
		else if (what < 34)
			truncate_and_undo();
		else if (what < 35)
			hold_old_snapshot();
		else if (what < 36)
			rebuild();
		else if (what < 75)
			burst();
		else if (what < 105)
			wait_for_jobs();
		else
			transaction();
		if (lost())
		{
			nfresh = 0;
			come_back();
		}
	}
	PQfinish(conn);
}
