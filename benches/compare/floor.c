/*
 * The floor: the system calls of an open in a plain loop, with nobody to wake and nothing to hand
 * over. Also what `ip netns exec` takes, and which namespace is which.
 *
 *     floor PATH...
 *
 * Reads commands from stdin, and answers each with a line of numbers:
 *
 *     open COUNT    nanoseconds of each of COUNT opens, over the namespaces in turn
 *     exec COUNT    nanoseconds of each of COUNT `ip netns exec NAME true`
 *     cookies       the kernel's number for each namespace (SO_NETNS_COOKIE)
 */

#include "native.h"
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

extern char **environ;

static void fail(const char *what, int error)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t cookie(int fd)
{
    uint64_t value;
    socklen_t size = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &value, &size) < 0)
        fail("SO_NETNS_COOKIE", errno);
    return value;
}

static int must_open(const char *path)
{
    int fd = open_in_netns(path, 0);
    if (fd < 0)
        fail(path, -fd);
    return fd;
}

static uint64_t time_open(const char *path, uint64_t expected)
{
    uint64_t start = now();
    int fd = must_open(path);
    uint64_t taken = now() - start;
    if (cookie(fd) != expected)
        fail(path, EXDEV);
    close(fd);
    return taken;
}

static uint64_t time_exec(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *arguments[] = {"ip", "netns", "exec", (char *)(slash ? slash + 1 : path), "true", NULL};
    pid_t child;
    int status;

    uint64_t start = now();
    int error = posix_spawnp(&child, "ip", NULL, NULL, arguments, environ);
    if (error != 0)
        fail("ip", error);
    waitpid(child, &status, 0);
    uint64_t taken = now() - start;
    if (status != 0)
        fail("ip netns exec", ECHILD);
    return taken;
}

int main(int argc, char **argv)
{
    int netns_count = argc - 1, next = 0;
    char **paths = argv + 1;
    uint64_t *cookies = calloc(argc, sizeof *cookies);
    char command[16];

    for (int i = 0; i < netns_count; i++) {
        int fd = must_open(paths[i]);
        cookies[i] = cookie(fd);
        close(fd);
    }
    while (netns_count > 0 && scanf("%15s", command) == 1) {
        int count = netns_count;
        if (strcmp(command, "cookies") != 0 && scanf("%d", &count) != 1)
            fail(command, EINVAL);
        for (int i = 0; i < count; i++, next++) {
            int at = next % netns_count;
            uint64_t number = strcmp(command, "cookies") == 0 ? cookies[i]
                              : strcmp(command, "exec") == 0  ? time_exec(paths[at])
                                                              : time_open(paths[at], cookies[at]);
            printf("%s%llu", i ? " " : "", (unsigned long long)number);
        }
        printf("\n");
        fflush(stdout);
    }
    return 0;
}
