/*
 * schedule_command.c
 *		Commands of the schedule, and the built-in entries.
 *
 * A part of the extension that can be scheduled registers its command when the
 * library is loaded.  The schedule knows the names of all commands, so that the
 * built-in entries are the same in each version: one whose command is not in
 * this version is idle.
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/compat.h"
#include "base/json.h"
#include "ops/schedule_command.h"

#define MAX_COMMANDS 16

static const RarrScheduleCommand backup = {.name = "backup", .admin_only = true};
static const RarrScheduleCommand backup_cleanup = {.name = "backup_cleanup", .admin_only = true};
static const RarrScheduleCommand health_check = {.name = "health_check", .admin_only = true};

static const RarrScheduleCommand *commands[MAX_COMMANDS] = {&backup, &backup_cleanup, &health_check};
static int ncommands = 3;

static const RarrScheduleDefault defaults[] = {
	{"backup", "0 2 * * *", "backup", "{}"},
	{"backup_cleanup", "0 3 * * 0", "backup_cleanup", "{\"keep_last\": 30}"},
	{"health_check", "* * * * *", "health_check", "{}"},
};

/* Register a command.  Called when the library is loaded. */
void
rarr_schedule_command_register(const RarrScheduleCommand *command)
{
	for (int i = 0; i < ncommands; i++)
		if (strcmp(commands[i]->name, command->name) == 0)
		{
			commands[i] = command;
			return;
		}
	if (ncommands == MAX_COMMANDS)
		elog(ERROR, "too many commands of the schedule");
	commands[ncommands++] = command;
}

/* Return the command of this name, or NULL. */
const RarrScheduleCommand *
rarr_schedule_command_find(const char *name)
{
	for (int i = 0; i < ncommands; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

/* Return the names of all commands, for a message. */
char *
rarr_schedule_command_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < ncommands; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", commands[i]->name);
	return names.data;
}

/* Return why the command has nothing to do at any time, or NULL. */
const char *
rarr_schedule_command_idle(const RarrScheduleCommand *command)
{
	if (command->run == NULL)
		return "the command is not available in this version";
	return command->idle != NULL ? command->idle() : NULL;
}

/* Return the built-in entries and their number. */
const RarrScheduleDefault *
rarr_schedule_defaults(int *n)
{
	*n = lengthof(defaults);
	return defaults;
}

/* Raise 22023 about arguments.  problem: what is wrong, after the word "arguments". */
void
rarr_schedule_bad_argument(const char *command, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("arguments of command \"%s\" %s", command, problem),
			 errhint("%s", hint)));
}

/*
 * Raise 22023 if the arguments, an object, have a member that is not one of the
 * names, which end with NULL.
 */
void
rarr_schedule_check_members(const char *command, Jsonb *arguments, const char *const *names)
{
	JsonbIterator *it = JsonbIteratorInit(&arguments->root);
	JsonbValue name;
	JsonbValue value;
	StringInfoData known;

	initStringInfo(&known);
	for (const char *const *n = names; *n != NULL; n++)
		appendStringInfo(&known, "%s\"%s\"", n == names ? "" : ", ", *n);
	while (rarr_json_next_member(&it, &name, &value))
	{
		const char *const *n = names;

		while (*n != NULL && (strlen(*n) != name.val.string.len ||
							  memcmp(*n, name.val.string.val, name.val.string.len) != 0))
			n++;
		if (*n == NULL)
			rarr_schedule_bad_argument(command,
									   psprintf("have an unknown member: %s",
												rarr_quote_clipped(name.val.string.val, name.val.string.len)),
									   known.len > 0 ? psprintf("Known members are %s.", known.data) :
													   "The command has no arguments.");
	}
}
