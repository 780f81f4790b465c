/*
 * instance.h
 *		Look up instances of Radarr and Sonarr by name.
 */
#ifndef RARR_DATA_INSTANCE_H
#define RARR_DATA_INSTANCE_H

#include "utils/uuid.h"

/* An instance, as the caller may see it. */
typedef struct RarrInstance
{
	pg_uuid_t id;
	char *name;
	bool is_sonarr; /* Radarr otherwise */
	bool active;
} RarrInstance;

extern void rarr_instance_get(const text *name, RarrInstance *instance);

#endif /* RARR_DATA_INSTANCE_H */
