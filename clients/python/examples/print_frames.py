#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0

"""Print one line for every frame of a camera: print_frames.py CAMERA [COUNT]"""

import sys
import time

import camring


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    count = int(sys.argv[2]) if len(sys.argv) == 3 else None
    try:
        with camring.open(sys.argv[1], name="print_frames", wait=10) as reader:
            for n, frame in enumerate(reader.frames(timeout=10), 1):
                brightness = frame.luma[::8, ::8].mean()
                age_ms = (time.monotonic_ns() - frame.published_mono_ns) / 1e6
                if frame.valid():  # else the writer overwrote it while we looked
                    print(
                        f"{frame.sequence} {frame.width}x{frame.height} {frame.format} "
                        f"pts {frame.pts_ns / 1e9:.3f} s, brightness {brightness:.1f}, {age_ms:.2f} ms old, "
                        f"{frame.missed} missed",
                        flush=True,
                    )
                if n == count:
                    break
    except camring.Error as e:
        print(f"print_frames: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
