/* The chart of a placement. With an argument: writes a sample there, for a person or a parser.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scheduler/gantt.h"
#include "tests/place_maker.h"

static const char hard_name[] = "a<b> & \"c\" \xc3\xbc\xff\x01\xed\xa0\x80 end";

/* A graph with names of every sort, split. */
static struct spacc_placement sample(struct made *g)
{
    struct spacc_placement p;

    random_graph(g, TOWERS, 3, 24, 7);
    g->task[0].name = hard_name;
    g->task[1].name = "a name that is far longer than any bar has room for, however wide it is";
    g->task[2].rate = 4;
    g->t.device[2].name = "card <1>";
    assert_int_equal(spacc_place(&g->t, SPACC_LATENCY, 0, &p, NULL), SPACC_OK);
    return p;
}

static char *chart_of(const struct made *g, const struct spacc_placement *p, const char *title)
{
    char *text = NULL;

    assert_int_equal(spacc_gantt_text(&text, &g->t, p, title, NULL), SPACC_OK);
    assert_non_null(text);
    return text;
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;

    while ((text = strstr(text, part)) != NULL) {
        found++;
        text++;
    }
    return found;
}

static void every_bar_is_drawn_with_its_name(void **state)
{
    static struct made g;
    struct spacc_placement p = sample(&g);
    char *text = chart_of(&g, &p, "sample");

    (void)state;
    assert_true(p.bars > g.t.tasks);
    assert_int_equal(count(text, "<title>"), p.bars);
    assert_int_equal(count(text, "<g>"), count(text, "</g>"));
    for (size_t i = 3; i < g.t.tasks; i++) {
        char title[48];
        snprintf(title, sizeof(title), "<title>t%zu on ", i);
        assert_int_equal(count(text, title), 1);
    }
    assert_int_equal(count(text, "to the device"), 1);
    free(text);
    spacc_placement_release(&p);
}

static void names_are_escaped_and_cut(void **state)
{
    static struct made g;
    struct spacc_placement p = sample(&g);
    char *text = chart_of(&g, &p, "T & <U>");

    (void)state;
    assert_non_null(strstr(text, ">T &amp; &lt;U&gt;: "));
    assert_non_null(strstr(text, "<title>a&lt;b&gt; &amp; &quot;c&quot; \xc3\xbc??"));
    assert_null(strstr(text, "<b>"));
    assert_null(strstr(text, "\xff"));
    assert_null(strstr(text, "\xed\xa0"));
    assert_int_equal(count(text, "however wide it is"), 1); /* in its title alone */
    free(text);
    spacc_placement_release(&p);
}

/* Bars end at the right edge or before it, and start behind the labels. */
static void bars_stay_inside(void **state)
{
    static struct made g;
    struct spacc_placement p = sample(&g);
    char *text = chart_of(&g, &p, "sample");
    double most = 0;

    (void)state;
    const char *at = text;
    while ((at = strstr(at, "<g><rect")) != NULL) {
        double x, width;
        assert_int_equal(sscanf(at, "<g><rect x=\"%lf\" y=\"%*d\" width=\"%lf\"", &x, &width),
                         2);
        assert_true(x >= 96 && x + width <= 1200 - 24 + 0.8);
        most = fmax(most, x + width);
        at++;
    }
    assert_true(most > 1170);
    free(text);
    spacc_placement_release(&p);
}

static void nothing_to_do_is_a_chart_as_well(void **state)
{
    static struct made g;
    struct spacc_placement p;
    char *text;

    (void)state;
    start(&g, 2);
    assert_int_equal(spacc_place(&g.t, SPACC_LATENCY, 0, &p, NULL), SPACC_OK);
    text = chart_of(&g, &p, "empty");
    assert_int_equal(count(text, "</svg>"), 1);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    free(text);
    spacc_placement_release(&p);
}

static void a_full_disk_is_an_error(void **state)
{
    static struct made g;
    struct spacc_placement p = sample(&g);
    struct spacc_error err = {.text = ""};
    FILE *full = fopen("/dev/full", "w");

    (void)state;
    if (full) {
        assert_int_equal(spacc_gantt_write(full, &g.t, &p, "sample", &err), SPACC_EIO);
        assert_non_null(strstr(err.text, "sample"));
        fclose(full);
    }
    spacc_placement_release(&p);
}

static int write_sample(const char *file)
{
    static struct made g;
    struct spacc_placement p = sample(&g);
    FILE *f = fopen(file, "w");
    const bool ok = f && spacc_gantt_write(f, &g.t, &p, "sample & <more>", NULL) == SPACC_OK;

    if (f)
        fclose(f);
    spacc_placement_release(&p);
    return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bar_is_drawn_with_its_name),
        cmocka_unit_test(names_are_escaped_and_cut),
        cmocka_unit_test(bars_stay_inside),
        cmocka_unit_test(nothing_to_do_is_a_chart_as_well),
        cmocka_unit_test(a_full_disk_is_an_error),
    };

    if (argc > 1)
        return write_sample(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
