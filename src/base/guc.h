/*-------------------------------------------------------------------------
 *
 * guc.h
 *		The server settings of the extension, researcharr.*
 *
 * Copyright (c) 2026, researcharr contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef RARR_BASE_GUC_H
#define RARR_BASE_GUC_H

/* The application's user on whose behalf the session works; "" for none. */
extern char *rarr_user_id;

/* Are changes put on record by the audit triggers? */
extern bool rarr_audit;

/* Job types, of all databases, that the agenda has room for. */
extern int	rarr_agenda_types;

/* How long, in ms, what slipped past the agenda can stay unseen. */
extern int	rarr_agenda_refresh;

/* For how long an item that was handed out is not due again, in seconds. */
extern int	rarr_queue_item_lease;

extern void rarr_guc_init(void);

#endif							/* RARR_BASE_GUC_H */
