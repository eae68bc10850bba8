/* Nodes as tasks: what is placed together, what it is said to take, what goes between, and what
 * a user has asked for. */
#include <unistd.h>

#include "tests/failing_alloc.h"
#include "tests/gpu_maker.h"
#include "tests/placing_maker.h"

static bool has_gpu(void)
{
    struct spacc_gpu_info info;

    return spacc_gpu_list(&info, 1) > 0;
}

/* ---- groups ----------------------------------------------------------------------- */

/* Groups as the engine joins nodes. */
struct grouped {
    struct spacc_engine *e;
    struct spacc_placing_groups groups;
};

static struct grouped group(const struct placed *w)
{
    struct spacc_error err = {.text = ""};
    struct grouped r;

    if (spacc_engine_new(&r.e, w->g, inputs_of(&w->x), &w->ask.engine, &err) ||
        spacc_placing_group(&r.groups, w->plan, r.e))
        fail_msg("%s", err.text);
    return r;
}

static void grouped_free(struct grouped *r)
{
    spacc_placing_groups_release(&r->groups);
    spacc_engine_free(r->e);
}

static int group_of(const struct grouped *r, const struct placed *w, const char *value)
{
    return r->groups.group[maker_of(w, value)];
}

/* Its inputs write into it, so that it has no work of its own; yet they are two. */
static void a_concat_is_no_view_of_one_of_its_inputs(void **state)
{
    struct maker m = {0};

    (void)state;
    input(&m, "x", DIMS(1, 16, 6, 6));
    weights(&m, "w", 144, DIMS(16, 16, 3, 3));
    weights(&m, "v", 144, DIMS(16, 16, 3, 3));
    op(&m, "Conv", "x w", "a");
    op(&m, "Conv", "x v", "b");
    add(&m, with_int(make_node("Concat", "", "a b", "y"), "axis", 1));
    output(&m, "y");
    struct placed w = placed_of(m, NULL);
    struct grouped r = group(&w);
    assert_string_equal(spacc_engine_describe(r.e, 2).kernel, "view");
    assert_int_equal(r.groups.groups, 3);
    assert_true(group_of(&r, &w, "y") != group_of(&r, &w, "a"));
    assert_true(group_of(&r, &w, "y") != group_of(&r, &w, "b"));
    grouped_free(&r);
    placed_free(&w);
}

static void a_view_goes_with_what_it_looks_at(void **state)
{
    const int64_t shape[] = {8, 64};
    struct maker m = {0};

    (void)state;
    input(&m, "x", DIMS(16, 32));
    weights(&m, "w", 32, DIMS(32, 32));
    ints(&m, "shape", 2, shape);
    op(&m, "MatMul", "x w", "a");
    op(&m, "Softmax", "x", "b");
    op(&m, "Reshape", "a shape", "c");
    op(&m, "Softmax", "c", "y");
    output(&m, "y");
    output(&m, "b");
    struct placed w = placed_of(m, NULL);
    struct grouped r = group(&w);
    assert_int_equal(r.groups.groups, 3);
    assert_int_equal(group_of(&r, &w, "c"), group_of(&r, &w, "a"));
    assert_true(group_of(&r, &w, "y") != group_of(&r, &w, "c"));
    grouped_free(&r);
    placed_free(&w);
}

static void joined_nodes_are_one_group(void **state)
{
    struct maker m = {0};

    (void)state;
    input(&m, "x", DIMS(1, 4, 8, 8));
    weights(&m, "w", 36, DIMS(4, 4, 3, 3));
    op(&m, "Conv", "x w", "a");
    op(&m, "Relu", "a", "b");
    op(&m, "GlobalAveragePool", "b", "y");
    output(&m, "y");
    struct placed w = placed_of(m, NULL);
    struct grouped r = group(&w);
    assert_int_equal(spacc_engine_describe(r.e, 1).joined, 0);
    assert_int_equal(r.groups.groups, 2);
    assert_int_equal(group_of(&r, &w, "a"), group_of(&r, &w, "b"));
    grouped_free(&r);
    placed_free(&w);
}

