/* SPDX-License-Identifier: Apache-2.0 */
/* Checking a backup without restoring it. */
#include "backup/bundle.h"
#include "base/secret.h"

static enum sherd_err check_keyring(void *arg, struct sherd_span file)
{
    const struct sherd_bundle_opened *opened = arg;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *keyring = sherd_secret_alloc(sizeof(*keyring));

    return keyring != NULL ? sherd_home_check_keyring(opened->home, file, keyring) : SHERD_ERR_NO_MEMORY;
}

static enum sherd_err pass_compartment(void *arg, enum sherd_role role)
{
    (void)arg;
    (void)role;
    return SHERD_OK;
}

static enum sherd_err pass_entry(void *arg, const struct sherd_ref *name, struct sherd_span value)
{
    (void)arg;
    (void)name;
    (void)value;
    return SHERD_OK;
}

static enum sherd_err pass_blob(void *arg, const struct sherd_ref *name, uint64_t bytes)
{
    (void)arg;
    (void)name;
    (void)bytes;
    return SHERD_OK;
}

static enum sherd_err pass_blob_bytes(void *arg, struct sherd_span bytes)
{
    (void)arg;
    (void)bytes;
    return SHERD_OK;
}

enum sherd_err sherd_backup_verify(const struct sherd_backup_in *in, const struct sherd_backup_keys *keys,
                                   const struct sherd_observer *observer, struct sherd_backup_info *out_info)
{
    SHERD_CLEANUP(sherd_bundle_opened_done) struct sherd_bundle_opened opened = {0};
    const struct sherd_bundle_sink sink = {.keyring = check_keyring,
                                           .compartment = pass_compartment,
                                           .entry = pass_entry,
                                           .blob = pass_blob,
                                           .blob_bytes = pass_blob_bytes,
                                           .arg = &opened};

    SHERD_ENSURE(out_info != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(sherd_bundle_open(in, keys, &opened));
    return sherd_bundle_read(opened.reader, &sink, observer, out_info);
}
