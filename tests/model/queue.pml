/* A queue in shared memory and kill -9: ring/queue.c and ring/recovery.c. Each store to shared memory is one step, and
 * any process may be killed before any of them. A lock whose owner is killed is marked, and who takes it repairs.
 *
 * Records are all of one size here: a position is a number, its place is position % PLACES.
 *
 * Asserted
 *   - nobody receives what was not sent, or what is just being written over
 *   - nothing is received twice (with a lease: only if who had it was killed)
 *   - at the end, when somebody has cleared up and taken what is left: every message that appeared was received, or was
 *     in the hands of a receiver that was killed (with a lease: it was received); the ring is empty; the count of what is
 *     gone is right
 *
 *   - END: a receiver is told the end only when nothing can come any more: every message that appeared was received, or
 *     was in the hands of a receiver that was killed
 *
 * Options: LEASE (receivers lease), RESERVE (senders reserve and commit), END (receivers ask for the end). Each sender
 * sends EACH messages.
 * Mutants: spin must find the error
 *   NO_HEAD_BEHIND    the head behind a record is not cleared before it appears
 *   NO_REPAIR_SEND    the senders' end is not repaired
 *   NO_REPAIR_FAR     the receivers' end is not repaired: how many were given back
 *   NO_RECOUNT        the count is not repaired
 *   FREE_FIRST        the head moves before the record is marked as handed over (with LEASE)
 *   NO_CLEAR          what a dead receiver leased is not given back (with LEASE)
 *   END_BY_LIFE       the end is concluded from who lives, when a try has found nothing (with END RESERVE, END LEASE)
 *   END_NO_LEASES     a lease of another receiver does not keep it waiting (with END LEASE)
 */
#ifndef PLACES
#define PLACES 4
#endif
#ifndef SENDERS
#define SENDERS 1
#endif
#ifndef RECEIVERS
#define RECEIVERS 2
#endif
#ifndef EACH
#define EACH 2
#endif
#define MESSAGES (SENDERS * EACH)
#define PROCESSES (SENDERS + RECEIVERS)
#define NOTHING 0
#define READY 1
#define RESERVED 2
#define LEASED 3
#define DONE 4
#define NOBODY 255

/* The ring */
byte word[PLACES], member[PLACES], sequence[PLACES], body[PLACES];
byte position, sent;              /* the senders' end */
byte head, next, far, gone;       /* the receivers' end; gone: counted */
byte lock[2] = NOBODY;            /* whose it is: 0 the senders', 1 the receivers' */
bool died[2];
bool dead[PROCESSES], left[PROCESSES]; /* its byte of the file is free */

/* Ghosts */
byte appeared;                    /* messages, in this order: message n is in the record of sequence n */
bool visible[MESSAGES], received[MESSAGES], in_dead_hands[MESSAGES];
bool lent_to_the_dead[MESSAGES];
byte finished;

#define AT(p) ((p) % PLACES)

/* Killed here, between two steps. Its locks are marked, its place in the file is free. */
#define MAY_DIE if :: skip :: mortal -> goto killed fi
#define STEP(x) MAY_DIE; x

inline take(which)
{
	atomic { lock[which] == NOBODY -> lock[which] = _pid; suspect = died[which]; died[which] = false }
}
inline give(which) { atomic { lock[which] = NOBODY } }

