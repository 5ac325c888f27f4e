// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxPasswordFile bounds a password_file; a longer file is not a password.
const maxPasswordFile = 4096

// readPasswordFile returns what is in the file at path, without the line end at its end. path may
// be relative to dir. The error names the file and never its content.
func readPasswordFile(path, dir string) (Secret, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	// Not blocking, so that a FIFO cannot stop the start.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err // "open PATH: reason"
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case len(data) > maxPasswordFile:
		return "", fmt.Errorf("%s is longer than %d bytes", path, maxPasswordFile)
	case text == "":
		return "", fmt.Errorf("%s is empty", path)
	case strings.ContainsFunc(text, isControl):
		return "", fmt.Errorf("%s has more than one line or control characters", path)
	}
	return Secret(text), nil
}

// checkCredential refuses what a protocol header cannot carry.
func checkCredential(text string) error {
	if strings.ContainsFunc(text, isControl) || len(text) > maxPasswordFile {
		return errors.New("want one line without control characters")
	}
	return nil
}

// credential returns v as a user name or password.
func (d *decoder) credential(v value) (string, bool) {
	text, ok := d.str(v)
	if !ok {
		return "", false
	}
	if err := checkCredential(text); err != nil {
		d.fail(v, "%v", err)
		return "", false
	}
	return text, true
}

// passwordFile returns what is in the file that v names.
func (d *decoder) passwordFile(v value) (Secret, bool) {
	path, ok := d.label(v)
	if !ok {
		return "", false
	}
	secret, err := readPasswordFile(path, d.dir)
	if err != nil {
		d.fail(v, "%v", err)
		return "", false
	}
	return secret, true
}
