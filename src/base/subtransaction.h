/*
 * subtransaction.h
 *		Run a function in an internal subtransaction.
 */
#ifndef RARR_BASE_SUBTRANSACTION_H
#define RARR_BASE_SUBTRANSACTION_H

/* What runs in the subtransaction; false rolls it back without an error. */
typedef bool (*RarrSubtransactionBody) (void *arg);

/* Does the caller go on after this error?  Others are thrown on. */
typedef bool (*RarrErrorFilter) (const ErrorData *error, void *arg);

extern bool rarr_subtransaction(RarrSubtransactionBody body, RarrErrorFilter catches, void *arg,
								ErrorData **error);
extern bool rarr_error_is_about_data(const ErrorData *error);
extern bool rarr_error_names(const ErrorData *error, const char *table, const char *constraint);

#endif							/* RARR_BASE_SUBTRANSACTION_H */
