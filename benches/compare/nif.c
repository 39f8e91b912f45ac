/* The NIF way, to measure against: a thread for each open, on a dirty I/O scheduler. */

#include "native.h"
#include <erl_nif.h>
#include <pthread.h>
#include <string.h>

#define PATH_SIZE 4096

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

static ERL_NIF_TERM failure(ErlNifEnv *env, int error)
{
    return enif_make_tuple2(env, enif_make_atom(env, "error"), enif_make_int(env, error));
}

static ERL_NIF_TERM nif_open(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
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
        return failure(env, error);
    pthread_join(thread, NULL);
    if (request.result < 0)
        return failure(env, -request.result);
    return enif_make_tuple2(env, enif_make_atom(env, "ok"), enif_make_int(env, request.result));
}

static ERL_NIF_TERM nif_close(ErlNifEnv *env, int argc, const ERL_NIF_TERM argv[])
{
    int fd;
    if (argc != 1 || !enif_get_int(env, argv[0], &fd))
        return enif_make_badarg(env);
    close(fd);
    return enif_make_atom(env, "ok");
}

static ErlNifFunc functions[] = {
    {"open", 2, nif_open, ERL_NIF_DIRTY_JOB_IO_BOUND},
    {"close", 1, nif_close, 0},
};

ERL_NIF_INIT(Elixir.Bench.Nif, functions, NULL, NULL, NULL, NULL)
