/*
 * backup_file.c
 *		Read the files of a backup, and compute their SHA-256.
 *
 * What is wrong with a file is a text and no error, where the caller reports it
 * as the backup's problem.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/sha2.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#include "ops/backup_file.h"

/* how much is read at a time */
#define CHUNK (256 * 1024)

static pg_cryptohash_ctx *
hash_begin(void)
{
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (hash == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (pg_cryptohash_init(hash) < 0)
		elog(ERROR, "could not compute a SHA-256: %s", pg_cryptohash_error(hash));
	return hash;
}

static void
hash_add(pg_cryptohash_ctx *hash, const char *data, size_t length)
{
	if (pg_cryptohash_update(hash, (const uint8 *) data, length) < 0)
		elog(ERROR, "could not compute a SHA-256: %s", pg_cryptohash_error(hash));
}

/* text has room for RARR_SHA256_TEXT bytes. */
static void
hash_end(pg_cryptohash_ctx *hash, char *text)
{
	uint8 digest[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a SHA-256: %s", pg_cryptohash_error(hash));
	(void) hex_encode((char *) digest, sizeof(digest), text);
	text[RARR_SHA256_TEXT - 1] = '\0';
	pg_cryptohash_free(hash);
}

/* Compute the SHA-256 of data as text, for which there is room for RARR_SHA256_TEXT bytes. */
void
rarr_sha256_of(const char *data, size_t length, char *text)
{
	pg_cryptohash_ctx *hash = hash_begin();

	hash_add(hash, data, length);
	hash_end(hash, text);
}

/* Is this 64 lower-case hexadecimal digits? */
bool
rarr_sha256_is_text(const char *text)
{
	return strlen(text) == RARR_SHA256_TEXT - 1 && strspn(text, "0123456789abcdef") == RARR_SHA256_TEXT - 1;
}

/*
 * Open a file.  Returns false, and the problem, if it is not there or not an
 * ordinary file.  On error the file is closed at the transaction's end.
 */
bool
rarr_backup_read_begin(RarrBackupReader *reader, const char *path, char **problem)
{
	struct stat st;

	*problem = NULL;
	reader->bytes = 0;
	reader->fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
	if (reader->fd < 0)
	{
		*problem = errno == ELOOP ? psprintf("\"%s\" is a symbolic link", path) :
									psprintf("could not open file \"%s\": %m", path);
		return false;
	}
	if (fstat(reader->fd, &st) != 0)
		*problem = psprintf("could not access file \"%s\": %m", path);
	else if (!S_ISREG(st.st_mode))
		*problem = psprintf("\"%s\" is not an ordinary file", path);
	if (*problem != NULL)
	{
		(void) CloseTransientFile(reader->fd);
		return false;
	}
	reader->hash = hash_begin();
	return true;
}

/* Read up to size bytes.  Returns 0 at the end, and -1 with errno set on error. */
ssize_t
rarr_backup_read(RarrBackupReader *reader, char *buffer, size_t size)
{
	ssize_t n;

	do
	{
		CHECK_FOR_INTERRUPTS();
		n = read(reader->fd, buffer, size);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
	{
		hash_add(reader->hash, buffer, n);
		reader->bytes += n;
	}
	return n;
}

/* Close the file.  sha256: of what was read; room for RARR_SHA256_TEXT bytes. */
void
rarr_backup_read_end(RarrBackupReader *reader, char *sha256)
{
	(void) CloseTransientFile(reader->fd);
	hash_end(reader->hash, sha256);
}

/*
 * Begin to write a part of a file to disk.  The fsync that follows has less to do
 * at once, so that the commits of other sessions wait less for the disk.  Errors
 * are ignored here, because that fsync reports them.
 */
static void
begin_flush(int fd, int64 offset, ssize_t length)
{
#ifdef HAVE_SYNC_FILE_RANGE
	(void) sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
#endif
}

/*
 * Read a file, for its size and its SHA-256, and if flushes is true begin to
 * write it to disk.  Returns NULL, or the problem.
 */
char *
rarr_backup_hash_file(const char *path, bool flushes, int64 *bytes, char *sha256)
{
	RarrBackupReader reader;
	char *buffer;
	char *problem;
	ssize_t n;

	if (!rarr_backup_read_begin(&reader, path, &problem))
		return problem;
	buffer = palloc(CHUNK);
	while ((n = rarr_backup_read(&reader, buffer, CHUNK)) > 0)
		if (flushes)
			begin_flush(reader.fd, reader.bytes - n, n);
	if (n < 0)
		problem = psprintf("could not read file \"%s\": %m", path);
	rarr_backup_read_end(&reader, sha256);
	*bytes = reader.bytes;
	pfree(buffer);
	return problem;
}

/*
 * Read a file of at most so many bytes into memory.  The data ends with a zero
 * byte, which length does not count.  Returns NULL, or the problem.
 */
char *
rarr_backup_read_whole(const char *path, int64 most, char **data, int *length)
{
	RarrBackupReader reader;
	char sha256[RARR_SHA256_TEXT];
	char *problem;
	int64 room = CHUNK;
	ssize_t n;

	if (!rarr_backup_read_begin(&reader, path, &problem))
		return problem;
	*data = palloc(room + 1);
	while ((n = rarr_backup_read(&reader, *data + reader.bytes, room - reader.bytes)) > 0)
		if (reader.bytes == room && room <= most)
			*data = repalloc(*data, (room = room * 2) + 1);
	if (n < 0)
		problem = psprintf("could not read file \"%s\": %m", path);
	else if (reader.bytes > most)
		problem = psprintf("file \"%s\" is too large", path);
	*length = reader.bytes;
	(*data)[*length] = '\0';
	rarr_backup_read_end(&reader, sha256);
	return problem;
}
