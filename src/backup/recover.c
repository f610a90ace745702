/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing back the anchor's files. Every part is tried where it is, then from the backup or the exported key; what is
 * found is put together beside the vault, with its compartments linked in, and opened there for reading: the keyring
 * must be the one that `keys` pins, each compartment must be this vault's, and records must open. Only then is the
 * vault touched, in one step.
 */
#include "backup/bundle.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/files.h"
#include "cryptor/place.h"
#include "cryptor/vault.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OLD_ANCHOR "anchor.old"
/* Records that are read to prove that everything fits together, and most bytes of one. */
#define RECORDS_MAX 16U
#define RECORD_BYTES_MAX ((size_t)1 << 20)
/* Entries of `keys` that are looked through for them. */
#define ENTRIES_MAX 4096U

enum source {
    FROM_VAULT,     /* anchor/keyring */
    FROM_VAULT_NEW, /* anchor/keyring.new */
    FROM_BACKUP,
    SOURCES,
};

struct recovering {
    const char *path;
    const struct sherd_backup_keys *keys;
    const struct sherd_backup_in *in;
    char engine[SHERD_ENGINE_NAME_SIZE];
    struct sherd_home *home; /* the root key */
    struct sherd_buf seals;
    struct sherd_epoch_set *epochs; /* secret memory */
    struct sherd_buf keyrings[SOURCES];
    struct sherd_recovery told;
};

/* --- finding the parts -------------------------------------------------------------------------------------------- */

/* Whether a failure says that a part is not there or of no use, so that another may do. */
static bool may_go_on(enum sherd_err err)
{
    return err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_DENIED || err == SHERD_ERR_TAMPERED ||
           err == SHERD_ERR_UNSUPPORTED || err == SHERD_ERR_LIMIT;
}

/* The seals that the vault has, if what is given opens one of them; else those of the backup. */
static enum sherd_err find_seals(struct recovering *recovering, const struct sherd_bundle_head *head)
{
    recovering->seals = (struct sherd_buf){.max = SHERD_SEAL_COPIES_BYTES_MAX};
    enum sherd_err err = sherd_seal_copies_of(recovering->path, &recovering->seals);
    if (err == SHERD_OK)
        err = sherd_home_of_copies(sherd_buf_span(&recovering->seals), recovering->keys->unseal, &recovering->home);
    if (err == SHERD_OK || !may_go_on(err))
        return err;
    SHERD_TRY(sherd_home_of_copies(head->seals, recovering->keys->unseal, &recovering->home));
    sherd_buf_clear(&recovering->seals);
    recovering->told.seals = true;
    return sherd_buf_append(&recovering->seals, head->seals);
}

static enum sherd_err find_epochs(struct recovering *recovering)
{
    recovering->epochs = sherd_secret_alloc(sizeof(*recovering->epochs));
    if (recovering->epochs == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_epoch_read_other(recovering->home, recovering->path, recovering->epochs);
    if (err != SHERD_OK && !may_go_on(err))
        return err;
    if (err == SHERD_OK && recovering->epochs->count > 0)
        return SHERD_OK;
    SHERD_ENSURE(recovering->keys->epoch_key.len > 0, SHERD_ERR_DENIED,
                 "anchor/epoch is lost: without the file that its key was exported to, nothing can be read any more");
    recovering->told.epochs = true;
    return sherd_epoch_import_file(recovering->home, recovering->keys->epoch_key, recovering->epochs);
}

static enum sherd_err keep_keyring(void *arg, struct sherd_span file)
{
    struct recovering *recovering = arg;

