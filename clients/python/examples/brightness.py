# SPDX-License-Identifier: Apache-2.0

import camring

with camring.open("rtsp", wait=10) as reader:
    for frame in reader.frames(timeout=5):
        brightness = frame.luma.mean()  # NumPy, height x width, in shared memory; frame.nv12 has the colours too
        if frame.valid():  # else the writer came around while we looked
            print(frame.sequence, frame.width, frame.height, frame.pts_ns, brightness)
