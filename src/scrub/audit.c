/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Audits: stored bytes against the ledger. Nothing here has a key; where the inventory comes from is audit_vault.c.
 *
 * What must be there is looked at in the order of names, which is that of the store. Whatever is missing or differs is
 * looked at once more against the log as it is then: in a vault at work entries go while the audit runs, and the log
 * says so.
 */
#include "scrub/audit.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "crypto/merkle.h"
#include "envelope/entry.h"
#include "envelope/fragment.h"
#include "envelope/row.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIDENCE_MISSED 0.05
#define TEXT_SIZE 160U

struct suspect {
    const struct sherd_inventory_row *row;
    bool missing;
};

struct audit {
    const struct sherd_audit_parts *parts;
    struct sherd_audit_stat stat;
    struct sherd_inventory_row **standing; /* what is looked at, by name */
    size_t standing_count;
    struct sherd_inventory_row **named; /* all rows, by name */
    struct suspect *suspects;
    size_t suspect_count;
    size_t suspect_capacity;
    bool quiet; /* the log is looked at once more: what is said of the inventory was said */
};

static enum sherd_leaf_commitment which(const struct audit *audit)
{
    return audit->parts->inventory->compartment;
}

static const char *role_name(const struct audit *audit)
{
    return sherd_role_name(which(audit) == SHERD_LEAF_ASSETS ? SHERD_ASSETS : SHERD_SECRETS);
}

static void find(struct audit *audit, enum sherd_finding_kind kind, const char *text)
{
    const struct sherd_observer *observer = audit->parts->observer;
    const struct sherd_finding finding = {.kind = kind, .compartment = role_name(audit), .text = text};

    audit->stat.finding_count++;
    if (observer->finding != NULL)
        observer->finding(observer->arg, &finding);
}

static void find_entry(struct audit *audit, const struct sherd_inventory_row *row, const char *what)
{
    char text[TEXT_SIZE];
    char name[2 * sizeof(row->name.bytes) + 1];

    for (size_t i = 0; i < sizeof(row->name.bytes); i++)
        (void)snprintf(name + 2 * i, 3, "%02x", row->name.bytes[i]);
    (void)snprintf(text, sizeof(text), "entry %s of leaf %" PRIu64 " %s", name, row->index, what);
    find(audit, which(audit) == SHERD_LEAF_ASSETS ? SHERD_FINDING_MAP : SHERD_FINDING_FRAGMENT, text);
}

static void find_in_inventory(void *arg, uint64_t index, const char *text)
{
    struct audit *audit = arg;
    char line[TEXT_SIZE];

    if (audit->quiet)
        return;
    (void)snprintf(line, sizeof(line), "leaf %" PRIu64 ": %s", index, text);
    find(audit, SHERD_FINDING_LEDGER, line);
}

/* --- one entry ---------------------------------------------------------------------------------------------------- */

static enum sherd_err add_piece(struct sherd_merkle *tree, struct sherd_blob_reader *reader, uint64_t offset,
                                uint8_t *block, size_t bytes)
{
    struct sherd_digest leaf;

    SHERD_TRY(sherd_blob_read(reader, offset, block, bytes));
    SHERD_TRY(sherd_merkle_leaf(sherd_span_of(block, bytes), &leaf));
    return sherd_merkle_add(tree, &leaf);
}

static enum sherd_err digest_blob_in(struct sherd_blob_reader *reader, uint64_t bytes, uint8_t *block,
                                     struct sherd_digest *out_digest)
{
    struct sherd_merkle tree = {0};
    uint64_t offset = SHERD_FRAGMENT_HEAD_SIZE;

    if (bytes < SHERD_FRAGMENT_HEAD_SIZE)
        return sherd_fail(SHERD_ERR_TAMPERED, "a fragment does not verify");
    SHERD_TRY(add_piece(&tree, reader, 0, block, SHERD_FRAGMENT_HEAD_SIZE));
    while (offset < bytes) {
        const uint64_t left = bytes - offset;
        const size_t piece = left < SHERD_AEAD_SEALED_CHUNK_SIZE ? (size_t)left : SHERD_AEAD_SEALED_CHUNK_SIZE;

        SHERD_TRY(add_piece(&tree, reader, offset, block, piece));
        offset += piece;
    }
    return sherd_merkle_root(&tree, out_digest);
}

