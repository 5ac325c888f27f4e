// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
)

// Exit codes.
const (
	exitOK        = 0
	exitFailure   = 1
	exitUsage     = 2
	exitNegative  = 3  // a check whose answer is no
	exitBadConfig = 78 // EX_CONFIG of sysexits.h
)

// codeError is an error with an exit code of its own.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// withCode makes err end the process with code; nil stays nil.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &codeError{code, err}
}

func badConfig(err error) error { return withCode(exitBadConfig, err) }

// execute runs the command line args and returns the exit code. Errors are printed once, here.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	started := false
	root := newRootCommand(&started)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil || errors.Is(err, syscall.EPIPE) { // who reads us has seen enough
		return exitOK
	}
	printError(stderr, err)
	if !started {
		fmt.Fprintf(stderr, "Try '%s --help'.\n", cmd.CommandPath())
		return exitUsage
	}
	if coded, ok := errors.AsType[*codeError](err); ok {
		return coded.code
	}
	return exitFailure
}

// printError prints every error that err joins, each after the program's name.
func printError(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			fmt.Fprintf(w, "camring: %s\n", line)
		}
	}
}
