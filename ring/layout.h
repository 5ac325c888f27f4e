/* SPDX-License-Identifier: Apache-2.0 */

/* camring shared-memory layout, version 1.
 *
 * This header is the contract between one writer and any number of readers in other processes.
 * ring/layout.go mirrors it, docs/layout.md explains it; tests compare the three.
 *
 * All integers are little-endian; 64-bit fields are 8-byte aligned. Offsets are from the start of
 * the file unless stated. Times ending in _mono_ns are CLOCK_MONOTONIC, in _wall_ns CLOCK_REALTIME,
 * both in nanoseconds; 0 means "not known". Reserved bytes are zero.
 *
 * A field marked A is accessed with atomic operations only, by both sides; the order each access
 * needs is in docs/layout.md. Everything in a ring file is written by the writer alone; a reader
 * maps it PROT_READ. Readers write only to their own row of the lease file. */

#ifndef CAMRING_LAYOUT_H
#define CAMRING_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define CAMRING_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define CAMRING_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif

/* bytes 01 'C' 'A' 'M' 'R' 'I' 'N' 'G' */
#define CAMRING_MAGIC UINT64_C(0x474E49524D414301)
/* bytes 01 'C' 'L' 'E' 'A' 'S' 'E' 'S' */
#define CAMRING_LEASE_MAGIC UINT64_C(0x53455341454C4301)
#define CAMRING_LAYOUT_VERSION 1u

#define CAMRING_HEADER_SIZE 4096u
#define CAMRING_SLOT_ENTRY_SIZE 64u
#define CAMRING_FRAME_DESC_SIZE 256u
#define CAMRING_PACKET_DESC_SIZE 128u
#define CAMRING_ROW_SIZE 64u
#define CAMRING_ROW_OWNER_SIZE 128u
#define CAMRING_ROWS 128u
#define CAMRING_MAX_SLOTS 64u
#define CAMRING_COUNTERS 48u
#define CAMRING_NAME_SIZE 64u
#define CAMRING_NO_SLOT UINT32_C(0xFFFFFFFF)
#define CAMRING_ERROR_UNKNOWN UINT32_C(0xFFFFFFFF)

enum camring_kind { CAMRING_KIND_FRAME = 1, CAMRING_KIND_PACKET = 2 };

/* Pixel formats. The first three have the predecessor's numbers. */
enum camring_format {
    CAMRING_FORMAT_NV12 = 0,
    CAMRING_FORMAT_RGB = 1,
    CAMRING_FORMAT_BGR = 2,
    CAMRING_FORMAT_I420 = 3,
    CAMRING_FORMAT_GRAY8 = 4
};

enum camring_codec {
    CAMRING_CODEC_NONE = 0,
    CAMRING_CODEC_H264 = 1,
    CAMRING_CODEC_H265 = 2,
    CAMRING_CODEC_MJPEG = 3,
    CAMRING_CODEC_VP8 = 4,
    CAMRING_CODEC_VP9 = 5,
    CAMRING_CODEC_AV1 = 6,
    CAMRING_CODEC_MPEG4 = 7
};

/* Colour matrix, primaries and transfer carry the code points of ITU-T H.273 (2 = unspecified). */
enum camring_range { CAMRING_RANGE_UNKNOWN = 0, CAMRING_RANGE_LIMITED = 1, CAMRING_RANGE_FULL = 2 };

/* Chroma siting as AVChromaLocation numbers it: 0 unknown, 1 left, 2 centre, 3 top-left, 4 top,
 * 5 bottom-left, 6 bottom. */

/* Where capture_mono_ns and capture_wall_ns come from. */
enum camring_clock {
    CAMRING_CLOCK_UNKNOWN = 0,
    CAMRING_CLOCK_ARRIVAL = 1, /* last packet of the picture reached this host */
    CAMRING_CLOCK_SENDER = 2,  /* the camera's clock through RTCP sender reports */
    CAMRING_CLOCK_DEVICE = 3,  /* the kernel's capture timestamp */
    CAMRING_CLOCK_READ = 4,    /* a file: when the picture was read */
    CAMRING_CLOCK_SYNTHETIC = 5
};

enum camring_decoder { CAMRING_DECODER_NONE = 0, CAMRING_DECODER_SOFTWARE = 1 };

enum camring_flag {
    CAMRING_FLAG_KEY = 1u << 0,
    CAMRING_FLAG_SIMILAR = 1u << 1,       /* no pixels of its own: slot belongs to reference_seq */
    CAMRING_FLAG_CORRUPT = 1u << 2,       /* damaged: loss, decoder error or concealment */
    CAMRING_FLAG_DISCONTINUITY = 1u << 3, /* time or content does not follow the record before */
    CAMRING_FLAG_GAP = 1u << 4            /* no picture: says that pictures are missing, and why */
};

