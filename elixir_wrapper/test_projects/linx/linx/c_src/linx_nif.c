/* A NIF that does what Linx's does: setns(2) in a thread of its own, on a dirty I/O scheduler. */

#define _GNU_SOURCE
#include <erl_nif.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATH_SIZE 4096

struct request {
    char path[PATH_SIZE];
    int protocol;
    int fd;
    const char *stage;
    int error;
};

static void *serve(void *argument)
{
    struct request *request = argument;
    request->fd = -1;
    request->stage = "open";
    int netns = open(request->path, O_RDONLY | O_CLOEXEC);
    if (netns >= 0) {
        request->stage = "setns";
        if (setns(netns, CLONE_NEWNET) == 0) {
            request->stage = "socket";
            request->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, request->protocol);
        }
    }
    request->error = errno;
    if (netns >= 0)
        close(netns);
    return NULL;
}

static ERL_NIF_TERM failure(ErlNifEnv *env, ERL_NIF_TERM reason)
{
    return enif_make_tuple2(env, enif_make_atom(env, "error"), reason);
}

static ERL_NIF_TERM open_in_netns(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    ErlNifBinary path;
    struct request request;
    pthread_t thread;

    if (argc != 2 || !enif_inspect_iolist_as_binary(env, argv[0], &path) ||
        path.size >= PATH_SIZE || !enif_get_int(env, argv[1], &request.protocol))
        return enif_make_badarg(env);
    memcpy(request.path, path.data, path.size);
    request.path[path.size] = '\0';

    /* Not into the request: the thread may have written there by then. */
    int error = pthread_create(&thread, NULL, serve, &request);
    if (error != 0)
        return failure(env, enif_make_tuple2(env, enif_make_atom(env, "thread"),
                                             enif_make_int(env, error)));
    pthread_join(thread, NULL);
    if (request.fd >= 0)
        return enif_make_tuple2(env, enif_make_atom(env, "ok"), enif_make_int(env, request.fd));
    return failure(env, enif_make_tuple2(env, enif_make_atom(env, request.stage),
                                         enif_make_int(env, request.error)));
}

static ERL_NIF_TERM bind_netlink(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int fd;
    unsigned groups;
    if (argc != 2 || !enif_get_int(env, argv[0], &fd) || !enif_get_uint(env, argv[1], &groups))
        return enif_make_badarg(env);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return failure(env, enif_make_int(env, errno));
    return enif_make_atom(env, "ok");
}

static ERL_NIF_TERM close_fd(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int fd;
    if (argc != 1 || !enif_get_int(env, argv[0], &fd))
        return enif_make_badarg(env);
    close(fd);
    return enif_make_atom(env, "ok");
}

static ErlNifFunc functions[] = {
    {"open_in_netns", 2, open_in_netns, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"bind_netlink", 2, bind_netlink, 0},
    {"close_fd", 1, close_fd, 0},
};

/* A NIF that can't be loaded a second time would be no NIF to replace. */
static int upgrade(ErlNifEnv *env, void **data, void **old_data, ERL_NIF_TERM info)
{
    (void)env, (void)data, (void)old_data, (void)info;
    return 0;
}

ERL_NIF_INIT(Elixir.Linx.Netlink.Socket.Native, functions, NULL, NULL, upgrade, NULL)
