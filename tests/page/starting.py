"""Starting: the rendezvous, the hello, the three standard descriptors."""

import os
import pty
import socket
import subprocess
import sys

from client import TIMEOUT, Atom, Rendezvous, encode
from registry import INFO, OPEN, OWN, Skip, line, opened_socket, same, true


@line("the program meets its client at a path in the file system")
def _(world):
    with world.start(rendezvous=os.path.join(world.meeting, "socket")) as program:
        same(program.call(INFO).term[0], "ok")


@line("a path that begins with @ is a name in the abstract namespace")
def _(world):
    with world.start() as program:
        same(program.call(INFO).term[0], "ok")


@line("the hello is one message with one descriptor, and then the connection is closed")
def _(world):
    with world.start() as program:
        same(program.hello_descriptors, 1, "descriptors")
        true(program.closed_after_hello, "the connection is still open")


@line("the hello tells protocol 1, the version, the pid and the capabilities")
def _(world):
    with world.start() as program:
        name, told = program.hello
        same(name, "hello")
        same(told["protocol"], 1)
        true(isinstance(told["version"], bytes) and told["version"].count(b".") == 2, told["version"])
        same(told["os_pid"], program.process.pid)
        true(isinstance(told["capabilities"], list), told["capabilities"])


@line("the hello of a program without privilege names no capabilities")
def _(world):
    with world.start_as_user() as program:
        same(program.hello[1]["capabilities"], [])


@line("the hello of a program of root names net_admin, sys_admin and sys_ptrace")
def _(world):
    world.needs_root()
    with world.start() as program:
        missing = {"net_admin", "sys_admin", "sys_ptrace"} - set(program.hello[1]["capabilities"])
        true(not missing, f"missing: {missing}")


@line("the peer of the rendezvous is the process that the client started")
def _(world):
    with world.start() as program:
        same(program.pid, program.process.pid)


@line("the pair is of SOCK_SEQPACKET unix sockets")
def _(world):
    with world.start() as program:
        same((program.pair.family, program.pair.type), (socket.AF_UNIX, socket.SOCK_SEQPACKET))


@line("every descriptor of the program but the first three is close-on-exec")
def _(world):
    world.needs_root()
    with world.start() as program:
        opened_socket(program.call((OPEN, OWN, 0))).close()
        for number in os.listdir(f"/proc/{program.pid}/fdinfo"):
            if int(number) > 2:
                with open(f"/proc/{program.pid}/fdinfo/{number}") as info:
                    flags = next(row for row in info if row.startswith("flags:")).split()[1]
                true(int(flags, 8) & os.O_CLOEXEC, f"descriptor {number} is not")


@line("the rendezvous is needed no longer once the hello is there")
def _(world):
    with world.start() as program:  # its listening socket is closed by now
        same(program.call(INFO).channel, "stdout")
        same(program.call(INFO).channel, "stdout")


def _allowed(kind, make):
    @line(f"stdin, stdout and stderr may be {kind}")
    def _(world):
        for name in ("stdin", "stdout", "stderr"):
            near, far = make(world)
            try:
                with world.start(**{name: near}) as program:
                    same(program.hello[0], "hello")
                    for descriptor in {near, far}:
                        os.close(descriptor)
                    near = far = None
            finally:
                if near is not None:
                    for descriptor in {near, far}:
                        os.close(descriptor)


def _file(world):
    descriptor = os.open(world.path("plain"), os.O_RDWR | os.O_CREAT)
    return descriptor, descriptor


def _null(_world):
    descriptor = os.open("/dev/null", os.O_RDWR)
    return descriptor, descriptor


def _unix(_world):
    return tuple(sock.detach() for sock in socket.socketpair())


_allowed("a file", _file)
_allowed("the null device", _null)
_allowed("a terminal", lambda _world: pty.openpty()[::-1])
_allowed("a unix socket", _unix)


def _status_of(world, **standard):
    """The exit status of a program that is not to come to its hello, and whether it connected."""
    meeting = Rendezvous()
    standard = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **standard}
    try:
        process = subprocess.Popen([world.program, "--rendezvous", meeting.path], **standard)
        try:
            said = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
        meeting.listener.setblocking(False)
        try:
            meeting.listener.accept()[0].close()
            connected = True
        except BlockingIOError:
            connected = False
        return process.returncode, connected, b"".join(part or b"" for part in said)
    finally:
        meeting.close()


def _forbidden(kind, make):
    @line(f"{kind} as stdin, stdout or stderr ends the program with status 4 before it does anything")
    def _(world):
        for name in ("stdin", "stdout", "stderr"):
            descriptor = make(world)
            try:
                same(_status_of(world, **{name: descriptor}), (4, False, b""), f"{name}: status, connected, said")
            finally:
                os.close(descriptor)


def _eventfd(_world):
    return os.eventfd(1)


_forbidden("/dev/zero", lambda _world: os.open("/dev/zero", os.O_RDWR))
_forbidden("a directory", lambda world: os.open(world.directory, os.O_RDONLY))
_forbidden("an internet socket", lambda _world: socket.socket().detach())
_forbidden("a netlink socket", lambda _world: socket.socket(16, 3, 0).detach())
_forbidden("an event counter", _eventfd)


@line("what is not read of a forbidden stdin stays there")
def _(world):
    counter = os.eventfd(7)
    try:
        same(_status_of(world, stdin=counter)[0], 4, "status")
        same(os.eventfd_read(counter), 7)
    finally:
        os.close(counter)


@line("an answer repeats at most 64 bytes of what the client sent")
def _(world):
    sent = "".join(chr(97 + (i * 7) % 26) + chr(97 + i % 26) for i in range(120))
    requests = [
        Atom(sent),
        sent.encode(),
        (Atom(sent), OWN, 0),
        (OPEN, Atom(sent), 0),
        (OPEN, (Atom(sent), 1), 0),
        (OPEN, OWN, Atom(sent)),
        (OPEN, OWN, sent.encode()),
        (OPEN, OWN, 0, {Atom(sent): 1}),
        (OPEN, OWN, 0, {sent.encode(): 1}),
        (OPEN, OWN, 0, {Atom("groups"): Atom(sent)}),
        (OPEN, OWN, 0, {Atom("memberships"): [sent.encode()]}),
    ]
    with world.start() as program:
        for command in requests:
            answer = encode(program.call(command).term)
            for at in range(len(sent) - 64):
                true(sent[at : at + 65].encode() not in answer, f"{command!r}: {answer!r}")


@line("a launcher may stand between: then the peer's user is 0 or the client's own")
def _(world):
    if not os.path.exists("/bin/sh"):
        raise Skip("needs a shell")
    # The shell stays and the program is its child.
    script = f'"{sys.executable}" -c "" ; "$@"; exit $?'
    with world.start(launcher=["/bin/sh", "-c", script, "sh"]) as program:
        true(program.pid != program.process.pid, "the shell was replaced by the program")
        same(program.hello[1]["os_pid"], program.pid)
        same(program.call(INFO).term[0], "ok")
