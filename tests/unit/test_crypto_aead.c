/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed messages: boundaries, every kind of damage, chunks, threads; and one ciphertext that opens under two keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "base/random.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/known.h"
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#define LONGEST (3 * SHERD_AEAD_CHUNK_SIZE)

static const uint8_t key[SHERD_AEAD_KEY_SIZE] = {7, 1, 2, 3};
static const struct sherd_span context = {(const uint8_t *)"tenant 1, record 2", 18};
static uint8_t plain[LONGEST];
static const size_t boundaries[] = {0, 1, 15, 16, 17, 16383, 16384, 16385, 32767, 32768, 32769, LONGEST};

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 7 + i / 251);
    return sherd_crypto_init() == SHERD_OK ? 0 : -1;
}

static void seal(size_t plain_bytes, struct sherd_buf *out_sealed)
{
    assert_int_equal(sherd_aead_seal(key, context, sherd_span_of(plain, plain_bytes), out_sealed), SHERD_OK);
    assert_int_equal(out_sealed->len, sherd_aead_sealed_bytes(plain_bytes));
}

/* Opening must fail, as tampering, and leave a buffer that already holds something as it was, with nothing behind. */
static void assert_refused(struct sherd_span with_context, struct sherd_span sealed)
{
    static uint8_t block[2 * LONGEST];
    static const uint8_t zero[sizeof(block)];
    struct sherd_buf out = sherd_buf_borrow(block, sizeof(block));

    memset(block, 0, sizeof(block));
    assert_int_equal(sherd_buf_append(&out, sherd_span_str("kept")), SHERD_OK);
    assert_int_equal(sherd_aead_open(key, with_context, sealed, &out), SHERD_ERR_TAMPERED);
    assert_string_equal(sherd_err_detail(), "a sealed message does not verify");
    assert_int_equal(out.len, 4);
    assert_memory_equal(block, "kept", 4);
    assert_memory_equal(block + 4, zero, sizeof(block) - 4);
}

static void assert_opens(struct sherd_span sealed, size_t plain_bytes)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

    assert_int_equal(sherd_aead_open(key, context, sealed, &out), SHERD_OK);
    assert_int_equal(out.len, plain_bytes);
    if (plain_bytes > 0)
        assert_memory_equal(out.data, plain, plain_bytes);
}

static void test_crypto_aead__opens_what_it_sealed_at_every_boundary(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(boundaries); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};

        seal(boundaries[i], &sealed);
        assert_opens(sherd_buf_span(&sealed), boundaries[i]);
    }
}

static void test_crypto_aead__appends_and_seals_never_twice_the_same(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    const size_t size = (size_t)sherd_aead_sealed_bytes(100);

    (void)state;
    assert_int_equal(sherd_buf_append(&sealed, sherd_span_str("head")), SHERD_OK);
    assert_int_equal(sherd_aead_seal(key, context, sherd_span_of(plain, 100), &sealed), SHERD_OK);
    assert_int_equal(sherd_aead_seal(key, context, sherd_span_of(plain, 100), &sealed), SHERD_OK);
    assert_int_equal(sealed.len, 4 + 2 * size);
    assert_memory_equal(sealed.data, "head", 4);
    assert_opens(sherd_span_of(sealed.data + 4, size), 100);
    assert_opens(sherd_span_of(sealed.data + 4 + size, size), 100);
    assert_memory_not_equal(sealed.data + 4, sealed.data + 4 + size, SHERD_AEAD_SALT_SIZE);
    assert_memory_not_equal(sealed.data + 4 + SHERD_AEAD_HEADER_SIZE, sealed.data + 4 + size + SHERD_AEAD_HEADER_SIZE,
                            100);
}

static void test_crypto_aead__ready_and_raw_keys_are_the_same_key(void **state)
{
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *ready = NULL;
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *wrong = NULL;

    (void)state;
    assert_int_equal(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(key, sizeof(key)), &ready), SHERD_OK);
    assert_int_equal(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(key, sizeof(key)), &wrong), SHERD_OK);
    for (size_t i = 0; i < SHERD_COUNT_OF(boundaries); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

        assert_int_equal(sherd_aead_seal_with(ready, context, sherd_span_of(plain, boundaries[i]), &sealed), SHERD_OK);
        assert_opens(sherd_buf_span(&sealed), boundaries[i]);
        assert_int_equal(sherd_aead_open_with(ready, context, sherd_buf_span(&sealed), &out), SHERD_OK);
        assert_int_equal(out.len, boundaries[i]);
        assert_int_equal(sherd_aead_open_with(wrong, context, sherd_buf_span(&sealed), &out), SHERD_ERR_INVALID);
    }
}

