/* The walk over a directory tree that its owner may change under us at any moment.
 *
 * Folders are opened relative to their parent's descriptor with O_NOFOLLOW, names are looked at with
 * AT_SYMLINK_NOFOLLOW: no link is ever followed, so nothing outside the root can be seen. One call walks the whole
 * tree and leaves packed arrays; Python makes its columns from them without an object per file.
 *
 * Order: depth first, names of one folder by their bytes, a folder before what is in it. Each entry has its name alone
 * and the number of its folder's entry (paths.c), and the walk ends at a bound on entries and on bytes of names: memory
 * is not for the tree's owner to choose.
 *
 * Folders that ignore patterns leave out (ignore.c) are not descended into.
 */
#define _GNU_SOURCE
#include "ignore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH_MAX 512
#define PATH_BYTES_MAX 32768
#define NOTICES_MAX 10000
#define NOTICE_BYTES_MAX (4 * 1024 * 1024)

enum { KIND_FILE = 1, KIND_FOLDER = 2, KIND_SYMLINK = 3 };
enum { NOTICE_SPECIAL = 1, NOTICE_FOLDER_UNREADABLE = 2, NOTICE_TOO_DEEP = 3, NOTICE_UNREADABLE = 4 };

/* One entry; must match holdfast.native.library.ENTRY. */
struct entry {
    int64_t mtime_ns, ctime_ns;
    uint64_t size, inode, device;
    uint32_t uid, gid, nlink;
    int32_t parent; /* number of the entry of its folder; -1: the root */
    uint16_t mode, name_length, target_length;
    uint8_t kind;
    uint8_t is_spared; /* patterns leave it out, but it may belong to a database that they don't */
};

/* One notice; must match holdfast.native.library.NOTICE. Its path stands in notice_paths. */
struct notice {
    uint32_t code, detail, path_length, reserved;
};

struct bytes { char *data; size_t size, room; };

struct walk {
    struct bytes entries, names, targets, notices, notice_paths;
    const volatile int32_t *stop;
    const char *const *skip; /* paths to leave out, with all below them; ends with NULL */
    struct ignore *ignore; /* or NULL */
    uint64_t entries_max, name_bytes_max;
    uint64_t listed, listed_bytes; /* names of folders that are being walked, which are held beside those of entries */
    uint64_t more_notices; /* beyond the bound: only counted */
    int32_t count; /* of entries */
    char path[PATH_BYTES_MAX];
    size_t path_size, name_at; /* the last name begins at `name_at` */
    char target[4096]; /* here and not on the stack, of which a thread may have little and a deep tree takes much */
};

