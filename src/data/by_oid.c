/*
 * by_oid.c
 *		Operators, functions and types by OID in the text of statements.
 *
 * A name in a statement's text is looked up when the statement is analyzed,
 * and again whenever its plan is invalidated.  A schema other than pg_catalog
 * and our own may belong to any role.  Its owner can rename it at any time and
 * create an object of the same name in a new schema; that object would run
 * with our caller's rights.  The text therefore contains the OID, and parser
 * hooks turn it into an expression.  No name is looked up.
 */
#include "postgres.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "utils/lsyscache.h"

#include "data/by_oid.h"

static Node *
make_param(ParseState *pstate, int number, int location)
{
	const RarrParamTypes *types = pstate->p_ref_hook_state;
	Param *param = makeNode(Param);

	if (number < 1 || number > types->n)
		elog(ERROR, "statement has no parameter $%d", number);
	param->paramkind = PARAM_EXTERN;
	param->paramid = number;
	param->paramtype = types->types[number - 1];
	param->paramtypmod = -1;
	param->paramcollid = get_typcollation(param->paramtype);
	param->location = location;
	return (Node *) param;
}

static Node *
param_reference(ParseState *pstate, ParamRef *reference)
{
	return make_param(pstate, reference->number, reference->location);
}

/* Cast an argument to the type that the operator or function takes. */
static Node *
coerce_argument(ParseState *pstate, Node *argument, Oid wanted)
{
	Node *result = coerce_to_target_type(pstate, argument, exprType(argument), wanted, -1,
										 COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);

	if (result == NULL)
		elog(ERROR, "cannot cast type %u to type %u", exprType(argument), wanted);
	return result;
}

static Node *
make_operator(ParseState *pstate, Oid oid, bool any, Node *left, Node *right)
{
	Oid left_type;
	Oid right_type;
	ScalarArrayOpExpr *result;

	op_input_types(oid, &left_type, &right_type);
	left = coerce_argument(pstate, left, left_type);
	if (!any)
		return (Node *) make_opclause(oid, get_op_rettype(oid), false, (Expr *) left,
									  (Expr *) coerce_argument(pstate, right, right_type),
									  InvalidOid, InvalidOid);
	result = makeNode(ScalarArrayOpExpr);
	result->opno = oid;
	result->useOr = true;
	result->args = list_make2(left, coerce_argument(pstate, right, get_array_type(right_type)));
	result->location = -1;
	return (Node *) result;
}

static Node *
make_function(ParseState *pstate, Oid oid, Node *first, Node *second)
{
	int nargs;
	Oid *types;
	Oid result = get_func_signature(oid, &types, &nargs);

	if (nargs != 2)
		elog(ERROR, "function %u does not take two arguments", oid);
	return (Node *) makeFuncExpr(oid, result,
								 list_make2(coerce_argument(pstate, first, types[0]),
											coerce_argument(pstate, second, types[1])),
								 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* Return the expression of a reference by OID; NULL for other columns. */
static Node *
reference_by_oid(ParseState *pstate, ColumnRef *reference)
{
	int nfields = list_length(reference->fields);
	Node *first = linitial(reference->fields);
	const char *name = IsA(first, String) ? strVal(first) : "";
	ColumnRef *left;
	Node *left_node;
	Node *right;
	Oid oid;
	int number;

	if (name[0] != '%')
		return NULL;
	if (sscanf(name, "%%null %u %d", &oid, &number) == 2 && nfields == 1)
		return (Node *) makeNullConst(oid, number, get_typcollation(oid));
	if (nfields < 3 || !IsA(llast(reference->fields), String) ||
		sscanf(strVal(llast(reference->fields)), "$%d", &number) != 1)
		return NULL;

	left = makeNode(ColumnRef);
	left->fields = list_delete_last(list_delete_first(list_copy(reference->fields)));
	left->location = reference->location;
	left_node = transformExpr(pstate, (Node *) left, pstate->p_expr_kind);
	right = make_param(pstate, number, reference->location);
	if (sscanf(name, "%%operator %u", &oid) == 1)
		return make_operator(pstate, oid, false, left_node, right);
	if (sscanf(name, "%%any %u", &oid) == 1)
		return make_operator(pstate, oid, true, left_node, right);
	if (sscanf(name, "%%function %u", &oid) == 1)
		return make_function(pstate, oid, right, left_node);
	return NULL;
}

static void
set_up_parser(ParseState *pstate, void *types)
{
	pstate->p_ref_hook_state = types;
	pstate->p_paramref_hook = param_reference;
	pstate->p_pre_columnref_hook = reference_by_oid;
}

/*
 * Prepare a statement that may refer to objects by their OIDs.  Requires an
 * SPI connection. types must live as long as the plan.  Raises the errors of
 * parse analysis.
 */
SPIPlanPtr
rarr_prepare_by_oid(const char *sql, RarrParamTypes *types, int cursor_options)
{
	return SPI_prepare_params(sql, set_up_parser, types, cursor_options);
}
