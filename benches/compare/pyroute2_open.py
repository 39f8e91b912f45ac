"""Times pyroute2's netns.create_socket: `pyroute2_open.py PATH...`.

Reads `open COUNT` from stdin, and answers with the nanoseconds of each of COUNT opens, over the
namespaces in turn.
"""

import itertools
import os
import socket
import sys
import time

from pyroute2 import netns

SO_NETNS_COOKIE = 71


def cookie(opened):
    return opened.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)


def time_open(path):
    start = time.monotonic_ns()
    opened = netns.create_socket(os.path.basename(path), socket.AF_NETLINK, socket.SOCK_RAW)
    taken = time.monotonic_ns() - start
    landed = cookie(opened)
    opened.close()
    return taken, landed


def main(paths):
    turns = itertools.cycle(paths)
    home = {}
    for line in sys.stdin:
        times = []
        for path in itertools.islice(turns, int(line.split()[1])):
            taken, landed = time_open(path)
            if home.setdefault(path, landed) != landed:
                sys.exit(f"a socket for {path} landed elsewhere")
            times.append(taken)
        print(*times, flush=True)


main(sys.argv[1:])
