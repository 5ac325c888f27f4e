/* SPDX-License-Identifier: Apache-2.0 */

/* Packets in, pictures out. */

/* clock_gettime, open flags: -std=c11 alone hides POSIX. */
#define _POSIX_C_SOURCE 200809L

#include "decoder.h"

#include "compat.h"

#include <inttypes.h>
#include <libavutil/mem.h>
#include <libswscale/swscale.h>
#include <string.h>
#include <time.h>

static const AVRational nanoseconds = {1, 1000000000};

/* One picture at 25 per second, for streams that do not tell their rate. */
static const int64_t default_duration_ns = 40000000;

int64_t csh_now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

csh_limits csh_limits_resolve(const csh_limits *limits)
{
    csh_limits out = {0};
    if (limits) {
        out = *limits;
    }
    if (out.max_pixels <= 0) {
        out.max_pixels = INT64_C(64) << 20;
    }
    if (out.max_alloc <= 0) {
        out.max_alloc = INT64_C(512) << 20;
    }
    if (out.max_packet <= 0) {
        out.max_packet = 16 << 20;
    }
    av_max_alloc((size_t)out.max_alloc);
    return out;
}

/* Low delay everywhere but in MPEG-4, where libav's flag overrules the stream: pictures then come
 * out in decoding order. Elsewhere the flag leaves the reordering that the stream asks for alone,
 * and streams without B-frames have no delay either way. */
static int context_flags(int32_t codec)
{
    int flags = AV_CODEC_FLAG_OUTPUT_CORRUPT /* damaged pictures are marked, not hidden */
                | AV_CODEC_FLAG_UNALIGNED    /* crop exactly; libyuv needs no alignment */
                | CSH_COPY_OPAQUE;
    if (codec != CSH_CODEC_MPEG4) {
        flags |= AV_CODEC_FLAG_LOW_DELAY;
    }
    return flags;
}

int csh_decoder_create(csh_decoder **out, int32_t codec, const csh_limits *limits,
                       const AVCodecParameters *parameters)
{
    int ret = AVERROR(ENOMEM);
    const csh_limits bounds = csh_limits_resolve(limits);
    const AVCodec *found = csh_codec_find(codec);
    csh_decoder *d = NULL;

    if (!found) {
        return AVERROR_DECODER_NOT_FOUND;
    }
    d = av_mallocz(sizeof *d);
    if (!d) {
        return AVERROR(ENOMEM);
    }
    d->codec = codec;
    d->max_packet = bounds.max_packet;
    d->duration_ns = default_duration_ns;
    d->ctx = avcodec_alloc_context3(found);
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    if (!d->ctx || !d->packet || !d->frame) {
        goto fail;
    }
    if (parameters) {
        ret = avcodec_parameters_to_context(d->ctx, parameters);
        if (ret < 0) {
            goto fail;
        }
    }
    d->ctx->opaque = d;
    d->ctx->thread_count = 1;
    d->ctx->max_pixels = bounds.max_pixels;
    d->ctx->pkt_timebase = nanoseconds;
    d->ctx->flags |= context_flags(codec);
    ret = avcodec_open2(d->ctx, found, NULL);
    if (ret < 0) {
        ret = d->too_large ? AVERROR(E2BIG) : ret;
        goto fail;
    }
    *out = d;
    return 0;

fail:
    (void)csh_decoder_close(&d);
    return ret;
}

int csh_decoder_open(csh_decoder **out, int32_t codec, const csh_limits *limits)
{
    if (!out) {
        return AVERROR(EINVAL);
    }
    *out = NULL;
    return csh_decoder_create(out, codec, limits, NULL);
}

/* Drop the picture held. */
static void release(csh_decoder *d)
{
    if (d->held) {
        av_frame_unref(d->frame);
        d->held = false;
    }
}

/* libav's verdict on a packet, as the header promises it. */
static int verdict(const csh_decoder *d, int ret)
{
    if (d->too_large) {
        return AVERROR(E2BIG);
    }
    switch (ret) {
    case AVERROR_EOF:
    case AVERROR(ENOMEM):
    case AVERROR(EAGAIN):
        return ret;
    case AVERROR(ERANGE): /* dav1d's limit on the size of a picture */
        return AVERROR(E2BIG);
    default:
        return AVERROR_INVALIDDATA;
    }
}

