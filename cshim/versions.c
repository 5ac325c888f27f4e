/* SPDX-License-Identifier: Apache-2.0 */

#include "camshim.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/error.h>
#include <libswscale/swscale.h>
#include <libyuv/version.h>
#include <stdio.h>

static unsigned major_of(unsigned version) { return version >> 16; }

static unsigned minor_of(unsigned version) { return (version >> 8) & 0xFF; }

static unsigned micro_of(unsigned version) { return version & 0xFF; }

int csh_versions(char *buf, size_t cap)
{
    if (!buf || cap == 0) {
        return AVERROR(EINVAL);
    }
    const unsigned format = avformat_version();
    const unsigned codec = avcodec_version();
    const unsigned util = avutil_version();
    const unsigned scale = swscale_version();
    (void)snprintf(buf, cap,
                   "libavformat %u.%u.%u, libavcodec %u.%u.%u, libavutil %u.%u.%u, "
                   "libswscale %u.%u.%u, libyuv %d",
                   major_of(format), minor_of(format), micro_of(format), major_of(codec),
                   minor_of(codec), micro_of(codec), major_of(util), minor_of(util), micro_of(util),
                   major_of(scale), minor_of(scale), micro_of(scale), LIBYUV_VERSION);
    return 0;
}

int csh_strerror(int code, char *buf, size_t cap)
{
    if (!buf || cap == 0) {
        return AVERROR(EINVAL);
    }
    /* A negative result only says that the code has no text of its own: buf is filled anyway. */
    (void)av_strerror(code, buf, cap);
    return 0;
}