    SHERD_TRY(sherd_buf_append(&recovering->keyrings[FROM_BACKUP], file));
    return SHERD_ERR_BUSY; /* enough is read; taken back in read_backup_keyring() */
}

static enum sherd_err never_compartment(void *arg, enum sherd_role role)
{
    (void)arg;
    (void)role;
    return SHERD_ERR_INVALID;
}

static enum sherd_err never_entry(void *arg, const struct sherd_ref *name, struct sherd_span value)
{
    (void)arg;
    (void)name;
    (void)value;
    return SHERD_ERR_INVALID;
}

static enum sherd_err never_blob(void *arg, const struct sherd_ref *name, uint64_t bytes)
{
    (void)arg;
    (void)name;
    (void)bytes;
    return SHERD_ERR_INVALID;
}

static enum sherd_err never_bytes(void *arg, struct sherd_span bytes)
{
    (void)arg;
    (void)bytes;
    return SHERD_ERR_INVALID;
}

/* The keyring of the backup, where its epochs' keys are at hand. */
static enum sherd_err read_backup_keyring(struct recovering *recovering, struct sherd_bundle_reader *reader)
{
    const struct sherd_bundle_head *head = sherd_bundle_head_of(reader);
    const struct sherd_bundle_sink sink = {.keyring = keep_keyring,
                                           .compartment = never_compartment,
                                           .entry = never_entry,
                                           .blob = never_blob,
                                           .blob_bytes = never_bytes,
                                           .arg = recovering};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_backup_key *key = sherd_secret_alloc(sizeof(*key));
    struct sherd_backup_info info;

    if (set == NULL || key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_epoch_pick(recovering->epochs, head->epoch, head->epoch_older, set));
    SHERD_TRY(sherd_epoch_backup_key(recovering->home, set, sherd_span_of(head->id.bytes, 16), key->bytes));
    SHERD_TRY(sherd_bundle_unlock(reader, key));
    const enum sherd_err err = sherd_bundle_read(reader, &sink, NULL, &info);
    return err == SHERD_ERR_BUSY ? SHERD_OK : err;
}

static enum sherd_err find_keyrings(struct recovering *recovering, struct sherd_bundle_reader *reader)
{
    static const char *const names[] = {[FROM_VAULT] = "anchor/keyring", [FROM_VAULT_NEW] = "anchor/keyring.new"};

    for (size_t i = 0; i < SOURCES; i++)
        recovering->keyrings[i] = (struct sherd_buf){.max = SHERD_KEYRING_BYTES_MAX};
    for (size_t i = 0; i < SHERD_COUNT_OF(names); i++) {
        const enum sherd_err err = sherd_file_read(recovering->path, names[i], &recovering->keyrings[i]);

        if (err != SHERD_OK && !may_go_on(err))
            return err;
        if (err != SHERD_OK)
            sherd_buf_clear(&recovering->keyrings[i]);
    }
    const enum sherd_err err = read_backup_keyring(recovering, reader);
    return may_go_on(err) ? SHERD_OK : err;
}

/* --- proving ------------------------------------------------------------------------------------------------------ */

static enum sherd_err link_compartments(const struct recovering *recovering, const char *dir)
{
    char real[PATH_MAX];
    char target[PATH_MAX + 16];

    if (realpath(recovering->path, real) == NULL)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be looked at", recovering->path);
    for (unsigned role = SHERD_IDENTITY; role <= SHERD_KEYS; role++) {
        char *name = sherd_path_join(dir, sherd_role_name((enum sherd_role)role));

        if (name == NULL)
            return SHERD_ERR_NO_MEMORY;
        (void)snprintf(target, sizeof(target), "%s/%s", real, sherd_role_name((enum sherd_role)role));
        const int result = symlink(target, name);
        sherd_free(name);
        if (result != 0)
            return sherd_fail_errno(SHERD_ERR_IO, "the compartments cannot be linked beside the vault");
    }
    return SHERD_OK;
}

static enum sherd_err put_together(const struct recovering *recovering, const char *dir)
{
    SHERD_TRY(link_compartments(recovering, dir));
    SHERD_TRY(sherd_home_write_seals(dir, sherd_buf_span(&recovering->seals)));
    SHERD_TRY(sherd_epoch_write_new(recovering->home, dir, recovering->epochs));
    SHERD_TRY(sherd_file_write_new(dir, SHERD_WINDOW_FILE, sherd_span_of(NULL, 0)));
    return sherd_marker_write(dir, recovering->engine);
}

struct sample {
    size_t count;
    struct sherd_uuid ids[RECORDS_MAX];
};

static enum sherd_err gather(void *arg, const struct sherd_anchor_entry *entry)
{
    struct sample *sample = arg;

