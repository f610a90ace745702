/* SPDX-License-Identifier: Apache-2.0 */
/* What is lost of joins: see join_loss.h. */
#include "anchor/ledger/join_loss.h"
#include "base/bytes.h"

void sherd_join_loss_add(struct sherd_join_loss *loss, uint64_t leaf, bool next)
{
    if (loss->count > 0 && (next || loss->count == SHERD_JOIN_LOSS_SPANS_MAX))
        loss->spans[loss->count - 1].last = leaf;
    else
        loss->spans[loss->count++] = (struct sherd_join_span){leaf, leaf};
}

bool sherd_join_loss_has(const struct sherd_join_loss *loss, uint64_t leaf)
{
    for (size_t i = 0; i < loss->count; i++)
        if (leaf >= loss->spans[i].first && leaf <= loss->spans[i].last)
            return true;
    return false;
}

enum sherd_err sherd_join_loss_name(const struct sherd_join_loss *loss, struct sherd_digest *out_name)
{
    uint8_t bytes[8 + SHERD_JOIN_LOSS_SPANS_MAX * 16] = {0};
    const struct sherd_span span = sherd_span_of(bytes, 8 + loss->count * 16);

    sherd_put_u64(bytes, loss->extra);
    for (size_t i = 0; i < loss->count; i++) {
        sherd_put_u64(bytes + 8 + i * 16, loss->spans[i].first);
        sherd_put_u64(bytes + 16 + i * 16, loss->spans[i].last);
    }
    return sherd_hash(SHERD_SHA256, &span, 1, out_name->bytes);
}
