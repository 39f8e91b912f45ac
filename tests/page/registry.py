"""The checks, and the words in which they say what must be so."""

import socket

from client import Atom

OPEN, MANY, INFO = Atom("open_in_netns"), Atom("open_many"), Atom("info")
NETNS, NEW, USER, PID, FD = Atom("netns"), Atom("new"), Atom("user"), Atom("pid"), Atom("fd")
OWN = b"/proc/self/ns/net"

CHECKS = []


class Skip(Exception):
    """Why a check can't run here."""


def line(promise):
    """Registers a check; it takes the world and fails by an exception."""

    def register(function):
        CHECKS.append((promise, function))
        return function

    return register


def same(got, wanted, what="got"):
    """`got` is `wanted`."""
    if got != wanted:
        raise AssertionError(f"{what} {got!r}, expected {wanted!r}")


def true(holds, what):
    """`holds` is true."""
    if not holds:
        raise AssertionError(what)


def opened(answer):
    """The one descriptor of an `ok` of `open_in_netns`."""
    if (answer.channel, answer.term, len(answer.fds)) != ("pair", "ok", 1):
        raise AssertionError(f"got {answer!r}, expected ok on the pair with one descriptor")
    return answer.fds.pop()


def opened_socket(answer):
    """The same, as a socket."""
    return socket.socket(fileno=opened(answer))


def refused(answer, stages, *errnos):
    """The answer is `{error, {Stage, Errno}}` on stdout, of one of these stages and errnos."""
    stages = (stages,) if isinstance(stages, str) else stages
    expected = f"{{error, {{{'|'.join(stages)}, {'|'.join(map(str, errnos))}}}}} on stdout"
    try:
        error, (stage, errno) = answer.term
        fits = error == "error" and stage in stages and errno in errnos and answer.channel == "stdout"
    except (TypeError, ValueError):
        fits = False
    true(fits and not answer.fds, f"got {answer!r}, expected {expected}")


def badarg(answer):
    """The answer is `{error, {badarg, Reason}}` on stdout; the reason."""
    try:
        error, (kind, reason) = answer.term
        fits = (error, kind, answer.channel) == ("error", "badarg", "stdout") and isinstance(reason, bytes)
    except (TypeError, ValueError):
        fits = False
    true(fits, f"got {answer!r}, expected {{error, {{badarg, Reason}}}} on stdout")
    return reason


def whole_badarg(answer, id):
    """The same of an answer that still has its id."""
    true(isinstance(answer.term, tuple) and len(answer.term) == 2, f"got {answer!r}")
    found, answer.term = answer.term
    same(found, id, "id")
    return badarg(answer)
