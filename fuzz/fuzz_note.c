/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the parsers of signed notes and of public keys: as a note, as a key, and as what a receipt says. */
#include "base/bytes.h"
#include "envelope/note.h"
#include <sherd/receipt.h>
#include <stdlib.h>

static const char key[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

/* What it says does not matter, only that it comes back. */
static void ignore(enum sherd_err err)
{
    (void)err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sherd_span input = {data, size};
    struct sherd_receipt receipt;
    struct sherd_span text;

    if (sherd_note_verify(input, sherd_span_str(key), &text) == SHERD_OK && text.len >= size)
        abort(); /* the signature is no part of what was signed */
    ignore(sherd_note_verify(sherd_span_str("a\n\n\xe2\x80\x94 b AAAA\n"), input, &text));
    ignore(sherd_receipt_verify(input, sherd_span_str(key), &receipt));
    ignore(sherd_receipt_names(input, NULL, NULL, "somebody"));
    return 0;
}