/* --- damage ----------------------------------------------------------------------------------------------------- */

static void test_crypto_aead__refuses_every_flip_of_a_small_message(void **state)
{
    static const uint8_t flips[] = {0x01, 0x80, 0xff};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};

    (void)state;
    seal(33, &sealed);
    for (size_t at = 0; at < sealed.len; at++) {
        for (size_t i = 0; i < sizeof(flips); i++) {
            sealed.data[at] ^= flips[i];
            assert_refused(context, sherd_buf_span(&sealed));
            sealed.data[at] ^= flips[i];
        }
    }
    assert_opens(sherd_buf_span(&sealed), 33);
}

static void test_crypto_aead__refuses_flips_in_every_part_of_a_long_message(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};

    (void)state;
    seal(2 * SHERD_AEAD_CHUNK_SIZE + 5, &sealed);
    for (size_t at = 0; at < sealed.len; at += at % SHERD_AEAD_SEALED_CHUNK_SIZE < 80 ? 1 : 997) {
        sealed.data[at] ^= 0x20;
        assert_refused(context, sherd_buf_span(&sealed));
        sealed.data[at] ^= 0x20;
    }
    for (size_t at = sealed.len - 21; at < sealed.len; at++) {
        sealed.data[at] ^= 0x20;
        assert_refused(context, sherd_buf_span(&sealed));
        sealed.data[at] ^= 0x20;
    }
    assert_opens(sherd_buf_span(&sealed), 2 * SHERD_AEAD_CHUNK_SIZE + 5);
}

static void test_crypto_aead__refuses_every_truncation_of_a_small_message(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};

    (void)state;
    seal(33, &sealed);
    for (size_t len = 0; len < sealed.len; len++)
        assert_refused(context, sherd_span_of(sealed.data, len));
}

static void test_crypto_aead__refuses_a_long_message_cut_anywhere(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    const size_t second = SHERD_AEAD_HEADER_SIZE + SHERD_AEAD_SEALED_CHUNK_SIZE;

    (void)state;
    seal(2 * SHERD_AEAD_CHUNK_SIZE, &sealed);
    for (size_t back = 1; back < 40; back++) {
        assert_refused(context, sherd_span_of(sealed.data, sealed.len - back));
        assert_refused(context, sherd_span_of(sealed.data, second - back));
        assert_refused(context, sherd_span_of(sealed.data, second + back - 1));
    }
}

static void test_crypto_aead__refuses_extension(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(boundaries); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};

        seal(boundaries[i], &sealed);
        for (size_t more = 0; more < 40; more++) {
            assert_int_equal(sherd_buf_append(&sealed, sherd_span_of(plain + more, 1)), SHERD_OK);
            assert_refused(context, sherd_buf_span(&sealed));
        }
    }
}

/* Whole chunks, each valid at its own place, put together otherwise. order says which stands where; -1 ends it. */
static void assert_order_refused(const struct sherd_buf *sealed, const int *order)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf other = {0};

    assert_int_equal(sherd_buf_append(&other, sherd_span_of(sealed->data, SHERD_AEAD_HEADER_SIZE)), SHERD_OK);
    for (; *order >= 0; order++) {
        const size_t at = SHERD_AEAD_HEADER_SIZE + (size_t)*order * SHERD_AEAD_SEALED_CHUNK_SIZE;
        const size_t rest = sealed->len - at;
        const size_t take = rest < SHERD_AEAD_SEALED_CHUNK_SIZE ? rest : SHERD_AEAD_SEALED_CHUNK_SIZE;

        assert_int_equal(sherd_buf_append(&other, sherd_span_of(sealed->data + at, take)), SHERD_OK);
    }
    assert_refused(context, sherd_buf_span(&other));
}

static void test_crypto_aead__refuses_chunks_swapped_dropped_or_repeated(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};

    (void)state;
    seal(2 * SHERD_AEAD_CHUNK_SIZE + 5, &sealed);
    assert_order_refused(&sealed, (const int[]){1, 0, 2, -1});
    assert_order_refused(&sealed, (const int[]){0, 2, -1});
    assert_order_refused(&sealed, (const int[]){1, 2, -1});
    assert_order_refused(&sealed, (const int[]){2, -1});
    assert_order_refused(&sealed, (const int[]){0, 1, -1});
    assert_order_refused(&sealed, (const int[]){0, 0, 1, 2, -1});
    assert_order_refused(&sealed, (const int[]){0, 0, 2, -1});
    assert_order_refused(&sealed, (const int[]){0, 1, 1, 2, -1});
    assert_order_refused(&sealed, (const int[]){0, 1, 2, 2, -1});
    assert_order_refused(&sealed, (const int[]){-1});
}

