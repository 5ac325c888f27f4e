// SPDX-License-Identifier: Apache-2.0

package testutil

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// clipModule is where the clip comes from. Only its files are used, so it is not in go.mod.
const clipModule = "gocv.io/x/gocv@v0.31.0"

// moduleDeadline bounds the look-up of clipModule, which may have to download it.
const moduleDeadline = 120 * time.Second

// SmallClip returns the path of a real H.264 clip that ships with the gocv module: small.mp4,
// 560x320, 166 frames, 30 fps, one keyframe. It is read-only. The test is skipped, or fails under
// CAMRING_REQUIRE=small.mp4, if the module is neither in the module cache nor to be had.
func SmallClip(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), moduleDeadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, Need(t, "go"), "mod", "download", "-json", clipModule)
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	cmd.Dir = t.TempDir() // outside any module: nothing here may touch a go.sum
	out, err := cmd.Output()
	var module struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr == nil && module.Error == "" && err == nil {
		path := filepath.Join(module.Dir, "images", "small.mp4")
		if _, err = os.Stat(path); err == nil {
			return path
		}
	}
	if required(os.Getenv(requireVar), "small.mp4") {
		t.Fatalf("no clip from %s: %v %s", clipModule, err, module.Error)
	}
	t.Skipf("no clip from %s: %v %s", clipModule, err, module.Error)
	return ""
}
