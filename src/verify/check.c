/* SPDX-License-Identifier: Apache-2.0 */
/* What sherd-verify checks of logs: see verify.h. */
#include "base/bytes.h"
#include "base/file.h"
#include "ledger/log.h"
#include "ledger/opening.h"
#include "ledger/tile.h"
#include "envelope/lines.h"
#include "verify/verify.h"
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum sherd_err verify_read(const char *path, size_t bytes_max, struct sherd_buf *out_bytes)
{
    out_bytes->max = bytes_max;
    return sherd_file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, "", out_bytes);
}

void verify_print(struct sherd_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= ' ' && text.data[i] < 0x7f && text.data[i] != '\\')
            (void)putchar(text.data[i]);
        else
            (void)printf("\\x%02x", text.data[i]);
}

void verify_print_time(uint64_t time_s)
{
    const time_t time = (time_t)time_s;
    char text[40];
    struct tm parts;

    if (gmtime_r(&time, &parts) != NULL && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts) > 0)
        (void)fputs(text, stdout);
    else
        (void)printf("second %" PRIu64, time_s);
}

/* The end of each line: how it is signed, and who cosigned. */
void verify_print_vouched(const struct sherd_vouched *vouched)
{
    if (vouched->by_mldsa)
        (void)printf("; signed by %sML-DSA-44", vouched->logs > 1 ? "Ed25519 and " : "");
    if (vouched->witnesses > 0) {
        (void)printf("; cosigned by %zu witness%s, last at ", vouched->witnesses, vouched->witnesses == 1 ? "" : "es");
        verify_print_time(vouched->time_newest_s);
    }
    (void)putchar('\n');
}

void verify_print_tree(const struct sherd_checkpoint *checkpoint)
{
    verify_print(checkpoint->origin);
    (void)printf(", of %" PRIu64 " leaves", checkpoint->head.size);
}

/* The policy with those keys as its only logs. Their text, which outlives it, begins with their name. */
static enum sherd_err set_log(struct sherd_policy *policy, const char *log_keys)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *own = NULL;

    SHERD_TRY(sherd_policy_of_log(sherd_span_str(log_keys), &own));
    for (size_t i = 0; i < own->log_count; i++) {
        policy->logs[i] = own->logs[i];
        policy->logs[i].key.name = sherd_span_of(log_keys, own->logs[i].key.name.len);
    }
    policy->log_count = own->log_count;
    return SHERD_OK;
}

enum sherd_err verify_policy(const struct verify_args *args, struct sherd_policy **out_policy)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    SHERD_ENSURE(args->log_key != NULL || args->policy_file != NULL, SHERD_ERR_INVALID,
                 "--log-key or --policy must say whom to believe");
    if (args->policy_file == NULL)
        return sherd_policy_of_log(sherd_span_str(args->log_key), out_policy);
    SHERD_TRY(verify_read(args->policy_file, SHERD_POLICY_BYTES_MAX, &text));
    SHERD_TRY(sherd_policy_parse(sherd_buf_span(&text), &policy));
    if (args->log_key != NULL)
        SHERD_TRY(set_log(policy, args->log_key));
    SHERD_ENSURE(policy->log_count > 0, SHERD_ERR_INVALID, "the policy names no log, and --log-key neither");
    *out_policy = sherd_policy_take(&policy);
    return SHERD_OK;
}

/* Without a file of its own, the leaf comes with the proof. */
static enum sherd_err verify_shown_proof(const struct sherd_policy *policy, struct sherd_span text)
{
    uint8_t room[SHERD_OPENING_BYTES_MAX];
    struct sherd_shown shown;

    SHERD_TRY(sherd_shown_verify(text, policy, room, &shown));
    (void)printf("ok: it is leaf %" PRIu64 " of ", shown.index);
    verify_print_tree(&shown.checkpoint);
    (void)printf(": %s, at ", sherd_event_name(shown.leaf.kind));
    verify_print_time(shown.leaf.time_s);
    verify_print_vouched(&shown.vouched);
    return SHERD_OK;
}

enum sherd_err verify_proof(const struct verify_args *args)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf leaf = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;
    struct sherd_proof proof;

    SHERD_TRY(verify_policy(args, &policy));
    SHERD_TRY(verify_read(args->operands[0], SHERD_PROOF_BYTES_MAX, &text));
    if (args->operand_count < 2)
        return verify_shown_proof(policy, sherd_buf_span(&text));
    SHERD_TRY(verify_read(args->operands[1], SHERD_TILE_ENTRY_BYTES_MAX, &leaf));
    SHERD_TRY(sherd_proof_decode(sherd_buf_span(&text), &proof));
    SHERD_TRY(sherd_proof_verify(&proof, sherd_buf_span(&leaf), policy, &checkpoint, &vouched));
    (void)printf("ok: it is leaf %" PRIu64 " of ", proof.index);
    verify_print_tree(&checkpoint);
    verify_print_vouched(&vouched);
    return SHERD_OK;
}

enum sherd_err verify_checkpoint(const struct verify_args *args)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf root = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;

    SHERD_TRY(verify_policy(args, &policy));
    SHERD_TRY(verify_read(args->operands[0], SHERD_CHECKPOINT_BYTES_MAX, &note));
    SHERD_TRY(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, &vouched));
    SHERD_TRY(sherd_digest_append(&root, &checkpoint.head.root));
    (void)fputs("ok: ", stdout);
    verify_print_tree(&checkpoint);
    (void)fputs(", root ", stdout);
    verify_print(sherd_buf_span(&root));
    verify_print_vouched(&vouched);
    return SHERD_OK;
}

enum sherd_err verify_consistency(const struct verify_args *args)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf old_note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_checkpoint old;
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;
    struct sherd_growth growth;

    SHERD_TRY(verify_policy(args, &policy));
    SHERD_TRY(verify_read(args->operands[0], SHERD_CHECKPOINT_BYTES_MAX, &old_note));
    SHERD_TRY(verify_read(args->operands[1], SHERD_CHECKPOINT_BYTES_MAX, &note));
    SHERD_TRY(verify_read(args->operands[2], SHERD_PROOF_BYTES_MAX, &text));
    SHERD_TRY(sherd_checkpoint_verify(sherd_buf_span(&old_note), policy, &old, NULL));
    SHERD_TRY(sherd_checkpoint_verify(sherd_buf_span(&note), policy, &checkpoint, &vouched));
    SHERD_TRY(verify_sizes(&old.head, &checkpoint.head));
    SHERD_TRY(sherd_growth_decode(sherd_buf_span(&text), &growth));
    SHERD_TRY(verify_brought(&growth, sherd_buf_span(&note)));
    SHERD_TRY(sherd_growth_verify(&growth, &old, &checkpoint));
    (void)printf("ok: from %" PRIu64 " leaves on it only grew: ", old.head.size);
    verify_print_tree(&checkpoint);
    verify_print_vouched(&vouched);
    return SHERD_OK;
}

enum sherd_err verify_log(const struct verify_args *args)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;

    SHERD_TRY(verify_policy(args, &policy));
    SHERD_TRY(sherd_log_open(args->operands[0], policy, NULL, &log));
    SHERD_TRY(sherd_log_verify(log, NULL, NULL));
    SHERD_TRY(sherd_checkpoint_verify(sherd_log_note(log), policy, &checkpoint, &vouched));
    (void)fputs("ok: all of ", stdout);
    verify_print_tree(&checkpoint);
    verify_print_vouched(&vouched);
    return SHERD_OK;
}
