"""Every line of the wire's contract, checked against a program: `python3 lines.py PROGRAM [WORD]`.

Prints one line for each check, of those whose promise contains WORD if one is given: `ok`,
`not ok` with what was seen instead, or `skipped` with the reason.
Ends with status 1 if one is not ok. As root it runs all of them, in namespaces of its own; those that need no privilege run as
an ordinary user.
"""

import importlib
import signal
import sys
import time
import traceback

from registry import CHECKS, Skip
from spaces import World

for _module in ("starting", "framing", "namespaces", "kinds", "options", "given", "replies", "hostile", "ending"):
    importlib.import_module(_module)


PATIENCE = 120
"""Seconds after which a check that hangs has failed."""


def _hangs(*_):
    raise TimeoutError(f"it hangs for {PATIENCE} s")


def outcome(function, world):
    """How a check ended, and what is to be said of it."""
    signal.alarm(PATIENCE)
    try:
        function(world)
        return "ok", ""
    except Skip as reason:
        return "skipped", str(reason)
    except Exception as error:  # whatever it is, the other checks go on
        place = traceback.extract_tb(error.__traceback__)
        where = [frame for frame in place if not frame.filename.endswith(("client.py", "registry.py"))][-1]
        return "not ok", f"{type(error).__name__}: {error} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"


def main(program, word=""):
    """Runs the checks; the exit status."""
    world = World(program)
    signal.signal(signal.SIGALRM, _hangs)
    counts = dict.fromkeys(("ok", "not ok", "skipped"), 0)
    started = time.monotonic()
    try:
        for promise, function in CHECKS:
            if word in promise:
                result, remark = outcome(function, world)
                counts[result] += 1
                print(f"{result}: {promise}" + (f"  # {remark}" if remark else ""), flush=True)
    finally:
        signal.alarm(0)
        world.close()
    said = ", ".join(f"{count} {result}" for result, count in counts.items())
    print(f"{said}, in {time.monotonic() - started:.0f} s")
    return 1 if counts["not ok"] or not counts["ok"] else 0


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python3 lines.py PROGRAM [WORD]")
    sys.exit(main(*sys.argv[1:]))
