/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file keys.h
 * The anchor's keys: master keys, and what may be done with them. They wrap the keys of entities, which wrap the keys
 * of records; no call gives one out.
 *
 * A master key has a name and versions. The newest active version serves every new wrap from the moment it is
 * activated; older ones go on to open what they wrapped, until nothing refers to them and they are destroyed.
 * @code
 * struct sherd_master_options options = {.name = "default"};
 *
 * if (sherd_master_activate(vault, &options, NULL) != SHERD_OK)   // a new version; nothing is re-wrapped yet
 *     fprintf(stderr, "%s\n", sherd_err_detail());
 * @endcode
 */
#ifndef SHERD_KEYS_H
#define SHERD_KEYS_H

#include <sherd/vault.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The two master keys that every vault has: one wraps entity keys, one hashes the ids of entities. */
#define SHERD_MASTER_DEFAULT "default"
#define SHERD_MASTER_HASH "hash"

/**
 * The store keys are listed, activated, retired and destroyed by the same functions, as "store:identity",
 * "store:assets", "store:secrets" and "store:keys": what lies in that compartment is sealed under it. Its versions are
 * made by "openssl" and lie in the keyring; their kid is zero. The newest one seals, the others have been retired by
 * it; they are destroyed oldest first.
 */

/**
 * The erase epochs are listed, activated and destroyed by them, too, under this name: activating begins the next one,
 * as sherd_epoch_roll() does first, and destroying ends the one before when nothing lies under it. They have no kid. A
 * policy with an age or a schedule has sherd_rekey_due() roll them: so backups expire by it.
 */
#define SHERD_ERASE_EPOCH "epoch:erase"

/** Room for texts, each with its final zero byte. */
#define SHERD_MASTER_NAME_SIZE 64U
#define SHERD_PLUGIN_NAME_SIZE 16U
#define SHERD_MASTER_ARGS_SIZE 513U
#define SHERD_MASTER_OUTSIDE_SIZE 256U

enum sherd_master_state {
    SHERD_MASTER_ACTIVE = 1,  /**< the newest active version of a name wraps */
    SHERD_MASTER_RETIRED = 2, /**< opens what it wrapped, and wraps no more */
    SHERD_MASTER_ENDING = 3,  /**< is being destroyed, and was interrupted: destroy it again */
};

/** Days and times at which a key gives way to the next version, in UTC. */
enum sherd_key_schedule {
    SHERD_SCHEDULE_NONE = 0,
    SHERD_SCHEDULE_DAILY = 1,
    SHERD_SCHEDULE_WEEKLY = 2,
};

/** Most keys that one version of a master key wraps, unless a policy says less. */
#define SHERD_KEY_LIMIT ((uint64_t)1 << 32)

/**
 * What is ruled of a key, by its name: when its cryptoperiod ends (NIST SP 800-57 part 1, 5.3), and what is refused. It
 * lies in the keyring, so nobody changes it in a file. 0 in a field: no such rule.
 *
 * A key that is *due* is rotated by whoever looks after that: sherd_rekey_due(), which an agent calls by itself. The
 * limit waits for nobody: who would wrap one key more activates the next version first, made as the last one was.
 */
struct sherd_key_policy {
    uint64_t age_s_max;               /**< due when the version that wraps is as old, in seconds */
    uint64_t wraps_max;               /**< due when it has wrapped as many keys */
    uint64_t entities_max;            /**< due when as many entities were made under it */
    enum sherd_key_schedule schedule; /**< due when this moment has passed since it was made */
    unsigned weekday;                 /**< weekly: 0 is Sunday */
    unsigned minute;                  /**< of the day, 0..1439 */
    uint64_t limit;                   /**< most keys it ever wraps, at most SHERD_KEY_LIMIT; that many if 0 */
    uint64_t floor;                   /**< versions below are refused, though they be there */
    bool destroy;                     /**< sherd_rekey_due() destroys older versions when nothing refers to them */
};

