/* SPDX-License-Identifier: Apache-2.0 */
/* Asking witnesses: see ask.h. */
#include "witness/ask.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "envelope/lines.h"
#include "ledger/proof.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A witness may be told a size by another who asks at the same time: then it is asked once more. */
#define TURNS 3U
#define REPLY_BYTES_MAX ((size_t)64 << 10)
#define URL_BYTES_MAX ((size_t)2048)
#define HASH_CHARS (2U * SHERD_SHA256_SIZE)

/* One witness. */
struct witness {
    const struct sherd_policy_witness *of;
    struct sherd_ask_answer *answer;
    bool done;
    uint64_t old_size; /* what it is believed to have */
    struct sherd_buf url;
    struct sherd_buf body;
    struct sherd_buf line; /* its cosignature, as it stands in a note */
};

struct asking {
    const struct sherd_ask_parts *parts;
    struct sherd_log *log;
    struct sherd_span note;
    struct sherd_signed signed_parts;
    struct sherd_tree_head head;
    struct sherd_span origin;
    const struct sherd_policy *log_policy;
    char hash[HASH_CHARS + 1]; /* of the origin */
    struct witness *witnesses;
    struct sherd_call *calls;
    size_t count;
};

const char *sherd_asked_word(enum sherd_asked asked)
{
    static const char *const words[] = {
        [SHERD_ASKED_NOBODY] = "unasked", [SHERD_ASKED_COSIGNED] = "cosigned", [SHERD_ASKED_AHEAD] = "ahead",
        [SHERD_ASKED_FORKED] = "forked",  [SHERD_ASKED_REFUSED] = "refused",   [SHERD_ASKED_LOST] = "lost",
    };

    return words[asked];
}

