/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving keys of record versions out, which is nowhere but here: each is noted first (anchor/ledger/joins.h). And that
 * the anchor begins and ends to serve others.
 */
#include "anchor/embedded/embedded_inside.h"
#include "anchor/ring/actor.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include <stdio.h>
#include <string.h>

/* --- noting ------------------------------------------------------------------------------------------------------- */

static enum sherd_err rounds(void *arg, uint64_t *out_round)
{
    return sherd_sequencer_rounds(((struct sherd_embedded *)arg)->sequencer, out_round);
}

static void noted(void *arg)
{
    sherd_sequencer_wake(((struct sherd_embedded *)arg)->sequencer);
}

/* In the ledger at once, for ever. Where that fails too, the round says so that misses the file. */
static void lost(void *arg, uint64_t count)
{
    struct sherd_event event = {.kind = SHERD_EVENT_JOIN, .count = count};
    char detail[SHERD_FAIL_TEXT_SIZE];

    if (count == 0)
        return;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    if (sherd_changes_write(((struct sherd_embedded *)arg)->changes, NULL, 0, &event, 1) != SHERD_OK)
        sherd_fail_restore(detail);
}

enum sherd_err sherd_embedded_joins_open(struct sherd_embedded *self)
{
    const struct sherd_joins_parts parts = {
        .dir = self->dir, .leaves = self->leaves, .round = rounds, .noted = noted, .lost = lost, .arg = self};

    return sherd_joins_new(&parts, &self->joins);
}

static enum sherd_err note(struct sherd_embedded *self, const struct sherd_pin *pin)
{
    struct sherd_join join = {.version = pin->version, .actor = sherd_actor_now()};

    SHERD_ENSURE(!self->sealed, SHERD_ERR_SEALED, "the anchor has ended");
    if (self->joins == NULL)
        return SHERD_OK;
    memcpy(join.record.bytes, pin->record.bytes, sizeof(join.record.bytes));
    return sherd_joins_add(self->joins, &join, sherd_ring_joins_strict(self->ring));
}

/* Note that a key is given out, or keep it. A vault that is open for reading only has nowhere to note it. */
static enum sherd_err join(struct sherd_embedded *self, const struct sherd_pin *pin, struct sherd_record_key *key)
{
    const enum sherd_err err = note(self, pin);

    if (err != SHERD_OK)
        sherd_wipe(key, sizeof(*key));
    return err;
}

/* --- giving out --------------------------------------------------------------------------------------------------- */

/* Whether two pins say the same, but for how the key is wrapped. */
static bool is_wrapped_alike(const struct sherd_pin *a, const struct sherd_pin *b)
{
    return a->version == b->version && sherd_same(&a->key, &b->key, sizeof(a->key));
}

/*
 * A pin and its key. Rekeying may have wrapped it anew, and destroyed what it was wrapped by, between the two: then the
 * pin is another one by now.
 */
static enum sherd_err pin_with_key(struct sherd_embedded *self, struct sherd_uuid record, uint64_t version,
                                   struct sherd_pin_view *out_view, struct sherd_record_key *out_key)
{
    struct sherd_pin before;

    SHERD_TRY(sherd_pins_get(&self->pins, record, version, out_view));
    for (;;) {
        const enum sherd_err err = sherd_entities_unwrap(self->entities, &out_view->pin, out_key);

        if (err != SHERD_ERR_TAMPERED && err != SHERD_ERR_DENIED)
            return err;
        before = out_view->pin;
        SHERD_TRY(sherd_pins_get(&self->pins, record, version, out_view));
        if (is_wrapped_alike(&before, &out_view->pin))
            return err == SHERD_ERR_DENIED ? err : sherd_fail(err, "a record's key does not verify");
    }
}

enum sherd_err sherd_embedded_pin_get(struct sherd_anchor *anchor, struct sherd_uuid record, uint64_t version,
                                      struct sherd_pin_view *out_view, struct sherd_record_key *out_key)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_pin_view view;

    if (out_key != NULL) {
        SHERD_TRY(pin_with_key(self, record, version, &view, out_key));
        SHERD_TRY(join(self, &view.pin, out_key));
    } else {
        SHERD_TRY(sherd_pins_get(&self->pins, record, version, &view));
        SHERD_TRY(sherd_entities_live(self->entities, &view.pin.entity));
    }
    sherd_book_keep_judge(self->book, &view);
    *out_view = view;
    return SHERD_OK;
}

/* --- serving ------------------------------------------------------------------------------------------------------ */

static enum sherd_err say(struct sherd_embedded *self, enum sherd_event_kind kind, uint64_t count)
{
    struct sherd_event event = {.kind = kind, .count = count};

    SHERD_TRY(sherd_changes_write(self->changes, NULL, 0, &event, 1));
    return sherd_sequencer_run(self->sequencer, NULL);
}

enum sherd_err sherd_anchor_unsealed(struct sherd_anchor *anchor)
{
    struct sherd_keys_check check;
    struct sherd_embedded *self = sherd_embedded_of(anchor);

    SHERD_ENSURE(self->joins != NULL, SHERD_ERR_DENIED, "the vault is open for reading only");
    SHERD_TRY(sherd_embedded_compare(self, false, &check, NULL));
    if (!check.agrees)
        return sherd_fail(SHERD_ERR_TAMPERED, "keys is not what the ledger says: entries were rolled back, removed or "
                                              "added; bring back what was there, or run `sherd scrub` and acknowledge "
                                              "what it finds");
    SHERD_TRY(sherd_joins_prepare(self->joins));
    return say(self, SHERD_EVENT_UNSEAL, 0);
}

enum sherd_err sherd_anchor_sealed(struct sherd_anchor *anchor)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);

    SHERD_ENSURE(self->joins != NULL, SHERD_ERR_DENIED, "the vault is open for reading only");
    const uint64_t count = sherd_joins_count(self->joins);
    self->sealed = true; /* nothing more is given out, so that the last round takes all, and the files away */
    sherd_joins_free(self->joins);
    self->joins = NULL;
    return say(self, SHERD_EVENT_SEAL, count);
}
