/*
 * access_levels.h
 *		What each level of access has.
 */
#ifndef RARR_BASE_ACCESS_LEVELS_H
#define RARR_BASE_ACCESS_LEVELS_H

/* sets of levels */
#define RARR_READER      1
#define RARR_WORKER      2
#define RARR_APPLICATION 4
#define RARR_AUDITOR     8
#define RARR_ADMIN       16

/* what levels have on a relation; a relation may be in several of these */
typedef struct RarrAccessRule
{
	int levels;
	const char *relation;
	const char *privileges; /* as GRANT lists them */
} RarrAccessRule;

extern const RarrAccessRule rarr_access_rules[]; /* the last one has no relation */

extern int rarr_access_level(const char *name);
extern bool rarr_access_executes(int level, const char *routine);

#endif /* RARR_BASE_ACCESS_LEVELS_H */
