/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints outside, for callers: <sherd/outside.h>. */
#include "anchor/ledger/outside.h"
#include "base/mem.h"
#include "cryptor/vault.h"

enum sherd_err sherd_outside_set(struct sherd_vault *vault, const struct sherd_outside *outside)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_OUTSIDE_BYTES_MAX};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(outside != NULL && (outside->files != NULL || outside->file_count == 0), SHERD_ERR_INVALID,
                 "it must be said what is outside");
    SHERD_TRY(sherd_vault_check_writable(vault));
    const struct sherd_outside set = {
        .policy = outside->policy, .files = outside->files, .file_count = outside->file_count, .tpm = outside->tpm};
    SHERD_TRY(sherd_outside_encode(&set, &bytes));
    return vault->anchor->ops->outside_set(vault->anchor, sherd_buf_span(&bytes));
}

enum sherd_err sherd_outside_get(struct sherd_vault *vault, sherd_outside_visit_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_OUTSIDE_BYTES_MAX};
    SHERD_CLEANUP(sherd_freep) struct sherd_outside_text *text = NULL;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told what is outside");
    text = sherd_alloc(sizeof(*text));
    if (text == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(vault->anchor->ops->outside_get(vault->anchor, &bytes));
    SHERD_TRY(sherd_outside_decode(sherd_buf_span(&bytes), text));
    return visit(arg, &text->outside);
}

enum sherd_err sherd_outside_take(struct sherd_vault *vault, struct sherd_span note)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(note.len <= SHERD_OUTSIDE_NOTE_BYTES_MAX, SHERD_ERR_LIMIT, "the checkpoint has too many signatures");
    SHERD_TRY(sherd_vault_check_writable(vault));
    return vault->anchor->ops->outside_take(vault->anchor, note);
}

enum sherd_err sherd_outside_run(struct sherd_vault *vault, uint64_t *out_size)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(sherd_vault_check_writable(vault));
    return vault->anchor->ops->ledger_run(vault->anchor, out_size);
}
