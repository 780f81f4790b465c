/*
 * jit.h
 *		Plan the extension's own statements without JIT.
 */
#ifndef RARR_BASE_JIT_H
#define RARR_BASE_JIT_H

#include "executor/spi.h"

extern void rarr_jit_init(void);
extern const char *rarr_jit_text(SPIPlanPtr plan);
extern const char *rarr_jit_begin(const char *text);
extern void rarr_jit_end(const char *outer);
extern int rarr_jit_execute(SPIPlanPtr plan, const SPIExecuteOptions *options);

#endif /* RARR_BASE_JIT_H */
