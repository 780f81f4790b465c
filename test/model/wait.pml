/*
 * wait.pml
 *		The handshake between a commit that makes jobs claimable and the
 *		sessions that sleep until there is a job.
 *
 * Two sessions wait for one job each, and may fail at any look.  A third one
 * enqueues two jobs, each due at once or at time 1, in one commit or in two.
 * The clock goes from 0 to 1.  Nobody polls: a sleeper that nothing wakes
 * sleeps for ever.  README.md maps the names to the code, and lists the rules
 * that can be removed.
 */

#define SLEEPERS 2
#define NOBODY   SLEEPERS
#define NEVER    9
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define MAX(a, b) ((a) > (b) -> (a) : (b))

byte now = 0;

/* the table: committed jobs that nobody has claimed */
byte due = 0;
byte future = 0; /* due at time 1 */

/* the agenda */
byte next_due = NEVER;
byte lower_count = 0;

/* the list of sleepers */
bool locked = false; /* rarr_waits->lock, held for more than one step */
bool asleep[SLEEPERS];
bool woken[SLEEPERS]; /* woken_for is set: it has not yet looked */
bool latch[SLEEPERS];
byte waker = NOBODY;
byte wake_at = NEVER;
byte looked = 0;

#define ASLEEP (asleep[0] + asleep[1])
#define WOKEN  (woken[0] + woken[1])

/* rarr_wake() */
inline wake(s)
{
	asleep[s] = false;
	woken[s] = true;
	latch[s] = true
}

/* rarr_wake_for_type(): any of the sleepers, as the list's order is no rule */
inline wake_for_type(n)
{
	if
	:: n >= 2 && asleep[0] && asleep[1] -> wake(0); wake(1)
	:: n >= 1 && asleep[0] && !(n >= 2 && asleep[1]) -> wake(0)
	:: n >= 1 && asleep[1] && !(n >= 2 && asleep[0]) -> wake(1)
	:: n == 0 || ASLEEP == 0
	fi
}

/* rarr_waker_name() */
inline name_waker()
{
	waker = NOBODY;
	wake_at = NEVER;
#ifndef NO_WAKER_NAMED
	if
	:: asleep[0] -> waker = 0; latch[0] = true
	:: asleep[1] -> waker = 1; latch[1] = true
	:: ASLEEP == 0
	fi
#endif
}

/*
 * notify_sleepers() for jobs that are not yet due.  If the agenda shows what
 * the last look could not claim, the waker looks, to learn when the next job
 * falls due.
 */
inline tell_waker(at)
{
	if
	:: ASLEEP == 0 || at >= wake_at
	:: else ->
		atomic {
			!locked;
#ifndef NO_WAKER_NOTIFIED
			if
			:: waker == NOBODY
#ifndef NO_LOOK_IF_STALE
			:: waker != NOBODY && asleep[waker] && next_due <= looked -> wake(waker)
			:: waker != NOBODY && !(asleep[waker] && next_due <= looked) -> latch[waker] = true
#else
			:: waker != NOBODY -> latch[waker] = true
#endif
			fi
#endif
		}
	fi
}

/* rarr_agenda_lower_bound(), rarr_agenda_wake(): the commit is visible */
inline notify(at, jobs)
{
#ifdef NO_NOTIFIER_BARRIER
	seen = ASLEEP;
	atomic { next_due = MIN(next_due, at); lower_count++ };
#else
	atomic { next_due = MIN(next_due, at); lower_count++ };
	seen = ASLEEP;
#endif
	if
	:: seen == 0
	:: seen > 0 ->
		if
		:: at <= now -> atomic { !locked -> wake_for_type(jobs) }
		:: else -> tell_waker(at)
		fi
	fi;
	seen = 0
}

/*
 * leave(), in wait_list.c, with pass_wakeup_on()
 *
 * did_look is false if the session fails before its look.
 */
inline leave_list(did_look)
{
	atomic {
		!locked;
		asleep[me] = false;
		woken[me] = false;
		looked = (did_look -> MAX(looked, my_look) : looked);
		if
		:: waker == me -> name_waker()
		:: else
		fi;
#ifndef NO_WAKEUP_PASSED_ON
		if
		:: ASLEEP > 0 && WOKEN == 0 && next_due <= now -> wake_for_type(1)
		:: else
		fi
#endif
	}
}

