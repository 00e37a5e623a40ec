/* A database's pages as one reader of SQLite sees them, read beside SQLite: the main file, and over it the committed
 * frames of the write-ahead log. "The view" of a database.
 *
 * A view is sound only while another process holds a read transaction of SQLite on the database, begun before
 * `holdfast_overlay_open` and ended after the last read. Another process, since closing any descriptor of a file drops
 * all POSIX locks that the closing process has on it. The rules below are numbered where they are held; why each is
 * enough:
 *  - rollback journal: the SHARED lock of the transaction keeps every writer from the main file, also one whose cache
 *    spills.
 *  - WAL, read mark n > 0: the log is neither reset nor cut, and a checkpoint writes only frames up to the mark, whose
 *    pages are read here from the log. A page without a frame is written by nobody.
 *  - WAL, read mark 0 (all was checkpointed when the transaction began): no checkpoint writes the main file, but the log
 *    may be reset and overwritten. Frames are used only where some are not in the main file yet (rule 3): those cannot
 *    be checkpointed while mark 0 is held, and a log with such frames is not reset. So nobody needs to know which mark
 *    SQLite took.
 *  - A state committed after the transaction began serves as well as its own, so the newest header of the index is read.
 *
 * Formats: https://www.sqlite.org/walformat.html. Everything that is read is the tenant's: each number is checked, and
 * memory is taken for frames that are there. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef INDEX_TRIES
#define INDEX_TRIES 1000 /* a second in all; the fuzzer, of whose indexes many are never whole, takes a few */
#endif

enum { FRAME_HEAD = 24, LOG_HEAD = 32, INDEX_VERSION = 3007000, PAGE_MIN = 512, PAGE_MAX = 65536 };
enum { FRAMES_MAX = 1 << 24, FIRST_FRAMES = 1024, GRAIN = 65536 };

struct index_head { /* of the log's index (-shm), in the byte order of the machine */
    uint32_t version, unused, change;
    uint8_t is_init, big_end;
    uint16_t page;
    uint32_t last, pages, frame_sum[2], salt[2], sum[2];
};

struct place {
    uint32_t page, frame;
};

struct overlay {
    int main_fd, log_fd;
    uint32_t page_size, pages, frames; /* frames: entries of `map` */
    uint32_t salt[2];
    struct place *map; /* sorted by page: the newest frame of each */
};

