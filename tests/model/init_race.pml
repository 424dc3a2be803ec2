/* How `ensure`, `create` and `open` make a System V semaphore set and give it its values without a race.
 * The page is docs/design/semaphore-initialisation.md; the letters a to f are the steps there.
 *
 * Every system call is one step, and any process may be killed before any of them. A kill lets go the creation lock
 * and does nothing else. A process whose deadline comes lets go the lock and leaves: for the others that is a kill.
 * Anybody may remove the set at any time, REMOVALS times; an id is never given twice, and calls on a removed set fail.
 *
 * Asserted
 *   - a set is initialised once, and never after somebody has begun to rely on its values
 *   - who is given a set by `ensure`, `create` or `open` finds it initialised and its sem_otime not 0
 *   - what was taken from a semaphore is not there a second time
 *   - nobody is left waiting (no invalid end state), and every run ends (-DNP, pan -l: no cycle at all)
 *
 * Surroundings, each an option
 *   STRANGER     a program that does not know the lock: creates with IPC_EXCL, then one SETALL, without sem_otime, then
 *                uses the set; if it comes second it waits for sem_otime, as published. ASSUMED: between its semget
 *                and its SETALL it takes no longer than the grace, unless it is killed
 *   HIDDEN_PIDS  GETPID may give 0 for who has touched a semaphore: it is in another pid namespace
 *   ZEROS        the initial values are 0, the stranger's too (else all are 1)
 *   OTHER_SIZE   at first there is a set with too few semaphores
 *   GRACE_WITHOUT_LOCK  the lock is let go during the grace; then from the start
 *
 * Mutants: spin must find the error
 *   WITHOUT_LOCK       sem_otime == 0: initialise, without the lock
 *   WITHOUT_RECHECK    under the lock, do not look whether it has been done meanwhile
 *   WITHOUT_GRACE      have no patience (with STRANGER)
 *   LOCK_STAYS         a lock that the death of its holder does not undo
 *   ONE_BY_ONE         SETVAL for each semaphore instead of SETALL
 *   FLAG_FIRST         raise sem_otime, then SETALL
 *   FLAG_LEFT_DOWN     accept a set that has values but no sem_otime without raising it (with HIDDEN_PIDS)
 *   FLAG_SEEN_EARLY    look at sem_otime before the values, not after them again (with STRANGER and HIDDEN_PIDS)
 *   OPEN_ACCEPTS       `open` accepts a set that nobody has initialised
 *   EINVAL_IS_REMOVED  take semget's EINVAL for a removed set and start again (with OTHER_SIZE; an endless loop)
 * Limits: what no lock of ours can cure, and spin finds it
 *   ZEROS, STRANGER and HIDDEN_PIDS together: its SETALL to 0 cannot be seen
 *   STRANGER_ONE_BY_ONE  the stranger raises its semaphores with one semop each: the published program
 */

#ifndef N
#define N 2 /* semaphores */
#endif
#ifndef P
#define P 3 /* processes of ours */
#endif
#ifndef REMOVALS
#define REMOVALS 1
#endif
#ifdef ZEROS
#define INITIAL 0
#else
#define INITIAL 1
#endif

#define ENSURE 0
#define CREATE 1
#define OPEN 2

/* The set behind the key */
#ifdef OTHER_SIZE
byte newest = 1, set = 1;
bool small = true;
#else
byte newest; /* ids given so far */
byte set;    /* its id; 0: there is none */
bool small;  /* it has fewer than N semaphores: semget(key, N, 0) is EINVAL */
#endif
bool otime;  /* sem_otime != 0 */
bool value[N];
bool sempid[N]; /* sempid != 0 */

byte holder;  /* of the creation lock; 0: nobody */
byte working; /* the set that a stranger has made and not initialised yet */

/* Ghosts */
bool initialised;
bool relied; /* somebody counts on the values */
bool taken[N];

#define ME (_pid + 1)
#define GONE (id != set)

inline forget_values()
{
	otime = false; initialised = false; relied = false;
	for (j : 0 .. N - 1) { value[j] = 0; sempid[j] = 0; taken[j] = false }
	j = 0
}

inline semget_new() { newest++; set = newest; id = newest }

inline put_values(v)
{
	for (j : 0 .. N - 1) { value[j] = v; sempid[j] = 1 }
	j = 0
}

