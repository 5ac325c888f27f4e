// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"camring/internal/testcam"
)

// newTestcamCommand serves clips as RTSP cameras, for demos and tests.
func newTestcamCommand() *cobra.Command {
	var opt testcam.Options
	cmd := &cobra.Command{
		Use:    "testcam CLIP.ts...",
		Short:  "Serve clips as RTSP cameras until SIGTERM",
		Long:   "Serve clips, MPEG-TS with H.264 or H.265 or concatenated JPEG, in a loop as RTSP cameras, each under the name of its file. Prints one URL per line.",
		Hidden: true,
		Args:   cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			opt.Clips = map[string]string{}
			var names []string
			for _, clip := range args {
				name := strings.TrimSuffix(filepath.Base(clip), filepath.Ext(clip))
				if opt.Clips[name] != "" {
					return fmt.Errorf("%s and %s would have the same URL: rename one", opt.Clips[name], clip)
				}
				opt.Clips[name] = clip
				names = append(names, name)
			}
			server, err := testcam.Start(opt)
			if err != nil {
				return err
			}
			defer server.Close()
			for _, name := range names {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), server.URL(name)); err != nil {
					return err
				}
			}
			<-ctx.Done()
			return nil
		},
	}
	cmd.Flags().StringVar(&opt.Listen, "listen", "127.0.0.1:8554", "`address` to serve on; port 0 picks a free one")
	cmd.Flags().BoolVar(&opt.UDP, "udp", false, "offer UDP as well as TCP")
	cmd.Flags().BoolVar(&opt.PerClient, "per-client", false, "begin the clip anew for every client")
	return cmd
}
