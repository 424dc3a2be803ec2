/* A topic in shared memory and kill -9: ring/topic.c, with the sending of ring/queue.c. Each store to shared memory is
 * one step, and any process may be killed before any of them. A lock whose owner is killed is marked, and who takes it
 * repairs.
 *
 * Records are all of one size here: a position is a number, its place is position % PLACES. A message's number is its
 * position, too. In truth the head behind a record may lie on any byte of an older one: here it spoils its body.
 *
 * Asserted
 *   - nobody reads what was not published, or what is just being written over, and nothing twice
 *   - who is waited for misses nothing; who is told counts exactly what it missed
 *   - who lives when the publishers are gone gets to the end, and holds nobody back there
 *   - a reservation is there until its publisher settles it
 *   - at the end, when somebody has looked who was killed, a message more than the ring has places goes through
 *
 * Surroundings
 *   PUBLISHERS, each with EACH attempts; WAITED subscribers that are waited for, TOLD ones that are not; READS looks of
 *   each while there are publishers; LIVES: so often each of them subscribes, at the same place
 *   RESERVE  publishers reserve, and commit or give up
 * Mutants: spin must find the error
 *   NO_HEAD_BEHIND     the head behind a record is not cleared before it appears
 *   NO_REPAIR          the publishers' end is not repaired
 *   OLDEST_LAST        `oldest` moves when the record that needs its place is there
 *   NO_SECOND_LOOK     who is told does not look at `oldest` behind its copy
 *   FREE_FIRST         who is waited for frees a place before it has read it
 *   WITHOUT_LOCK       who subscribes reads the position without the publishers' lock
 *   MISS_UNCOUNTED     what was missed before a reservation that came to nothing is not counted (with RESERVE)
 *   PASS_UNSAID        who goes over such reservations does not say so (with RESERVE)
 *   OVER_RESERVED      `oldest` goes over a reservation (with RESERVE)
 *   NO_CLEAR           the place of a dead subscriber is not cleared
 *   NO_GIVE_UP         the reservations of a dead publisher are not given up (with RESERVE)
 */
#ifndef PLACES
#define PLACES 3
#endif
#ifndef PUBLISHERS
#define PUBLISHERS 1
#endif
#ifndef WAITED
#define WAITED 1
#endif
#ifndef TOLD
#define TOLD 0
#endif
#ifndef EACH
#define EACH 3
#endif
#ifndef READS
#define READS 2
#endif
#ifndef LIVES
#define LIVES 1
#endif
#define SUBSCRIBERS (WAITED + TOLD)
#define PROCESSES (PUBLISHERS + SUBSCRIBERS)
#define MOST (PUBLISHERS * EACH + PLACES + 2)
#define NOTHING 0
#define READY 1
#define RESERVED 2
#define DONE 4
#define NOBODY 255

/* The ring */
byte word[PLACES], owner[PLACES], sequence[PLACES], body[PLACES];
byte position, sent, far;          /* the publishers' end */
byte oldest;
byte lock = NOBODY;
bool died;
/* Subscribers' places */
bool state[SUBSCRIBERS], tells[SUBSCRIBERS];
byte cursor_of[SUBSCRIBERS];
bool dead[PROCESSES], left[PROCESSES]; /* left: its byte of the file is free, and its place is cleared */

/* Ghosts */
bool visible[MOST];
byte finished, publishers_gone;

#define AT(p) ((p) % PLACES)
#define ME (_pid - PUBLISHERS) /* a subscriber's place */
#define OVERRUN (tells[ME] && oldest > cursor)

/* Killed here, between two steps. */
#define MAY_DIE if :: skip :: mortal -> goto killed fi
#define STEP(x) MAY_DIE; x

inline take() { atomic { lock == NOBODY -> lock = _pid; suspect = died; died = false } }
inline give() { atomic { lock = NOBODY } }

inline repair()
{
#ifndef NO_REPAIR
	if
	:: suspect && word[AT(position)] != NOTHING ->
		if
		:: sent == sequence[AT(position)] -> STEP(sent++)
		:: else
		fi;
		STEP(position++)
	:: else
	fi;
#endif
	suspect = false
}

