/*-------------------------------------------------------------------------
 *
 * dml.c
 *		Plain statements on the extension's tables and views.
 *
 * What would break the agreement of jobs and history (columns that the
 * functions keep, rows of the logs) is written only by transactions that are
 * bound to be undone.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "fuzz.h"

static bool
is_log(const Relation *relation)
{
	return strncmp(relation->name, "audit_log", 9) == 0 || strncmp(relation->name, "processing_history", 18) == 0;
}

static bool
is_jobs(const Relation *relation)
{
	return strcmp(relation->name, "processing_jobs") == 0;
}

/* The entity whose rows a relation has; needed to find ids. */
static char
letter_of(const Relation *relation)
{
	static const char letters[] = "mvsejqcuha";

	if (strcmp(relation->name, "movies") == 0)
		return 'v';
	if (strcmp(relation->name, "series") == 0)
		return 's';
	if (strcmp(relation->name, "episodes") == 0)
		return 'e';
	for (int i = 0; letters[i] != '\0'; i++)
		if (strcmp(entity_by_letter(letters[i])->relation, relation->name) == 0)
			return letters[i];
	return 'm';
}

static bool
may_write(const Relation *relation, const Argument *column)
{
	static const char *const decided[] = {
		"media_id", "job_type", "priority", "available_at", "max_retries", "metadata", "unique_key"};

	if (!is_jobs(relation) || doomed)
		return true;
	for (size_t i = 0; i < sizeof(decided) / sizeof(decided[0]); i++)
		if (strcmp(column->name, decided[i]) == 0)
			return true;
	return false;
}

/* Picks columns to write; at least one.  Returns how many. */
static int
pick_columns(const Relation *relation, const Argument **columns, bool insert)
{
	int n = 0;
	bool most = insert && chance(4) > 0;

	for (int i = 0; i < relation->ncolumns; i++)
	{
		const Argument *column = &relation->columns[i];
		bool kept = strcmp(column->name, "id") == 0 || strcmp(column->name, "created_at") == 0 ||
					strcmp(column->name, "updated_at") == 0 || (strcmp(column->name, "type") == 0 && letter_of(relation) != 'm');

		if (may_write(relation, column) && (kept ? chance(20) == 0 : chance(4) < (most ? 3 : 1)))
			columns[n++] = column;
	}
	for (int i = relation->ncolumns - 1; n == 0; i--)
		if (i == 0 || may_write(relation, &relation->columns[i]))
			columns[n++] = &relation->columns[i];
	return n;
}

static bool
is_wild(void)
{
	return chance(12) == 0;
}

static void
put_insert(PQExpBuffer sql, const Relation *relation)
{
	const Argument *columns[MAX_ARGUMENTS];
	int ncolumns = pick_columns(relation, columns, true);
	int nrows = chance(3) ? 1 : 1 + chance(4);

	appendPQExpBuffer(sql, "INSERT INTO researcharr.%s (", relation->name);
	for (int i = 0; i < ncolumns; i++)
		appendPQExpBuffer(sql, "%s\"%s\"", i > 0 ? ", " : "", columns[i]->name);
	appendPQExpBufferStr(sql, ") VALUES ");
	for (int row = 0; row < nrows; row++)
	{
		appendPQExpBufferStr(sql, row > 0 ? ", (" : "(");
		for (int i = 0; i < ncolumns; i++)
		{
			appendPQExpBufferStr(sql, i > 0 ? ", " : "");
			put_argument(sql, columns[i], letter_of(relation), is_wild());
		}
		appendPQExpBufferChar(sql, ')');
	}
	if (chance(3) == 0)
		appendPQExpBufferStr(sql, " ON CONFLICT DO NOTHING");
	if (chance(2))
		appendPQExpBufferStr(sql, " RETURNING *");
}

/* A few rows: known ones, or whatever the table has. */
static void
put_where(PQExpBuffer sql, const Relation *relation)
{
	const char *key = strcmp(relation->columns[0].name, "media_id") == 0 ? "media_id" : "id";

	if (strcmp(relation->columns[0].type, "uuid") == 0 && (relation->kind == 'v' || chance(2)))
		appendPQExpBuffer(sql, " WHERE \"%s\" = '%s'", key, know(letter_of(relation))->id);
	else if (relation->kind == 'v')
		appendPQExpBuffer(sql, " WHERE \"%s\" IS NULL", relation->columns[0].name);
	else
		appendPQExpBuffer(sql, " WHERE ctid IN (SELECT ctid FROM researcharr.%s ORDER BY md5(ctid::text || '%u') LIMIT %d)",
						  relation->name, chance(1000), 1 + chance(4));
}

static void
put_update(PQExpBuffer sql, const Relation *relation)
{
	const Argument *columns[MAX_ARGUMENTS];
	int ncolumns = pick_columns(relation, columns, false);

	appendPQExpBuffer(sql, "UPDATE researcharr.%s SET ", relation->name);
	for (int i = 0; i < ncolumns; i++)
	{
		appendPQExpBuffer(sql, "%s\"%s\" = ", i > 0 ? ", " : "", columns[i]->name);
		put_argument(sql, columns[i], letter_of(relation), is_wild());
	}
	put_where(sql, relation);
}

static void
put_select(PQExpBuffer sql, const Relation *relation)
{
	static const char *const locks[] = {"", "", " FOR UPDATE", " FOR NO KEY UPDATE SKIP LOCKED", " FOR KEY SHARE", " FOR SHARE NOWAIT"};

	if (chance(6) == 0 && relation->kind != 'p')
	{
		appendPQExpBuffer(sql, "COPY researcharr.%s TO STDOUT", relation->name);
		return;
	}
	appendPQExpBuffer(sql, "SELECT * FROM researcharr.%s", relation->name);
	put_where(sql, relation);
	appendPQExpBufferStr(sql, pick(locks));
}

static void
put_statement(PQExpBuffer sql, const Relation *relation)
{
	uint32_t what = chance(20);

	if (is_log(relation) && !doomed)
		what = 19;
	if (what < 8)
		put_insert(sql, relation);
	else if (what < 14)
		put_update(sql, relation);
	else if (what < 16)
	{
		appendPQExpBuffer(sql, "DELETE FROM researcharr.%s", relation->name);
		put_where(sql, relation);
	}
	else if (what < 17 && doomed)
		appendPQExpBuffer(sql, "TRUNCATE researcharr.%s%s", relation->name, chance(2) ? " CASCADE" : "");
	else
		put_select(sql, relation);
}

/*
 * Runs a statement on a table or view.
 */
void
change_something(void)
{
	PQExpBuffer sql = createPQExpBuffer();

	pick_jobs(false);
	put_statement(sql, &relations[chance(nrelations)]);
	execute(KIND_DML, sql->data);
	destroyPQExpBuffer(sql);
}