/** Why a version is due: which rule of its policy says so. */
enum sherd_key_why {
    SHERD_KEY_NOT_DUE = 0,
    SHERD_KEY_DUE_AGE = 1,
    SHERD_KEY_DUE_WRAPS = 2,
    SHERD_KEY_DUE_ENTITIES = 3,
    SHERD_KEY_DUE_SCHEDULE = 4,
};

/** How a version is made. All zero but the name is a good default. Borrowed until the call returns. */
struct sherd_master_options {
    const char *name;      /**< 1..63 of a-z 0-9 . _ - */
    const char *generator; /**< "openssl" if NULL */
    const char *store;     /**< "anchor" if NULL; "stripe" or "shares" */
    const char *args;      /**< "name=value" lines for generator and store; NULL for none. No credentials */
};

/** One version of a master key, for people. */
struct sherd_master_info {
    char name[SHERD_MASTER_NAME_SIZE];
    uint64_t version;
    uint8_t kid[16];
    enum sherd_master_state state;
    bool wraps; /**< it is the one that serves new wraps */
    char generator[SHERD_PLUGIN_NAME_SIZE];
    char store[SHERD_PLUGIN_NAME_SIZE];
    char args[SHERD_MASTER_ARGS_SIZE];
    char outside_id[SHERD_MASTER_OUTSIDE_SIZE];
    uint64_t created_s;        /**< seconds since 1970 UTC */
    uint64_t protection;       /**< version of the protection key over it */
    uint64_t wraps_counted;    /**< keys that it has wrapped or derived, at most: what was set aside for it counts */
    uint64_t entities_counted; /**< of them, of new entities */
    uint64_t limit;            /**< most keys that it ever wraps; 0: it wraps none, and is not counted */
};

/**
 * Make a new version of a master key, of a name that exists or a new one, and let it serve new wraps from now on, in
 * all processes that have the vault open.
 * @param[out] out_version  its number; NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_INVALID; SHERD_ERR_UNSUPPORTED (generator or store); SHERD_ERR_LIMIT (too many versions:
 *         destroy some); SHERD_ERR_DENIED (read-only); SHERD_ERR_IO; SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_master_activate(struct sherd_vault *vault,
                                                              const struct sherd_master_options *options,
                                                              uint64_t *out_version);

/** Visit one version; return any code but SHERD_OK to end. */
typedef enum sherd_err sherd_master_visit_fn(void *arg, const struct sherd_master_info *info);

/**
 * Visit all versions that are not destroyed, by name and version. @return SHERD_OK; the visitor's code; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_master_each(struct sherd_vault *vault, sherd_master_visit_fn *visit,
                                                          void *arg);

/**
 * Let a version wrap no more. The last active one of a name cannot be retired: activate another first.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT (the last active one); SHERD_ERR_DENIED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_master_retire(struct sherd_vault *vault, const char *name,
                                                            uint64_t version);

/**
 * Destroy a retired version for ever: where it is kept, and in the keyring. Refused while anything refers to it.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT (active, or something refers to it: rekey first);
 *         SHERD_ERR_DENIED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_master_destroy(struct sherd_vault *vault, const char *name,
                                                             uint64_t version);

/**
 * Rule something of a key, in place of all that was ruled of it; a policy that is all zero takes everything back. It
 * holds in all processes that have the vault open, at once.
 *
 * A raised floor refuses what lies under older versions from then on, so it is not raised above one that anything
 * refers to. Lowering it lets versions serve again that somebody had reason to refuse: that needs a word of its own.
 * @param[in] name         of a master key that is there, "default", "hash", or a store key. Of "hash" and store keys
 *                         nothing is counted, and the latter have no floor
 * @param[in] lower_floor  the floor may be lower than it is; else that is refused
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND (no such key); SHERD_ERR_INVALID (out of its bounds, a floor above the version
 *         that wraps); SHERD_ERR_CONFLICT (something refers to a version below the floor: rekey first);
 *         SHERD_ERR_DENIED (a lower floor without the word; read-only); SHERD_ERR_LIMIT (policies for too many names);
 *         SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_key_policy_set(struct sherd_vault *vault, const char *name,
                                                             const struct sherd_key_policy *policy, bool lower_floor);

/** Visit the policy of one name; return any code but SHERD_OK to end. */
typedef enum sherd_err sherd_key_policy_visit_fn(void *arg, const char *name, const struct sherd_key_policy *policy);

