# SPDX-License-Identifier: Apache-2.0

"""The shared-memory layout, version 1: ring/layout.h of the camring sources in Python's terms."""

from __future__ import annotations

import struct
from typing import NamedTuple, Tuple

MAGIC = 0x474E49524D414301
LEASE_MAGIC = 0x53455341454C4301
VERSION = 1

KIND_FRAME = 1
PAGE = 4096
SLOT_ENTRY_SIZE = 64
FRAME_DESC_SIZE = 256
ROWS = 128
ROW_SIZE = 64
ROW_OWNER_SIZE = 128
MAX_SLOTS = 64
NAME_SIZE = 64
NO_SLOT = 0xFFFFFFFF
UNKNOWN = 0xFFFFFFFF  # an unknown error bound or number of pictures

FLAG_KEY = 1 << 0
FLAG_SIMILAR = 1 << 1
FLAG_CORRUPT = 1 << 2
FLAG_DISCONTINUITY = 1 << 3
FLAG_GAP = 1 << 4

FORMATS = ("NV12", "RGB", "BGR", "I420", "GRAY8")
CODECS = ("none", "h264", "h265", "mjpeg", "vp8", "vp9", "av1", "mpeg4")
RANGES = ("unknown", "limited", "full")
CLOCKS = ("unknown", "arrival", "sender", "device", "read", "synthetic")
DECODERS = ("none", "software")
STATES = (
    "none", "connecting", "priming", "live", "stalled", "backoff", "auth_failed", "unsupported",
    "quarantined", "disabled", "stopped", "ended",
)  # fmt: skip
REASONS = (
    "", "unreachable", "refused", "connection_lost", "timeout", "no_packets", "no_frames",
    "bad_credentials", "not_found", "no_video", "codec", "not_video", "permission", "no_space",
    "protocol", "redirect", "decode", "too_large", "worker_lost", "receiver_lost", "lapped",
    "end_of_file", "shutdown", "no_keyframe", "tls", "internal",
)  # fmt: skip


def name_of(names: Tuple[str, ...], number: int) -> str:
    """The name of a number, or the number itself where a newer writer knows more of them."""
    return names[number] if number < len(names) else str(number)


class Header(NamedTuple):
    """The constant part of a ring's header."""

    magic: int
    version: int
    kind: int
    pair_id: int
    epoch: int
    base_seq: int
    created_wall_ns: int
    file_size: int
    header_size: int
    desc_size: int
    desc_count: int
    slot_count: int
    slots_offset: int
    desc_offset: int
    data_offset: int
    data_size: int
    slot_size: int
    lease_cap: int
    row_count: int
    camera: bytes
    output: bytes


HEADER = struct.Struct(f"<QII5QIIII5QII{NAME_SIZE}s{NAME_SIZE}s")

# Hot words of the header, offsets in bytes.
WRITER_PID = 248
RUN_ID = 252
HEAD = 512
WAKE = 640
STATE = 768
REASON = 772
NEXT_EPOCH = 784
HEARTBEAT = 896


class Description(NamedTuple):
    """Descriptor of one record. Times are nanoseconds of CLOCK_MONOTONIC (``_mono_ns``) or of
    CLOCK_REALTIME (``_wall_ns``); 0 means not known."""

    sequence: int
    generation: int
    packet_sequence: int
    frame_id: int
    slot: int
    flags: int
    run_id: int
    reason_code: int
    pts_ns: int
    capture_mono_ns: int
    capture_wall_ns: int
    capture_clock_code: int
    capture_error_us: int
    received_mono_ns: int
    decoded_mono_ns: int
    converted_mono_ns: int
    published_mono_ns: int
    published_wall_ns: int
    width: int
    height: int
    format_code: int
    plane_count: int
    plane_offset_0: int
    plane_offset_1: int
    plane_offset_2: int
    plane_stride_0: int
    plane_stride_1: int
    plane_stride_2: int
    coded_rows: int
    matrix: int
    primaries: int
    transfer: int
    range_code: int
    chroma_location: int
    decoder_code: int
    codec_code: int
    rotation: int
    score_bits: int
    reference_sequence: int
    gap_missing: int
    gap_state_code: int


FRAME_DESC = struct.Struct("<4Q4I3q2I5q4I3Q3I5I4BIQII40x")

# A lease file: header page, rows, owners.
LEASE_HEADER = struct.Struct("<QIIQQQQ")
ROWS_OFFSET = PAGE
OWNERS_OFFSET = ROWS_OFFSET + ROWS * ROW_SIZE
LEASE_FILE_SIZE = OWNERS_OFFSET + ROWS * ROW_OWNER_SIZE
ROW_WAITING = 8  # within a row
ROW_MISSED = 24
OWNER = struct.Struct(f"<QIIQ{NAME_SIZE}s40x")  # cookie, pid, reserved, start_mono_ns, name

assert HEADER.size == WRITER_PID
assert FRAME_DESC.size == FRAME_DESC_SIZE
assert OWNER.size == ROW_OWNER_SIZE
