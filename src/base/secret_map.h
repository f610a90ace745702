/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file base/secret_map.h
 * One stretch of secret pages between two guard pages; what base/secret.h cuts its blocks from. Only secret.c uses it.
 */
#ifndef SHERD_BASE_SECRET_MAP_H
#define SHERD_BASE_SECRET_MAP_H

#include "base/macros.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sherd_secret_map {
    uint8_t *data;     /**< first usable byte; the page before it, and the one after the last byte, have no access */
    size_t bytes;      /**< usable, whole pages */
    bool memfd_secret; /**< memfd_secret memory, not anonymous */
    bool locked;       /**< cannot be swapped */
};

/**
 * Map zeroed pages that are neither dumped nor inherited by children, and locked if the limits allow it.
 * @param[in]  bytes    1 byte or more; rounded up to pages
 * @param[out] out_map  end it with sherd_secret_map_done()
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY: no room, or a kernel that cannot keep pages out of dumps and children
 */
SHERD_MUST_USE enum sherd_err sherd_secret_map_init(size_t bytes, struct sherd_secret_map *out_map);

/** Wipe and unmap. The map is all zero afterwards. */
void sherd_secret_map_done(struct sherd_secret_map *map);

/**
 * In a forked child, put pages without access where the parent has the map: a use of it then stops the child instead of
 * finding whatever the child maps there next. Safe between fork() and exec(), where only signal-safe calls are.
 */
void sherd_secret_map_bar(const struct sherd_secret_map *map);

#endif