    if (entry->status == SHERD_OK && entry->kind == SHERD_KIND_PIN && entry->pin != NULL && !entry->erased &&
        sample->count < RECORDS_MAX)
        sample->ids[sample->count++] = entry->pin->record;
    return SHERD_OK;
}

/* Read some records: that the epochs' keys are those that wrapped them shows nowhere else. */
static enum sherd_err read_records(struct sherd_vault *vault, uint64_t *out_count)
{
    struct sample sample = {0};
    struct sherd_ref last;
    size_t seen;

    SHERD_TRY(vault->anchor->ops->scan(vault->anchor, NULL, ENTRIES_MAX, gather, &sample, &last, &seen));
    *out_count = 0;
    for (size_t i = 0; i < sample.count; i++) {
        struct sherd_buf content = {.max = RECORD_BYTES_MAX};
        const enum sherd_err err = sherd_record_get(vault, sample.ids[i], 0, &content);

        sherd_buf_done(&content);
        if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT)
            continue;
        SHERD_TRY(err);
        (*out_count)++;
    }
    return SHERD_OK;
}

static enum sherd_err prove(struct recovering *recovering, const char *dir)
{
    const struct sherd_vault_open_options options = {.read_only = true, .key_store = recovering->keys->key_store};
    struct sherd_vault *vault = NULL;

    SHERD_TRY(sherd_vault_open_restored(dir, recovering->keys->unseal, &options, &vault));
    const enum sherd_err err = read_records(vault, &recovering->told.record_count);
    sherd_vault_close(vault);
    return err;
}

/* The first keyring with which all fits together. */
static enum sherd_err try_keyrings(struct recovering *recovering, const char *dir)
{
    enum sherd_err result = SHERD_ERR_NOT_FOUND;

    for (size_t i = 0; i < SOURCES; i++) {
        const struct sherd_span file = sherd_buf_span(&recovering->keyrings[i]);

        if (file.len == 0)
            continue;
        SHERD_TRY(sherd_file_remove(dir, "anchor/keyring"));
        SHERD_TRY(sherd_home_write_keyring(dir, file));
        result = prove(recovering, dir);
        if (result == SHERD_OK) {
            recovering->told.keyring = i == FROM_BACKUP;
            return SHERD_OK;
        }
        if (!may_go_on(result))
            return result;
    }
    SHERD_ENSURE(result != SHERD_ERR_NOT_FOUND, SHERD_ERR_DENIED,
                 "the keyring is lost, and the backup's cannot be read without the key of its epoch");
    return result;
}

/* --- the exchange ------------------------------------------------------------------------------------------------- */

/* Where there is no anchor/ at all, the new one just takes the name. */
static enum sherd_err exchange(const struct recovering *recovering, const char *dir)
{
    char *fresh = sherd_path_join(dir, "anchor");
    char *place = sherd_path_join(recovering->path, "anchor");
    char *old = sherd_path_join(recovering->path, OLD_ANCHOR);
    enum sherd_err err = fresh != NULL && place != NULL && old != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;

    if (err == SHERD_OK && renameat2(AT_FDCWD, fresh, AT_FDCWD, place, RENAME_EXCHANGE) == 0) {
        sherd_epoch_blot(dir); /* the old one's: no copy of a key may outlive its epoch */
        if (rename(fresh, old) != 0)
            err = sherd_fail_errno(SHERD_ERR_IO, "the old anchor cannot be kept as %s", OLD_ANCHOR);
    } else if (err == SHERD_OK && (errno != ENOENT || rename(fresh, place) != 0)) {
        err = sherd_fail_errno(SHERD_ERR_IO, "anchor cannot be exchanged");
    }
    sherd_free(old);
    sherd_free(place);
    sherd_free(fresh);
    return err == SHERD_OK ? sherd_dir_sync(recovering->path, "") : err;
}

