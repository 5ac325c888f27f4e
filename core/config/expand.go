// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var variableRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand puts environment variables into text: ${NAME}, or ${NAME:-default} for one that is unset
// or empty. $$ is one dollar sign; a dollar sign before anything else stays. What a variable holds
// is not looked at again. used says whether there was a variable; errors name it, not its content.
func expand(text string, env func(string) (string, bool)) (expanded string, used bool, err error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), used, nil
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			text = after[1:]
			continue
		case !strings.HasPrefix(after, "{"):
			b.WriteByte('$')
			text = after
			continue
		}
		inside, rest, closed := strings.Cut(after[1:], "}")
		if !closed {
			return "", used, errors.New("${ without its }: write $${ if no variable is meant")
		}
		name, fallback, hasFallback := strings.Cut(inside, ":-")
		if !variableRE.MatchString(name) {
			return "", used, errors.New("want ${NAME} or ${NAME:-default}; write $${ if no variable is meant")
		}
		content, ok := env(name)
		switch {
		case hasFallback && content == "":
			content = fallback
		case !ok:
			return "", used, fmt.Errorf("the environment variable %s is not set: set it, or write ${%s:-default}", name, name)
		}
		b.WriteString(content)
		used = true
		text = rest
	}
}
