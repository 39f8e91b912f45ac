"""Options: each row of the table, read back from the socket that was handed over."""

import os
import socket
import struct
import sys

from client import Atom
from registry import FD, NETNS, NEW, OPEN, OWN, PID, Skip, badarg, line, opened, opened_socket, refused, same, true
from spaces import cookie, entered

SOL_SOCKET, SOL_IP, SOL_IPV6, SOL_NETLINK = 1, 0, 41, 270
UDP, UDP6, TCP, TCP6 = (2, 2, 0), (10, 2, 0), (2, 1, 0), (10, 1, 0)
MEMBERSHIPS = 9

# Option, What, level and number of getsockopt.
BOOLEANS = [
    ("ext_ack", 0, SOL_NETLINK, 11),
    ("cap_ack", 0, SOL_NETLINK, 10),
    ("strict_check", 0, SOL_NETLINK, 12),
    ("no_enobufs", 0, SOL_NETLINK, 5),
    ("listen_all_nsid", 0, SOL_NETLINK, 8),
    ("reuseaddr", UDP, SOL_SOCKET, 2),
    ("reuseport", UDP, SOL_SOCKET, 15),
    ("broadcast", UDP, SOL_SOCKET, 6),
    ("v6only", UDP6, SOL_IPV6, 26),
    ("freebind", UDP, SOL_IP, 15),
    ("freebind", UDP6, SOL_IPV6, 78),
    ("transparent", UDP, SOL_IP, 19),
    ("transparent", UDP6, SOL_IPV6, 75),
]


def options(**named):
    """A map of options, in the order given."""
    return {Atom(key): value for key, value in named.items()}


def address(host, port=0):
    """A sockaddr_in, or a sockaddr_in6 if there is a colon in `host`."""
    if ":" in host:
        return struct.pack("=H", 10) + struct.pack(">HI", port, 0) + socket.inet_pton(10, host) + struct.pack("=I", 0)
    return struct.pack("=H", 2) + struct.pack(">H", port) + socket.inet_aton(host) + bytes(8)


def _boolean(name, what, level, number):
    @line(f"{name} on {what} sets the option of that name, true and false")
    def _(world):
        path = world.space("a")
        with world.start() as program:
            for value in (True, False):
                with opened_socket(program.call((OPEN, path, what, options(**{name: value})))) as sock:
                    try:
                        same(sock.getsockopt(level, number), int(value), f"{value}:")
                    except OSError as error:
                        if error.errno != 92:
                            raise
                        raise Skip("this kernel doesn't tell the option") from None

    @line(f"{name} on {what} takes a boolean alone")
    def _(world):
        with world.start() as program:
            for value in (1, 0, Atom("yes"), b"true", [], Atom("nil")):
                badarg(program.call((OPEN, OWN, what, options(**{name: value}))))


for _row in BOOLEANS:
    _boolean(*_row)

NETLINK_ONLY = ["ext_ack", "cap_ack", "strict_check", "no_enobufs", "listen_all_nsid"]
VALUES = {
    **dict.fromkeys([row[0] for row in BOOLEANS], True),
    "mark": 1,
    "priority": 1,
    "bindtodevice": b"lo",
    "rcvbuf": 8192,
    "sndbuf": 8192,
    "groups": 1,
    "memberships": [1],
    "bind": address("127.0.0.1"),
    "listen": 1,
}
OF_NETLINK = {*NETLINK_ONLY, "groups", "memberships"}
OF_BOTH = {"mark", "priority", "rcvbuf", "sndbuf"}


def _kinds(name):
    wrong = [NETNS]
    if name in OF_NETLINK:
        wrong += [UDP, TCP6, (1, 5, 0)]
    elif name not in OF_BOTH:
        wrong += [0, (16, 3, 0)]

    @line(f"{name} is a badarg on descriptors of another kind")
    def _(world):
        with world.start() as program:
            for what in wrong:
                badarg(program.call((OPEN, OWN, what, options(**{name: VALUES[name]}))))


for _name in VALUES:
    _kinds(_name)


@line("the empty map of options changes nothing")
def _(world):
    path = world.space("a")
    with world.start() as program:
        for what in (0, UDP, NETNS):
            os.close(opened(program.call((OPEN, path, what, {}))))


