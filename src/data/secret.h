/*
 * secret.h
 *		Protect secret settings and users' password hashes from other roles.
 */
#ifndef RARR_DATA_SECRET_H
#define RARR_DATA_SECRET_H

#include "utils/uuid.h"

#include "data/entity.h"

/* The setting whose value a function is about to replace, by its id or key. */
typedef struct RarrReplaced
{
	const pg_uuid_t *id;
	text *key;
} RarrReplaced;

extern bool rarr_is_secret_column(const RarrEntity *entity, const RarrEntityColumn *column);
extern char *rarr_without_value(char *message);
extern RarrReplaced rarr_secret_replace(RarrReplaced setting);

#endif /* RARR_DATA_SECRET_H */
