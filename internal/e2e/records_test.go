// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"camring/core/status"
	"camring/internal/testutil"
)

// records reads a camera's whole stream from the tree's private Redis, oldest first. The entry's id is
// field "id".
func records(tr *tree, t *testing.T, camera string) (list []map[string]string) {
	t.Helper()
	testutil.Need(t, "redis-cli")
	out, err := exec.Command("redis-cli", "-s", filepath.Join(tr.dir, "redis.sock"), "--json", "XRANGE", camera+"_input_topic", "-", "+").Output()
	if err != nil {
		t.Fatalf("redis-cli: %v", err)
	}
	var entries [][]any // id, then a list of names and values
	if err := json.Unmarshal(out, &entries); err != nil {
		t.Fatalf("redis-cli printed %.200s: %v", out, err)
	}
	for _, e := range entries {
		fields, _ := e[1].([]any)
		r := map[string]string{"id": fmt.Sprint(e[0])}
		for i := 0; i+1 < len(fields); i += 2 {
			r[fmt.Sprint(fields[i])] = fmt.Sprint(fields[i+1])
		}
		list = append(list, r)
	}
	return list
}

func TestExactlyOneRecordPerPublishedFrame(t *testing.T) {
	tr := start(t, "redis: {maxlen: 100000}\ncameras:\n  a: test:pattern?size=320x180&fps=30\n  b: test:pattern?size=320x180&fps=25\n  c: test:pattern?size=320x180&fps=60\n")
	s := tr.until(20*time.Second, "five seconds of frames", func(s *status.Snapshot) bool {
		return find(s, "a").Published > 150
	})
	for _, c := range s.Cameras {
		want := c.Published
		var list []map[string]string
		eventually(t, 5*time.Second, "the records of "+c.Name+" are there", func() bool {
			list = records(tr, t, c.Name)
			return uint64(len(list)) >= want
		})
		created := ""
		for i, r := range list {
			var ms, seq uint64
			if _, err := fmt.Sscanf(r["id"], "%d-%d", &ms, &seq); err != nil || seq != uint64(i+1) || r["seq"] != fmt.Sprint(i+1) {
				t.Fatalf("camera %s: record %d has id %s and seq %s", c.Name, i+1, r["id"], r["seq"])
			}
			if created == "" {
				created = fmt.Sprint(ms)
			}
			if fmt.Sprint(ms) != created {
				t.Fatalf("camera %s: id %s, the ones before began with %s", c.Name, r["id"], created)
			}
		}
		t.Logf("camera %s: %d records for at least %d frames, consecutive", c.Name, len(list), want)
	}
}
