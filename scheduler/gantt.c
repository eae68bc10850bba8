#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "scheduler/gantt.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pixels. */
enum {
    WIDTH = 1200,
    LEFT = 96,
    RIGHT = 24,
    TOP = 44,
    TASK_LANE = 28,
    LINK_LANE = 16,
    GAP = 6,
    AXIS = 30,
    LEGEND = 30,
    TICKS = 10,
    NAME_MIN = 12, /* a narrower bar has no name */
};
static const double letter = 5.8; /* mean width at font size 10 */

/* Distinct on white and for most who see few colours. */
static const char *const device_fill[SPACC_PLACE_DEVICES] = {
    "#8db7e0", "#9fd08c", "#f3b46b", "#c9a6df", "#e59c9c", "#83cdc6", "#d6cf6f", "#bcbcbc"};
static const char *const to_fill = "#5b6b7f", *const from_fill = "#b06a4a";

struct chart {
    FILE *to;
    const struct spacc_tasks *t;
    const struct spacc_placement *p;
    double scale;                    /* pixels a us */
    int task_y[SPACC_PLACE_DEVICES]; /* top of a lane */
    int link_y[SPACC_PLACE_DEVICES]; /* 0: no transfers */
    int bottom;
};

/* ---- text ---------------------------------------------------------------------------------
 */

/* Bytes of the character at s if XML has it, else 0. */
static int character(const unsigned char *s)
{
    const int more = s[0] < 0x80 ? 0 : s[0] < 0xe0 ? 1 : s[0] < 0xf0 ? 2 : 3;
    static const unsigned char bits[] = {0x7f, 0x1f, 0x0f, 0x07};
    static const unsigned long least[] = {0x20, 0x80, 0x800, 0x10000};
    unsigned long code = s[0] & bits[more];

    if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4)
        return 0;
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
        code == 0x7f || code == 0xfffe || code == 0xffff)
        return 0;
    return more + 1;
}

static void put_character(FILE *to, const char *s, int bytes)
{
    switch (*s) {
    case '&': fputs("&amp;", to); break;
    case '<': fputs("&lt;", to); break;
    case '>': fputs("&gt;", to); break;
    case '"': fputs("&quot;", to); break;
    default: fwrite(s, 1, (size_t)bytes, to);
    }
}

/* At most `most` characters; dots say that there were more. */
static void put_text(FILE *to, const char *s, int most)
{
    int put = 0;

    for (; *s; put++) {
        const int bytes = character((const unsigned char *)s);
        if (put == most) {
            fputs("\xe2\x80\xa6", to);
            return;
        }
        put_character(to, bytes ? s : "?", bytes ? bytes : 1);
        s += bytes ? bytes : 1;
    }
}

enum { ALL = 1 << 30 };

/* ---- bars ---------------------------------------------------------------------------------
 */

static const char *device_name(const struct chart *c, int device)
{
    return c->t->device[device].name;
}

static double x_of(const struct chart *c, double us)
{
    return LEFT + us * c->scale;
}

static void put_times(const struct chart *c, const struct spacc_place_bar *b)
{
    fprintf(c->to, ": %.6g us, from %.6g to %.6g us</title>", b->end_us - b->start_us,
            b->start_us, b->end_us);
}

static void open_bar(const struct chart *c, const struct spacc_place_bar *b, int y, int height,
                     const char *fill)
{
    const double x = x_of(c, b->start_us), end = x_of(c, b->end_us);

    fprintf(c->to,
            "<g><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"%s\" "
            "stroke=\"#fff\" stroke-width=\"0.5\"/><title>",
            x, y, fmax(end - x, 0.75), height, fill);
}

/* The inner svg cuts what a wide name has too much. */
static void put_name(const struct chart *c, const struct spacc_place_bar *b, int y)
{
    const double width = (b->end_us - b->start_us) * c->scale;

    if (width < NAME_MIN)
        return;
    fprintf(c->to,
            "<svg x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\">"
            "<text x=\"3\" y=\"%d\" font-size=\"10\">",
            x_of(c, b->start_us), y, width, TASK_LANE, TASK_LANE / 2 + 4);
    put_text(c->to, c->t->task[b->task].name, (int)((width - 4) / letter));
    fputs("</text></svg>", c->to);
}

static void put_task(const struct chart *c, const struct spacc_place_bar *b)
{
    const struct spacc_task *task = &c->t->task[b->task];
    const int y = c->task_y[b->device];

    open_bar(c, b, y, TASK_LANE, device_fill[b->device]);
    put_text(c->to, task->name, ALL);
    fputs(" on ", c->to);
    put_text(c->to, device_name(c, b->device), ALL);
    if (task->rate != 1)
        fprintf(c->to, ", %.6g calls", task->rate);
    put_times(c, b);
    put_name(c, b, y);
    fputs("</g>\n", c->to);
}

static void put_transfer(const struct chart *c, const struct spacc_place_bar *b)
{
    const struct spacc_task_tensor *x = &c->t->tensor[b->tensor];

    open_bar(c, b, c->link_y[b->device], LINK_LANE, b->to ? to_fill : from_fill);
    put_text(c->to, x->producer < 0 ? "an input" : c->t->task[x->producer].name, ALL);
    fprintf(c->to, ", %zu bytes, %s ", x->bytes, b->to ? "to" : "from");
    put_text(c->to, device_name(c, b->device), ALL);
    put_times(c, b);
    fputs("</g>\n", c->to);
}

/* ---- around them --------------------------------------------------------------------------
 */

