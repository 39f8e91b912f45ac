/*
 * The NIF way, to measure against: a thread for each open, on a dirty I/O scheduler. Its functions are
 * those of Linx's NIF; two more tell what the measuring itself has to know.
 */

#include "native.h"
#include <erl_nif.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define PATH_SIZE 4096
#define MOST_DESCRIPTORS 2048

struct request {
    char path[PATH_SIZE];
    int protocol;
    int result;
};

static void *serve(void *argument)
{
    struct request *request = argument;
    request->result = open_in_netns(request->path, request->protocol);
    return NULL;
}

static ERL_NIF_TERM failure(ErlNifEnv *env, ERL_NIF_TERM reason)
{
    return enif_make_tuple2(env, enif_make_atom(env, "error"), reason);
}

static ERL_NIF_TERM nif_open_in_netns(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    ErlNifBinary path;
    struct request request;
    pthread_t thread;

    if (argc != 2 || !enif_inspect_binary(env, argv[0], &path) || path.size >= PATH_SIZE ||
        !enif_get_int(env, argv[1], &request.protocol))
        return enif_make_badarg(env);
    memcpy(request.path, path.data, path.size);
    request.path[path.size] = '\0';

    int error = pthread_create(&thread, NULL, serve, &request);
    if (error != 0)
        return failure(env, enif_make_int(env, error));
    pthread_join(thread, NULL);
    if (request.result < 0)
        return failure(env, enif_make_int(env, -request.result));
    return enif_make_tuple2(env, enif_make_atom(env, "ok"), enif_make_int(env, request.result));
}

static ERL_NIF_TERM nif_bind_netlink(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int fd;
    unsigned int groups;
    if (argc != 2 || !enif_get_int(env, argv[0], &fd) || !enif_get_uint(env, argv[1], &groups))
        return enif_make_badarg(env);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return failure(env, enif_make_int(env, errno));
    return enif_make_atom(env, "ok");
}

static ERL_NIF_TERM nif_close_fd(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int fd;
    if (argc != 1 || !enif_get_int(env, argv[0], &fd))
        return enif_make_badarg(env);
    close(fd);
    return enif_make_atom(env, "ok");
}

/* How many of the lowest 2048 descriptors the BEAM has open, by one system call. */
static ERL_NIF_TERM nif_descriptors(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    (void)argc, (void)argv;
    static __thread struct pollfd polled[MOST_DESCRIPTORS];
    long limit = sysconf(_SC_OPEN_MAX);
    int most = limit > 0 && limit < MOST_DESCRIPTORS ? (int)limit : MOST_DESCRIPTORS, open = 0;
    for (int fd = 0; fd < most; fd++)
        polled[fd] = (struct pollfd){.fd = fd};
    if (poll(polled, (nfds_t)most, 0) < 0)
        return enif_make_badarg(env);
    for (int fd = 0; fd < most; fd++)
        open += (polled[fd].revents & POLLNVAL) == 0;
    return enif_make_int(env, open);
}

/* Nanoseconds of processor time of a process, those of its ended threads included. */
static ERL_NIF_TERM nif_processor_time(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int pid;
    clockid_t clock;
    struct timespec time;
    if (argc != 1 || !enif_get_int(env, argv[0], &pid) || clock_getcpuclockid(pid, &clock) != 0 ||
        clock_gettime(clock, &time) < 0)
        return enif_make_badarg(env);
    return enif_make_int64(env, (ErlNifSInt64)time.tv_sec * 1000000000 + time.tv_nsec);
}

static ErlNifFunc functions[] = {
    {"open_in_netns", 2, nif_open_in_netns, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"bind_netlink", 2, nif_bind_netlink, 0},
    {"close_fd", 1, nif_close_fd, 0},
    {"descriptors", 0, nif_descriptors, 0},
    {"processor_time", 1, nif_processor_time, 0},
};

ERL_NIF_INIT(Elixir.Bench.Nif, functions, NULL, NULL, NULL, NULL)
