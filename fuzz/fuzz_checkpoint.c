/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the readers of checkpoints; of the notes that they are: fuzz_note.c. */
#include "ledger.h"
#include "ledger/checkpoint.h"

static void as_text(struct sherd_span input)
{
    struct sherd_checkpoint checkpoint;
    struct sherd_buf again = {0};

    if (sherd_checkpoint_decode(input, &checkpoint) == SHERD_OK && input.len <= SHERD_CHECKPOINT_BYTES_MAX)
        fuzz_same(sherd_checkpoint_encode(&checkpoint, &again), &again, input);
}

static void as_note(struct sherd_span input)
{
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;

    if (sherd_checkpoint_verify(input, fuzz_policy(), &checkpoint, &vouched) == SHERD_OK &&
        (vouched.logs != 1 || vouched.witnesses != 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_text(sherd_span_of(data, size));
    as_note(sherd_span_of(data, size));
    return 0;
}
