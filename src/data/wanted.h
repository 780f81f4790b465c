/*
 * wanted.h
 *		Jobs that search for what the instances lack.
 */
#ifndef RARR_DATA_WANTED_H
#define RARR_DATA_WANTED_H

#include "data/instance.h"

extern int rarr_wanted_cancel(const RarrInstance *instance, const pg_uuid_t *media, int nmedia, const char *function);

#endif /* RARR_DATA_WANTED_H */
