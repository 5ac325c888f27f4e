// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Env is the machine and the code that a result is about. It names no host and no path.
type Env struct {
	Kind       string  `json:"kind"` // "env"
	Name       string  `json:"name"` // of the measurement
	Time       string  `json:"time"` // UTC, when it began
	Command    string  `json:"command"`
	Commit     string  `json:"commit"`
	Dirty      bool    `json:"dirty"` // the working tree was not that of the commit
	CPU        string  `json:"cpu"`
	Cores      int     `json:"cores"`
	SMT        string  `json:"smt"`
	Governor   string  `json:"governor"`
	Virtual    bool    `json:"virtual"` // a hypervisor is under us
	Kernel     string  `json:"kernel"`
	Go         string  `json:"go"`
	GOMAXPROCS int     `json:"gomaxprocs"`
	Libraries  string  `json:"libraries"`
	CPUMax     string  `json:"cgroup_cpu_max"`
	MemoryMax  string  `json:"cgroup_memory_max"`
	Load       string  `json:"load_before"` // 1, 5 and 15 minutes
	Clip       *Clip   `json:"clip,omitempty"`
	Setup      string  `json:"setup,omitempty"`
	LoadAfter  string  `json:"load_after,omitempty"`
	Seconds    float64 `json:"seconds,omitempty"` // how long the measurement took
}

// environment describes the machine as it is now.
func environment(ctx context.Context, o *Options, name, args string) *Env {
	e := &Env{
		Kind: "env", Name: name, Time: time.Now().UTC().Format(time.RFC3339),
		Command: "make bench BENCH=" + name + args, Commit: output(ctx, "git", "rev-parse", "--short=12", "HEAD"),
		Dirty: output(ctx, "git", "status", "--porcelain", "--", ".", ":!bench/results", ":!BENCHMARKS.md") != "",
		Cores: runtime.NumCPU(), SMT: line("/sys/devices/system/cpu/smt/control"),
		Governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Kernel:   kernel(), Go: runtime.Version(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		CPUMax: line("/sys/fs/cgroup/cpu.max"), MemoryMax: line("/sys/fs/cgroup/memory.max"),
		Load: load(),
	}
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	for text := range strings.Lines(string(cpuinfo)) {
		key, value, _ := strings.Cut(text, ":")
		switch strings.TrimSpace(key) {
		case "model name", "Model":
			e.CPU = strings.TrimSpace(value)
		case "flags":
			e.Virtual = strings.Contains(value+" ", " hypervisor ")
		}
	}
	_, e.Libraries, _ = strings.Cut(output(ctx, o.camring()+"-worker", "--version"), "\n")
	return e
}

func output(ctx context.Context, name string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// line is the first line of a file of the kernel's, "none" if there is no such file.
func line(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "none"
	}
	first, _, _ := strings.Cut(string(data), "\n")
	return first
}

func load() string {
	return strings.Join(strings.Fields(line("/proc/loadavg"))[:3], " ")
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}
