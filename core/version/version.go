// SPDX-License-Identifier: Apache-2.0

// Package version says which camring this is.
package version

// Version is set by the linker from git describe; "dev" for a plain go build.
var Version = "dev"
