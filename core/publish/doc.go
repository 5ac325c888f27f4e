// SPDX-License-Identifier: Apache-2.0

// Package publish sends the metadata of published frames to Redis Streams: one record per frame,
// one stream per camera, one pipeline per batch interval over all cameras.
//
// Start with [New], [Publisher.Add] the cameras and call [Publisher.Run]. [StartPrivate] provides a
// Redis where none is configured, [ParseURL] names one that is. docs/metadata.md lists the fields.
//
// # Nothing is queued here
//
// A record stays in its camera's frame ring until Redis has confirmed it; the publisher only keeps
// a position per camera. A Redis that is down, slow, full or forbidding costs nobody anything: the
// position stands still. What the ring overwrites meanwhile becomes one gap record.
//
// # Exactly once
//
// The id of a record is <ring creation in milliseconds>-<sequence>, so Redis itself refuses a second
// copy. After every connect, and so after every failure that leaves open what was stored, the last
// generated id of each stream is read and sending resumes behind it. A stream whose last id is in the
// future of the ring (a clock stepped back, another program added to it) is continued with the
// milliseconds after that id.
//
// # Threads
//
// Run's goroutine owns the connection and every Records; rueidis is used in its synchronous mode, so
// it adds no goroutine and one DoMulti is one write. Add, Remove and Stats may be called from any
// goroutine and never wait for Redis.
package publish
