/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/ledger/restoring.h
 * A ledger that begins anew says nothing yet of the records that were there before it. Its state says so until each
 * version of them has a leaf; who opens the vault to write makes those first, and after a crash all of them once more:
 * of several leaves of one version the last one counts (ledger/inventory.h).
 */
#ifndef SHERD_ANCHOR_LEDGER_RESTORING_H
#define SHERD_ANCHOR_LEDGER_RESTORING_H

#include "anchor/ledger/sequencer.h"

/** Make the leaves. @return what sherd_restoring_run() is to return */
typedef enum sherd_err sherd_restoring_fn(void *arg);

/**
 * If leaves are to be made, have them made, and note that they are. Of several processes that open the vault one does
 * so, and the others wait for it: nothing else is written before.
 * @return SHERD_OK, also where there is nothing to do; what make() gave; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_restoring_run(const struct sherd_sequencer_parts *parts, sherd_restoring_fn *make,
                                                  void *arg);

#endif
