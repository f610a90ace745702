/* SPDX-License-Identifier: Apache-2.0 */
/* Inventories: see inventory.h and docs/format/ledger.md. */
#include "ledger/inventory.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC "SHRDINVT"
#define FORMAT 1U
#define CAPACITY_FIRST 256U
#define FINDING_TEXT_SIZE 128U

/* --- bytes -------------------------------------------------------------------------------------------------------- */

void sherd_inventory_done(struct sherd_inventory *inventory)
{
    sherd_free(inventory->rows);
    *inventory = (struct sherd_inventory){.compartment = inventory->compartment};
}

/* Room for one more. */
static enum sherd_err grow(void **list, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return SHERD_OK;
    const size_t more = *capacity == 0 ? CAPACITY_FIRST : *capacity * 2;
    void *longer = more > SIZE_MAX / size ? NULL : sherd_realloc(*list, more * size);

    if (longer == NULL)
        return SHERD_ERR_NO_MEMORY;
    *list = longer;
    *capacity = more;
    return SHERD_OK;
}

enum sherd_err sherd_inventory_add(struct sherd_inventory *inventory, const struct sherd_inventory_row *row)
{
    void *rows = inventory->rows;

    SHERD_ENSURE(inventory->count == 0 || inventory->rows[inventory->count - 1].index < row->index, SHERD_ERR_INVALID,
                 "the rows of an inventory are in the order of their leaves");
    SHERD_TRY(grow(&rows, &inventory->capacity, inventory->count, sizeof(*inventory->rows)));
    inventory->rows = rows;
    inventory->rows[inventory->count++] = *row;
    return SHERD_OK;
}

static void encode_row(const struct sherd_inventory_row *row, uint8_t out[static SHERD_INVENTORY_ROW_SIZE])
{
    sherd_put_u64(out, row->index);
    memcpy(out + 8, row->blind.bytes, 32);
    memcpy(out + 40, row->name.bytes, 16);
    memcpy(out + 56, row->digest.bytes, 32);
}

enum sherd_err sherd_inventory_encode(const struct sherd_inventory *inventory, struct sherd_buf *out_bytes)
{
    uint8_t head[SHERD_INVENTORY_HEAD_SIZE] = MAGIC;
    uint8_t row[SHERD_INVENTORY_ROW_SIZE];

    sherd_put_u32(head + 8, FORMAT);
    sherd_put_u32(head + 12, (uint32_t)inventory->compartment);
    sherd_put_u64(head + 16, inventory->size);
    sherd_put_u64(head + 24, inventory->count);
    SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(head, sizeof(head))));
    for (size_t i = 0; i < inventory->count; i++) {
        encode_row(&inventory->rows[i], row);
        SHERD_TRY(sherd_buf_append(out_bytes, sherd_span_of(row, sizeof(row))));
    }
    return SHERD_OK;
}

static enum sherd_err not_an_inventory(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "that is no inventory, or not all of one");
}

static enum sherd_err decode_rows(struct sherd_span bytes, struct sherd_inventory *inventory)
{
    struct sherd_inventory_row row = {0};
    struct sherd_span block;

    while (sherd_span_take(&bytes, SHERD_INVENTORY_ROW_SIZE, &block)) {
        row.index = sherd_get_u64(block.data);
        memcpy(row.blind.bytes, block.data + 8, 32);
        memcpy(row.name.bytes, block.data + 40, 16);
        memcpy(row.digest.bytes, block.data + 56, 32);
        if (row.index >= inventory->size)
            return not_an_inventory();
        const enum sherd_err err = sherd_inventory_add(inventory, &row);
        if (err != SHERD_OK)
            return err == SHERD_ERR_INVALID ? not_an_inventory() : err;
    }
    return SHERD_OK;
}

enum sherd_err sherd_inventory_decode(struct sherd_span bytes, struct sherd_inventory *out_inventory)
{
    struct sherd_inventory inventory = {0};
    struct sherd_span head;

