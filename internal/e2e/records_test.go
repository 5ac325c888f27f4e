// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"sync/atomic"
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

// TestAtMostOnePipelineEachInterval counts, with a proxy in front of a real Redis, how often the
// product writes to it: one read of the proxy is one pipeline, for the proxy's buffer takes a whole
// one and the next comes a batch interval later.
func TestAtMostOnePipelineEachInterval(t *testing.T) {
	server := closedPort(t)
	startRedis(t, server, "")
	proxy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proxy.Close() }()
	var bursts, adds atomic.Int64
	go func() {
		for {
			client, err := proxy.Accept()
			if err != nil {
				return
			}
			redis, err := net.Dial("tcp", server)
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(client, redis); _ = client.Close() }()
			go func() {
				defer func() { _ = redis.Close() }()
				buf := make([]byte, 1<<20)
				for {
					n, err := client.Read(buf)
					if err != nil {
						return
					}
					bursts.Add(1)
					adds.Add(int64(bytes.Count(buf[:n], []byte("\r\nXADD\r\n"))))
					if _, err := redis.Write(buf[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	cameras := ""
	for i := range 6 {
		cameras += fmt.Sprintf("  c%d: test:pattern?size=320x180&fps=30\n", i)
	}
	tr := start(t, "redis: redis://"+proxy.Addr().String()+"\ncameras:\n"+cameras)
	tr.live(15 * time.Second)
	eventually(t, 10*time.Second, "records flow", func() bool { return adds.Load() > 20 })
	began, before, addsBefore := time.Now(), bursts.Load(), adds.Load()
	eventually(t, 30*time.Second, "600 records", func() bool { return adds.Load() > addsBefore+600 })
	elapsed, n, sent := time.Since(began), bursts.Load()-before, adds.Load()-addsBefore
	most := int64(elapsed/(25*time.Millisecond)) + 2 // one at each end of the time
	if n > most {
		t.Errorf("%d pipelines in %v, at most %d fit one each 25 ms", n, elapsed, most)
	}
	if sent < 2*n {
		t.Errorf("%d records in %d pipelines: six cameras at 30 fps are not sent together", sent, n)
	}
	t.Logf("%d records of 6 cameras in %d pipelines over %v", sent, n, elapsed.Round(time.Millisecond))
}