static int put(struct bytes *b, const void *data, size_t size)
{
    if (b->size + size > b->room) {
        size_t room = b->room ? b->room * 2 : 65536;
        while (room < b->size + size)
            room *= 2;
        char *grown = realloc(b->data, room);
        if (!grown)
            return -ENOMEM;
        b->data = grown;
        b->room = room;
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

static int put_notice(struct walk *w, uint32_t code, uint32_t detail)
{
    if (w->notices.size >= NOTICES_MAX * sizeof(struct notice) || w->notice_paths.size >= NOTICE_BYTES_MAX) {
        w->more_notices++;
        return 0;
    }
    struct notice n = { code, detail, (uint32_t)w->path_size, 0 };
    int rc = put(&w->notices, &n, sizeof n);
    return rc ? rc : put(&w->notice_paths, w->path, w->path_size);
}

/* 0, or -E2BIG or -EMSGSIZE when there would be too many entries or bytes of names. */
static int check_bounds(const struct walk *w, uint64_t more, uint64_t more_bytes)
{
    if ((uint64_t)w->count + w->listed + more > w->entries_max)
        return -E2BIG;
    return w->names.size + w->targets.size + w->listed_bytes + more_bytes > w->name_bytes_max ? -EMSGSIZE : 0;
}

/* Nanoseconds since 1970; a time before 1677 or after 2262, which they do not reach, is the nearest that they do. */
static int64_t nanoseconds(const struct timespec *t)
{
    __int128 ns = (__int128)t->tv_sec * 1000000000 + t->tv_nsec;
    return ns > INT64_MAX ? INT64_MAX : ns < INT64_MIN ? INT64_MIN : (int64_t)ns;
}

static int put_entry(struct walk *w, const struct stat *st, int32_t parent, uint8_t kind, uint8_t is_spared,
                     const char *target, size_t target_size)
{
    size_t name_size = w->path_size - w->name_at;
    struct entry e = {
        .mtime_ns = nanoseconds(&st->st_mtim),
        .ctime_ns = nanoseconds(&st->st_ctim),
        .size = kind == KIND_FILE ? (uint64_t)st->st_size : target_size,
        .inode = st->st_ino, .device = st->st_dev,
        .uid = st->st_uid, .gid = st->st_gid, .nlink = (uint32_t)st->st_nlink, .parent = parent,
        .mode = st->st_mode & 07777, .name_length = (uint16_t)name_size,
        .target_length = (uint16_t)target_size, .kind = kind, .is_spared = is_spared,
    };
    int rc = check_bounds(w, 1, name_size + target_size);
    if (!rc)
        rc = put(&w->entries, &e, sizeof e);
    if (!rc)
        rc = put(&w->names, w->path + w->name_at, name_size);
    if (!rc && target_size)
        rc = put(&w->targets, target, target_size);
    if (!rc)
        w->count++;
    return rc;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_name(struct walk *w, char *name)
{
    w->listed--;
    w->listed_bytes -= strlen(name);
    free(name);
}

static void free_names(struct walk *w, char **names, size_t from, size_t count)
{
    for (size_t i = from; i < count; i++)
        free_name(w, names[i]);
    free(names);
}

/* All names of a folder, sorted. Takes over `fd`'s position, not the descriptor. */
static int read_names(struct walk *w, int fd, char ***names_out, size_t *count_out)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return -errno;
    DIR *dir = fdopendir(own);
    if (!dir) {
        int rc = -errno;
        close(own);
        return rc;
    }
    char **names = NULL;
    size_t count = 0, room = 0;
    int rc = 0;
    for (;;) {
        errno = 0;
        struct dirent *d = readdir(dir);
        if (!d) {
            rc = -errno;
            break;
        }
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
            continue;
        size_t size = strlen(d->d_name);
        if ((rc = check_bounds(w, 1, size)))
            break;
        if (count == room) {
            room = room ? room * 2 : 64;
            char **grown = realloc(names, room * sizeof *names);
            if (!grown) {
                rc = -ENOMEM;
                break;
            }
            names = grown;
        }
        if (!(names[count] = strdup(d->d_name))) {
            rc = -ENOMEM;
            break;
        }
        count++;
        w->listed++;
        w->listed_bytes += size;
        if (*w->stop) {
            rc = -ECANCELED;
            break;
        }
    }
    closedir(dir);
    if (rc) {
        free_names(w, names, 0, count);
        return rc;
    }
    if (count)
        qsort(names, count, sizeof *names, by_bytes);
    *names_out = names;
    *count_out = count;
    return 0;
}

static int walk_folder(struct walk *w, int fd, int depth, int32_t number);

/* A folder below `parent`, whose entry is `number`: opened without following a link, then looked at through its own descriptor. */
static int walk_child(struct walk *w, int parent, const char *name, const struct stat *seen, int depth, int32_t number)
{
    struct stat st;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
            return 0; /* it is no longer a folder: gone, or something else for the next backup to see */
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
            return -errno;
        int why = errno;
        int rc = put_entry(w, seen, number, KIND_FOLDER, 0, NULL, 0);
        return rc ? rc : put_notice(w, NOTICE_FOLDER_UNREADABLE, (uint32_t)why);
    }
    int32_t own = w->count;
    int rc = fstat(fd, &st) ? -errno : put_entry(w, &st, number, KIND_FOLDER, 0, NULL, 0);
    if (!rc)
        rc = depth >= DEPTH_MAX ? put_notice(w, NOTICE_TOO_DEEP, DEPTH_MAX) : walk_folder(w, fd, depth + 1, own);
    close(fd);
    return rc;
}

/* Return 1 if a file may be a log or journal of a database, whose contents may not be left out without it. */
static int is_sidecar(const char *name)
{
    static const char *const ends[] = { "-wal", "-shm", "-journal" };
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t end = strlen(ends[i]);
        if (size > end && !memcmp(name + size - end, ends[i], end))
            return 1;
    }
    return 0;
}

