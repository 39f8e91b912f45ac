"""Netns: which namespace."""

import os
import shutil
import socket
import subprocess
import threading

import links
from registry import FD, NETNS, NEW, OPEN, PID, USER, Skip, line, opened, opened_socket, refused, same, true
from spaces import cookie, entered, identity, user_namespace

def _lands(world, netns_of, name="a"):
    """An open by a form of Netns lands in the namespace `name`."""
    world.space(name)
    with world.start() as program, opened_socket(program.call((OPEN, netns_of, 0))) as sock:
        same(cookie(sock), world.cookies[name], "namespace")


@line("a binary is the path of a network-namespace file")
def _(world):
    _lands(world, world.space("a"))


@line("a list of bytes is the path of a network-namespace file")
def _(world):
    _lands(world, list(world.space("a")))


@line("a relative path is resolved in the program's working directory")
def _(world):
    world.space("a")
    with world.start(cwd=world.directory) as program:
        for path in (b"a", b"./a", b"meeting/../a"):
            with opened_socket(program.call((OPEN, path, 0))) as sock:
                same(cookie(sock), world.cookies["a"], "namespace")


@line("a symbolic link is followed")
def _(world):
    os.symlink(world.space("a"), world.path("link"))
    _lands(world, world.path("link").encode())


@line("/proc/self is the program itself")
def _(world):
    path = world.space("b")
    with entered(path):
        program = world.start()
    with program, opened_socket(program.call((OPEN, b"/proc/self/ns/net", 0))) as sock:
        same(cookie(sock), world.cookies["b"], "namespace")


@line("{pid, Pid} is the namespace of that process")
def _(world):
    with entered(world.space("a")):
        process = subprocess.Popen(["sleep", "300"])
    try:
        _lands(world, (PID, process.pid))
    finally:
        process.kill()
        process.wait()


@line("{pid, Pid} of no process is {open, ESRCH}")
def _(world):
    process = subprocess.Popen(["true"])
    process.wait()
    with world.start() as program:
        for pid in (process.pid, 2**22 + 1):
            refused(program.call((OPEN, (PID, pid), 0)), "open", 3)


@line("{pid, Pid} of a thread that leads no process is {open, ESRCH}")
def _(world):
    done, ready, found = threading.Event(), threading.Event(), []
    thread = threading.Thread(target=lambda: (found.append(threading.get_native_id()), ready.set(), done.wait()))
    thread.start()
    try:
        ready.wait()
        with world.start() as program:
            refused(program.call((OPEN, (PID, found[0]), 0)), "open", 3)
    finally:
        done.set()
        thread.join()


@line("{pid, Pid} is looked up in the program's own pid namespace, whatever procfs is mounted")
def _(world):
    if not shutil.which("unshare"):
        raise Skip("needs unshare(1)")
    path = world.space("b")
    with entered(path):
        program = world.start(launcher=["unshare", "--pid", "--fork"])
    with program:
        same(program.hello[1]["os_pid"], 1, "os_pid")
        with opened_socket(program.call((OPEN, (PID, 1), 0))) as sock:
            same(cookie(sock), world.cookies["b"], "namespace")
        refused(program.call((OPEN, (PID, os.getpid()), 0)), "open", 3)


@line("{pid, Pid} is no process of that id in another pid namespace")
def _(world):
    if not shutil.which("unshare"):
        raise Skip("needs unshare(1)")
    with entered(world.space("a")):
        outside = subprocess.Popen(["sleep", "300"])
    # The next process of the new pid namespace gets the id of the one outside.
    script = f'echo {outside.pid - 1} > /proc/sys/kernel/ns_last_pid; sleep 300 & echo $! >&2; "$@"'
    noted, note = os.pipe()
    try:
        with entered(world.space("b")):
            program = world.start(launcher=["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"], stderr=note)
        with program:
            os.close(note)
            if os.read(noted, 64).split()[:1] != [str(outside.pid).encode()]:
                raise Skip("the id of a process can't be chosen here")
            with opened_socket(program.call((OPEN, (PID, outside.pid), 0))) as sock:
                same(cookie(sock), world.cookies["b"], f"namespaces are {world.cookies}; this one")
    finally:
        os.close(noted)
        outside.kill()
        outside.wait()


@line("`new` and {new, user} make a namespace for each entry, with loopback alone, and that down")
def _(world):
    with world.start_as_user() as program:
        found = set()
        for netns in (NEW, NEW, (NEW, USER), (NEW, USER)):
            with opened_socket(program.call((OPEN, netns, 0))) as sock:
                found.add(cookie(sock))
                seen = links.list_links(sock)
                same(list(seen), [b"lo"], "links")
                same(seen[b"lo"] & links.IFF_UP, 0, "lo is up:")
        with socket.socket(16, 3, 0) as sock:
            true(cookie(sock) not in found, "it is the client's own")
        same(len(found), 4, "namespaces")


