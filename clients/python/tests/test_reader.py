# SPDX-License-Identifier: Apache-2.0

"""Reading on: order, laps, gaps, sleeping, and writers that come and go."""

import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import unittest
from unittest import mock

import camring
from camring import layout, lease
from camring import reader as reader_module

from .goring import DEADLINE, RingTest


class TestReading(RingTest):
    def test_iteration_begins_with_the_next_picture_and_keeps_the_order(self):
        self.writer.frame(1)
        reader = self.open()
        seen = []
        for value in (2, 3, 4):
            self.writer.frame(value)
            frame = reader.next(DEADLINE)
            seen.append((frame.sequence, int(frame.luma[0, 0]), frame.missed))
        self.assertEqual(seen, [(2, 2, 0), (3, 3, 0), (4, 4, 0)])

    def test_a_slow_reader_goes_on_with_the_newest_picture_and_is_told(self):
        self.writer.frame(1)
        reader = self.open()
        self.writer.do("run 29 64 48")
        frame = reader.next(DEADLINE)
        self.assertEqual((frame.sequence, frame.missed, reader.lapped), (30, 28, 28))
        self.assertEqual(self.lease(layout.ROWS_OFFSET + layout.ROW_MISSED, "<Q"), (28,))
        self.writer.frame(31)
        self.assertEqual(reader.next(DEADLINE).missed, 0)

    def test_gaps_are_passed_over_and_counted(self):
        self.writer.frame(1)
        reader = self.open()
        self.writer.do("gap")
        self.writer.frame(3)
        self.assertEqual(reader.next(DEADLINE).sequence, 3)
        self.assertEqual((reader.gaps, reader.lapped), (1, 0))

    def test_records_show_gaps_with_their_reason(self):
        self.writer.frame(1)
        reader = self.open()
        self.writer.do("gap")
        self.writer.frame(3)
        records = reader.records(DEADLINE)
        gap, frame = next(records), next(records)
        self.assertIsInstance(gap, camring.Gap)
        self.assertEqual((gap.sequence, gap.reason, gap.missing, gap.state), (2, "connection_lost", 3, "backoff"))
        self.assertIsInstance(frame, camring.Frame)

    def test_latest_does_not_move_the_iteration_and_skips_gaps(self):
        self.writer.frame(1)
        reader = self.open()
        self.writer.frame(2)
        self.writer.do("gap")
        self.assertEqual(reader.latest().sequence, 2)
        self.assertEqual(reader.next(DEADLINE).sequence, 2)

    def test_a_time_out_says_what_the_camera_does(self):
        self.writer.frame(1)
        self.writer.do("state 4")
        reader = self.open()
        with self.assertRaisesRegex(camring.Timeout, "stalled.*no_packets"):
            reader.next(0)
        self.assertIsInstance(camring.Timeout(), TimeoutError)

    def test_a_file_that_has_ended_ends_the_iteration_after_its_last_picture(self):
        self.writer.frame(1)
        reader = self.open()
        self.writer.frame(2)
        self.writer.do("state 11")
        self.assertEqual([f.sequence for f in reader], [2])
        with self.assertRaises(camring.Ended):
            reader.next()

    def test_a_closed_reader_says_so(self):
        self.writer.frame(1)
        reader = self.open()
        reader.close()
        reader.close()
        with self.assertRaisesRegex(ValueError, "closed"):
            reader.next(0)


