/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a vault. Making one: init.c. */
#include "cryptor/vault.h"
#include "anchor/agent/remote.h"
#include "anchor/embedded/embedded.h"
#include "anchor/ring/home.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "cryptor/copies.h"
#include "cryptor/files.h"
#include "cryptor/restored.h"
#include "cryptor/row_scan.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *sherd_version(void)
{
    return SHERD_VERSION;
}

static unsigned default_threads(void)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);

    return online < 1 ? 1 : online > 4 ? 4 : (unsigned)online;
}

/* Missing parts of a vault that has its marker: it was copied in part. */
static enum sherd_err half_copied(enum sherd_err err, const char *vault, const char *part)
{
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    return sherd_fail(SHERD_ERR_IO,
                      "%s/%s is missing: the vault was copied or restored only in part; bring back all of it", vault,
                      part);
}

static enum sherd_err open_compartment(struct sherd_vault *vault, enum sherd_role role,
                                       struct sherd_compartment **out_compartment)
{
    char *path = sherd_path_join(vault->path, sherd_role_name(role));
    const struct sherd_store_config config = {.path = path, .read_only = vault->read_only};

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_compartment_open(role, vault->engine, &config, out_compartment);
    sherd_free(path);
    return half_copied(err, vault->path, sherd_role_name(role));
}

static enum sherd_err open_anchor(struct sherd_vault *vault, struct sherd_home *home,
                                  const struct sherd_key_store_file *key_store, bool accept_rollback)
{
    struct sherd_compartment *keys = NULL;
    const enum sherd_err err = open_compartment(vault, SHERD_KEYS, &keys);

    if (err != SHERD_OK) {
        sherd_home_free(home);
        return err;
    }
    vault->keys = keys;
    const struct sherd_anchor_parts parts = {.home = home,
                                             .keys = keys,
                                             .others = {vault->identity, vault->assets.compartment, vault->secrets},
                                             .restored = vault->restored,
                                             .accepted = accept_rollback,
                                             .read_only = vault->read_only,
                                             .key_store = key_store};
    return sherd_anchor_embedded(&parts, &vault->anchor);
}

enum sherd_err sherd_vault_check_owner(const struct sherd_vault *vault, enum sherd_role role,
                                       struct sherd_compartment *compartment, struct sherd_ref *out_name)
{
    struct sherd_anchor *anchor = vault->anchor;
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    uint8_t ours_block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_buf ours = sherd_buf_borrow(ours_block, sizeof(ours_block));

    SHERD_TRY(anchor->ops->compartment_entry(anchor, role, out_name, &ours));
    const enum sherd_err err = sherd_compartment_get(compartment, *out_name, &stored);
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND && err != SHERD_ERR_LIMIT)
        return err;
    return anchor->ops->compartment_check(anchor, role, sherd_buf_span(&stored));
}

static enum sherd_err check_owners(const struct sherd_vault *vault)
{
    struct sherd_ref name;
    bool there;

    SHERD_TRY(vault->anchor->ops->keys_owner(vault->anchor, &name, &there));
    SHERD_TRY(sherd_vault_check_owner(vault, SHERD_IDENTITY, vault->identity, &name));
    SHERD_TRY(sherd_vault_check_owner(vault, SHERD_ASSETS, vault->assets.compartment, &name));
    return sherd_vault_check_owner(vault, SHERD_SECRETS, vault->secrets, &name);
}

static enum sherd_err open_stores(struct sherd_vault *vault)
{
    SHERD_TRY(open_compartment(vault, SHERD_IDENTITY, &vault->identity));
    SHERD_TRY(open_compartment(vault, SHERD_ASSETS, &vault->assets.compartment));
    return open_compartment(vault, SHERD_SECRETS, &vault->secrets);
}

static enum sherd_err lease(struct sherd_vault *vault)
{
    vault->assets.anchor = vault->anchor;
    vault->anchor->ops->ids(vault->anchor, &vault->deployment, &vault->tenant);
    SHERD_TRY(vault->anchor->ops->lease(vault->anchor, SHERD_ASSETS, &vault->assets.keys));
    return vault->of_user ? SHERD_OK : vault->anchor->ops->lease(vault->anchor, SHERD_IDENTITY, &vault->identity_keys);
}

/* Go on as the user that the options name, if any: from here on the anchor gives what that user may have. */
static enum sherd_err log_in(struct sherd_vault *vault, const struct sherd_vault_open_options *options)
{
    const struct sherd_credentials credentials = {.passphrase = options->user_passphrase, .key = options->user_key};
    struct sherd_anchor *anchor = vault->anchor;
    uint8_t signature[SHERD_SIGNATURE_SIZE];
    struct sherd_challenge challenge;
    struct sherd_anchor *session = NULL;

