#include "host/profile/prior.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* clang-format off */
/* Convolutions: input and output channels, image, kernel, stride, groups (0: a channel each).
 * Classifiers from 28 to 224 pixels, detectors of 320, keyword and denoising nets on frames. */
static const short conv[][8] = {
    /* ic   oc    h    w  kh kw  s  groups */
    {   3,  16, 112, 112, 3, 3, 2, 1}, {   3,  32, 112, 112, 3, 3, 2, 1}, {   3,  64, 112, 112, 7, 7, 2, 1},
    {   3,  64,  55,  55, 3, 3, 2, 1}, {   3,  16, 160, 120, 3, 3, 2, 1}, {   1,   8,  28,  28, 5, 5, 1, 1},
    {   1,  32,  40,  49, 3, 3, 2, 1}, {   1,  64,  56,  56, 5, 5, 1, 1}, {   1,  32, 172,  66, 5, 5, 1, 1},
    {   3,  16,  32,  32, 3, 3, 1, 1}, {   4,  16,  20,  20, 8, 8, 4, 1},
    {  16,  16,  32,  32, 3, 3, 1, 1}, {  32,  32,  16,  16, 3, 3, 1, 1}, {  64,  64,   8,   8, 3, 3, 1, 1},
    {  16,  32,  16,  16, 3, 3, 2, 1}, {  32,  64,   8,   8, 3, 3, 2, 1}, {   8,  16,  14,  14, 5, 5, 1, 1},
    {  64,  64,  56,  56, 3, 3, 1, 1}, { 128, 128,  28,  28, 3, 3, 1, 1}, { 256, 256,  14,  14, 3, 3, 1, 1},
    { 512, 512,   7,   7, 3, 3, 1, 1}, {  64, 128,  28,  28, 3, 3, 2, 1}, { 128, 256,  14,  14, 3, 3, 2, 1},
    {  16,  64,  55,  55, 3, 3, 1, 1}, {  32, 128,  27,  27, 3, 3, 1, 1}, {  48, 192,  13,  13, 3, 3, 1, 1},
    {  64, 256,  13,  13, 3, 3, 1, 1}, {  64,  32,  56,  56, 3, 3, 1, 1}, {  32,   9,  56,  56, 3, 3, 1, 1},
    {  96, 256,  27,  27, 5, 5, 1, 1}, { 256, 384,  13,  13, 3, 3, 1, 1}, {  24,  24,  40,  30, 3, 3, 1, 1},
    {  16,  64,  55,  55, 1, 1, 1, 1}, {  64,  16,  55,  55, 1, 1, 1, 1}, { 128,  32,  27,  27, 1, 1, 1, 1},
    { 256,  48,  13,  13, 1, 1, 1, 1}, { 512,1000,  13,  13, 1, 1, 1, 1}, {  64, 256,  56,  56, 1, 1, 1, 1},
    { 256,  64,  56,  56, 1, 1, 1, 1}, { 512, 128,  28,  28, 1, 1, 1, 1}, { 256,1024,  14,  14, 1, 1, 1, 1},
    {1024, 256,  14,  14, 1, 1, 1, 1}, { 512,2048,   7,   7, 1, 1, 1, 1}, { 256, 512,  28,  28, 1, 1, 2, 1},
    {  32,  16, 112, 112, 1, 1, 1, 1}, {  16,  96,  56,  56, 1, 1, 1, 1}, {  96,  24,  56,  56, 1, 1, 1, 1},
    { 144,  32,  28,  28, 1, 1, 1, 1}, {  64, 384,  14,  14, 1, 1, 1, 1}, { 160, 960,   7,   7, 1, 1, 1, 1},
    {  64,  64,  20,  20, 1, 1, 1, 1}, {  64,  64,  40,  40, 1, 1, 1, 1}, {  16,  16, 160, 160, 1, 1, 1, 1},
    {  64,   4,  20,  20, 1, 1, 1, 1}, {  64,   1,  40,  40, 1, 1, 1, 1}, { 128,  12,   8,  10, 1, 1, 1, 1},
    {   8,  16,   1,  33, 1, 1, 1, 1}, {  24,  16,   1,  33, 1, 1, 1, 1}, {  16,   8,   1,  33, 1, 1, 1, 1},
    {  16,  16,   1,  65, 1, 5, 2, 1}, {   9,  16,   1,  65, 1, 5, 2, 1}, { 129, 128,   1,   4, 1, 3, 1, 1},
    { 128,  64,   1,   8, 1, 3, 1, 1}, { 256, 512,   1,   1, 1, 1, 1, 1}, {  64, 128,   1,  64, 1, 3, 1, 1},
    {  32,  32, 112, 112, 3, 3, 1, 0}, {  96,  96,  56,  56, 3, 3, 2, 0}, { 144, 144,  28,  28, 3, 3, 1, 0},
    { 384, 384,  14,  14, 3, 3, 1, 0}, { 960, 960,   7,   7, 3, 3, 1, 0}, {  64,  64,  40,  40, 3, 3, 1, 0},
    {  16,  16, 160, 160, 3, 3, 1, 0}, {  64,  64,  20,  20, 3, 3, 1, 0}, {  64,  64,  80,  80, 3, 3, 2, 0},
    {  16,  16,   3,  33, 3, 3, 1, 0}, { 116, 116,  14,  14, 3, 3, 1, 0}, { 240, 240,  14,  14, 5, 5, 1, 0},
    {  24,  24,  56,  56, 1, 1, 1, 3}, { 136, 136,  28,  28, 3, 3, 1, 0}, { 112, 136,  28,  28, 1, 1, 1, 4},
    { 256, 256,  27,  27, 5, 5, 1, 2},
};