@line("an unknown option, and options that are no map, are a badarg")
def _(world):
    with world.start() as program:
        no_maps = ([], Atom("ext_ack"), [(Atom("ext_ack"), True)])
        for wrong in ({Atom("nothing"): True}, {b"ext_ack": True}, {1: 1}, *no_maps):
            badarg(program.call((OPEN, OWN, 0, wrong)))


@line("mark and priority are set on sockets of every kind, from 0")
def _(world):
    path = world.space("a")
    with world.start() as program:
        for what in (0, UDP, TCP6, (1, 5, 0)):
            for name, number, value in (("mark", 36, 0), ("mark", 36, 0x1234567), ("priority", 12, 0), ("priority", 12, 6)):
                with opened_socket(program.call((OPEN, path, what, options(**{name: value})))) as sock:
                    same(sock.getsockopt(SOL_SOCKET, number), value, f"{name} on {what}:")


@line("mark and priority are 32 bits, not negative")
def _(world):
    path = world.space("a")
    with world.start() as program:
        with opened_socket(program.call((OPEN, path, UDP, options(mark=2**32 - 1)))) as sock:
            same(sock.getsockopt(SOL_SOCKET, 36) & 0xFFFFFFFF, 2**32 - 1)
        for name in ("mark", "priority", "listen", "groups"):
            what = 0 if name == "groups" else TCP
            for value in (-1, 2**32, 2**64 - 1, Atom("true"), b"1"):
                badarg(program.call((OPEN, path, what, options(**{name: value}))))


@line("bindtodevice binds to the device")
def _(world):
    path = world.space("a")
    with world.start() as program:
        with opened_socket(program.call((OPEN, path, UDP, options(bindtodevice=b"lo")))) as sock:
            same(sock.getsockopt(SOL_SOCKET, 25, 16).rstrip(b"\0"), b"lo")
        for name in (b"nodevice", b"123456789012345"):
            refused(program.call((OPEN, path, UDP, options(bindtodevice=name))), "setsockopt", 19)


@line("bindtodevice is 1 to 15 bytes, none of them NUL or /")
def _(world):
    with world.start() as program:
        for name in (b"", b"1234567890123456", b"l\0o", b"lo\0", b"l/o", b"/", Atom("lo"), list(b"lo")):
            badarg(program.call((OPEN, OWN, UDP, options(bindtodevice=name))))


@line("rcvbuf and sndbuf are set beyond what the system allows everybody")
def _(world):
    path = world.space("a")
    with world.start("--max-buffer", "16777216") as program:
        for name, number in (("rcvbuf", 8), ("sndbuf", 7)):
            with open(f"/proc/sys/net/core/{'rmem' if name == 'rcvbuf' else 'wmem'}_max") as limit:
                largest = int(limit.read())
            if largest >= 8388608:
                raise Skip("the system allows everybody as much as the program")
            for what in (0, UDP, (1, 5, 0)):
                with opened_socket(program.call((OPEN, path, what, options(**{name: largest + 4096})))) as sock:
                    same(sock.getsockopt(SOL_SOCKET, number), 2 * (largest + 4096), f"{name} on {what}:")


@line("without CAP_NET_ADMIN rcvbuf and sndbuf are the plain options")
def _(world):
    with world.user_space() as (pid, _), world.start_as_user() as program:
        for name, number in (("rcvbuf", 8), ("sndbuf", 7)):
            with open(f"/proc/sys/net/core/{'rmem' if name == 'rcvbuf' else 'wmem'}_max") as limit:
                largest = int(limit.read())
            for value in (16384, min(largest + 4096, 8388608)):
                with opened_socket(program.call((OPEN, (PID, pid), 0, options(**{name: value})))) as sock:
                    same(sock.getsockopt(SOL_SOCKET, number), 2 * min(value, largest), f"{name} {value}:")


@line("a buffer larger than policy allows is {setsockopt, EACCES}")
def _(world):
    path = world.space("a")
    with world.start("--max-buffer", "65536") as program:
        for name in ("rcvbuf", "sndbuf"):
            for what in (0, UDP):
                opened_socket(program.call((OPEN, path, what, options(**{name: 65536})))).close()
                refused(program.call((OPEN, path, what, options(**{name: 65537}))), "setsockopt", 13)


