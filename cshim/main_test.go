// SPDX-License-Identifier: Apache-2.0

package cshim

import (
	"fmt"
	"os"
	"testing"
)

// TestMain fails the run if a test leaves a handle open.
func TestMain(m *testing.M) {
	code := m.Run()
	if n := Handles(); n != 0 && code == 0 {
		fmt.Fprintf(os.Stderr, "%d handles left open:\n", n)
		if err := handlesProfile().WriteTo(os.Stderr, 1); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		code = 1
	}
	os.Exit(code)
}