__attribute__((format(printf, 3, 4))) static void conclude(struct witness *witness, enum sherd_asked asked,
                                                           const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(witness->answer->why, sizeof(witness->answer->why), format, args);
    va_end(args);
    witness->answer->asked = asked;
    witness->done = true;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* The address of a witness, with a path below it. */
static enum sherd_err make_url(const struct witness *witness, const char *path, struct sherd_buf *url)
{
    struct sherd_span prefix = witness->of->url;

    while (prefix.len > 0 && prefix.data[prefix.len - 1] == '/')
        prefix.len--;
    sherd_buf_done(url);
    url->max = URL_BYTES_MAX;
    SHERD_TRY(sherd_buf_append(url, prefix));
    SHERD_TRY(sherd_text_append(url, path));
    return sherd_buf_append(url, sherd_span_of("", 1));
}

static enum sherd_err make_body(struct asking *asking, struct witness *witness)
{
    struct sherd_growth growth = {.old_size = witness->old_size, .checkpoint = asking->note};

    SHERD_TRY(sherd_log_prove_consistency(asking->log, witness->old_size, asking->head.size, &growth.path));
    sherd_buf_done(&witness->body);
    return sherd_growth_encode(&growth, &witness->body);
}

/* Make the calls of those who are not done. */
static enum sherd_err call_all(struct asking *asking, bool post, const char *path)
{
    for (size_t i = 0; i < asking->count; i++) {
        struct witness *witness = &asking->witnesses[i];
        struct sherd_call *call = &asking->calls[i];

        sherd_buf_done(&call->reply);
        *call = (struct sherd_call){.post = post, .reply = {.max = REPLY_BYTES_MAX}};
        if (witness->done)
            continue;
        const enum sherd_err err = make_url(witness, path, &witness->url);
        if (err == SHERD_ERR_LIMIT) {
            conclude(witness, SHERD_ASKED_LOST, "its address is too long");
            continue;
        }
        SHERD_TRY(err);
        if (post)
            SHERD_TRY(make_body(asking, witness));
        call->url = (const char *)witness->url.data;
        call->body = sherd_buf_span(&witness->body);
    }
    return sherd_calls_make(asking->calls, asking->count, &asking->parts->limits);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

/* Of now: an answer that was recorded is none. */
static bool is_of_now(uint64_t time_s)
{
    const int64_t now_s = sherd_clock()->wall_s();

    return time_s <= INT64_MAX - SHERD_ASK_SKEW_S && (int64_t)time_s >= now_s - SHERD_ASK_SKEW_S &&
           (int64_t)time_s <= now_s + SHERD_ASK_SKEW_S;
}

/*
 * Find the cosignature of the witness among lines, as those of a note.
 * @return SHERD_OK; SHERD_ERR_TAMPERED: there is none that verifies
 */
static enum sherd_err find_line(const struct sherd_vkey *key, struct sherd_span text, struct sherd_span lines,
                                struct sherd_span *out_line, uint64_t *out_time_s)
{
    struct sherd_signature signature;

    for (struct sherd_span before = lines; sherd_signed_next(&lines, &signature); before = lines) {
        if (!sherd_vkey_signed(key, &signature))
            continue;
        SHERD_TRY(sherd_vkey_verify(key, text, &signature, out_time_s));
        *out_line = sherd_span_of(before.data, before.len - lines.len);
        return SHERD_OK;
    }
    return sherd_fail(SHERD_ERR_TAMPERED, "its answer holds no cosignature by its key");
}

/* The answer is lines that stand below a note: it is read as such a note. */
static enum sherd_err take_cosignature(struct asking *asking, struct witness *witness, struct sherd_span reply)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    struct sherd_signed parts;
    struct sherd_span line;
    uint64_t time_s = 0;

    SHERD_TRY(sherd_buf_append(&note, asking->signed_parts.text));
    SHERD_TRY(sherd_text_append(&note, "\n"));
    SHERD_TRY(sherd_buf_append(&note, reply));
    SHERD_TRY(sherd_signed_parse(sherd_buf_span(&note), &parts));
    SHERD_TRY(find_line(&witness->of->key, parts.text, parts.lines, &line, &time_s));
    SHERD_ENSURE(is_of_now(time_s), SHERD_ERR_TAMPERED,
                 "its cosignature is not of now: clocks differ, or it is an old one");
    SHERD_TRY(sherd_buf_append(&witness->line, line));
    witness->answer->size = asking->head.size;
    witness->answer->time_s = time_s;
    conclude(witness, SHERD_ASKED_COSIGNED, "%s", "");
    return SHERD_OK;
}

static bool take_size(struct sherd_span reply, uint64_t *out_size)
{
    struct sherd_span line;

    return sherd_line_take(&reply, &line) && reply.len == 0 && sherd_decimal_parse(line, out_size);
}

/* @return what is not said of the witness itself: SHERD_ERR_NO_MEMORY */
static enum sherd_err take_answer(struct asking *asking, struct witness *witness, const struct sherd_call *call)
{
    uint64_t size = 0;

    if (call->status == 0) {
        conclude(witness, SHERD_ASKED_LOST, "%s", call->error);
        return SHERD_OK;
    }
    if (call->status == 200) {
        const enum sherd_err err = take_cosignature(asking, witness, sherd_buf_span(&call->reply));

        if (err != SHERD_OK)
            conclude(witness, SHERD_ASKED_LOST, "%.159s", sherd_err_detail());
        return err == SHERD_ERR_NO_MEMORY ? err : SHERD_OK;
    }
    if (call->status == 409 && take_size(sherd_buf_span(&call->reply), &size) && size <= asking->head.size) {
        witness->old_size = size; /* it is asked once more, with what it has */
        return SHERD_OK;
    }
    witness->answer->size = size;
    if (call->status == 409 && size > asking->head.size)
        conclude(witness, SHERD_ASKED_REFUSED, "it claims to have seen %" PRIu64 " leaves", size);
    else
        conclude(witness, SHERD_ASKED_REFUSED, "it answers with %u%s", call->status,
                 call->status == 404   ? ": it knows no log of that name"
                 : call->status == 422 ? ": the log does not continue what it has seen"
                 : call->status == 403 ? ": it knows that log by another key"
                                       : "");
    return SHERD_OK;
}

static enum sherd_err ask_once(struct asking *asking)
{
    SHERD_TRY(call_all(asking, true, "/add-checkpoint"));
    for (size_t i = 0; i < asking->count; i++)
        if (!asking->witnesses[i].done)
            SHERD_TRY(take_answer(asking, &asking->witnesses[i], &asking->calls[i]));
    return SHERD_OK;
}

/* --- what they have seen ------------------------------------------------------------------------------------------ */

/* @return SHERD_OK: the answer is concluded, or what was shown is no evidence */
static enum sherd_err take_evidence(struct asking *asking, struct witness *witness, struct sherd_span note)
{
    struct sherd_checkpoint shown;
    struct sherd_digest root;
    struct sherd_signed parts;
    struct sherd_span line;
    uint64_t time_s = 0;

    if (sherd_checkpoint_verify(note, asking->log_policy, &shown, NULL) != SHERD_OK ||
        !sherd_span_equal(shown.origin, asking->origin))
        return SHERD_OK;
    if (sherd_signed_parse(note, &parts) == SHERD_OK)
        (void)find_line(&witness->of->key, parts.text, parts.lines, &line, &time_s);
    witness->answer->size = shown.head.size;
    witness->answer->time_s = time_s;
    if (shown.head.size > asking->head.size) {
        conclude(witness, SHERD_ASKED_AHEAD, "it has seen %" PRIu64 " more leaves",
                 shown.head.size - asking->head.size);
        return SHERD_OK;
    }
    SHERD_TRY(sherd_log_root(asking->log, shown.head.size, &root));
    if (!sherd_same(root.bytes, shown.head.root.bytes, sizeof(root.bytes)))
        conclude(witness, SHERD_ASKED_FORKED, "it has seen another log of that name and key");
    return SHERD_OK;
}

/* Those who refused show why. */
static enum sherd_err ask_for_evidence(struct asking *asking)
{
    char path[HASH_CHARS + 16];
    bool any = false;

    for (size_t i = 0; i < asking->count; i++) {
        struct witness *witness = &asking->witnesses[i];

        witness->done = witness->answer->asked != SHERD_ASKED_REFUSED;
        any = any || !witness->done;
    }
    if (!any)
        return SHERD_OK;
    (void)snprintf(path, sizeof(path), "/%s/checkpoint", asking->hash);
    SHERD_TRY(call_all(asking, false, path));
    for (size_t i = 0; i < asking->count; i++)
        if (!asking->witnesses[i].done && asking->calls[i].status == 200)
            SHERD_TRY(take_evidence(asking, &asking->witnesses[i], sherd_buf_span(&asking->calls[i].reply)));
    return SHERD_OK;
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static enum sherd_err ask_all(struct asking *asking)
{
    for (size_t i = 0; i < asking->count; i++) {
        struct witness *witness = &asking->witnesses[i];

        witness->old_size = asking->head.size;
        if (witness->of->url.len == 0)
            conclude(witness, SHERD_ASKED_NOBODY, "the policy has no address of it");
    }
    for (unsigned turn = 0; turn < TURNS; turn++)
        SHERD_TRY(ask_once(asking));
    for (size_t i = 0; i < asking->count; i++)
        if (!asking->witnesses[i].done)
            conclude(&asking->witnesses[i], SHERD_ASKED_LOST, "it tells another size each time");
    return ask_for_evidence(asking);
}

/* By the log: its key of Ed25519, or one of ML-DSA-44 by its name, which the policy need not know. */
static bool is_by_log(const struct sherd_vkey *key, const struct sherd_signature *signature)
{
    return sherd_vkey_signed(key, signature) ||
           (signature->len == SHERD_MLDSA_COSIGNATURE_SIZE && sherd_span_equal(signature->name, key->name));
}

/* The checkpoint as the log signed it, without what witnesses said before. */
static enum sherd_err write_note(const struct asking *asking, struct sherd_buf *note)
{
    const struct sherd_vkey *key = &asking->log_policy->logs[0].key;
    struct sherd_span rest = asking->signed_parts.lines;
    struct sherd_signature signature;

    SHERD_TRY(sherd_buf_append(note, asking->signed_parts.text));
    SHERD_TRY(sherd_text_append(note, "\n"));
    for (struct sherd_span before = rest; sherd_signed_next(&rest, &signature); before = rest)
        if (is_by_log(key, &signature))
            SHERD_TRY(sherd_buf_append(note, sherd_span_of(before.data, before.len - rest.len)));
    for (size_t i = 0; i < asking->count; i++)
        SHERD_TRY(sherd_buf_append(note, sherd_buf_span(&asking->witnesses[i].line)));
    return SHERD_OK;
}

static enum sherd_err hash_origin(struct sherd_span origin, char out_hash[static HASH_CHARS + 1])
{
    struct sherd_digest digest;

    SHERD_TRY(sherd_hash(SHERD_SHA256, &origin, 1, digest.bytes));
    for (size_t i = 0; i < sizeof(digest.bytes); i++)
        (void)snprintf(out_hash + 2 * i, 3, "%02x", digest.bytes[i]);
    return SHERD_OK;
}

/* The log of the policy whose name is the checkpoint's origin, by the key that witnesses know it by. */
static enum sherd_err find_log(const struct sherd_ask_parts *parts, struct sherd_policy **out_policy)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf vkey = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_signed signed_parts;

    SHERD_TRY(sherd_file_read(parts->dir, "checkpoint", &note));
    SHERD_TRY(sherd_signed_parse(sherd_buf_span(&note), &signed_parts));
    SHERD_TRY(sherd_checkpoint_decode(signed_parts.text, &checkpoint));
    for (size_t i = 0; i < parts->policy->log_count; i++) {
        if (!sherd_span_equal(parts->policy->logs[i].key.name, checkpoint.origin) ||
            parts->policy->logs[i].key.type == SHERD_VKEY_MLDSA)
            continue;
        SHERD_TRY(sherd_vkey_append(&parts->policy->logs[i].key, &vkey));
        return sherd_policy_of_log(sherd_buf_span(&vkey), out_policy);
    }
    return sherd_fail(SHERD_ERR_NOT_FOUND, "the policy has no key of the log %.*s", (int)checkpoint.origin.len,
                      (const char *)checkpoint.origin.data);
}

static enum sherd_err ask_with(struct asking *asking, struct sherd_ask_answer *out_answers, struct sherd_buf *out_note,
                               bool *out_met)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = SHERD_CHECKPOINT_BYTES_MAX};
    bool cosigned[SHERD_POLICY_WITNESSES_MAX] = {false};

    SHERD_TRY(ask_all(asking));
    SHERD_TRY(write_note(asking, &note));
    for (size_t i = 0; i < asking->count; i++)
        cosigned[i] = out_answers[i].asked == SHERD_ASKED_COSIGNED;
    SHERD_TRY(sherd_buf_append(out_note, sherd_buf_span(&note)));
    *out_met = sherd_policy_met(asking->parts->policy, cosigned);
    return SHERD_OK;
}

