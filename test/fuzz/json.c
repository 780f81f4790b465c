/*-------------------------------------------------------------------------
 *
 * json.c
 *		Values that make sense, by the name and type of what they are for; and
 *		JSON made of them.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

static const Entity entities[] = {
	{"media", "media", 'm'}, {"movie", "movie_rows", 'v'}, {"series", "series_rows", 's'}, {"episode", "episode_rows", 'e'}, {"job", "processing_jobs", 'j'}, {"queue_item", "queue_items", 'q'}, {"config", "configuration", 'c'}, {"webui_user", "webui_users", 'u'}, {"history", "processing_history", 'h'}, {"audit", "audit_log", 'a'}};
#define NENTITIES ((int) (sizeof(entities) / sizeof(entities[0])))

static const char *const job_types[] = {"search", "download", "verify", "narrow", "rated", "short", "heavy"};
static const char *const titles[] = {"Amélie", "1917", "The Wire", "Łódź", "X", "Alien", "Severance", "中文", "  Trim me ", "100% \\\\"};

/* What text is sensible by the name of its argument or column. */
static const struct
{
	const char *name;
	const char *texts[8];
} texts[] = {
	{"service", {"radarr", "sonarr"}},
	{"type", {"movie", "series", "episode"}},
	{"media_type", {"movie", "series", "episode"}},
	{"entity_type", {"media", "movie", "job", "config"}},
	{"status", {"pending", "processing", "completed", "failed", "queued", "running", "cancelled"}},
	{"action", {"create", "update", "delete", "completed"}},
	{"backoff", {"fixed", "linear", "exponential"}},
	{"value_type", {"string", "int", "bool", "json"}},
	{"value", {"1", "true", "{}", "text", "-42", "[1, 2]"}},
	{"order_by", {"id", "id desc", "created_at desc nulls last, id", "title", "priority desc", "nothing", "\\\"timestamp\\\" asc"}},
	{"query", {"alein", "wire", "x", "lodz", "amelie", "100%", "中"}},
	{"prefix", {"", "fuzz", "a", "%"}},
	{"key", {"fuzz.1", "fuzz.2", "fuzz.3", "fuzz.4", "fuzz.5", "fuzz.6", "fuzz.7"}},
	{"username", {"anna", "ben", "cleo", "dora"}},
	{"imdb_id", {"tt0078748", "tt0211915", "tt1234567"}},
	{"worker", {"w1", "w2", "worker"}},
	{"error", {"timed out", "no results", ""}},
	{"unique_key", {"k1", "k2", "k3", "k4", "k5", "k6", "k7"}},
	{"unique_keys", {"k1", "k2", "k3", "k4", "k5", "k6", "k7"}},
};

const Entity *
entity_of(const char *routine)
{
	for (int i = 0; i < NENTITIES; i++)
	{
		size_t length = strlen(entities[i].name);

		if (strncmp(routine, entities[i].name, length) == 0 && routine[length] == '_')
			return &entities[i];
	}
	return &entities[chance(NENTITIES)];
}

const Entity *
entity_by_letter(char letter)
{
	for (int i = 0; i < NENTITIES; i++)
		if (entities[i].letter == letter)
			return &entities[i];
	return &entities[0];
}

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static Shape
sensible_id(PQExpBuffer raw, const char *name, char entity, int nth)
{
	char kind = begins(name, "media") ? 'm' : begins(name, "series") ? 's' :
										  begins(name, "job")        ? 'j' :
																	   entity;

	appendPQExpBufferStr(raw, kind == 'j' && !begins(name, "job") && nth < npicked && picked[nth] != NULL ?
								  picked[nth]->id :
								  know(kind)->id);
	return SHAPE_STRING;
}

static Shape
sensible_number(PQExpBuffer raw, const char *name, int nth)
{
	int number;

	if (begins(name, "attempt"))
		number = nth < npicked && picked[nth] != NULL ? picked[nth]->attempt : 1;
	else if (begins(name, "priorit"))
		number = chance(3) ? 10 * chance(3) : chance(101);
	else if (begins(name, "max_retries"))
		number = chance(11);
	else if (begins(name, "year"))
		number = 1900 + chance(130);
	else if (begins(name, "rate_limit"))
		number = 10 + chance(100);
	else
		number = begins(name, "limit") || begins(name, "max_") || begins(name, "weight") ? 1 + chance(20) : chance(40);
	appendPQExpBuffer(raw, "%d", number);
	return SHAPE_NUMBER;
}

