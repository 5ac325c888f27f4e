# SPDX-License-Identifier: Apache-2.0

"""Read camring's frames from shared memory, without a copy.

    import camring

    with camring.open("front") as reader:
        for frame in reader:
            use(frame.luma)            # a view: H x W, uint8, read-only
            if not frame.valid():      # the writer came around while we looked
                continue

Start at :func:`open`. A view is only good until the writer comes around, a few frames later: ask
:meth:`Frame.valid` after the last use, or take :meth:`Frame.copy`. A :class:`Reader` belongs to one
thread; open one per thread, and one per process.

Errors are subclasses of :class:`Error`; each says what to do.
"""

from __future__ import annotations

import platform
import sys

if sys.byteorder != "little" or sys.maxsize < 2**63 - 1 or platform.machine() not in ("x86_64", "AMD64"):
    # Python has no atomic loads and no fences. On x86-64 none are needed: an aligned load of eight
    # bytes is one load, and loads are not reordered among themselves. Elsewhere that is not so.
    raise ImportError(
        f"camring: the Python reader does not support {platform.machine()} ({sys.byteorder}-endian): only 64-bit x86"
    )

from .errors import (  # noqa: E402
    Corrupt,
    Ended,
    Error,
    Lapped,
    NotFound,
    NotReady,
    PermissionDenied,
    Timeout,
    VersionMismatch,
    WrongProcess,
)
from .frame import Frame, Gap  # noqa: E402
from .reader import POLL_SECONDS, Reader, default_directory, open  # noqa: E402, A004

__version__ = "0.1.0"

__all__ = [
    "POLL_SECONDS",
    "Corrupt",
    "Ended",
    "Error",
    "Frame",
    "Gap",
    "Lapped",
    "NotFound",
    "NotReady",
    "PermissionDenied",
    "Reader",
    "Timeout",
    "VersionMismatch",
    "WrongProcess",
    "default_directory",
    "open",
]
