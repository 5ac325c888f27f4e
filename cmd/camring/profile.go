// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pkg/profile"
)

var profiles = map[string]func(*profile.Profile){
	"cpu": profile.CPUProfile, "mem": profile.MemProfile, "mutex": profile.MutexProfile, "block": profile.BlockProfile,
	"trace": profile.TraceProfile, "goroutine": profile.GoroutineProfile, "threads": profile.ThreadcreationProfile,
}

func profileKinds() []string { return slices.Sorted(maps.Keys(profiles)) }

// startProfile begins to profile this process into the current directory; the function it returns
// writes the file.
func startProfile(kind string) (func(), error) {
	if kind == "" {
		return func() {}, nil
	}
	mode, ok := profiles[kind]
	if !ok {
		return nil, fmt.Errorf("--profile %q: must be one of %s", kind, strings.Join(profileKinds(), ", "))
	}
	return profile.Start(mode, profile.ProfilePath("."), profile.NoShutdownHook, profile.Quiet).Stop, nil
}
