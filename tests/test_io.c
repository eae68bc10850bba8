#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "models/io.h"
#include "models/io_parts.h"

static struct spacc_tensor *numbers(enum spacc_dtype dtype, int rank, const int64_t *dims)
{
    struct spacc_tensor *t;
    assert_int_equal(spacc_tensor_new(&t, dtype, rank, dims), SPACC_OK);
    for (size_t i = 0; i < t->count * spacc_dtype_bytes(dtype); i++)
        ((uint8_t *)t->data)[i] = (uint8_t)(dtype == SPACC_BOOL ? i % 2 : i * 37 + 1);
    return t;
}

static void check_same(const struct spacc_tensor *a, const struct spacc_tensor *b)
{
    assert_true(spacc_tensor_same_shape(a, b));
    assert_memory_equal(a->data, b->data, a->count * spacc_dtype_bytes(a->dtype));
}

/* ---- .npy ---- */

static void every_type_and_rank_reads_back_from_every_format(void **state)
{
    static const char *const files[] = {"test_io.npy", "test_io.npz", "test_io.pb"};
    const int64_t dims[SPACC_RANK_MAX] = {2, 1, 3, 1, 1, 2, 1, 1};
    const enum spacc_dtype types[] = {
#define X(name, number, bytes, type, text) SPACC_##name,
        SPACC_DTYPE_MAP(X)
#undef X
    };
    (void)state;
    for (size_t f = 0; f < 3; f++) {
        for (size_t d = 0; d < sizeof(types) / sizeof(types[0]); d++) {
            if (types[d] == SPACC_BF16 && f < 2)
                continue; /* NumPy has no such type */
            for (int rank = 0; rank <= SPACC_RANK_MAX; rank++) {
                struct spacc_tensor *t = numbers(types[d], rank, dims), *back = NULL;
                struct spacc_error err = {.text = ""};
                if (spacc_tensor_save(t, files[f], &err) != SPACC_OK ||
                    spacc_tensor_load(&back, files[f], &err) != SPACC_OK)
                    fail_msg("%s", err.text);
                check_same(t, back);
                spacc_tensor_free(t);
                spacc_tensor_free(back);
            }
        }
        unlink(files[f]);
    }
}

/* A .npy of the given version with this header text and data. */
static size_t make_npy(uint8_t *to, int version, const char *header, const void *data,
                       size_t data_bytes)
{
    const size_t start = version == 1 ? 10 : 12, length = strlen(header);
    memcpy(to, "\x93NUMPY", 6);
    to[6] = (uint8_t)version;
    to[7] = 0;
    memset(to + 8, 0, start - 8);
    spacc_put_u16(to + 8, (uint32_t)length);
    memcpy(to + start, header, length);
    if (data_bytes > 0)
        memcpy(to + start + length, data, data_bytes);
    return start + length + data_bytes;
}

static void every_version_and_spelling_of_the_header_is_read(void **state)
{
    static const char *const headers[] = {
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n",
        "{'shape':(2,),'fortran_order':False,'descr':'<f4'}",
        "{\"descr\": \"f4\", \"fortran_order\": False, \"shape\": (2 , )  ,  }      \n",
    };
    const float data[] = {1.5f, -3};
    uint8_t file[256];

    (void)state;
    for (int version = 1; version <= 3; version++) {
        for (size_t h = 0; h < 3; h++) {
            const size_t size = make_npy(file, version, headers[h], data, sizeof(data));
            struct spacc_error err = {.text = ""};
            struct spacc_tensor *t;
            if (spacc_npy_parse(&t, file, size, "f.npy", &err) != SPACC_OK)
                fail_msg("version %d, header %zu: %s", version, h, err.text);
            assert_int_equal(t->rank, 1);
            assert_memory_equal(t->data, data, sizeof(data));
            spacc_tensor_free(t);
        }
    }
}

