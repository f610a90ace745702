/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ring/keyring_rules.h
 * What keyring.c (the keys) and keyring_rules.c (what is ruled of them, and which are no more) share, and nobody else
 * uses. Bytes: docs/format/vault.md, anchor/keyring.
 */
#ifndef SHERD_ANCHOR_RING_KEYRING_RULES_H
#define SHERD_ANCHOR_RING_KEYRING_RULES_H

#include "anchor/ring/keyring.h"
#include <sherd/span.h>

/** Longest TLV of an item of a list. */
#define SHERD_KEYRING_ITEM_MAX ((size_t)4096)

/** What is said of a keyring that is not as it must be. */
SHERD_MUST_USE enum sherd_err sherd_keyring_tampered(void);

/** Append an item, behind its length in 2 bytes. */
SHERD_MUST_USE enum sherd_err sherd_keyring_list_add(struct sherd_buf *list, struct sherd_span item);
/** Take the next item off the front of a list. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_keyring_list_next(struct sherd_span *list, struct sherd_span *out_item);

/** Append the items of a list. @param[in] block  room for one item: SHERD_KEYRING_ITEM_MAX */
SHERD_MUST_USE enum sherd_err sherd_keyring_encode_policies(const struct sherd_keyring *ring, uint8_t *block,
                                                            struct sherd_buf *list);
SHERD_MUST_USE enum sherd_err sherd_keyring_encode_destroyed(const struct sherd_keyring *ring, uint8_t *block,
                                                             struct sherd_buf *list);
/** Fill in what a list says. @param[in,out] ring  without any. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_keyring_decode_policies(struct sherd_span list, struct sherd_keyring *ring);
SHERD_MUST_USE enum sherd_err sherd_keyring_decode_destroyed(struct sherd_span list, struct sherd_keyring *ring);

#endif
