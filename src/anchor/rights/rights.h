/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/rights/rights.h
 * Named keys and grants: who may read, write and manage under which key.
 *
 * The key itself is that of an entity of a collection of its own, SHERD_NAMED_KEYS: so it is wrapped, cached, rotated
 * and counted as all entity keys are. Beside it lies what the named key is (kind 14), and one entry a grant (kind 17).
 * A grant counts only while its generation is that of its key, which every change raises, together with all grants that
 * stay: one that was brought back from before is of another generation.
 */
#ifndef SHERD_ANCHOR_RIGHTS_RIGHTS_H
#define SHERD_ANCHOR_RIGHTS_RIGHTS_H

#include "anchor/keys/entities.h"
#include "identity/principals.h"

/** Who asks. */
struct sherd_caller {
    bool owner; /**< the vault's: may do everything */
    struct sherd_uuid id;
    char name[SHERD_RIGHTS_NAME_SIZE];
};

/** What rights stand on; borrowed by all calls. */
struct sherd_rights {
    struct sherd_entities *entities;
    struct sherd_ring *ring;
    const struct sherd_principals *principals;
    struct sherd_entry_keys keys;          /**< of `keys` */
    struct sherd_compartment *compartment; /**< `keys` */
};

/** Make a named key. @return SHERD_OK; SHERD_ERR_INVALID: its name; SHERD_ERR_CONFLICT: it is taken; ... */
SHERD_MUST_USE enum sherd_err sherd_rights_create(const struct sherd_rights *rights, const char *name,
                                                  const struct sherd_uuid *owner);

/**
 * A named key by its name, if the caller has all rights that are wanted, and at least one where none is.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: there is none, or a right is missing; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_rights_find(const struct sherd_rights *rights, const struct sherd_caller *caller,
                                                const char *name, unsigned wanted, struct sherd_ref *out_key);

/** What a caller may do under a key. @return SHERD_OK; SHERD_ERR_TAMPERED: it is missing or does not verify; ... */
SHERD_MUST_USE enum sherd_err sherd_rights_of(const struct sherd_rights *rights, const struct sherd_caller *caller,
                                              const struct sherd_ref *key, unsigned *out_rights);

/** Whether a caller has all rights that are wanted to what lies under a pin. As sherd_rights_of() */
SHERD_MUST_USE enum sherd_err sherd_rights_pin(const struct sherd_rights *rights, const struct sherd_caller *caller,
                                               const struct sherd_pin *pin, unsigned wanted, bool *out_may);

/** Give a principal rights under a key, in place of those that it has; 0 for none. As <sherd/rights.h> */
SHERD_MUST_USE enum sherd_err sherd_rights_grant(const struct sherd_rights *rights, const struct sherd_ref *key,
                                                 const char *principal, unsigned granted);

/** Visit the keys that a caller has a right to. As sherd_key_each() */
SHERD_MUST_USE enum sherd_err sherd_rights_each_key(const struct sherd_rights *rights,
                                                    const struct sherd_caller *caller, sherd_key_visit_fn *visit,
                                                    void *arg);

/** Visit the grants of a key. As sherd_grant_each() */
SHERD_MUST_USE enum sherd_err sherd_rights_each_grant(const struct sherd_rights *rights, const struct sherd_ref *key,
                                                      sherd_grant_visit_fn *visit, void *arg);

/** Check an entry of kind 14 or 17 as a walk meets it. @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_rights_check(const struct sherd_rights *rights, enum sherd_kind kind,
                                                 const struct sherd_ref *name, struct sherd_span stored);

#endif
