#include "models/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/io_parts.h"
#include "models/onnx.h"

/* ---- whole files ---- */

static enum spacc_status io_error(struct spacc_error *err, const char *file)
{
    return spacc_fail(err, SPACC_EIO, "%s: %s", file, strerror(errno));
}

/* Read to the end of `f`: the size a file system states is only a first guess, a
 * pipe has none. */
static enum spacc_status read_all(FILE *f, size_t guess, void **bytes, size_t *size_bytes,
                                  const char *file, size_t limit_bytes, struct spacc_error *err)
{
    size_t room = (guess < limit_bytes ? guess : limit_bytes) + 1;
    size_t used = 0;
    unsigned char *to = malloc(room);

    while (to) {
        used += fread(to + used, 1, room - used, f);
        if (ferror(f) || used < room)
            break;
        if (used > limit_bytes) {
            free(to);
            return spacc_fail(err, SPACC_EFORMAT, "%s: longer than %zu bytes", file,
                              limit_bytes);
        }
        room = room > limit_bytes / 2 ? limit_bytes + 1 : room * 2;
        unsigned char *more = realloc(to, room);
        if (!more)
            free(to);
        to = more;
    }
    if (!to)
        return spacc_fail(err, SPACC_ENOMEM, "%s: %s", file, spacc_status_text(SPACC_ENOMEM));
    if (ferror(f)) {
        free(to);
        return io_error(err, file);
    }
    *bytes = to;
    *size_bytes = used;
    return SPACC_OK;
}

enum spacc_status spacc_file_read(void **bytes, size_t *size_bytes, const char *file,
                                  size_t limit_bytes, struct spacc_error *err)
{
    struct stat info;

    *bytes = NULL;
    *size_bytes = 0;
    if (limit_bytes > SIZE_MAX / 4)
        return SPACC_EINVAL;
    FILE *f = fopen(file, "rb");
    if (!f)
        return io_error(err, file);
    const size_t guess =
        fstat(fileno(f), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0
            ? (size_t)info.st_size
            : 4096;
    const enum spacc_status status =
        read_all(f, guess, bytes, size_bytes, file, limit_bytes, err);
    fclose(f);
    return status;
}

static bool write_all(int fd, const void *bytes, size_t size_bytes)
{
    const char *from = bytes;

    while (size_bytes > 0) {
        const ssize_t wrote = write(fd, from, size_bytes);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return false;
        from += wrote;
        size_bytes -= (size_t)wrote;
    }
    return true;
}

/* A new file beside `file`; its name goes to `name`. -1 on failure. */
static int open_beside(const char *file, char *name, size_t name_bytes)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        snprintf(name, name_bytes, "%s.tmp%ld-%d", file, (long)getpid(), attempt);
        const int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

/* A device or pipe (/dev/null, /dev/stdout) is written in place: renaming a file
 * over it would replace it. */
static enum spacc_status write_in_place(const char *file, const void *bytes, size_t size_bytes,
                                        struct spacc_error *err)
{
    const int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(err, file);
    const bool done = write_all(fd, bytes, size_bytes);
    const int why = errno;
    if (close(fd) != 0 || !done) {
        errno = done ? errno : why;
        return io_error(err, file);
    }
    return SPACC_OK;
}

enum spacc_status spacc_file_write(const char *file, const void *bytes, size_t size_bytes,
                                   struct spacc_error *err)
{
    const size_t name_bytes = strlen(file) + 48;
    enum spacc_status status = SPACC_OK;
    struct stat info;

    if (stat(file, &info) == 0 && !S_ISREG(info.st_mode))
        return write_in_place(file, bytes, size_bytes, err);
    char *name = malloc(name_bytes);
    if (!name)
        return spacc_fail(err, SPACC_ENOMEM, "%s: %s", file, spacc_status_text(SPACC_ENOMEM));
    const int fd = open_beside(file, name, name_bytes);
    if (fd < 0) {
        status = io_error(err, file);
        free(name);
        return status;
    }
    if (!write_all(fd, bytes, size_bytes))
        status = io_error(err, file);
    if (close(fd) != 0 && status == SPACC_OK)
        status = io_error(err, file);
    if (status == SPACC_OK && rename(name, file) != 0)
        status = io_error(err, file);
    if (status != SPACC_OK)
        unlink(name);
    free(name);
    return status;
}

/* ---- tensors by the ending of the file's name ---- */

static bool ends_in(const char *file, const char *ending)
{
    const size_t length = strlen(file), tail = strlen(ending);
    return length > tail && strcmp(file + length - tail, ending) == 0;
}

/* Position of what follows `mark` ("x.npz:name"), or NULL. */
static const char *after_mark(const char *file, const char *mark)
{
    const char *found = NULL;
    for (const char *at = strstr(file, mark); at; at = strstr(at + 1, mark))
        found = at;
    return found && found[strlen(mark)] ? found + strlen(mark) : NULL;
}

/* Copy of `file` without the ":name" that `part` points into. NULL: no memory. */
static char *file_before(const char *file, const char *part)
{
    const size_t length = (size_t)(part - file) - 1;
    char *copy = malloc(length + 1);
    if (copy) {
        memcpy(copy, file, length);
        copy[length] = '\0';
    }
    return copy;
}

static enum spacc_status no_memory(struct spacc_error *err, const char *file)
{
    return spacc_fail(err, SPACC_ENOMEM, "%s: %s", file, spacc_status_text(SPACC_ENOMEM));
}

static void free_members(char **names, struct spacc_tensor **tensors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
        spacc_tensor_free(tensors[i]);
    }
    free(names);
    free(tensors);
}

