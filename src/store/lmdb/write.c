/* SPDX-License-Identifier: Apache-2.0 */
/* Write sets into frames. See write.h. */
#include "store/lmdb/write.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "store/lmdb/expect.h"
#include "store/lmdb/guard.h"
#include <string.h>

#define PENDING_BITS 10U
#define FRAME_KEPT_BYTES ((size_t)1 << 20) /* a longer buffer is given back */
#define SETTLE_BYTES ((uint64_t)1 << 20)

enum sherd_err sherd_lmdb_writer_init(struct sherd_lmdb_env *env, struct sherd_lmdb_log *log,
                                      struct sherd_lmdb_applier *applier, struct sherd_lmdb_failure *failure,
                                      struct sherd_lmdb_writer *writer)
{
    SHERD_TRY(sherd_lmdb_index_init(&writer->pending, PENDING_BITS));
    if (pthread_mutex_init(&writer->mutex, NULL) != 0) {
        sherd_lmdb_index_done(&writer->pending);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "store: no memory for a lock");
    }
    writer->env = env;
    writer->log = log;
    writer->applier = applier;
    writer->failure = failure;
    writer->frame.max = SHERD_LMDB_FRAME_HEADER_BYTES + (size_t)SHERD_LMDB_FRAME_BODY_MAX;
    writer->scratch.max = SHERD_STORE_VALUE_BYTES_MAX;
    return SHERD_OK;
}

void sherd_lmdb_writer_done(struct sherd_lmdb_writer *writer)
{
    if (writer->env == NULL)
        return;
    sherd_buf_done(&writer->scratch);
    sherd_buf_done(&writer->frame);
    sherd_lmdb_index_done(&writer->pending);
    (void)pthread_mutex_destroy(&writer->mutex);
    memset(writer, 0, sizeof *writer);
}

/* --- the view of the writer -------------------------------------------------------------------------------------- */

static void drop_view(struct sherd_lmdb_writer *writer)
{
    if (writer->reader != NULL)
        sherd_lmdb_reader_end(writer->env, writer->reader);
    writer->reader = NULL;
    sherd_lmdb_view_done(&writer->view);
}

static enum sherd_err renew_view(struct sherd_lmdb_writer *writer)
{
    drop_view(writer);
    return sherd_lmdb_log_view(writer->log, &writer->view);
}

/* --- the frame --------------------------------------------------------------------------------------------------- */

/* An empty frame: room for its header. Its bytes are ciphertext, so nothing is wiped. */
static enum sherd_err reset_frame(struct sherd_lmdb_writer *writer)
{
    static const uint8_t room[SHERD_LMDB_FRAME_HEADER_BYTES];
    const size_t max = writer->frame.max;

    if (writer->frame.cap > FRAME_KEPT_BYTES) {
        sherd_buf_done(&writer->frame);
        writer->frame.max = max;
    }
    sherd_lmdb_index_truncate(&writer->pending, 0);
    writer->op_count = 0;
    writer->frame.len = 0;
    return sherd_buf_append(&writer->frame, sherd_span_of(room, sizeof room));
}

/* Freeze the active journal. LMDB as the reader sees it may lack what has been applied since, so the view goes too. */
static enum sherd_err make_room(struct sherd_lmdb_writer *writer)
{
    const uint64_t generation = writer->view.active->header.generation;

    drop_view(writer);
    SHERD_TRY(sherd_lmdb_applier_wait(writer->applier, generation - 1));
    SHERD_TRY(sherd_lmdb_log_rotate(writer->log));
    return renew_view(writer);
}

static enum sherd_err write_frame(struct sherd_lmdb_writer *writer)
{
    struct sherd_lmdb_journal *active = writer->view.active;
    struct sherd_span frame;

