/* Packed models: what was saved comes back, golden files made by another program are read,
 * and no damage to a file does more than give an error. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sparse/pack.h"

#define GOLDEN SPACC_SOURCE "/tests/golden/pack_"

static uint32_t seed = 99;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* ---------------------------------------------------------------- helpers */

static char folder[] = "/tmp/spacc_test_pack_XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a temporary file was left behind */
}

static size_t files_in(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static uint8_t *read_all(const char *file, size_t *size)
{
    FILE *in = fopen(file, "rb");
    assert_non_null(in);
    assert_int_equal(fseek(in, 0, SEEK_END), 0);
    *size = (size_t)ftell(in);
    rewind(in);
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, in), *size);
    bytes[*size] = 0;
    fclose(in);
    return bytes;
}

static struct spacc_fixed_layer *random_layer(enum spacc_cell cell, int bits, size_t units,
                                              size_t cols, size_t bank_x, size_t bank_h,
                                              int all_zero)
{
    const size_t count = 4 * units * (cols + units + 2);
    float *w = calloc(count, sizeof(*w));
    struct spacc_fixed_layer *l;
    struct spacc_error err;

    assert_non_null(w);
    for (size_t i = 0; i < count && !all_zero; i++)
        w[i] = next_random() % 3 ? 0.0F : (float)next_random() / 16777216.0F - 0.5F;
    const struct spacc_fixed_weights f = {.cell = cell,
                                          .units = units,
                                          .x_cols = cols,
                                          .w = w,
                                          .r = cell == SPACC_CELL_LINEAR ? NULL
                                                                         : w + 4 * units * cols,
                                          .b_w = w + 4 * units * (cols + units),
                                          .b_r = w + 4 * units * (cols + units + 1)};
    if (spacc_fixed_quantise(&l, &f, bits, 13, bank_x, bank_h, 0, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    free(w);
    return l;
}

/* An LSTM of 6 units on 9 inputs, projected to 7, with three bank sizes and three k. */
static struct spacc_fixed_layer *random_lstmp(int bits)
{
    enum { UNITS = 6, COLS = 9, OUTPUTS = 7 };
    static float w[4 * UNITS * COLS], r[4 * UNITS * OUTPUTS], p[OUTPUTS * UNITS], b[4 * UNITS];
    const struct spacc_fixed_weights f = {.cell = SPACC_CELL_LSTMP,
                                          .act_h = SPACC_ACT_IDENTITY,
                                          .units = UNITS,
                                          .x_cols = COLS,
                                          .w = w,
                                          .r = r,
                                          .b_w = b,
                                          .p = p,
                                          .outputs = OUTPUTS,
                                          .b_p = b,
                                          .r_range = 7.5F};
    float *const parts[] = {w, r, p, b};
    const size_t sizes[] = {4 * UNITS * COLS, 4 * UNITS * OUTPUTS, OUTPUTS * UNITS, 4 * UNITS};
    struct spacc_fixed_layer *l;
    struct spacc_error err;

    for (size_t part = 0; part < 4; part++)
        for (size_t i = 0; i < sizes[part]; i++)
            parts[part][i] = part && next_random() % 2
                                 ? 0.0F
                                 : (float)(next_random() | 1) / 16777216.0F - 0.5F;
    if (spacc_fixed_quantise(&l, &f, bits, 13, 5, 3, 2, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_true(l->w_x->k == 5 && l->w_h->k == 3 && l->w_b->k == 2);
    return l;
}

/* Some steps on fixed inputs; the bytes of y. */
static size_t run(const struct spacc_fixed_layer *l, uint8_t *y, size_t room)
{
    enum { STEPS = 3 };
    const size_t bytes =
        STEPS * (l->cell == SPACC_CELL_LINEAR ? 16 * l->units : 2 * l->outputs);
    int16_t *x = calloc(STEPS * l->x_cols, sizeof(*x)),
            *h = calloc(spacc_fixed_h_cols(l) + 1, sizeof(*h));
    int32_t *state = calloc(l->units, sizeof(*state));

    assert_true(bytes <= room && x && h && state);
    for (size_t i = 0; i < STEPS * l->x_cols; i++)
        x[i] = (int16_t)(i * 2654435761u >> 7);
    assert_int_equal(spacc_fixed_run(l, STEPS, x, h, state, y, NULL), SPACC_OK);
    free(x);
    free(h);
    free(state);
    return bytes;
}

static void same_matrix(const struct spacc_csb *a, const struct spacc_csb *b)
{
    assert_true(!a == !b);
    if (!a)
        return;
    const size_t slots = a->rows * a->k * a->banks;
    assert_true(a->rows == b->rows && a->cols == b->cols && a->bank_size == b->bank_size &&
                a->banks == b->banks && a->k == b->k && a->nonzeros == b->nonzeros &&
                a->type == b->type);
    assert_memory_equal(a->index, b->index, slots * 2);
    assert_memory_equal(a->value, b->value, slots * (a->type == SPACC_CSB_I8 ? 1 : 2));
    assert_memory_equal(a->scale, b->scale, a->rows * sizeof(float));
}

static void same_layer(const struct spacc_fixed_layer *a, const struct spacc_fixed_layer *b)
{
    static _Alignas(8) uint8_t y_a[65536], y_b[65536];

    assert_true(a->cell == b->cell && a->act_g == b->act_g && a->act_h == b->act_h &&
                a->units == b->units && a->outputs == b->outputs && a->x_cols == b->x_cols &&
                a->x_frac == b->x_frac && a->h_frac == b->h_frac &&
                a->weight_bits == b->weight_bits);
    same_matrix(a->w_x, b->w_x);
    same_matrix(a->w_h, b->w_h);
    same_matrix(a->w_b, b->w_b);
    if (a->y_scale)
        assert_memory_equal(a->y_scale, b->y_scale, 4 * a->units * sizeof(float));
    const size_t bytes = run(a, y_a, sizeof(y_a));
    assert_int_equal(run(b, y_b, sizeof(y_b)), bytes);
    assert_memory_equal(y_a, y_b, bytes);
}

/* ---------------------------------------------------------------- tests */

static void sha256_gives_the_published_digests(void **state)
{
    (void)state;
    char hex[65], file[64];
    char *million = malloc(1000000);

    spacc_sha256(hex, "", 0);
    assert_string_equal(hex,
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    spacc_sha256(hex, "abc", 3);
    assert_string_equal(hex,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    spacc_sha256(hex, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
    assert_string_equal(hex,
                        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_non_null(million);
    memset(million, 'a', 1000000);
    spacc_sha256(hex, million, 1000000);
    assert_string_equal(hex,
                        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");

    snprintf(file, sizeof(file), "%s/million", folder);
    FILE *out = fopen(file, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(million, 1, 1000000, out), 1000000);
    assert_int_equal(fclose(out), 0);
    memset(hex, 0, sizeof(hex));
    assert_int_equal(spacc_sha256_file(hex, file, NULL), SPACC_OK);
    assert_string_equal(hex,
                        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_int_equal(unlink(file), 0);
    struct spacc_error err;
    assert_int_equal(spacc_sha256_file(hex, file, &err), SPACC_EIO);
    assert_non_null(strstr(err.text, file));
    assert_int_equal(spacc_sha256_file(hex, folder, &err), SPACC_EIO);
    free(million);
}

static void every_layer_comes_back(void **state)
{
    (void)state;
    struct spacc_pack_layer layers[7] = {
        {(char *)"rnn \"1\"\n", random_layer(SPACC_CELL_LSTM, 16, 7, 5, 4, 3, 0)},
        {(char *)"/gru/\xc3\xa4", random_layer(SPACC_CELL_GRU, 8, 9, 30, 16, 16, 0)},
        {(char *)"", random_layer(SPACC_CELL_GRU_RESET, 16, 6, 11, 8, 2, 0)},
        {(char *)"fc", random_layer(SPACC_CELL_LINEAR, 16, 10, 700, 300, 1, 0)},
        {(char *)"fc8", random_layer(SPACC_CELL_LINEAR, 8, 3, 256, 256, 1, 0)},
        {(char *)"empty", random_layer(SPACC_CELL_LSTM, 8, 2, 2, 2, 2, 1)},
        {(char *)"projected", random_lstmp(16)}};
    struct spacc_pack pack = {(char *)"model \\ name.onnx", "", 7, layers}, *back;
    struct spacc_error err;
    char file[64];

    assert_int_equal(layers[5].layer->w_x->k, 0);
    spacc_sha256(pack.source_sha256, "x", 1);
    snprintf(file, sizeof(file), "%s/all.safetensors", folder);
    if (spacc_pack_save(&pack, file, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    if (spacc_pack_load(&back, file, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_string_equal(back->source, pack.source);
    assert_string_equal(back->source_sha256, pack.source_sha256);
    assert_int_equal(back->layers, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_string_equal(back->layer[i].name, layers[i].name);
        same_layer(layers[i].layer, back->layer[i].layer);
        spacc_fixed_free(layers[i].layer);
    }
    spacc_pack_free(back);
    assert_int_equal(unlink(file), 0);
}

/* Tensors at multiples of 64 of the file, and every byte of the data in one tensor. */
static void tensors_are_aligned_and_leave_no_gap(void **state)
{
    (void)state;
    struct spacc_pack_layer layer = {(char *)"l",
                                     random_layer(SPACC_CELL_GRU_RESET, 16, 5, 9, 4, 4, 0)};
    struct spacc_pack pack = {(char *)"m", "", 1, &layer};
    char file[64];
    size_t size, tensors = 0;
    unsigned long long end = 0, from, to;
    uint64_t header;

    snprintf(file, sizeof(file), "%s/one.safetensors", folder);
    assert_int_equal(spacc_pack_save(&pack, file, NULL), SPACC_OK);
    uint8_t *bytes = read_all(file, &size);
    memcpy(&header, bytes, 8);
    assert_int_equal((8 + header) % 64, 0);
    const char *at = (const char *)bytes + 8;
    while ((at = strstr(at, "\"data_offsets\":["))) {
        at += strlen("\"data_offsets\":[");
        assert_int_equal(sscanf(at, "%llu,%llu", &from, &to), 2);
        assert_int_equal(from, end); /* written in order */
        end = to;
        tensors++;
    }
    assert_true(tensors > 15);
    assert_int_equal(8 + header + end, size);
    at = (const char *)bytes + 8;
    while ((at = strstr(at, "\"0."))) {
        const char *range = strstr(at, "\"data_offsets\":[");
        assert_non_null(range);
        assert_int_equal(sscanf(range, "\"data_offsets\":[%llu", &from), 1);
        assert_int_equal(from % 64, 0);
        at += 3;
    }
    free(bytes);
    spacc_fixed_free(layer.layer);
    assert_int_equal(unlink(file), 0);
}

static void the_golden_file_is_read(void **state)
{
    (void)state;
    struct spacc_pack *p;
    struct spacc_error err;

    if (spacc_pack_load(&p, GOLDEN "good.safetensors", &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_string_equal(p->source, "model.onnx");
    assert_int_equal(strlen(p->source_sha256), 64);
    assert_int_equal(p->layers, 2);
    assert_string_equal(p->layer[0].name, "cell/0");
    const struct spacc_fixed_layer *l = p->layer[0].layer, *fc = p->layer[1].layer;
    assert_int_equal(l->cell, SPACC_CELL_LSTM);
    assert_int_equal(l->w_x->nonzeros, 8);
    assert_int_equal(l->w_h->nonzeros, 7);
    float dense[24], x[24] = {0};
    for (size_t r = 0; r < 8; r++)
        x[3 * r + r % 2] = (float)(1000 + r) / 16384.0F;
    spacc_csb_unpack(l->w_x, dense);
    assert_memory_equal(dense, x, sizeof(x));
    assert_int_equal(l->row[3].bias, 300);
    assert_int_equal(l->row[3].mult, 16384);
    assert_int_equal(l->row[3].shift, 28);
    const float want[8] = {63.5F, -31.75F * 2, 0, 1.25F, 0.375F, 0.5F, 0, 0};
    spacc_csb_unpack(fc->w_x, dense);
    assert_memory_equal(dense, want, sizeof(want));
    const int16_t in[2] = {100, 10};
    int32_t y[4];
    assert_int_equal(spacc_fixed_run(fc, 1, in, NULL, NULL, y, NULL), SPACC_OK);
    assert_int_equal(y[0], 127 * 100 - 127 * 10 + 1);
    assert_int_equal(y[1], 5 * 10 - 2);
    spacc_pack_free(p);
}

/* What make_pack.py wrote, one step worked out from its description. */
static void the_golden_projection_is_read(void **state)
{
    (void)state;
    struct spacc_pack *p;
    struct spacc_error err;
    const int16_t x[3] = {4096, -8192, 12288};
    int16_t h[5] = {1, 2, 3, 4, 500}, m[2], y[5];
    int32_t c[2] = {16384, -16384};

    if (spacc_pack_load(&p, GOLDEN "lstmp.safetensors", &err) != SPACC_OK)
        fail_msg("%s", err.text);
    const struct spacc_fixed_layer *l = p->layer[0].layer;
    assert_true(l->cell == SPACC_CELL_LSTMP && l->units == 2 && l->outputs == 5 &&
                l->h_frac == 13);
    assert_true(l->w_x->rows == 8 && l->w_h->rows == 8 && l->w_b->rows == 8);
    assert_true(l->w_x->k == 1 && l->w_h->k == 2 && l->w_b->k == 1);
    for (int u = 0; u < 2; u++) {
        int64_t z[4];
        for (int g = 0; g < 4; g++) { /* mult / 2^shift is 1 / 16 */
            const int r = 4 * u + g;
            z[g] = ((r + 1) * x[r % 3] + (10 + r) * 2 - (r + 1) * 500 + 5 * r + 8) >> 4;
        }
        const int64_t next =
            (2 * spacc_fixed_sigmoid((int16_t)z[2]) * (int64_t)c[u] +
             spacc_fixed_sigmoid((int16_t)z[0]) * (int64_t)spacc_fixed_tanh((int16_t)z[3]) +
             32768) >>
            16;
        m[u] =
            (int16_t)((spacc_fixed_sigmoid((int16_t)z[1]) * ((next + 2) >> 2) + 16384) >> 15);
    }
    assert_true(m[0] != 0 && m[1] != 0 && m[0] != m[1]);
    assert_int_equal(spacc_fixed_run(l, 1, x, h, c, y, NULL), SPACC_OK);
    for (int row = 0; row < 5; row++) { /* 1 / 4 */
        assert_int_equal(y[row], ((10 * row + 1) * m[0] - (row + 1) * m[1] + row + 2) >> 2);
        assert_int_equal(h[row], y[row]);
    }
    spacc_pack_free(p);
}

/* Older programs read what they can know, and are told of what they cannot. */
static void only_a_projection_needs_format_2(void **state)
{
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct spacc_pack_layer layers[2] = {
            {(char *)"a", random_layer(SPACC_CELL_GRU_RESET, 8, 3, 3, 2, 2, 0)},
            {(char *)"b",
             with ? random_lstmp(8) : random_layer(SPACC_CELL_LSTM, 8, 3, 3, 2, 2, 0)}};
        struct spacc_pack pack = {(char *)"m", "", 2, layers};
        char file[64];
        size_t size;
        snprintf(file, sizeof(file), "%s/format", folder);
        assert_int_equal(spacc_pack_save(&pack, file, NULL), SPACC_OK);
        uint8_t *bytes = read_all(file, &size);
        assert_non_null(strstr((const char *)bytes + 8,
                               with ? "\"spacc.format\":\"2\"" : "\"spacc.format\":\"1\""));
        free(bytes);
        spacc_fixed_free(layers[0].layer);
        spacc_fixed_free(layers[1].layer);
        assert_int_equal(unlink(file), 0);
    }
}

static const struct damage {
    const char *name;
    enum spacc_status status;
    const char *says;
} damages[] = {
    {"bit_flip", SPACC_EFORMAT, "0.w_x.value has checksum"},
    {"truncated", SPACC_EFORMAT, "data_offsets"},
    {"no_header", SPACC_EFORMAT, "file of 5 bytes"},
    {"long_header", SPACC_EFORMAT, "header of 4611686018427387904 bytes"},
    {"not_json", SPACC_EFORMAT, "not one JSON object"},
    {"deep_json", SPACC_EFORMAT, "nested deeper"},
    {"no_format", SPACC_EFORMAT, "not a packed model"},
    {"format_3", SPACC_EUNSUPPORTED, "format 3, this program reads up to 2"},
    {"metadata_list", SPACC_EFORMAT, "not a packed model"},
    {"no_crc", SPACC_EFORMAT, "1.y_scale has no checksum"},
    {"lost_layer", SPACC_EFORMAT, "spacc.layer.1 is missing"},
    {"extra_layer", SPACC_EFORMAT, "spacc.layer.1 is there, spacc.layers says 1"},
    {"layer_text", SPACC_EFORMAT, "layer.1 has checksum"},
    {"no_tensor", SPACC_EFORMAT, "tensor 0.row.mult is missing"},
    {"dtype", SPACC_EFORMAT, "is of type I16, the layer needs U16"},
    {"shape", SPACC_EFORMAT, "0.w_x.value has not the layer's shape"},
    {"offsets", SPACC_EFORMAT, "1.y_scale: data_offsets"},
    {"offsets_back", SPACC_EFORMAT, "1.y_scale: data_offsets"},
    {"offsets_short", SPACC_EFORMAT, "12 bytes, its shape needs 16"},
    {"twice", SPACC_EFORMAT, "'1.row.bias' twice"},
    {"index", SPACC_EFORMAT, "w_h: row 2, bank 0: index 2 in a bank of 2"},
    {"index_short_bank", SPACC_EFORMAT, "row 0, bank 1: index 1 in a bank of 1"},
    {"weight", SPACC_EFORMAT, "weight -128 is out of range"},
    {"scale", SPACC_EFORMAT, "scale of row 0 is not finite"},
    {"shift", SPACC_EFORMAT, "shift 64 is not 1 to 63"},
    {"units", SPACC_EFORMAT, "units is out of range"},
    {"bank_size", SPACC_EFORMAT, "bank_size is 0"},
    {"k", SPACC_EFORMAT, "k is out of range"},
    {"cell", SPACC_EFORMAT, "cell 'RNN' is not known"},
    {"no_w_h", SPACC_EFORMAT, "bank_size is missing"},
    {"h_frac", SPACC_EFORMAT, "h has 12 fraction bits, its activation needs 15"},
    {"fraction", SPACC_EFORMAT, "x_cols is out of range"},
    {"lstm_w_b", SPACC_EFORMAT, "w_b is not expected"},
    {"lstmp_bit_flip", SPACC_EFORMAT, "0.row_b.shift has checksum"},
    {"lstmp_format_1", SPACC_EFORMAT, "cell 'LSTMP' is not known"},
    {"lstmp_no_projection", SPACC_EFORMAT, "bank_size is missing"},
    {"lstmp_no_row_b", SPACC_EFORMAT, "tensor 0.row_b.mult is missing"},
    {"lstmp_rows_of_units", SPACC_EFORMAT, "0.row_b.shift has not the layer's shape (8, ...)"},
    {"lstmp_no_outputs", SPACC_EFORMAT, "0 outputs do not go with 2 units"},
    {"lstmp_outputs", SPACC_EFORMAT, "0.w_h.value has not the layer's shape"},
    {"lstmp_wide", SPACC_EFORMAT, "3 inputs and 65536 recurrent ones: a row sums 1 to 65536"},
    {"lstmp_wide_projection", SPACC_EFORMAT, "a projection of 65537 units"},
    {"lstmp_cells", SPACC_EFORMAT, "5 outputs do not go with 2 units"},
    {"lstmp_h_frac", SPACC_EFORMAT, "r has 31 fraction bits, not -15 to 30"},
    {"lstmp_index", SPACC_EFORMAT, "w_b: row 0, bank 1: index 1 in a bank of 1"},
    {"lstmp_h_index", SPACC_EFORMAT, "w_h: row 0, bank 0: index 5 in a bank of 5"},
    {"lstmp_spare_weight", SPACC_EFORMAT, "w_b: row 5 of 5 is not zero"},
    {"lstmp_spare_bias", SPACC_EFORMAT, "w_b: row 7 of 5 is not zero"},
};

static void every_golden_damage_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        char file[4096];
        struct spacc_pack *p = (struct spacc_pack *)&p;
        struct spacc_error err = {.text = ""};
        snprintf(file, sizeof(file), "%sbad_%s.safetensors", GOLDEN, damages[i].name);
        assert_int_equal(spacc_pack_load(&p, file, &err), damages[i].status);
        assert_null(p);
        assert_int_equal(err.status, damages[i].status);
        if (strncmp(err.text, file, strlen(file)) != 0 || !strstr(err.text, damages[i].says))
            fail_msg("%s: said '%s', not '%s'", file, err.text, damages[i].says);
    }
}

/* A golden file nobody lists would test nothing. */
static void every_golden_file_is_listed(void **state)
{
    (void)state;
    DIR *dir = opendir(SPACC_SOURCE "/tests/golden");
    size_t bad = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        bad += strncmp(entry->d_name, "pack_bad_", 9) == 0;
    closedir(dir);
    assert_int_equal(bad, sizeof(damages) / sizeof(damages[0]));
}

static void files_that_cannot_be_used_are_named(void **state)
{
    (void)state;
    struct spacc_pack pack = {NULL, "", 0, NULL}, *p;
    struct spacc_error err;
    char file[80];

    snprintf(file, sizeof(file), "%s/none/x.safetensors", folder);
    assert_int_equal(spacc_pack_save(&pack, file, &err), SPACC_EIO);
    assert_non_null(strstr(err.text, strerror(ENOENT)));
    assert_int_equal(spacc_pack_load(&p, file, &err), SPACC_EIO);
    assert_non_null(strstr(err.text, file));
    assert_int_equal(spacc_pack_load(&p, folder, &err), SPACC_EIO);
    snprintf(file, sizeof(file), "%s/taken", folder);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(spacc_pack_save(&pack, file, &err), SPACC_EIO); /* rename onto a folder */
    assert_int_equal(rmdir(file), 0);
    assert_int_equal(files_in(folder), 0); /* the temporary file is gone */
    snprintf(file, sizeof(file), "%s/no_layers", folder);
    assert_int_equal(spacc_pack_save(&pack, file, &err), SPACC_OK);
    assert_int_equal(spacc_pack_load(&p, file, &err), SPACC_OK);
    assert_int_equal(p->layers, 0);
    spacc_pack_free(p);
    assert_int_equal(unlink(file), 0);
    spacc_pack_free(NULL);
}

static void a_layer_that_breaks_its_rules_is_not_saved(void **state)
{
    (void)state;
    struct spacc_pack_layer layer = {(char *)"l",
                                     random_layer(SPACC_CELL_LSTM, 16, 3, 3, 2, 2, 0)};
    struct spacc_pack pack = {(char *)"m", "", 1, &layer};
    struct spacc_error err;
    char file[64];

    snprintf(file, sizeof(file), "%s/bad", folder);
    layer.layer->row[2].shift = 0;
    assert_int_equal(spacc_pack_save(&pack, file, &err), SPACC_EINVAL);
    assert_non_null(strstr(err.text, "layer 0 'l': row 2: shift 0"));
    assert_int_equal(access(file, F_OK), -1);
    spacc_fixed_free(layer.layer);
}

/* ---------------------------------------------------------------- mutations */

/* Parse in a block of exactly this size, so that ASan sees a byte too far. What is taken
 * must also run. Returns the status. */
static enum spacc_status try_bytes(const uint8_t *bytes, size_t size)
{
    static _Alignas(8) uint8_t y[65536];
    uint8_t *exact = malloc(size ? size : 1);
    struct spacc_pack *p;
    struct spacc_error err = {.text = ""};

    assert_non_null(exact);
    memcpy(exact, bytes, size);
    const enum spacc_status status = spacc_pack_parse(&p, exact, size, "mutant", &err);
    assert_true((status == SPACC_OK) == (p != NULL));
    if (status != SPACC_OK)
        assert_true(strncmp(err.text, "mutant: ", 8) == 0 && err.text[8]);
    for (size_t i = 0; p && i < p->layers; i++)
        run(p->layer[i].layer, y, sizeof(y));
    spacc_pack_free(p);
    free(exact);
    return status;
}

/* For every byte of the golden file whether it belongs to a tensor that is no padding. */
static void mark_tensors(uint8_t *mark, const uint8_t *bytes)
{
    const char *key = (const char *)bytes + 8;
    unsigned long long from, to;
    uint64_t header;

    memcpy(&header, bytes, 8);
    while ((key = strstr(key, "\": {\"dtype\""))) {
        const char *name = key, *range = strstr(key++, "\"data_offsets\": [");
        while (name[-1] != '"')
            name--;
        assert_non_null(range);
        assert_int_equal(sscanf(range, "\"data_offsets\": [%llu, %llu", &from, &to), 2);
        if (strncmp(name, "pad.", 4) != 0)
            memset(mark + 8 + header + from, 1, to - from);
    }
}

static void flip_bits_of(const char *file, size_t tensor_bytes)
{
    size_t size, refused = 0, marked = 0;
    uint8_t *bytes = read_all(file, &size);
    uint8_t *mark = calloc(size, 1);

    assert_non_null(mark);
    mark_tensors(mark, bytes);
    assert_int_equal(try_bytes(bytes, size), SPACC_OK);
    for (size_t at = 0; at < size; at++) {
        const uint8_t bit = (uint8_t)(1u << (next_random() % 8));
        bytes[at] ^= bit;
        const enum spacc_status status = try_bytes(bytes, size);
        refused += status != SPACC_OK;
        marked += mark[at];
        if (mark[at])
            assert_int_equal(status, SPACC_EFORMAT);
        bytes[at] ^= bit;
    }
    print_message("%zu of %zu flips were refused, %zu of them in tensors\n", refused, size,
                  marked);
    assert_int_equal(marked, tensor_bytes);
    assert_true(refused > size / 3); /* spaces, pads, names and unknown keys may change */
    free(mark);
    free(bytes);
}

static void any_flipped_bit_of_a_tensor_is_seen(void **state)
{
    (void)state;
    flip_bits_of(GOLDEN "good.safetensors", 268);
    /* pass A: 8 rows of 3 weights, pass B 8 of 2, each with an index; 5 sets of 8 numbers */
    flip_bits_of(GOLDEN "lstmp.safetensors", 2 * (24 + 16) + 3 * 32 + 2 * 8 * (4 + 2 + 1));
}

/* The last tensor of both ends 48 bytes or more before the end. */
static void any_truncation_is_refused(void **state)
{
    (void)state;
    static const char *const files[] = {GOLDEN "good.safetensors", GOLDEN "lstmp.safetensors"};

    for (size_t i = 0; i < 2; i++) {
        size_t size;
        uint8_t *bytes = read_all(files[i], &size);
        for (size_t cut = 64; cut <= size; cut++)
            assert_int_equal(try_bytes(bytes, size - cut), SPACC_EFORMAT);
        free(bytes);
    }
}

/* Several random edits at once: bytes, numbers in the header, pieces copied over others. */
static void mutate(const char *file)
{
    size_t size, accepted = 0;
    uint64_t header;
    uint8_t *bytes = read_all(file, &size);
    uint8_t *mutant = malloc(size);

    assert_non_null(mutant);
    memcpy(&header, bytes, 8);
    print_message("seed %u\n", seed);
    for (int round = 0; round < 4000; round++) {
        memcpy(mutant, bytes, size);
        for (uint32_t edits = 1 + next_random() % 4; edits > 0; edits--) {
            size_t at = 8 + next_random() % header;
            if (round % 3 == 0) { /* a digit becomes another one */
                while (at < 8 + header && (mutant[at] < '0' || mutant[at] > '9'))
                    at++;
                mutant[at] = (uint8_t)('0' + next_random() % 10);
            } else if (round % 3 == 1) {
                mutant[at] = (uint8_t)next_random();
            } else {
                const size_t from = next_random() % size;
                size_t length = next_random() % 40;
                length = length > size - from ? size - from : length;
                length = length > size - at ? size - at : length;
                memmove(mutant + at, bytes + from, length);
            }
        }
        accepted += try_bytes(mutant, size) == SPACC_OK;
    }
    print_message("%zu of 4000 mutants were accepted\n", accepted);
    assert_true(accepted < 2000);
    free(mutant);
    free(bytes);
}

static void random_mutants_do_no_harm(void **state)
{
    (void)state;
    mutate(GOLDEN "good.safetensors");
    mutate(GOLDEN "lstmp.safetensors");
}

/* JSON that is legal and not ours. */
static void hostile_headers_are_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {"",
                                          " ",
                                          "{}",
                                          "[]",
                                          "1",
                                          "null",
                                          "\"\"",
                                          "{",
                                          "}",
                                          "{\"__metadata__\":1}",
                                          "{\"__metadata__\":{}}",
                                          "{\"__metadata__\":[1,2,3]}",
                                          "{\"__metadata__\":{\"spacc.format\":1}}",
                                          "{\"__metadata__\":{\"spacc.format\":\"1\"}}",
                                          "{\"a\":1,\"a\":2}",
                                          "{}{}",
                                          "{} x",
                                          "{\"\":{}}",
                                          "{\"a\\u0000b\":1,\"a\":2}",
                                          "{\"__metadata__\":{\"spacc.format\":\"1\",\"spacc."
                                          "source\":\"\",\"spacc.source_sha256\":"
                                          "\"\",\"spacc.layers\":\"99999999999999999999\"}}",
                                          "{\"__metadata__\":{\"spacc.format\":\"1\",\"spacc."
                                          "source\":\"\",\"spacc.source_sha256\":"
                                          "\"\",\"spacc.layers\":\"-1\"}}",
                                          "{\"__metadata__\":{\"spacc.format\":\"1\",\"spacc."
                                          "source\":\"\",\"spacc.source_sha256\":"
                                          "\"\",\"spacc.layers\":\"\"}}",
                                          "{\"__metadata__\":{\"spacc.format\":\"1\",\"spacc."
                                          "source\":\"\",\"spacc.source_sha256\":"
                                          "\"0123\",\"spacc.layers\":\"0\"}}",
                                          "{\"__metadata__\":{\"spacc.format\":\"1\",\"spacc."
                                          "source\":\"\",\"spacc.source_sha256\":"
                                          "\"\",\"spacc.layers\":\"1024\"}}"};

    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        uint8_t bytes[512];
        const uint64_t length = strlen(headers[i]);
        memcpy(bytes, &length, 8);
        memcpy(bytes + 8, headers[i], length);
        if (try_bytes(bytes, 8 + length) == SPACC_OK)
            fail_msg("accepted: %s", headers[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(every_layer_comes_back),
        cmocka_unit_test(tensors_are_aligned_and_leave_no_gap),
        cmocka_unit_test(the_golden_file_is_read),
        cmocka_unit_test(the_golden_projection_is_read),
        cmocka_unit_test(only_a_projection_needs_format_2),
        cmocka_unit_test(every_golden_damage_is_named),
        cmocka_unit_test(every_golden_file_is_listed),
        cmocka_unit_test(files_that_cannot_be_used_are_named),
        cmocka_unit_test(a_layer_that_breaks_its_rules_is_not_saved),
        cmocka_unit_test(any_flipped_bit_of_a_tensor_is_seen),
        cmocka_unit_test(any_truncation_is_refused),
        cmocka_unit_test(random_mutants_do_no_harm),
        cmocka_unit_test(hostile_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
