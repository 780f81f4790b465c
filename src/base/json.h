/*
 * json.h
 *		Read typed members of jsonb objects, and build jsonb objects.
 */
#ifndef RARR_BASE_JSON_H
#define RARR_BASE_JSON_H

#include "utils/jsonb.h"

extern bool rarr_json_member(JsonbContainer *object, const char *name, JsonbValue *value);
extern bool rarr_json_is_object(const JsonbValue *value);
extern bool rarr_json_is_array(const JsonbValue *value);
extern char *rarr_json_text(const JsonbValue *value, const char **string, int *length);
extern char *rarr_json_int(const JsonbValue *value, int64 *number);
extern char *rarr_json_describe(const JsonbValue *value);
extern char *rarr_quote_clipped(const char *string, int length);
extern bool rarr_json_next_element(JsonbIterator **it, JsonbValue *element);
extern bool rarr_json_next_member(JsonbIterator **it, JsonbValue *name, JsonbValue *value);
extern void rarr_jsonb_as_value(Jsonb *jsonb, JsonbValue *value);
extern char *rarr_json_to_text(const JsonbValue *value);
extern void rarr_json_set_string(JsonbValue *value, const char *string, int length);
extern void rarr_json_put(JsonbParseState **state, const char *name, JsonbValue *value);
extern void rarr_json_put_text(JsonbParseState **state, const char *name, const char *string);
extern void rarr_json_put_int(JsonbParseState **state, const char *name, int64 number);
extern char *rarr_json_time(Datum time, Oid type);
extern Jsonb *rarr_jsonb_empty_object(void);
extern char *rarr_jsonb_excerpt(Jsonb *jsonb);

#endif /* RARR_BASE_JSON_H */
