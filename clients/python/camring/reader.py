# SPDX-License-Identifier: Apache-2.0

"""Readers: finding a ring, waiting for pictures, following the writer."""

from __future__ import annotations

import os
import re
import time
from typing import Iterator, Optional, Tuple, Union

from . import futex, layout, lease
from .errors import Corrupt, Ended, Error, NotFound, NotReady, Timeout, WrongProcess
from .frame import Frame, Gap
from .mapping import Mapping

#: How often a reader without a row looks for a new picture: its added latency.
POLL_SECONDS = 0.002

_MAX_SLEEP = 1.0  # seconds; every sleep is bounded
_STALE_NS = 2_000_000_000  # heartbeat older than this: is the file still the one under the name?
_REPLACE_SECONDS = 0.5  # how long a new pair of files may be half in place
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def default_directory() -> str:
    """Where rings are: $CAMRING_RING_DIR, else the user's own /dev/shm/camring-UID (root's is
    /dev/shm/camring), else the service's /dev/shm/camring if only that exists."""
    configured = os.environ.get("CAMRING_RING_DIR")
    if configured:
        return configured
    service = "/dev/shm/camring"  # noqa: S108  # shared memory is the point
    if os.geteuid() == 0:
        return service
    own = f"{service}-{os.geteuid()}"
    return service if os.path.isdir(service) and not os.path.isdir(own) else own


def open(  # noqa: A001  # camring.open is the name people expect
    camera: str,
    output: str = "main",
    dir: Optional[str] = None,  # noqa: A002
    name: Optional[str] = "python",
    wait: float = 0.0,
) -> "Reader":
    """Attach to the frames of a camera.

    dir is the ring directory, by default :func:`default_directory`. Under name the reader registers
    with the writer, which then wakes it and lists it; None, or no permission to write the lease file,
    makes a reader that polls every :data:`POLL_SECONDS` (see ``Reader.registered``). wait is for how
    many seconds to wait for a camera that has not delivered its first picture yet.

    Raises ValueError for a name that no ring can have, NotFound, PermissionDenied, VersionMismatch,
    NotReady or Corrupt.
    """
    for what, value in (("camera", camera), ("output", output)):
        if not _NAME.fullmatch(value):
            raise ValueError(f"{what} name {value!r}: must match {_NAME.pattern}")
    path = os.path.join(dir or default_directory(), f"{camera}.{output}.ring")
    deadline = time.monotonic() + wait
    while True:
        try:
            return Reader(path, name)
        except FileNotFoundError:
            left = deadline - time.monotonic()
            if left <= 0:
                raise NotFound(
                    f"no frames of camera {camera!r}, output {output!r}: {path} does not exist. "
                    "'camring list' shows the names; a ring appears with the camera's first picture"
                ) from None
            time.sleep(min(left, 0.05))


