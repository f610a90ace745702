/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of somebody's log: see log.h. Their checkpoints are signed already; what is appended must lead to them. */
#include "base/bytes.h"
#include "base/mem.h"
#include "ledger/log.h"
#include "ledger/log_state.h"
#include <inttypes.h>

/* The checkpoint that is to be reached. */
struct target {
    struct sherd_span note;
    struct sherd_checkpoint checkpoint;
};

static enum sherd_err not_one_log(void)
{
    return sherd_fail(SHERD_ERR_CONFLICT, "the log does not continue its copy: it was forked or written anew");
}

/* In the place of a signature: the one that is there, if it is for that tree. */
static enum sherd_err give_note(void *arg, struct sherd_span text, struct sherd_buf *out_note)
{
    const struct target *target = arg;
    struct sherd_signed parts;

    SHERD_TRY(sherd_signed_parse(target->note, &parts));
    return sherd_span_equal(parts.text, text) ? sherd_buf_append(out_note, target->note) : not_one_log();
}

/* A copy that has nothing yet, not even a checkpoint. Its origin is borrowed from the target's note, copied here. */
static enum sherd_err open_empty(struct sherd_log *log, const char *dir, const struct target *target)
{
    const struct sherd_merkle nothing = {0};

    SHERD_TRY(sherd_file_lock_try(dir, SHERD_LOG_LOCK, &log->lock));
    log->note.max = SHERD_CHECKPOINT_BYTES_MAX;
    SHERD_TRY(sherd_buf_append(&log->note, target->checkpoint.origin));
    log->checkpoint.origin = sherd_buf_span(&log->note);
    return sherd_merkle_root(&nothing, &log->checkpoint.head.root);
}

static enum sherd_err open_copy(const char *dir, const struct sherd_policy *policy, struct target *target,
                                struct sherd_log **out_log)
{
    const struct sherd_log_signer signer = {.sign = give_note, .arg = target};
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;

    const enum sherd_err err = sherd_log_open(dir, policy, &signer, out_log);
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    log = sherd_alloc(sizeof(*log));
    if (log == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_log_prepare(log, dir, policy));
    log->signer = signer;
    SHERD_TRY(open_empty(log, dir, target));
    *out_log = log;
    log = NULL;
    return SHERD_OK;
}

static enum sherd_err follow(struct sherd_log *log, const struct target *target, sherd_log_next_fn *next, void *arg)
{
    const struct sherd_checkpoint *own = &log->checkpoint;
    const struct sherd_tree_head *head = &target->checkpoint.head;

    if (!sherd_span_equal(own->origin, target->checkpoint.origin))
        return not_one_log();
    if (own->head.size > head->size)
        return sherd_fail(SHERD_ERR_CONFLICT, "the log is %" PRIu64 " leaves behind its copy: it was rolled back",
                          own->head.size - head->size);
    if (own->head.size == head->size)
        return sherd_same(own->head.root.bytes, head->root.bytes, sizeof(head->root.bytes)) ? SHERD_OK : not_one_log();
    return sherd_log_append_from(log, next, arg, head->size - own->head.size);
}

enum sherd_err sherd_log_follow(const char *dir, const struct sherd_policy *policy, struct sherd_span note,
                                sherd_log_next_fn *next, void *arg)
{
    struct target target = {.note = note};
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;

    SHERD_TRY(sherd_checkpoint_verify(note, policy, &target.checkpoint, NULL));
    const enum sherd_err made = sherd_dir_make(dir, "");
    if (made != SHERD_OK && made != SHERD_ERR_CONFLICT)
        return made;
    SHERD_TRY(open_copy(dir, policy, &target, &log));
    return follow(log, &target, next, arg);
}
