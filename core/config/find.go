// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrNotFound reports that there is no configuration file in any of the usual places. Normal for a
// first run: the caller may offer the demo.
var ErrNotFound = errors.New("no configuration file")

// Find says which file to load: explicit (from --config) if it is not empty, else
// $CAMRING_CONFIG, else the first that exists of ./camring.yaml,
// $XDG_CONFIG_HOME/camring/camring.yaml (~/.config where that is unset) and
// /etc/camring/camring.yaml. A file that was asked for by name need not exist: [Load] says so then.
// searched is where it looked; the error, [ErrNotFound], lists it too.
func Find(explicit string) (path string, searched []string, err error) {
	if explicit != "" {
		return explicit, []string{explicit}, nil
	}
	if path = os.Getenv("CAMRING_CONFIG"); path != "" {
		return path, []string{path}, nil
	}
	searched = append(searched, "camring.yaml")
	if dir, err := os.UserConfigDir(); err == nil { // $XDG_CONFIG_HOME or ~/.config
		searched = append(searched, filepath.Join(dir, "camring", "camring.yaml"))
	}
	searched = append(searched, "/etc/camring/camring.yaml")
	for _, path := range searched {
		if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return path, searched, nil // an unreadable one is Load's to report, not to pass over
		}
	}
	return "", searched, fmt.Errorf("%w: looked for %s; name one with --config or CAMRING_CONFIG",
		ErrNotFound, strings.Join(searched, ", "))
}
