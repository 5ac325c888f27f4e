// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// nameRule is what camera and output names look like: they become file names.
var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

const serviceDir = "/dev/shm/camring"

// DefaultDir is where rings live if nobody says otherwise: one directory for a service that runs as
// root, one per user otherwise.
func DefaultDir() string {
	if uid := os.Geteuid(); uid != 0 {
		return serviceDir + "-" + strconv.Itoa(uid)
	}
	return serviceDir
}

// FindDir is where a reader looks if nobody says otherwise: the user's own directory if there is one,
// else the service's, which its group may read.
func FindDir() string {
	own := DefaultDir()
	if _, err := os.Stat(own); err == nil || own == serviceDir {
		return own
	}
	if _, err := os.Stat(serviceDir); err == nil {
		return serviceDir
	}
	return own
}

// FramePath is the path of a frame ring.
func FramePath(dir, camera, output string) string {
	return filepath.Join(dir, camera+"."+output+".ring")
}

// PacketPath is the path of a packet ring.
func PacketPath(dir, camera string) string { return filepath.Join(dir, camera+".packets") }

func leasePath(path string) string { return path + ".leases" }
func lockPath(path string) string  { return path + ".lock" }

func checkName(what, name string) error {
	if !nameRule.MatchString(name) {
		return fmt.Errorf("%s name %q: must match %s", what, name, nameRule)
	}
	return nil
}

// errForeign says why a directory of another user is refused even where it can be written to.
var errForeign = errors.New("its owner could replace the rings")

// MakeDir makes sure that dir exists, belongs to this user or to root, and can be written to.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("ring directory: %w: choose another with ring.dir or CAMRING_RING_DIR", err)
	}
	if owner := ownerOf(dir); owner != os.Geteuid() && owner > 0 {
		return permissionError(dir, errForeign)
	}
	probe, err := os.CreateTemp(dir, ".probe-")
	if errors.Is(err, os.ErrPermission) {
		return permissionError(dir, err)
	}
	if err != nil {
		return fmt.Errorf("ring directory: %w", err)
	}
	_ = probe.Close()
	return os.Remove(probe.Name())
}
