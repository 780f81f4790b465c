/*
 * backup_manifest.c
 *		The manifest of a backup: what it consists of.
 *
 * The manifest is a JSON object in a file beside the others.  For each of them
 * it has the number of rows, the size and the SHA-256.  Its last member is the
 * SHA-256 of all of its text before that member, so that a damaged manifest is
 * noticed.  One that somebody has made anew is noticed too, by the SHA-256 of
 * the whole text, which backup_create() returns and the table backups has.
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "base/json.h"
#include "base/subtransaction.h"
#include "ops/backup_directory.h"
#include "ops/backup_manifest.h"

#define FORMAT 1

/* the largest manifest */
#define MOST_BYTES (64 * 1024 * 1024)

/* what is around the checksum at the end */
#define CHECKSUM_BEGIN "\"checksum\": \""
#define CHECKSUM_END   "\"}\n"

static void
put_text(StringInfo json, const char *name, const char *value)
{
	appendStringInfo(json, "\"%s\": ", name);
	escape_json(json, value);
	appendStringInfoString(json, ",\n");
}

static void
put_file(StringInfo json, const RarrBackupFile *file)
{
	ListCell *lc;

	appendStringInfo(json, "{\"file\": \"%s\", \"table\": ", file->file);
	escape_json(json, file->table);
	appendStringInfoString(json, ", \"relation\": ");
	escape_json(json, file->relation);
	appendStringInfo(json, ", \"log\": %s, \"columns\": [", file->is_log ? "true" : "false");
	foreach (lc, file->columns)
	{
		escape_json(json, lfirst(lc));
		appendStringInfoString(json, lnext(file->columns, lc) != NULL ? ", " : "");
	}
	appendStringInfo(json, "], \"rows\": " INT64_FORMAT ", \"bytes\": " INT64_FORMAT ", \"sha256\": \"%s\"}",
					 file->rows, file->bytes, file->sha256);
}

/* Write text to a new file, which only the server's user can read, and flush it. */
static void
write_file(const char *path, const char *text, int length)
{
	int fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | PG_BINARY, S_IRUSR | S_IWUSR);
	int done = 0;

	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", path)));
	while (done < length)
	{
		ssize_t n;

		errno = 0;
		n = write(fd, text + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
		{
			errno = errno != 0 ? errno : ENOSPC;
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not write file \"%s\": %m", path)));
		}
		done += n;
	}
	if (pg_fsync(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not fsync file \"%s\": %m", path)));
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", path)));
}

/* Write the manifest into a backup's directory.  Sets its sums and its SHA-256. */
void
rarr_manifest_write(RarrManifest *manifest, const char *directory)
{
	StringInfoData json;
	char checksum[RARR_SHA256_TEXT];
	ListCell *lc;

	initStringInfo(&json);
	appendStringInfo(&json, "{\"format\": %d,\n", FORMAT);
	put_text(&json, "name", manifest->name);
	put_text(&json, "extension_version", manifest->version);
	put_text(&json, "server_version", PG_VERSION);
	put_text(&json, "encoding", manifest->encoding);
	put_text(&json, "created_at", manifest->created_at);
	put_text(&json, "lsn", manifest->lsn);
	appendStringInfoString(&json, "\"files\": [\n");
	manifest->rows = manifest->bytes = 0;
	foreach (lc, manifest->files)
	{
		const RarrBackupFile *file = lfirst(lc);

		put_file(&json, file);
		appendStringInfoString(&json, lnext(manifest->files, lc) != NULL ? ",\n" : "\n");
		manifest->rows += file->rows;
		manifest->bytes += file->bytes;
	}
	appendStringInfoString(&json, "],\n");
	rarr_sha256_of(json.data, json.len, checksum);
	appendStringInfo(&json, "%s%s%s", CHECKSUM_BEGIN, checksum, CHECKSUM_END);
	rarr_sha256_of(json.data, json.len, manifest->sha256);
	write_file(psprintf("%s/%s", directory, RARR_MANIFEST_FILE), json.data, json.len);
	pfree(json.data);
}

/* Is the checksum at the end of the text that of the rest? */
static bool
checksum_is_right(const char *text, int length)
{
	int end = strlen(CHECKSUM_BEGIN) + RARR_SHA256_TEXT - 1 + strlen(CHECKSUM_END);
	char checksum[RARR_SHA256_TEXT];
	char *expected;

	if (length < end)
		return false;
	rarr_sha256_of(text, length - end, checksum);
	expected = psprintf("%s%s%s", CHECKSUM_BEGIN, checksum, CHECKSUM_END);
	return memcmp(text + length - end, expected, end) == 0;
}

/* A text member of an object.  Returns NULL if there is none. */
static char *
get_text(JsonbContainer *object, const char *name)
{
	JsonbValue value;
	const char *string;
	int length;

	if (!rarr_json_member(object, name, &value) || rarr_json_text(&value, &string, &length) != NULL)
		return NULL;
	return pnstrdup(string, length);
}

/* A member that is a number from zero on.  Returns -1 if there is none. */
static int64
get_number(JsonbContainer *object, const char *name)
{
	JsonbValue value;
	int64 number;

	if (!rarr_json_member(object, name, &value) || rarr_json_int(&value, &number) != NULL)
		return -1;
	return number;
}