static uint32_t be32(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* Read the index's header and how many frames are in the main file already. 0, or -1: somebody is writing it. */
static int read_head(int shm_fd, struct index_head *out, uint32_t *backfilled)
{
    struct {
        struct index_head a, b;
        uint32_t backfilled;
    } got;
    uint32_t s1 = 0, s2 = 0, words[10];
    if (pread(shm_fd, &got, sizeof got, 0) != (ssize_t)sizeof got)
        return -1;
    memcpy(words, &got.a, sizeof words);
    for (int i = 0; i < 10; i += 2) {
        s1 += words[i] + s2;
        s2 += words[i + 1] + s1;
    }
    /* Rule 1: SQLite writes the second copy first, so two equal copies with the right sum are one whole header. */
    if (memcmp(&got.a, &got.b, sizeof got.a) || !got.a.is_init || s1 != got.a.sum[0] || s2 != got.a.sum[1])
        return -1;
    *out = got.a;
    *backfilled = got.backfilled;
    return 0;
}

/* Rule 2: the header is read twice and is the same, so the number of frames in the main file belongs to this log: a reset
 * changes the salts. 0, or -1 when it does not come to rest within a second. */
static int read_index(int shm_fd, struct index_head *head, uint32_t *backfilled)
{
    struct index_head again;
    uint32_t later;
    for (int i = 0; i < INDEX_TRIES; i++) {
        if (!read_head(shm_fd, head, backfilled) && !read_head(shm_fd, &again, &later) && !memcmp(head, &again, sizeof again))
            return 0;
        usleep(i < 10 ? 10 : 1000); /* somebody is just committing, or recovers the log */
    }
    return -1;
}

static int by_page(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->page != y->page ? (x->page > y->page) - (x->page < y->page) : (x->frame < y->frame) - (x->frame > y->frame);
}

/* Fill `map` with the newest frame of each page. 0, or -1: the log is not the one of `head`. */
static int read_frames(struct overlay *o, const struct index_head *head)
{
    struct stat st;
    uint64_t stride = FRAME_HEAD + (uint64_t)o->page_size;
    uint32_t room = 0;
    if (o->log_fd < 0 || fstat(o->log_fd, &st) || st.st_size < LOG_HEAD || head->last > FRAMES_MAX)
        return -1;
    if (head->last > (uint64_t)(st.st_size - LOG_HEAD) / stride)
        return -1;
    for (uint32_t i = 0; i < head->last; i++) {
        uint8_t frame[FRAME_HEAD];
        /* Rule 4: each frame has the salts of the header; one of an earlier log does not count. */
        if (pread(o->log_fd, frame, sizeof frame, (off_t)(LOG_HEAD + i * stride)) != (ssize_t)sizeof frame)
            return -1;
        if (memcmp(frame + 8, head->salt, sizeof head->salt) || !be32(frame))
            return -1;
        if (i == room) { /* grown as frames are found: an index that promises billions gets no memory */
            room = room ? 2 * room : FIRST_FRAMES;
            struct place *larger = realloc(o->map, sizeof *larger * room);
            if (!larger)
                return -1;
            o->map = larger;
        }
        o->map[i] = (struct place){be32(frame), i};
    }
    qsort(o->map, head->last, sizeof *o->map, by_page);
    for (uint32_t i = 0; i < head->last; i++)
        if (!o->frames || o->map[o->frames - 1].page != o->map[i].page)
            o->map[o->frames++] = o->map[i];
    memcpy(o->salt, head->salt, sizeof o->salt);
    return 0;
}

static int fill(struct overlay *o, int shm_fd)
{
    struct stat st;
    struct index_head head;
    uint32_t backfilled;
    uint64_t size = o->page_size;
    if (fstat(o->main_fd, &st) || size < PAGE_MIN || size > PAGE_MAX || (size & (size - 1)))
        return -1;
    uint64_t in_main = ((uint64_t)st.st_size + size - 1) / size;
    if (shm_fd < 0)
        return o->pages > in_main ? -1 : 0;
    if (read_index(shm_fd, &head, &backfilled) || head.version != INDEX_VERSION)
        return -1;
    /* Rule 3: where the main file has all frames, it alone is read: the log may be reset while it is being read. */
    if (!head.last || backfilled >= head.last) {
        if (head.last && head.pages)
            o->pages = head.pages;
        return o->pages > in_main ? -1 : 0;
    }
    if (((uint32_t)(head.page & 0xfe00) | (uint32_t)(head.page & 1) << 16) != size || read_frames(o, &head))
        return -1;
    /* Rule 5: every page behind the main file's end is in the log, but for the lock page. More would be zeros without
     * end, on a tenant's word. */
    if (head.pages > (uint64_t)st.st_size / size + o->frames + 1)
        return -1;
    o->pages = head.pages;
    return 0;
}

/* Return the view, or NULL where there is none that is sound. `log_fd`, `shm_fd`: -1 without a log. `pages`: of the
 * database, as SQLite says in its transaction. */
struct overlay *holdfast_overlay_open(int main_fd, int log_fd, int shm_fd, uint32_t page_size, uint32_t pages)
{
    struct overlay *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->main_fd = main_fd, o->log_fd = log_fd, o->page_size = page_size, o->pages = pages;
    if (!fill(o, shm_fd))
        return o;
    free(o->map);
    free(o);
    return NULL;
}

/* Return a view that `holdfast_overlay_open` made in another process: its numbers and its map, which is copied. */
struct overlay *holdfast_overlay_load(int main_fd, int log_fd, uint32_t page_size, uint32_t pages, const void *map, uint32_t frames)
{
    struct overlay *o = calloc(1, sizeof *o);
    if (!o || !(o->map = malloc(sizeof *o->map * (frames ? frames : 1)))) {
        free(o);
        return NULL;
    }
    o->main_fd = main_fd, o->log_fd = log_fd, o->page_size = page_size, o->pages = pages, o->frames = frames;
    memcpy(o->map, map, sizeof *o->map * frames);
    return o;
}

/* Give pages, frames and the two salts of a view; return its map. */
const void *holdfast_overlay_facts(const struct overlay *o, uint32_t out[4])
{
    out[0] = o->pages, out[1] = o->frames, out[2] = o->salt[0], out[3] = o->salt[1];
    return o->map;
}

/* Return the first place in `map` whose page is `page` or a later one. */
static uint32_t first_at(const struct overlay *o, uint64_t page)
{
    uint32_t low = 0, high = o->frames;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (o->map[middle].page < page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Read as pread does, whole unless at the end of the view. -1 and errno on failure. */
int64_t holdfast_overlay_read(const struct overlay *o, uint8_t *out, uint64_t room, uint64_t at)
{
    uint64_t page_size = o->page_size, size = o->pages * page_size, got = 0;
    if (at >= size)
        return 0;
    if (room > size - at)
        room = size - at;
    while (got < room) {
        ssize_t n = pread(o->main_fd, out + got, room - got, (off_t)(at + got));
        if (n < 0 && errno != EINTR)
            return -1;
        if (!n)
            break;
        if (n > 0)
            got += (uint64_t)n;
    }
    memset(out + got, 0, room - got); /* pages that are in the log alone, or were never written: SQLite reads zeros too */
    for (uint32_t i = first_at(o, at / page_size + 1); i < o->frames; i++) {
        uint64_t start = (o->map[i].page - 1) * page_size, from = start > at ? start : at, to = start + page_size;
        if (start >= at + room)
            break;
        if (to > at + room)
            to = at + room;
        uint64_t place = LOG_HEAD + o->map[i].frame * (FRAME_HEAD + page_size) + FRAME_HEAD + (from - start);
        ssize_t n = pread(o->log_fd, out + (from - at), to - from, (off_t)place);
        if (n != (ssize_t)(to - from)) {
            errno = n < 0 ? errno : EIO; /* the log was cut */
            return -1;
        }
    }
    return (int64_t)room;
}

/* Return the start of the next data at or behind `at`: in the main file, or in a frame over its hole. `end` if none. */
static uint64_t next_data(const struct overlay *o, uint64_t at, uint64_t end, uint64_t *stop)
{
    off_t data = lseek(o->main_fd, (off_t)at, SEEK_DATA);
    uint64_t start = data < 0 ? end : (uint64_t)data;
    if (start < end) {
        off_t hole = lseek(o->main_fd, (off_t)start, SEEK_HOLE);
        *stop = hole > (off_t)start ? (uint64_t)hole : end;
    }
    uint32_t i = first_at(o, at / o->page_size + 1);
    if (i < o->frames) {
        uint64_t page = (uint64_t)(o->map[i].page - 1) * o->page_size;
        if (page < at)
            page = at;
        if (page < start) {
            start = page;
            *stop = (uint64_t)o->map[i].page * o->page_size;
        }
    }
    return start < end ? start : end;
}

/* Give the next run of data of a view within `at` to `end`: out[0] to out[1], both `end` where only a hole is left.
 * Short holes belong to the run, and it begins and ends at multiples of 64 KiB: pages are cut at fixed places. */
void holdfast_overlay_run(const struct overlay *o, uint64_t at, uint64_t end, uint64_t out[2])
{
    uint64_t size = (uint64_t)o->pages * o->page_size, stop = 0;
    if (end > size)
        end = size;
    uint64_t start = at < end ? next_data(o, at, end, &stop) : end;
    if (start >= end) {
        out[0] = out[1] = end;
        return;
    }
    start -= start % GRAIN;
    out[0] = start > at ? start : at;
    for (;;) {
        stop += (GRAIN - stop % GRAIN) % GRAIN;
        if (stop >= end)
            break;
        uint64_t more, next = next_data(o, stop, end, &more);
        if (next >= end || next - stop >= GRAIN)
            break;
        stop = more;
    }
    out[1] = stop < end ? stop : end;
}

/* Rule 6, at the end, before the transaction is ended: 0 where the log is still the one whose frames were read. */
int holdfast_overlay_check(int log_fd, const uint32_t salt[2])
{
    uint8_t head[LOG_HEAD];
    return pread(log_fd, head, sizeof head, 0) != (ssize_t)sizeof head || memcmp(head + 16, salt, 8) ? -1 : 0;
}

void holdfast_overlay_close(struct overlay *o)
{
    if (o)
        free(o->map);
    free(o);
}