static void test_crypto_aead__refuses_parts_of_another_message(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf one = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf two = {0};

    (void)state;
    seal(100, &one);
    seal(100, &two);
    memcpy(two.data, one.data, SHERD_AEAD_SALT_SIZE);
    assert_refused(context, sherd_buf_span(&two));
    memcpy(two.data, one.data, SHERD_AEAD_HEADER_SIZE);
    assert_refused(context, sherd_buf_span(&two));
}

static void test_crypto_aead__refuses_another_context_or_key(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    uint8_t longer[32] = {0};

    (void)state;
    seal(33, &sealed);
    memcpy(longer, context.data, context.len);
    for (size_t len = 0; len <= sizeof(longer); len++) {
        if (len != context.len)
            assert_refused(sherd_span_of(longer, len), sherd_buf_span(&sealed));
    }
    for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
        uint8_t other[SHERD_AEAD_KEY_SIZE];

        memcpy(other, key, sizeof(other));
        other[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(sherd_aead_open(other, context, sherd_buf_span(&sealed), &out), SHERD_ERR_TAMPERED);
    }
}

/* --- limits and failures ------------------------------------------------------------------------------------------ */

static void test_crypto_aead__knows_which_lengths_a_message_can_have(void **state)
{
    uint64_t bytes = 0;

    (void)state;
    for (uint64_t sealed = 0; sealed < 3 * SHERD_AEAD_SEALED_CHUNK_SIZE + 100; sealed++) {
        const enum sherd_err err = sherd_aead_plain_bytes(sealed, &bytes);

        if (err == SHERD_OK)
            assert_int_equal(sherd_aead_sealed_bytes(bytes), sealed);
        else
            assert_int_equal(err, SHERD_ERR_TAMPERED);
    }
    for (uint64_t length = 0; length < 3 * SHERD_AEAD_CHUNK_SIZE + 100; length++) {
        assert_int_equal(sherd_aead_plain_bytes(sherd_aead_sealed_bytes(length), &bytes), SHERD_OK);
        assert_int_equal(bytes, length);
    }
}

static void test_crypto_aead__ends_at_two_to_the_38_chunks(void **state)
{
    const uint64_t most = SHERD_AEAD_CHUNKS_MAX * SHERD_AEAD_CHUNK_SIZE - 1;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    uint64_t bytes = 1;

    (void)state;
    assert_int_equal(sherd_aead_plain_bytes(sherd_aead_sealed_bytes(most), &bytes), SHERD_OK);
    assert_int_equal(bytes, most);
    assert_int_equal(sherd_aead_plain_bytes(sherd_aead_sealed_bytes(most + 1), &bytes), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_aead_plain_bytes(UINT64_MAX, &bytes), SHERD_ERR_TAMPERED);
    assert_int_equal(bytes, most);
    /* The length alone is looked at: nothing is read. */
    assert_int_equal(sherd_aead_seal(key, context, sherd_span_of(plain, (size_t)most + 1), &sealed), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_aead_seal(key, context, sherd_span_of(plain, SIZE_MAX), &sealed), SHERD_ERR_LIMIT);
    assert_int_equal(sealed.len, 0);
}

static void test_crypto_aead__keeps_to_the_ceiling_of_the_buffer(void **state)
{
    uint8_t block[(SHERD_AEAD_HEADER_SIZE + 100 + SHERD_AEAD_TAG_SIZE)] = {0};
    struct sherd_buf tight = sherd_buf_borrow(block, sizeof(block));
    struct sherd_buf small = sherd_buf_borrow(plain, 99);
    struct sherd_buf exact = sherd_buf_borrow(plain + 200, 100);

    (void)state;
    assert_int_equal(sherd_aead_seal(key, context, sherd_span_of(plain, 101), &tight), SHERD_ERR_LIMIT);
    assert_int_equal(tight.len, 0);
    assert_int_equal(sherd_aead_seal(key, context, sherd_span_of(plain, 100), &tight), SHERD_OK);
    assert_int_equal(sherd_aead_open(key, context, sherd_buf_span(&tight), &small), SHERD_ERR_LIMIT);
    assert_int_equal(small.len, 0);
    assert_int_equal(sherd_aead_open(key, context, sherd_buf_span(&tight), &exact), SHERD_OK);
    assert_memory_equal(plain + 200, plain, 100);
    assert_int_equal(setup(NULL), 0);
}

static enum sherd_err no_randomness(uint8_t *block, size_t size)
{
    memset(block, 0, size);
    return sherd_fail(SHERD_ERR_IO, "no randomness in this test");
}

