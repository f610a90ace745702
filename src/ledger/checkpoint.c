/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: see checkpoint.h. */
#include "ledger/checkpoint.h"
#include "base/bytes.h"
#include "envelope/lines.h"

/* --- the text ----------------------------------------------------------------------------------------------------- */

static enum sherd_err write_text(const struct sherd_checkpoint *checkpoint, struct sherd_buf *text)
{
    SHERD_TRY(sherd_buf_append(text, checkpoint->origin));
    SHERD_TRY(sherd_text_append(text, "\n"));
    SHERD_TRY(sherd_decimal_append(text, checkpoint->head.size));
    SHERD_TRY(sherd_text_append(text, "\n"));
    SHERD_TRY(sherd_digest_append(text, &checkpoint->head.root));
    SHERD_TRY(sherd_text_append(text, "\n"));
    return sherd_buf_append(text, checkpoint->extension);
}

enum sherd_err sherd_checkpoint_encode(const struct sherd_checkpoint *checkpoint, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    struct sherd_checkpoint again;

    SHERD_TRY(write_text(checkpoint, &text));
    /* Whoever reads it must read just that: no line feed in the origin, no empty line in the extension. */
    if (sherd_checkpoint_decode(sherd_buf_span(&text), &again) != SHERD_OK ||
        !sherd_span_equal(again.origin, checkpoint->origin))
        return sherd_fail(SHERD_ERR_INVALID, "a checkpoint cannot say that");
    return sherd_buf_append(out_text, sherd_buf_span(&text));
}

/* Lines that are not empty, each with its newline. */
static bool are_lines(struct sherd_span text)
{
    struct sherd_span line;

    while (text.len > 0)
        if (!sherd_line_take(&text, &line) || line.len == 0)
            return false;
    return true;
}

/* As notes have it: no control characters but newlines. Whether it is UTF-8 is for the note to tell. */
static bool is_plain(struct sherd_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' && text.data[i] != '\n')
            return false;
    return true;
}

enum sherd_err sherd_checkpoint_decode(struct sherd_span text, struct sherd_checkpoint *out_checkpoint)
{
    struct sherd_span rest = text;
    struct sherd_span size;
    struct sherd_span root;
    struct sherd_checkpoint read = {0};

    if (!is_plain(text) || !sherd_line_take(&rest, &read.origin) || read.origin.len == 0 ||
        !sherd_line_take(&rest, &size) || !sherd_decimal_parse(size, &read.head.size) ||
        read.head.size > SHERD_TREE_LEAVES_MAX || !sherd_line_take(&rest, &root) ||
        !sherd_digest_parse(root, &read.head.root) || !are_lines(rest))
        return sherd_fail(SHERD_ERR_TAMPERED, "that is no checkpoint: lines of origin, size and root are expected");
    read.extension = rest;
    *out_checkpoint = read;
    return SHERD_OK;
}

bool sherd_checkpoint_formed(struct sherd_span note)
{
    struct sherd_checkpoint checkpoint;
    struct sherd_signed parts;

    return note.len <= SHERD_CHECKPOINT_BYTES_MAX && sherd_signed_parse(note, &parts) == SHERD_OK &&
           sherd_checkpoint_decode(parts.text, &checkpoint) == SHERD_OK;
}

/* --- who vouches for it ------------------------------------------------------------------------------------------- */

struct tally {
    const struct sherd_policy *policy;
    struct sherd_span text;
    struct sherd_span origin;
    bool logs[SHERD_POLICY_LOGS_MAX];           /* that signed */
    bool witnesses[SHERD_POLICY_WITNESSES_MAX]; /* that cosigned */
    struct sherd_vouched vouched;
};

static void note_time(struct sherd_vouched *vouched, uint64_t time_s)
{
    if (vouched->time_oldest_s == 0 || time_s < vouched->time_oldest_s)
        vouched->time_oldest_s = time_s;
    if (time_s > vouched->time_newest_s)
        vouched->time_newest_s = time_s;
}

/* A key of the policy that signed counts once, however often it did. */
static enum sherd_err count_signature(struct tally *tally, const struct sherd_signature *signature)
{
    uint64_t time_s = 0;

    for (size_t i = 0; i < tally->policy->log_count; i++) {
        const struct sherd_vkey *key = &tally->policy->logs[i].key;

        if (!sherd_vkey_signed(key, signature))
            continue;
        SHERD_TRY(sherd_vkey_verify(key, tally->text, signature, NULL));
        tally->logs[i] = true;
    }
    for (size_t i = 0; i < tally->policy->witness_count; i++) {
        const struct sherd_vkey *key = &tally->policy->witnesses[i].key;

        if (!sherd_vkey_signed(key, signature))
            continue;
        SHERD_TRY(sherd_vkey_verify(key, tally->text, signature, &time_s));
        if (!tally->witnesses[i])
            tally->vouched.witnesses++;
        tally->witnesses[i] = true;
        note_time(&tally->vouched, time_s);
    }
    return SHERD_OK;
}

/*
 * Of the log's keys in the policy one must have signed; where some are of ML-DSA-44 and some are not, one of each: a
 * signature beside it adds nothing if it may be left out. A key by another name than the origin says nothing.
 */
static enum sherd_err count_logs(struct tally *tally)
{
    bool wanted[2] = {false};
    bool there[2] = {false};

    for (size_t i = 0; i < tally->policy->log_count; i++) {
        const struct sherd_vkey *key = &tally->policy->logs[i].key;
        const unsigned kind = key->type == SHERD_VKEY_MLDSA;

        if (!sherd_span_equal(key->name, tally->origin))
            continue;
        wanted[kind] = true;
        there[kind] = there[kind] || tally->logs[i];
        tally->vouched.logs += tally->logs[i];
    }
    SHERD_ENSURE(tally->vouched.logs > 0, SHERD_ERR_TAMPERED, "the checkpoint is not signed by a log that is trusted");
    SHERD_ENSURE(there[true] == wanted[true] || tally->policy->own, SHERD_ERR_TAMPERED,
                 "the checkpoint is not signed by its log's key of ML-DSA-44");
    SHERD_ENSURE(there[false] == wanted[false], SHERD_ERR_TAMPERED,
                 "the checkpoint is signed by its log's key of ML-DSA-44 alone");
    tally->vouched.by_mldsa = there[true];
    return SHERD_OK;
}

enum sherd_err sherd_checkpoint_verify(struct sherd_span note, const struct sherd_policy *policy,
                                       struct sherd_checkpoint *out_checkpoint, struct sherd_vouched *out_vouched)
{
    struct tally tally = {.policy = policy};
    struct sherd_checkpoint read;
    struct sherd_signature signature;
    struct sherd_signed parts;

    SHERD_ENSURE(note.len <= SHERD_CHECKPOINT_BYTES_MAX, SHERD_ERR_TAMPERED, "the checkpoint is too long");
    SHERD_TRY(sherd_signed_parse(note, &parts));
    SHERD_TRY(sherd_checkpoint_decode(parts.text, &read));
    tally.text = parts.text;
    tally.origin = read.origin;
    while (sherd_signed_next(&parts.lines, &signature))
        SHERD_TRY(count_signature(&tally, &signature));
    SHERD_TRY(count_logs(&tally));
    SHERD_ENSURE(sherd_policy_met(policy, tally.witnesses), SHERD_ERR_TAMPERED,
                 "too few of the policy's witnesses have cosigned the checkpoint");
    *out_checkpoint = read;
    if (out_vouched != NULL)
        *out_vouched = tally.vouched;
    return SHERD_OK;
}
