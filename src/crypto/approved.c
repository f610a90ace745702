/* SPDX-License-Identifier: Apache-2.0 */
/* The table of algorithms: see approved.h. docs/fips.md shows the same table to people, and a test compares them. */
#include "crypto/approved.h"

#include "base/macros.h"

#define P256_INSTEAD "use a P-256 key of `sherd keygen --recipient --p256`"
#define PBKDF2_INSTEAD "use PBKDF2, which such a vault's own seals have"

static const struct sherd_approval table[SHERD_ALGORITHM_COUNT] = {
    [SHERD_ALGORITHM_UNKNOWN] = {"an unknown algorithm", SHERD_NOT_APPROVED, NULL, "use a newer sherd"},
    [SHERD_ALGORITHM_AES_256_GCM] = {"AES-256-GCM", SHERD_APPROVED, "FIPS 197, SP 800-38D", NULL},
    [SHERD_ALGORITHM_SHA2] = {"SHA-256, SHA-512, SHA-512/256", SHERD_APPROVED, "FIPS 180-4", NULL},
    [SHERD_ALGORITHM_HMAC_SHA2] = {"HMAC with SHA-2", SHERD_APPROVED, "FIPS 198-1", NULL},
    [SHERD_ALGORITHM_HKDF_SHA2] = {"HKDF with SHA-2", SHERD_APPROVED, "SP 800-56C, SP 800-108", NULL},
    [SHERD_ALGORITHM_DRBG] = {"OpenSSL's CTR-DRBG", SHERD_APPROVED, "SP 800-90A", NULL},
    [SHERD_ALGORITHM_ED25519] = {"Ed25519", SHERD_APPROVED, "FIPS 186-5", NULL},
    [SHERD_ALGORITHM_MLDSA_44] = {"ML-DSA-44", SHERD_APPROVED, "FIPS 204", NULL},
    [SHERD_ALGORITHM_DHKEM_P256] = {"DHKEM(P-256, HKDF-SHA256)", SHERD_APPROVED, "SP 800-56A, SP 800-56C", NULL},
    [SHERD_ALGORITHM_RSA_OAEP] = {"RSA-OAEP with SHA-256", SHERD_APPROVED, "SP 800-56B", NULL},
    [SHERD_ALGORITHM_PBKDF2] = {"PBKDF2 with HMAC-SHA-256", SHERD_APPROVED, "SP 800-132", NULL},
    [SHERD_ALGORITHM_KEY_SPLIT] = {"shares of a random key", SHERD_NO_SECURITY_CLAIMED, NULL, NULL},
    [SHERD_ALGORITHM_SCRYPT] = {"scrypt", SHERD_NOT_APPROVED, NULL, PBKDF2_INSTEAD},
    [SHERD_ALGORITHM_ARGON2ID] = {"Argon2id", SHERD_NOT_APPROVED, NULL, PBKDF2_INSTEAD},
    [SHERD_ALGORITHM_DHKEM_X25519] = {"X25519", SHERD_NOT_APPROVED, NULL, P256_INSTEAD},
    [SHERD_ALGORITHM_XWING] = {"X-Wing (X25519 inside)", SHERD_NOT_APPROVED, NULL, P256_INSTEAD},
    [SHERD_ALGORITHM_AGE] =
        {"the format of age (ChaCha20-Poly1305)", SHERD_NOT_APPROVED, NULL,
         "have shares sealed by --share-token or --share-passphrase-file, or given out as they are"},
    [SHERD_ALGORITHM_PKCS12_MAC] = {"the key derivation of PKCS#12's MAC", SHERD_NOT_APPROVED, NULL,
                                    "leave the protection key in the keyring"},
};

const struct sherd_approval *sherd_approval_of(enum sherd_algorithm algorithm)
{
    return &table[(unsigned)algorithm < SHERD_ALGORITHM_COUNT ? algorithm : SHERD_ALGORITHM_UNKNOWN];
}

static enum sherd_err refuse(const char *name, const char *instead)
{
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "the vault is in FIPS mode, and %s is not approved: %s", name, instead);
}

enum sherd_err sherd_approved_check(bool fips, enum sherd_algorithm algorithm)
{
    const struct sherd_approval *row = sherd_approval_of(algorithm);

    if (row == &table[SHERD_ALGORITHM_UNKNOWN])
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "an algorithm that this version of sherd does not know");
    return fips && row->standing == SHERD_NOT_APPROVED ? refuse(row->name, row->instead) : SHERD_OK;
}

enum sherd_algorithm sherd_algorithm_of_kem(enum sherd_kem kem)
{
    switch (kem) {
    case SHERD_KEM_P256: return SHERD_ALGORITHM_DHKEM_P256;
    case SHERD_KEM_X25519: return SHERD_ALGORITHM_DHKEM_X25519;
    case SHERD_KEM_XWING: return SHERD_ALGORITHM_XWING;
    case SHERD_KEM_NONE: break;
    }
    return SHERD_ALGORITHM_UNKNOWN;
}

enum sherd_algorithm sherd_algorithm_of_pubkey(enum sherd_pubkey_kind kind)
{
    switch (kind) {
    case SHERD_PUBKEY_P256: return SHERD_ALGORITHM_DHKEM_P256;
    case SHERD_PUBKEY_RSA: return SHERD_ALGORITHM_RSA_OAEP;
    case SHERD_PUBKEY_NONE: break;
    }
    return SHERD_ALGORITHM_UNKNOWN;
}

enum sherd_algorithm sherd_algorithm_of_pwhash(enum sherd_pwhash_alg alg)
{
    switch (alg) {
    case SHERD_PWHASH_SCRYPT: return SHERD_ALGORITHM_SCRYPT;
    case SHERD_PWHASH_ARGON2ID: return SHERD_ALGORITHM_ARGON2ID;
    case SHERD_PWHASH_PBKDF2: return SHERD_ALGORITHM_PBKDF2;
    }
    return SHERD_ALGORITHM_UNKNOWN;
}

enum sherd_err sherd_approved_pwhash(bool fips, const struct sherd_pwhash_params *params)
{
    SHERD_TRY(sherd_approved_check(fips, sherd_algorithm_of_pwhash(params->alg)));
    if (fips && params->cost < SHERD_PWHASH_APPROVED_COST_MIN)
        return refuse("PBKDF2 with so few iterations", PBKDF2_INSTEAD);
    return SHERD_OK;
}

struct sherd_pwhash_params sherd_pwhash_for(bool fips)
{
    return fips ? sherd_pwhash_approved() : sherd_pwhash_default();
}
