/* SPDX-License-Identifier: Apache-2.0 */

/* A local regular file as libavformat's byte source. Private to the shim. */

#ifndef CAMSHIM_SOURCE_H
#define CAMSHIM_SOURCE_H

#include <libavformat/avio.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What can stop a read, and why it did. */
typedef struct csh_stop {
    atomic_int interrupted; /* any thread */
    int64_t deadline_ns;    /* 0 = none */
    bool timed_out;
} csh_stop;

typedef struct csh_source {
    int fd;
    csh_stop stop;
} csh_source;

/* Open a regular file; a pipe or device is refused without being opened. */
int csh_source_open(csh_source *s, const char *path);

void csh_source_close(csh_source *s);

/* AVERROR_EXIT or AVERROR(ETIMEDOUT) once the source has been told to stop, else 0. */
int csh_source_check(csh_source *s);

/* AVIOInterruptCB.callback; opaque is a csh_source. */
int csh_source_interrupt(void *opaque);

/* Callbacks of an AVIOContext; opaque is a csh_source. */
int csh_source_read(void *opaque, uint8_t *buf, int size);
int64_t csh_source_seek(void *opaque, int64_t offset, int whence);

#endif /* CAMSHIM_SOURCE_H */
