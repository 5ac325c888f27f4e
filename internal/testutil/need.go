// SPDX-License-Identifier: Apache-2.0

// Package testutil holds what the tests of several packages share: finding the programs they need,
// running ffmpeg, and a short real clip.
//
// # Skips are justified
//
// [Need] skips a test whose tool is missing and says so. CAMRING_REQUIRE, a comma-separated list of
// tools or "all", turns that skip into a failure on machines that have to run everything.
package testutil

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// requireVar names the tools whose absence fails a test instead of skipping it.
const requireVar = "CAMRING_REQUIRE"

// Need returns the path of tool, a program in PATH. If there is none it skips the test, or fails it
// where CAMRING_REQUIRE contains the tool or "all".
func Need(t testing.TB, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err == nil {
		return path
	}
	if required(os.Getenv(requireVar), tool) {
		t.Fatalf("%s is not installed and %s=%s asks for it: %v",
			tool, requireVar, os.Getenv(requireVar), err)
	}
	t.Skipf("%s is not installed: %v", tool, err)
	return ""
}

// required reports whether list, comma-separated, contains tool or "all".
func required(list, tool string) bool {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name == "all" || name == tool {
			return true
		}
	}
	return false
}