    if (!sherd_span_take(&bytes, SHERD_INVENTORY_HEAD_SIZE, &head) || !sherd_same(head.data, MAGIC, 8))
        return not_an_inventory();
    SHERD_ENSURE(sherd_get_u32(head.data + 8) == FORMAT, SHERD_ERR_UNSUPPORTED,
                 "the inventory has a format of the future");
    const uint32_t compartment = sherd_get_u32(head.data + 12);
    if (compartment > SHERD_LEAF_SECRETS || sherd_get_u64(head.data + 16) > INT64_MAX ||
        bytes.len % SHERD_INVENTORY_ROW_SIZE != 0 ||
        sherd_get_u64(head.data + 24) != bytes.len / SHERD_INVENTORY_ROW_SIZE)
        return not_an_inventory();
    inventory.compartment = (enum sherd_leaf_commitment)compartment;
    inventory.size = sherd_get_u64(head.data + 16);
    const enum sherd_err err = decode_rows(bytes, &inventory);
    if (err != SHERD_OK) {
        sherd_inventory_done(&inventory);
        return err;
    }
    *out_inventory = inventory;
    return SHERD_OK;
}

/* --- against a log ------------------------------------------------------------------------------------------------ */

#define NO_ROW SIZE_MAX

/* A leaf said that a version of a subject has an entry here, or that all versions up to one are gone. */
struct mark {
    struct sherd_ref subject;
    uint64_t version;
    uint64_t index;
    size_t row; /* NO_ROW: none */
    bool first; /* the version was made; others say of one that is there where it lies now */
    bool gone;
};

struct check {
    struct sherd_inventory *inventory;
    size_t next; /* row */
    struct mark *marks;
    size_t count;
    size_t capacity;
    sherd_inventory_finding_fn *finding;
    void *arg;
    struct sherd_inventory_stat stat;
};

static void find(struct check *check, uint64_t index, const char *text)
{
    check->stat.finding_count++;
    if (check->finding != NULL)
        check->finding(check->arg, index, text);
}

static enum sherd_err add_mark(struct check *check, const struct sherd_leaf *leaf, struct mark mark)
{
    void *marks = check->marks;

    mark.subject = leaf->subject;
    SHERD_TRY(grow(&marks, &check->capacity, check->count, sizeof(mark)));
    check->marks = marks;
    check->marks[check->count++] = mark;
    return SHERD_OK;
}

/* The row of a leaf, if it opens what the leaf commits to. */
static enum sherd_err take_row(struct check *check, uint64_t index, const struct sherd_leaf *leaf, size_t *out_row)
{
    struct sherd_inventory *inventory = check->inventory;
    const enum sherd_leaf_commitment which = inventory->compartment;
    struct sherd_digest commitment;

    *out_row = NO_ROW;
    if (check->next == inventory->count || inventory->rows[check->next].index != index)
        return SHERD_OK;
    const size_t at = check->next++;
    const struct sherd_inventory_row *row = &inventory->rows[at];
    SHERD_TRY(sherd_leaf_commitment(&row->blind, &row->name, &row->digest, &commitment));
    if (leaf->committed[which] && sherd_same(&commitment, &leaf->commitments[which], sizeof(commitment)))
        *out_row = at;
    else
        find(check, index, "the inventory's row does not open the commitment of its leaf");
    return SHERD_OK;
}

/* An entry that was sealed anew, by itself, under its name: of which version is told by the row alone. */
static bool renews(const struct check *check, const struct sherd_leaf *leaf)
{
    static const struct sherd_ref none = {{0}};

    return leaf->kind == SHERD_EVENT_RESEAL && leaf->committed[check->inventory->compartment] &&
           sherd_same(leaf->subject.bytes, none.bytes, sizeof(none.bytes));
}

static void take_renewal(struct check *check, uint64_t index, size_t row)
{
    if (row != NO_ROW) {
        check->inventory->rows[row].state = SHERD_ROW_RENEWS;
    } else if (index < check->inventory->size) {
        check->stat.unshown_count++;
        find(check, index, "the inventory does not show an entry that was sealed anew");
    } else {
        check->stat.renewed_count++;
    }
}

/* Whether a leaf is of a version that was made then. Its leaf may come after one that says that it was sealed anew. */
static bool makes(const struct sherd_leaf *leaf)
{
    return leaf->kind == SHERD_EVENT_PUT || leaf->kind == SHERD_EVENT_UPDATE;
}

