/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the readers of checkpoints, of signed notes in their parts, and of verifier keys. */
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
    struct sherd_signature signature;
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;
    struct sherd_signed parts;

    if (sherd_signed_parse(input, &parts) == SHERD_OK) {
        size_t lines = 0;

        while (sherd_signed_next(&parts.lines, &signature))
            lines++;
        if (lines == 0 || lines > SHERD_SIGNATURES_MAX || parts.lines.len > 0)
            abort();
    }
    if (sherd_checkpoint_verify(input, fuzz_policy(), &checkpoint, &vouched) == SHERD_OK &&
        (vouched.logs != 1 || vouched.witnesses != 1))
        abort();
}

static void as_key(struct sherd_span input)
{
    struct sherd_buf again = {0};
    struct sherd_vkey vkey;

    if (sherd_vkey_parse(input, &vkey) == SHERD_OK)
        fuzz_same(sherd_vkey_append(&vkey, &again), &again, input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_text(sherd_span_of(data, size));
    as_note(sherd_span_of(data, size));
    as_key(sherd_span_of(data, size));
    return 0;
}