static void each_bad_npy_says_why(void **state)
{
#define HEAD(descr, order, shape) \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }\n"
    static const struct {
        int version;
        const char *header;
        size_t data_bytes;
        enum spacc_status status;
        const char *line;
    } cases[] = {
        {4, HEAD("'<f4'", "False", "(2,)"), 8, SPACC_EUNSUPPORTED,
         "f.npy: .npy version 4 is not supported"},
        {1, HEAD("'>f4'", "False", "(2,)"), 8, SPACC_EUNSUPPORTED,
         "f.npy: big-endian type >f4 is not supported"},
        {1, HEAD("'|O'", "False", "(2,)"), 8, SPACC_EUNSUPPORTED,
         "f.npy: object type |O is not supported"},
        {1, HEAD("'<c8'", "False", "(2,)"), 4, SPACC_EUNSUPPORTED,
         "f.npy: type <c8 is not supported"},
        {1, HEAD("[('a', '<f4')]", "False", "(2,)"), 8, SPACC_EUNSUPPORTED,
         "f.npy: a record type is not supported"},
        {1, HEAD("'<f4'", "True", "(2, 1)"), 8, SPACC_EUNSUPPORTED,
         "f.npy: Fortran order is not supported"},
        {1, HEAD("'<f4'", "False", "(2,)"), 7, SPACC_EFORMAT,
         "f.npy: has 7 bytes of data, its shape needs 8"},
        {1, HEAD("'<f4'", "False", "(2,)"), 9, SPACC_EFORMAT,
         "f.npy: has 9 bytes of data, its shape needs 8"},
        {1, HEAD("'<f4'", "False", "(-2,)"), 8, SPACC_EFORMAT,
         "f.npy: not a sound .npy file: shape"},
        {1, HEAD("'<f4'", "False", "(99999999999999999999,)"), 8, SPACC_EFORMAT,
         "f.npy: not a sound .npy file: shape"},
        {1, HEAD("'<f4'", "False", "(4294967296, 4294967296)"), 8, SPACC_EFORMAT,
         "f.npy: not a sound .npy file: its shape is too large"},
        {1, HEAD("'<f4'", "False", "(1,1,1,1,1,1,1,1,1)"), 4, SPACC_EUNSUPPORTED,
         "f.npy: rank above 8 is not supported"},
        {1, "{'descr': '<f4', 'shape': (2,)}", 8, SPACC_EFORMAT,
         "f.npy: not a sound .npy file: header"},
        {1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 8,
         SPACC_EFORMAT, "f.npy: not a sound .npy file: header key"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} more", 8, SPACC_EFORMAT,
         "f.npy: not a sound .npy file: header"},
        {1, HEAD("'|b1'", "False", "(2,)"), 2, SPACC_EFORMAT,
         "f.npy: not a sound .npy file: a bool that is neither 0 nor 1"},
    };
#undef HEAD
    uint8_t file[512], data[16];

    (void)state;
    memset(data, 7, sizeof(data));
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        const size_t size =
            make_npy(file, cases[c].version, cases[c].header, data, cases[c].data_bytes);
        struct spacc_error err = {.text = ""};
        struct spacc_tensor *t;
        assert_int_equal(spacc_npy_parse(&t, file, size, "f.npy", &err), cases[c].status);
        assert_string_equal(err.text, cases[c].line);
        assert_null(t);
    }
}

/* ---- .npz ---- */

