# SPDX-License-Identifier: Apache-2.0

"""The package's numbers against ring/layout.h, the contract."""

import os
import re
import struct
import unittest

from camring import layout

_HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "ring", "layout.h")
_SIZES = {"uint64_t": 8, "int64_t": 8, "uint32_t": 4, "uint8_t": 1, "char": 1}
_FORMS = {"uint64_t": "Q", "int64_t": "q", "uint32_t": "I", "uint8_t": "B"}
# Python says what a number is a code of, and writes words out.
_RENAMED = {
    "seq": "sequence", "gen": "generation", "packet_seq": "packet_sequence", "reason": "reason_code",
    "capture_clock": "capture_clock_code", "format": "format_code", "range": "range_code", "decoder": "decoder_code",
    "codec": "codec_code", "score": "score_bits", "reference_seq": "reference_sequence", "gap_state": "gap_state_code",
}  # fmt: skip


class TestLayout(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(_HEADER, encoding="utf-8") as f:
            text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
        defines = dict(re.findall(r"#define (CAMRING_\w+) (?:UINT\d+_C\()?(\w+?)u?\)?\s*$", text, re.M))
        cls.constants = {k: int(v, 0) for k, v in defines.items() if v[0].isdigit()}
        for name, value in re.findall(r"(CAMRING_\w+) = ([^,\n}]+)", text):
            cls.constants[name] = eval(value.replace("u", ""))  # 1u << 3
        cls.offsets = {}
        for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", text, re.S):
            at = 0
            for ctype, field, count in re.findall(r"(\w+) (\w+)(?:\[(\w+)\])?;", body):
                n = int(cls.constants.get(count, count) or 1)
                cls.offsets[name, field] = (at, ctype, n)
                at += _SIZES[ctype] * n

    def test_descriptor(self):
        want = []
        for (structure, field), (_, ctype, n) in self.offsets.items():
            if structure == "camring_frame_desc" and field != "reserved":
                names = [field] if n == 1 else [f"{field}_{i}" for i in range(n)]
                want += [(_RENAMED.get(name, name), _FORMS[ctype]) for name in names]
        form = re.sub(r"(\d+)([A-Zq])", lambda m: m[2] * int(m[1]), layout.FRAME_DESC.format[1:]).replace("40x", "")
        self.assertEqual(list(zip(layout.Description._fields, form)), want)

    def test_offsets(self):
        for name, structure, field in (
            ("WRITER_PID", "camring_header", "writer_pid"), ("RUN_ID", "camring_header", "run_id"),
            ("HEAD", "camring_header", "head"), ("WAKE", "camring_header", "wake"), ("STATE", "camring_header", "state"),
            ("REASON", "camring_header", "reason"), ("NEXT_EPOCH", "camring_header", "next_epoch"),
            ("HEARTBEAT", "camring_header", "heartbeat_mono_ns"),
            ("ROW_WAITING", "camring_row", "waiting"), ("ROW_MISSED", "camring_row", "missed"),
        ):  # fmt: skip
            self.assertEqual(getattr(layout, name), self.offsets[structure, field][0], name)
        fields = [f for s, f in self.offsets if s == "camring_header"]
        self.assertEqual(list(layout.Header._fields), fields[: len(layout.Header._fields)])
        self.assertEqual(struct.calcsize("<QIIQ"), self.offsets["camring_row_owner", "name"][0])

    def test_constants(self):
        for name, c in (
            ("MAGIC", "MAGIC"), ("LEASE_MAGIC", "LEASE_MAGIC"), ("VERSION", "LAYOUT_VERSION"), ("PAGE", "HEADER_SIZE"),
            ("SLOT_ENTRY_SIZE", "SLOT_ENTRY_SIZE"), ("FRAME_DESC_SIZE", "FRAME_DESC_SIZE"), ("ROWS", "ROWS"),
            ("ROW_SIZE", "ROW_SIZE"), ("ROW_OWNER_SIZE", "ROW_OWNER_SIZE"), ("MAX_SLOTS", "MAX_SLOTS"),
            ("NAME_SIZE", "NAME_SIZE"), ("NO_SLOT", "NO_SLOT"), ("UNKNOWN", "ERROR_UNKNOWN"), ("KIND_FRAME", "KIND_FRAME"),
            ("FLAG_KEY", "FLAG_KEY"), ("FLAG_SIMILAR", "FLAG_SIMILAR"), ("FLAG_CORRUPT", "FLAG_CORRUPT"),
            ("FLAG_DISCONTINUITY", "FLAG_DISCONTINUITY"), ("FLAG_GAP", "FLAG_GAP"),
        ):  # fmt: skip
            self.assertEqual(getattr(layout, name), self.constants["CAMRING_" + c], name)

    def test_names(self):
        for names, prefix in (
            (layout.FORMATS, "FORMAT"), (layout.CODECS, "CODEC"), (layout.RANGES, "RANGE"), (layout.CLOCKS, "CLOCK"),
            (layout.DECODERS, "DECODER"), (layout.STATES, "STATE"), (layout.REASONS, "REASON"),
        ):  # fmt: skip
            prefix = f"CAMRING_{prefix}_"
            numbers = {v: k[len(prefix) :].lower() for k, v in self.constants.items() if k.startswith(prefix)}
            want = [numbers[i] for i in sorted(numbers)]
            self.assertEqual([name.lower() or "none" for name in names], want)


if __name__ == "__main__":
    unittest.main()
