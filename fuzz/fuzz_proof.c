/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the readers of proofs of inclusion and of consistency: what is read is written as it was. */
#include "ledger.h"
#include "ledger/proof.h"

static void as_proof(struct sherd_span input)
{
    struct sherd_buf extra = {0};
    struct sherd_buf again = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_proof proof;

    if (sherd_proof_decode(input, &proof) != SHERD_OK)
        return;
    if (sherd_proof_extra(&proof, &extra) != SHERD_OK)
        abort();
    fuzz_same(sherd_proof_encode(&proof, sherd_buf_span(&extra), &again), &again, input);
    sherd_buf_done(&extra);
    if (sherd_proof_verify(&proof, sherd_span_str("leaf 5"), fuzz_policy(), &checkpoint, NULL) == SHERD_OK &&
        proof.index >= checkpoint.head.size)
        abort();
}

static void as_growth(struct sherd_span input)
{
    const struct sherd_checkpoint empty = {0};
    struct sherd_buf again = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_growth growth;

    if (sherd_growth_decode(input, &growth) != SHERD_OK)
        return;
    fuzz_same(sherd_growth_encode(&growth, &again), &again, input);
    if (sherd_checkpoint_verify(growth.checkpoint, fuzz_policy(), &checkpoint, NULL) != SHERD_OK)
        checkpoint = (struct sherd_checkpoint){.head.size = 1000};
    const struct sherd_checkpoint old = {.origin = checkpoint.origin, .head.size = growth.old_size};
    fuzz_ignore(sherd_growth_verify(&growth, &old, &checkpoint));
    fuzz_ignore(sherd_growth_verify(&growth, &empty, &checkpoint));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_proof(sherd_span_of(data, size));
    as_growth(sherd_span_of(data, size));
    return 0;
}
