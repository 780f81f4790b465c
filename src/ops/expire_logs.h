/*
 * expire_logs.h
 *		Remove rows of the logs that are older than a rule of retention allows.
 */
#ifndef RARR_OPS_EXPIRE_LOGS_H
#define RARR_OPS_EXPIRE_LOGS_H

#include "base/task.h"
#include "ops/retention_rules.h"

extern bool rarr_expire_log(RarrTaskRun *run, RarrRetentionTarget target, TimestampTz before);

#endif /* RARR_OPS_EXPIRE_LOGS_H */
