/*
 * text.h
 *		Sanitize text before it is stored: valid encoding, limited length.
 */
#ifndef RARR_BASE_TEXT_H
#define RARR_BASE_TEXT_H

extern bool rarr_equals(const char *string, const char *text, int length);
extern const char *rarr_valid_text(const char *string);
extern const char *rarr_role_name(Oid role);
extern const char *rarr_clip_text(const char *string, int max_bytes);
extern char *rarr_clip_datum(Datum value, int max_bytes);

#endif /* RARR_BASE_TEXT_H */
