/* SPDX-License-Identifier: Apache-2.0 */

/* The decoder handle. Private to the shim. */

#ifndef CAMSHIM_DECODER_H
#define CAMSHIM_DECODER_H

#include "camshim.h"

#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>
#include <stdbool.h>

struct SwsContext;

/* Packets that may be inside the decoder at once, a power of two. The longest delay is H.264's: 16
 * frames, two packets each if fields come apart. */
#define CSH_IN_FLIGHT 128u

/* What the shim remembers of a packet until its picture comes out. */
typedef struct csh_sent {
    uint64_t tag;
    uint32_t serial;
    uint32_t flags; /* of the packet, plus CSH_FLAG_CORRUPT if libav complained about it */
} csh_sent;

struct csh_decoder {
    AVCodecContext *ctx;
    AVPacket *packet;
    AVFrame *frame;   /* the picture held, or blank */
    AVFrame *scratch; /* swscale's output; allocated on first use */
    struct SwsContext *sws;
    int sws_format; /* AVPixelFormat that sws and scratch are for */
    uint8_t *rows;  /* two rows of chroma while samples are narrowed */
    size_t rows_size;
    int32_t codec;
    int32_t max_packet;
    int32_t rotation;    /* of the container; a picture's own replaces it */
    int64_t duration_ns; /* of one picture, for pictures without a time */
    int64_t last_pts_ns;
    bool has_last_pts;
    bool held; /* frame has a picture */
    bool more; /* the last call returned a picture, so another one may be waiting */
    bool draining;
    uint32_t errors; /* libav's error messages about this context, see log.c */
    bool too_large;  /* one of them refused the size of a picture */
    uint32_t serial; /* of the packet sent last; 0 = none */
    csh_sent sent[CSH_IN_FLIGHT];
};

/* Fill in defaults; apply the process-wide part. */
csh_limits csh_limits_resolve(const csh_limits *limits);

/* libav's id for a CSH_CODEC_*, and back; unknown ones are CSH_CODEC_NONE and AV_CODEC_ID_NONE. */
enum AVCodecID csh_codec_id(int32_t codec);
int32_t csh_codec_from_id(enum AVCodecID id);

/* A software decoder for the codec, or NULL. */
const AVCodec *csh_codec_find(int32_t codec);

/* Open a decoder with a container's parameters (parameters may be NULL). */
int csh_decoder_create(csh_decoder **out, int32_t codec, const csh_limits *limits,
                       const AVCodecParameters *parameters);

/* Send packet, whose times are nanoseconds or AV_NOPTS_VALUE, and fetch a picture. */
int csh_decoder_push(csh_decoder *d, AVPacket *packet, uint64_t tag, uint32_t flags,
                     csh_frame *frame);

/* Describe the picture held; 1 unless its format cannot be described. */
void csh_frame_describe(csh_decoder *d, csh_frame *out);

/* Whether NV12 has the samples of this format unchanged. */
bool csh_nv12_exact(enum AVPixelFormat format);

/* Quarter turns clockwise for a display matrix. */
int32_t csh_rotation(const int32_t matrix[9]);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t csh_now_ns(void);

#endif /* CAMSHIM_DECODER_H */
