// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"camring/core/picture"
	"camring/ring"
)

type snapshotFlags struct {
	output  string
	quality int
	timeout time.Duration
}

func newSnapshotCommand() *cobra.Command {
	var f snapshotFlags
	cmd := &cobra.Command{
		Use:   "snapshot CAMERA FILE.png|FILE.jpg",
		Short: "Save the current picture of a camera",
		Long: `Save the current picture of a camera, with its colours as the stream describes them. The file is
replaced in one step. If the picture is not fresh, because the camera is not live, a line on stderr says so.`,
		Args: cobra.MatchAll(cameraName, cobra.ExactArgs(2), func(_ *cobra.Command, args []string) error {
			switch strings.ToLower(filepath.Ext(args[1])) {
			case ".png", ".jpg", ".jpeg":
				return nil
			}
			return fmt.Errorf("%s: the name must end in .png, .jpg or .jpeg", args[1])
		}),
		ValidArgsFunction: completeCamera,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return snapshot(ctx, ringDir(cmd), args[0], args[1], f, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.output, "output", "main", "`name` of the output")
	cmd.Flags().IntVar(&f.quality, "quality", picture.DefaultQuality, "JPEG quality, 1 to 100")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "longest wait for a picture")
	return cmd
}

func snapshot(ctx context.Context, dir, camera, path string, f snapshotFlags, stderr io.Writer) error {
	deadline := time.Now().Add(f.timeout)
	r, _, err := attach(ctx, dir, camera, f.output, "snapshot", f.timeout)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // always nil
	d, planes, err := current(ctx, r, deadline)
	if errors.Is(err, ring.ErrTimeout) {
		text, _ := condition(r)
		return fmt.Errorf("camera %s: no picture after %v: %s", camera, f.timeout, text)
	}
	if err != nil {
		return fmt.Errorf("camera %s: %w", camera, err)
	}
	if text, ok := condition(r); !ok {
		age := time.Duration(ring.MonoNS() - d.PublishedMonoNS).Round(time.Second / 10)
		fmt.Fprintf(stderr, "camring: snapshot %s: the picture is %v old: %s\n", camera, age, text)
	}
	return picture.Save(path, d, planes, f.quality)
}

// current copies the newest picture, or the next one if there is none yet. The copy is whole: one that
// was overwritten meanwhile is taken again.
func current(ctx context.Context, r *ring.FrameReader, deadline time.Time) (ring.FrameDesc, picture.Planes, error) {
	var packed []byte
	for {
		head := r.Head()
		f, err := r.Latest()
		if err == nil {
			packed, err = f.AppendPacked(packed[:0])
		}
		switch {
		case err == nil:
			return f.FrameDesc, planesOf(&f.FrameDesc, packed), nil
		case errors.Is(err, ring.ErrNotPublished):
			r.Wait(head+1, min(slice, max(time.Until(deadline), 0)))
		case !errors.Is(err, ring.ErrLapped):
			return f.FrameDesc, picture.Planes{}, err
		}
		if ctx.Err() != nil {
			return f.FrameDesc, picture.Planes{}, ctx.Err()
		}
		if !time.Now().Before(deadline) {
			return f.FrameDesc, picture.Planes{}, ring.ErrTimeout
		}
	}
}

// planesOf finds the planes in a picture without padding. What is no NV12, picture refuses itself.
func planesOf(d *ring.FrameDesc, packed []byte) picture.Planes {
	rows, rowBytes := d.PlaneSize(0)
	p := picture.Planes{Y: packed[:rows*rowBytes], YStride: rowBytes}
	if d.PlaneCount > 1 {
		_, p.UVStride = d.PlaneSize(1)
		p.UV = packed[rows*rowBytes:]
	}
	return p
}
