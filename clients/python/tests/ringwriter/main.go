// SPDX-License-Identifier: Apache-2.0

// Command ringwriter writes a frame ring as its standard input says, for the tests of readers in
// other languages. One command a line; each is answered by "ok SEQUENCE", or "error TEXT".
//
//	frame VALUE WIDTH HEIGHT  publish an NV12 picture whose every byte is VALUE
//	gap                       publish a gap record: connection lost, three pictures missing
//	run COUNT WIDTH HEIGHT    publish pictures as fast as possible, picture n filled with n's low byte
//	state NUMBER              set the camera's state
//	stop                      planned stop; ends the program
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"camring/ring"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: ringwriter DIR CAMERA SLOTS")
		os.Exit(2)
	}
	var slots int
	_, err := fmt.Sscan(os.Args[3], &slots)
	if err == nil {
		err = serve(os.Args[1], os.Args[2], slots)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ringwriter:", err)
		os.Exit(1)
	}
}

func serve(dir, camera string, slots int) error {
	w, err := ring.OpenFrameWriter(ring.FrameConfig{Dir: dir, Camera: camera, Output: "main", Slots: slots, GID: -1})
	if err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		done, err := execute(w, in.Text())
		if err != nil {
			fmt.Println("error", err)
		} else {
			fmt.Println("ok", w.Head())
		}
		if done {
			return nil
		}
	}
	return errors.Join(in.Err(), w.Close())
}

func execute(w *ring.FrameWriter, line string) (done bool, err error) {
	verb, rest, _ := strings.Cut(line, " ")
	var value, width, height int
	switch verb {
	case "frame", "run":
		if _, err := fmt.Sscan(rest, &value, &width, &height); err != nil {
			return false, err
		}
		if verb == "frame" {
			return false, publish(w, byte(value), width, height)
		}
		for range value {
			if err := publish(w, byte(w.Head()+1), width, height); err != nil {
				return false, err
			}
		}
		return false, nil
	case "gap":
		return false, w.PublishGap(&ring.FrameDesc{Reason: ring.ReasonConnectionLost, GapMissing: 3, GapState: ring.StateBackoff})
	case "state":
		if _, err := fmt.Sscan(rest, &value); err != nil {
			return false, err
		}
		w.SetState(ring.State(value), ring.ReasonNoPackets)
		return false, nil
	case "stop":
		return true, w.Stop()
	}
	return false, fmt.Errorf("unknown command %q", verb)
}

func publish(w *ring.FrameWriter, value byte, width, height int) error {
	d := ring.FrameDesc{
		Flags: ring.FlagKey, PTSNS: 40_000_000 * int64(w.Head()+1), Matrix: 1, Range: ring.RangeLimited,
		Codec: uint8(ring.CodecH264), Decoder: ring.DecoderSoftware, CaptureClock: ring.ClockSender,
		CaptureErrorUS: 1500, Rotation: 1, FrameID: 77,
	}
	size, err := ring.NV12Layout(&d, width, height)
	if err != nil {
		return err
	}
	if _, err := w.Fit(size); err != nil {
		return err
	}
	slot, err := w.Claim()
	if err != nil {
		return err
	}
	for i := range slot.Mem[:size] {
		slot.Mem[i] = value
	}
	return w.Publish(slot, &d)
}
