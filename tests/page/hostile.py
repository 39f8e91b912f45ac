"""No input makes the program crash, hang, hold much memory, or leak a descriptor."""

import os
import random
import struct
import time

from client import TIMEOUT, Atom, Raw, body, encode
from framing import LARGEST, OTHER_TAGS, REASONS
from options import address, options
from registry import FD, INFO, MANY, NETNS, NEW, OPEN, OWN, PID, line, refused, same, true


def descriptors(program):
    """How many descriptors the program has."""
    return len(os.listdir(f"/proc/{program.pid}/fd"))


def _descriptors_return_to(program, count):
    deadline = time.monotonic() + TIMEOUT
    while descriptors(program) > count:
        true(time.monotonic() < deadline, f"{descriptors(program)} descriptors, before {count}")


def _peak(program):
    """The most memory that the program had, in bytes."""
    with open(f"/proc/{program.pid}/status") as status:
        return 1024 * next(int(row.split()[1]) for row in status if row.startswith("VmHWM"))


@line("a frame of 256 MiB is skipped without being held, and the next one is read")
def _(world):
    with world.start() as program:
        program.call(INFO)
        before = _peak(program)
        program.write(struct.pack(">I", 256 << 20))
        for _ in range(256):
            program.write(b"\x83" * (1 << 20))
        same(program.receive().term, ("protocol_error", "frame_too_large"))
        same(program.call(INFO).term[0], "ok")
        true(_peak(program) - before < 8 << 20, f"{_peak(program) - before} bytes more")


@line("the largest announced length is frame_too_large at its end, or no answer at the end of file")
def _(world):
    with world.start() as program:
        program.write(b"\xff\xff\xff\xff" + b"\0" * 4096)
        program.process.stdin.close()
        same(program.process.wait(TIMEOUT), 1, "status")


@line("frames that announce more than they hold take no memory")
def _(world):
    with world.start() as program:
        program.call(INFO)
        before = _peak(program)
        for tag in (b"\x6c", b"\x69", b"\x74", b"\x6d", b"\x6f"):
            for count in (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x10\x00\x00"):
                same(program.raw(b"\x83" + tag + count).term[0], "protocol_error")
                program.raw(encode((1, INFO))[:-len(body(INFO))] + tag + count)
        true(_peak(program) - before < 8 << 20, f"{_peak(program) - before} bytes more")
        same(program.call(INFO).term[0], "ok")


@line("the largest frames of the smallest terms take a small multiple of their size")
def _(world):
    frames = [
        encode((1, Raw(b"\x6c" + struct.pack(">I", 500_000) + b"\x61\0" * 500_000 + b"\x6a"))),
        encode((1, Raw(b"\x69" + struct.pack(">I", 1_000_000) + b"\x6a" * 1_000_000))),
        encode((1, Raw(b"\x74" + struct.pack(">I", 150_000) + b"".join(body(n) + b"\x6a" for n in range(150_000))))),
        encode((1, (OPEN, list(range(256)) * 800, 0))),
        encode((1, (MANY, [(OWN, 0)] * 20_000))),
    ]
    with world.start() as program:
        program.call(INFO)
        before = _peak(program)
        for frame in frames:
            true(len(frame) <= LARGEST, "the check's own frame is too large")
            same(program.raw(frame).term[0], 1)
        true(_peak(program) - before < 32 * LARGEST, f"{_peak(program) - before} bytes more")


def seeds():
    """Requests of every kind, from which others are made by damage."""
    commands = [
        INFO,
        (OPEN, b"/nowhere", 0),
        (OPEN, OWN, (2, 1, 0)),
        (OPEN, OWN, NETNS),
        (OPEN, (PID, 1), 0),
        (OPEN, (FD, 1), 0),
        (OPEN, NEW, 0),
        (OPEN, list(b"/nowhere"), 0, options(ext_ack=True, groups=1, memberships=[1])),
        (OPEN, b"/nowhere", (2, 1, 0), options(bind=address("127.0.0.1"), listen=1, bindtodevice=b"lo")),
        (MANY, [(b"/nowhere", 0), (OWN, 0, options(rcvbuf=4096))]),
    ]
    found = [encode((number, command)) for number, command in enumerate(commands)]
    return found + [frame for frames in REASONS.values() for frame in frames] + [b"\x83" + term for term in OTHER_TAGS.values()]


LIKELY = (0, 1, 97, 104, 108, 109, 110, 116, 119, 127, 255)
"""Bytes that say most in a term: tags and lengths."""


def damaged(source, frame):
    """A frame with a few bytes changed, cut out, put in or repeated."""
    data = bytearray(frame)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(data) + 1)
        match source.randrange(4):
            case 0:
                data[at : at + 1] = bytes([source.choice((*LIKELY, source.randrange(256)))])
            case 1:
                del data[at : at + source.randint(1, 4)]
            case 2:
                data[at:at] = source.randbytes(source.randint(1, 4))
            case _:
                data[at:at] = data[at : at + 8] * source.randint(1, 3)
    return bytes(data)


