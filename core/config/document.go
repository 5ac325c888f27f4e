// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a file may be made of. The parser's time is quadratic in the number of keys of one map and
// in the depth, so both are bounded before it runs; two thousand cameras stay below every limit.
const (
	maxFileBytes  = 1 << 20
	maxTokens     = 60_000
	maxDepth      = 64
	maxExpandedTo = 100_000 // map entries, aliases followed
)

// readDocument returns the one YAML document in data; a nil node means that it is empty.
//
// The parser's errors carry an excerpt of the file, which may show a password: only their message,
// which is one of a fixed set, and their place are used.
func readDocument(file string, data []byte) (root ast.Node, err error) {
	fail := func(line, column int, format string, args ...any) (ast.Node, error) {
		return nil, &Error{File: file, Line: line, Column: column, Message: fmt.Sprintf(format, args...)}
	}
	if len(data) > maxFileBytes {
		return fail(0, 0, "the file is larger than 1 MiB: this is no configuration")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if line, column, ok := firstBadByte(data); ok {
		return fail(line, column, "not text: want UTF-8 without control characters")
	}
	defer func() {
		if recover() != nil { // the parser is not ours, and the file may be anybody's
			root, err = fail(0, 0, "not readable as YAML")
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if len(tokens) > maxTokens {
		return fail(0, 0, "the file has more than %d words and marks: this is no configuration", maxTokens)
	}
	if at := tooDeep(tokens); at != nil {
		return fail(at.Position.Line, at.Position.Column, "nested more than %d deep", maxDepth)
	}
	parsed, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	var syntax *yaml.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.Token != nil:
		at := syntax.Token.Position
		message := strings.ReplaceAll(syntax.Message, "\t", `\t`)
		return fail(at.Line, at.Column, "%s", redact(message))
	case err != nil:
		return fail(0, 0, "not readable as YAML")
	}
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			at := doc.Body.GetToken().Position
			return fail(at.Line, at.Column, "a second document: want one per file")
		}
		root = doc.Body
	}
	return root, nil
}

// tooDeep returns the token at which nesting passes maxDepth. Depth by indentation needs a line
// and an ever longer indent per level, so only what nests within a line or between brackets counts.
func tooDeep(tokens token.Tokens) *token.Token {
	brackets, line, marks := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, marks = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			brackets++
		case token.MappingEndType, token.SequenceEndType:
			brackets--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			marks++
		}
		if brackets > maxDepth || marks > maxDepth || t.Position.IndentNum > 4*maxDepth {
			return t
		}
	}
	return nil
}

// firstBadByte returns the place of the first byte that is not text.
func firstBadByte(data []byte) (line, column int, found bool) {
	line, column = 1, 1
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && n == 1, r < ' ' && r != '\n' && r != '\r' && r != '\t', r == 0x7f:
			return line, column, true
		case r == '\n':
			line, column = line+1, 0
		}
		column++
		data = data[n:]
	}
	return 0, 0, false
}
