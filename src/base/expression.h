/*
 * expression.h
 *		Decide what evaluating a user's expression can do.
 */
#ifndef RARR_BASE_EXPRESSION_H
#define RARR_BASE_EXPRESSION_H

#include "nodes/nodes.h"

extern bool rarr_is_foreign(Oid class, Oid object);
extern bool rarr_runs_foreign_code(Node *expr);
extern bool rarr_cannot_fail(Node *expr);

#endif /* RARR_BASE_EXPRESSION_H */
