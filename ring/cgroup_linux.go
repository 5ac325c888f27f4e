// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// memoryLeft returns how many bytes the process's cgroup (v2, or v1's memory controller) still allows
// and which file says so; ok is false if nothing limits. tmpfs pages count against the cgroup of who
// touches them first, and a ring beyond the limit would mean the OOM killer instead of an error.
func memoryLeft() (left uint64, limit string, ok bool) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, "", false
	}
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		var dir, limitFile, useFile string
		switch {
		case parts[0] == "0" && parts[1] == "":
			dir, limitFile, useFile = "/sys/fs/cgroup"+parts[2], "memory.max", "memory.current"
		case strings.Contains(","+parts[1]+",", ",memory,"):
			dir, limitFile, useFile = "/sys/fs/cgroup/memory"+parts[2], "memory.limit_in_bytes", "memory.usage_in_bytes"
		default:
			continue
		}
		// The path is relative to a cgroup namespace root: inside a container the files stand at the top.
		// A limit of any ancestor binds as well.
		for ; strings.HasPrefix(dir, "/sys/fs/cgroup"); dir = filepath.Dir(dir) {
			m, mok := readUint(filepath.Join(dir, limitFile))
			c, cok := readUint(filepath.Join(dir, useFile))
			if !mok || !cok || m > 1<<60 { // v1 says "unlimited" with a number near 2^63
				continue
			}
			c -= min(c, pageCache(filepath.Join(dir, "memory.stat")))
			free := m - min(m, c)
			if !ok || free < left {
				left, limit, ok = free, filepath.Join(dir, limitFile), true
			}
		}
	}
	return left, limit, ok
}

// pageCache is how much of a cgroup's use is cached files, by its memory.stat: the kernel gives that
// up before it kills. Shared memory is not in these lines. A cgroup that has read large files stands
// at its limit all the time.
func pageCache(path string) (n uint64) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	values := map[string]uint64{}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			if v, err := strconv.ParseUint(value, 10, 64); err == nil {
				values[name] = v
			}
		}
	}
	if _, v1 := values["total_inactive_file"]; v1 { // v1's plain names leave the children out
		return values["total_inactive_file"] + values["total_active_file"]
	}
	return values["inactive_file"] + values["active_file"]
}

func readUint(path string) (uint64, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	v, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return v, err == nil
}
