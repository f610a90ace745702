/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the reader of openings, and whole receipts: what is read is written as it was. */
#include "ledger.h"
#include "ledger/opening.h"

static void as_opening(struct sherd_span input)
{
    uint8_t block[SHERD_OPENING_BYTES_MAX];
    struct sherd_opening opening;
    struct sherd_leaf leaf;
    size_t len;

    if (sherd_opening_decode(input, &opening) != SHERD_OK)
        return;
    if (sherd_opening_encode(&opening, block, &len) != SHERD_OK || !sherd_span_equal(sherd_span_of(block, len), input))
        abort();
    if (sherd_opening_verify(&opening, &leaf) == SHERD_OK &&
        ((opening.subject_shown && !leaf.committed[SHERD_LEAF_SUBJECT]) ||
         (opening.actor_shown && !leaf.committed[SHERD_LEAF_ACTOR])))
        abort();
}

static void as_receipt(struct sherd_span input)
{
    uint8_t room[SHERD_OPENING_BYTES_MAX];
    struct sherd_shown shown;

    if (sherd_shown_verify(input, fuzz_policy(), room, &shown) == SHERD_OK &&
        (shown.index >= shown.checkpoint.head.size || shown.leaf.kind >= SHERD_EVENT_KINDS))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_opening(sherd_span_of(data, size));
    as_receipt(sherd_span_of(data, size));
    return 0;
}
