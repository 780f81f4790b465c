/*
 * legacy.h
 *		Adopt the data of the old application.
 */
#ifndef RARR_DATA_LEGACY_LEGACY_H
#define RARR_DATA_LEGACY_LEGACY_H

#include "access/tableam.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"

#define RARR_LEGACY_TIMES 2

/* A table of the old application. */
typedef struct LegacyTable
{
	const char *name;
	const char *key;
	const char *const *columns;           /* the others that are read, where they exist; NULL-terminated */
	const char *times[RARR_LEGACY_TIMES]; /* those of them that hold times, or NULL */
	const char *const *secrets;           /* members that are not kept, or NULL */
	bool is_log;                          /* its rows become history */
	bool has_items;                       /* its rows name a row of tracked_items */
	/*
	 * The statement that adopts a row.  Its parameters are the row as an object,
	 * and its times.  It returns an outcome (adopted, unchanged or kept) and a
	 * problem.  The statement of a log returns the columns that log.c lists.
	 */
	const char *adopt;
} LegacyTable;

/* What became of the rows of a table. */
typedef enum LegacyOutcome
{
	LEGACY_ADOPTED,
	LEGACY_UNCHANGED,
	LEGACY_KEPT,
	LEGACY_NOUTCOMES
} LegacyOutcome;

/* A table that is being read. */
typedef struct LegacySource
{
	Relation rel;
	TupleTableSlot *slot;
	TableScanDesc scan;
	Snapshot snapshot;
	const char *schema;
	const LegacyTable *table;
	HTAB *items; /* arr_id by the id of tracked_items, or NULL */
} LegacySource;

/* A row that is being adopted. */
typedef struct LegacyRow
{
	const LegacyTable *table;
	SPIPlanPtr plan; /* of its statement */
	char *schema;    /* where it comes from */
	char *key;
	Jsonb *data;
	Datum times[RARR_LEGACY_TIMES];
	bool time_nulls[RARR_LEGACY_TIMES];
	LegacyOutcome outcome;
	const char *problem; /* or NULL */
} LegacyRow;

/* statements.c */
extern const LegacyTable rarr_legacy_tables[];
extern const int rarr_legacy_table_count;

/* source.c */
extern Oid rarr_legacy_schema(const char *name);
extern bool rarr_legacy_open(LegacySource *source, const char *schema, const LegacyTable *table);
extern bool rarr_legacy_next(LegacySource *source, LegacyRow *row);
extern void rarr_legacy_close(LegacySource *source);
extern HTAB *rarr_legacy_read_items(const char *schema);

/* row.c */
extern SPIPlanPtr rarr_legacy_prepare(const LegacyTable *table);
extern bool rarr_legacy_parse_time(const char *text, TimestampTz *time);
extern void rarr_legacy_adopt_row(LegacyRow *row);

/* log.c */
extern void rarr_legacy_adopt_log(LegacyRow *row);

/* view.c */
extern void rarr_legacy_create_view(const char *name);
extern int rarr_legacy_drop_views(void);

#endif /* RARR_DATA_LEGACY_LEGACY_H */
