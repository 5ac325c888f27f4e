// SPDX-License-Identifier: Apache-2.0

package top

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"camring/core/status"
)

const (
	redrawEvery = 500 * time.Millisecond
	keepLines   = 200 // log lines in memory
	showLines   = 8   // of those, beneath the table
	maxLine     = 4096
)

// Terminal control: the alternate screen keeps what was there before, and without wrapping a line
// that is too long cannot push the others.
const (
	enter     = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
	leave     = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home      = "\x1b[H"
	clearLine = "\x1b[K"
	clearRest = "\x1b[J"
)

// Screen shows the table and the newest log lines on a terminal. All methods may be called from any
// goroutine.
type Screen struct {
	out  io.Writer
	size func() (width, height int)

	mu      sync.Mutex // guards below
	on      bool       // the terminal is ours
	closed  bool
	lines   []string // newest last
	partial []byte   // the beginning of a line, from Write
}

// NewScreen returns a screen on the terminal f. It does nothing to it until the first Draw.
func NewScreen(f *os.File) *Screen {
	return &Screen{out: f, size: func() (int, int) { return Size(f) }}
}

// Size is the size of the terminal f in characters, 80x24 if f is none or does not say.
func Size(f *os.File) (width, height int) {
	ws, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || ws.Col == 0 || ws.Row == 0 {
		return 80, 24
	}
	return int(ws.Col), int(ws.Row)
}

// Run draws what snapshot returns, twice a second, until ctx ends or the terminal is gone, and gives
// the terminal back, also if something panics. snapshot may return nil.
func (s *Screen) Run(ctx context.Context, snapshot func() *status.Snapshot) {
	defer s.Close()
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for {
		if s.Draw(snapshot()) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Draw replaces what is on the terminal, in one write and without clearing it before, so that nothing
// flickers. The error is the terminal's; after Close, [os.ErrClosed].
func (s *Screen) Draw(snap *status.Snapshot) error {
	width, height := s.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return os.ErrClosed
	}
	logs := s.lines[max(len(s.lines)-min(showLines, height/3), 0):]
	room := height
	if len(logs) > 0 {
		room -= len(logs) + 1
	}
	lines := strings.Split(Render(snap, width, max(room, 1), true), "\n")
	if len(logs) > 0 {
		for len(lines) < room { // the log stays at the bottom
			lines = append(lines, "")
		}
		lines = append(lines, "")
		for _, l := range logs {
			lines = append(lines, clip(l, width))
		}
	}
	var b bytes.Buffer
	if !s.on {
		b.WriteString(enter)
		s.on = true // before the write: half of it may arrive
	}
	b.WriteString(home)
	for i, l := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(l + clearLine)
	}
	b.WriteString(clearRest)
	_, err := s.out.Write(b.Bytes())
	return err
}

// Log shows a line beneath the table from the next Draw on. After Close it goes to the terminal at
// once.
func (s *Screen) Log(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log(line)
}

func (s *Screen) log(line string) {
	if len(line) > maxLine {
		line = line[:maxLine]
	}
	line = clean(line)
	if s.closed {
		_, _ = io.WriteString(s.out, line+"\n")
		return
	}
	if len(s.lines) == keepLines {
		s.lines = append(s.lines[:0], s.lines[1:]...)
	}
	s.lines = append(s.lines, line)
}

// Write is Log for a logger: each line feed ends a line.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rest := p
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			break
		}
		s.log(string(s.partial) + string(line))
		s.partial, rest = s.partial[:0], after
	}
	if len(s.partial) < maxLine {
		s.partial = append(s.partial, rest...)
	}
	return len(p), nil
}

// Close gives the terminal back as it was before the first Draw, and prints the newest log lines
// there: they would be lost with the table. A second call does nothing.
func (s *Screen) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	text := strings.Join(s.lines[max(len(s.lines)-showLines, 0):], "\n")
	if text != "" {
		text += "\n"
	}
	if s.on {
		text = leave + text
	}
	_, _ = io.WriteString(s.out, text) // nothing is left to do about a terminal that is gone
}