static enum sherd_err digest_blob(struct audit *audit, struct sherd_ref name, struct sherd_buf *block,
                                  struct sherd_digest *out_digest)
{
    struct sherd_blob_reader *reader;
    uint64_t bytes;

    sherd_buf_clear(block);
    SHERD_TRY(sherd_buf_reserve(block, SHERD_AEAD_SEALED_CHUNK_SIZE));
    SHERD_TRY(sherd_compartment_blob_open(audit->parts->compartment, name, &reader, &bytes));
    const enum sherd_err err = digest_blob_in(reader, bytes, block->data, out_digest);
    sherd_blob_close(reader);
    if (err == SHERD_OK)
        audit->stat.checked_bytes += bytes;
    return err;
}

/* A map entry by its stored bytes; a fragment as its pin has it, in an entry or a blob. */
static enum sherd_err digest_entry(struct audit *audit, struct sherd_ref name, struct sherd_buf *block,
                                   struct sherd_digest *out_digest)
{
    sherd_buf_clear(block);
    const enum sherd_err err = sherd_compartment_get(audit->parts->compartment, name, block);
    if (err == SHERD_ERR_NOT_FOUND && which(audit) == SHERD_LEAF_SECRETS)
        return digest_blob(audit, name, block, out_digest);
    SHERD_TRY(err);
    const struct sherd_span stored = sherd_buf_span(block);
    audit->stat.checked_bytes += stored.len;
    if (which(audit) == SHERD_LEAF_ASSETS)
        return sherd_hash(SHERD_SHA256, &stored, 1, out_digest->bytes);
    return stored.len > 1 && stored.data[1] == SHERD_KIND_ROW ? sherd_row_digest(stored, out_digest)
                                                              : sherd_fragment_digest(stored, out_digest);
}

static enum sherd_err suspect(struct audit *audit, const struct sherd_inventory_row *row, bool missing)
{
    if (audit->suspect_count == audit->suspect_capacity) {
        const size_t more = audit->suspect_capacity == 0 ? 64 : 2 * audit->suspect_capacity;
        void *longer = sherd_realloc(audit->suspects, more * sizeof(*audit->suspects));

        if (longer == NULL)
            return SHERD_ERR_NO_MEMORY;
        audit->suspects = longer;
        audit->suspect_capacity = more;
    }
    audit->suspects[audit->suspect_count++] = (struct suspect){.row = row, .missing = missing};
    return SHERD_OK;
}

/* The first row of a name. @return its place among those by name; the count of all, if there is none */
static size_t first_named(const struct audit *audit, const struct sherd_ref *name)
{
    const size_t count = audit->parts->inventory->count;
    size_t from = 0;
    size_t to = count;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;

        if (memcmp(&audit->named[middle]->name, name, sizeof(*name)) < 0) /* not secret: names */
            from = middle + 1;
        else
            to = middle;
    }
    return from < count && sherd_same(&audit->named[from]->name, name, sizeof(*name)) ? from : count;
}

static bool is_of_name(const struct audit *audit, size_t at, const struct sherd_ref *name)
{
    return at < audit->parts->inventory->count && sherd_same(&audit->named[at]->name, name, sizeof(*name));
}

/* Whether it was sealed anew with that digest. */
static bool was_renewed(const struct audit *audit, const struct sherd_ref *name, const struct sherd_digest *digest)
{
    for (size_t at = first_named(audit, name); is_of_name(audit, at, name); at++)
        if (audit->named[at]->state == SHERD_ROW_RENEWS &&
            sherd_same(&audit->named[at]->digest, digest, sizeof(*digest)))
            return true;
    return false;
}

static enum sherd_err check_row(struct audit *audit, const struct sherd_inventory_row *row, struct sherd_buf *block)
{
    struct sherd_digest digest;

    const enum sherd_err err = digest_entry(audit, row->name, block, &digest);
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND && err != SHERD_ERR_TAMPERED && err != SHERD_ERR_LIMIT)
        return err;
    audit->stat.checked_count++;
    if (err == SHERD_OK &&
        (sherd_same(&digest, &row->digest, sizeof(digest)) || was_renewed(audit, &row->name, &digest)))
        return SHERD_OK;
    return suspect(audit, row, err == SHERD_ERR_NOT_FOUND);
}

