/* SPDX-License-Identifier: Apache-2.0 */

/* What differs between libav 5.1 and 8, in one place. Private to the shim. */

#ifndef CAMSHIM_COMPAT_H
#define CAMSHIM_COMPAT_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

/* AVPacket.opaque travels to AVFrame.opaque from libavcodec 60 on; before that only the context's
 * reordered_opaque does (gone in 61). */
#if LIBAVCODEC_VERSION_MAJOR >= 60
#define CSH_COPY_OPAQUE AV_CODEC_FLAG_COPY_OPAQUE
#else
#define CSH_COPY_OPAQUE 0
#endif

static inline void csh_packet_set_serial(AVCodecContext *ctx, AVPacket *packet, uint32_t serial)
{
#if LIBAVCODEC_VERSION_MAJOR >= 60
    (void)ctx;
    packet->opaque = (void *)(uintptr_t)serial;
#else
    (void)packet;
    ctx->reordered_opaque = serial;
#endif
}

static inline uint32_t csh_frame_serial(const AVFrame *frame)
{
#if LIBAVCODEC_VERSION_MAJOR >= 60
    return (uint32_t)(uintptr_t)frame->opaque;
#else
    return (uint32_t)frame->reordered_opaque;
#endif
}

/* AV_FRAME_FLAG_KEY came with libavutil 58.7, AVFrame.key_frame went with 60. */
static inline bool csh_frame_is_key(const AVFrame *frame)
{
#ifdef AV_FRAME_FLAG_KEY
    return (frame->flags & AV_FRAME_FLAG_KEY) != 0;
#else
    return frame->key_frame != 0;
#endif
}

/* Side data of a stream moved into its codec parameters with libavcodec 60.30. */
static inline const int32_t *csh_stream_matrix(const AVStream *stream)
{
    const uint8_t *data = NULL;
    size_t size = 0;
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 30, 100)
    const AVPacketSideData *side =
        av_packet_side_data_get(stream->codecpar->coded_side_data,
                                stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    if (side) {
        data = side->data;
        size = side->size;
    }
#else
    data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
#endif
    if (!data || size < 9 * sizeof(int32_t)) {
        return NULL;
    }
    /* libav allocates side data with the alignment of any type. */
    return (const int32_t *)(const void *)data;
}

#endif /* CAMSHIM_COMPAT_H */
