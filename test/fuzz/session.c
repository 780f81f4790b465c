/*-------------------------------------------------------------------------
 *
 * session.c
 *		A session that does anything, and watches how the server takes it.
 *
 * Each answer is looked at: internal errors (class XX) are violations, and so
 * is a transaction state other than the one that the statement should have led
 * to.  A session writes its statements into a file, in order, before it sends
 * them.
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

#include "fuzz.h"

static int me;
static FILE *record;
static bool in_block; /* of a transaction, as it should be */
static int npreparations;
static bool hanging_up;
static bool cancelled; /* the last error was that */

PGconn *conn;
bool doomed;    /* the transaction will be rolled back */
bool in_second; /* in the database where the extension comes and goes */

static bool
lost(void)
{
	return PQstatus(conn) != CONNECTION_OK;
}

static void
ignore_notice(void *arg, const PGresult *res)
{
}

/* Sets what every session starts with. */
static void
prepare_session(void)
{
	PQclear(PQexec(conn, "SET lock_timeout = '40 ms'; SET statement_timeout = '500 ms';"
						 " SET client_min_messages = error; SET search_path = pg_catalog, fuzz"));
}

/*
 * Connect.  A server that does not let us in has crashed.
 */
static void
connect_session(void)
{
	char info[1000];

	if (conn != NULL)
		PQfinish(conn);
	in_block = doomed = false;
	snprintf(info, sizeof(info), "%s dbname=%s application_name=fuzz%d", conninfo, in_second ? "second" : "fuzz", me);
	for (int tries = 0; tries < 100; tries++)
	{
		conn = PQconnectdb(info);
		if (PQstatus(conn) == CONNECTION_OK)
			break;
		if (shared->stop)
			exit(0);
		if (strstr(PQerrorMessage(conn), "too many") == NULL)
		{
			violation("session %d, no connection: %s", me, PQerrorMessage(conn));
			shared->stop = true;
			exit(1);
		}
		PQfinish(conn);
		nap(100);
	}
	PQsetNoticeReceiver(conn, ignore_notice, NULL);
	shared->backends[me] = PQbackendPID(conn);
	prepare_session();
}

/*
 * Is an internal error one that the server raises for its own reasons?  Beside
 * DDL it does not find what it had looked up, or finds it changed.  A call of
 * the extension's routines must not; but in the second database, where they are
 * dropped while they are called, the server's parser misses them and the tables
 * whose rows they return.  test/fuzz/run looks at where that was raised.
 */
static bool
is_servers_own(Kind kind, const char *message)
{
	if (strncmp(message, "tuple concurrently ", 19) == 0)
		return kind == KIND_DDL;
	if (strncmp(message, "could not open relation with OID", 32) == 0)
		return kind == KIND_DDL || in_second;
	return strncmp(message, "cache lookup failed for ", 24) == 0 && (in_second || kind == KIND_DDL);
}

static void
report(const PGresult *res, const char *what, const char *sql)
{
	const char *context = PQresultErrorField(res, PG_DIAG_CONTEXT);

	violation("session %d%s, %s: %s %s\n  at %s, %s:%s\n%s%s%s  statement: %.*s", me, in_second ? " (second database)" : "", what,
			  PQresultErrorField(res, PG_DIAG_SQLSTATE), PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY),
			  PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION), PQresultErrorField(res, PG_DIAG_SOURCE_FILE),
			  PQresultErrorField(res, PG_DIAG_SOURCE_LINE),
			  context != NULL ? "  context: " : "", context != NULL ? context : "", context != NULL ? "\n" : "", SHOWN, sql);
}

/* Looks at an error; is it one that may be? */
static void
check_error(const PGresult *res, Kind kind, const char *sql)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (sqlstate == NULL)
		return;
	if (strcmp(sqlstate, "57P02") == 0 || strcmp(sqlstate, "57P03") == 0)
	{
		violation("session %d: the server crashed: %s", me, PQresultErrorMessage(res));
		shared->stop = true;
	}
	else if (strcmp(sqlstate, "FZ001") == 0)
		report(res, "undone too little", sql);
	else if (strncmp(sqlstate, "XX", 2) == 0 &&
			 !is_servers_own(kind, PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY)))
		report(res, "internal error", sql);
}

static bool
is_cancel(const PGresult *res)
{
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	return sqlstate != NULL && strcmp(sqlstate, "57014") == 0;
}

