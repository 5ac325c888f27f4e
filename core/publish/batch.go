// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"strconv"

	"github.com/redis/rueidis"
)

const (
	maxCommands = 512       // per pipeline; rueidis itself would leave the pipe at 2000
	maxBytes    = 256 << 10 // per pipeline, as it goes over the wire
)

// kind is what one record of a batch says.
type kind uint8

const (
	kindFrame   kind = iota
	kindGap          // a gap that the writer knew of
	kindLapped       // descriptors the ring overwrote before they could be sent
	kindRefused      // records Redis refused and newer ones overtook
)

// item is one XADD of a batch: the sequences it accounts for.
type item struct {
	s        *stream
	from, to uint64
	lost     uint64 // frames it reports as lost by the publisher
	kind     kind
}

// batch is one pipeline in the making. Every text that changes from record to record is written into
// one buffer and becomes one string when the batch is complete: one allocation per batch, none per
// record. The publisher's goroutine only; everything is used again for the next batch.
type batch struct {
	items    []item
	commands []command
	args     []arg // names and values by turns
	buf      []byte
	size     int // bytes on the wire, rounded up
	full     bool
	built    []rueidis.Completed
}

// command is what is special to one XADD; its fields are args[from:to].
type command struct {
	s          *stream
	id         arg
	from, to   int
	sizeBefore int
}

// arg is a text: either constant, or buf[from:to] when to > 0.
type arg struct {
	constant string
	from, to int
}

// onWire is the size of an argument of n bytes in RESP: $, its length in digits, and CR LF twice.
func onWire(n int) int {
	size := n + 6
	for ; n >= 10; n /= 10 {
		size++
	}
	return size
}

// commandOverhead is at least what a command has on the wire besides its key, its id and its fields:
// *nn XADD MAXLEN ~ n.
const commandOverhead = 64

func (b *batch) reset() {
	b.items, b.commands, b.args = b.items[:0], b.commands[:0], b.args[:0]
	b.buf, b.size, b.full = b.buf[:0], 0, false
}

// begin starts the record with id ms-seq for a stream.
func (b *batch) begin(s *stream, ms, seq uint64) {
	from := len(b.buf)
	b.buf = strconv.AppendUint(b.buf, ms, 10)
	b.buf = append(b.buf, '-')
	b.buf = strconv.AppendUint(b.buf, seq, 10)
	id := arg{from: from, to: len(b.buf)}
	b.commands = append(b.commands, command{s: s, id: id, from: len(b.args), sizeBefore: b.size})
	b.size += onWire(len(s.key)) + onWire(len(b.buf)-from) + commandOverhead
}

// end completes the record. It takes it back and returns false if the batch would become too large
// by it; a record alone is never too large.
func (b *batch) end(it item) bool {
	c := &b.commands[len(b.commands)-1]
	c.to = len(b.args)
	if b.size > maxBytes && len(b.commands) > 1 {
		b.args, b.buf, b.size = b.args[:c.from], b.buf[:c.id.from], c.sizeBefore
		b.commands = b.commands[:len(b.commands)-1]
		b.full = true
		return false
	}
	b.items = append(b.items, it)
	b.full = len(b.commands) >= maxCommands
	return true
}

// text adds a field whose value lives as long as the batch.
func (b *batch) text(name, value string) {
	b.args = append(b.args, arg{constant: name}, arg{constant: value})
	b.size += onWire(len(name)) + onWire(len(value))
}

func (b *batch) int(name string, value int64) {
	from := len(b.buf)
	b.buf = strconv.AppendInt(b.buf, value, 10)
	b.span(name, from)
}

func (b *batch) uint(name string, value uint64) {
	from := len(b.buf)
	b.buf = strconv.AppendUint(b.buf, value, 10)
	b.span(name, from)
}

func (b *batch) float(name string, value float32) {
	from := len(b.buf)
	b.buf = strconv.AppendFloat(b.buf, float64(value), 'g', -1, 32)
	b.span(name, from)
}

func (b *batch) flag(name string, set bool) {
	value := "0"
	if set {
		value = "1"
	}
	b.text(name, value)
}

func (b *batch) span(name string, from int) {
	b.args = append(b.args, arg{constant: name}, arg{from: from, to: len(b.buf)})
	b.size += onWire(len(name)) + onWire(len(b.buf)-from)
}

// build makes the commands. They are rueidis' from then on; the slice is the batch's.
func (b *batch) build(builder rueidis.Builder, maxLen string) []rueidis.Completed {
	all := string(b.buf)
	value := func(a *arg) string {
		if a.to > 0 {
			return all[a.from:a.to]
		}
		return a.constant
	}
	b.built = b.built[:0]
	for i := range b.commands {
		c := &b.commands[i]
		fields := builder.Xadd().Key(c.s.key).Maxlen().Almost().Threshold(maxLen).Id(value(&c.id)).FieldValue()
		for j := c.from; j < c.to; j += 2 {
			fields = fields.FieldValue(value(&b.args[j]), value(&b.args[j+1]))
		}
		b.built = append(b.built, fields.Build())
	}
	return b.built
}