static void test_crypto_aead__seals_nothing_without_randomness(void **state)
{
    static const struct sherd_random_source none = {.fill = no_randomness};
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *ready = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    struct sherd_aead_message *message = NULL;
    uint8_t header[SHERD_AEAD_HEADER_SIZE] = {0};

    (void)state;
    assert_int_equal(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(key, sizeof(key)), &ready), SHERD_OK);
    sherd_random_set(&none);
    assert_int_equal(sherd_aead_seal(key, context, sherd_span_of(plain, 10), &sealed), SHERD_ERR_IO);
    assert_int_equal(sherd_aead_seal_with(ready, context, sherd_span_of(plain, 10), &sealed), SHERD_ERR_IO);
    assert_int_equal(sherd_aead_message_seal_begin(key, context, header, &message), SHERD_ERR_IO);
    sherd_random_set(NULL);
    assert_int_equal(sealed.len, 0);
    assert_null(message);
}

/* --- chunk by chunk ----------------------------------------------------------------------------------------------- */

static void seal_by_chunks(size_t plain_bytes, struct sherd_buf *out_sealed)
{
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;

    assert_int_equal(sherd_buf_reserve(out_sealed, (size_t)sherd_aead_sealed_bytes(plain_bytes)), SHERD_OK);
    assert_int_equal(sherd_aead_message_seal_begin(key, context, out_sealed->data, &message), SHERD_OK);
    out_sealed->len = SHERD_AEAD_HEADER_SIZE;
    for (uint64_t index = 0; index <= plain_bytes / SHERD_AEAD_CHUNK_SIZE; index++) {
        const size_t at = (size_t)index * SHERD_AEAD_CHUNK_SIZE;
        const size_t take = plain_bytes - at < SHERD_AEAD_CHUNK_SIZE ? plain_bytes - at : SHERD_AEAD_CHUNK_SIZE;

        assert_int_equal(sherd_aead_chunk_seal(message, index, sherd_span_of(plain + at, take),
                                               out_sealed->data + out_sealed->len),
                         SHERD_OK);
        out_sealed->len += take + SHERD_AEAD_TAG_SIZE;
    }
}

/* Opens the chunks from the last to the first. */
static void open_by_chunks(struct sherd_span sealed, size_t plain_bytes)
{
    static uint8_t out[LONGEST];
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;
    const struct sherd_span header = sherd_span_of(sealed.data, SHERD_AEAD_HEADER_SIZE);
    size_t index = plain_bytes / SHERD_AEAD_CHUNK_SIZE + 1;

    assert_int_equal(sherd_aead_message_open_begin(key, context, header, &message), SHERD_OK);
    while (index-- > 0) {
        const size_t at = SHERD_AEAD_HEADER_SIZE + index * SHERD_AEAD_SEALED_CHUNK_SIZE;
        const size_t rest = sealed.len - at;
        const size_t take = rest < SHERD_AEAD_SEALED_CHUNK_SIZE ? rest : SHERD_AEAD_SEALED_CHUNK_SIZE;

        assert_int_equal(sherd_aead_chunk_open(message, index, sherd_span_of(sealed.data + at, take),
                                               out + index * SHERD_AEAD_CHUNK_SIZE),
                         SHERD_OK);
    }
    assert_memory_equal(out, plain, plain_bytes > 0 ? plain_bytes : 1);
}

static void test_crypto_aead__chunks_and_whole_messages_are_one_format(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(boundaries); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf by_chunks = {0};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf whole = {0};

        if (boundaries[i] == 0)
            continue; /* open_by_chunks() compares a byte at least */
        seal_by_chunks(boundaries[i], &by_chunks);
        assert_opens(sherd_buf_span(&by_chunks), boundaries[i]);
        seal(boundaries[i], &whole);
        open_by_chunks(sherd_buf_span(&whole), boundaries[i]);
    }
}

static void test_crypto_aead__an_empty_message_is_one_empty_chunk(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};

    (void)state;
    seal_by_chunks(0, &sealed);
    assert_int_equal(sealed.len, SHERD_AEAD_HEADER_SIZE + SHERD_AEAD_TAG_SIZE);
    assert_opens(sherd_buf_span(&sealed), 0);
}

