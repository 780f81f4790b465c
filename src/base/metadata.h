/*
 * metadata.h
 *		Check the size of a metadata value's text form.
 */
#ifndef RARR_BASE_METADATA_H
#define RARR_BASE_METADATA_H

#include "utils/jsonb.h"

/* longest metadata value, in bytes of its text form */
#define RARR_METADATA_MAX_BYTES (1024 * 1024)

extern bool rarr_metadata_is_valid(Datum metadata);
extern bool rarr_jsonb_fits(Datum value);
extern int64 rarr_jsonb_text_length(const JsonbContainer *container, int64 limit);

#endif /* RARR_BASE_METADATA_H */