    SHERD_TRY(sherd_lmdb_frame_seal(&writer->frame, &active->header, active->next_sequence, writer->op_count));
    frame = sherd_buf_span(&writer->frame);
    SHERD_TRY(sherd_lmdb_journal_write(active, frame, writer->op_count));
    sherd_lmdb_log_publish(writer->log, frame);
    writer->view.active_count = active->index.count;
    return SHERD_OK;
}

/* A frozen journal left by a process that died is applied by us, but not by a command that soon ends. */
static void apply_ahead(struct sherd_lmdb_writer *writer)
{
    if (writer->view.frozen != NULL && writer->view.active->end > writer->view.active->capacity / 4 &&
        sherd_lmdb_log_applied(writer->log) < writer->view.frozen->header.generation)
        sherd_lmdb_applier_kick(writer->applier);
}

static enum sherd_err flush_frame(struct sherd_lmdb_writer *writer)
{
    enum sherd_err err = SHERD_OK;

    if (writer->op_count == 0)
        return SHERD_OK;
    if (!sherd_lmdb_journal_fits(writer->view.active, writer->frame.len + 8, writer->op_count)) {
        err = make_room(writer);
        if (err == SHERD_OK)
            sherd_lmdb_applier_kick(writer->applier);
    }
    if (err == SHERD_OK)
        err = write_frame(writer);
    if (err == SHERD_ERR_IO)
        sherd_lmdb_failure_keep(writer->failure);
    SHERD_TRY(err);
    writer->wrote = true;
    apply_ahead(writer);
    return reset_frame(writer);
}

/* --- sets -------------------------------------------------------------------------------------------------------- */

static size_t set_bytes(const struct sherd_store_set *set)
{
    size_t bytes = 0;

    for (size_t i = 0; i < set->count; i++)
        bytes += sherd_lmdb_op_bytes(&set->ops[i]);
    return bytes;
}

static enum sherd_err check_op(const struct sherd_store_op *op)
{
    SHERD_ENSURE(op->kind != SHERD_STORE_PUT || (op->value.len >= 1 && op->value.len <= SHERD_STORE_VALUE_BYTES_MAX),
                 SHERD_ERR_LIMIT, "store: a value must have 1 byte to 256 KiB");
    return SHERD_OK;
}

static enum sherd_err stage_op(struct sherd_lmdb_writer *writer, const struct sherd_store_op *op)
{
    const size_t offset = writer->frame.len + SHERD_LMDB_OP_HEADER_BYTES;
    const bool put = op->kind == SHERD_STORE_PUT;

    SHERD_TRY(check_op(op));
    SHERD_TRY(sherd_lmdb_expect(writer, op));
    if (op->kind == SHERD_STORE_CHECK)
        return SHERD_OK;
    SHERD_TRY(sherd_lmdb_index_reserve(&writer->pending, 1));
    SHERD_TRY(sherd_lmdb_op_encode(&writer->frame, op));
    sherd_lmdb_index_add(&writer->pending, op->name, (uint32_t)offset,
                         put ? (uint32_t)op->value.len : SHERD_LMDB_ITEM_DELETED);
    writer->op_count++;
    return SHERD_OK;
}

/* A set comes into the frame whole or not at all. */
static enum sherd_err stage_set(struct sherd_lmdb_writer *writer, const struct sherd_store_set *set)
{
    const size_t len = writer->frame.len;
    const uint32_t count = writer->op_count;
    enum sherd_err err = SHERD_OK;

    for (size_t i = 0; i < set->count && err == SHERD_OK; i++)
        err = stage_op(writer, &set->ops[i]);
    if (err != SHERD_OK) {
        writer->frame.len = len;
        writer->op_count = count;
        sherd_lmdb_index_truncate(&writer->pending, count);
    }
    return err;
}

/* --- sets too large for a frame ---------------------------------------------------------------------------------- */