static void test_crypto_aead__a_chunk_number_serves_once(void **state)
{
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;
    const struct sherd_span full = sherd_span_of(plain, SHERD_AEAD_CHUNK_SIZE);
    static uint8_t out[SHERD_AEAD_SEALED_CHUNK_SIZE + 1];
    uint8_t header[SHERD_AEAD_HEADER_SIZE];

    (void)state;
    assert_int_equal(sherd_aead_message_seal_begin(key, context, header, &message), SHERD_OK);
    assert_int_equal(sherd_aead_chunk_seal(message, 0, full, out), SHERD_OK);
    assert_int_equal(sherd_aead_chunk_seal(message, 0, full, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_aead_chunk_seal(message, 5, full, out), SHERD_OK);
    assert_int_equal(sherd_aead_chunk_seal(message, 4, full, out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_aead_chunk_seal(message, 6, sherd_span_of(plain, SHERD_AEAD_CHUNK_SIZE + 1), out),
                     SHERD_ERR_INVALID);
    assert_int_equal(sherd_aead_chunk_seal(message, SHERD_AEAD_CHUNKS_MAX, full, out), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_aead_chunk_seal(message, 6, sherd_span_of(plain, 3), out), SHERD_OK);
    assert_int_equal(sherd_aead_chunk_seal(message, 7, sherd_span_of(plain, 3), out), SHERD_ERR_INVALID);
    assert_int_equal(sherd_aead_chunk_open(message, 7, sherd_span_of(out, 19), out + 100), SHERD_ERR_INVALID);
}

static void test_crypto_aead__the_number_is_part_of_the_nonce_up_to_its_last_bit(void **state)
{
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *sealer = NULL;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *opener = NULL;
    uint8_t header[SHERD_AEAD_HEADER_SIZE];
    static uint8_t sealed[SHERD_AEAD_SEALED_CHUNK_SIZE];
    static uint8_t out[SHERD_AEAD_CHUNK_SIZE];

    (void)state;
    assert_int_equal(sherd_aead_message_seal_begin(key, context, header, &sealer), SHERD_OK);
    assert_int_equal(sherd_aead_message_open_begin(key, context, sherd_span_of(header, sizeof(header)), &opener),
                     SHERD_OK);
    for (unsigned bit = 0; bit < 38; bit++) {
        const uint64_t index = (uint64_t)1 << bit;
        const struct sherd_span chunk = sherd_span_of(sealed, sizeof(sealed));

        assert_int_equal(sherd_aead_chunk_seal(sealer, index, sherd_span_of(plain, SHERD_AEAD_CHUNK_SIZE), sealed),
                         SHERD_OK);
        for (unsigned other = 0; other < 39; other++) {
            const uint64_t at = other < 38 ? (uint64_t)1 << other : 0;
            const enum sherd_err expected = at == index ? SHERD_OK : SHERD_ERR_TAMPERED;

            assert_int_equal(sherd_aead_chunk_open(opener, at, chunk, out), expected);
        }
    }
    assert_int_equal(sherd_aead_chunk_open(opener, SHERD_AEAD_CHUNKS_MAX, sherd_span_of(sealed, 16), out),
                     SHERD_ERR_TAMPERED);
}

static void test_crypto_aead__a_refused_chunk_leaves_nothing_and_harms_nothing(void **state)
{
    static const uint8_t zero[100];
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    uint8_t out[100];

    (void)state;
    seal(sizeof(out), &sealed);
    const struct sherd_span chunk = sherd_span_of(sealed.data + SHERD_AEAD_HEADER_SIZE,
                                                  sizeof(out) + SHERD_AEAD_TAG_SIZE);

    assert_int_equal(sherd_aead_message_open_begin(key, context, sherd_span_of(sealed.data, SHERD_AEAD_HEADER_SIZE),
                                                   &message),
                     SHERD_OK);
    sealed.data[sealed.len - 1] ^= 1;
    memset(out, 0xee, sizeof(out));
    assert_int_equal(sherd_aead_chunk_open(message, 0, chunk, out), SHERD_ERR_TAMPERED);
    assert_memory_equal(out, zero, sizeof(out));
    sealed.data[sealed.len - 1] ^= 1;
    assert_int_equal(sherd_aead_chunk_open(message, 0, chunk, out), SHERD_OK);
    assert_memory_equal(out, plain, sizeof(out));
    for (size_t len = 0; len < SHERD_AEAD_TAG_SIZE; len++)
        assert_int_equal(sherd_aead_chunk_open(message, 0, sherd_span_of(chunk.data, len), out), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_aead_chunk_open(message, 0, sherd_span_of(plain, SHERD_AEAD_SEALED_CHUNK_SIZE + 1), out),
                     SHERD_ERR_TAMPERED);
}

static void test_crypto_aead__a_wrong_header_begins_nothing(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    struct sherd_aead_message *message = NULL;

    (void)state;
    seal(10, &sealed);
    for (size_t len = 0; len <= sealed.len; len++) {
        if (len != SHERD_AEAD_HEADER_SIZE)
            assert_int_equal(sherd_aead_message_open_begin(key, context, sherd_span_of(sealed.data, len), &message),
                             SHERD_ERR_TAMPERED);
    }
    sealed.data[SHERD_AEAD_HEADER_SIZE - 1] ^= 1;
    assert_int_equal(sherd_aead_message_open_begin(key, context, sherd_span_of(sealed.data, SHERD_AEAD_HEADER_SIZE),
                                                   &message),
                     SHERD_ERR_TAMPERED);
    assert_null(message);
}

#define THREADS 4
#define CHUNKS_OF_ALL 32

struct worker {
    struct sherd_aead_message *message;
    uint64_t first;
    uint8_t *sealed; /* of all threads: the chunks, one behind the other */
    enum sherd_err err;
};

/* Seals every THREADS-th chunk, all with the same plaintext. */
static void *work(void *arg)
{
    struct worker *worker = arg;

    for (uint64_t i = worker->first; i < CHUNKS_OF_ALL && worker->err == SHERD_OK; i += THREADS)
        worker->err = sherd_aead_chunk_seal(worker->message, i, sherd_span_of(plain, SHERD_AEAD_CHUNK_SIZE),
                                            worker->sealed + i * SHERD_AEAD_SEALED_CHUNK_SIZE);
    return NULL;
}

static void test_crypto_aead__clones_seal_one_message_on_several_threads(void **state)
{
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf sealed = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    struct worker workers[THREADS] = {{0}};
    pthread_t threads[THREADS];

    (void)state;
    sealed.len = (size_t)sherd_aead_sealed_bytes(CHUNKS_OF_ALL * SHERD_AEAD_CHUNK_SIZE);
    const size_t whole = sealed.len;

    sealed.len = 0;
    assert_int_equal(sherd_buf_reserve(&sealed, whole), SHERD_OK);
    sealed.len = whole;
    assert_int_equal(sherd_aead_message_seal_begin(key, context, sealed.data, &message), SHERD_OK);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].first = i;
        workers[i].sealed = sealed.data + SHERD_AEAD_HEADER_SIZE;
        assert_int_equal(sherd_aead_message_clone(message, &workers[i].message), SHERD_OK);
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    assert_int_equal(sherd_aead_chunk_seal(message, CHUNKS_OF_ALL, sherd_span_of(plain, 0),
                                           sealed.data + whole - SHERD_AEAD_TAG_SIZE),
                     SHERD_OK);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].err, SHERD_OK);
        sherd_aead_message_free(workers[i].message);
    }
    assert_int_equal(sherd_aead_open(key, context, sherd_buf_span(&sealed), &out), SHERD_OK);
    assert_int_equal(out.len, CHUNKS_OF_ALL * SHERD_AEAD_CHUNK_SIZE);
    for (size_t i = 0; i < CHUNKS_OF_ALL; i++)
        assert_memory_equal(out.data + i * SHERD_AEAD_CHUNK_SIZE, plain, SHERD_AEAD_CHUNK_SIZE);
}

