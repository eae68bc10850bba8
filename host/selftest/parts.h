/* parts.h - what the steps of a bring-up share. */
#ifndef SPACC_SELFTEST_PARTS_H
#define SPACC_SELFTEST_PARTS_H

#include "host/selftest/selftest.h"

struct spacc_ladder {
    spacc_selftest_open open;
    void *user;
    struct spacc_card *card; /* open during a step */
    uint64_t random;         /* state of spacc_ladder_draw() */
    bool skipped;            /* this step */
    char found[256];
};

/* 64 random bits (xorshift64*, Vigna 2016). */
uint64_t spacc_ladder_draw(struct spacc_ladder *l);
/* What a step that passes has found, for the report. */
void spacc_ladder_found(struct spacc_ladder *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* This step has nothing to test on this card; what is found says why. */
void spacc_ladder_skip(struct spacc_ladder *l, const char *why);
/* Closes the card where it is open and opens it again. */
enum spacc_status spacc_ladder_reopen(struct spacc_ladder *l, struct spacc_error *err);

/* The steps, in order. layers.c has those that need the array. */
enum spacc_status spacc_ladder_identity(struct spacc_ladder *l, struct spacc_error *err);
enum spacc_status spacc_ladder_registers(struct spacc_ladder *l, struct spacc_error *err);
enum spacc_status spacc_ladder_memory(struct spacc_ladder *l, struct spacc_error *err);
enum spacc_status spacc_ladder_dma(struct spacc_ladder *l, struct spacc_error *err);
enum spacc_status spacc_ladder_pes(struct spacc_ladder *l, struct spacc_error *err);
enum spacc_status spacc_ladder_spmxv(struct spacc_ladder *l, struct spacc_error *err);
enum spacc_status spacc_ladder_lstm(struct spacc_ladder *l, struct spacc_error *err);
enum spacc_status spacc_ladder_timeout(struct spacc_ladder *l, struct spacc_error *err);

#endif