static int walk_one(struct walk *w, int fd, const char *name, int depth, int32_t number)
{
    struct stat st;
    if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
        if (errno == ENOENT)
            return 0;
        return put_notice(w, NOTICE_UNREADABLE, (uint32_t)errno);
    }
    int is_spared = 0;
    if (w->ignore) {
        int32_t rule = holdfast_ignore_decide(w->ignore, w->path, w->path_size, w->name_at, S_ISDIR(st.st_mode));
        if (rule == IGNORE_EXHAUSTED)
            return -EOVERFLOW;
        is_spared = rule >= 0 && S_ISREG(st.st_mode) && is_sidecar(name);
        if (rule >= 0 && !is_spared)
            return 0;
    }
    if (S_ISREG(st.st_mode))
        return put_entry(w, &st, number, KIND_FILE, (uint8_t)is_spared, NULL, 0);
    if (S_ISDIR(st.st_mode))
        return walk_child(w, fd, name, &st, depth, number);
    if (S_ISLNK(st.st_mode)) {
        ssize_t size = readlinkat(fd, name, w->target, sizeof w->target);
        if (size < 0)
            return errno == ENOENT || errno == EINVAL ? 0 : put_notice(w, NOTICE_UNREADABLE, (uint32_t)errno);
        return put_entry(w, &st, number, KIND_SYMLINK, 0, w->target, (size_t)size);
    }
    return put_notice(w, NOTICE_SPECIAL, st.st_mode & S_IFMT);
}

static int is_skipped(const struct walk *w)
{
    for (const char *const *skip = w->skip; *skip; skip++)
        if (!strcmp(*skip, w->path))
            return 1;
    return 0;
}

/* Return 1 for what ends the walk, and is not the fault of one folder. */
static int ends_walk(int rc)
{
    return rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE || rc == -E2BIG || rc == -EMSGSIZE || rc == -ECANCELED;
}

static int walk_folder(struct walk *w, int fd, int depth, int32_t number)
{
    char **names = NULL;
    size_t count = 0, base = w->path_size, i = 0;
    int rc = read_names(w, fd, &names, &count);
    if (rc)
        return ends_walk(rc) ? rc : put_notice(w, NOTICE_FOLDER_UNREADABLE, (uint32_t)-rc);
    while (i < count && !rc) {
        char *name = names[i++];
        size_t size = strlen(name);
        if (*w->stop)
            rc = -ECANCELED;
        else if (base + size + 2 > PATH_BYTES_MAX)
            rc = put_notice(w, NOTICE_TOO_DEEP, PATH_BYTES_MAX);
        else {
            if (base)
                w->path[base] = '/';
            size_t at = base + (base ? 1 : 0);
            memcpy(w->path + at, name, size + 1);
            w->path_size = at + size;
            w->name_at = at;
            w->listed--; /* from here on it is an entry's, or nobody's */
            w->listed_bytes -= size;
            if (!is_skipped(w))
                rc = walk_one(w, fd, name, depth, number);
            w->listed++;
            w->listed_bytes += size;
            w->path_size = base;
        }
        free_name(w, name);
    }
    free_names(w, names, i, count);
    return rc;
}

/* Walk the tree below the open folder `fd`, but not the paths `skip`, nor what `ignore` leaves out (NULL: nothing). 0, or
 * a negative errno; -EOVERFLOW when the patterns take too long, -E2BIG and -EMSGSIZE at the bounds on entries and on
 * bytes of names. `stop` is checked before each name. */
int holdfast_walk(int fd, const volatile int32_t *stop, const char *const *skip, struct ignore *ignore,
                  uint64_t entries_max, uint64_t name_bytes_max, struct walk **out)
{
    struct walk *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->stop = stop;
    w->skip = skip;
    w->ignore = ignore;
    w->entries_max = entries_max < INT32_MAX ? entries_max : INT32_MAX;
    w->name_bytes_max = name_bytes_max;
    *out = w;
    return walk_folder(w, fd, 0, -1);
}

/* The number of notices beyond the bound. */
uint64_t holdfast_walk_more_notices(const struct walk *w)
{
    return w->more_notices;
}

/* Array `which` (entries, names, targets, notices, notice paths) of a walk. */
void holdfast_walk_array(const struct walk *w, int which, const char **data, size_t *size)
{
    const struct bytes *all[] = { &w->entries, &w->names, &w->targets, &w->notices, &w->notice_paths };
    *data = all[which]->data;
    *size = all[which]->size;
}

void holdfast_walk_free(struct walk *w)
{
    if (!w)
        return;
    free(w->entries.data);
    free(w->names.data);
    free(w->targets.data);
    free(w->notices.data);
    free(w->notice_paths.data);
    free(w);
}

/* Open `path` below the folder `root` with `flags`, through no link and never above it. A descriptor, or a negative
 * errno; -ENOSYS where the kernel has no openat2 (before Linux 5.6). */
int holdfast_open_beneath(int root, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)flags,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}
