/*-------------------------------------------------------------------------
 *
 * values.c
 *		Arguments as SQL: values that make sense, and those at the edges of
 *		their types.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define MAX_WILD 24

/* Expressions at the edges of types; huge ones are made by the server. */
static const struct
{
	const char *type;
	const char *values[MAX_WILD];
} wild_values[] = {
	{"uuid", {"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "gen_random_uuid()", "'01900000-0000-7000-8000-000000000001'", "'01900000-0000-7000-8000-000000000002'"}},
	{"integer", {"0", "-1", "1", "100", "101", "1001", "10000", "10001", "2147483647", "-2147483648", "65536"}},
	{"bigint", {"0", "-1", "1", "2147483648", "9223372036854775807", "-9223372036854775808"}},
	{"double precision", {"'NaN'", "'Infinity'", "'-Infinity'", "0", "'-0'", "1", "-1", "1e308", "1e-320"}},
	{"real", {"'NaN'", "'Infinity'", "0", "-1", "1e38"}},
	{"boolean", {"true", "false"}},
	{"text", {"''", "' '", "repeat('x', 256)", "repeat('é', 600)", "repeat('y', 70000)", "repeat('z', 1100000)", "E'\\t\\n\\x01'", "'$1'", "'%'", "'_'", "E'\\\\'", "'a''b'", "'\"; DROP TABLE x; --'", "chr(1114111)", "'null'", "'search'", "'movie'", "'pg_catalog.pg_class'", "E'\\u200b'", "'fuzz_a desc, id'", "repeat('id,', 2000) || 'id'"}},
	{"interval", {"'0'", "'-1 s'", "'178000000 years'", "'-178000000 years'", "'1 mon'", "'36500 days'", "'36501 days'", "'1 us'", "'-1 us'", "'1 mon -30 days'"}},
	{"timestamp with time zone", {"'infinity'", "'-infinity'", "'294276-12-31'", "'4713-01-01 BC'", "'epoch'", "clock_timestamp()", "clock_timestamp() + '1 us'"}},
	{"date", {"'infinity'", "'-infinity'", "'5874897-12-31'", "'4713-01-01 BC'", "'2000-02-29'"}},
	{"jsonb", {"'null'", "'[]'", "'{}'", "'\"x\"'", "'0'", "'1e2000'", "(repeat('[', 3000) || repeat(']', 3000))::jsonb", "jsonb_build_object('a', repeat('x', 1100000))", "'[null]'", "'[[]]'", "'{\"\": null}'", "(SELECT jsonb_object_agg('k' || n, n) FROM generate_series(1, 2000) n)", "'[{}]'", "'[1, \"x\", null, {}]'", "(SELECT jsonb_agg('{}'::jsonb) FROM generate_series(1, 1000))", "(SELECT jsonb_agg(to_jsonb(m)) FROM researcharr.media m)"}},
	{"bytea", {"''", "'\\x00'", "'\\xff'"}},
	{"regclass", {"0", "'pg_catalog.pg_class'", "'researcharr.media'", "'fuzz.sink'", "4294967295"}},
	{"name", {"''", "'a'", "'id'"}},
	{"xid8", {"'0'", "'18446744073709551615'"}},
};

void
put_literal(PQExpBuffer sql, const char *text)
{
	char *quoted = PQescapeLiteral(conn, text, strlen(text));

	/* NULL where the text is not valid in the client's encoding */
	appendPQExpBufferStr(sql, quoted != NULL ? quoted : "NULL");
	PQfreemem(quoted);
}

static void
put_wild_scalar(PQExpBuffer sql, const char *type)
{
	for (size_t i = 0; i < sizeof(wild_values) / sizeof(wild_values[0]); i++)
	{
		int n = 0;

		if (strcmp(wild_values[i].type, type) != 0 || chance(6) == 0)
			continue;
		while (n < MAX_WILD && wild_values[i].values[n] != NULL)
			n++;
		appendPQExpBuffer(sql, "(%s)::%s", wild_values[i].values[chance(n)], type);
		return;
	}
	if (strcmp(type, "jsonb") == 0)
	{
		PQExpBuffer raw = createPQExpBuffer();

		put_json(raw, 4);
		put_literal(sql, raw->data);
		appendPQExpBufferStr(sql, "::jsonb");
		destroyPQExpBuffer(raw);
	}
	else
		appendPQExpBuffer(sql, "NULL::%s", type);
}

static void
put_sensible_scalar(PQExpBuffer sql, const char *name, const char *type, char entity, int nth)
{
	PQExpBuffer raw = createPQExpBuffer();

	if (sensible(raw, name, type, entity, nth) == SHAPE_NULL)
		put_wild_scalar(sql, type);
	else
	{
		put_literal(sql, raw->data);
		appendPQExpBuffer(sql, "::%s", type);
	}
	destroyPQExpBuffer(raw);
}

static void
put_wild_array(PQExpBuffer sql, const Argument *arg)
{
	int n = chance(4);

	switch (chance(7))
	{
		case 0:
			appendPQExpBuffer(sql, "NULL::%s", arg->type);
			break;
		case 1:
			appendPQExpBuffer(sql, "'{}'::%s", arg->type);
			break;
		case 2:
			appendPQExpBuffer(sql, "'{NULL}'::%s", arg->type);
			break;
		case 3:
			appendPQExpBuffer(sql, "ARRAY[[NULL, NULL], [NULL, NULL]]::%s", arg->type);
			break;
		case 4:
			appendPQExpBuffer(sql, "'[5:6]={NULL,NULL}'::%s", arg->type);
			break;
		case 5:
			appendPQExpBuffer(sql, "array_fill(");
			put_wild_scalar(sql, arg->element);
			appendPQExpBuffer(sql, ", '{%d}')", chance(2) ? 1 + chance(3) : chance(11000));
			break;
		default:
			appendPQExpBufferStr(sql, "ARRAY[");
			for (int i = 0; i < n; i++)
			{
				appendPQExpBufferStr(sql, i > 0 ? ", " : "");
				put_wild_scalar(sql, arg->element);
			}
			appendPQExpBuffer(sql, "]::%s", arg->type);
	}
}

/*
 * Appends an expression for an argument, or for a column.
 */
void
put_argument(PQExpBuffer sql, const Argument *arg, char entity, bool wild)
{
	if (arg->element[0] == '\0')
	{
		if (wild)
			put_wild_scalar(sql, arg->type);
		else
			put_sensible_scalar(sql, arg->name, arg->type, entity, 0);
		return;
	}
	if (wild)
	{
		put_wild_array(sql, arg);
		return;
	}
	appendPQExpBufferStr(sql, "ARRAY[");
	for (int i = 0; i < npicked; i++)
	{
		appendPQExpBufferStr(sql, i > 0 ? ", " : "");
		put_sensible_scalar(sql, arg->name, arg->element, entity, i);
	}
	appendPQExpBuffer(sql, "]::%s", arg->type);
}