static void a_npz_keeps_names_and_picks_members(void **state)
{
    const int64_t dims[] = {3, 2};
    struct spacc_tensor *a = numbers(SPACC_F32, 2, dims), *b = numbers(SPACC_I64, 0, NULL), *t;
    const struct spacc_tensor *const both[] = {a, b};
    const char *const names[] = {"frames", "rate"};
    struct spacc_error err = {.text = ""};
    struct spacc_tensor **tensors;
    char **found;
    size_t count;

    (void)state;
    assert_int_equal(spacc_npz_save(names, both, 2, "test_io.npz", &err), SPACC_OK);
    assert_int_equal(spacc_npz_load(&found, &tensors, &count, "test_io.npz", &err), SPACC_OK);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(found[i], names[i]);
        check_same(tensors[i], both[i]);
        free(found[i]);
        spacc_tensor_free(tensors[i]);
    }
    free(found);
    free(tensors);
    assert_int_equal(spacc_tensor_load(&t, "test_io.npz:rate", &err), SPACC_OK);
    check_same(t, b);
    spacc_tensor_free(t);
    assert_int_equal(spacc_tensor_load(&t, "test_io.npz:speed", &err), SPACC_EFORMAT);
    assert_string_equal(err.text, "test_io.npz: has no member 'speed'");
    assert_int_equal(spacc_tensor_load(&t, "test_io.npz", &err), SPACC_EFORMAT);
    assert_string_equal(err.text,
                        "test_io.npz: has 2 members, say which one: test_io.npz:frames");
    assert_null(t);
    unlink("test_io.npz");
    spacc_tensor_free(a);
    spacc_tensor_free(b);
}

/* A .npz with one deflated member "x", made the long way. Returns its size. */
static size_t make_deflated(uint8_t *to, size_t room, const struct spacc_tensor *t)
{
    void *npy;
    size_t npy_bytes;
    z_stream z = {0};

    assert_int_equal(spacc_npy_format(&npy, &npy_bytes, t, "x", NULL), SPACC_OK);
    memset(to, 0, room);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = npy;
    z.avail_in = (uInt)npy_bytes;
    z.next_out = to + 35;
    z.avail_out = (uInt)(room - 200);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    const uint32_t packed = (uint32_t)z.total_out;
    deflateEnd(&z);
    const uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), npy, (uInt)npy_bytes);
    free(npy);

    spacc_put_u32(to, 0x04034b50u); /* local header; sizes are in the directory only */
    spacc_put_u16(to + 26, 5);
    memcpy(to + 30, "x.npy", 5);
    uint8_t *entry = to + 35 + packed;
    spacc_put_u32(entry, 0x02014b50u);
    spacc_put_u16(entry + 10, 8);
    spacc_put_u32(entry + 16, crc);
    spacc_put_u32(entry + 20, packed);
    spacc_put_u32(entry + 24, (uint32_t)npy_bytes);
    spacc_put_u16(entry + 28, 5);
    memcpy(entry + 46, "x.npy", 5);
    uint8_t *end = entry + 51;
    spacc_put_u32(end, 0x06054b50u);
    spacc_put_u16(end + 8, 1);
    spacc_put_u16(end + 10, 1);
    spacc_put_u32(end + 12, 51);
    spacc_put_u32(end + 16, 35 + packed);
    return (size_t)(end + 22 - to);
}

static enum spacc_status parse_one(const uint8_t *file, size_t size, struct spacc_tensor **out,
                                   struct spacc_error *err)
{
    struct spacc_tensor **tensors;
    char **names;
    size_t count;
    const enum spacc_status status =
        spacc_npz_parse(&names, &tensors, &count, file, size, "f.npz", err);

    *out = NULL;
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
        if (i == 0)
            *out = tensors[0];
        else
            spacc_tensor_free(tensors[i]);
    }
    free(names);
    free(tensors);
    return status;
}

