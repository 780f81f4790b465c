/*
 * expression.c
 *		Decide what evaluating a user's expression can do.
 *
 * Two questions are asked about defaults, CHECK constraints and expressions of
 * indexes: can the server run users' code when it evaluates the expression, and
 * can the evaluation raise an error?  Both also cover the compilation, which
 * evaluates parts of the expression.
 *
 * A function of a user is not the only way to users' code.  The server's own
 * functions call it for types that users define: the constraints of a domain,
 * also inside a composite type, or a cast of an enum to json.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/dependency.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "base/expression.h"
#include "base/own_table.h"

/* Does the object belong neither to the server nor to the extension? */
bool
rarr_is_foreign(Oid class, Oid object)
{
	return object >= FirstNormalObjectId &&
		   getExtensionOfObject(class, object) != get_extension_oid(RARR_EXTENSION, true);
}

/* Does the function execute SQL or input functions that arguments name? */
static bool
executes_arguments(Oid function)
{
	static const char *const names[] = {
		"cursor_to_xml", "cursor_to_xmlschema",
		"database_to_xml", "database_to_xml_and_xmlschema", "database_to_xmlschema",
		"pg_input_error_info", "pg_input_is_valid",
		"query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema",
		"schema_to_xml", "schema_to_xml_and_xmlschema", "schema_to_xmlschema",
		"table_to_xml", "table_to_xml_and_xmlschema", "table_to_xmlschema",
		"ts_rewrite", "ts_stat"};
	char *name = get_func_name(function);

	for (int i = 0; name != NULL && i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return name == NULL;
}

static bool
is_foreign_function(Oid function, void *context)
{
	return rarr_is_foreign(ProcedureRelationId, function) || executes_arguments(function);
}

/*
 * Does the server run users' code for values of the node's type?  cstring is
 * the argument of input functions, whose other argument is any type.
 */
static bool
has_foreign_type(Node *node)
{
	Oid type;

	/* parts of expressions that have no type */
	if (IsA(node, List) || IsA(node, CaseWhen))
		return false;
	type = exprType(node);
	return type == CSTRINGOID || rarr_is_foreign(TypeRelationId, type);
}

static bool
runs_foreign_code(Node *node, void *context)
{
	if (node == NULL)
		return false;
	return check_functions_in_node(node, is_foreign_function, NULL) ||
		   IsA(node, CoerceToDomain) || has_foreign_type(node) ||
		   expression_tree_walker(node, runs_foreign_code, context);
}

/*
 * Does the server run users' code when it compiles or evaluates an expression?
 * A constant runs none, whatever its type.
 */
bool
rarr_runs_foreign_code(Node *expr)
{
	return !IsA(expr, Const) && runs_foreign_code(expr, NULL);
}

/* Is this a function of one value, or of none, that never raises an error? */
static bool
is_sure_function(Oid function)
{
	char *name;

	switch (function)
	{
		case F_NOW:
		case F_TRANSACTION_TIMESTAMP:
		case F_STATEMENT_TIMESTAMP:
		case F_CLOCK_TIMESTAMP:
		case F_ISFINITE_DATE:
		case F_ISFINITE_TIMESTAMP:
		case F_ISFINITE_TIMESTAMPTZ:
		case F_LENGTH_TEXT:
		case F_CHAR_LENGTH_TEXT:
		case F_INT4_INT2:
		case F_INT8_INT2:
		case F_INT8_INT4:
		case F_FLOAT8_INT4:
		case F_FLOAT8_INT8:
		case F_NUMERIC_INT2:
		case F_NUMERIC_INT4:
		case F_NUMERIC_INT8:
			return true;
		default:
			break;
	}
	if (function < FirstNormalObjectId || rarr_is_foreign(ProcedureRelationId, function))
		return false;
	name = get_func_name(function);
	return name != NULL && strcmp(name, "metadata_is_valid") == 0;
}

/* Can two values of these types be compared without an error? */
static bool
is_comparable(Oid left, Oid right)
{
	switch (left)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return right == INT2OID || right == INT4OID || right == INT8OID;
		case BOOLOID:
		case OIDOID:
		case FLOAT8OID:
		case NUMERICOID:
		case TEXTOID:
		case UUIDOID:
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return right == left;
		default:
			return false;
	}
}

/* Is the operator one of the server's comparisons that never raise an error? */
static bool
is_sure_comparison(Oid opno)
{
	Oid left;
	Oid right;

	if (opno >= FirstNormalObjectId || !rarr_is_comparison(opno))
		return false;
	op_input_types(opno, &left, &right);
	return is_comparable(left, right);
}

/* Is the collation one that needs no lookup of a locale? */
static bool
is_sure_collation(Oid collation)
{
	return !OidIsValid(collation) || collation == DEFAULT_COLLATION_OID || collation == C_COLLATION_OID;
}

/* Can this node itself, leaving its arguments aside, not raise an error? */
static bool
is_sure(Node *node)
{
	switch (nodeTag(node))
	{
		case T_List:
		case T_Const:
		case T_RelabelType:
		case T_BoolExpr:
		case T_BooleanTest:
			return true;
		case T_Var:
			return ((Var *) node)->varattno > 0;
		case T_NullTest:
			return !((NullTest *) node)->argisrow;
		case T_SQLValueFunction:
			/* dates and times; the current role may have been dropped */
			return ((SQLValueFunction *) node)->op <= SVFOP_LOCALTIMESTAMP_N;
		case T_ArrayExpr:
			return !((ArrayExpr *) node)->multidims;
		case T_FuncExpr:
			return is_sure_function(((FuncExpr *) node)->funcid);
		case T_OpExpr:
		case T_DistinctExpr:
			return is_sure_comparison(((OpExpr *) node)->opno) &&
				   is_sure_collation(((OpExpr *) node)->inputcollid);
		case T_ScalarArrayOpExpr:
			return is_sure_comparison(((ScalarArrayOpExpr *) node)->opno) &&
				   is_sure_collation(((ScalarArrayOpExpr *) node)->inputcollid);
		default:
			return false;
	}
}

static bool
can_fail(Node *node, void *context)
{
	return node != NULL && (!is_sure(node) || expression_tree_walker(node, can_fail, context));
}

/*
 * Is it certain that compiling and evaluating an expression raises no error and
 * runs no users' code?  The answer is true for constants, the present time, and
 * comparisons of columns with constants by the server's own operators.
 */
bool
rarr_cannot_fail(Node *expr)
{
	return !can_fail(expr, NULL);
}
