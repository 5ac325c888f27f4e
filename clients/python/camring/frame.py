# SPDX-License-Identifier: Apache-2.0

"""Records of a frame ring: pictures and gaps."""

from __future__ import annotations

import struct
from typing import Any, Optional, Tuple

import numpy as np

from . import layout
from .errors import Lapped
from .mapping import Mapping, plane_at


class Record:
    """What frames and gaps have in common: a checked copy of the descriptor.

    Every field of :class:`camring.layout.Description` is an attribute: ``sequence``, ``pts_ns``,
    ``width``, ``height``, ``flags``, ``run_id``, ``frame_id``, ``packet_sequence``,
    ``capture_mono_ns``, ``capture_wall_ns``, ``received_mono_ns``, ``decoded_mono_ns``,
    ``converted_mono_ns``, ``published_mono_ns``, ``published_wall_ns``, ``matrix``, ``rotation`` …
    """

    __slots__ = ("description", "missed")

    def __init__(self, description: layout.Description, missed: int):
        self.description = description
        #: Records between the one before and this one that this reader has lost.
        self.missed = missed

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "description":
            raise AttributeError(name)
        return getattr(self.description, name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sequence}>"

    @property
    def discontinuity(self) -> bool:
        """Time or content does not follow the record before: a reconnect, a restart, a seek."""
        return bool(self.flags & layout.FLAG_DISCONTINUITY)


class Gap(Record):
    """No picture: pictures are missing here, and why."""

    __slots__ = ()

    @property
    def reason(self) -> str:
        """Why, for example "connection_lost"."""
        return layout.name_of(layout.REASONS, self.reason_code)

    @property
    def state(self) -> str:
        """The state that the camera entered."""
        return layout.name_of(layout.STATES, self.gap_state_code)

    @property
    def missing(self) -> Optional[int]:
        """Pictures known to be missing; None if nobody knows."""
        return None if self.gap_missing == layout.UNKNOWN else self.gap_missing


class Frame(Record):
    """One picture: its description, and views of its pixels in shared memory.

    The views are read-only and cost nothing. They are safe to keep in memory terms, also after
    ``Reader.close``, but the writer draws a newer picture over them a few frames later: ask
    :meth:`valid` after the last use of them, and throw away what was computed if it says False.
    """

    __slots__ = ("_mapping",)

    def __init__(self, description: layout.Description, missed: int, mapping: Mapping):
        super().__init__(description, missed)
        self._mapping = mapping

    def valid(self) -> bool:
        """Whether all pixels seen so far were this picture's. False may be said of an intact picture,
        True never of a torn one."""
        return self._mapping.generation(self.slot) == self.generation

    @property
    def format(self) -> str:
        """Pixel format: "NV12", "RGB", "BGR", "I420" or "GRAY8"."""
        return layout.FORMATS[self.format_code]

    @property
    def planes(self) -> Tuple[np.ndarray, ...]:
        """The planes as views, rows x bytes."""
        return tuple(self._mapping.plane(self.description, i) for i in range(self.plane_count))

    @property
    def luma(self) -> np.ndarray:
        """View of the brightness, H x W, uint8; the codes as the camera sent them (see ``range``)."""
        self._require("NV12", "I420", "GRAY8")
        return self._mapping.plane(self.description, 0)

    @property
    def chroma(self) -> np.ndarray:
        """View of the colour, ceil(H/2) x ceil(W/2) x 2, uint8: Cb and Cr."""
        self._require("NV12")
        plane = self._mapping.plane(self.description, 1)
        return np.lib.stride_tricks.as_strided(
            plane, (plane.shape[0], plane.shape[1] // 2, 2), (plane.strides[0], 2, 1), writeable=False
        )

    @property
    def nv12(self) -> np.ndarray:
        """Luma with the chroma rows below, (H * 3/2) x W, uint8, as ``cv2.cvtColor(…,
        cv2.COLOR_YUV2BGR_NV12)`` takes it.

        A view, whose rows may lie further apart than W bytes, wherever both sizes are even and the
        planes follow each other; camring's own writer lays even sizes out so. Otherwise a new,
        contiguous array of ceil(H * 3/2) x (W rounded up to even), the last column of luma doubled
        for an odd W. Ask :meth:`valid` afterwards in both cases.
        """
        self._require("NV12")
        d = self.description
        (y_at, y_stride), (uv_at, uv_stride) = plane_at(d, 0), plane_at(d, 1)
        even = d.width % 2 == 0 and d.height % 2 == 0
        if even and y_stride == uv_stride and uv_at == y_at + d.height * y_stride:
            return self._mapping.rows(d.slot, y_at, y_stride, d.height * 3 // 2, d.width)
        luma, chroma = self.planes
        out = np.empty((luma.shape[0] + chroma.shape[0], chroma.shape[1]), np.uint8)
        out[: d.height, : d.width] = luma
        out[: d.height, d.width :] = luma[:, -1:]
        out[d.height :] = chroma
        return out

    def copy(self) -> np.ndarray:
        """A contiguous, writable copy that is nobody else's: :attr:`nv12` for NV12, H x W x 3 for RGB and
        BGR, H x W for GRAY8. Raises Lapped if the writer came around meanwhile."""
        self._require("NV12", "RGB", "BGR", "GRAY8")
        if self.format == "NV12":
            pixels = np.array(self.nv12, order="C")
        else:
            pixels = np.array(self.planes[0], order="C")
        self._check()
        if self.format in ("RGB", "BGR"):
            pixels = pixels.reshape(self.height, self.width, 3)
        return pixels

    def tobytes(self) -> bytes:
        """All planes without padding, the bytes whose md5 ``camring tap --md5`` prints. Raises Lapped if
        the writer came around meanwhile."""
        packed = b"".join(plane.tobytes() for plane in self.planes)
        self._check()
        return packed

    def _check(self) -> None:
        if not self.valid():
            raise Lapped(f"picture {self.sequence} was overwritten while it was copied: go on with a newer one")

    def _require(self, *formats: str) -> None:
        if self.format not in formats:
            raise ValueError(f"picture {self.sequence} is {self.format}, not {' or '.join(formats)}: use planes")

    @property
    def key(self) -> bool:
        """Decoded from a keyframe."""
        return bool(self.flags & layout.FLAG_KEY)

    @property
    def corrupt(self) -> bool:
        """Damaged by loss or a decoder error."""
        return bool(self.flags & layout.FLAG_CORRUPT)

    @property
    def similar(self) -> bool:
        """No pixels of its own: it shows those of ``reference_sequence``."""
        return bool(self.flags & layout.FLAG_SIMILAR)

    @property
    def score(self) -> float:
        """Similarity, for similar pictures."""
        return struct.unpack("<f", struct.pack("<I", self.score_bits))[0]

    @property
    def range(self) -> str:
        """Range of the codes: "limited" (16 to 235), "full" or "unknown" (mostly limited)."""
        return layout.name_of(layout.RANGES, self.range_code)

    @property
    def codec(self) -> str:
        """What the camera sent, for example "h264"."""
        return layout.name_of(layout.CODECS, self.codec_code)

    @property
    def decoder(self) -> str:
        """What decoded it: "software" …"""
        return layout.name_of(layout.DECODERS, self.decoder_code)

    @property
    def capture_clock(self) -> str:
        """Where the capture times come from: "arrival", "sender", "device", "read" …"""
        return layout.name_of(layout.CLOCKS, self.capture_clock_code)