class TestRows(RingTest):
    def row(self):
        return self.lease(layout.ROWS_OFFSET + layout.ROW_WAITING, "<I")[0]

    def owner(self):
        cookie, pid, _, _, name = self.lease(layout.OWNERS_OFFSET, "<QIIQ64s")
        return cookie != 0, pid, name.rstrip(b"\0")

    def test_a_sleeping_reader_is_woken(self):
        self.writer.frame(1)
        got = []
        reader = self.open(name="sleeper")

        def sleep():
            got.append(reader.next(DEADLINE).sequence)

        # A sleep that only ends by being woken: the bound would hide a missing wake.
        with mock.patch.object(reader_module, "_MAX_SLEEP", DEADLINE):
            thread = threading.Thread(target=sleep)
            thread.start()
            self.eventually("the reader sleeps", lambda: self.row() == 1)
            self.writer.frame(2)
            thread.join(DEADLINE / 2)
        self.assertEqual(got, [2])
        self.assertEqual(self.row(), 0)
        self.assertEqual(self.owner(), (True, os.getpid(), b"sleeper"))

    def test_closing_clears_the_row(self):
        self.writer.frame(1)
        reader = self.open()
        self.assertTrue(reader.registered)
        reader.close()
        self.assertEqual(self.owner(), (False, 0, b""))

    def test_two_readers_have_two_rows(self):
        self.writer.frame(1)
        first, second = self.open(name="a"), self.open(name="b")
        self.assertTrue(first.registered and second.registered)
        cookies = [self.lease(layout.OWNERS_OFFSET + i * layout.ROW_OWNER_SIZE, "<Q")[0] for i in range(3)]
        self.assertTrue(cookies[0] and cookies[1] and not cookies[2])

    def test_a_reader_without_a_name_polls(self):
        self.writer.frame(1)
        reader = self.open(name=None)
        self.assertFalse(reader.registered)
        self.writer.frame(2)
        self.assertEqual(reader.next(DEADLINE).sequence, 2)

    def test_without_write_permission_it_polls(self):
        self.writer.frame(1)
        for path, mode in ((self.directory, 0o755), (self.writer.path, 0o644), (self.writer.path + ".leases", 0o644)):
            os.chmod(path, mode if os.getuid() == 0 else mode & 0o555)
        code = (
            "import camring, sys\n"
            "r = camring.open('cam', dir=sys.argv[1])\n"
            "print(r.registered, r.latest().sequence)\n"
        )
        out = self.run_python(code, self.directory, drop=True)
        self.assertEqual(out.split(), ["False", "1"])

    def test_without_read_permission_the_error_says_who_may(self):
        self.writer.frame(1)
        os.chmod(self.directory, 0o755)
        os.chmod(self.writer.path, 0o000 if os.getuid() else 0o640)
        code = (
            "import camring, sys\n"
            "try: camring.open('cam', dir=sys.argv[1])\n"
            "except PermissionError as e: print(type(e).__name__, e)\n"
        )
        self.assertRegex(self.run_python(code, self.directory, drop=True), "PermissionDenied.*uid.*group.*cam.main.ring")

    def run_python(self, code, *args, drop=False):
        # Root never sees a missing permission.
        user = {"user": 65534, "group": 65534, "extra_groups": []} if drop and os.getuid() == 0 else {}
        package = os.path.dirname(os.path.dirname(os.path.abspath(camring.__file__)))
        if user:  # the checkout may be closed to that user
            shutil.copytree(os.path.join(package, "camring"), os.path.join(self.directory, "camring"))
            package = self.directory
            for root, _, files in os.walk(os.path.join(self.directory, "camring")):
                os.chmod(root, 0o755)
                for f in files:
                    os.chmod(os.path.join(root, f), 0o644)
        env = dict(os.environ, PYTHONPATH=package, PYTHONDONTWRITEBYTECODE="1")
        done = subprocess.run(
            [sys.executable, "-c", code, *args], env=env, cwd="/", capture_output=True, text=True, timeout=DEADLINE, **user
        )
        self.assertEqual(done.stderr, "")
        return done.stdout

    def test_the_row_of_a_killed_reader_is_free(self):
        self.writer.frame(1)
        child = subprocess.Popen(
            [sys.executable, "-c", "import camring, sys; r = camring.open('cam', dir=sys.argv[1]); print('up', flush=True); r.next()", self.directory],
            stdout=subprocess.PIPE, text=True, cwd=os.path.dirname(os.path.dirname(camring.__file__)),
        )  # fmt: skip
        self.assertEqual(child.stdout.readline(), "up\n")
        self.assertEqual(self.owner()[:2], (True, child.pid))
        child.send_signal(signal.SIGKILL)
        child.wait(DEADLINE)
        child.stdout.close()
        self.open(name="heir")
        self.assertEqual(self.owner(), (True, os.getpid(), b"heir"))

    def test_a_forked_child_must_open_its_own_and_does_not_keep_the_row(self):
        self.writer.frame(1)
        reader = self.open()
        stay_r, stay_w = os.pipe()
        told_r, told_w = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                reader.next(0)
            except camring.WrongProcess:
                os.write(told_w, b"1")
            except BaseException:
                os.write(told_w, b"0")
            os.close(stay_w)
            os.read(stay_r, 1)
            os._exit(0)
        self.addCleanup(os.waitpid, child, 0)
        self.addCleanup(os.close, stay_w)
        self.assertEqual(os.read(told_r, 1), b"1")
        reader.close()
        fd = os.open(self.writer.path + ".leases", os.O_RDWR)
        self.addCleanup(os.close, fd)
        self.assertTrue(lease._try_lock(fd, layout.ROWS_OFFSET), "the child still holds the row")
        for end in (stay_r, told_r, told_w):
            os.close(end)


