/* inspect_pack.c - what is in a packed model, for inspect and pack. */
#include <cjson/cJSON.h>

#include "host/cli/cli.h"
#include "sparse/pack.h"

static const char *cell_name(enum spacc_cell cell)
{
    switch (cell) {
    case SPACC_CELL_LINEAR: return "linear";
    case SPACC_CELL_LSTM: return "LSTM";
    case SPACC_CELL_GRU: return "GRU";
    case SPACC_CELL_GRU_RESET: return "GRU reset";
    case SPACC_CELL_LSTMP: return "LSTM projected";
    }
    return "?";
}

static void print_part(const char *label, const struct spacc_csb *m)
{
    if (m)
        printf("  %-6s %7zu %8zu %7.2f %% %6zu %4zu %11zu\n", label, m->rows, m->cols,
               100.0 * (1.0 - (double)m->nonzeros / ((double)m->rows * (double)m->cols)),
               m->bank_size, m->k, spacc_csb_bytes(m));
}

void cli_print_pack(const struct spacc_pack *pack, const char *file)
{
    printf("%s: packed from %s, %zu layer%s\n  SHA-256 of the model %s\n", file, pack->source,
           pack->layers, pack->layers == 1 ? "" : "s", pack->source_sha256);
    for (size_t i = 0; i < pack->layers; i++) {
        const struct spacc_fixed_layer *l = pack->layer[i].layer;
        printf("\n%s: %s, %zu inputs, %zu outputs, int%d weights, fraction bits of x %d, of h "
               "%d\n",
               pack->layer[i].name, cell_name(l->cell), l->x_cols, l->outputs, l->weight_bits,
               l->x_frac, l->h_frac);
        printf("  %-6s %7s %8s %9s %6s %4s %11s\n", "part", "rows", "columns", "sparsity",
               "bank", "k", "bytes");
        print_part("x", l->w_x);
        print_part("h", l->w_h);
        print_part(l->cell == SPACC_CELL_LSTMP ? "m" : "r*h", l->w_b);
    }
}

static bool json_part(cJSON *layer, const char *label, const struct spacc_csb *m)
{
    cJSON *o = m ? cJSON_AddObjectToObject(layer, label) : NULL;

    return !m || (o && cJSON_AddNumberToObject(o, "rows", (double)m->rows) &&
                  cJSON_AddNumberToObject(o, "columns", (double)m->cols) &&
                  cJSON_AddNumberToObject(o, "nonzeros", (double)m->nonzeros) &&
                  cJSON_AddNumberToObject(o, "bank_size", (double)m->bank_size) &&
                  cJSON_AddNumberToObject(o, "k", (double)m->k) &&
                  cJSON_AddNumberToObject(o, "bytes", (double)spacc_csb_bytes(m)));
}

static int json_pack(const struct spacc_pack *pack, const char *file)
{
    cJSON *o = cJSON_CreateObject(), *list = NULL;
    bool ok = o && cJSON_AddStringToObject(o, "file", file) &&
              cJSON_AddStringToObject(o, "source", pack->source) &&
              cJSON_AddStringToObject(o, "source_sha256", pack->source_sha256) &&
              (list = cJSON_AddArrayToObject(o, "layers"));

    for (size_t i = 0; ok && i < pack->layers; i++) {
        const struct spacc_fixed_layer *l = pack->layer[i].layer;
        cJSON *layer = cJSON_CreateObject();
        ok = layer && cJSON_AddItemToArray(list, layer) &&
             cJSON_AddStringToObject(layer, "name", pack->layer[i].name) &&
             cJSON_AddStringToObject(layer, "cell", cell_name(l->cell)) &&
             cJSON_AddNumberToObject(layer, "weight_bits", l->weight_bits) &&
             cJSON_AddNumberToObject(layer, "x_frac", l->x_frac) &&
             cJSON_AddNumberToObject(layer, "h_frac", l->h_frac) &&
             json_part(layer, "x", l->w_x) && json_part(layer, "h", l->w_h) &&
             json_part(layer, l->cell == SPACC_CELL_LSTMP ? "m" : "r*h", l->w_b);
    }
    if (ok)
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

int cli_inspect_pack(const char *file, bool json)
{
    struct spacc_pack *pack;
    struct spacc_error err = {0};
    int status = CLI_OK;

    if (spacc_pack_load(&pack, file, &err) != SPACC_OK)
        return cli_fail_err(&err);
    if (json)
        status = json_pack(pack, file);
    else
        cli_print_pack(pack, file);
    spacc_pack_free(pack);
    return status;
}
