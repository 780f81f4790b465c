/*
 * calls.c
 *		The calls, and how their SQL is made.
 *
 *		%X stands for an array of all ids of a kind, in an order drawn by chance,
 *		%x for one of them: series S, episodes E, movies M; jobs that are queued Q,
 *		running R, failed F; queue items I.  %A is an array of the running jobs'
 *		attempts.  %K is an array of new unique keys, as many as there are movies,
 *		in an order drawn by chance, %k one of them.  %n is the round's number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deadlocks.h"

const char *const kind_names[KINDS] = {
	"series", "episodes", "movies", "queued", "running", "failed", "items"};

#define R "researcharr."

/* Objects of Radarr's and Sonarr's, with fields that the rows do not have yet */
#define RADARR "(SELECT jsonb_agg(jsonb_build_object('tmdbId', m.external_id::int, 'title', m.title, 'n', %n)) " \
			   "FROM unnest(%M) WITH ORDINALITY AS u (id, o) JOIN " R "media m USING (id))"
#define SONARR_SERIES   "'[{\"id\": 1, \"tvdbId\": 1, \"title\": \"s1\", \"n\": %n}]'"
#define SONARR_EPISODES "(SELECT jsonb_agg(jsonb_build_object('id', o, 'tvdbId', (100 + o), 'seriesId', 1, 'seasonNumber', 1, " \
						"'episodeNumber', o, 'title', 'e' || o, 'n', %n) ORDER BY random()) FROM generate_series(1, 5) o WHERE o <> 3)"

/* The order that docs/operations.md asks of users' own statements */
#define LOCKED(table, ids, lock) \
	"WITH l AS (SELECT id FROM " R table " WHERE id = ANY (" ids ") ORDER BY id FOR " lock ") "