class TestWriters(RingTest):
    def test_a_reader_survives_a_killed_writer(self):
        self.writer.frame(1)
        reader = self.open()
        self.writer.frame(2)
        self.writer.kill()
        again = self.start()
        again.frame(3)
        frames = [reader.next(DEADLINE) for _ in range(2)]
        self.assertEqual([(f.sequence, f.run_id, f.missed) for f in frames], [(2, 1, 0), (3, 2, 0)])

    def test_a_new_epoch_is_followed_after_the_old_one_is_drained(self):
        self.writer.frame(1)
        reader = self.open()
        self.writer.frame(2)
        self.writer.frame(3, 640, 480)
        frames = [reader.next(DEADLINE) for _ in range(2)]
        self.assertEqual([(f.sequence, f.width, f.missed) for f in frames], [(2, 64, 0), (3, 640, 0)])
        self.assertTrue(all(f.valid() for f in frames))
        self.assertEqual((reader.epoch, reader.registered), (2, True))

    def test_latest_follows_a_new_epoch_too(self):
        self.writer.frame(1)
        reader = self.open()
        self.writer.frame(2)
        self.writer.frame(3, 640, 480)
        self.assertEqual(reader.latest().sequence, 3)
        frame = reader.next(DEADLINE)
        self.assertEqual((frame.sequence, frame.missed), (3, 1))

    def test_a_replaced_ring_that_nobody_announced_is_found(self):
        self.writer.frame(1)
        reader = self.open()
        self.writer.do("run 9 64 48")
        reader.next(DEADLINE)
        self.writer.kill()
        os.unlink(self.writer.path)
        os.unlink(self.writer.path + ".leases")
        again = self.start()
        again.frame(42)
        with mock.patch.object(reader_module, "_STALE_NS", 0):
            frame = reader.next(DEADLINE)
        self.assertEqual((frame.sequence, int(frame.luma[0, 0])), (1, 42))

    def test_a_planned_stop_leaves_a_registered_reader_its_ring(self):
        self.writer.frame(1)
        reader = self.open()
        frame = reader.latest()
        self.writer.do("stop")
        self.assertEqual((reader.state, frame.valid(), os.path.exists(reader.path)), ("stopped", True, True))
        with self.assertRaisesRegex(camring.Timeout, "stopped"):
            reader.next(0)


