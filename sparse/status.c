#include "sparse/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *spacc_status_text(enum spacc_status status)
{
    switch (status) {
#define X(name, text) \
    case SPACC_##name: return text;
        SPACC_STATUS_MAP(X)
#undef X
    }
    return "unknown status";
}

const char *spacc_status_name(enum spacc_status status)
{
    switch (status) {
#define X(name, text) \
    case SPACC_##name: return #name;
        SPACC_STATUS_MAP(X)
#undef X
    }
    return "?";
}

enum spacc_status spacc_fail(struct spacc_error *err, enum spacc_status status,
                             const char *format, ...)
{
    if (!err)
        return status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    err->status = status;
    return status;
}

enum spacc_status spacc_fail_in(struct spacc_error *err, enum spacc_status status,
                                const char *format, ...)
{
    if (!err)
        return status;
    char inner[sizeof(err->text)];
    memcpy(inner, err->text, sizeof(inner));
    va_list args;
    va_start(args, format);
    const int used = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof(err->text) - 3) {
        char *end = err->text + used;
        const size_t room = sizeof(err->text) - (size_t)used - 3;
        memcpy(end, ": ", 2);
        memcpy(end + 2, inner, strnlen(inner, room));
        end[2 + strnlen(inner, room)] = '\0';
    }
    err->status = status;
    return status;
}
