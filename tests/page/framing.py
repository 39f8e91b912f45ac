"""Framing: lengths, the accepted tags, the limits."""

import struct

from client import Atom, Raw, body, encode, small_big
from registry import INFO, OPEN, OWN, line, refused, same, true, whole_badarg

LARGEST = 1_048_576
NOWHERE = b"/nowhere"


def atom(tag, name):
    """An atom in one of its four encodings."""
    form = ">BH" if tag in (100, 118) else ">BB"
    return Raw(struct.pack(form, tag, len(name)) + name)


def string(data):
    """STRING: a list of bytes."""
    return Raw(struct.pack(">BH", 107, len(data)) + data)


def large_tuple(*items):
    """LARGE_TUPLE."""
    return Raw(struct.pack(">BI", 105, len(items)) + b"".join(map(body, items)))


def request_of_size(size):
    """An open request of exactly `size` bytes with the id 1; its path fills it."""
    empty = len(encode((1, (OPEN, b"", 0))))
    return encode((1, (OPEN, b"/" * (size - empty), 0)))


@line("replies are a length of 4 bytes, big-endian, and one term with its version byte")
def _(world):
    with world.start() as program:
        same(program.call(INFO).term[0], "ok")  # the client takes nothing else
        same(program.buffer, b"", "bytes after the frame")


@line("a frame may come in pieces, and several may come at once")
def _(world):
    frame = encode((1, INFO))
    frame = struct.pack(">I", len(frame)) + frame
    with world.start() as program:
        for byte in frame:
            program.write(bytes([byte]))
        same(program.receive().term[0], 1)
        program.write(frame * 20)
        same([program.receive().term[0] for _ in range(20)], [1] * 20)


@line("a request of 1,048,576 bytes is read")
def _(world):
    with world.start() as program:
        program.send_frame(request_of_size(LARGEST))
        refused(program.await_id(1), "open", 36)


@line("a frame of 1,048,577 bytes is frame_too_large, and the next one is read")
def _(world):
    with world.start() as program:
        same(program.raw(request_of_size(LARGEST + 1)).term, ("protocol_error", "frame_too_large"))
        same(program.call(INFO).term[0], "ok")


def _accepted(tag, make):
    @line(f"{tag} is an accepted tag")
    def _(world):
        with world.start() as program:
            id, command, works = make()
            program.send_frame(encode((id, command)))
            answer = program.receive()
            true(isinstance(answer.term, tuple) and answer.term[0] == works, f"got {answer!r}")
            if command == INFO:
                same(answer.term[1][0], "ok")
            else:
                answer.term = answer.term[1]
                refused(answer, "open", 2)


_accepted("SMALL_INTEGER", lambda: (Raw(b"\x61\x07"), INFO, 7))
_accepted("INTEGER", lambda: (Raw(b"\x62\0\0\0\x07"), INFO, 7))
for _size in range(1, 9):
    _accepted(f"SMALL_BIG of {_size} bytes", lambda size=_size: (Raw(small_big(256**size - 1, size)), INFO, 256**size - 1))
_accepted("SMALL_TUPLE", lambda: (1, (OPEN, NOWHERE, 0), 1))
_accepted("LARGE_TUPLE", lambda: (1, large_tuple(OPEN, NOWHERE, 0), 1))
_accepted("NIL", lambda: (1, (OPEN, NOWHERE, 0, {Atom("memberships"): []}), 1))
_accepted("LIST", lambda: (1, (OPEN, list(NOWHERE), 0), 1))
_accepted("STRING", lambda: (1, (OPEN, string(NOWHERE), 0), 1))
_accepted("MAP", lambda: (1, (OPEN, NOWHERE, 0, {}), 1))
_accepted("BINARY", lambda: (1, (OPEN, NOWHERE, 0), 1))
for _tag, _name in ((100, "ATOM"), (115, "SMALL_ATOM"), (118, "ATOM_UTF8"), (119, "SMALL_ATOM_UTF8")):
    _accepted(_name, lambda tag=_tag: (1, (atom(tag, b"open_in_netns"), NOWHERE, 0), 1))