    if (options->user == NULL || strcmp(options->user, SHERD_USER_OWNER) == 0)
        return SHERD_OK;
    SHERD_TRY(anchor->ops->challenge(anchor, options->user, &challenge));
    SHERD_TRY(sherd_credential_sign(&challenge, options->user, &credentials, signature));
    SHERD_TRY(anchor->ops->login(anchor, options->user, challenge.nonce, signature, &session));
    vault->whole_anchor = anchor;
    vault->anchor = session;
    vault->of_user = true;
    return SHERD_OK;
}

static enum sherd_err unseal(struct sherd_vault *vault, const struct sherd_unseal *unseal_by,
                             const struct sherd_vault_open_options *options)
{
    SHERD_CLEANUP(sherd_home_freep) struct sherd_home *home = NULL;

    SHERD_TRY(sherd_home_open(vault->path, vault->read_only, unseal_by, &home));
    (void)snprintf(vault->seal, sizeof(vault->seal), "%s", sherd_home_seal_text(home));
    vault->fips = sherd_home_fips(home); /* says the seal, and when the keyring is read it must agree */
    SHERD_TRY(open_stores(vault));
    SHERD_TRY(open_anchor(vault, sherd_home_take(&home), options->key_store, options->accept_rollback));
    SHERD_TRY(log_in(vault, options));
    SHERD_TRY(lease(vault));
    SHERD_TRY(check_owners(vault));
    return sherd_restored_note(vault, vault->of_user ? vault->whole_anchor : vault->anchor);
}

/* --- an anchor that runs elsewhere -------------------------------------------------------------------------------- */

struct sherd_vault_agent {
    uid_t uid; /* whose the vault's directory is, and so the agent must be */
    char path[];
};

static enum sherd_err connect_agent(void *arg, struct sherd_link **out_link)
{
    const struct sherd_vault_agent *agent = arg;

    return sherd_link_connect(agent->path, agent->uid, out_link);
}

static enum sherd_err agent_new(const char *vault, const char *path, struct sherd_vault_agent **out_agent)
{
    const size_t size = strlen(path) + 1;
    struct stat owner;

    if (stat(vault, &owner) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s", vault);
    struct sherd_vault_agent *agent = sherd_alloc(sizeof(*agent) + size);
    if (agent == NULL)
        return SHERD_ERR_NO_MEMORY;
    agent->uid = owner.st_uid;
    memcpy(agent->path, path, size);
    *out_agent = agent;
    return SHERD_OK;
}

static enum sherd_err join_agent(struct sherd_vault *vault, const struct sherd_vault_open_options *options)
{
    struct sherd_wire_hello hello;
    struct sherd_notice notice;

    SHERD_TRY(agent_new(vault->path, options->agent, &vault->agent));
    SHERD_TRY(sherd_anchor_remote(connect_agent, vault->agent, &hello, &vault->anchor));
    SHERD_TRY(open_stores(vault));
    memcpy(vault->seal, hello.seal, sizeof(vault->seal));
    vault->fips = hello.fips;
    vault->agent_memory_locked = hello.memory_locked;
    vault->agent_memory_secret = hello.memory_secret;
    SHERD_TRY(log_in(vault, options));
    if (vault->of_user) { /* the session has a connection of its own; none that is the owner's stays open */
        vault->whole_anchor->ops->free(vault->whole_anchor);
        vault->whole_anchor = NULL;
    }
    SHERD_TRY(sherd_home_notice_open(vault->path, &notice));
    sherd_anchor_remote_watch(vault->anchor, &notice);
    SHERD_TRY(lease(vault));
    return check_owners(vault);
}

static enum sherd_err open_parts(struct sherd_vault *vault, const char *path, const struct sherd_unseal *unseal_by,
                                 const struct sherd_vault_open_options *options)
{
    char engine[SHERD_ENGINE_NAME_SIZE];

    SHERD_TRY(sherd_marker_read(path, engine));
    SHERD_TRY(sherd_store_engine(engine, &vault->engine));
    vault->path = sherd_strdup(path);
    char *window = sherd_path_join(path, SHERD_WINDOW_FILE);
    if (vault->path == NULL || window == NULL) {
        sherd_free(window);
        return SHERD_ERR_NO_MEMORY;
    }
    enum sherd_err err = sherd_window_open(window, &vault->window);
    sherd_free(window);
    SHERD_TRY(err);
    SHERD_TRY(sherd_pool_new(options->threads > 0 ? options->threads : default_threads(), &vault->pool));
    SHERD_TRY(sherd_queue_new(&vault->queue));
    vault->read_only = options->read_only || (access(path, W_OK) != 0 && (errno == EROFS || errno == EACCES));
    return options->agent != NULL ? join_agent(vault, options) : unseal(vault, unseal_by, options);
}

static enum sherd_err open_as(const char *path, const struct sherd_unseal *unseal_by,
                              const struct sherd_vault_open_options *options, bool restored,
                              struct sherd_vault **out_vault)
{
    static const struct sherd_vault_open_options defaults = {0};

