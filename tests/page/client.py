"""A client of the wire of linx-netlink-port, on Python's standard library alone.

It is written from the wire's contract and shares nothing with the other clients, so that a
misreading which they share is found here.
"""

import array
import os
import secrets
import select
import socket
import struct
import subprocess
import time

TIMEOUT = 20.0
"""Seconds that an answer may take before a check fails: far more than a busy machine needs."""


class Atom(str):
    """An atom. Equal to the string of its name."""

    __slots__ = ()

    def __repr__(self):
        return str(self)


class Raw(bytes):
    """Bytes of an encoded term without the version byte, put into another term as they are."""

    __slots__ = ()


class ProtocolError(Exception):
    """What came is not what the wire allows."""


def encode(term):
    """A term with its version byte."""
    return b"\x83" + body(term)


def body(term):
    """A term without its version byte. `bytes` is a binary, `Atom` an atom, `Raw` itself."""
    if isinstance(term, Raw):
        return bytes(term)
    if isinstance(term, bool):
        return body(Atom("true" if term else "false"))
    if isinstance(term, Atom):
        name = term.encode()
        return struct.pack(">BB", 119, len(name)) + name
    if isinstance(term, int):
        return integer(term)
    if isinstance(term, bytes):
        return struct.pack(">BI", 109, len(term)) + term
    if isinstance(term, tuple):
        head = struct.pack(">BB", 104, len(term)) if len(term) < 256 else struct.pack(">BI", 105, len(term))
        return head + b"".join(map(body, term))
    if isinstance(term, list):
        if not term:
            return b"\x6a"
        return struct.pack(">BI", 108, len(term)) + b"".join(map(body, term)) + b"\x6a"
    if isinstance(term, dict):
        pairs = b"".join(body(key) + body(value) for key, value in term.items())
        return struct.pack(">BI", 116, len(term)) + pairs
    raise TypeError(f"no term: {term!r}")


def integer(number):
    """The shortest encoding of an integer."""
    if 0 <= number < 256:
        return struct.pack(">BB", 97, number)
    if -(2**31) <= number < 2**31:
        return struct.pack(">Bi", 98, number)
    return small_big(number)


def small_big(number, size=None):
    """An integer as SMALL_BIG, of `size` bytes if given."""
    magnitude = abs(number)
    size = size or (magnitude.bit_length() + 7) // 8
    return struct.pack(">BBB", 110, size, number < 0) + magnitude.to_bytes(size, "little")


def decode(data, tags=None):
    """The term of `data`, all of it. The tags met are added to the set `tags`."""
    if data[:1] != b"\x83":
        raise ProtocolError(f"no version byte: {data[:16].hex()}")
    term, rest = _decode(data, 1, set() if tags is None else tags)
    if rest != len(data):
        raise ProtocolError(f"{len(data) - rest} bytes after the term")
    return term


def _decode(data, at, tags):
    tag = data[at]
    tags.add(tag)
    at += 1
    if tag == 97:
        return data[at], at + 1
    if tag == 98:
        return struct.unpack_from(">i", data, at)[0], at + 4
    if tag == 110:
        size, sign = data[at], data[at + 1]
        number = int.from_bytes(data[at + 2 : at + 2 + size], "little")
        return (-number if sign else number), at + 2 + size
    if tag in (115, 119):
        end = at + 1 + data[at]
        return Atom(data[at + 1 : end].decode()), end
    if tag in (100, 118):
        end = at + 2 + struct.unpack_from(">H", data, at)[0]
        return Atom(data[at + 2 : end].decode()), end
    if tag == 109:
        end = at + 4 + struct.unpack_from(">I", data, at)[0]
        return bytes(data[at + 4 : end]), end
    if tag == 107:
        end = at + 2 + struct.unpack_from(">H", data, at)[0]
        return list(data[at + 2 : end]), end
    if tag == 106:
        return [], at
    if tag == 104:
        items, at = _sequence(data, at + 1, data[at], tags)
        return tuple(items), at
    if tag == 105:
        items, at = _sequence(data, at + 4, struct.unpack_from(">I", data, at)[0], tags)
        return tuple(items), at
    if tag == 108:
        items, at = _sequence(data, at + 4, struct.unpack_from(">I", data, at)[0], tags)
        tail, at = _decode(data, at, tags)
        if tail != []:
            raise ProtocolError("an improper list")
        return items, at
    if tag == 116:
        size = struct.unpack_from(">I", data, at)[0]
        items, at = _sequence(data, at + 4, 2 * size, tags)
        return dict(zip(items[::2], items[1::2])), at
    raise ProtocolError(f"tag {tag}")


def _sequence(data, at, count, tags):
    items = []
    for _ in range(count):
        item, at = _decode(data, at, tags)
        items.append(item)
    return items, at


