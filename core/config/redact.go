// SPDX-License-Identifier: Apache-2.0

package config

import "regexp"

var (
	userinfoRE   = regexp.MustCompile(`(?s)(//)[^/]*@|(//).*@`)
	credentialRE = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|pwd|psw|user(?:name)?|usr|token|secret|auth|key)=)[^&;/_?]*`)
)

// redact returns text without what may be a password in it: anything between // and the last @,
// and the value of anything named like a credential, wherever it stands.
func redact(text string) string {
	text = userinfoRE.ReplaceAllString(text, "//"+hidden+"@")
	return credentialRE.ReplaceAllString(text, "${1}"+hidden)
}