static void test_crypto_aead__free_accepts_null(void **state)
{
    (void)state;
    sherd_aead_message_free(NULL);
}

/* --- one ciphertext, two keys ------------------------------------------------------------------------------------- */

/* An element of GF(2^128) as GCM has it: bit 0 is the most significant bit of high (NIST SP 800-38D section 6.3). */
struct element {
    uint64_t high;
    uint64_t low;
};

static struct element element_of(const uint8_t block[16])
{
    return (struct element){sherd_get_u64(block), sherd_get_u64(block + 8)};
}

static void element_put(struct element a, uint8_t block[16])
{
    sherd_put_u64(block, a.high);
    sherd_put_u64(block + 8, a.low);
}

static struct element plus(struct element a, struct element b)
{
    return (struct element){a.high ^ b.high, a.low ^ b.low};
}

static struct element times(struct element a, struct element b)
{
    struct element sum = {0, 0};

    for (unsigned i = 0; i < 128; i++) {
        const uint64_t bit = i < 64 ? a.high >> (63 - i) : a.low >> (127 - i);
        const uint64_t carry = b.low & 1;

        if (bit & 1)
            sum = plus(sum, b);
        b = (struct element){b.high >> 1 ^ (carry != 0 ? (uint64_t)0xe1 << 56 : 0), b.low >> 1 | b.high << 63};
    }
    return sum;
}

static struct element power(struct element a, unsigned exponent)
{
    struct element result = {(uint64_t)1 << 63, 0};

    for (; exponent > 0; exponent--)
        result = times(result, a);
    return result;
}

