"""Descriptors to the program: what the client sends over the pair, and `{fd, Key}`."""

import os
import select
import socket
import time

from client import TIMEOUT, Atom, Raw, encode, small_big
from registry import FD, INFO, MANY, NETNS, OPEN, OWN, line, opened, opened_socket, refused, same, true
from spaces import cookie, identity

EBADF, EINVAL = 9, 22


class Given:
    """An open file of a namespace, closed when the check ends."""

    def __init__(self, path, flags=os.O_RDONLY):
        self.descriptor = os.open(path, flags | os.O_CLOEXEC)

    def __enter__(self):
        return self.descriptor

    def __exit__(self, *_):
        os.close(self.descriptor)


def _forgotten(program, send):
    """Whether a descriptor that `send` sends is closed by the program: its far end then ends."""
    near, far = os.pipe()
    send(far)
    os.close(far)
    with open(near, "rb") as pipe:
        program.call(INFO)
        return bool(select.select([pipe], [], [], TIMEOUT)[0]) and pipe.read() == b""


@line("{fd, Key} is the namespace whose descriptor was sent under Key, from 0 to 2^64-1")
def _(world):
    with world.start() as program, Given(world.space("a")) as space:
        for key in (0, 1, 255, 256, 2**31, 2**32, 2**63, 2**64 - 1):
            program.give(key, space)
            with opened_socket(program.call((OPEN, (FD, key), 0))) as sock:
                same(cookie(sock), world.cookies["a"], "namespace")


@line("a Key may be any accepted encoding of an integer")
def _(world):
    with world.start() as program, Given(world.space("a")) as space:
        for key in (Raw(b"\x61\7"), Raw(b"\x62\0\0\0\7"), Raw(small_big(7, 1)), Raw(small_big(7, 8))):
            program.give(key, space)
            opened_socket(program.call((OPEN, (FD, 7), 0))).close()


@line("{fd, Key} takes every What")
def _(world):
    with world.start() as program, Given(world.space("a")) as space:
        for what in (0, (2, 1, 0)):
            program.give(1, space)
            opened_socket(program.call((OPEN, (FD, 1), what))).close()
        program.give(1, space)
        found = opened(program.call((OPEN, (FD, 1), NETNS)))
        same(identity(found), identity(space), "namespace")
        os.close(found)


@line("{fd, Key} of a key under which nothing was sent is {open, EBADF}")
def _(world):
    with world.start() as program:
        for key in (0, 5, 2**64 - 1):
            refused(program.call((OPEN, (FD, key), 0)), "open", EBADF)


@line("an entry names a descriptor once")
def _(world):
    with world.start() as program, Given(world.space("a")) as space:
        program.give(3, space)
        opened_socket(program.call((OPEN, (FD, 3), 0))).close()
        refused(program.call((OPEN, (FD, 3), 0)), "open", EBADF)


@line("of two entries of a request that name one descriptor, one has it")
def _(world):
    with world.start() as program, Given(world.space("a")) as space:
        program.give(3, space)
        answer = program.call((MANY, [((FD, 3), 0), ((FD, 3), 0)]))
        results = answer.term[1]
        same((results.count("ok"), results.count(("error", ("open", EBADF)))), (1, 1), f"{answer!r}:")
        answer.close()


@line("the entry that names a descriptor closes it, also if it fails")
def _(world):
    with world.start() as program, Given(world.space("a")) as space:
        program.give(3, space)
        refused(program.call((OPEN, (FD, 3), 99)), "socket", 93)
        refused(program.call((OPEN, (FD, 3), 0)), "open", EBADF)
        read, write = os.pipe()
        program.give(4, write)
        os.close(write)
        refused(program.call((OPEN, (FD, 4), 0)), "setns", EINVAL)
        true(select.select([read], [], [], TIMEOUT)[0], "it is still open")
        os.close(read)


@line("a descriptor that was sent before the request is found by it, always")
def _(world):
    with world.start() as program, Given(world.space("a")) as space:
        for key in range(300):
            program.give(key, space)
            id = program.request((OPEN, (FD, key), 0))
            opened_socket(program.await_id(id)).close()
        for key in range(40):
            program.give(key, space)
        ids = [program.request((OPEN, (FD, key), 0)) for key in range(40)]
        for id in ids:
            opened_socket(program.await_id(id)).close()


@line("64 descriptors are kept, and the oldest is closed for a newer one")
def _(world):
    with world.start() as program, Given(world.space("a")) as space:
        for key in range(66):
            program.give(key, space)
        for key in (0, 1):
            refused(program.call((OPEN, (FD, key), 0)), "open", EBADF)
        for key in range(2, 66):
            opened_socket(program.call((OPEN, (FD, key), 0))).close()


