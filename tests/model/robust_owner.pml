/* A lock word that knows its owner (robust/owner.c): taking, sleeping, giving up, and what the kernel does for the dead.
 *
 * Claims: two never hold it; who takes it from a dead owner is told, and nobody else; nobody sleeps for ever.
 *   KILLS=n          n processes are killed, each at any step
 *   LOOK             nobody sleeps longer than a look
 * What goes wrong otherwise:
 *   KILLS=1 without LOOK: a wake-up dies with who should have passed it on, after somebody else came in between
 *   FORGET_WAITERS: one who has slept takes the word without noting that others may sleep still
 *   WAKE_FIRST: the wake-up before the word is free
 */
#ifndef P
#define P 3 /* processes */
#endif
#ifndef R
#define R 2 /* turns of each */
#endif
#ifndef KILLS
#define KILLS 0
#endif

byte owner; /* the word: 0, or whose it is */
bool waiters, died; /* and the kernel's two flags */
bool asleep[P + 1];
byte holders, kills;
bool left_by_the_dead; /* what should be told */

#define DIE :: atomic { kills < KILLS -> kills++; goto dead }

inline wake_one()
{
	if
	:: asleep[1] -> asleep[1] = false
	:: asleep[2] -> asleep[2] = false
#if P > 2
	:: asleep[3] -> asleep[3] = false
#endif
	:: else
	fi
}

active [P] proctype Process()
{
	byte me = _pid + 1, turns, saw;
	bool slept, saw_died, was;

	do
	:: turns == R -> break
	:: else ->
		turns++; slept = false;

try:
		if
		:: atomic {
				owner == 0 ->
				owner = me;
#ifndef FORGET_WAITERS
				waiters = waiters || slept;
#endif
				holders++;
				assert(holders == 1);
				assert(died == left_by_the_dead);
				died = false; left_by_the_dead = false
			}
			goto held
		:: owner != 0
		DIE
		fi;
		if  /* note_waiter */
		:: owner == 0 -> slept = true; goto try
		:: d_step { owner != 0 -> waiters = true; saw = owner; saw_died = died }
		DIE
		fi;
		if  /* futex: compares and sleeps in one step */
		:: d_step { (owner == saw && waiters && died == saw_died) -> asleep[me] = true }
		:: !(owner == saw && waiters && died == saw_died) -> slept = true; goto try
		DIE
		fi;
		if
		:: !asleep[me]
#ifdef LOOK
		:: d_step { asleep[me] -> asleep[me] = false }
#endif
		DIE
		fi;
		slept = true;
		goto try;

held:
		if
		:: skip
		DIE
		fi;
#ifdef WAKE_FIRST
		atomic { if :: waiters -> wake_one() :: else fi };
		d_step { owner = 0; waiters = false; holders-- }
#else
		if  /* exchange */
		:: d_step { was = waiters; owner = 0; waiters = false; holders-- }
		DIE
		fi;
		if
		:: atomic { was -> wake_one() }
		:: !was
		DIE
		fi
#endif
	od;
	goto end;

dead:  /* the kernel: exit_robust_list; `pending` is set from try until the end of a release */
	atomic {
		asleep[me] = false;
		if
		:: owner == me ->
			holders--; owner = 0; died = true; left_by_the_dead = true;
			if
			:: waiters -> wake_one()
			:: else
			fi
		:: owner == 0 && !waiters && !died -> wake_one()
		:: else
		fi
	}
end:
	skip
}
