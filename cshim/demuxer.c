/* SPDX-License-Identifier: Apache-2.0 */

/* A container's first video stream, packet by packet. */

#include "compat.h"
#include "decoder.h"
#include "source.h"

#include <libavutil/avstring.h>
#include <libavutil/dict.h>
#include <libavutil/mem.h>
#include <stdio.h>
#include <string.h>

struct csh_demuxer {
    csh_source source;
    AVFormatContext *format;
    AVIOContext *io;
    AVPacket *packet;
    csh_limits limits;
    AVRational time_base;
    int stream;
    int64_t duration_ns; /* of one picture; 0 = unknown */
    int64_t first_dts;   /* of the stream, in time_base */
    int64_t last_dts_ns;
    bool started; /* a packet has been read, first_dts is set */
    bool has_last_dts;
    bool ended;
};

/* Containers and raw streams; nothing that refers to other files, no image sequences. */
static const char format_allow_list[] = "mov,matroska,webm,mpegts,mpeg,avi,flv,ivf,obu,av1,"
                                        "h264,hevc,mjpeg,m4v";

static const AVRational nanoseconds = {1, 1000000000};

enum { IO_BUFFER_SIZE = 64 * 1024 };

/* More streams than any camera's file has; each costs memory and time to probe. */
enum { MAX_STREAMS = 64 };

/* A container that names another file is refused here. */
static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                       AVDictionary **options)
{
    (void)format;
    (void)url;
    (void)flags;
    (void)options;
    *io = NULL;
    return AVERROR(EPERM);
}

static void close_format(csh_demuxer *m)
{
    avformat_close_input(&m->format);
    if (m->io) {
        av_freep(&m->io->buffer);
        avio_context_free(&m->io);
    }
}

/* Which of libavformat's answers is meant: stopping looks like an end or an error to it. */
static int verdict(csh_demuxer *m, int ret)
{
    if (ret >= 0) {
        return ret;
    }
    const int stopped = csh_source_check(&m->source);
    if (stopped < 0) {
        return stopped;
    }
    if (ret == AVERROR_EOF && m->io && m->io->error < 0 && m->io->error != AVERROR_EOF) {
        return m->io->error;
    }
    return ret;
}

static int set_options(const csh_demuxer *m, AVDictionary **options)
{
    int ret = av_dict_set(options, "format_whitelist", format_allow_list, 0);
    if (ret >= 0) {
        ret = av_dict_set(options, "protocol_whitelist", "file", 0);
    }
    if (ret >= 0) {
        ret = av_dict_set_int(options, "max_streams", MAX_STREAMS, 0);
    }
    (void)m;
    return ret;
}

/* Read enough of the streams to know their parameters. The decoders that libavformat opens for it
 * get the same limits as ours. */
static int probe_streams(csh_demuxer *m)
{
    const unsigned count = m->format->nb_streams;
    AVDictionary **options = av_calloc(count ? count : 1, sizeof *options);
    int ret = options ? 0 : AVERROR(ENOMEM);

    for (unsigned i = 0; ret >= 0 && i < count; i++) {
        ret = av_dict_set_int(&options[i], "max_pixels", m->limits.max_pixels, 0);
        if (ret >= 0) {
            ret = av_dict_set_int(&options[i], "threads", 1, 0);
        }
    }
    if (ret >= 0) {
        ret = avformat_find_stream_info(m->format, options);
    }
    for (unsigned i = 0; options && i < count; i++) {
        av_dict_free(&options[i]);
    }
    av_free(options);
    return ret;
}

static int find_video(const AVFormatContext *format)
{
    for (unsigned i = 0; i < format->nb_streams; i++) {
        const AVStream *stream = format->streams[i];
        if (stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
            !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC)) {
            return (int)i;
        }
    }
    return AVERROR_STREAM_NOT_FOUND;
}

/* The format of a file that libavformat's own probing takes for an image sequence: JPEGs one behind
 * the other. NULL leaves it to the probing. */
static const AVInputFormat *sniff(AVIOContext *io)
{
    uint8_t head[3] = {0};
    const int n = avio_read(io, head, (int)sizeof head);
    const bool jpeg = n == 3 && head[0] == 0xFF && head[1] == 0xD8 && head[2] == 0xFF;
    return avio_seek(io, 0, SEEK_SET) == 0 && jpeg ? av_find_input_format("mjpeg") : NULL;
}

