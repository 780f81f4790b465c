/*-------------------------------------------------------------------------
 *
 * uuid.h
 *		UUIDs of version 7: ids that sort by the time they were made.
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_UUID_H
#define RARR_BASE_UUID_H

#include "utils/uuid.h"

/*
 * Makes a new UUID, greater than every one that this backend made before.
 * Raises internal_error when the system has no random bytes to give.
 */
extern void rarr_uuid_v7(pg_uuid_t *out);

#endif							/* RARR_BASE_UUID_H */
