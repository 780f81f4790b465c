/*
 * restore_fence.h
 *		Find an attempt that no worker was ever given.
 */
#ifndef RARR_OPS_RESTORE_FENCE_H
#define RARR_OPS_RESTORE_FENCE_H

extern int rarr_fence_of_history(void);
extern int rarr_fence_raise(int history);

#endif /* RARR_OPS_RESTORE_FENCE_H */