def receive_message(connection, most=253):
    """One message of a SOCK_SEQPACKET socket: its bytes and its descriptors."""
    data, ancillary, flags, _ = connection.recvmsg(1 << 17, socket.CMSG_SPACE(4 * most), socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, payload in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(payload[: len(payload) - len(payload) % 4])
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise ProtocolError("a truncated message")
    return data, list(descriptors)


def wait_readable(descriptors, deadline):
    """Those of `descriptors` that can be read before `deadline`, at least one."""
    ready, _, _ = select.select(descriptors, [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise TimeoutError(f"nothing came within {TIMEOUT} s")
    return ready


class Rendezvous:
    """The listening socket. `path` as on the command line; `@` means the abstract namespace."""

    def __init__(self, path=None):
        self.path = path or "@page-" + secrets.token_hex(16)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self.listener.bind("\0" + self.path[1:] if self.path.startswith("@") else self.path)
        self.listener.listen()

    def close(self):
        """Closes the socket and removes its file."""
        self.listener.close()
        if not self.path.startswith("@") and os.path.exists(self.path):
            os.unlink(self.path)

    def accept(self, process, launcher):
        """The connection of the program: of `process`, or below a launcher of a fitting user."""
        ended = os.pidfd_open(process.pid)
        try:
            return self._accept(process, launcher, ended)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            os.close(ended)

    def _accept(self, process, launcher, ended):
        deadline = time.monotonic() + TIMEOUT
        while True:
            if self.listener not in wait_readable([self.listener, ended], deadline):
                raise EOFError(f"it ended before its hello, status {process.wait(TIMEOUT)}")
            connection, _ = self.listener.accept()
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            peer, uid, _ = struct.unpack("iII", credentials)
            if peer == process.pid or (launcher and uid in (0, os.getuid())):
                return connection, peer
            connection.close()


class Answer:
    """One reply: `channel` is "stdout" or "pair", `term` what it says, `fds` what came with it."""

    def __init__(self, channel, term, fds):
        self.channel, self.term, self.fds = channel, term, fds

    def __repr__(self):
        return f"{self.term!r} on {self.channel} with {len(self.fds)} descriptors"

    def close(self):
        """Closes the descriptors."""
        while self.fds:
            os.close(self.fds.pop())


class Program:
    """The port program, started, with its hello received."""

    def __init__(self, program, *arguments, launcher=(), rendezvous=None, stdin=None, stdout=None, stderr=None, **popen):
        meeting = Rendezvous(rendezvous)
        self.tags = set()
        self.buffer = b""
        self.next_id = 1
        self.others = {}
        try:
            command = [*launcher, program, "--rendezvous", meeting.path, *arguments]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if stdin is None else stdin,
                stdout=subprocess.PIPE if stdout is None else stdout,
                stderr=subprocess.DEVNULL if stderr is None else stderr,
                bufsize=0,
                **popen,
            )
            connection, self.pid = meeting.accept(self.process, bool(launcher))
        finally:
            meeting.close()
        deadline = time.monotonic() + TIMEOUT
        with connection:
            wait_readable([connection], deadline)
            data, descriptors = receive_message(connection)
            self.hello_bytes, self.hello_descriptors = data, len(descriptors)
            wait_readable([connection], deadline)
            self.closed_after_hello = receive_message(connection) == (b"", [])
        self.hello = decode(data, self.tags)
        self.pair = socket.socket(fileno=descriptors[0])
        self.pair.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(TIMEOUT), 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Ends the program by the end of its stdin; its exit status."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self.pair.close()
        for answer in self.others.values():
            answer.close()
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def write(self, data):
        """Bytes on stdin."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.process.stdin.fileno(), view) :]

    def send_frame(self, term_bytes):
        """A frame of these bytes."""
        self.write(struct.pack(">I", len(term_bytes)) + term_bytes)

    def request(self, command, id=None):
        """Sends a command; the id under which its answer comes."""
        if id is None:
            id, self.next_id = self.next_id, self.next_id + 1
        self.send_frame(encode((id, command)))
        return id

    def give(self, key, *fds):
        """Sends descriptors to the program, under a key."""
        self.give_bytes(encode(key), *fds)

    def give_bytes(self, data, *fds):
        """One message on the pair."""
        socket.send_fds(self.pair, [data], list(fds))

    def receive(self, pair=True):
        """The next answer, from either channel, or from stdout alone without `pair`."""
        deadline = time.monotonic() + TIMEOUT
        stdout = self.process.stdout.fileno()
        watched = [stdout, self.pair] if pair and self.pair.fileno() >= 0 else [stdout]
        while True:
            answer = self._frame()
            if answer:
                return answer
            ready = wait_readable(watched, deadline)
            if self.pair in ready:
                data, fds = receive_message(self.pair)
                if data or fds:
                    return Answer("pair", decode(data, self.tags), fds)
                watched.remove(self.pair)
            if stdout in ready:
                data = os.read(stdout, 1 << 16)
                if not data:
                    raise EOFError(f"the program ended, status {self.process.wait(TIMEOUT)}")
                self.buffer += data

    def _frame(self):
        if len(self.buffer) < 4:
            return None
        size = struct.unpack_from(">I", self.buffer)[0]
        if len(self.buffer) < 4 + size:
            return None
        data, self.buffer = self.buffer[4 : 4 + size], self.buffer[4 + size :]
        return Answer("stdout", decode(data, self.tags), [])

    def await_id(self, id, pair=True):
        """The answer to request `id`, without the id. Others that come first are kept."""
        while id not in self.others:
            answer = self.receive(pair)
            if not (isinstance(answer.term, tuple) and len(answer.term) == 2):
                raise ProtocolError(f"no reply: {answer!r}")
            found, answer.term = answer.term
            if found in self.others:
                raise ProtocolError(f"a second answer to {found}")
            self.others[found] = answer
        return self.others.pop(id)

    def call(self, command, id=None):
        """Sends a command and receives its answer."""
        return self.await_id(self.request(command, id))

    def raw(self, term_bytes):
        """Sends a frame of these bytes; the whole term of the next answer."""
        self.send_frame(term_bytes)
        return self.receive()
