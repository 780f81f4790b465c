/*
 * media_ref.h
 *		Check the foreign key from jobs to media.
 */
#ifndef RARR_JOB_CORE_MEDIA_REF_H
#define RARR_JOB_CORE_MEDIA_REF_H

#include "utils/rel.h"
#include "utils/uuid.h"

extern void rarr_media_ref_check(Relation jobs, pg_uuid_t *ids, int n);

#endif /* RARR_JOB_CORE_MEDIA_REF_H */
