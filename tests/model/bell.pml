/* How who waits at a channel is woken: ring/wakeup.c. Sleepers take items that wakers put there.
 *
 * The word is a bit (somebody may sleep) and a number. Every line that touches it is one atomic instruction.
 *
 * Asserted: when nothing moves any more, there are not both an item and a sleeper. And nobody is stuck elsewhere.
 *
 * Surroundings
 *   THIEF    somebody takes items without ever sleeping
 *   KILLS    a sleeper may be killed behind its wake-up, before it takes anything. ASSUMED: sleepers look again by
 *            themselves then (without that, LOST_WITH_THE_KILLED finds the error)
 * Mutants: spin must find the error
 *   NO_LAST_LOOK          sleep without looking once more after the bit is set
 *   BIT_WITHOUT_NUMBER    who is about to sleep sets the bit, and leaves the number
 *   RING_WITHOUT_NUMBER   who wakes leaves the number
 *   CLEAR_ALWAYS          clear the bit after a wake-up that found nobody, whatever the number is by then
 *   CLEAR_FIRST           clear the bit, then wake one
 *   BELL_BEFORE_ITEM      look at the bit before the item is there
 *   LOST_WITH_THE_KILLED  see KILLS
 */

#ifndef SLEEPERS
#define SLEEPERS 2
#endif
#ifndef WAKERS
#define WAKERS 2
#endif
#ifndef EACH
#define EACH 1 /* items of a waker */
#endif

#ifndef TURNS
#define TURNS 3 /* of a sleeper, without an item */
#endif

byte items;
byte number;
bool flag;
bool sleeping[SLEEPERS];
bool again; /* sleepers look again by themselves */

active [SLEEPERS] proctype Sleeper()
{
	byte mine, turns;

look:
	if
	:: atomic { items > 0 -> items--; mine = 0; goto look }
	:: items == 0 -> skip
	fi;
	if  /* its time is up */
	:: turns == TURNS -> goto gone
	:: turns < TURNS -> turns++
	fi;
#ifdef BIT_WITHOUT_NUMBER
	atomic { flag = true; mine = number };
#else
	atomic { number++; flag = true; mine = number };
#endif
#ifndef NO_LAST_LOOK
	if
	:: items > 0 -> goto look
	:: items == 0 -> skip
	fi;
#endif
	if  /* futex(FUTEX_WAIT): compares and sleeps in one step */
	:: atomic { flag && number == mine -> sleeping[_pid] = true }
	:: !(flag && number == mine) -> goto look
	fi;
end:
	if
	:: !sleeping[_pid] -> skip
	:: atomic { again && items > 0 -> sleeping[_pid] = false }
	fi;
#if defined(KILLS) || defined(LOST_WITH_THE_KILLED)
	if
	:: goto look
	:: goto dead
	fi;
dead:
#ifndef LOST_WITH_THE_KILLED
	again = true;
#endif
	goto gone;
#else
	goto look;
#endif
gone:
	skip
}

inline wake(one)  /* futex(FUTEX_WAKE): any one of them */
{
	atomic {
		if
		:: sleeping[0] -> sleeping[0] = false; one = true
#if SLEEPERS > 1
		:: sleeping[1] -> sleeping[1] = false; one = true
#endif
#if SLEEPERS > 2
		:: sleeping[2] -> sleeping[2] = false; one = true
#endif
		:: else -> one = false
		fi
	}
}

active [WAKERS] proctype Waker()
{
	byte now, n;
	bool one;

	do
	:: n < EACH ->
		n++;
#ifdef BELL_BEFORE_ITEM
		one = flag;
		items++;
		if
		:: one
		:: !one -> goto next
		fi;
#else
		items++;
		if
		:: flag
		:: !flag -> goto next
		fi;
#endif
#ifdef CLEAR_FIRST
		flag = false;
#endif
#ifdef RING_WITHOUT_NUMBER
		now = number;
#else
		atomic { number++; now = number };
#endif
		wake(one);
		if
		:: one
#ifdef CLEAR_ALWAYS
		:: !one -> flag = false
#else
		:: atomic { !one -> if :: number == now -> flag = false :: else fi }
#endif
		fi;
next:
		atomic { now = 0; one = false }
	:: else -> break
	od
}

#ifdef THIEF
active proctype Thief()
{
	byte n;
	do
	:: atomic { n < 2 && items > 0 -> items--; n++ }
	:: n < 2 -> n++
	:: else -> break
	od
}
#endif

active proctype Monitor()
{
end:
	timeout ->
	assert(items == 0 || !(sleeping[0]
#if SLEEPERS > 1
		|| sleeping[1]
#endif
#if SLEEPERS > 2
		|| sleeping[2]
#endif
	))
}
