/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger's signatures: see ledger_key.h. */
#include "anchor/ledger/ledger_key.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "envelope/lines.h"
#include "envelope/note.h"
#include "envelope/signed.h"
#include <inttypes.h>
#include <stdio.h>

#define MLDSA_INFO "sherd ledger mldsa 1"

enum sherd_err sherd_ledger_key_origin(const struct sherd_uuid *deployment,
                                       char out_origin[static SHERD_LEDGER_KEY_NAME_SIZE])
{
    char id[SHERD_UUID_TEXT_SIZE];
    uint8_t random[4];

    SHERD_TRY(sherd_random(random, sizeof(random)));
    sherd_uuid_format(*deployment, id);
    (void)snprintf(out_origin, SHERD_LEDGER_KEY_NAME_SIZE, "sherd.%s/%08" PRIx32, id, sherd_get_u32(random));
    return SHERD_OK;
}

/* The second key's seed: whoever breaks Ed25519 by its public key learns a scalar, and not the seed that this is of. */
static enum sherd_err mldsa_seed(const struct sherd_ledger_key *key, uint8_t **out_seed)
{
    uint8_t *seed = sherd_secret_alloc(SHERD_MLDSA_SEED_SIZE);

    if (seed == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_hkdf(SHERD_SHA512, sherd_span_of(key->seed, SHERD_SIGN_SEED_SIZE),
                                          sherd_span_of(key->deployment.bytes, sizeof(key->deployment.bytes)),
                                          sherd_span_str(MLDSA_INFO), seed, SHERD_MLDSA_SEED_SIZE);
    if (err != SHERD_OK) {
        sherd_secret_free(seed);
        return err;
    }
    *out_seed = seed;
    return SHERD_OK;
}

/* Seconds since 1970; 0, by which a signature says nothing of time, where the clock is not set. */
static uint64_t now_s(void)
{
    const int64_t now = sherd_clock()->wall_s();

    return now > 0 ? (uint64_t)now : 0;
}

enum sherd_err sherd_ledger_key_sign(const struct sherd_ledger_key *key, struct sherd_span text,
                                     struct sherd_buf *out_note)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *seed = NULL;

    SHERD_TRY(sherd_note_sign(key->origin, key->seed, text, out_note));
    const enum sherd_err err = sherd_mldsa_gate();
    if (err == SHERD_ERR_UNSUPPORTED)
        return SHERD_OK;
    SHERD_TRY(err);
    SHERD_TRY(mldsa_seed(key, &seed));
    return sherd_cosign_mldsa(sherd_span_str(key->origin), seed, now_s(), text, out_note);
}

bool sherd_ledger_key_is_double(const struct sherd_ledger_key *key, struct sherd_span note)
{
    struct sherd_signature signature;
    struct sherd_signed parts;

    if (sherd_signed_parse(note, &parts) == SHERD_OK)
        while (sherd_signed_next(&parts.lines, &signature))
            if (signature.len == SHERD_MLDSA_COSIGNATURE_SIZE &&
                sherd_span_equal(signature.name, sherd_span_str(key->origin)))
                return true;
    return false;
}

enum sherd_err sherd_ledger_key_text(const struct sherd_ledger_key *key, struct sherd_buf *out_text)
{
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];

    SHERD_TRY(sherd_sign_public(key->seed, public_key));
    return sherd_note_key_text(key->origin, public_key, out_text);
}

enum sherd_err sherd_ledger_key_texts(const struct sherd_ledger_key *key, struct sherd_span note,
                                      struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *seed = NULL;
    uint8_t public_key[SHERD_MLDSA_PUBLIC_SIZE];
    struct sherd_vkey vkey;

    SHERD_TRY(sherd_ledger_key_text(key, out_text));
    if (!sherd_ledger_key_is_double(key, note))
        return SHERD_OK;
    const enum sherd_err err = sherd_mldsa_gate();
    if (err == SHERD_ERR_UNSUPPORTED)
        return SHERD_OK;
    SHERD_TRY(err);
    SHERD_TRY(mldsa_seed(key, &seed));
    SHERD_TRY(sherd_mldsa_public(seed, public_key));
    SHERD_TRY(sherd_vkey_make(SHERD_VKEY_MLDSA, sherd_span_str(key->origin), public_key, &vkey));
    SHERD_TRY(sherd_text_append(out_text, "\n"));
    return sherd_vkey_append(&vkey, out_text);
}
