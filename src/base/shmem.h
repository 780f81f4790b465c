/*
 * shmem.h
 *		Request and attach the extension's shared memory.
 */
#ifndef RARR_BASE_SHMEM_H
#define RARR_BASE_SHMEM_H

/* a part of shared memory; a static constant of the file that owns it */
typedef struct RarrShmemPart
{
	const char *name;
	Size (*size)(void);

	/*
	 * Called in each process that attaches; first is true if the memory is
	 * new.  Must not raise an error.
	 */
	void (*attach)(void *memory, bool first);
} RarrShmemPart;

extern void rarr_shmem_add(const RarrShmemPart *part);
extern void rarr_shmem_init(void);

#endif /* RARR_BASE_SHMEM_H */