/* n channels, image, kernel, stride, the largest */
static const short pool[][6] = {
    { 64, 112, 3, 2, 1, 1}, { 64,  56, 2, 2, 1, 1}, {  8,  14, 2, 2, 1, 1}, { 16,   4, 3, 3, 1, 1},
    {128,  28, 2, 2, 1, 1}, {256,  14, 2, 2, 1, 1}, {512,   7, 2, 2, 1, 1}, { 96,  27, 3, 2, 1, 1},
    {256,  13, 3, 2, 1, 1}, { 16,  80, 2, 2, 1, 1}, { 64,  20, 2, 2, 1, 1}, {128,  27, 3, 2, 1, 1},
    { 64,   1, 8, 8, 0, 1}, {512,   1, 7, 7, 0, 1}, {1000,  1,13,13, 0, 1}, {2048,  1, 7, 7, 0, 1},
    { 24,  28, 3, 2, 0, 1}, {112,  14, 3, 2, 0, 1}, { 64,  28, 2, 2, 0, 1}, { 64,  40, 2, 2, 1, 0},
    {  8,  28, 2, 2, 1, 0}, { 64,   1, 7, 7, 0, 0},
};

/* vectors, results, length, share kept in 1/8, both from outside, nodes */
static const short product[][6] = {
    {  1,  10,  256, 8, 0, 2}, {  1,  128,  128, 8, 0, 1}, {  1,  257,  128, 8, 0, 2}, {  1,  512,  256, 8, 0, 1},
    {  1, 256,  512, 8, 0, 1}, {  1,  512,  512, 8, 0, 1}, {  1, 1024, 1024, 8, 0, 2}, {  1,1000,  512, 8, 0, 2},
    {  1, 134,  805, 8, 0, 2}, {  1,   64,   32, 8, 0, 1}, {  1, 1000, 2048, 8, 0, 1}, {  8, 128,  128, 8, 0, 1},
    {  4, 256,  256, 8, 0, 2}, {  1,  512,  512, 1, 0, 1}, {  1,  512,  512, 2, 0, 1}, {  1,1024, 1024, 1, 0, 1},
    {  1, 256,  256, 4, 0, 1}, {  4,  512,  512, 2, 0, 1}, {  1, 2048,  512, 2, 0, 1}, {  1, 128, 1024, 1, 0, 1},
    { 33,  16,   16, 8, 0, 2}, { 64,  128,  128, 8, 0, 1}, {100,  512,  128, 8, 0, 2}, { 32,1024,  256, 8, 0, 1},
    { 16,  16,   16, 8, 0, 2}, {200,   64,   64, 8, 0, 1}, {128,  128,   64, 8, 1, 1}, { 64,  64,  128, 8, 1, 1},
    {  1,  64,   64, 8, 1, 1}, {  1,  256,  512, 8, 1, 1}, {512,  512,  512, 8, 1, 1},
};

