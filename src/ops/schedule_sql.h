/*
 * schedule_sql.h
 *		The command "sql" of the schedule.
 */
#ifndef RARR_OPS_SCHEDULE_SQL_H
#define RARR_OPS_SCHEDULE_SQL_H

#include "ops/schedule_command.h"

extern const RarrScheduleCommand rarr_schedule_sql;

#endif /* RARR_OPS_SCHEDULE_SQL_H */
