/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/fault/fault.h
 * A store that wraps another and misbehaves by a script: for tests, and for nothing else.
 *
 * @code
 * struct sherd_fault_script *script = sherd_fault_script_new();
 * const struct sherd_fault_rule rule = {
 *     .call = SHERD_FAULT_WRITE, .kind = SHERD_FAULT_LOSE, .first = 3, .count = 1, .err = SHERD_ERR_IO};
 *
 * SHERD_TRY(sherd_fault_script_add(script, &rule));               // the third write happens, but seems to fail
 * SHERD_TRY(sherd_store_fault_wrap(inner, script, &store));
 * SHERD_TRY(sherd_compartment_over(SHERD_ASSETS, store, &assets));
 * @endcode
 *
 * A script may serve several stores at once, and then counts the calls of all of them. All functions may be called from
 * any thread at any time, while calls run, too.
 */
#ifndef SHERD_STORE_FAULT_H
#define SHERD_STORE_FAULT_H

#include "base/macros.h"
#include <sherd/provider/store.h>

/** The calls that can go wrong. */
enum sherd_fault_call {
    SHERD_FAULT_SNAPSHOT,
    SHERD_FAULT_GET,
    SHERD_FAULT_SCAN,
    SHERD_FAULT_WRITE,
    SHERD_FAULT_BLOB_CREATE,
    SHERD_FAULT_BLOB_APPEND,
    SHERD_FAULT_BLOB_PATCH,
    SHERD_FAULT_BLOB_COMMIT,
    SHERD_FAULT_BLOB_OPEN,
    SHERD_FAULT_BLOB_READ,
    SHERD_FAULT_BLOB_DELETE,
    SHERD_FAULT_BLOB_SCAN,
    SHERD_FAULT_TIDY,
    SHERD_FAULT_STAT,
    SHERD_FAULT_CALL_COUNT, /**< how many there are */
};

/** What goes wrong. */
enum sherd_fault_kind {
    SHERD_FAULT_FAIL,   /**< nothing happens, and the call returns err. All calls. */
    SHERD_FAULT_LOSE,   /**< it happens, but the call returns err: a lost answer. Calls that change something. */
    SHERD_FAULT_DELAY,  /**< it happens delay_us later. All calls. */
    SHERD_FAULT_REPEAT, /**< it happens twice. Write, append, patch, blob delete; the first answer counts. */
    SHERD_FAULT_FLIP,  /**< one bit is other: of what get, scan, blob read return; of what write, append, patch store */
    SHERD_FAULT_STALE, /**< the answer is as of sherd_store_fault_mark(). Get, scan. */
    SHERD_FAULT_HIDE,  /**< there seems to be none. Get, blob open; in scan and blob scan one is left out. */
    SHERD_FAULT_KIND_COUNT,
};

/** One line of a script. */
struct sherd_fault_rule {
    enum sherd_fault_call call;
    enum sherd_fault_kind kind;
    uint64_t first;        /**< from which matching call on, counted from 1 since the rule was added */
    uint64_t count;        /**< for how many of them; 0: for good */
    enum sherd_err err;    /**< FAIL, LOSE: the code */
    uint32_t delay_us;     /**< DELAY: microseconds */
    uint64_t bit;          /**< FLIP: which bit, modulo the length; bit 0 is the lowest of the first byte */
    bool named;            /**< only what has this name: an entry, a set with such an operation, a blob. Not for calls
                                that know no name; with scans it chooses what HIDE and FLIP strike, else the first */
    struct sherd_ref name; /**< if named */
};

/** Most rules in a script. */
#define SHERD_FAULT_RULES_MAX 32U

struct sherd_fault_script;

/** A script without rules, which lets everything pass. NULL (detail set): no memory. */
struct sherd_fault_script *sherd_fault_script_new(void);
/** Free a script that no open store uses. NULL is accepted. */
void sherd_fault_script_free(struct sherd_fault_script *script);
/** Add a rule. @return SHERD_OK; SHERD_ERR_INVALID: the rule makes no sense; SHERD_ERR_LIMIT: too many */
SHERD_MUST_USE enum sherd_err sherd_fault_script_add(struct sherd_fault_script *script,
                                                     const struct sherd_fault_rule *rule);
/** Remove all rules; the counters go on. */
void sherd_fault_script_clear(struct sherd_fault_script *script);
/** How many calls of one kind there were. */
uint64_t sherd_fault_script_calls(struct sherd_fault_script *script, enum sherd_fault_call call);
/** How many calls met a rule of one kind. */
uint64_t sherd_fault_script_hits(struct sherd_fault_script *script, enum sherd_fault_kind kind);

/**
 * Wrap a store.
 * @param[in]  inner      the wrapper owns it from then on and closes it; on failure it stays the caller's
 * @param[in]  script     stays the caller's; must outlive the store
 * @param[out] out_store  close it as any store
 * @return SHERD_OK; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_store_fault_wrap(struct sherd_store *inner, struct sherd_fault_script *script,
                                                     struct sherd_store **out_store);

/**
 * Remember the present state, from which SHERD_FAULT_STALE answers come. Replaces what was remembered.
 * @param[in] store  a store of sherd_store_fault_wrap()
 * @return SHERD_OK; as the inner store's snapshot_begin
 */
SHERD_MUST_USE enum sherd_err sherd_store_fault_mark(struct sherd_store *store);

#endif
