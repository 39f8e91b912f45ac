"""The namespaces, users and helpers of the checks. What is made here ends with this process."""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import contextmanager

import links
from client import Program
from registry import Skip

CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWUSER = 0x20000, 0x40000000, 0x10000000
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
NS_GET_USERNS, NS_GET_OWNER_UID = 0xB701, 0xB704
SO_NETNS_COOKIE, PR_SET_DUMPABLE = 71, 4

_libc = ctypes.CDLL(None, use_errno=True)


def system(name, *arguments):
    """A call of libc; -1 is an OSError."""
    if getattr(_libc, name)(*arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def cookie(sock):
    """Which network namespace a socket is in."""
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8), sys.byteorder)


def identity(descriptor_or_path):
    """Which namespace a namespace file is."""
    found = os.stat(descriptor_or_path)
    return found.st_dev, found.st_ino


def user_namespace(descriptor):
    """The identity and the owner of the user namespace to which a namespace belongs."""
    owner = fcntl.ioctl(descriptor, NS_GET_USERNS)
    try:
        uid = fcntl.ioctl(owner, NS_GET_OWNER_UID, struct.pack("I", 0))
        return identity(owner), struct.unpack("I", uid)[0]
    finally:
        os.close(owner)


@contextmanager
def entered(path):
    """This process in the namespace of `path`, for a while."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        system("setns", there, CLONE_NEWNET)
        yield
    finally:
        system("setns", home, CLONE_NEWNET)
        os.close(home)
        os.close(there)


class World:
    """Where the checks run: as root in a mount namespace of their own, or as an ordinary user."""

    def __init__(self, program):
        self.root = os.geteuid() == 0
        # No account is asked for: an id that nobody has, and that runs at the same time don't share.
        self.uid = 700_000 + os.getpid() % 100_000 if self.root else os.getuid()
        if not os.access(program, os.X_OK):
            sys.exit(f"{program} can't be run")
        self.directory = tempfile.mkdtemp(prefix="linx-page-")
        if self.root:
            system("unshare", CLONE_NEWNS)
            system("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
            system("mount", b"none", self.directory.encode(), b"tmpfs", 0, b"mode=0755")
        self.meeting = os.path.join(self.directory, "meeting")
        os.mkdir(self.meeting, 0o700)
        self.program = shutil.copy(program, os.path.join(self.directory, "program"))
        os.chmod(self.program, 0o755)
        self.usage = subprocess.run([self.program, "--help"], capture_output=True, text=True, check=False).stdout
        self.cookies = {}

    def close(self):
        """Removes what was made."""
        if self.root:
            system("umount2", self.directory.encode(), MNT_DETACH)
        shutil.rmtree(self.directory)

    def needs_root(self):
        """Skips the check unless this runs as root."""
        if not self.root:
            raise Skip("needs root")

    def needs_option(self, option):
        """Skips the check unless the program has a command-line option."""
        if option not in self.usage:
            raise Skip(f"the program has no {option}")

    def path(self, name):
        """A path in the directory of the checks."""
        return os.path.join(self.directory, name)

    def space(self, name):
        """The path of a network namespace of this name, made when first asked for."""
        self.needs_root()
        path = self.path(name)
        if name not in self.cookies:
            open(path, "x").close()
            child = os.fork()
            if child == 0:
                try:
                    system("unshare", CLONE_NEWNET)
                    system("mount", b"/proc/self/ns/net", path.encode(), None, MS_BIND, None)
                    os._exit(0)
                finally:
                    os._exit(1)
            if os.waitpid(child, 0)[1]:
                raise Skip("no network namespace can be made")
            with entered(path), socket.socket(16, 3, 0) as sock:
                self.cookies[name] = cookie(sock)
                # Without a link that is up, the kernel takes any address for one of its own.
                links.set_up(sock)
        return path.encode()

    def start(self, *arguments, **options):
        """The program, as root if this runs as root."""
        return Program(self.program, *arguments, **options)

    def drop(self):
        """The arguments of Popen by which a process is the ordinary user's."""
        return {"user": self.uid, "group": self.uid, "extra_groups": []} if self.root else {}

    def start_as_user(self, *arguments, **options):
        """The program, as an ordinary user."""
        return Program(self.program, *arguments, **self.drop(), **options)

    @contextmanager
    def user_space(self):
        """A namespace that the ordinary user made without privilege: the pid in it, and its cookie."""
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                self.become_user()
                system("unshare", CLONE_NEWUSER | CLONE_NEWNET)
                os.write(tell, str(cookie(socket.socket(16, 3, 0))).encode())
                signal.pause()
            finally:
                os._exit(1)
        os.close(tell)
        try:
            found = os.read(told, 64)
            if not found:
                raise Skip("needs unprivileged user namespaces")
            yield child, int(found)
        finally:
            os.close(told)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    def become_user(self):
        """Makes this process, a child, the ordinary user's, as if it had been started by him."""
        if self.root:
            os.setgroups([])
            os.setresgid(self.uid, self.uid, self.uid)
            os.setresuid(self.uid, self.uid, self.uid)
            system("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0)

    def as_user(self, function):
        """The result of `function`, an integer from 0 to 250, computed as the ordinary user."""
        child = os.fork()
        if child == 0:
            try:
                self.become_user()
                os._exit(function())
            finally:
                os._exit(251)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