/* steps, sequences, inputs, units, cell (4: LSTM, 3: GRU, 2: GRU of the linear kind, 1: RNN; 10 more: with
 * biases from outside, which only the reference has), directions, share kept in 1/8 */
static const short rnn[][7] = {
    {  1, 1, 128, 128, 4, 1, 8}, {  1, 1, 257, 128, 4, 1, 8}, {  1, 1, 100, 128, 4, 1, 8}, {  1, 1, 64, 64, 4, 1, 8},
    { 10, 1, 128, 128, 4, 1, 8}, {100, 1,  64,  64, 4, 1, 8}, { 20, 1,  40,  32, 4, 2, 8}, {  1, 1,512,512, 4, 1, 8},
    {  4, 1, 256, 256, 4, 1, 8}, { 32, 1,  10,  16, 4, 2, 8}, {  1, 4, 128, 128, 4, 1, 8}, {  1, 1,512,512, 4, 1, 1},
    {  1, 1, 512, 512, 4, 1, 2}, {  1, 1, 256, 256, 4, 1, 2}, { 20, 1, 256, 256, 4, 1, 2}, {  1, 1,128,128, 4, 1, 4},
    {  1, 1, 134, 134, 2, 1, 8}, {  1, 1, 100, 134, 2, 1, 8}, {  1, 1, 256, 256, 2, 1, 8}, {  1, 1,  8, 16, 2, 1, 8},
    { 33, 1,   8,   4, 2, 2, 8}, {  1,33,   8,   8, 2, 1, 8}, { 20, 1,  64, 128, 2, 1, 8}, {  8, 1,256,256, 2, 1, 8},
    {  1, 1, 512, 512, 2, 1, 2}, {  1, 1, 256, 256, 2, 1, 2}, { 16, 1, 128, 128, 3, 1, 8}, {  1, 1,128,128, 3, 1, 8},
    {  1, 1,  24,  24,12, 1, 8}, {  1, 1,  64,  64,12, 1, 8}, {  1, 1, 100, 100,12, 1, 8}, {  4, 1,  32,  32,13, 1, 8},
    {  3, 1,   2,   3,14, 1, 8}, {  1, 1,  64,  64,14, 1, 8}, {  1, 1, 128, 128,14, 1, 8}, { 10, 1,  32,  32,14, 1, 8},
    {  3, 1,   2,   3, 1, 1, 8}, {  1, 1,  64,  64, 1, 1, 8}, { 10, 1,  32,  32, 1, 1, 8}, {  1, 1, 128, 256, 1, 1, 8},
};

