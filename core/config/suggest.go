// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
)

// suggest names the known key that was probably meant, or all of them if none is near.
func suggest(key string, known []string) string {
	const longest = 32
	best, bestDistance := "", len(key)/3+2
	if len(key) <= longest {
		for _, k := range known {
			if n := distance(strings.ToLower(key), k); n < bestDistance {
				best, bestDistance = k, n
			}
		}
	}
	if best != "" {
		return `, did you mean "` + best + `"?`
	}
	sorted := slices.Sorted(slices.Values(known))
	return " (known: " + strings.Join(sorted, ", ") + ")"
}

// distance is the number of bytes to insert, delete, replace or swap with their neighbour to make
// b out of a (optimal string alignment).
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, previous, current := rows[0], rows[1], rows[2]
	for j := range current {
		current[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, previous, current = previous, current, before
		current[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			current[j] = min(previous[j]+1, current[j-1]+1, previous[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				current[j] = min(current[j], before[j-2]+1)
			}
		}
	}
	return current[len(b)]
}
