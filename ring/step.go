// SPDX-License-Identifier: Apache-2.0

package ring

// A storeStep names a place between two stores of the protocol, in the order in which a writer makes
// them, or between two loads of a reader.
type storeStep int

const (
	stepOdd           storeStep = iota + 1 // claim: generation odd, rows not read yet
	stepPutBack                            // claim: a lease was seen, the generation is still odd
	stepSlotSeq                            // claim: the slot's note
	stepPixels                             // publish: pixels complete, generation still odd
	stepEven                               // publish: generation even
	stepReserve                            // packets: reserved, nothing overwritten yet
	stepBytes                              // packets: bytes complete
	stepDescZero                           // descriptor: sequence 0
	stepDescFields                         // descriptor: fields
	stepDescSeq                            // descriptor: sequence
	stepHead                               // head
	stepBump                               // wake word, nobody woken yet
	stepBuilt                              // epoch: both files complete under temporary names
	stepLeasesRenamed                      // epoch: the lease file is in place, the ring is not
	stepRenamed                            // epoch: both are in place, the old ring's readers do not know
	stepReadDesc                           // reader: sequence seen, descriptor not copied yet
	stepReadBytes                          // packet reader: descriptor good, bytes not copied yet
	stepSleep                              // reader: nothing new seen, not asleep yet
)

// stepHook is called at each step by tests, which kill or stop the writer there. The test for nil
// is inlined, and costs a publish nothing that can be measured; a build tag would mean that what is
// tested is not what runs.
var stepHook func(storeStep)

func step(s storeStep) {
	if stepHook != nil {
		stepHook(s)
	}
}