@line("each of 3,000 damaged frames gets exactly one answer, and no descriptor is left")
def _(world):
    world.needs_root()
    source = random.Random(4)
    frames = [damaged(source, frame) for frame, _ in zip(seeds() * 200, range(3000))]
    with world.start() as program:
        program.call(INFO)
        before = descriptors(program)
        for frame in frames:
            answer = program.raw(frame)
            answer.close()
            true(isinstance(answer.term, tuple) and len(answer.term) == 2, f"{frame.hex()}: {answer!r}")
        id = program.request(INFO, 2**50)
        same(program.receive().term[0], id, "a frame was answered twice, or late:")
        _descriptors_return_to(program, before)


@line("each of 2,000 frames of random bytes gets exactly one answer")
def _(world):
    source = random.Random(5)
    with world.start() as program:
        for _ in range(2000):
            frame = b"\x83" * source.randrange(2) + source.randbytes(source.randrange(1, 60))
            same(program.raw(frame).term[0], "protocol_error", frame.hex())
        same(program.call(INFO).term[0], "ok")


@line("damaged messages on the pair are dropped, and no descriptor is left")
def _(world):
    world.needs_root()
    source = random.Random(6)
    with world.start() as program:
        program.call(INFO)
        before = descriptors(program)
        space = os.open(OWN, os.O_RDONLY)
        for n in range(1000):
            program.give_bytes(damaged(source, encode((Atom("key"), n))) or b"\0", *[space] * source.randint(1, 3))
        os.close(space)
        same(program.call(INFO).term[0], "ok")
        _descriptors_return_to(program, before + 64)


@line("no outcome of a request leaves a descriptor behind")
def _(world):
    path = world.space("a")
    commands = [
        (OPEN, path, 0),
        (OPEN, path, NETNS),
        (OPEN, path, 99),
        (OPEN, path, (2, 1, 0), options(bind=address("192.0.2.1"))),
        (OPEN, path, 0, options(memberships=[100_000])),
        (OPEN, b"/dev/null", 0),
        (OPEN, (PID, 1), 0),
        (OPEN, NEW, 0),
        (OPEN, NEW, NETNS),
        (OPEN, (NEW, Atom("user")), 0),
        (MANY, [(path, 0), (b"/nowhere", 0), (path, 99), (NEW, (2, 1, 0))]),
        (MANY, [(path, 99)] * 50),
    ]
    with world.start() as program:
        for command in commands:  # what it keeps for ever, it has after the first time
            program.call(command).close()
        before = descriptors(program)
        for _ in range(10):
            for command in commands:
                program.call(command).close()
        _descriptors_return_to(program, before)


@line("a FIFO as namespace is not opened, and holds up nobody")
def _(world):
    fifo = world.path("fifo")
    if not os.path.exists(fifo):
        os.mkfifo(fifo)
    with world.start() as program:
        refused(program.call((OPEN, fifo.encode(), 0)), "setns", 22)
