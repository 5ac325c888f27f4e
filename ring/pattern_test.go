// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// The picture of the ring's own tests: every row is filled with one 64-bit word made from the sequence, the
// writer's nonce and the row. A row from another picture, an unwritten one and two writers' pictures
// under one sequence all show.

func word(seq, nonce uint64, row int) uint64 {
	x := seq*0x9E3779B97F4A7C15 ^ nonce ^ uint64(row)<<48
	x ^= x >> 31
	return x*0xBF58476D1CE4E5B9 | 1
}

// paint publishes the next picture, width a multiple of 64; the nonce travels as frame id.
func paint(w *FrameWriter, width, height int, nonce uint64) (FrameDesc, error) {
	var d FrameDesc
	size, err := NV12Layout(&d, width, height)
	if err != nil {
		return d, err
	}
	if _, err := w.Fit(size); err != nil {
		return d, err
	}
	slot, err := w.Claim()
	if err != nil {
		return d, err
	}
	seq := w.Head() + 1
	stride := int(d.PlaneStride[0])
	for row := range int(size) / stride {
		fillRow(slot.Mem[row*stride:][:stride], word(seq, nonce, row))
	}
	d.FrameID, d.PacketSeq = nonce, seq
	return d, w.Publish(slot, &d)
}

func mustPaint(t testing.TB, w *FrameWriter, width, height int) FrameDesc {
	t.Helper()
	d, err := paint(w, width, height, 0)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func fillRow(row []byte, v uint64) {
	for i := 0; i+8 <= len(row); i += 8 {
		binary.LittleEndian.PutUint64(row[i:], v)
	}
}

// wrongRow is the first row of f that is not what its descriptor says, or -1. The caller asks Valid
// afterwards: only a wrong row in a valid picture is a fault.
func wrongRow(f *Frame) int {
	row := 0
	for p := range int(f.PlaneCount) {
		mem := f.Plane(p)
		rows, rowBytes := f.PlaneSize(p)
		for y := range rows {
			want := word(f.Seq, f.FrameID, row)
			for i := 0; i+8 <= rowBytes; i += 8 {
				if binary.LittleEndian.Uint64(mem[y*int(f.PlaneStride[p])+i:]) != want {
					return row
				}
			}
			row++
		}
	}
	return -1
}

func frames(t testing.TB, dir string, slots int) *FrameWriter {
	t.Helper()
	w, err := OpenFrameWriter(FrameConfig{Dir: dir, Camera: "cam", Output: "main", Slots: slots, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func readerOf(t testing.TB, path, name string) *FrameReader {
	t.Helper()
	r, err := OpenFrames(path, ReaderOptions{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// abandon drops a writer as a killed process does: nothing is written, locks and mappings go.
func abandon(w *writer) {
	unmap(w.mem)
	unmap(w.orphan)
	if w.rows != nil {
		w.rows.close()
	}
	_ = w.lock.Close()
	w.mem, w.h, w.rows, w.orphan, w.lock = nil, nil, nil, nil, nil
}

type crash struct{}

// crashAt runs f and ends it at the nth time that it comes to a step, as if it had been killed there.
// It reports whether f got that far.
func crashAt(at storeStep, nth int, f func()) (crashed bool) {
	stepHook = func(s storeStep) {
		if s == at {
			if nth--; nth == 0 {
				panic(crash{})
			}
		}
	}
	defer func() {
		stepHook = nil
		if e := recover(); e != nil {
			if e != (crash{}) {
				panic(e)
			}
			crashed = true
		}
	}()
	f()
	return false
}

// during runs f each time that some other code is at a step, and does not nest.
func during(t *testing.T, at storeStep, f func()) {
	t.Helper()
	busy := false
	stepHook = func(s storeStep) {
		if s == at && !busy {
			busy = true
			f()
			busy = false
		}
	}
	t.Cleanup(func() { stepHook = nil })
}

// roleWrite publishes flat out until it is killed: DIR SLOTS WIDTH HEIGHT.
func roleWrite(args []string) error {
	n := make([]int, 3)
	for i := range n {
		v, err := strconv.Atoi(args[i+1])
		if err != nil {
			return err
		}
		n[i] = v
	}
	w, err := OpenFrameWriter(FrameConfig{Dir: args[0], Camera: "cam", Output: "main", Slots: n[0], GID: -1})
	if err != nil {
		return err
	}
	nonce := randomID()
	for first := true; ; first = false {
		if _, err := paint(w, n[1], n[2], nonce); err != nil && !errors.Is(err, ErrNoSlot) {
			return err
		}
		if first {
			fmt.Println("run", w.RunID())
		}
	}
}

// roleHold publishes one picture and keeps the writer lock: DIR.
func roleHold(args []string) error {
	w, err := OpenFrameWriter(FrameConfig{Dir: args[0], Camera: "cam", Output: "main", GID: -1})
	if err == nil {
		_, err = paint(w, 64, 48, 0)
	}
	if err != nil {
		return err
	}
	fmt.Println("holding")
	time.Sleep(time.Minute)
	return nil
}

// roleRead registers and reads until it is killed: PATH.
func roleRead(args []string) error {
	r, err := OpenFrames(args[0], ReaderOptions{Name: "victim"})
	if err != nil {
		return err
	}
	fmt.Println("registered")
	for {
		f, err := r.Next(time.Second)
		if errors.Is(err, ErrTimeout) {
			continue
		}
		if err != nil {
			return err
		}
		if row := wrongRow(&f); row >= 0 && f.Valid() {
			return fmt.Errorf("frame %d torn at row %d", f.Seq, row)
		}
	}
}

// roleCreate tries to make a ring and prints the error: DIR.
func roleCreate(args []string) error {
	w, err := OpenFrameWriter(FrameConfig{Dir: args[0], Camera: "cam", Output: "main", GID: -1})
	if err == nil {
		_, err = paint(w, 64, 48, 0)
	}
	_, werr := fmt.Fprintf(os.Stdout, "%v\n", err)
	return werr
}

// roleAttach tries to register as a reader and prints the error: PATH.
func roleAttach(args []string) error {
	_, err := OpenFrames(args[0], ReaderOptions{Name: "stranger"})
	_, werr := fmt.Fprintf(os.Stdout, "%v\n", err)
	return werr
}
