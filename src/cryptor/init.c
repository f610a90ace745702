/* SPDX-License-Identifier: Apache-2.0 */
/* Making a vault: under a temporary name, then renamed, so that it is there whole or not at all. */
#include "anchor/embedded/embedded.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/approved.h"
#include "crypto/init.h"
#include "cryptor/files.h"
#include "cryptor/place.h"
#include "cryptor/vault.h"
#include "store/memory/memory.h"

static const enum sherd_role roles[] = {SHERD_IDENTITY, SHERD_ASSETS, SHERD_SECRETS, SHERD_KEYS};

static enum sherd_err make_compartment(const char *dir, enum sherd_role role, const struct sherd_store_ops *engine,
                                       struct sherd_compartment **out_compartment)
{
    char *path = sherd_path_join(dir, sherd_role_name(role));
    const struct sherd_store_config config = {.path = path, .create = true};

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_compartment_open(role, engine, &config, out_compartment);
    sherd_free(path);
    return err;
}

/* The entry by which a compartment says whose it is. */
static enum sherd_err write_identity_of(struct sherd_anchor *anchor, enum sherd_role role,
                                        struct sherd_compartment *compartment)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT};

    SHERD_TRY(anchor->ops->compartment_entry(anchor, role, &op.name, &stored));
    op.value = sherd_buf_span(&stored);
    return sherd_compartment_write(compartment, &op, 1);
}

/* Who unseals the vault is a user like others, but for how it shows who it is. */
static enum sherd_err write_owner(struct sherd_anchor *anchor)
{
    const struct sherd_principal owner = {.name = SHERD_USER_OWNER, .credential = SHERD_CREDENTIAL_SEAL};

    return anchor->ops->user_create(anchor, &owner);
}

static enum sherd_err write_default_collection(struct sherd_anchor *anchor, struct sherd_compartment *compartment)
{
    struct sherd_assets assets = {.compartment = compartment, .anchor = anchor};
    const struct sherd_collection rules = {.name = "default", .versions_kept = 1};

    SHERD_TRY(anchor->ops->lease(anchor, SHERD_ASSETS, &assets.keys));
    return sherd_assets_collection_create(&assets, &rules);
}

/* Everything that a fresh vault holds. compartments[3], `keys`, is the anchor's. */
static enum sherd_err fill(struct sherd_anchor *anchor, struct sherd_compartment *const compartments[4])
{
    for (size_t i = 0; i < SHERD_COUNT_OF(roles); i++)
        SHERD_TRY(write_identity_of(anchor, roles[i], compartments[i]));
    SHERD_TRY(write_owner(anchor));
    return write_default_collection(anchor, compartments[1]);
}

/* Stores and anchor, filled. The anchor owns home, and ends compartments[3]. */
static enum sherd_err make_anchor(struct sherd_home *home, struct sherd_compartment *compartments[4],
                                  const struct sherd_key_store_file *key_store, struct sherd_anchor **out_anchor)
{
    const struct sherd_anchor_parts parts = {.home = home,
                                             .keys = compartments[3],
                                             .others = {compartments[0], compartments[1], compartments[2]},
                                             .fresh = true,
                                             .key_store = key_store};

    compartments[3] = NULL;
    return sherd_anchor_embedded(&parts, out_anchor);
}

static enum sherd_err make_stores(const char *dir, const struct sherd_store_ops *engine, struct sherd_home *home,
                                  const struct sherd_key_store_file *key_store)
{
    struct sherd_compartment *compartments[4] = {NULL};
    struct sherd_anchor *anchor = NULL;
    enum sherd_err err = SHERD_OK;

    for (size_t i = 0; i < SHERD_COUNT_OF(roles) && err == SHERD_OK; i++)
        err = make_compartment(dir, roles[i], engine, &compartments[i]);
    if (err == SHERD_OK) {
        struct sherd_compartment *const all[4] = {compartments[0], compartments[1], compartments[2], compartments[3]};

        err = make_anchor(home, compartments, key_store, &anchor);
        if (err == SHERD_OK)
            err = fill(anchor, all);
    } else {
        sherd_home_free(home);
    }
    if (anchor != NULL)
        anchor->ops->free(anchor);
    for (size_t i = 0; i < SHERD_COUNT_OF(roles); i++)
        sherd_compartment_close(compartments[i]);
    return err;
}

