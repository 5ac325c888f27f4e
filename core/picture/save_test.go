// SPDX-License-Identifier: Apache-2.0

package picture

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSaveChoosesTheFormatByTheName(t *testing.T) {
	for name, want := range map[string]string{"a.png": "image/png", "a.PNG": "image/png", "a.jpg": "image/jpeg", "b.c.Jpeg": "image/jpeg"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := Save(path, desc(32, 32), flat(32, 32, 81, 90, 240), DefaultQuality); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(path)
			if got := http.DetectContentType(content); err != nil || got != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
			onlyFile(t, dir, name)
		})
	}
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, path, want string }{
		{"a name without an extension", filepath.Join(dir, "picture"), "must end in .png, .jpg or .jpeg"},
		{"another format", filepath.Join(dir, "picture.gif"), "must end in .png, .jpg or .jpeg"},
		{"a directory that is not there", filepath.Join(dir, "none", "a.png"), "no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Save(c.path, desc(32, 32), flat(32, 32, 81, 90, 240), DefaultQuality)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("got %v, want an error with the path and %q", err, c.want)
			}
		})
	}
}

func TestFailedSaveLeavesTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk is full")
	err := replace(path, func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 1<<17)); err != nil {
			return err
		}
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
	if content, err := os.ReadFile(path); string(content) != "old" || err != nil {
		t.Errorf("got %q, %v, want the old file", content, err)
	}
	onlyFile(t, dir, "a.png")
}

func onlyFile(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != name {
		t.Errorf("got %v, %v, want only %s", entries, err, name)
	}
}
