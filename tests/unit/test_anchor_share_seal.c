/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of shares sealed by a passphrase: the documented bytes, and that every changed character is refused. */
#include "anchor/seal/share_seal.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/init.h"
#include "crypto/pwhash.h"
#include "envelope/base64.h"
#include "hex.h"
#include "vault.h"

#define PREFIX "sherd-sealed-share-1:"
#define PREFIX_BYTES 21
#define HEADER_SIZE 48

static const struct sherd_span passphrase = {(const uint8_t *)"a holder's own", 14};
static const struct sherd_span share = {(const uint8_t *)"three lines\nof a\nshare\n", 22};

static int setup(void **state)
{
    struct sherd_buf *text = test_calloc(1, sizeof(*text));

    *state = text;
    return sherd_crypto_init() == SHERD_OK && sherd_share_seal(passphrase, share, text) == SHERD_OK ? 0 : -1;
}

static int teardown(void **state)
{
    sherd_buf_done(*state);
    test_free(*state);
    return 0;
}

static enum sherd_err open_text(struct sherd_span by, struct sherd_span text)
{
    struct sherd_buf plain = {.max = 4096};
    const enum sherd_err err = sherd_share_open(by, text, &plain);

    if (err == SHERD_OK) {
        assert_int_equal(plain.len, share.len);
        assert_memory_equal(plain.data, share.data, share.len);
    } else {
        assert_int_equal(plain.len, 0);
    }
    sherd_buf_done(&plain);
    return err;
}

static void decode(const struct sherd_buf *text, struct sherd_buf *out_file)
{
    assert_memory_equal(text->data, PREFIX, PREFIX_BYTES);
    assert_int_equal(text->data[text->len - 1], '\n');
    assert_ok(sherd_base64_decode(SHERD_BASE64_BARE,
                                  sherd_span_of(text->data + PREFIX_BYTES, text->len - PREFIX_BYTES - 1), out_file));
}

static void encode(const struct sherd_buf *file, struct sherd_buf *out_text)
{
    sherd_buf_clear(out_text);
    assert_ok(sherd_buf_append(out_text, sherd_span_str(PREFIX)));
    assert_ok(sherd_base64_encode(SHERD_BASE64_BARE, sherd_buf_span(file), out_text));
}

/* Opened by hand, as docs/format/share.md says, so that it can be opened in 20 years. */
static void test_anchor_share_seal__writes_the_documented_bytes(void **state)
{
    const struct sherd_pwhash_params hash = {SHERD_PWHASH_PBKDF2, 600000, 1, 1};
    struct sherd_buf file = {0};
    struct sherd_buf plain = {0};
    uint8_t head[16];
    uint8_t key[32];

    decode(*state, &file);
    (void)hex_read("53485244 484f4c44 0001 0001 000927c0", head, sizeof(head));
    assert_memory_equal(file.data, head, sizeof(head));
    assert_ok(sherd_pwhash(&hash, passphrase, sherd_span_of(file.data + 16, 32), key, sizeof(key)));
    assert_ok(sherd_aead_open(key, sherd_span_of(file.data, HEADER_SIZE),
                              sherd_span_of(file.data + HEADER_SIZE, file.len - HEADER_SIZE), &plain));
    assert_int_equal(plain.len, share.len);
    assert_memory_equal(plain.data, share.data, share.len);
    sherd_buf_done(&plain);
    sherd_buf_done(&file);
}

static void test_anchor_share_seal__opens_by_its_passphrase_alone(void **state)
{
    const struct sherd_buf *text = *state;
    const struct sherd_span whole = sherd_buf_span(text);
    struct sherd_buf again = {0};

    assert_ok(open_text(passphrase, whole));
    assert_ok(open_text(passphrase, sherd_span_of(whole.data, whole.len - 1)));
    assert_err(SHERD_ERR_DENIED, open_text(sherd_span_of(passphrase.data, passphrase.len - 1), whole));
    assert_err(SHERD_ERR_INVALID, open_text(sherd_span_of(NULL, 0), whole));
    assert_err(SHERD_ERR_INVALID, sherd_share_seal(sherd_span_of(NULL, 0), share, &again));
    assert_int_equal(again.len, 0);
    assert_ok(sherd_share_seal(passphrase, share, &again));
    assert_memory_not_equal(again.data + PREFIX_BYTES + 24, text->data + PREFIX_BYTES + 24, 40);
    assert_ok(sherd_buf_append(&again, sherd_span_str("\r\n \t\n")));
    assert_ok(open_text(passphrase, sherd_buf_span(&again)));
    sherd_buf_done(&again);
}

