/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger of the anchor in the same process: what is written to `keys` goes through it. */
#include "anchor/embedded/embedded_inside.h"
#include "anchor/ledger/join_find.h"
#include "anchor/ledger/outside_counter.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include <stdio.h>

/* Ledgers that ended are kept beside the one that goes on: ledger.1, ledger.2 ... */
#define ENDED_MAX 1000U

static void written(void *arg)
{
    sherd_sequencer_wake(arg);
}

/* The memory of a TPM wears: it is not counted with each round. */
static bool is_counted(const struct sherd_embedded *self)
{
    const uint64_t passed_ns = sherd_clock()->monotonic_ns() - self->counted_ns;

    return self->ledger_ends || self->counted_ns == 0 || passed_ns >= SHERD_OUTSIDE_COUNTER_S * (uint64_t)1000000000;
}

static enum sherd_err count(struct sherd_embedded *self)
{
    SHERD_TRY(sherd_outside_count(self->sequencer));
    self->counted_ns = sherd_clock()->monotonic_ns();
    return SHERD_OK;
}

/*
 * After each round. What fails here is told by who asks, and tried again after the next: a put waits for no file
 * elsewhere.
 */
static void made(void *arg)
{
    struct sherd_embedded *self = arg;
    char detail[SHERD_FAIL_TEXT_SIZE];

    if (self->sequencer == NULL) /* it is being made */
        return;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    if (sherd_outside_publish(self->sequencer) != SHERD_OK || (is_counted(self) && count(self) != SHERD_OK))
        sherd_fail_restore(detail);
}

static struct sherd_sequencer_parts parts_of(struct sherd_embedded *self, bool read_only)
{
    return (struct sherd_sequencer_parts){.dir = self->dir,
                                          .deployment = self->fixed->deployment,
                                          .seed = self->fixed->ledger_seed,
                                          .changes = self->changes,
                                          .keys = self->pins.keys,
                                          .leaves = self->leaves,
                                          .read_only = read_only,
                                          .made = made,
                                          .made_arg = self};
}

/* The ledger goes aside: what it says stays there for who wants to know what was lost. */
static enum sherd_err end_ledger(const struct sherd_embedded *self, const struct sherd_anchor_parts *parts)
{
    char aside[32];

    SHERD_ENSURE(!parts->read_only, SHERD_ERR_DENIED, "the vault is open for reading only");
    for (unsigned number = 1; number < ENDED_MAX; number++) {
        int64_t age_s;

        (void)snprintf(aside, sizeof(aside), "ledger.%u", number);
        if (sherd_file_age(self->dir, aside, &age_s) != SHERD_ERR_NOT_FOUND)
            continue;
        const enum sherd_err err = sherd_file_rename(self->dir, "ledger", aside);
        if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND) /* there is none: an acceptance that did not end */
            return err;
        return sherd_dir_sync(self->dir, "");
    }
    return sherd_fail(SHERD_ERR_LIMIT, "too many ledgers ended here: remove some of anchor/ledger.N");
}

/* What is brought back has no ledger until somebody may write. */
static enum sherd_err open_ledger(struct sherd_embedded *self, const struct sherd_anchor_parts *parts)
{
    const struct sherd_sequencer_parts ledger = parts_of(self, parts->read_only);

    if (parts->restored && parts->read_only)
        return SHERD_OK;
    if (parts->restored)
        SHERD_TRY(sherd_book_keep_forget(&self->pins));
    if (parts->accepted)
        SHERD_TRY(end_ledger(self, parts));
    if (parts->fresh || parts->restored || parts->accepted)
        SHERD_TRY(sherd_sequencer_make(&ledger, parts->fresh ? SHERD_EVENT_GENESIS : SHERD_EVENT_RESTORE));
    SHERD_TRY(sherd_sequencer_new(&ledger, &self->sequencer));
    SHERD_TRY(sherd_outside_check(self->sequencer));
    sherd_changes_tell(self->changes, written, self->sequencer);
    return parts->read_only ? SHERD_OK : sherd_embedded_joins_open(self);
}

enum sherd_err sherd_embedded_ledger_begin(struct sherd_embedded *self, const struct sherd_anchor_parts *parts)
{
    const struct sherd_span seed = sherd_span_of(self->fixed->ledger_seed, sizeof(self->fixed->ledger_seed));

