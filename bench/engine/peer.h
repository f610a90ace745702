/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bench/engine/peer.h
 * The few calls by which bench_engine drives a storage engine. Any failure ends the program: a benchmark has nothing to
 * save.
 */
#ifndef SHERD_BENCH_ENGINE_PEER_H
#define SHERD_BENCH_ENGINE_PEER_H

#include <sherd/provider/store.h>

#define VALUE_BYTES 1024U
#define BATCH_MAX 4096U

struct peer {
    const char *name;
    void *(*open)(const char *path, bool create);
    void (*close)(void *handle);
    /** Put count entries of VALUE_BYTES each, durably, in one commit. values: count * VALUE_BYTES bytes. */
    void (*put)(void *handle, const struct sherd_ref *names, const uint8_t *values, size_t count);
    /** Read one entry into out_value. @return its bytes; 0 if there is none */
    size_t (*get)(void *handle, struct sherd_ref name, uint8_t out_value[static VALUE_BYTES]);
};

extern const struct peer peer_sherd; /**< our engine, through its table */
extern const struct peer peer_lmdb;  /**< LMDB alone: one transaction a commit */

#endif