/* Operators on images: channels, height, width, second operand, blocked */
static const struct {
    const char *op;
    short c, h, w, broadcast, blocked;
} points[] = {
    {"Add", 1, 1, 256, 0, 0},  {"Add", 1, 1, 256, 1, 0},   {"Mul", 1, 1, 512, 0, 0},  {"Mul", 16, 1, 33, 0, 0},
    {"Add", 64, 1, 64, 3, 0},  {"Mul", 64, 28, 28, 2, 0},  {"Add", 32, 56, 56, 0, 0}, {"Sub", 1, 1, 1024, 0, 0},
    {"Sub", 1, 1, 1, 1, 0},    {"Mul", 64, 56, 56, 0, 1},  {"Add", 64, 28, 28, 0, 1}, {"Add", 256, 14, 14, 0, 1},
    {"Div", 1, 1, 256, 1, 0},  {"Div", 8, 1, 128, 0, 0},   {"Div", 1, 1, 1, 1, 0},
    {"Relu", 1, 1, 128, 0, 0}, {"Relu", 64, 28, 28, 0, 0}, {"Relu", 16, 8, 8, 0, 0},  {"LeakyRelu", 8, 20, 20, 0, 0},
    {"Abs", 1, 1, 512, 0, 0},  {"Relu", 64, 56, 56, 0, 1}, {"Relu", 128, 28, 28, 0, 1}, {"Relu", 16, 14, 14, 0, 1},
    {"Sigmoid", 1, 1, 257, 0, 0}, {"Sigmoid", 1, 1, 1, 0, 0}, {"Sigmoid", 64, 20, 20, 0, 0}, {"Sigmoid", 32, 28, 28, 0, 1},
    {"Tanh", 1, 1, 128, 0, 0}, {"Tanh", 16, 20, 20, 0, 0}, {"Tanh", 32, 28, 28, 0, 1}, {"Sqrt", 1, 1, 256, 0, 0},
    {"Sqrt", 1, 1, 1, 0, 0},   {"Elu", 1, 1, 256, 0, 0},   {"Exp", 1, 1, 256, 0, 0},  {"Log", 1, 1, 256, 0, 0},
    {"Erf", 1, 1, 512, 0, 0},  {"Softmax", 1, 1, 10, 0, 0}, {"Softmax", 1, 100, 100, 0, 0}, {"Softmax", 1, 1, 1000, 0, 0},
    {"Softmax", 1, 4000, 2, 0, 0}, {"ReduceMean", 1, 1, 256, 0, 0}, {"ReduceMean", 16, 33, 16, 0, 0},
    {"ReduceSum", 1, 1, 256, 0, 0}, {"ReduceSum", 16, 33, 16, 0, 0}, {"ReduceMax", 1, 20, 256, 0, 0}, {"ReduceMin", 1, 20, 256, 0, 0},
    {"LRN", 64, 27, 27, 0, 0}, {"LRN", 192, 13, 13, 0, 0}, {"Pow", 1, 1, 256, 0, 0}, {"PRelu", 16, 5, 33, 2, 0}, {"PRelu", 64, 28, 28, 2, 0}, {"Neg", 1, 1, 512, 0, 0},
};

static const struct {
    const char *op;
    short c, h, w, blocked;
} move[] = {
    {"Transpose 0231", 16, 33, 5, 0}, {"Transpose 0213", 16, 8, 32, 0}, {"Transpose 0321", 8, 20, 20, 0},
    {"Transpose 0132", 1, 64, 128, 0}, {"Transpose 0231", 64, 20, 20, 1}, {"Transpose 0231", 4, 40, 40, 1},
    {"Transpose 0213", 48, 28, 28, 0}, {"Transpose 0231", 12, 30, 40, 1}, {"Transpose 0213", 24, 56, 56, 1},
    {"Concat 1", 16, 1, 33, 0}, {"Concat 3", 1, 1, 128, 0}, {"Concat 1", 64, 28, 28, 0}, {"Concat 1", 12, 28, 28, 1},
    {"Concat 2", 1, 8, 64, 0}, {"Concat 1", 30, 14, 14, 1},
    {"Slice", 1, 1, 512, 0}, {"Slice", 1, 16, 64, 0}, {"Slice", 8, 8, 128, 0}, {"Slice", 1, 60, 256, 0},
    {"Pad", 16, 5, 33, 0}, {"Pad", 3, 32, 32, 0}, {"Pad", 32, 10, 172, 0},
    {"Resize", 64, 20, 20, 1}, {"Resize", 64, 10, 10, 1}, {"Resize", 16, 40, 40, 1},
};
/* clang-format on */

static const short image[] = {1,  2,  3,  4,  5,  7,  8,  10, 13,  14,  16,  20,  24,
                              28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 224, 320};

int64_t spacc_prior_image(int64_t size, int steps)
{
    int at = 0;

    while (at + 1 < (int)COUNT(image) && image[at + 1] <= size)
        at++;
    at += steps;
    return image[at < 0 ? 0 : at >= (int)COUNT(image) ? (int)COUNT(image) - 1 : at];
}