    self->ledger_reads = parts->read_only;
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
    sherd_joins_free(self->joins);
    if (self->changes != NULL)
        sherd_changes_tell(self->changes, NULL, NULL);
    self->ledger_ends = true;
    if (self->sequencer != NULL && self->counted_ns != 0)
        made(self); /* rounds that were not counted yet */
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
enum sherd_err sherd_embedded_compare(struct sherd_embedded *self, bool whole, struct sherd_keys_check *out_check,
                                      struct sherd_join_loss *out_loss)
{
    static const struct sherd_digest none = {{0}};
    struct sherd_keys_check check;
    struct sherd_join_loss lost;
    struct sherd_digest accepted;

    SHERD_TRY(check_there(self));
    SHERD_TRY(sherd_book_keep_accepted(self->book, &accepted, &lost));
    SHERD_TRY(whole ? sherd_sequencer_check(self->sequencer, &lost, &check, out_loss)
                    : sherd_sequencer_compare(self->sequencer, &check));
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

    SHERD_TRY(sherd_embedded_compare(sherd_embedded_of(anchor), true, &check, NULL));
    const struct sherd_digest difference = check.difference;
    SHERD_TRY(sherd_book_difference_name(&difference, &check.difference));
    *out_check = check;
    return SHERD_OK;
}

/* What is pending is no entry of its own: it becomes leaves. */
enum sherd_err sherd_embedded_keys_stat(struct sherd_anchor *anchor, struct sherd_store_stat *out_stat)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_store_stat stat;
    uint64_t pending;

    SHERD_TRY(sherd_pending_count(self->compartment, &pending));
    SHERD_TRY(sherd_compartment_stat(self->compartment, &stat));
    stat.entry_count -= stat.entry_count > pending ? pending : 0;
    *out_stat = stat;
    return SHERD_OK;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* The newest checkpoint, and who signed it. */
struct told_note {
    const struct sherd_sequencer *sequencer;
    struct sherd_buf *note;
    struct sherd_buf *key;
};

static enum sherd_err tell_note(void *arg, struct sherd_log *log, const struct sherd_join_state *joins)
{
    const struct told_note *told = arg;

    (void)joins;
    SHERD_TRY(sherd_buf_append(told->note, sherd_log_note(log)));
    return sherd_sequencer_vkeys(told->sequencer, sherd_log_note(log), told->key);
}

enum sherd_err sherd_embedded_ledger_note(struct sherd_anchor *anchor, bool fresh, struct sherd_buf *out_note,
                                          struct sherd_buf *out_key)
{
    const struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct told_note told = {self->sequencer, out_note, out_key};

    SHERD_TRY(check_there(self));
    if (fresh && !self->ledger_reads)
        SHERD_TRY(sherd_sequencer_run(self->sequencer, NULL));
    return sherd_sequencer_log(self->sequencer, tell_note, &told);
}

/* A search in the log, once it is open. */
struct scan {
    const struct sherd_embedded *self;
    const struct sherd_leaf_query *query;
    sherd_leaf_visit_fn *visit;
    void *arg;
    uint64_t *next;
};

static enum sherd_err scan_in(void *arg, struct sherd_log *log, const struct sherd_join_state *joins)
{
    const struct scan *scan = arg;

    (void)joins;
    return sherd_leaves_find(log, scan->self->leaves, scan->query, scan->visit, scan->arg, scan->next);
}

enum sherd_err sherd_embedded_ledger_scan(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                          sherd_leaf_visit_fn *visit, void *arg, uint64_t *out_next)
{
    struct scan scan = {sherd_embedded_of(anchor), query, visit, arg, out_next};

    SHERD_TRY(check_there(scan.self));
    return sherd_sequencer_log(scan.self->sequencer, scan_in, &scan);
}

enum sherd_err sherd_embedded_ledger_joins(struct sherd_anchor *anchor, const struct sherd_leaf_query *query,
                                           sherd_leaf_join_fn *visit, void *arg, uint64_t *out_next)
{
    const struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_digest accepted;
    struct sherd_join_loss lost;

    SHERD_TRY(check_there(self));
    SHERD_TRY(sherd_book_keep_accepted(self->book, &accepted, &lost));
    return sherd_joins_find(self->sequencer, &lost, query, visit, arg, out_next);
}

/* A proof from the log, once it is open. */
struct growth {
    uint64_t old_size;
    uint64_t size;
    struct sherd_path *path;
};

static enum sherd_err prove_in(void *arg, struct sherd_log *log, const struct sherd_join_state *joins)
{
    const struct growth *growth = arg;

