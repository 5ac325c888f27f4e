/* SPDX-License-Identifier: Apache-2.0 */

/* libav's log, and what it gives away.
 *
 * Most decoders conceal damage and deliver the picture without marking it (H.265 with a missing
 * reference and MJPEG with a broken scan do). Their only sign is a message of level error about the
 * context, so the shim counts those, whether or not they are printed. A context is told by the
 * class of the object that logs, never by the text. */

#include "decoder.h"

#include <libavutil/log.h>
#include <stdarg.h>
#include <string.h>

/* The decoder that an object logs for, or NULL. */
static csh_decoder *owner_of(void *object)
{
    if (!object || *(const AVClass **)object != avcodec_get_class()) {
        return NULL;
    }
    return ((AVCodecContext *)object)->opaque;
}

/* The object that logs on behalf of another has a pointer to it at an offset its class names. */
static void *parent_of(void *object, const AVClass *class)
{
    if (class->parent_log_context_offset == 0) {
        return NULL;
    }
    void *parent = NULL;
    memcpy(&parent, (const char *)object + class->parent_log_context_offset, sizeof parent);
    return parent;
}

/* Called by libav on the thread that decodes, so d is not shared. */
static void note(void *object, int level, const char *format, va_list args)
{
    if (object && (level & 0xFF) <= AV_LOG_ERROR) {
        const AVClass *class = *(const AVClass **)object;
        csh_decoder *d = owner_of(object);
        if (d) {
            d->errors++;
        } else if (class && strcmp(class->class_name, "IMGUTILS") == 0) {
            /* libavutil checks picture sizes for a decoder and logs only refusals. */
            d = owner_of(parent_of(object, class));
            if (d) {
                d->too_large = true;
            }
        }
    }
    av_log_default_callback(object, level, format, args);
}

int csh_set_log_level(int level)
{
    av_log_set_level(level < 0 ? AV_LOG_QUIET : level);
    av_log_set_callback(note);
    return 0;
}