/* State of the camera as its writer last knew it (header field state). */
enum camring_state {
    CAMRING_STATE_NONE = 0,
    CAMRING_STATE_CONNECTING = 1,
    CAMRING_STATE_PRIMING = 2, /* connected, no picture yet */
    CAMRING_STATE_LIVE = 3,
    CAMRING_STATE_STALLED = 4,
    CAMRING_STATE_BACKOFF = 5,
    CAMRING_STATE_AUTH_FAILED = 6,
    CAMRING_STATE_UNSUPPORTED = 7,
    CAMRING_STATE_QUARANTINED = 8,
    CAMRING_STATE_DISABLED = 9,
    /* Planned stop: the writer will not write again before a re-attach. */
    CAMRING_STATE_STOPPED = 10,
    CAMRING_STATE_ENDED = 11 /* a file that does not loop has been read to its end */
};

/* Why: header field reason, and reason of a gap record. */
enum camring_reason {
    CAMRING_REASON_NONE = 0,
    CAMRING_REASON_UNREACHABLE = 1,
    CAMRING_REASON_REFUSED = 2,
    CAMRING_REASON_CONNECTION_LOST = 3,
    CAMRING_REASON_TIMEOUT = 4,
    CAMRING_REASON_NO_PACKETS = 5,
    CAMRING_REASON_NO_FRAMES = 6,
    CAMRING_REASON_BAD_CREDENTIALS = 7,
    CAMRING_REASON_NOT_FOUND = 8,
    CAMRING_REASON_NO_VIDEO = 9,
    CAMRING_REASON_CODEC = 10,
    CAMRING_REASON_NOT_VIDEO = 11,
    CAMRING_REASON_PERMISSION = 12,
    CAMRING_REASON_NO_SPACE = 13,
    CAMRING_REASON_PROTOCOL = 14,
    CAMRING_REASON_REDIRECT = 15,
    CAMRING_REASON_DECODE = 16,
    CAMRING_REASON_TOO_LARGE = 17,
    CAMRING_REASON_WORKER_LOST = 18,
    CAMRING_REASON_RECEIVER_LOST = 19,
    CAMRING_REASON_LAPPED = 20,
    CAMRING_REASON_END_OF_FILE = 21,
    CAMRING_REASON_SHUTDOWN = 22,
    CAMRING_REASON_NO_KEYFRAME = 23,
    CAMRING_REASON_TLS = 24,
    CAMRING_REASON_INTERNAL = 25
};

/* Index into camring_header.counters. Monotonic: a re-attached writer and a new epoch of the same
 * writer continue them. */
enum camring_counter {
    CAMRING_COUNT_PUBLISHED = 0,    /* records with pixels (frame ring) or bytes (packet ring) */
    CAMRING_COUNT_GAPS = 1,         /* gap records */
    CAMRING_COUNT_CORRUPT = 2,      /* published with the corrupt flag */
    CAMRING_COUNT_DROP_NO_SLOT = 3, /* frame: every slot leased or held */
    CAMRING_COUNT_DROP_DECODE = 4,  /* access unit the decoder refused */
    CAMRING_COUNT_DROP_NO_KEYFRAME = 5, /* access unit before the first keyframe */
    CAMRING_COUNT_DROP_LAPPED = 6,      /* access unit overwritten before it was decoded */
    CAMRING_COUNT_DROP_RESTART = 7,     /* access unit skipped while a worker restarted */
    CAMRING_COUNT_DROP_TOO_LARGE = 8,   /* packet ring: longer than the byte area */
    CAMRING_COUNT_DROP_MALFORMED = 9, /* packet ring: access unit the receiver could not rebuild */
    CAMRING_COUNT_RTP_LOST = 10,      /* RTP packets missing by sequence number */
    CAMRING_COUNT_DECODED_SILENTLY = 11, /* decoded again after a restart and not published twice */
    CAMRING_COUNT_REAPED = 12,           /* reader rows freed because their owner had died */
    CAMRING_COUNT_PUT_BACK = 13,         /* slots given back because a lease came between */
    CAMRING_COUNT_BYTES = 14,            /* payload bytes published */
    CAMRING_COUNT_WAKES = 15,            /* FUTEX_WAKE calls */
    CAMRING_COUNT_DROP_NO_SPACE = 16,    /* no memory for a ring or a larger epoch */
    CAMRING_COUNT_KEY_LOST = 17 /* packet ring: a GOP outgrew the ring, its keyframe is gone */
};