    (void)joins;
    SHERD_ENSURE(growth->old_size <= growth->size, SHERD_ERR_INVALID,
                 "a ledger only grows: the older size comes first");
    return sherd_log_prove_consistency(log, growth->old_size, growth->size, growth->path);
}

enum sherd_err sherd_embedded_ledger_growth(struct sherd_anchor *anchor, uint64_t old_size, uint64_t size,
                                            struct sherd_path *out_path)
{
    struct growth growth = {old_size, size, out_path};

    SHERD_TRY(check_there(sherd_embedded_of(anchor)));
    return sherd_sequencer_log(sherd_embedded_of(anchor)->sequencer, prove_in, &growth);
}

/* --- what is noted ------------------------------------------------------------------------------------------------ */

/*
 * Of `assets`, an event an entry, which commits to its new bytes, as its leaf did when it was made. Of others, whose
 * entries have no commitments, that it was done.
 */
enum sherd_err sherd_embedded_entries_resealed(struct sherd_anchor *anchor, enum sherd_role role,
                                               const struct sherd_event_entry *entries, size_t count)
{
    struct sherd_event events[SHERD_RESEALED_MAX] = {{.kind = SHERD_EVENT_REWRAP, .count = count}};

    SHERD_ENSURE(role != SHERD_KEYS && count != 0 && count <= SHERD_COUNT_OF(events), SHERD_ERR_INVALID,
                 "no entries that are sealed anew, or too many");
    SHERD_TRY(check_there(sherd_embedded_of(anchor)));
    for (size_t i = 0; role == SHERD_ASSETS && i < count; i++)
        events[i] = (struct sherd_event){.kind = SHERD_EVENT_RESEAL, .map = entries[i]};
    return sherd_changes_write(sherd_embedded_of(anchor)->changes, NULL, 0, events, role == SHERD_ASSETS ? count : 1);
}

enum sherd_err sherd_anchor_restoring(struct sherd_anchor *anchor, sherd_restoring_fn *make, void *arg)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_sequencer_parts parts = parts_of(self, self->ledger_reads);

    return self->ledger_reads ? SHERD_OK : sherd_restoring_run(&parts, make, arg);
}

enum sherd_err sherd_anchor_restored(struct sherd_anchor *anchor, const struct sherd_pin_change *changes, size_t count)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    SHERD_CLEANUP(sherd_freep) struct sherd_event *events = sherd_alloc_array(count, sizeof(*events));

    if (events == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        events[i] = sherd_pins_event(SHERD_EVENT_RESTORE, &changes[i]);
    SHERD_TRY(sherd_changes_write(self->changes, NULL, 0, events, count));
    return sherd_sequencer_run(self->sequencer, NULL);
}

static enum sherd_err set_strict(void *arg, struct sherd_keyring *keyring)
{
    keyring->joins_strict = *(const bool *)arg;
    return SHERD_OK;
}

enum sherd_err sherd_embedded_joins_rule(struct sherd_anchor *anchor, const bool *strict, bool *out_strict)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(self->ring, &keyring));
    bool is_strict = keyring->joins_strict;
    sherd_ring_leave(self->ring);
    if (strict != NULL && *strict != is_strict) {
        bool wanted = *strict;

        SHERD_TRY(sherd_ring_change(self->ring, set_strict, &wanted));
        is_strict = wanted;
    }
    *out_strict = is_strict;
    return SHERD_OK;
}

enum sherd_err sherd_embedded_outside_get(struct sherd_anchor *anchor, struct sherd_buf *out_bytes)
{
    SHERD_TRY(check_there(sherd_embedded_of(anchor)));
    return sherd_outside_tell(sherd_embedded_of(anchor)->sequencer, out_bytes);
}

enum sherd_err sherd_embedded_outside_set(struct sherd_anchor *anchor, struct sherd_span bytes)
{
    SHERD_TRY(check_there(sherd_embedded_of(anchor)));
    return sherd_outside_put(sherd_embedded_of(anchor)->sequencer, bytes);
}

enum sherd_err sherd_embedded_outside_take(struct sherd_anchor *anchor, struct sherd_span note)
{
    SHERD_TRY(check_there(sherd_embedded_of(anchor)));
    return sherd_outside_keep(sherd_embedded_of(anchor)->sequencer, note);
}
