/* SPDX-License-Identifier: Apache-2.0 */

/* Which codecs, and which of libav's decoders decodes each in software. */

#include "decoder.h"

typedef struct codec_entry {
    int32_t codec;
    enum AVCodecID id;
    const char *decoders[2]; /* in order of preference */
} codec_entry;

/* By name: a look-up by id may find a hardware wrapper, and libav's own av1 decoder needs one. */
static const codec_entry codecs[] = {
    {CSH_CODEC_H264, AV_CODEC_ID_H264, {"h264", "libopenh264"}},
    {CSH_CODEC_H265, AV_CODEC_ID_HEVC, {"hevc", NULL}},
    {CSH_CODEC_MJPEG, AV_CODEC_ID_MJPEG, {"mjpeg", NULL}},
    {CSH_CODEC_VP8, AV_CODEC_ID_VP8, {"vp8", "libvpx"}},
    {CSH_CODEC_VP9, AV_CODEC_ID_VP9, {"vp9", "libvpx-vp9"}},
    {CSH_CODEC_AV1, AV_CODEC_ID_AV1, {"libdav1d", "libaom-av1"}},
    {CSH_CODEC_MPEG4, AV_CODEC_ID_MPEG4, {"mpeg4", NULL}},
};

enum { CODEC_COUNT = sizeof codecs / sizeof codecs[0] };

static const codec_entry *find_entry(int32_t codec)
{
    for (size_t i = 0; i < CODEC_COUNT; i++) {
        if (codecs[i].codec == codec) {
            return &codecs[i];
        }
    }
    return NULL;
}

enum AVCodecID csh_codec_id(int32_t codec)
{
    const codec_entry *entry = find_entry(codec);
    return entry ? entry->id : AV_CODEC_ID_NONE;
}

int32_t csh_codec_from_id(enum AVCodecID id)
{
    for (size_t i = 0; i < CODEC_COUNT; i++) {
        if (codecs[i].id == id) {
            return codecs[i].codec;
        }
    }
    return CSH_CODEC_NONE;
}

const AVCodec *csh_codec_find(int32_t codec)
{
    const codec_entry *entry = find_entry(codec);
    if (!entry) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof entry->decoders / sizeof entry->decoders[0]; i++) {
        const AVCodec *found =
            entry->decoders[i] ? avcodec_find_decoder_by_name(entry->decoders[i]) : NULL;
        if (found) {
            return found;
        }
    }
    return NULL;
}

int csh_have_decoder(int32_t codec) { return csh_codec_find(codec) ? 1 : 0; }
