/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file envelope/rights.h
 * What the entries of principals, named keys and grants say. Encoded as TLV, decoded strictly; no key, no I/O.
 */
#ifndef SHERD_ENVELOPE_RIGHTS_H
#define SHERD_ENVELOPE_RIGHTS_H

#include "crypto/pwhash.h"
#include "crypto/sign.h"
#include "envelope/payload.h"

/** Room for the name of a principal or of a named key, with its final zero byte. */
#define SHERD_RIGHTS_NAME_SIZE 64U
#define SHERD_PRINCIPAL_SALT_SIZE 16U

/** How a principal shows who it is. */
enum sherd_credential {
    SHERD_CREDENTIAL_SEAL = 1,       /**< by what unseals the vault: the owner */
    SHERD_CREDENTIAL_PASSPHRASE = 2, /**< by a private key that its own side derives from a passphrase */
    SHERD_CREDENTIAL_KEY = 3,        /**< by a private key that it keeps */
};

/** A principal: who may ask. */
struct sherd_principal {
    struct sherd_uuid tenant;
    struct sherd_uuid id;
    char name[SHERD_RIGHTS_NAME_SIZE];
    uint64_t created_s; /**< a multiple of 60 */
    enum sherd_credential credential;
    bool disabled;
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE]; /**< Ed25519; not for SHERD_CREDENTIAL_SEAL */
    struct sherd_pwhash_params hash;            /**< only for SHERD_CREDENTIAL_PASSPHRASE, as is the salt */
    uint8_t salt[SHERD_PRINCIPAL_SALT_SIZE];
};

/** The anchor's word on the entry of a principal. */
struct sherd_principal_pin {
    struct sherd_uuid id;
    char name[SHERD_RIGHTS_NAME_SIZE];
    struct sherd_digest digest; /**< SHA-256 of the principal's entry as it is stored */
    bool disabled;
};

/** A named key, but for the key itself, which is an entity's of the collection of named keys. */
struct sherd_named_key {
    struct sherd_ref id;
    char name[SHERD_RIGHTS_NAME_SIZE];
    struct sherd_uuid owner; /**< a principal */
    uint64_t created_s;      /**< a multiple of 60 */
    uint64_t generation;     /**< raised whenever its grants change; grants of another one count for nothing */
};

/** What a principal may do under a named key. */
struct sherd_grant {
    struct sherd_ref key;
    struct sherd_uuid principal;
    uint64_t generation; /**< of the named key when it was written */
    unsigned rights;     /**< bits of enum sherd_right, at least one */
};

/** Encode into block (SHERD_TLV_BYTES_MAX bytes). @return SHERD_OK; SHERD_ERR_LIMIT */
SHERD_MUST_USE enum sherd_err sherd_principal_encode(const struct sherd_principal *principal, uint8_t *block,
                                                     size_t *out_bytes);
/** Decode, strictly. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_principal_decode(struct sherd_span tlv, struct sherd_principal *out_principal);

SHERD_MUST_USE enum sherd_err sherd_principal_pin_encode(const struct sherd_principal_pin *pin, uint8_t *block,
                                                         size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_principal_pin_decode(struct sherd_span tlv, struct sherd_principal_pin *out_pin);

SHERD_MUST_USE enum sherd_err sherd_named_key_encode(const struct sherd_named_key *key, uint8_t *block,
                                                     size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_named_key_decode(struct sherd_span tlv, struct sherd_named_key *out_key);

SHERD_MUST_USE enum sherd_err sherd_grant_encode(const struct sherd_grant *grant, uint8_t *block, size_t *out_bytes);
SHERD_MUST_USE enum sherd_err sherd_grant_decode(struct sherd_span tlv, struct sherd_grant *out_grant);

/** Whether a text may name a principal or a named key: 1..63 of a-z 0-9 . _ -, a letter or digit first. */
bool sherd_rights_name_valid(const char *name);

#endif
