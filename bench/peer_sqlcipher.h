/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bench/peer_sqlcipher.h
 * SQLCipher as a peer: one table of contents under random names, WAL, synchronous=FULL, a raw key (no derivation from a
 * passphrase), else its defaults.
 */
#ifndef SHERD_BENCH_PEER_SQLCIPHER_H
#define SHERD_BENCH_PEER_SQLCIPHER_H

#include <stddef.h>
#include <stdint.h>

#define PEER_NAME_SIZE 16U

struct peer_sqlcipher;

/** Make a database at path and open it. */
struct peer_sqlcipher *peer_sqlcipher_new(const char *path);
/** Give it so much page cache: its default is 2 MiB. */
void peer_sqlcipher_cache(struct peer_sqlcipher *peer, unsigned mib);
void peer_sqlcipher_close(struct peer_sqlcipher *peer);

/** Put count rows under new random names in one commit. @param[out] out_names  NULL if not wanted */
void peer_sqlcipher_put(struct peer_sqlcipher *peer, const void *content, size_t bytes, size_t count,
                        uint8_t (*out_names)[PEER_NAME_SIZE]);

/** Read a row's contents into block. @return its bytes */
size_t peer_sqlcipher_get(struct peer_sqlcipher *peer, const uint8_t name[PEER_NAME_SIZE], void *block, size_t room);

#endif
