// SPDX-License-Identifier: Apache-2.0

package publish

import (
	"math/rand/v2"
	"time"
)

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// backoff is the wait before attempt number attempts+1, with jitter: half of it is random, so that
// many hosts that lost one Redis do not come back in step.
func backoff(attempts int) time.Duration {
	d := maxBackoff
	if attempts < 6 { // 100 ms << 6 is beyond the maximum
		d = min(d, firstBackoff<<attempts)
	}
	return d/2 + rand.N(d/2)
}