inline check_once()
{
#ifndef ZEROS
	assert(!initialised);  /* with zeros a second time is harmless as long as nobody relies on them */
#endif
	assert(!relied)
}

bool peace; /* from now on nobody is killed: who is left waiting then, waits for ever */

#ifdef LOCK_STAYS
#define IS_KILLED :: !peace -> goto dead
#else
#define IS_KILLED :: atomic { !peace -> if :: holder == ME -> holder = 0 :: else fi; goto dead }
#endif

#ifdef WITHOUT_LOCK
#define TAKE_LOCK skip
#else
#define TAKE_LOCK atomic { holder == 0 -> holder = ME }
#endif
#define DROP_LOCK d_step { if :: holder == ME -> holder = 0 :: else fi }

inline take(i)  /* semop(id, {i, -1, IPC_NOWAIT}) */
{
	d_step { !GONE && value[i] -> assert(!taken[i]); value[i] = 0; taken[i] = true; otime = true; sempid[i] = 1 }
}

inline give(i)  /* semop(id, {i, +1}) */
{
	d_step { !GONE && !value[i] -> value[i] = 1; taken[i] = false; otime = true; sempid[i] = 1 }
}

inline clear(i)  /* semctl(id, i, SETVAL, 0): leaves sem_otime alone */
{
	d_step { !GONE -> value[i] = 0; sempid[i] = 1 }
}

active [P] proctype Process()
{
	byte id, i, j;
	byte role;
	bool made, touched;

	if
	:: role = ENSURE
	:: role = CREATE
	:: role = OPEN
	fi;

again:
	atomic { id = 0; i = 0; made = false; touched = false }
	if
	:: role == CREATE -> goto locking
	:: else
	fi;

	/* a: the fast path */
	if
	:: !small -> id = set  /* semget(key, N, 0) */
#ifdef EINVAL_IS_REMOVED
	:: small -> goto again
#else
	:: small -> goto leave
#endif
	IS_KILLED
	fi;
	if
	:: id == 0 && role == OPEN -> goto leave
	:: id == 0 && role == ENSURE -> goto locking
	:: else
	fi;
	if  /* stat */
	:: GONE -> goto again
	:: atomic { !GONE && otime -> relied = true; goto given }
	:: !GONE && !otime -> skip
	IS_KILLED
	fi;

locking:  /* b */
	if
	:: TAKE_LOCK
	IS_KILLED
	fi;

	/* c */
	if
	:: role == OPEN -> skip
	:: role != OPEN ->
		if  /* semget(key, N, IPC_CREAT | IPC_EXCL) */
		:: d_step { set == 0 -> semget_new(); made = true }
		:: set != 0 && role == CREATE -> goto give_up
		:: set != 0 && role == ENSURE -> skip
		IS_KILLED
		fi
	fi;
	if
	:: made -> goto initialise
	:: else
	fi;
	if
	:: !small -> id = set  /* semget(key, N, 0) */
	:: small -> goto give_up
	IS_KILLED
	fi;
	if
	:: id == 0 -> goto once_more
	:: else
	fi;

	/* d: is it done already? */
#ifdef WITHOUT_RECHECK
	if
	:: role == ENSURE -> goto initialise
	:: else
	fi;
#endif
	if  /* stat */
	:: GONE -> goto once_more
	:: atomic { !GONE && otime -> relied = true; goto unlock }
	:: !GONE && !otime -> skip
	IS_KILLED
	fi;

#ifdef GRACE_WITHOUT_LOCK
	if  /* sem_ctime is younger than the grace: the stranger may still be at work */
	:: working == id ->
		if
		:: DROP_LOCK
		IS_KILLED
		fi;
		if
		:: working != id -> goto again
		IS_KILLED
		fi
	:: else
	fi;
#elif !defined(WITHOUT_GRACE)
	if  /* the grace is over: the stranger has finished or is dead */
	:: working != id -> skip
	IS_KILLED
	fi;
#endif

	if  /* semctl(GETALL) */
	:: GONE -> goto once_more
	:: d_step {
			!GONE ->
			for (j : 0 .. N - 1) { touched = touched || value[j] }
			j = 0
		}
	IS_KILLED
	fi;
	do  /* semctl(GETPID), one after the other */
	:: i < N ->
		if
		:: GONE -> goto once_more
		:: d_step { !GONE -> touched = touched || sempid[i]; i++ }
#ifdef HIDDEN_PIDS
		:: d_step { !GONE -> i++ }
#endif
		IS_KILLED
		fi
	:: else -> i = 0; break
	od;
#ifndef FLAG_SEEN_EARLY
	if  /* stat, last: who has used the set, and may have taken its values to 0, has set sem_otime */
	:: GONE -> goto once_more
	:: atomic { !GONE && otime -> relied = true; goto unlock }
	:: !GONE && !otime -> skip
	IS_KILLED
	fi;
#endif
	if
#ifdef FLAG_LEFT_DOWN
	:: touched -> goto unlock
#else
	:: touched -> goto flag
#endif
#ifdef OPEN_ACCEPTS
	:: !touched && role == OPEN -> goto unlock
#else
	:: !touched && role == OPEN -> goto give_up
#endif
	:: !touched && role == ENSURE -> goto initialise
	fi;

initialise:  /* e */
#ifdef FLAG_FIRST
	if
	:: GONE -> goto once_more
	:: !GONE -> otime = true
	IS_KILLED
	fi;
#endif
#ifdef ONE_BY_ONE
	do
	:: i < N ->
		if  /* semctl(SETVAL) */
		:: GONE -> goto once_more
		:: d_step { !GONE -> check_once(); value[i] = INITIAL; sempid[i] = 1; i++; initialised = (i == N) }
		IS_KILLED
		fi
	:: else -> i = 0; break
	od;
#else
	if  /* semctl(SETALL) */
	:: GONE -> goto once_more
	:: d_step { !GONE -> check_once(); put_values(INITIAL); initialised = true }
	IS_KILLED
	fi;
#endif

flag:  /* semop that changes nothing */
	if
	:: GONE -> goto once_more
	:: d_step { !GONE -> otime = true; sempid[0] = 1; relied = true }
	IS_KILLED
	fi;

unlock:  /* f */
	if
	:: DROP_LOCK
	IS_KILLED
	fi;

given:
	atomic {
		if
#ifdef OPEN_ACCEPTS
		:: role == OPEN -> skip
#endif
#ifdef FLAG_LEFT_DOWN
		:: !GONE -> assert(initialised); relied = true
#else
		:: !GONE -> assert(initialised && otime)
#endif
		:: else
		fi
	}
	do  /* use it */
	:: i < N ->
		if
		:: take(i)
		:: give(i)
		:: clear(i)
		:: skip
		fi;
		i++
	:: else -> break
	od;
	goto leave;

once_more:
	if
	:: DROP_LOCK
	IS_KILLED
	fi;
	goto again;

give_up:  /* create: it exists; open: nobody has initialised it; the set that is there has too few semaphores */
	if
	:: DROP_LOCK
	IS_KILLED
	fi;
leave:
dead:
	atomic { id = 0; i = 0; role = 0; made = false; touched = false }
}

