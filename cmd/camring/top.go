// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"camring/core/client"
	"camring/core/top"
)

const (
	askEvery  = 500 * time.Millisecond
	onceWidth = 160 // columns where there is no terminal
	onceLines = 1 << 16
)

func newTopCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the cameras of the camring that runs",
		Long:  "Watch the cameras of the camring that runs, until Ctrl-C. Without a terminal it prints one table.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ask := client.New(ringDir(cmd), httpAddress(cmd))
			if once || !terminal(cmd.OutOrStdout()) {
				snap, err := ask.Snapshot(cmd.Context())
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), top.Render(snap, onceWidth, onceLines, false))
				return err
			}
			return watch(cmd, ask)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "print one table and exit")
	return cmd
}

// watch shows the table on the terminal until a signal comes or nobody answers any more.
func watch(cmd *cobra.Command, ask *client.Client) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	screen := top.NewScreen(os.Stdout)
	defer screen.Close()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		snap, err := ask.Snapshot(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := screen.Draw(snap); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