/* Its ledger begins anew; the old one is kept with the old anchor. */
static enum sherd_err begin_ledger(const struct recovering *recovering, const char *dir)
{
    const struct sherd_vault_open_options options = {.key_store = recovering->keys->key_store};
    struct sherd_vault *vault = NULL;

    SHERD_TRY(sherd_vault_open_restored(dir, recovering->keys->unseal, &options, &vault));
    sherd_vault_close(vault);
    return SHERD_OK;
}

static enum sherd_err recover_beside(void *arg, const char *dir)
{
    struct recovering *recovering = arg;

    SHERD_TRY(put_together(recovering, dir));
    SHERD_TRY(try_keyrings(recovering, dir));
    SHERD_TRY(sherd_dir_sync(dir, "anchor"));
    SHERD_FAILPOINT("recover.proven");
    SHERD_TRY(begin_ledger(recovering, dir));
    return exchange(recovering, dir);
}

static enum sherd_err recover(struct recovering *recovering)
{
    SHERD_CLEANUP(sherd_bundle_reader_freep) struct sherd_bundle_reader *reader = NULL;
    struct sherd_uuid deployment;

    SHERD_TRY(sherd_bundle_reader_new(recovering->in, &reader));
    SHERD_TRY(find_seals(recovering, sherd_bundle_head_of(reader)));
    deployment = *sherd_home_deployment(recovering->home);
    SHERD_ENSURE(sherd_same(&deployment, &sherd_bundle_head_of(reader)->deployment, sizeof(deployment)),
                 SHERD_ERR_TAMPERED, "the backup is another vault's");
    SHERD_TRY(find_epochs(recovering));
    SHERD_TRY(find_keyrings(recovering, reader));
    return sherd_place_try(recovering->path, recover_beside, recovering);
}

/* Nothing is done where nothing is missing. */
static enum sherd_err check_wanted(const char *path, const struct sherd_backup_keys *keys)
{
    const struct sherd_vault_open_options options = {.read_only = true, .key_store = keys->key_store};
    struct sherd_vault *vault = NULL;
    uint64_t count;

    enum sherd_err err = sherd_vault_open(path, keys->unseal, &options, &vault);
    if (err == SHERD_OK)
        err = read_records(vault, &count);
    sherd_vault_close(vault);
    SHERD_ENSURE(err != SHERD_OK, SHERD_ERR_CONFLICT, "the vault opens: there is nothing to recover");
    if (err == SHERD_ERR_INVALID || err == SHERD_ERR_BUSY || err == SHERD_ERR_NO_MEMORY)
        return err;
    char *old = sherd_path_join(path, OLD_ANCHOR);
    if (old == NULL)
        return SHERD_ERR_NO_MEMORY;
    const bool there = access(old, F_OK) == 0;
    sherd_free(old);
    SHERD_ENSURE(!there, SHERD_ERR_CONFLICT, "anchor.old is there from an earlier recovery: move it away first");
    return SHERD_OK;
}

enum sherd_err sherd_anchor_recover(const char *path, const struct sherd_backup_in *in,
                                    const struct sherd_backup_keys *keys, struct sherd_recovery *out_told)
{
    struct recovering recovering = {.path = path, .keys = keys, .in = in};

    SHERD_ENSURE(path != NULL && path[0] != 0 && in != NULL && in->read != NULL && keys != NULL &&
                     keys->unseal != NULL && out_told != NULL,
                 SHERD_ERR_INVALID, "a vault, a backup and what unseals it are needed");
    SHERD_TRY(sherd_marker_read(path, recovering.engine));
    SHERD_TRY(check_wanted(path, keys));
    const enum sherd_err err = recover(&recovering);
    for (size_t i = 0; i < SOURCES; i++)
        sherd_buf_done(&recovering.keyrings[i]);
    sherd_secret_free(recovering.epochs);
    sherd_buf_done(&recovering.seals);
    sherd_home_free(recovering.home);
    if (err == SHERD_OK)
        *out_told = recovering.told;
    return err;
}
