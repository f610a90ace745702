/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/embedded.h
 * The anchor in the same process.
 */
#ifndef SHERD_ANCHOR_EMBEDDED_H
#define SHERD_ANCHOR_EMBEDDED_H

#include "anchor/anchor.h"
#include "anchor/keyring.h"

/**
 * An anchor over an opened keyring and the `keys` compartment.
 * @param[in]  ring  in secret memory; the anchor owns it from now on, also on failure
 * @param[in]  keys  the compartment; the anchor owns it from now on, also on failure
 */
SHERD_MUST_USE enum sherd_err sherd_anchor_embedded(struct sherd_keyring *ring, struct sherd_compartment *keys,
                                                    struct sherd_anchor **out_anchor);

#endif
