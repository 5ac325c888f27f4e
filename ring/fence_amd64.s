// SPDX-License-Identifier: Apache-2.0

#include "textflag.h"

// func storeFence()
TEXT ·storeFence(SB), NOSPLIT, $0-0
	RET

// func loadFence()
TEXT ·loadFence(SB), NOSPLIT, $0-0
	RET

// func fullFence()
TEXT ·fullFence(SB), NOSPLIT, $0-0
	MFENCE
	RET
