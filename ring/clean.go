// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// File is one ring of a directory, by its name alone: nobody has looked inside.
type File struct {
	Path   string
	Kind   Kind
	Camera string
	Output string // frame rings
}

// ValidName reports whether name can be that of a camera or an output.
func ValidName(name string) bool { return nameRule.MatchString(name) }

// List returns the rings in dir, sorted by path. A directory that does not exist has none.
func List(dir string) ([]File, error) {
	files, err := families(dir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(files, func(f File) bool {
		_, err := os.Lstat(f.Path)
		return err != nil
	}), nil
}

// Clean removes the rings in dir that have no writer, with everything that belongs to them, and
// returns the paths of those removed and of those left alone because a process writes them. Files
// that are no rings stay. Readers of a removed ring keep what they have mapped.
//
// Every ring is tried, and the error is an errors.Join of what could not be removed.
func Clean(dir string) (removed, inUse []string, err error) {
	files, err := families(dir)
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	for _, f := range files {
		lock, err := lockFile(lockPath(f.Path))
		if errors.Is(err, ErrBusy) {
			inUse = append(inUse, f.Path)
			continue
		}
		if err == nil {
			// As in Stop: the lock file goes last, while its lock is held.
			err = errors.Join(removeRing(f.Path), lock.Close())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("remove ring: %w", err))
			continue
		}
		removed = append(removed, f.Path)
	}
	return removed, inUse, errors.Join(errs...)
}

// families finds the rings of which any file is in dir: a writer that died early may have left only
// its lock.
func families(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ring directory: %w", err)
	}
	var files []File
	for _, e := range entries {
		name := e.Name()
		for _, suffix := range []string{".new", ".leases", ".lock"} {
			name = strings.TrimSuffix(name, suffix)
		}
		f := File{Path: filepath.Join(dir, name)}
		if camera, ok := strings.CutSuffix(name, ".packets"); ok {
			f.Kind, f.Camera = KindPacket, camera
		} else if both, ok := strings.CutSuffix(name, ".ring"); ok {
			f.Kind = KindFrame
			f.Camera, f.Output, _ = strings.Cut(both, ".")
		}
		if !ValidName(f.Camera) || (f.Kind == KindFrame && !ValidName(f.Output)) || slices.Contains(files, f) {
			continue
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return files, nil
}