/* Where the slowest is that is waited for: a place may change between our looks at it. */
inline find_slowest()
{
	slow = position; i = 0;
	do
	:: i < SUBSCRIBERS ->
		if
		:: state[i] && !tells[i] ->
			if
			:: atomic { cursor_of[i] <= position && cursor_of[i] < slow && position - cursor_of[i] <= PLACES ->
				slow = cursor_of[i] }
			:: else
			fi
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

inline make_room()
{
	low = oldest; fits = true;
	do
	:: position - low + 2 > PLACES ->
		if
		:: far <= low -> find_slowest(); STEP(far = slow); slow = 0
		:: else
		fi;
		if
		:: far <= low -> fits = false; break
#ifndef OVER_RESERVED
		:: far > low && word[AT(low)] == RESERVED -> fits = false; break
		:: far > low && word[AT(low)] != RESERVED -> low++
#else
		:: far > low -> low++
#endif
		fi
	:: else -> break
	od;
#ifndef OLDEST_LAST
	if
	:: fits && low != oldest -> STEP(oldest = low)
	:: else
	fi;
	low = 0
#endif
}

inline append()
{
	STEP(sequence[AT(position + 1)] = sent + 1);
#ifndef NO_HEAD_BEHIND
	STEP(atomic { word[AT(position + 1)] = NOTHING; body[AT(position + 1)] = NOBODY });
#endif
	STEP(sequence[AT(position)] = sent);
	mine = position;
#ifdef RESERVE
	STEP(atomic { owner[AT(mine)] = _pid; word[AT(mine)] = RESERVED });
#else
	STEP(body[AT(mine)] = NOBODY); /* half written */
	STEP(body[AT(mine)] = sent);
	STEP(atomic { word[AT(mine)] = READY; visible[sent] = true });
#endif
	STEP(sent++);
	STEP(position++);
#ifdef OLDEST_LAST
	if
	:: low != oldest -> STEP(oldest = low)
	:: else
	fi;
	low = 0;
#endif
	MAY_DIE;
	give();
#ifdef RESERVE
	STEP(body[AT(mine)] = NOBODY);
	STEP(body[AT(mine)] = mine);
	MAY_DIE;
	atomic {
		assert(word[AT(mine)] == RESERVED && owner[AT(mine)] == _pid && sequence[AT(mine)] == mine);
		if
		:: word[AT(mine)] = READY; visible[mine] = true
		:: word[AT(mine)] = DONE
		fi
	};
#endif
	mine = 0
}

inline publish()
{
	take();
	repair();
	make_room();
	if
	:: fits -> append()
	:: else -> MAY_DIE; give()
	fi
}

/* Somebody who was killed, and whose place nobody has cleared: `who`, or NOBODY. */
inline find_dead()
{
	atomic {
		who = 0;
		do
		:: who < PROCESSES && !(dead[who] && !left[who]) -> who++
		:: else -> break
		od;
		if
		:: who == PROCESSES -> who = NOBODY
		:: else
		fi
	}
}

inline clear_place()
{
	if
	:: who >= PUBLISHERS ->
#ifndef NO_CLEAR
		STEP(state[who - PUBLISHERS] = false)
#else
		skip
#endif
	:: else ->
		take();
		repair();
		at = oldest;
		do
		:: at < position ->
#ifndef NO_GIVE_UP
			if
			:: word[AT(at)] == RESERVED && owner[AT(at)] == who -> STEP(word[AT(at)] = DONE)
			:: else
			fi;
#endif
			at++
		:: else -> break
		od;
		at = 0;
		MAY_DIE;
		give()
	fi;
	STEP(left[who] = true)
}

/* One after the other: who looks has the byte of the file that the dead one had, until it is killed itself. */
byte looking = NOBODY;
inline look()
{
	atomic { looking == NOBODY -> looking = _pid };
	find_dead();
	do
	:: who != NOBODY -> clear_place(); find_dead()
	:: else -> break
	od;
	atomic { who = 0; looking = NOBODY }
}

#define PRIVATE \
	byte at, low, slow, mine, n, i, who; \
	byte cursor, number, start, missed, got, nothing, seen; \
	bool suspect, fits, mortal, more

inline forget()
{
	atomic {
		at = 0; low = 0; slow = 0; mine = 0; n = 0; i = 0; who = 0; cursor = 0; number = 0; start = 0;
		missed = 0; got = 0; nothing = 0; seen = 0; suspect = false; fits = false; mortal = false; more = false
	}
}

inline die()
{
	atomic {
		if :: lock == _pid -> lock = NOBODY; died = true :: else fi;
		if :: looking == _pid -> looking = NOBODY :: else fi;
		dead[_pid] = true; finished++
	}
}

active [PUBLISHERS] proctype Publisher()
{
	PRIVATE;
	mortal = true;
	do
	:: n < EACH -> publish(); n++
	:: n < EACH -> break
	:: else -> break
	od;
	atomic { finished++; publishers_gone++; left[_pid] = true };
	goto over;
killed:
	atomic { die(); publishers_gone++ };
over:
	forget()
}

/* Its position moves behind the record there. */
inline move_behind()
{
	atomic {
		assert(seen == cursor);
#ifdef MISS_UNCOUNTED
		if :: word[AT(cursor)] == DONE -> skip :: else -> missed = missed + (seen - number) fi;
#else
		missed = missed + (seen - number);
#endif
		number = seen + 1; cursor++
	}
}

inline say_position()
{
	if
	:: !tells[ME] && cursor_of[ME] != cursor -> STEP(cursor_of[ME] = cursor)
	:: else
	fi
}

inline read_one()
{
	more = false;
	if
	:: OVERRUN -> atomic { if :: OVERRUN -> cursor = oldest :: else fi }
	:: else
	fi;
	atomic {
		if
		:: word[AT(cursor)] == READY -> fits = true; more = true
		:: word[AT(cursor)] == DONE -> fits = false; more = true
		:: else
		fi;
		seen = sequence[AT(cursor)]
	};
	if
	:: more && OVERRUN -> skip /* what we saw is no record any more */
	:: more && !OVERRUN && !fits ->
		move_behind();
		nothing++;
#ifndef PASS_UNSAID
		say_position()
#endif
	:: more && !OVERRUN && fits ->
#ifdef FREE_FIRST
		cursor++; say_position(); cursor--;
#endif
		at = body[AT(cursor)];
#ifdef NO_SECOND_LOOK
		if
		:: true ->
#else
		if
		:: OVERRUN -> skip
		:: else ->
#endif
			assert(at == seen && seen == cursor && visible[seen]);
			assert(tells[ME] || (seen == number && body[AT(cursor)] == seen));
			move_behind();
			got++;
			say_position()
		fi;
		at = 0
	:: !more
	fi;
	fits = false; seen = 0
}

inline subscribe()
{
	STEP(tells[ME] = true);
	STEP(state[ME] = true);
#ifdef WITHOUT_LOCK
	cursor = position; number = position;
	STEP(cursor_of[ME] = cursor);
#else
	take();
	repair();
	atomic { cursor = position; number = sent; assert(cursor == number) };
	STEP(cursor_of[ME] = cursor);
#endif
	if
	:: ME < WAITED -> STEP(tells[ME] = false)
	:: else
	fi;
#ifndef WITHOUT_LOCK
	MAY_DIE;
	give();
#endif
	start = cursor
}

active [SUBSCRIBERS] proctype Subscriber()
{
	PRIVATE;
	byte life;
	mortal = true;
again:
	subscribe();
	do
	:: n < READS && publishers_gone < PUBLISHERS -> read_one(); n++
	:: n == READS || publishers_gone == PUBLISHERS -> break
	:: life + 1 < LIVES -> break
	od;
	n = 0;
	if
	:: publishers_gone == PUBLISHERS ->
		look();
		do
		:: read_one();
			if
			:: more
			:: else -> break
			fi
		od;
		atomic {
			assert(cursor == position && cursor == start + got + missed + nothing);
			assert(tells[ME] || (missed == 0 && cursor_of[ME] == cursor))
		}
	:: life + 1 < LIVES -> skip
	fi;
	STEP(state[ME] = false);
	atomic { missed = 0; got = 0; nothing = 0; cursor = 0; number = 0; start = 0; more = false };
	if
	:: life + 1 < LIVES -> life++; goto again
	:: else
	fi;
	atomic { finished++; left[_pid] = true };
	goto over;
killed:
	die();
over:
	forget(); life = 0
}

/* Who comes last, and is not killed: looks who was, and publishes more than the ring has places. */
active proctype Last()
{
	PRIVATE;
	finished == PROCESSES;
	atomic {
		look();
		do
		:: n <= PLACES ->
			take(); repair(); make_room();
			assert(fits);
			sequence[AT(position + 1)] = sent + 1; word[AT(position + 1)] = NOTHING;
			sequence[AT(position)] = sent; word[AT(position)] = READY;
			sent++; position++;
			give(); n++
		:: else -> break
		od;
		assert(position == sent && lock == NOBODY)
	};
killed:
	skip
}