active proctype Killer() { peace = true }

active proctype Remover()
{
	byte removed, j;
	do
	:: d_step {  /* semctl(id, 0, IPC_RMID) */
			set != 0 && removed < REMOVALS ->
			set = 0; small = false; removed++;
			forget_values()
		}
	:: break
	od
}

#if defined(STRANGER) || defined(STRANGER_ONE_BY_ONE)
active proctype Stranger()
{
	byte id, i, j;

	if
	:: d_step { set == 0 -> semget_new(); working = id }
	:: set != 0 && !small -> id = set; goto loser
	:: goto dead
	fi;
#ifdef STRANGER_ONE_BY_ONE
	do
	:: i < N ->
		if
		:: GONE -> goto dead
		:: d_step {
				!GONE ->
				check_once();
				value[i] = INITIAL; sempid[i] = 1; otime = true;
				i++; initialised = (i == N); relied = initialised
			}
		:: goto dead
		fi
	:: else -> i = 0; break
	od;
#else
	if
	:: GONE -> goto dead
	:: d_step { !GONE -> check_once(); put_values(INITIAL); initialised = true; relied = true }
	:: goto dead
	fi;
#endif
	working = 0;
	goto user;
loser:
	if
	:: GONE -> goto dead
	:: !GONE && otime -> skip
	:: goto dead  /* it gives up, or is killed */
	fi;
user:
	atomic {
		if
		:: !GONE -> assert(initialised)
		:: else
		fi
	}
	do
	:: i < N ->
		if
		:: take(i)
		:: skip
		fi;
		i++
	:: else -> break
	od;
dead:
	atomic { working = 0; id = 0; i = 0 }
}
#endif
