# SPDX-License-Identifier: Apache-2.0

"""What a frame shows: pixels as views, metadata, and whether they are still there."""

import unittest

import numpy as np

import camring

from .goring import RingTest


class TestViews(RingTest):
    def frame(self, width, height, value=7):
        self.writer.frame(value, width, height)
        return self.open().latest()

    def test_luma_and_chroma_have_the_picture_s_shape(self):
        for width, height in ((64, 48), (66, 50), (67, 45), (1, 1), (642, 362)):
            with self.subTest(f"{width}x{height}"):
                frame = self.frame(width, height)
                self.assertEqual(frame.luma.shape, (height, width))
                self.assertEqual(frame.chroma.shape, ((height + 1) // 2, (width + 1) // 2, 2))
                self.assertEqual((frame.luma.min(), frame.luma.max()), (7, 7))
                self.assertEqual((frame.chroma.min(), frame.chroma.max()), (7, 7))
                self.assertEqual(len(frame.tobytes()), width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2))

    def test_even_nv12_is_a_view_of_the_slot_whatever_the_stride(self):
        for width, height in ((64, 48), (66, 50), (642, 362)):
            with self.subTest(f"{width}x{height}"):
                frame = self.frame(width, height)
                self.assertEqual(frame.nv12.shape, (height * 3 // 2, width))
                self.assertTrue(np.shares_memory(frame.nv12, frame.luma))
                self.assertTrue(np.shares_memory(frame.nv12, frame.chroma))
                self.assertEqual((frame.nv12.min(), frame.nv12.max()), (7, 7))

    def test_odd_nv12_is_a_copy_padded_to_even_columns(self):
        frame = self.frame(67, 45)
        self.assertEqual(frame.nv12.shape, (45 + 23, 68))
        self.assertFalse(np.shares_memory(frame.nv12, frame.luma))
        self.assertEqual((frame.nv12.min(), frame.nv12.max()), (7, 7))

    def test_views_cannot_be_written_to(self):
        frame = self.frame(64, 48)
        for name in ("luma", "chroma", "nv12"):
            with self.subTest(name), self.assertRaises(ValueError):
                getattr(frame, name)[0, 0] = 1

    def test_a_copy_is_one_s_own(self):
        frame = self.frame(66, 50)
        copy = frame.copy()
        self.assertTrue(copy.flags.c_contiguous and copy.flags.writeable and copy.flags.owndata)
        self.assertTrue(np.array_equal(copy, frame.nv12))
        self.assertEqual(frame.tobytes(), copy.tobytes())

    def test_planes_lie_where_the_descriptor_says(self):
        # The picture above is of one value: this one tells rows, columns and planes apart.
        self.writer.frame(0, 66, 50)
        reader = self.open()
        d = reader.latest().description
        data = reader._mapping.header.data_offset + d.slot * reader._mapping.header.slot_size
        for offset, value in ((0, 1), (65, 2), (d.plane_stride_0 * 49 + 65, 3), (d.plane_offset_1, 4), (d.plane_offset_1 + d.plane_stride_1 * 24 + 65, 5)):
            self.patch(data + offset, "B", value)
        f = reader.latest()
        self.assertEqual((f.luma[0, 0], f.luma[0, 65], f.luma[49, 65]), (1, 2, 3))
        self.assertEqual((f.chroma[0, 0, 0], f.chroma[24, 32, 1]), (4, 5))
        self.assertEqual((f.nv12[0, 65], f.nv12[50, 0], f.nv12[74, 65]), (2, 4, 5))
        self.assertEqual(int(f.luma.sum()) + int(f.chroma.sum()), 15)

    def test_views_outlive_the_reader(self):
        frame = self.frame(64, 48)
        luma = frame.luma
        with self.open() as reader:
            other = reader.latest().luma
        del reader
        self.assertEqual((int(luma[5, 5]), int(other[5, 5])), (7, 7))
        self.assertTrue(frame.valid())


class TestMetadata(RingTest):
    def test_attributes_are_those_of_the_descriptor(self):
        self.writer.frame(1)
        f = self.open().latest()
        self.assertEqual(
            (f.sequence, f.pts_ns, f.width, f.height, f.format, f.frame_id, f.run_id), (1, 40_000_000, 64, 48, "NV12", 77, 1)
        )
        self.assertEqual((f.matrix, f.range, f.codec, f.decoder, f.rotation), (1, "limited", "h264", "software", 1))
        self.assertEqual((f.capture_clock, f.capture_error_us), ("sender", 1500))
        self.assertEqual((f.key, f.corrupt, f.similar, f.discontinuity), (True, False, False, False))
        self.assertGreater(f.published_wall_ns, f.published_mono_ns)
        with self.assertRaises(AttributeError):
            f.colour  # noqa: B018


class TestValidity(RingTest):
    def test_a_picture_is_invalid_once_the_writer_came_around(self):
        self.writer.frame(1)
        frame = self.open().latest()
        self.assertTrue(frame.valid())
        for value in range(2, 2 + self.slots):
            self.writer.frame(value)
        self.assertFalse(frame.valid())
        with self.assertRaises(camring.Lapped):
            frame.copy()
        with self.assertRaises(camring.Lapped):
            frame.tobytes()


class TestTearing(RingTest):
    slots = 2  # one is always being drawn: laps are frequent

    def test_no_copy_is_ever_torn(self):
        head = self.writer.frame(1, 320, 240)
        reader = self.open()
        reads = lapped = 0
        while lapped < 100 or reads < 1000:
            self.writer.send("run 300 320 240")
            while reader.head < head + 300:
                frame = reader.latest()
                if frame is None:
                    continue
                reads += 1
                # Until the writer is about to draw over it: that is the moment of interest.
                while reads % 2 and frame.sequence == reader.head < head + 300:
                    pass
                try:
                    pixels = frame.copy()
                except camring.Lapped:
                    lapped += 1
                    continue
                if pixels.min() != pixels.max() or pixels[0, 0] != frame.sequence & 255:
                    self.fail(f"picture {frame.sequence} has {pixels.min()} and {pixels.max()}")
            head = self.writer.answer()
            if reads > 100_000:
                break
        # Otherwise the writer never came near the reader, and the test has shown nothing.
        self.assertGreaterEqual(lapped * 100, reads, f"{lapped} of {reads} reads were lapped")


if __name__ == "__main__":
    unittest.main()
