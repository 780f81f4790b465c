/*
 * group.h
 *		Find out how pages of an entity can be read.
 */
#ifndef RARR_DATA_GROUP_H
#define RARR_DATA_GROUP_H

#include "data/entity.h"

extern void rarr_know_groups(RarrEntity *entity);

#endif /* RARR_DATA_GROUP_H */
