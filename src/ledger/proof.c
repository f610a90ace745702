/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs as text: see proof.h. */
#include "ledger/proof.h"
#include "base/bytes.h"
#include "envelope/base64.h"
#include "envelope/lines.h"

#define HEAD "c2sp.org/tlog-proof@v1\n"
#define EXTRA_PIECE 1024U

/* --- what both texts have ----------------------------------------------------------------------------------------- */

static enum sherd_err write_number(struct sherd_buf *text, const char *word, uint64_t number)
{
    SHERD_TRY(sherd_text_append(text, word));
    SHERD_TRY(sherd_decimal_append(text, number));
    return sherd_text_append(text, "\n");
}

static bool read_number(struct sherd_span *rest, const char *word, uint64_t *out_number)
{
    struct sherd_span line;

    return sherd_line_take(rest, &line) && sherd_line_begins(&line, word) && sherd_decimal_parse(line, out_number) &&
           *out_number <= SHERD_TREE_LEAVES_MAX;
}

static enum sherd_err write_path(struct sherd_buf *text, const struct sherd_path *path)
{
    SHERD_ENSURE(path->count <= SHERD_PATH_HASHES_MAX, SHERD_ERR_INVALID, "a proof has at most 64 hashes");
    for (size_t i = 0; i < path->count; i++) {
        SHERD_TRY(sherd_digest_append(text, &path->hashes[i]));
        SHERD_TRY(sherd_text_append(text, "\n"));
    }
    return SHERD_OK;
}

/* Lines of hashes up to an empty line, which is taken too, or up to the end. */
static bool read_path(struct sherd_span *rest, struct sherd_path *out_path)
{
    struct sherd_span line;

    out_path->count = 0;
    while (rest->len > 0) {
        if (!sherd_line_take(rest, &line))
            return false;
        if (line.len == 0)
            return rest->len > 0; /* something follows */
        if (out_path->count == SHERD_PATH_HASHES_MAX || !sherd_digest_parse(line, &out_path->hashes[out_path->count]))
            return false;
        out_path->count++;
    }
    return true;
}

static enum sherd_err not_signed(void)
{
    return sherd_fail(SHERD_ERR_INVALID, "a proof needs a signed checkpoint");
}

/* --- that a leaf is in a log -------------------------------------------------------------------------------------- */

static enum sherd_err write_extra(struct sherd_buf *text, struct sherd_span extra)
{
    SHERD_ENSURE(extra.len <= SHERD_PROOF_EXTRA_BYTES_MAX, SHERD_ERR_LIMIT, "the extra data of a proof is too long");
    if (extra.len == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_text_append(text, "extra "));
    SHERD_TRY(sherd_base64_encode(SHERD_BASE64_PADDED, extra, text));
    return sherd_text_append(text, "\n");
}

enum sherd_err sherd_proof_body_append(struct sherd_buf *text, const struct sherd_proof *proof, struct sherd_span extra)
{
    SHERD_ENSURE(proof->index <= SHERD_TREE_LEAVES_MAX, SHERD_ERR_INVALID, "no log has an entry of that index");
    SHERD_TRY(write_extra(text, extra));
    SHERD_TRY(write_number(text, "index ", proof->index));
    SHERD_TRY(write_path(text, &proof->path));
    return sherd_text_append(text, "\n");
}

static enum sherd_err write_proof(const struct sherd_proof *proof, struct sherd_span extra, struct sherd_buf *text)
{
    SHERD_TRY(sherd_text_append(text, HEAD));
    SHERD_TRY(sherd_proof_body_append(text, proof, extra));
    return sherd_buf_append(text, proof->checkpoint);
}

enum sherd_err sherd_proof_encode(const struct sherd_proof *proof, struct sherd_span extra, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_PROOF_BYTES_MAX};

    if (!sherd_checkpoint_formed(proof->checkpoint))
        return not_signed();
    SHERD_TRY(write_proof(proof, extra, &text));
    return sherd_buf_append(out_text, sherd_buf_span(&text));
}

/* The line of extra data, if it is there. */
static bool read_extra(struct sherd_span *rest, struct sherd_span *out_text)
{
    struct sherd_span line;

    *out_text = sherd_span_of(NULL, 0);
    if (!sherd_line_begins(rest, "extra "))
        return true;
    if (!sherd_line_take(rest, &line) || line.len == 0 || line.len > SHERD_PROOF_EXTRA_BYTES_MAX / 3 * 4 + 4)
        return false;
    *out_text = line;
    return true;
}