/* a to the power of 2^128 - 2. */
static struct element inverse(struct element a)
{
    struct element result = {(uint64_t)1 << 63, 0};

    for (unsigned i = 1; i < 128; i++) {
        a = times(a, a);
        result = times(result, a);
    }
    return result;
}

static void aes(const uint8_t aes_key[32], const uint8_t in[16], uint8_t out[16])
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done = 0;

    assert_int_equal(EVP_EncryptInit_ex2(ctx, EVP_aes_256_ecb(), aes_key, NULL, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &done, in, 16), 1);
    EVP_CIPHER_CTX_free(ctx);
}

#define SALAMANDER_BLOCKS 4
#define SALAMANDER_BYTES (16 * SALAMANDER_BLOCKS)

/*
 * What one key makes of the tag: GHASH over the blocks c1..cn and the block of lengths l, plus E(J0).
 *     tag = c1 h^(n+1) + ... + cn h^2 + l h + E(J0)
 */
static struct element tag_of(const uint8_t aes_key[32], const uint8_t nonce[12], const uint8_t *blocks,
                             struct element *out_h)
{
    uint8_t zero[16] = {0};
    uint8_t counter[16] = {0};
    uint8_t block[16];
    struct element sum;

    aes(aes_key, zero, block);
    *out_h = element_of(block);
    memcpy(counter, nonce, 12);
    counter[15] = 1;
    aes(aes_key, counter, block);
    sum = plus(element_of(block), times((struct element){0, 8 * SALAMANDER_BYTES}, *out_h));
    for (unsigned i = 0; i < SALAMANDER_BLOCKS; i++)
        sum = plus(sum, times(element_of(blocks + (size_t)i * 16), power(*out_h, SALAMANDER_BLOCKS + 1 - i)));
    return sum;
}

/*
 * Dodis, Grubbs, Ristenpart, Woodage, Fast Message Franking: From Invisible Salamanders to Encryptment (CRYPTO 2018):
 * choose the last block such that both keys give the same tag. Both tags are linear in it: with x = 0 they are t1 and
 * t2, so x (h1^2 + h2^2) = t1 + t2.
 */
static void salamander(const uint8_t key1[32], const uint8_t nonce1[12], const uint8_t key2[32],
                       const uint8_t nonce2[12], uint8_t sealed[SALAMANDER_BYTES + 16])
{
    uint8_t *last = sealed + SALAMANDER_BYTES - 16;
    struct element h1;
    struct element h2;
    struct element t1;
    struct element t2;

    memcpy(sealed, plain, SALAMANDER_BYTES);
    memset(last, 0, 16);
    t1 = tag_of(key1, nonce1, sealed, &h1);
    t2 = tag_of(key2, nonce2, sealed, &h2);
    element_put(times(plus(t1, t2), inverse(plus(times(h1, h1), times(h2, h2)))), last);
    element_put(tag_of(key1, nonce1, sealed, &h1), sealed + SALAMANDER_BYTES);
}

static bool gcm_accepts(const uint8_t aes_key[32], const uint8_t nonce[12], const uint8_t sealed[SALAMANDER_BYTES + 16],
                        uint8_t out[SALAMANDER_BYTES])
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t tag[16];
    int done = 0;
    bool accepted;

    memcpy(tag, sealed + SALAMANDER_BYTES, sizeof(tag));
    accepted = EVP_DecryptInit_ex2(ctx, EVP_aes_256_gcm(), aes_key, nonce, NULL) == 1 &&
               EVP_DecryptUpdate(ctx, out, &done, sealed, SALAMANDER_BYTES) == 1 &&
               EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1 &&
               EVP_DecryptFinal_ex(ctx, tag, &done) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return accepted;
}

static void test_crypto_aead__plain_gcm_opens_one_ciphertext_under_two_keys(void **state)
{
    static const uint8_t key1[32] = {1};
    static const uint8_t key2[32] = {2};
    static const uint8_t nonce[12] = {3};
    uint8_t sealed[SALAMANDER_BYTES + 16];
    uint8_t out1[SALAMANDER_BYTES];
    uint8_t out2[SALAMANDER_BYTES];

    (void)state;
    salamander(key1, nonce, key2, nonce, sealed);
    assert_true(gcm_accepts(key1, nonce, sealed, out1));
    assert_true(gcm_accepts(key2, nonce, sealed, out2));
    assert_memory_not_equal(out1, out2, SALAMANDER_BYTES);
}

/* HKDF as the format has it, by the published description alone. */
static void derive(const uint8_t input_key[32], const uint8_t salt[24], uint8_t out[76])
{
    static const char label[] = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"; /* with its zero byte */
    const struct sherd_span info[] = {{(const uint8_t *)label, sizeof(label)}, {salt, 24}, context};

    assert_int_equal(sherd_hkdf_expand(SHERD_SHA512, sherd_span_of(input_key, 32), info, 3, out, 76), SHERD_OK);
}

