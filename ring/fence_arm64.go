// SPDX-License-Identifier: Apache-2.0

package ring

// storeFence keeps stores before it ahead of stores after it (DMB ISHST), loadFence loads ahead of
// loads and stores (DMB ISHLD), fullFence everything (DMB ISH).

func storeFence()
func loadFence()
func fullFence()