/* Whether the extra data is base 64: decoded piece by piece, all of which but the last are whole. */
static bool is_extra(struct sherd_span text)
{
    uint8_t block[EXTRA_PIECE / 4 * 3];
    struct sherd_span piece;

    while (text.len > 0) {
        struct sherd_buf bytes = sherd_buf_borrow(block, sizeof(block));
        const size_t len = text.len < EXTRA_PIECE ? text.len : EXTRA_PIECE;

        (void)sherd_span_take(&text, len, &piece);
        if (sherd_base64_decode(SHERD_BASE64_PADDED, piece, &bytes) != SHERD_OK ||
            (text.len > 0 && bytes.len < sizeof(block)))
            return false;
    }
    return true;
}

bool sherd_proof_body_take(struct sherd_span *rest, struct sherd_proof *out_proof)
{
    return read_extra(rest, &out_proof->extra_text) && is_extra(out_proof->extra_text) &&
           read_number(rest, "index ", &out_proof->index) && read_path(rest, &out_proof->path);
}

enum sherd_err sherd_proof_decode(struct sherd_span text, struct sherd_proof *out_proof)
{
    struct sherd_span rest = text;
    struct sherd_proof proof;

    if (!sherd_line_begins(&rest, HEAD) || !sherd_proof_body_take(&rest, &proof) || !sherd_checkpoint_formed(rest))
        return sherd_fail(SHERD_ERR_TAMPERED, "that is no proof of inclusion");
    proof.checkpoint = rest;
    *out_proof = proof;
    return SHERD_OK;
}

enum sherd_err sherd_proof_extra(const struct sherd_proof *proof, struct sherd_buf *out_extra)
{
    return sherd_base64_decode(SHERD_BASE64_PADDED, proof->extra_text, out_extra);
}

enum sherd_err sherd_proof_verify_in(const struct sherd_proof *proof, struct sherd_span leaf,
                                     const struct sherd_tree_head *head)
{
    struct sherd_digest leaf_hash;

    SHERD_TRY(sherd_merkle_leaf(leaf, &leaf_hash));
    return sherd_inclusion_verify(&proof->path, proof->index, &leaf_hash, head);
}

enum sherd_err sherd_proof_verify(const struct sherd_proof *proof, struct sherd_span leaf,
                                  const struct sherd_policy *policy, struct sherd_checkpoint *out_checkpoint,
                                  struct sherd_vouched *out_vouched)
{
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;

    SHERD_TRY(sherd_checkpoint_verify(proof->checkpoint, policy, &checkpoint, &vouched));
    SHERD_TRY(sherd_proof_verify_in(proof, leaf, &checkpoint.head));
    if (out_checkpoint != NULL)
        *out_checkpoint = checkpoint;
    if (out_vouched != NULL)
        *out_vouched = vouched;
    return SHERD_OK;
}

/* --- that a log only grew ----------------------------------------------------------------------------------------- */

static enum sherd_err write_growth(const struct sherd_growth *growth, struct sherd_buf *text)
{
    SHERD_TRY(write_number(text, "old ", growth->old_size));
    SHERD_TRY(write_path(text, &growth->path));
    if (growth->checkpoint.len == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_text_append(text, "\n"));
    return sherd_buf_append(text, growth->checkpoint);
}

enum sherd_err sherd_growth_encode(const struct sherd_growth *growth, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_PROOF_BYTES_MAX};

    if (growth->checkpoint.len > 0 && !sherd_checkpoint_formed(growth->checkpoint))
        return not_signed();
    SHERD_ENSURE(growth->old_size <= SHERD_TREE_LEAVES_MAX, SHERD_ERR_INVALID, "no log has so many entries");
    SHERD_TRY(write_growth(growth, &text));
    return sherd_buf_append(out_text, sherd_buf_span(&text));
}

enum sherd_err sherd_growth_decode(struct sherd_span text, struct sherd_growth *out_growth)
{
    struct sherd_span rest = text;
    struct sherd_growth growth;

    if (!read_number(&rest, "old ", &growth.old_size) || !read_path(&rest, &growth.path) ||
        (rest.len > 0 && !sherd_checkpoint_formed(rest)))
        return sherd_fail(SHERD_ERR_TAMPERED, "that is no proof of consistency");
    growth.checkpoint = rest;
    *out_growth = growth;
    return SHERD_OK;
}

enum sherd_err sherd_growth_verify(const struct sherd_growth *growth, const struct sherd_checkpoint *old,
                                   const struct sherd_checkpoint *checkpoint)
{
    SHERD_ENSURE(sherd_span_equal(old->origin, checkpoint->origin), SHERD_ERR_TAMPERED,
                 "the two checkpoints are of different logs");
    SHERD_ENSURE(growth->old_size == old->head.size, SHERD_ERR_TAMPERED, "the proof begins at another size");
    return sherd_consistency_verify(&growth->path, &old->head, &checkpoint->head);
}
