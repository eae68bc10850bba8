#include <stdlib.h>
#include <string.h>

#include "models/io.h"
#include "models/io_parts.h"

/* RIFF: [ "RIFF" size "WAVE" [ "fmt " size ... ] ... [ "data" size samples ] ... ]
 * Chunks start on even positions. */
enum { PCM = 1, FLOAT = 3, EXTENSIBLE = 0xfffe, CHANNELS_MAX = 64 };

struct wav {
    uint32_t format, channels, sample_hz, bits;
    const uint8_t *data;
    size_t data_bytes;
};

static enum spacc_status bad(struct spacc_error *err, const char *name, const char *what)
{
    return spacc_fail(err, SPACC_EFORMAT, "%s: not a sound .wav file: %s", name, what);
}

static enum spacc_status read_format(struct wav *w, const uint8_t *at, size_t size_bytes,
                                     const char *name, struct spacc_error *err)
{
    if (size_bytes < 16)
        return bad(err, name, "its format chunk is cut off");
    w->format = spacc_get_u16(at);
    w->channels = spacc_get_u16(at + 2);
    w->sample_hz = spacc_get_u32(at + 4);
    w->bits = spacc_get_u16(at + 14);
    if (w->format == EXTENSIBLE && size_bytes >= 40)
        w->format = spacc_get_u16(at + 24);
    const bool known = (w->format == PCM &&
                        (w->bits == 8 || w->bits == 16 || w->bits == 24 || w->bits == 32)) ||
                       (w->format == FLOAT && w->bits == 32);
    if (!known)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "%s: .wav format %u with %u bits is not supported", name, w->format,
                          w->bits);
    if (w->channels == 0 || w->channels > CHANNELS_MAX)
        return spacc_fail(err, SPACC_EFORMAT, "%s: has %u channels, 1 to %d are possible", name,
                          w->channels, CHANNELS_MAX);
    if (w->sample_hz == 0)
        return bad(err, name, "it does not give its sample rate");
    if (spacc_get_u16(at + 12) != w->channels * (w->bits / 8))
        return bad(err, name, "its block size does not match its channels and bits");
    return SPACC_OK;
}

static enum spacc_status read_chunks(struct wav *w, const uint8_t *bytes, size_t size_bytes,
                                     const char *name, struct spacc_error *err)
{
    if (size_bytes < 12 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0)
        return bad(err, name, "it does not start like one");
    for (size_t at = 12; size_bytes - at >= 8 && !w->data;) {
        const uint8_t *chunk = bytes + at;
        const size_t length = spacc_get_u32(chunk + 4), left = size_bytes - at - 8;
        if (length > left)
            return spacc_fail(err, SPACC_EFORMAT, "%s: a chunk has %zu bytes, %zu are left",
                              name, length, left);
        if (memcmp(chunk, "fmt ", 4) == 0) {
            const enum spacc_status status = read_format(w, chunk + 8, length, name, err);
            if (status != SPACC_OK)
                return status;
        } else if (memcmp(chunk, "data", 4) == 0) {
            w->data = chunk + 8;
            w->data_bytes = length;
        }
        at += 8 + length + (length & 1);
        if (at > size_bytes)
            break;
    }
    if (!w->data || w->channels == 0)
        return bad(err, name, "it has no format before its data");
    if (w->data_bytes % (w->channels * (w->bits / 8)) != 0)
        return bad(err, name, "its data does not end with a whole sample");
    return SPACC_OK;
}

static float sample(const struct wav *w, const uint8_t *at)
{
    float value;

    if (w->format == FLOAT) {
        memcpy(&value, at, sizeof(value));
        return value;
    }
    if (w->bits == 8) /* the only unsigned one */
        return (float)((int)at[0] - 128) / 128.0f;
    uint32_t top = 0; /* the sample in the highest bits */
    for (uint32_t b = 0; b < w->bits / 8; b++)
        top |= (uint32_t)at[b] << (32 - w->bits + 8 * b);
    int32_t whole;
    memcpy(&whole, &top, sizeof(whole));
    return (float)((double)whole / 2147483648.0);
}

