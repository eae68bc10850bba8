#include "host/cli/cli.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPTIONS_MAX = 40, FIRST_CODE = 256 };

static bool bar_shown;

static void complain(const char *before, const char *format, va_list args, const char *after)
{
    cli_progress(0, 0, NULL);
    fputs(before, stderr);
    vfprintf(stderr, format, args);
    fprintf(stderr, "%s\n", after);
}

int cli_usage(const struct cli_command *command, const char *format, ...)
{
    char before[64], after[64];
    va_list args;

    snprintf(before, sizeof(before), "spacc %s: ", command->name);
    snprintf(after, sizeof(after), "; see spacc %s --help", command->name);
    va_start(args, format);
    complain(before, format, args, after);
    va_end(args);
    return CLI_USAGE;
}

int cli_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain("spacc: ", format, args, "");
    va_end(args);
    return CLI_FAILED;
}

int cli_fail_err(const struct spacc_error *err)
{
    return cli_fail("%s", err->text[0] ? err->text : spacc_status_text(err->status));
}

enum spacc_status cli_name_file(struct spacc_error *err, const char *file)
{
    return strstr(err->text, file) ? err->status : spacc_fail_in(err, err->status, "%s", file);
}

bool cli_real(double *to, const char *text)
{
    char *end;

    errno = 0;
    *to = strtod(text, &end);
    return end != text && *end == '\0' && errno == 0 && isfinite(*to);
}

bool cli_count(uint64_t *to, const char *text)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *to = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

bool cli_ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);

    return a >= b && !strcmp(text + a - b, end);
}

int cli_precision(enum spacc_precision *to, const struct cli_command *command, const char *text)
{
    if (!strcmp(text, "f32"))
        *to = SPACC_PRECISION_F32;
    else if (!strcmp(text, "int8"))
        *to = SPACC_PRECISION_INT8;
    else if (!strcmp(text, "int16"))
        *to = SPACC_PRECISION_INT16;
    else if (!strcmp(text, "f16"))
        *to = SPACC_PRECISION_F16;
    else
        return cli_usage(command, "--precision %s: f32, f16, int8 or int16", text);
    return CLI_OK;
}

int cli_sparsity(double *to, const struct cli_command *command, const char *text)
{
    if (cli_real(to, text) && *to >= 0.0 && *to < 1.0)
        return CLI_OK;
    return cli_usage(command, "--sparsity %s: a share of zeros, 0 or more and below 1", text);
}

int cli_bank_size(size_t *to, const struct cli_command *command, const char *text)
{
    uint64_t bank;

    if (!cli_count(&bank, text) || bank < 1 || bank > 65536)
        return cli_usage(command, "--bank-size %s: 1 to 65536 columns", text);
    *to = (size_t)bank;
    return CLI_OK;
}

int cli_fpga(const struct cli_command *command, const char *text)
{
    if (!strcmp(text, "off") || !strcmp(text, "sim") || !strncmp(text, "sim:", 4) ||
        !strcmp(text, "model") || !strncmp(text, "model:", 6) || !strncmp(text, "uart:", 5) ||
        !strncmp(text, "mmio:", 5) || !strcmp(text, "xrt") || !strncmp(text, "xrt:", 4) ||
        !strncmp(text, "xrt=", 4) || !strcmp(text, "opencl") || !strncmp(text, "opencl:", 7) ||
        !strncmp(text, "opencl=", 7))
        return CLI_OK;
    return cli_usage(command,
                     "--fpga %s: sim, sim:4x4, model:16x16, uart:DEVICE, mmio:uioN, xrt:N, "
                     "opencl:P.D or off (spacc devices lists cards)",
                     text);
}

void cli_log(bool quiet, const char *format, ...)
{
    va_list args;

    if (quiet)
        return;
    va_start(args, format);
    complain("", format, args, "");
    va_end(args);
}

void cli_progress(int step, int steps, const char *what)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (what) {
        fprintf(stderr, "\r\033[K[%.*s%.*s] %s", 4 * step, "################",
                4 * (steps - step), "                ", what);
        bar_shown = true;
    } else if (bar_shown) {
        fprintf(stderr, "\r\033[K");
        bar_shown = false;
    }
    fflush(stderr);
}

int cli_print_json(struct cJSON *object)
{
    char *text = object ? cJSON_Print(object) : NULL;
    const bool ok = text && printf("%s\n", text) >= 0 && fflush(stdout) == 0;

    free(text);
    cJSON_Delete(object);
    return ok ? CLI_OK : cli_fail("the JSON report could not be written");
}

static void print_option(const struct cli_option *o)
{
    char left[48];

    if (!o->text)
        return;
    snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : "  ",
             o->letter ? o->letter : ' ', o->letter ? ", " : " ", o->name, o->value ? " " : "",
             o->value ? o->value : "");
    printf("  %-28s %s\n", left, o->text);
}

static void print_help(const struct cli_command *c)
{
    printf("usage: spacc %s [OPTION]...%s%s\n\n%s\n\n", c->name, c->arguments[0] ? " " : "",
           c->arguments, c->summary);
    for (const struct cli_option *o = c->option; o->name; o++)
        print_option(o);
    for (const struct cli_option *o = c->shared; o && o->name; o++)
        print_option(o);
    printf("  %-28s %s\n", "    --help", "this text");
    if (c->more)
        printf("\n%s", c->more);
    if (c->explain)
        c->explain();
    printf("\nexample:\n  %s\n", c->example);
}

