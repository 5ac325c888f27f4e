// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package ring

import (
	"strings"
	"testing"

	"camring/ring/internal/layoutcheck"
)

func TestLayoutIsWhatTheCompilerMakesOfTheHeader(t *testing.T) {
	var want []layoutField
	sizes := map[string]uintptr{}
	for _, f := range layoutcheck.Fields() {
		if f.Name == "" {
			sizes[f.Struct] = f.Size
			continue
		}
		want = append(want, layoutField{structure: f.Struct, name: f.Name, offset: f.Offset, size: f.Size})
	}
	got := goLayout(t)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) {
			t.Fatalf("Go has %d fields, C has %d", len(got), len(want))
		}
		g, w := got[i], want[i]
		// Go's reserved fields are blank.
		if g.name == "_" && strings.HasPrefix(w.name, "reserved") {
			g.name = w.name
		}
		if g.structure != w.structure || plain(g.name) != plain(w.name) || g.offset != w.offset || g.size != w.size {
			t.Errorf("field %d: Go has %+v, C has %+v", i, g, w)
		}
	}
	for _, s := range structures {
		if got, want := s.typ.Size(), sizes[s.name]; got != want {
			t.Errorf("%s: Go has %d bytes, C has %d", s.name, got, want)
		}
	}
}

// TestTableHasEveryFieldOfTheHeader keeps the table that the C compiler fills complete.
func TestTableHasEveryFieldOfTheHeader(t *testing.T) {
	header := parseHeader(t)
	var got []string
	for _, f := range layoutcheck.Fields() {
		if f.Name != "" {
			got = append(got, f.Struct+"."+f.Name)
		}
	}
	var want []string
	for _, f := range header.fields {
		want = append(want, f.structure+"."+f.name)
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("layoutcheck.c has\n%s\nlayout.h has\n%s", g, w)
	}
	constants := layoutcheck.Constants()
	for name, want := range header.enumerators {
		// The build cache does not see changes of a header outside the package's folder.
		if got, ok := constants[name]; !ok || got != want {
			t.Errorf("%s is %d in layout.h and %d (known: %v) in layoutcheck: add it there, or run go clean -cache",
				name, want, got, ok)
		}
	}
}

func TestConstantsAreThoseOfTheHeader(t *testing.T) {
	constants := layoutcheck.Constants()
	want := map[string]uint64{
		"CAMRING_MAGIC": magic, "CAMRING_LEASE_MAGIC": leaseMagic,
		"CAMRING_LAYOUT_VERSION": uint64(layoutVersion),
		"CAMRING_HEADER_SIZE":    headerSize, "CAMRING_SLOT_ENTRY_SIZE": slotEntrySize,
		"CAMRING_FRAME_DESC_SIZE": frameDescSize, "CAMRING_PACKET_DESC_SIZE": packetDescSize,
		"CAMRING_ROW_SIZE": rowSize, "CAMRING_ROW_OWNER_SIZE": rowOwnerSize,
		"CAMRING_ROWS": Rows, "CAMRING_MAX_SLOTS": MaxSlots, "CAMRING_COUNTERS": counterWords,
		"CAMRING_NAME_SIZE": nameSize, "CAMRING_NO_SLOT": uint64(NoSlot),
		"CAMRING_ERROR_UNKNOWN": uint64(ErrorUnknown),
		"CAMRING_KIND_FRAME":    uint64(KindFrame), "CAMRING_KIND_PACKET": uint64(KindPacket),
		"CAMRING_FLAG_KEY": uint64(FlagKey), "CAMRING_FLAG_SIMILAR": uint64(FlagSimilar),
		"CAMRING_FLAG_CORRUPT": uint64(FlagCorrupt), "CAMRING_FLAG_DISCONTINUITY": uint64(FlagDiscontinuity),
		"CAMRING_FLAG_GAP": uint64(FlagGap),
	}
	for name, value := range want {
		if got, ok := constants[name]; !ok || got != value {
			t.Errorf("%s: C has %d (known: %v), Go has %d", name, got, ok, value)
		}
	}
	// The named constants: Go's String is the C name in lower case.
	named := map[string]func(uint64) string{
		"CAMRING_FORMAT_":  func(v uint64) string { return Format(v).String() },
		"CAMRING_CODEC_":   func(v uint64) string { return Codec(v).String() },
		"CAMRING_RANGE_":   func(v uint64) string { return Range(v).String() },
		"CAMRING_CLOCK_":   func(v uint64) string { return Clock(v).String() },
		"CAMRING_DECODER_": func(v uint64) string { return Decoder(v).String() },
		"CAMRING_STATE_":   func(v uint64) string { return State(v).String() },
		"CAMRING_REASON_":  func(v uint64) string { return Reason(v).String() },
		"CAMRING_COUNT_":   func(v uint64) string { return Counter(v).String() },
	}
	for name, value := range constants {
		if _, ok := want[name]; ok {
			continue
		}
		if name == "CAMRING_REASON_NONE" { // says nothing in Go
			continue
		}
		known := false
		for prefix, text := range named {
			rest, ok := strings.CutPrefix(name, prefix)
			if !ok {
				continue
			}
			known = true
			if got := text(value); !strings.EqualFold(got, rest) {
				t.Errorf("%s: Go calls number %d %q", name, value, got)
			}
		}
		if !known {
			t.Errorf("%s has no partner in Go", name)
		}
	}
}
