// SPDX-License-Identifier: Apache-2.0

package top

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"camring/core/status"
)

func screen(width, height int) (*Screen, *bytes.Buffer) {
	var b bytes.Buffer
	return &Screen{out: &b, size: func() (int, int) { return width, height }}, &b
}

func TestScreenGivesTheTerminalBack(t *testing.T) {
	s, out := screen(80, 24)
	if err := s.Draw(sample()); err != nil {
		t.Fatal(err)
	}
	if err := s.Draw(sample()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	got := out.String()
	if !strings.HasPrefix(got, enter) || !strings.HasSuffix(got, leave) || strings.Count(got, enter) != 1 || strings.Count(got, leave) != 1 {
		t.Errorf("terminal got %q", got)
	}
	if err := s.Draw(sample()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("draw after close: %v", err)
	}
}

func TestScreenGivesTheTerminalBackOnPanic(t *testing.T) {
	s, out := screen(80, 24)
	defer func() {
		if recover() == nil || !strings.HasSuffix(out.String(), leave) {
			t.Errorf("terminal got %q", out)
		}
	}()
	calls := 0
	s.Run(t.Context(), func() *status.Snapshot {
		if calls++; calls > 1 {
			panic("snapshot")
		}
		return sample()
	})
}

func TestScreenThatNeverDrewLeavesTheTerminalAlone(t *testing.T) {
	s, out := screen(80, 24)
	s.Log("went wrong early")
	s.Close()
	if got := out.String(); got != "went wrong early\n" {
		t.Errorf("terminal got %q", got)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	s, out := screen(80, 24)
	ctx, cancel := context.WithCancel(t.Context())
	s.Run(ctx, func() *status.Snapshot { cancel(); return nil })
	if got := out.String(); !strings.Contains(got, "camring is starting") || !strings.HasSuffix(got, leave) {
		t.Errorf("terminal got %q", got)
	}
}

func TestNewestLogLinesStandBeneathTheTable(t *testing.T) {
	for _, height := range []int{1, 2, 5, 24, 60} {
		s, out := screen(60, height)
		log := slog.New(slog.NewTextHandler(s, nil))
		for i := range keepLines + 20 {
			log.Info(fmt.Sprintf("line-%d", i)) //nolint:sloglint // the test looks for these lines
		}
		if _, err := s.Write([]byte("not yet ended")); err != nil {
			t.Fatal(err)
		}
		if err := s.Draw(sample()); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		newest := fmt.Sprintf("line-%d", keepLines+19)
		if n := strings.Count(text, "\r\n") + 1; n > height {
			t.Errorf("%d lines on a terminal of %d", n, height)
		}
		if height >= 5 && (!strings.Contains(text, newest) || !strings.Contains(text, "camring v0.1.0")) {
			t.Errorf("height %d: no title or no %q in %q", height, newest, text)
		}
		if strings.Contains(text, "not yet ended") || len(s.lines) != keepLines {
			t.Errorf("%d lines kept, terminal got %q", len(s.lines), text)
		}
		s.Close()
		if after := out.String()[len(text):]; strings.Count(after, "\n") != showLines || !strings.Contains(after, newest) {
			t.Errorf("after close: %q", after)
		}
		s.Log("later")
		if !strings.HasSuffix(out.String(), "later\n") {
			t.Error("a line after close is lost")
		}
	}
}

func TestSizeOfAFileIsTheUsualOne(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if w, h := Size(f); w != 80 || h != 24 {
		t.Errorf("%dx%d, want 80x24", w, h)
	}
}