/* What nothing reads, and what is known beforehand, is in no group. */
static void what_does_not_run_is_in_no_group(void **state)
{
    const float one[] = {1.0f};
    struct maker m = {0};

    (void)state;
    input(&m, "x", DIMS(4));
    put_message(&m, GRAPH_INITIALISER, make_floats("one", 1, one));
    op(&m, "Add", "one one", "two");
    op(&m, "Tanh", "x", "dead");
    op(&m, "Mul", "x two", "y");
    output(&m, "y");
    struct placed w = placed_of(m, NULL);
    struct grouped r = group(&w);
    assert_int_equal(r.groups.groups, 1);
    assert_int_equal(group_of(&r, &w, "two"), -1);
    assert_int_equal(group_of(&r, &w, "dead"), -1);
    place(&w);
    assert_int_equal(w.p->tasks.tasks, 1);
    assert_int_equal(spacc_placing_where(w.p, (size_t)maker_of(&w, "dead")), SPACC_ON_CPU);
    grouped_free(&r);
    placed_free(&w);
}

static struct maker recurrent(const char *name, const char *in, const char *out)
{
    return with_int(make_node("GRU", name, in, out), "hidden_size", 8);
}

/* Two layers with a Squeeze in between: on a card one run. */
static struct placed two_layers(struct spacc_gpu *gpu)
{
    const int64_t axis = 1;
    struct maker m = {0};

    input(&m, "x", DIMS(5, 1, 8));
    ints(&m, "axis", 1, &axis);
    weights(&m, "w0", 8, DIMS(1, 24, 8));
    weights(&m, "r0", 8, DIMS(1, 24, 8));
    weights(&m, "w1", 8, DIMS(1, 24, 8));
    weights(&m, "r1", 8, DIMS(1, 24, 8));
    add(&m, recurrent("first", "x w0 r0", "a"));
    op(&m, "Squeeze", "a axis", "b");
    add(&m, recurrent("second", "b w1 r1", "c"));
    add(&m, make_node("Softmax", "last", "c", "y"));
    output(&m, "y");
    return placed_of(m, gpu);
}

static void chain(struct placed *w)
{
    w->plan->node[0].chain_next = 2;
    w->plan->node[2].chain_prev = 0;
}

static void a_chain_of_card_layers_is_one_task(void **state)
{
    struct placed w = two_layers(NULL);
    struct grouped r = group(&w);

    (void)state;
    assert_int_equal(r.groups.groups, 3); /* the Squeeze is the first one's view */
    grouped_free(&r);
    chain(&w);
    r = group(&w);
    assert_int_equal(r.groups.groups, 2);
    assert_int_equal(group_of(&r, &w, "a"), group_of(&r, &w, "c"));
    assert_int_equal(group_of(&r, &w, "a"), group_of(&r, &w, "b"));
    grouped_free(&r);
    placed_free(&w);
}

/* ---- prices ----------------------------------------------------------------------- */

static bool is_view(const struct placed *w, size_t task)
{
    (void)w;
    return strcmp(w->p->about[task].op, "Reshape") == 0;
}

/* Each number is one, sigma and joules as well; 0 is only what a view of an input takes. */
static void check_prices(const struct placed *w, const char *what)
{
    const struct spacc_tasks *t = &w->p->tasks;

    for (size_t i = 0; i < t->tasks; i++)
        for (size_t d = 0; d < t->devices; d++) {
            const struct spacc_task *task = &t->task[i];
            if (d > 0 && task->us[d] == HUGE_VAL)
                continue;
            if (!isfinite(task->us[d]) || !(task->us[d] > 0.0 || is_view(w, i)))
                fail_msg("%s: %s takes %g us on the %s", what, task->name, task->us[d],
                         t->device[d].name);
            assert_true(isfinite(task->sigma[d]) && task->sigma[d] >= 0.0);
            assert_true(isfinite(task->joules[d]));
            assert_true(task->joules[d] > 0.0 || task->us[d] == 0.0);
        }
}

/* A value that crosses from task to task is on one tensor of its maker, and all who read it are
 * its readers, each once, behind it. */
