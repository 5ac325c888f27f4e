// SPDX-License-Identifier: Apache-2.0

package ring_test

import (
	"errors"
	"fmt"
	"log"
	"time"

	"camring/ring"
)

func ExampleOpenFrames() {
	if err := watch("rtsp"); err != nil {
		log.Print(err)
	}
}

// watch prints a line for every frame of a camera; README.md shows it.
func watch(camera string) error {
	path := ring.FramePath(ring.DefaultDir(), camera, "main")
	r, err := ring.OpenFrames(path, ring.ReaderOptions{Name: "watch"})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		frame, err := r.Next(5 * time.Second)
		if errors.Is(err, ring.ErrTimeout) {
			state, reason, _ := r.State()
			return fmt.Errorf("no frame: camera is %v %v", state, reason)
		} else if err != nil {
			return err
		}
		luma := frame.Plane(0) // in shared memory: frame.PlaneStride[0] bytes from row to row
		corner := luma[0]
		if frame.Valid() { // else the writer came around while we looked
			fmt.Println(frame.Seq, frame.Width, frame.Height, frame.PTSNS, corner)
		}
	}
}
