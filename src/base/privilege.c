/*
 * privilege.c
 *		Check privileges that the server does not check for us.
 *
 * The server checks EXECUTE when SQL calls a function.  C code that does the
 * work of another SQL function without calling it checks that privilege here.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/privilege.h"
#include "base/schema.h"

/* May the current user execute our function of this name? */
bool
rarr_may_execute(const char *function)
{
	Oid			schema = get_namespace_oid(RARR_SCHEMA, true);
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(function));
	bool		may = false;

	for (int i = 0; i < list->n_members && !may; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		may = proc->pronamespace == schema && rarr_function_aclcheck(proc->oid, GetUserId());
	}
	ReleaseSysCacheList(list);
	return may;
}