/* Open the container at the start of the file. */
static int open_format(csh_demuxer *m)
{
    int ret = AVERROR(ENOMEM);
    AVDictionary *options = NULL;
    uint8_t *buffer = av_malloc(IO_BUFFER_SIZE);

    if (!buffer) {
        goto fail;
    }
    m->io = avio_alloc_context(buffer, IO_BUFFER_SIZE, 0, &m->source, csh_source_read, NULL,
                               csh_source_seek);
    if (!m->io) {
        av_free(buffer);
        goto fail;
    }
    m->format = avformat_alloc_context();
    if (!m->format) {
        goto fail;
    }
    m->format->pb = m->io;
    m->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    m->format->io_open = refuse_open;
    m->format->interrupt_callback = (AVIOInterruptCB){csh_source_interrupt, &m->source};
    ret = set_options(m, &options);
    if (ret < 0) {
        goto fail;
    }
    /* No name is given: the content alone decides what it is. A failure frees m->format. */
    ret = avformat_open_input(&m->format, NULL, sniff(m->io), &options);
    if (ret < 0) {
        /* EINVAL is libavformat's answer to a format off the list. */
        ret = verdict(m, ret == AVERROR(EINVAL) ? AVERROR_INVALIDDATA : ret);
        goto fail;
    }
    ret = verdict(m, probe_streams(m));
    if (ret < 0) {
        goto fail;
    }
    /* Probing reports a stop as success with less known. */
    ret = csh_source_check(&m->source);
    if (ret < 0) {
        goto fail;
    }
    ret = find_video(m->format);
    if (ret < 0) {
        goto fail;
    }
    m->stream = ret;
    for (unsigned i = 0; i < m->format->nb_streams; i++) {
        m->format->streams[i]->discard = (int)i == m->stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    }
    m->time_base = m->format->streams[m->stream]->time_base;
    m->has_last_dts = false;
    m->started = false;
    m->ended = false;
    av_dict_free(&options);
    return 0;

fail:
    av_dict_free(&options);
    close_format(m);
    return ret;
}

static int64_t to_ns(const csh_demuxer *m, int64_t t)
{
    return t == AV_NOPTS_VALUE ? AV_NOPTS_VALUE : av_rescale_q(t, m->time_base, nanoseconds);
}

static AVRational frame_rate(const csh_demuxer *m)
{
    const AVStream *stream = m->format->streams[m->stream];
    const AVRational rate =
        stream->avg_frame_rate.num > 0 ? stream->avg_frame_rate : stream->r_frame_rate;
    return rate.num > 0 && rate.den > 0 ? rate : (AVRational){0, 0};
}

static void describe(const csh_demuxer *m, csh_stream *out)
{
    const AVStream *stream = m->format->streams[m->stream];
    const AVRational rate = frame_rate(m);
    *out = (csh_stream){
        .codec = csh_codec_from_id(stream->codecpar->codec_id),
        .width = stream->codecpar->width,
        .height = stream->codecpar->height,
        .fps_num = rate.num,
        .fps_den = rate.den,
    };
    if (stream->duration != AV_NOPTS_VALUE && stream->duration > 0) {
        out->duration_ns = to_ns(m, stream->duration);
    } else if (m->format->duration != AV_NOPTS_VALUE && m->format->duration > 0) {
        out->duration_ns = av_rescale_q(m->format->duration, AV_TIME_BASE_Q, nanoseconds);
    }
    if (stream->start_time != AV_NOPTS_VALUE) {
        out->start_ns = to_ns(m, stream->start_time);
    }
    (void)av_strlcpy(out->codec_name, avcodec_get_name(stream->codecpar->codec_id),
                     sizeof out->codec_name);
}

int csh_demuxer_open(csh_demuxer **out, const char *path, int64_t deadline_ns,
                     const csh_limits *limits, csh_stream *stream)
{
    int ret = 0;
    csh_demuxer *m = NULL;

    if (!out || !path || !stream) {
        return AVERROR(EINVAL);
    }
    *out = NULL;
    memset(stream, 0, sizeof *stream);
    m = av_mallocz(sizeof *m);
    if (!m) {
        return AVERROR(ENOMEM);
    }
    m->source.fd = -1;
    atomic_init(&m->source.stop.interrupted, 0);
    m->source.stop.deadline_ns = deadline_ns;
    m->limits = csh_limits_resolve(limits);
    m->packet = av_packet_alloc();
    if (!m->packet) {
        ret = AVERROR(ENOMEM);
        goto fail;
    }
    ret = csh_source_check(&m->source);
    if (ret < 0) {
        goto fail;
    }
    ret = csh_source_open(&m->source, path);
    if (ret < 0) {
        goto fail;
    }
    ret = open_format(m);
    if (ret < 0) {
        goto fail;
    }
    const AVRational rate = frame_rate(m);
    if (rate.num > 0) {
        m->duration_ns = av_rescale_q(1, av_inv_q(rate), nanoseconds);
    }
    describe(m, stream);
    *out = m;
    return 0;

fail:
    (void)csh_demuxer_close(&m);
    return ret;
}

int csh_demuxer_decoder(csh_demuxer *m, const csh_limits *limits, csh_decoder **out)
{
    if (!out) {
        return AVERROR(EINVAL);
    }
    *out = NULL;
    if (!m || !m->format) {
        return AVERROR(EINVAL);
    }
    const AVStream *stream = m->format->streams[m->stream];
    const int32_t codec = csh_codec_from_id(stream->codecpar->codec_id);
    int ret = csh_decoder_create(out, codec, limits ? limits : &m->limits, stream->codecpar);
    if (ret < 0) {
        return ret;
    }
    const int32_t *matrix = csh_stream_matrix(stream);
    if (matrix) {
        (*out)->rotation = csh_rotation(matrix);
    }
    if (m->duration_ns > 0) {
        (*out)->duration_ns = m->duration_ns;
    }
    return 0;
}

