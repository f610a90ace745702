/* SPDX-License-Identifier: Apache-2.0 */
/* Bech32 and Bech32m: see bech32.h. Nothing here branches on, or looks up by, a character of the data. */
#include "envelope/bech32.h"
#include "base/mem.h"
#include "crypto/mask.h"
#include <stdbool.h>
#include <string.h>

#define WORD_BITS 5U
#define WORDS 32U
#define CHECKSUM SHERD_BECH32_CHECKSUM_CHARS

/* BIP-173, "Bech32": the character of each value. */
static const uint8_t alphabet[WORDS + 1] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static uint8_t char_of(uint32_t word)
{
    uint32_t c = 0;

    for (uint32_t i = 0; i < WORDS; i++)
        c |= sherd_mask_zero(word ^ i) & alphabet[i];
    return (uint8_t)c;
}

/* The value of a character in lower case; *good loses all its bits if it has none. */
static uint8_t word_of(uint32_t c, uint32_t *good)
{
    uint32_t word = 0;
    uint32_t found = 0;

    for (uint32_t i = 0; i < WORDS; i++) {
        const uint32_t is = sherd_mask_zero(c ^ alphabet[i]);

        word |= is & i;
        found |= is;
    }
    *good &= found;
    return (uint8_t)word;
}

static uint32_t lower(uint32_t c)
{
    return c | (sherd_mask_between(c, 'A', 'Z') & 0x20U);
}

static uint8_t upper(uint32_t c)
{
    return (uint8_t)(c & ~(sherd_mask_between(c, 'a', 'z') & 0x20U));
}

/* --- the checksum ------------------------------------------------------------------------------------------------- */

/* One step of the BCH code over GF(32): BIP-173, bech32_polymod. */
static uint32_t step(uint32_t sum, uint32_t word)
{
    static const uint32_t generator[WORD_BITS] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    const uint32_t top = sum >> 25;

    sum = (sum & 0x1ffffff) << WORD_BITS ^ word;
    for (unsigned i = 0; i < WORD_BITS; i++)
        sum ^= sherd_mask_bit(top >> i) & generator[i];
    return sum;
}

static uint32_t sum_words(uint32_t sum, const uint8_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum = step(sum, words[i]);
    return sum;
}

/* BIP-173, bech32_hrp_expand: the high bits of each character, a zero, the low bits. */
static uint32_t sum_prefix(const char *prefix, size_t chars)
{
    uint32_t sum = 1;

    for (size_t i = 0; i < chars; i++)
        sum = step(sum, lower((uint8_t)prefix[i]) >> WORD_BITS);
    sum = step(sum, 0);
    for (size_t i = 0; i < chars; i++)
        sum = step(sum, lower((uint8_t)prefix[i]) & (WORDS - 1));
    return sum;
}

/* --- the prefix, which is no secret ------------------------------------------------------------------------------- */

struct cases {
    uint32_t lower; /* all ones where there is a letter of this case */
    uint32_t upper;
};

static void cases_add(struct cases *cases, uint32_t c)
{
    cases->lower |= sherd_mask_between(c, 'a', 'z');
    cases->upper |= sherd_mask_between(c, 'A', 'Z');
}

static enum sherd_err prefix_check(const char *prefix, size_t *out_chars, bool *out_upper)
{
    const size_t chars = strlen(prefix);
    struct cases cases = {0};

    SHERD_ENSURE(chars >= 1 && chars <= SHERD_BECH32_PREFIX_MAX, SHERD_ERR_INVALID,
                 "bech32: a prefix has 1 to 83 characters");
    for (size_t i = 0; i < chars; i++) {
        SHERD_ENSURE(prefix[i] >= 33 && prefix[i] <= 126, SHERD_ERR_INVALID,
                     "bech32: a prefix is of visible ASCII characters");
        cases_add(&cases, (uint8_t)prefix[i]);
    }
    SHERD_ENSURE((cases.lower & cases.upper) == 0, SHERD_ERR_INVALID, "bech32: the prefix mixes upper and lower case");
    *out_chars = chars;
    *out_upper = cases.upper != 0;
    return SHERD_OK;
}

size_t sherd_bech32_prefix_chars(struct sherd_span text)
{
    size_t at = text.len;

    while (at > 0) {
        if (text.data[--at] == '1')
            return at;
    }
    return 0;
}

/* --- encoding ----------------------------------------------------------------------------------------------------- */

