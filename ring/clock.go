// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"time"

	"golang.org/x/sys/unix"
)

// MonoNS is CLOCK_MONOTONIC in nanoseconds, the clock of every Mono time in a ring.
func MonoNS() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("CLOCK_MONOTONIC is missing: " + err.Error()) // every Linux has it
	}
	return ts.Nano()
}

// WallNS is CLOCK_REALTIME in nanoseconds.
func WallNS() int64 { return time.Now().UnixNano() }
