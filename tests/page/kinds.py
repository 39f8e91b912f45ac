"""What: which kind of descriptor."""

import fcntl
import os
import socket

import links
from client import Atom
from registry import FD, NETNS, NEW, OPEN, OWN, PID, Skip, badarg, line, opened, opened_socket, refused, same, true
from spaces import cookie, identity

SO_PROTOCOL = 38


@line("an integer is a netlink socket of this protocol, SOCK_RAW")
def _(world):
    world.needs_root()
    with world.start() as program:
        for protocol in (0, 4, 9, 12, 15, 16):  # route, sock_diag, audit, netfilter, uevent, generic
            answer = program.call((OPEN, OWN, protocol))
            if answer.term == ("error", ("socket", 93)):
                continue  # the kernel has none of it
            with opened_socket(answer) as sock:
                same((sock.family, sock.type, sock.getsockopt(socket.SOL_SOCKET, SO_PROTOCOL)), (16, 3, protocol))


@line("the kernel judges the protocol of 32 bits")
def _(world):
    world.needs_root()
    with world.start() as program:
        for protocol in (31, 99, 2**31 - 1, -1, -(2**31)):
            refused(program.call((OPEN, OWN, protocol)), "socket", 93)
        for protocol in (2**32, -(2**31) - 1, 2**63):
            badarg(program.call((OPEN, OWN, protocol)))


@line("{Domain, Type, Protocol} is any other socket")
def _(world):
    path = world.space("a")
    with world.start() as program:
        stream_and_datagram = ((2, 1, 0), (2, 2, 0), (10, 1, 6), (10, 2, 17), (1, 1, 0), (1, 5, 0))
        raw_and_packet = ((2, 3, 1), (17, 3, 0), (17, 2, 0))
        for domain, kind, protocol in (*stream_and_datagram, *raw_and_packet):
            with opened_socket(program.call((OPEN, path, (domain, kind, protocol)))) as sock:
                same((sock.family, sock.type), (domain, kind))
                if protocol:
                    same(sock.getsockopt(socket.SOL_SOCKET, SO_PROTOCOL), protocol)
                same(cookie(sock), world.cookies["a"], "namespace")


@line("{16, 3, P} is the same as P")
def _(world):
    world.needs_root()
    with world.start() as program:
        answer = program.call((OPEN, OWN, (16, 3, 0), {Atom("ext_ack"): True, Atom("groups"): 1}))
        with opened_socket(answer) as sock:
            same((sock.family, sock.type, sock.getsockopt(socket.SOL_SOCKET, SO_PROTOCOL)), (16, 3, 0))
            same(sock.getsockname()[1], 1, "groups")
        refused(program.call((OPEN, OWN, (16, 3, 99))), "socket", 93)
        badarg(program.call((OPEN, OWN, (16, 3, 0), {Atom("reuseaddr"): True})))


@line("the kernel judges Domain, Type and Protocol")
def _(world):
    world.needs_root()
    with world.start() as program:
        refused(program.call((OPEN, OWN, (65535, 1, 0))), "socket", 97)
        refused(program.call((OPEN, OWN, (2, 15, 0))), "socket", 22)
        refused(program.call((OPEN, OWN, (2, 0, 0))), "socket", 22, 94)
        refused(program.call((OPEN, OWN, (2, 1, 17))), "socket", 93)
        refused(program.call((OPEN, OWN, (2, 1, 2**31 - 1))), "socket", 22, 93)


@line("a Domain over 16 bits, a Type over 15 and a Protocol over 32 bits are badarg")
def _(world):
    with world.start() as program:
        flagged = [(2, 1 | flag, 0) for flag in (socket.SOCK_CLOEXEC, socket.SOCK_NONBLOCK)]
        for what in ((65536, 1, 0), (-1, 1, 0), (2, 16, 0), (2, -1, 0), (2, 1, 2**32), *flagged):
            badarg(program.call((OPEN, OWN, what)))


@line("`netns` is the namespace itself, open for reading")
def _(world):
    path = world.space("a")
    with world.start() as program:
        space = opened(program.call((OPEN, path, NETNS)))
        same(identity(space), identity(path), "namespace")
        same(fcntl.fcntl(space, fcntl.F_GETFL) & (os.O_ACCMODE | os.O_PATH), os.O_RDONLY, "access mode")
        os.close(space)


@line("`netns` is what IFLA_NET_NS_FD takes")
def _(world):
    near, far = world.space("a"), world.space("b")
    with world.start() as program:
        space = opened(program.call((OPEN, far, NETNS)))
        with opened_socket(program.call((OPEN, near, 0))) as sock, opened_socket(program.call((OPEN, far, 0))) as there:
            made = links.make_veth(sock, b"page-near", b"page-far", space)
            if made == 95:
                raise Skip("this kernel has no veth")
            same(made, 0, "errno")
            true(b"page-near" in links.list_links(sock), "no near end")
            true(b"page-far" in links.list_links(there), "no far end")
        os.close(space)


@line("a What of another type is a badarg")
def _(world):
    with world.start() as program:
        for what in (Atom("socket"), b"0", [], {}, (2, 1), (2, 1, 0, 0), (2, Atom("stream"), 0), Atom("new"), [0]):
            badarg(program.call((OPEN, OWN, what)))


@line("a Netns of another type is a badarg")
def _(world):
    with world.start() as program:
        pids = [(PID,), (PID, Atom("a")), (PID, b"1"), (PID, 1, 1)]
        keys = [(FD,), (FD, -1), (FD, 2**64), (FD, b"1")]
        made = [(NEW,), (NEW, Atom("root"))]
        for netns in (7, {}, Atom("blue"), (), [256], [-1], [Atom("a")], *pids, *keys, *made):
            badarg(program.call((OPEN, netns, 0)))


@line("a socket is not bound without groups, memberships and bind")
def _(world):
    path = world.space("a")
    with world.start() as program:
        with opened_socket(program.call((OPEN, path, 0))) as sock:
            same(sock.getsockname(), (0, 0))
        with opened_socket(program.call((OPEN, path, 0, {Atom("ext_ack"): True, Atom("rcvbuf"): 4096}))) as sock:
            same(sock.getsockname(), (0, 0))
        with opened_socket(program.call((OPEN, path, (2, 2, 0), {Atom("reuseaddr"): True}))) as sock:
            same(sock.getsockname(), ("0.0.0.0", 0))
