/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/sealed.h
 * Contents sealed to a recipient, before they go into a fragment and after they come out of one: plaintext on one side,
 * on the other a stream
 *
 *     enc || Cobblestone-256(key = Export("sherd contents 1", 32), context, contents)
 *
 * that the rest of the vault treats as contents. Both ways work in bounded memory; reading is random access.
 *
 * @par Source  docs/format/recipient.md; RFC 9180
 */
#ifndef SHERD_CRYPTOR_SEALED_H
#define SHERD_CRYPTOR_SEALED_H

#include "cryptor/vault.h"
#include "envelope/context.h"
#include "envelope/recipient.h"

/**
 * Whether this vault and this machine may seal to, and open with, keys of a KEM. The one place that says no: to a KEM
 * that the OpenSSL which is running lacks, and to one that a rule of the vault forbids.
 * @return SHERD_OK; SHERD_ERR_UNSUPPORTED
 */
SHERD_MUST_USE enum sherd_err sherd_sealed_check_kem(const struct sherd_vault *vault, enum sherd_kem kem);

/** The info of HPKE and the context of the sealed message: the record's version, and that it is for this use. */
void sherd_sealed_context(const struct sherd_vault *vault, const struct sherd_pin *pin,
                          struct sherd_context *out_context);

/** Takes the next bytes of a stream. @return SHERD_OK to go on; else sealing ends with it */
typedef enum sherd_err sherd_sealed_sink_fn(void *arg, struct sherd_span bytes);

/** Plaintext in, stream out. One thread at a time. */
struct sherd_sealer;

/**
 * Begin: agree on a secret with the recipient, and give the head of the stream to the sink.
 * @return SHERD_OK; SHERD_ERR_INVALID: that is nobody's public key; SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY;
 *         the sink's code
 */
SHERD_MUST_USE enum sherd_err sherd_sealer_begin(const struct sherd_kem_public *to, const struct sherd_context *context,
                                                 sherd_sealed_sink_fn *sink, void *arg,
                                                 struct sherd_sealer **out_sealer);
/** Seal more. @return SHERD_OK; SHERD_ERR_LIMIT; the sink's code */
SHERD_MUST_USE enum sherd_err sherd_sealer_append(struct sherd_sealer *sealer, struct sherd_span plain);
/** Seal what is left, and the end. Nothing may be appended after it. @return as sherd_sealer_append() */
SHERD_MUST_USE enum sherd_err sherd_sealer_finish(struct sherd_sealer *sealer);
/** Wipe and free. NULL is accepted. */
void sherd_sealer_free(struct sherd_sealer *sealer);
SHERD_DEFINE_OWNED(sherd_sealer);

/** Seal contents that lie in memory. @param[in,out] out_stream  appended; unchanged on failure. @return as above */
SHERD_MUST_USE enum sherd_err sherd_seal_whole(const struct sherd_kem_public *to, const struct sherd_context *context,
                                               struct sherd_span plain, struct sherd_buf *out_stream);

/** Reads bytes of a stream, all of which are there. */
typedef enum sherd_err sherd_sealed_source_fn(void *arg, uint64_t offset, uint8_t *block, size_t bytes);

/** A stream, and the identity that may open it. */
struct sherd_sealed_stream {
    const struct sherd_kem_public *recipient; /**< whom the vault says it is sealed to */
    const struct sherd_context *context;
    uint64_t bytes;
    sherd_sealed_source_fn *source;
    void *arg;
};

/** Stream in, plaintext out. One thread at a time. */
struct sherd_opener;

/**
 * Begin to open.
 * @param[in]  identity         NULL for none
 * @param[out] out_plain_bytes  length of the contents
 * @return SHERD_OK; SHERD_ERR_DENIED: no identity, or the vault says that it is sealed to none of its keys;
 *         SHERD_ERR_TAMPERED: one of them it is, and yet it does not verify; SHERD_ERR_NO_MEMORY; the source's code
 */
SHERD_MUST_USE enum sherd_err sherd_opener_begin(const struct sherd_identity *identity,
                                                 const struct sherd_sealed_stream *stream,
                                                 struct sherd_opener **out_opener, uint64_t *out_plain_bytes);

/**
 * Read a range that lies within the contents.
 * @param[out] block  what was written to it on failure is for the caller to wipe
 * @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_NO_MEMORY; the source's code
 */
SHERD_MUST_USE enum sherd_err sherd_opener_read(struct sherd_opener *opener, uint64_t offset, uint8_t *block,
                                                size_t bytes);
/** Wipe and free. NULL is accepted. */
void sherd_opener_free(struct sherd_opener *opener);
SHERD_DEFINE_OWNED(sherd_opener);

#endif