static bool go_on(const struct audit *audit)
{
    const struct sherd_observer *observer = audit->parts->observer;

    return observer->progress == NULL || observer->progress(observer->arg, audit->stat.checked_bytes, 0);
}

static enum sherd_err check_rows(struct audit *audit)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf block = {0};

    for (size_t i = 0; i < audit->standing_count; i++) {
        if (!go_on(audit))
            return sherd_fail(SHERD_ERR_BUSY, "the audit was stopped");
        SHERD_TRY(check_row(audit, audit->standing[i], &block));
    }
    return SHERD_OK;
}

/* --- which entries ------------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    const struct sherd_inventory_row *const *first = a;
    const struct sherd_inventory_row *const *second = b;

    return memcmp(&(*first)->name, &(*second)->name, sizeof((*first)->name)); /* not secret: names */
}

/* A number below count, each as likely. */
static enum sherd_err draw(uint64_t count, uint64_t *out_number)
{
    const uint64_t fair = UINT64_MAX - UINT64_MAX % count;
    uint64_t number;

    do
        SHERD_TRY(sherd_random(&number, sizeof(number)));
    while (number >= fair);
    *out_number = number % count;
    return SHERD_OK;
}

/* Put a sample to the front: each set of that size is as likely. */
static enum sherd_err choose(struct audit *audit)
{
    const size_t sample = (size_t)audit->parts->sample;

    for (size_t i = 0; i < sample; i++) {
        struct sherd_inventory_row *taken = audit->standing[i];
        uint64_t other;

        SHERD_TRY(draw(audit->standing_count - i, &other));
        audit->standing[i] = audit->standing[i + other];
        audit->standing[i + other] = taken;
    }
    audit->standing_count = sample;
    return SHERD_OK;
}

static enum sherd_err select_rows(struct audit *audit)
{
    struct sherd_inventory *inventory = audit->parts->inventory;

    audit->standing = sherd_alloc_array(inventory->count + 1, sizeof(struct sherd_inventory_row *));
    audit->named = sherd_alloc_array(inventory->count + 1, sizeof(struct sherd_inventory_row *));
    if (audit->standing == NULL || audit->named == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < inventory->count; i++) {
        audit->named[i] = &inventory->rows[i];
        if (inventory->rows[i].state == SHERD_ROW_STANDS)
            audit->standing[audit->standing_count++] = &inventory->rows[i];
    }
    audit->stat.entry_count += audit->standing_count;
    if (audit->parts->sample != 0 && audit->parts->sample < audit->standing_count)
        SHERD_TRY(choose(audit));
    qsort(audit->standing, audit->standing_count, sizeof(struct sherd_inventory_row *), by_name);
    qsort(audit->named, inventory->count, sizeof(struct sherd_inventory_row *), by_name);
    return SHERD_OK;
}

/* Were so many damaged, would a sample have shown one, with the confidence that is told? */
static bool would_show(uint64_t entries, uint64_t damaged, uint64_t checked)
{
    double missed = 1;

    for (uint64_t i = 0; i < checked && missed >= CONFIDENCE_MISSED; i++)
        missed *= entries - i > damaged ? (double)(entries - i - damaged) / (double)(entries - i) : 0;
    return missed < CONFIDENCE_MISSED;
}