class TestOpen(RingTest):
    def test_names_that_no_ring_has_are_refused(self):
        for name in ("../x", "", "Front", "a/b", "a" * 64):
            with self.subTest(name), self.assertRaises(ValueError):
                camring.open(name, dir=self.directory)

    def test_a_missing_ring_names_the_file_and_how_to_find_names(self):
        with self.assertRaisesRegex(camring.NotFound, r"yard\.main\.ring does not exist.*camring list"):
            camring.open("yard", dir=self.directory)

    def test_wait_waits_for_the_first_picture(self):
        opened = []
        thread = threading.Thread(target=lambda: opened.append(camring.open("cam", dir=self.directory, wait=DEADLINE)))
        thread.start()
        self.writer.frame(1)
        thread.join(DEADLINE)
        self.assertEqual(opened[0].latest().sequence, 1)
        opened[0].close()

    def test_damaged_files_are_refused(self):
        for name, offset, form, values, error, text in (
            ("another magic", 0, "<Q", (1,), camring.Corrupt, "magic"),
            ("a ring that is being built", 8, "<I", (0,), camring.NotReady, "not finished"),
            ("a newer layout", 8, "<I", (2,), camring.VersionMismatch, "version 2.*version 1.*update the camring Python package"),
            ("a packet ring", 12, "<I", (2,), camring.Corrupt, "kind 2"),
            ("a size that is not the file's", 48, "<Q", (1 << 30,), camring.Corrupt, "geometry"),
            ("descriptors that are no power of two", 64, "<I", (4095,), camring.Corrupt, "geometry"),
            ("too many slots", 68, "<I", (65,), camring.Corrupt, "geometry"),
            ("slots beyond the file", 104, "<Q", (1 << 40,), camring.Corrupt, "geometry"),
        ):
            with self.subTest(name):
                self.writer.frame(1)
                with open(self.writer.path, "rb") as f:
                    sound = f.read(layout.PAGE)
                self.patch(offset, form, *values)
                with self.assertRaisesRegex(error, text):
                    self.open()
                self.patch(0, f"{len(sound)}s", sound)

    def test_descriptors_that_leave_their_slot_are_refused(self):
        self.writer.frame(1)
        reader = self.open()
        at = layout.PAGE * 2 + layout.FRAME_DESC_SIZE  # sequence 1
        for name, offset, form, value in (
            ("slot", 32, "<I", 4),
            ("width", 120, "<I", 1 << 16),
            ("height", 124, "<I", 0xFFFFFFFF),
            ("format", 128, "<I", 99),
            ("planes", 132, "<I", 3),
            ("plane offset", 144, "<Q", (1 << 64) - 8),
            ("stride", 160, "<I", 63),
        ):
            with self.subTest(name):
                size = struct.calcsize(form)
                with open(self.writer.path, "rb") as f:
                    f.seek(at + offset)
                    sound = f.read(size)
                self.patch(at + offset, form, value)
                with self.assertRaises(camring.Corrupt):
                    reader.latest()
                self.patch(at + offset, f"{size}s", sound)
                self.assertIsNotNone(reader.latest())

    def test_a_foreign_lease_file_is_refused(self):
        self.writer.frame(1)
        self.patch(16, "<Q", 1, leases=True)  # pair_id
        with self.assertRaisesRegex(camring.Corrupt, "belongs to another ring"):
            self.open()

    def test_the_directory_comes_from_the_environment(self):
        self.writer.frame(1)
        with mock.patch.dict(os.environ, CAMRING_RING_DIR=self.directory), camring.open("cam") as reader:
            self.assertEqual((reader.camera, reader.output, reader.path), ("cam", "main", self.writer.path))

    def test_the_default_directory(self):
        with mock.patch.dict(os.environ):
            os.environ.pop("CAMRING_RING_DIR", None)
            service, own = "/dev/shm/camring", "/dev/shm/camring-1000"
            for uid, there, want in (
                (0, (), service),
                (1000, (), own),
                (1000, (service,), service),
                (1000, (own,), own),
                (1000, (service, own), own),
            ):
                with self.subTest(f"uid {uid}, {there}"), mock.patch("os.geteuid", return_value=uid), mock.patch(
                    "os.path.isdir", side_effect=there.__contains__
                ):
                    self.assertEqual(camring.default_directory(), want)


if __name__ == "__main__":
    unittest.main()
