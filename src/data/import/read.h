/*
 * read.h
 *		Convert objects of Radarr and Sonarr to items.
 */
#ifndef RARR_DATA_IMPORT_READ_H
#define RARR_DATA_IMPORT_READ_H

#include "data/import/state.h"

extern const ImportKind rarr_import_movies;
extern const ImportKind rarr_import_series;
extern const ImportKind rarr_import_episodes;

extern void rarr_import_note_external_id(Import *import, const ImportKind *kind,
										 JsonbValue *object, int index);
extern bool rarr_import_read(Import *import, const ImportKind *kind, JsonbValue *object,
							 ImportItem *item);

#endif							/* RARR_DATA_IMPORT_READ_H */