/* Not each bit: an iteration count of 600,000 is computed for each. Every field, and what is sealed. */
static void test_anchor_share_seal__refuses_what_was_changed(void **state)
{
    static const struct {
        size_t at;
        uint8_t flip;
        enum sherd_err err;
    } changes[] = {
        {0, 1, SHERD_ERR_INVALID},                                    /* magic */
        {9, 2, SHERD_ERR_UNSUPPORTED},                                /* format */
        {11, 2, SHERD_ERR_UNSUPPORTED},                               /* suite */
        {12, 0x80, SHERD_ERR_INVALID},                                /* more iterations than anybody computes */
        {13, 0x09, SHERD_ERR_INVALID},                                /* too few to be any */
        {15, 0xc0, SHERD_ERR_UNSUPPORTED},                            /* fewer than in FIPS mode */
        {15, 0x01, SHERD_ERR_DENIED},                                 /* one more */
        {16, 1, SHERD_ERR_DENIED},                                    /* salt */
        {47, 1, SHERD_ERR_DENIED},         {48, 1, SHERD_ERR_DENIED}, /* salt of the message */
        {80, 1, SHERD_ERR_DENIED},                                    /* commitment */
        {110, 1, SHERD_ERR_DENIED},
    };
    struct sherd_buf file = {0};
    struct sherd_buf text = {0};

    decode(*state, &file);
    for (size_t i = 0; i < SHERD_COUNT_OF(changes); i++) {
        file.data[changes[i].at] ^= changes[i].flip;
        encode(&file, &text);
        const enum sherd_err err = open_text(passphrase, sherd_buf_span(&text));
        if (err != changes[i].err)
            fail_msg("change %zu: %s", i, sherd_err_name(err));
        file.data[changes[i].at] ^= changes[i].flip;
    }
    encode(&file, &text);
    assert_ok(open_text(passphrase, sherd_buf_span(&text)));
    sherd_buf_done(&text);
    sherd_buf_done(&file);
}

static void test_anchor_share_seal__refuses_every_other_length(void **state)
{
    const struct sherd_span whole = sherd_buf_span(*state);
    struct sherd_buf longer = {0};
    struct sherd_buf file = {0};

    for (size_t len = 0; len < PREFIX_BYTES + 4 * HEADER_SIZE / 3; len++) {
        uint8_t *cut = test_malloc(len > 0 ? len : 1);

        memcpy(cut, whole.data, len);
        assert_int_equal(sherd_share_is_sealed(sherd_span_of(cut, len)), len >= PREFIX_BYTES);
        assert_err(SHERD_ERR_INVALID, open_text(passphrase, sherd_span_of(cut, len)));
        test_free(cut);
    }
    decode(*state, &file);
    file.len--;
    encode(&file, &longer);
    assert_err(SHERD_ERR_DENIED, open_text(passphrase, sherd_buf_span(&longer)));
    sherd_buf_clear(&longer);
    assert_ok(sherd_buf_append(&longer, sherd_span_of(whole.data, whole.len - 1)));
    assert_ok(sherd_buf_append(&longer, sherd_span_str("!")));
    assert_err(SHERD_ERR_INVALID, open_text(passphrase, sherd_buf_span(&longer)));
    for (size_t i = 0; i < 6000; i++)
        assert_ok(sherd_buf_append(&longer, sherd_span_str("A")));
    assert_err(SHERD_ERR_INVALID, open_text(passphrase, sherd_buf_span(&longer)));
    assert_err(SHERD_ERR_LIMIT,
               sherd_share_seal(passphrase, sherd_span_of(longer.data, SHERD_SHARE_SEALED_BYTES_MAX + 1), &longer));
    sherd_buf_done(&longer);
    sherd_buf_done(&file);
}

#define seal_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        seal_test(test_anchor_share_seal__writes_the_documented_bytes),
        seal_test(test_anchor_share_seal__opens_by_its_passphrase_alone),
        seal_test(test_anchor_share_seal__refuses_what_was_changed),
        seal_test(test_anchor_share_seal__refuses_every_other_length),
    };

    return cmocka_run_group_tests_name("anchor_share_seal", tests, NULL, NULL);
}
