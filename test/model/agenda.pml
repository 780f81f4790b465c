/*
 * agenda.pml
 *		The lower bound of one group of jobs, against commits, aborts,
 *		prepared transactions, locks and snapshots.
 *
 * Two sessions claim jobs while a third one enqueues, releases, cancels,
 * retries and locks them.  A job's number is its queue position.  README.md
 * maps the names to the code, and lists the rules that can be removed.
 */

#define JOBS      2
#define SESSIONS  3
#define WRITER    2
#define ALL       ((1 << JOBS) - 1)
#define RESET     (1 << JOBS) /* an entry that resets the group */
#define BIT(i)    (1 << (i))
#define NOBODY    SESSIONS

mtype = { ABSENT, QUEUED, RUNNING, DONE };

/* the table */
mtype committed[JOBS]; /* the version that a new snapshot shows */
mtype written[JOBS];   /* the version of the open transaction */
byte changer[JOBS];    /* the session that is changing the row */
byte locker[JOBS];     /* the session that has only locked it */
byte changed[WRITER];   /* rows that others changed after its snapshot */
bool scans[WRITER];     /* it has a snapshot */

/* the agenda: under the slot's lock, so each access is atomic */
byte bound = 0;
byte lower_count = 0;

/* entries of a session, as sets of jobs */
byte at_commit[SESSIONS];
byte at_abort[SESSIONS];
byte owed[SESSIONS]; /* the end is visible, the entries are not yet applied */

bool slipped[JOBS];  /* written while our triggers were disabled */
byte finished = 0;

/* The bound covers the job, or its transaction has yet to apply its entries. */
#define APPLIES(s, i) ((owed[s] & (RESET | (BIT((i) + 1) - 1))) != 0)
#define LOST(i)                                                                 \
	(committed[i] == QUEUED && changer[i] == NOBODY && !slipped[i] && bound > i && \
	 !APPLIES(0, i) && !APPLIES(1, i) && !APPLIES(2, i))

active proctype monitor()
{
end:
	atomic { LOST(0) || LOST(1) -> assert(false) }
}

/* rarr_agenda_lower_bound(), for the first job of a set of entries */
inline apply(set)
{
	if
	:: (set & RESET) != 0 -> bound = 0; lower_count++
	:: (set & RESET) == 0 && (set & BIT(0)) != 0 -> bound = 0; lower_count++
	:: (set & RESET) == 0 && (set & BIT(0)) == 0 && set != 0 ->
		lower_count++;
		if
		:: bound > 1 -> bound = 1
		:: else
		fi
	:: set == 0
	fi
}

/* The end of a transaction becomes visible to others. */
inline become_visible(commits)
{
	k = 0;
	do
	:: k < JOBS ->
		if
		:: changer[k] == me && commits ->
			committed[k] = written[k];
			changed[0] = changed[0] | (scans[0] -> BIT(k) : 0);
			changed[1] = changed[1] | (scans[1] -> BIT(k) : 0)
		:: else
		fi;
		if
		:: changer[k] == me -> changer[k] = NOBODY; written[k] = 0
		:: else
		fi;
		if
		:: locker[k] == me -> locker[k] = NOBODY
		:: else
		fi;
		k++
	:: k == JOBS -> break
	od;
	k = 0
}

/* The entries for an outcome: without rule 1, none. */
#ifdef NO_LOWER_AT_COMMIT
#define COMMIT_SET 0
#else
#define COMMIT_SET at_commit[me]
#endif
#ifdef NO_LOWER_AT_ABORT
#define ABORT_SET 0
#else
#define ABORT_SET at_abort[me]
#endif

/* CommitTransaction(), AbortTransaction(): visible first, then callbacks */
inline end_transaction(commits)
{
#ifdef LOWER_BEFORE_VISIBLE
	atomic {
		owed[me] = (commits -> COMMIT_SET : ABORT_SET);
		apply(owed[me]);
		owed[me] = 0
	};
	atomic { become_visible(commits); at_commit[me] = 0; at_abort[me] = 0 }
#else
	atomic {
		become_visible(commits);
		owed[me] = (commits -> COMMIT_SET : ABORT_SET);
		at_commit[me] = 0;
		at_abort[me] = 0
	};
	atomic { apply(owed[me]); owed[me] = 0 }
#endif
}

/*
 * PREPARE TRANSACTION, and later COMMIT or ROLLBACK PREPARED, whose session
 * finds the saved entries, or resets the group if there was no room for them.
 */
inline end_prepared(commits)
{
	atomic {
		become_visible(commits);
#ifdef NO_SAVE_AT_PREPARE
		owed[me] = 0;
#else
		if
		:: owed[me] = (commits -> COMMIT_SET : ABORT_SET)
#ifdef NO_RESET_IF_NOT_SAVED
		:: owed[me] = 0
#else
		:: owed[me] = RESET
#endif
		fi;
#endif
		at_commit[me] = 0;
		at_abort[me] = 0
	};
	atomic { apply(owed[me]); owed[me] = 0 }
}

/*
 * rarr_job_make_change(), and plain DML with its triggers: the entry for the
 * abort, the change, which can fail after it has changed the row, the entry for
 * the commit.
 */
inline change_job(i, old_entry, new, new_entry)
{
	atomic {
		slipped[i] = slipped[i] && (old_entry | new_entry) == 0;
		changer[i] = me;
		written[i] = new;
#ifndef ABORT_ENTRY_AFTER_CHANGE
		at_abort[me] = at_abort[me] | old_entry;
#endif
		if
		:: failed = true
		:: at_abort[me] = at_abort[me] | old_entry;
			at_commit[me] = at_commit[me] | new_entry
		fi
	}
}

/* rarr_agenda_next_group() */
inline view()
{
	view_bound = bound;
	view_count = lower_count
}