/** Visit all policies, by name. @return SHERD_OK; the visitor's code; SHERD_ERR_IO */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_key_policy_each(struct sherd_vault *vault,
                                                              sherd_key_policy_visit_fn *visit, void *arg);

/**
 * Whether a version is to give way to the next one, and by which rule; by the first of several in the order of enum
 * sherd_key_why. Only the version that wraps is ever due. Touches nothing.
 *
 * A moment of a schedule is behind a version that was made at it or later, so each moment makes one version due, once,
 * whatever the clock does meanwhile: while the clock tells a time before a version was made, time makes it not due.
 * @param[in] policy  NULL: nothing is ruled
 * @param[in] now_s   seconds since 1970 UTC
 */
SHERD_API enum sherd_key_why sherd_key_due(const struct sherd_key_policy *policy, const struct sherd_master_info *info,
                                           int64_t now_s);

/**
 * One version of the protection key, which encrypts master keys where they are kept. It lies in the keyring, under the
 * root key, or outside of it in a PKCS#12 key store with a password of its own: then neither a copy of the vault nor
 * what unseals it opens a master key without that file.
 */
struct sherd_protection_info {
    uint64_t version;
    uint64_t created_s;                        /**< seconds since 1970 UTC */
    bool serves;                               /**< it is the one that protects */
    bool outside;                              /**< it lies in the key store */
    uint32_t master_count;                     /**< versions of master keys that are kept under it */
    uint32_t old_count;                        /**< copies of master keys under it that wait to be removed */
    char key_store[SHERD_KEY_STORE_PATH_SIZE]; /**< where the vault remembers it to be; "" if in the keyring */
};

/** Visit one version; return any code but SHERD_OK to end. */
typedef enum sherd_err sherd_protection_visit_fn(void *arg, const struct sherd_protection_info *info);

/** Visit all versions that anything is kept under, ascending. @return SHERD_OK; the visitor's code; SHERD_ERR_IO */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_protection_each(struct sherd_vault *vault,
                                                              sherd_protection_visit_fn *visit, void *arg);

/**
 * Make a new version of the protection key, where the last one lies, and keep all master keys anew under it, wherever
 * their stores keep them. From the commit on it serves in all processes; then the old copies are destroyed, and old
 * versions that nothing is kept under are forgotten. A call that was killed or failed is made again: until the commit
 * the old keys serve, and what was left to destroy is destroyed first. Entries in a key store stay.
 * @param[out] out_version  the version that protects now; NULL if not wanted
 * @return SHERD_OK; SHERD_ERR_DENIED (read-only; the key store is another vault's); SHERD_ERR_SEALED (the key store was
 *         turned on meanwhile: open anew); SHERD_ERR_TAMPERED (a master key does not verify, the key store is damaged);
 *         SHERD_ERR_LIMIT (the keyring is full); SHERD_ERR_IO (a place of a master key, or the key store, cannot be
 *         reached); SHERD_ERR_NO_MEMORY
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_protection_rotate(struct sherd_vault *vault, uint64_t *out_version);

/**
 * Move the protection key out of the keyring into a key store, as a new version of it, with all that
 * sherd_protection_rotate() does. From then on the vault opens only with that file and its password. There is no way
 * back: who could take it could take the protection away.
 * @param[in] store  with a path; the file is made if it is missing, and is otherwise added to
 * @return as sherd_protection_rotate(); SHERD_ERR_CONFLICT: a key store is on already; SHERD_ERR_INVALID
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_protection_use_key_store(struct sherd_vault *vault,
                                                                       const struct sherd_key_store_file *store,
                                                                       uint64_t *out_version);

/**
 * Ask for the protection key in the keyring. @return SHERD_OK: there it lies; SHERD_ERR_DENIED: it does not, for good
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_protection_use_keyring(struct sherd_vault *vault);

/** An entity: whose data it is. Texts end with a zero byte. */
struct sherd_entity_info {
    char collection[64];
    char id[129];         /**< "" for a collection's default entity */
    uint64_t key_version; /**< of its key */
    bool derived;         /**< its key is derived from the master key, not random */
    char master_key[SHERD_MASTER_NAME_SIZE];
    uint64_t master_version; /**< of the master key that wraps or derives it */
    uint64_t epoch;          /**< erase epoch under which its key is wrapped */
};

