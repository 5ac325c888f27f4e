// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/md5" //nolint:gosec // compared with what ffmpeg -f framemd5 prints, not a secret
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"camring/ring"
)

const (
	reportEvery = time.Second // at most one line about lapped frames
	// gapLook bounds how far back gap records are looked for: descriptors do not last longer.
	gapLook = 4096
)

type tapFlags struct {
	output  string
	frames  uint64
	md5     bool
	raw     string
	timeout time.Duration
	latest  bool
}

func newTapCommand() *cobra.Command {
	var f tapFlags
	cmd := &cobra.Command{
		Use:   "tap CAMERA",
		Short: "Print one line per frame of a camera",
		Long: `Print one line per frame of a camera: sequence, PTS in ns, width, height, format, MD5.

The MD5 is of the pixels without padding, with --md5; a dash stands for it otherwise. Frames that were
overwritten before they could be read, and gaps, are reported on stderr. Begins with the next frame, or
with the first if the ring appears later. Ends when the camera has stopped or its file has ended;
exit code 1 if no frame came in time.`,
		Args:              cobra.MatchAll(cameraName, cobra.ExactArgs(1)),
		ValidArgsFunction: completeCamera,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return tap(ctx, ringDir(cmd), args[0], f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.output, "output", "main", "`name` of the output")
	cmd.Flags().Uint64Var(&f.frames, "frames", 0, "end after so many frames; 0 = never")
	cmd.Flags().BoolVar(&f.md5, "md5", false, "compute the MD5 of the pixels")
	cmd.Flags().StringVar(&f.raw, "raw", "", "write the pixels to `file`; with - to stdout, and the lines to stderr")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "longest wait for the ring, and for each frame")
	cmd.Flags().BoolVar(&f.latest, "latest", false, "always continue with the newest frame, and leave out those between")
	return cmd
}

// tapper prints the frames of one ring.
type tapper struct {
	tapFlags
	camera        string
	r             *ring.FrameReader
	lines, notes  io.Writer
	pixels        io.Writer // nil without --raw
	buf           []byte
	seen          uint64 // every record up to this one has been looked at for gaps
	newest        uint64 // sequence of the newest frame, for --latest
	printed       uint64
	lapped        uint64 // frames, not yet reported
	lappedAll     uint64
	lappedNoticed time.Time
}

func tap(ctx context.Context, dir, camera string, f tapFlags, stdout, stderr io.Writer) (err error) {
	t := tapper{tapFlags: f, camera: camera, lines: stdout, notes: stderr}
	switch {
	case f.raw == "-":
		t.pixels, t.lines = stdout, stderr
	case f.raw != "":
		file, err := os.Create(f.raw)
		if err != nil {
			return fmt.Errorf("raw pixels: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		t.pixels = file
	}
	r, waited, err := attach(ctx, dir, camera, f.output, "tap", f.timeout)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // always nil
	t.r, t.seen = r, r.Head()
	if waited {
		r.Seek(r.Base())
		t.seen = r.Base() - 1
	}
	err = t.run(ctx)
	t.reportLapped(true)
	return err
}

// run prints frames until there are enough, the camera has stopped, or none comes.
func (t *tapper) run(ctx context.Context) error {
	deadline := time.Now().Add(t.timeout)
	for t.frames == 0 || t.printed < t.frames {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a signal is how one ends
		}
		f, err := t.next(min(slice, max(time.Until(deadline), 0)))
		switch {
		case errors.Is(err, ring.ErrTimeout):
			t.gaps(t.r.Head())
			t.reportLapped(false)
			if state, _, _ := t.r.State(); state == ring.StateStopped || state == ring.StateEnded {
				return t.ended(state)
			}
			if !time.Now().Before(deadline) {
				text, _ := condition(t.r)
				return fmt.Errorf("camera %s: no frame for %v: %s", t.camera, t.timeout, text)
			}
			continue
		case err != nil:
			return fmt.Errorf("camera %s: %w", t.camera, err)
		}
		deadline = time.Now().Add(t.timeout)
		t.gaps(f.Seq - 1)
		t.seen = f.Seq
		t.lapped += f.Missed
		if err := t.print(&f); err != nil {
			return err
		}
		t.reportLapped(false)
	}
	return nil
}

func (t *tapper) ended(state ring.State) error {
	fmt.Fprintf(t.notes, "camring: tap %s: the camera has %s after %d frames\n", t.camera, state, t.printed)
	if t.frames > 0 {
		return fmt.Errorf("camera %s has %s after %d frames of %d", t.camera, state, t.printed, t.frames)
	}
	return nil
}

// next returns the next frame, or with --latest the newest that is not the one before.
func (t *tapper) next(timeout time.Duration) (ring.Frame, error) {
	if !t.latest {
		return t.r.Next(timeout)
	}
	head := t.r.Head()
	f, err := t.r.Latest()
	switch {
	case err == nil && f.Seq > t.newest:
		t.newest = f.Seq
		return f, nil
	case err != nil && !errors.Is(err, ring.ErrNotPublished) && !errors.Is(err, ring.ErrLapped):
		return f, err
	}
	t.r.Wait(head+1, timeout)
	return ring.Frame{}, ring.ErrTimeout
}

// print copies the pixels if they are asked for, and prints the line.
func (t *tapper) print(f *ring.Frame) error {
	sum := "-"
	if t.md5 || t.pixels != nil {
		var err error
		t.buf, err = f.AppendPacked(t.buf[:0])
		if errors.Is(err, ring.ErrLapped) {
			t.lapped++
			return nil
		}
		if err != nil {
			return fmt.Errorf("camera %s: %w", t.camera, err)
		}
	}
	if t.md5 {
		digest := md5.Sum(t.buf) //nolint:gosec // as above
		sum = hex.EncodeToString(digest[:])
	}
	if t.pixels != nil {
		if _, err := t.pixels.Write(t.buf); err != nil {
			return fmt.Errorf("raw pixels: %w", err)
		}
	}
	t.printed++
	_, err := fmt.Fprintf(t.lines, "%d %d %d %d %s %s\n", f.Seq, f.PTSNS, f.Width, f.Height, f.Format, sum)
	return err
}

// gaps reports the gap records after seen, up to the record to, as far as they are still there. It
// stops at a frame that has not been printed yet.
func (t *tapper) gaps(to uint64) {
	if to > gapLook {
		t.seen = max(t.seen, to-gapLook)
	}
	for t.seen < to {
		var d ring.FrameDesc
		err := t.r.Describe(t.seen+1, &d)
		if errors.Is(err, ring.ErrNotPublished) {
			return
		}
		if err == nil && d.Flags&ring.FlagGap != 0 {
			missing := "an unknown number of"
			if d.GapMissing != ring.ErrorUnknown {
				missing = fmt.Sprint(d.GapMissing)
			}
			fmt.Fprintf(t.notes, "camring: tap %s: gap at sequence %d: %s frames missing, %s %s\n",
				t.camera, d.Seq, missing, d.GapState, d.Reason)
		} else if err == nil && to == t.r.Head() {
			return // published since next has looked
		}
		t.seen++
	}
}

// reportLapped says how many frames were lost, at most once a second unless it is the last word.
func (t *tapper) reportLapped(last bool) {
	if t.lapped > 0 && (last || time.Since(t.lappedNoticed) >= reportEvery) {
		t.lappedAll += t.lapped
		fmt.Fprintf(t.notes, "camring: tap %s: %d frames lapped, %d in all: overwritten before they were read\n",
			t.camera, t.lapped, t.lappedAll)
		t.lapped, t.lappedNoticed = 0, time.Now()
	}
}
