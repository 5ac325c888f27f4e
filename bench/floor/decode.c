/* SPDX-License-Identifier: Apache-2.0 */

/* floor-decode FILE: the least a program can do with libav. Decodes the file's video with one
 * thread, converts nothing, keeps nothing, and prints one JSON line:
 *
 *   {"frames":250,"user_s":0.512,"sys_s":0.011}
 *
 * CPU time is that of the whole process, start and probing included, as it is for what is compared
 * with it. Exit status 1 and a message if the file cannot be decoded to its end. */

#define _DEFAULT_SOURCE

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>
#include <stdio.h>
#include <sys/resource.h>

static int fail(const char *what, int ret)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = {0};
    (void)av_strerror(ret, text, sizeof text);
    fprintf(stderr, "floor-decode: %s: %s\n", what, text);
    return 1;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

/* Take every picture that is ready. */
static int drain(AVCodecContext *decoder, AVFrame *frame, long *frames)
{
    int ret = 0;
    while ((ret = avcodec_receive_frame(decoder, frame)) >= 0) {
        (*frames)++;
        av_frame_unref(frame);
    }
    return ret == AVERROR(EAGAIN) || ret == AVERROR_EOF ? 0 : ret;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: floor-decode FILE\n");
        return 2;
    }
    av_log_set_level(AV_LOG_QUIET);
    AVFormatContext *format = NULL;
    int ret = avformat_open_input(&format, argv[1], NULL, NULL);
    if (ret >= 0) {
        ret = avformat_find_stream_info(format, NULL);
    }
    if (ret < 0) {
        return fail(argv[1], ret);
    }
    const AVCodec *codec = NULL;
    const int stream = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (stream < 0) {
        return fail(argv[1], stream);
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
