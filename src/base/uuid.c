/*
 * uuid.c
 *		Generate version 7 UUIDs, which sort by time of generation.
 *
 * The layout follows RFC 9562: 48 bits of milliseconds since 1970, the
 * version, 12 bits with the fraction of the millisecond (section 6.2, method
 * 3), the variant, and 62 random bits.  Within a backend each UUID is greater
 * than the previous one.  If the clock is set back, or two UUIDs are generated
 * within its resolution, the time is advanced from the previous UUID.
 *
 * Servers that can generate version 7 UUIDs do it themselves.  Otherwise
 * random bytes are drawn in blocks, because drawing eight at a time costs
 * several times as much as everything else.  A block belongs to the process
 * that drew it: a forked process never uses its parent's remainder.
 */
#include "postgres.h"

#include <time.h>

#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"

#include "base/compat.h"
#include "base/uuid.h"

#ifdef RARR_SERVER_UUID_V7

void
rarr_uuid_v7(pg_uuid_t *out)
{
	pg_uuid_t *made = DatumGetUUIDP(RARR_SERVER_UUID_V7());

	*out = *made;
	pfree(made);
}

#else

#define NS_PER_S       INT64CONST(1000000000)
#define NS_PER_MS      INT64CONST(1000000)

/* steps of the 12-bit fraction in a millisecond, and the length of one */
#define FRACTION_STEPS 4096
#define STEP_NS        (NS_PER_MS / FRACTION_STEPS + 1)

#define RANDOM_BYTES 8 /* bytes used for one UUID */
#define RANDOM_BLOCK (128 * RANDOM_BYTES)

/* Return nanoseconds since 1970, at least one step after the last result. */
static int64
next_time(void)
{
	static int64 last = 0;
	struct timespec ts;
	int64 now;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = ts.tv_sec * NS_PER_S + ts.tv_nsec;
	last = Max(now, last + STEP_NS);
	return last;
}

/* Store RANDOM_BYTES random bytes, never used before, at dest. */
static void
draw_random(unsigned char *dest)
{
	static unsigned char block[RANDOM_BLOCK];
	static int left = 0;
	static int owner = 0;

	if (left == 0 || owner != MyProcPid)
	{
		left = 0;
		if (!pg_strong_random(block, sizeof(block)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random values")));
		left = sizeof(block);
		owner = MyProcPid;
	}
	left -= RANDOM_BYTES;
	memcpy(dest, block + left, RANDOM_BYTES);
}

void
rarr_uuid_v7(pg_uuid_t *out)
{
	int64 ns;
	uint64 ms;
	uint32 fraction;

	/* first, because it can fail */
	draw_random(out->data + 8);

	ns = next_time();
	ms = (uint64) (ns / NS_PER_MS);
	fraction = (uint32) ((ns % NS_PER_MS) * FRACTION_STEPS / NS_PER_MS);

	for (int i = 0; i < 6; i++)
		out->data[i] = (unsigned char) (ms >> (40 - 8 * i));
	out->data[6] = (unsigned char) (0x70 | fraction >> 8);
	out->data[7] = (unsigned char) fraction;
	out->data[8] = (out->data[8] & 0x3F) | 0x80;
}

#endif

/* The least UUID of version 7 that is made at this time or later. */
void
rarr_uuid_floor(TimestampTz at, pg_uuid_t *out)
{
	int64 ms = at / 1000 + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * INT64CONST(1000);

	memset(out, 0, sizeof(pg_uuid_t));
	ms = Max(ms, 0);
	for (int i = 0; i < 6; i++)
		out->data[i] = (unsigned char) (ms >> (40 - 8 * i));
}

/* The time when a UUID of version 7 was made, to the millisecond. */
TimestampTz
rarr_uuid_time(const pg_uuid_t *id)
{
	int64 ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id->data[i];
	ms -= (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * INT64CONST(1000);
	return Min(ms, (END_TIMESTAMP - 1) / 1000) * 1000;
}

/* Make an array of n ids, in the current memory context. */
Datum
rarr_uuid_array(const pg_uuid_t *ids, int n)
{
	Datum *values = palloc(n * sizeof(Datum));
	ArrayType *array;

	for (int i = 0; i < n; i++)
		values[i] = UUIDPGetDatum(&ids[i]);
	array = construct_array(values, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
	pfree(values);
	return PointerGetDatum(array);
}

/* uuid_v7() returns uuid */
PG_FUNCTION_INFO_V1(researcharr_uuid_v7);
Datum
researcharr_uuid_v7(PG_FUNCTION_ARGS)
{
	pg_uuid_t *out = palloc(sizeof(pg_uuid_t));

	rarr_uuid_v7(out);
	PG_RETURN_UUID_P(out);
}
