#include "host/fpga/card_places.h"

struct memory {
    size_t words, params;
};

/* Words that a layer needs in the window. */
static size_t need_of(const struct spacc_layout *l)
{
    return l->ring_words ? l->ring_least : l->weight_words;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* What the layers that stay take. */
static struct memory staying(const struct spacc_card_spot *spot, size_t layers)
{
    struct memory use = {0, 0};

    for (size_t i = 0; i < layers; i++)
        if (spot[i].stays) {
            use.words += spot[i].layout->weight_words;
            use.params += spot[i].layout->param_units;
        }
    return use;
}

/* Whether they leave room for the largest of the others. */
static bool fits(const struct spacc_card_spot *spot, size_t layers, struct memory card)
{
    struct memory use = staying(spot, layers), window = {0, 0};

    for (size_t i = 0; i < layers; i++)
        if (!spot[i].stays) {
            window.words = larger(window.words, need_of(spot[i].layout));
            window.params = larger(window.params, spot[i].layout->param_units);
        }
    return use.words + window.words <= card.words && use.params + window.params <= card.params;
}

/* Whether layer a is tried before layer b: the larger one, of equals the first. */
static bool before(const struct spacc_card_spot *spot, size_t a, size_t b)
{
    const size_t of_a = spot[a].layout->weight_words, of_b = spot[b].layout->weight_words;

    return of_a > of_b || (of_a == of_b && a < b);
}

/* The layer that is tried after `last` (`layers`: the first one), or `layers`. */
static size_t next_largest(const struct spacc_card_spot *spot, size_t layers, size_t last)
{
    size_t best = layers;

    for (size_t i = 0; i < layers; i++)
        if ((last == layers || before(spot, last, i)) &&
            (best == layers || before(spot, i, best)))
            best = i;
    return best;
}

/* Side by side those that stay, the others behind them. Returns how many these are. */
static size_t lay_out(struct spacc_card_spot *spot, size_t layers, struct memory card)
{
    const struct memory window = staying(spot, layers);
    struct memory at = {0, 0};
    size_t away = 0;

    for (size_t i = 0; i < layers; i++) {
        const struct spacc_layout *l = spot[i].layout;
        const struct memory base = spot[i].stays ? at : window;
        spot[i].word_base = (uint32_t)base.words;
        spot[i].param_base = (uint32_t)base.params;
        spot[i].ring_words = l->ring_words ? card.words - window.words : 0;
        at.words += spot[i].stays ? l->weight_words : 0;
        at.params += spot[i].stays ? l->param_units : 0;
        away += !spot[i].stays;
    }
    return away;
}

/* The largest first: seldom fewer words than could stay (tests/test_card_places.c), and no
 * search of all sets. */
size_t spacc_card_places(struct spacc_card_spot *spot, size_t layers, size_t weight_words,
                         size_t units)
{
    const struct memory card = {weight_words, units};

    for (size_t i = 0; i < layers; i++)
        spot[i].stays = false;
    for (size_t i = next_largest(spot, layers, layers); i < layers;
         i = next_largest(spot, layers, i)) {
        spot[i].stays = !spot[i].layout->ring_words;
        spot[i].stays = spot[i].stays && fits(spot, layers, card);
    }
    return lay_out(spot, layers, card);
}
