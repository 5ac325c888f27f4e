/* SPDX-License-Identifier: Apache-2.0 */

/* What the C compiler makes of ring/layout.h. Texts are string constants. */

#ifndef LAYOUTCHECK_H
#define LAYOUTCHECK_H

#include <stddef.h>
#include <stdint.h>

/* A field of a structure; with an empty field name, the structure itself. */
typedef struct layoutcheck_field {
    const char *structure;
    const char *field;
    size_t offset;
    size_t size;
} layoutcheck_field;

typedef struct layoutcheck_constant {
    const char *name;
    uint64_t value;
} layoutcheck_constant;

/** Row i of the tables. @return 0, or -1 behind the last row. */
int layoutcheck_field_at(size_t i, layoutcheck_field *out);
int layoutcheck_constant_at(size_t i, layoutcheck_constant *out);

#endif /* LAYOUTCHECK_H */
