/* sysv KIND N: one process does N times, after warming up; nanoseconds each.
 *   queue: send and receive 64 bytes; semaphore: acquire and release; memory: attach and detach 1 MiB
 * sysv stream N CPU CPU: N messages of 64 bytes from a process on the first CPU to one on the second; nanoseconds.
 */
#include "common.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

struct message {
    long type;
    char body[64];
};

static void queue_once(int id)
{
    struct message m = {1, "x"};
    check(msgsnd(id, &m, 64, 0) == 0 && msgrcv(id, &m, 64, 0, 0) == 64, "queue");
}

static void semaphore_once(int id)
{
    struct sembuf down = {0, -1, 0}, up = {0, 1, 0};
    check(semop(id, &down, 1) == 0 && semop(id, &up, 1) == 0, "semaphore");
}

static void memory_once(int id)
{
    void *at = shmat(id, NULL, 0);
    check(at != (void *)-1 && shmdt(at) == 0, "memory");
}

static double each(void (*once)(int), int id, long n)
{
    double begin = 0;
    for (long i = -n / 20; i < n; i++) {
        if (i == 0)
            begin = now_ns();
        once(id);
    }
    return (now_ns() - begin) / n;
}

static double stream(int id, long n, int sender_cpu, int receiver_cpu)
{
    struct message m = {1, "x"};
    struct gate gate;
    double begin;
    int status;
    gate_open(&gate);
    if (fork() == 0) {
        pin(sender_cpu);
        gate_wait(&gate);
        for (; n > 0; n--)
            check(msgsnd(id, &m, 64, 0) == 0, "msgsnd");
        _exit(0);
    }
    pin(receiver_cpu);
    begin = gate_start(&gate);
    for (; n > 0; n--)
        check(msgrcv(id, &m, 64, 0, 0) == 64, "msgrcv");
    begin = now_ns() - begin;
    check(wait(&status) > 0 && status == 0, "sender");
    return begin;
}

int main(int argc, char **argv)
{
    const char *kind = argc > 1 ? argv[1] : "";
    long n = argc > 2 ? atol(argv[2]) : 0;
    int id;
    double ns;
    check(n > 0, "usage: sysv KIND N [CPU CPU]");
    if (strcmp(kind, "semaphore") == 0) {
        struct sembuf up = {0, 1, 0};
        check((id = semget(IPC_PRIVATE, 1, 0600)) >= 0 && semop(id, &up, 1) == 0, "semget");
        ns = each(semaphore_once, id, n);
        semctl(id, 0, IPC_RMID);
    } else if (strcmp(kind, "memory") == 0) {
        check((id = shmget(IPC_PRIVATE, 1 << 20, 0600)) >= 0, "shmget");
        ns = each(memory_once, id, n);
        shmctl(id, IPC_RMID, NULL);
    } else {
        check((id = msgget(IPC_PRIVATE, 0600)) >= 0, "msgget");
        ns = argc > 4 ? stream(id, n, atoi(argv[3]), atoi(argv[4])) : each(queue_once, id, n);
        msgctl(id, IPC_RMID, NULL);
    }
    printf("%.1f\n", ns);
    return 0;
}
