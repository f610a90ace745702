/* SPDX-License-Identifier: Apache-2.0 */
/* One message under an AEAD. The thread's cipher context is reset afterwards: it then holds no key. */
#include "crypto/cipher.h"

#include "base/mem.h"
#include <openssl/err.h>
#include <string.h>

static bool data_add(EVP_CIPHER_CTX *cipher, struct sherd_span data)
{
    int done = 0;

    return data.len == 0 || EVP_CipherUpdate(cipher, NULL, &done, data.data, (int)data.len) == 1;
}

static bool seal_run(EVP_CIPHER_CTX *cipher, const struct sherd_cipher_use *use, struct sherd_span plain, uint8_t *out)
{
    uint8_t *tag = out + plain.len;
    int done = 0;

    return EVP_EncryptInit_ex2(cipher, use->cipher, use->key, use->nonce, NULL) == 1 && data_add(cipher, use->data) &&
           (plain.len == 0 || EVP_EncryptUpdate(cipher, out, &done, plain.data, (int)plain.len) == 1) &&
           EVP_EncryptFinal_ex(cipher, tag, &done) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, SHERD_CIPHER_TAG_SIZE, tag) == 1;
}

static bool open_begin(EVP_CIPHER_CTX *cipher, const struct sherd_cipher_use *use, const uint8_t *sealed_tag)
{
    uint8_t tag[SHERD_CIPHER_TAG_SIZE];

    memcpy(tag, sealed_tag, sizeof(tag));
    return EVP_DecryptInit_ex2(cipher, use->cipher, use->key, use->nonce, NULL) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 && data_add(cipher, use->data);
}

/* OpenSSL writes the plaintext before it has checked the tag, so the output is wiped where the check fails. */
static enum sherd_err open_run(EVP_CIPHER_CTX *cipher, const struct sherd_cipher_use *use, struct sherd_span sealed,
                               uint8_t *out)
{
    const size_t plain_bytes = sealed.len - SHERD_CIPHER_TAG_SIZE;
    uint8_t none[SHERD_CIPHER_TAG_SIZE];
    int done = 0;

    if (!open_begin(cipher, use, sealed.data + plain_bytes) ||
        (plain_bytes > 0 && EVP_DecryptUpdate(cipher, out, &done, sealed.data, (int)plain_bytes) != 1)) {
        sherd_wipe(out, plain_bytes);
        return sherd_evp_fail("opening a message");
    }
    if (EVP_DecryptFinal_ex(cipher, none, &done) != 1) {
        sherd_wipe(out, plain_bytes);
        ERR_clear_error();
        return sherd_fail(SHERD_ERR_TAMPERED, "a sealed message does not verify");
    }
    return SHERD_OK;
}

static enum sherd_err check_bytes(struct sherd_span data, struct sherd_span message)
{
    SHERD_ENSURE(data.len <= SHERD_CIPHER_BYTES_MAX && message.len <= SHERD_CIPHER_BYTES_MAX, SHERD_ERR_LIMIT,
                 "a message of more than 1 GiB cannot be sealed at once");
    return SHERD_OK;
}

enum sherd_err sherd_cipher_seal(const struct sherd_cipher_use *use, struct sherd_span plain, uint8_t *out)
{
    struct sherd_evp_lane *lane;
    bool done;

    SHERD_TRY(check_bytes(use->data, plain));
    SHERD_TRY(sherd_evp_lane(&lane));
    done = seal_run(lane->cipher, use, plain, out);
    EVP_CIPHER_CTX_reset(lane->cipher);
    if (!done) {
        sherd_wipe(out, plain.len);
        return sherd_evp_fail("sealing a message");
    }
    return SHERD_OK;
}

enum sherd_err sherd_cipher_open(const struct sherd_cipher_use *use, struct sherd_span sealed, uint8_t *out)
{
    struct sherd_evp_lane *lane;
    enum sherd_err err;

    SHERD_ENSURE(sealed.len >= SHERD_CIPHER_TAG_SIZE, SHERD_ERR_TAMPERED, "a sealed message does not verify");
    SHERD_TRY(check_bytes(use->data, sealed));
    SHERD_TRY(sherd_evp_lane(&lane));
    err = open_run(lane->cipher, use, sealed, out);
    EVP_CIPHER_CTX_reset(lane->cipher);
    return err;
}
