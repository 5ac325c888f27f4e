// SPDX-License-Identifier: Apache-2.0

// Command camring-worker decodes: camring run starts it, a few cameras each. It is the one program of
// camring that links libav, and it takes its orders from a socket that its parent made.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"camring/core/control"
	"camring/core/version"
	"camring/core/worker"
	"camring/cshim"
)

func main() {
	if len(os.Args) > 1 {
		if os.Args[1] != "--version" {
			fmt.Fprintln(os.Stderr, "camring-worker: started by camring run, takes no arguments but --version")
			os.Exit(2)
		}
		fmt.Fprintf(os.Stdout, "camring-worker %s\n%s\n", version.Version, cshim.Versions())
		return
	}
	err := worker.Run(os.NewFile(control.FD, "control"))
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "camring-worker:", err)
		os.Exit(1)
	}
}
