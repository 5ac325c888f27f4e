// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"camring/core/api"
	"camring/ring"
)

func newCleanCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove the rings and sockets that nobody writes any more",
		Long: `Remove the rings and sockets that a camring has left: one that was killed, or one whose readers were
still attached when it stopped. Rings with a writer and sockets that are answered stay; readers keep
what they have mapped. Prints what it removed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				dir = ringDir(cmd)
			}
			return clean(cmd, dir)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "the same as --ring-dir")
	return cmd
}

func clean(cmd *cobra.Command, dir string) error {
	// A camring that runs keeps all it has, also rings whose writer is just being started again.
	lock, err := ring.LockDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // only a lock
	removed, inUse, err := ring.Clean(dir)
	errs := []error{err}
	for _, path := range inUse {
		errs = append(errs, fmt.Errorf("%s has a writer: stop it first", path))
	}
	sockets, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.sock"))
	errs = append(errs, err)
	for _, path := range sockets {
		gone, err := api.RemoveStaleSocket(path)
		errs = append(errs, err)
		if gone {
			removed = append(removed, path)
		}
	}
	errs = append(errs, os.Remove(lock.Name())) // while it is held: who waits for it finds another inode
	for _, path := range removed {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), path); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// escapeGlob makes path stand for itself in a pattern.
func escapeGlob(path string) string {
	var b []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}