/*
 * A look for jobs: rarr_claim_is_idle(), and a claim of one job.  agenda.pml
 * has the steps of a claim; here the scan is one step.
 */
inline look()
{
	my_look = now;
	if
	:: next_due > my_look
	:: else ->
		view_count = lower_count;
		atomic {
			/* the bound after the claim: that of the next job, if it peeks */
			claimed = due > 0;
			due = (claimed -> due - 1 : due);
			end = (due > 0 -> 0 : (future > 0 -> 1 : NEVER));
			end = (claimed && (!registered || ASLEEP == 0) -> 0 : end)
		};
		atomic {
			end = (view_count == lower_count && end > next_due -> end : 0);
			next_due = MAX(next_due, end);
			view_count = 0
		};
#ifndef NO_ADVANCE_TOLD
		if
		:: end > now -> tell_waker(end)
		:: else
		fi;
#endif
		end = 0
	fi
}

proctype sleeper(byte me)
{
	byte my_look, view_count, end, seen, deadline;
	bool claimed, registered;

	do
	:: true ->
		look();
		if
		:: claimed -> break
		:: else
		fi;

		/* rarr_wait_enter() */
#ifdef NO_SLEEPER_BARRIER
		seen = next_due;
#endif
		atomic {
			!locked;
			asleep[me] = true;
			woken[me] = false;
			registered = true;
			looked = MAX(looked, my_look);
			if
			:: waker == NOBODY -> waker = me; wake_at = NEVER
			:: else
			fi
		};
#ifdef NO_SLEEPER_BARRIER
		/* the look has read the agenda before the list showed this session */
		if
		:: seen > now -> seen = 0; my_look = now
		:: else -> seen = 0; look()
		fi;
#else
#ifndef NO_LAST_LOOK
		look();
#endif
#endif
		if
		:: claimed -> break
		:: else
		fi;

		/* sleep_until_woken() */
		do
		:: !asleep[me] -> break
		:: asleep[me] ->
			/* rarr_wait_time_left() */
			atomic {
				!locked;
				looked = MAX(looked, my_look);
				locked = true;
				deadline = (asleep[me] -> NEVER : now);
#ifndef WAKE_AT_NOT_CLEARED
				wake_at = (waker == me -> NEVER : wake_at);
#endif
				skip
			};
			if
			:: waker == me -> seen = next_due
			:: else
			fi;
			atomic {
				if
				:: waker == me ->
					wake_at = (seen > looked -> seen : NEVER);
					deadline = MIN(deadline, wake_at)
				:: else
				fi;
				seen = 0;
				locked = false
			};
sleep:
			if
			:: atomic { latch[me] -> latch[me] = false; deadline = 0 }
			:: atomic { deadline <= now -> deadline = 0 };
				atomic { !locked -> asleep[me] = false }; /* rarr_wait_wake_self() */
				break
			fi
		od;

		/* its transaction may fail before the look: the abort callback */
		if
		:: leave_list(false); goto gone
		:: true
		fi
	od;

	/* deliver(), and the end of the transaction */
	leave_list(true);
	if
	:: claimed = false
	:: atomic { due++; claimed = false }; notify(0, 1)
	fi;
gone:
	skip
}

proctype notifier()
{
	byte seen;

	if
	:: atomic { due = due + 2 }; notify(0, 2)
	:: atomic { due++ }; notify(0, 1); atomic { due++ }; notify(0, 1)
	:: atomic { due++ }; notify(0, 1); atomic { now == 0 -> future++ }; notify(1, 1)
	:: atomic { now == 0 -> future++ }; notify(1, 1); atomic { due++ }; notify(0, 1)
	:: atomic { now == 0 -> future = future + 2 }; notify(1, 2)
	fi
}

active proctype clock()
{
	atomic { now = 1; due = due + future; future = 0 }
}

/* When nothing can happen any more, nobody sleeps beside a due job. */
active proctype monitor()
{
	atomic { timeout -> assert(due == 0 || ASLEEP == 0) }
}

init
{
	atomic {
		run sleeper(0);
		run sleeper(1);
		run notifier()
	}
}
