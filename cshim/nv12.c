/* SPDX-License-Identifier: Apache-2.0 */

/* The held picture as NV12 in the caller's memory. Samples are moved, subsampled or narrowed; range
 * and matrix never change.
 *
 * Chroma of 4:2:2 is the rounded mean of two rows, of 4:4:4 the rounded mean of 2x2 samples; a last
 * odd row or column stands for itself. Samples of more than 8 bits lose their low bits. YUV formats
 * that libyuv lacks go through swscale, without dither. */

#include "decoder.h"

#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <libyuv/convert.h>
#include <libyuv/convert_from.h>
#include <libyuv/planar_functions.h>
#include <limits.h>

/* Where the planes are, checked against the caller's memory. */
typedef struct target {
    uint8_t *y;
    uint8_t *uv;
    int y_stride;
    int uv_stride;
    int width;
    int height;
    int pairs; /* chroma samples of a row */
    int rows;  /* chroma rows */
} target;

bool csh_nv12_exact(enum AVPixelFormat format)
{
    switch (format) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVA420P: /* alpha is left out */
    case AV_PIX_FMT_NV12:
    case AV_PIX_FMT_NV21:
    case AV_PIX_FMT_GRAY8: /* neutral chroma is added */
        return true;
    default:
        return false;
    }
}

/* Whether a plane of rows rows, each of length bytes, stays inside cap. */
static bool fits(size_t cap, uint64_t offset, uint32_t stride, int length, int rows)
{
    if (stride > INT_MAX || stride < (uint32_t)length || offset > cap) {
        return false;
    }
    /* Both factors have at most 31 bits. */
    const uint64_t need = (uint64_t)stride * (uint64_t)(rows - 1) + (uint64_t)length;
    return need <= cap - offset;
}

static int place(const AVFrame *frame, uint8_t *base, size_t cap, const csh_nv12 *planes,
                 target *out)
{
    const int width = frame->width;
    const int height = frame->height;
    if (width <= 0 || height <= 0 || width > INT_MAX / 2 - 1 || height > INT_MAX - 1) {
        return AVERROR_INVALIDDATA;
    }
    const int pairs = (width + 1) / 2;
    const int rows = (height + 1) / 2;
    if (!fits(cap, planes->y_offset, planes->y_stride, width, height) ||
        !fits(cap, planes->uv_offset, planes->uv_stride, 2 * pairs, rows)) {
        return AVERROR(ENOSPC);
    }
    *out = (target){
        .y = base + planes->y_offset,
        .uv = base + planes->uv_offset,
        .y_stride = (int)planes->y_stride,
        .uv_stride = (int)planes->uv_stride,
        .width = width,
        .height = height,
        .pairs = pairs,
        .rows = rows,
    };
    return 0;
}

/* libyuv answers -1 to arguments it cannot take. */
static int yuv_result(int ret) { return ret == 0 ? 0 : AVERROR_EXTERNAL; }

static void copy_luma(const AVFrame *f, const target *t)
{
    CopyPlane(f->data[0], f->linesize[0], t->y, t->y_stride, t->width, t->height);
}

static int from_gray(const AVFrame *f, const target *t)
{
    copy_luma(f, t);
    SetPlane(t->uv, t->uv_stride, 2 * t->pairs, t->rows, 128);
    return 0;
}

static int from_nv12(const AVFrame *f, const target *t)
{
    copy_luma(f, t);
    CopyPlane(f->data[1], f->linesize[1], t->uv, t->uv_stride, 2 * t->pairs, t->rows);
    return 0;
}

static int from_nv21(const AVFrame *f, const target *t)
{
    copy_luma(f, t);
    SwapUVPlane(f->data[1], f->linesize[1], t->uv, t->uv_stride, t->pairs, t->rows);
    return 0;
}

static int from_i420(const AVFrame *f, const target *t)
{
    return yuv_result(I420ToNV12(f->data[0], f->linesize[0], f->data[1], f->linesize[1], f->data[2],
                                 f->linesize[2], t->y, t->y_stride, t->uv, t->uv_stride, t->width,
                                 t->height));
}

