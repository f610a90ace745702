/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/embedded/key_parts.h
 * Parts of master keys as they lie in compartments (kms/places.h): whether one is named by the keyring, and removing
 * those that no keyring will name any more.
 *
 * Parts are kept before the keyring names them, and that by who is alone in changing it (sherd_ring_change()). Who is
 * killed in between leaves them. So the rule for what is in flight: parts are listed first; then the sweeper changes
 * the keyring itself, alone, without changing anything in it. Whoever kept a part that was listed has ended by then,
 * and no change of the keyring that was begun before can be pinned any more. What the keyring does not name then is
 * nobody's: keys and sets are random, and none is kept twice. docs/decisions/0005-sweeping.md
 */
#ifndef SHERD_ANCHOR_EMBEDDED_KEY_PARTS_H
#define SHERD_ANCHOR_EMBEDDED_KEY_PARTS_H

#include "anchor/embedded/embedded_inside.h"

/** The calls of the table: anchor.h. */
enum sherd_err sherd_embedded_part_check(struct sherd_anchor *anchor, enum sherd_role role,
                                         const struct sherd_ref *name, struct sherd_span stored, bool *out_live);
enum sherd_err sherd_embedded_parts_sweep(struct sherd_anchor *anchor, bool dry_run, uint64_t *out_count);

#endif
