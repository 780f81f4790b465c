/*-------------------------------------------------------------------------
 *
 * known.c
 *		Ids of rows that exist, so that calls find what they are about.
 *
 * A session asks for some from time to time.  Those that are gone meanwhile
 * are as welcome: ids that no longer exist are input, too.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

#define MAX_KNOWN 400

static Known known[MAX_KNOWN];
static int nknown;

/* The jobs that the call under construction is about. */
int npicked = 1;
const Known *picked[MAX_PICKED];

/*
 * Learns ids of every entity anew.  Not inside a transaction block.
 */
void
learn(void)
{
	static const char sql[] =
		"SELECT * FROM (SELECT 'r', id, attempt FROM researcharr.processing_jobs WHERE status = 'running' ORDER BY random() LIMIT 40) x"
		" UNION ALL SELECT * FROM (SELECT 'j', id, attempt FROM researcharr.processing_jobs ORDER BY random() LIMIT 40) x"
		" UNION ALL SELECT * FROM (SELECT 'm', id, 0 FROM researcharr.media ORDER BY random() LIMIT 20) x"
		" UNION ALL SELECT * FROM (SELECT 'v', media_id, 0 FROM researcharr.movies ORDER BY random() LIMIT 20) x"
		" UNION ALL SELECT * FROM (SELECT 's', media_id, 0 FROM researcharr.series ORDER BY random() LIMIT 20) x"
		" UNION ALL SELECT * FROM (SELECT 'e', media_id, 0 FROM researcharr.episodes ORDER BY random() LIMIT 20) x"
		" UNION ALL SELECT * FROM (SELECT 'q', id, 0 FROM researcharr.queue_items ORDER BY random() LIMIT 20) x"
		" UNION ALL SELECT * FROM (SELECT 'c', id, 0 FROM researcharr.configuration ORDER BY random() LIMIT 20) x"
		" UNION ALL SELECT * FROM (SELECT 'u', id, 0 FROM researcharr.webui_users ORDER BY random() LIMIT 20) x"
		" UNION ALL SELECT * FROM (SELECT 'h', id, 0 FROM researcharr.processing_history ORDER BY id DESC LIMIT 10) x"
		" UNION ALL SELECT * FROM (SELECT 'a', id, 0 FROM researcharr.audit_log ORDER BY id DESC LIMIT 10) x";
	PGresult *res = PQexec(conn, sql);

	if (PQntuples(res) > 0)
		nknown = 0;
	for (int i = 0; i < PQntuples(res) && nknown < MAX_KNOWN; i++)
	{
		known[nknown].kind = PQgetvalue(res, i, 0)[0];
		snprintf(known[nknown].id, sizeof(known[0].id), "%s", PQgetvalue(res, i, 1));
		known[nknown++].attempt = atoi(PQgetvalue(res, i, 2));
	}
	PQclear(res);
}

/*
 * One of a kind, by chance; of any kind where there is none.
 */
const Known *
know(char kind)
{
	static const Known nobody = {'?', "01900000-0000-7000-8000-000000000001", 0};
	int start;

	if (nknown == 0)
		return &nobody;
	start = chance(nknown);
	for (int i = 0; i < nknown; i++)
		if (known[(start + i) % nknown].kind == kind)
			return &known[(start + i) % nknown];
	return &known[start];
}

/*
 * Picks the jobs of a call.
 */
void
pick_jobs(bool running)
{
	npicked = 1 + chance(MAX_PICKED);
	for (int i = 0; i < npicked; i++)
		picked[i] = know(running && chance(10) > 0 ? 'r' : 'j');
}
