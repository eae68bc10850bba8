/* status.h - every failure the library can report, and the sentence that goes
 * with it.
 *
 * A call that can fail returns `enum spacc_status`. A call whose failure a user
 * must understand also takes a `struct spacc_error *` (NULL is allowed) and
 * fills it with one line that names the file, the node and both sides of what
 * does not match. */
#ifndef SPACC_STATUS_H
#define SPACC_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* One line here makes the code, its name and its text. */
#define SPACC_STATUS_MAP(X)                                                 \
    X(OK, "success")                                                        \
    X(ENOMEM, "out of memory")                                              \
    X(EINVAL, "caller passed an argument out of its range")                 \
    X(EIO, "file could not be read or written")                             \
    X(EFORMAT, "file contents are damaged")                                 \
    X(EUNSUPPORTED, "operator, attribute, type or device is not supported") \
    X(ESHAPE, "shapes or types do not match")                               \
    X(ENOFIT, "does not fit the card's memories")                           \
    X(ETIMEOUT, "card did not answer within the time limit")                \
    X(EDEVICE, "card reported an error")

enum spacc_status {
#define X(name, text) SPACC_##name,
    SPACC_STATUS_MAP(X)
#undef X
};

/* What went wrong, for a person. `text` is one line without a newline; a line
 * too long is cut at the end. */
struct spacc_error {
    enum spacc_status status;
    char text[512];
};

/* Text for a status; a static string, never NULL. */
const char *spacc_status_text(enum spacc_status status);

/* Name for a status, "EFORMAT"; a static string, never NULL. */
const char *spacc_status_name(enum spacc_status status);

/* Fill `err` (NULL is allowed) with a formatted line and return `status`, so
 * that a failing call reads `return spacc_fail(err, SPACC_ESHAPE, "...", ...)`. */
enum spacc_status spacc_fail(struct spacc_error *err, enum spacc_status status,
                             const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of the line in `err` and return its status: the
 * caller adds the file or node that the callee could not know. */
enum spacc_status spacc_fail_in(struct spacc_error *err, enum spacc_status status,
                                const char *format, ...) __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