/* Has the name of a file the form of those that are written? */
static bool
file_name_is_valid(const char *name)
{
	size_t digits = strspn(name, "0123456789");

	return digits >= 4 && digits <= 9 && strcmp(name + digits, ".copy") == 0;
}

/* Read the names of columns.  Returns NIL if they are not right. */
static List *
get_columns(JsonbContainer *object)
{
	List *columns = NIL;
	JsonbValue value;
	JsonbIterator *it;
	JsonbValue element;

	if (!rarr_json_member(object, "columns", &value) || !rarr_json_is_array(&value))
		return NIL;
	it = JsonbIteratorInit(value.val.binary.data);
	while (rarr_json_next_element(&it, &element))
	{
		const char *string;
		int length;

		if (rarr_json_text(&element, &string, &length) != NULL || length == 0 || length >= NAMEDATALEN)
			return NIL;
		columns = lappend(columns, pnstrdup(string, length));
	}
	return columns;
}

/* Read an element of "files".  Returns NULL if it is not right. */
static RarrBackupFile *
get_file(JsonbContainer *object)
{
	RarrBackupFile *file = palloc0(sizeof(RarrBackupFile));
	char *sha256 = get_text(object, "sha256");
	JsonbValue value;

	file->file = get_text(object, "file");
	file->table = get_text(object, "table");
	file->relation = get_text(object, "relation");
	file->is_log = rarr_json_member(object, "log", &value) && value.type == jbvBool && value.val.boolean;
	file->columns = get_columns(object);
	file->rows = get_number(object, "rows");
	file->bytes = get_number(object, "bytes");
	if (file->file == NULL || !file_name_is_valid(file->file) || file->table == NULL || file->relation == NULL ||
		file->columns == NIL || file->rows < 0 || file->bytes < 0 || sha256 == NULL || !rarr_sha256_is_text(sha256))
		return NULL;
	memcpy(file->sha256, sha256, sizeof(file->sha256));
	return file;
}

/* Read the elements of "files".  Returns false if they are not right. */
static bool
get_files(JsonbContainer *object, RarrManifest *manifest)
{
	JsonbValue value;
	JsonbValue element;
	JsonbIterator *it;

	if (!rarr_json_member(object, "files", &value) || !rarr_json_is_array(&value))
		return false;
	it = JsonbIteratorInit(value.val.binary.data);
	while (rarr_json_next_element(&it, &element))
	{
		RarrBackupFile *file = rarr_json_is_object(&element) ? get_file(element.val.binary.data) : NULL;

		if (file == NULL)
			return false;
		manifest->files = lappend(manifest->files, file);
		manifest->rows += file->rows;
		manifest->bytes += file->bytes;
	}
	return true;
}

/* A manifest's text, and what is read from it. */
typedef struct Parsing
{
	const char *text;
	RarrManifest *manifest;
	char *problem;
} Parsing;

/* The body of a subtransaction: read the members. */
static bool
parse(void *arg)
{
	Parsing *parsing = arg;
	RarrManifest *manifest = parsing->manifest;
	JsonbContainer *object = &DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(parsing->text)))->root;

	if (!JsonContainerIsObject(object))
		parsing->problem = "the manifest is not a JSON object";
	else if (get_number(object, "format") != FORMAT)
		parsing->problem = "the manifest has a format that this version does not know";
	else
	{
		manifest->name = get_text(object, "name");
		manifest->version = get_text(object, "extension_version");
		manifest->encoding = get_text(object, "encoding");
		manifest->created_at = get_text(object, "created_at");
		manifest->lsn = get_text(object, "lsn");
		if (manifest->name == NULL || manifest->version == NULL || manifest->encoding == NULL ||
			pg_char_to_encoding(manifest->encoding) < 0 || manifest->created_at == NULL || manifest->lsn == NULL ||
			!get_files(object, manifest))
			parsing->problem = "the manifest lacks a member, or has a wrong one";
	}
	return true;
}

static bool
is_about_data(const ErrorData *error, void *arg)
{
	return rarr_error_is_about_data(error);
}

/*
 * Read the manifest in a backup's directory.  Returns NULL, or the problem, in
 * which case there is no manifest.
 */
char *
rarr_manifest_read(const char *directory, RarrManifest **manifest)
{
	Parsing parsing = {0};
	ErrorData *error = NULL;
	char *text;
	int length;
	char *problem = rarr_backup_read_whole(psprintf("%s/%s", directory, RARR_MANIFEST_FILE), MOST_BYTES, &text, &length);

	*manifest = NULL;
	if (problem != NULL)
		return problem;
	if (!checksum_is_right(text, length) || strlen(text) != length)
		return "the manifest was changed: its checksum is not that of its text";
	if (!pg_verifymbstr(text, length, true))
		return "the manifest has text that is not valid in this database's encoding";
	parsing.text = text;
	parsing.manifest = palloc0(sizeof(RarrManifest));
	if (!rarr_subtransaction(parse, is_about_data, &parsing, &error))
		return psprintf("the manifest cannot be read: %s", error != NULL ? error->message : "unknown");
	if (parsing.problem != NULL)
		return parsing.problem;
	rarr_sha256_of(text, length, parsing.manifest->sha256);
	pfree(text);
	*manifest = parsing.manifest;
	return NULL;
}
