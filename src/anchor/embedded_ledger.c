/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger of the anchor in the same process: what is written to `keys` goes through it. */
#include "anchor/embedded_inside.h"
#include "base/bytes.h"
#include "base/mem.h"

static void written(void *arg)
{
    sherd_sequencer_wake(arg);
}

static struct sherd_sequencer_parts parts_of(const struct sherd_embedded *self, bool read_only)
{
    return (struct sherd_sequencer_parts){.dir = self->dir,
                                          .deployment = self->fixed->deployment,
                                          .seed = self->fixed->ledger_seed,
                                          .changes = self->changes,
                                          .keys = self->pins.keys,
                                          .leaves = self->leaves,
                                          .read_only = read_only};
}

/* What is brought back has no ledger until somebody may write. */
static enum sherd_err open_ledger(struct sherd_embedded *self, const struct sherd_anchor_parts *parts)
{
    const struct sherd_sequencer_parts ledger = parts_of(self, parts->read_only);

    if (parts->restored && parts->read_only)
        return SHERD_OK;
    if (parts->restored)
        SHERD_TRY(sherd_book_keep_forget(&self->pins));
    if (parts->fresh || parts->restored)
        SHERD_TRY(sherd_sequencer_make(&ledger, parts->fresh ? SHERD_EVENT_GENESIS : SHERD_EVENT_RESTORE));
    SHERD_TRY(sherd_sequencer_new(&ledger, &self->sequencer));
    sherd_changes_tell(self->changes, written, self->sequencer);
    return SHERD_OK;
}

enum sherd_err sherd_embedded_ledger_begin(struct sherd_embedded *self, const struct sherd_anchor_parts *parts)
{
    const struct sherd_span seed = sherd_span_of(self->fixed->ledger_seed, sizeof(self->fixed->ledger_seed));

    self->dir = sherd_path_join(sherd_home_dir(self->home), "anchor");
    if (self->dir == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_leaf_keys_new(seed, self->fixed->deployment.bytes, &self->leaves));
    SHERD_TRY(sherd_changes_new(self->compartment, &self->pins.keys, self->leaves, &self->changes));
    sherd_ring_write_through(self->ring, self->changes);
    SHERD_TRY(sherd_embedded_book_begin(self, parts->read_only));
    return open_ledger(self, parts);
}

void sherd_embedded_ledger_end(struct sherd_embedded *self)
{
    if (self->changes != NULL)
        sherd_changes_tell(self->changes, NULL, NULL);
    sherd_book_keep_free(self->book);
    sherd_sequencer_free(self->sequencer);
    sherd_changes_free(self->changes);
    sherd_leaf_keys_free(self->leaves);
    sherd_free(self->dir);
}

static enum sherd_err check_there(const struct sherd_embedded *self)
{
    SHERD_ENSURE(self->sequencer != NULL, SHERD_ERR_DENIED, "the ledger begins when the vault is open for writing");
    return SHERD_OK;
}

enum sherd_err sherd_embedded_ledger_run(struct sherd_anchor *anchor, uint64_t *out_size)
{
    SHERD_TRY(check_there(sherd_embedded_of(anchor)));
    return sherd_sequencer_run(sherd_embedded_of(anchor)->sequencer, out_size);
}

/* What was accepted stays so: as long as that alone differs, nothing does. */
enum sherd_err sherd_embedded_compare(struct sherd_embedded *self, struct sherd_keys_check *out_check)
{
    static const struct sherd_digest none = {{0}};
    struct sherd_keys_check check;
    struct sherd_digest accepted;

    SHERD_TRY(check_there(self));
    SHERD_TRY(sherd_sequencer_check(self->sequencer, &check));
    SHERD_TRY(sherd_book_keep_accepted(self->book, &accepted));
    for (size_t i = 0; i < sizeof(accepted.bytes); i++)
        check.difference.bytes[i] ^= accepted.bytes[i];
    check.agrees = sherd_same(&check.difference, &none, sizeof(none));
    *out_check = check;
    return SHERD_OK;
}

/* The disagreement itself says something of the digest of `keys`, which nobody sees: others get a name for it. */
enum sherd_err sherd_embedded_ledger_check(struct sherd_anchor *anchor, struct sherd_keys_check *out_check)
{
    struct sherd_keys_check check;

    SHERD_TRY(sherd_embedded_compare(sherd_embedded_of(anchor), &check));
    const struct sherd_digest difference = check.difference;
    SHERD_TRY(sherd_book_difference_name(&difference, &check.difference));
    *out_check = check;
    return SHERD_OK;
}