static void check_tensors(const struct placed *w, const char *what)
{
    const struct spacc_tasks *t = &w->p->tasks;
    size_t reads = 0, wanted = 0;

    for (size_t i = 0; i < t->tensors; i++) {
        reads += t->tensor[i].readers;
        for (size_t r = 0; r < t->tensor[i].readers; r++) {
            assert_true(t->tensor[i].reader[r] > t->tensor[i].producer);
            assert_true(r == 0 || t->tensor[i].reader[r] > t->tensor[i].reader[r - 1]);
        }
    }
    for (int v = 0; v < w->g->values; v++) {
        const int producer = w->g->value[v].producer;
        for (size_t task = 0; task < t->tasks; task++) {
            bool is_read = false;
            for (int n = 0; n < w->g->nodes; n++)
                for (int i = 0; i < w->g->node[n].inputs; i++)
                    is_read =
                        is_read || (w->p->task[n] == (int)task && w->g->node[n].input[i] == v);
            wanted += is_read && !w->g->value[v].init &&
                      (producer < 0 || w->p->task[producer] != (int)task);
        }
    }
    if (reads != wanted)
        fail_msg("%s: tensors have %zu readers, nodes read %zu", what, reads, wanted);
}

/* Every node once, behind those that make what it reads; and the engine agrees. */
static void check_order(const struct placed *w, const char *what)
{
    struct spacc_engine_options o = w->ask.engine;
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;
    bool *seen = calloc((size_t)w->g->nodes + 1, sizeof(*seen));

    assert_non_null(seen);
    for (int i = 0; i < w->g->nodes; i++) {
        const int n = w->p->order[i];
        assert_true(n >= 0 && n < w->g->nodes && !seen[n]);
        seen[n] = true;
    }
    free(seen);
    o.order = w->p->order;
    if (spacc_engine_new(&e, w->g, inputs_of(&w->x), &o, &err))
        fail_msg("%s: %s", what, err.text);
    spacc_engine_free(e);
}

static void random_graphs_are_priced_and_ordered(void **state)
{
    struct spacc_gpu *gpu = has_gpu() ? need_gpu() : NULL;

    (void)state;
    if (!gpu)
        printf("skipped in part: no OpenCL device, so only the CPU\n");
    for (uint32_t seed = 1; seed <= 30; seed++) {
        struct placed w = placed_of(random_nodes(seed), gpu);
        char what[32];
        snprintf(what, sizeof(what), "random graph %u", seed);
        place(&w);
        check_prices(&w, what);
        check_tensors(&w, what);
        check_order(&w, what);
        for (size_t i = 0; i < w.p->tasks.tasks && gpu; i++) /* both ways */
            for (size_t n = 0; n < w.plan->nodes; n++)
                if (w.p->task[n] == (int)i && w.p->tasks.task[i].us[1] < HUGE_VAL)
                    w.pin[n] = (int)((seed >> i % 5) & 1);
        place(&w);
        check_order(&w, what);
        placed_free(&w);
    }
}

static void two_readers_share_a_tensor(void **state)
{
    struct placed w = placed_of(two_towers(), NULL);
    size_t of_x = 0;

    (void)state;
    place(&w);
    check_prices(&w, "towers");
    check_tensors(&w, "towers");
    for (size_t i = 0; i < w.p->tasks.tensors; i++) {
        const struct spacc_task_tensor *t = &w.p->tasks.tensor[i];
        of_x += t->producer < 0;
        if (t->producer < 0)
            assert_int_equal(t->readers, 2);
        assert_int_equal(t->bytes, 16 * 32 * sizeof(float));
        assert_int_equal(t->output, t->producer == task_of(&w, "y"));
    }
    assert_int_equal(of_x, 1);
    assert_string_equal(w.p->about[task_of(&w, "a")].source, "roofline");
    placed_free(&w);
}

