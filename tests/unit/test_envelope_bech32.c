/* SPDX-License-Identifier: Apache-2.0 */
/* Bech32 and Bech32m beyond the published vectors, which tests/vectors has: round trips, damage, bounds, buffers. */
#include "base/bytes.h"
#include "envelope/bech32.h"
#include "hex.h"
#include <string.h>

#define ROOM 2048

static const char letters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static struct sherd_span text_of(enum sherd_bech32 kind, const char *prefix, struct sherd_span bytes,
                                 uint8_t block[static ROOM])
{
    struct sherd_buf text = sherd_buf_borrow(block, ROOM);

    assert_int_equal(sherd_bech32_encode(kind, prefix, bytes, ROOM, &text), SHERD_OK);
    return sherd_buf_span(&text);
}

static enum sherd_err decode(enum sherd_bech32 kind, const char *prefix, struct sherd_span text, size_t text_max,
                             uint8_t block[static ROOM], struct sherd_span *out_bytes)
{
    struct sherd_buf bytes = sherd_buf_borrow(block, ROOM);
    const enum sherd_err err = sherd_bech32_decode(kind, prefix, text, text_max, &bytes);

    *out_bytes = sherd_buf_span(&bytes);
    return err;
}

static void fill(uint8_t *block, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1103515245U + 12345U;
        block[i] = (uint8_t)(seed >> 16);
    }
}

static void test_envelope_bech32__every_length_comes_back(void **state)
{
    static const enum sherd_bech32 kinds[] = {SHERD_BECH32, SHERD_BECH32M};
    uint8_t bytes[600];
    uint8_t text_block[ROOM];
    uint8_t again_block[ROOM];

    (void)state;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        const enum sherd_bech32 kind = kinds[len % 2];
        const enum sherd_bech32 other = kinds[(len + 1) % 2];
        struct sherd_span again;

        fill(bytes, len, (unsigned)len);
        const struct sherd_span text = text_of(kind, "age", sherd_span_of(bytes, len), text_block);
        assert_int_equal(text.len, sherd_bech32_text_chars(3, len));
        assert_int_equal(decode(kind, "age", text, text.len, again_block, &again), SHERD_OK);
        assert_true(sherd_span_equal(again, sherd_span_of(bytes, len)));
        assert_int_equal(decode(other, "age", text, text.len, again_block, &again), SHERD_ERR_INVALID);
        assert_int_equal(decode(kind, "age", text, text.len - 1, again_block, &again), SHERD_ERR_INVALID);
    }
}

static void test_envelope_bech32__case_is_of_the_whole_text(void **state)
{
    uint8_t bytes[20];
    uint8_t upper_block[ROOM];
    uint8_t lower_block[ROOM];
    uint8_t out[ROOM];
    struct sherd_span again;

    (void)state;
    fill(bytes, sizeof(bytes), 7);
    const struct sherd_span lower = text_of(SHERD_BECH32, "a-b", sherd_span_of(bytes, sizeof(bytes)), lower_block);
    const struct sherd_span upper = text_of(SHERD_BECH32, "A-B", sherd_span_of(bytes, sizeof(bytes)), upper_block);
    for (size_t i = 0; i < upper.len; i++) {
        const bool letter = lower.data[i] >= 'a' && lower.data[i] <= 'z';

        assert_int_equal(upper.data[i], lower.data[i] - (letter ? 32 : 0));
    }
    assert_int_equal(decode(SHERD_BECH32, "a-b", upper, 90, out, &again), SHERD_OK);
    assert_int_equal(decode(SHERD_BECH32, "A-B", lower, 90, out, &again), SHERD_OK);
    for (size_t i = 0; i < upper.len; i++) {
        const uint8_t kept = upper_block[i];

        if (kept == lower.data[i])
            continue;
        upper_block[i] = lower.data[i];
        assert_int_equal(decode(SHERD_BECH32, "a-b", upper, 90, out, &again), SHERD_ERR_INVALID);
        upper_block[i] = kept;
    }
    struct sherd_buf text = sherd_buf_borrow(out, sizeof(out));
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, "aB", again, 90, &text), SHERD_ERR_INVALID);
}

