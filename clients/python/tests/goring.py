# SPDX-License-Identifier: Apache-2.0

"""The real writer, camring's own, driven by a test."""

import atexit
import os
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

_HERE = os.path.dirname(os.path.abspath(__file__))
_program = None

DEADLINE = 20.0  # seconds; for whatever must come about and says when it has


def _build():
    global _program
    if _program is None:
        go = shutil.which("go")
        if go is None:
            wanted = {w.strip() for w in os.environ.get("CAMRING_REQUIRE", "").split(",")}
            if wanted & {"go", "all"}:
                raise AssertionError("go is not installed and CAMRING_REQUIRE asks for it")
            raise unittest.SkipTest("go is not installed: no writer to read from")
        directory = tempfile.TemporaryDirectory(prefix="camring-test-")
        atexit.register(directory.cleanup)
        path = os.path.join(directory.name, "ringwriter")
        env = dict(os.environ, CGO_ENABLED="0")
        subprocess.run([go, "build", "-o", path, "./ringwriter"], cwd=_HERE, env=env, check=True)
        _program = path
    return _program


class Writer:
    """A process that writes the ring of camera "cam"."""

    def __init__(self, directory, slots=4):
        self.path = os.path.join(directory, "cam.main.ring")
        self.process = subprocess.Popen(
            [_build(), directory, "cam", str(slots)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def send(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline().split(None, 1)
        if not line or line[0] != "ok":
            raise AssertionError(f"writer: {' '.join(line) or 'died'}")
        return int(line[1])

    def do(self, command):
        """Send a command; the newest sequence afterwards."""
        self.send(command)
        return self.answer()

    def frame(self, value, width=64, height=48):
        return self.do(f"frame {value} {width} {height}")

    def kill(self):
        self.process.kill()
        self.close()

    def close(self):
        """End in order, leaving the files to a successor."""
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except BrokenPipeError:
                pass
        self.process.wait(DEADLINE)


class RingTest(unittest.TestCase):
    """A directory, a writer, and what tests of readers need."""

    slots = 4

    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="camring-test-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.writer = self.start()

    def start(self):
        writer = Writer(self.directory, self.slots)
        self.addCleanup(writer.kill)
        return writer

    def open(self, **options):
        import camring

        reader = camring.open("cam", dir=self.directory, **options)
        self.addCleanup(reader.close)
        return reader

    def patch(self, offset, form, *values, leases=False):
        """Overwrite bytes of the ring file, or of the lease file."""
        with open(self.writer.path + (".leases" if leases else ""), "r+b") as f:
            f.seek(offset)
            f.write(struct.pack(form, *values))

    def lease(self, offset, form):
        with open(self.writer.path + ".leases", "rb") as f:
            f.seek(offset)
            return struct.unpack(form, f.read(struct.calcsize(form)))

    def eventually(self, what, condition):
        deadline = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"not within {DEADLINE} s: {what}")
            time.sleep(0.001)
