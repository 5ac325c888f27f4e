// SPDX-License-Identifier: Apache-2.0

// Package top is the live table of cameras: [Render] makes the text, [Screen] keeps it on a terminal.
package top

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"camring/core/status"
	"camring/ring"
)

const (
	minWidth = 20
	gap      = "  " // between columns
)

// SGR sequences of the colours.
const (
	bold   = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// column is one column of the table.
type column struct {
	title string
	rank  int // the highest goes first when the terminal is narrow; 0 stays
	right bool
	cell  func(c *status.Camera) string
}

var columns = []column{
	{title: "CAMERA", cell: func(c *status.Camera) string { return c.Name }},
	{title: "STATE", cell: stateText},
	{title: "SOURCE/S", rank: 5, right: true, cell: func(c *status.Camera) string { return rate(c.SourceFPS) }},
	{title: "FRAMES/S", right: true, cell: func(c *status.Camera) string { return rate(c.PublishedFPS) }},
	{title: "P50 MS", rank: 4, right: true, cell: func(c *status.Camera) string { return latency(c, c.LatencyP50) }},
	{title: "P99 MS", rank: 2, right: true, cell: func(c *status.Camera) string { return latency(c, c.LatencyP99) }},
	{title: "AGE", rank: 1, right: true, cell: func(c *status.Camera) string { return age(c.FrameAgeMS) }},
	{title: "DECODER", rank: 6, cell: decoderText},
	{title: "RING", rank: 7, cell: ringText},
	{title: "DROPS", rank: 3, cell: dropsText},
}

// Render returns the table of s as lines, the last without a line feed: at most height of them, none
// wider than width characters, colours not counted. Cameras that do not fit are summed up in a line;
// those that are not live are shown first then. A nil snapshot is a camring that is starting.
//
// Nothing in s can move the cursor: control characters are replaced.
func Render(s *status.Snapshot, width, height int, colour bool) string {
	p := page{width: max(width, minWidth), height: max(height, 1), colour: colour}
	if s == nil {
		p.add("", "camring is starting")
		return p.String()
	}
	p.add(bold, title(s))
	p.add(redisColour(&s.Redis), redisText(&s.Redis))
	p.add("", "")
	p.table(s.Cameras)
	return p.String()
}

// page collects lines.
type page struct {
	width, height int
	colour        bool
	lines         []string
}

func (p *page) String() string { return strings.Join(p.lines[:min(len(p.lines), p.height)], "\n") }

func (p *page) add(colour, line string) {
	p.lines = append(p.lines, p.paint(colour, strings.TrimRight(clip(line, p.width), " ")))
}

func (p *page) paint(colour, text string) string {
	if !p.colour || colour == "" || text == "" {
		return text
	}
	return colour + text + plain
}

// table adds the heading, a line per camera and, beneath, what each camera that fails has to say.
func (p *page) table(cameras []status.Camera) {
	var details []string
	for i := range cameras {
		if c := &cameras[i]; c.Detail != "" && c.State != ring.StateLive {
			details = append(details, c.Name+": "+c.Detail)
		}
	}
	shown, hidden := p.choose(cameras)
	widths := p.layout(shown)
	p.row(bold, widths, func(c column) string { return c.title }, "")
	for i := range shown {
		cam := &shown[i]
		p.row("", widths, func(c column) string { return clean(c.cell(cam)) }, stateColour(cam.State))
	}
	if hidden > 0 {
		p.add(dim, fmt.Sprintf("… and %d more", hidden))
	}
	for i, d := range details {
		if i == 0 && len(p.lines)+1 < p.height {
			p.add("", "")
		}
		p.add(yellow, d)
	}
}

// choose returns the cameras that there is room for, and how many there is none for.
func (p *page) choose(cameras []status.Camera) (shown []status.Camera, hidden int) {
	room := p.height - len(p.lines) - 1 // the heading
	if len(cameras) <= room {
		return cameras, 0
	}
	room = max(room-1, 0) // the line that counts the others
	shown = slices.Clone(cameras)
	slices.SortStableFunc(shown, func(a, b status.Camera) int { return trouble(b.State) - trouble(a.State) })
	return shown[:room], len(cameras) - room
}

// trouble orders states by how much somebody should look at them.
func trouble(s ring.State) int {
	switch s {
	case ring.StateLive, ring.StateDisabled, ring.StateEnded:
		return 0
	}
	return 1
}

// layout returns the width of every column, 0 for those that the terminal has no room for.
func (p *page) layout(cameras []status.Camera) []int {
	widths := make([]int, len(columns))
	total := -len(gap)
	for i, c := range columns {
		widths[i] = length(c.title)
		for j := range cameras {
			widths[i] = max(widths[i], length(clean(c.cell(&cameras[j]))))
		}
		total += widths[i] + len(gap)
	}
	for total > p.width {
		worst := slices.IndexFunc(columns, func(c column) bool { return c.rank > 0 })
		for i, c := range columns {
			if widths[i] > 0 && (widths[worst] == 0 || c.rank > columns[worst].rank) {
				worst = i
			}
		}
		if columns[worst].rank == 0 || widths[worst] == 0 {
			break // clip does the rest
		}
		total -= widths[worst] + len(gap)
		widths[worst] = 0
	}
	return widths
}

// row adds one line. The state's cell has a colour of its own.
func (p *page) row(colour string, widths []int, cell func(column) string, state string) {
	var b strings.Builder
	left := p.width
	for i, c := range columns {
		if widths[i] == 0 || left <= 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(gap)
			left -= len(gap)
		}
		text := pad(cell(c), widths[i], c.right)
		text = clip(text, max(left, 0))
		left -= length(text)
		if c.title == "STATE" && state != "" {
			text = p.paint(state, text)
		}
		b.WriteString(text)
	}
	p.lines = append(p.lines, p.paint(colour, strings.TrimRight(b.String(), " ")))
}