/* There is only a function to NV21: with U and V exchanged it writes NV12. Of an odd height it
 * would resample all of the chroma, so the last row goes by itself. */
static int from_i422(const AVFrame *f, const target *t)
{
    const int paired = t->height & ~1;
    if (paired > 0) {
        const int ret =
            I422ToNV21(f->data[0], f->linesize[0], f->data[2], f->linesize[2], f->data[1],
                       f->linesize[1], t->y, t->y_stride, t->uv, t->uv_stride, t->width, paired);
        if (ret != 0) {
            return yuv_result(ret);
        }
    }
    if (paired < t->height) {
        const ptrdiff_t row = paired;
        CopyPlane(f->data[0] + row * f->linesize[0], f->linesize[0], t->y + row * t->y_stride,
                  t->y_stride, t->width, 1);
        MergeUVPlane(f->data[1] + row * f->linesize[1], f->linesize[1],
                     f->data[2] + row * f->linesize[2], f->linesize[2],
                     t->uv + row / 2 * t->uv_stride, t->uv_stride, t->pairs, 1);
    }
    return 0;
}

static int from_i444(const AVFrame *f, const target *t)
{
    return yuv_result(I444ToNV12(f->data[0], f->linesize[0], f->data[1], f->linesize[1], f->data[2],
                                 f->linesize[2], t->y, t->y_stride, t->uv, t->uv_stride, t->width,
                                 t->height));
}

/* libav's planes of 16-bit samples are aligned for them, cropped or not. */
static const uint16_t *wide(const uint8_t *p) { return (const uint16_t *)(const void *)p; }

/* Planar 4:2:0 of depth bits in the low end of 16. */
static int from_wide_i420(csh_decoder *d, const AVFrame *f, const target *t, int depth)
{
    const int scale = 1 << (24 - depth); /* libyuv multiplies and keeps the bits above 16 */
    const size_t need = 2 * (size_t)t->pairs;
    if (d->rows_size < need) {
        av_freep(&d->rows);
        d->rows_size = 0;
        d->rows = av_malloc(need);
        if (!d->rows) {
            return AVERROR(ENOMEM);
        }
        d->rows_size = need;
    }
    uint8_t *u = d->rows;
    uint8_t *v = d->rows + t->pairs;
    Convert16To8Plane(wide(f->data[0]), f->linesize[0] / 2, t->y, t->y_stride, scale, t->width,
                      t->height);
    for (int row = 0; row < t->rows; row++) {
        const ptrdiff_t from_u = (ptrdiff_t)row * f->linesize[1];
        const ptrdiff_t from_v = (ptrdiff_t)row * f->linesize[2];
        Convert16To8Plane(wide(f->data[1] + from_u), f->linesize[1] / 2, u, t->pairs, scale,
                          t->pairs, 1);
        Convert16To8Plane(wide(f->data[2] + from_v), f->linesize[2] / 2, v, t->pairs, scale,
                          t->pairs, 1);
        MergeUVPlane(u, t->pairs, v, t->pairs, t->uv + (ptrdiff_t)row * t->uv_stride, t->uv_stride,
                     t->pairs, 1);
    }
    return 0;
}

/* The format without its range: swscale takes yuvj for an order to convert. */
static enum AVPixelFormat without_range(enum AVPixelFormat format)
{
    switch (format) {
    case AV_PIX_FMT_YUVJ440P:
        return AV_PIX_FMT_YUV440P;
    case AV_PIX_FMT_YUVJ411P:
        return AV_PIX_FMT_YUV411P;
    default:
        return format;
    }
}

static bool is_yuv(enum AVPixelFormat format)
{
    const AVPixFmtDescriptor *desc = av_pix_fmt_desc_get(format);
    const uint64_t others = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_HWACCEL |
                            AV_PIX_FMT_FLAG_BAYER | AV_PIX_FMT_FLAG_BITSTREAM;
    return desc && desc->nb_components >= 1 && !(desc->flags & others) &&
           sws_isSupportedInput(format);
}

