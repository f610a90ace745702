/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What convicts those who run a log: two things that it signed, and that cannot both be true. A log that was cut is
 * smaller than what it signed before; one that was forked has another tree of the same size.
 */
#include "base/bytes.h"
#include "ledger/log.h"
#include "verify/verify.h"
#include <inttypes.h>
#include <sys/stat.h>

bool verify_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static enum sherd_err cut(uint64_t kept, uint64_t now)
{
    return sherd_fail(SHERD_ERR_CONFLICT,
                      "cut: the log signed that it has %" PRIu64 " leaves, and now shows %" PRIu64 ": %" PRIu64
                      " of them are missing",
                      kept, now, kept - now);
}

static enum sherd_err forked(uint64_t size)
{
    return sherd_fail(SHERD_ERR_CONFLICT,
                      "forked: the log signed two different trees of %" PRIu64 " leaves: its history was rewritten",
                      size);
}

static bool same_root(const struct sherd_digest *a, const struct sherd_digest *b)
{
    return sherd_same(a->bytes, b->bytes, sizeof(a->bytes));
}

enum sherd_err verify_sizes(const struct sherd_tree_head *kept, const struct sherd_tree_head *now)
{
    if (now->size < kept->size)
        return cut(kept->size, now->size);
    return now->size == kept->size && !same_root(&now->root, &kept->root) ? forked(now->size) : SHERD_OK;
}

static enum sherd_err same_log(const struct sherd_checkpoint *kept, const struct sherd_checkpoint *now)
{
    SHERD_ENSURE(sherd_span_equal(kept->origin, now->origin), SHERD_ERR_TAMPERED, "what is shown is another log");
    return SHERD_OK;
}

static enum sherd_err against_log(const char *dir, const struct sherd_policy *policy,
                                  const struct sherd_checkpoint *kept)
{
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
    struct sherd_digest root;

    SHERD_TRY(sherd_log_open(dir, policy, NULL, &log));
    const struct sherd_checkpoint *now = sherd_log_checkpoint(log);
    SHERD_TRY(same_log(kept, now));
    SHERD_TRY(verify_sizes(&kept->head, &now->head));
    SHERD_TRY(sherd_log_root(log, kept->head.size, &root));
    return same_root(&root, &kept->head.root) ? SHERD_OK : forked(kept->head.size);
}

enum sherd_err verify_brought(const struct sherd_growth *growth, struct sherd_span note)
{
    struct sherd_signed brought;
    struct sherd_signed parts;

    if (growth->checkpoint.len == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_signed_parse(growth->checkpoint, &brought));
    SHERD_TRY(sherd_signed_parse(note, &parts));
    SHERD_ENSURE(sherd_span_equal(brought.text, parts.text), SHERD_ERR_TAMPERED, "the proof is of another checkpoint");
    return SHERD_OK;
}

static enum sherd_err against_growth(const char *path, struct sherd_span note, const struct sherd_checkpoint *kept,
                                     const struct sherd_checkpoint *now)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_growth growth;

    SHERD_ENSURE(path != NULL, SHERD_ERR_INVALID,
                 "the checkpoint is newer: a proof of consistency is needed, or the whole log: --growth FILE");
    SHERD_TRY(verify_read(path, SHERD_PROOF_BYTES_MAX, &text));
    SHERD_TRY(sherd_growth_decode(sherd_buf_span(&text), &growth));
    SHERD_TRY(verify_brought(&growth, note));
    return sherd_growth_verify(&growth, kept, now);
}

static enum sherd_err against_checkpoint(const struct verify_args *args, const struct sherd_policy *policy,
                                         const struct sherd_checkpoint *kept)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_checkpoint now;

    SHERD_TRY(verify_read(args->against, SHERD_CHECKPOINT_BYTES_MAX, &note));
    SHERD_TRY(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &now, NULL));
    SHERD_TRY(same_log(kept, &now));
    SHERD_TRY(verify_sizes(&kept->head, &now.head));
    return now.head.size == kept->head.size ? SHERD_OK
                                            : against_growth(args->growth, sherd_buf_span(&note), kept, &now);
}

enum sherd_err verify_against(const struct verify_args *args, const struct sherd_policy *policy,
                              const struct sherd_checkpoint *kept)
{
    if (args->against == NULL)
        return SHERD_OK;
    return verify_is_dir(args->against) ? against_log(args->against, policy, kept)
                                        : against_checkpoint(args, policy, kept);
}
