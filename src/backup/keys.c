/* SPDX-License-Identifier: Apache-2.0 */
/* What a backup is read with: the root key by the copies of seals in it, and the keys of its epochs. */
#include "backup/bundle.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "cryptor/vault.h"

void sherd_bundle_opened_done(struct sherd_bundle_opened *opened)
{
    sherd_secret_free(opened->epochs);
    sherd_home_free(opened->home);
    sherd_bundle_reader_free(opened->reader);
    *opened = (struct sherd_bundle_opened){0};
}

/* All keys of epochs that are at hand. */
static enum sherd_err gather_epochs(const struct sherd_home *home, const struct sherd_backup_keys *keys,
                                    struct sherd_epoch_set *out_set)
{
    if (keys->epoch_key.len > 0)
        return sherd_epoch_import_file(home, keys->epoch_key, out_set);
    out_set->count = 0;
    if (keys->vault == NULL)
        return SHERD_OK;
    const enum sherd_err err = sherd_epoch_read_other(home, keys->vault, out_set);
    return err == SHERD_ERR_NOT_FOUND
               ? sherd_fail(err, "there is no vault at %s that could have the key of the backup's epoch", keys->vault)
               : err;
}

static enum sherd_err find_epochs(struct sherd_bundle_opened *opened, const struct sherd_backup_keys *keys)
{
    const struct sherd_bundle_head *head = sherd_bundle_head_of(opened->reader);
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *all = sherd_secret_alloc(sizeof(*all));

    opened->epochs = sherd_secret_alloc(sizeof(*opened->epochs));
    if (all == NULL || opened->epochs == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(gather_epochs(opened->home, keys, all));
    return sherd_epoch_pick(all, head->epoch, head->epoch_older, opened->epochs);
}

static enum sherd_err unlock(struct sherd_bundle_opened *opened)
{
    const struct sherd_bundle_head *head = sherd_bundle_head_of(opened->reader);
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_backup_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_epoch_backup_key(opened->home, opened->epochs, sherd_span_of(head->id.bytes, 16), key->bytes));
    return sherd_bundle_unlock(opened->reader, key);
}

enum sherd_err sherd_bundle_open(const struct sherd_backup_in *in, const struct sherd_backup_keys *keys,
                                 struct sherd_bundle_opened *opened)
{
    SHERD_ENSURE(in != NULL && in->read != NULL && keys != NULL && keys->unseal != NULL, SHERD_ERR_INVALID,
                 "a backup and what unseals it are needed");
    SHERD_TRY(sherd_crypto_init());
    SHERD_TRY(sherd_bundle_reader_new(in, &opened->reader));
    const struct sherd_bundle_head *head = sherd_bundle_head_of(opened->reader);
    SHERD_TRY(sherd_home_of_copies(head->seals, keys->unseal, &opened->home));
    const struct sherd_uuid deployment = *sherd_home_deployment(opened->home);
    SHERD_ENSURE(sherd_same(&deployment, &head->deployment, sizeof(deployment)), SHERD_ERR_TAMPERED,
                 "the backup does not verify: its seals are another vault's");
    SHERD_TRY(find_epochs(opened, keys));
    return unlock(opened);
}

enum sherd_err sherd_backup_look(const struct sherd_backup_in *in, struct sherd_backup_info *out_info)
{
    SHERD_CLEANUP(sherd_bundle_reader_freep) struct sherd_bundle_reader *reader = NULL;

    SHERD_ENSURE(in != NULL && in->read != NULL && out_info != NULL, SHERD_ERR_INVALID,
                 "a backup and a place for the answer are needed");
    SHERD_TRY(sherd_crypto_init());
    SHERD_TRY(sherd_bundle_reader_new(in, &reader));
    sherd_bundle_describe(sherd_bundle_head_of(reader), out_info);
    return SHERD_OK;
}

static bool have(const uint64_t numbers[2], uint64_t wanted)
{
    return wanted == 0 || numbers[0] == wanted || numbers[1] == wanted;
}

/* Whose the vault in a directory is: its first seal says it, in clear. */
static enum sherd_err look_deployment(const char *dir, struct sherd_uuid *out_deployment)
{
    struct sherd_buf seals = {.max = SHERD_SEAL_COPIES_BYTES_MAX};
    struct sherd_span rest;
    struct sherd_span file = {0};
    unsigned number = 0;

    enum sherd_err err = sherd_seal_copies_of(dir, &seals);
    rest = sherd_buf_span(&seals);
    if (err == SHERD_OK)
        err = sherd_seal_copies_next(&rest, &number, &file);
    if (err == SHERD_OK)
        err = sherd_seal_copy_look(file, out_deployment);
    sherd_buf_done(&seals);
    return err;
}

static enum sherd_err look_epochs(struct sherd_span epoch_key, const char *vault, struct sherd_uuid *out_deployment,
                                  uint64_t out_numbers[2])
{
    if (epoch_key.len > 0)
        return sherd_epoch_export_look(epoch_key, out_deployment, out_numbers);
    SHERD_TRY(sherd_epoch_look(vault, out_numbers));
    return look_deployment(vault, out_deployment);
}

enum sherd_err sherd_backup_state(const struct sherd_backup_info *info, struct sherd_span epoch_key, const char *vault,
                                  enum sherd_backup_state *out_state)
{
    struct sherd_uuid deployment;
    uint64_t numbers[2];

    SHERD_ENSURE(info != NULL && out_state != NULL, SHERD_ERR_INVALID, "what is known of the backup is needed");
    *out_state = SHERD_BACKUP_UNKNOWN;
    if (epoch_key.len == 0 && vault == NULL)
        return SHERD_OK;
    SHERD_TRY(look_epochs(epoch_key, vault, &deployment, numbers));
    if (!sherd_same(&deployment, &info->deployment, sizeof(deployment)))
        return SHERD_OK;
    if (have(numbers, info->epoch) && have(numbers, info->epoch_older))
        *out_state = SHERD_BACKUP_READABLE;
    else if (epoch_key.len == 0) /* another file may have it */
        *out_state = SHERD_BACKUP_EXPIRED;
    return SHERD_OK;
}

enum sherd_err sherd_epoch_export(struct sherd_vault *vault, struct sherd_buf *out_file, uint64_t *out_epoch)
{
    struct sherd_uuid deployment;
    uint64_t numbers[2];
    const size_t before = out_file != NULL ? out_file->len : 0;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_file != NULL && out_epoch != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(vault->anchor->ops->epoch_export(vault->anchor, out_file));
    SHERD_TRY(sherd_epoch_export_look(sherd_span_of(out_file->data + before, out_file->len - before), &deployment,
                                      numbers));
    *out_epoch = numbers[1] != 0 ? numbers[1] : numbers[0];
    return SHERD_OK;
}