func title(s *status.Snapshot) string {
	live := 0
	for i := range s.Cameras {
		if s.Cameras[i].State == ring.StateLive {
			live++
		}
	}
	var restarts uint64
	for _, p := range s.Processes {
		restarts += p.Restarts
	}
	text := fmt.Sprintf("camring %s on %s   %d of %d live   up %s   %s", s.Version, s.Host, live, len(s.Cameras),
		duration(s.Time.Sub(s.Started)), s.RingDir)
	if restarts > 0 {
		text += fmt.Sprintf("   %d process restarts", restarts)
	}
	return text
}

func redisText(r *status.Redis) string {
	if r.Mode == "off" {
		return "redis off"
	}
	text := "redis " + r.Mode
	if r.Address != "" {
		text += " " + r.Address
	}
	if !r.Connected {
		text += "   not connected"
		if r.Error != "" {
			text += ": " + r.Error
		}
		return text
	}
	text += fmt.Sprintf("   %d records   %d batches", r.Records, r.Batches)
	if r.Lost > 0 {
		text += fmt.Sprintf("   %d lost", r.Lost)
	}
	return text
}

func redisColour(r *status.Redis) string {
	if r.Mode != "off" && !r.Connected {
		return yellow
	}
	return dim
}

func stateText(c *status.Camera) string {
	if c.State == ring.StateLive || c.Reason == ring.ReasonNone {
		return c.State.String()
	}
	return c.State.String() + ": " + c.Reason.String()
}

func stateColour(s ring.State) string {
	switch s {
	case ring.StateLive:
		return green
	case ring.StateConnecting, ring.StatePriming, ring.StateStalled, ring.StateBackoff:
		return yellow
	case ring.StateAuthFailed, ring.StateUnsupported, ring.StateQuarantined:
		return red
	}
	return dim
}

func rate(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func latency(c *status.Camera, ms float64) string {
	if c.Published == 0 {
		return "-"
	}
	return strconv.FormatFloat(ms, 'f', 1, 64)
}

func age(ms int64) string {
	switch {
	case ms < 0:
		return "-"
	case ms < 10_000:
		return strconv.FormatInt(ms, 10) + "ms"
	}
	return duration(time.Duration(ms) * time.Millisecond)
}

// duration shows the two largest units.
func duration(d time.Duration) string {
	d = max(d, 0).Truncate(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h >= 24:
		return fmt.Sprintf("%dd%02dh", h/24, h%24)
	case h > 0:
		return fmt.Sprintf("%dh%02dm", h, m)
	case m > 0:
		return fmt.Sprintf("%dm%02ds", m, s)
	}
	return fmt.Sprintf("%ds", s)
}

func decoderText(c *status.Camera) string {
	text := strings.TrimSpace(known(c.Codec) + " " + known(c.Decoder))
	if c.Width > 0 {
		text = strings.TrimSpace(text + fmt.Sprintf(" %dx%d", c.Width, c.Height))
	}
	return orDash(text)
}

// known leaves "none" out, which a synthetic camera has for both.
func known(name string) string {
	if name == "none" {
		return ""
	}
	return name
}

// ringText is the slots and the memory of the camera's rings, and the readers of its frames.
func ringText(c *status.Camera) string {
	var bytes uint64
	slots, readers := 0, 0
	for _, r := range c.Rings {
		bytes += r.Bytes
		if r.Kind == "frame" {
			slots += r.Slots
			readers += r.Readers
		}
	}
	if len(c.Rings) == 0 {
		return "-"
	}
	noun := "readers"
	if readers == 1 {
		noun = "reader"
	}
	if slots == 0 { // packets only: no picture has come yet
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%d slots %.1f MB %d %s", slots, float64(bytes)/1e6, readers, noun)
}

// dropsText is the sum, then the causes, the worst first.
func dropsText(c *status.Camera) string {
	var sum uint64
	for _, n := range c.Drops {
		sum += n
	}
	if sum == 0 {
		return "0"
	}
	causes := slices.SortedFunc(maps.Keys(c.Drops), func(a, b string) int {
		if c.Drops[a] != c.Drops[b] {
			if c.Drops[a] > c.Drops[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	var text strings.Builder
	text.WriteString(strconv.FormatUint(sum, 10) + ":")
	for _, cause := range causes {
		fmt.Fprintf(&text, " %s %d", strings.TrimPrefix(cause, "drop_"), c.Drops[cause])
	}
	return text.String()
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
