// SPDX-License-Identifier: Apache-2.0

package supervisor

import (
	"os/exec"
	"runtime"
	"sync"
)

// spawner starts every child from one OS thread that lives as long as this process: the kernel sends
// PDEATHSIG when the parent's *thread* ends, and Go ends threads as it likes.
type spawner struct {
	start func() // started once
	work  chan func()
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func())}
	s.start = sync.OnceFunc(func() {
		go func() {
			runtime.LockOSThread() // never unlocked, never returns: see above
			for f := range s.work {
				f()
			}
		}()
	})
	return s
}

// Start is cmd.Start on the thread.
func (s *spawner) Start(cmd *exec.Cmd) error {
	s.start()
	result := make(chan error, 1)
	s.work <- func() { result <- cmd.Start() }
	return <-result
}
