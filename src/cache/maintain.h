/*
 * maintain.h
 *		The cache's maintenance: remove what has expired, and flush on request.
 */
#ifndef RARR_CACHE_MAINTAIN_H
#define RARR_CACHE_MAINTAIN_H

extern void rarr_cache_maintain_init(void);

#endif /* RARR_CACHE_MAINTAIN_H */
