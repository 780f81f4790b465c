/*-------------------------------------------------------------------------
 *
 * deeds.c
 *		The single things that an actor does: statements that enqueue, claim,
 *		finish, edit and delete jobs, hold them, or fail halfway.
 *
 * What changes jobs is put on the books (check.c) by the same statement or
 * transaction.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stress.h"

static const char media_id[] = "01900000-0000-7000-8000-000000000001";

const char *
random_type(void)
{
	static const char *const types[] = {"search", "download", "verify", "scan", "narrow", "rated"};

	return types[chance(6)];
}

static int
random_priority(void)
{
	static const int priorities[] = {0, 0, 0, 10, 50, 100};

	return chance(10) == 0 ? (int) chance(101) : priorities[chance(6)];
}

/* SQL for when a new job is due: mostly now, or earlier than others. */
static const char *
random_time(void)
{
	static char sql[80];

	switch (chance(6))
	{
		case 0:
			snprintf(sql, sizeof(sql), "clock_timestamp() + interval '%d ms'", chance(2000));
			break;
		case 1:
			snprintf(sql, sizeof(sql), "clock_timestamp() - interval '%d ms'", chance(5000));
			break;
		default:
			strcpy(sql, "clock_timestamp()");
	}
	return sql;
}

/* COPY returns no ids, so they are made here, anywhere in their group. */
static void
copy_jobs(void)
{
	PGresult *res;
	char line[300];
	char made[3000] = "INSERT INTO stress.made VALUES ";
	int n = 1 + chance(20);
	bool copied;

	res = query("COPY researcharr.processing_jobs (id, media_id, job_type, priority) FROM STDIN");
	if (res == NULL)
		return;
	for (int i = 0; i < n; i++)
	{
		char id[40];

		snprintf(id, sizeof(id), "%08x-0000-4000-8000-%04x%08x", chance(UINT32_MAX), chance(0x10000), chance(UINT32_MAX));
		snprintf(line, sizeof(line), "%s\t%s\t%s\t%d\n", id, media_id, random_type(), random_priority());
		snprintf(made + strlen(made), sizeof(made) - strlen(made), "%s('%s')", i > 0 ? "," : "", id);
		PQputCopyData(conn, line, strlen(line));
	}
	PQputCopyEnd(conn, chance(10) == 0 ? "changed my mind" : NULL);
	PQclear(res);
	res = PQgetResult(conn);
	copied = PQresultStatus(res) == PGRES_COMMAND_OK;
	while (res != NULL)
	{
		PQclear(res);
		res = PQgetResult(conn);
	}
	if (copied && run(made))
		__atomic_add_fetch(&shared->deeds[DEED_ENQUEUED], n, __ATOMIC_RELAXED);
}

/* One statement enqueues in one of the ways that there are. */
static void
enqueue(void)
{
	PGresult *res;

	switch (chance(5))
	{
		case 0:
			res = query("INSERT INTO stress.made SELECT researcharr.job_enqueue('%s', '%s', %d, %s)",
						media_id, random_type(), random_priority(), random_time());
			break;
		case 1:
			res = query("INSERT INTO stress.made SELECT researcharr.job_enqueue_many((SELECT jsonb_agg(jsonb_build_object("
						"'media_id', m.id, 'job_type', '%s', 'priority', %d, 'available_at', %s))"
						" FROM researcharr.media m, generate_series(1, %d)))",
						random_type(), random_priority(), random_time(), 1 + chance(3));
			break;
		case 2:
			res = query("WITH new AS (INSERT INTO researcharr.processing_jobs (media_id, job_type, priority, available_at)"
						" SELECT m.id, '%s', %d, %s FROM researcharr.media m RETURNING id)"
						" INSERT INTO stress.made SELECT id FROM new",
						random_type(), random_priority(), random_time());
			break;
		case 3:
			res = query("INSERT INTO stress.made SELECT researcharr.job_enqueue_arrays("
						"(SELECT array_agg(m.id) FROM researcharr.media m, generate_series(1, %d)),"
						" ARRAY['%s'], ARRAY[%d], ARRAY[%s])",
						1 + chance(3), random_type(), random_priority(), random_time());
			break;
		default:
			copy_jobs();
			return;
	}
	if (res != NULL)
		__atomic_add_fetch(&shared->deeds[DEED_ENQUEUED], atol(PQcmdTuples(res)), __ATOMIC_RELAXED);
	PQclear(res);
}

