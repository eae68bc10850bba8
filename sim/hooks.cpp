#include "sim/hooks.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "verilated.h"

thread_local spacc_model_log *spacc_model_current;

int spacc_model_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    spacc_model_log *log = spacc_model_current;
    const int used = log ? std::vsnprintf(log->line, sizeof(log->line), format, args)
                         : std::vfprintf(stderr, format, args);
    va_end(args);
    return used;
}

/* Keep the first failure: the line that came before it says what, this says where. */
static void fail(const char *file, int line, const char *what)
{
    spacc_model_log *log = spacc_model_current;
    if (!log) { /* outside of tick(): nobody could be told */
        std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
        std::abort();
    }
    if (log->failure[0])
        return;
    if (log->line[0]) {
        std::memcpy(log->failure, log->line, sizeof(log->failure));
        log->failure[std::strcspn(log->failure, "\n")] = '\0';
    } else {
        std::snprintf(log->failure, sizeof(log->failure), "%s:%d: %s", file, line, what);
    }
}

void vl_stop(const char *filename, int linenum, const char *)
{
    fail(filename, linenum, "assertion failed");
}

void vl_fatal(const char *filename, int linenum, const char *, const char *msg)
{
    fail(filename, linenum, msg);
}

void vl_finish(const char *filename, int linenum, const char *)
{
    fail(filename, linenum, "$finish in the model");
}