static void a_task_on_the_card_costs_its_cycles(void **state)
{
    double card_us[] = {3.0, HUGE_VAL, 4.0, HUGE_VAL};
    struct placed w = two_layers(NULL);

    (void)state;
    chain(&w);
    w.ask.card_us = card_us;
    w.ask.card_power.busy_w = 2.0;
    place(&w);
    assert_int_equal(w.p->tasks.devices, 2);
    assert_int_equal(w.p->where[1], SPACC_ON_CARD);
    const struct spacc_task *layers = &w.p->tasks.task[task_of(&w, "a")];
    assert_true(layers->us[1] == 7.0);
    assert_true(layers->sigma[1] == 0.0);
    assert_true(fabs(layers->joules[1] - 14e-6) < 1e-12);
    assert_true(w.p->tasks.task[task_of(&w, "y")].us[1] == HUGE_VAL);
    placed_free(&w);
}

/* A layer that the card cannot have keeps the whole chain off it. */
static void a_task_goes_to_the_card_only_as_a_whole(void **state)
{
    double card_us[] = {3.0, HUGE_VAL, HUGE_VAL, HUGE_VAL};
    struct placed w = two_layers(NULL);

    (void)state;
    chain(&w);
    w.ask.card_us = card_us;
    place(&w);
    assert_true(w.p->tasks.task[task_of(&w, "a")].us[1] == HUGE_VAL);
    placed_free(&w);
}

/* What the CPU joins to a product is still to be done, by the host, and is not for nothing. */
static void what_is_joined_to_a_layer_stays_with_the_host(void **state)
{
    double card_us[] = {3.0, HUGE_VAL, HUGE_VAL};
    struct maker m = {0};

    (void)state;
    input(&m, "x", DIMS(16, 32));
    weights(&m, "w", 32, DIMS(32, 32));
    weights(&m, "bias", 1, DIMS(32));
    op(&m, "MatMul", "x w", "a");
    op(&m, "Add", "a bias", "b");
    op(&m, "Softmax", "b", "y");
    output(&m, "y");
    struct placed w = placed_of(m, NULL);
    w.ask.card_us = card_us;
    place(&w);
    assert_int_equal(task_of(&w, "b"), task_of(&w, "a"));
    assert_true(w.p->tasks.task[0].us[1] > 3.0 + 2 * 16 * 32 * sizeof(float) / 1e4);
    assert_true(w.p->tasks.task[0].sigma[1] > 0.0);
    placed_free(&w);
}

/* ---- energy ------------------------------------------------------------------------ */

/* Both recurrent layers were measured on the CPU: 10 us and so many joules each. */
static void measure_layers(struct placed *w, double joules)
{
    struct grouped r = group(w);

    for (size_t i = 0; i < spacc_engine_steps(r.e); i++) {
        const struct spacc_engine_step step = spacc_engine_step(r.e, i);
        const struct spacc_sample s = {step.work, 10.0, 0.0, joules, 5};
        if (step.has_work && step.work.family == SPACC_WORK_RNN)
            assert_int_equal(spacc_profile_add(w->cpu, &s, NULL), SPACC_OK);
    }
    grouped_free(&r);
}

/* The card takes twice the time and 80 uJ. */
static enum spacc_where layers_go_to(enum spacc_objective objective, double joules)
{
    double card_us[] = {20.0, HUGE_VAL, 20.0, HUGE_VAL};
    struct placed w = two_layers(NULL);

    chain(&w);
    measure_layers(&w, joules);
    w.ask.card_us = card_us;
    w.ask.card_power.busy_w = 2.0;
    w.ask.objective = objective;
    place(&w);
    const size_t layers = (size_t)task_of(&w, "a"), soft = (size_t)task_of(&w, "y");
    const struct spacc_task *task = w.p->tasks.task;
    assert_true(fabs(task[layers].us[0] - 20.0) < 1e-9);
    assert_true(fabs(task[layers].joules[0] - 2.0 * joules) < 1e-12);
    assert_int_equal(w.p->about[layers].power, SPACC_POWER_MEASURED);
    assert_true(fabs(task[soft].joules[0] - task[soft].us[0] * 10e-6) < 1e-12); /* 10 W */
    assert_int_equal(w.p->about[soft].power, SPACC_POWER_BUSY);
    const enum spacc_where where = where_of(&w, "a");
    placed_free(&w);
    return where;
}

