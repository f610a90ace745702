/* SPDX-License-Identifier: Apache-2.0 */
/* What backups and receipts ask of the anchor in the same process. */
#include "anchor/embedded/embedded_inside.h"
#include "anchor/embedded/state.h"
#include "anchor/embedded/statement.h"
#include "envelope/row.h"

enum sherd_err sherd_embedded_epoch_export(struct sherd_anchor *anchor, struct sherd_buf *out_file)
{
    const struct sherd_embedded *self = sherd_embedded_of(anchor);

    return sherd_anchor_epoch_export(self->home, self->ring, out_file);
}

enum sherd_err sherd_embedded_epoch_adopt(struct sherd_anchor *anchor, struct sherd_span file)
{
    const struct sherd_embedded *self = sherd_embedded_of(anchor);

    return sherd_anchor_epoch_adopt(self->home, self->ring, file);
}

enum sherd_err sherd_embedded_state_take(struct sherd_anchor *anchor, const struct sherd_uuid *backup,
                                         struct sherd_anchor_state *state)
{
    const struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_span salt = sherd_span_of(backup->bytes, sizeof(backup->bytes));

    return sherd_anchor_state_take(self->home, self->ring, self->compartment, salt, state);
}

enum sherd_err sherd_embedded_state_scan(struct sherd_anchor *anchor, struct sherd_anchor_state *state,
                                         const struct sherd_ref *after, sherd_store_visit_fn *visit, void *arg)
{
    (void)anchor;
    SHERD_ENSURE(state->keys != NULL, SHERD_ERR_INVALID, "no state was taken");
    return sherd_snapshot_scan(state->keys, after, visit, arg);
}

void sherd_embedded_state_done(struct sherd_anchor *anchor, struct sherd_anchor_state *state)
{
    (void)anchor;
    sherd_anchor_state_done(state);
}

static struct sherd_statement_parts statement_parts(struct sherd_embedded *self)
{
    const struct sherd_statement_parts parts = {.rekey = sherd_embedded_rekey_parts(self),
                                                .masters = self->masters,
                                                .assets = sherd_embedded_keys(self, SHERD_ASSETS),
                                                .deployment = self->fixed->deployment};

    return parts;
}

enum sherd_err sherd_embedded_statement_sign(struct sherd_anchor *anchor, const struct sherd_statement *statement,
                                             struct sherd_buf *out_note)
{
    const struct sherd_statement_parts parts = statement_parts(sherd_embedded_of(anchor));

    return sherd_statement_sign(&parts, statement, out_note);
}

enum sherd_err sherd_embedded_statement_key(struct sherd_anchor *anchor, struct sherd_buf *out_text)
{
    const struct sherd_statement_parts parts = statement_parts(sherd_embedded_of(anchor));

    return sherd_statement_key(&parts, out_text);
}

enum sherd_err sherd_embedded_row_sign(struct sherd_anchor *anchor, const struct sherd_pin *pin,
                                       const struct sherd_digest *body, uint8_t out_signature[SHERD_SIGNATURE_SIZE])
{
    const struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_row_claim claim = {.deployment = self->fixed->deployment,
                                          .collection = pin->collection,
                                          .record = pin->record,
                                          .version = pin->version,
                                          .created_s = pin->created_s,
                                          .body = *body};
    uint8_t block[SHERD_ROW_CLAIM_BYTES_MAX];
    const size_t bytes = sherd_row_claim_encode(&claim, block);

    return sherd_sign(self->fixed->ledger_seed, sherd_span_of(block, bytes), out_signature);
}

enum sherd_err sherd_embedded_rows_sum(struct sherd_anchor *anchor, const struct sherd_uuid *collection,
                                       struct sherd_rows_sum *out_sum)
{
    return sherd_row_sum_get(&sherd_embedded_of(anchor)->pins, collection, out_sum);
}
