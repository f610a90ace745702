/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the reader of evidence: what is read is written as it was, and what verifies stands in the order of the log.
 */
#include "ledger.h"
#include "ledger/evidence.h"

static void write_again(const struct sherd_evidence *evidence, struct sherd_span input)
{
    struct sherd_buf text = {0};
    struct sherd_span rest = evidence->leaves;
    struct sherd_proof proof;

    if (sherd_evidence_begin(&text, &evidence->about) != SHERD_OK)
        abort();
    for (size_t i = 0; i < evidence->leaf_count; i++) {
        struct sherd_buf extra = {0};

        if (!sherd_proof_body_take(&rest, &proof) || sherd_proof_extra(&proof, &extra) != SHERD_OK ||
            sherd_proof_body_append(&text, &proof, sherd_buf_span(&extra)) != SHERD_OK)
            abort();
        sherd_buf_done(&extra);
    }
    fuzz_same(sherd_evidence_end(&text, evidence->checkpoint), &text, input);
}

struct seen {
    uint64_t least;
    size_t count;
};

static enum sherd_err see(void *arg, uint64_t index, const struct sherd_opening *opening, const struct sherd_leaf *leaf)
{
    struct seen *seen = arg;

    if (index < seen->least || leaf->kind >= SHERD_EVENT_KINDS || (!opening->subject_shown && !opening->actor_shown))
        abort();
    seen->least = index + 1;
    seen->count++;
    return SHERD_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sherd_checkpoint checkpoint;
    struct sherd_evidence evidence;
    struct sherd_vouched vouched;
    struct seen seen = {.count = 0};

    if (sherd_evidence_decode(sherd_span_of(data, size), &evidence) != SHERD_OK)
        return 0;
    write_again(&evidence, sherd_span_of(data, size));
    if (sherd_evidence_verify(&evidence, fuzz_policy(), see, &seen, &checkpoint, &vouched) == SHERD_OK &&
        (seen.count != evidence.leaf_count || seen.least > checkpoint.head.size))
        abort();
    return 0;
}
