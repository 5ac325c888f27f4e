/* SPDX-License-Identifier: Apache-2.0 */

/* What a decoded picture is: its description, without its samples. */

#include "decoder.h"

#include "compat.h"

#include <libavutil/pixdesc.h>
#include <math.h>

int32_t csh_rotation(const int32_t matrix[9])
{
    const double degrees = av_display_rotation_get(matrix); /* counterclockwise */
    if (isnan(degrees)) {
        return 0;
    }
    const long quarters = lround(-degrees / 90.0);
    return (int32_t)(((quarters % 4) + 4) % 4);
}

static int32_t rotation_of(const csh_decoder *d, const AVFrame *frame)
{
    const AVFrameSideData *side = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX);
    if (!side || side->size < 9 * sizeof(int32_t)) {
        return d->rotation;
    }
    return csh_rotation((const int32_t *)(const void *)side->data);
}

/* The picture's time. One that the stream does not give is derived from the decoding time where
 * that goes forward, else from the picture before and the frame rate. */
static int64_t time_of(csh_decoder *d, const AVFrame *frame)
{
    int64_t pts = frame->pts;
    if (pts == AV_NOPTS_VALUE) {
        pts = frame->best_effort_timestamp;
        if (pts == AV_NOPTS_VALUE || (d->has_last_pts && pts <= d->last_pts_ns)) {
            pts = d->has_last_pts ? d->last_pts_ns + d->duration_ns : 0;
        }
    }
    d->last_pts_ns = pts;
    d->has_last_pts = true;
    return pts;
}

/* The deprecated yuvj formats say full range by their name, whatever the field says. */
static int32_t range_of(const AVFrame *frame)
{
    switch (frame->format) {
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVJ422P:
    case AV_PIX_FMT_YUVJ444P:
    case AV_PIX_FMT_YUVJ440P:
    case AV_PIX_FMT_YUVJ411P:
        return 2;
    default:
        break;
    }
    switch (frame->color_range) {
    case AVCOL_RANGE_MPEG:
        return 1;
    case AVCOL_RANGE_JPEG:
        return 2;
    default:
        return 0;
    }
}

/* libav's coded size where it makes sense: some decoders leave it at that of the container. */
static int32_t coded(int size, int visible) { return size >= visible ? size : (visible + 1) & ~1; }

void csh_frame_describe(csh_decoder *d, csh_frame *out)
{
    const AVFrame *frame = d->frame;
    const uint32_t serial = csh_frame_serial(frame);
    const csh_sent *sent = &d->sent[serial % CSH_IN_FLIGHT];
    const bool known = serial != 0 && sent->serial == serial;

    out->pts_ns = time_of(d, frame);
    out->tag = known ? sent->tag : 0;
    out->decoded_mono_ns = csh_now_ns();
    out->width = frame->width;
    out->height = frame->height;
    out->coded_width = coded(d->ctx->coded_width, frame->width);
    out->coded_height = coded(d->ctx->coded_height, frame->height);
    out->pix_fmt = frame->format;
    out->codec = d->codec;
    out->matrix = (int32_t)frame->colorspace;
    out->primaries = (int32_t)frame->color_primaries;
    out->transfer = (int32_t)frame->color_trc;
    out->range = range_of(frame);
    out->chroma_location = (int32_t)frame->chroma_location;
    out->rotation = rotation_of(d, frame);
    out->exact = csh_nv12_exact((enum AVPixelFormat)frame->format) ? 1 : 0;
    out->flags = known ? sent->flags : 0;
    if (csh_frame_is_key(frame)) {
        out->flags |= CSH_FLAG_KEY;
    }
    if ((frame->flags & AV_FRAME_FLAG_CORRUPT) || frame->decode_error_flags) {
        out->flags |= CSH_FLAG_CORRUPT;
    }
}