/* Header of a ring file. Constant after version is stored, except where marked. */
typedef struct camring_header {
    uint64_t magic;
    uint32_t version; /* A; stored last: 0 = not ready */
    uint32_t kind;
    uint64_t pair_id;  /* random; the same in the lease file */
    uint64_t epoch;    /* 1 for the first ring of a name; +1 for each successor */
    uint64_t base_seq; /* sequence of the first record of this epoch, >= 1 */
    uint64_t created_wall_ns;
    uint64_t file_size;
    uint32_t header_size;
    uint32_t desc_size;
    uint32_t desc_count;   /* a power of two */
    uint32_t slot_count;   /* frame ring; 0 in a packet ring */
    uint64_t slots_offset; /* table of camring_slot */
    uint64_t desc_offset;
    uint64_t data_offset;
    uint64_t data_size; /* slot_count * slot_size, or the circular byte area */
    uint64_t slot_size; /* a multiple of 4096; 0 in a packet ring */
    uint32_t lease_cap; /* slots that all readers together may lease */
    uint32_t row_count;
    char camera[CAMRING_NAME_SIZE]; /* NUL-terminated */
    char output[CAMRING_NAME_SIZE];

    /* Written by each writer at attach. */
    uint32_t writer_pid;   /* A */
    uint32_t run_id;       /* A; +1 for each writer process of the name */
    uint64_t writer_start; /* A; field 22 of /proc/PID/stat: boot-relative clock ticks */
    uint8_t reserved0[248];

    /* Hot words, each alone on 128 bytes (two lines: the adjacent-line prefetcher couples them). */
    uint64_t head; /* A; newest sequence; base_seq - 1 = nothing yet */
    uint8_t reserved1[120];
    uint32_t wake; /* A; futex word: +1 at every publish, state change and end of epoch */
    uint8_t reserved2[124];
    uint32_t state;         /* A; enum camring_state */
    uint32_t reason;        /* A; enum camring_reason */
    uint64_t state_mono_ns; /* A; when state was entered */
    uint64_t next_epoch;    /* A; 0, or the epoch of the successor file under the same name */
    uint8_t reserved3[104];
    uint64_t heartbeat_mono_ns; /* A; the writer was alive then; refreshed at least each second */
    uint8_t reserved4[120];
    uint64_t reserve;    /* A; packet ring: end of what may have been overwritten; never falls */
    uint64_t newest_key; /* A; packet ring: sequence of the newest keyframe, 0 = none */
    uint8_t reserved5[112];
    uint64_t counters[CAMRING_COUNTERS]; /* A */
    uint8_t reserved6[2560];
} camring_header;

/* One entry of the slot table. */
typedef struct camring_slot {
    uint64_t gen; /* A; odd: a writer owns the slot's pixels */
    uint64_t seq; /* sequence last written into it; 0 = never; the writer's note */
    uint8_t reserved[48];
} camring_slot;

/* Descriptor of one record of a frame ring. */
typedef struct camring_frame_desc {
    uint64_t seq;        /* A; 0 while being written */
    uint64_t gen;        /* generation of the slot with this picture in it; even */
    uint64_t packet_seq; /* sequence in the packet ring it was decoded from; 0 = none */
    uint64_t frame_id;   /* the same in every output of one decode */
    uint32_t slot;       /* CAMRING_NO_SLOT in a gap record */
    uint32_t flags;
    uint32_t run_id;
    uint32_t reason; /* gap records: enum camring_reason */
    int64_t pts_ns;  /* stream time; not unique, may jump where the discontinuity flag is set */
    int64_t capture_mono_ns;
    int64_t capture_wall_ns;
    uint32_t capture_clock;    /* enum camring_clock */
    uint32_t capture_error_us; /* bound on the error of both, or CAMRING_ERROR_UNKNOWN */
    int64_t received_mono_ns;  /* last byte of the compressed picture was here */
    int64_t decoded_mono_ns;
    int64_t converted_mono_ns;
    int64_t published_mono_ns;
    int64_t published_wall_ns;
    uint32_t width; /* visible size, pixels */
    uint32_t height;
    uint32_t format; /* enum camring_format */
    uint32_t plane_count;
    uint64_t plane_offset[3]; /* from the start of the slot */
    uint32_t plane_stride[3]; /* bytes from one row to the next */
    uint32_t coded_rows;      /* rows of plane 0 that the slot holds, >= height */
    uint32_t matrix;          /* H.273 */
    uint32_t primaries;
    uint32_t transfer;
    uint32_t range; /* enum camring_range */
    uint8_t chroma_location;
    uint8_t decoder;        /* enum camring_decoder */
    uint8_t codec;          /* enum camring_codec */
    uint8_t rotation;       /* quarter turns clockwise to show the picture upright */
    uint32_t score;         /* similarity: bits of an IEEE float; similar records */
    uint64_t reference_seq; /* similar records: the record that holds the pixels */
    uint32_t gap_missing; /* gap records: pictures known to be missing, or CAMRING_ERROR_UNKNOWN */
    uint32_t gap_state;   /* gap records: enum camring_state that the camera entered */
    uint8_t reserved[40];
} camring_frame_desc;