static enum sherd_err make_home(const char *dir, bool fips, const struct sherd_seal_wish *wish,
                                struct sherd_home **out_home)
{
    const struct sherd_key_store_file *key_store = wish->key_store;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));

    if (ring == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(key_store != NULL ? sherd_keyring_generate_outside(key_store->path, key_store->password, ring)
                                : sherd_keyring_generate(ring));
    ring->fips = fips;
    return sherd_home_make_by(dir, ring, wish, out_home);
}

/* What is made, and how. */
struct plan {
    const struct sherd_store_ops *engine;
    struct sherd_seal_wish wish;
    bool fips;
};

static enum sherd_err make_in(const char *dir, const struct plan *plan)
{
    struct sherd_home *home;

    SHERD_TRY(make_home(dir, plan->fips, &plan->wish, &home));
    SHERD_TRY(make_stores(dir, plan->engine, home, plan->wish.key_store));
    SHERD_TRY(sherd_file_write_new(dir, SHERD_WINDOW_FILE, sherd_span_of(NULL, 0)));
    SHERD_TRY(sherd_marker_write(dir, plan->engine->name));
    return sherd_dir_sync(dir, "");
}

/* For sherd_place_make(). */
static enum sherd_err make(void *arg, const char *dir)
{
    return make_in(dir, arg);
}

/* What is to seal it, looked at before anything is made. */
static enum sherd_err check_wish(const struct sherd_seal_wish *wish)
{
    SHERD_ENSURE((wish->unseal != NULL) != (wish->shares != NULL), SHERD_ERR_INVALID,
                 "a vault needs what unseals it: a passphrase or key file, or shares, and only one of these");
    if (wish->shares == NULL)
        return sherd_unseal_check(wish->unseal);
    SHERD_ENSURE(wish->give != NULL, SHERD_ERR_INVALID, "somebody must be given the shares");
    return sherd_shares_options_check(wish->shares);
}

/* The key store by the path that is remembered. */
static enum sherd_err resolve_key_store(const struct sherd_key_store_file *given,
                                        char path[static SHERD_KEY_STORE_PATH_SIZE],
                                        struct sherd_key_store_file *out_key_store)
{
    SHERD_ENSURE(given->path != NULL, SHERD_ERR_INVALID, "say which file the key store is, with --key-store");
    SHERD_ENSURE(given->password.len >= 1 && given->password.len <= SHERD_KEY_STORE_PASSWORD_BYTES_MAX,
                 SHERD_ERR_INVALID, "a key store's password has 1 to 1024 bytes");
    SHERD_TRY(sherd_key_file_path(given->path, path));
    *out_key_store = (struct sherd_key_store_file){.path = path, .password = given->password};
    return SHERD_OK;
}

enum sherd_err sherd_vault_init(const char *path, const struct sherd_unseal *unseal,
                                const struct sherd_vault_init_options *options)
{
    struct plan plan = {.engine = sherd_store_engines()[0], .wish = {.unseal = unseal}};
    struct sherd_key_store_file key_store;
    char key_store_path[SHERD_KEY_STORE_PATH_SIZE];

    SHERD_ENSURE(path != NULL && path[0] != 0, SHERD_ERR_INVALID, "a vault needs a path");
    SHERD_TRY(sherd_crypto_init());
    if (options != NULL && options->engine != NULL)
        SHERD_TRY(sherd_store_engine(options->engine, &plan.engine));
    SHERD_ENSURE(plan.engine != &sherd_store_memory, SHERD_ERR_UNSUPPORTED,
                 "a vault in memory would end with the process: name an engine that keeps files");
    if (options != NULL) {
        plan.wish.shares = options->shares;
        plan.wish.give = options->share_give;
        plan.wish.give_arg = options->share_arg;
        plan.fips = options->fips;
    }
    if (options != NULL && options->key_store != NULL) {
        SHERD_TRY(sherd_approved_check(options->fips, SHERD_ALGORITHM_PKCS12_MAC));
        SHERD_TRY(resolve_key_store(options->key_store, key_store_path, &key_store));
        plan.wish.key_store = &key_store;
    }
    SHERD_TRY(check_wish(&plan.wish));
    return sherd_place_make(path, make, &plan);
}