/* Make the count words at the place of the data in a text, and the prefix before them, into that text. */
static void finish_text(enum sherd_bech32 kind, const char *prefix, size_t prefix_chars, bool in_upper, uint8_t *text,
                        size_t count)
{
    uint8_t *data = text + prefix_chars + 1;
    uint32_t sum = sum_words(sum_prefix(prefix, prefix_chars), data, count);

    for (unsigned i = 0; i < CHECKSUM; i++)
        sum = step(sum, 0);
    sum ^= (uint32_t)kind;
    for (unsigned i = 0; i < CHECKSUM; i++)
        data[count + i] = (uint8_t)(sum >> (WORD_BITS * (CHECKSUM - 1 - i)) & (WORDS - 1));

    memcpy(text, prefix, prefix_chars);
    text[prefix_chars] = '1';
    for (size_t i = 0; i < count + CHECKSUM; i++) {
        data[i] = char_of(data[i]);
        if (in_upper)
            data[i] = upper(data[i]);
    }
}

/* Values of 5 bits; the last one is filled up with zeros. */
static void split_words(struct sherd_span bytes, uint8_t *out_words)
{
    uint32_t held = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        held = (held << 8 | bytes.data[i]) & 0xfff;
        for (bits += 8; bits >= WORD_BITS; bits -= WORD_BITS)
            *out_words++ = (uint8_t)(held >> (bits - WORD_BITS) & (WORDS - 1));
    }
    if (bits > 0)
        *out_words = (uint8_t)(held << (WORD_BITS - bits) & (WORDS - 1));
}

/* Room for a text at the end of a buffer. */
static enum sherd_err text_room(size_t prefix_chars, size_t words, size_t text_max, struct sherd_buf *out_text)
{
    const size_t frame = prefix_chars + 1 + CHECKSUM;

    SHERD_ENSURE(text_max >= frame && words <= text_max - frame, SHERD_ERR_LIMIT, "bech32: the text would be too long");
    return sherd_buf_reserve(out_text, frame + words);
}

enum sherd_err sherd_bech32_encode(enum sherd_bech32 kind, const char *prefix, struct sherd_span bytes, size_t text_max,
                                   struct sherd_buf *out_text)
{
    size_t prefix_chars;
    bool in_upper;

    SHERD_TRY(prefix_check(prefix, &prefix_chars, &in_upper));
    SHERD_ENSURE(bytes.len <= text_max, SHERD_ERR_LIMIT, "bech32: the text would be too long");
    const size_t words = bytes.len / 5 * 8 + (bytes.len % 5 * 8 + 4) / 5;
    SHERD_TRY(text_room(prefix_chars, words, text_max, out_text));

    uint8_t *text = out_text->data + out_text->len;
    split_words(bytes, text + prefix_chars + 1);
    finish_text(kind, prefix, prefix_chars, in_upper, text, words);
    out_text->len += prefix_chars + 1 + words + CHECKSUM;
    return SHERD_OK;
}

enum sherd_err sherd_bech32_encode_words(enum sherd_bech32 kind, const char *prefix, struct sherd_span words,
                                         size_t text_max, struct sherd_buf *out_text)
{
    size_t prefix_chars;
    bool in_upper;
    uint32_t all = 0;

    SHERD_TRY(prefix_check(prefix, &prefix_chars, &in_upper));
    for (size_t i = 0; i < words.len; i++)
        all |= words.data[i];
    SHERD_ENSURE(all < WORDS, SHERD_ERR_INVALID, "bech32: a value has more than 5 bits");
    SHERD_TRY(text_room(prefix_chars, words.len, text_max, out_text));

    uint8_t *text = out_text->data + out_text->len;
    if (words.len > 0)
        memcpy(text + prefix_chars + 1, words.data, words.len);
    finish_text(kind, prefix, prefix_chars, in_upper, text, words.len);
    out_text->len += prefix_chars + 1 + words.len + CHECKSUM;
    return SHERD_OK;
}

/* --- decoding ----------------------------------------------------------------------------------------------------- */

/* Whether text begins with the prefix, in either case, and "1". */
static bool prefix_matches(struct sherd_span text, const char *prefix, size_t chars)
{
    uint32_t differ = (uint32_t)text.data[chars] ^ '1';

    for (size_t i = 0; i < chars; i++)
        differ |= lower(text.data[i]) ^ lower((uint8_t)prefix[i]);
    return differ == 0;
}

static bool mixes_cases(struct sherd_span text)
{
    struct cases cases = {0};

    for (size_t i = 0; i < text.len; i++)
        cases_add(&cases, text.data[i]);
    return (cases.lower & cases.upper) != 0;
}

