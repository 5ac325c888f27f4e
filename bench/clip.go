// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Clip is a synthetic recording like a camera's: 1080p H.264, 30 pictures per second, about 4 Mbit/s,
// no B-frames, temporal noise.
type Clip struct {
	Frames int    `json:"frames"`
	GOP    int    `json:"gop"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // first 16 digits
	Recipe string `json:"recipe"` // ffmpeg's arguments
	path   string
}

const (
	clipWidth, clipHeight = 1920, 1080
	clipFPS               = 30
)

// makeClip encodes a clip, unless an earlier run has.
func makeClip(ctx context.Context, o *Options, name string, frames, gop int) (*Clip, error) {
	args := []string{
		"-f", "lavfi", "-i", fmt.Sprintf("testsrc2=size=%dx%d:rate=%d", clipWidth, clipHeight, clipFPS),
		"-vf", "noise=alls=10:allf=t,format=yuv420p", "-frames:v", strconv.Itoa(frames),
		"-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-bf", "0",
		"-b:v", "4M", "-maxrate", "4M", "-bufsize", "4M",
		"-g", strconv.Itoa(gop), "-keyint_min", strconv.Itoa(gop), "-sc_threshold", "0",
	}
	return encode(ctx, o, &Clip{Frames: frames, GOP: gop}, name, args)
}

// cutClip takes the first pictures of a clip without encoding them again.
func cutClip(ctx context.Context, o *Options, from *Clip, name string, frames int) (*Clip, error) {
	args := []string{"-i", from.path, "-c", "copy", "-frames:v", strconv.Itoa(frames)}
	return encode(ctx, o, &Clip{Frames: frames, GOP: from.GOP}, name, args)
}

// encode runs ffmpeg and fills in what came of it. The recipe's digest is part of the file's name, so
// that a changed recipe makes a new clip.
func encode(ctx context.Context, o *Options, c *Clip, name string, args []string) (*Clip, error) {
	c.Recipe = strings.ReplaceAll(strings.Join(args, " "), o.Work+string(filepath.Separator), "")
	digest := sha256.Sum256([]byte(c.Recipe))
	ext := filepath.Ext(name)
	c.path = filepath.Join(o.Work, strings.TrimSuffix(name, ext)+"-"+hex.EncodeToString(digest[:4])+ext)
	if _, err := os.Stat(c.path); errors.Is(err, fs.ErrNotExist) {
		o.say("encoding %s, %d pictures", filepath.Base(c.path), c.Frames)
		if err := os.MkdirAll(o.Work, 0o755); err != nil {
			return nil, err
		}
		temp := filepath.Join(o.Work, "unfinished"+ext)
		full := append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, args...)
		if _, _, err := command(ctx, 5*time.Minute, "ffmpeg", append(full, temp)...); err != nil {
			return nil, err
		}
		if err := os.Rename(temp, c.path); err != nil {
			return nil, err
		}
	}
	data, err := os.ReadFile(c.path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	c.Bytes, c.SHA256 = int64(len(data)), hex.EncodeToString(sum[:8])
	return c, nil
}
