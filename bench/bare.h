/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bench/bare.h
 * Limits of bulk work: OpenSSL's AES-256-GCM in chunks of 16 KiB, SHA-256, write and fdatasync, over threads and with
 * nothing around them.
 */
#ifndef SHERD_BENCH_BARE_H
#define SHERD_BENCH_BARE_H

#include <stddef.h>
#include <stdint.h>

#define BARE_CHUNK_BYTES ((size_t)16384)

/**
 * Encrypt, hash, write to a new file at path and flush it once.
 * @param[in] early  start the disk while there is more to write (sync_file_range)
 * @return seconds
 */
double bare_put(const uint8_t *plain, size_t bytes, unsigned threads, int early, const char *path);

/** Encrypt plain into sealed in place of nothing: sealed has bytes + 16 for each chunk. For bare_open(). */
void bare_seal(const uint8_t *plain, size_t bytes, uint8_t *sealed);

/** Decrypt and check what bare_seal() made. @return seconds */
double bare_open(const uint8_t *sealed, size_t bytes, unsigned threads, uint8_t *plain);

/** Bytes that bare_seal() writes for so many. */
size_t bare_sealed_bytes(size_t bytes);

/**
 * Hash and decrypt chunk by chunk for about a fifth of a second, on so many threads at once. @return bytes a second of
 * all
 */
double bare_check_rate(unsigned threads);

#endif
