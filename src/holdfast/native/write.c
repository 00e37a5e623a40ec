/* Writing many small files at once, for a restore: one call from Python makes a whole batch, without the GIL.
 *
 * The files are made below a folder that is ours alone (mode 0700), so paths are opened as they are; the last component
 * must not be there yet (O_EXCL), and no link is followed at it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One file; must match holdfast.native.library.NEW_FILE. Its path stands in `paths` (ends with a zero byte), its
 * content in `data`. */
struct new_file {
    uint64_t path_start, data_start, data_size;
    int64_t mtime_ns;
    uint32_t mode, uid, gid, reserved;
};

static int write_one(int top, const struct new_file *f, const char *path, const char *data, int owners)
{
    int fd = openat(top, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = 0;
    for (uint64_t done = 0; done < f->data_size;) {
        ssize_t size = write(fd, data + done, f->data_size - done);
        if (size < 0) {
            rc = -errno;
            goto out;
        }
        done += (uint64_t)size;
    }
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
    int64_t seconds = f->mtime_ns / 1000000000, rest = f->mtime_ns % 1000000000;
    if (rest < 0) {
        rest += 1000000000;
        seconds--;
    }
    times[1].tv_sec = seconds;
    times[1].tv_nsec = rest;
    /* The owner first: changing it takes set-user-id bits away. */
    if ((owners && fchown(fd, f->uid, f->gid)) || fchmod(fd, f->mode) || futimens(fd, times))
        rc = -errno;
out:
    if (close(fd) && !rc)
        rc = -errno;
    return rc;
}

/* Make `count` files below the folder `top`. `owners`: set owner and group too. 0, or a negative errno with the number
 * of the file that failed in `failed`; those before it are there. */
int holdfast_write_files(int top, const struct new_file *files, uint64_t count, const char *paths, const char *data,
                         int owners, uint64_t *failed)
{
    for (uint64_t i = 0; i < count; i++) {
        int rc = write_one(top, &files[i], paths + files[i].path_start, data + files[i].data_start, owners);
        if (rc) {
            *failed = i;
            return rc;
        }
    }
    return 0;
}

/* Rename, but never over something that is there. 0, or a negative errno (-EEXIST). */
int holdfast_rename_new(int from, const char *from_name, int to, const char *to_name)
{
    return syscall(SYS_renameat2, from, from_name, to, to_name, RENAME_NOREPLACE) ? -errno : 0;
}

/* Everything on the file system of `fd` is on its disk when this returns. 0, or a negative errno. */
int holdfast_sync_disk(int fd)
{
    return syncfs(fd) ? -errno : 0;
}
