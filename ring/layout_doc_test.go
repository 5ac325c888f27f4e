// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layoutField is one field of the layout, wherever that was read.
type layoutField struct {
	structure, name string
	offset, size    uintptr
}

// structures pairs the C structures, in the order of layout.h, with their mirrors.
var structures = []struct {
	name string
	typ  reflect.Type
}{
	{"camring_header", reflect.TypeFor[header]()},
	{"camring_slot", reflect.TypeFor[slotEntry]()},
	{"camring_frame_desc", reflect.TypeFor[FrameDesc]()},
	{"camring_packet_desc", reflect.TypeFor[PacketDesc]()},
	{"camring_lease_header", reflect.TypeFor[leaseHeader]()},
	{"camring_row", reflect.TypeFor[row]()},
	{"camring_row_owner", reflect.TypeFor[rowOwner]()},
}

// goLayout returns the fields of the mirrors.
func goLayout(t *testing.T) (fields []layoutField) {
	t.Helper()
	for _, s := range structures {
		for f := range s.typ.Fields() {
			if f.Type.Size() == 0 { // structs.HostLayout
				continue
			}
			fields = append(fields, layoutField{s.name, f.Name, f.Offset, f.Type.Size()})
		}
	}
	return fields
}

// plain makes the C and the Go form of a name equal: writer_pid and writerPID.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

type headerField struct {
	structure, ctype, name string
	atomic                 bool // marked A
}

type parsedHeader struct {
	fields      []headerField
	enumerators map[string]uint64
}

var (
	structRule = regexp.MustCompile(`(?s)typedef struct \w+ \{(.*?)\n\} (\w+);`)
	fieldRule  = regexp.MustCompile(`(?m)^    (\w+) (\w+)(\[\w+\])?;(?: */\* (A\b)?)?`)
	enumRule   = regexp.MustCompile(`(?s)enum \w+ \{(.*?)\}`)
	valueRule  = regexp.MustCompile(`(CAMRING_\w+) = (?:1u << )?(\d+)`)
)

// parseHeader reads layout.h: its shape is regular enough for that.
func parseHeader(t *testing.T) (h parsedHeader) {
	t.Helper()
	source := readText(t, "layout.h")
	h.enumerators = map[string]uint64{}
	for _, s := range structRule.FindAllStringSubmatch(source, -1) {
		for _, f := range fieldRule.FindAllStringSubmatch(s[1], -1) {
			h.fields = append(h.fields, headerField{s[2], f[1] + dimension(t, f[3]), f[2], f[4] == "A"})
		}
	}
	for _, e := range enumRule.FindAllStringSubmatch(source, -1) {
		for _, v := range valueRule.FindAllStringSubmatch(e[1], -1) {
			n, err := strconv.ParseUint(v[2], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(v[0], "<<") {
				n = 1 << n
			}
			h.enumerators[v[1]] = n
		}
	}
	if len(h.fields) < 100 || len(h.enumerators) < 80 {
		t.Fatalf("found %d fields and %d enumerators: layout.h has taken another shape", len(h.fields), len(h.enumerators))
	}
	return h
}

// dimension turns the named array lengths into numbers.
func dimension(t *testing.T, text string) string {
	t.Helper()
	switch text {
	case "[CAMRING_NAME_SIZE]":
		return "[" + strconv.Itoa(nameSize) + "]"
	case "[CAMRING_COUNTERS]":
		return "[" + strconv.Itoa(counterWords) + "]"
	}
	if strings.Contains(text, "CAMRING") {
		t.Fatalf("array length %s is not known here", text)
	}
	return text
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const layoutDoc = "../docs/layout.md"

var (
	sectionRule = regexp.MustCompile("(?m)^### `(\\w+)`, (\\d+) bytes$")
	rowRule     = regexp.MustCompile("(?m)^\\| (\\d+) \\| (\\d+) \\| `([^`]+)` \\| `(\\w+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) \\|$")
)

// TestLayoutDocumentSaysWhatTheCodeDoes compares every row of the tables with layout.h and its mirror.
func TestLayoutDocumentSaysWhatTheCodeDoes(t *testing.T) {
	doc := readText(t, layoutDoc)
	code, header := goLayout(t), parseHeader(t)
	if len(code) != len(header.fields) {
		t.Fatalf("Go has %d fields, layout.h has %d", len(code), len(header.fields))
	}
	sections := sectionRule.FindAllStringSubmatchIndex(doc, -1)
	if len(sections) != len(structures) {
		t.Fatalf("the document has tables for %d structures, want %d", len(sections), len(structures))
	}
	next := 0
	for i, at := range sections {
		name, size := doc[at[2]:at[3]], doc[at[4]:at[5]]
		if want := structures[i]; name != want.name || size != strconv.Itoa(int(want.typ.Size())) {
			t.Errorf("table %d is %s, %s bytes; want %s, %d bytes", i, name, size, want.name, want.typ.Size())
		}
		end := len(doc)
		if i+1 < len(sections) {
			end = sections[i+1][0]
		}
		for _, r := range rowRule.FindAllStringSubmatch(doc[at[1]:end], -1) {
			if next == len(code) {
				t.Fatalf("%s.%s: the code has no more fields", name, r[4])
			}
			c, h := code[next], header.fields[next]
			next++
			got := []string{name, r[1], r[2], r[3], r[4]}
			want := []string{h.structure, strconv.Itoa(int(c.offset)), strconv.Itoa(int(c.size)), h.ctype, h.name}
			if !slices.Equal(got, want) {
				t.Errorf("the document has %v, the code %v", got, want)
			}
			if atomic := strings.HasPrefix(r[7], "A"); atomic != h.atomic {
				t.Errorf("%s.%s: the document says %q, layout.h says atomic: %v", name, r[4], r[7], h.atomic)
			}
			if reserved := strings.HasPrefix(r[4], "reserved"); !reserved && (r[5] == "" || r[6] == "" || r[7] == "") {
				t.Errorf("%s.%s: who writes, who reads, or in which order is missing", name, r[4])
			}
		}
	}
	if next != len(code) {
		t.Errorf("the document has %d fields, the code %d", next, len(code))
	}
}

var (
	syncComment = regexp.MustCompile(`SYNC [A-Z]\d\b.*`)
	syncName    = regexp.MustCompile(`\b[A-Z]\d\b`)
	syncRowRule = regexp.MustCompile(`(?m)^\| ([A-Z]\d) \|`)
)

// TestSyncPointsAreInTheDocument compares the marked points of the code with the table of them.
func TestSyncPointsAreInTheDocument(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	inCode := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, comment := range syncComment.FindAllString(readText(t, file), -1) {
			for _, name := range syncName.FindAllString(comment, -1) { // the point and its partner
				inCode[name] = file
			}
		}
	}
	doc := readText(t, layoutDoc)
	inDoc := map[string]bool{}
	for _, m := range syncRowRule.FindAllStringSubmatch(doc, -1) {
		inDoc[m[1]] = true
	}
	for name, file := range inCode {
		if !inDoc[name] {
			t.Errorf("%s is in %s and not in the table of the document", name, file)
		}
	}
	for name := range inDoc {
		if inCode[name] == "" {
			t.Errorf("%s is in the document and nowhere in the code", name)
		}
	}
	if len(inCode) == 0 {
		t.Error("no sync points found in the code")
	}
}
