// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBenchmarksPageSaysWhatTheRawResultsSay(t *testing.T) {
	want, err := page("../results")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../BENCHMARKS.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("BENCHMARKS.md differs from what bench/results gives: run go run ./bench/report")
	}
}

func TestAMissedAimIsSaid(t *testing.T) {
	for _, c := range []struct{ cpu, want string }{{"1090", "**met**"}, {"1110", "**missed**"}} {
		dir := t.TempDir()
		text := `{"kind":"env","name":"decode"}
{"pair":1,"camring":{"frames":10,"user_ms":` + c.cpu + `},"libav":{"frames":10,"user_ms":1000}}
`
		if err := os.WriteFile(filepath.Join(dir, "decode.jsonl"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := page(dir)
		if err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s ms against 1000: got error %v and a page without %q", c.cpu, err, c.want)
		}
	}
}

func TestResultsWithoutAnEnvironmentAreRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "repair.jsonl"), []byte("{\"kill\":1}\n{\"kill\":2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := page(dir); err == nil {
		t.Error("a file without an environment was accepted")
	}
	if _, err := page(t.TempDir()); err == nil {
		t.Error("a directory without results was accepted")
	}
}
