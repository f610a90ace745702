/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts and evidence of a ledger: docs/format/ledger.md. */
#include "base/bytes.h"
#include "envelope/lines.h"
#include "envelope/note.h"
#include "ledger/evidence.h"
#include "ledger/log.h"
#include "verify/verify.h"
#include <inttypes.h>
#include <sherd/uuid.h>
#include <stdio.h>
#include <string.h>

#define PROOF_HEAD "c2sp.org/tlog-proof@v1\n"
/* Of either kind: a statement is a note. */
#define RECEIPT_BYTES_MAX (SHERD_NOTE_BYTES_MAX > SHERD_PROOF_BYTES_MAX ? SHERD_NOTE_BYTES_MAX : SHERD_PROOF_BYTES_MAX)

static void print_id(const struct sherd_ref *id)
{
    struct sherd_uuid uuid;
    char text[SHERD_UUID_TEXT_SIZE];

    memcpy(uuid.bytes, id->bytes, sizeof(uuid.bytes));
    sherd_uuid_format(uuid, text);
    (void)fputs(text, stdout);
}

/* What happened, to what, and when. */
static void print_leaf(const struct sherd_opening *opening, const struct sherd_leaf *leaf)
{
    const struct sherd_join *join = opening->join_shown ? &opening->join.join : NULL;
    const uint64_t version = join != NULL ? join->version : leaf->version;

    (void)fputs(sherd_event_name(leaf->kind), stdout);
    if (opening->subject_shown || join != NULL) {
        (void)fputs(" of ", stdout);
        print_id(join != NULL ? &join->record : &opening->subject);
    }
    if (version != 0)
        (void)printf(", version %" PRIu64, version);
    (void)fputs(", at ", stdout);
    verify_print_time(join != NULL ? join->time_ns / 1000000000U : leaf->time_s);
}

/* --- receipts ----------------------------------------------------------------------------------------------------- */

static enum sherd_err check_record(const char *text, const struct sherd_opening *opening)
{
    struct sherd_uuid record;

    if (text == NULL)
        return SHERD_OK;
    SHERD_ENSURE(sherd_uuid_parse(text, &record) == SHERD_OK, SHERD_ERR_INVALID, "--record: that is no record's UUID");
    SHERD_ENSURE(sherd_same(record.bytes, opening->subject.bytes, sizeof(record.bytes)), SHERD_ERR_NOT_FOUND,
                 "the receipt is about another record");
    return SHERD_OK;
}

static enum sherd_err verify_ledger_receipt(const struct verify_args *args, struct sherd_span text)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    uint8_t room[SHERD_OPENING_BYTES_MAX];
    struct sherd_shown shown;

    SHERD_ENSURE(args->key == NULL, SHERD_ERR_INVALID, "a receipt of a ledger is checked with --log-key or --policy");
    SHERD_TRY(verify_policy(args, &policy));
    SHERD_TRY(sherd_shown_verify(text, policy, room, &shown));
    SHERD_ENSURE(shown.opening.subject_shown, SHERD_ERR_TAMPERED, "it does not say what its leaf is about");
    SHERD_TRY(check_record(args->record, &shown.opening));
    SHERD_TRY(verify_against(args, policy, &shown.checkpoint));
    (void)fputs("ok: ", stdout);
    print_leaf(&shown.opening, &shown.leaf);
    (void)printf(", is leaf %" PRIu64 " of ", shown.index);
    verify_print_tree(&shown.checkpoint);
    if (args->against != NULL)
        (void)fputs(", and the log only grew since", stdout);
    verify_print_vouched(&shown.vouched);
    return SHERD_OK;
}

enum sherd_err verify_receipt(const struct verify_args *args)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    SHERD_TRY(verify_read(args->operands[0], RECEIPT_BYTES_MAX, &text));
    struct sherd_span rest = sherd_buf_span(&text);
    if (sherd_line_begins(&rest, PROOF_HEAD))
        return verify_ledger_receipt(args, sherd_buf_span(&text));
    return verify_statement(args, sherd_buf_span(&text));
}

/* --- evidence ----------------------------------------------------------------------------------------------------- */

/* Pseudonyms of what evidence is about, and how many leaves have one. */
struct tally {
    const struct sherd_ref *about;
    bool subject_known;
    bool actor_known;
    struct sherd_ref subject;
    struct sherd_ref actor;
    uint64_t size;  /* leaves behind that are not looked at */
    uint64_t count; /* with one of the pseudonyms */
};

static bool same(const struct sherd_ref *a, const struct sherd_ref *b)
{
    return sherd_same(a->bytes, b->bytes, sizeof(a->bytes));
}

/* What is opened tells which pseudonym is whose. */
static enum sherd_err learn(void *arg, uint64_t index, const struct sherd_opening *opening,
                            const struct sherd_leaf *leaf)
{
    struct tally *tally = arg;

    (void)index;
    if (opening->subject_shown && same(&opening->subject, tally->about)) {
        tally->subject_known = true;
        tally->subject = leaf->subject;
    }
    if (opening->actor_shown && same(&opening->actor, tally->about)) {
        tally->actor_known = true;
        tally->actor = leaf->actor;
    }
    return SHERD_OK;
}

