"""Replies: outcomes, channels, stages, errnos, and `info`."""

import os
import resource
import shutil
import socket
import time

from client import TIMEOUT, Atom
from options import options
from registry import FD, INFO, MANY, NETNS, NEW, OPEN, OWN, PID, USER, Skip
from registry import badarg, line, opened, opened_socket, refused, same, true
from spaces import cookie, identity


@line("an id is any integer from 0 to 2^64-1, and comes back")
def _(world):
    with world.start() as program:
        for id in (0, 1, 255, 256, 2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1):
            same(program.call(INFO, id).term[0], "ok")
            refused(program.call((OPEN, b"/nowhere", 0), id), "open", 2)
            if world.root:
                opened_socket(program.call((OPEN, OWN, 0), id)).close()


@line("an id that is used twice is answered twice")
def _(world):
    with world.start() as program:
        for _ in range(2):
            program.request(INFO, 7)
        same([program.receive().term[0] for _ in range(2)], [7, 7])


@line("each of many requests at once gets exactly one reply, on the right channel")
def _(world):
    path = world.space("a")
    with world.start() as program:
        kinds = [
            ((OPEN, path, 0), ("pair", 1)),
            ((OPEN, b"/nowhere", 0), ("stdout", 0)),
            (INFO, ("stdout", 0)),
            ((OPEN, path, 99), ("stdout", 0)),
            ((MANY, [(path, 0), (path, (2, 1, 0))]), ("pair", 2)),
        ] * 40
        for id, (_, wanted) in [(program.request(command), (command, wanted)) for command, wanted in kinds]:
            answer = program.await_id(id)
            same((answer.channel, len(answer.fds)), wanted, f"{answer!r}:")
            answer.close()
        same(program.others, {}, "more answers")
        id = program.request(INFO)
        same(program.receive().term[0], id, "after all answers came one to")


@line("open_in_netns that worked is {Id, ok} on the pair, with 1 descriptor")
def _(world):
    path = world.space("a")
    with world.start() as program:
        for what in (0, (2, 1, 0), NETNS):
            os.close(opened(program.call((OPEN, path, what))))


@line("open_many hands over a descriptor for every ok, in order, and tells the others' errors")
def _(world):
    paths = [world.space(name) for name in "ab"]
    entries = [
        (paths[0], 0),
        (b"/nowhere", 0),
        (paths[1], (2, 1, 0), options(reuseaddr=True)),
        (paths[0], 99),
        (paths[1], NETNS),
        (paths[1], 0, options(groups=1)),
    ]
    with world.start() as program:
        answer = program.call((MANY, entries))
        same(answer.channel, "pair")
        same(answer.term, ("ok", ["ok", ("error", ("open", 2)), "ok", ("error", ("socket", 93)), "ok", "ok"]))
        same(len(answer.fds), 4, "descriptors")
        first, second, space, last = answer.fds
        same(identity(space), identity(paths[1]), "namespace")
        os.close(space)
        answer.fds.clear()
        first, second, last = (socket.socket(fileno=found) for found in (first, second, last))
        with first, second, last:
            same([cookie(sock) for sock in (first, second, last)], [world.cookies[name] for name in "abb"], "namespaces")
            same(second.getsockopt(1, 2), 1, "reuseaddr")
            same(last.getsockname()[1], 1, "groups")


@line("open_many takes 1 to 253 entries")
def _(world):
    path = world.space("a")
    with world.start() as program:
        for count in (1, 2, 253):
            answer = program.call((MANY, [(path, 0)] * count))
            same((answer.term, len(answer.fds)), (("ok", ["ok"] * count), count))
            answer.close()
        for count in (0, 254, 1000):
            badarg(program.call((MANY, [(path, 0)] * count)))


