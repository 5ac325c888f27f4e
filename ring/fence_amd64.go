// SPDX-License-Identifier: Apache-2.0

package ring

// x86-64 keeps stores in order among themselves and loads among themselves; only a store followed by
// a load needs an instruction, and Go's atomic Store is an XCHG, which is that instruction. What is
// left of the one-sided fences is to keep the compiler from moving memory accesses: a call to an
// assembly function does.

func storeFence()
func loadFence()
func fullFence()
