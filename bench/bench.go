// SPDX-License-Identifier: Apache-2.0

// Package bench measures camring against floors: what the machine could do at best, in the same run.
//
// Three measurements, each with its own file of raw results: [FileToRing] against bare libav decode,
// [RingAgainstMemcpy], and [Repair] of a killed worker. bench/run takes them, bench/report writes
// BENCHMARKS.md from what was taken. Every measurement checks its work: one that published another
// number of pictures than the floor decoded is an error, not a fast result.
package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Options say where things are and how much is measured.
type Options struct {
	Bin     string // directory of camring and camring-worker
	Floor   string // the program floor-decode
	Work    string // directory for clips, kept between runs
	Results string // directory for raw results
	Pairs   int    // of file to ring against libav
	Rounds  int    // of the ring against memcpy
	Kills   int    // of the worker
	Log     io.Writer
}

func (o *Options) camring() string { return filepath.Join(o.Bin, "camring") }

func (o *Options) say(format string, args ...any) { _, _ = fmt.Fprintf(o.Log, format+"\n", args...) }

// ringDir makes a directory in shared memory and returns how to remove it.
func ringDir() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("/dev/shm", "camring-bench-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

// cost is what a process and the children it waited for took.
type cost struct {
	UserMS float64 `json:"user_ms"`
	SysMS  float64 `json:"sys_ms"`
	WallMS float64 `json:"wall_ms"`
}

// CPUMS is user and system time together.
func (c cost) CPUMS() float64 { return c.UserMS + c.SysMS }

// command runs a program to its end and returns its output and what it cost, children included: wait4
// reports those of a child that the child has waited for, so a tree whose every process is waited for
// counts whole.
func command(ctx context.Context, limit time.Duration, name string, args ...string) ([]byte, cost, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(ctx.Err(), err)
		}
		return nil, cost{}, fmt.Errorf("%s: %w\n%s", filepath.Base(name), err, stderr.Bytes())
	}
	s := cmd.ProcessState
	return stdout.Bytes(), cost{UserMS: ms(s.UserTime()), SysMS: ms(s.SystemTime()), WallMS: ms(wall)}, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