const Call calls[] = {
	{"media_delete (movie)", NULL, "SELECT " R "media_delete(%m)"},
	{"media_delete (series)", NULL, "SELECT " R "media_delete(%s)"},
	{"media_delete (episode)", NULL, "SELECT " R "media_delete(%e)"},
	{"series_delete", NULL, "SELECT " R "series_delete(%s)"},
	{"episode_delete", NULL, "SELECT " R "episode_delete(%e)"},
	{"DELETE series", NULL, "DELETE FROM " R "series WHERE media_id = %s"},
	{"DELETE media", NULL, LOCKED("media", "%M || %E", "UPDATE") "DELETE FROM " R "media m USING l WHERE m.id = l.id"},
	{"UPDATE media", NULL, LOCKED("media", "%M || %E || %S", "NO KEY UPDATE") "UPDATE " R "media m SET status = 'failed' FROM l WHERE m.id = l.id"},
	{"media_update", NULL, "SELECT * FROM " R "media_update(%m, '{\"status\": \"failed\"}')"},
	{"movie_update", NULL, "SELECT * FROM " R "movie_update(%m, '{\"title\": \"t\", \"year\": 1950}')"},
	{"series_update", NULL, "SELECT * FROM " R "series_update(%s, '{\"title\": \"t\", \"seasons\": 2}')"},
	{"episode_update", NULL, "SELECT * FROM " R "episode_update(%e, '{\"title\": \"t\", \"air_date\": \"2020-01-01\"}')"},
	{"episode_create", NULL, "SELECT * FROM " R "episode_create(jsonb_build_object('title', 'new', 'series_id', %s, "
							 "'season_number', 2, 'episode_number', 1))"},
	{"media_import_radarr", NULL, "SELECT * FROM " R "media_import_radarr(" RADARR ")"},
	{"media_import_sonarr", NULL, "SELECT * FROM " R "media_import_sonarr(" SONARR_SERIES ", " SONARR_EPISODES ")"},
	{"media_import_sonarr (episodes)", NULL, "SELECT * FROM " R "media_import_sonarr('[]', " SONARR_EPISODES ")"},
	{"unit_of_work (media)", NULL, "SELECT " R "unit_of_work((SELECT jsonb_agg(jsonb_build_object('op', 'update', 'entity', 'media', "
								   "'id', id, 'values', jsonb_build_object('status', 'failed')) ORDER BY o) FROM unnest(%M || %E || %S) WITH ORDINALITY AS u (id, o)))"},
	{"unit_of_work (deletes)", NULL, "SELECT " R "unit_of_work((SELECT jsonb_agg(jsonb_build_object('op', 'delete', 'entity', 'media', "
									 "'id', id) ORDER BY random()) FROM unnest(%M || %E || %S) WITH ORDINALITY AS u (id, o)))"},
	{"unit_of_work (jobs)", NULL, "SELECT " R "unit_of_work((SELECT jsonb_agg(CASE WHEN id = ANY (%M) "
								  "THEN jsonb_build_object('op', 'update', 'entity', 'movie', 'id', id, 'values', jsonb_build_object('year', 1950)) "
								  "ELSE jsonb_build_object('op', 'update', 'entity', 'job', 'id', id, 'values', jsonb_build_object('priority', 3)) END "
								  "ORDER BY o) FROM unnest(%Q || %M || %R) WITH ORDINALITY AS u (id, o) WHERE id = ANY (%M || %Q || %R)))"},
	{"queue_item_get_next", NULL, "SELECT * FROM " R "queue_item_get_next('sonarr', 5)"},
	{"queue_item_update_last_processed", NULL, "SELECT " R "queue_item_update_last_processed(%i)"},
	{"queue_item_increment_retry_count", NULL, "SELECT " R "queue_item_increment_retry_count(%i)"},
	{"job_enqueue", NULL, "SELECT " R "job_enqueue(%m, 'search', unique_key => %k)"},
	{"job_enqueue_many", NULL, "SELECT " R "job_enqueue_many((SELECT jsonb_agg(jsonb_build_object('media_id', m, 'job_type', 'search', "
							   "'unique_key', k)) FROM unnest(%M, %K) AS u (m, k)))"},
	{"job_enqueue_many (media)", NULL, "SELECT " R "job_enqueue_many((SELECT jsonb_agg(jsonb_build_object('media_id', m, 'job_type', 'search')) "
									   "FROM unnest(%M || %E) AS u (m)))"},
	{"job_enqueue_arrays", NULL, "SELECT " R "job_enqueue_arrays(%M, '{search}', unique_keys => %K)"},
	{"job_dequeue", NULL, "SELECT * FROM " R "job_dequeue(NULL, 10, lease => '1 h')"},
	{"job_complete", NULL, "SELECT " R "job_complete(%r, 1)"},
	{"job_complete_many", NULL, "SELECT * FROM " R "job_complete_many(%R, %A)"},
	{"job_fail", NULL, "SELECT * FROM " R "job_fail(%r, 1, 'broken')"},
	{"job_heartbeat", NULL, "SELECT " R "job_heartbeat(%r, 1)"},
	{"job_release", NULL, "SELECT " R "job_release(%r, 1)"},
	{"job_cancel", NULL, "SELECT " R "job_cancel(%q)"},
	{"job_cancel (running)", NULL, "SELECT " R "job_cancel(%r)"},
	{"job_retry", NULL, "SELECT " R "job_retry(%f)"},
	{"job_mark_as_completed", NULL, "SELECT " R "job_mark_as_completed(%q)"},
	{"job_update", NULL, "SELECT * FROM " R "job_update(%q, '{\"priority\": 7}')"},
	{"UPDATE processing_jobs", NULL, LOCKED("processing_jobs", "%Q || %R", "NO KEY UPDATE") "UPDATE " R "processing_jobs j SET priority = 5 FROM l WHERE j.id = l.id"},
	{"DELETE processing_jobs", NULL, LOCKED("processing_jobs", "%F || %Q || %R", "UPDATE") "DELETE FROM " R "processing_jobs j USING l WHERE j.id = l.id"},
	{"job_complete_and_dequeue", "job_complete_and_dequeue", "SELECT * FROM " R "job_complete_and_dequeue(%r, 1, max_jobs => 5, lease => '1 h')"},
	{"job_heartbeat_many", "job_heartbeat_many", "SELECT * FROM " R "job_heartbeat_many(%R, %A)"},
	{"job_fail_many", "job_fail_many", "SELECT * FROM " R "job_fail_many(%R, %A, (SELECT array_agg('broken'::text) FROM unnest(%R)))"},
	{"job_release_many", "job_release_many", "SELECT * FROM " R "job_release_many(%R, %A)"},
	{"job_cancel_many", "job_cancel_many", "SELECT * FROM " R "job_cancel_many(%Q || %R)"},
	{"job_retry_many", "job_retry_many", "SELECT * FROM " R "job_retry_many(%F)"},
	{"job_cancel_all", "job_cancel_all", "SELECT " R "job_cancel_all('{}')"},
	{"job_retry_all", "job_retry_all", "SELECT " R "job_retry_all('{}')"},
};

