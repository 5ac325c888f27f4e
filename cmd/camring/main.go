// SPDX-License-Identifier: Apache-2.0

// Command camring takes frames from cameras into shared memory. See camring --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A handler, even one that does nothing, makes a write to a closed pipe an error instead of death
	// by signal; children do not inherit it, as they would an ignored signal.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
