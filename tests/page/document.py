"""What docs/PROTOCOL.md shows in bytes and in Python, done: `python3 document.py PROGRAM`.

Ends with status 1 and a traceback at the first thing that is not as the document says. As root.
"""

import os
import re
import sys

from client import Atom, Program, decode, encode, receive_message
from registry import INFO, MANY, OPEN, OWN, same, true

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/PROTOCOL.md")


def section(text, heading):
    """A section of the document, to the next heading of any level."""
    return re.split(r"^#+ ", text.split(f"\n{heading}\n", 1)[1], flags=re.MULTILINE)[0]


def rows(text):
    """The first cell of each row of the tables of a text."""
    return re.findall(r"^\| (?!---)`?(\w+)`? \|", text, re.MULTILINE)


def steps(text):
    """The bytes of an exchange: the mark of each step and what goes over the wire."""
    blocks = re.findall(r"(?:^    [>=<] .*\n)+", text, re.MULTILINE)
    return [(block.strip()[0], bytes.fromhex(re.sub(r"[>=<\s]", "", block))) for block in blocks]


def exchange(text, program):
    """The exchange, byte by byte."""
    met = set()
    for mark, expected in steps(section(text, "## An exchange")):
        met.add(mark)
        if mark == ">":
            program.write(expected)
        elif mark == "<":
            same(os.read(program.process.stdout.fileno(), 4096).hex(" "), expected.hex(" "), "on stdout")
        else:
            data, descriptors = receive_message(program.pair)
            same((data.hex(" "), len(descriptors)), (expected.hex(" "), 1), "over the pair")
            os.close(descriptors[0])
    same(met, {">", "=", "<"}, "marks")


def tags(text, program):
    """The tags of the hello and of answers of every shape."""
    many = [(MANY, entries) for entries in ([(OWN, 0), (b"/nowhere", 0)], [(b"/nowhere", 0)])]
    for command in (INFO, (OPEN, OWN, 0), (OPEN, b"/nowhere", 0), (OPEN, 0), *many):
        for id in (1, 1000, 2**64 - 1):
            program.call(command, id).close()
    program.raw(b"\x83\xff")
    bare = {106} | program.tags  # a program without capabilities says so by an empty list
    same(sorted(bare), sorted(map(int, filter(str.isdigit, rows(section(text, "## Framing"))))), "tags")


def counts(text, program):
    """The counts of info, and what they count."""
    table = rows(section(text, "## The counts of info"))[1:]
    first = program.call(INFO).term[1][Atom("requests")]
    same(sorted(table), sorted(first), "counts")
    same(set(first.values()), {0}, "at the start")
    program.call((OPEN, OWN, 0)).close()
    program.call((MANY, [(OWN, 0)] * 3)).close()
    program.call((OPEN, b"/nowhere", 0))
    program.call((OPEN, 0))
    program.raw(b"\x83\xff")
    told = program.call(INFO).term[1][Atom("requests")]
    while told["in_flight"]:
        told = program.call(INFO).term[1][Atom("requests")]
    same(told, {"ok": 2, "error": 2, "in_flight": 0, "userns": 0}, "counts")


def client(text, path):
    """The client of the document."""
    [code] = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code, "PROTOCOL.md", "exec"), names)  # the document is the project's own
    port = names["Port"](path)
    same(port.hello[0], "hello")
    same(port.hello[1]["os_pid"], port.process.pid)
    with port.open(OWN) as sock:
        same((sock.family, sock.getsockname()), (16, (0, 0)))
    with port.open(OWN, 0, {"ext_ack": True, "memberships": [1], "rcvbuf": 4096}) as sock:
        same((sock.getsockopt(270, 11), sock.getsockname()[1]), (1, 1))
    try:
        port.open(b"/nowhere")
    except RuntimeError as error:
        same(error.args, ("open", 2))
    else:
        true(False, "/nowhere was opened")
    same(port.close(), 0, "status")
    for number in (0, -1, 255, 256, -(2**40), 2**64 - 1):
        same(decode(b"\x83" + names["encode"](number)), number)
        same(names["decode"](encode(number)[1:]), (number, b""))


if __name__ == "__main__":
    with open(DOCUMENT) as document:
        content = document.read()
    for check in (counts, exchange, tags):
        with Program(sys.argv[1]) as started:
            check(content, started)
    client(content, sys.argv[1])