static void measured_joules_decide_a_plan_for_energy(void **state)
{
    (void)state;
    assert_int_equal(layers_go_to(SPACC_LATENCY, 1e-3), SPACC_ON_CPU);
    assert_int_equal(layers_go_to(SPACC_ENERGY, 1e-3), SPACC_ON_CARD);
    assert_int_equal(layers_go_to(SPACC_ENERGY, 1e-6), SPACC_ON_CPU);
}

/* ---- bodies ------------------------------------------------------------------------ */

/* y = (x w)^5, one product a turn, and a Softmax behind. */
static struct placed a_loop(void)
{
    const int64_t trips = 5;
    const uint8_t go = 1;
    struct maker m = {0}, b = {0}, loop = make_node("Loop", "loop", "trips go x", "last");

    input(&m, "x", DIMS(8, 16));
    ints(&m, "trips", 1, &trips);
    put_message(&m, GRAPH_INITIALISER, make_tensor("go", 9, 0, NULL, &go, 1));
    weights(&m, "w", 16, DIMS(16, 16));
    put_text(&b, GRAPH_NAME, "b");
    put_message(&b, GRAPH_INPUT, make_info("i", 7, 0, NULL));
    put_message(&b, GRAPH_INPUT, make_info("cond", 9, 0, NULL));
    put_message(&b, GRAPH_INPUT, make_info("s", 1, DIMS(8, 16)));
    add(&b, make_node("Identity", "", "cond", "again"));
    add(&b, make_node("MatMul", "turn", "s w", "t"));
    put_message(&b, GRAPH_OUTPUT, make_info("again", 9, 0, NULL));
    put_message(&b, GRAPH_OUTPUT, make_info("t", 1, DIMS(8, 16)));
    put_message(&loop, NODE_ATTR, make_attr_message("body", ATTR_G, 5, b));
    add(&m, loop);
    add(&m, make_node("Softmax", "soft", "last", "y"));
    output(&m, "y");
    return placed_of(m, NULL);
}

static int body_task(const struct placed *w)
{
    for (size_t t = 0; t < w->p->tasks.tasks; t++)
        if (strcmp(w->p->about[t].op, "(body)") == 0)
            return (int)t;
    fail_msg("no body");
    return -1;
}

static void a_body_is_a_task_with_its_measured_rate(void **state)
{
    struct placed w = a_loop();

    (void)state;
    place(&w);
    assert_int_equal(w.p->tasks.tasks, 3);
    const int body = body_task(&w), loop = task_of(&w, "last");
    assert_string_equal(w.p->about[body].name, "loop/body");
    assert_string_equal(w.p->about[body].source, "measured");
    assert_int_equal(w.p->about[body].power, SPACC_POWER_BUSY);
    assert_int_equal(w.p->about[body].nodes, 2);
    assert_true(w.p->tasks.task[body].rate == 5.0);
    assert_true(w.p->tasks.task[loop].rate == 1.0);
    assert_true(body < loop);
    check_prices(&w, "a loop");
    bool found = false;
    for (size_t i = 0; i < w.p->tasks.tensors; i++) {
        const struct spacc_task_tensor *t = &w.p->tasks.tensor[i];
        found = found || (t->producer == body && t->readers == 1 && t->reader[0] == loop &&
                          t->bytes == 8 * 16 * sizeof(float) + 1);
    }
    assert_true(found);
    placed_free(&w);
}

/* A layer of a body on a card: five calls, each with its launch, and what else the body does
 * stays with the host. */
static void a_body_on_the_card_pays_every_call(void **state)
{
    struct placed w = a_loop();
    double *card_us = malloc((w.plan->nodes + 1) * sizeof(*card_us));

    (void)state;
    assert_non_null(card_us);
    for (size_t i = 0; i < w.plan->nodes; i++)
        card_us[i] = strcmp(w.plan->node[i].op, "MatMul") == 0 ? 1000.0 : HUGE_VAL;
    w.ask.card_us = card_us;
    w.ask.card_link.launch_us = 50.0;
    w.ask.card_power.busy_w = 2.0;
    place(&w);
    const struct spacc_task *t = &w.p->tasks.task[body_task(&w)];
    assert_true(t->us[1] >= 1050.0 && t->us[1] <= 1050.0 + t->us[0]);
    assert_true(t->joules[1] >= 2000e-6);
    assert_true(w.p->tasks.task[task_of(&w, "last")].us[1] == HUGE_VAL);
    free(card_us);
    placed_free(&w);
}

