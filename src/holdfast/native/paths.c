/* The paths of a tree, in manifest order: depth first, names of one folder by their bytes, a folder before what is in it.
 *
 * Each path is kept as its last name and the number of the entry that holds it (-1: the root), because the owner of a
 * tree may make 20,000 paths of 32 KB of names of 126 folders. Where a folder has no entry of its own, the name that is
 * kept has slashes in it.
 */
#include "paths.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The last path that was split, and which entries hold it; as large as holdfast.native.library.SPLIT_STATE_BYTES. */
struct split_state {
    int64_t next, size, depth;
    int32_t numbers[PATH_BYTES_MAX / 2];
    uint16_t ends[PATH_BYTES_MAX / 2];
    char path[PATH_BYTES_MAX];
};

/* Split whole paths, back to back, into parents and names. Call it again for the paths that follow, with the same state
 * (zeros at first). Returns the bytes of names. */
int64_t holdfast_paths_split(struct split_state *s, const char *paths, const uint16_t *lengths, int64_t count,
                             int32_t *parents, uint16_t *name_lengths, char *names)
{
    char *out = names;
    for (int64_t i = 0; i < count; paths += lengths[i++]) {
        int64_t size = lengths[i], same = 0, shorter = size < s->size ? size : s->size;
        while (same < shorter && paths[same] == s->path[same])
            same++;
        while (s->depth) {
            int64_t end = s->ends[s->depth - 1];
            if (end <= same && end < size && paths[end] == '/')
                break;
            s->depth--;
        }
        int64_t start = s->depth ? s->ends[s->depth - 1] + 1 : 0;
        parents[i] = s->depth ? s->numbers[s->depth - 1] : -1;
        name_lengths[i] = (uint16_t)(size - start);
        memcpy(out, paths + start, (size_t)(size - start));
        out += size - start;
        if (s->depth < PATH_BYTES_MAX / 2) {
            s->numbers[s->depth] = (int32_t)s->next;
            s->ends[s->depth++] = (uint16_t)size;
        }
        s->next++;
        memcpy(s->path + same, paths + same, (size_t)(size - same));
        s->size = size;
    }
    return out - names;
}

/* The length of each whole path; those of parents come first. Returns 0, or -ENAMETOOLONG. */
int holdfast_paths_lengths(const int32_t *parents, const uint16_t *name_lengths, int64_t count, uint16_t *lengths)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t size = name_lengths[i] + (parents[i] < 0 ? 0 : lengths[parents[i]] + 1u);
        if (size >= PATH_BYTES_MAX)
            return -ENAMETOOLONG;
        lengths[i] = (uint16_t)size;
    }
    return 0;
}

/* Write the whole path of an entry; it takes `lengths[i]` bytes. */
static void write_path(const struct paths *p, int64_t i, char *out)
{
    size_t at = p->lengths[i];
    for (int64_t up = i; up >= 0; up = p->parents[up]) {
        if (up != i)
            out[--at] = '/';
        at -= p->name_lengths[up];
        memcpy(out + at, p->names + p->name_starts[up], p->name_lengths[up]);
    }
}

/* Write the whole paths of the entries `from` to `to`, back to back. */
void holdfast_paths_expand(const struct paths *p, int64_t from, int64_t to, char *out)
{
    for (int64_t i = from; i < to; out += p->lengths[i++]) {
        if (i > from && p->parents[i] == p->parents[i - 1]) {
            size_t front = (size_t)p->lengths[i] - p->name_lengths[i];
            memcpy(out, out - p->lengths[i - 1], front);
            memcpy(out + front, p->names + p->name_starts[i], p->name_lengths[i]);
        } else
            write_path(p, i, out);
    }
}

static int by_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int other = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return other ? other : (a_size > b_size) - (a_size < b_size);
}

/* For each path of `a` the number of the same path in `b`, or -1. Returns 0, or -ENOMEM. */
int holdfast_paths_match(const struct paths *a, const struct paths *b, int64_t *out)
{
    /* `ends`: the number behind all that an entry of `b` holds; `cursors`: where the next name of a folder of `b` is
     * looked for (the root's first). Both trees have the names of a folder in the same order, so no name is looked at
     * twice. */
    int32_t *ends = malloc(((size_t)b->count * 2 + 1) * sizeof *ends);
    if (!ends)
        return -ENOMEM;
    int32_t *cursors = ends + b->count;
    for (int64_t j = 0; j < b->count; j++) {
        ends[j] = (int32_t)j + 1;
        cursors[j + 1] = (int32_t)j + 1;
    }
    cursors[0] = 0;
    for (int64_t j = b->count - 1; j >= 0; j--) {
        int32_t parent = b->parents[j];
        if (parent >= 0 && ends[parent] < ends[j])
            ends[parent] = ends[j];
    }
    for (int64_t i = 0; i < a->count; i++) {
        int64_t folder = a->parents[i] < 0 ? -1 : out[a->parents[i]];
        out[i] = -1;
        if (a->parents[i] >= 0 && folder < 0)
            continue;
        int64_t j = cursors[folder + 1], end = folder < 0 ? b->count : ends[folder];
        int other = 1;
        while (j < end && (other = by_bytes(b->names + b->name_starts[j], b->name_lengths[j],
                                            a->names + a->name_starts[i], a->name_lengths[i])) < 0)
            j = ends[j];
        cursors[folder + 1] = (int32_t)j;
        if (j < end && !other)
            out[i] = j;
    }
    free(ends);
    return 0;
}

/* Compare two paths in manifest order: a slash comes before all that a name can have. */
static int in_order(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t at = 0, shorter = a_size < b_size ? a_size : b_size;
    while (at < shorter && a[at] == b[at])
        at++;
    if (at == shorter)
        return (a_size > b_size) - (a_size < b_size);
    int x = a[at] == '/' ? 0 : (unsigned char)a[at], y = b[at] == '/' ? 0 : (unsigned char)b[at];
    return x - y;
}

/* The number of the first entry whose path does not come before `path`, by bisection; -ENOMEM. */
int64_t holdfast_paths_find(const struct paths *p, const char *path, int64_t size)
{
    char *buffer = malloc(PATH_BYTES_MAX);
    if (!buffer)
        return -ENOMEM;
    int64_t low = 0, high = p->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        write_path(p, middle, buffer);
        if (in_order(buffer, p->lengths[middle], path, (size_t)size) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    free(buffer);
    return low;
}
