// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"camring/core/api"
	"camring/core/config"
	"camring/core/supervisor"
	"camring/core/top"
	"camring/internal/testcam"
)

type runFlags struct {
	config, demo, worker string
	once, plain          bool
	profile              string
}

func newRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the cameras of a configuration",
		Long: `Run the cameras of a configuration until SIGTERM or Ctrl-C.

The configuration is the file given with -c, else $CAMRING_CONFIG, ./camring.yaml,
$XDG_CONFIG_HOME/camring/camring.yaml or /etc/camring/camring.yaml; or the cameras listed in
$CAMRING_CAMERAS as "name=source name=source". On a terminal a live table is shown, elsewhere log lines.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return run(ctx, cmd, f)
		},
	}
	cmd.Flags().StringVarP(&f.config, "config", "c", "", "configuration `file`")
	cmd.Flags().StringVar(&f.demo, "demo", "", "run three demo cameras, from the clips in `directory`")
	cmd.Flags().BoolVar(&f.once, "once", false, "exit 0 when every file camera has ended")
	cmd.Flags().BoolVar(&f.plain, "plain", false, "log lines, no table, even on a terminal")
	cmd.Flags().StringVar(&f.worker, "worker", "", "path of camring-worker, if it is not beside camring")
	cmd.Flags().StringVar(&f.profile, "profile", "", "profile this process: "+strings.Join(profileKinds(), ", "))
	cmd.MarkFlagsMutuallyExclusive("config", "demo")
	return cmd
}

func run(ctx context.Context, cmd *cobra.Command, f runFlags) error {
	stopProfile, err := startProfile(f.profile)
	if err != nil {
		return err
	}
	defer stopProfile()
	cfg, stopDemo, err := configuration(f)
	if err != nil {
		return err
	}
	defer stopDemo()
	if dir := ringDirFlag(cmd); dir != "" {
		cfg.Ring.Dir = dir
	}
	out := cmd.ErrOrStderr()
	var screen *top.Screen
	logTo := out
	if terminal(os.Stdout) && !f.plain && !f.once {
		screen = top.NewScreen(os.Stdout)
		logTo = screen
	}
	log, err := newLogger(logTo, cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return err
	}
	return serve(ctx, cfg, supervisor.Options{Once: f.once, Worker: f.worker, Log: log}, screen, out)
}

// serve runs the supervisor, the HTTP server and, if there is one, the table.
func serve(ctx context.Context, cfg *config.Config, opt supervisor.Options, screen *top.Screen, out io.Writer) error {
	s, err := supervisor.New(cfg, opt)
	if err != nil {
		return err
	}
	listeners, err := api.Listen(cfg.HTTP.Listen, cfg.Ring.Dir)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	side, stopSide := context.WithCancel(context.WithoutCancel(ctx)) // the status stays readable while cameras stop
	var running sync.WaitGroup
	running.Go(func() {
		if err := api.New(s.Snapshot, opt.Log).Serve(side, listeners...); err != nil {
			opt.Log.LogAttrs(side, slog.LevelError, "http server ended", slog.String("err", err.Error()))
		}
	})
	opt.Log.LogAttrs(ctx, slog.LevelInfo, "camring runs", slog.Int("cameras", len(cfg.Cameras)),
		slog.String("http", cfg.HTTP.Listen), slog.String("rings", cfg.Ring.Dir))
	if screen != nil {
		running.Go(func() { screen.Run(side, s.Snapshot) })
	}
	err = s.Run(ctx)
	stopSide()
	running.Wait()
	if screen != nil {
		fmt.Fprintln(out, "camring: stopped")
	} else {
		opt.Log.LogAttrs(ctx, slog.LevelInfo, "camring stopped")
	}
	return err
}

// configuration reads what to run, and starts the demo's camera if that is it.
func configuration(f runFlags) (*config.Config, func(), error) {
	nothing := func() {}
	if f.demo != "" {
		return demo(f.demo)
	}
	if list := os.Getenv("CAMRING_CAMERAS"); list != "" && f.config == "" {
		cfg, err := config.FromCameras(list)
		return cfg, nothing, badConfig(err)
	}
	path, searched, err := config.Find(f.config)
	if err != nil {
		return nil, nothing, badConfig(err)
	}
	if path == "" {
		return nil, nothing, badConfig(fmt.Errorf("no configuration: looked for %s; write one (docs/camring.example.yaml shows how), or try camring run --demo DIR",
			strings.Join(searched, ", ")))
	}
	cfg, err := config.Load(path)
	return cfg, nothing, badConfig(err)
}

// demo serves a clip as an RTSP camera from within this process, for want of a real one.
func demo(dir string) (*config.Config, func(), error) {
	clip, stream := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "clip.ts")
	for _, path := range []string{clip, stream} {
		if _, err := os.Stat(path); err != nil {
			return nil, func() {}, fmt.Errorf("demo clip: %w: make run makes it", err)
		}
	}
	abs, err := filepath.Abs(clip)
	if err != nil {
		return nil, func() {}, fmt.Errorf("demo clip: %w", err)
	}
	server, err := testcam.Start(testcam.Options{Listen: "127.0.0.1:0", Clips: map[string]string{"demo": stream}})
	if err != nil {
		return nil, func() {}, err
	}
	cfg, err := config.Demo(server.URL("demo"), abs)
	if err != nil {
		server.Close()
		return nil, func() {}, badConfig(err)
	}
	return cfg, func() { server.Close() }, nil
}
