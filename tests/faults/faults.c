/* Makes system calls fail: loaded by LD_PRELOAD into a Python that runs one scenario after another (child.py).
 *
 * Each function below stands before libc's function of the same name. A call counts if it comes from our own compiled
 * modules, and for those with PYTHON also if the interpreter makes it for us (os.open and the like). What counts is
 * written into a log, and the n-th one of a kind can be made to fail. The control block is shared with forked children,
 * so that a call of the child can fail too (its role is 1), and is told apart from the same call of the parent.
 *
 * No libc header that declares one of these functions is included: all have the same shape here, six machine words.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

typedef long word;
typedef word (*call6)(word, word, word, word, word, word);
typedef word (*call7)(word, word, word, word, word, word, word);

enum how { MINUS, CODE, NOTHING };   /* -1 and errno; the errno itself; NULL and errno */
enum { PYTHON = 1, DONE = 2, MAPS = 4, UNMAPS = 8 };
/* DONE: the kernel does its part even when it reports a failure (close frees the number), so it is done first. */

#define TWICE(F, name, big, how, flags, sub) F(name, how, flags, sub) F(big, how, flags, sub)
#define FUNCTIONS(F)                                                                                                   \
    TWICE(F, open, open64, MINUS, PYTHON, -1)                                                                          \
    TWICE(F, openat, openat64, MINUS, PYTHON, -1)                                                                      \
    TWICE(F, fcntl, fcntl64, MINUS, 0, 1)                                                                              \
    TWICE(F, fstat, fstat64, MINUS, PYTHON, -1)                                                                        \
    TWICE(F, lseek, lseek64, MINUS, 0, -1)                                                                             \
    TWICE(F, lstat, lstat64, MINUS, PYTHON, -1)                                                                        \
    TWICE(F, stat, stat64, MINUS, PYTHON, -1)                                                                          \
    TWICE(F, fstatat, fstatat64, MINUS, PYTHON, -1)                                                                    \
    TWICE(F, fstatfs, fstatfs64, MINUS, 0, -1)                                                                         \
    TWICE(F, ftruncate, ftruncate64, MINUS, 0, -1)                                                                     \
    TWICE(F, mmap, mmap64, MINUS, MAPS, -1)                                                                            \
    TWICE(F, posix_fallocate, posix_fallocate64, CODE, 0, -1)                                                          \
    TWICE(F, pread, pread64, MINUS, 0, -1)                                                                             \
    TWICE(F, preadv2, preadv64v2, MINUS, 0, -1)                                                                        \
    TWICE(F, pwritev2, pwritev64v2, MINUS, 0, -1)                                                                      \
    TWICE(F, __open_2, __open64_2, MINUS, 0, -1)                                                                       \
    TWICE(F, poll, __poll_chk, MINUS, 0, -1)                                                                           \
    TWICE(F, ppoll, __ppoll_chk, MINUS, 0, -1)                                                                         \
    TWICE(F, read, __read_chk, MINUS, 0, -1)                                                                           \
    TWICE(F, recv, __recv_chk, MINUS, 0, -1)                                                                           \
    F(accept4, MINUS, 0, -1) F(bind, MINUS, 0, -1) F(chdir, MINUS, 0, -1) F(chmod, MINUS, PYTHON, -1)                  \
    F(clone, MINUS, 0, -1) F(close, MINUS, DONE, -1) F(connect, MINUS, 0, -1) F(dup2, MINUS, 0, -1)                    \
    F(dup3, MINUS, 0, -1) F(eventfd, MINUS, 0, -1) F(execve, MINUS, 0, -1) F(fchmod, MINUS, PYTHON, -1)                \
    F(fchmodat, MINUS, PYTHON, -1) F(flock, MINUS, 0, -1) F(fork, MINUS, PYTHON, -1) F(getpeername, MINUS, 0, -1)      \
    F(getrandom, MINUS, 0, -1) F(getsockname, MINUS, 0, -1) F(getsockopt, MINUS, 0, 2) F(ioctl, MINUS, 0, 1)           \
    F(kill, MINUS, 0, -1) F(linkat, MINUS, 0, -1) F(listen, MINUS, 0, -1) F(madvise, MINUS, 0, -1)                     \
    F(memfd_create, MINUS, 0, -1) F(mkdir, MINUS, PYTHON, -1) F(mkfifo, MINUS, PYTHON, -1)                             \
    F(mkfifoat, MINUS, PYTHON, -1) F(mlock, MINUS, 0, -1) F(mprotect, MINUS, 0, -1) F(mq_getattr, MINUS, 0, -1)        \
    F(mq_notify, MINUS, 0, -1) F(mq_open, MINUS, 0, -1) F(mq_timedreceive, MINUS, 0, -1) F(mq_timedsend, MINUS, 0, -1) \
    F(mq_unlink, MINUS, 0, -1) F(mremap, MINUS, 0, -1) F(msgctl, MINUS, 0, 1) F(msgget, MINUS, 0, -1)                  \
    F(msgrcv, MINUS, 0, -1) F(msgsnd, MINUS, 0, -1) F(msync, MINUS, 0, -1) F(munlock, MINUS, 0, -1)                    \
    F(munmap, MINUS, DONE | UNMAPS, -1) F(pipe2, MINUS, 0, -1) F(prctl, MINUS, 0, 0)                                   \
    F(opendir, NOTHING, 0, -1) F(readlinkat, MINUS, 0, -1) F(setns, MINUS, 0, -1)                                             \
    F(readlink, MINUS, PYTHON, -1) F(recvmsg, MINUS, 0, -1) F(rename, MINUS, PYTHON, -1)                               \
    F(renameat, MINUS, PYTHON, -1) F(rmdir, MINUS, PYTHON, -1) F(sem_getvalue, MINUS, 0, -1)                           \
    F(sem_init, MINUS, 0, -1) F(sem_post, MINUS, 0, -1) F(sem_trywait, MINUS, 0, -1) F(sem_wait, MINUS, 0, -1)         \
    F(semctl, MINUS, 0, 2) F(semget, MINUS, 0, -1) F(semop, MINUS, 0, -1) F(semtimedop, MINUS, 0, -1)                  \
    F(send, MINUS, 0, -1) F(sendmsg, MINUS, 0, -1) F(setpgid, MINUS, 0, -1) F(setsid, MINUS, 0, -1)                    \
    F(setsockopt, MINUS, 0, 2) F(shm_open, MINUS, 0, -1) F(shm_unlink, MINUS, 0, -1) F(shmat, MINUS, MAPS, -1)         \
    F(shmctl, MINUS, 0, 1) F(shmdt, MINUS, DONE | UNMAPS, -1) F(shmget, MINUS, 0, -1) F(shutdown, MINUS, 0, -1)        \
    F(sigaction, MINUS, 0, -1) F(signalfd, MINUS, 0, -1) F(sigpending, MINUS, 0, -1) F(sigqueue, MINUS, 0, -1)         \
    F(sigtimedwait, MINUS, 0, -1) F(sigwaitinfo, MINUS, 0, -1) F(socket, MINUS, 0, -1) F(socketpair, MINUS, 0, -1)     \
    F(splice, MINUS, 0, -1) F(tee, MINUS, 0, -1) F(timer_create, MINUS, 0, -1) F(timer_delete, MINUS, DONE, -1)        \
    F(timer_settime, MINUS, 0, -1) F(timerfd_create, MINUS, 0, -1) F(unlink, MINUS, PYTHON, -1) F(unlinkat, MINUS, PYTHON, -1)                         \
    F(unshare, MINUS, 0, -1) F(vmsplice, MINUS, 0, -1) F(waitpid, MINUS, 0, -1) F(write, MINUS, 0, -1)                 \
    F(pthread_create, CODE, 0, -1) F(malloc, NOTHING, 0, -1) F(calloc, NOTHING, 0, -1) F(syscall, MINUS, 0, 0)

