// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"camring/core/control"
	"camring/core/receiver"
)

// newReceiveCommand is what camring run starts for network cameras; nobody calls it by hand.
func newReceiveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "receive", Short: "Receive network cameras (started by camring run)", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			err := receiver.Run(os.NewFile(control.FD, "control"))
			if errors.Is(err, io.EOF) {
				return nil // the supervisor is gone, and so are we
			}
			return err
		},
	}
}