const char *
random_types(void)
{
	static char sql[200];

	if (chance(3) == 0)
		return "NULL";
	snprintf(sql, sizeof(sql), "'{%s,%s}'", random_type(), random_type());
	return sql;
}

static void
dequeue(void)
{
	static const int leases[] = {20, 500, 2000, 5000};
	PGresult *res = query("INSERT INTO stress.claims SELECT id, attempt, available_at > started_at, job_type, started_at"
						  " FROM researcharr.job_dequeue(%s, %d, '%d ms', 'actor') RETURNING job_id, attempt",
						  random_types(), chance(2) ? 1 : 1 + chance(20), leases[chance(4)]);

	for (int i = 0; res != NULL && i < PQntuples(res); i++)
	{
		did(DEED_CLAIMED);
		if (nfresh == MAX_HELD)
			break;
		snprintf(fresh[nfresh].id, sizeof(fresh[nfresh].id), "%s", PQgetvalue(res, i, 0));
		fresh[nfresh++].attempt = atoi(PQgetvalue(res, i, 1));
	}
	PQclear(res);
}

/* Takes one of the actor's jobs; false where it has none. */
static bool
take_held(Held *job)
{
	if (nfresh > 0 && (nheld == 0 || chance(2)))
		*job = fresh[--nfresh];
	else if (nheld > 0)
		*job = held[--nheld];
	else
		return false;
	return true;
}

/* Say something of a job that was claimed: in this transaction or before. */
static void
speak_of_job(void)
{
	Held job;
	bool ok = false;
	uint32_t what = chance(10);

	if (!take_held(&job))
	{
		dequeue();
		return;
	}
	if (what < 6)
	{
		PGresult *res = query("INSERT INTO stress.done VALUES ('%s', %d)", job.id, job.attempt);

		ok = res != NULL;
		PQclear(res);
	}
	switch (what)
	{
		case 6:
		case 7:
			PQclear(query("SELECT FROM researcharr.job_fail('%s', %d, 'bad luck', %s)", job.id, job.attempt,
						  chance(2) ? "'0'" : "'200 ms'"));
			did(DEED_FAILED);
			break;
		case 8:
			PQclear(query("SELECT FROM researcharr.job_release('%s', %d, %s)", job.id, job.attempt,
						  chance(2) ? "'0'" : "'300 ms'"));
			did(DEED_RELEASED);
			break;
		case 9:
			PQclear(query("SELECT FROM researcharr.job_heartbeat('%s', %d, '%d ms')", job.id, job.attempt,
						  1 + chance(1000)));
			did(DEED_HEARTBEAT);
			break;
		default:
			if (ok)
				PQclear(query("SELECT FROM researcharr.job_complete('%s', %d)", job.id, job.attempt));
			did(DEED_COMPLETED);
	}
}