static int direct_op(MDB_txn *txn, MDB_dbi dbi, const struct sherd_store_op *op)
{
    MDB_val key = {.mv_size = sizeof op->name.bytes, .mv_data = (void *)(uintptr_t)op->name.bytes};
    MDB_val value = {.mv_size = op->value.len, .mv_data = (void *)(uintptr_t)op->value.data};
    int rc;

    if (op->kind == SHERD_STORE_CHECK)
        return MDB_SUCCESS;
    if (op->kind == SHERD_STORE_PUT)
        return mdb_put(txn, dbi, &key, &value, 0);
    rc = mdb_del(txn, dbi, &key, NULL);
    return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
}

static enum sherd_err direct_ops(struct sherd_lmdb_writer *writer, MDB_txn *txn, const struct sherd_store_set *set,
                                 int *out_rc)
{
    *out_rc = MDB_SUCCESS;
    for (size_t i = 0; i < set->count; i++) {
        SHERD_TRY(check_op(&set->ops[i]));
        SHERD_TRY(sherd_lmdb_expect_in(writer, txn, &set->ops[i]));
        *out_rc = direct_op(txn, writer->env->dbi, &set->ops[i]);
        if (*out_rc != MDB_SUCCESS)
            return SHERD_OK;
    }
    return SHERD_OK;
}

static enum sherd_err direct_txn(struct sherd_lmdb_writer *writer, const struct sherd_store_set *set, int *out_rc)
{
    MDB_txn *txn = NULL;
    enum sherd_err err;

    *out_rc = MDB_SUCCESS;
    SHERD_TRY(sherd_lmdb_env_begin_write(writer->env, &txn));
    err = direct_ops(writer, txn, set, out_rc);
    if (err != SHERD_OK || *out_rc != MDB_SUCCESS) {
        mdb_txn_abort(txn);
        sherd_lmdb_env_end_write(writer->env);
        return err;
    }
    *out_rc = mdb_txn_commit(txn);
    sherd_lmdb_env_end_write(writer->env);
    if (*out_rc == MDB_SUCCESS)
        *out_rc = mdb_env_sync(writer->env->mdb, 1); /* the commit alone leaves its root to the next flush */
    if (*out_rc != MDB_MAP_FULL && sherd_lmdb_fail(*out_rc, "write a large set") != SHERD_OK)
        sherd_lmdb_failure_keep(writer->failure);
    return SHERD_OK;
}

/* Both journals into LMDB, then the set as one transaction of LMDB. The frame is empty. */
static enum sherd_err write_direct(struct sherd_lmdb_writer *writer, const struct sherd_store_set *set)
{
    enum sherd_err err = SHERD_OK;
    int rc = MDB_SUCCESS;

    if (writer->view.active_count > 0)
        SHERD_TRY(make_room(writer));
    SHERD_TRY(sherd_lmdb_applier_wait(writer->applier, writer->view.active->header.generation - 1));
    drop_view(writer);
    do {
        if (rc == MDB_MAP_FULL)
            SHERD_TRY(sherd_lmdb_env_grow(writer->env));
        err = direct_txn(writer, set, &rc);
    } while (err == SHERD_OK && rc == MDB_MAP_FULL);
    if (err == SHERD_OK)
        err = sherd_lmdb_fail(rc, "write a large set");
    SHERD_TRY(err);
    writer->wrote = true;
    return renew_view(writer);
}

/* --- write ------------------------------------------------------------------------------------------------------- */

/* Carry out one set. *out_flushed tells whether all sets before it are durable now. */
static enum sherd_err write_set(struct sherd_lmdb_writer *writer, const struct sherd_store_set *set, bool *out_flushed)
{
    const size_t bytes = set_bytes(set);

    *out_flushed = false;
    if (writer->frame.len + bytes <= (size_t)SHERD_LMDB_FRAME_BODY_MAX)
        return stage_set(writer, set);
    SHERD_TRY(flush_frame(writer));
    *out_flushed = true;
    if (writer->frame.len + bytes <= (size_t)SHERD_LMDB_FRAME_BODY_MAX)
        return stage_set(writer, set);
    return write_direct(writer, set);
}

