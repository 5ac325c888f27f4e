/* SPDX-License-Identifier: Apache-2.0 */

/* camshim: compressed pictures in, NV12 out. The only C that camring's Go code calls.
 *
 * Rules for every function in this header:
 *   - Returns >= 0 on success, a negative AVERROR code on failure.
 *   - Never calls back into Go; never blocks longer than the deadline it was given.
 *   - A handle belongs to one OS thread at a time. csh_interrupt() is the one exception.
 *   - Never keeps a pointer it was passed after it returns.
 *   - Out-structs are written completely on success and zeroed on failure.
 *   - close functions take the address of the handle, accept a NULL handle and null it.
 * Times are nanoseconds. Deadlines are absolute, CLOCK_MONOTONIC; 0 = none. In a csh_packet that
 * goes in, INT64_MIN is a time that the source does not give; what comes out always has one.
 * Works with libav 5.1 (Debian 12) to 8.x. */

#ifndef CAMSHIM_H
#define CAMSHIM_H

#include <stddef.h>
#include <stdint.h>

/* Codes, ranges and flags have the numbers of ring/layout.h (enum camring_codec, camring_range,
 * camring_flag); a test compares them. */
enum {
    CSH_CODEC_NONE = 0,
    CSH_CODEC_H264 = 1,
    CSH_CODEC_H265 = 2,
    CSH_CODEC_MJPEG = 3,
    CSH_CODEC_VP8 = 4,
    CSH_CODEC_VP9 = 5,
    CSH_CODEC_AV1 = 6,
    CSH_CODEC_MPEG4 = 7
};

enum { CSH_FLAG_KEY = 1u << 0, CSH_FLAG_CORRUPT = 1u << 2, CSH_FLAG_DISCONTINUITY = 1u << 3 };

/* Bytes that must be readable (and should be zero) behind a packet handed to csh_decoder_send. */
#define CSH_PADDING 64

typedef struct csh_limits {
    int64_t max_pixels; /* per picture, coded size; 0 = 64 Mi */
    int64_t max_alloc;  /* bytes per libav allocation; process-wide, last wins; 0 = 512 MiB */
    int32_t max_packet; /* bytes per compressed picture; 0 = 16 MiB */
    int32_t reserved;
} csh_limits;

typedef struct csh_packet {
    int64_t pts_ns;
    int64_t dts_ns;
    uint64_t tag; /* comes back in csh_frame.tag of the picture this packet begins */
    int32_t size; /* bytes */
    uint32_t flags;
} csh_packet;

/* A decoded picture that the decoder handle holds until the next send, receive, flush or close. */
typedef struct csh_frame {
    int64_t pts_ns;
    uint64_t tag;
    int64_t decoded_mono_ns;
    int32_t width; /* visible size */
    int32_t height;
    int32_t coded_width;
    int32_t coded_height;
    int32_t pix_fmt; /* AVPixelFormat of the decoder's output, for messages */
    int32_t codec;   /* CSH_CODEC_* */
    int32_t matrix;  /* ITU-T H.273 */
    int32_t primaries;
    int32_t transfer;
    int32_t range; /* 0 unknown, 1 limited, 2 full; yuvj formats count as full */
    int32_t chroma_location;
    int32_t rotation; /* quarter turns clockwise */
    int32_t exact; /* 1: NV12 has the decoder's samples unchanged; 0: it has not (chroma, depth) */
    uint32_t flags;
} csh_frame;

/* Where an NV12 picture goes: two planes in caller memory. */
typedef struct csh_nv12 {
    uint64_t y_offset; /* from base */
    uint64_t uv_offset;
    uint32_t y_stride; /* bytes */
    uint32_t uv_stride;
} csh_nv12;

/* One video stream of a container. */
typedef struct csh_stream {
    int32_t codec; /* CSH_CODEC_*, CSH_CODEC_NONE if libav knows it and camring does not */
    int32_t width; /* as the container says; 0 = unknown */
    int32_t height;
    int32_t fps_num; /* average; 0/0 = unknown */
    int32_t fps_den;
    int32_t reserved;
    int64_t duration_ns; /* 0 = unknown */
    int64_t start_ns;
    char codec_name[32]; /* libav's name, for messages */
} csh_stream;

typedef struct csh_decoder csh_decoder;
typedef struct csh_demuxer csh_demuxer;

/** Library versions as "libavcodec 59.37.100, …", NUL-terminated, cut at cap. */
int csh_versions(char *buf, size_t cap);

