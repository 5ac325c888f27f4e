// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"camring/core/config"
	"camring/ring"
)

const ringDirName = "ring-dir"

// newRootCommand returns the whole command line. *started becomes true when a command begins: what
// fails before is a mistake in its use.
func newRootCommand(started *bool) *cobra.Command {
	root := &cobra.Command{
		Use:   "camring",
		Short: "Frames from cameras to any number of processes through shared memory",
		Long: `camring receives cameras, decodes them and hands every frame to any number of processes through
shared memory, with its metadata in Redis.

Exit codes: 0 success, 1 failure, 2 wrong use, 3 a check whose answer is no, 78 bad configuration.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRun:  func(*cobra.Command, []string) { *started = true },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.PersistentFlags().String(ringDirName, "",
		"`directory` of the rings (default $CAMRING_RING_DIR or "+ring.FindDir()+")")
	root.AddCommand(
		newRunCommand(), newReceiveCommand(), newValidateCommand(), newListCommand(), newTopCommand(),
		newTapCommand(), newSnapshotCommand(), newCleanCommand(), newVersionCommand(), newTestcamCommand(),
	)
	return root
}

// ringDirFlag is --ring-dir, absolute, or "" if it was not given.
func ringDirFlag(cmd *cobra.Command) string {
	dir, err := cmd.Flags().GetString(ringDirName)
	if err != nil || dir == "" {
		return ""
	}
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

// ringDir is --ring-dir, or $CAMRING_RING_DIR, or the usual directory.
func ringDir(cmd *cobra.Command) string {
	if dir := ringDirFlag(cmd); dir != "" {
		return dir
	}
	if dir := os.Getenv("CAMRING_RING_DIR"); dir != "" {
		return dir
	}
	return ring.FindDir()
}

// httpAddress is where to ask when the ring directory has no socket: nowhere if it was named, because
// the camring that answers there would be another.
func httpAddress(cmd *cobra.Command) string {
	if ringDirFlag(cmd) != "" {
		return ""
	}
	if addr, ok := os.LookupEnv("CAMRING_HTTP_LISTEN"); ok {
		return addr
	}
	return config.Default().HTTP.Listen
}

// cameraName checks the argument that names a camera, which becomes part of a path.
func cameraName(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("which camera? give its name")
	}
	if !ring.ValidName(args[0]) {
		return fmt.Errorf("camera name %q: lower-case letters, digits, - and _ only, at most 63", args[0])
	}
	return nil
}

// completeCamera offers the cameras that have a frame ring.
func completeCamera(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	files, err := ring.List(ringDir(cmd))
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for _, f := range files {
		if f.Kind == ring.KindFrame {
			names = append(names, f.Camera)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