/* One member of a .npz; `member` may be NULL when there is only one. */
static enum spacc_status load_member(struct spacc_tensor **out, const char *file,
                                     const char *member, struct spacc_error *err)
{
    char **names = NULL;
    struct spacc_tensor **tensors = NULL;
    size_t count = 0;

    enum spacc_status status = spacc_npz_load(&names, &tensors, &count, file, err);
    if (status != SPACC_OK)
        return status;
    for (size_t i = 0; i < count && !*out; i++) {
        if (member ? strcmp(names[i], member) == 0 : count == 1) {
            *out = tensors[i];
            tensors[i] = NULL;
        }
    }
    if (!*out && member)
        status = spacc_fail(err, SPACC_EFORMAT, "%s: has no member '%s'", file, member);
    else if (!*out)
        status = spacc_fail(err, SPACC_EFORMAT, "%s: has %zu members, say which one: %s:%s",
                            file, count, file, count ? names[0] : "NAME");
    free_members(names, tensors, count);
    return status;
}

static enum spacc_status load_parsed(struct spacc_tensor **out, const char *file,
                                     struct spacc_error *err)
{
    void *bytes = NULL;
    size_t size_bytes = 0;
    enum spacc_status status =
        spacc_file_read(&bytes, &size_bytes, file, SPACC_FILE_BYTES_MAX, err);

    if (status == SPACC_OK)
        status = ends_in(file, ".npy")
                     ? spacc_npy_parse(out, bytes, size_bytes, file, err)
                     : spacc_wav_parse(out, NULL, bytes, size_bytes, file, err);
    free(bytes);
    return status;
}

enum spacc_status spacc_tensor_load(struct spacc_tensor **out, const char *file,
                                    struct spacc_error *err)
{
    const char *member = after_mark(file, ".npz:");

    *out = NULL;
    if (member) {
        char *archive = file_before(file, member);
        if (!archive)
            return no_memory(err, file);
        const enum spacc_status status = load_member(out, archive, member, err);
        free(archive);
        return status;
    }
    if (ends_in(file, ".npz"))
        return load_member(out, file, NULL, err);
    if (ends_in(file, ".pb"))
        return spacc_onnx_tensor_load(out, file, err);
    if (ends_in(file, ".npy") || ends_in(file, ".wav"))
        return load_parsed(out, file, err);
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "%s: the name must end in .npy, .npz, .pb or .wav", file);
}

static enum spacc_status save_npy(const struct spacc_tensor *t, const char *file,
                                  struct spacc_error *err)
{
    void *bytes = NULL;
    size_t size_bytes = 0;
    enum spacc_status status = spacc_npy_format(&bytes, &size_bytes, t, file, err);
    if (status == SPACC_OK)
        status = spacc_file_write(file, bytes, size_bytes, err);
    free(bytes);
    return status;
}

/* "file.wav:16000". */
static enum spacc_status save_wav(const struct spacc_tensor *t, const char *file,
                                  const char *rate, struct spacc_error *err)
{
    char *end;
    errno = 0;
    const unsigned long hz = strtoul(rate, &end, 10);
    if (*end || errno || rate[0] < '1' || rate[0] > '9' || hz > UINT32_MAX)
        return spacc_fail(err, SPACC_EINVAL, "%s: '%s' is not a sample rate in Hz", file, rate);
    char *name = file_before(file, rate);
    if (!name)
        return no_memory(err, file);
    const enum spacc_status status = spacc_wav_save(t, (uint32_t)hz, name, err);
    free(name);
    return status;
}

enum spacc_status spacc_tensor_save(const struct spacc_tensor *t, const char *file,
                                    struct spacc_error *err)
{
    const char *const first[] = {"arr_0"};
    const char *rate = after_mark(file, ".wav:");

    if (rate)
        return save_wav(t, file, rate, err);
    if (ends_in(file, ".npy"))
        return save_npy(t, file, err);
    if (ends_in(file, ".npz"))
        return spacc_npz_save(first, &t, 1, file, err);
    if (ends_in(file, ".pb"))
        return spacc_onnx_tensor_save(t, "", file, err);
    if (ends_in(file, ".wav"))
        return spacc_fail(err, SPACC_EINVAL, "%s: a .wav needs its sample rate: %s:16000", file,
                          file);
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "%s: the name must end in .npy, .npz, .pb or .wav", file);
}
