// SPDX-License-Identifier: Apache-2.0

package ring

import (
	"fmt"
	"strconv"
)

// Kind says what a ring file holds.
type Kind uint32

// The kinds of ring.
const (
	KindFrame  Kind = 1
	KindPacket Kind = 2
)

// Format is a pixel format. The first three have the predecessor's numbers.
type Format uint32

// The pixel formats.
const (
	FormatNV12  Format = 0
	FormatRGB   Format = 1
	FormatBGR   Format = 2
	FormatI420  Format = 3
	FormatGray8 Format = 4
)

// String returns the format's name as it stands in metadata records.
func (f Format) String() string {
	return nameOf([]string{"NV12", "RGB", "BGR", "I420", "GRAY8"}, uint32(f), "format")
}

// Codec is a video codec.
type Codec uint32

// The codecs.
const (
	CodecNone  Codec = 0
	CodecH264  Codec = 1
	CodecH265  Codec = 2
	CodecMJPEG Codec = 3
	CodecVP8   Codec = 4
	CodecVP9   Codec = 5
	CodecAV1   Codec = 6
	CodecMPEG4 Codec = 7
)

// String returns the codec's usual name in lower case.
func (c Codec) String() string {
	return nameOf([]string{"none", "h264", "h265", "mjpeg", "vp8", "vp9", "av1", "mpeg4"}, uint32(c), "codec")
}

// Range is the range of luma and chroma codes.
type Range uint32

// The ranges. Limited is 16-235 for luma and 16-240 for chroma.
const (
	RangeUnknown Range = 0
	RangeLimited Range = 1
	RangeFull    Range = 2
)

// String returns "unknown", "limited" or "full".
func (r Range) String() string {
	return nameOf([]string{"unknown", "limited", "full"}, uint32(r), "range")
}

// Clock says where a capture time comes from.
type Clock uint32

// The sources of capture times.
const (
	ClockUnknown   Clock = 0
	ClockArrival   Clock = 1
	ClockSender    Clock = 2
	ClockDevice    Clock = 3
	ClockRead      Clock = 4
	ClockSynthetic Clock = 5
)

// String returns the clock's name as it stands in metadata records.
func (c Clock) String() string {
	return nameOf([]string{"unknown", "arrival", "sender", "device", "read", "synthetic"}, uint32(c), "clock")
}

// Decoder says what decoded a frame.
type Decoder uint8

// The decoders.
const (
	DecoderNone     Decoder = 0
	DecoderSoftware Decoder = 1
)

// String returns the decoder's name.
func (d Decoder) String() string {
	return nameOf([]string{"none", "software"}, uint32(d), "decoder")
}

// Flags describe one record.
type Flags uint32

// The flags of a record; layout.h says what each means.
const (
	FlagKey           Flags = 1 << 0
	FlagSimilar       Flags = 1 << 1
	FlagCorrupt       Flags = 1 << 2
	FlagDiscontinuity Flags = 1 << 3
	FlagGap           Flags = 1 << 4
)

// State is the state of a camera, as its writer or the supervisor knows it.
type State uint32

// The states of a camera.
const (
	StateNone        State = 0
	StateConnecting  State = 1
	StatePriming     State = 2
	StateLive        State = 3
	StateStalled     State = 4
	StateBackoff     State = 5
	StateAuthFailed  State = 6
	StateUnsupported State = 7
	StateQuarantined State = 8
	StateDisabled    State = 9
	StateStopped     State = 10
	StateEnded       State = 11
)

var stateNames = []string{
	"none", "connecting", "priming", "live", "stalled", "backoff", "auth_failed",
	"unsupported", "quarantined", "disabled", "stopped", "ended",
}

// String returns the state's name in lower case, as the API shows it.
func (s State) String() string { return nameOf(stateNames, uint32(s), "state") }

// MarshalText makes JSON show the name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a name that [State.String] wrote.
func (s *State) UnmarshalText(text []byte) error {
	i, err := indexOf(stateNames, string(text), "state")
	*s = State(i)
	return err
}

// Reason says why a camera is in its state, or why pictures are missing.
type Reason uint32

