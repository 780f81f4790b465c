/*
 * subtransaction.h
 *		Run a function in an internal subtransaction.
 */
#ifndef RARR_BASE_SUBTRANSACTION_H
#define RARR_BASE_SUBTRANSACTION_H

/* what runs in the subtransaction; false rolls it back without an error */
typedef bool (*RarrSubtransactionBody)(void *arg);

/* does the caller handle this error? others are rethrown */
typedef bool (*RarrErrorFilter)(const ErrorData *error, void *arg);

extern bool rarr_subtransaction(RarrSubtransactionBody body, RarrErrorFilter catches, void *arg,
								ErrorData **error);
extern bool rarr_error_is_about_data(const ErrorData *error);
extern bool rarr_error_names(const ErrorData *error, const char *table, const char *constraint);

#endif /* RARR_BASE_SUBTRANSACTION_H */
