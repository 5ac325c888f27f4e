# SPDX-License-Identifier: Apache-2.0

"""What can go wrong, and whether that is normal."""

from __future__ import annotations


class Error(Exception):
    """Every error of this package."""


class NotFound(Error, FileNotFoundError):
    """There is no such ring: a wrong name, or a camera that has not delivered its first picture."""


class PermissionDenied(Error, PermissionError):
    """The ring file may not be read by this user."""


class NotReady(Error):
    """The writer has not finished building the ring. Try again."""


class VersionMismatch(Error):
    """The ring has a layout that this package does not know. Update the older side."""


class Corrupt(Error):
    """The file is no ring, or contradicts itself."""


class Lapped(Error):
    """The writer has overwritten the picture. Normal for a slow reader: go on with a newer one."""


class Timeout(Error, TimeoutError):
    """No new picture came in time. Normal for a stalled camera: look at ``Reader.state``."""


class Ended(Error, EOFError):
    """The camera is a file that does not loop, and has been read to its end."""


class WrongProcess(Error):
    """The reader was opened before a fork, by the parent. Open another in the child."""
