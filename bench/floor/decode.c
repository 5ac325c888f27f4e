/* SPDX-License-Identifier: Apache-2.0 */

/* floor-decode [--nv12] FILE: the least a program can do with libav. Decodes the file's video with
 * one thread, converts nothing, keeps nothing, and prints one JSON line:
 *
 *   {"frames":250,"user_s":0.512,"sys_s":0.011}
 *
 * With --nv12 it also does the least that a frame ring needs: libyuv writes each picture as NV12
 * into the next of 8 populated buffers.
 *
 * CPU time is that of the whole process, start and probing included, as it is for what is compared
 * with it. Exit status 1 and a message if the file cannot be decoded to its end. */

#define _DEFAULT_SOURCE

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>
#include <libyuv/convert_from.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { BUFFERS = 8 };

static uint8_t *nv12; /* BUFFERS pictures, made with the first; NULL until then */
static int convert;   /* --nv12 was given */

static int fail(const char *what, int ret)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = {0};
    (void)av_strerror(ret, text, sizeof text);
    fprintf(stderr, "floor-decode: %s: %s\n", what, text);
    return 1;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

/* Write the picture as NV12 into the next buffer. All pictures must be I420 and as large as the
 * first. */
static int keep(const AVFrame *frame, long number)
{
    static int width, height;
    if (!nv12) {
        width = frame->width;
        height = frame->height;
        nv12 = mmap(NULL, (size_t)width * (size_t)height * 3 / 2 * BUFFERS, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (nv12 == MAP_FAILED) {
            return AVERROR(ENOMEM);
        }
    }
    if (frame->format != AV_PIX_FMT_YUV420P || frame->width != width || frame->height != height ||
        width % 2 != 0 || height % 2 != 0) {
        return AVERROR_PATCHWELCOME;
    }
    const size_t luma = (size_t)width * (size_t)height;
    uint8_t *to = nv12 + luma * 3 / 2 * (size_t)(number % BUFFERS);
    return I420ToNV12(frame->data[0], frame->linesize[0], frame->data[1], frame->linesize[1],
                      frame->data[2], frame->linesize[2], to, width, to + luma, width, width,
                      height) == 0
               ? 0
               : AVERROR_EXTERNAL;
}

/* Take every picture that is ready. */
static int drain(AVCodecContext *decoder, AVFrame *frame, long *frames)
{
    int ret = 0;
    while ((ret = avcodec_receive_frame(decoder, frame)) >= 0) {
        ret = convert ? keep(frame, *frames) : 0;
        if (ret < 0) {
            return ret;
        }
        (*frames)++;
        av_frame_unref(frame);
    }
    return ret == AVERROR(EAGAIN) || ret == AVERROR_EOF ? 0 : ret;
}

int main(int argc, char **argv)
{
    convert = argc == 3 && strcmp(argv[1], "--nv12") == 0;
    if (argc != 2 + convert) {
        fprintf(stderr, "usage: floor-decode [--nv12] FILE\n");
        return 2;
    }
    const char *path = argv[argc - 1];
    av_log_set_level(AV_LOG_QUIET);
    AVFormatContext *format = NULL;
    int ret = avformat_open_input(&format, path, NULL, NULL);
    if (ret >= 0) {
        ret = avformat_find_stream_info(format, NULL);
    }
    if (ret < 0) {
        return fail(path, ret);
    }
    const AVCodec *codec = NULL;
    const int stream = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (stream < 0) {
        return fail(path, stream);
    }
    AVCodecContext *decoder = avcodec_alloc_context3(codec);
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    if (!decoder || !packet || !frame) {
        return fail("allocate", AVERROR(ENOMEM));
    }
    ret = avcodec_parameters_to_context(decoder, format->streams[stream]->codecpar);
    decoder->thread_count = 1;
    if (ret >= 0) {
        ret = avcodec_open2(decoder, codec, NULL);
    }
    if (ret < 0) {
        return fail("open the decoder", ret);
    }
    long frames = 0;
    while ((ret = av_read_frame(format, packet)) >= 0) {
        if (packet->stream_index == stream) {
            ret = avcodec_send_packet(decoder, packet);
            if (ret >= 0) {
                ret = drain(decoder, frame, &frames);
            }
        }
        av_packet_unref(packet);
        if (ret < 0) {
            return fail("decode", ret);
        }
    }
    if (ret != AVERROR_EOF) {
        return fail("read", ret);
    }
    ret = avcodec_send_packet(decoder, NULL);
    if (ret >= 0) {
        ret = drain(decoder, frame, &frames);
    }
    if (ret < 0) {
        return fail("drain", ret);
    }
    av_frame_free(&frame);
    av_packet_free(&packet);
    avcodec_free_context(&decoder);
    avformat_close_input(&format);

    struct rusage usage = {0};
    if (getrusage(RUSAGE_SELF, &usage) != 0) {
        perror("floor-decode: getrusage");
        return 1;
    }
    printf("{\"frames\":%ld,\"user_s\":%.6f,\"sys_s\":%.6f}\n", frames, seconds(usage.ru_utime),
           seconds(usage.ru_stime));
    return 0;
}