class Reader:
    """Reads one frame ring; made by :func:`open`. It belongs to one thread.

    Iterating yields pictures in order, beginning with the next one published, and ends when a file
    that does not loop has been read. It goes on through restarts of the writer and through new epochs
    of the ring. A reader that is too slow goes on with the newest picture; ``Frame.missed`` and
    ``lapped`` say how many records that cost.
    """

    def __init__(self, path: str, name: Optional[str]):
        self.path = path
        self.name = name
        #: Records this reader has lost because it was too slow.
        self.lapped = 0
        #: Gap records passed so far.
        self.gaps = 0
        self._missed = 0  # not reported by a record yet
        self._inode_checked = 0  # CLOCK_MONOTONIC, ns
        self._mapping, self._lease = _attach(path, name)
        self._next = self._mapping.head + 1

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the row up. Arrays that are still about stay readable; their ring is unmapped with the
        last of them."""
        if self._lease is not None:
            self._lease.close()
        self._lease = self._mapping = None

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def frames(self, timeout: Optional[float] = None) -> Iterator[Frame]:
        """Pictures in order; gaps are passed over and counted in ``gaps``. Raises Timeout if timeout
        seconds pass without one; None waits for ever."""
        try:
            while True:
                yield self.next(timeout)
        except Ended:
            return

    def records(self, timeout: Optional[float] = None) -> Iterator[Union[Frame, Gap]]:
        """Pictures and gaps in order, otherwise as :meth:`frames`."""
        try:
            while True:
                yield self._record(_deadline(timeout))
        except Ended:
            return

    def next(self, timeout: Optional[float] = None) -> Frame:
        """Wait for the next picture. Raises Timeout, or Ended after the last picture of a file."""
        deadline = _deadline(timeout)
        while True:
            record = self._record(deadline)
            if isinstance(record, Frame):
                return record

    def latest(self) -> Optional[Frame]:
        """The current picture, without waiting; None if there is none. Does not move the iteration."""
        mapping = self._open_mapping()
        if self._replaced(mapping):
            self._move()
            mapping = self._mapping
        while True:
            head = mapping.head
            sequence = head
            oldest = max(mapping.header.base_seq, head - mapping.header.desc_count + 1)
            while sequence >= oldest:
                record = self._at(mapping, sequence, 0)
                if isinstance(record, Frame):
                    return record
                if record is None:
                    break  # overwritten
                sequence -= 1
            if sequence < oldest or mapping.head == head:
                return None

    def _record(self, deadline: Optional[float]) -> Union[Frame, Gap]:
        while True:
            mapping = self._open_mapping()
            # Before anything else is looked at: whatever is published after this advances it, and the
            # sleep below returns at once.
            wake = mapping.wake
            if self._next <= mapping.head:
                record = self._at(mapping, self._next, self._missed)
                if record is None:
                    # The newest picture is the freshest, and the furthest from being overwritten.
                    self._skip_to(max(mapping.head, self._next + 1))
                    continue
                self._next += 1
                self._missed = 0
                if isinstance(record, Gap):
                    self.gaps += 1
                return record
            if self._replaced(mapping):
                # Its last record may have come between the two looks.
                if self._next > mapping.head:
                    self._move()
                continue
            if mapping.state == "ended" and self._next > mapping.head:
                raise Ended(f"{self.path}: the file has been read to its end")
            left = _MAX_SLEEP if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise Timeout(
                    f"{self.path}: no new picture in time; the camera is {mapping.state}"
                    + (f" ({mapping.reason})" if mapping.reason else "")
                )
            self._sleep(mapping, wake, min(left, _MAX_SLEEP))

    def _at(self, mapping: Mapping, sequence: int, missed: int) -> Union[Frame, Gap, None]:
        """The record of a published sequence, or None if it has been overwritten."""
        d = mapping.describe(sequence)
        if d is None:
            return None
        if d.flags & layout.FLAG_GAP:
            return Gap(d, missed)
        # Even, and the one that the descriptor names: the pixels are this picture's until it changes.
        if d.generation & 1 or mapping.generation(d.slot) != d.generation:
            return None
        return Frame(d, missed, mapping)

    def _skip_to(self, sequence: int) -> None:
        lost = sequence - self._next
        self._next = sequence
        self._missed += lost
        self.lapped += lost
        if self._lease is not None:
            self._lease.set_missed(self.lapped)

    def _sleep(self, mapping: Mapping, wake: int, seconds: float) -> None:
        if self._lease is None:
            time.sleep(min(seconds, POLL_SECONDS))
            return
        self._lease.set_waiting(1)
        try:
            futex.wait(mapping.wake_address, wake, seconds)
        finally:
            self._lease.set_waiting(0)

    def _replaced(self, mapping: Mapping) -> bool:
        """Whether another file stands under the name: announced by the writer, or, after a writer that
        could not announce it, found by the inode once the heartbeat is stale."""
        if mapping.next_epoch == 0:
            now = time.monotonic_ns()
            if now - mapping.heartbeat_mono_ns <= _STALE_NS or now - self._inode_checked < _STALE_NS // 8:
                return False
            self._inode_checked = now
        try:
            info = os.stat(self.path)
        except OSError:
            return False  # not there, or not yet: what is mapped stays good
        return (info.st_dev, info.st_ino) != mapping.identity

    def _move(self) -> None:
        """Open the ring that has taken the name's place. The row in the old one is given back."""
        try:
            mapping, row = _attach(self.path, self.name)
        except FileNotFoundError:
            return  # removed again
        if self._lease is not None:
            self._lease.close()
        self._mapping, self._lease = mapping, row
        base = mapping.header.base_seq
        if self._next < base:
            self._skip_to(base)
        elif self._next > mapping.head + 1:
            self._next = base  # another life of the name: its sequences began again

    def _open_mapping(self) -> Mapping:
        if self._mapping is None:
            raise ValueError("the reader is closed")
        if self._lease is not None and self._lease.orphaned:
            raise WrongProcess("the reader belongs to the process that opened it: call camring.open again after a fork")
        return self._mapping

    @property
    def registered(self) -> bool:
        """Whether the reader has a row: the writer wakes it and counts it as present. Without one it
        polls every POLL_SECONDS."""
        return self._lease is not None

    @property
    def camera(self) -> str:
        """The camera's name."""
        return self._open_mapping().header.camera.split(b"\0")[0].decode("utf-8", "replace")

    @property
    def output(self) -> str:
        """The output's name."""
        return self._open_mapping().header.output.split(b"\0")[0].decode("utf-8", "replace")

    @property
    def state(self) -> str:
        """State of the camera as its writer last knew it: "live", "stalled", "backoff" …"""
        return self._open_mapping().state

    @property
    def reason(self) -> str:
        """Why the camera is in that state; "" if there is nothing to say."""
        return self._open_mapping().reason

    @property
    def head(self) -> int:
        """Newest sequence. May be stale when it returns."""
        return self._open_mapping().head

    @property
    def epoch(self) -> int:
        """1 for the first ring of the name, one more for each that replaced it."""
        return self._open_mapping().header.epoch

    @property
    def writer_pid(self) -> int:
        """The process that writes, or wrote last."""
        return self._open_mapping().writer_pid

    @property
    def heartbeat_age(self) -> float:
        """Seconds since the writer last said that it lives."""
        return (time.monotonic_ns() - self._open_mapping().heartbeat_mono_ns) / 1e9


def _deadline(timeout: Optional[float]) -> Optional[float]:
    return None if timeout is None else time.monotonic() + timeout


def _attach(path: str, name: Optional[str]) -> Tuple[Mapping, Optional[lease.Lease]]:
    """Map the ring and claim a row; waits a little for a writer that is replacing the files."""
    deadline = time.monotonic() + _REPLACE_SECONDS
    while True:
        error: Error
        try:
            mapping = Mapping(path)
            if name is None:
                return mapping, None
            return mapping, lease.claim(path + ".leases", mapping.header.pair_id, name)
        except NotReady as e:
            error = e
        except lease.PairMismatch:
            error = Corrupt(f"{path}.leases: missing, or belongs to another ring: restart the writer")
        if time.monotonic() >= deadline:
            raise error
        time.sleep(0.01)