/* ---- pins -------------------------------------------------------------------------- */

static void refuse(struct placed *w, const char *text)
{
    assert_int_equal(try_to_place(w), SPACC_EINVAL);
    assert_null(w->p);
    if (!strstr(w->err.text, text) || !strstr(w->err.text, "g.onnx"))
        fail_msg("'%s' is not in '%s'", text, w->err.text);
}

static void pins_are_kept(void **state)
{
    double card_us[] = {3e6, HUGE_VAL, 4e6, HUGE_VAL};
    struct placed w = two_layers(NULL);

    (void)state;
    w.ask.card_us = card_us;
    place(&w);
    assert_int_equal(where_of(&w, "a"), SPACC_ON_CPU);
    assert_int_equal(where_of(&w, "c"), SPACC_ON_CPU);
    w.pin[2] = SPACC_ON_CARD; /* slow, but asked for */
    place(&w);
    assert_int_equal(where_of(&w, "a"), SPACC_ON_CPU);
    assert_int_equal(where_of(&w, "c"), SPACC_ON_CARD);
    check_order(&w, "pinned");
    card_us[0] = card_us[2] = 1e-3;
    w.pin[2] = SPACC_ON_CPU; /* the same the other way */
    place(&w);
    assert_int_equal(where_of(&w, "a"), SPACC_ON_CARD);
    assert_int_equal(where_of(&w, "c"), SPACC_ON_CPU);
    placed_free(&w);
}

static void pins_that_cannot_be_kept_are_refused(void **state)
{
    double card_us[] = {3.0, HUGE_VAL, 4.0, HUGE_VAL};
    struct placed w = two_layers(NULL);

    (void)state;
    w.pin[0] = SPACC_ON_GPU;
    refuse(&w, "first is pinned to the gpu, which is not used");
    w.pin[0] = SPACC_ON_CARD;
    refuse(&w, "first is pinned to the card, which is not used");
    w.ask.card_us = card_us;
    w.pin[3] = SPACC_ON_CARD;
    refuse(&w, "last is pinned to the card, which cannot run it (Softmax");
    w.pin[3] = -1;
    w.pin[2] = SPACC_ON_CPU;
    place(&w);
    chain(&w); /* now they are one */
    refuse(&w, "second is pinned to the cpu, but runs as one with first on the card");
    placed_free(&w);
}

static void all_on_a_device_is_what_it_can_run(void **state)
{
    double card_us[] = {3e6, HUGE_VAL, 4e6, HUGE_VAL};
    struct placed w = two_layers(NULL);

    (void)state;
    w.ask.card_us = card_us;
    w.ask.all_on = SPACC_ON_CARD;
    place(&w);
    assert_int_equal(where_of(&w, "a"), SPACC_ON_CARD);
    assert_int_equal(where_of(&w, "c"), SPACC_ON_CARD);
    assert_int_equal(where_of(&w, "y"), SPACC_ON_CPU);
    w.pin[0] = SPACC_ON_CPU; /* a node that is named comes first */
    place(&w);
    assert_int_equal(where_of(&w, "a"), SPACC_ON_CPU);
    assert_int_equal(where_of(&w, "c"), SPACC_ON_CARD);
    placed_free(&w);
}