# Every other tag of the format, each in a term that is whole.
_PID = atom(119, b"a@b") + b"\0" * 8
OTHER_TAGS = {
    "FLOAT": b"c" + b"1.5".ljust(31, b"\0"),
    "NEW_FLOAT": b"F" + struct.pack(">d", 1.5),
    "LARGE_BIG": struct.pack(">BIB", 111, 1, 0) + b"\1",
    "PID": b"g" + _PID + b"\0",
    "NEW_PID": b"X" + _PID + b"\0" * 4,
    "PORT": b"f" + atom(119, b"a@b") + b"\0" * 5,
    "NEW_PORT": b"Y" + atom(119, b"a@b") + b"\0" * 8,
    "V4_PORT": b"x" + atom(119, b"a@b") + b"\0" * 12,
    "REFERENCE": b"e" + atom(119, b"a@b") + b"\0" * 5,
    "NEW_REFERENCE": b"r\0\1" + atom(119, b"a@b") + b"\0" * 5,
    "NEWER_REFERENCE": b"Z\0\1" + atom(119, b"a@b") + b"\0" * 8,
    "EXPORT": b"q" + atom(119, b"a") + atom(119, b"b") + b"\x61\0",
    "FUN": b"u" + b"\0" * 4,
    "NEW_FUN": b"p\0\0\0\x1d" + b"\0" * 25,
    "BIT_BINARY": b"M\0\0\0\1\4\xf0",
    "COMPRESSED": b"P\0\0\0\2" + bytes.fromhex("789c4b64000000c50062"),
    "ATOM_CACHE_REF": b"R\0",
    "LOCAL": b"y" + b"\0" * 8 + b"\x61\0",
    "SMALL_BIG of 9 bytes": small_big(1 << 64),
    "tag 0": b"\0",
    "tag 255": b"\xff",
}


def _not_accepted(tag, encoded):
    @line(f"{tag} is a bad tag, alone and in a request, and the next frame is read")
    def _(world):
        with world.start() as program:
            same(program.raw(b"\x83" + encoded).term, ("protocol_error", "bad_tag"))
            whole_badarg(program.raw(encode((5, (OPEN, Raw(encoded), 0)))), 5)
            same(program.call(INFO).term[0], "ok")


for _name, _encoded in OTHER_TAGS.items():
    _not_accepted(_name, _encoded)


def nested(depth, leaf=b"\x61\0"):
    """Lists inside each other."""
    return b"\x6c\0\0\0\1" * depth + leaf + b"\x6a" * depth


@line("a term that nests 8 deep is read, and one that nests 9 deep is too_deep")
def _(world):
    tuples = lambda depth: b"\x68\1" * depth + b"\x61\0"
    maps = lambda depth: b"\x74\0\0\0\1\x61\0" * depth + b"\x61\0"
    with world.start() as program:
        for form in (nested, tuples, maps):
            same(program.raw(b"\x83" + form(8)).term, ("protocol_error", "not_a_request"), "8 deep:")
            same(program.raw(b"\x83" + form(9)).term, ("protocol_error", "too_deep"), "9 deep:")
            same(program.raw(b"\x83" + form(100_000)).term, ("protocol_error", "too_deep"), "100,000 deep:")
        same(program.call(INFO).term[0], "ok")


@line("a request that nests too deep is answered under its id")
def _(world):
    with world.start() as program:
        whole_badarg(program.raw(encode((9, Raw(nested(9))))), 9)
        same(program.call(INFO).term[0], "ok")


REASONS = {
    "bad_version": [b"\x82" + body((1, INFO)), b"\0", body((1, INFO))],
    "bad_tag": [b"\x83\xff", b"\x83" + OTHER_TAGS["NEW_FLOAT"]],
    "too_deep": [b"\x83" + nested(9)],
    "truncated_term": [
        *(b"\x83", b"\x83\x68", b"\x83\x68\2", b"\x83\x61", b"\x83\x6d\0\0\0\5abc"),
        *(b"\x83" + tag + b"\xff\xff\xff\xff" for tag in (b"\x6c", b"\x69", b"\x74", b"\x6d")),
    ],
    "trailing_bytes": [b"\x83\x61\0\0", b"\x83\x6a\x6a", encode(INFO) + b"\x83"],
    "not_a_request": [
        *map(encode, (INFO, 1, b"", [], {}, (), (1,))),
        *map(encode, ((INFO, 1), (-1, INFO), (-(2**40), INFO), (b"1", INFO), [1, INFO])),
    ],
}


def _reason(reason, frames):
    @line(f"a frame that can't be read as a request is answered {{protocol_error, {reason}}}, and the next one is read")
    def _(world):
        with world.start() as program:
            for frame in frames:
                answer = program.raw(frame)
                same((answer.channel, answer.term), ("stdout", ("protocol_error", reason)), frame[:40].hex())
                same(program.call(INFO).term[0], "ok")


for _name, _frames in REASONS.items():
    _reason(_name, _frames)


@line("an empty frame is answered by one protocol_error, and the next one is read")
def _(world):
    with world.start() as program:
        same(program.raw(b"").term[0], "protocol_error")
        same(program.call(INFO).term[0], "ok")


@line("where the id can be read, a frame that is no request is answered under it")
def _(world):
    whole = encode((77, (OPEN, OWN, 0)))
    with world.start() as program:
        for frame in (whole[:-1], whole[:-3], whole + b"\0", encode((77, Atom("nothing"))), encode((77, 5))):
            whole_badarg(program.raw(frame), 77)
        same(program.call(INFO).term[0], "ok")
