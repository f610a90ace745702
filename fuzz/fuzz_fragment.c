/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments: the header and share at their front, and their digest. A fragment that a store changed in any way has
 * another digest; here, by one bit at a place and by one byte more or less.
 */
#include "base/bytes.h"
#include "crypto/init.h"
#include "envelope/fragment.h"
#include "envelope/row.h"
#include <stdlib.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_prefix(struct sherd_span input)
{
    uint8_t again[SHERD_FRAGMENT_PREFIX_SIZE];
    struct sherd_content_share share;
    const enum sherd_err err = sherd_fragment_prefix_decode(input, &share);

    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    if (err != SHERD_OK)
        return;
    sherd_fragment_prefix_encode(&share, again);
    must(input.len >= sizeof(again) && sherd_same(again, input.data, sizeof(again)));
}

static void must_differ(struct sherd_span changed, const struct sherd_digest *digest)
{
    struct sherd_digest other;

    if (sherd_fragment_digest(changed, &other) == SHERD_OK)
        must(!sherd_same(&other, digest, sizeof(other)));
}

static void fuzz_digest(struct sherd_span input)
{
    uint8_t *copy = malloc(input.len + 1);
    struct sherd_digest digest;
    const enum sherd_err err = sherd_fragment_digest(input, &digest);

    must(copy != NULL && (err == SHERD_OK || err == SHERD_ERR_TAMPERED));
    must((err == SHERD_OK) == (input.len >= SHERD_FRAGMENT_HEAD_SIZE || sherd_row_is(input)));
    if (input.len >= SHERD_FRAGMENT_HEAD_SIZE) {
        const size_t place = sherd_get_u32(input.data + 8) % input.len;

        memcpy(copy, input.data, input.len);
        copy[input.len] = 0;
        must_differ(sherd_span_of(copy, input.len + 1), &digest);
        must_differ(sherd_span_of(copy, input.len - 1), &digest);
        copy[place] ^= 1;
        must_differ(sherd_span_of(copy, input.len), &digest);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    must(sherd_crypto_init() == SHERD_OK);
    fuzz_prefix(sherd_span_of(data, len));
    fuzz_digest(sherd_span_of(data, len));
    return 0;
}
