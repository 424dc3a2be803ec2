/* maker KIND NAME: make one object, print its id (if it has one), keep it until the standard input ends, remove it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void checked(long result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static void wait_for_the_end(long id) {
    char byte;
    printf("%ld\n", id);
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
}

static void queue(key_t key) {
    struct { long type; char text[5]; } message = {3, "hello"};
    int id = msgget(key, IPC_CREAT | IPC_EXCL | 0640);
    checked(id, "msgget");
    checked(msgsnd(id, &message, 5, 0), "msgsnd");
    wait_for_the_end(id);
    msgctl(id, IPC_RMID, NULL);
}

static void set(key_t key) {
    struct sembuf up = {1, 4, 0};
    int id = semget(key, 3, IPC_CREAT | IPC_EXCL | 0640);
    checked(id, "semget");
    checked(semop(id, &up, 1), "semop");
    wait_for_the_end(id);
    semctl(id, 0, IPC_RMID);
}

static void segment(key_t key) {
    int id = shmget(key, 5000, IPC_CREAT | IPC_EXCL | 0640);
    checked(id, "shmget");
    checked((long)shmat(id, NULL, 0), "shmat");
    wait_for_the_end(id);
    shmctl(id, IPC_RMID, NULL);
}

static void posix_queue(const char *name) {
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 100};
    mqd_t id = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0640, &attributes);
    checked(id, "mq_open");
    checked(mq_send(id, "hello", 5, 1), "mq_send");
    wait_for_the_end(0);
    mq_unlink(name);
}

static void posix_semaphore(const char *name) {
    if (sem_open(name, O_CREAT | O_EXCL, 0640, 7) == SEM_FAILED)
        checked(-1, "sem_open");
    wait_for_the_end(0);
    sem_unlink(name);
}

static void posix_memory(const char *name) {
    int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0640);
    checked(fd, "shm_open");
    checked(ftruncate(fd, 8192), "ftruncate");
    char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    checked((long)memory, "mmap");
    close(fd);
    memory[0] = 1;
    wait_for_the_end(0);
    shm_unlink(name);
}

static void lock(const char *kind, const char *path) {
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
    checked(fd, "open");
    if (!strcmp(kind, "flock"))
        checked(flock(fd, LOCK_SH), "flock");
    else
        checked(fcntl(fd, strcmp(kind, "ofd") ? F_SETLK : F_OFD_SETLK, &range), "fcntl");
    wait_for_the_end(0);
    unlink(path);
}

static void fifo(const char *path) {
    checked(mkfifo(path, 0600), "mkfifo");
    checked(open(path, O_RDWR), "open");
    wait_for_the_end(0);
    unlink(path);
}

static void pipe_with_ends(void) {
    struct stat found;
    int ends[2];
    checked(pipe(ends), "pipe");
    fstat(ends[0], &found);
    wait_for_the_end((long)found.st_ino);
}

static void listener(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat found;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    checked(bind(fd, (struct sockaddr *)&address, sizeof address), "bind");
    checked(listen(fd, 5), "listen");
    fstat(fd, &found);
    wait_for_the_end((long)found.st_ino);
    unlink(path);
}

static void pair(void) {
    struct stat found;
    int ends[2];
    checked(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), "socketpair");
    checked(write(ends[1], "hello", 5), "write");
    fstat(ends[0], &found);
    wait_for_the_end((long)found.st_ino);
}

static void memfd(const char *name) {
    int fd = memfd_create(name, MFD_ALLOW_SEALING);
    struct stat found;
    checked(fd, "memfd_create");
    checked(ftruncate(fd, 4096), "ftruncate");
    checked(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), "fcntl");
    fstat(fd, &found);
    wait_for_the_end((long)found.st_ino);
}

static void mapping(const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    checked(fd, "open");
    checked(ftruncate(fd, 8192), "ftruncate");
    checked((long)mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), "mmap");
    close(fd);
    wait_for_the_end(0);
    unlink(path);
}

static void signals(void) {
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    checked(sigprocmask(SIG_BLOCK, &some, NULL), "sigprocmask");
    checked(kill(getpid(), SIGUSR2), "kill");
    wait_for_the_end(0);
}

int main(int count, char **words) {
    const char *kind = count > 2 ? words[1] : "", *name = count > 2 ? words[2] : "";
    key_t key = (key_t)strtoul(name, NULL, 0);
    if (!strcmp(kind, "sysv-queue")) queue(key);
    else if (!strcmp(kind, "sysv-set")) set(key);
    else if (!strcmp(kind, "sysv-segment")) segment(key);
    else if (!strcmp(kind, "posix-queue")) posix_queue(name);
    else if (!strcmp(kind, "posix-semaphore")) posix_semaphore(name);
    else if (!strcmp(kind, "posix-memory")) posix_memory(name);
    else if (!strcmp(kind, "flock") || !strcmp(kind, "ofd") || !strcmp(kind, "posix")) lock(kind, name);
    else if (!strcmp(kind, "fifo")) fifo(name);
    else if (!strcmp(kind, "pipe")) pipe_with_ends();
    else if (!strcmp(kind, "listener")) listener(name);
    else if (!strcmp(kind, "pair")) pair();
    else if (!strcmp(kind, "memfd")) memfd(name);
    else if (!strcmp(kind, "mapping")) mapping(name);
    else if (!strcmp(kind, "signals")) signals();
    else return 2;
    return 0;
}
