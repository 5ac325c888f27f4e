// SPDX-License-Identifier: Apache-2.0

package cshim

import (
	"runtime/pprof"
	"sync"
	"unsafe"
)

// handlesProfile lists the open handles with the stacks that opened them, so a leak names its maker.
// The name is registered once for the process.
var handlesProfile = sync.OnceValue(func() *pprof.Profile {
	return pprof.NewProfile("camring.cshim.handles")
})

// Handles returns how many decoders and demuxers are open. They are listed, with the stacks that
// opened them, in the pprof profile camring.cshim.handles. May be stale when it returns.
func Handles() int { return handlesProfile().Count() }

// opened records a handle; the caller of the exported constructor is the top of its stack.
func opened(handle unsafe.Pointer) { handlesProfile().Add(uintptr(handle), 2) }

// closed forgets a handle.
func closed(handle unsafe.Pointer) { handlesProfile().Remove(uintptr(handle)) }