static struct spacc_trial conv_at(const short *c)
{
    const int64_t groups = c[7] ? c[7] : c[0];

    return (struct spacc_trial){.kind = SPACC_TRIAL_CONV,
                                .op = "Relu",
                                .density = 1.0,
                                .size = {1, c[0], c[1], c[2], c[3], c[4], c[5],
                                         c[3] > 1 ? c[6] : 1, c[6], 1, groups, 2}};
}

/* The same sizes the other way round: from few pixels to many. */
static struct spacc_trial deconv_at(const short *c)
{
    struct spacc_trial t = conv_at(c);

    t.kind = SPACC_TRIAL_DECONV;
    t.size[3] = t.size[3] > 56 ? 56 : t.size[3];
    t.size[4] = t.size[4] > 56 ? 56 : t.size[4];
    t.size[11] = 1;
    t.op = NULL;
    return t;
}

static struct spacc_trial pool_at(const short *p)
{
    return (struct spacc_trial){.kind = SPACC_TRIAL_POOL,
                                .density = 1.0,
                                .blocked = p[5],
                                .size = {1, p[0], p[1], p[1], p[2], p[2], p[3], p[3], p[4]}};
}

static struct spacc_trial product_at(const short *p)
{
    return (struct spacc_trial){.kind = SPACC_TRIAL_PRODUCT,
                                .density = p[3] / 8.0,
                                .two_inputs = p[4],
                                .size = {1, p[0], p[1], p[2], 1, p[5]}};
}

static struct spacc_trial rnn_at(const short *r)
{
    static const char *const cells[] = {[1] = "reference rnn",
                                        [2] = "gru linear",
                                        [3] = "gru",
                                        [4] = "lstm",
                                        [12] = "reference gru linear",
                                        [13] = "reference gru",
                                        [14] = "reference lstm"};
    static const short gates[] = {0, 1, 3, 3, 4};

    return (struct spacc_trial){.kind = SPACC_TRIAL_RNN,
                                .density = r[6] / 8.0,
                                .op = cells[r[4]],
                                .size = {r[0], r[1], r[2], r[3], gates[r[4] % 10], r[5], 1, 1}};
}

static struct spacc_trial points_at(size_t i)
{
    return (struct spacc_trial){
        .kind = SPACC_TRIAL_POINTS,
        .density = 1.0,
        .op = points[i].op,
        .blocked = points[i].blocked,
        .size = {1, points[i].c, points[i].h, points[i].w, points[i].broadcast}};
}

static struct spacc_trial move_at(size_t i)
{
    return (struct spacc_trial){.kind = SPACC_TRIAL_MOVE,
                                .density = 1.0,
                                .op = move[i].op,
                                .blocked = move[i].blocked,
                                .size = {1, move[i].c, move[i].h, move[i].w}};
}

size_t spacc_prior_count(enum spacc_trial_kind kind)
{
    switch (kind) {
    case SPACC_TRIAL_CONV:
    case SPACC_TRIAL_DECONV: return COUNT(conv);
    case SPACC_TRIAL_POOL: return COUNT(pool);
    case SPACC_TRIAL_PRODUCT: return COUNT(product);
    case SPACC_TRIAL_RNN: return COUNT(rnn);
    case SPACC_TRIAL_POINTS: return COUNT(points);
    case SPACC_TRIAL_MOVE: return COUNT(move);
    default: return 0;
    }
}

struct spacc_trial spacc_prior(enum spacc_trial_kind kind, uint64_t pick)
{
    const size_t count = spacc_prior_count(kind), at = count ? (size_t)(pick % count) : 0;

    switch (kind) {
    case SPACC_TRIAL_CONV: return conv_at(conv[at]);
    case SPACC_TRIAL_DECONV: return deconv_at(conv[at]);
    case SPACC_TRIAL_POOL: return pool_at(pool[at]);
    case SPACC_TRIAL_PRODUCT: return product_at(product[at]);
    case SPACC_TRIAL_RNN: return rnn_at(rnn[at]);
    case SPACC_TRIAL_POINTS: return points_at(at);
    default: return move_at(at);
    }
}