static void lay_out(struct chart *c)
{
    int y = TOP;

    for (size_t i = 0; i < c->p->bars; i++)
        if (c->p->bar[i].task < 0)
            c->link_y[c->p->bar[i].device] = 1;
    for (size_t d = 0; d < c->t->devices; d++) {
        c->task_y[d] = y;
        y += TASK_LANE + (c->link_y[d] ? 2 : GAP);
        if (!c->link_y[d])
            continue;
        c->link_y[d] = y;
        y += LINK_LANE + GAP;
    }
    c->bottom = y;
    c->scale = (WIDTH - LEFT - RIGHT) / (c->p->us > 0 ? c->p->us : 1);
}

static void put_head(const struct chart *c, const char *title)
{
    const int height = c->bottom + AXIS + LEGEND;

    fprintf(c->to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" "
            "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" fill=\"#222\">\n"
            "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
            "<text x=\"%d\" y=\"24\" font-size=\"14\">",
            WIDTH, height, WIDTH, height, WIDTH, height, LEFT);
    put_text(c->to, title, ALL);
    fprintf(c->to, ": %.6g us, %s", c->p->us, c->p->method);
    if (c->p->single >= 0) {
        fputs(" (best single device, ", c->to);
        put_text(c->to, device_name(c, c->p->single), ALL);
        fprintf(c->to, ": %.6g us)", c->p->single_us);
    }
    fputs("</text>\n", c->to);
}

static void put_label(const struct chart *c, int y, int height, const char *text,
                      const char *size)
{
    fprintf(c->to, "<text x=\"%d\" y=\"%d\" font-size=\"%s\" text-anchor=\"end\">", LEFT - 8,
            y + height / 2 + 4, size);
    put_text(c->to, text, 14);
    fputs("</text>\n", c->to);
}

static void put_lanes(const struct chart *c)
{
    for (int d = 0; d < (int)c->t->devices; d++) {
        fprintf(c->to,
                "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"#f4f4f4\"/>\n", LEFT,
                c->task_y[d], WIDTH - LEFT - RIGHT, TASK_LANE);
        put_label(c, c->task_y[d], TASK_LANE, device_name(c, d), "12");
        if (c->link_y[d])
            put_label(c, c->link_y[d], LINK_LANE, "transfers", "10");
    }
}

/* 1, 2 or 5 times a power of ten, at most TICKS of them. */
static double tick_us(double us)
{
    const double least = us / TICKS, power = pow(10, floor(log10(least)));
    const double digit = least / power;

    return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

static void put_axis(const struct chart *c)
{
    const double step = tick_us(c->p->us > 0 ? c->p->us : 1);

    for (int i = 0; i * step * c->scale <= WIDTH - LEFT - RIGHT + 0.5; i++) {
        const double x = x_of(c, i * step);
        fprintf(c->to,
                "<path d=\"M%.2f %dV%d\" stroke=\"#888\" stroke-opacity=\"0.4\"/>"
                "<text x=\"%.2f\" y=\"%d\" font-size=\"10\" text-anchor=\"middle\">%.10g%s"
                "</text>\n",
                x, TOP - 4, c->bottom + 4, x, c->bottom + 17, i * step, i ? "" : " us");
    }
}

static double put_key(const struct chart *c, double x, const char *fill, const char *text)
{
    const int y = c->bottom + AXIS;

    fprintf(c->to,
            "<rect x=\"%.0f\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>"
            "<text x=\"%.0f\" y=\"%d\" font-size=\"11\">",
            x, y, fill, x + 17, y + 10);
    put_text(c->to, text, ALL);
    fputs("</text>\n", c->to);
    return x + 17 + (double)strlen(text) * 7 + 16;
}

static void put_legend(const struct chart *c)
{
    double x = LEFT;

    for (int d = 0; d < (int)c->t->devices; d++)
        x = put_key(c, x, device_fill[d], device_name(c, d));
    x = put_key(c, x, to_fill, "to the device");
    put_key(c, x, from_fill, "from the device");
}

/* ---- the calls ----------------------------------------------------------------------------
 */

enum spacc_status spacc_gantt_write(FILE *to, const struct spacc_tasks *t,
                                    const struct spacc_placement *p, const char *title,
                                    struct spacc_error *err)
{
    struct chart c = {.to = to, .t = t, .p = p};

    lay_out(&c);
    put_head(&c, title);
    put_lanes(&c);
    put_axis(&c);
    for (size_t i = 0; i < p->bars; i++)
        if (p->bar[i].task < 0)
            put_transfer(&c, &p->bar[i]);
        else
            put_task(&c, &p->bar[i]);
    put_legend(&c);
    fputs("</svg>\n", to);
    if (fflush(to) != 0 || ferror(to))
        return spacc_fail(err, SPACC_EIO, "the chart of %s could not be written: %s", title,
                          strerror(errno));
    return SPACC_OK;
}

enum spacc_status spacc_gantt_text(char **out, const struct spacc_tasks *t,
                                   const struct spacc_placement *p, const char *title,
                                   struct spacc_error *err)
{
    size_t bytes;
    char *text = NULL;
    FILE *to = open_memstream(&text, &bytes);
    bool ok = to != NULL;

    *out = NULL;
    if (ok) {
        ok = spacc_gantt_write(to, t, p, title, NULL) == SPACC_OK;
        ok = fclose(to) == 0 && ok;
    }
    if (!ok) {
        free(text);
        return spacc_fail(err, SPACC_ENOMEM, "no memory for the chart of %s", title);
    }
    *out = text;
    return SPACC_OK;
}
