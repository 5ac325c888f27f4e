/* SPDX-License-Identifier: Apache-2.0 */

/* Reading from a file descriptor of our own: libavformat never sees a URL, so it cannot be talked
 * into opening one. */

/* clock_gettime, open flags: -std=c11 alone hides POSIX. */
#define _POSIX_C_SOURCE 200809L

#include "source.h"

#include "decoder.h"

#include <errno.h>
#include <fcntl.h>
#include <libavutil/error.h>
#include <sys/stat.h>
#include <unistd.h>

static int regular(const struct stat *info)
{
    if (S_ISREG(info->st_mode)) {
        return 0;
    }
    return S_ISDIR(info->st_mode) ? AVERROR(EISDIR) : AVERROR(EINVAL);
}

int csh_source_open(csh_source *s, const char *path)
{
    struct stat info = {0};
    int ret = 0;

    s->fd = -1;
    /* First by name, as opening a device can already do something; then what was opened, as the
     * name may have changed hands. O_NONBLOCK: a pipe put there meanwhile must not block us. */
    if (stat(path, &info) < 0) {
        return AVERROR(errno);
    }
    ret = regular(&info);
    if (ret < 0) {
        return ret;
    }
    do {
        s->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    } while (s->fd < 0 && errno == EINTR);
    if (s->fd < 0) {
        return AVERROR(errno);
    }
    ret = fstat(s->fd, &info) < 0 ? AVERROR(errno) : regular(&info);
    if (ret < 0) {
        csh_source_close(s);
    }
    return ret;
}

void csh_source_close(csh_source *s)
{
    if (s->fd >= 0) {
        (void)close(s->fd);
        s->fd = -1;
    }
}

int csh_source_check(csh_source *s)
{
    if (atomic_load_explicit(&s->stop.interrupted, memory_order_relaxed)) {
        return AVERROR_EXIT;
    }
    if (s->stop.deadline_ns != 0 && csh_now_ns() >= s->stop.deadline_ns) {
        s->stop.timed_out = true;
    }
    return s->stop.timed_out ? AVERROR(ETIMEDOUT) : 0;
}

int csh_source_interrupt(void *opaque) { return csh_source_check(opaque) < 0; }

int csh_source_read(void *opaque, uint8_t *buf, int size)
{
    csh_source *s = opaque;
    for (;;) {
        const int stopped = csh_source_check(s);
        if (stopped < 0) {
            return stopped;
        }
        const ssize_t n = read(s->fd, buf, (size_t)size);
        if (n > 0) {
            return (int)n; /* at most size */
        }
        if (n == 0) {
            return AVERROR_EOF;
        }
        if (errno != EINTR) {
            return AVERROR(errno);
        }
    }
}

int64_t csh_source_seek(void *opaque, int64_t offset, int whence)
{
    csh_source *s = opaque;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE) {
        struct stat info = {0};
        return fstat(s->fd, &info) < 0 ? AVERROR(errno) : (int64_t)info.st_size;
    }
    const off_t position = lseek(s->fd, (off_t)offset, whence);
    return position < 0 ? AVERROR(errno) : (int64_t)position;
}
