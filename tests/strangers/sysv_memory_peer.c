/* A program that knows nothing of us, at the other side of a semaphore set and a segment.
 *   sysv_memory_peer op SETKEY INDEX CHANGE [undo]   one semop; "done" when it is; with undo it then waits to be killed
 *   sysv_memory_peer make SETKEY N                   makes a set and raises each semaphore by its index + 1, one by one
 *   sysv_memory_peer wait-made SETKEY                waits as published programs do: until sem_otime is not 0; the values
 *   sysv_memory_peer write MEMORYKEY SETKEY TEXT     attaches, waits for semaphore 0, writes a struct, raises 1
 *   sysv_memory_peer read MEMORYKEY SETKEY           attaches read-only, waits for semaphore 1, prints the struct
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

struct page {
    char kind;
    int number;
    double weight;
    char text[32];
};

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static void check(int fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(1);
    }
}

static int set_of(const char *key)
{
    int id = semget((key_t)strtoul(key, NULL, 0), 0, 0);
    check(id >= 0, "semget");
    return id;
}

static void operate(int id, int index, int change, int flags)
{
    struct sembuf op = {(unsigned short)index, (short)change, (short)flags};
    check(semop(id, &op, 1) == 0, "semop");
}

static void make(const char *key, int count)
{
    int id = semget((key_t)strtoul(key, NULL, 0), count, IPC_CREAT | IPC_EXCL | 0600);
    check(id >= 0, "semget");
    for (int i = 0; i < count; i++)
        operate(id, i, i + 1, 0);
}

static void wait_made(int id)
{
    struct semid_ds now;
    unsigned short values[100];
    union semun argument = {.buf = &now};
    struct timespec moment = {0, 1000000};
    for (;;) {
        check(semctl(id, 0, IPC_STAT, argument) == 0, "IPC_STAT");
        if (now.sem_otime)
            break;
        nanosleep(&moment, NULL);
    }
    argument.array = values;
    check(semctl(id, 0, GETALL, argument) == 0, "GETALL");
    for (unsigned long i = 0; i < now.sem_nsems; i++)
        printf("%d ", values[i]);
}

static struct page *attached(const char *key, int flags)
{
    int id = shmget((key_t)strtoul(key, NULL, 0), 0, 0);
    void *at;
    check(id >= 0, "shmget");
    at = shmat(id, NULL, flags);
    check(at != (void *)-1, "shmat");
    return at;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 2 ? argv[1] : "";
    alarm(60); /* whatever happens, nobody is left behind */
    if (strcmp(verb, "op") == 0 && argc > 4) {
        operate(set_of(argv[2]), atoi(argv[3]), atoi(argv[4]), argc > 5 ? SEM_UNDO : 0);
        puts("done");
        fflush(stdout);
        if (argc > 5)
            pause();
    } else if (strcmp(verb, "make") == 0 && argc > 3) {
        make(argv[2], atoi(argv[3]));
    } else if (strcmp(verb, "wait-made") == 0) {
        wait_made(set_of(argv[2]));
    } else if (strcmp(verb, "write") == 0 && argc > 4) {
        struct page *page = attached(argv[2], 0);
        int set = set_of(argv[3]);
        operate(set, 0, -1, 0);
        page->kind = 'c', page->number = -7, page->weight = 2.5;
        memset(page->text, 0, sizeof page->text);
        memcpy(page->text, argv[4], strnlen(argv[4], sizeof page->text));
        operate(set, 1, 1, 0);
    } else if (strcmp(verb, "read") == 0 && argc > 3) {
        struct page *page = attached(argv[2], SHM_RDONLY);
        operate(set_of(argv[3]), 1, -1, 0);
        printf("%c %d %g %.32s", page->kind, page->number, page->weight, page->text);
    } else {
        fputs("op, make, wait-made, write or read\n", stderr);
        return 2;
    }
    return 0;
}
