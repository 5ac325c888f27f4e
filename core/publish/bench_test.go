// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"camring/internal/testutil"
	"camring/ring"
)

// BenchmarkFlush is gathering, sending and settling one pipeline on a real redis-server. It checks that
// every record was stored.
func BenchmarkFlush(b *testing.B) {
	dir, err := os.MkdirTemp("", "pub")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	target := Target{Network: "unix", Addr: filepath.Join(dir, "s")}
	cmd := exec.Command(testutil.Need(b, "redis-server"), "--port", "0", "--unixsocket", target.Addr, "--save", "")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()

	var c *connection
	for deadline := time.Now().Add(5 * time.Second); c == nil; time.Sleep(10 * time.Millisecond) {
		if c, err = connect(context.Background(), target); err != nil && time.Now().After(deadline) {
			b.Fatal(err)
		}
	}
	defer c.close()
	for _, records := range []int{1, 75, 200} {
		b.Run(fmt.Sprintf("records=%d", records), func(b *testing.B) {
			p := New(Options{Target: target})
			p.conn = c
			r := newFakeRing(createdMS)
			r.publish(1)
			cam := camera(fmt.Sprintf("c%d", records), r)
			cam.Records = endless{r}
			s := newStream(cam, "host", 1000, 0)
			s.ms, s.synced = uint64(time.Now().UnixNano()), true
			var d ring.FrameDesc
			b.ReportAllocs()
			for b.Loop() {
				p.sending.reset()
				if err := s.gather(&p.sending, records, &d); err != nil || len(p.sending.items) != records {
					b.Fatal(err, len(p.sending.items))
				}
				p.flush(time.Now())
			}
			if p.stats.Records != uint64(b.N*records) {
				b.Fatalf("got %d records stored, want %d", p.stats.Records, b.N*records)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
		})
	}
}

// endless is a ring that always has more: its one frame, again and again.
type endless struct{ *fakeRing }

func (endless) Head() uint64 { return 1 << 40 }

func (e endless) Describe(seq uint64, d *ring.FrameDesc) error {
	err := e.fakeRing.Describe(1, d)
	d.Seq = seq
	return err
}
