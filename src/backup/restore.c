/* SPDX-License-Identifier: Apache-2.0 */
/* Restoring a backup: into a directory of another name, which gets its own when everything in it was verified. */
#include "backup/restore.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "cryptor/files.h"
#include "cryptor/place.h"
#include "cryptor/vault.h"
#include "store/memory/memory.h"
#include <stdio.h>
#include <string.h>

/* Entries that share a commit: so many, and so many bytes. */
#define BATCH_OPS ((size_t)2048)
#define BATCH_BYTES ((size_t)8 << 20)

struct filling {
    struct sherd_bundle_opened *opened;
    const char *dir;
    const struct sherd_store_ops *engine;
    struct sherd_compartment *compartment; /* that is being filled */
    struct sherd_blob_writer *blob;
    struct sherd_ref blob_name;
    uint64_t blob_left;
    size_t count;
    size_t bytes;
    struct sherd_store_op *ops;
    uint8_t *block;
};

static enum sherd_err write_batch(struct filling *filling)
{
    if (filling->count == 0)
        return SHERD_OK;
    const enum sherd_err err = sherd_compartment_write(filling->compartment, filling->ops, filling->count);
    filling->count = 0;
    filling->bytes = 0;
    return err;
}

static enum sherd_err end_compartment(struct filling *filling)
{
    struct sherd_compartment *compartment = filling->compartment;

    if (compartment == NULL)
        return SHERD_OK;
    const enum sherd_err err = write_batch(filling);
    filling->compartment = NULL;
    sherd_compartment_close(compartment);
    return err;
}

static enum sherd_err fill_keyring(void *arg, struct sherd_span file)
{
    const struct filling *filling = arg;

    return sherd_home_write_keyring(filling->dir, file);
}

static enum sherd_err fill_compartment(void *arg, enum sherd_role role)
{
    struct filling *filling = arg;

    SHERD_TRY(end_compartment(filling));
    SHERD_FAILPOINT("restore.compartment");
    char *path = sherd_path_join(filling->dir, sherd_role_name(role));
    const struct sherd_store_config config = {.path = path, .create = true};
    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_compartment_open(role, filling->engine, &config, &filling->compartment);
    sherd_free(path);
    return err;
}

static enum sherd_err fill_entry(void *arg, const struct sherd_ref *name, struct sherd_span value)
{
    struct filling *filling = arg;

    if (filling->count == BATCH_OPS || filling->bytes + value.len > BATCH_BYTES)
        SHERD_TRY(write_batch(filling));
    uint8_t *at = filling->block + filling->bytes;
    memcpy(at, value.data, value.len);
    filling->ops[filling->count++] = (struct sherd_store_op){
        .kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT, .name = *name, .value = sherd_span_of(at, value.len)};
    filling->bytes += value.len;
    return SHERD_OK;
}

static enum sherd_err end_blob(struct filling *filling)
{
    struct sherd_blob_writer *blob = filling->blob;

    filling->blob = NULL;
    return sherd_compartment_blob_commit(filling->compartment, blob, filling->blob_name);
}

static enum sherd_err fill_blob(void *arg, const struct sherd_ref *name, uint64_t bytes)
{
    struct filling *filling = arg;

    SHERD_TRY(write_batch(filling));
    SHERD_TRY(sherd_compartment_blob_create(filling->compartment, &filling->blob));
    filling->blob_name = *name;
    filling->blob_left = bytes;
    return bytes == 0 ? end_blob(filling) : SHERD_OK;
}

static enum sherd_err fill_blob_bytes(void *arg, struct sherd_span bytes)
{
    struct filling *filling = arg;

    SHERD_TRY(sherd_blob_append(filling->blob, bytes));
    filling->blob_left -= bytes.len;
    return filling->blob_left == 0 ? end_blob(filling) : SHERD_OK;
}

static enum sherd_err fill(struct filling *filling, const struct sherd_observer *observer,
                           struct sherd_backup_info *info)
{
    struct sherd_bundle_opened *opened = filling->opened;
    const struct sherd_bundle_sink sink = {.keyring = fill_keyring,
                                           .compartment = fill_compartment,
                                           .entry = fill_entry,
                                           .blob = fill_blob,
                                           .blob_bytes = fill_blob_bytes,
                                           .arg = filling};