const int ncalls = sizeof(calls) / sizeof(calls[0]);

/* Where text is put together */
typedef struct Text
{
	char *at;
	char *end;
} Text;

static void
add(Text *text, const char *string)
{
	size_t length = strlen(string);

	if (text->at + length >= text->end)
	{
		fprintf(stderr, "a statement is too long\n");
		exit(1);
	}
	memcpy(text->at, string, length + 1);
	text->at += length;
}

/* An order by chance of the numbers below n */
static void
shuffle(int *order, int n, unsigned *seed)
{
	for (int i = 0; i < n; i++)
	{
		int j = rand_r(seed) % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

static void
add_ids(Text *text, const Round *round, Kind kind, unsigned *seed)
{
	int order[MAX_IDS];

	shuffle(order, round->count[kind], seed);
	add(text, "'{");
	for (int i = 0; i < round->count[kind]; i++)
	{
		add(text, i > 0 ? "," : "");
		add(text, round->ids[kind][order[i]]);
	}
	add(text, "}'::uuid[]");
}

static void
add_keys(Text *text, const Round *round, unsigned *seed)
{
	int order[MAX_IDS];
	char key[40];

	shuffle(order, round->count[MOVIES], seed);
	add(text, "'{");
	for (int i = 0; i < round->count[MOVIES]; i++)
	{
		snprintf(key, sizeof(key), "%snew %d", i > 0 ? "," : "", order[i]);
		add(text, key);
	}
	add(text, "}'::text[]");
}

static void
add_attempts(Text *text, const Round *round)
{
	add(text, "'{");
	for (int i = 0; i < round->count[RUNNING]; i++)
		add(text, i > 0 ? ",1" : "1");
	add(text, "}'::int[]");
}

/* Adds what stands behind a percent sign */
static void
add_variable(Text *text, char variable, const Round *round, unsigned *seed)
{
	static const char kinds[] = "SEMQRFI";
	static const char singles[] = "semqrfi";
	const char *found;
	char buffer[60];

	if ((found = strchr(kinds, variable)) != NULL)
		add_ids(text, round, found - kinds, seed);
	else if ((found = strchr(singles, variable)) != NULL)
	{
		int kind = found - singles;

		snprintf(buffer, sizeof(buffer), "'%s'", round->ids[kind][rand_r(seed) % round->count[kind]]);
		add(text, buffer);
	}
	else if (variable == 'K')
		add_keys(text, round, seed);
	else if (variable == 'A')
		add_attempts(text, round);
	else
	{
		snprintf(buffer, sizeof(buffer), variable == 'k' ? "'new %d'" : "%d",
				 variable == 'k' ? rand_r(seed) % round->count[MOVIES] : round->number);
		add(text, buffer);
	}
}

/* The SQL of a call in this round */
void
make_sql(const Call *call, const Round *round, unsigned *seed, char *sql, size_t size)
{
	Text text = {sql, sql + size};

	for (const char *c = call->sql; *c != '\0'; c++)
	{
		char letter[2] = {*c, '\0'};

		if (*c == '%')
			add_variable(&text, *++c, round, seed);
		else
			add(&text, letter);
	}
}
