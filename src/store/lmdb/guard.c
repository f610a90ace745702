/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged pages survived. See guard.h. */
#include "store/lmdb/guard.h"
#include "store/lmdb/lmdb.h"
#include <setjmp.h>
#include <sherd/provider/store.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* What the command says of tampering, too. */
#define EXIT_DAMAGED 3

/* Where the guarded call of this thread began; NULL outside of one. */
static _Thread_local sigjmp_buf *guarded;

__attribute__((noreturn)) static void end_process(void)
{
    static const char text[] = "sherd: the files of a store are damaged: restore the compartment from a backup\n";

    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EXIT_DAMAGED);
    _exit(EXIT_DAMAGED);
}

/* A damaged page while writing: LMDB's own state is half changed, so there is no way back but to end. */
static void failed_assertion(MDB_env *env, const char *text)
{
    (void)env;
    (void)text;
    if (guarded != NULL)
        siglongjmp(*guarded, 1);
    end_process();
}

void sherd_lmdb_guard_env(MDB_env *env)
{
    (void)mdb_env_set_assert(env, failed_assertion);
}

void sherd_lmdb_guard_fault(void)
{
    if (guarded != NULL)
        siglongjmp(*guarded, 1);
}

static enum sherd_err append_value(const MDB_val *found, struct sherd_buf *out_value)
{
    if (found->mv_size > SHERD_STORE_VALUE_BYTES_MAX)
        return sherd_fail(SHERD_ERR_IO, "a damaged entry: restore the compartment from a backup");
    return sherd_buf_append(out_value, sherd_span_of(found->mv_data, found->mv_size));
}

int sherd_lmdb_guard_get(MDB_txn *txn, MDB_dbi dbi, struct sherd_span key, struct sherd_buf *out_value,
                         enum sherd_err *out_err)
{
    MDB_val name = {.mv_size = key.len, .mv_data = (void *)(uintptr_t)key.data};
    MDB_val found = {0};
    sigjmp_buf here;
    int rc;

    if (sigsetjmp(here, 0) != 0) {
        guarded = NULL;
        return MDB_CORRUPTED;
    }
    guarded = &here;
    rc = mdb_get(txn, dbi, &name, &found);
    if (rc == MDB_SUCCESS)
        *out_err = append_value(&found, out_value);
    guarded = NULL;
    return rc;
}

int sherd_lmdb_guard_has(MDB_txn *txn, MDB_dbi dbi, struct sherd_span key)
{
    MDB_val name = {.mv_size = key.len, .mv_data = (void *)(uintptr_t)key.data};
    MDB_val found = {0};
    sigjmp_buf here;
    int rc;

    if (sigsetjmp(here, 0) != 0) {
        guarded = NULL;
        return MDB_CORRUPTED;
    }
    guarded = &here;
    rc = mdb_get(txn, dbi, &name, &found);
    guarded = NULL;
    return rc;
}

int sherd_lmdb_guard_cursor(MDB_cursor *cursor, MDB_cursor_op op, uint8_t *key, size_t *key_bytes,
                            struct sherd_buf *value, enum sherd_err *out_err)
{
    MDB_val name = {.mv_size = *key_bytes, .mv_data = key};
    MDB_val found = {0};
    sigjmp_buf here;
    int rc;

    if (sigsetjmp(here, 0) != 0) {
        guarded = NULL;
        return MDB_CORRUPTED;
    }
    guarded = &here;
    rc = mdb_cursor_get(cursor, &name, &found, op);
    if (rc == MDB_SUCCESS && name.mv_size > SHERD_LMDB_KEY_BYTES_MAX)
        rc = MDB_CORRUPTED;
    if (rc == MDB_SUCCESS) {
        *key_bytes = name.mv_size;
        memmove(key, name.mv_data, name.mv_size);
        value->len = 0;
        *out_err = append_value(&found, value);
    }
    guarded = NULL;
    return rc;
}
