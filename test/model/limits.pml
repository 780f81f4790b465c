/*
 * limits.pml
 *		The set of running jobs of a type with max_running = 1.
 *
 * Two sessions claim jobs and end attempts.  Each counts the running jobs in
 * the table if the set is incomplete, and sweeps the set if it is full.  A third
 * session has begun a claim before the type had a limit, and then changes
 * running jobs by plain DML.  README.md maps the names to the code, and lists
 * the rules that can be removed.
 */

#define JOBS     2
#define WRITER   2
#define SESSIONS 3
#define NOBODY   SESSIONS
#define ENTRIES  3
#define NONE     ENTRIES

/* the table: the committed version of each job, and that of an open change */
bool running[JOBS];
byte attempt[JOBS];
byte changer[JOBS];
bool new_running[JOBS];
byte new_attempt[JOBS];
bool moved[JOBS];  /* plain DML has moved it in the index */
bool untold[JOBS]; /* running, and the set has not been told yet */

/* the running set, under the registry's lock: each access is atomic */
bool used[ENTRIES];
bool open[ENTRIES];
bool ended[ENTRIES];
bool counted[ENTRIES]; /* a count has relied on it while it was open */
bool unswept[ENTRIES]; /* a sweep has skipped it, as it was open */
byte entry_job[ENTRIES]; /* JOBS: not bound */
byte entry_attempt[ENTRIES];
byte serial[ENTRIES]; /* differs for each use */
bool complete = false;
byte invalidations = 0;
bool recheck = false; /* a sweep is due */

byte type_lock = NOBODY; /* heavyweight */
bool by_dml = false;     /* a job was made running without a reservation */
byte unwritten = 0;      /* reservations whose claims are not yet written */
byte finished = 0;

/* the job runs, or will if the open transaction commits, or if it aborts */
#define OPEN(j)    (changer[j] != NOBODY && new_running[j])
#define MAY_RUN(j) (running[j] || OPEN(j))
#define COUNTS(j)  (MAY_RUN(j) && !untold[j])
#define BIT(i)     (1 << (i))
#define IN_USE     (used[0] + used[1] + used[2])

active proctype monitor()
{
end:
	atomic { MAY_RUN(0) && MAY_RUN(1) && !by_dml -> assert(false) }
}

inline free_entry(e)
{
	used[e] = false;
	open[e] = false;
	ended[e] = false;
	counted[e] = false;
	unswept[e] = false;
	entry_job[e] = 0;
	entry_attempt[e] = 0
}

inline new_entry()
{
	if
	:: !used[0] -> e = 0
	:: used[0] && !used[1] -> e = 1
	:: used[0] && used[1] && !used[2] -> e = 2
	:: IN_USE == ENTRIES -> assert(false)
	fi;
	used[e] = true;
	serial[e]++;
	entry_job[e] = JOBS
}

#define IS_OF(x, j)     (used[x] && entry_job[x] == j)
#define HAS(x, j, a)    (IS_OF(x, j) && entry_attempt[x] >= (a))
#define HAS_JOB(j, a)   (HAS(0, j, a) || HAS(1, j, a) || HAS(2, j, a))

#ifdef NO_ATTEMPT
#define IS_ENDED(x, j, a) IS_OF(x, j)
#else
#define IS_ENDED(x, j, a) (IS_OF(x, j) && entry_attempt[x] <= (a))
#endif

/* drop_job() */
inline drop_entry(x, j, a)
{
	if
	:: IS_ENDED(x, j, a) && open[x] ->
#ifndef NO_ENDED_MARK
		ended[x] = true;
#endif
		skip
	:: IS_ENDED(x, j, a) && !open[x] -> free_entry(x)
	:: else
	fi
}

/* rarr_running_set_remove() */
inline remove(j, a)
{
	drop_entry(0, j, a);
	drop_entry(1, j, a);
	drop_entry(2, j, a)
}

/* The end of a transaction becomes visible to others. */
inline become_visible(j, commits)
{
	if
	:: commits ->
		running[j] = new_running[j];
		attempt[j] = new_attempt[j]
	:: else
	fi;
	changer[j] = NOBODY;
	new_running[j] = false;
	new_attempt[j] = 0
}

inline begin_change(j, runs, a)
{
	changer[j] = me;
	new_running[j] = runs;
	new_attempt[j] = a
}

/*
 * rarr_running_read(): the dirty scan reads job by job, and can miss one that
 * moves meanwhile; the MVCC scan shows one moment.
 */
inline dirty_scan(j)
{
	if
	:: MAY_RUN(j) -> found[j] = (OPEN(j) -> new_attempt[j] : attempt[j])
	:: moved[j] && running[j] -> found[j] = 0
	:: !MAY_RUN(j) -> found[j] = 0
	fi
}

inline mvcc_scan(j)
{
	found[j] = (running[j] && attempt[j] > found[j] -> attempt[j] : found[j])
}