/** Visit one entity; return any code but SHERD_OK to end. */
typedef enum sherd_err sherd_entity_visit_fn(void *arg, const struct sherd_entity_info *info);

/**
 * Visit all entities that are not erased, in no order. Takes as long as a walk over `keys`.
 * @param[in] collection  only those of this one; NULL for all
 * @return SHERD_OK; the visitor's code; SHERD_ERR_NOT_FOUND (no such collection); SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_entity_each(struct sherd_vault *vault, const char *collection,
                                                          sherd_entity_visit_fn *visit, void *arg);

/**
 * Erase an entity: its keys are destroyed, and all of its records are gone at once, for whoever has the vault open too.
 * One commit, however many records they are; the sweeper removes what is left of them. Once the erase epoch has ended
 * (sherd_epoch_roll()), no copy of any file brings them back.
 * @param[in] collection  NULL for "default"
 * @param[in] id          "" for the collection's default entity
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_DENIED (read-only); SHERD_ERR_TAMPERED; SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_entity_erase(struct sherd_vault *vault, const char *collection,
                                                           const char *id);

/** What is rekeyed. All zero: everything is wrapped under the keys that serve now. */
struct sherd_rekey_options {
    const char *collection; /**< only this one; NULL for all, or with an entity "default" */
    const char *entity;     /**< only this entity of the collection; NULL for all */
    bool fresh_keys;        /**< entities get a fresh key; else the same one is wrapped anew */
    bool deep;              /**< contents are sealed anew, too, with fresh record keys; else they are not touched */
    uint64_t rate;          /**< entries of `keys` looked at in a second, at most; 0 for no limit */
};

/** What a rekeying did. */
struct sherd_rekey_stat {
    uint64_t seen;           /**< entries looked at, in all passes: those of `keys`, and of compartments sealed anew */
    uint64_t entity_count;   /**< entities whose keys were renewed */
    uint64_t record_count;   /**< record versions whose keys were wrapped anew */
    uint64_t sealed_count;   /**< record versions whose contents were sealed anew */
    uint64_t resealed_count; /**< entries that were sealed anew, since their compartment's store key was rotated */
};

/** Told now and then how far it is. @return false to stop: what was done stays, and the next call goes on from there */
typedef bool sherd_rekey_progress_fn(void *arg, const struct sherd_rekey_stat *stat, uint64_t entries_total);

/**
 * Bring wrapped keys up to date after a master key or the hash key was activated, or give entities fresh keys. Reading
 * and writing go on meanwhile. What is up to date is left alone, so a call that was stopped or killed is simply made
 * again. One at a time among all processes.
 *
 * A deep one also seals each version of each record anew, which stays the same version: the same number, time,
 * attributes. Its next call after one that was stopped goes on with what that one has left; after one that came to its
 * end, it begins anew. It takes memory for a few versions, however long they are.
 *
 * Of everything, entries are also sealed anew after a store key was activated, and in the end the older versions of
 * store keys and of the hash key are destroyed, if nothing refers to them.
 * @param[in]  progress  NULL for none
 * @param[out] out_stat  also when it was stopped
 * @return SHERD_OK; SHERD_ERR_BUSY (somebody else rekeys, or progress stopped it); SHERD_ERR_NOT_FOUND (collection or
 *         entity); SHERD_ERR_DENIED (read-only); SHERD_ERR_TAMPERED (run sherd_vault_verify()); SHERD_ERR_IO
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_rekey(struct sherd_vault *vault,
                                                    const struct sherd_rekey_options *options,
                                                    sherd_rekey_progress_fn *progress, void *arg,
                                                    struct sherd_rekey_stat *out_stat);

/** What sherd_rekey_due() has done, or would do. */
enum sherd_due_action {
    SHERD_DUE_ACTIVATE = 1, /**< made the next version, as the last one was made; `why` says by which rule */
    SHERD_DUE_REKEY,        /**< brought everything under the versions that serve; of no name */
    SHERD_DUE_RETIRE,       /**< retired an older version: nothing refers to it */
    SHERD_DUE_STATE,        /**< had the anchor sign that nothing refers to older versions; `statement`; of no name */
    SHERD_DUE_DESTROY,      /**< destroyed an older version, as its policy says, or the erase epoch before */
};

