/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/load.h
 * One version of a record on its way out: pin, map entry, fragment, and the key that opens it.
 */
#ifndef SHERD_CRYPTOR_LOAD_H
#define SHERD_CRYPTOR_LOAD_H

#include "cryptor/version.h"

/** A version that was found, and whose content key is known. Start all zero; end with sherd_loaded_done(). */
struct sherd_loaded {
    struct sherd_pin_view view;
    struct sherd_map map;
    struct sherd_buf payload;               /* what map borrows, in secret memory */
    struct sherd_version_keys *keys;        /* in secret memory */
    struct sherd_context context;           /* of the contents */
    struct sherd_buf fragment;              /* the whole fragment, where it is an entry */
    uint8_t *fragment_block;                /* what fragment lies in, unless that owns its bytes */
    struct sherd_blob_reader *blob;         /* where it is a blob */
    uint8_t head[SHERD_FRAGMENT_HEAD_SIZE]; /* of a blob */
};

/**
 * Find pin and map entry of a version, checked against each other; no keys, no fragment.
 * @param[in] version  0 for the current one
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND, on the anchor's word alone; SHERD_ERR_TAMPERED; SHERD_ERR_BUSY: it changes
 *         faster than it can be read; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_locate(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                                           struct sherd_loaded *loaded);

/** Whether what a map entry says is what the pin says. */
bool sherd_map_agrees(const struct sherd_map *map, const struct sherd_pin *pin);

/** As sherd_locate(), and open the fragment and derive the content key. */
SHERD_MUST_USE enum sherd_err sherd_load(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version,
                                         struct sherd_loaded *loaded);

/** Digest of the first fragment that the record ever had. Of one that was found: it names this life of the record. */
void sherd_loaded_first(const struct sherd_loaded *loaded, struct sherd_digest *out_first);

/** Wipe and free all that it holds. */
void sherd_loaded_done(struct sherd_loaded *loaded);

/** What goes with what is read of a version. @return as sherd_reader_notice() */
SHERD_MUST_USE enum sherd_err sherd_read_notice(struct sherd_vault *vault, const struct sherd_pin_view *view,
                                                struct sherd_read_notice *out_notice);

/** Open contents that lie in an entry; padding included. @param[in,out] out_padded  must have room */
SHERD_MUST_USE enum sherd_err sherd_loaded_open_inline(const struct sherd_loaded *loaded, struct sherd_buf *out_padded);

/** The version that a reader reads; borrowed until the reader is closed. */
const struct sherd_loaded *sherd_reader_loaded(const struct sherd_reader *reader);

/** Describe a version. @param[out] out_info  free with sherd_record_info_free() */
SHERD_MUST_USE enum sherd_err sherd_record_info_new(struct sherd_vault *vault, const struct sherd_pin_view *view,
                                                    const struct sherd_map *map, struct sherd_record_info **out_info);

#endif