/* Of an update, count is how many versions its collection keeps; 0 is all. */
static enum sherd_err take_leaf(void *arg, uint64_t index, struct sherd_span entry)
{
    struct check *check = arg;
    struct sherd_leaf leaf;
    size_t row;

    check->stat.leaf_count++;
    SHERD_TRY(sherd_leaf_decode(entry, &leaf));
    SHERD_TRY(take_row(check, index, &leaf, &row));
    if (renews(check, &leaf)) {
        take_renewal(check, index, row);
        return SHERD_OK;
    }
    if (leaf.committed[check->inventory->compartment])
        SHERD_TRY(add_mark(check, &leaf,
                           (struct mark){.version = leaf.version, .index = index, .row = row, .first = makes(&leaf)}));
    if (leaf.kind == SHERD_EVENT_DELETE)
        return add_mark(check, &leaf, (struct mark){.version = leaf.version, .index = index, .gone = true});
    if (leaf.kind == SHERD_EVENT_UPDATE && leaf.count != 0 && leaf.version > leaf.count)
        return add_mark(check, &leaf,
                        (struct mark){.version = leaf.version - leaf.count, .index = index, .gone = true});
    return SHERD_OK;
}

static int in_order(const void *a, const void *b)
{
    const struct mark *first = a;
    const struct mark *second = b;
    const int order = memcmp(&first->subject, &second->subject, sizeof(first->subject)); /* not secret: pseudonyms */

    if (order != 0)
        return order;
    if (first->version != second->version)
        return first->version < second->version ? -1 : 1;
    if (first->first != second->first)
        return first->first ? -1 : 1;
    return first->index < second->index ? -1 : first->index > second->index;
}

static void settle_standing(struct check *check, const struct mark *mark)
{
    if (mark->row != NO_ROW) {
        check->inventory->rows[mark->row].state = SHERD_ROW_STANDS;
        check->stat.stands_count++;
    } else if (mark->index >= check->inventory->size) {
        check->stat.later_count++;
    } else {
        check->stat.unshown_count++;
        find(check, mark->index, "the inventory does not show an entry that must be there");
    }
}

/* All marks of one subject, by version: what is above those that are gone, and the last of its version, stands. */
static void settle_subject(struct check *check, const struct mark *marks, size_t count)
{
    uint64_t gone = 0;

    for (size_t i = 0; i < count; i++)
        if (marks[i].gone)
            gone = marks[i].version;
    for (size_t i = 0; i < count; i++) {
        const bool last = i + 1 == count || marks[i + 1].version != marks[i].version;

        if (marks[i].gone)
            continue;
        if (marks[i].version > gone && last) {
            settle_standing(check, &marks[i]);
        } else if (marks[i].row != NO_ROW) {
            check->inventory->rows[marks[i].row].state = SHERD_ROW_OVER;
            check->stat.over_count++;
        }
    }
}

static void settle(struct check *check)
{
    size_t from = 0;

    if (check->count > 1)
        qsort(check->marks, check->count, sizeof(*check->marks), in_order);
    for (size_t i = 1; i <= check->count; i++)
        if (i == check->count ||
            !sherd_same(&check->marks[i].subject, &check->marks[from].subject, sizeof(check->marks[i].subject))) {
            settle_subject(check, check->marks + from, i - from);
            from = i;
        }
}

enum sherd_err sherd_inventory_check(struct sherd_inventory *inventory, struct sherd_log *log,
                                     sherd_inventory_finding_fn *finding, void *arg,
                                     struct sherd_inventory_stat *out_stat)
{
    struct check check = {.inventory = inventory, .finding = finding, .arg = arg};

    for (size_t i = 0; i < inventory->count; i++)
        inventory->rows[i].state = SHERD_ROW_UNKNOWN;
    const enum sherd_err err = sherd_log_verify(log, take_leaf, &check);
    if (err == SHERD_OK) {
        for (; check.next < inventory->count; check.next++)
            find(&check, inventory->rows[check.next].index,
                 "the inventory has a row of a leaf that the log does not have");
        settle(&check);
        *out_stat = check.stat;
    }
    sherd_free(check.marks);
    return err;
}