/* Reads all results of a statement.  Returns whether it succeeded. */
static bool
read_results(Kind kind, const char *sql)
{
	bool ok = true;
	PGresult *res;

	while ((res = PQgetResult(conn)) != NULL)
	{
		ExecStatusType status = PQresultStatus(res);
		char *data;

		if (status == PGRES_COPY_OUT)
			while (PQgetCopyData(conn, &data, 0) > 0)
				PQfreemem(data);
		else if (status == PGRES_FATAL_ERROR)
		{
			ok = false;
			cancelled = is_cancel(res);
			check_error(res, kind, sql);
		}
		PQclear(res);
		if (lost())
			return false;
	}
	return ok;
}

static void
check_state(bool ok, const char *sql)
{
	PGTransactionStatusType status = PQtransactionStatus(conn);
	PGTransactionStatusType right = !in_block ? PQTRANS_IDLE : ok ? PQTRANS_INTRANS :
																	PQTRANS_INERROR;

	if (lost() || status == right)
		return;
	violation("session %d: transaction status %d, and not %d, after: %.*s", me, status, right, SHOWN, sql);
	connect_session();
}

/* Sends a statement, in one of the two protocols. */
static bool
send(const char *sql)
{
	if (strchr(sql, ';') == NULL && chance(4) == 0)
		return PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, chance(2));
	return PQsendQuery(conn, sql);
}

/*
 * Runs a statement.  Returns whether it succeeded.
 */
bool
execute(Kind kind, const char *sql)
{
	bool ok;

	if (lost())
		return false;
	if (record != NULL)
	{
		fprintf(record, "%s;\n", sql);
		fflush(record);
	}
	snprintf(shared->at[me], SHOWN, "%s", sql);
	if (!send(sql))
		return false;
	if (hanging_up)
	{
		hanging_up = false;
		nap(chance(20));
		connect_session();
		return false;
	}
	ok = read_results(kind, sql);
	if (lost())
		return false;
	__atomic_add_fetch(ok ? &shared->ok[kind] : &shared->errors[kind], 1, __ATOMIC_RELAXED);
	if (kind != KIND_CONTROL)
		check_state(ok, sql);
	return ok;
}

bool
run(Kind kind, const char *format, ...)
{
	char sql[2000];
	va_list args;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	return execute(kind, sql);
}

static void
do_something(void)
{
	uint32_t what = chance(100);

	if (in_second && chance(15) == 0)
		reinstall();
	else if (what < 65)
		call_something();
	else if (what < 97)
		change_something();
	else
		define_something();
}

/* Settings that change how code runs; and some of the extension's. */
static void
set_something(void)
{
	static const char *const settings[] = {
		"SET statement_timeout = '2 s'", "SET statement_timeout = '500 ms'", "SET statement_timeout = '5 ms'", "SET statement_timeout = '30 ms'",
		"SET lock_timeout = '40 ms'", "SET lock_timeout = '1 s'", "SET work_mem = '64 kB'", "RESET work_mem",
		"SET enable_indexscan = off; SET enable_bitmapscan = off", "SET enable_seqscan = off", "RESET enable_seqscan; RESET enable_indexscan",
		"SET plan_cache_mode = force_generic_plan", "RESET plan_cache_mode", "SET DateStyle = 'German, DMY'", "RESET DateStyle",
		"SET IntervalStyle = 'sql_standard'", "SET TimeZone = 'Asia/Kolkata'", "RESET TimeZone", "SET extra_float_digits = 0",
		"SET bytea_output = 'escape'", "SET search_path = fuzz, researcharr", "SET search_path = ''", "RESET search_path",
		"SET default_transaction_isolation = 'repeatable read'",
		"SET default_transaction_isolation = 'serializable'", "SET default_transaction_read_only = on",
		"RESET default_transaction_isolation; RESET default_transaction_read_only", "SET check_function_bodies = off",
		"SET researcharr.user_id = 'fuzz é'", "RESET researcharr.user_id", "SET researcharr.bind_leases = on", "SET researcharr.bind_leases = off",
		"SET researcharr.audit = off", "SET researcharr.audit = on", "SET researcharr.poll_interval = '10 ms'",
		"SET researcharr.queue_item_lease = '1 s'", "SET max_parallel_workers_per_gather = 2; SET force_parallel_mode = on", "RESET force_parallel_mode",
		"SET jit = on; SET jit_above_cost = 0", "SET temp_file_limit = '100 kB'", "RESET temp_file_limit", "SET row_security = off", "RESET row_security",
		"SET client_encoding = 'LATIN1'", "RESET client_encoding", "SET constraint_exclusion = on"};

	execute(KIND_CONTROL, pick(settings));
}