static int count_options(const struct cli_option *option)
{
    int n = 0;

    while (option && option[n].name)
        n++;
    return n;
}

/* Those of the command first, then the shared ones. */
static const struct cli_option *option_at(const struct cli_command *c, int n)
{
    const int own = count_options(c->option);

    return n < own ? &c->option[n] : &c->shared[n - own];
}

/* What getopt_long() wants to know, from our tables. */
static int fill(const struct cli_command *c, struct option *longs, char *shorts)
{
    const int options = count_options(c->option) + count_options(c->shared);
    int n = 0;

    *shorts++ = ':'; /* tell a missing value from an unknown option */
    for (; n < OPTIONS_MAX && n < options; n++) {
        const struct cli_option *from = option_at(c, n);
        longs[n] = (struct option){from->name, from->value != NULL, NULL, FIRST_CODE + n};
        if (from->letter) {
            *shorts++ = from->letter;
            if (from->value)
                *shorts++ = ':';
        }
    }
    longs[n] = (struct option){"help", 0, NULL, FIRST_CODE + n};
    longs[n + 1] = (struct option){0};
    *shorts = '\0';
    return n;
}

static int number_of(const struct cli_command *c, int options, int code)
{
    for (int i = 0; i < options; i++)
        if (code == FIRST_CODE + i ||
            (option_at(c, i)->letter && code == option_at(c, i)->letter))
            return i;
    return options;
}

static int take_option(const struct cli_command *c, int n, cli_take_fn take, void *to)
{
    const int own = count_options(c->option);

    return take(to, n < own ? n : CLI_SHARED + n - own, optarg);
}

static int parse_options(const struct cli_command *c, int argc, char **argv, cli_take_fn take,
                         void *to, bool *done)
{
    struct option longs[OPTIONS_MAX + 2];
    char shorts[2 * OPTIONS_MAX + 2];
    const int options = fill(c, longs, shorts);
    int code, status = CLI_OK;

    opterr = 0;
    while (status == CLI_OK && (code = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (code == ':')
            return cli_usage(c, "%s needs a value", argv[optind - 1]);
        if (code == '?' && optopt > 0 && optopt < FIRST_CODE)
            return cli_usage(c, "unknown option -%c", optopt);
        if (code == '?')
            return cli_usage(c, "unknown option %s", argv[optind - 1]);
        const int n = number_of(c, options, code);
        if (n == options) {
            print_help(c);
            *done = true;
            return CLI_OK;
        }
        status = take_option(c, n, take, to);
    }
    return status;
}

bool cli_parse(const struct cli_command *c, int argc, char **argv, cli_take_fn take, void *to,
               const char **file, int *status)
{
    bool done = false;
    const int wanted = c->arguments[0] != '\0';
    const bool any = cli_ends_with(c->arguments, "...");

    *file = NULL;
    *status = parse_options(c, argc, argv, take, to, &done);
    if (*status != CLI_OK || done)
        return false;
    if (any)
        return true;
    if (argc - optind < wanted) {
        *status = cli_usage(c, "%s is missing", c->arguments);
        return false;
    }
    if (argc - optind > wanted) {
        *status = cli_usage(c, "unexpected argument %s", argv[optind + wanted]);
        return false;
    }
    if (wanted)
        *file = argv[optind];
    return true;
}

int cli_goal(enum spacc_goal *to, const struct cli_command *command, const char *text)
{
    static const char *const names[] = {NULL, "latency", "throughput", "energy"};

    for (int i = SPACC_GOAL_LATENCY; i <= SPACC_GOAL_ENERGY; i++)
        if (!strcmp(text, names[i])) {
            *to = (enum spacc_goal)i;
            return CLI_OK;
        }
    return cli_usage(command, "--objective %s: latency, throughput or energy", text);
}

int cli_seernet(int *bits, bool *always, const struct cli_command *command, const char *text)
{
    const char *comma = strchr(text, ',');
    const size_t length = comma ? (size_t)(comma - text) : strlen(text);

    *always = comma != NULL;
    *bits = length == 5 && !strncmp(text, "exact", 5)         ? SPACC_SEERNET_EXACT
            : length == 1 && text[0] >= '2' && text[0] <= '8' ? text[0] - '0'
                                                              : 0;
    if (*bits && (!comma || !strcmp(comma, ",always")))
        return CLI_OK;
    return cli_usage(command, "--seernet %s: exact or 2 to 8 bits, or with \",always\" behind",
                     text);
}

int cli_pin(struct spacc_pin *pin, size_t *pins, const struct cli_command *command,
            const char *text)
{
    const char *equals = strrchr(text, '=');

    if (!equals || equals == text || !equals[1])
        return cli_usage(command, "--device %s: wants NODE=cpu, NODE=gpu or NODE=card", text);
    pin[*pins].node = strndup(text, (size_t)(equals - text));
    pin[*pins].device = equals + 1;
    if (!pin[*pins].node)
        return cli_fail("out of memory");
    ++*pins;
    return CLI_OK;
}
