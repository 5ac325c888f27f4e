// SPDX-License-Identifier: Apache-2.0

package cshim

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"camring/internal/testutil"
)

func writeFile(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFaultN34_OnlyRegularVideoFilesOpen(t *testing.T) {
	clip := encode(t, "a.mp4", 320, 240, x264)
	content, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.mp4")
	if err := os.Symlink(clip, link); err != nil {
		t.Fatal(err)
	}
	fifoLink := filepath.Join(dir, "fifo.mp4")
	if err := os.Symlink(fifo, fifoLink); err != nil {
		t.Fatal(err)
	}
	audio := filepath.Join(dir, "audio.mp4")
	testutil.FFmpeg(t, "-f", "lavfi", "-i", "sine=duration=1", audio)
	for _, c := range []struct {
		name, path string
		want       error
	}{
		{"a video", clip, nil},
		{"a symbolic link to a video", link, nil},
		{"a text file", writeFile(t, "a.mp4", []byte(strings.Repeat("all work and no play\n", 500))), ErrInvalidData},
		{"the password file", "/etc/passwd", ErrInvalidData},
		{"an empty file", writeFile(t, "a.mp4", nil), ErrInvalidData},
		{"zeros", writeFile(t, "a.mp4", make([]byte, 1<<16)), ErrInvalidData},
		{"an MP4 cut before its index", writeFile(t, "a.mp4", content[:len(content)/2]), ErrInvalidData},
		{"a play list", writeFile(t, "a.m3u8", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"+clip+"\n")), ErrInvalidData},
		{"a concat list", writeFile(t, "a.ffconcat", []byte("ffconcat version 1.0\nfile '"+clip+"'\n")), ErrInvalidData},
		{"an SDP", writeFile(t, "a.sdp", []byte("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n")), ErrInvalidData},
		{"audio alone", audio, ErrNoVideo},
		{"a directory", dir, syscall.EISDIR},
		{"a pipe", fifo, syscall.EINVAL},
		{"a symbolic link to a pipe", fifoLink, syscall.EINVAL},
		{"a device", "/dev/zero", syscall.EINVAL},
		{"a missing file", filepath.Join(dir, "missing.mp4"), syscall.ENOENT},
		{"an empty name", "", syscall.ENOENT},
		{"a name with a NUL", clip + "\x00.txt", syscall.EINVAL},
		{"a concat URL", "concat:" + clip, syscall.ENOENT},
		{"a file URL", "file:" + clip, syscall.ENOENT},
		{"an HTTP URL", "http://127.0.0.1:1/a.mp4", syscall.ENOENT},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := OpenDemuxer(c.path, testDeadline(), Limits{})
			if err == nil {
				closeHandle(t, m)
			}
			if (c.want == nil) != (err == nil) || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestTruncatedFilesEndWithTheirLastPictures(t *testing.T) {
	for _, file := range []string{"a.ts", "a.mkv", "a.h264"} {
		t.Run(file, func(t *testing.T) {
			content, err := os.ReadFile(encode(t, file, 320, 240, x264+"-bf 2"))
			if err != nil {
				t.Fatal(err)
			}
			got := readFile(t, writeFile(t, file, content[:len(content)*2/3]))
			if !errors.Is(got.err, EOF) || len(got.pictures) == 0 || len(got.pictures) >= 20 {
				t.Errorf("got %d pictures and %v, want some of the 20 and EOF", len(got.pictures), got.err)
			}
		})
	}
}

func TestFaultB12_PicturesAboveTheLimitAreRefused(t *testing.T) {
	for _, c := range []struct{ name, file, options string }{
		{"H.264", "a.mkv", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p"},
		{"H.265", "a.mkv", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p"},
		{"MJPEG", "a.avi", "-c:v mjpeg -pix_fmt yuvj420p"},
		{"VP8", "a.webm", "-c:v libvpx -deadline realtime -cpu-used 8"},
		{"VP9", "a.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"},
		{"AV1", "a.mkv", "-c:v libaom-av1 -usage realtime -cpu-used 8"},
		{"MPEG-4", "a.avi", "-c:v mpeg4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := encodeFrom(t, c.file, "color=size=2048x1024:rate=5", 2, c.options)
			for _, l := range []struct {
				pixels int64
				want   bool
			}{{2048*1024 - 1, false}, {2176 * 1280, true}} {
				m, err := OpenDemuxer(path, testDeadline(), Limits{MaxPixels: l.pixels})
				if err != nil {
					t.Fatal(err)
				}
				pictures, first := 0, error(nil)
				d, err := m.Decoder(Limits{MaxPixels: l.pixels})
				if err != nil {
					first = err
				} else {
					var p Packet
					var f Frame
					for !errors.Is(err, EOF) {
						var ok bool
						if ok, err = m.Next(d, 1, testDeadline(), &p, &f); ok {
							pictures++
						} else if err != nil && !errors.Is(err, EOF) && first == nil {
							first = err
						}
					}
					closeHandle(t, d)
				}
				closeHandle(t, m)
				if l.want && (first != nil || pictures != 2) {
					t.Errorf("limit %d: got %d pictures and %v, want 2", l.pixels, pictures, first)
				} else if !l.want && (pictures != 0 || !errors.Is(first, ErrTooLarge)) {
					t.Errorf("limit %d: got %d pictures and %v, want %v", l.pixels, pictures, first, ErrTooLarge)
				}
			}
		})
	}
}

func TestFaultB12_HugeStillIsRefusedByDefaultLimit(t *testing.T) {
	path := encodeFrom(t, "a.jpg", "color=size=8448x8192:rate=1", 1, "-c:v mjpeg -pix_fmt yuvj420p")
	m, err := OpenDemuxer(path, testDeadline(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeHandle(t, m)
	d, err := m.Decoder(Limits{})
	if err != nil {
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v, want %v", err, ErrTooLarge)
		}
		return
	}
	defer closeHandle(t, d)
	var p Packet
	var f Frame
	if ok, err := m.Next(d, 1, testDeadline(), &p, &f); ok || !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, %v, want %v", ok, err, ErrTooLarge)
	}
}

func TestUnknownCodecIsNoDecoder(t *testing.T) {
	if _, err := OpenDecoder(99, Limits{}); !errors.Is(err, ErrDecoderNotFound) {
		t.Errorf("got %v, want %v", err, ErrDecoderNotFound)
	}
	m, err := OpenDemuxer(encode(t, "a.avi", 320, 240, "-c:v huffyuv"), testDeadline(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeHandle(t, m)
	if s := m.Stream(); s.Codec != CodecNone || s.CodecName != "huffyuv" {
		t.Errorf("got %+v, want no codec, named huffyuv", s)
	}
	if _, err := m.Decoder(Limits{}); !errors.Is(err, ErrDecoderNotFound) {
		t.Errorf("got %v, want %v", err, ErrDecoderNotFound)
	}
}

func TestDeadlineStopsAndALaterOneGoesOn(t *testing.T) {
	path := encode(t, "a.mp4", 320, 240, x264)
	if _, err := OpenDemuxer(path, Deadline(-time.Second), Limits{}); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("open: got %v, want ETIMEDOUT", err)
	}
	m, d := openFile(t, path)
	var p Packet
	var f Frame
	for range 3 {
		if _, err := m.Next(d, 1, Deadline(-time.Second), &p, &f); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Fatalf("got %v, want ETIMEDOUT", err)
		}
	}
	if got := readAll(t, m, d); !errors.Is(got.err, EOF) || len(got.pictures) != 20 {
		t.Errorf("got %d pictures and %v, want all 20 and EOF", len(got.pictures), got.err)
	}
}

func TestInterruptStopsForGood(t *testing.T) {
	m, d := openFile(t, encode(t, "a.mp4", 320, 240, x264))
	// Another goroutine interrupts a reader that would otherwise read the file over and over.
	started := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		<-started
		m.Interrupt()
	})
	var p Packet
	var f Frame
	var err error
	for i, limit := 0, testDeadline(); !errors.Is(err, ErrInterrupted) && Deadline(0) < limit; i++ {
		if i == 5 {
			close(started)
		}
		if _, err = m.Next(d, 1, 0, &p, &f); errors.Is(err, EOF) {
			if err = m.Rewind(); err == nil {
				err = d.Flush()
			}
		}
		if err != nil && !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
	}
	wg.Wait()
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"next", func() error { _, err := m.Next(d, 1, 0, &p, &f); return err }},
		{"rewind", m.Rewind},
	} {
		if err := c.call(); !errors.Is(err, ErrInterrupted) {
			t.Errorf("%s after the interrupt: got %v, want %v", c.name, err, ErrInterrupted)
		}
	}
	closeHandle(t, m)
	m.Interrupt() // after Close: nothing happens
	closeHandle(t, m)
}

func TestErrorsMatchErrnoAndHaveText(t *testing.T) {
	if e := Error(-int32(syscall.ENOSPC)); !errors.Is(e, syscall.ENOSPC) || errors.Is(e, syscall.EIO) || !strings.Contains(e.Error(), "No space") {
		t.Errorf("got %v, want it to be ENOSPC and nothing else", e)
	}
	if errors.Is(EOF, syscall.ENOSPC) || EOF.Error() != "End of file" {
		t.Errorf("got %q, want libav's text", EOF.Error())
	}
	if !strings.HasPrefix(Versions(), "libavformat ") {
		t.Errorf("got versions %q", Versions())
	}
}