/* Descriptor of one record of a packet ring: one access unit (H.264, H.265: Annex B, parameter sets
 * in front of every keyframe; AV1: one temporal unit; MJPEG: one JPEG). */
typedef struct camring_packet_desc {
    uint64_t seq;      /* A; 0 while being written */
    uint64_t position; /* absolute; byte i of the payload is at data[(position + i) % data_size] */
    uint32_t length;   /* bytes; 0 in a gap record */
    uint32_t flags;
    uint32_t codec;
    uint32_t run_id;
    int64_t pts_ns;
    int64_t dts_ns; /* equal to pts_ns where the source has none */
    int64_t capture_mono_ns;
    int64_t capture_wall_ns;
    uint32_t capture_clock;
    uint32_t capture_error_us;
    int64_t received_mono_ns; /* last RTP packet of the access unit */
    int64_t published_mono_ns;
    uint32_t lost;  /* RTP packets missing since the record before */
    uint32_t width; /* from the parameter sets; 0 = not known */
    uint32_t height;
    uint32_t reason; /* gap records */
    uint8_t reserved[24];
} camring_packet_desc;

/* Lease file: header page, then row_count camring_row, then row_count camring_row_owner. */
typedef struct camring_lease_header {
    uint64_t magic;
    uint32_t version; /* A; stored last */
    uint32_t row_count;
    uint64_t pair_id;
    uint64_t rows_offset;
    uint64_t owners_offset;
    uint64_t file_size;
    uint8_t reserved[4048];
} camring_lease_header;

/* What the writer looks at for every record: one line a reader. The reader holds an exclusive OFD
 * lock on the first byte of its row for as long as it owns it. */
typedef struct camring_row {
    uint64_t bits;    /* A; slots leased, bit s = slot s */
    uint32_t waiting; /* A; 1 while its owner may sleep on wake */
    uint32_t joined;  /* A; lossless mode */
    uint64_t cursor;  /* A; newest sequence its owner has finished with */
    uint64_t missed;  /* A; records its owner was told it lost */
    uint8_t reserved[32];
} camring_row;

typedef struct camring_row_owner {
    uint64_t cookie; /* A; random, never 0 while owned */
    uint32_t pid;
    uint32_t reserved0;
    uint64_t start_mono_ns;
    char name[CAMRING_NAME_SIZE];
    uint8_t reserved[40];
} camring_row_owner;

CAMRING_STATIC_ASSERT(sizeof(camring_header) == CAMRING_HEADER_SIZE, "header");
CAMRING_STATIC_ASSERT(offsetof(camring_header, head) == 512, "head");
CAMRING_STATIC_ASSERT(offsetof(camring_header, wake) == 640, "wake");
CAMRING_STATIC_ASSERT(offsetof(camring_header, state) == 768, "state");
CAMRING_STATIC_ASSERT(offsetof(camring_header, heartbeat_mono_ns) == 896, "heartbeat_mono_ns");
CAMRING_STATIC_ASSERT(offsetof(camring_header, reserve) == 1024, "reserve");
CAMRING_STATIC_ASSERT(offsetof(camring_header, counters) == 1152, "counters");
CAMRING_STATIC_ASSERT(sizeof(camring_slot) == CAMRING_SLOT_ENTRY_SIZE, "slot");
CAMRING_STATIC_ASSERT(sizeof(camring_frame_desc) == CAMRING_FRAME_DESC_SIZE, "frame descriptor");
CAMRING_STATIC_ASSERT(sizeof(camring_packet_desc) == CAMRING_PACKET_DESC_SIZE, "packet descriptor");
CAMRING_STATIC_ASSERT(sizeof(camring_lease_header) == 4096, "lease header");
CAMRING_STATIC_ASSERT(sizeof(camring_row) == CAMRING_ROW_SIZE, "row");
CAMRING_STATIC_ASSERT(sizeof(camring_row_owner) == CAMRING_ROW_OWNER_SIZE, "row owner");

#endif /* CAMRING_LAYOUT_H */
