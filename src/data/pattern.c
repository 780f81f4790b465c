/*
 * pattern.c
 *		Choose how rows that match a LIKE pattern are found.
 *
 * Rows that match a pattern, in an order and with a limit, can be found in two
 * ways.  Either the trigram index finds all of them and they are sorted, which
 * takes time in proportion to the number of matches.  Or all rows are visited
 * in order until the limit is reached, which takes time in proportion to the
 * limit divided by the frequency of matches.
 *
 * The planner compares these costs too, but its estimate for a pattern that
 * matches none of the values in the statistics is a guess from the pattern's
 * length.  If the guess is too high by a factor of ten, the planner visits all
 * rows in order and finds nothing.  Here, such a pattern counts as rare.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_index.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "data/pattern.h"

#define TRIGRAM 3 /* characters of a trigram */
#define PADDING 2 /* spaces that pg_trgm adds before a word; behind it, one */

/* Is this a character of a word, for pg_trgm? */
static bool
is_word_character(const char *character)
{
	if (IS_HIGHBIT_SET(*character))
		return t_isalpha(character);
	return (*character >= 'a' && *character <= 'z') || (*character >= 'A' && *character <= 'Z') ||
		   (*character >= '0' && *character <= '9');
}

/*
 * Does pg_trgm find a trigram in a LIKE pattern?  Without one, an index on
 * trigrams is read from end to end. length is in bytes.
 */
bool
rarr_pattern_has_trigram(const char *pattern, int length)
{
	const char *end = pattern + length;
	int run = PADDING; /* characters of the current word, and spaces before it */
	bool in_word = false;

	for (int n; pattern < end; pattern += n)
	{
		bool wildcard = *pattern == '%' || *pattern == '_';

		if (*pattern == '\\' && pattern + 1 < end)
			pattern++;
		n = Min(pg_mblen(pattern), end - pattern);
		if (!wildcard && is_word_character(pattern))
		{
			in_word = true;
			if (++run >= TRIGRAM)
				return true;
			continue;
		}
		if (in_word && !wildcard && run + 1 >= TRIGRAM)
			return true;
		run = wildcard ? 0 : PADDING;
		in_word = false;
	}
	return in_word && run + 1 >= TRIGRAM;
}

/* Append the values of a statistics slot, if they are texts. */
static void
append_values(RarrSample *sample, const AttStatsSlot *slot, double part)
{
	if (slot->valuetype != TEXTOID)
		return;
	sample->values = repalloc(sample->values, (sample->n + slot->nvalues) * sizeof(Datum));
	sample->parts = repalloc(sample->parts, (sample->n + slot->nvalues) * sizeof(double));
	for (int i = 0; i < slot->nvalues; i++)
	{
		sample->values[sample->n] = datumCopy(slot->values[i], false, -1);
		sample->parts[sample->n++] = i < slot->nnumbers ? slot->numbers[i] : part;
	}
}

/* Read the most common values and the histogram of a row of pg_statistic. */
static void
read_statistics(RarrSample *sample, HeapTuple statistics)
{
	double rest = 1.0 - ((Form_pg_statistic) GETSTRUCT(statistics))->stanullfrac;
	AttStatsSlot slot;

	if (get_attstatsslot(&slot, statistics, STATISTIC_KIND_MCV, InvalidOid,
						 ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
	{
		append_values(sample, &slot, 0.0);
		for (int i = 0; i < slot.nnumbers; i++)
			rest -= slot.numbers[i];
		free_attstatsslot(&slot);
	}
	if (get_attstatsslot(&slot, statistics, STATISTIC_KIND_HISTOGRAM, InvalidOid,
						 ATTSTATSSLOT_VALUES))
	{
		append_values(sample, &slot, Max(rest, 0.0) / Max(slot.nvalues, 1));
		free_attstatsslot(&slot);
	}
}

/*
 * Read what the statistics know of a column of a table, if it has more than
 * this many rows.  The sample is empty if it has not, or has not been
 * analyzed.  It is allocated in the current memory context.
 */
void
rarr_sample_read(RarrSample *sample, Oid relid, AttrNumber attnum, double more_than)
{
	Relation rel = table_open(relid, AccessShareLock);
	HeapTuple statistics;

	sample->rows = Max(rel->rd_rel->reltuples, 0.0);
	sample->n = 0;
	sample->values = palloc(sizeof(Datum));
	sample->parts = palloc(sizeof(double));
	statistics = sample->rows <= more_than ? NULL :
											 SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relid),
															 Int16GetDatum(attnum), BoolGetDatum(false));
	if (HeapTupleIsValid(statistics))
	{
		read_statistics(sample, statistics);
		ReleaseSysCache(statistics);
	}
	table_close(rel, NoLock);
}

/*
 * Estimate the number of rows that match a pattern: 0 if no value of the
 * sample matches. function is one of the server's, textlike or texticlike.
 * Only every step-th value is looked at.
 */
double
rarr_sample_matches(const RarrSample *sample, Oid function, Datum pattern, int step)
{
	double looked_at = 0.0;
	double matching = 0.0;
	FmgrInfo info;

	fmgr_info(function, &info);
	for (int i = 0; i < sample->n; i += step)
	{
		looked_at += sample->parts[i];
		if (DatumGetBool(FunctionCall2Coll(&info, DEFAULT_COLLATION_OID, sample->values[i], pattern)))
			matching += sample->parts[i];
	}
	return looked_at > 0.0 ? sample->rows * matching / looked_at : 0.0;
}

/*
 * Is there a trigram index on the column of the table, which can find what
 * matches an operator?
 */
static bool
has_index(Relation rel, AttrNumber attnum, Oid opno)
{
	List *indexes = RelationGetIndexList(rel);
	ListCell *cell;
	bool result = false;

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		for (int i = 0; !result && i < index->rd_index->indnkeyatts; i++)
			result = index->rd_rel->relam == GIN_AM_OID && index->rd_index->indisvalid &&
					 index->rd_index->indkey.values[i] == attnum &&
					 op_in_opfamily(opno, index->rd_opfamily[i]) &&
					 heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL);
		index_close(index, AccessShareLock);
		if (result)
			break;
	}
	list_free(indexes);
	return result;
}

/*
 * Should all rows that match a pattern be found first, and then sorted?  If
 * not, it is better to visit the rows in order until there are enough. opno is
 * the operator of the pattern: text ~~ text or text ~~* text. wanted is the
 * number of rows that the caller needs, from the first in order.
 *
 * If m of n rows match, m matches are compared with the n * wanted / m rows to
 * visit until wanted ones are found.
 */
bool
rarr_pattern_is_rare(Oid relid, AttrNumber attnum, Oid opno, Datum pattern, double wanted)
{
	text *string = DatumGetTextPP(pattern);
	Relation rel;
	bool indexed;
	RarrSample sample;
	double matches;

	if (!rarr_pattern_has_trigram(VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string)))
		return false;
	rel = table_open(relid, AccessShareLock);
	indexed = has_index(rel, attnum, opno);
	table_close(rel, NoLock);
	if (!indexed)
		return false;
	rarr_sample_read(&sample, relid, attnum, 0.0);
	matches = rarr_sample_matches(&sample, get_opcode(opno), pattern, 1);
	return matches * matches <= sample.rows * wanted;
}
