/* Hostile main files, logs and indexes, random and mutated, under ASan and UBSan: `make fuzz`. Each view that opens is
 * bounded, and every read and run of it stays within it. */
#include "../../src/holdfast/native/overlay.c"

#include <stdio.h>
#include <sys/mman.h>

enum { SALTS = 8, OUT_BYTES = 1 << 20, JUNK_BYTES = 1 << 18, PAGES_MAX = 1 << 26 };
static uint8_t out[OUT_BYTES], junk[JUNK_BYTES];
static uint64_t state = 88172645463325252ull;
static int main_fd, log_fd, shm_fd;

static uint32_t any(void)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 11);
}

static int one_in(uint32_t n) { return any() % n == 0; }

static void put(int fd, const void *data, size_t size, off_t at)
{
    if (pwrite(fd, data, size, at) != (ssize_t)size)
        abort();
}

static void cut(int fd, off_t size)
{
    if (ftruncate(fd, 0) || ftruncate(fd, size))
        abort();
}

static void make_log(uint32_t page, uint32_t frames)
{
    uint8_t head[LOG_HEAD] = {0};
    cut(log_fd, 0);
    memcpy(head + 16, "saltsalt", SALTS);
    put(log_fd, head, sizeof head, 0);
    for (uint32_t i = 0; i < frames; i++) {
        uint8_t frame[FRAME_HEAD] = {0};
        off_t at = LOG_HEAD + (off_t)i * (FRAME_HEAD + page);
        uint32_t number = one_in(12) ? any() : 1 + any() % 12;
        for (int b = 0; b < 4; b++)
            frame[b] = (uint8_t)(number >> (24 - 8 * b));
        memcpy(frame + 8, one_in(40) ? "pepperpe" : "saltsalt", SALTS);
        put(log_fd, frame, sizeof frame, at);
        put(log_fd, junk, one_in(20) ? any() % page : page, at + FRAME_HEAD);
    }
}

static void make_index(uint32_t page, uint32_t frames)
{
    struct {
        struct index_head a, b;
        uint32_t backfilled;
    } index;
    uint32_t words[10], s1 = 0, s2 = 0;
    memset(&index, 0, sizeof index);
    index.a.version = one_in(30) ? any() : INDEX_VERSION;
    index.a.is_init = !one_in(30);
    index.a.page = (uint16_t)(one_in(20) ? any() : page == PAGE_MAX ? 1 : page);
    index.a.last = one_in(6) ? (one_in(4) ? any() : any() % 20) : frames;
    index.a.pages = one_in(5) ? any() : any() % 14;
    memcpy(index.a.salt, "saltsalt", SALTS);
    memcpy(words, &index.a, sizeof words);
    for (int i = 0; i < 10; i += 2)
        s1 += words[i] + s2, s2 += words[i + 1] + s1;
    index.a.sum[0] = s1, index.a.sum[1] = s2;
    index.b = index.a;
    index.backfilled = one_in(3) ? index.a.last : any() % 3;
    if (one_in(25))
        ((uint8_t *)&index)[any() % sizeof index] ^= (uint8_t)(1 << any() % 8);
    cut(shm_fd, 0);
    put(shm_fd, &index, one_in(40) ? any() % sizeof index : sizeof index, 0);
}

static void use(const struct overlay *o)
{
    uint64_t size = (uint64_t)o->pages * o->page_size, run[2], at = 0;
    if (o->pages > PAGES_MAX) {
        printf("a view of %u pages\n", o->pages);
        exit(1);
    }
    for (int i = 0; i < 6; i++)
        holdfast_overlay_read(o, out, any() % sizeof out, one_in(3) ? any() : any() % (size + 1));
    for (int i = 0; at < size && i < 1000; i++, at = run[1]) {
        holdfast_overlay_run(o, at, size, run);
        if (run[0] < at || run[1] < run[0] || run[1] > size || (run[0] < size && run[1] == run[0])) {
            printf("a run from %lu to %lu at %lu of %lu\n", run[0], run[1], at, size);
            exit(1);
        }
    }
    holdfast_overlay_check(o->log_fd, o->salt);
}

int main(int count, char **arguments)
{
    long rounds = count > 1 ? atol(arguments[1]) : 20000, opened = 0, with_frames = 0;
    main_fd = memfd_create("main", 0), log_fd = memfd_create("log", 0), shm_fd = memfd_create("shm", 0);
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (uint8_t)any();
    for (long k = 0; k < rounds; k++) {
        uint32_t page = (uint32_t)PAGE_MIN << (any() % 8), pages = any() % 9, frames = any() % 9;
        cut(main_fd, (off_t)pages * page + (one_in(8) ? any() % 700 : 0));
        if (pages && one_in(2))
            put(main_fd, junk, page, (off_t)(any() % pages) * page);
        make_log(page, frames);
        make_index(page, frames);
        struct overlay *o = holdfast_overlay_open(main_fd, log_fd, one_in(10) ? -1 : shm_fd, one_in(20) ? any() : page, one_in(4) ? any() : pages);
        if (!o)
            continue;
        opened++, with_frames += o->frames > 0;
        uint32_t facts[4];
        const void *map = holdfast_overlay_facts(o, facts);
        struct overlay *loaded = holdfast_overlay_load(main_fd, log_fd, o->page_size, facts[0], map ? map : "", facts[1]);
        use(o);
        use(loaded);
        holdfast_overlay_close(o);
        holdfast_overlay_close(loaded);
    }
    printf("%ld rounds, %ld views, %ld with frames: clean\n", rounds, opened, with_frames);
    return opened < rounds / 10 || with_frames < rounds / 50;
}
