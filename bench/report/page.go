// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"camring/bench"
)

const head = `# Benchmarks

Written by ` + "`go run ./bench/report`" + ` from the raw results in [bench/results](bench/results); do not edit. ` + "`make bench`" + `
measures anew. Both sides of a ratio were measured in one run, interleaved. On a shared or virtual machine only
such ratios mean something: absolute times stand here as smoke, to show the order of magnitude. The interval
is of the median, by order statistics (binomial, p = 1/2), with the coverage given.
`

// page is BENCHMARKS.md. A measurement without results is left out.
func page(dir string) (string, error) {
	b := &strings.Builder{}
	b.WriteString(head)
	written := 0
	for _, section := range []func(*strings.Builder, string) error{decode, memcpy, repair} {
		switch err := section(b, dir); {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", err
		default:
			written++
		}
	}
	if written == 0 {
		return "", fmt.Errorf("no results in %s: make bench makes them", dir)
	}
	return b.String(), nil
}

// decode is the section on file to ring.
func decode(b *strings.Builder, dir string) error {
	env, pairs, err := bench.Read[bench.DecodePair](dir, "decode")
	if err != nil {
		return err
	}
	b.WriteString("\n## File to ring against bare libav decode\n\n")
	whole := over(pairs, (*bench.DecodePair).Whole)
	verdict := "met"
	if whole.Median > 1.10 {
		verdict = "missed"
	}
	fmt.Fprintf(b, "CPU time per frame of all of camring's processes, against a program that decodes the same file with one thread and keeps\nnothing. The aim was at most 1.10: **%s**, with %.3f.\n\n", verdict, whole.Median)
	b.WriteString("| ratio of CPU time per frame | median | interval | range | n |\n|---|---|---|---|---|\n")
	ratio(b, "whole run of camring / of libav", whole)
	ratio(b, "one more frame: camring / libav", over(pairs, (*bench.DecodePair).Marginal))
	ratio(b, "one more frame: libav + libyuv into 8 buffers / libav", over(pairs, (*bench.DecodePair).FloorNV12))
	ratio(b, "one more frame: camring / libav + libyuv into 8 buffers", over(pairs, (*bench.DecodePair).MarginalNV12))
	p := pairs[0]
	fmt.Fprintf(b, "\nEvery run was checked: %d and %d frames published, none dropped or corrupt, as many decoded by the floor. The marginal\ncost is the slope between the two clips.\n", p.Camring.Frames, p.CamringShort.Frames)
	b.WriteString("\n| smoke | camring | libav |\n|---|---|---|\n")
	fmt.Fprintf(b, "| CPU ms of one more frame | %.2f | %.2f |\n", over(pairs, (*bench.DecodePair).CamringMarginalMS).Median, over(pairs, (*bench.DecodePair).LibavMarginalMS).Median)
	fmt.Fprintf(b, "| CPU ms of start and end | %.0f | %.0f |\n", over(pairs, (*bench.DecodePair).CamringStartMS).Median, over(pairs, (*bench.DecodePair).LibavStartMS).Median)
	machine(b, env, "more than one camera, other codecs, sizes or bit rates, B-frames, a network camera, Redis, readers, or a machine of its own.")
	return nil
}

// memcpy is the section on the ring's own cost.
func memcpy(b *strings.Builder, dir string) error {
	env, rounds, err := bench.Read[bench.RingRound](dir, "memcpy")
	if err != nil {
		return err
	}
	b.WriteString("\n## The ring against memcpy\n\nPublishing a 1080p NV12 picture (claim, copy, publish) and reading it (find, copy, validate), against a plain copy of the\nsame bytes. The protocol alone is the same without a byte of pixels.\n\n")
	b.WriteString("| ratio to memcpy | median | interval | range | n | protocol alone (smoke) |\n|---|---|---|---|---|---|\n")
	for _, c := range []struct {
		label, what string
		readers     int
	}{
		{"publish, no reader", "publish", 0},
		{"publish, 1 reader", "publish", 1},
		{"publish, 16 readers", "publish", 16},
		{"read a copy", "read", 1},
	} {
		of := slices.DeleteFunc(slices.Clone(rounds), func(r bench.RingRound) bool { return r.What != c.what || r.Readers != c.readers })
		if len(of) == 0 {
			return fmt.Errorf("memcpy.jsonl has no %s with %d readers", c.what, c.readers)
		}
		s := over(of, (*bench.RingRound).Ratio)
		empty := over(of, func(r *bench.RingRound) float64 { return r.EmptyNS })
		fmt.Fprintf(b, "| %s | %.3f | %.3f to %.3f (%.1f %%) | %.3f to %.3f | %d | %.2f µs |\n",
			c.label, s.Median, s.Low, s.High, 100*s.Coverage, s.Min, s.Max, s.N, empty.Median/1e3)
	}
	b.WriteString("\nThe last picture of every round was compared with what was published. A reader that uses a picture in place pays the\nprotocol alone.\n")
	machine(b, env, "readers that wait (a wake is a system call), readers in other processes that use the cache, or pictures of other sizes.")
	return nil
}

