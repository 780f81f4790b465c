/*
 * trigger.c
 *		What the data tables do by themselves: updated_at moves on with every
 *		update, and an episode takes its media row along when it goes.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "base/args.h"
#include "base/compat.h"
#include "base/duration.h"

/* "deleted" is the trigger's transition table. */
#define DELETE_OF_DELETED \
	"DELETE FROM researcharr.media AS m" \
	" WHERE m.id OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT d.media_id FROM deleted AS d))"
#define DELETE_OF_ALL \
	"DELETE FROM researcharr.media AS m" \
	" WHERE m.id OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT e.media_id FROM researcharr.episodes AS e))"

/* Raises 39P01: the trigger does not have the shape that the function is for. */
static void
wrong_trigger(TriggerData *trigger, const char *function, const char *shape)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("trigger \"%s\" on \"%s\" cannot call \"%s\"",
					trigger->tg_trigger->tgname,
					RelationGetRelationName(trigger->tg_relation), function),
			 errhint("The function is for %s triggers only.", shape)));
}

/*
 * updated_at_advance(), a BEFORE UPDATE row trigger
 *		Sets updated_at to the clock, and to later than it was; whatever the
 *		statement itself assigned to it is lost.
 */
PG_FUNCTION_INFO_V1(researcharr_updated_at_advance);
Datum
researcharr_updated_at_advance(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	TupleDesc	desc;
	int			column;
	Datum		value;
	bool		isnull;

	rarr_require_trigger(fcinfo, "updated_at_advance");
	desc = RelationGetDescr(trigger->tg_relation);
	column = SPI_fnumber(desc, "updated_at");
	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ||
		column <= 0 || TupleDescAttr(desc, column - 1)->atttypid != TIMESTAMPTZOID)
		wrong_trigger(trigger, "updated_at_advance",
					  "BEFORE UPDATE ... FOR EACH ROW");

	value = heap_getattr(trigger->tg_trigtuple, column, desc, &isnull);
	value = TimestampTzGetDatum(isnull ? GetCurrentTimestamp() :
								rarr_clock_after(DatumGetTimestampTz(value)));
	isnull = false;
	PG_RETURN_POINTER(heap_modify_tuple_by_cols(trigger->tg_newtuple, desc,
												1, &column, &value, &isnull));
}

/*
 * Runs a DELETE on media, planned at its first use in the session, the way the
 * server's own cascades run.
 *
 * It runs as the table's owner, since whoever may delete an episode need not be
 * allowed to delete media, and with the cascades of media at work even where
 * session_replication_role has turned them off: jobs of a media row that is
 * gone would stay behind.
 *
 * AFTER triggers do not fire here, with the owner's rights, but are left to the
 * statement that this trigger is part of: they fire as its user.  BEFORE
 * triggers run as the owner, as they do in any cascade.
 *
 * Where a transaction has one snapshot, an episode that it cannot see raises
 * 40001 rather than stay behind.
 */
static void
delete_media(TriggerData *trigger, Oid media, const char *sql, SPIPlanPtr *plan)
{
	Relation	rel = table_open(media, RowExclusiveLock);
	Oid			owner = rel->rd_rel->relowner;
	Snapshot	snapshot = InvalidSnapshot;
	Snapshot	crosscheck = InvalidSnapshot;
	Oid			user;
	int			context;
	int			nest_level = NewGUCNestLevel();

	table_close(rel, NoLock);
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		(void) set_config_option("session_replication_role", "origin",
								 PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE,
								 true, 0, false);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_NOFORCE_RLS);

	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_register_trigger_data(trigger) != SPI_OK_TD_REGISTER)
		elog(ERROR, "could not prepare to delete the episodes' media");
	if (*plan == NULL)
	{
		SPIPlanPtr	made = SPI_prepare(sql, 0, NULL);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "could not plan \"%s\"", sql);
		*plan = made;
	}
	if (IsolationUsesXactSnapshot())
	{
		CommandCounterIncrement();
		snapshot = GetLatestSnapshot();
		crosscheck = GetTransactionSnapshot();
	}
	if (SPI_execute_snapshot(*plan, NULL, NULL, snapshot, crosscheck,
							 false, false, 0) != SPI_OK_DELETE)
		elog(ERROR, "could not execute \"%s\"", sql);
	SPI_finish();

	SetUserIdAndSecContext(user, context);
	AtEOXact_GUC(true, nest_level);
}

/*
 * The same for a TRUNCATE, which has the media's AFTER triggers fire before it
 * goes on: it may be about to remove the rows that they need.
 */
static void
delete_media_at_truncate(TriggerData *trigger, Oid media, const char *sql, SPIPlanPtr *plan)
{
	AfterTriggerBeginQuery();
	delete_media(trigger, media, sql, plan);
	AfterTriggerEndQuery(NULL);
}

/*
 * episode_media_delete(), a statement trigger on episodes: AFTER DELETE with
 * the transition table "deleted", or BEFORE TRUNCATE
 *		Deletes the media rows of the episodes that go.  It also fires when they
 *		go because their media or series do; then there may be nothing left to
 *		delete.  It works with its owner's rights, so it serves no other table.
 */
PG_FUNCTION_INFO_V1(researcharr_episode_media_delete);
Datum
researcharr_episode_media_delete(PG_FUNCTION_ARGS)
{
	static SPIPlanPtr delete_of_deleted = NULL;
	static SPIPlanPtr delete_of_all = NULL;

	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Oid			schema;
	Oid			media;

	rarr_require_trigger(fcinfo, "episode_media_delete");
	schema = get_func_namespace(fcinfo->flinfo->fn_oid);
	media = get_relname_relid("media", schema);
	if (!OidIsValid(media) ||
		RelationGetRelid(trigger->tg_relation) != get_relname_relid("episodes", schema))
		wrong_trigger(trigger, "episode_media_delete", "the extension's own");

	if (TRIGGER_FIRED_BEFORE(trigger->tg_event) &&
		TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		delete_media_at_truncate(trigger, media, DELETE_OF_ALL, &delete_of_all);
	else if (TRIGGER_FIRED_AFTER(trigger->tg_event) &&
			 TRIGGER_FIRED_BY_DELETE(trigger->tg_event) &&
			 TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) &&
			 trigger->tg_oldtable != NULL &&
			 strcmp(trigger->tg_trigger->tgoldtable, "deleted") == 0)
	{
		if (tuplestore_tuple_count(trigger->tg_oldtable) > 0)
			delete_media(trigger, media, DELETE_OF_DELETED, &delete_of_deleted);
	}
	else
		wrong_trigger(trigger, "episode_media_delete",
					  "AFTER DELETE and BEFORE TRUNCATE statement");
	PG_RETURN_POINTER(NULL);
}
