/*
 * share.h
 *		Which of several types has its turn, by weight.
 */
#ifndef RARR_JOB_SHARE_H
#define RARR_JOB_SHARE_H

#include "job/stream.h"

extern RarrStream *rarr_share_choose(RarrStream *streams, int n, RarrStream *first);
extern void rarr_share_took(RarrStream *stream);

#endif							/* RARR_JOB_SHARE_H */
