// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"camring/core/config"
	"camring/ring"
)

// validation is what validate says with --json.
type validation struct {
	Path    string            `json:"path"`
	Cameras []validatedCamera `json:"cameras"`
}

type validatedCamera struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Source  string `json:"source"`
	Slots   int    `json:"slots"`
	// The size of a ring is known with the first picture; this is for comparison.
	Bytes1080p uint64 `json:"bytes_at_1920x1080"`
}

func newValidateCommand() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check a configuration without running it",
		Long: `Check a configuration without running it, and print every mistake with its line and column.
No camera and no server is contacted. The file is looked for as camring run does.

Exit code 78 if there is a mistake.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, _, err := config.Find(file)
			if err != nil {
				return badConfig(err)
			}
			cfg, err := config.Load(path)
			if err != nil {
				return badConfig(err)
			}
			return printValidation(cmd.OutOrStdout(), cfg, asJSON)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printValidation(w io.Writer, cfg *config.Config, asJSON bool) error {
	v := validation{Path: cfg.Path}
	var total uint64
	for _, c := range cfg.Cameras {
		var d ring.FrameDesc
		size, err := ring.NV12Layout(&d, 1920, 1080)
		if err != nil {
			return err
		}
		bytes := size * uint64(c.Slots)
		if c.Enabled {
			total += bytes
		}
		v.Cameras = append(v.Cameras, validatedCamera{c.Name, c.Enabled, c.Source.String(), c.Slots, bytes})
	}
	if asJSON {
		return writeJSON(w, v)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s is valid\n\nCAMERA\tSOURCE\tSLOTS\n", v.Path)
	for _, c := range v.Cameras {
		note := ""
		if !c.Enabled {
			note = "\tdisabled"
		}
		fmt.Fprintf(t, "%s\t%s\t%d%s\n", c.Name, c.Source, c.Slots, note)
	}
	fmt.Fprintf(t, "\nFrame rings: their size is known with each camera's first picture; at 1920x1080 they would take %.0f MB.\n",
		float64(total)/1e6)
	return t.Flush()
}
