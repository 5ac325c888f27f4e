// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// ffmpegDeadline bounds one run of ffmpeg. Clips in tests are short: a run that takes longer hangs.
const ffmpegDeadline = 60 * time.Second

// FFmpeg runs ffmpeg with args, quiet but for errors, overwriting its outputs, and returns what it
// wrote to standard output. The test fails with ffmpeg's own message if it exits non-zero or takes
// more than a minute; it is skipped if there is no ffmpeg.
func FFmpeg(t testing.TB, args ...string) []byte {
	t.Helper()
	path := Need(t, "ffmpeg")
	ctx, cancel := context.WithTimeout(context.Background(), ffmpegDeadline)
	defer cancel()
	full := append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-y"}, args...)
	cmd := exec.CommandContext(ctx, path, full...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes()
}
