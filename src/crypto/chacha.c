/* SPDX-License-Identifier: Apache-2.0 */
/* ChaCha20-Poly1305. */
#include "crypto/chacha.h"

#include "base/bytes.h"
#include "crypto/once.h"
#include "crypto/cipher.h"
#include <openssl/err.h>

static EVP_CIPHER *cipher; /* kept for the life of the process */

static struct sherd_cipher_use use_of(const uint8_t *key, const uint8_t *nonce, struct sherd_span data)
{
    const struct sherd_cipher_use use = {cipher, key, nonce, data};

    return use;
}

static enum sherd_err wrong_answer(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "cryptography: ChaCha20-Poly1305 fails its known-answer test");
}

/* The example of RFC 8439, section 2.8.2, and the same with one bit of the tag changed. */
static enum sherd_err answers(void)
{
    static const char message[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
                                  "the future, sunscreen would be it.";
    static const uint8_t data[] = {0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7};
    static const uint8_t nonce[] = {7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
    static const uint8_t front[] = {0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb};
    static const uint8_t tag[] = {0x1a, 0xe1, 0x0b, 0x59, 0x4f, 0x09, 0xe2, 0x6a,
                                  0x7e, 0x90, 0x2e, 0xcb, 0xd0, 0x60, 0x06, 0x91};
    const size_t bytes = sizeof(message) - 1;
    uint8_t sealed[sizeof(message) - 1 + SHERD_CHACHA_TAG_SIZE] = {0};
    uint8_t opened[sizeof(message) - 1] = {0};
    uint8_t key[SHERD_CHACHA_KEY_SIZE];
    enum sherd_err err;

    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)(0x80 + i);
    const struct sherd_cipher_use use = use_of(key, nonce, sherd_span_of(data, sizeof(data)));

    SHERD_TRY(sherd_cipher_seal(&use, sherd_span_of(message, bytes), sealed));
    if (!sherd_same(sealed, front, sizeof(front)) || !sherd_same(sealed + bytes, tag, sizeof(tag)))
        return wrong_answer();
    SHERD_TRY(sherd_cipher_open(&use, sherd_span_of(sealed, sizeof(sealed)), opened));
    if (!sherd_same(opened, message, bytes))
        return wrong_answer();
    sealed[bytes] ^= 1;
    err = sherd_cipher_open(&use, sherd_span_of(sealed, sizeof(sealed)), opened);
    if (err == SHERD_OK)
        return wrong_answer();
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static enum sherd_err prepare(void)
{
    enum sherd_err err;

    cipher = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    ERR_clear_error();
    SHERD_ENSURE(cipher != NULL, SHERD_ERR_UNSUPPORTED, "cryptography: OpenSSL has no ChaCha20-Poly1305");
    err = answers();
    if (err != SHERD_OK) {
        EVP_CIPHER_free(cipher);
        cipher = NULL;
    }
    return err;
}

static struct sherd_once once = SHERD_ONCE(prepare);

enum sherd_err sherd_chacha_seal(const uint8_t key[static SHERD_CHACHA_KEY_SIZE],
                                 const uint8_t nonce[static SHERD_CHACHA_NONCE_SIZE], struct sherd_span data,
                                 struct sherd_span plain, uint8_t *out)
{
    SHERD_TRY(sherd_once_pass(&once));
    const struct sherd_cipher_use use = use_of(key, nonce, data);

    return sherd_cipher_seal(&use, plain, out);
}

enum sherd_err sherd_chacha_open(const uint8_t key[static SHERD_CHACHA_KEY_SIZE],
                                 const uint8_t nonce[static SHERD_CHACHA_NONCE_SIZE], struct sherd_span data,
                                 struct sherd_span sealed, uint8_t *out)
{
    SHERD_TRY(sherd_once_pass(&once));
    const struct sherd_cipher_use use = use_of(key, nonce, data);

    return sherd_cipher_open(&use, sealed, out);
}
