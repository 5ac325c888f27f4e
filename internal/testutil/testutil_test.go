// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"os"
	"strings"
	"testing"
)

func TestRequired(t *testing.T) {
	for _, c := range []struct {
		name, list, tool string
		want             bool
	}{
		{"nothing is required by default", "", "ffmpeg", false},
		{"the tool itself", "ffmpeg", "ffmpeg", true},
		{"one of a list with spaces", "redis-server, ffmpeg", "ffmpeg", true},
		{"all means every tool", "all", "ffmpeg", true},
		{"a longer name does not count", "ffmpeg-next", "ffmpeg", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := required(c.list, c.tool); got != c.want {
				t.Errorf("required(%q, %q) = %v, want %v", c.list, c.tool, got, c.want)
			}
		})
	}
}

func TestSmallClipIsARegularFile(t *testing.T) {
	info, err := os.Stat(SmallClip(t))
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		t.Fatalf("got %v, %v, want a regular file with content", info, err)
	}
}

func TestFFmpegReturnsStandardOutput(t *testing.T) {
	got := string(FFmpeg(t, "-f", "lavfi", "-i", "color=size=2x2:rate=1:duration=1", "-f", "framemd5", "-"))
	if !strings.Contains(got, "#dimensions 0: 2x2") {
		t.Errorf("got %q, want the md5 listing of a 2x2 stream", got)
	}
}
