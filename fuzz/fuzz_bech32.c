/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bech32 and Bech32m: a byte that says which checksum and whether long texts are allowed, then a text. What decodes
 * must be what encoding its values again gives, and at most one checksum may fit.
 */
#include "base/bytes.h"
#include "envelope/bech32.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Texts in upper case come out in upper case where the prefix is, and else in lower case. */
static bool same_text(struct sherd_span a, struct sherd_span b)
{
    bool same = a.len == b.len;

    for (size_t i = 0; same && i < a.len; i++)
        same = a.data[i] == b.data[i] || ((a.data[i] ^ b.data[i]) == 0x20 && (a.data[i] | 0x20) >= 'a');
    return same;
}

static void check(enum sherd_bech32 kind, const char *prefix, struct sherd_span text, size_t text_max)
{
    const enum sherd_bech32 other = kind == SHERD_BECH32 ? SHERD_BECH32M : SHERD_BECH32;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf words = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf joined = {0};
    const enum sherd_err err = sherd_bech32_decode_words(kind, prefix, text, text_max, &words);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID);
    if (err != SHERD_OK) {
        must(words.len == 0 && sherd_bech32_decode(kind, prefix, text, text_max, &bytes) == SHERD_ERR_INVALID);
        return;
    }
    must(text.len <= text_max && sherd_bech32_decode_words(other, prefix, text, text_max, &bytes) == SHERD_ERR_INVALID);
    must(sherd_bech32_encode_words(kind, prefix, sherd_buf_span(&words), text_max, &again) == SHERD_OK &&
         same_text(sherd_buf_span(&again), text));
    const enum sherd_err whole = sherd_bech32_decode(kind, prefix, text, text_max, &bytes);
    must(whole == sherd_bech32_regroup(sherd_buf_span(&words), &joined));
    must(sherd_span_equal(sherd_buf_span(&bytes), sherd_buf_span(&joined)));
    if (whole == SHERD_OK) {
        sherd_buf_clear(&again);
        must(sherd_bech32_encode(kind, prefix, sherd_buf_span(&bytes), text_max, &again) == SHERD_OK &&
             same_text(sherd_buf_span(&again), text));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span text = sherd_span_of(data, len);
    struct sherd_span head;

    if (!sherd_span_take(&text, 1, &head))
        return 0;
    const size_t prefix_chars = sherd_bech32_prefix_chars(text);
    char *prefix = calloc(1, prefix_chars + 1);
    must(prefix != NULL);
    if (prefix_chars > 0)
        memcpy(prefix, text.data, prefix_chars);
    check((head.data[0] & 1) != 0 ? SHERD_BECH32M : SHERD_BECH32, prefix, text,
          (head.data[0] & 2) != 0 ? 1U << 20 : SHERD_BECH32_TEXT_MAX);
    free(prefix);
    return 0;
}
