"""Ending: the exit statuses."""

import os
import select
import signal
import subprocess
import sys

from client import TIMEOUT, encode
from registry import INFO, NEW, OWN, line, same, true
from replies import fill

CLIENT = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from client import Program
program = Program(sys.argv[2])
print(program.pid, flush=True)
signal.pause()
"""


@line("status 0 at the end of file between two frames")
def _(world):
    same(world.start().end(), 0, "status")
    program = world.start()
    program.call(INFO)
    same(program.end(), 0, "status")


@line("status 0 at the end of file, whatever its threads are doing")
def _(world):
    program = world.start()
    fill(program, OWN if world.root else NEW, 10)
    program.process.stdin.close()
    same(program.process.wait(TIMEOUT), 0, "status")
    program.end()


@line("status 1 at the end of file inside a frame")
def _(world):
    whole = encode((1, INFO))
    frame = len(whole).to_bytes(4, "big") + whole
    for size in (1, 3, 4, 5, len(frame) - 1):
        program = world.start()
        program.write(frame[:size])
        same(program.end(), 1, f"{size} bytes: status")


def _run(world, *arguments):
    command = [world.program, *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT, check=False)


@line("status 2 for wrong arguments, with the usage on stderr")
def _(world):
    for arguments in ((), ("--rendezvous",), ("--nothing",), ("--rendezvous", "@a", "--nothing"), ("--rendezvous", "@a", "more")):
        done = _run(world, *arguments)
        same((done.returncode, done.stdout), (2, b""), f"{arguments}: status, stdout")
        true(b"--rendezvous" in done.stderr, f"{arguments}: no usage in {done.stderr!r}")


@line("status 3 where the rendezvous can't be reached within 5 seconds")
def _(world):
    for path in (os.path.join(world.meeting, "nobody"), "@linx-page-nobody", world.program):
        done = _run(world, "--rendezvous", path)
        same((done.returncode, done.stdout), (3, b""), f"{path}: status, stdout")


@line("the program ends when its client is killed")
def _(world):
    here = os.path.dirname(os.path.abspath(__file__))
    client = subprocess.Popen([sys.executable, "-c", CLIENT, here, world.program], stdout=subprocess.PIPE)
    pid = int(client.stdout.readline())
    watched = os.pidfd_open(pid)
    client.send_signal(signal.SIGKILL)
    client.wait()
    client.stdout.close()
    ended = select.select([watched], [], [], TIMEOUT)[0]
    os.close(watched)
    true(ended, "it outlives its client")
