/*
 * backup_directory.c
 *		Names and directories of backups.
 *
 * researcharr.backup_directory has a folder for each database, whose name is
 * made of the cluster's system identifier and the database's OID.  In it, each
 * backup is a directory of its own, of the backup's name.  Names of what is not
 * finished, or dropped, begin with a dot, which no backup's does; the next run
 * sweeps them.
 *
 * Backups have users' secrets in them.  So nobody but the server's user may
 * have access to the directory.  This also keeps anybody else from putting a
 * symbolic link there, so that paths that were checked once stay what they are.
 * What is not a directory or a file of ours is refused nevertheless.
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/fd.h"

#include "base/guc.h"
#include "base/text.h"
#include "ops/backup_directory.h"

/* Can a backup have this name?  No path can be made of such names. */
bool
rarr_backup_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= RARR_BACKUP_NAME_MAX && name[0] != '.' &&
		   strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* Raise 22023 unless a backup can have this name. */
void
rarr_backup_check_name(const char *name)
{
	if (rarr_backup_name_is_valid(name))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid name of a backup: \"%s\"", rarr_clip_text(name, 200)),
			 errhint("A name has 1 to %d letters of ASCII, digits, periods, underscores and hyphens, and does not begin with a period.",
					 RARR_BACKUP_NAME_MAX)));
}

/* Does a path lie in a directory, or is it that?  Both are canonical. */
static bool
lies_in(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return strncmp(path, directory, len) == 0 && (path[len] == '\0' || path[len] == '/' || len == 1);
}

/* Raise an error about researcharr.backup_directory. */
static void
refuse(int sqlstate, const char *path, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("backup directory \"%s\" %s", path, problem),
			 errhint("%s", hint)));
}

/* Raise 55000 unless the directory belongs to the server's user alone. */
static void
check_owner(const char *path, const struct stat *st)
{
	if (st->st_uid != geteuid())
		refuse(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, path, "belongs to another user of the system",
			   "It must belong to the user that runs the server.");
	if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
		refuse(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, path, "is open to other users of the system",
			   "Backups have users' secrets in them: run \"chmod 0700\" on the directory.");
	if (access(path, R_OK | W_OK | X_OK) != 0)
		refuse(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, path, "is not writable",
			   "The server's user needs all permissions on it, and the file system must be writable.");
}

/*
 * Check researcharr.backup_directory, and return its canonical path.  Raises
 * 55000 if it is not set or not fit, and 58P01 if it does not exist.
 */
static char *
get_root(void)
{
	char resolved[PATH_MAX];
	char data[PATH_MAX];
	const char *path = rarr_backup_directory;
	struct stat st;

	if (path[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there is no directory for backups"),
				 errhint("Set researcharr.backup_directory to a directory of the server, in postgresql.conf or with ALTER DATABASE.")));
	if (!is_absolute_path(path))
		refuse(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, path, "is not an absolute path",
			   "Set researcharr.backup_directory to a path that begins with a slash.");
	if (realpath(path, resolved) == NULL || stat(resolved, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not find backup directory \"%s\": %m", path),
				 errhint("Create it with mode 0700 for the user that runs the server, or set researcharr.backup_directory to another one.")));
	if (!S_ISDIR(st.st_mode))
		refuse(ERRCODE_WRONG_OBJECT_TYPE, path, "is not a directory",
			   "Set researcharr.backup_directory to a directory.");
	if (realpath(DataDir, data) == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not find data directory \"%s\": %m", DataDir)));
	if (lies_in(resolved, data))
		refuse(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, path, "lies in the data directory",
			   "Backups must survive the loss of the data directory: choose another one, best on another disk.");
	check_owner(path, &st);
	if (strlen(resolved) > PATH_MAX / 2)
		refuse(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, path, "has too long a path", "Use a shorter one.");
	return pstrdup(resolved);
}

/*
 * Does the path exist, as a directory of the server's user alone?  *problem is
 * NULL, or what is there instead.
 */
