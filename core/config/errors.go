// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// maxErrors bounds how many mistakes of one file are reported; a file with more is not a
// configuration.
const maxErrors = 50

// Error is one mistake in a configuration.
type Error struct {
	File    string // file, or the environment variable that holds the mistake
	Line    int    // from 1; 0 if the mistake is not at a place in a file
	Column  int    // from 1, in characters
	Message string // what is wrong and what to do, without passwords
}

// Error returns "file:line:column: message".
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return e.File + ":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Column) + ": " + e.Message
}

// place is where a value came from, as errors name it.
type place struct {
	file         string
	line, column int
}

// mistakes collects errors.
type mistakes struct {
	found []*Error
}

func (m *mistakes) add(at place, format string, args ...any) {
	e := &Error{File: at.file, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)}
	for _, other := range m.found {
		if *other == *e { // one alias used by many cameras
			return
		}
	}
	if len(m.found) <= maxErrors {
		m.found = append(m.found, e)
	}
}

// err returns all mistakes in the order of the file, those of the environment last, or nil.
func (m *mistakes) err() error {
	if len(m.found) == 0 {
		return nil
	}
	slices.SortStableFunc(m.found, func(a, b *Error) int {
		return cmp.Or(
			compareBool(a.Line == 0, b.Line == 0),
			cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	all := make([]error, 0, len(m.found)+1)
	for i, e := range m.found {
		if i == maxErrors {
			all = append(all, &Error{File: e.File, Message: "more mistakes than these " + strconv.Itoa(maxErrors)})
			break
		}
		all = append(all, e)
	}
	return errors.Join(all...)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
