/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scrubber's book. The first byte of an input says what the rest is:
 *
 *     0  a book, as it lies sealed in the anchor's directory: what is read is written again as the same bytes
 *     1  a change, as it comes over the agent's socket: what is read is carried out on a book, which then is read as
 *        it is written
 *     2  a position
 *     3  the pin of a book
 */
#include "anchor/book/book.h"
#include "base/bytes.h"
#include "crypto/init.h"
#include "envelope/payload.h"
#include <stdlib.h>
#include <string.h>

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void same(struct sherd_span a, struct sherd_span b)
{
    must(a.len == b.len && (a.len == 0 || sherd_same(a.data, b.data, a.len)));
}

static void fuzz_book(struct sherd_span bytes)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {.max = SHERD_BOOK_BYTES_MAX};
    struct sherd_book book = {0};

    if (sherd_book_decode(bytes, &book) != SHERD_OK)
        return;
    must(sherd_book_encode(&book, &again) == SHERD_OK);
    same(bytes, sherd_buf_span(&again));
    sherd_book_done(&book);
}

static void fuzz_change(struct sherd_span bytes)
{
    static struct sherd_book_room room;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {.max = SHERD_BOOK_BYTES_MAX};
    struct sherd_book book = {.generation = 1};
    struct sherd_book_change change;
    struct sherd_book_effect effect;

    if (sherd_book_change_decode(bytes, &room, &change) != SHERD_OK)
        return;
    const struct sherd_book_change begin = {.action = SHERD_BOOK_BEGIN};
    must(sherd_book_apply(&book, &begin, 1, &effect) == SHERD_OK);
    if (sherd_book_apply(&book, &change, 2, &effect) == SHERD_OK) {
        must(sherd_book_encode(&book, &again) == SHERD_OK);
        fuzz_book(sherd_buf_span(&again));
    }
    sherd_book_done(&book);
}

static void fuzz_position(struct sherd_span bytes)
{
    uint8_t block[SHERD_BOOK_POSITION_BYTES_MAX];
    struct sherd_book_position position;
    size_t len;

    if (sherd_book_position_decode(bytes, &position) != SHERD_OK)
        return;
    must(sherd_book_position_encode(&position, block, &len) == SHERD_OK);
    same(bytes, sherd_span_of(block, len));
}

static void fuzz_pin(struct sherd_span bytes)
{
    uint8_t block[SHERD_TLV_BYTES_MAX];
    struct sherd_digest digest;
    uint64_t generation;
    size_t len;

    if (sherd_book_pin_decode(bytes, &generation, &digest) != SHERD_OK)
        return;
    must(sherd_book_pin_encode(generation, &digest, block, &len) == SHERD_OK);
    same(bytes, sherd_span_of(block, len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(struct sherd_span bytes) = {fuzz_book, fuzz_change, fuzz_position, fuzz_pin};

    must(sherd_crypto_init() == SHERD_OK);
    if (size > 0 && data[0] < SHERD_COUNT_OF(kinds))
        kinds[data[0]](sherd_span_of(data + 1, size - 1));
    return 0;
}
