/*
 * The least that a port program can do: what arrives on stdin leaves on stdout. It looks for a while
 * before it sleeps, where there is another processor to be looked for on.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define LOOKING_NS 50000

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* How many bytes; 0 at the end of the file. */
static ssize_t receive(char *bytes, size_t size, uint64_t looking)
{
    uint64_t until = now() + looking;

    for (;;) {
        ssize_t count = read(0, bytes, size);
        if (count >= 0 || (errno != EAGAIN && errno != EINTR))
            return count;
        if (now() >= until)
            poll(&(struct pollfd){.fd = 0, .events = POLLIN}, 1, -1);
    }
}

int main(void)
{
    static char bytes[65536];
    uint64_t looking = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? LOOKING_NS : 0;

    if (fcntl(0, F_SETFL, O_NONBLOCK) < 0)
        return 1;
    for (;;) {
        ssize_t count = receive(bytes, sizeof bytes, looking);
        if (count <= 0)
            return count < 0;
        for (ssize_t sent = 0; sent < count;) {
            ssize_t written = write(1, bytes + sent, (size_t)(count - sent));
            if (written < 0 && errno != EINTR)
                return 1;
            sent += written < 0 ? 0 : written;
        }
    }
}
