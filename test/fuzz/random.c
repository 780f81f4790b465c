/*-------------------------------------------------------------------------
 *
 * random.c
 *		Random numbers, the same ones for the same seed.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

static uint64_t state;

void
seed_random(uint64_t seed)
{
	state = seed;
}

/*
 * A number from 0 to n - 1.
 */
uint32_t
chance(uint32_t n)
{
	uint64_t z = (state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return (z ^ (z >> 31)) % n;
}
