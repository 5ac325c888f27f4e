# SPDX-License-Identifier: Apache-2.0

"""A reader's row of the lease file: how the writer knows whom to wake."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import secrets
import struct
import time
import weakref
from typing import Optional

from . import layout
from .errors import Corrupt

_F_OFD_SETLK = getattr(fcntl, "F_OFD_SETLK", 37)
_FLOCK = struct.Struct("hh4xqqi4x")  # type, whence, start, length, pid

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_MADV_DONTFORK = 10

_living: "weakref.WeakSet[Lease]" = weakref.WeakSet()


class PairMismatch(Exception):
    """Ring and lease file do not belong together: a writer is between two renames."""


class _Memory:
    """A mapped lease file. Not mmap.mmap: that keeps a copy of the descriptor, and with it the lock,
    and a child could only close that by unmapping addresses which may be somebody else's there."""

    def __init__(self, fd: int):
        size = layout.LEASE_FILE_SIZE
        address = _libc.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, fd, 0)
        if address in (None, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.address: Optional[int] = address
        _libc.madvise(address, size, _MADV_DONTFORK)
        self.bytes = memoryview((ctypes.c_char * size).from_address(address)).cast("B")

    def close(self) -> None:
        if self.address is not None:
            self.bytes.release()
            _libc.munmap(self.address, layout.LEASE_FILE_SIZE)
            self.address = None


class Lease:
    """One row, held by a lock on its first byte that ends with the process, however that ends."""

    def __init__(self, fd: int, memory: _Memory, index: int, name: str):
        self._fd = fd
        self._memory = memory
        self._words = memory.bytes.cast("I")
        self._longs = memory.bytes.cast("Q")
        self._row = layout.ROWS_OFFSET + index * layout.ROW_SIZE
        self._owner = layout.OWNERS_OFFSET + index * layout.ROW_OWNER_SIZE
        self.orphaned = False
        self._clear()
        label = name.encode("utf-8", "replace")[: layout.NAME_SIZE - 1]
        layout.OWNER.pack_into(memory.bytes, self._owner, 0, os.getpid(), 0, time.monotonic_ns(), label)
        self._longs[self._owner // 8] = secrets.randbits(64) | 1  # last: the row is ours
        _living.add(self)

    def set_waiting(self, value: int) -> None:
        """Say whether this reader may be asleep. No fence is needed between the 1 and the sleep: the
        writer advances the wake word before it looks, and the kernel compares that word."""
        self._words[(self._row + layout.ROW_WAITING) // 4] = value

    def set_missed(self, count: int) -> None:
        """Show operators how many records this reader has lost."""
        self._longs[(self._row + layout.ROW_MISSED) // 8] = count

    def _clear(self) -> None:
        start = self._row // 8
        for i in range(1, layout.ROW_SIZE // 8):
            self._longs[start + i] = 0
        self._longs[start] = 0  # lease bits
        start = self._owner // 8
        for i in range(layout.ROW_OWNER_SIZE // 8 - 1, -1, -1):  # the cookie last
            self._longs[start + i] = 0

    def close(self) -> None:
        """Give the row back: clear, unmap, unlock, in this order."""
        if self._fd < 0:
            return
        self._clear()
        self._words.release()
        self._longs.release()
        self._memory.close()
        os.close(self._fd)
        self._fd = -1

    def orphan(self) -> None:
        """In a child after fork, which shares the open file and so the lock: let go, or the row would
        outlive its owner. The memory is not there in the child (MADV_DONTFORK): nothing to unmap."""
        if self._fd >= 0:
            self.orphaned = True
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # noqa: S110  # at interpreter exit anything may be gone; the lock goes with the process
            pass


def _orphan_all() -> None:
    for lease in list(_living):
        lease.orphan()


os.register_at_fork(after_in_child=_orphan_all)


def claim(path: str, pair_id: int, name: str) -> Optional[Lease]:
    """Claim a row of the lease file at path, or return None if the file may not be written to, or all
    rows are taken: the reader then polls. Raises PairMismatch while a writer replaces the files."""
    # A descriptor of its own: rows are locked per open file.
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise PairMismatch(path) from None
    except OSError as e:
        if e.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return None
        raise
    memory = None
    try:
        if os.fstat(fd).st_size != layout.LEASE_FILE_SIZE:
            raise Corrupt(f"{path}: not a lease file of {layout.LEASE_FILE_SIZE} bytes")
        memory = _Memory(fd)
        magic, version, rows, pair, rows_at, owners_at, _ = layout.LEASE_HEADER.unpack_from(memory.bytes)
        if pair != pair_id or version == 0:
            raise PairMismatch(path)
        if (magic, version, rows, rows_at, owners_at) != (
            layout.LEASE_MAGIC,
            layout.VERSION,
            layout.ROWS,
            layout.ROWS_OFFSET,
            layout.OWNERS_OFFSET,
        ):
            raise Corrupt(f"{path}: no lease file of layout version {layout.VERSION}")
        for index in range(layout.ROWS):
            if _try_lock(fd, layout.ROWS_OFFSET + index * layout.ROW_SIZE):
                lease = Lease(fd, memory, index, name)
                fd, memory = -1, None
                return lease
        return None
    finally:
        if memory is not None:
            memory.close()
        if fd >= 0:
            os.close(fd)


def _try_lock(fd: int, offset: int) -> bool:
    try:
        fcntl.fcntl(fd, _F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0))
    except OSError as e:
        if e.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