@line("a descriptor whose Key comes again is closed for the new one")
def _(world):
    path, other = world.space("a"), world.space("b")
    with world.start() as program, Given(path) as space, Given(other) as second:
        program.give(8, space)
        program.give(8, second)
        with opened_socket(program.call((OPEN, (FD, 8), 0))) as sock:
            same(cookie(sock), world.cookies["b"], "namespace")
        refused(program.call((OPEN, (FD, 8), 0)), "open", EBADF)

        def twice(descriptor):
            program.give(9, descriptor)
            program.give(9, space)

        true(_forgotten(program, twice), "it is still open")
        opened_socket(program.call((OPEN, (FD, 9), 0))).close()


OTHER_MESSAGES = {
    "a negative key": encode(-1),
    "a key of 9 bytes": b"\x83" + small_big(2**64),
    "an atom": encode(Atom("key")),
    "a tuple": encode((1, 2)),
    "bytes after the key": encode(1) + b"\0",
    "a key without version byte": encode(1)[1:],
    "a truncated key": encode(2**40)[:-1],
    "a bad tag": b"\x83\xff",
    "64 KiB": b"\x83" + b"\x6c\0\0\0\1" * 13_000,
}


def _dropped(name, data):
    @line(f"a message that is {name} is dropped, and what came with it is closed")
    def _(world):
        with world.start() as program:
            true(_forgotten(program, lambda descriptor: program.give_bytes(data, descriptor)), "it is still open")
            refused(program.call((OPEN, (FD, 1), 0)), "open", EBADF)


for _name, _data in OTHER_MESSAGES.items():
    _dropped(_name, _data)


@line("a message with two descriptors or more is dropped, and they are closed")
def _(world):
    with world.start() as program:
        for count in (2, 3, 100, 253):
            true(_forgotten(program, lambda descriptor: program.give(1, *[descriptor] * count)), f"{count}: still open")
            refused(program.call((OPEN, (FD, 1), 0)), "open", EBADF)


@line("a message without a descriptor is dropped")
def _(world):
    with world.start() as program:
        program.pair.send(encode(1))
        refused(program.call((OPEN, (FD, 1), 0)), "open", EBADF)


@line("messages that are dropped leave what was sent before")
def _(world):
    with world.start() as program, Given(world.space("a")) as space:
        program.give(1, space)
        for data in OTHER_MESSAGES.values():
            program.give_bytes(data, space)
        program.give(1, space, space)
        program.pair.send(encode(1))
        opened_socket(program.call((OPEN, (FD, 1), 0))).close()


@line("a descriptor that is no open network-namespace file is {setns, EINVAL}")
def _(world):
    unlike = [
        os.open("/dev/null", os.O_RDONLY),
        os.open("/", os.O_RDONLY),
        os.open("/proc/self/ns/uts", os.O_RDONLY),
        os.open("/proc/self/ns/user", os.O_RDONLY),
        os.open("/proc/self/status", os.O_RDONLY),
        os.open("/proc/self/ns/net", os.O_PATH),
        os.pidfd_open(os.getpid()),
        socket.socket(16, 3, 0).detach(),
        os.eventfd(0),
    ]
    with world.start() as program:
        for key, descriptor in enumerate(unlike):
            target = os.readlink(f"/proc/self/fd/{descriptor}")
            program.give(key, descriptor)
            answer = program.call((OPEN, (FD, key), 0))
            try:
                refused(answer, "setns", EINVAL)
            except AssertionError as error:
                raise AssertionError(f"{target} (key {key}): {error}") from None
            finally:
                os.close(descriptor)


@line("a namespace of a user's own comes in by {fd, Key} without privilege")
def _(world):
    with world.user_space() as (pid, expected), world.start_as_user() as program:
        with Given(f"/proc/{pid}/ns/net") as space:
            program.give(1, space)
        with opened_socket(program.call((OPEN, (FD, 1), 0))) as sock:
            same(cookie(sock), expected, "namespace")


@line("a flood of descriptors leaves the program with 64 of them")
def _(world):
    world.needs_root()
    with world.start() as program, Given(OWN) as space:
        count = lambda: len(os.listdir(f"/proc/{program.pid}/fd"))
        before = count()
        for key in range(1000):
            program.give(key, space)
        program.call(INFO)
        refused(program.call((OPEN, (FD, 0), 0)), "open", EBADF)
        deadline = time.monotonic() + TIMEOUT
        while count() > before + 64:
            true(time.monotonic() < deadline, f"{count() - before} more descriptors than before")
        for key in range(936, 1000):
            opened_socket(program.call((OPEN, (FD, key), 0))).close()
