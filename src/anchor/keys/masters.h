/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file anchor/keys/masters.h
 * Master keys: named, with versions; made by a generator, kept by a key store (kms/). They wrap entity keys, and the
 * one named "hash" hashes the ids of entities. The keyring says what is known of each; here they are made, fetched,
 * held in secret memory, retired and destroyed.
 */
#ifndef SHERD_ANCHOR_KEYS_MASTERS_H
#define SHERD_ANCHOR_KEYS_MASTERS_H

#include "anchor/ring/ring.h"
#include "kms/key.h"
#include "store/refs.h"

struct sherd_masters;

/**
 * @param[in] ring    borrowed
 * @param[in] places  where key stores may keep parts; copied, what it points to is borrowed
 */
SHERD_MUST_USE enum sherd_err sherd_masters_new(struct sherd_ring *ring, const struct sherd_places *places,
                                                struct sherd_masters **out_masters);
/** Wipe and free. NULL is accepted. */
void sherd_masters_free(struct sherd_masters *masters);
SHERD_DEFINE_OWNED(sherd_masters);

/**
 * The version of a name that wraps now. One of the two built-in names that has none yet gets its first.
 * @param[out] out_kid  what names it from now on
 * @param[out] out_key  in secret memory
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: no such name; as the key store's fetch()
 */
SHERD_MUST_USE enum sherd_err sherd_masters_active(struct sherd_masters *masters, const char *name,
                                                   struct sherd_ref *out_kid, struct sherd_master_key *out_key);

/**
 * The version that a kid names.
 * @return SHERD_OK; SHERD_ERR_DENIED: it is below its floor, or was destroyed; SHERD_ERR_TAMPERED: there never was one
 *         that is remembered; as the store's fetch()
 */
SHERD_MUST_USE enum sherd_err sherd_masters_key(struct sherd_masters *masters, const struct sherd_ref *kid,
                                                struct sherd_master_key *out_key);

/** Whether what lies under a version is accepted: as sherd_masters_key(), but that nothing is fetched. */
SHERD_MUST_USE enum sherd_err sherd_masters_accepts(struct sherd_masters *masters, const struct sherd_ref *kid);

/**
 * Take one use of a version, before something is wrapped or derived under it. A version that has none left gives way to
 * the next one, made as it was, by the first of all processes that finds it so.
 * @param[in] entities  1 if it is for a new entity, else 0
 * @return SHERD_OK; SHERD_ERR_CONFLICT: it has none left, and another one serves, or will: begin anew; SHERD_ERR_LIMIT:
 *         it has none left, and another one cannot be made; as sherd_uses_take()
 */
SHERD_MUST_USE enum sherd_err sherd_masters_use(struct sherd_masters *masters, const struct sherd_ref *kid,
                                                uint64_t entities);

/** So many uses will be taken soon: as sherd_uses_expect(), but that a version that is gone is none. */
SHERD_MUST_USE enum sherd_err sherd_masters_expect(struct sherd_masters *masters, const struct sherd_ref *kid,
                                                   uint64_t wraps);

/** Most keys that a version ever wraps. @return SHERD_OK; SHERD_ERR_CONFLICT: there is none any more */
SHERD_MUST_USE enum sherd_err sherd_masters_limit(struct sherd_masters *masters, const struct sherd_ref *kid,
                                                  uint64_t *out_limit);

/** Check the entry that counts a version's uses as a walk meets it. @return SHERD_OK; SHERD_ERR_TAMPERED; ... */
SHERD_MUST_USE enum sherd_err sherd_masters_check_uses(struct sherd_masters *masters, const struct sherd_ref *name,
                                                       struct sherd_span stored);
/** Check that all versions have such an entry. @return SHERD_OK; SHERD_ERR_TAMPERED; ... */
SHERD_MUST_USE enum sherd_err sherd_masters_check_counted(struct sherd_masters *masters);

/** The version that wraps now, of the name that a kid's version has. @return as sherd_masters_key() */
SHERD_MUST_USE enum sherd_err sherd_masters_successor(struct sherd_masters *masters, const struct sherd_ref *kid,
                                                      struct sherd_ref *out_kid, struct sherd_master_key *out_key);

/**
 * Kids of all versions of a name that are accepted, the one that wraps first. @param[in,out] kids  they are added in
 * that order
 */
SHERD_MUST_USE enum sherd_err sherd_masters_kids(struct sherd_masters *masters, const char *name,
                                                 struct sherd_refs *kids);

/** As the functions of <sherd/keys.h>. */
SHERD_MUST_USE enum sherd_err sherd_masters_activate(struct sherd_masters *masters,
                                                     const struct sherd_master_options *options, uint64_t *out_version);
SHERD_MUST_USE enum sherd_err sherd_masters_each(struct sherd_masters *masters, sherd_master_visit_fn *visit,
                                                 void *arg);
SHERD_MUST_USE enum sherd_err sherd_masters_retire(struct sherd_masters *masters, const char *name, uint64_t version);
/**
 * The kid of a version that is retired: it wraps no more, ever, so what refers to it can be counted.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT: it is active
 */
SHERD_MUST_USE enum sherd_err sherd_masters_retired(struct sherd_masters *masters, const char *name, uint64_t version,
                                                    struct sherd_ref *out_kid);
/** Destroy a retired version, and remember that. The caller has made sure that nothing refers to it. */
SHERD_MUST_USE enum sherd_err sherd_masters_destroy(struct sherd_masters *masters, const struct sherd_ref *kid);

/**
 * Have the protection key, before anything else is done with master keys, if it lies in a key store.
 * @param[in] file  what is needed of it later is copied into secret memory; ignored where no key store is on; or NULL
 * @return SHERD_OK; SHERD_ERR_SEALED: a key store is on and none is given; as sherd_protections_load()
 */
SHERD_MUST_USE enum sherd_err sherd_masters_key_store(struct sherd_masters *masters,
                                                      const struct sherd_key_store_file *file);

/** As the functions of <sherd/keys.h>. */
SHERD_MUST_USE enum sherd_err sherd_masters_protection_each(struct sherd_masters *masters,
                                                            sherd_protection_visit_fn *visit, void *arg);
/** @param[in] turn_on  the key store to turn on, with a path; NULL: the key stays where it lies */
SHERD_MUST_USE enum sherd_err sherd_masters_protection_rotate(struct sherd_masters *masters,
                                                              const struct sherd_key_store_file *turn_on,
                                                              uint64_t *out_version);

#endif