@line("open_many of which none worked is {Id, {error, [{Stage, Errno}]}} on stdout")
def _(world):
    with world.start() as program:
        for count in (1, 2, 253):
            answer = program.call((MANY, [(b"/nowhere", 0)] * count))
            same((answer.channel, answer.term), ("stdout", ("error", [("open", 2)] * count)))
        answer = program.call((MANY, [(b"/nowhere", 0), (b"/dev/null", (2, 1, 0))]))
        same((answer.channel, answer.term), ("stdout", ("error", [("open", 2), ("setns", 22)])))


@line("open_many makes a namespace for each of its `new` entries")
def _(world):
    with world.start_as_user() as program:
        answer = program.call((MANY, [(NEW, 0), ((NEW, USER), (2, 1, 0)), (NEW, NETNS), (NEW, 0)]))
        same((answer.term, len(answer.fds)), (("ok", ["ok"] * 4), 4))
        sockets = [socket.socket(fileno=answer.fds[at]) for at in (0, 1, 3)]
        os.close(answer.fds[2])
        answer.fds.clear()
        same(len({cookie(sock) for sock in sockets}), 3, "namespaces")
        for sock in sockets:
            sock.close()


@line("a wrong entry of open_many is a badarg of the whole request")
def _(world):
    with world.start() as program:
        for wrong in ((OWN,), (OWN, Atom("a")), (7, 0), OWN, (OWN, 0, []), (OWN, 0, {}, 1), (OWN, NETNS, options(mark=1))):
            badarg(program.call((MANY, [(OWN, 0), wrong])))
        for wrong in (OWN, {}, (OWN, 0), Atom("all")):
            badarg(program.call((MANY, wrong)))


@line("a command that is not known here is a badarg with a reason for a person")
def _(world):
    with world.start() as program:
        halves = [(OPEN,), (OPEN, OWN), (OPEN, OWN, 0, {}, 1), (INFO,), (MANY,)]
        for command in (Atom("nothing"), (Atom("nothing"), 1), 1, b"info", [], {}, (), *halves):
            reason = badarg(program.call(command))
            true(reason.decode().strip(), "an empty reason")


@line("{open, EINVAL}: a path with a NUL byte")
def _(world):
    with world.start() as program:
        for path in (b"/proc/self/ns/net\0", b"\0", b"/a\0b", b"\0" * 5000):
            refused(program.call((OPEN, path, 0)), "open", 22, *([36] if len(path) > 4095 else []))


@line("{open, ENAMETOOLONG}: a path of 4,096 bytes or more")
def _(world):
    with world.start() as program:
        refused(program.call((OPEN, b"/a" * 2047 + b"a", 0)), "open", 2)  # 4,095
        for path in (b"/a" * 2048, b"/a" * 5000, b"/" * 4096):
            refused(program.call((OPEN, path, 0)), "open", 36)


@line("{open, ENOENT}: a path of nothing, the empty one included")
def _(world):
    with world.start() as program:
        for path in (b"/nowhere", b"/nowhere/at/all", b"", []):
            refused(program.call((OPEN, path, 0)), "open", 2)


@line("{open, ENOTDIR} and {open, ELOOP}: a path that leads nowhere")
def _(world):
    os.symlink("loop", world.path("loop"))
    with world.start() as program:
        refused(program.call((OPEN, b"/dev/null/a", 0)), "open", 20)
        refused(program.call((OPEN, world.path("loop").encode(), 0)), "open", 40)


@line("{open, EACCES}: a path refused by policy")
def _(world):
    world.needs_option("--netns-dir")
    world.space("a")
    allowed = world.path("allowed")
    os.mkdir(allowed)
    with world.start("--netns-dir", allowed) as program:
        refused(program.call((OPEN, world.space("a"), 0)), "open", 13)