/* The least number that would have been seen; one more than there are, if none would. */
static uint64_t damaged_below(uint64_t entries, uint64_t checked)
{
    uint64_t from = 1;
    uint64_t to = entries + 1;

    while (from < to) {
        const uint64_t middle = from + (to - from) / 2;

        if (would_show(entries, middle, checked))
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

/* --- what need not be there --------------------------------------------------------------------------------------- */

static bool is_committed_kind(const struct audit *audit, struct sherd_span value)
{
    if (value.len < 2)
        return true;
    if (which(audit) == SHERD_LEAF_ASSETS)
        return value.data[1] == SHERD_KIND_MAP || value.data[1] == SHERD_KIND_LONG_MAP;
    return value.data[1] == SHERD_KIND_FRAGMENT || value.data[1] == SHERD_KIND_ROW;
}

static void count_stray(struct audit *audit, const struct sherd_ref *name)
{
    for (size_t at = first_named(audit, name); is_of_name(audit, at, name); at++)
        if (audit->named[at]->state == SHERD_ROW_STANDS)
            return;
    audit->stat.stray_count++;
}

static enum sherd_err see_entry(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct audit *audit = arg;

    if (is_committed_kind(audit, value))
        count_stray(audit, &name);
    return SHERD_OK;
}

static enum sherd_err see_blob(void *arg, struct sherd_ref name, struct sherd_span value)
{
    (void)value;
    count_stray(arg, &name);
    return SHERD_OK;
}

static enum sherd_err count_strays(struct audit *audit)
{
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(audit->parts->compartment, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, NULL, see_entry, audit);
    sherd_snapshot_end(snapshot);
    SHERD_TRY(err);
    return sherd_compartment_blob_scan(audit->parts->compartment, NULL, see_blob, audit);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

static enum sherd_err hold_against_log(struct audit *audit, struct sherd_inventory_stat *out_stat)
{
    const struct sherd_audit_parts *parts = audit->parts;
    struct sherd_log *log;

    SHERD_TRY(parts->log(parts->log_arg, &log));
    const enum sherd_err err = sherd_inventory_check(parts->inventory, log, find_in_inventory, audit, out_stat);
    sherd_log_close(log);
    return err;
}

static bool still_stands(const struct suspect *suspect)
{
    return suspect->row->state == SHERD_ROW_STANDS;
}

/* What was sealed anew since the inventory was made is other than it says, and rightly. */
static enum sherd_err check_age(const struct audit *audit, uint64_t renewed)
{
    for (size_t i = 0; i < audit->suspect_count && renewed != 0; i++)
        if (still_stands(&audit->suspects[i]) && !audit->suspects[i].missing)
            return sherd_fail(SHERD_ERR_CONFLICT,
                              "%" PRIu64 " entries of %s were sealed anew since the inventory was made, and are others "
                              "than it says: a newer inventory is needed",
                              renewed, role_name(audit));
    return SHERD_OK;
}

/* What is missing or differs, and must be there still. */
static enum sherd_err settle_suspects(struct audit *audit)
{
    struct sherd_inventory_stat stat;

    if (audit->suspect_count == 0)
        return SHERD_OK;
    audit->quiet = true;
    SHERD_TRY(hold_against_log(audit, &stat));
    SHERD_TRY(check_age(audit, stat.renewed_count));
    for (size_t i = 0; i < audit->suspect_count; i++)
        if (still_stands(&audit->suspects[i]))
            find_entry(audit, audit->suspects[i].row,
                       audit->suspects[i].missing ? "is missing" : "is not what the ledger says");
    return SHERD_OK;
}

static enum sherd_err audit_all(struct audit *audit)
{
    struct sherd_inventory_stat stat = {0};

    SHERD_TRY(hold_against_log(audit, &stat));
    audit->stat.leaf_count = stat.leaf_count;
    audit->stat.later_count = stat.later_count;
    audit->stat.entry_count = stat.unshown_count;
    SHERD_TRY(select_rows(audit));
    SHERD_TRY(check_rows(audit));
    if (audit->parts->sample == 0)
        SHERD_TRY(count_strays(audit));
    SHERD_TRY(settle_suspects(audit));
    audit->stat.damaged_below = damaged_below(audit->stat.entry_count, audit->stat.checked_count);
    return SHERD_OK;
}

enum sherd_err sherd_audit_compartment(const struct sherd_audit_parts *parts, struct sherd_audit_stat *stat)
{
    struct audit audit = {.parts = parts};

    const enum sherd_err err = audit_all(&audit);
    stat->leaf_count = audit.stat.leaf_count;
    stat->entry_count += audit.stat.entry_count;
    stat->checked_count += audit.stat.checked_count;
    stat->checked_bytes += audit.stat.checked_bytes;
    stat->later_count += audit.stat.later_count;
    stat->stray_count += audit.stat.stray_count;
    stat->finding_count += audit.stat.finding_count;
    stat->damaged_below = audit.stat.damaged_below > stat->damaged_below ? audit.stat.damaged_below
                                                                         : stat->damaged_below;
    sherd_free(audit.standing);
    sherd_free(audit.named);
    sherd_free(audit.suspects);
    return err;
}
