#include "host/prune/grid.h"

#include <stdlib.h>

#include "host/plan.h"
#include "host/prune/lockstep.h"
#include "host/prune/loss.h"

struct spacc_grid {
    const struct spacc_graph *g;
    struct spacc_plan *plan;
};

void spacc_grid_free(struct spacc_grid *grid)
{
    if (!grid)
        return;
    spacc_plan_free(grid->plan);
    free(grid);
}

static struct spacc_plan_node *node_of(const struct spacc_grid *grid, int node)
{
    return spacc_plan_node(grid->plan, grid->g, node);
}

enum spacc_status spacc_grid_see(struct spacc_grid *grid, int node,
                                 const struct spacc_tensor *const *in, struct spacc_error *err)
{
    const enum spacc_status s = spacc_plan_see(grid->plan, node_of(grid, node), in, err);

    return s ? spacc_fail_in(err, s, "%s", grid->g->file) : s;
}

/* One node of all requests. */
static enum spacc_status see_node(struct spacc_grid *grid, const struct spacc_lockstep *l,
                                  struct spacc_error *err)
{
    const struct spacc_tensor **in = spacc_lockstep_room(l);
    enum spacc_status s =
        in ? SPACC_OK : spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", grid->g->file);

    for (size_t r = 0; r < spacc_lockstep_requests(l) && !s; r++) {
        spacc_lockstep_inputs(l, r, in);
        s = spacc_grid_see(grid, spacc_lockstep_node(l), in, err);
    }
    free(in);
    return s;
}

/* Ranges are those of the dense model: forgotten, the pruned one's will be seen. */
static void settle(struct spacc_grid *grid)
{
    spacc_plan_settle(grid->plan);
    for (size_t i = 0; i < grid->plan->nodes; i++)
        grid->plan->node[i].x_max = 0.0F;
}

enum spacc_status spacc_grid_new(struct spacc_grid **out, const struct spacc_graph *g,
                                 const struct spacc_requests *requests, struct spacc_error *err)
{
    struct spacc_lockstep *all = NULL, *l = NULL;
    struct spacc_grid *grid = calloc(1, sizeof(*grid));
    enum spacc_status s = SPACC_ENOMEM;

    *out = NULL;
    if (!grid) {
        spacc_fail(err, s, "%s: out of memory", g->file);
        goto out;
    }
    grid->g = g;
    if ((s = spacc_plan_new(&grid->plan, g, err)) ||
        (s = spacc_lockstep_new(&all, g, requests->count, requests->input, err)) ||
        (s = spacc_lockstep_fork(&l, all, spacc_loss_every(requests->count), err)))
        goto out;
    while (!s && !spacc_lockstep_done(l))
        if (!(s = see_node(grid, l, err)))
            s = spacc_lockstep_step(l, err);
    if (s)
        goto out;
    settle(grid);
    *out = grid;
    grid = NULL;
out:
    spacc_grid_free(grid);
    spacc_lockstep_free(l);
    spacc_lockstep_free(all);
    return s;
}

static int h_frac_of(const struct spacc_plan_node *n)
{
    const struct spacc_fixed_weights *w = &n->layer[0].weights;

    return spacc_fixed_h_frac(w->cell, w->act_g, w->act_h);
}

bool spacc_grid_frac(const struct spacc_grid *grid, int node, int *x_frac, int *h_frac)
{
    const struct spacc_plan_node *n = node_of(grid, node);

    if (!n->candidate)
        return false;
    *x_frac = n->chain_prev >= 0 ? h_frac_of(&grid->plan->node[n->chain_prev])
                                 : spacc_fixed_frac_for(2.0F * n->x_max);
    if (n->layer[0].weights.cell != SPACC_CELL_LINEAR)
        *h_frac = h_frac_of(n);
    return true;
}