/*
 * The scans have found a job that the set has.  A sweep that has looked at its
 * entry before must not remove it now.  If the entry is that of an open claim,
 * the claim may have aborted, and the job that was found is another claim's: the
 * entry must not go with its claim.
 */
inline keep(x, j)
{
	if
	:: HAS(x, j, found[j]) ->
#ifndef KEEP_SERIAL
		serial[x] = (open[x] -> serial[x] : serial[x] + 1);
#endif
#ifndef TRUST_OPEN_ENTRIES
		counted[x] = open[x];
#endif
		skip
	:: else
	fi
}

/* Add a job that the scans have found, unless the set has it. */
inline populate(j)
{
	if
	:: found[j] > 0 && !HAS_JOB(j, found[j]) ->
		new_entry();
		entry_job[e] = j;
		entry_attempt[e] = found[j]
	:: found[j] > 0 && HAS_JOB(j, found[j]) ->
		keep(0, j);
		keep(1, j);
		keep(2, j)
	:: found[j] == 0
	fi
}

/* read_running() */
inline count_running()
{
	atomic { type_lock == NOBODY -> type_lock = me; seen = invalidations };
	if
	:: !complete ->
#ifndef MVCC_SCAN_ONLY
		atomic { moved[0] = false; moved[1] = false; dirty_scan(1) };
		atomic { dirty_scan(0) };
#endif
#ifndef DIRTY_SCAN_ONLY
		atomic { mvcc_scan(0); mvcc_scan(1) };
#endif
		atomic {
			populate(0);
			populate(1);
#ifdef NO_INVALIDATION_CHECK
			complete = true;
#else
			complete = (seen == invalidations);
#endif
			recheck = true; /* a job may have ended since: lapse is DT_NOBEGIN */
			e = NONE
		}
	:: else
	fi;
	atomic { type_lock = NOBODY; found[0] = 0; found[1] = 0; seen = 0 }
}

/* Is the job of a copied entry running?  It stays marked only if it is not. */
inline unmark_if(x, condition)
{
	marked = ((marked & BIT(x)) != 0 && condition -> marked - BIT(x) : marked)
}

/* is_gone(): two looks, as the snapshot may be too old */
inline check_entry(x)
{
	atomic { unmark_if(x, (snapshot & BIT(old_job[x])) != 0) };
#ifndef SWEEP_BY_SNAPSHOT
	if
	:: (marked & BIT(x)) != 0 ->
		atomic { unmark_if(x, MAY_RUN(old_job[x])) };
		atomic { unmark_if(x, running[old_job[x]]) }
	:: else
	fi
#endif
}

/* rarr_running_set_begin_sweep(), for one entry */
inline mark(x)
{
	if
	:: used[x] && !open[x] ->
		marked = marked | BIT(x);
		old_job[x] = entry_job[x];
		old_serial[x] = serial[x]
	:: used[x] && open[x] -> unswept[x] = recheck
	:: else
	fi
}

/* rarr_running_set_end_sweep(), for one entry */
inline end_sweep(x)
{
	if
#ifdef NO_SERIAL
	:: (marked & BIT(x)) != 0 && used[x] && !open[x] -> free_entry(x)
#else
	:: (marked & BIT(x)) != 0 && used[x] && !open[x] && serial[x] == old_serial[x] -> free_entry(x)
#endif
	:: else
	fi;
	old_job[x] = 0;
	old_serial[x] = 0
}

inline sweep()
{
	atomic {
		mark(0);
		mark(1);
		mark(2);
		recheck = false
	};
	atomic { snapshot = running[0] + 2 * running[1] };
	check_entry(0);
	check_entry(1);
	check_entry(2);
	atomic { end_sweep(0); end_sweep(1); end_sweep(2); marked = 0; snapshot = 0 }
}

/* rarr_running_set_reserve() */
inline reserve()
{
#ifdef CHECK_THEN_RESERVE
	atomic { has_room = complete && IN_USE < 1 };
#endif
	atomic {
#ifndef CHECK_THEN_RESERVE
#ifdef CLAIM_WHILE_COUNTING
		has_room = IN_USE < 1;
#else
		has_room = complete && IN_USE < 1;
#endif
#endif
		if
		:: has_room ->
			assert(!COUNTS(0) && !COUNTS(1) && unwritten == 0);
			new_entry();
			open[e] = true;
			unwritten++
		:: else
		fi
	}
}

