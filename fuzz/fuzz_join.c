/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the readers of joins: of what is kept, and of a file of slots. What is read is written as it was. */
#include "crypto/init.h"
#include "ledger.h"
#include "ledger/join.h"
#include <string.h>

/* The keys of the seeds. */
static const struct sherd_leaf_keys *fuzz_keys(void)
{
    static const uint8_t deployment[16] = {0xd1};
    static const uint8_t seed[32] = {0x5e, 0xed};
    static struct sherd_leaf_keys *keys;

    if (keys == NULL && (sherd_crypto_init() != SHERD_OK ||
                         sherd_leaf_keys_new(sherd_span_of(seed, sizeof(seed)), deployment, &keys) != SHERD_OK))
        abort();
    return keys;
}

static void as_batches(struct sherd_span input)
{
    static struct sherd_join_slot room[SHERD_JOIN_BATCH_MAX];
    struct sherd_buf again = {0};
    struct sherd_span rest = input;
    struct sherd_join_batch batch;

    while (sherd_join_batch_next(&rest, room, &batch) == SHERD_OK) {
        struct sherd_digest root;

        if (sherd_join_root(batch.slots, batch.count, &root) != SHERD_OK ||
            sherd_join_batch_encode(&batch, &again) != SHERD_OK)
            abort();
    }
    fuzz_same(SHERD_OK, &again, sherd_span_of(input.data, input.len - rest.len));
}

static void as_slot(struct sherd_aead_message *opening, struct sherd_aead_message *sealing, uint64_t number,
                    const uint8_t *slot)
{
    uint8_t again[SHERD_JOIN_SLOT_SIZE];
    struct sherd_join_birth birth;
    struct sherd_join join;

    if (number == 0 && sherd_join_birth_open(opening, slot, &birth) == SHERD_OK) {
        if (sherd_join_birth_seal(sealing, &birth, again) != SHERD_OK || memcmp(again, slot, sizeof(again)) != 0)
            abort();
    } else if (sherd_join_open(opening, number, slot, &join) == SHERD_OK) {
        if (sherd_join_seal(sealing, number, &join, again) != SHERD_OK || memcmp(again, slot, sizeof(again)) != 0)
            abort();
    }
}

static void as_file(struct sherd_span input)
{
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *opening = NULL;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *sealing = NULL;
    struct sherd_ref file;

    if (input.len < SHERD_JOIN_HEAD_SIZE)
        return;
    memcpy(file.bytes, input.data + 16, sizeof(file.bytes));
    if (!sherd_join_head_is(&file, input))
        return;
    if (sherd_join_series(fuzz_keys(), &file, false, &opening) != SHERD_OK ||
        sherd_join_series(fuzz_keys(), &file, true, &sealing) != SHERD_OK)
        abort();
    for (uint64_t number = 0; sherd_join_offset(number + 1) <= input.len; number++)
        as_slot(opening, sealing, number, input.data + sherd_join_offset(number));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_batches(sherd_span_of(data, size));
    as_file(sherd_span_of(data, size));
    return 0;
}
