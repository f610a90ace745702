/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the parsers of signed notes and of their keys: in their parts, as a note of one key, and as a receipt. */
#include "envelope/note.h"
#include "ledger.h"
#include <sherd/receipt.h>

static const char key_text[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

/* @return whether it is a note */
static bool as_parts(struct sherd_span input)
{
    struct sherd_signature signature;
    struct sherd_signed parts;
    size_t lines = 0;

    if (sherd_signed_parse(input, &parts) != SHERD_OK)
        return false;
    while (sherd_signed_next(&parts.lines, &signature))
        lines++;
    if (lines == 0 || lines > SHERD_SIGNATURES_MAX || parts.lines.len > 0)
        abort();
    return true;
}

static void as_note(struct sherd_span input, bool is_note)
{
    struct sherd_receipt receipt;
    struct sherd_span text;

    if (sherd_note_verify(input, sherd_span_str(key_text), &text) == SHERD_OK && (!is_note || text.len >= input.len))
        abort(); /* the signature is no part of what was signed */
    fuzz_ignore(sherd_receipt_verify(input, sherd_span_str(key_text), &receipt));
    fuzz_ignore(sherd_receipt_names(input, NULL, NULL, "somebody"));
}

static void as_key(struct sherd_span input)
{
    struct sherd_buf again = {0};
    struct sherd_vkey vkey;
    struct sherd_span text;

    if (sherd_vkey_parse(input, &vkey) == SHERD_OK)
        fuzz_same(sherd_vkey_append(&vkey, &again), &again, input);
    fuzz_ignore(sherd_note_verify(sherd_span_str("a\n\n\xe2\x80\x94 b AAAAAAE=\n"), input, &text));
}

/* What is a text is signed, and comes back as it was. */
static void as_text(struct sherd_span input)
{
    static const uint8_t seed[SHERD_SIGN_SEED_SIZE] = {1};
    static struct sherd_buf key = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
    struct sherd_span text;

    if (key.len == 0 && (sherd_sign_public(seed, public_key) != SHERD_OK ||
                         sherd_note_key_text("somebody", public_key, &key) != SHERD_OK))
        abort();
    if (input.len > 4096 || sherd_note_sign("somebody", seed, input, &note) != SHERD_OK)
        return;
    if (sherd_note_verify(sherd_buf_span(&note), sherd_buf_span(&key), &text) != SHERD_OK ||
        !sherd_span_equal(text, input))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sherd_span input = sherd_span_of(data, size);

    as_note(input, as_parts(input));
    as_key(input);
    as_text(input);
    return 0;
}
