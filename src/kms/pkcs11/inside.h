/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/pkcs11/inside.h
 * What the files of this folder share, and nobody else includes. Handles and codes of PKCS#11 are unsigned longs; they
 * stand so here, so that this header needs no other one.
 */
#ifndef SHERD_KMS_PKCS11_INSIDE_H
#define SHERD_KMS_PKCS11_INSIDE_H

#include "kms/pkcs11/token.h"

struct ck_function_list;

/** Most slots, objects of one kind in a token, and bytes of a certificate, that are looked at. */
#define SHERD_P11_SLOTS_MAX 64U
#define SHERD_P11_OBJECTS_MAX 256U
#define SHERD_P11_CERTIFICATE_BYTES_MAX 8192U

struct sherd_p11 {
    struct ck_function_list *calls;
    bool ours; /**< we initialised it, and end it */
};

struct sherd_p11_token {
    struct ck_function_list *calls;
    unsigned long slot;
    unsigned long session;
    bool open;                  /**< the session */
    struct sherd_digest wanted; /**< fingerprint of the key */
    bool known;                 /**< the public key was seen: the three below are set */
    struct sherd_pubkey key;
    uint8_t id[SHERD_P11_ID_BYTES_MAX];
    size_t id_bytes;
    unsigned long private_key; /**< after the login */
};

/** A code of PKCS#11 as one of ours, with what it means in the detail: "<what>: ...". Never CKR_OK. */
SHERD_MUST_USE enum sherd_err sherd_p11_fail(unsigned long rv, const char *what);

/** One attribute of an object. @return whether it is there and fits; out_bytes is its length then */
SHERD_MUST_USE bool sherd_p11_attribute(const struct sherd_p11_token *token, unsigned long object, unsigned long type,
                                        void *out, size_t size, size_t *out_bytes);

/** Objects of a class, by label and CKA_ID where those are given. */
struct sherd_p11_search {
    unsigned long class;
    const char *label; /**< "" for any */
    const uint8_t *id; /**< of id_bytes; none for any */
    size_t id_bytes;
};

/**
 * Find objects.
 * @param[out] out_objects  SHERD_P11_OBJECTS_MAX of them; those behind are left out
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND (the token was taken away); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_p11_objects(const struct sherd_p11_token *token,
                                                const struct sherd_p11_search *search,
                                                unsigned long out_objects[static SHERD_P11_OBJECTS_MAX],
                                                size_t *out_count);

/**
 * Look for the wanted key among the public keys and certificates that the token shows, and note it.
 * @param[out] out_shown  how many keys it shows, of any kind; may be NULL
 */
SHERD_MUST_USE enum sherd_err sherd_p11_look_for_key(struct sherd_p11_token *token, size_t *out_shown);

#endif