enum spacc_status spacc_wav_parse(struct spacc_tensor **out, uint32_t *sample_hz,
                                  const void *bytes, size_t size_bytes, const char *name,
                                  struct spacc_error *err)
{
    struct wav w = {0};

    *out = NULL;
    enum spacc_status status = read_chunks(&w, bytes, size_bytes, name, err);
    if (status != SPACC_OK)
        return status;
    const size_t width = w.bits / 8, samples = w.data_bytes / width / w.channels;
    const int64_t dims[2] = {(int64_t)w.channels, (int64_t)samples};
    struct spacc_tensor *t;
    status = spacc_tensor_new(&t, SPACC_F32, 2, dims);
    if (status != SPACC_OK)
        return spacc_fail(err, status, "%s: %s", name, spacc_status_text(status));
    float *to = t->data;
    for (size_t s = 0; s < samples; s++)
        for (size_t c = 0; c < w.channels; c++)
            to[c * samples + s] = sample(&w, w.data + (s * w.channels + c) * width);
    if (sample_hz)
        *sample_hz = w.sample_hz;
    *out = t;
    return SPACC_OK;
}

enum spacc_status spacc_wav_rate(uint32_t *sample_hz, const char *file, struct spacc_error *err)
{
    struct wav w = {0};
    void *bytes = NULL;
    size_t size_bytes = 0;

    *sample_hz = 0;
    enum spacc_status status =
        spacc_file_read(&bytes, &size_bytes, file, SPACC_FILE_BYTES_MAX, err);
    if (status == SPACC_OK)
        status = read_chunks(&w, bytes, size_bytes, file, err);
    if (status == SPACC_OK)
        *sample_hz = w.sample_hz;
    free(bytes);
    return status;
}

static void put_header(uint8_t *at, uint32_t channels, uint32_t sample_hz, uint32_t data_bytes)
{
    memcpy(at, "RIFF", 4);
    spacc_put_u32(at + 4, 36 + data_bytes);
    memcpy(at + 8, "WAVEfmt ", 8);
    spacc_put_u32(at + 16, 16);
    spacc_put_u16(at + 20, FLOAT);
    spacc_put_u16(at + 22, channels);
    spacc_put_u32(at + 24, sample_hz);
    spacc_put_u32(at + 28, sample_hz * channels * 4);
    spacc_put_u16(at + 32, channels * 4);
    spacc_put_u16(at + 34, 32);
    memcpy(at + 36, "data", 4);
    spacc_put_u32(at + 40, data_bytes);
}

enum spacc_status spacc_wav_save(const struct spacc_tensor *t, uint32_t sample_hz,
                                 const char *file, struct spacc_error *err)
{
    const size_t channels = t->rank == 2 ? (size_t)t->dims[0] : 1;
    char text[128];

    if (t->dtype != SPACC_F32 || t->rank < 1 || t->rank > 2 || channels < 1 ||
        channels > CHANNELS_MAX || t->count > (UINT32_MAX - 64) / 4 || sample_hz == 0 ||
        sample_hz > UINT32_MAX / 4 / CHANNELS_MAX)
        return spacc_fail(err, SPACC_EINVAL,
                          "%s: %s at %u Hz is not float32 [samples] or [channels, samples]",
                          file, spacc_tensor_describe(t, text, sizeof(text)),
                          (unsigned)sample_hz);
    const size_t samples = t->count / channels, data_bytes = t->count * 4;
    uint8_t *bytes = malloc(44 + data_bytes);
    if (!bytes)
        return spacc_fail(err, SPACC_ENOMEM, "%s: %s", file, spacc_status_text(SPACC_ENOMEM));
    put_header(bytes, (uint32_t)channels, sample_hz, (uint32_t)data_bytes);
    const float *from = t->data;
    for (size_t s = 0; s < samples; s++)
        for (size_t c = 0; c < channels; c++)
            memcpy(bytes + 44 + (s * channels + c) * 4, &from[c * samples + s], 4);
    const enum spacc_status status = spacc_file_write(file, bytes, 44 + data_bytes, err);
    free(bytes);
    return status;
}