    if (options == NULL)
        options = &defaults;
    SHERD_ENSURE(path != NULL && (unseal_by != NULL || options->agent != NULL) && out_vault != NULL, SHERD_ERR_INVALID,
                 "a vault needs a path and what unseals it");
    SHERD_ENSURE(options->user != NULL || (options->user_passphrase.len == 0 && options->user_key.len == 0),
                 SHERD_ERR_INVALID, "the passphrase or key of a user needs the user's name");
    SHERD_TRY(sherd_crypto_init());
    SHERD_TRY(sherd_fork_watch());
    struct sherd_vault *vault = sherd_alloc(sizeof(*vault));
    if (vault == NULL)
        return SHERD_ERR_NO_MEMORY;
    vault->fork_count = sherd_fork_count();
    vault->restored = restored;
    if (pthread_mutex_init(&vault->collections_lock, NULL) != 0) {
        sherd_free(vault);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    const enum sherd_err err = open_parts(vault, path, unseal_by, options);
    if (err != SHERD_OK) {
        char detail[SHERD_FAIL_TEXT_SIZE];

        (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
        sherd_vault_close(vault);
        sherd_fail_restore(detail);
        return err;
    }
    *out_vault = vault;
    return SHERD_OK;
}

enum sherd_err sherd_vault_open(const char *path, const struct sherd_unseal *unseal_by,
                                const struct sherd_vault_open_options *options, struct sherd_vault **out_vault)
{
    return open_as(path, unseal_by, options, false, out_vault);
}

enum sherd_err sherd_vault_open_restored(const char *path, const struct sherd_unseal *unseal_by,
                                         const struct sherd_vault_open_options *options, struct sherd_vault **out_vault)
{
    return open_as(path, unseal_by, options, true, out_vault);
}

void sherd_vault_close(struct sherd_vault *vault)
{
    if (vault == NULL || sherd_fork_passed(vault->fork_count))
        return; /* in a child of the process that opened it there is nothing to close */
    sherd_queue_free(vault->queue);
    sherd_copies_end(vault);
    sherd_pool_free(vault->pool);
    if (vault->anchor != NULL)
        vault->anchor->ops->free(vault->anchor);
    if (vault->whole_anchor != NULL)
        vault->whole_anchor->ops->free(vault->whole_anchor);
    sherd_compartment_close(vault->secrets);
    sherd_compartment_close(vault->assets.compartment);
    sherd_compartment_close(vault->identity);
    sherd_window_close(vault->window);
    sherd_free(vault->agent);
    sherd_row_scan_free(vault->rows.scan);
    (void)pthread_mutex_destroy(&vault->collections_lock);
    sherd_free(vault->path);
    sherd_free(vault);
}

enum sherd_err sherd_vault_check(const struct sherd_vault *vault)
{
    SHERD_ENSURE(vault != NULL, SHERD_ERR_INVALID, "an open vault is needed");
    return sherd_fork_check(vault->fork_count);
}

static enum sherd_err describe(struct sherd_vault *vault, struct sherd_vault_info *out_info)
{
    struct sherd_compartment *const compartments[] = {vault->identity, vault->assets.compartment, vault->secrets};
    struct sherd_store_stat stats[4];
    struct sherd_vault_info info = {
        .format = SHERD_FORMAT, .deployment = vault->deployment, .read_only = vault->read_only, .fips = vault->fips};
    struct sherd_secret_stat memory;

    for (size_t i = 0; i < SHERD_COUNT_OF(compartments); i++)
        SHERD_TRY(sherd_compartment_stat(compartments[i], &stats[i]));
    SHERD_TRY(vault->anchor->ops->keys_stat(vault->anchor, &stats[3]));
    for (size_t i = 0; i < SHERD_COUNT_OF(stats); i++) {
        info.entry_count[i] = stats[i].entry_count;
        info.entry_bytes[i] = stats[i].entry_bytes;
        info.blob_count[i] = stats[i].blob_count;
        info.blob_bytes[i] = stats[i].blob_bytes;
    }
    sherd_secret_stat(&memory);
    info.memory_locked = memory.locked && (vault->agent == NULL || vault->agent_memory_locked);
    info.memory_secret = memory.memfd_secret && (vault->agent == NULL || vault->agent_memory_secret);
    (void)snprintf(info.engine, sizeof(info.engine), "%s", vault->engine->name);
    (void)snprintf(info.seal, sizeof(info.seal), "%s", vault->seal);
    *out_info = info;
    return SHERD_OK;
}

enum sherd_err sherd_vault_info(struct sherd_vault *vault, struct sherd_vault_info *out_info)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_info != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    return describe(vault, out_info);
}

enum sherd_err sherd_vault_check_maintains(const struct sherd_vault *vault)
{
    SHERD_ENSURE(!vault->of_user, SHERD_ERR_DENIED, "only the vault's owner may do that");
    return SHERD_OK;
}

enum sherd_err sherd_vault_check_writable(const struct sherd_vault *vault)
{
    SHERD_ENSURE(!vault->read_only, SHERD_ERR_DENIED,
                 "the vault is open for reading only: its directory cannot be written");
    return SHERD_OK;
}
