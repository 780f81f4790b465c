/*
 * backup_verify.c
 *		Read a backup and compare it with its manifest.
 *
 * The directory has the files of the manifest and no others, each of the size
 * and the SHA-256 that the manifest says.  The manifest has the right checksum,
 * the backup's name, and the SHA-256 that callers know.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/fd.h"

#include "base/task.h"
#include "base/text.h"
#include "ops/backup_directory.h"
#include "ops/backup_verify.h"

/* The file of this name, or NULL. */
static const RarrBackupFile *
find_file(const RarrManifest *manifest, const char *name)
{
	ListCell *lc;

	foreach (lc, manifest->files)
		if (strcmp(((const RarrBackupFile *) lfirst(lc))->file, name) == 0)
			return lfirst(lc);
	return NULL;
}

/* Does the manifest have a file twice? */
static const char *
find_duplicate(const RarrManifest *manifest)
{
	ListCell *lc;

	foreach (lc, manifest->files)
	{
		CHECK_FOR_INTERRUPTS();
		if (find_file(manifest, ((const RarrBackupFile *) lfirst(lc))->file) != lfirst(lc))
			return ((const RarrBackupFile *) lfirst(lc))->file;
	}
	return NULL;
}

/* Does the directory have entries that the manifest does not have? */
static char *
check_entries(const RarrManifest *manifest, const char *directory)
{
	DIR *dir = AllocateDir(directory);
	struct dirent *entry;
	char *problem = NULL;

	if (dir == NULL)
		return psprintf("could not read directory \"%s\": %m", directory);
	while (problem == NULL && (entry = ReadDirExtended(dir, directory, LOG)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			strcmp(entry->d_name, RARR_MANIFEST_FILE) != 0 && find_file(manifest, entry->d_name) == NULL)
			problem = psprintf("file \"%s\" is not in the manifest", rarr_clip_text(rarr_valid_text(entry->d_name), 200));
	}
	FreeDir(dir);
	return problem;
}

/* Read a file.  Returns NULL if it is as the manifest says, or the problem. */
static char *
check_file(const RarrBackupFile *file, const char *directory)
{
	char *path = psprintf("%s/%s", directory, file->file);
	char sha256[RARR_SHA256_TEXT];
	int64 bytes;
	char *problem = rarr_backup_hash_file(path, false, &bytes, sha256);

	if (problem == NULL && bytes != file->bytes)
		problem = psprintf("file \"%s\" has " INT64_FORMAT " bytes, and the manifest says " INT64_FORMAT,
						   file->file, bytes, file->bytes);
	if (problem == NULL && strcmp(sha256, file->sha256) != 0)
		problem = psprintf("file \"%s\" was changed: its SHA-256 is not that of the manifest", file->file);
	pfree(path);
	return problem;
}

/* Compare the manifest with what callers know.  Returns NULL, or the problem. */
static char *
check_manifest(const RarrManifest *manifest, const char *name, const char *const *expected)
{
	const char *twice = find_duplicate(manifest);

	if (twice != NULL)
		return psprintf("the manifest has file \"%s\" twice", twice);
	if (strcmp(manifest->name, name) != 0)
		return psprintf("the manifest is that of backup \"%s\"", rarr_clip_text(manifest->name, 200));
	for (; *expected != NULL; expected++)
		if (strcmp(*expected, manifest->sha256) != 0)
			return psprintf("the manifest is another one: its SHA-256 is %s, and should be %s", manifest->sha256, *expected);
	return NULL;
}

/*
 * Read all of a backup in a folder.  The caller holds the lock of backups.
 * expected: what the SHA-256 of the manifest should be; ends with NULL.
 * Returns NULL, or what is wrong.  *manifest is NULL if it cannot be read.
 */
char *
rarr_backup_read_back(const char *name, const char *folder, const char *const *expected, RarrManifest **manifest)
{
	char *directory = psprintf("%s/%s", folder, name);
	char *problem;
	int number = 0;
	ListCell *lc;

	*manifest = NULL;
	if (!rarr_backup_directory_exists(directory, &problem))
		return problem != NULL ? problem : "its directory is gone";
	problem = rarr_manifest_read(directory, manifest);
	if (problem == NULL)
		problem = check_manifest(*manifest, name, expected);
	if (problem == NULL)
		problem = check_entries(*manifest, directory);
	if (problem != NULL)
		return problem;
	foreach (lc, (*manifest)->files)
	{
		char *progress = psprintf("backup \"%s\": reading file %d of %d", name, ++number, list_length((*manifest)->files));

		rarr_task_progress(progress);
		pfree(progress);
		problem = check_file(lfirst(lc), directory);
		if (problem != NULL)
			return problem;
	}
	return NULL;
}
