/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/seal.h
 * The seal: the root key, encrypted under a passphrase or a key file. Bytes: docs/format/vault.md, anchor/seals/N.
 */
#ifndef SHERD_ANCHOR_SEAL_H
#define SHERD_ANCHOR_SEAL_H

#include "envelope/payload.h"
#include <sherd/vault.h>

/** The key above all others. Lies in secret memory. */
struct sherd_root_key {
    uint8_t bytes[SHERD_KEY_SIZE];
};

/** Most seals of one vault. */
#define SHERD_SEALS_MAX 99U

#define SHERD_SEAL_BYTES 180U
/** Most bytes of a file that could be a seal: more is not read. */
#define SHERD_SEAL_FILE_BYTES_MAX 4096U

/** Seal a root key. @param[out] out_file  SHERD_SEAL_BYTES are appended. @return SHERD_OK; SHERD_ERR_INVALID; ... */
SHERD_MUST_USE enum sherd_err sherd_seal_make(const struct sherd_root_key *root, const struct sherd_uuid *deployment,
                                              const struct sherd_unseal *unseal, struct sherd_buf *out_file);

/**
 * Bring the root key back.
 * @param[out] out_root        in secret memory
 * @param[out] out_deployment  the deployment that the seal belongs to
 * @return SHERD_OK; SHERD_ERR_DENIED (wrong passphrase or key file, or a changed seal); SHERD_ERR_UNSUPPORTED;
 *         SHERD_ERR_INVALID
 */
SHERD_MUST_USE enum sherd_err sherd_seal_open(struct sherd_span file, const struct sherd_unseal *unseal,
                                              struct sherd_root_key *out_root, struct sherd_uuid *out_deployment);

/** What seals: "passphrase (scrypt)", "key file" ... into a block of 32 bytes; "unknown" if it is no seal. */
void sherd_seal_describe(struct sherd_span file, char out_text[32]);

#endif
