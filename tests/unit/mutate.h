/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/mutate.h
 * Changes of texts, as an attacker or a bad disk makes them. Include it after ledger.h.
 */
#ifndef SHERD_TESTS_UNIT_MUTATE_H
#define SHERD_TESTS_UNIT_MUTATE_H

static size_t line_begin(const struct sherd_buf *text, uint64_t *state)
{
    size_t at = dice(state) % text->len;

    while (at > 0 && text->data[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_end(const struct sherd_buf *text, size_t at)
{
    const uint8_t *end = memchr(text->data + at, '\n', text->len - at);

    return end == NULL ? text->len : (size_t)(end - text->data) + 1;
}

static void replace(struct sherd_buf *text, size_t at, size_t old_bytes, struct sherd_span bytes)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf copy = {0};

    assert_ok(sherd_buf_append(&copy, sherd_span_of(text->data, at)));
    assert_ok(sherd_buf_append(&copy, bytes));
    assert_ok(sherd_buf_append(&copy, sherd_span_of(text->data + at + old_bytes, text->len - at - old_bytes)));
    sherd_buf_done(text);
    *text = sherd_buf_take(&copy);
}

/** One change of one of eight kinds. */
__attribute__((unused)) static void mutate(struct sherd_buf *text, uint64_t *state)
{
    static const uint8_t letters[] = "ABCxyz0129+/= \n\xe2";
    const size_t at = dice(state) % text->len;
    const size_t line = line_begin(text, state);
    const size_t other = line_begin(text, state);
    const uint8_t letter = letters[dice(state) % (sizeof(letters) - 1)];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf moved = {0};

    switch (dice(state) % 8) {
    case 0: text->data[at] ^= (uint8_t)(1U << dice(state) % 8); break;
    case 1: text->data[at] = letter; break;
    case 2: replace(text, at, 1, sherd_span_of(NULL, 0)); break;
    case 3: replace(text, at, 0, sherd_span_of(&letter, 1)); break;
    case 4: text->len = at; break;
    case 5: replace(text, line, line_end(text, line) - line, sherd_span_of(NULL, 0)); break;
    case 6:  /* a line twice */
    default: /* or in the place of another */
        assert_ok(sherd_buf_append(&moved, sherd_span_of(text->data + line, line_end(text, line) - line)));
        replace(text, other, dice(state) % 2 == 0 ? 0 : line_end(text, other) - other, sherd_buf_span(&moved));
        break;
    }
}

#endif
