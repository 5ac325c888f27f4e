# SPDX-License-Identifier: Apache-2.0

"""A mapped ring file: checked geometry, atomic words, descriptors.

An element of a memoryview cast to 'Q' or 'I' is loaded with one aligned load on x86-64, and x86-64
does not reorder loads: that is what the protocol of docs/layout.md needs from a reader there.
"""

from __future__ import annotations

import mmap
import os
import stat
from typing import Optional

import numpy as np

from . import layout
from .errors import Corrupt, NotReady, PermissionDenied, VersionMismatch

_MAX_FILE = 1 << 40
_MADV_POPULATE_READ = 22  # linux/mman.h: page tables are ready before the first frame


def _pages(size: int) -> int:
    return (size + layout.PAGE - 1) // layout.PAGE * layout.PAGE


class Mapping:
    """One ring file, mapped read-only for as long as this object or a view into it lives."""

    def __init__(self, path: str):
        self.path = path
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except PermissionError as e:
            raise PermissionDenied(
                e.errno, f"may not be read by uid {os.geteuid()}: run as the ring's owner or in its group", path
            ) from None
        try:
            info = os.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or not layout.PAGE <= info.st_size <= _MAX_FILE:
                raise Corrupt(f"{path}: not a ring: {info.st_size} bytes, mode {stat.filemode(info.st_mode)}")
            self.identity = (info.st_dev, info.st_ino)
            memory = mmap.mmap(fd, info.st_size, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        finally:
            os.close(fd)
        self._bytes = np.frombuffer(memory, dtype=np.uint8)  # not writable: the mapping is not
        self._words = memoryview(memory).cast("I")
        self._longs = memoryview(memory).cast("Q")
        self.wake_address = self._bytes.ctypes.data + layout.WAKE
        self._attach(memory, info.st_size)
        self._memory = memory
        try:
            memory.madvise(_MADV_POPULATE_READ)
        except OSError:
            pass  # a kernel before 5.14: pages are touched on first use instead

    def _attach(self, memory: mmap.mmap, size: int) -> None:
        if self._longs[0] != layout.MAGIC:
            raise Corrupt(f"{self.path}: not a camring ring (wrong magic)")
        version = self._words[2]  # before the rest: it was stored last
        if version == 0:
            raise NotReady(f"{self.path}: the writer has not finished building it")
        if version != layout.VERSION:
            raise VersionMismatch(
                f"{self.path}: layout version {version}, but this package reads version {layout.VERSION}: "
                + ("update the camring Python package" if version > layout.VERSION else "update camring")
            )
        h = layout.Header._make(layout.HEADER.unpack_from(memory))
        if h.kind != layout.KIND_FRAME:
            raise Corrupt(f"{self.path}: not a frame ring (kind {h.kind})")
        desc_offset = layout.PAGE + _pages(h.slot_count * layout.SLOT_ENTRY_SIZE)
        data_offset = desc_offset + _pages(h.desc_count * layout.FRAME_DESC_SIZE)
        sound = (
            h.file_size == size
            and h.header_size == layout.PAGE
            and h.desc_size == layout.FRAME_DESC_SIZE
            and 0 < h.desc_count <= 1 << 16
            and h.desc_count & (h.desc_count - 1) == 0
            and 2 <= h.slot_count <= layout.MAX_SLOTS
            and h.slot_size > 0
            and h.slot_size % layout.PAGE == 0
            and h.data_size == h.slot_count * h.slot_size
            and (h.slots_offset, h.desc_offset, h.data_offset) == (layout.PAGE, desc_offset, data_offset)
            and data_offset + h.data_size <= size
            and h.base_seq > 0
            and h.epoch > 0
        )
        if not sound:
            raise Corrupt(f"{self.path}: geometry in the header contradicts itself or the file's {size} bytes")
        self.header = h

    @property
    def head(self) -> int:
        """Newest sequence."""
        return self._longs[layout.HEAD // 8]

    @property
    def wake(self) -> int:
        """The futex word."""
        return self._words[layout.WAKE // 4]

    @property
    def next_epoch(self) -> int:
        """0, or the epoch of the ring that has replaced this one."""
        return self._longs[layout.NEXT_EPOCH // 8]

    @property
    def heartbeat_mono_ns(self) -> int:
        """When the writer last said that it lives."""
        return self._longs[layout.HEARTBEAT // 8]

    @property
    def state(self) -> str:
        """State of the camera."""
        return layout.name_of(layout.STATES, self._words[layout.STATE // 4])

    @property
    def reason(self) -> str:
        """Why the camera is in that state."""
        return layout.name_of(layout.REASONS, self._words[layout.REASON // 4])

    @property
    def writer_pid(self) -> int:
        """The process that writes, or wrote last."""
        return self._words[layout.WRITER_PID // 4]

    @property
    def run_id(self) -> int:
        """Number of the writer process, from 1."""
        return self._words[layout.RUN_ID // 4]

    def generation(self, slot: int) -> int:
        """Generation of a slot; odd while the writer owns it."""
        return self._longs[(self.header.slots_offset + slot * layout.SLOT_ENTRY_SIZE) // 8]

    def describe(self, sequence: int) -> Optional[layout.Description]:
        """A checked copy of the descriptor of a sequence, or None if a newer one has its place.

        Raises Corrupt if it points outside its slot.
        """
        h = self.header
        at = h.desc_offset + (sequence & (h.desc_count - 1)) * layout.FRAME_DESC_SIZE
        if self._longs[at // 8] != sequence:
            return None
        d = layout.Description._make(layout.FRAME_DESC.unpack_from(self._memory, at))
        if self._longs[at // 8] != sequence or d.sequence != sequence:
            return None
        if not d.flags & layout.FLAG_GAP:
            self._check(d)
        return d

    def _check(self, d: layout.Description) -> None:
        sound = (
            d.slot < self.header.slot_count
            and d.format_code < len(layout.FORMATS)
            and d.plane_count == len(plane_sizes(d))
            and 0 < d.width <= 1 << 16
            and 0 < d.height <= 1 << 16
        )
        if sound:
            for i, (rows, row_bytes) in enumerate(plane_sizes(d)):
                offset, stride = plane_at(d, i)
                sound = sound and stride >= row_bytes
                sound = sound and offset + stride * (rows - 1) + row_bytes <= self.header.slot_size
        if not sound:
            raise Corrupt(
                f"{self.path}: descriptor {d.sequence} ({d.width}x{d.height}, slot {d.slot}) leaves its slot"
            )

    def plane(self, d: layout.Description, i: int) -> np.ndarray:
        """Rows of plane i, as they lie in shared memory: rows x bytes, read-only, no copy."""
        rows, row_bytes = plane_sizes(d)[i]
        offset, stride = plane_at(d, i)
        return self.rows(d.slot, offset, stride, rows, row_bytes)

    def rows(self, slot: int, offset: int, stride: int, rows: int, row_bytes: int) -> np.ndarray:
        """A read-only view of rows within a slot, which the caller has checked to lie inside."""
        start = self.header.data_offset + slot * self.header.slot_size + offset
        flat = self._bytes[start : start + stride * (rows - 1) + row_bytes]
        return np.lib.stride_tricks.as_strided(flat, (rows, row_bytes), (stride, 1), writeable=False)


def plane_at(d: layout.Description, i: int) -> tuple:
    """Offset from the start of the slot, and stride, of plane i; bytes."""
    return (
        (d.plane_offset_0, d.plane_offset_1, d.plane_offset_2)[i],
        (d.plane_stride_0, d.plane_stride_1, d.plane_stride_2)[i],
    )


def plane_sizes(d: layout.Description) -> tuple:
    """Visible rows, and bytes in each, of every plane of the format."""
    half_rows, half = (d.height + 1) // 2, (d.width + 1) // 2
    return {
        0: ((d.height, d.width), (half_rows, 2 * half)),
        3: ((d.height, d.width), (half_rows, half), (half_rows, half)),
        4: ((d.height, d.width),),
    }.get(d.format_code, ((d.height, 3 * d.width),))
