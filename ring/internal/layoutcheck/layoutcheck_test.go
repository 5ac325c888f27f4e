// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package layoutcheck

import (
	"strings"
	"testing"
)

// The decoder shim has no ring to include, so it repeats the numbers that it fills in.
func TestShimHasTheNumbersOfTheRing(t *testing.T) {
	constants := Constants()
	compared := 0
	for name, got := range constants {
		for _, kind := range []string{"CODEC_", "FLAG_"} {
			rest, ok := strings.CutPrefix(name, "CSH_"+kind)
			if !ok {
				continue
			}
			compared++
			if want, known := constants["CAMRING_"+kind+rest]; !known || got != want {
				t.Errorf("%s: got %d, want %d as CAMRING_%s%s (known: %v)", name, got, want, kind, rest, known)
			}
		}
	}
	if compared < 11 { // eight codecs and three flags
		t.Errorf("compared %d constants: the table has lost some", compared)
	}
}
