#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "models/onnx.pb-c.h"
#include "models/onnx_parts.h"
#include "models/tensor.h"

static void every_type_has_its_size_and_name(void **state)
{
    (void)state;
#define X(name, number, bytes, type, text)                                \
    assert_int_equal(spacc_dtype_bytes(SPACC_##name), sizeof(type));      \
    assert_int_equal(spacc_dtype_bytes((enum spacc_dtype)number), bytes); \
    assert_string_equal(spacc_dtype_name(number), text);
    SPACC_DTYPE_MAP(X)
#undef X
    assert_int_equal(spacc_dtype_bytes((enum spacc_dtype)14), 0);
    assert_string_equal(spacc_dtype_name(14), "complex64");
    assert_string_equal(spacc_dtype_name(8), "string");
    assert_string_equal(spacc_dtype_name(-7), "unknown type");
    assert_string_equal(spacc_dtype_name(1000), "unknown type");
}

static void a_shape_that_cannot_be_is_refused(void **state)
{
    const int64_t negative[] = {2, -1}, huge[] = {INT64_MAX, 0};
    const int64_t wraps[] = {(int64_t)1 << 32, (int64_t)1 << 32}, edge[] = {(int64_t)1 << 59};
    const int64_t below[] = {((int64_t)1 << 59) * 2 - 1};
    int64_t nine[SPACC_RANK_MAX + 1] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct spacc_tensor *t;
    size_t count;

    (void)state;
    assert_int_equal(spacc_shape_count(&count, 2, negative), SPACC_ESHAPE);
    assert_int_equal(spacc_shape_count(&count, 2, huge), SPACC_ESHAPE);
    assert_int_equal(spacc_shape_count(&count, 2, wraps), SPACC_ESHAPE);
    assert_int_equal(spacc_shape_count(&count, SPACC_RANK_MAX + 1, nine), SPACC_ESHAPE);
    assert_int_equal(spacc_shape_count(&count, -1, nine), SPACC_ESHAPE);
    assert_int_equal(spacc_shape_count(&count, 1, edge), SPACC_OK);
    assert_int_equal(spacc_shape_count(&count, 1, below), SPACC_OK);
    assert_int_equal(spacc_tensor_new(&t, SPACC_F32, 2, wraps), SPACC_ESHAPE);
    assert_null(t);
    assert_int_equal(spacc_tensor_new(&t, SPACC_DTYPE_NONE, 0, NULL), SPACC_ESHAPE);
    assert_null(t);
}

static void a_scalar_has_one_element_and_an_empty_tensor_none(void **state)
{
    const int64_t empty[] = {3, 0, 5};
    struct spacc_tensor *t;

    (void)state;
    assert_int_equal(spacc_tensor_new(&t, SPACC_F64, 0, NULL), SPACC_OK);
    assert_int_equal(t->count, 1);
    assert_true(((double *)t->data)[0] == 0.0);
    spacc_tensor_free(t);
    assert_int_equal(spacc_tensor_new(&t, SPACC_I64, 3, empty), SPACC_OK);
    assert_int_equal(t->count, 0);
    assert_non_null(t->data);
    spacc_tensor_free(t);
    spacc_tensor_free(NULL);
}

static void a_copy_is_equal_and_separate(void **state)
{
    const int64_t dims[] = {2, 3}, other[] = {3, 2};
    struct spacc_tensor *a, *b, *c;

    (void)state;
    assert_int_equal(spacc_tensor_new(&a, SPACC_I32, 2, dims), SPACC_OK);
    for (int i = 0; i < 6; i++)
        ((int32_t *)a->data)[i] = i * 7;
    assert_int_equal(spacc_tensor_copy(&b, a), SPACC_OK);
    assert_true(spacc_tensor_same_shape(a, b));
    assert_memory_equal(a->data, b->data, 6 * sizeof(int32_t));
    ((int32_t *)b->data)[5] = -1;
    assert_int_equal(((int32_t *)a->data)[5], 35);

    assert_int_equal(spacc_tensor_new(&c, SPACC_I32, 2, other), SPACC_OK);
    assert_false(spacc_tensor_same_shape(a, c));
    spacc_tensor_free(c);
    assert_int_equal(spacc_tensor_new(&c, SPACC_F32, 2, dims), SPACC_OK);
    assert_false(spacc_tensor_same_shape(a, c));
    spacc_tensor_free(a);
    spacc_tensor_free(b);
    spacc_tensor_free(c);
}

static void a_shape_only_tensor_copies_without_contents(void **state)
{
    const struct spacc_tensor shape = {.dtype = SPACC_F32, .rank = 1, .dims = {9}, .count = 9};
    struct spacc_tensor *t;

    (void)state;
    assert_int_equal(spacc_tensor_copy(&t, &shape), SPACC_OK);
    assert_null(t->data);
    assert_int_equal(t->count, 9);
    spacc_tensor_free(t);
}

static void a_description_is_cut_to_its_room(void **state)
{
    const int64_t dims[] = {1, 2, 128};
    char text[64], tight[8];
    struct spacc_tensor *t;

    (void)state;
    assert_int_equal(spacc_tensor_new(&t, SPACC_F32, 3, dims), SPACC_OK);
    assert_string_equal(spacc_tensor_describe(t, text, sizeof(text)), "float32[1,2,128]");
    assert_string_equal(spacc_tensor_describe(t, tight, sizeof(tight)), "float32");
    t->rank = 0;
    assert_string_equal(spacc_tensor_describe(t, text, sizeof(text)), "float32[]");
    spacc_tensor_free(t);
}

static void every_type_is_read_as_a_double(void **state)
{
    static const union {
        uint8_t bytes[8];
        float f;
        double d;
        int64_t i;
    } one_and_a_half[] = {{.bytes = {0x00, 0x3e}},
                          {.bytes = {0xc0, 0x3f}},
                          {.f = 1.5f},
                          {.d = 1.5}},
      minus_two = {.i = -2};
    const enum spacc_dtype real[] = {SPACC_F16, SPACC_BF16, SPACC_F32, SPACC_F64};
    const enum spacc_dtype natural[] = {SPACC_U8, SPACC_U16, SPACC_U32, SPACC_U64};
    const enum spacc_dtype integer[] = {SPACC_I8, SPACC_I16, SPACC_I32, SPACC_I64};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct spacc_tensor t = {real[i], 0, {0}, 1, (void *)(uintptr_t)&one_and_a_half[i]};
        assert_true(spacc_tensor_element(&t, 0) == 1.5);
        t.data = (void *)(uintptr_t)&minus_two;
        t.dtype = integer[i];
        assert_true(spacc_tensor_element(&t, 0) == -2.0);
        t.dtype = natural[i];
        assert_true(spacc_tensor_element(&t, 0) > 253.0);
    }
}

/* A tensor of two elements in one of the typed fields. */
static void reads_typed(int dtype, int32_t *narrow, uint64_t *wide, const void *want)
{
    struct spacc_error err = {.text = ""};
    struct spacc_tensor *t;
    int64_t dims[] = {2};
    Onnx__TensorProto p = ONNX__TENSOR_PROTO__INIT;
    p.has_data_type = 1;
    p.data_type = dtype;
    p.n_dims = 1;
    p.dims = dims;
    p.n_int32_data = narrow ? 2 : 0;
    p.int32_data = narrow;
    p.n_uint64_data = wide ? 2 : 0;
    p.uint64_data = wide;
    const enum spacc_status status = spacc_onnx_tensor_read(&t, &p, &err);
    assert_int_equal(status, want ? SPACC_OK : SPACC_EFORMAT);
    if (want)
        assert_memory_equal(t->data, want, 2 * spacc_dtype_bytes(t->dtype));
    else
        assert_non_null(strstr(err.text, "an element is outside the range of "));
    spacc_tensor_free(t);
}

static void typed_fields_hold_what_their_type_holds(void **state)
{
    (void)state;
    reads_typed(SPACC_F16, (int32_t[]){0x3c00, 0xfc00}, NULL, (uint16_t[]){0x3c00, 0xfc00});
    reads_typed(SPACC_BF16, (int32_t[]){0, 65535}, NULL, (uint16_t[]){0, 65535});
    reads_typed(SPACC_F16, (int32_t[]){0, 65536}, NULL, NULL);
    reads_typed(SPACC_F16, (int32_t[]){-1, 0}, NULL, NULL);
    reads_typed(SPACC_I16, (int32_t[]){-32768, 32767}, NULL, (int16_t[]){-32768, 32767});
    reads_typed(SPACC_I16, (int32_t[]){0, 32768}, NULL, NULL);
    reads_typed(SPACC_U16, (int32_t[]){0, 65535}, NULL, (uint16_t[]){0, 65535});
    reads_typed(SPACC_U16, (int32_t[]){-1, 0}, NULL, NULL);
    reads_typed(SPACC_U32, NULL, (uint64_t[]){1, UINT32_MAX}, (uint32_t[]){1, UINT32_MAX});
    reads_typed(SPACC_U32, NULL, (uint64_t[]){1, UINT64_C(1) << 32}, NULL);
    reads_typed(SPACC_U64, NULL, (uint64_t[]){1, UINT64_MAX}, (uint64_t[]){1, UINT64_MAX});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_its_size_and_name),
        cmocka_unit_test(a_shape_that_cannot_be_is_refused),
        cmocka_unit_test(a_scalar_has_one_element_and_an_empty_tensor_none),
        cmocka_unit_test(a_copy_is_equal_and_separate),
        cmocka_unit_test(a_shape_only_tensor_copies_without_contents),
        cmocka_unit_test(a_description_is_cut_to_its_room),
        cmocka_unit_test(every_type_is_read_as_a_double),
        cmocka_unit_test(typed_fields_hold_what_their_type_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
