/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/rights/session.h
 * The anchor as a user may use it: the table of calls over another anchor's, each of which asks first whether the user
 * may. What it may not do to something it finds not, in the same words as if there were no such thing.
 *
 * Rights are asked of `keys` at every call, and kept nowhere: what is revoked is revoked for all sessions at once.
 */
#ifndef SHERD_ANCHOR_RIGHTS_SESSION_H
#define SHERD_ANCHOR_RIGHTS_SESSION_H

#include "anchor/pins/pins.h"
#include "anchor/rights/rights.h"

/** What a session stands on. All but the caller is borrowed and must outlive it. */
struct sherd_session_parts {
    struct sherd_anchor *anchor; /**< with all rights */
    const struct sherd_pins *pins;
    const struct sherd_rights *rights;
    struct sherd_caller caller; /**< who it is, authenticated */
};

SHERD_MUST_USE enum sherd_err sherd_session_new(const struct sherd_session_parts *parts,
                                                struct sherd_anchor **out_session);

#endif
