/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of age. The first byte of an input says what the rest is:
 *
 *     0  a file as it might come, with or without armor
 *     1  lines of a header, to which the version before, a recipient that fits and a MAC that is right are added, so
 *        that what is accepted there can be opened
 *     2  a payload, after a header that opens
 *     3  an armor: there is one text for the same bytes, but for white space around it and CR LF
 *     4  a recipient, an identity and a file of identities
 *
 * It is always opened by an identity: a passphrase may cost seconds.
 */
#include "base/bytes.h"
#include "crypto/chacha.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "envelope/age.h"
#include <stdlib.h>

#define PLAIN_BYTES_MAX ((size_t)8 << 20)

static const struct sherd_age_identity identity = {.key = {{0x51}}};
static const uint8_t file_key[16] = {'f', 'u', 'z', 'z'};

/* A recipient line for the identity, by an ephemeral key that is always the same; made once. */
static char known_stanza[256];

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void add(struct sherd_buf *out, struct sherd_span bytes)
{
    must(sherd_buf_append(out, bytes) == SHERD_OK);
}

static void add_base64(struct sherd_buf *out, const uint8_t *bytes, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t bit = 0; bit < 8 * size; bit += 6) {
        const size_t at = bit / 8;
        const unsigned pair = (unsigned)(bytes[at] << 8) | (at + 1 < size ? bytes[at + 1] : 0U);

        add(out, sherd_span_of(&letters[(pair >> (10 - bit % 8)) & 63], 1));
    }
}

static void known_make(void)
{
    const struct sherd_x25519_private ephemeral = {{0x52}};
    static const uint8_t zero[SHERD_CHACHA_NONCE_SIZE];
    const struct sherd_span none = {NULL, 0};
    struct sherd_buf text = sherd_buf_borrow(known_stanza, sizeof(known_stanza) - 1);
    struct sherd_x25519_public publics[2];
    uint8_t shared[32];
    uint8_t key[32];
    uint8_t wrapped[32];

    must(sherd_x25519_public(&ephemeral, &publics[0]) == SHERD_OK);
    must(sherd_x25519_public(&identity.key, &publics[1]) == SHERD_OK);
    must(sherd_x25519(&ephemeral, &publics[1], shared) == SHERD_OK);
    must(sherd_hkdf(SHERD_SHA256, sherd_span_of(shared, 32), sherd_span_of(publics, 64),
                    sherd_span_str("age-encryption.org/v1/X25519"), key, 32) == SHERD_OK);
    must(sherd_chacha_seal(key, zero, none, sherd_span_of(file_key, 16), wrapped) == SHERD_OK);
    add(&text, sherd_span_str("-> X25519 "));
    add_base64(&text, publics[0].bytes, 32);
    add(&text, sherd_span_str("\n"));
    add_base64(&text, wrapped, 32);
    add(&text, sherd_span_str("\n"));
}

/* Version, known recipient, more lines, MAC. */
static void header_write(struct sherd_span lines, struct sherd_buf *out)
{
    const struct sherd_span none = {NULL, 0};
    struct sherd_span covered;
    uint8_t key[32];
    uint8_t mac[32];

    add(out, sherd_span_str("age-encryption.org/v1\n"));
    add(out, sherd_span_str(known_stanza));
    add(out, lines);
    add(out, sherd_span_str("---"));
    covered = sherd_buf_span(out);
    must(sherd_hkdf(SHERD_SHA256, sherd_span_of(file_key, 16), none, sherd_span_str("header"), key, 32) == SHERD_OK);
    must(sherd_hmac(SHERD_SHA256, sherd_span_of(key, 32), &covered, 1, mac) == SHERD_OK);
    add(out, sherd_span_str(" "));
    add_base64(out, mac, 32);
    add(out, sherd_span_str("\n"));
}

/* Opens; whatever happens, contents come whole or not at all. */
static enum sherd_err open_file(struct sherd_span file, size_t *out_bytes)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {.max = PLAIN_BYTES_MAX};
    const enum sherd_err err = sherd_age_open(&identity, 1, file, &plain);

    must(err == SHERD_OK || plain.len == 0);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED || err == SHERD_ERR_UNSUPPORTED ||
         err == SHERD_ERR_LIMIT);
    *out_bytes = plain.len;
    return err;
}