static void
change_role(void)
{
	static const char *const roles[] = {
		"RESET ROLE", "RESET ROLE", "SET ROLE fuzz_app", "SET ROLE fuzz_worker", "SET ROLE fuzz_nobody",
		"SET SESSION AUTHORIZATION fuzz_app", "RESET SESSION AUTHORIZATION"};

	execute(KIND_CONTROL, pick(roles));
}

static void
step_with_savepoint(void)
{
	bool set = (doomed || chance(3) == 0) && run(KIND_CONTROL, "SAVEPOINT s");

	if (doomed && chance(4) == 0)
		abuse_something();
	else
		do_something();
	if (set && !lost() && in_block &&
		(PQtransactionStatus(conn) == PQTRANS_INERROR || chance(4) == 0))
		run(KIND_CONTROL, "ROLLBACK TO s");
	else if (set && chance(2))
		run(KIND_CONTROL, "RELEASE s");
}

/* Ends the transaction, in one of many ways. */
static void
end_transaction(void)
{
	uint32_t how = chance(20);

	in_block = false;
	if (doomed || how < 5)
		run(KIND_CONTROL, "ROLLBACK");
	else if (how < 7)
	{
		if (run(KIND_CONTROL, "PREPARE TRANSACTION 'fuzz %d %d'", me, npreparations++))
			shared->prepared++;
	}
	else if (how < 8)
		connect_session();
	else
		run(KIND_CONTROL, "COMMIT");
	doomed = false;
	/* cancelled before it began, the command has not ended the transaction */
	if (!lost() && PQtransactionStatus(conn) == PQTRANS_INERROR && cancelled)
		run(KIND_CONTROL, "ROLLBACK");
	check_state(true, "the end of a transaction");
}

static void
transaction(void)
{
	static const char *const levels[] = {
		"READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "READ COMMITTED, READ ONLY", "SERIALIZABLE, READ ONLY"};
	int nsteps = 1 + chance(6);

	in_block = run(KIND_CONTROL, "BEGIN ISOLATION LEVEL %s", pick(levels));
	if (!in_block)
		return;
	doomed = chance(4) == 0;
	if (doomed)
		nsteps += 5;
	for (int i = 0; i < nsteps && in_block && !lost(); i++)
	{
		if (chance(10) == 0)
			change_role();
		else
			step_with_savepoint();
		if (PQtransactionStatus(conn) == PQTRANS_INERROR && chance(3))
			break;
	}
	if (!lost() && in_block)
		end_transaction();
}

static void
end_prepared(void)
{
	PGresult *res = PQexec(conn, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() ORDER BY random() LIMIT 1");

	if (PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res) > 0)
		run(KIND_CONTROL, "%s PREPARED '%s'", chance(2) ? "COMMIT" : "ROLLBACK", PQgetvalue(res, 0, 0));
	PQclear(res);
}

static void
disturb_somebody(void)
{
	int victim = chance(MAX_SESSIONS);
	int backend = shared->backends[victim];
	bool terminate = chance(3) == 0;

	if (backend == 0 || victim == me)
		return;
	run(KIND_CONTROL, "SELECT %s(%d)", terminate ? "pg_terminate_backend" : "pg_cancel_backend", backend);
	__atomic_add_fetch(terminate ? &shared->terminated : &shared->cancelled, 1, __ATOMIC_RELAXED);
}

static void
hang_up(void)
{
	hanging_up = true;
	do_something();
	hanging_up = false;
	__atomic_add_fetch(&shared->hung_up, 1, __ATOMIC_RELAXED);
}

/* Ends a session's peculiarities now and then, so that most calls can succeed. */
static void
start_afresh(void)
{
	run(KIND_CONTROL, "RESET SESSION AUTHORIZATION");
	run(KIND_CONTROL, "RESET ROLE");
	run(KIND_CONTROL, "RESET ALL");
	if (lost())
		return;
	prepare_session();
	learn();
}

/*
 * Be the session of this number, until told to stop.
 */
void
run_session(int number, uint64_t seed)
{
	char name[40];

	me = number;
	in_second = number % 5 == 4;
	seed_random(seed);
	snprintf(name, sizeof(name), "session-%d.sql", number);
	record = fopen(name, "w");
	connect_session();
	for (unsigned long n = 0; !shared->stop; n++)
	{
		uint32_t what = chance(100);

		if (lost())
			connect_session();
		if (n % 100 == 0)
			start_afresh();
		if (what < 3)
			set_something();
		else if (what < 5)
			change_role();
		else if (what < 7)
			end_prepared();
		else if (what < 8)
			disturb_somebody();
		else if (what < 9 && chance(4) == 0)
			hang_up();
		else if (what < 40)
			transaction();
		else
			do_something();
	}
	PQfinish(conn);
	_exit(0);
}