static bool counts(const struct tally *tally, const struct sherd_leaf *leaf)
{
    return (tally->subject_known && same(&leaf->subject, &tally->subject)) ||
           (tally->actor_known && same(&leaf->actor, &tally->actor));
}

static enum sherd_err count_shown(void *arg, uint64_t index, const struct sherd_opening *opening,
                                  const struct sherd_leaf *leaf)
{
    struct tally *tally = arg;

    (void)index;
    (void)opening;
    tally->count += counts(tally, leaf) ? 1 : 0;
    return SHERD_OK;
}

static enum sherd_err count_logged(void *arg, uint64_t index, struct sherd_span entry)
{
    struct tally *tally = arg;
    struct sherd_leaf leaf;

    if (index >= tally->size)
        return SHERD_OK;
    SHERD_TRY(sherd_leaf_decode(entry, &leaf));
    tally->count += counts(tally, &leaf) ? 1 : 0;
    return SHERD_OK;
}

/*
 * With the whole log at hand: whether all leaves are shown that have the pseudonym of what the evidence is about, up to
 * its checkpoint.
 */
static enum sherd_err check_complete(const struct verify_args *args, const struct sherd_policy *policy,
                                     const struct sherd_evidence *evidence)
{
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;
    struct tally shown = {.about = &evidence->about};
    struct sherd_checkpoint checkpoint;
    struct sherd_vouched vouched;

    if (args->against == NULL || !verify_is_dir(args->against))
        return SHERD_OK;
    SHERD_TRY(sherd_evidence_verify(evidence, policy, learn, &shown, &checkpoint, &vouched));
    SHERD_TRY(sherd_evidence_verify(evidence, policy, count_shown, &shown, &checkpoint, &vouched));
    struct tally logged = shown;
    logged.count = 0;
    logged.size = checkpoint.head.size;
    SHERD_TRY(sherd_log_open(args->against, policy, NULL, &log));
    SHERD_TRY(sherd_log_verify(log, count_logged, &logged));
    if (logged.count != shown.count)
        return sherd_fail(SHERD_ERR_TAMPERED, "the evidence leaves out %" PRIu64 " leaves of the log",
                          logged.count - shown.count);
    return SHERD_OK;
}

static enum sherd_err list_leaf(void *arg, uint64_t index, const struct sherd_opening *opening,
                                const struct sherd_leaf *leaf)
{
    (void)arg;
    (void)printf("leaf %" PRIu64 ": ", index);
    print_leaf(opening, leaf);
    if (opening->join_shown) {
        (void)fputs(", by ", stdout);
        print_id(&opening->join.join.actor);
    }
    if (opening->actor_shown) {
        (void)fputs(", by ", stdout);
        print_id(&opening->actor);
        (void)fputs(", entity ", stdout);
        print_id(&opening->entity);
        (void)fputs(", collection ", stdout);
        print_id(&opening->collection);
    }
    (void)putchar('\n');
    return SHERD_OK;
}

static enum sherd_err count_join(void *arg, uint64_t index, const struct sherd_opening *opening,
                                 const struct sherd_leaf *leaf)
{
    size_t *count = arg;

    (void)index;
    (void)leaf;
    *count += opening->join_shown ? 1 : 0;
    return SHERD_OK;
}

static void print_counts(size_t leaf_count, size_t join_count)
{
    (void)printf("ok: %zu lea%s", leaf_count, leaf_count == 1 ? "f" : "ves");
    if (join_count > 0)
        (void)printf(" and %zu join%s", join_count, join_count == 1 ? "" : "s");
    (void)fputs(" about ", stdout);
}

enum sherd_err verify_evidence(const struct verify_args *args)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_evidence evidence;
    struct sherd_vouched vouched;
    size_t joins = 0;

    SHERD_TRY(verify_policy(args, &policy));
    SHERD_TRY(verify_read(args->operands[0], SHERD_EVIDENCE_BYTES_MAX, &text));
    SHERD_TRY(sherd_evidence_decode(sherd_buf_span(&text), &evidence));
    SHERD_TRY(sherd_evidence_verify(&evidence, policy, count_join, &joins, &checkpoint, &vouched));
    SHERD_TRY(verify_against(args, policy, &checkpoint));
    SHERD_TRY(check_complete(args, policy, &evidence));
    if (args->list) /* only now: what does not hold as a whole is not told in part */
        SHERD_TRY(sherd_evidence_verify(&evidence, policy, list_leaf, NULL, &checkpoint, &vouched));
    print_counts(evidence.leaf_count - joins, joins);
    print_id(&evidence.about);
    (void)fputs(" in ", stdout);
    verify_print_tree(&checkpoint);
    if (args->against != NULL)
        (void)fputs(", and the log only grew since", stdout);
    if (args->against != NULL && verify_is_dir(args->against))
        (void)fputs("; it leaves out none with the same pseudonym", stdout);
    verify_print_vouched(&vouched);
    return SHERD_OK;
}