/* Each other byte value at each place, in the prefix too. */
static void test_envelope_bech32__every_single_change_is_seen(void **state)
{
    uint8_t bytes[45];
    uint8_t block[ROOM];
    uint8_t out[ROOM];
    struct sherd_span again;

    (void)state;
    fill(bytes, sizeof(bytes), 3);
    const struct sherd_span text = text_of(SHERD_BECH32M, "sherd", sherd_span_of(bytes, sizeof(bytes)), block);
    for (size_t at = 0; at < text.len; at++) {
        const uint8_t kept = block[at];

        for (unsigned value = 0; value < 256; value++) {
            block[at] = (uint8_t)value;
            assert_int_equal(decode(SHERD_BECH32M, "sherd", text, 90, out, &again),
                             value == kept ? SHERD_OK : SHERD_ERR_INVALID);
        }
        block[at] = kept;
    }
}

/* The code sees any 4 wrong characters; here, 20,000 drawn places and letters. */
static void test_envelope_bech32__four_changes_are_seen(void **state)
{
    uint8_t bytes[48];
    uint8_t block[ROOM];
    uint8_t out[ROOM];
    struct sherd_span again;
    uint32_t seed = 1;

    (void)state;
    fill(bytes, sizeof(bytes), 5);
    const struct sherd_span text = text_of(SHERD_BECH32M, "sherd", sherd_span_of(bytes, sizeof(bytes)), block);
    assert_int_equal(text.len, 89);
    for (unsigned run = 0; run < 20000; run++) {
        uint8_t damaged[90];

        memcpy(damaged, text.data, text.len);
        for (unsigned i = 0; i < 4; i++) {
            seed = seed * 1664525U + 1013904223U;
            damaged[6 + (seed >> 16) % (text.len - 6)] = (uint8_t)letters[seed >> 27];
        }
        if (sherd_same(damaged, text.data, text.len))
            continue;
        assert_int_equal(decode(SHERD_BECH32M, "sherd", sherd_span_of(damaged, text.len), 90, out, &again),
                         SHERD_ERR_INVALID);
    }
}

static void test_envelope_bech32__a_failure_leaves_nothing(void **state)
{
    uint8_t bytes[20];
    uint8_t block[ROOM];
    uint8_t out[ROOM] = {0};
    uint8_t zeros[ROOM] = {0};
    struct sherd_span again;

    (void)state;
    fill(bytes, sizeof(bytes), 9);
    const struct sherd_span text = text_of(SHERD_BECH32, "x", sherd_span_of(bytes, sizeof(bytes)), block);
    block[text.len - 1] = block[text.len - 1] == 'q' ? 'p' : 'q';
    assert_int_equal(decode(SHERD_BECH32, "x", text, 90, out, &again), SHERD_ERR_INVALID);
    assert_int_equal(again.len, 0);
    assert_memory_equal(out, zeros, sizeof(out));
}

static void test_envelope_bech32__success_leaves_nothing_beyond_the_bytes(void **state)
{
    uint8_t bytes[20];
    uint8_t block[ROOM];
    uint8_t out[ROOM] = {0};
    uint8_t zeros[ROOM] = {0};
    struct sherd_span again;

    (void)state;
    fill(bytes, sizeof(bytes), 9);
    const struct sherd_span text = text_of(SHERD_BECH32, "x", sherd_span_of(bytes, sizeof(bytes)), block);
    assert_int_equal(decode(SHERD_BECH32, "x", text, 90, out, &again), SHERD_OK);
    assert_int_equal(again.len, sizeof(bytes));
    assert_memory_equal(out + again.len, zeros, sizeof(out) - again.len);
}

static void test_envelope_bech32__appends_within_the_buffer(void **state)
{
    uint8_t block[64] = "head";
    struct sherd_buf text = sherd_buf_borrow(block, 4 + 2 + 8 + 6);
    struct sherd_buf small = sherd_buf_borrow(block, 4 + 2 + 8 + 5);

    (void)state;
    text.len = 4;
    small.len = 4;
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, "x", sherd_span_str("12345"), 90, &small), SHERD_ERR_LIMIT);
    assert_int_equal(small.len, 4);
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, "x", sherd_span_str("12345"), 15, &text), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, "x", sherd_span_str("12345"), 16, &text), SHERD_OK);
    assert_int_equal(text.len, 20);
    assert_memory_equal(block, "headx1", 6);
}