/* Note the complaints of a call under the packet that caused them. */
static void blame(csh_decoder *d, uint32_t errors_before)
{
    csh_sent *sent = &d->sent[d->serial % CSH_IN_FLIGHT];
    if (d->errors != errors_before && sent->serial == d->serial) {
        sent->flags |= CSH_FLAG_CORRUPT;
    }
}

int csh_decoder_receive(csh_decoder *d, csh_frame *frame)
{
    if (!frame) {
        return AVERROR(EINVAL);
    }
    memset(frame, 0, sizeof *frame);
    if (!d) {
        return AVERROR(EINVAL);
    }
    release(d);
    d->too_large = false;
    d->more = false;
    const uint32_t errors = d->errors;
    int ret = avcodec_receive_frame(d->ctx, d->frame);
    blame(d, errors);
    if (ret == AVERROR(EAGAIN)) {
        /* A size that was refused may show only as the absence of a picture. */
        return d->too_large ? AVERROR(E2BIG) : 0;
    }
    if (ret < 0) {
        return verdict(d, ret);
    }
    d->held = true;
    d->more = true;
    csh_frame_describe(d, frame);
    return 1;
}

/* Start draining; a second time is not an error. */
static int drain(csh_decoder *d)
{
    if (d->draining) {
        return 0;
    }
    int ret = avcodec_send_packet(d->ctx, NULL);
    if (ret < 0 && ret != AVERROR_EOF) {
        return verdict(d, ret);
    }
    d->draining = true;
    return 0;
}

int csh_decoder_push(csh_decoder *d, AVPacket *packet, uint64_t tag, uint32_t flags,
                     csh_frame *frame)
{
    release(d);
    d->too_large = false;
    const uint32_t errors = d->errors;
    const uint32_t serial = d->serial == UINT32_MAX ? 1 : d->serial + 1;
    csh_packet_set_serial(d->ctx, packet, serial);
    d->sent[serial % CSH_IN_FLIGHT] = (csh_sent){
        .tag = tag,
        .serial = serial,
        .flags = flags & (CSH_FLAG_CORRUPT | CSH_FLAG_DISCONTINUITY),
    };
    d->serial = serial;
    int ret = avcodec_send_packet(d->ctx, packet);
    blame(d, errors);
    if (ret < 0) {
        return verdict(d, ret);
    }
    if (d->too_large) {
        return AVERROR(E2BIG);
    }
    return csh_decoder_receive(d, frame);
}

int csh_decoder_send(csh_decoder *d, const uint8_t *data, size_t size, const csh_packet *packet,
                     csh_frame *frame)
{
    if (!frame) {
        return AVERROR(EINVAL);
    }
    memset(frame, 0, sizeof *frame);
    if (!d) {
        return AVERROR(EINVAL);
    }
    if (size == 0) {
        int ret = drain(d);
        return ret < 0 ? ret : csh_decoder_receive(d, frame);
    }
    if (!data || !packet) {
        return AVERROR(EINVAL);
    }
    if (size > (size_t)d->max_packet) {
        return AVERROR(E2BIG);
    }
    /* Without a buffer reference libav copies the bytes, so nothing of the caller's is kept; the
     * cast is sound because it only reads them. */
    union {
        const uint8_t *in;
        uint8_t *out;
    } bytes = {.in = data};
    d->packet->data = bytes.out;
    d->packet->size = (int)size;
    d->packet->pts = packet->pts_ns;
    d->packet->dts = packet->dts_ns;
    d->packet->flags = (packet->flags & CSH_FLAG_KEY) ? AV_PKT_FLAG_KEY : 0;
    int ret = csh_decoder_push(d, d->packet, packet->tag, packet->flags, frame);
    av_packet_unref(d->packet);
    return ret;
}

int csh_decoder_flush(csh_decoder *d)
{
    if (!d) {
        return AVERROR(EINVAL);
    }
    release(d);
    avcodec_flush_buffers(d->ctx);
    d->draining = false;
    d->more = false;
    d->has_last_pts = false;
    memset(d->sent, 0, sizeof d->sent);
    return 0;
}

int csh_decoder_close(csh_decoder **handle)
{
    if (!handle) {
        return AVERROR(EINVAL);
    }
    csh_decoder *d = *handle;
    *handle = NULL;
    if (!d) {
        return 0;
    }
    avcodec_free_context(&d->ctx);
    av_packet_free(&d->packet);
    av_frame_free(&d->frame);
    av_frame_free(&d->scratch);
    sws_freeContext(d->sws);
    av_free(d->rows);
    av_free(d);
    return 0;
}