/** One step of it. Borrowed while it is told. */
struct sherd_due_step {
    enum sherd_due_action action;
    const char *name;            /**< NULL where the step is of no name */
    uint64_t version;            /**< of SHERD_DUE_ACTIVATE the new one */
    enum sherd_key_why why;      /**< SHERD_KEY_NOT_DUE but in SHERD_DUE_ACTIVATE */
    struct sherd_span statement; /**< the signed note; empty but in SHERD_DUE_STATE */
};

/** Told after each step, or in a dry run instead of it; return any code but SHERD_OK to end there. */
typedef enum sherd_err sherd_due_tell_fn(void *arg, const struct sherd_due_step *step);

/** How sherd_rekey_due() goes about it. All zero is a good default. */
struct sherd_due_options {
    uint64_t rate;           /**< as in struct sherd_rekey_options */
    bool dry_run;            /**< only tell what would be done now */
    sherd_due_tell_fn *tell; /**< NULL for nobody */
    void *tell_arg;
};

/**
 * Do what the policies of keys ask for: activate the next version of each that is due, made and kept as the last one;
 * rekey everything; retire the older versions of keys that have a policy; and of those whose policy says so destroy
 * them, after the anchor has signed that nothing refers to them. With a policy of its own, the erase epoch before the
 * one that serves ends with the rekeying. Where nothing is to be done, nothing is walked over.
 *
 * What was stopped, killed or failed half-way is found by the next call, which goes on, also where nothing is due any
 * more: an older version that was not retired yet, or that is still to be destroyed, says so. Only versions that were
 * followed by another before the rekeying began are ended. One at a time among all processes.
 * @param[in]  options   NULL for all zero
 * @param[in]  progress  asked while everything is rekeyed, and between steps; NULL for none
 * @param[out] out_stat  of the rekeying; all zero if there was none
 * @return SHERD_OK; SHERD_ERR_BUSY (somebody else rekeys, or progress stopped it); SHERD_ERR_LIMIT (too many versions);
 *         SHERD_ERR_CONFLICT (something came to refer to a version that was to be destroyed: call again); else as
 *         sherd_rekey() and sherd_master_activate()
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_rekey_due(struct sherd_vault *vault,
                                                        const struct sherd_due_options *options,
                                                        sherd_rekey_progress_fn *progress, void *arg,
                                                        struct sherd_rekey_stat *out_stat);

/**
 * Roll the erase epoch: everything that is not deleted or erased is wrapped under a new epoch's key, then the old one's
 * is destroyed. What was deleted and erased before is then gone also for one who has every file, every older backup
 * and the live keys. Backups of the old epoch cannot be read any more. A call that was stopped or killed is made again.
 * @param[out] out_epoch  the epoch that serves now; NULL if not wanted
 * @return as sherd_rekey()
 */
SHERD_API SHERD_MUST_USE enum sherd_err sherd_epoch_roll(struct sherd_vault *vault, sherd_rekey_progress_fn *progress,
                                                         void *arg, struct sherd_rekey_stat *out_stat,
                                                         uint64_t *out_epoch);

#ifdef __cplusplus
}
#endif

#endif