#define NUMBER(name, how, flags, sub) AT_##name,
#define ROW(name, how, flags, sub) {#name, how, flags, sub},
enum { FUNCTIONS(NUMBER) COUNT };
static const struct { const char *name; enum how how; int flags, sub; } table[COUNT] = {FUNCTIONS(ROW)};

#define NAMED(name) {#name, SYS_##name},
static const struct { const char *name; word number; } numbers[] = {
    NAMED(futex) NAMED(gettid) NAMED(tgkill) NAMED(waitid) NAMED(pidfd_open) NAMED(pidfd_getfd)
    NAMED(pidfd_send_signal) NAMED(close_range) NAMED(rt_sigqueueinfo) NAMED(rt_tgsigqueueinfo)
    NAMED(rt_sigtimedwait) NAMED(get_robust_list) NAMED(futex_waitv) NAMED(openat2)
    NAMED(statx) NAMED(mq_getsetattr) NAMED(kcmp)};

enum mode { OFF, RECORD, ARMED, STORM };
struct entry { int which, role; word sub; };
#define MOST 8192
#define KINDS 4
static struct control {
    volatile int mode, which, role, error, hits, times;
    volatile word sub, nth, seen;
    unsigned chance;
    int stormy[COUNT], left[2][COUNT], struck;
    word kinds[COUNT][KINDS];
    int logged;
    struct entry log[MOST];
} *control;

