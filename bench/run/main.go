// SPDX-License-Identifier: Apache-2.0

// Command run takes camring's measurements and leaves the raw results as JSON lines; make bench calls
// it. Without arguments it takes all three: decode, memcpy and repair.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"camring/bench"
)

func main() {
	o := bench.Options{Log: os.Stderr}
	flag.StringVar(&o.Bin, "bin", "bin", "`directory` of camring and camring-worker")
	flag.StringVar(&o.Floor, "floor", "build/bench/floor-decode", "the `program` of bench/floor")
	flag.StringVar(&o.Work, "work", "build/bench", "`directory` for clips")
	flag.StringVar(&o.Results, "results", "bench/results", "`directory` for raw results")
	flag.IntVar(&o.Pairs, "pairs", 20, "pairs of file to ring against libav")
	flag.IntVar(&o.Rounds, "rounds", 40, "rounds of the ring against memcpy")
	flag.IntVar(&o.Kills, "kills", 10, "kills of a worker")
	flag.Parse()
	if err := run(&o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type measurement struct {
	name string
	take func(context.Context, *bench.Options) error
}

func run(o *bench.Options, names []string) error {
	measurements := []measurement{{"decode", bench.FileToRing}, {"memcpy", bench.RingAgainstMemcpy}, {"repair", bench.Repair}}
	for _, name := range names {
		if !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == name }) {
			return fmt.Errorf("%q is none of decode, memcpy, repair", name)
		}
	}
	var err error
	if o.Work, err = filepath.Abs(o.Work); err != nil { // camring's relative paths start at its configuration
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for _, m := range measurements {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		if err := m.take(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}