static void a_gpu_takes_what_it_does_faster(void **state)
{
    struct spacc_gpu *gpu = need_gpu();
    struct placed w = placed_of(two_towers(), gpu);

    (void)state;
    w.cpu->link.peak_macs_per_us = w.cpu->link.peak_bytes_per_us = 1.0;
    place(&w);
    check_prices(&w, "towers");
    assert_int_equal(where_of(&w, "a"), SPACC_ON_GPU);
    w.ask.all_on = SPACC_ON_CPU;
    place(&w);
    assert_int_equal(where_of(&w, "a"), SPACC_ON_CPU);
    w.ask.all_on = -1;
    w.pin[0] = SPACC_ON_CPU;
    w.pin[2] = SPACC_ON_GPU;
    place(&w);
    assert_int_equal(where_of(&w, "a"), SPACC_ON_CPU);
    assert_int_equal(where_of(&w, "c"), SPACC_ON_GPU);
    assert_int_equal(w.p->order[0], 2); /* handed over, then the host's own */
    placed_free(&w);
}

/* ---- files -------------------------------------------------------------------------- */

static char file[64];
static const char *const sha =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static void write_text(const char *text)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_plan_is_saved_and_read_again(void **state)
{
    double card_us[] = {3e6, HUGE_VAL, 4e6, HUGE_VAL};
    struct placed w = two_layers(NULL);
    int pin[4] = {-1, -1, -1, -1};

    (void)state;
    w.ask.card_us = card_us;
    w.pin[2] = SPACC_ON_CARD;
    place(&w);
    assert_int_equal(spacc_placing_save(w.p, w.plan, sha, file, &w.err), SPACC_OK);
    if (spacc_placing_load(file, w.plan, sha, pin, &w.err))
        fail_msg("%s", w.err.text);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pin[i], (int)spacc_placing_where(w.p, i));
    memcpy(w.pin, pin, sizeof(pin));
    w.ask.gate = 0.0;
    place(&w);
    assert_int_equal(where_of(&w, "a"), SPACC_ON_CPU);
    assert_int_equal(where_of(&w, "c"), SPACC_ON_CARD);
    placed_free(&w);
}

static void expect_load(const struct placed *w, enum spacc_status status, const char *text)
{
    struct spacc_error err = {.text = ""};
    int pin[4];

    assert_int_equal(spacc_placing_load(file, w->plan, sha, pin, &err), status);
    if (!strstr(err.text, text) || !strstr(err.text, file))
        fail_msg("'%s' and the file are not in '%s'", text, err.text);
}

static void plans_that_do_not_fit_are_refused(void **state)
{
    struct placed w = two_layers(NULL);
    char text[512];

    (void)state;
#define PLAN(version, sha256, nodes)                                                      \
    (snprintf(text, sizeof(text),                                                         \
              "{\"spacc_plan\": %s, \"model_sha256\": \"%s\", \"nodes\": [%s]}", version, \
              sha256, nodes),                                                             \
     write_text(text))
    PLAN("1", sha, "");
    assert_int_equal(spacc_placing_load(file, w.plan, sha, w.pin, &w.err), SPACC_OK);
    PLAN("2", sha, "");
    expect_load(&w, SPACC_EUNSUPPORTED, "plan of version 2, this is for 1");
    PLAN("1", "beef", "");
    expect_load(&w, SPACC_EINVAL, "SHA-256 beef.., this one has 0123456789abcdef..");
    PLAN("1", sha, "{\"node\": \"nobody\", \"device\": \"cpu\"}");
    expect_load(&w, SPACC_EINVAL, "node nobody is not in the model");
    PLAN("1", sha, "{\"node\": \"first\", \"device\": \"tpu\"}");
    expect_load(&w, SPACC_EFORMAT, "'tpu'");
    PLAN("1", sha, "{\"device\": \"cpu\"}");
    expect_load(&w, SPACC_EFORMAT, "a node without a name");
    PLAN("1", sha, "{\"node\": 7, \"device\": 3}, 5, null");
    expect_load(&w, SPACC_EFORMAT, "a node without a name");
    PLAN("1", sha, "{\"node\": \"first\", \"device\": \"cpu\"}");
    for (size_t cut = strlen(text) - 1; cut > 0; cut--) {
        text[cut] = '\0';
        write_text(text);
        expect_load(&w, SPACC_EFORMAT, "cut short");
    }
    write_text("[1, 2]");
    expect_load(&w, SPACC_EFORMAT, "not a plan of spacc");
    unlink(file);
    expect_load(&w, SPACC_EIO, "");
#undef PLAN
    placed_free(&w);
}

