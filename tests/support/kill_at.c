/* A disk that is met in the middle: LD_PRELOAD this, and the process is killed during a write.

   Counted are the calls that change files below HAR_KILL_UNDER: write, pwrite, rename, unlink,
   fsync, fdatasync, ftruncate. At number HAR_KILL_AT of them the process gets SIGKILL: of a write
   half the bytes are on the disk then; of other calls those with an even number are done, and
   those with an odd number are not. Without HAR_KILL_AT each call adds a byte to HAR_KILL_COUNT. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static atomic_long calls;

static int below(const char *path) {
    const char *folder = getenv("HAR_KILL_UNDER");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int holds(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return below(path);
}

/* The number of this call if it is the one to die in, else 0. */
static long number(int counts) {
    if (!counts) return 0;
    long now = ++calls;
    const char *at = getenv("HAR_KILL_AT"), *count = getenv("HAR_KILL_COUNT");
    if (at) return atol(at) == now ? now : 0;
    if (count) {
        int file = syscall(SYS_openat, AT_FDCWD, count, O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (file >= 0) {
            syscall(SYS_write, file, ".", 1);
            syscall(SYS_close, file);
        }
    }
    return 0;
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

ssize_t write(int descriptor, const void *data, size_t size) {
    if (number(holds(descriptor))) {
        REAL(write)(descriptor, data, size / 2);
        die();
    }
    return REAL(write)(descriptor, data, size);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t at) {
    if (number(holds(descriptor))) {
        REAL(pwrite64)(descriptor, data, size / 2, at);
        die();
    }
    return REAL(pwrite64)(descriptor, data, size, at);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at) {
    return pwrite64(descriptor, data, size, at);
}

#define OTHER(counts, call)                  \
    long dying = number(counts);             \
    if (dying % 2) die();                    \
    int result = call;                       \
    if (dying) die();                        \
    return result

int rename(const char *from, const char *to) { OTHER(below(to), REAL(rename)(from, to)); }
int renameat(int from_folder, const char *from, int folder, const char *to) {
    OTHER(below(to), REAL(renameat)(from_folder, from, folder, to));
}
int unlink(const char *path) { OTHER(below(path), REAL(unlink)(path)); }
int fsync(int descriptor) { OTHER(holds(descriptor), REAL(fsync)(descriptor)); }
int fdatasync(int descriptor) { OTHER(holds(descriptor), REAL(fdatasync)(descriptor)); }
int ftruncate64(int descriptor, off64_t size) {
    OTHER(holds(descriptor), REAL(ftruncate64)(descriptor, size));
}
int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }
