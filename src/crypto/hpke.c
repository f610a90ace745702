/* SPDX-License-Identifier: Apache-2.0 */
/* HPKE, base mode, with HKDF-SHA256 and AES-256-GCM: RFC 9180, sections 4 and 5. */
#include "crypto/hpke.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/cipher.h"
#include "crypto/hash.h"
#include "crypto/kem.h"
#include "crypto/p256.h"
#include <string.h>

#define MODE_BASE 0x00
#define KDF_HKDF_SHA256 0x0001
#define AEAD_AES_256_GCM 0x0002
#define SUITE_SIZE 10

static const struct sherd_span none = {NULL, 0};

struct sherd_hpke {
    bool sending;
    uint64_t sequence;
    uint8_t suite[SUITE_SIZE];
    uint8_t key[SHERD_AEAD_KEY_SIZE];
    uint8_t base_nonce[SHERD_CIPHER_NONCE_SIZE];
    uint8_t exporter[SHERD_SHA256_SIZE];
    uint8_t shared[SHERD_KEM_SHARED_SIZE]; /* only until the key schedule has run; so are the two below */
    uint8_t secret[SHERD_SHA256_SIZE];
    uint8_t coins[SHERD_KEM_COINS_MAX];
};

void sherd_hpke_free(struct sherd_hpke *hpke)
{
    sherd_secret_free(hpke);
}

/* --- hash functions ----------------------------------------------------------------------------------------------- */

enum sherd_err sherd_hpke_extract(struct sherd_span suite, struct sherd_span salt, const char *label,
                                  struct sherd_span ikm, uint8_t out[static 32])
{
    const struct sherd_span parts[] = {sherd_span_str("HPKE-v1"), suite, sherd_span_str(label), ikm};

    return sherd_hmac(SHERD_SHA256, salt, parts, SHERD_COUNT_OF(parts), out);
}

enum sherd_err sherd_hpke_expand(struct sherd_span suite, const uint8_t prk[static 32], const char *label,
                                 const struct sherd_span info[static 2], uint8_t *out, size_t out_bytes)
{
    uint8_t length[2];
    const struct sherd_span parts[] = {
        {length, sizeof(length)}, sherd_span_str("HPKE-v1"), suite, sherd_span_str(label), info[0], info[1]};

    SHERD_ENSURE(out_bytes <= UINT16_MAX, SHERD_ERR_INVALID, "hpke: more than 255 hash lengths asked for");
    sherd_put_u16(length, (uint16_t)out_bytes);
    return sherd_hkdf_expand(SHERD_SHA256, sherd_span_of(prk, SHERD_SHA256_SIZE), parts, SHERD_COUNT_OF(parts), out,
                             out_bytes);
}

/* --- key schedule ------------------------------------------------------------------------------------------------- */

static struct sherd_span suite_of(const struct sherd_hpke *hpke)
{
    return sherd_span_of(hpke->suite, sizeof(hpke->suite));
}

static void suite_put(enum sherd_kem kem, uint8_t out_suite[static SUITE_SIZE])
{
    memcpy(out_suite, "HPKE", 4);
    sherd_put_u16(out_suite + 4, (uint16_t)kem);
    sherd_put_u16(out_suite + 6, KDF_HKDF_SHA256);
    sherd_put_u16(out_suite + 8, AEAD_AES_256_GCM);
}

/* KeySchedule(mode_base, shared secret, info), without a pre-shared key. */
static enum sherd_err schedule(struct sherd_hpke *hpke, struct sherd_span info)
{
    uint8_t context[1 + 2 * SHERD_SHA256_SIZE] = {MODE_BASE};
    const struct sherd_span suite = suite_of(hpke);
    const struct sherd_span parts[2] = {{context, sizeof(context)}};

    SHERD_TRY(sherd_hpke_extract(suite, none, "psk_id_hash", none, context + 1));
    SHERD_TRY(sherd_hpke_extract(suite, none, "info_hash", info, context + 1 + SHERD_SHA256_SIZE));
    SHERD_TRY(sherd_hpke_extract(suite, sherd_span_of(hpke->shared, sizeof(hpke->shared)), "secret", none,
                                 hpke->secret));
    SHERD_TRY(sherd_hpke_expand(suite, hpke->secret, "key", parts, hpke->key, sizeof(hpke->key)));
    SHERD_TRY(sherd_hpke_expand(suite, hpke->secret, "base_nonce", parts, hpke->base_nonce, sizeof(hpke->base_nonce)));
    SHERD_TRY(sherd_hpke_expand(suite, hpke->secret, "exp", parts, hpke->exporter, sizeof(hpke->exporter)));
    sherd_wipe(hpke->shared, sizeof(hpke->shared));
    sherd_wipe(hpke->secret, sizeof(hpke->secret));
    sherd_wipe(hpke->coins, sizeof(hpke->coins));
    return SHERD_OK;
}

static enum sherd_err begin(enum sherd_kem kem, bool sending, struct sherd_hpke **out_hpke)
{
    struct sherd_hpke *hpke;

    SHERD_ENSURE(sherd_kem_enc_bytes(kem) > 0, SHERD_ERR_UNSUPPORTED, "this kind of public key is not known");
    hpke = sherd_secret_alloc(sizeof(*hpke));
    if (hpke == NULL)
        return SHERD_ERR_NO_MEMORY;
    hpke->sending = sending;
    suite_put(kem, hpke->suite);
    *out_hpke = hpke;
    return SHERD_OK;
}

static enum sherd_err send_with(struct sherd_hpke *hpke, const struct sherd_kem_public *to, struct sherd_span info,
                                uint8_t *out_enc)
{
    uint8_t enc[SHERD_KEM_ENC_BYTES_MAX];

    SHERD_TRY(sherd_kem_encap(to, hpke->coins, enc, hpke->shared));
    SHERD_TRY(schedule(hpke, info));
    memcpy(out_enc, enc, sherd_kem_enc_bytes(to->kem));
    return SHERD_OK;
}

enum sherd_err sherd_hpke_send_known(const struct sherd_kem_public *to, struct sherd_span info, const uint8_t *coins,
                                     uint8_t *out_enc, struct sherd_hpke **out_hpke)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;

    SHERD_TRY(begin(to->kem, true, &hpke));
    memcpy(hpke->coins, coins, sherd_kem_coins_bytes(to->kem));
    SHERD_TRY(send_with(hpke, to, info, out_enc));
    *out_hpke = sherd_hpke_take(&hpke);
    return SHERD_OK;
}

enum sherd_err sherd_hpke_send(const struct sherd_kem_public *to, struct sherd_span info, uint8_t *out_enc,
                               struct sherd_hpke **out_hpke)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;

    SHERD_TRY(begin(to->kem, true, &hpke));
    SHERD_TRY(sherd_kem_coins(to->kem, hpke->coins));
    SHERD_TRY(send_with(hpke, to, info, out_enc));
    *out_hpke = sherd_hpke_take(&hpke);
    return SHERD_OK;
}

enum sherd_err sherd_hpke_receive(const struct sherd_kem_private *own, struct sherd_span enc, struct sherd_span info,
                                  struct sherd_hpke **out_hpke)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;

    SHERD_TRY(begin(own->kem, false, &hpke));
    SHERD_ENSURE(enc.len == sherd_kem_enc_bytes(own->kem), SHERD_ERR_TAMPERED,
                 "what is sealed to a public key does not verify");
    SHERD_TRY(sherd_kem_decap(own, enc.data, hpke->shared));
    SHERD_TRY(schedule(hpke, info));
    *out_hpke = sherd_hpke_take(&hpke);
    return SHERD_OK;
}

/* The token meets a point of the curve or nothing: not each of them looks. */
enum sherd_err sherd_hpke_receive_by(const struct sherd_kem_public *own, sherd_hpke_agree_fn *agree, void *arg,
                                     struct sherd_span enc, struct sherd_span info, struct sherd_hpke **out_hpke)
{
    SHERD_CLEANUP(sherd_hpke_freep) struct sherd_hpke *hpke = NULL;

    SHERD_ENSURE(own->kem == SHERD_KEM_P256, SHERD_ERR_UNSUPPORTED, "this kind of public key is not known");
    SHERD_TRY(begin(own->kem, false, &hpke));
    SHERD_ENSURE(enc.len == sherd_kem_enc_bytes(own->kem), SHERD_ERR_TAMPERED,
                 "what is sealed to a public key does not verify");
    SHERD_TRY(sherd_p256_check(enc.data));
    SHERD_TRY(agree(arg, enc, hpke->secret));
    SHERD_TRY(sherd_kem_p256_finish(own, enc.data, hpke->secret, hpke->shared));
    SHERD_TRY(schedule(hpke, info));
    *out_hpke = sherd_hpke_take(&hpke);
    return SHERD_OK;
}

/* --- messages ----------------------------------------------------------------------------------------------------- */

static struct sherd_cipher_use next_of(const struct sherd_hpke *hpke, struct sherd_span data,
                                       uint8_t nonce[static SHERD_CIPHER_NONCE_SIZE])
{
    const struct sherd_cipher_use use = {sherd_evp()->gcm, hpke->key, nonce, data};
    uint8_t counter[8];

    sherd_put_u64(counter, hpke->sequence);
    memcpy(nonce, hpke->base_nonce, SHERD_CIPHER_NONCE_SIZE);
    for (size_t i = 0; i < sizeof(counter); i++)
        nonce[SHERD_CIPHER_NONCE_SIZE - sizeof(counter) + i] ^= counter[i];
    return use;
}

/* A nonce is not used again, even where sealing failed halfway. */
enum sherd_err sherd_hpke_seal(struct sherd_hpke *hpke, struct sherd_span data, struct sherd_span plain, uint8_t *out)
{
    uint8_t nonce[SHERD_CIPHER_NONCE_SIZE];

    SHERD_ENSURE(hpke->sending, SHERD_ERR_INVALID, "the recipient's side seals nothing");
    SHERD_ENSURE(hpke->sequence < UINT64_MAX, SHERD_ERR_LIMIT, "too many messages for one agreement");
    const struct sherd_cipher_use use = next_of(hpke, data, nonce);

    hpke->sequence++;
    return sherd_cipher_seal(&use, plain, out);
}

enum sherd_err sherd_hpke_open(struct sherd_hpke *hpke, struct sherd_span data, struct sherd_span sealed, uint8_t *out)
{
    uint8_t nonce[SHERD_CIPHER_NONCE_SIZE];

    SHERD_ENSURE(!hpke->sending, SHERD_ERR_INVALID, "the sender's side opens nothing");
    SHERD_ENSURE(hpke->sequence < UINT64_MAX, SHERD_ERR_LIMIT, "too many messages for one agreement");
    const struct sherd_cipher_use use = next_of(hpke, data, nonce);

    SHERD_TRY(sherd_cipher_open(&use, sealed, out));
    hpke->sequence++;
    return SHERD_OK;
}

enum sherd_err sherd_hpke_export(const struct sherd_hpke *hpke, struct sherd_span context, uint8_t *out,
                                 size_t out_bytes)
{
    const struct sherd_span parts[2] = {context, none};

    return sherd_hpke_expand(suite_of(hpke), hpke->exporter, "sec", parts, out, out_bytes);
}

enum sherd_err sherd_hpke_content_key(const struct sherd_hpke *hpke, uint8_t out_key[SHERD_AEAD_KEY_SIZE])
{
    return sherd_hpke_export(hpke, sherd_span_str("sherd contents 1"), out_key, SHERD_AEAD_KEY_SIZE);
}
