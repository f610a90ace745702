/* SPDX-License-Identifier: Apache-2.0 */
/* The key store "anchor": see local.h. Nothing of it lies outside of the keyring. */
#include "base/macros.h"
#include "base/secret.h"
#include "kms/local/local.h"

static enum sherd_err anchor_keep(const struct sherd_key_call *call, const struct sherd_master_key *key,
                                  struct sherd_span wrapped, struct sherd_key_kept *out_kept)
{
    (void)wrapped;
    return call->host->protect(call, sherd_span_of(key->bytes, sizeof(key->bytes)), &out_kept->bytes);
}

static enum sherd_err anchor_fetch(const struct sherd_key_call *call, struct sherd_span kept,
                                   struct sherd_master_key *out_key)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(kept.len == sizeof(key->bytes) + SHERD_KEY_PROTECT_BYTES, SHERD_ERR_TAMPERED,
                 "what key store anchor kept of a master key does not verify");
    struct sherd_buf plain = sherd_buf_borrow(key->bytes, sizeof(key->bytes));
    SHERD_TRY(call->host->unprotect(call, kept, &plain));
    *out_key = *key;
    return SHERD_OK;
}

static enum sherd_err anchor_destroy(const struct sherd_key_call *call, struct sherd_span kept)
{
    (void)call;
    (void)kept;
    return SHERD_OK; /* the caller drops what is kept, and with it the key */
}

static enum sherd_err anchor_check(const struct sherd_key_call *call, struct sherd_span kept,
                                   sherd_key_finding_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    const struct sherd_key_finding finding = {.fault = SHERD_KEY_PART_DAMAGED, .place = ""};

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = anchor_fetch(call, kept, key);
    if (err == SHERD_ERR_TAMPERED)
        SHERD_TRY(visit(arg, &finding));
    return err;
}

const struct sherd_key_store sherd_key_store_anchor = {
    .abi = SHERD_KEY_ABI,
    .name = "anchor",
    .keep = anchor_keep,
    .fetch = anchor_fetch,
    .destroy = anchor_destroy,
    .check = anchor_check,
};
