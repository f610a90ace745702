/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file identity/principals.h
 * Principals in the `identity` compartment, each pinned in `keys` by the digest of its entry. For the anchor.
 */
#ifndef SHERD_IDENTITY_PRINCIPALS_H
#define SHERD_IDENTITY_PRINCIPALS_H

#include "envelope/rights.h"
#include "store/compartment.h"
#include <sherd/rights.h>

/**
 * Write one operation into `keys`, where nothing may come to lie under a store key that was followed by another.
 * @param[in]  principal  whom it is about
 * @param[out] out_lost   it was refused since the keys were changed: seal it anew and try again
 * @return as sherd_compartment_write()
 */
typedef enum sherd_err sherd_principals_write_fn(void *arg, const struct sherd_uuid *principal,
                                                 const struct sherd_store_op *op, bool *out_lost);

/** Where principals lie, and their pins. Borrowed by all calls; any number of threads. */
struct sherd_principals {
    struct sherd_uuid tenant;
    struct sherd_entry_keys keys;          /**< of `identity` */
    struct sherd_compartment *compartment; /**< `identity` */
    struct sherd_entry_keys pin_keys;      /**< of `keys` */
    struct sherd_compartment *pins;        /**< `keys` */
    sherd_principals_write_fn *write_pins; /**< how pins are written there */
    void *write_arg;
};

/**
 * Make a principal. Nobody else may make or change one meanwhile.
 * @param[in,out] principal  tenant, id and time are filled in
 * @return SHERD_OK; SHERD_ERR_INVALID: its name; SHERD_ERR_CONFLICT: the name is taken; SHERD_ERR_TAMPERED;
 *         SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_principals_create(const struct sherd_principals *principals,
                                                      struct sherd_principal *principal);

/**
 * A principal by its name, checked against its pin; also one that is disabled.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_principals_get(const struct sherd_principals *principals, const char *name,
                                                   struct sherd_principal *out_principal);

/**
 * Whether a principal is there still and not disabled. @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_TAMPERED; ...
 */
SHERD_MUST_USE enum sherd_err sherd_principals_live(const struct sherd_principals *principals, const char *name,
                                                    const struct sherd_uuid *id);

/** Disable one; nothing if it is disabled. As sherd_principals_create(); SHERD_ERR_NOT_FOUND */
SHERD_MUST_USE enum sherd_err sherd_principals_disable(const struct sherd_principals *principals, const char *name);

/** @param[in] damaged  its entry does not verify or is gone: only what its pin says is there: name, id, disabled */
typedef enum sherd_err sherd_principals_visit_fn(void *arg, const struct sherd_principal *principal, bool damaged);

/**
 * Visit all, each checked against its pin. Where an entry does not verify, all pins of `keys` are looked through for
 * whose it is, so that one who is damaged takes nobody else along.
 * @param[in] all_pins  look through them in any case: for principals whose entry is gone
 * @return SHERD_OK; the visitor's code; SHERD_ERR_TAMPERED: also something in `keys` does not verify, all others were
 *         visited; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_principals_each(const struct sherd_principals *principals, bool all_pins,
                                                    sherd_principals_visit_fn *visit, void *arg);

/**
 * Check an entry of `identity` as a walk meets it: it lies under its own name, and agrees with its pin if it has one
 * (one that has none was left by a crash, and counts for nothing). @return SHERD_OK; SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_principals_check(const struct sherd_principals *principals,
                                                     const struct sherd_ref *name, struct sherd_span stored);

/** Check a pin in `keys` as a walk meets it: it verifies, and lies under its own name. */
SHERD_MUST_USE enum sherd_err sherd_principals_check_pin(const struct sherd_principals *principals,
                                                         const struct sherd_ref *name, struct sherd_span stored,
                                                         struct sherd_principal_pin *out_pin);

/** Whether what a pin pins is damaged or gone. @return SHERD_OK; SHERD_ERR_IO; SHERD_ERR_NO_MEMORY */
SHERD_MUST_USE enum sherd_err sherd_principals_check_pinned(const struct sherd_principals *principals,
                                                            const struct sherd_principal_pin *pin, bool *out_damaged);

#endif
