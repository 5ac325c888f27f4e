// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"math"
	"slices"
)

// Summary is the middle of a sample and how sure of it one may be.
type Summary struct {
	N        int
	Median   float64
	Low      float64 // of the confidence interval of the median
	High     float64
	Coverage float64 // of that interval: the least that is at least 95 %, or what the sample gives
	Min, Max float64
}

// Summarize returns the median of a sample with a distribution-free interval: the order statistics
// between which the population's median lies with the least probability of at least 95 %, by the
// binomial distribution with p = 1/2. The sample is not changed; an empty one gives NaN.
func Summarize(sample []float64) Summary {
	n := len(sample)
	if n == 0 {
		nan := math.NaN()
		return Summary{Median: nan, Low: nan, High: nan, Min: nan, Max: nan}
	}
	s := slices.Sorted(slices.Values(sample))
	low, coverage := medianRank(n)
	return Summary{
		N: n, Median: (s[(n-1)/2] + s[n/2]) / 2,
		Low: s[low-1], High: s[n-low], Coverage: coverage, Min: s[0], Max: s[n-1],
	}
}

// medianRank returns the largest k such that the k-th smallest and the k-th largest of n values
// enclose the median with at least 95 % probability, and that probability. Of fewer than six values
// even the extremes do not; then k is 1.
func medianRank(n int) (k int, coverage float64) {
	// P(X < k) for X ~ B(n, 1/2) is what each tail loses.
	tail, term := 0.0, math.Pow(0.5, float64(n))
	k, coverage = 1, 1-2*term
	for i := 0; i < n/2; i++ {
		tail += term
		term *= float64(n-i) / float64(i+1)
		if 1-2*tail < 0.95 {
			break
		}
		k, coverage = i+1, 1-2*tail
	}
	return k, coverage
}
