/*
 * slow_query_hook.h
 *		Executor hooks that find slow statements.
 */
#ifndef RARR_OPS_SLOW_QUERY_HOOK_H
#define RARR_OPS_SLOW_QUERY_HOOK_H

extern void rarr_slow_query_hook_init(void);

#endif /* RARR_OPS_SLOW_QUERY_HOOK_H */
