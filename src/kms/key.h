/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kms/key.h
 * The one face of generators and key stores: which there are, and calls with everything checked. Nobody above calls the
 * tables of <sherd/provider/key.h> themselves.
 *
 * A version is made and kept, and later fetched or destroyed:
 * @code
 * struct sherd_key_call call = {&kms.host, &id, sherd_key_args_of(&args), store->name,
 *                               sherd_protections_current(set), "", 0};
 *
 * SHERD_TRY(sherd_key_args_check(generator, store, &call.args));
 * SHERD_TRY(sherd_key_activate(generator, store, &call, key, &kept));   // then the keyring, durably; if that fails:
 * SHERD_TRY(sherd_key_destroy(store, &call, sherd_buf_span(&kept.bytes)));
 * @endcode
 */
#ifndef SHERD_KMS_KEY_H
#define SHERD_KMS_KEY_H

#include "kms/args.h"
#include "kms/host.h"

/** What is built in, ending with NULL: the first is the default. */
const struct sherd_key_generator *const *sherd_key_generators(void);
const struct sherd_key_store *const *sherd_key_stores(void);

/** By name; NULL for the default. @return SHERD_OK; SHERD_ERR_UNSUPPORTED: the detail lists those that there are */
SHERD_MUST_USE enum sherd_err sherd_key_generator_find(const char *name,
                                                       const struct sherd_key_generator **out_generator);
SHERD_MUST_USE enum sherd_err sherd_key_store_find(const char *name, const struct sherd_key_store **out_store);

/** Whether all arguments are ones that the generator or the store takes. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err sherd_key_args_check(const struct sherd_key_generator *generator,
                                                   const struct sherd_key_store *store,
                                                   const struct sherd_key_args *args);

/**
 * Make a version and keep it; then fetch it once, to see that it is there. On failure nothing is kept.
 * @param[in]     call       its store is set by the callee, and timeout_ms where it is 0, as in all calls here;
 *                           protection is the current version
 * @param[out]    out_key    in secret memory
 * @param[in,out] out_kept   all zero before; the caller ends out_kept->bytes
 * @return as the plug-ins; SHERD_ERR_UNSUPPORTED: another ABI, or a member is missing; SHERD_ERR_IO: it cannot be
 *         fetched again
 */
SHERD_MUST_USE enum sherd_err sherd_key_activate(const struct sherd_key_generator *generator,
                                                 const struct sherd_key_store *store, const struct sherd_key_call *call,
                                                 struct sherd_master_key *out_key, struct sherd_key_kept *out_kept);

/**
 * Keep a version that there is: after the protection key was rotated, or in another store. What was kept before stays
 * until it is destroyed, by the call it was kept with, once the keyring has the new kept bytes durably.
 */
SHERD_MUST_USE enum sherd_err sherd_key_keep(const struct sherd_key_store *store, const struct sherd_key_call *call,
                                             const struct sherd_master_key *key, struct sherd_key_kept *out_kept);

/** Fetch a version. @param[out] out_key  in secret memory; written only on SHERD_OK */
SHERD_MUST_USE enum sherd_err sherd_key_fetch(const struct sherd_key_store *store, const struct sherd_key_call *call,
                                              struct sherd_span kept, struct sherd_master_key *out_key);

/** Destroy what lies outside of the keyring. May be repeated. */
SHERD_MUST_USE enum sherd_err sherd_key_destroy(const struct sherd_key_store *store, const struct sherd_key_call *call,
                                                struct sherd_span kept);

/** Look whether a version can be fetched, and visit each part that is at fault. visit may be NULL. */
SHERD_MUST_USE enum sherd_err sherd_key_check(const struct sherd_key_store *store, const struct sherd_key_call *call,
                                              struct sherd_span kept, sherd_key_finding_fn *visit, void *arg);

#endif
