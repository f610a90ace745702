/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence: see evidence.h and docs/format/ledger.md. */
#include "ledger/evidence.h"
#include "base/bytes.h"
#include "envelope/lines.h"
#include <string.h>

#define HEAD "sherd-evidence@v1 "
#define LEAF_BEGINS "extra "
#define ABOUT_CHARS 32U

/* No name of a log holds a blank, so that no checkpoint begins as a leaf does. */
static bool is_leaf(struct sherd_span rest)
{
    return sherd_line_begins(&rest, LEAF_BEGINS);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

enum sherd_err sherd_evidence_begin(struct sherd_buf *text, const struct sherd_ref *about)
{
    static const char digits[] = "0123456789abcdef";
    char line[ABOUT_CHARS];

    for (size_t i = 0; i < ABOUT_CHARS; i++)
        line[i] = digits[about->bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    SHERD_TRY(sherd_text_append(text, HEAD));
    SHERD_TRY(sherd_buf_append(text, sherd_span_of(line, sizeof(line))));
    return sherd_text_append(text, "\n\n");
}

enum sherd_err sherd_evidence_add(struct sherd_buf *text, uint64_t index, const struct sherd_path *path,
                                  const struct sherd_opening *opening)
{
    const struct sherd_proof proof = {.index = index, .path = *path};
    uint8_t block[SHERD_OPENING_BYTES_MAX];
    size_t len;

    SHERD_TRY(sherd_opening_encode(opening, block, &len));
    return sherd_proof_body_append(text, &proof, sherd_span_of(block, len));
}

enum sherd_err sherd_evidence_end(struct sherd_buf *text, struct sherd_span checkpoint)
{
    SHERD_ENSURE(sherd_checkpoint_formed(checkpoint) && !is_leaf(checkpoint), SHERD_ERR_INVALID,
                 "evidence needs a signed checkpoint");
    return sherd_buf_append(text, checkpoint);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static bool read_digit(uint8_t digit, uint8_t *out_value)
{
    if (digit >= '0' && digit <= '9')
        *out_value = (uint8_t)(digit - '0');
    else if (digit >= 'a' && digit <= 'f')
        *out_value = (uint8_t)(digit - 'a' + 10);
    else
        return false;
    return true;
}

static bool read_about(struct sherd_span line, struct sherd_ref *out_about)
{
    uint8_t high;
    uint8_t low;

    if (line.len != ABOUT_CHARS)
        return false;
    for (size_t i = 0; i < sizeof(out_about->bytes); i++) {
        if (!read_digit(line.data[2 * i], &high) || !read_digit(line.data[2 * i + 1], &low))
            return false;
        out_about->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool read_head(struct sherd_span *rest, struct sherd_ref *out_about)
{
    struct sherd_span line;
    struct sherd_span empty;

    return sherd_line_begins(rest, HEAD) && sherd_line_take(rest, &line) && read_about(line, out_about) &&
           sherd_line_take(rest, &empty) && empty.len == 0;
}

static bool read_leaves(struct sherd_span *rest, struct sherd_evidence *evidence)
{
    struct sherd_proof proof;

    evidence->leaves = *rest;
    for (evidence->leaf_count = 0; is_leaf(*rest); evidence->leaf_count++)
        if (!sherd_proof_body_take(rest, &proof))
            return false;
    return true;
}

enum sherd_err sherd_evidence_decode(struct sherd_span text, struct sherd_evidence *out_evidence)
{
    struct sherd_evidence evidence;
    struct sherd_span rest = text;

    if (!read_head(&rest, &evidence.about) || !read_leaves(&rest, &evidence) || !sherd_checkpoint_formed(rest))
        return sherd_fail(SHERD_ERR_TAMPERED, "that is no evidence of a ledger");
    evidence.checkpoint = rest;
    *out_evidence = evidence;
    return SHERD_OK;
}

/* --- verifying ---------------------------------------------------------------------------------------------------- */

static bool is(const struct sherd_ref *id, const struct sherd_ref *about)
{
    return sherd_same(id->bytes, about->bytes, sizeof(id->bytes));
}

static bool concerns(const struct sherd_opening *opening, const struct sherd_ref *about)
{
    return (opening->subject_shown && is(&opening->subject, about)) ||
           (opening->actor_shown &&
            (is(&opening->actor, about) || is(&opening->entity, about) || is(&opening->collection, about))) ||
           (opening->join_shown && (is(&opening->join.join.record, about) || is(&opening->join.join.actor, about)));
}

/* Where something stands in the log: a leaf, or one of the joins of a leaf. */
struct place {
    uint64_t leaf;
    uint64_t join; /* 0: the leaf itself; then its joins from 1 on */
};

/* Each is behind the one before. */
static enum sherd_err move_on(struct place *least, const struct sherd_proof *proof, const struct sherd_opening *opening)
{
    const struct place here = {proof->index, opening->join_shown ? opening->join.position + 1 : 0};

    SHERD_ENSURE(here.leaf > least->leaf || (here.leaf == least->leaf && here.join >= least->join), SHERD_ERR_TAMPERED,
                 "the leaves are not in the order of the log");
    *least = (struct place){here.leaf, here.join + 1};
    return SHERD_OK;
}

static enum sherd_err verify_leaf(const struct sherd_evidence *evidence, const struct sherd_proof *proof,
                                  const struct sherd_tree_head *head, struct place *least,
                                  sherd_evidence_visit_fn *visit, void *arg)
{
    uint8_t room[SHERD_OPENING_BYTES_MAX];
    struct sherd_buf extra = sherd_buf_borrow(room, sizeof(room));
    struct sherd_opening opening;
    struct sherd_leaf leaf;

    SHERD_ENSURE(sherd_proof_extra(proof, &extra) == SHERD_OK, SHERD_ERR_TAMPERED, "that is no evidence of a ledger");
    SHERD_TRY(sherd_opening_decode(sherd_buf_span(&extra), &opening));
    SHERD_TRY(move_on(least, proof, &opening));
    SHERD_TRY(sherd_proof_verify_in(proof, opening.leaf, head));
    SHERD_TRY(sherd_opening_verify(&opening, &leaf));
    SHERD_ENSURE(concerns(&opening, &evidence->about), SHERD_ERR_TAMPERED,
                 "a leaf is not about what the evidence is about");
    return visit != NULL ? visit(arg, proof->index, &opening, &leaf) : SHERD_OK;
}

static enum sherd_err verify_leaves(const struct sherd_evidence *evidence, const struct sherd_tree_head *head,
                                    sherd_evidence_visit_fn *visit, void *arg)
{
    struct sherd_span rest = evidence->leaves;
    struct sherd_proof proof;
    struct place least = {0, 0}; /* of the next */

    for (size_t i = 0; i < evidence->leaf_count; i++) {
        SHERD_ENSURE(sherd_proof_body_take(&rest, &proof), SHERD_ERR_TAMPERED, "that is no evidence of a ledger");
        SHERD_TRY(verify_leaf(evidence, &proof, head, &least, visit, arg));
    }
    return SHERD_OK;
}

enum sherd_err sherd_evidence_verify(const struct sherd_evidence *evidence, const struct sherd_policy *policy,
                                     sherd_evidence_visit_fn *visit, void *arg, struct sherd_checkpoint *out_checkpoint,
                                     struct sherd_vouched *out_vouched)
{
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;

    SHERD_TRY(sherd_checkpoint_verify(evidence->checkpoint, policy, &checkpoint, &vouched));
    SHERD_TRY(verify_leaves(evidence, &checkpoint.head, visit, arg));
    *out_checkpoint = checkpoint;
    *out_vouched = vouched;
    return SHERD_OK;
}
