/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/seal/share.h
 * A share of a seal key, as a person holds it: in bytes, as text that can be typed, and checked by itself. Bytes:
 * docs/format/share.md.
 *
 * Shares hold secrets: structs, bytes and texts of them are the caller's, who keeps them in secret memory and wipes
 * them. Nothing branches on a value, and values are compared in constant time. A share that was parsed has passed no
 * check but that of its form. Any thread may call.
 */
#ifndef SHERD_ANCHOR_SEAL_SHARE_H
#define SHERD_ANCHOR_SEAL_SHARE_H

#include "crypto/hash.h"
#include "crypto/shamir.h"

#define SHERD_SHARE_SECRET_SIZE 32U
#define SHERD_SHARE_SET_ID_SIZE 8U
#define SHERD_SHARE_TAG_SIZE 16U
#define SHERD_SHARE_COUNT_MAX SHERD_SHAMIR_PARTS_MAX
#define SHERD_SHARE_BYTES 81U
/** A share as text: three lines of 76 characters and a line feed; and a zero byte. */
#define SHERD_SHARE_TEXT_SIZE (3U * 77U + 1U)
/** Most bytes of text that are looked at. */
#define SHERD_SHARE_TEXT_BYTES_MAX 4096U
/** Bytes of a set of count shares. */
#define SHERD_SHARE_SET_BYTES(count) (16U + SHERD_SHA256_SIZE * (size_t)(count))
/** For out_bad: the fault is not that of one share. */
#define SHERD_SHARE_NONE SIZE_MAX

enum sherd_share_kind {
    SHERD_SHARE_SHAMIR = 1, /**< any threshold of count */
    SHERD_SHARE_XOR = 2,    /**< all */
};

/** One share. value is secret, and so is the whole of it where it leaves this process. */
struct sherd_share {
    enum sherd_share_kind kind;
    uint8_t set_id[SHERD_SHARE_SET_ID_SIZE];
    uint32_t generation;
    uint8_t index; /**< 1..count */
    uint8_t threshold;
    uint8_t count;
    uint8_t value[SHERD_SHARE_SECRET_SIZE];
    uint8_t set_commitment[SHERD_SHARE_TAG_SIZE];
    uint8_t mac[SHERD_SHARE_TAG_SIZE];
};

/** What the seal keeps of a set. No secret. */
struct sherd_share_set {
    enum sherd_share_kind kind;
    uint8_t set_id[SHERD_SHARE_SET_ID_SIZE];
    uint32_t generation;
    uint8_t threshold;
    uint8_t count;
    struct sherd_digest commitments[SHERD_SHARE_COUNT_MAX]; /**< of the shares with index 1, 2 ...; count are in use */
};

/** What to deal. */
struct sherd_share_deal {
    enum sherd_share_kind kind;
    size_t threshold;    /**< 2..count; SHERD_SHAMIR_COPIES for shares that are the secret each; for XOR, count */
    size_t count;        /**< 1..SHERD_SHARE_COUNT_MAX; for XOR from 2 on */
    uint32_t generation; /**< 1 for the first set of a seal, then one more for each that replaces it */
    const uint8_t
        *set_id; /**< that of the set that is replaced, so that its shares are known as stale; NULL: a new one */
};

/**
 * Split a seal key into shares.
 * @param[in]  secret      random bytes, and nothing that could be guessed: see docs/format/share.md, section 4
 * @param[in]  deal        what to deal
 * @param[out] out_shares  deal->count shares; after a failure, as they were or wiped
 * @param[out] out_set     what to keep; after a failure, as it was or all zero
 * @return SHERD_OK; SHERD_ERR_INVALID (the deal); SHERD_ERR_IO (no randomness); SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_share_split(const uint8_t secret[static SHERD_SHARE_SECRET_SIZE],
                                                const struct sherd_share_deal *deal, struct sherd_share *out_shares,
                                                struct sherd_share_set *out_set);

/**
 * Check one share against its set, before any other is there. The detail text names the share by its index, and what is
 * wrong with it.
 * @return SHERD_OK; SHERD_ERR_INVALID (of another set; stale; newer than the set); SHERD_ERR_TAMPERED (forged or
 *         changed); SHERD_ERR_NO_MEMORY
 *
 * It cannot see a wrong MAC: sherd_share_combine() does.
 */
SHERD_MUST_USE enum sherd_err sherd_share_check(const struct sherd_share *share, const struct sherd_share_set *set);

/**
 * Combine shares to the seal key, and verify all of them. The detail text names a bad share by its index.
 * @param[in]  shares      count of them, in any order
 * @param[in]  count       as many as the threshold or more, at most SHERD_SHARE_COUNT_MAX
 * @param[in]  set         their set; NULL if only the shares are left: then one forged share of threshold + 1 or more
 *                         is still named, but one of threshold alone is not
 * @param[out] out_secret  the key; written only on SHERD_OK
 * @param[out] out_bad     on failure, where in shares the bad one stands, or SHERD_SHARE_NONE; may be NULL
 * @return SHERD_OK; SHERD_ERR_INVALID (too few; one given twice; sets or generations mixed; as sherd_share_check());
 *         SHERD_ERR_TAMPERED (one is forged or changed); SHERD_ERR_NO_MEMORY
 *
 * @par Cost  Grows with the square of the threshold: 1 ms for 100. Where a forged share has to be found without the
 *            set, that for each share.
 */
SHERD_MUST_USE enum sherd_err sherd_share_combine(const struct sherd_share *shares, size_t count,
                                                  const struct sherd_share_set *set,
                                                  uint8_t out_secret[static SHERD_SHARE_SECRET_SIZE], size_t *out_bad);

/** Write a share as bytes. */
void sherd_share_encode(const struct sherd_share *share, uint8_t out[static SHERD_SHARE_BYTES]);

/** Read a share from bytes. @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_UNSUPPORTED (another format) */
SHERD_MUST_USE enum sherd_err sherd_share_decode(struct sherd_span bytes, struct sherd_share *out_share);

/**
 * Write a share as text.
 * @param[out] out_text  SHERD_SHARE_TEXT_SIZE bytes, the last one zero; wiped on failure
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_share_text(const struct sherd_share *share,
                                               char out_text[static SHERD_SHARE_TEXT_SIZE]);

/**
 * Read a share from text that a person typed: case, spaces, tabs, dashes and empty lines do not matter.
 * @param[in]  text      one share and nothing else, at most SHERD_SHARE_TEXT_BYTES_MAX
 * @param[out] out_share written only on SHERD_OK
 * @param[out] out_line  on failure, the line of the share (1 to 3) that is wrong, or 0; may be NULL
 * @return SHERD_OK; SHERD_ERR_INVALID (the detail text names the line too); SHERD_ERR_UNSUPPORTED; SHERD_ERR_NO_MEMORY
 *
 * What takes time and memory depends on where separators stand, not on the letters.
 */
SHERD_MUST_USE enum sherd_err sherd_share_parse(struct sherd_span text, struct sherd_share *out_share,
                                                unsigned *out_line);

/** Append a set as bytes, SHERD_SHARE_SET_BYTES(set->count). @return SHERD_OK; SHERD_ERR_LIMIT; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_share_set_encode(const struct sherd_share_set *set, struct sherd_buf *out_bytes);

/** Read a set from bytes. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_UNSUPPORTED (another format) */
SHERD_MUST_USE enum sherd_err sherd_share_set_decode(struct sherd_span bytes, struct sherd_share_set *out_set);

#endif