static call6 real[COUNT];
static struct { uintptr_t from, to; int python; } ranges[64];
static int range_count, role, mappings, only_ours;
extern int pthread_atfork(void (*)(void), void (*)(void), void (*)(void));
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t);

static int note_object(struct dl_phdr_info *object, size_t size, void *data)
{
    const char *name = object->dlpi_name;
    int python = strstr(name, "libpython") != NULL || !*name;
    if (!python && (!strstr(name, "/unixipc/") || !strstr(name, ".so")))
        return 0;
    for (int i = 0; i < object->dlpi_phnum && range_count < 64; i++)
        if (object->dlpi_phdr[i].p_type == PT_LOAD && object->dlpi_phdr[i].p_flags & PF_X) {
            ranges[range_count].from = object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
            ranges[range_count].to = ranges[range_count].from + object->dlpi_phdr[i].p_memsz;
            ranges[range_count++].python = python;
        }
    return 0;
}

/* To be called again when more modules have been imported. */
void faults_look(void)
{
    range_count = 0;
    dl_iterate_phdr(note_object, NULL);
}

static void in_child(void) { role = 1; }

__attribute__((constructor)) static void begin(void)
{
    for (int i = 0; i < COUNT; i++)
        if (i != AT_malloc && i != AT_calloc && !real[i])
            real[i] = (call6)dlsym(RTLD_NEXT, table[i].name);
    control = (struct control *)real[AT_mmap](0, sizeof *control, 3, 0x21, -1, 0); /* read, write; shared, anonymous */
    pthread_atfork(NULL, NULL, in_child);
}

/* 1: from a module of ours, 2: from the interpreter, 0: from elsewhere. */
static int origin(void *caller)
{
    for (int i = 0; i < range_count; i++)
        if ((uintptr_t)caller >= ranges[i].from && (uintptr_t)caller < ranges[i].to)
            return 1 + ranges[i].python;
    return 0;
}

static int in_storm(int which, word sub)
{
    int kind = 0;
    if (!control->stormy[which])
        return 0;
    while (kind < control->stormy[which] && control->kinds[which][kind] != sub)
        kind++;
    if (kind == control->stormy[which])
        return 0;
    if (control->left[role][which]-- > 0) {
        __atomic_add_fetch(&control->struck, 1, __ATOMIC_SEQ_CST);
        return EINTR;
    }
    control->chance = control->chance * 1103515245u + 12345u; /* the same every time, and no rhythm to keep step with */
    control->left[role][which] = (int)(control->chance >> 16 & 0x7fff) % (control->times + 1);
    return 0;
}

static int decide(int which, word sub)
{
    if (control->mode == RECORD) {
        int at = __atomic_fetch_add(&control->logged, 1, __ATOMIC_SEQ_CST);
        if (at < MOST)
            control->log[at] = (struct entry){which, role, sub};
        return 0;
    }
    if (control->mode == STORM)
        return in_storm(which, sub);
    if (which != control->which || sub != control->sub || role != control->role)
        return 0;
    if (__atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST) != control->nth)
        return 0;
    control->hits++;
    return control->error;
}

/* A call that may not wait is another one than the call that may: no signal interrupts it. Bit 16 tells. */
#define AT_ONCE 0x10000
static int at_once(int which, const word *v)
{
    const word *limit = (const word *)v[2];
    switch (which) {
    case AT_ppoll: return limit && !limit[0] && !limit[1];
    case AT_flock: return v[1] & 12;                                      /* LOCK_NB, LOCK_UN */
    case AT_msgsnd: return v[3] & 04000;                                  /* IPC_NOWAIT, here and below */
    case AT_msgrcv: return v[4] & 04000;
    case AT_semop: return ((const short *)v[1])[2] & 04000;
    case AT_syscall: return (v[0] == SYS_futex && (v[2] & 127) == 1) ||   /* FUTEX_WAKE */
                            (v[0] == SYS_waitid && v[4] & 1);             /* WNOHANG */
    default: return 0;
    }
}

static word kind_of(int which, const word *v)
{
    return (table[which].sub < 0 ? 0 : (int)v[table[which].sub]) | (at_once(which, v) ? AT_ONCE : 0);
}

static int fault(int which, word sub, void *caller)
{
    int who;
    if (!control || control->mode == OFF || !(who = origin(caller)))
        return 0;
    if (who == 2 && (only_ours || !(table[which].flags & PYTHON)))
        return 0;
    return decide(which, sub);
}

