/* Permits (robust/slots.c): slots with owners, and one word on which those sleep who found none.
 *
 * Claims: never more than S have a permit; nobody sleeps for ever; at the end every permit is back.
 *   KEEP             who has a permit may keep it for ever: then nobody may sleep while another is free
 *   KILLS=n, LOOK    as in robust_owner.pml; the kernel frees a dead one's slot and wakes nobody
 * What goes wrong otherwise:
 *   KILLS=1 without LOOK
 *   WITHOUT_PASS_ON, with KEEP: two give up at once, the second finds nobody noted as asleep
 *   LOOK_FIRST: the slots are looked at before the word is marked
 *   KEEP_NO_BIT: who was woken does not mark the word again
 */
#ifndef P
#define P 4
#endif
#ifndef S
#define S 2
#endif
#ifndef R
#define R 1
#endif
#ifndef KILLS
#define KILLS 0
#endif

byte slot[S];
bool marked; /* the word: bit 0, somebody sleeps or is about to */
byte number; /* and what changes */
bool asleep[P + 1];
byte inside, kills, ended;

#define DIE :: atomic { kills < KILLS -> kills++; goto dead }
#define ALL_TAKEN (slot[0] != 0 && slot[S - 1] != 0)

inline wake_one()
{
	if
	:: asleep[1] -> asleep[1] = false
	:: asleep[2] -> asleep[2] = false
	:: asleep[3] -> asleep[3] = false
#if P > 3
	:: asleep[4] -> asleep[4] = false
#endif
	:: else
	fi
}

inline announce() { d_step { marked = true; saw = number } }

active [P] proctype Process()
{
	byte me = _pid + 1, turns, saw, i, mine;
	bool slow, woken;

	do
	:: turns == R -> break
	:: else ->
		turns++; slow = false; woken = false; i = 0;

look:
		if
		:: atomic { i < S && slot[i] == 0 -> slot[i] = me; mine = i; inside++; assert(inside <= S) } goto got
		:: i < S && slot[i] != 0 -> i++; goto look
		:: i == S -> i = 0
		DIE
		fi;
		if
		:: !slow ->
			slow = true;
#ifdef LOOK_FIRST
			goto sleep
#endif
		:: slow && woken -> woken = false
		:: slow && !woken -> goto sleep
		fi;
		announce();
		goto look;

sleep:
#ifdef LOOK_FIRST
		announce();
#endif
		if  /* futex */
		:: d_step { (marked && number == saw) -> asleep[me] = true }
		:: !(marked && number == saw)
		DIE
		fi;
end_asleep:
		if
		:: !asleep[me]
#ifdef LOOK
		:: d_step { asleep[me] -> asleep[me] = false }
#endif
		DIE
		fi;
#ifdef KEEP_NO_BIT
		d_step { saw = number; woken = false };
		slow = false;
#else
		woken = false;
		announce();
#endif
		goto look;

got:
#ifndef WITHOUT_PASS_ON
		if
		:: atomic { slow && marked && !ALL_TAKEN -> wake_one() }
		:: !slow || !marked || ALL_TAKEN
		DIE
		fi;
#endif
		if
#ifdef KEEP
		:: goto end
#endif
		:: d_step { slot[mine] = 0; inside-- }
		DIE
		fi;
		if
		:: d_step { marked -> marked = false; number = (number + 1) % 8 }
			if
			:: atomic { true -> wake_one() }
			DIE
			fi
		:: !marked
		DIE
		fi
	od;
	goto end;

dead:
	atomic {
		asleep[me] = false;
		i = 0;
		do
		:: i < S && slot[i] == me -> slot[i] = 0; inside--; i++
		:: i < S && slot[i] != me -> i++
		:: i == S -> break
		od
	}
end:
	atomic {
		ended++;
		if
#ifndef KEEP
		:: ended == P -> assert(inside == 0 && slot[0] == 0 && slot[S - 1] == 0)
#endif
		:: else
		fi
	}
}

active proctype Watcher()  /* when nothing moves any more */
{
end_watching:
	timeout -> assert(ALL_TAKEN || !(asleep[1] || asleep[2] || asleep[3] || asleep[P]))
}