static void a_plan_that_cannot_be_written_is_an_error(void **state)
{
    struct placed w = two_layers(NULL);

    (void)state;
    place(&w);
    assert_int_equal(spacc_placing_save(w.p, w.plan, sha, "/nowhere/p.json", &w.err),
                     SPACC_EIO);
    assert_non_null(strstr(w.err.text, "/nowhere/p.json"));
    placed_free(&w);
}

/* ---- no memory ----------------------------------------------------------------------- */

/* Takes `w` over. */
static void fail_every_allocation(struct placed w)
{
    enum spacc_status status = SPACC_ENOMEM;
    long at = 0;

    for (; status == SPACC_ENOMEM; at++) {
        calls = 0;
        fail_at = at;
        status = try_to_place(&w);
        fail_at = -1;
        if (status == SPACC_ENOMEM) {
            assert_null(w.p);
            assert_true(strlen(w.err.text) > 0);
        }
    }
    if (status)
        fail_msg("%s", w.err.text);
    assert_true(at > 30);
    check_order(&w, "after failures");
    placed_free(&w);
}

static void placing_survives_every_failed_allocation(void **state)
{
    double card_us[] = {3.0, HUGE_VAL, 4.0, HUGE_VAL};
    struct placed w = two_layers(NULL);

    (void)state;
    chain(&w);
    w.ask.card_us = card_us;
    fail_every_allocation(w);
    fail_every_allocation(a_loop());
}

static void plans_in_files_survive_every_failed_allocation(void **state)
{
    struct placed w = two_layers(NULL);

    (void)state;
    place(&w);
    for (int reading = 0; reading < 2; reading++) {
        enum spacc_status status = SPACC_ENOMEM;
        long at = 0;
        for (; status == SPACC_ENOMEM && at < 10000; at++) {
            calls = 0;
            fail_at = at;
            status = reading ? spacc_placing_load(file, w.plan, sha, w.pin, &w.err)
                             : spacc_placing_save(w.p, w.plan, sha, file, &w.err);
            fail_at = -1;
        }
        if (status)
            fail_msg("%s", w.err.text);
    }
    placed_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_concat_is_no_view_of_one_of_its_inputs),
        cmocka_unit_test(a_view_goes_with_what_it_looks_at),
        cmocka_unit_test(joined_nodes_are_one_group),
        cmocka_unit_test(what_does_not_run_is_in_no_group),
        cmocka_unit_test(a_chain_of_card_layers_is_one_task),
        cmocka_unit_test(random_graphs_are_priced_and_ordered),
        cmocka_unit_test(two_readers_share_a_tensor),
        cmocka_unit_test(a_task_on_the_card_costs_its_cycles),
        cmocka_unit_test(a_task_goes_to_the_card_only_as_a_whole),
        cmocka_unit_test(what_is_joined_to_a_layer_stays_with_the_host),
        cmocka_unit_test(measured_joules_decide_a_plan_for_energy),
        cmocka_unit_test(a_body_is_a_task_with_its_measured_rate),
        cmocka_unit_test(a_body_on_the_card_pays_every_call),
        cmocka_unit_test(pins_are_kept),
        cmocka_unit_test(pins_that_cannot_be_kept_are_refused),
        cmocka_unit_test(all_on_a_device_is_what_it_can_run),
        cmocka_unit_test(a_gpu_takes_what_it_does_faster),
        cmocka_unit_test(a_plan_is_saved_and_read_again),
        cmocka_unit_test(plans_that_do_not_fit_are_refused),
        cmocka_unit_test(a_plan_that_cannot_be_written_is_an_error),
        cmocka_unit_test(placing_survives_every_failed_allocation),
        cmocka_unit_test(plans_in_files_survive_every_failed_allocation),
    };

    snprintf(file, sizeof(file), "/tmp/spacc-placing-%d.json", (int)getpid());
    const int failed = cmocka_run_group_tests(tests, NULL, close_gpu);
    unlink(file);
    return failed;
}
