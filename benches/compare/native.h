/* What a NIF does to open a netlink socket in another network namespace, without its thread. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

/* Enters the namespace and stays there. A descriptor, or a negative error number. */
static int open_in_netns(const char *path, int protocol)
{
    int netns = open(path, O_RDONLY | O_CLOEXEC);
    if (netns < 0)
        return -errno;
    int fd = setns(netns, CLONE_NEWNET) < 0 ? -1
                                            : socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    int result = fd < 0 ? -errno : fd;
    close(netns);
    return result;
}