@line("a buffer that is not positive is a badarg")
def _(world):
    with world.start() as program:
        for name in ("rcvbuf", "sndbuf"):
            for value in (0, -1, Atom("big"), b"1"):
                badarg(program.call((OPEN, OWN, 0, options(**{name: value}))))


def joined(sock):
    """The multicast groups of a netlink socket."""
    words = sock.getsockopt(SOL_NETLINK, MEMBERSHIPS, 64)
    found = int.from_bytes(words, sys.byteorder)
    return {bit + 1 for bit in range(8 * len(words)) if found >> bit & 1}


@line("groups binds with this mask and an id that the kernel chooses; 0 is a plain bind")
def _(world):
    path = world.space("a")
    with world.start() as program:
        for mask in (0, 1, 0x11, 2**31, 2**32 - 1):
            with opened_socket(program.call((OPEN, path, 0, options(groups=mask)))) as sock:
                port_id, groups = sock.getsockname()
                true(port_id != 0, "not bound")
                same(groups, mask, "groups")


@line("memberships binds if not yet bound, and joins each group")
def _(world):
    path = world.space("a")
    with world.start() as program:
        for mask, groups, wanted in ((None, [], set()), (None, [1, 5, 33], {1, 5, 33}), (2, [1, 33], {1, 2, 33})):
            setup = options(memberships=groups) | ({} if mask is None else options(groups=mask))
            with opened_socket(program.call((OPEN, path, 0, setup))) as sock:
                true(sock.getsockname()[0] != 0, "not bound")
                same(joined(sock), wanted, "groups")


@line("a group that there isn't is {setsockopt, EINVAL}")
def _(world):
    path = world.space("a")
    with world.start() as program:
        for group in (100_000, 2**31 - 1):
            refused(program.call((OPEN, path, 0, options(memberships=[1, group]))), "setsockopt", 22)


@line("memberships that are no list of numbers are a badarg")
def _(world):
    with world.start() as program:
        for wrong in (1, [Atom("link")], [-1], [2**32], [b"1"], {}, b"1"):
            badarg(program.call((OPEN, OWN, 0, options(memberships=wrong))))


@line("bind takes a sockaddr of this machine")
def _(world):
    path = world.space("a")
    name = b"\0linx-page-" + os.urandom(8).hex().encode()
    cases = [
        (UDP, address("0.0.0.0", 4242), ("0.0.0.0", 4242)),
        (TCP, address("0.0.0.0", 80), ("0.0.0.0", 80)),
        (UDP6, address("::", 4243), ("::", 4243, 0, 0)),
        ((1, 5, 0), struct.pack("=H", 1) + name, name),
    ]
    with world.start() as program:
        for what, sockaddr, wanted in cases:
            with opened_socket(program.call((OPEN, path, what, options(bind=sockaddr)))) as sock:
                same(sock.getsockname(), wanted)
        with opened_socket(program.call((OPEN, path, UDP, options(bind=address("0.0.0.0"))))) as sock:
            true(sock.getsockname()[1] != 0, "not bound")


@line("what bind(2) refuses is {bind, Errno}")
def _(world):
    path = world.space("a")
    with world.start() as program:
        refused(program.call((OPEN, path, UDP, options(bind=address("192.0.2.1")))), "bind", 99)
        refused(program.call((OPEN, path, UDP, options(bind=b"\2\0"))), "bind", 22)
        refused(program.call((OPEN, path, UDP, options(bind=b"\xff" * 128))), "bind", 22, 97)
        with opened_socket(program.call((OPEN, path, TCP, options(bind=address("0.0.0.0", 81), listen=1)))):
            refused(program.call((OPEN, path, TCP, options(bind=address("0.0.0.0", 81)))), "bind", 98)


@line("bind is a binary of 2 to 128 bytes")
def _(world):
    with world.start() as program:
        for wrong in (b"", b"\2", b"\0" * 129, list(address("0.0.0.0")), Atom("any"), 0):
            badarg(program.call((OPEN, OWN, UDP, options(bind=wrong))))