static void a_deflated_member_is_read_and_checked(void **state)
{
    const int64_t dims[] = {100};
    uint8_t file[4096];
    struct spacc_tensor *t = numbers(SPACC_F32, 1, dims), *back;
    struct spacc_error err = {.text = ""};
    const size_t size = make_deflated(file, sizeof(file), t);
    uint8_t *entry = file + size - 22 - 51;

    (void)state;
    if (parse_one(file, size, &back, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    check_same(t, back);
    spacc_tensor_free(back);

    entry[16] ^= 1;
    assert_int_equal(parse_one(file, size, &back, &err), SPACC_EFORMAT);
    assert_string_equal(err.text, "f.npz: not a sound .npz file: a member's checksum is wrong");
    entry[16] ^= 1;
    spacc_put_u32(entry + 24, 0x7fffffffu);
    assert_int_equal(parse_one(file, size, &back, &err), SPACC_EFORMAT);
    assert_string_equal(err.text, "f.npz: not a sound .npz file: a member's size is wrong");
    spacc_put_u32(entry + 20, 0x7fffffffu);
    assert_int_equal(parse_one(file, size, &back, &err), SPACC_EFORMAT);
    assert_string_equal(err.text, "f.npz: not a sound .npz file: its members overlap");
    spacc_tensor_free(t);
}

/* ---- .wav ---- */

/* One .wav; returns its size. */
static size_t make_wav(uint8_t *to, uint32_t format, uint32_t channels, uint32_t bits,
                       const void *data, uint32_t data_bytes)
{
    memcpy(to, "RIFF", 4);
    spacc_put_u32(to + 4, 36 + data_bytes);
    memcpy(to + 8, "WAVEfmt ", 8);
    spacc_put_u32(to + 16, 16);
    spacc_put_u16(to + 20, format);
    spacc_put_u16(to + 22, channels);
    spacc_put_u32(to + 24, 16000);
    spacc_put_u32(to + 28, 16000 * channels * bits / 8);
    spacc_put_u16(to + 32, channels * bits / 8);
    spacc_put_u16(to + 34, bits);
    memcpy(to + 36, "data", 4);
    spacc_put_u32(to + 40, data_bytes);
    memcpy(to + 44, data, data_bytes);
    return 44 + data_bytes;
}

static void every_sample_width_comes_out_in_minus_one_to_one(void **state)
{
    static const uint8_t b8[] = {0, 128, 192, 255},
                         b16[] = {0, 0x80, 0, 0, 0, 0x40, 0xff, 0x7f},
                         b24[] = {0, 0, 0x80, 0, 0, 0, 0, 0, 0x40, 0xff, 0xff, 0x7f},
                         b32[] = {0, 0, 0, 0x80, 0,    0,    0,    0,
                                  0, 0, 0, 0x40, 0xff, 0xff, 0xff, 0x7f};
    static const float f32[] = {-1, 0, 0.5f, 0.75f};
    const struct {
        uint32_t format, bits;
        const void *data;
        float last;
    } cases[] = {
        {1, 8, b8, 127.0f / 128},
        {1, 16, b16, 32767.0f / 32768},
        {1, 24, b24, 8388607.0f / 8388608},
        {1, 32, b32, 1.0f},
        {3, 32, f32, 0.75f},
    };
    uint8_t file[128];

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        for (uint32_t channels = 1; channels <= 2; channels++) {
            const size_t size = make_wav(file, cases[c].format, channels, cases[c].bits,
                                         cases[c].data, cases[c].bits / 8 * 4);
            struct spacc_error err = {.text = ""};
            struct spacc_tensor *t;
            uint32_t hz;
            if (spacc_wav_parse(&t, &hz, file, size, "f.wav", &err) != SPACC_OK)
                fail_msg("%s", err.text);
            assert_int_equal(hz, 16000);
            assert_int_equal(t->rank, 2);
            assert_int_equal(t->dims[0], channels);
            assert_int_equal(t->dims[1], 4 / channels);
            const float *x = t->data; /* samples 0..3 interleaved; channels apart here */
            assert_true(x[0] == -1.0f);
            assert_true(x[channels == 1 ? 1 : 2] == 0.0f);
            assert_true(x[channels == 1 ? 2 : 1] == 0.5f);
            assert_true(x[3] == cases[c].last);
            spacc_tensor_free(t);
        }
    }
}

static void each_bad_wav_says_why(void **state)
{
    uint8_t good[64], file[64];
    const uint8_t data[8] = {0};
    const size_t size = make_wav(good, 1, 2, 16, data, 8);
    const struct {
        size_t at;
        uint32_t value; /* 16 bits */
        size_t size;
        enum spacc_status status;
        const char *line;
    } cases[] = {
        {8, 0, size, SPACC_EFORMAT, "f.wav: not a sound .wav file: it does not start like one"},
        {20, 2, size, SPACC_EUNSUPPORTED, "f.wav: .wav format 2 with 16 bits is not supported"},
        {34, 12, size, SPACC_EUNSUPPORTED,
         "f.wav: .wav format 1 with 12 bits is not supported"},
        {22, 0, size, SPACC_EFORMAT, "f.wav: has 0 channels, 1 to 64 are possible"},
        {24, 0, size, SPACC_EFORMAT,
         "f.wav: not a sound .wav file: it does not give its sample rate"},
        {32, 3, size, SPACC_EFORMAT,
         "f.wav: not a sound .wav file: its block size does not match its channels and bits"},
        {40, 9, size, SPACC_EFORMAT, "f.wav: a chunk has 9 bytes, 8 are left"},
        {40, 6, size, SPACC_EFORMAT,
         "f.wav: not a sound .wav file: its data does not end with a whole sample"},
        {36, 0, size, SPACC_EFORMAT,
         "f.wav: not a sound .wav file: it has no format before its data"},
        {20, 1, 30, SPACC_EFORMAT, "f.wav: a chunk has 16 bytes, 10 are left"},
    };
    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        struct spacc_error err = {.text = ""};
        struct spacc_tensor *t;
        memcpy(file, good, size);
        spacc_put_u16(file + cases[c].at, cases[c].value);
        assert_int_equal(spacc_wav_parse(&t, NULL, file, cases[c].size, "f.wav", &err),
                         cases[c].status);
        assert_string_equal(err.text, cases[c].line);
        assert_null(t);
    }
}