/*
 * The attack on the format: two input keys, one salt, and one chunk that the AES keys and nonces of both accept. Only
 * the commitment stands between them; it cannot be that of both, so one of the two refuses the message, and with a
 * commitment of neither both do.
 */
static void test_crypto_aead__the_format_opens_it_under_one_key_at_most(void **state)
{
    static const uint8_t input1[32] = {1};
    static const uint8_t input2[32] = {2};
    uint8_t message[SHERD_AEAD_HEADER_SIZE + SALAMANDER_BYTES + 16] = {9, 9, 9};
    uint8_t *chunk = message + SHERD_AEAD_HEADER_SIZE;
    uint8_t derived1[76];
    uint8_t derived2[76];
    uint8_t scratch[SALAMANDER_BYTES];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    const struct sherd_span sealed = sherd_span_of(message, sizeof(message));

    (void)state;
    derive(input1, message, derived1);
    derive(input2, message, derived2);
    salamander(derived1, derived1 + 32, derived2, derived2 + 32, chunk);
    assert_true(gcm_accepts(derived1, derived1 + 32, chunk, scratch));
    assert_true(gcm_accepts(derived2, derived2 + 32, chunk, scratch));

    assert_int_equal(sherd_aead_open(input1, context, sealed, &out), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_aead_open(input2, context, sealed, &out), SHERD_ERR_TAMPERED);
    memcpy(message + SHERD_AEAD_SALT_SIZE, derived1 + 44, SHERD_AEAD_COMMITMENT_SIZE);
    assert_int_equal(sherd_aead_open(input1, context, sealed, &out), SHERD_OK);
    assert_int_equal(sherd_aead_open(input2, context, sealed, &out), SHERD_ERR_TAMPERED);
    memcpy(message + SHERD_AEAD_SALT_SIZE, derived2 + 44, SHERD_AEAD_COMMITMENT_SIZE);
    assert_int_equal(sherd_aead_open(input1, context, sealed, &out), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_aead_open(input2, context, sealed, &out), SHERD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_aead__opens_what_it_sealed_at_every_boundary),
        cmocka_unit_test(test_crypto_aead__appends_and_seals_never_twice_the_same),
        cmocka_unit_test(test_crypto_aead__ready_and_raw_keys_are_the_same_key),
        cmocka_unit_test(test_crypto_aead__refuses_every_flip_of_a_small_message),
        cmocka_unit_test(test_crypto_aead__refuses_flips_in_every_part_of_a_long_message),
        cmocka_unit_test(test_crypto_aead__refuses_every_truncation_of_a_small_message),
        cmocka_unit_test(test_crypto_aead__refuses_a_long_message_cut_anywhere),
        cmocka_unit_test(test_crypto_aead__refuses_extension),
        cmocka_unit_test(test_crypto_aead__refuses_chunks_swapped_dropped_or_repeated),
        cmocka_unit_test(test_crypto_aead__refuses_parts_of_another_message),
        cmocka_unit_test(test_crypto_aead__refuses_another_context_or_key),
        cmocka_unit_test(test_crypto_aead__knows_which_lengths_a_message_can_have),
        cmocka_unit_test(test_crypto_aead__ends_at_two_to_the_38_chunks),
        cmocka_unit_test(test_crypto_aead__keeps_to_the_ceiling_of_the_buffer),
        cmocka_unit_test(test_crypto_aead__seals_nothing_without_randomness),
        cmocka_unit_test(test_crypto_aead__chunks_and_whole_messages_are_one_format),
        cmocka_unit_test(test_crypto_aead__an_empty_message_is_one_empty_chunk),
        cmocka_unit_test(test_crypto_aead__a_chunk_number_serves_once),
        cmocka_unit_test(test_crypto_aead__the_number_is_part_of_the_nonce_up_to_its_last_bit),
        cmocka_unit_test(test_crypto_aead__a_refused_chunk_leaves_nothing_and_harms_nothing),
        cmocka_unit_test(test_crypto_aead__a_wrong_header_begins_nothing),
        cmocka_unit_test(test_crypto_aead__clones_seal_one_message_on_several_threads),
        cmocka_unit_test(test_crypto_aead__free_accepts_null),
        cmocka_unit_test(test_crypto_aead__plain_gcm_opens_one_ciphertext_under_two_keys),
        cmocka_unit_test(test_crypto_aead__the_format_opens_it_under_one_key_at_most),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
