/* A VFS for SQLite that opens nothing but the database it was told of, and follows no link to it.
 *
 * The stock VFS ("unix") turns a name into a full path by resolving every link in it, and a rollback journal may name
 * any file as its super-journal, which SQLite then reads or deletes. The owner of the data writes both. So here names are
 * taken as they are ("/proc/self/fd/N/name": the folder is an open descriptor, the last part is opened with O_NOFOLLOW by
 * the stock VFS itself), and every other name is refused. Files that are open are the stock VFS's own: reading, locking
 * and shared memory are as in any other program.
 *
 * The copy that is made is as sparse as it can be: what its owner left out of a database of a terabyte takes no room here.
 *
 * Layout of the structs: https://www.sqlite.org/c3ref/vfs.html and https://www.sqlite.org/c3ref/io_methods.html (public
 * and stable interfaces).
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { OK = 0, CANTOPEN = 14, IOERR_DELETE = 10 | 10 << 8, IOERR_ACCESS = 10 | 13 << 8 };
enum { NAMES_MAX = 3, NAME_BYTES_MAX = 400, COPY = 1, IO_VERSION = 3 };

typedef struct vfs vfs;
typedef struct file file;
struct vfs {
    int version, file_size, path_max;
    vfs *next;
    const char *name;
    void *data;
    int (*open)(vfs *, const char *, file *, int, int *);
    int (*delete)(vfs *, const char *, int);
    int (*access)(vfs *, const char *, int, int *);
    int (*full_path)(vfs *, const char *, int, char *);
    void *(*dl_open)(vfs *, const char *);
    void (*dl_error)(vfs *, int, char *);
    void (*(*dl_symbol)(vfs *, void *, const char *))(void);
    void (*dl_close)(vfs *, void *);
    int (*randomness)(vfs *, int, char *);
    int (*sleep)(vfs *, int);
    int (*current_time)(vfs *, double *);
    int (*last_error)(vfs *, int, char *);
    int (*current_time_64)(vfs *, int64_t *);
    /* Version 3 has system calls behind this; ours says that it is version 2. */
};

typedef struct io_methods {
    int version;
    int (*close)(file *);
    int (*read)(file *, void *, int, int64_t);
    int (*write)(file *, const void *, int, int64_t);
    int (*truncate)(file *, int64_t);
    int (*sync)(file *, int);
    int (*file_size)(file *, int64_t *);
    int (*lock)(file *, int);
    int (*unlock)(file *, int);
    int (*check_reserved_lock)(file *, int *);
    int (*file_control)(file *, int, void *);
    int (*sector_size)(file *);
    int (*device_characteristics)(file *);
    int (*shm_map)(file *, int, int, int, void volatile **);
    int (*shm_lock)(file *, int, int, int);
    void (*shm_barrier)(file *);
    int (*shm_unmap)(file *, int);
    int (*fetch)(file *, int64_t, int, void **);
    int (*unfetch)(file *, int64_t, void *);
} io_methods;

struct file {
    const io_methods *methods;
    /* The stock VFS's own fields. */
};

static io_methods of_copy;
static const io_methods *of_stock;
static vfs *stock;
static vfs ours;
static char names[NAMES_MAX][NAME_BYTES_MAX];

/* Return 1 if `name` is one of the databases, its write-ahead log or its journal. */
static int is_ours(const char *name)
{
    for (int i = 0; name && i < NAMES_MAX; i++) {
        size_t size = strlen(names[i]);
        if (size && !strncmp(name, names[i], size)) {
            const char *end = name + size;
            if (!*end || !strcmp(end, "-wal") || !strcmp(end, "-journal"))
                return 1;
        }
    }
    return 0;
}

/* Write to the copy; zeros at its end make it longer and take no room. */
static int write_copy(file *f, const void *data, int size, int64_t at)
{
    const char *bytes = data;
    int64_t end;
    if (size > 0 && !bytes[0] && !memcmp(bytes, bytes + 1, (size_t)size - 1) && !of_stock->file_size(f, &end) && at >= end)
        return of_stock->truncate(f, at + size);
    return of_stock->write(f, data, size, at);
}

static int open_ours(vfs *v, const char *name, file *f, int flags, int *out)
{
    (void)v;
    if (!is_ours(name)) {
        memset(f, 0, sizeof(void *)); /* no methods: SQLite does not close it */
        return CANTOPEN;
    }
    int code = stock->open(stock, name, f, flags, out);
    if (!code && !strcmp(name, names[COPY]) && f->methods && f->methods->version >= IO_VERSION) {
        if (!of_stock) {
            of_stock = f->methods;
            of_copy = *of_stock;
            of_copy.version = IO_VERSION;
            of_copy.write = write_copy;
        }
        if (f->methods == of_stock)
            f->methods = &of_copy;
    }
    return code;
}

static int delete_ours(vfs *v, const char *name, int sync)
{
    (void)v;
    return is_ours(name) ? stock->delete(stock, name, sync) : IOERR_DELETE;
}

/* Other names are not reported as missing: a journal whose super-journal is gone would be deleted unread. */
static int access_ours(vfs *v, const char *name, int flags, int *out)
{
    (void)v;
    return is_ours(name) ? stock->access(stock, name, flags, out) : IOERR_ACCESS;
}

static int full_path(vfs *v, const char *name, int room, char *out)
{
    (void)v;
    size_t size = strlen(name) + 1;
    if (size > (size_t)room)
        return CANTOPEN;
    memcpy(out, name, size);
    return OK;
}

static void *dl_open(vfs *v, const char *name)
{
    (void)v, (void)name;
    return NULL;
}

/* Make the VFS "holdfast" from the stock one. `find`, `add`: sqlite3_vfs_find and sqlite3_vfs_register of the SQLite
 * that will use it. 0, or SQLite's error; -1 where its interface is older than ours. */
int holdfast_sqlite_register(vfs *(*find)(const char *), int (*add)(vfs *, int))
{
    if (stock)
        return OK;
    vfs *found = find("unix");
    if (!found || found->version < 2)
        return -1;
    stock = found;
    memcpy(&ours, found, sizeof ours);
    ours.version = 2;
    ours.next = NULL;
    ours.name = "holdfast";
    ours.open = open_ours;
    ours.delete = delete_ours;
    ours.access = access_ours;
    ours.full_path = full_path;
    ours.dl_open = dl_open;
    return add(&ours, 0);
}

/* Let database number `i` (0 to 2) be `name`; empty for none. 0, or -1 when it is too long. */
int holdfast_sqlite_allow(int i, const char *name)
{
    size_t size = strlen(name) + 1;
    if (i < 0 || i >= NAMES_MAX || size > NAME_BYTES_MAX)
        return -1;
    memcpy(names[i], name, size);
    return 0;
}