/* Read the stream's next packet, skipping other streams'. */
static int read_packet(csh_demuxer *m)
{
    for (;;) {
        int ret = verdict(m, av_read_frame(m->format, m->packet));
        if (ret < 0) {
            return ret;
        }
        if (m->packet->stream_index == m->stream && m->packet->size > 0) {
            return 0;
        }
        av_packet_unref(m->packet);
        ret = csh_source_check(&m->source);
        if (ret < 0) {
            return ret;
        }
    }
}

/* Give the packet nanoseconds and describe it; what it does not say is derived for the caller. */
static void stamp(csh_demuxer *m, csh_packet *out)
{
    AVPacket *p = m->packet;
    if (!m->started) {
        m->first_dts = p->dts != AV_NOPTS_VALUE ? p->dts : p->pts;
        m->started = true;
    }
    p->pts = to_ns(m, p->pts);
    p->dts = to_ns(m, p->dts);
    p->duration = 0;
    int64_t dts = p->dts;
    if (dts == AV_NOPTS_VALUE) {
        dts = m->has_last_dts ? m->last_dts_ns + m->duration_ns : 0;
    }
    m->last_dts_ns = dts;
    m->has_last_dts = true;
    out->dts_ns = dts;
    out->pts_ns = p->pts == AV_NOPTS_VALUE ? dts : p->pts;
    out->size = p->size;
    out->flags = (p->flags & AV_PKT_FLAG_KEY) ? CSH_FLAG_KEY : 0;
    if (p->flags & AV_PKT_FLAG_CORRUPT) {
        out->flags |= CSH_FLAG_CORRUPT;
    }
}

int csh_demuxer_next(csh_demuxer *m, csh_decoder *d, uint64_t tag, int64_t deadline_ns,
                     csh_packet *packet, csh_frame *frame)
{
    int ret = 0;

    if (!packet || !frame) {
        return AVERROR(EINVAL);
    }
    memset(packet, 0, sizeof *packet);
    memset(frame, 0, sizeof *frame);
    if (!m || !d || !m->format) {
        return AVERROR(EINVAL);
    }
    m->source.stop.deadline_ns = deadline_ns;
    ret = csh_source_check(&m->source);
    if (ret < 0) {
        /* Nothing was read yet: a later call with a later deadline goes on. */
        m->source.stop.timed_out = false;
        return ret;
    }
    if (d->more || m->ended) {
        ret = m->ended ? csh_decoder_send(d, NULL, 0, NULL, frame) : csh_decoder_receive(d, frame);
        if (ret != 0) {
            return ret;
        }
    }
    ret = read_packet(m);
    if (ret == AVERROR_EOF) {
        m->ended = true;
        return csh_decoder_send(d, NULL, 0, NULL, frame);
    }
    if (ret < 0) {
        return ret;
    }
    packet->tag = tag;
    stamp(m, packet);
    if (m->packet->size > m->limits.max_packet) {
        ret = AVERROR(E2BIG);
    } else {
        ret = csh_decoder_push(d, m->packet, tag, packet->flags, frame);
    }
    av_packet_unref(m->packet);
    return ret;
}

/* Formats whose index leads back to the first packet exactly. Others are opened anew: a search for
 * a time may end one picture off, and raw streams have no times to search for. */
static bool seeks_exactly(const csh_demuxer *m)
{
    return av_match_name("mov", m->format->iformat->name) ||
           av_match_name("matroska", m->format->iformat->name);
}

int csh_demuxer_rewind(csh_demuxer *m)
{
    if (!m) {
        return AVERROR(EINVAL);
    }
    m->source.stop.deadline_ns = 0;
    m->source.stop.timed_out = false;
    int ret = csh_source_check(&m->source);
    if (ret < 0) {
        return ret;
    }
    if (m->format && !m->started) {
        return 0;
    }
    if (m->format && m->first_dts != AV_NOPTS_VALUE && seeks_exactly(m) &&
        av_seek_frame(m->format, m->stream, m->first_dts, AVSEEK_FLAG_BACKWARD) >= 0) {
        m->has_last_dts = false;
        m->ended = false;
        return 0;
    }
    close_format(m);
    const int64_t position = csh_source_seek(&m->source, 0, SEEK_SET);
    return position < 0 ? (int)position : open_format(m);
}

int csh_interrupt(csh_demuxer *m)
{
    if (!m) {
        return AVERROR(EINVAL);
    }
    atomic_store_explicit(&m->source.stop.interrupted, 1, memory_order_relaxed);
    return 0;
}

int csh_demuxer_close(csh_demuxer **handle)
{
    if (!handle) {
        return AVERROR(EINVAL);
    }
    csh_demuxer *m = *handle;
    *handle = NULL;
    if (!m) {
        return 0;
    }
    close_format(m);
    csh_source_close(&m->source);
    av_packet_free(&m->packet);
    av_free(m);
    return 0;
}