static void fuzz_file(struct sherd_span file)
{
    bool wants = false;
    size_t bytes;
    const enum sherd_err err = open_file(file, &bytes);
    const enum sherd_err described = sherd_age_wants_passphrase(file, &wants);

    must(err != SHERD_OK || (described == SHERD_OK && !wants && sherd_age_is_file(file)));
    must(err != SHERD_ERR_DENIED || described == SHERD_OK);
}

static void payload_known(struct sherd_buf *out)
{
    const uint8_t nonce[SHERD_CHACHA_NONCE_SIZE] = {[SHERD_CHACHA_NONCE_SIZE - 1] = 1};
    const struct sherd_span none = {NULL, 0};
    uint8_t payload[16 + 3 + 16] = {0};
    uint8_t key[32];

    must(sherd_hkdf(SHERD_SHA256, sherd_span_of(file_key, 16), sherd_span_of(payload, 16), sherd_span_str("payload"),
                    key, 32) == SHERD_OK);
    must(sherd_chacha_seal(key, nonce, none, sherd_span_str("pot"), payload + 16) == SHERD_OK);
    add(out, sherd_span_of(payload, sizeof(payload)));
}

static void fuzz_lines(struct sherd_span lines)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    size_t bytes;
    enum sherd_err err;

    header_write(lines, &file);
    payload_known(&file);
    err = open_file(sherd_buf_span(&file), &bytes);
    must(err != SHERD_ERR_DENIED && err != SHERD_ERR_UNSUPPORTED); /* one recipient fits */
    must(err != SHERD_OK || bytes == 3);
    must(lines.len > 0 || err == SHERD_OK);
}

/* Nobody without the file key writes a payload that opens. */
static void fuzz_payload(struct sherd_span payload)
{
    const struct sherd_span none = {NULL, 0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    size_t bytes;

    header_write(none, &file);
    add(&file, payload);
    must(open_file(sherd_buf_span(&file), &bytes) == SHERD_ERR_TAMPERED);
}

static struct sherd_span trim(struct sherd_span text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[0]) != NULL && text.data[0] != 0)
        text = sherd_span_of(text.data + 1, text.len - 1);
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL && text.data[text.len - 1] != 0)
        text.len--;
    return text;
}

static void fuzz_armor(struct sherd_span text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf plain = {0};
    const enum sherd_err err = sherd_age_unarmor(text, &file);

    must(err == SHERD_OK || (err == SHERD_ERR_TAMPERED && file.len == 0));
    if (err != SHERD_OK)
        return;
    text = trim(text);
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '\r')
            add(&plain, sherd_span_of(text.data + i, 1));
    add(&plain, sherd_span_str("\n"));
    must(sherd_age_armor(sherd_buf_span(&file), &again) == SHERD_OK);
    must(sherd_span_equal(sherd_buf_span(&again), sherd_buf_span(&plain)));
}

static void fuzz_keys(struct sherd_span text)
{
    struct sherd_age_recipient recipient;
    struct sherd_age_identity own[2];
    char recipient_text[SHERD_AGE_RECIPIENT_CHARS + 1];
    char identity_text[SHERD_AGE_IDENTITY_CHARS + 1];
    size_t count = 0;
    const enum sherd_err err = sherd_age_identities_parse(text, 2, own, &count);

    must(err == SHERD_OK || err == SHERD_ERR_INVALID || err == SHERD_ERR_LIMIT);
    must((err == SHERD_OK) == (count > 0) && count <= 2);
    if (sherd_age_recipient_parse(text, &recipient) == SHERD_OK) {
        must(sherd_age_recipient_text(&recipient, recipient_text) == SHERD_OK);
        must(sherd_span_equal(text, sherd_span_str(recipient_text)));
    }
    if (sherd_age_identity_parse(text, &own[0]) == SHERD_OK) {
        must(count == 1);
        must(sherd_age_identity_text(&own[0], identity_text) == SHERD_OK);
        must(sherd_span_equal(text, sherd_span_str(identity_text)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span kind;

    must(sherd_crypto_init() == SHERD_OK);
    if (known_stanza[0] == '\0')
        known_make();
    if (!sherd_span_take(&input, 1, &kind))
        return 0;
    switch (kind.data[0] % 5) {
    case 0: fuzz_file(input); break;
    case 1: fuzz_lines(input); break;
    case 2: fuzz_payload(input); break;
    case 3: fuzz_armor(input); break;
    default: fuzz_keys(input); break;
    }
    return 0;
}