static enum sherd_err begin(struct asking *asking, struct sherd_ask_answer *answers)
{
    const struct sherd_checkpoint *checkpoint = sherd_log_checkpoint(asking->log);

    asking->note = sherd_log_note(asking->log);
    asking->head = checkpoint->head;
    asking->origin = checkpoint->origin;
    SHERD_TRY(hash_origin(asking->origin, asking->hash));
    SHERD_TRY(sherd_signed_parse(asking->note, &asking->signed_parts));
    asking->witnesses = sherd_alloc_array(asking->count, sizeof(*asking->witnesses));
    asking->calls = sherd_alloc_array(asking->count, sizeof(*asking->calls));
    if (asking->witnesses == NULL || asking->calls == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < asking->count; i++) {
        answers[i] = (struct sherd_ask_answer){.asked = SHERD_ASKED_NOBODY};
        asking->witnesses[i] = (struct witness){.of = &asking->parts->policy->witnesses[i], .answer = &answers[i]};
    }
    return SHERD_OK;
}

static void end(struct asking *asking)
{
    for (size_t i = 0; i < asking->count && asking->witnesses != NULL; i++) {
        sherd_buf_done(&asking->witnesses[i].url);
        sherd_buf_done(&asking->witnesses[i].body);
        sherd_buf_done(&asking->witnesses[i].line);
    }
    for (size_t i = 0; i < asking->count && asking->calls != NULL; i++)
        sherd_buf_done(&asking->calls[i].reply);
    sherd_free(asking->witnesses);
    sherd_free(asking->calls);
}

enum sherd_err sherd_ask(const struct sherd_ask_parts *parts, struct sherd_ask_answer *out_answers,
                         struct sherd_buf *out_note, bool *out_met)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
    struct asking asking = {.parts = parts, .count = parts->policy->witness_count};

    SHERD_TRY(find_log(parts, &policy));
    SHERD_TRY(sherd_log_open(parts->dir, policy, NULL, &log));
    asking.log = log;
    asking.log_policy = policy;
    enum sherd_err err = begin(&asking, out_answers);
    if (err == SHERD_OK)
        err = ask_with(&asking, out_answers, out_note, out_met);
    end(&asking);
    return err;
}
