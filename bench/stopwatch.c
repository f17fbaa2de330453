/* stopwatch PROGRAM ARG...: run it, then print "SECONDS CPU_SECONDS PEAK_KIB EXIT_STATUS" as the last line.
 * In C because a child's ru_maxrss starts with the memory of the process that forked it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

int main(int argc, char **argv)
{
    struct timespec began, ended;
    struct rusage usage;
    int status;
    pid_t child;

    if (argc < 2)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &began);
    child = fork();
    if (child == 0) {
        execv(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0) {
        perror("stopwatch");
        return 2;
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("\n%.6f %.6f %ld %d\n",
           ended.tv_sec - began.tv_sec + (ended.tv_nsec - began.tv_nsec) / 1e9,
           seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss,
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    return 0;
}
