// SPDX-License-Identifier: Apache-2.0

package top

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escapes are the sequences that coloured log lines contain.
var escapes = regexp.MustCompile("\x1b\\[[0-9;:?]*[ -/]*[@-~]")

// clean makes a text of one line that a terminal only shows: names and errors come from cameras.
func clean(text string) string {
	if strings.ContainsRune(text, '\x1b') {
		text = escapes.ReplaceAllString(text, "")
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp): // with them, text that runs backwards
			return '?'
		}
		return r
	}, text)
}

// length is the number of characters, which a terminal shows one cell wide; it does not wrap, so the
// wide ones of East Asia cost no more than the end of a line.
func length(text string) int { return utf8.RuneCountInString(text) }

// clip cleans text and cuts it to at most width characters.
func clip(text string, width int) string {
	text = clean(text)
	if length(text) <= width {
		return text
	}
	if width <= 0 {
		return ""
	}
	return string([]rune(text)[:width-1]) + "…"
}

func pad(text string, width int, right bool) string {
	fill := strings.Repeat(" ", max(width-length(text), 0))
	if right {
		return fill + text
	}
	return text + fill
}