inline take_snapshot()
{
	snapshot[0] = committed[0];
	snapshot[1] = committed[1];
	scans[me] = true
}

/* claim_job(): what the row shows when the scan reaches it */
inline visit()
{
	if
	:: snapshot[i] == QUEUED && changer[i] == NOBODY && locker[i] == NOBODY &&
			committed[i] == QUEUED ->
		claimed = true;
		change_job(i, BIT(i), RUNNING, 0)
	:: snapshot[i] == QUEUED &&
			(changer[i] != NOBODY || (locker[i] != NOBODY && committed[i] == QUEUED)) ->
		would_block = true
	:: else /* not queued, or not any more */
	fi
}

/* rarr_job_is_being_changed() of the version that the snapshot shows */
inline ask_who_has_it()
{
	if
	:: changer[i] != NOBODY || (changed[me] & BIT(i)) != 0 ->
#ifdef BLOCK_ON_CHANGED
		blocked = true
#endif
		skip
	:: else ->
		held = true;
#ifndef PASS_LOCKED
		blocked = true
#endif
		skip
	fi;
	would_block = false
}

/* leave_group(), rarr_agenda_advance_bound() */
inline leave_group()
{
	passed = (blocked || claimed -> passed : JOBS);
	assert(held || claimed || passed == JOBS);
	if
#ifdef NO_COUNT_CHECK
	:: passed > bound -> bound = passed
#else
	:: view_count == lower_count && passed > bound -> bound = passed
#endif
	:: else
	fi;
	scans[me] = false;
	changed[me] = 0;
	snapshot[0] = 0;
	snapshot[1] = 0;
	i = 0;
	view_bound = 0;
	view_count = 0;
	passed = 0;
	held = false;
	blocked = false
}

/* A dequeue of one job, in a transaction of its own */
proctype claimer(byte me; byte rounds)
{
	byte view_bound, view_count, i, k, passed;
	mtype snapshot[JOBS];
	bool blocked, held, would_block, claimed, failed;

	do
	:: rounds > 0 ->
#ifdef SNAPSHOT_BEFORE_VIEW
		atomic { rounds--; take_snapshot() };
		atomic { view(); i = view_bound; passed = view_bound };
#else
		atomic { rounds--; view() };
		atomic { take_snapshot(); i = view_bound; passed = view_bound };
#endif
		do
		:: i < JOBS && !claimed ->
			atomic {
				if
				:: would_block -> ask_who_has_it()
				:: else -> visit()
				fi;
				i = (would_block -> i : i + 1);
				passed = (blocked || would_block -> passed : i)
			}
		:: else -> break
		od;
		atomic { leave_group() };
		if
		:: claimed -> end_transaction(!failed)
		:: else
		fi;
		atomic { claimed = false; failed = false }
	:: else -> break
	od;
	finished++
}

/* What else happens to jobs: a transaction that changes or locks one */
proctype writer(byte me; byte rounds)
{
	byte i, k;
	bool failed;

	do
	:: rounds > 0 ->
		atomic {
			rounds--;
			if
			:: i = 0
			:: i = 1
			fi;
			if
			:: changer[i] != NOBODY || locker[i] != NOBODY -> i = 0; goto next
			:: else -> locker[i] = me
			fi;
			if
			:: committed[i] == QUEUED -> change_job(i, BIT(i), DONE, 0)
			:: committed[i] == RUNNING -> change_job(i, 0, QUEUED, BIT(i))
			:: committed[i] == RUNNING -> change_job(i, 0, DONE, 0)
#ifdef COMMIT_ENTRY_BEFORE_CHANGE
			/* a BEFORE trigger has moved the job to another position */
			:: committed[i] == DONE || committed[i] == ABSENT -> change_job(i, 0, QUEUED, BIT(JOBS - 1))
#else
			:: committed[i] == DONE || committed[i] == ABSENT -> change_job(i, 0, QUEUED, BIT(i))
#endif
			:: committed[i] == DONE || committed[i] == ABSENT ->
				change_job(i, 0, QUEUED, 0);
				slipped[i] = slipped[i] || !failed
			:: true /* only locked */
			fi;
			i = 0
		};
		if
		:: end_transaction(false)
		:: !failed -> end_transaction(true)
		:: !failed -> end_prepared(true)
		:: !failed -> end_prepared(false)
		fi;
		failed = false;
next:
		skip
	:: else -> break
	od;
	finished++
}

/*
 * The verifier scan of everything, when nothing else happens any more: it finds
 * what slipped past, and lowers the bound to it.
 */
active proctype verifier()
{
	byte first = JOBS;
	byte before;

	atomic {
		finished == SESSIONS;
		before = bound;
		if
		:: committed[0] == QUEUED && bound > 0 -> first = 0
		:: !(committed[0] == QUEUED && bound > 0) && committed[1] == QUEUED && bound > 1 -> first = 1
		:: else
		fi;
#ifndef NO_VERIFIER
#ifdef VERIFIER_RESETS
		bound = 0;
#endif
		if
		:: first < bound -> bound = first
		:: else
		fi;
#endif
		assert(!(committed[0] == QUEUED && bound > 0));
		assert(!(committed[1] == QUEUED && bound > 1));
		assert(bound == (first < before -> first : before))
	}
}

init
{
	atomic {
		changer[0] = NOBODY;
		changer[1] = NOBODY;
		locker[0] = NOBODY;
		locker[1] = NOBODY;
		if
		:: committed[0] = ABSENT
		:: committed[0] = QUEUED
		fi;
		if
		:: committed[1] = ABSENT
		:: committed[1] = QUEUED
		fi;
		run claimer(0, 1);
		run claimer(1, 1);
		run writer(WRITER, 2)
	}
}