@line("{setns, EINVAL}: the file is there but is no network namespace, whatever its permissions")
def _(world):
    bare = world.path("bare")
    os.close(os.open(bare, os.O_CREAT, 0))
    fifo = world.path("fifo")
    if not os.path.exists(fifo):
        os.mkfifo(fifo)
    unlike = [bare, fifo, "/dev/null", "/dev/zero", "/", "/proc/self/ns/uts", "/proc/self/ns/user", "/etc/passwd", "/proc/version"]
    for start in (world.start, world.start_as_user):
        with start() as program:
            for path in unlike:
                answer = program.call((OPEN, path.encode(), 0))
                try:
                    refused(answer, "setns", 22)
                except AssertionError as error:
                    raise AssertionError(f"{path}: {error}") from None
                finally:
                    answer.close()


@line("{open, EACCES}: a path that the program's user may not search")
def _(world):
    closed = world.path("closed")
    os.mkdir(closed, 0)
    try:
        with world.start_as_user() as program:
            refused(program.call((OPEN, closed.encode() + b"/a", 0)), "open", 13)
    finally:
        os.rmdir(closed)


@line("{unshare, EACCES}: making a namespace is refused by policy")
def _(world):
    world.needs_option("--no-new")
    with world.start("--no-new") as program:
        for netns in (NEW, (NEW, USER)):
            refused(program.call((OPEN, netns, 0)), "unshare", 13)


@line("{unshare, ENOSPC}: there are as many namespaces as the user may have")
def _(world):
    if not shutil.which("unshare"):
        raise Skip("needs unshare(1)")
    for what, limit in ((NEW, "max_net_namespaces"), ((NEW, USER), "max_user_namespaces")):
        script = f'echo 0 > /proc/sys/user/{limit} || exit 9; exec "$@"'
        launcher = ["unshare", "--user", "--map-root-user", "/bin/sh", "-c", script, "sh"]
        with world.start_as_user(launcher=launcher) as program:
            stages = "unshare" if what == NEW else ("unshare", "userns")
            refused(program.call((OPEN, what, 0)), stages, 28)


@line("{socket, EACCES}: a protocol that policy refuses")
def _(world):
    world.needs_option("--protocol")
    path = world.space("a")
    with world.start("--protocol", "0") as program:
        opened_socket(program.call((OPEN, path, 0))).close()
        refused(program.call((OPEN, path, 15)), "socket", 13)


@line("{socket, EACCES}: a family that policy refuses")
def _(world):
    world.needs_option("--family")
    path = world.space("a")
    with world.start("--family", "2") as program:
        opened_socket(program.call((OPEN, path, (2, 1, 0)))).close()
        refused(program.call((OPEN, path, (10, 1, 0))), "socket", 13)


@line("the namespace itself is refused by policy with EACCES")
def _(world):
    world.needs_option("--no-netns")
    path = world.space("a")
    with world.start("--no-netns") as program:
        opened_socket(program.call((OPEN, path, 0))).close()
        refused(program.call((OPEN, path, NETNS)), ("open", "socket", "setns"), 13)


@line("{fd, Key} is refused by policy with EACCES")
def _(world):
    world.needs_option("--no-fd")
    space = os.open(world.space("a"), os.O_RDONLY)
    with world.start("--no-fd") as program:
        program.give(1, space)
        refused(program.call((OPEN, (FD, 1), 0)), "open", 13)
    os.close(space)


@line("{send, Errno}: the client's end of the pair is gone")
def _(world):
    netns = OWN if world.root else NEW
    with world.start() as program:
        program.pair.close()
        refused(program.call((OPEN, netns, 0)), "send", 32, 104, 107, 111)
        answer = program.call((MANY, [(netns, 0)] * 3))
        same(answer.term[0], "error")
        same([stage for stage, _ in answer.term[1]], ["send"] * 3, f"{answer!r}:")


def fill(program, netns, in_flight):
    """Opens sockets that nobody receives, until this many requests are in flight; their ids."""
    ids = []
    while program.await_id(program.request(INFO), pair=False).term[1]["requests"]["in_flight"] < in_flight:
        ids.append(program.request((OPEN, netns, 0)))
        true(len(ids) < 20_000, "no answer waits, however many there are")
    return ids