/* A dequeue of one job, in a transaction of its own */
inline dequeue()
{
	if
	:: !complete -> count_running()
	:: else
	fi;
	if
	:: IN_USE >= 1 && recheck -> sweep()
	:: else
	fi;
	reserve();
	if
	:: has_room ->
		/* lock the job, bind the entry to it, write the claim */
		atomic {
			if
			:: changer[0] == NOBODY && !running[0] -> job = 0
			:: changer[1] == NOBODY && !running[1] -> job = 1
			:: (changer[0] != NOBODY || running[0]) && (changer[1] != NOBODY || running[1]) ->
				job = JOBS
			fi;
			if
			:: job < JOBS -> true ->
				entry_job[e] = job;
				entry_attempt[e] = attempt[job] + 1;
				begin_change(job, true, attempt[job] + 1)
			:: else -> free_entry(e)
			fi;
			unwritten--
		};
		if
		:: job == JOBS
		:: job < JOBS -> true ->
			/* commit: confirm the entry; abort: cancel the reservation */
			atomic { become_visible(job, true) };
			atomic {
				if
				:: ended[e] -> free_entry(e)
				:: else ->
					open[e] = false;
#ifndef NO_SWEEP_AFTER_CONFIRM
					recheck = recheck || unswept[e];
#endif
					counted[e] = false;
					unswept[e] = false
				fi
			}
		:: job < JOBS -> true -> atomic { become_visible(job, false) };
			atomic {
				if
				:: counted[e] && !ended[e] -> open[e] = false; counted[e] = false; recheck = true
				:: else -> free_entry(e)
				fi;
				/* a sweep may have taken this claim for that of another entry */
#ifndef NO_SWEEP_AFTER_ABORT
				recheck = recheck || HAS_JOB(job, 0)
#endif
			}
		fi
	:: else
	fi;
	atomic { has_room = false; job = 0; e = NONE }
}

/* End an attempt by a function of the queue: complete or retry the job. */
inline end_attempt()
{
	atomic {
		if
		:: changer[0] == NOBODY && running[0] -> job = 0; begin_change(0, false, attempt[0])
		:: changer[1] == NOBODY && running[1] -> job = 1; begin_change(1, false, attempt[1])
		:: !(changer[0] == NOBODY && running[0]) && !(changer[1] == NOBODY && running[1]) ->
			job = JOBS
		fi;
		seen = (job < JOBS -> new_attempt[job] : 0)
	};
#ifdef REMOVE_BEFORE_COMMIT
	if
	:: job < JOBS -> atomic { remove(job, seen) }
	:: else
	fi;
#endif
	if
	:: job == JOBS
	:: job < JOBS -> true ->
		atomic { become_visible(job, true) };
		atomic { remove(job, seen) }
	:: job < JOBS -> atomic { become_visible(job, false) }
	fi;
	atomic { job = 0; seen = 0 }
}

proctype claimer(byte me; byte rounds)
{
	byte e, job, seen, snapshot, marked;
	byte found[JOBS];
	byte old_job[ENTRIES];
	byte old_serial[ENTRIES];
	bool has_room;

	e = NONE;
	do
	:: rounds > 0 ->
		rounds--;
		if
		:: true -> dequeue()
		:: true -> end_attempt()
		fi
	:: else -> break
	od;
	finished++
}

proctype writer(byte me)
{
	/* a claim that began before the type had a limit: rarr_limits_check_late() */
	if
	:: atomic {
			changer[1] == NOBODY && !running[1] ->
			begin_change(1, true, attempt[1] + 1);
			untold[1] = true;
			by_dml = true
		};
		atomic { complete = false; invalidations++; untold[1] = false };
		if
		:: true -> atomic { become_visible(1, true) }
		:: true -> atomic { become_visible(1, false) }; recheck = true
		fi
	:: true
	fi;

	/* plain DML: move a running job, end its attempt, make one running */
	if
	:: atomic { changer[0] == NOBODY && running[0] -> begin_change(0, true, attempt[0]) };
		atomic { become_visible(0, true); moved[0] = true }
	:: atomic { changer[0] == NOBODY && running[0] -> begin_change(0, false, attempt[0]) };
		atomic { become_visible(0, true) };
		recheck = true
	:: atomic {
			changer[0] == NOBODY && !running[0] ->
			begin_change(0, true, attempt[0] + 1);
			untold[0] = true;
			by_dml = true
		};
		atomic { become_visible(0, true) };
#ifndef NO_INVALIDATION
		atomic { complete = false; invalidations++ };
#endif
		untold[0] = false
	:: true
	fi;
	finished++
}

#define RIGHT(x) (!used[x] || (!open[x] && entry_job[x] < JOBS && running[entry_job[x]] && \
							   entry_attempt[x] <= attempt[entry_job[x]]))

/* At the end a complete set has the running jobs, and no others before a sweep. */
active proctype last()
{
	atomic {
		finished == SESSIONS;
		assert(!complete || recheck || (RIGHT(0) && RIGHT(1) && RIGHT(2)));
		assert(!complete || !running[0] || HAS_JOB(0, attempt[0]));
		assert(!complete || !running[1] || HAS_JOB(1, attempt[1]))
	}
}

init
{
	atomic {
		changer[0] = NOBODY;
		changer[1] = NOBODY;
		if
		:: running[0] = true; attempt[0] = 1
		:: true
		fi;
		run claimer(0, 2);
		run claimer(1, 1);
		run writer(WRITER)
	}
}
