/*
 * group.h
 *		Find out how pages of an entity can be read.
 */
#ifndef RARR_DATA_GROUP_H
#define RARR_DATA_GROUP_H

#include "utils/rel.h"

#include "data/entity.h"

extern void rarr_fill_groups(RarrEntity *entity, Relation table);

#endif /* RARR_DATA_GROUP_H */
