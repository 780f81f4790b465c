/*
 * cache.c
 *		Initialize the cache: shared memory, callbacks and hooks.
 */
#include "postgres.h"

#include "cache/cache.h"
#include "cache/commit.h"
#include "cache/flush.h"
#include "cache/maintain.h"
#include "cache/prepared.h"

/* Register the tasks, when the library is loaded. */
void
rarr_cache_load(void)
{
	rarr_flush_register();
	rarr_cache_maintain_init();
}

/* Initialize all parts, while the library is being preloaded. */
void
rarr_cache_init(void)
{
	rarr_shmem_add(&rarr_cache_part);
	rarr_commit_init(rarr_cache_prepared_save);
	rarr_cache_prepared_init();
	rarr_flush_init();
}