static Shape
sensible_text(PQExpBuffer raw, const char *name)
{
	if (begins(name, "job_type") || strcmp(name, "name") == 0)
		appendPQExpBufferStr(raw, pick(job_types));
	else if (begins(name, "title"))
		appendPQExpBuffer(raw, "%s %d", pick(titles), chance(30));
	else if (begins(name, "external_id"))
		appendPQExpBuffer(raw, "%d", chance(60));
	else
	{
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		{
			int n = 0;

			if (strcmp(texts[i].name, name) != 0)
				continue;
			while (n < 8 && texts[i].texts[n] != NULL)
				n++;
			appendPQExpBufferStr(raw, texts[i].texts[chance(n)]);
			return SHAPE_STRING;
		}
		appendPQExpBuffer(raw, "text %d", chance(30));
	}
	return SHAPE_STRING;
}

static Shape
sensible_time(PQExpBuffer raw, const char *type)
{
	time_t then = time(NULL) - 3 + chance(6);
	struct tm tm;
	char text[40];

	if (chance(8) == 0)
		then += (int) chance(100000) - 50000;
	gmtime_r(&then, &tm);
	strftime(text, sizeof(text), begins(type, "date") ? "%Y-%m-%d" : "%Y-%m-%d %H:%M:%S+00", &tm);
	appendPQExpBufferStr(raw, text);
	return SHAPE_STRING;
}

/*
 * Appends a value that makes sense for an argument, a column or a JSON member
 * of this name and type: its text, as JSON would quote it.  "nth" is its place
 * in an array, which ties ids to attempts.
 */
Shape
sensible(PQExpBuffer raw, const char *name, const char *type, char entity, int nth)
{
	if (begins(type, "uuid"))
		return sensible_id(raw, name, entity, nth);
	if ((begins(type, "int") && !begins(type, "interval")) || begins(type, "bigint") || begins(type, "smallint"))
		return sensible_number(raw, name, nth);
	if (begins(type, "double") || begins(type, "real") || begins(type, "numeric"))
	{
		appendPQExpBuffer(raw, "0.%d", chance(10));
		return SHAPE_NUMBER;
	}
	if (begins(type, "bool"))
	{
		appendPQExpBufferStr(raw, chance(2) ? "true" : "false");
		return SHAPE_BOOLEAN;
	}
	if (begins(type, "interval"))
	{
		appendPQExpBuffer(raw, "%d ms", chance(4) ? chance(300) : chance(10000));
		return SHAPE_STRING;
	}
	if (begins(type, "timestamp") || begins(type, "date"))
		return sensible_time(raw, type);
	if (begins(type, "json"))
	{
		sensible_json(raw, name, entity);
		return SHAPE_JSON;
	}
	if (begins(type, "regclass"))
	{
		appendPQExpBuffer(raw, "researcharr.%s", relations[chance(nrelations)].name);
		return SHAPE_STRING;
	}
	if (begins(type, "text") || begins(type, "character") || begins(type, "name"))
		return sensible_text(raw, name);
	return SHAPE_NULL;
}

static void
put_string(PQExpBuffer raw)
{
	static const char *const strings[] = {
		"", "x", "é", "\\u0001", "\\n\\t", "null", "$0.id", "$$1", "$1.nothing", "2026-01-01", "1e400", "tt0078748",
		"search", "movie", "\\\"", "\\\\", "01900000-0000-7000-8000-000000000001", "%", "_", "now", "infinity", "\\ud83d\\ude00"};

	appendPQExpBuffer(raw, "\"%s\"", pick(strings));
}

/*
 * Appends any JSON.
 */
void
put_json(PQExpBuffer raw, int depth)
{
	static const char *const scalars[] = {
		"null", "true", "false", "0", "-1", "1.5", "1e30", "1e2000", "2147483648", "9223372036854775808", "-0", "1.0", "[]", "{}"};
	int n = chance(4);

	switch (depth > 0 ? chance(4) : chance(2))
	{
		case 0:
			appendPQExpBufferStr(raw, pick(scalars));
			break;
		case 1:
			put_string(raw);
			break;
		case 2:
			appendPQExpBufferChar(raw, '[');
			for (int i = 0; i < n; i++)
			{
				appendPQExpBufferStr(raw, i > 0 ? ", " : "");
				put_json(raw, depth - 1);
			}
			appendPQExpBufferChar(raw, ']');
			break;
		default:
			appendPQExpBufferChar(raw, '{');
			for (int i = 0; i < n; i++)
			{
				appendPQExpBuffer(raw, "%s", i > 0 ? ", " : "");
				put_string(raw);
				appendPQExpBufferStr(raw, ": ");
				put_json(raw, depth - 1);
			}
			appendPQExpBufferChar(raw, '}');
	}
}

