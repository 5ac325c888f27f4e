// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// names lists what is in dir.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, e := range entries {
		got = append(got, e.Name())
	}
	return got
}

func TestCleanRemovesWhatDeadWritersLeft(t *testing.T) {
	dir := t.TempDir()
	w, err := OpenFrameWriter(FrameConfig{Dir: dir, Camera: "yard", Output: "main", GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	put(t, w, 64, 48, 1)
	p, err := OpenPacketWriter(PacketConfig{Dir: dir, Camera: "yard", GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil { // as a kill does: the files stay
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"front.main.ring.new", "back.packets.lock", "notes.txt", "UPPER.main.ring", "no-output.ring"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	removed, inUse, err := Clean(dir)
	if err != nil || inUse != nil {
		t.Fatalf("in use %q, %v", inUse, err)
	}
	want := []string{
		PacketPath(dir, "back"), FramePath(dir, "front", "main"),
		FramePath(dir, "yard", "main"), PacketPath(dir, "yard"),
	}
	if !reflect.DeepEqual(removed, want) {
		t.Errorf("removed %q, want %q", removed, want)
	}
	if got, want := names(t, dir), []string{"UPPER.main.ring", "no-output.ring", "notes.txt"}; !reflect.DeepEqual(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

func TestCleanLeavesARingWithAWriterAlone(t *testing.T) {
	w := newFrames(t, 4)
	put(t, w, 64, 48, 1)
	dir := filepath.Dir(w.Path())
	before := names(t, dir)
	removed, inUse, err := Clean(dir)
	if err != nil || len(removed) != 0 || !reflect.DeepEqual(inUse, []string{w.Path()}) {
		t.Errorf("removed %q, in use %q, %v; want only %s in use", removed, inUse, err, w.Path())
	}
	if after := names(t, dir); !reflect.DeepEqual(after, before) {
		t.Errorf("files before %q, after %q", before, after)
	}
	put(t, w, 64, 48, 2) // the writer has not noticed
}

func TestCleanOfADirectoryThatIsNotThere(t *testing.T) {
	removed, inUse, err := Clean(filepath.Join(t.TempDir(), "none"))
	if removed != nil || inUse != nil || err != nil {
		t.Errorf("got %q, %q, %v; want nothing", removed, inUse, err)
	}
}

func TestListNamesRingsThatExist(t *testing.T) {
	w := newFrames(t, 4)
	dir := filepath.Dir(w.Path())
	if got, err := List(dir); err != nil || len(got) != 0 {
		t.Fatalf("before the first picture: %v, %v; want none", got, err)
	}
	put(t, w, 64, 48, 1)
	got, err := List(dir)
	want := []File{{Path: w.Path(), Kind: KindFrame, Camera: "cam", Output: "main"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
}