/* Say the same of several jobs in one call, which keeps what succeeds. */
static void
speak_of_many(void)
{
	static const char *const reports[] = {
		"INSERT INTO stress.done SELECT id, attempt FROM ROWS FROM (researcharr.job_complete_many(%s, %s), unnest(%s))"
		" AS d (id, completed, attempt) WHERE completed",
		"SELECT FROM researcharr.job_fail_many(%s, %s, array_fill('bad luck'::text, ARRAY[cardinality(%s)]), '100 ms')",
		"SELECT FROM researcharr.job_release_many(%s, %s, cardinality(%s) * interval '50 ms')",
		"SELECT FROM researcharr.job_heartbeat_many(%s, %s, cardinality(%s) * interval '200 ms')"};
	char ids[600] = "ARRAY[";
	char attempts[200] = "ARRAY[";
	Held job;
	int n = 0;
	int most = 1 + chance(8);

	while (n < most && take_held(&job))
	{
		snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s'%s'", n > 0 ? "," : "", job.id);
		snprintf(attempts + strlen(attempts), sizeof(attempts) - strlen(attempts), "%s%d", n > 0 ? "," : "", job.attempt);
		n++;
	}
	if (n == 0)
	{
		dequeue();
		return;
	}
	strcat(ids, "]::uuid[]");
	strcat(attempts, "]::int[]");
	PQclear(query(reports[chance(3) ? 0 : 1 + chance(3)], ids, attempts, attempts));
	did(DEED_REPORTED_MANY);
}

/* What an operator does with many jobs. */
static void
operate(void)
{
	static const char *const statuses[] = {"queued", "running", "cancelled", "failed"};
	static char some[200];

	snprintf(some, sizeof(some), "(SELECT coalesce(array_agg(id), '{}') FROM (SELECT id FROM researcharr.processing_jobs"
								 " WHERE status = '%s' ORDER BY random() LIMIT %d) j)",
			 statuses[chance(4)], 1 + chance(6));
	switch (chance(5))
	{
		case 0:
			PQclear(query("SELECT FROM researcharr.job_cancel_many(%s)", some));
			break;
		case 1:
			PQclear(query("SELECT researcharr.job_cancel_all('{\"job_type\": \"%s\", \"priority\": 10}', %d)",
						  random_type(), 1 + chance(5)));
			break;
		case 2:
			PQclear(query("SELECT FROM researcharr.job_retry_many(%s)", some));
			break;
		case 3:
			/* so that retries find their keys taken, and this may, too */
			PQclear(query("UPDATE researcharr.processing_jobs SET unique_key = 'k%d' WHERE id ="
						  " (SELECT id FROM researcharr.processing_jobs WHERE status IN ('queued', 'cancelled', 'failed')"
						  " ORDER BY random() LIMIT 1 FOR UPDATE SKIP LOCKED)",
						  chance(5)));
			break;
		default:
			PQclear(query("SELECT researcharr.job_retry_all('{\"job_type\": \"%s\"}', %d)",
						  random_type(), 1 + chance(20)));
	}
	did(DEED_OPERATED);
}

/* SQL for some jobs of a status that nobody else is at. */
static const char *
some_jobs(const char *status, int n)
{
	static char sql[300];

	snprintf(sql, sizeof(sql), "(SELECT id FROM researcharr.processing_jobs WHERE status = '%s'"
							   " ORDER BY random() LIMIT %d FOR UPDATE SKIP LOCKED)",
			 status, n);
	return sql;
}

static void
edit(void)
{
	switch (chance(4))
	{
		case 0:
			PQclear(query("UPDATE researcharr.processing_jobs SET priority = %d WHERE id IN %s",
						  random_priority(), some_jobs(chance(3) ? "queued" : "running", 1 + chance(5))));
			break;
		case 1:
			PQclear(query("UPDATE researcharr.processing_jobs SET available_at = %s WHERE id IN %s",
						  random_time(), some_jobs("queued", 1 + chance(5))));
			break;
		case 2:
			PQclear(query("UPDATE researcharr.processing_jobs SET metadata = '{\"n\": %d}' WHERE id IN %s",
						  chance(1000), some_jobs("queued", 1 + chance(5))));
			break;
		default:
			PQclear(query("WITH gone AS (DELETE FROM researcharr.processing_jobs WHERE id IN %s RETURNING id)"
						  " INSERT INTO stress.gone SELECT id FROM gone",
						  some_jobs("queued", 1 + chance(2))));
			did(DEED_DELETED);
			return;
	}
	did(DEED_EDITED);
}