/** Text for a negative code, NUL-terminated, cut at cap. */
int csh_strerror(int code, char *buf, size_t cap);

/**
 * Quiet (level < 0) or set libav's own log level. Process-wide; call once, first: it also lets the
 * shim count libav's complaints, without which concealed damage goes unmarked and a picture above
 * max_pixels is AVERROR_INVALIDDATA instead of AVERROR(E2BIG).
 */
int csh_set_log_level(int level);

/** 1 if the installed libav can decode the codec, else 0. */
int csh_have_decoder(int32_t codec);

/**
 * Open a decoder for packets: one thread, low delay, software.
 *
 * @return AVERROR_DECODER_NOT_FOUND if libav lacks the codec.
 */
int csh_decoder_open(csh_decoder **out, int32_t codec, const csh_limits *limits);

/**
 * Send one access unit and fetch a picture if one is ready.
 *
 * data has CSH_PADDING readable bytes behind size. May be called with size 0 and data NULL to
 * begin draining at the end of a stream; then call csh_decoder_receive until AVERROR_EOF.
 *
 * After 1, call csh_decoder_receive until it returns 0: a send before that may be answered
 * AVERROR(EAGAIN), the packet not taken.
 *
 * @return 1 with *frame filled, 0 if the decoder wants more, AVERROR_INVALIDDATA if it refused the
 *         packet (go on with the next one), AVERROR(E2BIG) above a limit.
 */
int csh_decoder_send(csh_decoder *d, const uint8_t *data, size_t size, const csh_packet *packet,
                     csh_frame *frame);

/** Fetch a further picture. @return 1, 0 or AVERROR_EOF as csh_decoder_send. */
int csh_decoder_receive(csh_decoder *d, csh_frame *frame);

/**
 * Write the held picture as NV12, one pass, no intermediate copy for 4:2:0 input; no range or
 * matrix conversion ever. Odd sizes have (width + 1) / 2 chroma pairs and (height + 1) / 2 chroma
 * rows.
 *
 * @return AVERROR(ENOSPC) if a plane would leave [base, base + cap), AVERROR(EINVAL) if no picture
 *         is held, AVERROR_PATCHWELCOME for a pixel format nobody converts.
 */
int csh_decoder_nv12(csh_decoder *d, uint8_t *base, size_t cap, const csh_nv12 *planes);

/** Forget everything sent so far, keep the decoder open. */
int csh_decoder_flush(csh_decoder *d);

int csh_decoder_close(csh_decoder **d);

/**
 * Open a local regular file (symlinks followed, nothing else but a regular file) and pick its first
 * video stream. Protocols: file only. Formats: an allow-list of containers and raw streams.
 *
 * @return AVERROR_INVALIDDATA if it is no known container, AVERROR_STREAM_NOT_FOUND if it has no
 *         video, AVERROR(EISDIR) or AVERROR(EINVAL) for a directory, device or pipe,
 *         AVERROR(ETIMEDOUT) after the deadline, AVERROR_EXIT after csh_interrupt().
 */
int csh_demuxer_open(csh_demuxer **out, const char *path, int64_t deadline_ns,
                     const csh_limits *limits, csh_stream *stream);

/** Open a decoder for the demuxer's stream, with its out-of-band parameters. */
int csh_demuxer_decoder(csh_demuxer *m, const csh_limits *limits, csh_decoder **out);

/**
 * Read the next packet of the stream, send it to d and fetch a picture if one is ready: one
 * crossing per packet. tag is given to the packet. A picture still waiting in the decoder comes
 * first, and no packet is read. At the end of the file the decoder is drained: each call returns
 * one remaining picture, then AVERROR_EOF. A deadline that has passed before anything is read loses
 * nothing; after one that passes later only rewind and close are of use.
 *
 * @param packet  out: what was read (size 0 if nothing was); may not be NULL.
 * @return as csh_decoder_send, or AVERROR_EOF, AVERROR(ETIMEDOUT), AVERROR_EXIT.
 */
int csh_demuxer_next(csh_demuxer *m, csh_decoder *d, uint64_t tag, int64_t deadline_ns,
                     csh_packet *packet, csh_frame *frame);

/** Go back to the first picture. The caller flushes the decoder. */
int csh_demuxer_rewind(csh_demuxer *m);

/** Make the call in flight, and all later ones, return AVERROR_EXIT. Any thread. */
int csh_interrupt(csh_demuxer *m);

int csh_demuxer_close(csh_demuxer **m);

#endif /* CAMSHIM_H */