def _answered(program, count):
    """Waits until this many requests were answered."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        told = program.await_id(program.request(INFO), pair=False).term[1]["requests"]
        if told["ok"] + told["error"] >= count:
            return
        true(time.monotonic() < deadline, f"{told} after {TIMEOUT} s")


@line("{send, ETOOMANYREFS}: more descriptors in flight than the client may have, and it goes on")
def _(world):
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (400, 400))
    with world.user_space() as (pid, _), world.start_as_user(preexec_fn=limit) as program:
        entries = [((PID, pid), 0)] * 100
        ids, refusals = [], 0
        for count in range(1, 9):
            ids.append(program.request((MANY, entries)))
            _answered(program, count)
        for id in ids:
            answer = program.await_id(id)
            if answer.channel == "stdout":
                # In a user's own namespace the child that opens them is the first to hand them over.
                error, reasons = answer.term
                same((error, len(reasons)), ("error", 100), "entries")
                true(set(reasons) <= {("send", 109), ("fork", 109)}, f"got {set(reasons)!r}")
                refusals += 1
            answer.close()
        true(0 < refusals < 8, f"{refusals} of 8 were refused")
        opened_socket(program.call((OPEN, (PID, pid), 0))).close()


@line("{thread, EAGAIN}: too many requests are in flight; each is answered once, and it goes on")
def _(world):
    world.needs_option("--max-in-flight")
    netns = OWN if world.root else NEW
    with world.start("--max-in-flight", "8") as program:
        same(program.call(INFO).term[1]["max_in_flight"], 8)
        ids = fill(program, netns, 8)
        for _ in range(50):
            ids.append(program.request((OPEN, netns, 0)))
            refused(program.await_id(ids.pop(), pair=False), "thread", 11)
        for id in ids:
            program.await_id(id).close()
        _answered(program, len(ids) + 50)
        opened_socket(program.call((OPEN, netns, 0))).close()


@line("info answers protocol, version, os_pid, uptime_ms, capabilities, requests and max_in_flight")
def _(world):
    with world.start() as program:
        ok, told = program.call(INFO).term
        same(ok, "ok")
        for key in ("protocol", "version", "os_pid", "capabilities"):
            same(told[key], program.hello[1][key], key)
        for key in ("uptime_ms", "max_in_flight"):
            true(isinstance(told[key], int) and told[key] >= 0, f"{key}: {told[key]!r}")
        for key in ("ok", "error", "in_flight"):
            true(isinstance(told["requests"][key], int), f"{key}: {told['requests']!r}")


@line("info counts the requests that worked, that did not, and that are in flight")
def _(world):
    netns = OWN if world.root else NEW
    with world.start() as program:
        first = program.call(INFO).term[1]
        for _ in range(3):
            opened_socket(program.call((OPEN, netns, 0))).close()
        for _ in range(2):
            refused(program.call((OPEN, b"/nowhere", 0)), "open", 2)
        deadline = time.monotonic() + TIMEOUT
        while True:  # the count may be of a moment before the answer was out
            told = program.call(INFO).term[1]
            if told["requests"]["in_flight"] == 0:
                break
            true(time.monotonic() < deadline, told)
        same(told["requests"]["ok"] - first["requests"]["ok"], 3, "ok")
        same(told["requests"]["error"] - first["requests"]["error"], 2, "error")
        true(told["uptime_ms"] >= first["uptime_ms"], "uptime")


@line("requests don't wait for each other: one whose answer is stuck holds up no other")
def _(world):
    netns = OWN if world.root else NEW
    with world.start() as program:
        stuck = fill(program, netns, 20)
        id = program.request((OPEN, b"/nowhere", 0))
        refused(program.await_id(id, pair=False), "open", 2)
        for id in stuck:
            opened_socket(program.await_id(id)).close()