// repair is the section on kill -9.
func repair(b *strings.Builder, dir string) error {
	env, kills, err := bench.Read[bench.Kill](dir, "repair")
	if err != nil {
		return err
	}
	within, lost := 0, uint64(0)
	b.WriteString("\n## Repair after kill -9 of a worker\n\nFrom SIGKILL to the first new picture in the ring, of an RTSP camera at 1080p with a keyframe every 10 s. The limit is\n150 ms + frames since the keyframe × CPU time of bare libav per frame of the same clip, measured before each kill.\n\n")
	b.WriteString("| kill | frames since keyframe | repaired after (ms) | limit (ms) | decode (ms/frame) | decoded silently | pictures lost | RTSP sessions |\n|---|---|---|---|---|---|---|---|\n")
	for _, k := range kills {
		fmt.Fprintf(b, "| %d | %d | %.0f | %.0f | %.2f | %d | %d | %d |\n", k.Kill, k.SinceKey, k.RepairMS, k.LimitMS, k.DecodeMS, k.Silent, k.Lost, k.Sessions)
		lost += k.Lost
		if k.WithinLimit {
			within++
		}
	}
	fraction := over(kills, func(k *bench.Kill) float64 { return k.RepairMS / k.LimitMS })
	fmt.Fprintf(b, "\n%d of %d within the limit; time / limit has median %.3f, interval %.3f to %.3f (%.1f %%), range %.3f to %.3f. %d pictures lost, none\npublished twice. The times are smoke; that the limit holds is a claim only where decode time was measured beside it.\n",
		within, len(kills), fraction.Median, fraction.Low, fraction.High, 100*fraction.Coverage, fraction.Min, fraction.Max, lost)
	machine(b, env, "several cameras in one worker, UDP, a busy machine, or a worker that dies twice within 10 s (its successor is then started later).")
	return nil
}

func over[T any](samples []T, value func(*T) float64) bench.Summary {
	values := make([]float64, len(samples))
	for i := range samples {
		values[i] = value(&samples[i])
	}
	return bench.Summarize(values)
}

func ratio(b *strings.Builder, label string, s bench.Summary) {
	fmt.Fprintf(b, "| %s | %.3f | %.3f to %.3f (%.1f %%) | %.3f to %.3f | %d |\n", label, s.Median, s.Low, s.High, 100*s.Coverage, s.Min, s.Max, s.N)
}

// machine ends a section: how it was measured, where, and what it does not show.
func machine(b *strings.Builder, e *bench.Env, notShown string) {
	state := "clean"
	if e.Dirty {
		state = "with uncommitted changes"
	}
	kind := "physical"
	if e.Virtual {
		kind = "virtual, shared"
	}
	fmt.Fprintf(b, "\n- Command: `%s`, %s, %.0f s.\n- Code: commit %s, %s; %s; %s.\n", e.Command, e.Time, e.Seconds, e.Commit, state, e.Go, e.Libraries)
	fmt.Fprintf(b, "- Machine: %s, %d cores (%s), %s; governor %s, SMT %s; cgroup cpu.max %s, memory.max %s; load %s before, %s after.\n",
		e.CPU, e.Cores, kind, e.Kernel, e.Governor, e.SMT, e.CPUMax, e.MemoryMax, e.Load, e.LoadAfter)
	if e.Clip != nil {
		fmt.Fprintf(b, "- Clip: %d frames, %d bytes, made by `ffmpeg %s`.\n", e.Clip.Frames, e.Clip.Bytes, e.Clip.Recipe)
	}
	fmt.Fprintf(b, "- Setup: %s.\n- Does not show: %s\n", e.Setup, notShown)
}