/* A value for a column, as JSON. */
static void
put_member(PQExpBuffer raw, const Argument *column, char entity)
{
	size_t start = raw->len;
	Shape shape;

	if (chance(25) == 0)
	{
		put_json(raw, 2);
		return;
	}
	if (column->element[0] != '\0')
	{
		appendPQExpBufferChar(raw, '[');
		if (chance(3) && sensible(raw, column->name, column->element, entity, 0) == SHAPE_STRING)
		{
			char *value = strdup(raw->data + start + 1);

			raw->len = start + 1;
			appendPQExpBuffer(raw, "\"%s\"", value);
			free(value);
		}
		appendPQExpBufferChar(raw, ']');
		return;
	}
	shape = sensible(raw, column->name, column->type, entity, 0);
	if (shape == SHAPE_NULL)
		appendPQExpBufferStr(raw, "null");
	else if (shape == SHAPE_STRING)
	{
		char *value = strdup(raw->data + start);

		raw->len = start;
		appendPQExpBuffer(raw, "\"%s\"", value);
		free(value);
	}
}

static const Relation *
relation_of(char entity)
{
	const char *name = entity_by_letter(entity)->relation;

	for (int i = 0; i < nrelations; i++)
		if (strcmp(relations[i].name, name) == 0)
			return &relations[i];
	return &relations[0];
}

/* May a caller give this column?  Of the others some are tried, too. */
static bool
is_given(const char *column, char entity)
{
	static const char *const needed[] = {
		"title", "series_id", "season_number", "episode_number", "media_id", "job_type", "service",
		"key", "value", "username", "password_hash"};
	static const char *const kept[] = {
		"id", "created_at", "updated_at", "added_at", "status", "retry_count", "error_message", "started_at",
		"completed_at", "attempt", "lease_expires_at", "worker", "result"};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (strcmp(column, needed[i]) == 0)
			return chance(30) > 0;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (strcmp(column, kept[i]) == 0)
			return chance(60) == 0;
	if (strcmp(column, "type") == 0)
		return entity == 'm' ? chance(30) > 0 : chance(60) == 0;
	return chance(3) == 0;
}

static void
put_entity(PQExpBuffer raw, char entity, bool change)
{
	const Relation *relation = relation_of(entity);
	const char *comma = "";

	appendPQExpBufferChar(raw, '{');
	for (int i = 0; i < relation->ncolumns; i++)
	{
		const Argument *column = &relation->columns[i];

		if (change ? chance(3) > 0 || !is_given(column->name, entity) : !is_given(column->name, entity))
			continue;
		appendPQExpBuffer(raw, "%s\"%s\": ", comma, column->name);
		put_member(raw, column, entity);
		comma = ", ";
	}
	if (chance(15) == 0)
	{
		static const char *const users[] = {"fuzz_a", "fuzz_b", "fuzz_c", "nothing", ""};

		appendPQExpBuffer(raw, "%s\"%s\": ", comma, pick(users));
		put_json(raw, 2);
	}
	appendPQExpBufferChar(raw, '}');
}

static void
put_filters(PQExpBuffer raw, char entity)
{
	static const char *const operators[] = {
		"eq", "ne", "gt", "gte", "lt", "lte", "in", "like", "ilike", "is_null", "contains", "nothing"};
	const Relation *relation = relation_of(entity);
	const char *comma = "";

	appendPQExpBufferChar(raw, '{');
	for (int n = chance(3); n > 0; n--)
	{
		const Argument *column = &relation->columns[chance(relation->ncolumns)];
		const char *name = pick(operators);

		appendPQExpBuffer(raw, "%s\"%s\": ", comma, column->name);
		comma = ", ";
		if (chance(3) == 0)
		{
			put_member(raw, column, entity);
			continue;
		}
		appendPQExpBuffer(raw, "{\"%s\": ", name);
		if (strcmp(name, "is_null") == 0)
			appendPQExpBufferStr(raw, chance(2) ? "true" : "false");
		else if (strcmp(name, "in") == 0)
		{
			appendPQExpBufferChar(raw, '[');
			put_member(raw, column, entity);
			appendPQExpBufferStr(raw, ", ");
			put_member(raw, column, entity);
			appendPQExpBufferChar(raw, ']');
		}
		else
			put_member(raw, column, entity);
		appendPQExpBufferChar(raw, '}');
	}
	appendPQExpBufferChar(raw, '}');
}