static void a_wav_is_written_with_the_rate_in_its_name(void **state)
{
    const int64_t dims[] = {2, 5};
    struct spacc_tensor *t = numbers(SPACC_F32, 2, dims), *back;
    struct spacc_error err = {.text = ""};
    uint32_t hz;

    (void)state;
    assert_int_equal(spacc_tensor_save(t, "test_io.wav", &err), SPACC_EINVAL);
    assert_string_equal(err.text,
                        "test_io.wav: a .wav needs its sample rate: test_io.wav:16000");
    assert_int_equal(spacc_tensor_save(t, "test_io.wav:fast", &err), SPACC_EINVAL);
    assert_int_equal(spacc_tensor_save(t, "test_io.wav:-1", &err), SPACC_EINVAL);
    if (spacc_tensor_save(t, "test_io.wav:22050", &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_int_equal(spacc_wav_rate(&hz, "test_io.wav", &err), SPACC_OK);
    assert_int_equal(hz, 22050);
    assert_int_equal(spacc_tensor_load(&back, "test_io.wav", &err), SPACC_OK);
    check_same(t, back);
    spacc_tensor_free(back);
    spacc_tensor_free(t);
    t = numbers(SPACC_I32, 2, dims);
    assert_int_equal(spacc_wav_save(t, 16000, "test_io.wav", &err), SPACC_EINVAL);
    spacc_tensor_free(t);
    unlink("test_io.wav");
}

/* ---- files ---- */

static void a_failed_write_leaves_nothing_behind(void **state)
{
    struct spacc_error err = {.text = ""};
    struct stat info;
    void *bytes;
    size_t size_bytes;

    (void)state;
    assert_int_equal(spacc_file_write("no_such_folder/f", "x", 1, &err), SPACC_EIO);
    assert_string_equal(err.text, "no_such_folder/f: No such file or directory");
    assert_int_equal(spacc_file_write("test_io.bin", "first", 5, &err), SPACC_OK);
    assert_int_equal(spacc_file_write("test_io.bin", "second", 6, &err), SPACC_OK);
    assert_int_equal(spacc_file_read(&bytes, &size_bytes, "test_io.bin", 100, &err), SPACC_OK);
    assert_int_equal(size_bytes, 6);
    assert_memory_equal(bytes, "second", 6);
    free(bytes);
    assert_int_equal(spacc_file_read(&bytes, &size_bytes, "test_io.bin", 6, &err), SPACC_OK);
    free(bytes);
    assert_int_equal(spacc_file_read(&bytes, &size_bytes, "test_io.bin", 5, &err),
                     SPACC_EFORMAT);
    assert_string_equal(err.text, "test_io.bin: longer than 5 bytes");
    assert_null(bytes);
    assert_int_equal(spacc_file_read(&bytes, &size_bytes, ".", 5, &err), SPACC_EIO);
    unlink("test_io.bin");

    assert_int_equal(spacc_file_write("/dev/null", "x", 1, &err), SPACC_OK);
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_false(S_ISREG(info.st_mode)); /* not replaced by a file */
    assert_int_equal(spacc_tensor_load(&(struct spacc_tensor *){NULL}, "weights.csv", &err),
                     SPACC_EUNSUPPORTED);
    assert_string_equal(err.text, "weights.csv: the name must end in .npy, .npz, .pb or .wav");
}

/* ---- damage ---- */

static uint64_t random_state = 4711;

static uint32_t next_random(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

enum kind { NPY, NPZ, WAV };

static bool reads(enum kind kind, const uint8_t *file, size_t size)
{
    struct spacc_error err = {.text = ""};
    struct spacc_tensor *t = NULL;
    /* a copy of exactly this size: a sanitizer sees a step past its end */
    uint8_t *exact = malloc(size ? size : 1);

    memcpy(exact, file, size);
    const enum spacc_status status = kind == NPY ? spacc_npy_parse(&t, exact, size, "f", &err)
                                     : kind == WAV
                                         ? spacc_wav_parse(&t, NULL, exact, size, "f", &err)
                                         : parse_one(exact, size, &t, &err);
    assert_true((status == SPACC_OK) == (t != NULL) || kind == NPZ);
    assert_true(status == SPACC_OK || err.text[0] == 'f');
    free(exact);
    spacc_tensor_free(t);
    return status == SPACC_OK;
}

static void damage(enum kind kind, const uint8_t *file, size_t size)
{
    uint8_t copy[4096];
    int accepted = 0;
    enum { ROUNDS = 4000 };

    assert_true(reads(kind, file, size));
    for (size_t cut = 0; cut < size; cut++)
        assert_false(reads(kind, file, cut) && kind != WAV);
    for (int r = 0; r < ROUNDS; r++) {
        memcpy(copy, file, size);
        for (int change = 0; change <= r % 3; change++) {
            uint8_t *at = &copy[next_random() % size];
            const unsigned flipped = *at ^ 1u << next_random() % 8;
            *at = (uint8_t)(r & 1 ? next_random() : flipped);
        }
        accepted += reads(kind, copy, size);
    }
    printf("kind %d: %d of %d damaged copies still read\n", (int)kind, accepted, (int)ROUNDS);
    assert_true(accepted < ROUNDS);
}

static void damaged_files_never_do_harm(void **state)
{
    const int64_t dims[] = {5, 4};
    struct spacc_tensor *t = numbers(SPACC_F32, 2, dims);
    uint8_t file[4096];
    void *npy;
    size_t size;

    (void)state;
    printf("seed %llu\n", (unsigned long long)random_state);
    assert_int_equal(spacc_npy_format(&npy, &size, t, "x", NULL), SPACC_OK);
    damage(NPY, npy, size);
    free(npy);
    damage(NPZ, file, make_deflated(file, sizeof(file), t));
    damage(WAV, file, make_wav(file, 1, 2, 16, t->data, 80));
    spacc_tensor_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_and_rank_reads_back_from_every_format),
        cmocka_unit_test(every_version_and_spelling_of_the_header_is_read),
        cmocka_unit_test(each_bad_npy_says_why),
        cmocka_unit_test(a_npz_keeps_names_and_picks_members),
        cmocka_unit_test(a_deflated_member_is_read_and_checked),
        cmocka_unit_test(every_sample_width_comes_out_in_minus_one_to_one),
        cmocka_unit_test(each_bad_wav_says_why),
        cmocka_unit_test(a_wav_is_written_with_the_rate_in_its_name),
        cmocka_unit_test(a_failed_write_leaves_nothing_behind),
        cmocka_unit_test(damaged_files_never_do_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
