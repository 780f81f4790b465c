/*
 * shmem.h
 *		Parts of the server's shared memory, where the library is preloaded.
 */
#ifndef RARR_BASE_SHMEM_H
#define RARR_BASE_SHMEM_H

/* A part of shared memory; a static constant of the file that owns it. */
typedef struct RarrShmemPart
{
	const char *name;
	Size		(*size) (void);

	/*
	 * Called in every process that attaches; `first` where the memory is new.
	 * It must not raise an error.
	 */
	void		(*attach) (void *memory, bool first);
} RarrShmemPart;

extern void rarr_shmem_add(const RarrShmemPart *part);
extern void rarr_shmem_init(void);

#endif							/* RARR_BASE_SHMEM_H */
