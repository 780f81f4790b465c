/*
 * backup_file.h
 *		Read the files of a backup, and compute their SHA-256.
 */
#ifndef RARR_OPS_BACKUP_FILE_H
#define RARR_OPS_BACKUP_FILE_H

#include "common/cryptohash.h"

/* a SHA-256 as text, with a zero byte */
#define RARR_SHA256_TEXT 65

/* A file of a backup that is being read. */
typedef struct RarrBackupReader
{
	int fd;
	int64 bytes; /* read so far */
	pg_cryptohash_ctx *hash;
} RarrBackupReader;

extern void rarr_sha256_of(const char *data, size_t length, char *text);
extern bool rarr_sha256_is_text(const char *text);
extern bool rarr_backup_read_begin(RarrBackupReader *reader, const char *path, char **problem);
extern ssize_t rarr_backup_read(RarrBackupReader *reader, char *buffer, size_t size);
extern void rarr_backup_read_end(RarrBackupReader *reader, char *sha256);
extern char *rarr_backup_hash_file(const char *path, bool flushes, int64 *bytes, char *sha256);
extern char *rarr_backup_read_whole(const char *path, int64 most, char **data, int *length);

#endif /* RARR_OPS_BACKUP_FILE_H */