bool
rarr_backup_directory_exists(const char *path, char **problem)
{
	struct stat st;

	*problem = NULL;
	if (lstat(path, &st) != 0)
	{
		if (errno != ENOENT)
			*problem = psprintf("could not access \"%s\": %m", path);
		return false;
	}
	if (S_ISLNK(st.st_mode))
		*problem = psprintf("\"%s\" is a symbolic link", path);
	else if (!S_ISDIR(st.st_mode))
		*problem = psprintf("\"%s\" is not a directory", path);
	else if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		*problem = psprintf("\"%s\" is open to other users of the system", path);
	return *problem == NULL;
}

/* Make a directory for the server's user alone, which must not exist. */
void
rarr_backup_make_directory(const char *path)
{
	if (mkdir(path, S_IRWXU) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", path)));
}

/*
 * Return the path of this database's folder.  create: make it if it is not
 * there.  Otherwise it need not exist.  Errors: those of get_root(); 55000 for
 * a folder that is not one of ours.
 */
char *
rarr_backup_folder(bool create)
{
	char *root = get_root();
	char *folder = psprintf("%s/" UINT64_FORMAT "-%u", root, GetSystemIdentifier(), MyDatabaseId);
	char *problem;

	if (rarr_backup_directory_exists(folder, &problem))
		return folder;
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database's folder for backups cannot be used"),
				 errdetail("%s.", problem),
				 errhint("Remove it, or make it a directory of the server's user with mode 0700.")));
	if (create)
	{
		rarr_backup_make_directory(folder);
		(void) fsync_fname_ext(root, true, false, ERROR);
	}
	return folder;
}

/*
 * Return the names of the entries of a folder: of finished backups, or of what
 * is to be swept.  An entry of a backup's name counts, whatever it is.
 */
List *
rarr_backup_directories(const char *folder, bool finished)
{
	List *names = NIL;
	DIR *dir = AllocateDir(folder);
	struct dirent *entry;

	if (dir == NULL && errno == ENOENT)
		return NIL;
	while ((entry = ReadDir(dir, folder)) != NULL)
	{
		const char *name = entry->d_name;
		bool fits = finished ? rarr_backup_name_is_valid(name) :
							   strncmp(name, RARR_BACKUP_UNFINISHED, strlen(RARR_BACKUP_UNFINISHED)) == 0 ||
								   strncmp(name, RARR_BACKUP_DROPPED, strlen(RARR_BACKUP_DROPPED)) == 0;

		CHECK_FOR_INTERRUPTS();
		if (fits)
			names = lappend(names, pstrdup(name));
	}
	FreeDir(dir);
	return names;
}

/*
 * Remove a directory with the files in it, if it is there.  What cannot be
 * removed is left, with a warning in the server's log.  Raises no error, and
 * allocates no memory: it runs after commits and errors.
 */
void
rarr_backup_remove_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir;
	struct dirent *entry;

	if (fd < 0 && errno == ENOENT)
		return;
	/* a link or a file of that name goes by itself */
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
	{
		(void) unlink(path);
		return;
	}
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir != NULL && (entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void) unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir != NULL)
		(void) closedir(dir);
	else if (fd >= 0)
		(void) close(fd);
	if (rmdir(path) != 0 && errno != ENOENT)
		ereport(LOG,
				(errmsg("researcharr: could not remove directory \"%s\": %m", path)));
}

/*
 * Remove what runs that did not end have left in a folder.  The caller holds
 * the lock of backups, so that no such run goes on.
 */
void
rarr_backup_sweep(const char *folder)
{
	ListCell *lc;

	foreach (lc, rarr_backup_directories(folder, false))
	{
		char *path = psprintf("%s/%s", folder, (char *) lfirst(lc));

		CHECK_FOR_INTERRUPTS();
		rarr_backup_remove_directory(path);
		pfree(path);
	}
}
