// SPDX-License-Identifier: Apache-2.0

// Command report writes BENCHMARKS.md from the raw results in bench/results.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	results := flag.String("results", "bench/results", "`directory` of raw results")
	out := flag.String("o", "BENCHMARKS.md", "`file` to write")
	flag.Parse()
	text, err := page(*results)
	if err == nil {
		err = os.WriteFile(*out, []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}
