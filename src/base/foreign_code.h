/*
 * foreign_code.h
 *		Refuse to write to a table if that would run another role's code.
 */
#ifndef RARR_BASE_FOREIGN_CODE_H
#define RARR_BASE_FOREIGN_CODE_H

#include "utils/rel.h"

extern void rarr_refuse_foreign_code(Relation rel);

#endif /* RARR_BASE_FOREIGN_CODE_H */
