/* How a semaphore set is created and initialised in the programs that are usually copied: `initsem` of semdemo.c
 * in Beej's Guide to Unix IPC (the idea is Stevens'), in our own words.
 *
 *   creator   semget(key, N, IPC_CREAT | IPC_EXCL), then one semop for each semaphore: +1
 *   loser     EEXIST: semget(key, N, 0); looks at sem_otime until it is not 0; then uses the set
 *
 * The set has no values when it is made, and any semop sets sem_otime: the first one too.
 * The loser's patience (ten looks, a second each) is left out: it waits. So one that would give up, and would give up
 * again at every later start, is a process that never ends: an invalid end state.
 *
 *   -DN=2          an assertion fails: a loser uses semaphore 1 before it has its value
 *   -DN=1          no error
 *   -DALL_AT_ONCE  one semop for all of them: no error (but no more than SEMOPM semaphores, 500)
 *   -DKILL         any process may be killed before any step: the losers wait for ever, with any N
 */

#ifndef N
#define N 2 /* semaphores */
#endif
#ifndef P
#define P 3 /* processes */
#endif

#ifdef KILL
bool peace; /* from now on nobody is killed: who is left waiting then, waits for ever */
#define OR_IS_KILLED :: !peace -> goto dead

active proctype Killer() { peace = true }
#else
#define OR_IS_KILLED
#endif

bool exists;    /* there is a set behind the key */
bool otime;     /* its sem_otime is not 0 */
bool raised[N]; /* this semaphore was given its initial value */

active [P] proctype Program()
{
	byte i;
	bool creator;

	if
	:: atomic { !exists -> exists = true; creator = true }  /* semget with IPC_EXCL */
	:: exists -> skip                                       /* EEXIST */
	OR_IS_KILLED
	fi;

	if
	:: creator ->
#ifdef ALL_AT_ONCE
		if
		:: d_step {
				do
				:: i < N -> raised[i] = true; i++
				:: else -> break
				od;
				otime = true
			}
		OR_IS_KILLED
		fi
#else
		do
		:: i < N ->
			if
			:: d_step { raised[i] = true; otime = true; i++ }  /* semop(id, {i, +1}) */
			OR_IS_KILLED
			fi
		:: else -> break
		od
#endif
	:: else ->
		if
		:: otime -> skip  /* semctl(id, 0, IPC_STAT) */
		OR_IS_KILLED
		fi
	fi;

	for (i : 0 .. N - 1) { assert(raised[i]) };  /* it uses the set: every semaphore must have its value */
dead:
	skip
}