static void test_envelope_bech32__refuses_what_is_no_word(void **state)
{
    static const uint8_t words[] = {0, 31, 32};
    uint8_t out[ROOM];
    struct sherd_buf buf = sherd_buf_borrow(out, sizeof(out));

    (void)state;
    assert_int_equal(sherd_bech32_encode_words(SHERD_BECH32, "x", sherd_span_of(words, 3), 90, &buf),
                     SHERD_ERR_INVALID);
    assert_int_equal(sherd_bech32_regroup(sherd_span_of(words, 3), &buf), SHERD_ERR_INVALID);
    assert_int_equal(buf.len, 0);
    assert_int_equal(sherd_bech32_encode_words(SHERD_BECH32, "x", sherd_span_of(words, 2), 90, &buf), SHERD_OK);
}

/* 1, 3 and 6 words hold 0, 1 and 3 bytes with 5, 7 and 6 bits over: none is allowed. */
static void test_envelope_bech32_regroup__takes_only_what_encoding_gives(void **state)
{
    uint8_t words[16] = {0};
    uint8_t out[ROOM];

    (void)state;
    for (size_t count = 0; count <= sizeof(words); count++) {
        struct sherd_buf buf = sherd_buf_borrow(out, sizeof(out));
        const bool whole = count * 5 % 8 < 5;
        const unsigned over = (unsigned)(count * 5 % 8);

        assert_int_equal(sherd_bech32_regroup(sherd_span_of(words, count), &buf), whole ? SHERD_OK : SHERD_ERR_INVALID);
        assert_int_equal(buf.len, whole ? count * 5 / 8 : 0);
        for (unsigned bit = 0; whole && bit < over; bit++) {
            words[count - 1] = (uint8_t)(1U << bit);
            buf = sherd_buf_borrow(out, sizeof(out));
            assert_int_equal(sherd_bech32_regroup(sherd_span_of(words, count), &buf), SHERD_ERR_INVALID);
            words[count - 1] = 0;
        }
    }
}

static void test_envelope_bech32__refuses_bad_prefixes(void **state)
{
    char longest[SHERD_BECH32_PREFIX_MAX + 2] = "";
    uint8_t out[ROOM];
    struct sherd_buf buf = sherd_buf_borrow(out, sizeof(out));
    const struct sherd_span none = {NULL, 0};

    (void)state;
    memset(longest, 'a', sizeof(longest) - 1);
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, longest, none, ROOM, &buf), SHERD_ERR_INVALID);
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, "", none, ROOM, &buf), SHERD_ERR_INVALID);
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, "a b", none, ROOM, &buf), SHERD_ERR_INVALID);
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, "a\x7f", none, ROOM, &buf), SHERD_ERR_INVALID);
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, "a\xc3", none, ROOM, &buf), SHERD_ERR_INVALID);
    assert_int_equal(buf.len, 0);
    longest[SHERD_BECH32_PREFIX_MAX] = '\0';
    assert_int_equal(sherd_bech32_encode(SHERD_BECH32, longest, none, 90, &buf), SHERD_OK);
    assert_int_equal(buf.len, 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_bech32__every_length_comes_back),
        cmocka_unit_test(test_envelope_bech32__case_is_of_the_whole_text),
        cmocka_unit_test(test_envelope_bech32__every_single_change_is_seen),
        cmocka_unit_test(test_envelope_bech32__four_changes_are_seen),
        cmocka_unit_test(test_envelope_bech32__a_failure_leaves_nothing),
        cmocka_unit_test(test_envelope_bech32__success_leaves_nothing_beyond_the_bytes),
        cmocka_unit_test(test_envelope_bech32__appends_within_the_buffer),
        cmocka_unit_test(test_envelope_bech32__refuses_what_is_no_word),
        cmocka_unit_test(test_envelope_bech32_regroup__takes_only_what_encoding_gives),
        cmocka_unit_test(test_envelope_bech32__refuses_bad_prefixes),
    };

    return cmocka_run_group_tests_name("envelope_bech32", tests, NULL, NULL);
}
