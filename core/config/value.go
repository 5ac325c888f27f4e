// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// value is what one key was set to: a node of the file, or the text of an environment variable.
type value struct {
	at   place
	path string   // "ring.slots", as errors name the key; for a variable its name is in at
	node ast.Node // nil for a variable
	text string   // of a variable
}

// entry is one key of a map with its value.
type entry struct {
	key   string
	keyAt place
	value
}

// decoder turns values into configuration and collects what is wrong with them.
type decoder struct {
	mistakes
	file    string
	dir     string // relative paths start here; absolute
	env     func(string) (string, bool)
	anchors map[*ast.AliasNode]ast.Node
	visited int // map entries so far, against maxExpandedTo
}

// fail records a mistake in v.
func (d *decoder) fail(v value, format string, args ...any) {
	if v.path != "" {
		format = strings.ReplaceAll(v.path, "%", "%%") + ": " + format
	}
	d.add(v.at, format, args...)
}

// wrong records that v is not what was wanted. It quotes v as it stands in the file, before
// variables were put in, and not at all if it came from one.
func (d *decoder) wrong(v value, want string) {
	if v.node == nil {
		d.fail(v, "want %s", want)
		return
	}
	d.fail(v, "want %s, not %s", want, describe(d.resolve(v.node)))
}

// describe says in a few words what a node is.
func describe(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a map"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	default:
		text, _, ok := scalarText(n)
		if !ok {
			return "this"
		}
		return quote(text)
	}
}

// quote is %q of text, shortened and without what may be a password.
func quote(text string) string {
	const longest = 80
	text = redact(text)
	if utf8.RuneCountInString(text) > longest {
		text = string([]rune(text)[:longest]) + "…"
	}
	return strconv.Quote(text)
}

// scalarText returns the text of a scalar as written, and whether it is a string to YAML. A number
// keeps its digits: passwords and ids begin with zeros.
func scalarText(n ast.Node) (text string, isString, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true, true
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), true, true
	case *ast.TagNode:
		text, _, ok = scalarText(n.Value)
		return text, true, ok && n.Start.Value == "!!str"
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, false, true
	}
	return "", false, false
}

// resolve follows anchors and aliases to what they stand for. A name that stands for nothing was
// reported when the anchors were collected.
func (d *decoder) resolve(n ast.Node) ast.Node {
	for range maxDepth {
		switch a := n.(type) {
		case *ast.AnchorNode:
			n = a.Value
		case *ast.AliasNode:
			target, ok := d.anchors[a]
			if !ok {
				return ast.Null(a.GetToken())
			}
			n = target
		default:
			return n
		}
	}
	return n
}

// raw returns v's text with variables put in, and whether it is text to YAML or came from a
// variable (then its type is still open). ok is false after a mistake, which is recorded.
func (d *decoder) raw(v value, want string) (text string, open, ok bool) {
	if v.node == nil {
		return v.text, true, true
	}
	text, isString, ok := scalarText(d.resolve(v.node))
	if !ok {
		d.wrong(v, want)
		return "", false, false
	}
	expanded, used, err := expand(text, d.env)
	if err != nil {
		d.fail(v, "%v", err)
		return "", false, false
	}
	return expanded, used || !isString, true
}

// str returns v as text. Numbers and truth values count as what is written.
func (d *decoder) str(v value) (string, bool) {
	text, _, ok := d.raw(v, "text")
	return text, ok
}

// label returns v as a text for people: at most 200 characters, none of them a control character.
func (d *decoder) label(v value) (string, bool) {
	const longest = 200
	text, ok := d.str(v)
	if !ok {
		return "", false
	}
	if text == "" || utf8.RuneCountInString(text) > longest || strings.ContainsFunc(text, isControl) {
		d.wrong(v, "a text of 1 to "+strconv.Itoa(longest)+" characters on one line")
		return "", false
	}
	return text, true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError }

// choice returns v if it is one of allowed.
func (d *decoder) choice(v value, allowed ...string) (string, bool) {
	want := strings.Join(allowed[:len(allowed)-1], ", ") + " or " + allowed[len(allowed)-1]
	text, _, ok := d.raw(v, want)
	if ok && !slices.Contains(allowed, text) {
		d.wrong(v, want)
		return "", false
	}
	return text, ok
}

// boolean returns v, which must be true or false; only a variable may hold it as text.
func (d *decoder) boolean(v value) (is, ok bool) {
	const want = "true or false"
	text, open, ok := d.raw(v, want)
	if !ok {
		return false, false
	}
	if text = strings.ToLower(text); !open || text != "true" && text != "false" {
		d.wrong(v, want)
		return false, false
	}
	return text == "true", true
}

// integer returns v, which must be a decimal number from low to high; only a variable may hold it
// as text.
func (d *decoder) integer(v value, low, high int) (int, bool) {
	want := "a whole number from " + strconv.Itoa(low) + " to " + strconv.Itoa(high)
	text, open, ok := d.raw(v, want)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	if !open || err != nil || n < low || n > high {
		d.wrong(v, want)
		return 0, false
	}
	return n, true
}

// duration returns v, a text such as 25ms or 10s, from low to high.
func (d *decoder) duration(v value, low, high time.Duration) (time.Duration, bool) {
	want := "a duration from " + low.String() + " to " + high.String() + " with its unit, such as " + low.String()
	text, _, ok := d.raw(v, want)
	if !ok {
		return 0, false
	}
	t, err := time.ParseDuration(text)
	if err != nil || t < low || t > high {
		d.wrong(v, want)
		return 0, false
	}
	return t, true
}