/* *done counts the sets whose result is final. */
static enum sherd_err write_sets(struct sherd_lmdb_writer *writer, struct sherd_store_set *const *sets,
                                 size_t set_count, size_t *done)
{
    SHERD_TRY(renew_view(writer));
    SHERD_TRY(reset_frame(writer));
    for (size_t i = 0; i < set_count; i++) {
        bool flushed = false;
        const enum sherd_err err = write_set(writer, sets[i], &flushed);

        if (flushed)
            *done = i;
        if (err != SHERD_OK && err != SHERD_ERR_CONFLICT)
            return err;
        sets[i]->result = err;
        if (flushed && writer->op_count == 0)
            *done = i + 1; /* it went straight into LMDB, or was refused */
    }
    SHERD_TRY(flush_frame(writer));
    *done = set_count;
    return SHERD_OK;
}

enum sherd_err sherd_lmdb_write(struct sherd_lmdb_writer *writer, struct sherd_store_set *const *sets, size_t set_count)
{
    enum sherd_err err;
    size_t done = 0;

    for (size_t i = 0; i < set_count; i++)
        sets[i]->result = SHERD_OK;
    (void)pthread_mutex_lock(&writer->mutex);
    err = sherd_lmdb_lock_wait(writer->log->lock.fd, SHERD_LMDB_LOCK_WRITE, SHERD_LMDB_EXCLUSIVE);
    if (err == SHERD_OK) {
        err = write_sets(writer, sets, set_count, &done);
        drop_view(writer);
        sherd_lmdb_unlock(writer->log->lock.fd, SHERD_LMDB_LOCK_WRITE);
    }
    (void)pthread_mutex_unlock(&writer->mutex);
    for (size_t i = done; err != SHERD_OK && i < set_count; i++)
        if (sets[i]->result != SHERD_ERR_CONFLICT)
            sets[i]->result = err;
    return err;
}

/* --- settle ------------------------------------------------------------------------------------------------------ */

static enum sherd_err settle(struct sherd_lmdb_writer *writer)
{
    uint64_t waiting;

    SHERD_TRY(renew_view(writer));
    waiting = writer->view.active->end + (writer->view.frozen != NULL ? writer->view.frozen->end : 0);
    if (waiting <= SETTLE_BYTES)
        return SHERD_OK;
    if (writer->view.active->end > SETTLE_BYTES / 2)
        SHERD_TRY(make_room(writer));
    return sherd_lmdb_applier_wait(writer->applier, writer->view.active->header.generation - 1);
}

static enum sherd_err apply_all(struct sherd_lmdb_writer *writer)
{
    SHERD_TRY(renew_view(writer));
    if (writer->view.active_count > 0)
        SHERD_TRY(make_room(writer));
    return sherd_lmdb_applier_wait(writer->applier, writer->view.active->header.generation - 1);
}

void sherd_lmdb_writer_settle(struct sherd_lmdb_writer *writer)
{
    if (writer->env == NULL || !(writer->wrote || writer->all) || sherd_lmdb_failure_is_kept(writer->failure))
        return;
    (void)pthread_mutex_lock(&writer->mutex);
    if (sherd_lmdb_lock_wait(writer->log->lock.fd, SHERD_LMDB_LOCK_WRITE, SHERD_LMDB_EXCLUSIVE) == SHERD_OK) {
        const enum sherd_err err = writer->all ? apply_all(writer) : settle(writer);

        (void)err; /* what is not applied now is applied later */
        drop_view(writer);
        sherd_lmdb_unlock(writer->log->lock.fd, SHERD_LMDB_LOCK_WRITE);
    }
    (void)pthread_mutex_unlock(&writer->mutex);
}

void sherd_lmdb_writer_apply_at_end(struct sherd_lmdb_writer *writer)
{
    (void)pthread_mutex_lock(&writer->mutex);
    writer->all = true;
    (void)pthread_mutex_unlock(&writer->mutex);
}
