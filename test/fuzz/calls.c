/*-------------------------------------------------------------------------
 *
 * calls.c
 *		Calls of the extension's routines, in all the ways that SQL has.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "fuzz.h"

/* How many arguments of a call are wild: mostly none. */
typedef enum Wildness
{
	TAME,
	ONE_WILD,
	ALL_WILD
} Wildness;

static Wildness
wildness(void)
{
	uint32_t n = chance(20);

	return n < 13 ? TAME : n < 18 ? ONE_WILD :
									ALL_WILD;
}

static bool
has_argument(const Routine *routine, const char *name)
{
	for (int i = 0; i < routine->nargs; i++)
		if (strcmp(routine->args[i].name, name) == 0)
			return true;
	return false;
}

/*
 * Appends "researcharr.routine(arguments)".
 */
void
put_call(PQExpBuffer sql, const Routine *routine)
{
	Wildness wild = wildness();
	int wild_one = routine->nargs > 0 ? chance(routine->nargs) : 0;
	bool named = chance(2);
	char entity = entity_of(routine->name)->letter;
	const char *comma = "";

	pick_jobs(has_argument(routine, "attempt") || has_argument(routine, "attempts"));
	appendPQExpBuffer(sql, "researcharr.%s(", routine->name);
	for (int i = 0; i < routine->nargs; i++)
	{
		const Argument *arg = &routine->args[i];

		if (i >= routine->nrequired && chance(2))
		{
			/* what follows has to be named */
			if (arg->name[0] == '\0')
				break;
			named = true;
			continue;
		}
		appendPQExpBufferStr(sql, comma);
		comma = ", ";
		if (named && arg->name[0] != '\0')
			appendPQExpBuffer(sql, "\"%s\" => ", arg->name);
		put_argument(sql, arg, entity, wild == ALL_WILD ? chance(3) > 0 : wild == ONE_WILD && i == wild_one);
	}
	appendPQExpBufferChar(sql, ')');
}

/*
 * A block that catches the call's error.  What it did before must be undone
 * then, and an internal error must come through.
 */
static void
put_block(PQExpBuffer sql, const char *call, bool is_procedure)
{
	uint32_t mark = chance(UINT32_MAX);

	appendPQExpBuffer(sql,
					  "DO $fuzz$ DECLARE j jsonb; caught text;\nBEGIN\n"
					  " BEGIN\n"
					  "  INSERT INTO fuzz.marks VALUES (%u);\n"
					  "  %s%s;\n",
					  mark, is_procedure ? "CALL " : "PERFORM ", call);
	if (chance(3) == 0)
		appendPQExpBufferStr(sql, "  RAISE division_by_zero;\n");
	appendPQExpBuffer(sql,
					  " EXCEPTION WHEN OTHERS OR query_canceled THEN\n"
					  "  IF SQLSTATE LIKE 'XX%%' OR SQLSTATE = 'FZ001' THEN RAISE; END IF;\n"
					  "  caught := SQLERRM;\n"
					  " END;\n"
					  " IF caught IS NOT NULL AND EXISTS (SELECT FROM fuzz.marks WHERE mark = %u) THEN\n"
					  "  RAISE 'not undone after: %%', caught USING ERRCODE = 'FZ001';\n"
					  " END IF;\n"
					  " DELETE FROM fuzz.marks WHERE mark = %u;\n"
					  "END $fuzz$",
					  mark, mark);
}

static void
put_query(PQExpBuffer sql, const char *call)
{
	switch (chance(14))
	{
		case 0:
			appendPQExpBuffer(sql, "SELECT %s", call);
			break;
		case 1:
			appendPQExpBuffer(sql, "SELECT count(*) FROM generate_series(1, %d) g, LATERAL (SELECT g, x FROM %s x OFFSET 0) y", 1 + chance(4), call);
			break;
		case 2:
			appendPQExpBuffer(sql, "DECLARE fuzz_cursor CURSOR FOR SELECT * FROM %s; FETCH 1 FROM fuzz_cursor; CLOSE fuzz_cursor", call);
			break;
		case 3:
			appendPQExpBuffer(sql, "SELECT * FROM %s x LIMIT 1", call);
			break;
		case 4:
			appendPQExpBuffer(sql, "WITH x AS MATERIALIZED (SELECT * FROM %s x) SELECT count(*) FROM x a, x b", call);
			break;
		case 5:
			appendPQExpBuffer(sql, "PREPARE fuzz_plan AS SELECT * FROM %s; EXECUTE fuzz_plan; EXECUTE fuzz_plan; DEALLOCATE fuzz_plan", call);
			break;
		case 6:
			appendPQExpBuffer(sql, "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM %s", call);
			break;
		case 7:
			appendPQExpBuffer(sql, "INSERT INTO fuzz.sink SELECT x::text FROM %s x", call);
			break;
		case 8:
			appendPQExpBuffer(sql, "SELECT to_jsonb(x) FROM %s x", call);
			break;
		default:
			appendPQExpBuffer(sql, "SELECT * FROM %s", call);
	}
}

/*
 * Calls a routine.
 */
void
call_something(void)
{
	int n = chance(nroutines);
	PQExpBuffer call = createPQExpBuffer();
	PQExpBuffer sql = createPQExpBuffer();
	bool is_procedure;
	bool ok;

	/* half of the calls are about jobs: the most code is there */
	for (int tries = 0; tries < 3 && strncmp(routines[n].name, "job_", 4) != 0; tries++)
		n = chance(nroutines);
	is_procedure = routines[n].kind == 'p';
	put_call(call, &routines[n]);
	if (chance(8) == 0)
		put_block(sql, call->data, is_procedure);
	else if (is_procedure)
		appendPQExpBuffer(sql, "CALL %s", call->data);
	else
		put_query(sql, call->data);
	ok = execute(KIND_CALL, sql->data);
	__atomic_add_fetch(ok ? &shared->succeeded[n] : &shared->failed[n], 1, __ATOMIC_RELAXED);
	destroyPQExpBuffer(call);
	destroyPQExpBuffer(sql);
}
