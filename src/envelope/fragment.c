/* SPDX-License-Identifier: Apache-2.0 */
/* Fragments: see fragment.h and docs/format/envelope.md section 3. */
#include "envelope/fragment.h"
#include "base/bytes.h"
#include "crypto/merkle.h"
#include "envelope/padme.h"
#include "envelope/row.h"

static const uint8_t header[SHERD_FRAGMENT_HEADER_SIZE] = {SHERD_FORMAT, SHERD_KIND_FRAGMENT, 0, SHERD_SUITE};

void sherd_fragment_prefix_encode(const struct sherd_content_share *share, uint8_t out[SHERD_FRAGMENT_PREFIX_SIZE])
{
    memcpy(out, header, sizeof(header));
    memcpy(out + sizeof(header), share->bytes, sizeof(share->bytes));
}

enum sherd_err sherd_fragment_prefix_decode(struct sherd_span bytes, struct sherd_content_share *out_share)
{
    if (bytes.len < SHERD_FRAGMENT_PREFIX_SIZE || !sherd_same(bytes.data, header, sizeof(header)))
        return sherd_fail(SHERD_ERR_TAMPERED, "a fragment does not verify");
    memcpy(out_share->bytes, bytes.data + sizeof(header), sizeof(out_share->bytes));
    return SHERD_OK;
}

uint64_t sherd_fragment_padded_bytes(uint64_t content_bytes, bool exact)
{
    return exact ? content_bytes : sherd_padme(content_bytes);
}

enum sherd_err sherd_fragment_digest(struct sherd_span bytes, struct sherd_digest *out_digest)
{
    struct sherd_merkle tree = {0};
    struct sherd_digest leaf;
    struct sherd_span piece;

    if (sherd_row_is(bytes))
        return sherd_row_digest(bytes, out_digest);
    if (!sherd_span_take(&bytes, SHERD_FRAGMENT_HEAD_SIZE, &piece))
        return sherd_fail(SHERD_ERR_TAMPERED, "a fragment does not verify");
    SHERD_TRY(sherd_merkle_leaf(piece, &leaf));
    SHERD_TRY(sherd_merkle_add(&tree, &leaf));
    while (bytes.len > 0) {
        const size_t len = bytes.len < SHERD_AEAD_SEALED_CHUNK_SIZE ? bytes.len : SHERD_AEAD_SEALED_CHUNK_SIZE;

        if (!sherd_span_take(&bytes, len, &piece))
            sherd_bug("a span is shorter than it says");
        SHERD_TRY(sherd_merkle_leaf(piece, &leaf));
        SHERD_TRY(sherd_merkle_add(&tree, &leaf));
    }
    return sherd_merkle_root(&tree, out_digest);
}