static word failed(int which, int error)
{
    if (table[which].how == CODE)
        return error;
    errno = error;
    return table[which].how == MINUS ? -1 : 0;
}

static void note_mapping(int which, word result, void *caller)
{
    int change = table[which].flags & MAPS ? 1 : table[which].flags & UNMAPS ? -1 : 0;
    if (change && result != -1 && origin(caller) == 1)
        __atomic_add_fetch(&mappings, change, __ATOMIC_SEQ_CST);
}

static word act(int which, word *v, void *caller)
{
    word result = 0;
    int error = fault(which, kind_of(which, v), caller);
    if (!real[which])
        real[which] = (call6)dlsym(RTLD_NEXT, table[which].name);
    if (error && !(table[which].flags & DONE))
        return failed(which, error);
    result = real[which](v[0], v[1], v[2], v[3], v[4], v[5]);
    note_mapping(which, result, caller);
    return error ? failed(which, error) : result;
}

#define malloc faults_own_malloc
#define calloc faults_own_calloc
#define syscall faults_own_syscall
#define WRAPPER(name, how, flags, sub)                                                                                 \
    word name(word a, word b, word c, word d, word e, word f)                                                          \
    {                                                                                                                  \
        word v[6] = {a, b, c, d, e, f};                                                                                \
        return act(AT_##name, v, __builtin_return_address(0));                                                         \
    }
#define AT_faults_own_malloc AT_malloc
#define AT_faults_own_calloc AT_calloc
#define AT_faults_own_syscall AT_syscall
FUNCTIONS(WRAPPER)
#undef malloc
#undef calloc
#undef syscall

void *malloc(size_t n)
{
    int error = fault(AT_malloc, 0, __builtin_return_address(0));
    return error ? (void *)failed(AT_malloc, error) : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    int error = fault(AT_calloc, 0, __builtin_return_address(0));
    return error ? (void *)failed(AT_calloc, error) : __libc_calloc(n, size);
}

/* Raw system calls of those that have a function count as the function's. */
#define AS_FUNCTION(name) case SYS_##name: return AT_##name;
static int function_of(word number)
{
    switch (number) {
    AS_FUNCTION(fcntl) AS_FUNCTION(fstat)
    default: return AT_syscall;
    }
}

/* futex(2) has six arguments of its own. */
word syscall(word number, word a, word b, word c, word d, word e, word f)
{
    word v[6] = {number, a, b, c, d, e};
    int which = function_of(number);
    int error = fault(which, kind_of(which, which == AT_syscall ? v : v + 1), __builtin_return_address(0));
    return error ? failed(AT_syscall, error) : ((call7)real[AT_syscall])(number, a, b, c, d, e, f);
}

/* what Python calls */

int faults_count(void) { return COUNT; }
const char *faults_name(int which) { return which < COUNT ? table[which].name : NULL; }
const char *faults_syscall(int at, word *number)
{
    if (at >= (int)(sizeof numbers / sizeof *numbers))
        return NULL;
    *number = numbers[at].number;
    return numbers[at].name;
}
void faults_only_ours(int yes) { only_ours = yes; }
void faults_disarm(void) { control->mode = OFF; }
int faults_pause(void)
{
    int mode = control->mode;
    control->mode = OFF;
    return mode;
}
void faults_resume(int mode) { control->mode = mode; }
void faults_record(void)
{
    control->logged = 0;
    control->mode = RECORD;
}
int faults_logged(void) { return control->logged < MOST ? control->logged : MOST; }
void faults_entry(int at, int *which, int *whose, word *sub)
{
    *which = control->log[at].which;
    *whose = control->log[at].role;
    *sub = control->log[at].sub;
}
void faults_arm(int which, word sub, int whose, word nth, int error)
{
    control->which = which, control->sub = sub, control->role = whose, control->nth = nth, control->error = error;
    control->hits = 0, control->seen = 0;
    control->mode = ARMED;
}
int faults_hits(void) { return control->hits; }
void faults_interrupt(int which, word sub)
{
    if (control->stormy[which] < KINDS)
        control->kinds[which][control->stormy[which]++] = sub;
}
void faults_calm(void) { memset(control->stormy, 0, sizeof control->stormy); }
void faults_storm(int times)
{
    control->times = times, control->struck = 0, control->chance = 1;
    for (int i = 0; i < COUNT; i++)
        control->left[0][i] = control->left[1][i] = times;
    control->mode = STORM;
}
int faults_struck(void) { return control->struck; }
int faults_mappings(void) { return mappings; }