@line("`new` is in the program's own user namespace")
def _(world):
    world.needs_root()
    with world.start() as program:
        space = opened(program.call((OPEN, NEW, NETNS)))
        same(user_namespace(space)[0], identity("/proc/self/ns/user"), "user namespace")
        os.close(space)


@line("`new` is as {new, user} where the program may not")
def _(world):
    with world.start_as_user() as program:
        spaces = [opened(program.call((OPEN, netns, NETNS))) for netns in (NEW, (NEW, USER))]
        owners = [user_namespace(space) for space in spaces]
        same(owners[0], owners[1], "user namespaces and owners differ:")
        true(owners[0][0] != identity("/proc/self/ns/user"), "it is the client's user namespace")
        for space in spaces:
            os.close(space)


@line("{new, user} is in one user namespace for all, which belongs to the user of the program")
def _(world):
    starts = [(world.start_as_user, world.uid)] + ([(world.start, 0)] if world.root else [])
    for start, uid in starts:
        with start() as program:
            answers = [program.call((OPEN, (NEW, USER), NETNS)) for _ in range(3)]
            spaces = [opened(answer) for answer in answers]
            owners = {user_namespace(space) for space in spaces}
            same(len(owners), 1, "user namespaces")
            same(owners.pop()[1], uid, "owner")
            true(user_namespace(spaces[0])[0] != identity("/proc/self/ns/user"), "it is the client's own")
            same(len({identity(space) for space in spaces}), 3, "network namespaces")
            for space in spaces:
                os.close(space)


@line("that user may do everything in {new, user}, without privilege")
def _(world):
    with world.start_as_user() as program:
        space = opened(program.call((OPEN, (NEW, USER), NETNS)))
        for netns, far in (((NEW, USER), b"far"), (NEW, b"farther")):
            with opened_socket(program.call((OPEN, netns, 0))) as sock:
                same(world.as_user(lambda: links.set_up(sock)), 0, "bringing loopback up: errno")
                made = world.as_user(lambda: links.make_veth(sock, b"near", far, space))
                if made == 95:
                    raise Skip("this kernel has no veth")
                same(made, 0, "making a link into another one: errno")
                true({b"lo", b"near"} <= set(links.list_links(sock)), "the link is not there")
        os.close(space)


@line("a new namespace lives as long as what was handed over")
def _(world):
    with world.start_as_user() as program:
        with opened_socket(program.call((OPEN, NEW, 0))) as sock:
            same(world.as_user(lambda: links.set_up(sock)), 0, "errno")
            true(links.list_links(sock)[b"lo"] & links.IFF_UP, "it is another namespace")
        space = opened(program.call((OPEN, NEW, NETNS)))
        program.give(1, space)
        with opened_socket(program.call((OPEN, (FD, 1), 0))) as first:
            program.give(2, space)
            with opened_socket(program.call((OPEN, (FD, 2), 0))) as second:
                same(cookie(first), cookie(second), "namespaces")
        os.close(space)


@line("a namespace of the user's own opens without privilege, by {pid, Pid} and by path")
def _(world):
    with world.user_space() as (pid, expected), world.start_as_user() as program:
        for netns in ((PID, pid), f"/proc/{pid}/ns/net".encode()):
            with opened_socket(program.call((OPEN, netns, 0))) as sock:
                same(cookie(sock), expected, "namespace")
                same(world.as_user(lambda: links.set_up(sock)), 0, "bringing loopback up: errno")


@line("every kind of descriptor of a namespace of the user's own opens without privilege")
def _(world):
    with world.user_space() as (pid, expected), world.start_as_user() as program:
        for what in ((2, 1, 0), (10, 2, 0), (1, 5, 0), (16, 3, 0)):
            with opened_socket(program.call((OPEN, (PID, pid), what))) as sock:
                same(cookie(sock), expected, f"{what}: namespace")
        space = opened(program.call((OPEN, (PID, pid), NETNS)))
        same(identity(space), identity(f"/proc/{pid}/ns/net"), "namespace")
        os.close(space)


@line("a namespace of root's is refused to a program without privilege")
def _(world):
    path = world.space("a")
    with world.start_as_user() as program:
        refused(program.call((OPEN, path, 0)), ("open", "setns", "userns", "fork"), 1, 13)