inline repair_senders()
{
#ifndef NO_REPAIR_SEND
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

inline recount()
{
	atomic {
		seen = sequence[AT(head)]; at = head;
		do
		:: at - head < PLACES && word[AT(at)] != NOTHING ->
			if
			:: word[AT(at)] == DONE -> seen++
			:: else
			fi;
			at++
		:: else -> break
		od
	};
#ifndef NO_RECOUNT
	STEP(gone = seen);
#endif
	seen = 0; at = 0
}

inline repair_receivers()
{
	if
	:: suspect ->
		atomic {
			at = head; seen = 0; low = head;
			do
			:: at != next ->
				if
				:: word[AT(at)] == DONE && at == low -> low++
				:: word[AT(at)] == READY -> seen++
				:: else
				fi;
				at++
			:: else -> break
			od
		};
#ifndef NO_REPAIR_FAR
		STEP(far = seen);
#endif
		STEP(head = low);
		atomic { low = 0; seen = 0; at = 0 };
		recount()
	:: else
	fi;
	suspect = false
}

/* The place of one who was killed is cleared by somebody who holds the receivers' end. */
inline clear_place(who)
{
	at = head;
	do
	:: at - head < PLACES && !(at >= next && word[AT(at)] == NOTHING) ->
		if
		:: member[AT(at)] == who && word[AT(at)] == LEASED ->
#ifndef NO_CLEAR
			STEP(word[AT(at)] = READY);
			if
			:: at < next -> STEP(far++)
			:: else
			fi
#else
			skip
#endif
		:: member[AT(at)] == who && word[AT(at)] == RESERVED ->
			STEP(word[AT(at)] = DONE);
			STEP(gone++)
		:: else
		fi;
		at++
	:: else -> break
	od;
	at = 0;
	STEP(left[who] = true)
}

inline send_one()
{
	take(0);
	repair_senders();
	if
	:: position - head + 2 > PLACES -> give(0)
	:: else -> append()
	fi
}

inline append()
{
	STEP(sequence[AT(position + 1)] = sent + 1);
#ifndef NO_HEAD_BEHIND
	STEP(word[AT(position + 1)] = NOTHING);
#endif
	STEP(sequence[AT(position)] = sent);
	STEP(body[AT(position)] = NOBODY); /* half written */
	STEP(body[AT(position)] = sent);
	mine = position;
#ifdef RESERVE
	STEP(atomic { member[AT(mine)] = _pid; word[AT(mine)] = RESERVED });
#else
	STEP(atomic { member[AT(mine)] = _pid; word[AT(mine)] = READY; visible[sent] = true });
#endif
	STEP(sent++);
	STEP(position++);
	MAY_DIE;
	give(0);
#ifdef RESERVE
	STEP(atomic { word[AT(mine)] = READY; visible[sequence[AT(mine)]] = true });
#endif
	mine = 0
}

/* The first that can be had: `at`, or there is none. The end is locked. */
inline find_one()
{
	at = head; some = false;
	if
	:: far ->
		do
		:: at != next && word[AT(at)] == READY -> some = true; break
		:: at != next && word[AT(at)] != READY -> at++
		:: else -> break
		od
	:: else
	fi;
	if
	:: !some && far -> STEP(far = 0)
	:: else
	fi;
	do
	:: !some && (word[AT(next)] == DONE || word[AT(next)] == LEASED) ->
		STEP(next++);
		advance()
	:: else -> break
	od;
	if
	:: !some && word[AT(next)] == READY -> some = true; at = next
	:: else
	fi
}

inline advance()
{
	low = head;
	do
	:: low != next && word[AT(low)] == DONE -> low++
	:: else -> break
	od;
	STEP(head = low);
	low = 0
}

inline pass()
{
	if
	:: at == next -> STEP(next++)
	:: else -> STEP(far--)
	fi
}

inline got(n)
{
	assert(visible[n] && body[AT(at)] == n);
	assert(!received[n])
}

inline consume()
{
	atomic { taken = sequence[AT(at)]; got(taken) };
	if
	:: at == next && at == head ->
		STEP(next++);
		STEP(head++)
	:: else ->
		STEP(word[AT(at)] = DONE);
		pass();
		advance()
	fi;
	STEP(gone++)
}

inline lease()
{
	taken = sequence[AT(at)];
	assert(visible[taken] && body[AT(at)] == taken && !received[taken]);
	STEP(atomic { member[AT(at)] = _pid; word[AT(at)] = LEASED });
	mine = at;
	pass()
}

inline finish_lease()
{
	take(1);
	repair_receivers();
	assert(word[AT(mine)] == LEASED && member[AT(mine)] == _pid && sequence[AT(mine)] == taken);
	assert(body[AT(mine)] == taken);
#ifdef FREE_FIRST
	STEP(if :: head == mine -> head++ :: else fi);
#endif
	MAY_DIE;
	atomic { word[AT(mine)] = DONE; received[taken] = true };
	advance();
	STEP(gone++);
	MAY_DIE;
	give(1);
	mine = 0; taken = NOBODY
}

/* The place of whoever is dead and has left something, or NOBODY. */
inline find_dead()
{
	atomic {
		if
		:: dead[0] && !left[0] -> low = 0
		:: dead[1] && !left[1] -> low = 1
#if PROCESSES > 2
		:: dead[2] && !left[2] -> low = 2
#endif
#if PROCESSES > 3
		:: dead[3] && !left[3] -> low = 3
#endif
		:: else -> low = NOBODY
		fi;
		who = low; low = 0
	}
}

inline clear_the_dead()
{
	take(1);
	repair_receivers();
	if
	:: !left[who] -> clear_place(who)
	:: else
	fi;
	MAY_DIE;
	give(1)
}

#if SENDERS > 1
#define NO_SENDER ((left[0] || dead[0]) && (left[1] || dead[1]))
#else
#define NO_SENDER (left[0] || dead[0])
#endif

/* ring/ending.c: no sender lives; the dead are settled; then, under the lock, nothing is left that may be handed to us. */
inline ask_for_the_end()
{
	if
	:: NO_SENDER ->
#ifdef END_BY_LIFE
		take(1); repair_receivers(); find_one();
		if :: !some -> told_the_end() :: else fi;
		give(1)
#else
		do
		:: find_dead();
			if
			:: who == NOBODY -> break
			:: else -> clear_the_dead()
			fi
		od;
		take(1); repair_receivers();
		atomic {
			at = head; some = false;
			do
			:: at - head < PLACES && word[AT(at)] != NOTHING ->
				if
				:: word[AT(at)] == DONE
#ifdef END_NO_LEASES
				:: word[AT(at)] == LEASED
#else
				:: word[AT(at)] == LEASED && member[AT(at)] == _pid
#endif
				:: else -> some = true
				fi;
				at++
			:: else -> break
			od;
			at = 0;
			if :: !some -> told_the_end() :: else fi
		};
		MAY_DIE;
		give(1)
#endif
	:: else
	fi;
	who = 0; some = false
}

inline told_the_end()
{
	atomic {
		low = 0;
		do
		:: low < MESSAGES ->
			assert(!visible[low] || received[low] || in_dead_hands[low]);
			low++
		:: else -> break
		od;
		low = 0
	}
}

#define PRIVATE \
	byte at, low, seen, mine, n, who; \
	byte taken = NOBODY; \
	bool suspect, some, mortal

/* Everything a process leaves when the kernel ends it, in one step. */
inline die()
{
	atomic {
		if :: lock[0] == _pid -> lock[0] = NOBODY; died[0] = true :: else fi;
		if :: lock[1] == _pid -> lock[1] = NOBODY; died[1] = true :: else fi;
		if
		:: taken != NOBODY && !received[taken] -> in_dead_hands[taken] = true
		:: else
		fi;
		dead[_pid] = true; finished++
	}
}

active [SENDERS] proctype Sender()
{
	PRIVATE;
	mortal = true;
	do
	:: n < EACH -> send_one(); n++
	:: n < EACH -> break
	:: else -> break
	od;
	atomic { finished++; left[_pid] = true };
	goto over;
killed:
	die();
over:
	atomic { at = 0; who = 0; low = 0; seen = 0; mine = 0; n = 0; suspect = false; some = false; mortal = false; taken = NOBODY }
}

active [RECEIVERS] proctype Receiver()
{
	PRIVATE;
	mortal = true;
	do
	:: n < EACH ->
		n++;
		take(1);
		repair_receivers();
		find_one();
		if
		:: !some -> give(1)
		:: some ->
#ifdef LEASE
			lease();
			MAY_DIE;
			give(1);
			MAY_DIE;
			finish_lease()
#else
			consume();
			MAY_DIE;
			atomic { received[taken] = true; taken = NOBODY };
			give(1)
#endif
		fi
	:: n < EACH ->
		find_dead();
		if
		:: who != NOBODY -> clear_the_dead()
		:: else
		fi;
		who = 0
#ifdef END
	:: n < EACH -> n++; ask_for_the_end()
#endif
	:: break
	od;
	atomic { finished++; left[_pid] = true };
	goto over;
killed:
	die();
over:
	atomic { at = 0; who = 0; low = 0; seen = 0; mine = 0; n = 0; suspect = false; some = false; mortal = false; taken = NOBODY }
}

/* Who comes last, and is not killed: takes both ends, clears up, and takes all that is left. */
active proctype Last()
{
	PRIVATE;
	finished == PROCESSES;
	atomic {
		take(0); repair_senders(); give(0);
		take(1); repair_receivers();
		for (n : 0 .. PROCESSES - 1) {
			if
			:: dead[n] && !left[n] -> clear_place(n)
			:: else
			fi
		}
		n = 0;
		do
		:: find_one();
			if
			:: some -> consume(); received[taken] = true; taken = NOBODY
			:: else -> break
			fi
		od;
		give(1);
		assert(head == position && next == position && gone == sent);
		assert(position == sent);
		for (n : 0 .. MESSAGES - 1) {
			assert(!visible[n] || received[n]
#ifndef LEASE
				|| in_dead_hands[n]
#endif
			)
		}
	};
killed:
	skip
}