static void
put_operation(PQExpBuffer raw, int n)
{
	static const char *const verbs[] = {"create", "create", "create", "update", "delete", "get_by_id"};
	const char *verb = pick(verbs);
	const Entity *entity = &entities[chance(NENTITIES - (chance(10) > 0 ? 2 : 0))];

	appendPQExpBuffer(raw, "{\"op\": \"%s\", \"entity\": \"%s\"", verb, entity->name);
	if (strcmp(verb, "create") != 0 || chance(30) == 0)
	{
		if (n > 0 && chance(3) == 0)
			appendPQExpBuffer(raw, ", \"id\": \"$%d.id\"", chance(n));
		else
			appendPQExpBuffer(raw, ", \"id\": \"%s\"", know(entity->letter)->id);
	}
	if (strcmp(verb, "create") == 0 || strcmp(verb, "update") == 0)
	{
		appendPQExpBufferStr(raw, ", \"values\": ");
		put_entity(raw, entity->letter, verb[0] == 'u');
	}
	appendPQExpBufferChar(raw, '}');
}

/* Creates of the same entity with the same fields, which are written together. */
static void
put_batch(PQExpBuffer raw, int n)
{
	static const char *const shapes[] = {
		"\"media\", \"values\": {\"type\": \"movie\", \"title\"", "\"movie\", \"values\": {\"year\": 1999, \"title\"",
		"\"series\", \"values\": {\"title\"", "\"config\", \"values\": {\"value\": \"1\", \"key\"",
		"\"webui_user\", \"values\": {\"password_hash\": \"x\", \"username\""};
	const char *shape = pick(shapes);

	for (int i = 0; i < n; i++)
		appendPQExpBuffer(raw, "%s{\"op\": \"create\", \"entity\": %s: \"batch %u\"}}", i > 0 ? ", " : "", shape, chance(100000));
}

/* Objects as Radarr and Sonarr make them. */
static void
put_import(PQExpBuffer raw, const char *name)
{
	appendPQExpBuffer(raw, "{\"id\": %d, \"title\": \"%s %d\", \"year\": %d, \"monitored\": true", chance(9), pick(titles),
					  chance(9), chance(5) ? 1990 + chance(9) : 0);
	if (begins(name, "episodes"))
		appendPQExpBuffer(raw, ", \"seriesId\": %d, \"seasonNumber\": %d, \"episodeNumber\": %d, \"airDate\": \"200%d-01-01\"",
						  chance(9), chance(3), chance(9), chance(10));
	if (begins(name, "movies"))
		appendPQExpBuffer(raw, ", \"tmdbId\": %d, \"runtime\": %d", chance(60), chance(3) * 60);
	else
		appendPQExpBuffer(raw, ", \"tvdbId\": %d, \"statistics\": {\"seasonCount\": %d, \"totalEpisodeCount\": %d}", chance(60),
						  chance(9), chance(99));
	if (chance(10) == 0)
	{
		appendPQExpBufferStr(raw, ", \"title\": ");
		put_json(raw, 2);
	}
	appendPQExpBufferChar(raw, '}');
}

/*
 * Appends JSON that makes sense for an argument or member of this name.
 */
void
sensible_json(PQExpBuffer raw, const char *name, char entity)
{
	bool import = begins(name, "movies") || begins(name, "series") || begins(name, "episodes");
	bool jobs = begins(name, "jobs");

	if (import || jobs || begins(name, "operations") || begins(name, "entities") || begins(name, "items"))
	{
		int n = chance(5);
		bool batch = begins(name, "operations") && chance(2);

		appendPQExpBufferChar(raw, '[');
		if (batch)
			put_batch(raw, n);
		for (int i = 0; i < n && !batch; i++)
		{
			appendPQExpBufferStr(raw, i > 0 ? ", " : "");
			if (chance(30) == 0)
				put_json(raw, 2);
			else if (import)
				put_import(raw, name);
			else if (begins(name, "operations"))
				put_operation(raw, i);
			else
				put_entity(raw, jobs ? 'j' : entity, false);
		}
		appendPQExpBufferChar(raw, ']');
	}
	else if (begins(name, "entity") || begins(name, "values"))
		put_entity(raw, entity, false);
	else if (begins(name, "changes"))
		put_entity(raw, entity, true);
	else if (begins(name, "filters"))
		put_filters(raw, entity);
	else if (begins(name, "metadata"))
		appendPQExpBuffer(raw, "{\"n\": %d}", chance(9));
	else
		put_json(raw, 3);
}
