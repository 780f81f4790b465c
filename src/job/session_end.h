/*
 * session_end.h
 *		Return a session's jobs to the queue when the session ends.
 */
#ifndef RARR_JOB_SESSION_END_H
#define RARR_JOB_SESSION_END_H

#include "utils/uuid.h"

extern void rarr_session_bind_lease(const pg_uuid_t *id, int32 attempt);

#endif /* RARR_JOB_SESSION_END_H */
