// SPDX-License-Identifier: Apache-2.0

// Package e2e tests camring as a user has it: the built programs, real processes, real ffmpeg and
// redis-server, cameras over real sockets. It contains tests only.
package e2e
