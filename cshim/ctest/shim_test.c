/* SPDX-License-Identifier: Apache-2.0 */

/* All of camshim.h on a given file, error paths included. Exits 0 if everything answered as the
 * header says. The picture's memory ends at a page nobody may touch: libyuv's assembly is invisible
 * to the sanitizers, a page fault is not. */

#define _DEFAULT_SOURCE

#include "camshim.h"

#include <errno.h>
#include <libavutil/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (false)

/* Memory of which the last byte is followed by a forbidden page. */
typedef struct guarded {
    uint8_t *map;
    size_t map_size;
    uint8_t *base;
    size_t size;
} guarded;

static guarded guarded_new(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t whole = (size + page - 1) / page * page;
    guarded g = {.map_size = whole + page, .size = size};
    void *map = mmap(NULL, g.map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED);
    g.map = map;
    CHECK(mprotect(g.map + whole, page, PROT_NONE) == 0);
    g.base = g.map + (whole - size);
    return g;
}

static void guarded_free(guarded *g)
{
    CHECK(munmap(g->map, g->map_size) == 0);
    *g = (guarded){0};
}

static bool is_zero(const void *p, size_t size)
{
    const uint8_t *bytes = p;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i]) {
            return false;
        }
    }
    return true;
}

static int64_t now_ns(void)
{
    struct timespec t = {0};
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t soon(void) { return now_ns() + INT64_C(60) * 1000000000; }

/* Convert tightly, chroma last and then luma last, and with planes that do not fit. */
static void convert(csh_decoder *d, const csh_frame *f)
{
    const uint32_t width = (uint32_t)f->width;
    const uint32_t pairs = (width + 1) / 2;
    const size_t luma = (size_t)width * (size_t)f->height;
    const size_t chroma = 2 * (size_t)pairs * (((size_t)f->height + 1) / 2);
    guarded g = guarded_new(luma + chroma);
    const csh_nv12 chroma_last = {0, luma, width, 2 * pairs};
    const csh_nv12 luma_last = {chroma, 0, width, 2 * pairs};

    CHECK(csh_decoder_nv12(d, g.base, g.size, &chroma_last) == 0);
    CHECK(csh_decoder_nv12(d, g.base, g.size, &luma_last) == 0);
    CHECK(csh_decoder_nv12(d, g.base, g.size - 1, &chroma_last) == AVERROR(ENOSPC));
    const csh_nv12 narrow = {0, luma, width - 1, 2 * pairs};
    CHECK(csh_decoder_nv12(d, g.base, g.size, &narrow) == AVERROR(ENOSPC));
    const csh_nv12 wrapping = {UINT64_MAX, luma, width, 2 * pairs};
    CHECK(csh_decoder_nv12(d, g.base, g.size, &wrapping) == AVERROR(ENOSPC));
    const csh_nv12 wide = {0, luma, UINT32_MAX, 2 * pairs};
    CHECK(csh_decoder_nv12(d, g.base, g.size, &wide) == AVERROR(ENOSPC));
    CHECK(csh_decoder_nv12(d, NULL, g.size, &chroma_last) == AVERROR(EINVAL));
    CHECK(csh_decoder_nv12(d, g.base, g.size, NULL) == AVERROR(EINVAL));
    guarded_free(&g);
}

static int read_all(csh_demuxer *m, csh_decoder *d)
{
    int pictures = 0;
    csh_packet packet = {0};
    csh_frame frame = {0};
    for (uint64_t tag = 1;; tag++) {
        const int ret = csh_demuxer_next(m, d, tag, soon(), &packet, &frame);
        if (ret == 1) {
            CHECK(frame.width > 0 && frame.height > 0 && frame.tag > 0 && frame.tag <= tag);
            convert(d, &frame);
            pictures++;
            continue;
        }
        CHECK(is_zero(&frame, sizeof frame));
        if (ret == AVERROR_EOF) {
            return pictures;
        }
        CHECK(ret == 0 || ret == AVERROR_INVALIDDATA);
    }
}

static void test_file(const char *path)
{
    csh_demuxer *m = NULL;
    csh_decoder *d = NULL;
    csh_stream stream = {0};
    csh_packet packet = {0};
    csh_frame frame = {0};

    CHECK(csh_demuxer_open(&m, path, soon(), NULL, &stream) == 0);
    CHECK(csh_demuxer_decoder(m, NULL, &d) == 0);
    const int first = read_all(m, d);
    CHECK(first > 0);
    for (int pass = 0; pass < 2; pass++) {
        CHECK(csh_demuxer_rewind(m) == 0);
        CHECK(csh_decoder_flush(d) == 0);
        CHECK(read_all(m, d) == first);
    }
    CHECK(csh_demuxer_next(m, d, 1, now_ns() - 1, &packet, &frame) == AVERROR(ETIMEDOUT));
    CHECK(csh_interrupt(m) == 0);
    CHECK(csh_demuxer_next(m, d, 1, soon(), &packet, &frame) == AVERROR_EXIT);
    CHECK(csh_demuxer_rewind(m) == AVERROR_EXIT);
    CHECK(csh_demuxer_close(&m) == 0 && !m);
    /* The decoder outlives the demuxer. */
    CHECK(csh_decoder_flush(d) == 0);
    CHECK(csh_decoder_close(&d) == 0 && !d);

    CHECK(csh_demuxer_open(&m, path, now_ns() - 1, NULL, &stream) == AVERROR(ETIMEDOUT) && !m);
    printf("%s: %d pictures, three times\n", path, first);
}

/* Bytes that are no picture of any codec, whole and cut: refused or ignored, never a crash. */
static void test_garbage(void)
{
    uint8_t *data = malloc(4096 + CSH_PADDING);
    CHECK(data);
    for (int32_t codec = CSH_CODEC_H264; codec <= CSH_CODEC_MPEG4; codec++) {
        if (!csh_have_decoder(codec)) {
            continue;
        }
        csh_decoder *d = NULL;
        csh_frame frame = {0};
        uint32_t state = (uint32_t)codec;
        CHECK(csh_decoder_open(&d, codec, NULL) == 0);
        for (size_t size = 1; size <= 4096; size = size * 3 / 2 + 1) {
            memset(data, 0, 4096 + CSH_PADDING);
            for (size_t i = 0; i < size; i++) {
                state = state * 1664525u + 1013904223u;
                data[i] = (uint8_t)(state >> 24);
            }
            const csh_packet packet = {.pts_ns = INT64_MIN, .dts_ns = INT64_MIN, .tag = size};
            int ret = csh_decoder_send(d, data, size, &packet, &frame);
            while (ret == 1) {
                convert(d, &frame);
                ret = csh_decoder_receive(d, &frame);
            }
            CHECK(ret <= 0 && is_zero(&frame, sizeof frame));
        }
        int ret = csh_decoder_send(d, NULL, 0, NULL, &frame);
        for (int i = 0; i < 64 && ret != AVERROR_EOF; i++) {
            ret = csh_decoder_receive(d, &frame);
        }
        CHECK(ret == AVERROR_EOF);
        CHECK(csh_decoder_close(&d) == 0);
    }
    free(data);
}

static void test_refusals(void)
{
    csh_demuxer *m = NULL;
    csh_decoder *d = NULL;
    csh_stream stream = {0};
    csh_packet packet = {0};
    csh_frame frame = {0};
    csh_nv12 planes = {0};
    uint8_t byte = 0;
    char text[16] = {0};

    CHECK(csh_versions(text, sizeof text) == 0 && strlen(text) == sizeof text - 1);
    CHECK(csh_versions(NULL, 0) < 0);
    CHECK(csh_strerror(AVERROR_EOF, text, sizeof text) == 0 && strcmp(text, "End of file") == 0);
    CHECK(csh_strerror(AVERROR_EOF, NULL, 0) < 0);
    CHECK(csh_have_decoder(CSH_CODEC_NONE) == 0 && csh_have_decoder(CSH_CODEC_H264) == 1);

    CHECK(csh_demuxer_open(&m, "/", 0, NULL, &stream) == AVERROR(EISDIR) && !m);
    CHECK(csh_demuxer_open(&m, "/dev/zero", 0, NULL, &stream) == AVERROR(EINVAL) && !m);
    CHECK(csh_demuxer_open(&m, "/missing", 0, NULL, &stream) == AVERROR(ENOENT) && !m);
    CHECK(csh_demuxer_open(&m, "/etc/passwd", 0, NULL, &stream) == AVERROR_INVALIDDATA && !m);
    CHECK(is_zero(&stream, sizeof stream));
    CHECK(csh_demuxer_open(&m, NULL, 0, NULL, &stream) == AVERROR(EINVAL));
    CHECK(csh_demuxer_decoder(NULL, NULL, &d) == AVERROR(EINVAL) && !d);
    CHECK(csh_demuxer_next(NULL, NULL, 0, 0, &packet, &frame) == AVERROR(EINVAL));
    CHECK(csh_demuxer_rewind(NULL) == AVERROR(EINVAL));
    CHECK(csh_interrupt(NULL) == AVERROR(EINVAL));
    CHECK(csh_demuxer_close(&m) == 0 && csh_demuxer_close(NULL) == AVERROR(EINVAL));

    CHECK(csh_decoder_open(&d, 99, NULL) == AVERROR_DECODER_NOT_FOUND && !d);
    CHECK(csh_decoder_send(NULL, &byte, 1, &packet, &frame) == AVERROR(EINVAL));
    CHECK(csh_decoder_receive(NULL, &frame) == AVERROR(EINVAL));
    CHECK(csh_decoder_flush(NULL) == AVERROR(EINVAL));
    CHECK(csh_decoder_nv12(NULL, &byte, 1, &planes) == AVERROR(EINVAL));
    CHECK(csh_decoder_close(&d) == 0 && csh_decoder_close(NULL) == AVERROR(EINVAL));

    CHECK(csh_decoder_open(&d, CSH_CODEC_H264, NULL) == 0);
    CHECK(csh_decoder_nv12(d, &byte, 1, &planes) == AVERROR(EINVAL));
    CHECK(csh_decoder_receive(d, &frame) == 0);
    CHECK(csh_decoder_send(d, NULL, 1, &packet, &frame) == AVERROR(EINVAL));
    CHECK(csh_decoder_send(d, &byte, SIZE_MAX, &packet, &frame) == AVERROR(E2BIG));
    CHECK(csh_decoder_close(&d) == 0 && !d);
}

int main(int argc, char **argv)
{
    CHECK(csh_set_log_level(-1) == 0);
    test_refusals();
    test_garbage();
    for (int i = 1; i < argc; i++) {
        test_file(argv[i]);
    }
    return 0;
}
