/* The paths of a tree as columns; see paths.c. */
#ifndef HOLDFAST_PATHS_H
#define HOLDFAST_PATHS_H

#include <stdint.h>

#define PATH_BYTES_MAX 65536

/* Must match holdfast.native.library.PathColumns. */
struct paths {
    const int32_t *parents;
    const uint16_t *name_lengths;
    const int64_t *name_starts;
    const uint16_t *lengths; /* of whole paths */
    const char *names;
    int64_t count;
};

/* Write the whole paths of the entries `from` to `to`, back to back. */
void holdfast_paths_expand(const struct paths *p, int64_t from, int64_t to, char *out);

#endif