// The reasons; layout.h has the same numbers.
const (
	ReasonNone           Reason = 0
	ReasonUnreachable    Reason = 1
	ReasonRefused        Reason = 2
	ReasonConnectionLost Reason = 3
	ReasonTimeout        Reason = 4
	ReasonNoPackets      Reason = 5
	ReasonNoFrames       Reason = 6
	ReasonBadCredentials Reason = 7
	ReasonNotFound       Reason = 8
	ReasonNoVideo        Reason = 9
	ReasonCodec          Reason = 10
	ReasonNotVideo       Reason = 11
	ReasonPermission     Reason = 12
	ReasonNoSpace        Reason = 13
	ReasonProtocol       Reason = 14
	ReasonRedirect       Reason = 15
	ReasonDecode         Reason = 16
	ReasonTooLarge       Reason = 17
	ReasonWorkerLost     Reason = 18
	ReasonReceiverLost   Reason = 19
	ReasonLapped         Reason = 20
	ReasonEndOfFile      Reason = 21
	ReasonShutdown       Reason = 22
	ReasonNoKeyframe     Reason = 23
	ReasonTLS            Reason = 24
	ReasonInternal       Reason = 25
)

var reasonNames = []string{
	"", "unreachable", "refused", "connection_lost", "timeout", "no_packets", "no_frames",
	"bad_credentials", "not_found", "no_video", "codec", "not_video", "permission", "no_space",
	"protocol", "redirect", "decode", "too_large", "worker_lost", "receiver_lost", "lapped",
	"end_of_file", "shutdown", "no_keyframe", "tls", "internal",
}

// String returns the reason's name in lower case; no reason is the empty string.
func (r Reason) String() string { return nameOf(reasonNames, uint32(r), "reason") }

// MarshalText makes JSON show the name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a name that [Reason.String] wrote.
func (r *Reason) UnmarshalText(text []byte) error {
	i, err := indexOf(reasonNames, string(text), "reason")
	*r = Reason(i)
	return err
}

// Counter is an index into the counters of a ring header.
type Counter int

// The counters; layout.h says what each counts.
const (
	CountPublished         Counter = 0
	CountGaps              Counter = 1
	CountCorrupt           Counter = 2
	CountDropNoSlot        Counter = 3
	CountDropDecode        Counter = 4
	CountDropNoKeyframe    Counter = 5
	CountDropLapped        Counter = 6
	CountDropRestart       Counter = 7
	CountDropTooLarge      Counter = 8
	CountDropMalformed     Counter = 9
	CountRTPLost           Counter = 10
	CountDecodedSilently   Counter = 11
	CountReaped            Counter = 12
	CountPutBack           Counter = 13
	CountBytes             Counter = 14
	CountWakes             Counter = 15
	CountDropNoSpace       Counter = 16
	CountKeyLost           Counter = 17
	counterNamesAreThisFar         = 18
)

var counterNames = []string{
	"published", "gaps", "corrupt", "drop_no_slot", "drop_decode", "drop_no_keyframe", "drop_lapped",
	"drop_restart", "drop_too_large", "drop_malformed", "rtp_lost", "decoded_silently", "reaped",
	"put_back", "bytes", "wakes", "drop_no_space", "key_lost",
}

var _ [counterNamesAreThisFar]string = [18]string(counterNames)

// String returns the counter's name, as metrics and the API show it.
func (c Counter) String() string { return nameOf(counterNames, uint32(c), "counter") }

// Drop reports whether the counter counts pictures that were not delivered.
func (c Counter) Drop() bool {
	switch c {
	case CountDropNoSlot, CountDropDecode, CountDropNoKeyframe, CountDropLapped, CountDropRestart,
		CountDropTooLarge, CountDropMalformed, CountDropNoSpace:
		return true
	}
	return false
}

// Counters is the number of counters that have a meaning.
const Counters = counterNamesAreThisFar

func nameOf(names []string, i uint32, what string) string {
	if int(i) < len(names) {
		return names[i]
	}
	return what + "(" + strconv.FormatUint(uint64(i), 10) + ")"
}

func indexOf(names []string, name, what string) (int, error) {
	for i, n := range names {
		if n == name {
			return i, nil
		}
	}
	return 0, fmt.Errorf("unknown %s %q", what, name)
}
