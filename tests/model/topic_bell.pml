/* How publishers and subscribers of a topic wake each other: ring/wakeup.c and ring/topic.c. One bell for messages, one
 * for room. Every subscriber reads every message; publishers wait for room until all have. bell.pml has the bell itself.
 *
 * Every line that touches shared memory is one atomic instruction. A subscriber looks TURNS times before a message
 * whether it can sleep; then it waits awake.
 *
 * Asserted: nobody sleeps for ever: each process comes to its end (spin: no invalid end state).
 *
 * Surroundings
 *   KILLS    subscriber 0 may be killed at any step. Who sleeps looks again by itself then, and clears its place
 * Mutants: spin must find the error
 *   WAKE_ONE          a message wakes one subscriber, not all
 *   NO_LAST_LOOK      sleep without looking once more after the bit is set
 *   BELL_BEFORE_ROOM  look at the bit before the position is there
 *   NO_BELL_FOR_ROOM  reading rings no bell
 *   NO_LOOK           who sleeps beside a dead one sleeps on (with KILLS)
 */
#ifndef PUBLISHERS
#define PUBLISHERS 1
#endif
#ifndef SUBSCRIBERS
#define SUBSCRIBERS 2
#endif
#ifndef EACH
#define EACH 2
#endif
#ifndef ROOM
#define ROOM 1
#endif
#ifndef TURNS
#define TURNS 2
#endif
#define ALL (PUBLISHERS * EACH)
#define PROCESSES (PUBLISHERS + SUBSCRIBERS)
#define MESSAGES 0
#define SPACE 1

byte published;
byte read[SUBSCRIBERS];
bool gone[SUBSCRIBERS]; /* its place is cleared */
bool dead;              /* subscriber 0 */
byte number[2];
bool flag[2];
bool asleep[PROCESSES]; /* publishers on SPACE, subscribers on MESSAGES */
byte lock;              /* the publishers' end */

#define READS(s) (gone[s] || published - read[s] < ROOM)
#if SUBSCRIBERS == 1
#define HAS_ROOM READS(0)
#elif SUBSCRIBERS == 2
#define HAS_ROOM (READS(0) && READS(1))
#else
#define HAS_ROOM (READS(0) && READS(1) && READS(2))
#endif
#define ME (_pid - PUBLISHERS)
#define HAS_MESSAGE (read[ME] < published)

#ifdef NO_LOOK
#define CAN_LOOK false
#else
#define CAN_LOOK dead
#endif
#ifdef KILLS
#define MAY_DIE if :: skip :: ME == 0 -> dead = true; break fi
#else
#define MAY_DIE skip
#endif

inline wake(bell, most)
{
	atomic {
		i = (bell == SPACE -> 0 : PUBLISHERS); woken = 0;
		do
		:: i < (bell == SPACE -> PUBLISHERS : PROCESSES) ->
			if
			:: asleep[i] && woken < most -> asleep[i] = false; woken++
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}

inline answer(bell, most)
{
	if
	:: flag[bell] ->
		atomic { number[bell]++; now = number[bell] };
		wake(bell, most);
		if
		:: atomic { !woken && number[bell] == now -> flag[bell] = false }
		:: else
		fi;
		atomic { now = 0; woken = 0 }
	:: else
	fi
}

inline look()
{
	if
	:: dead && !gone[0] ->
		gone[0] = true;
		answer(SPACE, PROCESSES);
		answer(MESSAGES, PROCESSES)
	:: else
	fi
}

/* Until `condition` may hold. With a dead one about, who sleeps comes back by itself. */
inline sleep(bell, condition)
{
	if
	:: turns == TURNS ->
		if
		:: condition -> skip
		:: CAN_LOOK && !gone[0] -> look()
		fi
	:: turns < TURNS ->
		turns++;
		atomic { number[bell]++; flag[bell] = true; mine = number[bell] };
#ifndef NO_LAST_LOOK
		if
		:: condition -> skip
		:: else ->
#endif
			if
			:: atomic { flag[bell] && number[bell] == mine -> asleep[_pid] = true };
				if
				:: !asleep[_pid] -> skip
				:: CAN_LOOK -> asleep[_pid] = false; look()
				fi
			:: !(flag[bell] && number[bell] == mine) -> skip
			fi
#ifndef NO_LAST_LOOK
		fi
#endif
		;
		mine = 0
	fi
}

#ifdef WAKE_ONE
#define MOST 1
#else
#define MOST PROCESSES
#endif

active [PUBLISHERS] proctype Publisher()
{
	byte n, i, now, woken, mine, turns;
	bool fits;
	do
	:: n < EACH ->
		atomic { fits = HAS_ROOM; if :: fits -> published++ :: else fi };
		if
		:: fits -> n++; turns = 0; answer(MESSAGES, MOST)
		:: else -> sleep(SPACE, HAS_ROOM)
		fi
	:: else -> break
	od
}

active [SUBSCRIBERS] proctype Subscriber()
{
	byte i, now, woken, mine, turns;
#ifdef BELL_BEFORE_ROOM
	bool rung;
#endif
	do
	:: HAS_MESSAGE ->
		turns = 0;
#ifdef BELL_BEFORE_ROOM
		rung = flag[SPACE];
		read[ME]++;
		if
		:: rung -> answer(SPACE, PROCESSES)
		:: else
		fi
#else
		read[ME]++;
		MAY_DIE;
#ifndef NO_BELL_FOR_ROOM
		answer(SPACE, PROCESSES)
#endif
#endif
	:: read[ME] == ALL -> break
	:: !HAS_MESSAGE && read[ME] < ALL -> sleep(MESSAGES, HAS_MESSAGE)
#ifdef KILLS
	:: ME == 0 -> dead = true; break
#endif
	od
}
