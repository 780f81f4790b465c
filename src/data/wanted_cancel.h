/*
 * wanted_cancel.h
 *		Cancel queued jobs that search for what is not wanted any more.
 */
#ifndef RARR_DATA_WANTED_CANCEL_H
#define RARR_DATA_WANTED_CANCEL_H

#include "data/instance.h"

extern int rarr_wanted_cancel(const RarrInstance *instance, const pg_uuid_t *media, int nmedia, const char *function);
extern int rarr_wanted_cancel_items(const pg_uuid_t *items, int nitems, const char *function);

#endif /* RARR_DATA_WANTED_CANCEL_H */
