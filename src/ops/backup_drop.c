/*
 * backup_drop.c
 *		Remove backups when the transaction commits.
 *
 * A rollback must bring a dropped backup back, whole.  So its files go after the
 * commit, as the server's own files of dropped tables do.  The directory is
 * first given a name that no backup has.  A crash before that leaves a whole
 * backup without a row, which backup_list() shows; a crash after it leaves what
 * the next run sweeps.
 */
#include "postgres.h"

#include <limits.h>
#include <unistd.h>

#include "access/xact.h"
#include "utils/memutils.h"

#include "ops/backup_directory.h"
#include "ops/backup_drop.h"

/* A backup to remove.  Paths are made before the commit, which must not fail. */
typedef struct Drop
{
	SubTransactionId subid; /* that asked for it */
	struct Drop *next;
	char *path;
	char *dropped; /* the path that it gets first */
} Drop;

static Drop *drops = NULL; /* in the memory of the top transaction */

/* At the transaction's end.  Raises an error only before it is prepared. */
static void
at_xact_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_PREPARE && drops != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has dropped backups")));
	if (event == XACT_EVENT_COMMIT)
		for (const Drop *drop = drops; drop != NULL; drop = drop->next)
		{
			if (rename(drop->path, drop->dropped) == 0)
				rarr_backup_remove_directory(drop->dropped);
			else if (errno != ENOENT)
				ereport(LOG,
						(errmsg("researcharr: could not rename directory \"%s\" of a dropped backup: %m", drop->path)));
		}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		drops = NULL;
}

/* At a subtransaction's end: what it asked for is its parent's, or forgotten. */
static void
at_subxact_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	Drop **link = &drops;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (*link != NULL)
	{
		if ((*link)->subid == subid && event == SUBXACT_EVENT_ABORT_SUB)
		{
			*link = (*link)->next;
			continue;
		}
		if ((*link)->subid == subid)
			(*link)->subid = parent;
		link = &(*link)->next;
	}
}

static char *
make_path(const char *folder, const char *prefix, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s%s", folder, prefix, name);
	return MemoryContextStrdup(TopTransactionContext, path);
}

/*
 * Remove a backup's directory in a folder, which need not be there, when the
 * transaction commits.  The caller holds the lock of backups.
 */
void
rarr_backup_drop_at_commit(const char *folder, const char *name)
{
	static bool registered = false;
	Drop *drop = MemoryContextAllocZero(TopTransactionContext, sizeof(Drop));

	if (!registered)
	{
		RegisterXactCallback(at_xact_end, NULL);
		RegisterSubXactCallback(at_subxact_end, NULL);
		registered = true;
	}
	drop->subid = GetCurrentSubTransactionId();
	drop->path = make_path(folder, "", name);
	drop->dropped = make_path(folder, RARR_BACKUP_DROPPED, name);
	drop->next = drops;
	drops = drop;
}

/* Will this transaction remove the backup? */
bool
rarr_backup_is_dropped(const char *folder, const char *name)
{
	char *path = psprintf("%s/%s", folder, name);
	const Drop *drop = drops;

	while (drop != NULL && strcmp(drop->path, path) != 0)
		drop = drop->next;
	pfree(path);
	return drop != NULL;
}
