/* SPDX-License-Identifier: Apache-2.0 */
/* Making a vault: under a temporary name, then renamed, so that it is there whole or not at all. */
#include "anchor/embedded.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "cryptor/files.h"
#include "cryptor/place.h"
#include "cryptor/vault.h"
#include "store/memory/memory.h"

#define OWNER_NAME "owner"

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

static enum sherd_err write_owner(struct sherd_anchor *anchor, struct sherd_compartment *identity)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT};
    struct sherd_entry_keys keys;
    struct sherd_uuid deployment;
    struct sherd_uuid tenant;
    size_t tlv_bytes;

    anchor->ops->ids(anchor, &deployment, &tenant);
    SHERD_TRY(anchor->ops->lease(anchor, SHERD_IDENTITY, &keys));
    SHERD_TRY(sherd_entry_name(&keys, "principal", sherd_span_str(OWNER_NAME), sherd_span_of(NULL, 0), &op.name));
    SHERD_TRY(sherd_principal_encode(&tenant, OWNER_NAME, tlv, &tlv_bytes));
    SHERD_TRY(sherd_entry_seal(&keys, SHERD_KIND_PRINCIPAL, &op.name, sherd_span_of(tlv, tlv_bytes), &stored));
    op.value = sherd_buf_span(&stored);
    return sherd_compartment_write(identity, &op, 1);
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
    SHERD_TRY(write_owner(anchor, compartments[0]));
    return write_default_collection(anchor, compartments[1]);
}

/* Stores and anchor, filled. The anchor owns home, and ends compartments[3]. */
static enum sherd_err make_anchor(struct sherd_home *home, struct sherd_compartment *compartments[4],
                                  struct sherd_anchor **out_anchor)
{
    const struct sherd_anchor_parts parts = {.home = home,
                                             .keys = compartments[3],
                                             .others = {compartments[0], compartments[1], compartments[2]},
                                             .fresh = true};

    compartments[3] = NULL;
    return sherd_anchor_embedded(&parts, out_anchor);
}

static enum sherd_err make_stores(const char *dir, const struct sherd_store_ops *engine, struct sherd_home *home)
{
    struct sherd_compartment *compartments[4] = {NULL};
    struct sherd_anchor *anchor = NULL;
    enum sherd_err err = SHERD_OK;

    for (size_t i = 0; i < SHERD_COUNT_OF(roles) && err == SHERD_OK; i++)
        err = make_compartment(dir, roles[i], engine, &compartments[i]);
    if (err == SHERD_OK) {
        struct sherd_compartment *const all[4] = {compartments[0], compartments[1], compartments[2], compartments[3]};

        err = make_anchor(home, compartments, &anchor);
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

static enum sherd_err make_home(const char *dir, const struct sherd_seal_wish *wish, struct sherd_home **out_home)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));

    if (ring == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_keyring_generate(ring));
    return sherd_home_make_by(dir, ring, wish, out_home);
}

static enum sherd_err make_in(const char *dir, const struct sherd_store_ops *engine, const struct sherd_seal_wish *wish)
{
    struct sherd_home *home;

    SHERD_TRY(make_home(dir, wish, &home));
    SHERD_TRY(make_stores(dir, engine, home));
    SHERD_TRY(sherd_file_write_new(dir, SHERD_WINDOW_FILE, sherd_span_of(NULL, 0)));
    SHERD_TRY(sherd_marker_write(dir, engine->name));
    return sherd_dir_sync(dir, "");
}

/* What is made, for sherd_place_make(). */
struct making {
    const struct sherd_store_ops *engine;
    const struct sherd_seal_wish *wish;
};

static enum sherd_err make(void *arg, const char *dir)
{
    const struct making *making = arg;

    return make_in(dir, making->engine, making->wish);
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

enum sherd_err sherd_vault_init(const char *path, const struct sherd_unseal *unseal,
                                const struct sherd_vault_init_options *options)
{
    const struct sherd_store_ops *engine = sherd_store_engines()[0];
    struct sherd_seal_wish wish = {.unseal = unseal};

    SHERD_ENSURE(path != NULL && path[0] != 0, SHERD_ERR_INVALID, "a vault needs a path");
    SHERD_TRY(sherd_crypto_init());
    if (options != NULL && options->engine != NULL)
        SHERD_TRY(sherd_store_engine(options->engine, &engine));
    SHERD_ENSURE(engine != &sherd_store_memory, SHERD_ERR_UNSUPPORTED,
                 "a vault in memory would end with the process: name an engine that keeps files");
    if (options != NULL) {
        wish.shares = options->shares;
        wish.give = options->share_give;
        wish.give_arg = options->share_arg;
    }
    SHERD_TRY(check_wish(&wish));
    struct making making = {.engine = engine, .wish = &wish};
    return sherd_place_make(path, make, &making);
}
