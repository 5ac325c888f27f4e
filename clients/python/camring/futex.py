# SPDX-License-Identifier: Apache-2.0

"""Sleeping on a word of shared memory."""

from __future__ import annotations

import ctypes

_SYS_FUTEX = 202  # x86-64
_FUTEX_WAIT = 0  # without FUTEX_PRIVATE_FLAG: the word is shared between processes


class _Timespec(ctypes.Structure):
    _fields_ = [("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long)]


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def wait(address: int, value: int, seconds: float) -> None:
    """Sleep while the 32-bit word at address is value, at most so long.

    Says nothing about why it returned (woken, another value, time over, a signal): the caller looks
    again. Other threads run meanwhile. A read-only mapping is enough.
    """
    nanoseconds = max(int(seconds * 1e9), 0)
    limit = _Timespec(nanoseconds // 1_000_000_000, nanoseconds % 1_000_000_000)
    _syscall(
        ctypes.c_long(_SYS_FUTEX),
        ctypes.c_void_p(address),
        ctypes.c_int(_FUTEX_WAIT),
        ctypes.c_uint32(value),
        ctypes.byref(limit),
        None,
        ctypes.c_int(0),
    )
