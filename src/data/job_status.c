/*
 * job_status.c
 *		Conditions on a job's status that indexes can serve.
 *
 * No index of processing_jobs has the status, because a claim would not be a
 * HOT update with one.  Constraints of the table tie completed_at,
 * lease_expires_at and error_message to the status, and indexes have these.
 */
#include "postgres.h"

#include "base/json.h"
#include "data/job_status.h"

/* What the constraints say of jobs with a status. */
typedef struct Implied
{
	const char *status;
	const char *condition;
} Implied;

static const Implied implied[] = {
	{"queued", "t.completed_at IS NULL AND t.lease_expires_at IS NULL"},
	{"running", "t.completed_at IS NULL AND t.lease_expires_at IS NOT NULL"},
	{"failed", "t.completed_at IS NOT NULL AND t.error_message IS NOT NULL"}};

static const Implied *
find_implied(const char *status, int length)
{
	for (int i = 0; i < lengthof(implied); i++)
		if (strlen(implied[i].status) == length && memcmp(implied[i].status, status, length) == 0)
			return &implied[i];
	return NULL;
}

/*
 * Append what follows from the status, and the status itself.  The planner
 * takes all of them for independent.  It would expect hardly any row, and sort
 * all that there are rather than read a page of them in the order of an index.
 * About a CASE it assumes nothing.
 */
static void
add_implied(RarrQuery *query, const Implied *status)
{
	appendStringInfo(&query->sql, "%s AND CASE WHEN t.status" RARR_EQ "'%s' THEN true ELSE false END",
					 status->condition, status->status);
}

/* Append the condition that job t has the status: queued, running or failed. */
void
rarr_job_status_add(RarrQuery *query, const char *status)
{
	add_implied(query, find_implied(status, strlen(status)));
}

/*
 * Append " AND " and the condition of a filter of the status: a string, or an
 * object with nothing but "eq".  Returns false, and appends nothing, for other
 * filters and other statuses.
 */
bool
rarr_job_status_filter_add(RarrQuery *query, const JsonbValue *filter)
{
	JsonbValue value = *filter;
	const Implied *status;

	if (rarr_json_is_object(filter) &&
		(JsonContainerSize(filter->val.binary.data) != 1 ||
		 !rarr_json_member(filter->val.binary.data, "eq", &value)))
		return false;
	if (value.type != jbvString)
		return false;
	status = find_implied(value.val.string.val, value.val.string.len);
	if (status == NULL)
		return false;
	rarr_query_add(query, " AND ");
	add_implied(query, status);
	return true;
}
