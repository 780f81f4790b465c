/*-------------------------------------------------------------------------
 *
 * catalog.c
 *		Which routines and relations there are to attack.
 *
 * They are read from the server's catalog, so that new ones are attacked
 * without a change of the fuzzer.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

Routine routines[MAX_ROUTINES];
int nroutines;
Relation relations[MAX_RELATIONS];
int nrelations;

static PGresult *
ask(PGconn *conn, const char *sql)
{
	PGresult *res = PQexec(conn, sql);

	if (PQresultStatus(res) != PGRES_TUPLES_OK)
	{
		fprintf(stderr, "fuzz: %s%s\n", PQerrorMessage(conn), sql);
		exit(2);
	}
	return res;
}

static void
read_argument(Argument *arg, PGresult *res, int row, int column)
{
	snprintf(arg->name, sizeof(arg->name), "%s", PQgetvalue(res, row, column));
	snprintf(arg->type, sizeof(arg->type), "%s", PQgetvalue(res, row, column + 1));
	snprintf(arg->element, sizeof(arg->element), "%s", PQgetvalue(res, row, column + 2));
}

static void
read_routines(PGconn *conn)
{
	PGresult *res = ask(conn,
						"SELECT p.proname, p.prokind, p.pronargs - p.pronargdefaults, coalesce(p.proargnames[n], ''),"
						" format_type(t.oid, NULL), CASE WHEN t.typcategory = 'A' THEN format_type(t.typelem, NULL) END"
						" FROM pg_proc p LEFT JOIN unnest(p.proargtypes) WITH ORDINALITY AS a (type, n) ON true"
						" LEFT JOIN pg_type t ON t.oid = a.type"
						" WHERE p.pronamespace = 'researcharr'::regnamespace AND p.prokind IN ('f', 'p')"
						" ORDER BY p.proname, p.oid, a.n");

	for (int i = 0; i < PQntuples(res); i++)
	{
		Routine *routine = nroutines > 0 ? &routines[nroutines - 1] : NULL;

		if (routine == NULL || strcmp(routine->name, PQgetvalue(res, i, 0)) != 0)
		{
			if (nroutines == MAX_ROUTINES)
				break;
			routine = &routines[nroutines++];
			snprintf(routine->name, sizeof(routine->name), "%s", PQgetvalue(res, i, 0));
			routine->kind = PQgetvalue(res, i, 1)[0];
			routine->nrequired = atoi(PQgetvalue(res, i, 2));
		}
		if (!PQgetisnull(res, i, 4) && routine->nargs < MAX_ARGUMENTS)
			read_argument(&routine->args[routine->nargs++], res, i, 3);
	}
	PQclear(res);
}

static void
read_relations(PGconn *conn)
{
	PGresult *res = ask(conn,
						"SELECT c.relname, c.relkind, a.attname, format_type(t.oid, NULL),"
						" CASE WHEN t.typcategory = 'A' THEN format_type(t.typelem, NULL) END"
						" FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid"
						" WHERE c.relnamespace = 'researcharr'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')"
						" AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum");

	for (int i = 0; i < PQntuples(res); i++)
	{
		Relation *relation = nrelations > 0 ? &relations[nrelations - 1] : NULL;

		if (relation == NULL || strcmp(relation->name, PQgetvalue(res, i, 0)) != 0)
		{
			if (nrelations == MAX_RELATIONS)
				break;
			relation = &relations[nrelations++];
			snprintf(relation->name, sizeof(relation->name), "%s", PQgetvalue(res, i, 0));
			relation->kind = PQgetvalue(res, i, 1)[0];
		}
		if (relation->ncolumns < MAX_ARGUMENTS)
			read_argument(&relation->columns[relation->ncolumns++], res, i, 2);
	}
	PQclear(res);
}

/*
 * Reads routines and relations of schema researcharr, before sessions start.
 */
void
read_catalog(PGconn *conn)
{
	read_routines(conn);
	read_relations(conn);
	if (nroutines == 0 || nrelations == 0)
	{
		fprintf(stderr, "fuzz: schema researcharr is empty\n");
		exit(2);
	}
}