    SHERD_TRY(sherd_home_write_seals(filling->dir, sherd_bundle_head_of(opened->reader)->seals));
    SHERD_TRY(sherd_epoch_write_new(opened->home, filling->dir, opened->epochs));
    SHERD_TRY(sherd_bundle_read(opened->reader, &sink, observer, info));
    SHERD_TRY(end_compartment(filling));
    SHERD_TRY(sherd_file_write_new(filling->dir, SHERD_WINDOW_FILE, sherd_span_of(NULL, 0)));
    SHERD_TRY(sherd_marker_write(filling->dir, filling->engine->name));
    SHERD_TRY(sherd_dir_sync(filling->dir, "anchor"));
    return sherd_dir_sync(filling->dir, "");
}

enum sherd_err sherd_restore_into(struct sherd_bundle_opened *opened, const char *dir,
                                  const struct sherd_observer *observer, struct sherd_backup_info *info)
{
    struct filling filling = {.opened = opened, .dir = dir};

    SHERD_TRY(sherd_store_engine(sherd_bundle_head_of(opened->reader)->engine, &filling.engine));
    SHERD_ENSURE(filling.engine != &sherd_store_memory, SHERD_ERR_UNSUPPORTED,
                 "a vault in memory would end with the process");
    filling.ops = sherd_alloc_array(BATCH_OPS, sizeof(*filling.ops));
    filling.block = sherd_alloc(BATCH_BYTES);
    const enum sherd_err err = filling.ops != NULL && filling.block != NULL ? fill(&filling, observer, info)
                                                                            : SHERD_ERR_NO_MEMORY;
    sherd_blob_abort(filling.blob);
    sherd_compartment_close(filling.compartment);
    sherd_free(filling.block);
    sherd_free(filling.ops);
    return err;
}

/* --- in its place ------------------------------------------------------------------------------------------------- */

struct restoring {
    struct sherd_bundle_opened opened;
    const struct sherd_backup_keys *keys;
    const struct sherd_restore_options *options;
    const struct sherd_observer *observer;
    struct sherd_backup_info info;
    struct sherd_verify_stat verify;
};

static enum sherd_err verify_in(struct restoring *restoring, const char *dir)
{
    const struct sherd_observer findings = {.finding = restoring->observer != NULL ? restoring->observer->finding
                                                                                   : NULL,
                                            .arg = restoring->observer != NULL ? restoring->observer->arg : NULL};
    const struct sherd_vault_open_options options = {.key_store = restoring->keys->key_store};
    struct sherd_vault *vault = NULL;

    SHERD_TRY(sherd_vault_open_restored(dir, restoring->keys->unseal, &options, &vault));
    enum sherd_err err = sherd_vault_verify(vault, NULL, &findings, &restoring->verify);
    sherd_vault_close(vault);
    if (err != SHERD_ERR_TAMPERED || restoring->verify.finding_count == 0)
        return err;
    return restoring->options->accept_damaged
               ? SHERD_OK
               : sherd_fail(err, "what the backup holds was damaged already when it was made: %llu violations",
                            (unsigned long long)restoring->verify.finding_count);
}

static enum sherd_err restore_and_verify(struct restoring *restoring, const char *dir)
{
    SHERD_TRY(sherd_restore_into(&restoring->opened, dir, restoring->observer, &restoring->info));
    SHERD_FAILPOINT("restore.written");
    SHERD_TRY(verify_in(restoring, dir));
    SHERD_FAILPOINT("restore.verified");
    return SHERD_OK;
}

static enum sherd_err restore_into(void *arg, const char *dir)
{
    const enum sherd_err err = restore_and_verify(arg, dir);

    if (err != SHERD_OK)
        sherd_epoch_blot(dir);
    return err;
}

enum sherd_err sherd_backup_restore(const struct sherd_backup_in *in, const struct sherd_backup_keys *keys,
                                    const char *path, const struct sherd_restore_options *options,
                                    const struct sherd_observer *observer, struct sherd_backup_info *out_info,
                                    struct sherd_verify_stat *out_verify)
{
    static const struct sherd_restore_options defaults = {0};
    struct restoring restoring = {.keys = keys, .options = options != NULL ? options : &defaults, .observer = observer};

    SHERD_ENSURE(path != NULL && path[0] != 0 && out_info != NULL && out_verify != NULL, SHERD_ERR_INVALID,
                 "a path and places for the answers are needed");
    enum sherd_err err = sherd_bundle_open(in, keys, &restoring.opened);
    if (err == SHERD_OK)
        err = sherd_place_make(path, restore_into, &restoring);
    sherd_bundle_opened_done(&restoring.opened);
    if (err == SHERD_OK) {
        *out_info = restoring.info;
        *out_verify = restoring.verify;
    }
    return err;
}
