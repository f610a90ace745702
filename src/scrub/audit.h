/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scrub/audit.h
 * What one compartment holds, against the ledger: digests of stored bytes, nothing is decrypted.
 */
#ifndef SHERD_SCRUB_AUDIT_H
#define SHERD_SCRUB_AUDIT_H

#include "ledger/inventory.h"
#include "store/compartment.h"
#include <sherd/audit.h>

/**
 * Opens the log once more, as it is then: what was deleted while the audit ran is no finding if the log says so.
 * @param[out] out_log  the caller closes it
 */
typedef enum sherd_err sherd_audit_log_fn(void *arg, struct sherd_log **out_log);

/** What an audit of one compartment needs. All borrowed. */
struct sherd_audit_parts {
    struct sherd_compartment *compartment; /**< `assets` or `secrets` */
    struct sherd_inventory *inventory;     /**< of that compartment; its rows change their order */
    sherd_audit_log_fn *log;
    void *log_arg;
    uint64_t sample; /**< how many entries are looked at, chosen by chance; 0: all */
    const struct sherd_observer *observer;
};

/**
 * @param[in,out] stat  counts are added
 * @return SHERD_OK, also with findings; SHERD_ERR_TAMPERED: the log does not verify; SHERD_ERR_CONFLICT: entries were
 *         sealed anew since the inventory was made, so that it cannot tell which of them are others; nothing was told
 *         of any entry; SHERD_ERR_BUSY: stopped by the observer; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_audit_compartment(const struct sherd_audit_parts *parts,
                                                      struct sherd_audit_stat *stat);

#endif
