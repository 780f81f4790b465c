/*
 * arguments.h
 *		Arguments of the cache's functions.
 */
#ifndef RARR_CACHE_ARGUMENTS_H
#define RARR_CACHE_ARGUMENTS_H

#include "fmgr.h"

#include "base/guc.h"
#include "cache/transaction.h"

extern bool rarr_cache_is_key(const char *data, int length);
extern void rarr_cache_key_of_text(const text *value, RarrCacheKey *key);
extern void rarr_cache_key_arg(FunctionCallInfo fcinfo, int n, RarrCacheKey *key);
extern const char *rarr_cache_key_name(const RarrCacheKey *key);
extern RarrCacheStrategy rarr_cache_strategy_arg(FunctionCallInfo fcinfo, int n);
extern int64 rarr_cache_ttl_arg(FunctionCallInfo fcinfo, int n);
extern Datum rarr_cache_tags_arg(FunctionCallInfo fcinfo, int n);
extern text *rarr_cache_pattern_arg(FunctionCallInfo fcinfo, int n);
extern void rarr_cache_check_tag(const text *tag);
extern void rarr_cache_check_size(FunctionCallInfo fcinfo, int n);
extern void rarr_cache_check_value(const RarrCacheKey *key, const struct varlena *value);

#endif /* RARR_CACHE_ARGUMENTS_H */
