/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/pages.h
 * A walk over `keys`, page by page, on all threads; and whether the pins of a record agree with one another.
 *
 * Pages are gathered in a scan and looked at after it, so that nothing holds a snapshot of `keys` for long.
 */
#ifndef SHERD_SCRUB_PAGES_H
#define SHERD_SCRUB_PAGES_H

#include "cryptor/vault.h"

/** Entries of a page: many, since a scan begins with looking through the journals of the engine. */
#define SHERD_PAGE_MAX 4096U

/** One entry of `keys`, as far as a walk needs it. What is not of its kind is zero. */
struct sherd_page_entry {
    struct sherd_ref name;
    enum sherd_kind kind;
    enum sherd_err status;   /**< as of struct sherd_anchor_entry */
    struct sherd_uuid id;    /**< the record of a pin, the collection of a collection's pin */
    uint64_t version;        /**< of a pin */
    uint64_t version_oldest; /**< of a head */
    struct sherd_ref map;    /**< of a pin: the name of its map entry */
    bool erased;             /**< the entity of a pin was erased: its record is gone */
    bool pinned_damaged;     /**< a user's pin: the entry in `identity` that it pins does not verify or is gone */
};

/** Whether an entry is the pin of a version, current or older, of a record that is there. */
static inline bool sherd_page_entry_is_pin(const struct sherd_page_entry *entry)
{
    return entry->status == SHERD_OK && !entry->erased &&
           (entry->kind == SHERD_KIND_PIN || entry->kind == SHERD_KIND_OLD_PIN);
}

struct sherd_page {
    size_t count;
    struct sherd_page_entry entries[SHERD_PAGE_MAX];
};

/** Look at a page. Called by several threads at once. */
typedef enum sherd_err sherd_page_fn(void *arg, const struct sherd_page *page);

/**
 * Visit all entries of `keys`, in no order. Ends with the first failure of fn.
 * @return SHERD_OK; as fn; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY; SHERD_ERR_TAMPERED: an answer that no sound store gives
 */
SHERD_MUST_USE enum sherd_err sherd_pages_each(struct sherd_vault *vault, sherd_page_fn *fn, void *arg);

/** Ranges into which all names are split for a walk that is done piece by piece. */
#define SHERD_PAGES_RANGES 256U

/** As sherd_pages_each(), but of some ranges: from first on, count of them, 1 or more and within all. */
SHERD_MUST_USE enum sherd_err sherd_pages_some(struct sherd_vault *vault, unsigned first, unsigned count,
                                               sherd_page_fn *fn, void *arg);

/**
 * Whether an entry of an older version is one that the record's head does not promise: the head is gone, or says that
 * this version is current, or newer than that, or no longer kept. What changed since it was met is none.
 * @param[in] entry  of SHERD_KIND_OLD_PIN, as it was met
 * @return SHERD_OK; SHERD_ERR_TAMPERED: the head does not verify; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pin_is_stray(struct sherd_vault *vault, const struct sherd_page_entry *entry,
                                                 bool *out_stray);

/**
 * Find the first older version, from version on, that a record's head promises and that has no valid pin.
 * @param[in]  head         of SHERD_KIND_PIN, as it was met
 * @param[out] out_missing  0: there is none
 * @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_pin_find_missing(struct sherd_vault *vault, const struct sherd_page_entry *head,
                                                     uint64_t version, uint64_t *out_missing);

#endif
