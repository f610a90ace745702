/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/join_loss.h
 * What is lost of joins: keys that were given out and never got their entry, and leaves whose slots cannot be read any
 * more. It can be acknowledged (anchor/book/): then it is no finding any more, and history goes on to tell it.
 */
#ifndef SHERD_ANCHOR_LEDGER_JOIN_LOSS_H
#define SHERD_ANCHOR_LEDGER_JOIN_LOSS_H

#include "crypto/hash.h"
#include <stdbool.h>

/** Most runs of lost leaves that are told apart; the last takes in all that follow. */
#define SHERD_JOIN_LOSS_SPANS_MAX 32U

/** Leaves of the ledger, both ends included. */
struct sherd_join_span {
    uint64_t first;
    uint64_t last;
};

struct sherd_join_loss {
    uint64_t releases; /**< keys that have no entry, at least */
    uint64_t extra;    /**< pieces that are kept and belong to no leaf */
    size_t count;
    struct sherd_join_span spans[SHERD_JOIN_LOSS_SPANS_MAX]; /**< ascending, apart */
};

/**
 * Add a leaf, behind those that are there. @param[in] next  no leaf that stands for joins lies between, and is there
 */
void sherd_join_loss_add(struct sherd_join_loss *loss, uint64_t leaf, bool next);
/** Whether a leaf is in one of the spans. */
bool sherd_join_loss_has(const struct sherd_join_loss *loss, uint64_t leaf);
/** A name for the leaves and pieces, so that what was found and what is there now can be held against each other. */
SHERD_MUST_USE enum sherd_err sherd_join_loss_name(const struct sherd_join_loss *loss, struct sherd_digest *out_name);

#endif
