/* uipc_spawn alone: programs start, descriptors land where they should, failures are told with their step. */
#include "spawn.h"
#include <stdio.h>
#include <stdlib.h>

extern char **environ;

static void check(int good, const char *what) {
    if (!good) {
        perror(what);
        exit(1);
    }
}

static int run(char *const *argv, int (*moves)[2], int move_count, const char *folder, const char **step) {
    char *const candidates[] = {argv[0], NULL};
    struct uipc_spawn plan = {.candidates = candidates, .argv = argv, .envp = environ, .folder = folder,
                              .moves = moves, .move_count = move_count};
    pid_t pid = -1;
    int pidfd = -1, status;
    int error = uipc_spawn(&plan, &pid, &pidfd);
    if (error) {
        *step = plan.step;
        return -error;
    }
    check(pidfd >= 0 && fcntl(pidfd, F_GETFD) == FD_CLOEXEC, "the pidfd is open and close-on-exec");
    check(waitpid(pid, &status, 0) == pid, "waitpid");
    close(pidfd);
    return WEXITSTATUS(status);
}

int main(void) {
    const char *step = "";
    char *fine[] = {"/bin/sh", "-c", "exit 7", NULL};
    check(run(fine, NULL, 0, NULL, &step) == 7, "exit status");

    /* a swap: what is our read end becomes its 1, what is our write end its 0 -- each is the other's target */
    int ends[2];
    check(pipe2(ends, O_CLOEXEC) == 0, "pipe2");
    int moves[][2] = {{ends[0], ends[1]}, {ends[1], ends[0]}};
    char number_in[16], number_out[16];
    snprintf(number_in, sizeof number_in, "%d", ends[1]);
    snprintf(number_out, sizeof number_out, "%d", ends[0]);
    char *swapped[] = {"/bin/sh", "-c", "echo swapped >&$1; read word <&$0; test \"$word\" = swapped", number_in, number_out, NULL};
    check(run(swapped, moves, 2, NULL, &step) == 0, "swapped descriptors");
    close(ends[0]);
    close(ends[1]);

    char *missing[] = {"/no/such/program", NULL};
    check(run(missing, NULL, 0, NULL, &step) == -ENOENT && strcmp(step, "execve(2)") == 0, "missing program");
    check(run(fine, NULL, 0, "/no/such/folder", &step) == -ENOENT && strcmp(step, "chdir(2)") == 0, "missing folder");
    int bad[][2] = {{9999, 1}};
    check(run(fine, bad, 1, NULL, &step) == -EBADF && strcmp(step, "fcntl(F_DUPFD_CLOEXEC)") == 0, "bad descriptor");
    check(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "no child is left");
    puts("spawn: ok");
    return 0;
}