@line("listen makes it listen, with a backlog from 0")
def _(world):
    path = world.space("a")
    with world.start() as program:
        for backlog in (0, 1, 2**31 - 1):
            with opened_socket(program.call((OPEN, path, TCP, options(listen=backlog)))) as sock:
                true(sock.getsockopt(SOL_SOCKET, socket.SO_ACCEPTCONN), "it doesn't listen")
                sock.setblocking(False)
        refused(program.call((OPEN, path, UDP, options(listen=1))), "listen", 95)


@line("a listening socket accepts in its namespace")
def _(world):
    path = world.space("a")
    with world.start() as program:
        setup = options(bind=address("127.0.0.1", 4000), listen=5)
        with opened_socket(program.call((OPEN, path, TCP, setup))) as listener:
            with entered(path):
                near = socket.create_connection(("127.0.0.1", 4000), 20)
            listener.settimeout(20)
            far, _ = listener.accept()
            with near, far:
                near.sendall(b"hello")
                same(far.recv(5), b"hello")


@line("options are applied in the order of the table, whatever the order of the map")
def _(world):
    path = world.space("a")
    with world.start() as program:
        # Each would fail if bind came before it.
        shared = (OPEN, path, UDP, options(bind=address("0.0.0.0", 82), reuseport=True))
        with opened_socket(program.call(shared)), opened_socket(program.call(shared)):
            pass
        for what, far in ((UDP, "192.0.2.1"), (UDP6, "2001:db8::1")):
            for name, port in (("freebind", 83), ("transparent", 84)):
                with opened_socket(program.call((OPEN, path, what, options(bind=address(far, port), **{name: True})))) as sock:
                    same(sock.getsockname()[:2], (far, port))
        with opened_socket(program.call((OPEN, path, TCP6, options(listen=1, bind=address("::", 84), v6only=True)))) as sock:
            same(sock.getsockopt(SOL_IPV6, 26), 1)
            same(sock.getsockname()[1], 84, "listening on port")
        with opened_socket(program.call((OPEN, path, 0, options(memberships=[33], groups=1)))) as sock:
            same(joined(sock), {1, 33}, "groups")
        # The first of two that fail is the one of the table.
        refused(program.call((OPEN, path, UDP, options(listen=1, bind=address("192.0.2.1")))), "bind", 99)
        refused(program.call((OPEN, path, UDP, options(bind=address("192.0.2.1"), bindtodevice=b"nodevice"))), "setsockopt", 19)


@line("every option of a kind may be given at once")
def _(world):
    path = world.space("a")
    netlink = {name: VALUES[name] for name in VALUES if name in OF_NETLINK | OF_BOTH}
    others = {name: VALUES[name] for name in VALUES if name not in OF_NETLINK and name != "bind"}
    with world.start() as program:
        opened_socket(program.call((OPEN, path, 0, options(**netlink)))).close()
        opened_socket(program.call((OPEN, path, TCP6, options(**others, bind=address("::"))))).close()


@line("v6only where the kernel has no such option is {setsockopt, Errno}")
def _(world):
    path = world.space("a")
    with world.start() as program:
        refused(program.call((OPEN, path, UDP, options(v6only=True))), "setsockopt", 92, 95, 22)


@line("options work in a namespace that the program makes, and in one of a user's own")
def _(world):
    with world.start_as_user() as program:
        setup = options(reuseaddr=True, bind=address("0.0.0.0", 80), listen=1)
        with opened_socket(program.call((OPEN, NEW, TCP, setup))) as sock:
            same(sock.getsockname(), ("0.0.0.0", 80))
        with opened_socket(program.call((OPEN, NEW, 0, options(ext_ack=True, memberships=[1])))) as sock:
            same(joined(sock), {1}, "groups")
        with world.user_space() as (pid, expected):
            with opened_socket(program.call((OPEN, (PID, pid), TCP, setup))) as sock:
                same((cookie(sock), sock.getsockname()), (expected, ("0.0.0.0", 80)))
            space = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            program.give(1, space)
            os.close(space)
            setup = options(reuseaddr=True, bind=address("0.0.0.0", 81), listen=1)
            with opened_socket(program.call((OPEN, (FD, 1), TCP, setup))) as sock:
                same(cookie(sock), expected)
