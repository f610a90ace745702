/* SPDX-License-Identifier: Apache-2.0 */
/* Expectations of operations. See expect.h. */
#include "store/lmdb/expect.h"
#include "base/bytes.h"
#include "store/lmdb/guard.h"

static enum sherd_err holds(bool condition)
{
    return condition ? SHERD_OK : SHERD_ERR_CONFLICT;
}

/* The frame being built says something about the name. */
static enum sherd_err expect_pending(const struct sherd_lmdb_writer *writer, const struct sherd_lmdb_item *item,
                                     const struct sherd_store_op *op)
{
    if (op->expect == SHERD_EXPECT_ABSENT || item->bytes == SHERD_LMDB_ITEM_DELETED)
        return holds(op->expect == SHERD_EXPECT_ABSENT && item->bytes == SHERD_LMDB_ITEM_DELETED);
    return holds(sherd_span_equal(sherd_span_of(writer->frame.data + item->offset, item->bytes), op->expected));
}

/* A journal says something about it. */
static enum sherd_err expect_journal(struct sherd_lmdb_writer *writer, const struct sherd_lmdb_journal *journal,
                                     const struct sherd_lmdb_item *item, const struct sherd_store_op *op)
{
    if (op->expect == SHERD_EXPECT_ABSENT || item->bytes == SHERD_LMDB_ITEM_DELETED)
        return holds(op->expect == SHERD_EXPECT_ABSENT && item->bytes == SHERD_LMDB_ITEM_DELETED);
    if (item->bytes != op->expected.len)
        return SHERD_ERR_CONFLICT;
    writer->scratch.len = 0;
    SHERD_TRY(sherd_lmdb_journal_value(journal, item, &writer->scratch));
    return holds(sherd_span_equal(sherd_buf_span(&writer->scratch), op->expected));
}

enum sherd_err sherd_lmdb_expect_in(struct sherd_lmdb_writer *writer, MDB_txn *txn, const struct sherd_store_op *op)
{
    const struct sherd_span key = sherd_span_of(op->name.bytes, sizeof op->name.bytes);
    enum sherd_err err = SHERD_OK;
    int rc;

    if (op->expect == SHERD_EXPECT_ANY)
        return SHERD_OK;
    if (op->expect == SHERD_EXPECT_ABSENT) {
        rc = sherd_lmdb_guard_has(txn, writer->env->dbi, key);
        return rc == MDB_SUCCESS || rc == MDB_NOTFOUND ? holds(rc == MDB_NOTFOUND)
                                                       : sherd_lmdb_fail(rc, "look for an entry");
    }
    writer->scratch.len = 0;
    rc = sherd_lmdb_guard_get(txn, writer->env->dbi, key, &writer->scratch, &err);
    if (rc == MDB_NOTFOUND)
        return SHERD_ERR_CONFLICT;
    SHERD_TRY(sherd_lmdb_fail(rc, "read an entry"));
    SHERD_TRY(err);
    return holds(sherd_span_equal(sherd_buf_span(&writer->scratch), op->expected));
}

enum sherd_err sherd_lmdb_expect(struct sherd_lmdb_writer *writer, const struct sherd_store_op *op)
{
    const struct sherd_lmdb_journal *journal = NULL;
    const struct sherd_lmdb_item *item;

    if (op->expect == SHERD_EXPECT_ANY)
        return SHERD_OK;
    item = sherd_lmdb_index_find(&writer->pending, &op->name, writer->pending.count);
    if (item != NULL)
        return expect_pending(writer, item, op);
    item = sherd_lmdb_view_find(&writer->view, &op->name, &journal);
    if (item != NULL)
        return expect_journal(writer, journal, item, op);
    if (writer->reader == NULL)
        SHERD_TRY(sherd_lmdb_reader_begin(writer->env, &writer->reader));
    return sherd_lmdb_expect_in(writer, writer->reader->txn, op);
}
