/* SPDX-License-Identifier: Apache-2.0 */
/* The calls of the table about the scrubber's book. */
#include "anchor/embedded/embedded_inside.h"

enum sherd_err sherd_embedded_book_begin(struct sherd_embedded *self, bool read_only)
{
    const struct sherd_book_parts parts = {.dir = self->dir,
                                           .deployment = self->fixed->deployment,
                                           .pins = &self->pins,
                                           .leaves = self->leaves,
                                           .read_only = read_only};

    return sherd_book_keep_new(&parts, &self->book);
}

enum sherd_err sherd_embedded_book_read(struct sherd_anchor *anchor, struct sherd_buf *out_book, bool *out_lost)
{
    SHERD_CLEANUP(sherd_book_done) struct sherd_book book = {0};

    SHERD_TRY(sherd_book_keep_read(sherd_embedded_of(anchor)->book, &book));
    SHERD_TRY(sherd_book_encode(&book, out_book));
    *out_lost = book.status.lost;
    return SHERD_OK;
}

enum sherd_err sherd_embedded_book_position(struct sherd_anchor *anchor, struct sherd_book_position *out_position)
{
    return sherd_book_keep_position(sherd_embedded_of(anchor)->book, out_position);
}

/* What was not accepted yet of how `keys` and the ledger disagree; and all that is lost of joins. */
static enum sherd_err look_for_difference(void *arg, bool joins, struct sherd_book_differs *out_differs)
{
    struct sherd_embedded *self = arg;
    struct sherd_keys_check check;

    SHERD_TRY(sherd_embedded_compare(self, joins, &check, &out_differs->loss));
    SHERD_ENSURE(!joins || check.log_verifies, SHERD_ERR_TAMPERED, "the ledger itself does not verify");
    out_differs->difference = check.difference;
    out_differs->check = check;
    return SHERD_OK;
}

enum sherd_err sherd_embedded_book_change(struct sherd_anchor *anchor, struct sherd_span change)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(self->ring, &keyring));
    const uint32_t round = (uint32_t)keyring->round;
    sherd_ring_leave(self->ring);
    return sherd_book_keep_change(self->book, change, round, look_for_difference, self);
}