/* Statements that fail when they have changed a few jobs. */
static void
break_statement(void)
{
	switch (chance(5))
	{
		case 0:
			run("INSERT INTO stress.claims SELECT id, attempt, 1 / (row_number() OVER () - 4) > 1, job_type, started_at"
				" FROM researcharr.job_dequeue(max_jobs => 6, lease => '1 s')");
			break;
		case 1:
			run("UPDATE researcharr.processing_jobs SET priority = CASE WHEN random() < 0.9 THEN priority ELSE 101 END"
				" WHERE completed_at IS NULL AND id IN (SELECT id FROM researcharr.processing_jobs"
				" WHERE completed_at IS NULL ORDER BY random() LIMIT 10 FOR UPDATE SKIP LOCKED)");
			break;
		case 2:
			PQclear(query("WITH gone AS (DELETE FROM researcharr.processing_jobs WHERE id IN %s"
						  " AND 1 / (random() * 4)::int >= 0 RETURNING id)"
						  " INSERT INTO stress.gone SELECT id FROM gone",
						  some_jobs("queued", 10)));
			break;
		case 3:
			run("DO $$BEGIN PERFORM researcharr.job_dequeue(max_jobs => 3); RAISE 'no'; END$$");
			break;
		default:
			run("DO $$BEGIN"
				" BEGIN PERFORM researcharr.job_dequeue(max_jobs => 3); PERFORM 1 / 0;"
				" EXCEPTION WHEN division_by_zero THEN NULL; END;"
				"END$$");
	}
}

/*
 * Do one of them, by chance.
 */
void
step(void)
{
	static const char *const locks[] = {"UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"};

	switch (chance(25))
	{
		case 0:
		case 1:
			enqueue();
			break;
		case 2:
		case 3:
		case 4:
		case 5:
		case 6:
		case 7:
			dequeue();
			break;
		case 16:
		case 17:
			edit();
			break;
		case 18:
			did(DEED_HELD);
			PQclear(query("SELECT id FROM researcharr.processing_jobs WHERE status = 'queued'"
						  " ORDER BY %s LIMIT %d FOR %s SKIP LOCKED",
						  chance(2) ? "priority DESC, available_at, id" : "random()", 1 + chance(10),
						  locks[chance(4)]));
			break;
		case 19:
			break_statement();
			break;
		case 20:
		case 21:
		case 22:
			speak_of_many();
			break;
		case 23:
			operate();
			break;
		default:
			speak_of_job();
	}
}

/*
 * Many small transactions at one group, as fast as they go.
 */
void
burst(void)
{
	for (int i = 0; i < 60 && !lost() && !shared->pause; i++)
	{
		switch (chance(4))
		{
			case 0:
				PQclear(query("INSERT INTO stress.made SELECT researcharr.job_enqueue('%s', 'search', 50,"
							  " clock_timestamp() - interval '%d ms')",
							  media_id, chance(5000)));
				did(DEED_ENQUEUED);
				break;
			case 1:
				run("BEGIN; SELECT FROM researcharr.job_dequeue('{search}', 2); ROLLBACK");
				did(DEED_ROLLED_BACK);
				break;
			case 2:
				run("WITH taken AS MATERIALIZED (SELECT * FROM researcharr.job_dequeue('{search}', 3, '1 s')), claims AS ("
					" INSERT INTO stress.claims SELECT id, attempt, available_at > started_at, job_type, started_at FROM taken)"
					" SELECT researcharr.job_release(id, attempt) FROM taken");
				did(DEED_RELEASED);
				break;
			default:
				run("WITH taken AS MATERIALIZED (SELECT * FROM researcharr.job_dequeue('{search}', 1, '1 s')), claims AS ("
					" INSERT INTO stress.claims SELECT id, attempt, available_at > started_at, job_type, started_at FROM taken), done AS ("
					" INSERT INTO stress.done SELECT id, attempt FROM taken)"
					" SELECT researcharr.job_complete(id, attempt) FROM taken");
				did(DEED_COMPLETED);
		}
		if (!lost() && PQtransactionStatus(conn) != PQTRANS_IDLE)
			run("ROLLBACK");
	}
}
