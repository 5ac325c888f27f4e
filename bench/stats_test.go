// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"math"
	"testing"
)

func TestTheRanksOfTheMediansIntervalAreThoseOfTheTables(t *testing.T) {
	for _, c := range []struct {
		n, k     int
		coverage float64
	}{
		{5, 1, 0.9375}, // too few for 95 %
		{6, 1, 0.96875},
		{10, 2, 0.9785},
		{20, 6, 0.9586},
		{40, 14, 0.9615},
	} {
		k, coverage := medianRank(c.n)
		if k != c.k || math.Abs(coverage-c.coverage) > 1e-4 {
			t.Errorf("n = %d: got rank %d with coverage %.4f, want %d with %.4f", c.n, k, coverage, c.k, c.coverage)
		}
	}
}

func TestASummaryDoesNotDependOnTheOrderOfTheSample(t *testing.T) {
	sample := []float64{9, 1, 8, 2, 7, 3, 6, 4, 5, 10}
	got := Summarize(sample)
	want := Summary{N: 10, Median: 5.5, Low: 2, High: 9, Coverage: got.Coverage, Min: 1, Max: 10}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if sample[0] != 9 {
		t.Error("the sample was sorted in place")
	}
}

func TestAnEmptySampleHasNoMedian(t *testing.T) {
	if s := Summarize(nil); !math.IsNaN(s.Median) || s.N != 0 {
		t.Errorf("got %+v, want NaN of nothing", s)
	}
}
