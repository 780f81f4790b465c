/*
 * trgm.h
 *		Find and verify the objects of pg_trgm that we use.
 */
#ifndef RARR_BASE_TRGM_H
#define RARR_BASE_TRGM_H

/* The objects; all have passed the checks of trgm.c. */
typedef struct RarrTrgm
{
	Oid similarity; /* functions (text, text) -> real */
	Oid strict_word_similarity;
	Oid similar_word; /* operator text %> text */
	Oid gin_ops;      /* operator class gin_trgm_ops, which contains %> */
} RarrTrgm;

extern const RarrTrgm *rarr_trgm(void);
extern Oid rarr_trgm_owner(void);

#endif /* RARR_BASE_TRGM_H */
