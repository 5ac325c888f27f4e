// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"camring/core/client"
	"camring/core/status"
)

func newListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the cameras of the camring that runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			snap, err := client.New(ringDir(cmd), httpAddress(cmd)).Snapshot(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				if snap.Cameras == nil {
					snap.Cameras = []status.Camera{}
				}
				return writeJSON(cmd.OutOrStdout(), snap.Cameras)
			}
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "CAMERA\tSTATE\tREASON\tFRAMES\tSOURCE")
			for _, c := range snap.Cameras {
				reason := c.Reason.String()
				if reason == "" {
					reason = "-"
				}
				fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\n", c.Name, c.State, reason, c.Published, c.Source)
			}
			return t.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: an array of what the API says about each camera")
	return cmd
}