/* Decodes all characters behind the prefix, the checksum among them, into words. */
static enum sherd_err read_words(enum sherd_bech32 kind, struct sherd_span text, const char *prefix,
                                 size_t prefix_chars, uint8_t *words)
{
    const size_t count = text.len - prefix_chars - 1;
    const uint8_t *data = text.data + prefix_chars + 1;
    uint32_t good = UINT32_MAX;

    for (size_t i = 0; i < count; i++)
        words[i] = word_of(lower(data[i]), &good);
    SHERD_ENSURE(good != 0, SHERD_ERR_INVALID, "bech32: a character that is none of the 32");
    SHERD_ENSURE(sum_words(sum_prefix(prefix, prefix_chars), words, count) == (uint32_t)kind, SHERD_ERR_INVALID,
                 "bech32: the checksum is wrong: a character is missing or mistyped");
    return SHERD_OK;
}

enum sherd_err sherd_bech32_decode_words(enum sherd_bech32 kind, const char *prefix, struct sherd_span text,
                                         size_t text_max, struct sherd_buf *out_words)
{
    size_t prefix_chars;
    bool in_upper;

    SHERD_TRY(prefix_check(prefix, &prefix_chars, &in_upper));
    SHERD_ENSURE(text.len <= text_max, SHERD_ERR_INVALID, "bech32: too long");
    SHERD_ENSURE(text.len >= prefix_chars + 1 + CHECKSUM, SHERD_ERR_INVALID, "bech32: too short");
    SHERD_ENSURE(prefix_matches(text, prefix, prefix_chars), SHERD_ERR_INVALID, "bech32: another prefix");
    SHERD_ENSURE(!mixes_cases(text), SHERD_ERR_INVALID, "bech32: mixes upper and lower case");

    const size_t count = text.len - prefix_chars - 1;
    SHERD_TRY(sherd_buf_reserve(out_words, count));
    uint8_t *words = out_words->data + out_words->len;
    const enum sherd_err err = read_words(kind, text, prefix, prefix_chars, words);
    if (err != SHERD_OK) {
        sherd_wipe(words, count);
        return err;
    }
    sherd_wipe(words + count - CHECKSUM, CHECKSUM);
    out_words->len += count - CHECKSUM;
    return SHERD_OK;
}

/*
 * Joins words to bytes, which may lie where the words do, and wipes what stays over there. Returns whether the bits
 * that stay over are at most 4, all zero.
 */
static bool join_words(const uint8_t *words, size_t count, uint8_t *bytes)
{
    const size_t whole = count * WORD_BITS / 8;
    const unsigned over = (unsigned)(count * WORD_BITS % 8);
    uint32_t held = 0;
    unsigned bits = 0;
    size_t done = 0;

    for (size_t i = 0; i < count; i++) {
        held = (held << WORD_BITS | words[i]) & 0xfff;
        bits += WORD_BITS;
        if (bits >= 8) {
            bits -= 8;
            bytes[done++] = (uint8_t)(held >> bits);
        }
    }
    sherd_wipe(bytes + whole, count - whole);
    return over < WORD_BITS && (held & ((1U << over) - 1)) == 0;
}

static enum sherd_err join_in_place(struct sherd_buf *buf, size_t at)
{
    const size_t count = buf->len - at;

    buf->len = at;
    if (!join_words(buf->data + at, count, buf->data + at)) {
        sherd_wipe(buf->data + at, count);
        return sherd_fail(SHERD_ERR_INVALID, "bech32: the data is not a whole number of bytes");
    }
    buf->len = at + count * WORD_BITS / 8;
    return SHERD_OK;
}

enum sherd_err sherd_bech32_regroup(struct sherd_span words, struct sherd_buf *out_bytes)
{
    const size_t at = out_bytes->len;
    uint32_t all = 0;

    for (size_t i = 0; i < words.len; i++)
        all |= words.data[i];
    SHERD_ENSURE(all < WORDS, SHERD_ERR_INVALID, "bech32: a value has more than 5 bits");
    SHERD_TRY(sherd_buf_append(out_bytes, words));
    return words.len > 0 ? join_in_place(out_bytes, at) : SHERD_OK;
}

enum sherd_err sherd_bech32_decode(enum sherd_bech32 kind, const char *prefix, struct sherd_span text, size_t text_max,
                                   struct sherd_buf *out_bytes)
{
    const size_t at = out_bytes->len;

    SHERD_TRY(sherd_bech32_decode_words(kind, prefix, text, text_max, out_bytes));
    return join_in_place(out_bytes, at);
}