/* A scaler for the format and size, kept until one of them changes. */
static int prepare_scaler(csh_decoder *d, enum AVPixelFormat format, int width, int height)
{
    int ret = 0;
    if (d->sws && d->scratch->width == width && d->scratch->height == height &&
        d->sws_format == (int)format) {
        return 0;
    }
    sws_freeContext(d->sws);
    d->sws = sws_alloc_context();
    av_frame_free(&d->scratch);
    d->scratch = av_frame_alloc();
    if (!d->sws || !d->scratch) {
        ret = AVERROR(ENOMEM);
        goto fail;
    }
    d->scratch->format = AV_PIX_FMT_NV12;
    d->scratch->width = width;
    d->scratch->height = height;
    ret = av_frame_get_buffer(d->scratch, 64);
    if (ret < 0) {
        goto fail;
    }
    const struct {
        const char *name;
        int64_t value;
    } options[] = {
        {"srcw", width},  {"srch", height}, {"src_format", format},
        {"dstw", width},  {"dsth", height}, {"dst_format", AV_PIX_FMT_NV12},
        {"src_range", 0}, {"dst_range", 0}, {"sws_flags", SWS_AREA | SWS_ACCURATE_RND},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        ret = av_opt_set_int(d->sws, options[i].name, options[i].value, 0);
        if (ret < 0) {
            goto fail;
        }
    }
    ret = av_opt_set(d->sws, "sws_dither", "none", 0);
    if (ret >= 0) {
        ret = sws_init_context(d->sws, NULL, NULL);
    }
    if (ret < 0) {
        goto fail;
    }
    /* One matrix and one range on both sides: nothing to convert. */
    const int *matrix = sws_getCoefficients(SWS_CS_DEFAULT);
    (void)sws_setColorspaceDetails(d->sws, matrix, 0, matrix, 0, 0, 1 << 16, 1 << 16);
    d->sws_format = (int)format;
    return 0;

fail:
    sws_freeContext(d->sws);
    d->sws = NULL;
    av_frame_free(&d->scratch);
    return ret;
}

/* Through memory of swscale's own: it may write past the end of a row. */
static int from_other(csh_decoder *d, const AVFrame *f, const target *t)
{
    const enum AVPixelFormat format = without_range((enum AVPixelFormat)f->format);
    if (!is_yuv(format)) {
        return AVERROR_PATCHWELCOME;
    }
    int ret = prepare_scaler(d, format, t->width, t->height);
    if (ret < 0) {
        return ret;
    }
    ret = sws_scale(d->sws, (const uint8_t *const *)f->data, f->linesize, 0, t->height,
                    d->scratch->data, d->scratch->linesize);
    return ret < 0 ? ret : from_nv12(d->scratch, t);
}

int csh_decoder_nv12(csh_decoder *d, uint8_t *base, size_t cap, const csh_nv12 *planes)
{
    if (!d || !base || !planes || !d->held) {
        return AVERROR(EINVAL);
    }
    const AVFrame *f = d->frame;
    target t = {0};
    int ret = place(f, base, cap, planes, &t);
    if (ret < 0) {
        return ret;
    }
    switch (f->format) {
    case AV_PIX_FMT_YUV420P:
    case AV_PIX_FMT_YUVJ420P:
    case AV_PIX_FMT_YUVA420P:
        return from_i420(f, &t);
    case AV_PIX_FMT_YUV422P:
    case AV_PIX_FMT_YUVJ422P:
        return from_i422(f, &t);
    case AV_PIX_FMT_YUV444P:
    case AV_PIX_FMT_YUVJ444P:
        return from_i444(f, &t);
    case AV_PIX_FMT_YUV420P10:
        return from_wide_i420(d, f, &t, 10);
    case AV_PIX_FMT_YUV420P12:
        return from_wide_i420(d, f, &t, 12);
    case AV_PIX_FMT_NV12:
        return from_nv12(f, &t);
    case AV_PIX_FMT_NV21:
        return from_nv21(f, &t);
    case AV_PIX_FMT_GRAY8:
        return from_gray(f, &t);
    default:
        return from_other(d, f, &t);
    }
}
