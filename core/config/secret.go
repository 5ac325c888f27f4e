// SPDX-License-Identifier: Apache-2.0

package config

import "log/slog"

// hidden is what a secret looks like to everybody but the connection it is for.
const hidden = "***"

// Secret is a password. However it is printed, logged or encoded it shows as three asterisks;
// only [Secret.Reveal] gives the text. An empty secret shows as nothing, so that one can see
// whether there is one.
type Secret string

// Reveal returns the text.
func (s Secret) Reveal() string { return string(s) }

// String returns "***", or "" if there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString is String for %#v.
func (s Secret) GoString() string { return `config.Secret("` + s.String() + `")` }

// MarshalText is String for encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
