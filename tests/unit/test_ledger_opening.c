/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaves that are shown: openings as bytes, receipts, evidence. What verifies is what was logged and no other; 10,000
 * changes of each are refused.
 */
#include "ledger.h"
#include "envelope/tlv.h"
#include "ledger/evidence.h"
#include "mutate.h"

#define MUTATIONS 10000U
#define SIZE 300U
#define INDEX 77U

static const uint8_t deployment[16] = {0xd1};
static const uint8_t seed[32] = {0x5e, 0xed};
static struct sherd_leaf_keys *keys;

static struct sherd_event example(uint8_t id)
{
    struct sherd_event event = {.kind = SHERD_EVENT_PUT, .time_ns = 1700000000123456789U, .version = 1};

    memset(event.id, id, sizeof(event.id));
    memset(event.subject.bytes, 0x22, 16);
    memset(event.collection.bytes, 0x33, 16);
    memset(event.entity.bytes, 0x44, 16);
    memset(event.actor.bytes, 0x55, 16);
    event.map.there = event.fragment.there = true;
    memset(event.fragment.digest.bytes, 0x99, 32);
    return event;
}

/* A leaf of an event, and all that opens it. */
struct made {
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_opening opening;
};

static void make(const struct sherd_event *event, struct made *made)
{
    struct sherd_digest blinds[SHERD_LEAF_COMMITMENTS];
    size_t len;

    assert_ok(sherd_leaf_encode(keys, event, made->bytes, &len));
    assert_ok(sherd_leaf_blinds(keys, event->id, blinds));
    made->opening = (struct sherd_opening){.leaf = sherd_span_of(made->bytes, len),
                                           .subject_shown = true,
                                           .subject = event->subject,
                                           .digest = event->fragment.digest,
                                           .subject_blind = blinds[SHERD_LEAF_SUBJECT],
                                           .actor_shown = true,
                                           .actor = event->actor,
                                           .entity = event->entity,
                                           .collection = event->collection,
                                           .actor_blind = blinds[SHERD_LEAF_ACTOR]};
}

/* Put it into the tree of known leaves. */
static void plant(const struct made *made, uint64_t index)
{
    assert_ok(sherd_merkle_leaf(made->opening.leaf, &tree_leaves[index]));
}

static void encode(const struct sherd_opening *opening, struct sherd_buf *out)
{
    uint8_t block[SHERD_OPENING_BYTES_MAX];
    size_t len;

    assert_ok(sherd_opening_encode(opening, block, &len));
    assert_ok(sherd_buf_append(out, sherd_span_of(block, len)));
}

/* --- openings ----------------------------------------------------------------------------------------------------- */

#define GOLDEN                                                                                         \
    "010008000000000000000102000661206c65616603001022222222222222222222222222222222040020999999999999" \
    "9999999999999999999999999999999999999999999999999999050020b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1" \
    "b1b1b1b1b1b1b1b1b1b1b1b1b10600105555555555555555555555555555555507001044444444444444444444444444" \
    "44444408001033333333333333333333333333333333090020b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2" \
    "b2b2b2b2b2b2b2b2b2"

static void test_ledger_opening__golden_bytes(void **state)
{
    struct sherd_opening opening = {.leaf = sherd_span_str("a leaf"), .subject_shown = true, .actor_shown = true};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    char text[2 * SHERD_OPENING_BYTES_MAX + 1];

    (void)state;
    memset(opening.subject.bytes, 0x22, 16);
    memset(opening.digest.bytes, 0x99, 32);
    memset(opening.subject_blind.bytes, 0xb1, 32);
    memset(opening.actor.bytes, 0x55, 16);
    memset(opening.entity.bytes, 0x44, 16);
    memset(opening.collection.bytes, 0x33, 16);
    memset(opening.actor_blind.bytes, 0xb2, 32);
    encode(&opening, &bytes);
    for (size_t i = 0; i < bytes.len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
    assert_string_equal(text, GOLDEN);
}

/* In all forms that there are: each part of the actor alone, with and without a digest, nothing shown. */
static void test_ledger_opening__there_and_back(void **state)
{
    (void)state;
    for (unsigned form = 0; form < 64; form++) {
        struct sherd_event event = example(1);
        struct sherd_opening back;
        struct sherd_leaf leaf;
        struct made made;
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
        static const struct sherd_ref none = {{0}};

        if ((form & 1) != 0)
            event.actor = none;
        if ((form & 2) != 0)
            event.entity = none;
        if ((form & 4) != 0)
            event.collection = none;
        if ((form & 8) != 0)
            event.fragment = (struct sherd_event_entry){.there = false};
        make(&event, &made);
        made.opening.subject_shown = (form & 16) == 0;
        made.opening.actor_shown = (form & 32) == 0 && (form & 7) != 7;
        encode(&made.opening, &bytes);
        assert_ok(sherd_opening_decode(sherd_buf_span(&bytes), &back));
        assert_int_equal(back.subject_shown, made.opening.subject_shown);
        assert_int_equal(back.actor_shown, made.opening.actor_shown);
        assert_ok(sherd_opening_verify(&back, &leaf));
        assert_int_equal(leaf.version, 1);
        encode(&back, &again);
        assert_true(sherd_span_equal(sherd_buf_span(&bytes), sherd_buf_span(&again)));
    }
}

/* Any byte another one, or cut anywhere: it is no opening, or opens nothing; what it shows is bound to the last bit. */
static void test_ledger_opening__every_bit_counts(void **state)
{
    const struct sherd_event event = example(1);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    struct sherd_opening back;
    struct sherd_leaf leaf;
    struct made made;

    (void)state;
    make(&event, &made);
    encode(&made.opening, &bytes);
    for (size_t i = 0; i < bytes.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.data[i] ^= (uint8_t)(1U << bit);
            if (sherd_opening_decode(sherd_buf_span(&bytes), &back) == SHERD_OK &&
                sherd_opening_verify(&back, &leaf) == SHERD_OK)
                assert_false(sherd_span_equal(back.leaf,
                                              made.opening.leaf)); /* what is only in the leaf: its tree says */
            bytes.data[i] ^= (uint8_t)(1U << bit);
        }
    for (size_t cut = 0; cut < bytes.len; cut++)
        if (sherd_opening_decode(sherd_span_of(bytes.data, cut), &back) == SHERD_OK)
            assert_false(back.subject_shown && back.actor_shown);
}

static void test_ledger_opening__another_form_is_refused(void **state)
{
    static const uint8_t forms[][80] = {
        {0},                                                        /* nothing */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1},                          /* no leaf */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1, 7},              /* another format */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 1, 7},              /* another format */
        {1, 0, 7, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7},                 /* a number of 7 bytes */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 10},          /* a tag that there is not */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 3, 0, 16, 1}, /* a subject without its blind */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 4, 0, 32, 1}, /* a digest without a subject */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 5, 0, 32, 1}, /* a blind without a subject */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 6, 0, 16, 1}, /* an actor without its blind */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 7, 0, 16, 1},
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 8, 0, 16, 1},
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 9, 0, 32, 1}, /* a blind without an actor */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 3, 0,  15, 1,
         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 32, 1}, /* a subject of 15 bytes */
        {1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 1, 7, 3, 0, 16, 0,
         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 32, 1}, /* a subject that is none */
    };
    static const size_t lengths[] = {0, 11, 15, 15, 14, 16, 34, 50, 50, 34, 34, 34, 50, 68, 69};
    struct sherd_opening opening;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(forms); i++)
        if (sherd_opening_decode(sherd_span_of(forms[i], lengths[i]), &opening) != SHERD_ERR_TAMPERED)
            fail_msg("form %zu is read", i);
}

/* Each field that stands beside others must have its length, and be something. */
static void test_ledger_opening__fields_are_whole(void **state)
{
    static const size_t sizes[] = {0, 0, 0, 16, 32, 32, 16, 16, 16, 32};
    const struct sherd_event event = example(1);
    struct sherd_opening back;
    struct made made;

    (void)state;
    make(&event, &made);
    for (unsigned tag = 3; tag <= 9; tag++)
        for (unsigned how = 0; how < 2; how++) {
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf changed = {0};
            size_t at = 0;

            encode(&made.opening, &bytes);
            while (bytes.data[at] != tag)
                at += 3 + (size_t)(bytes.data[at + 1] << 8 | bytes.data[at + 2]);
            if (how == 0) {
                memset(bytes.data + at + 3, 0, sizes[tag]);
            } else {
                assert_ok(sherd_buf_append(&changed, sherd_buf_span(&bytes)));
                replace(&changed, at + 3, 1, sherd_span_of(NULL, 0));
                changed.data[at + 2]--;
            }
            const struct sherd_span read = how == 0 ? sherd_buf_span(&bytes) : sherd_buf_span(&changed);
            assert_err(SHERD_ERR_TAMPERED, sherd_opening_decode(read, &back));
        }
}

static void test_ledger_opening__leaves_have_a_limit(void **state)
{
    static const uint8_t long_leaf[SHERD_LEAF_BYTES_MAX + 1] = {1};
    const struct sherd_opening opening = {.leaf = sherd_span_of(long_leaf, sizeof(long_leaf))};
    struct sherd_opening most = {.leaf = sherd_span_of(long_leaf, SHERD_LEAF_BYTES_MAX)};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    const struct sherd_path path = {.count = 0};
    uint8_t block[SHERD_OPENING_BYTES_MAX + 1];
    struct sherd_opening back;
    size_t len;

    (void)state;
    assert_err(SHERD_ERR_LIMIT, sherd_opening_encode(&opening, block, &len));
    assert_err(SHERD_ERR_LIMIT, sherd_evidence_add(&text, 0, &path, &opening));
    assert_int_equal(text.len, 0);
    assert_ok(sherd_opening_encode(&most, block, &len));
    assert_ok(sherd_opening_decode(sherd_span_of(block, len), &back));
    block[13]++; /* one byte more in the leaf */
    block[len] = 0;
    assert_err(SHERD_ERR_TAMPERED, sherd_opening_decode(sherd_span_of(block, len + 1), &back));
    assert_err(SHERD_ERR_TAMPERED, sherd_opening_verify(&most, &(struct sherd_leaf){.version = 0})); /* no leaf */
}

/* What a leaf does not commit to cannot be shown of it. */
static void test_ledger_opening__nothing_else_opens_it(void **state)
{
    const struct sherd_event bare = {.kind = SHERD_EVENT_SEAL, .id = {9}};
    struct sherd_event event = example(1);
    const struct sherd_event other = example(2);
    struct made one;
    struct made two;
    struct made empty;
    struct sherd_leaf leaf;

    (void)state;
    make(&event, &one);
    make(&other, &two);
    make(&bare, &empty);
    assert_ok(sherd_opening_verify(&one.opening, &leaf));
    two.opening.leaf = one.opening.leaf; /* the same subject under another blind */
    assert_err(SHERD_ERR_TAMPERED, sherd_opening_verify(&two.opening, &leaf));
    two.opening.subject_shown = false;
    assert_err(SHERD_ERR_TAMPERED, sherd_opening_verify(&two.opening, &leaf));
    one.opening.leaf = empty.opening.leaf;
    assert_err(SHERD_ERR_TAMPERED, sherd_opening_verify(&one.opening, &leaf));
    empty.opening.subject_shown = empty.opening.actor_shown = false;
    assert_ok(sherd_opening_verify(&empty.opening, &leaf));
}

/* --- receipts ----------------------------------------------------------------------------------------------------- */

static void make_receipt(const struct made *made, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf extra = {0};
    struct sherd_proof proof = {.index = INDEX};

    plant(made, INDEX);
    checkpoint_make(SIZE, &note);
    proof.checkpoint = sherd_buf_span(&note);
    assert_ok(sherd_inclusion_prove(&tree_reader, INDEX, SIZE, &proof.path));
    encode(&made->opening, &extra);
    assert_ok(sherd_proof_encode(&proof, sherd_buf_span(&extra), out_text));
}

static enum sherd_err verify_receipt(struct sherd_span text, const struct sherd_policy *policy)
{
    uint8_t room[SHERD_OPENING_BYTES_MAX];
    struct sherd_shown shown;

    return sherd_shown_verify(text, policy, room, &shown);
}

static void test_ledger_receipt__says_what_was_logged(void **state)
{
    const struct sherd_event event = example(1);
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    uint8_t room[SHERD_OPENING_BYTES_MAX];
    struct sherd_shown shown;
    struct made made;

    (void)state;
    make(&event, &made);
    made.opening.actor_shown = false;
    make_receipt(&made, &text);
    assert_ok(sherd_shown_verify(sherd_buf_span(&text), policy, room, &shown));
    assert_int_equal(shown.index, INDEX);
    assert_int_equal(shown.checkpoint.head.size, SIZE);
    assert_int_equal(shown.leaf.kind, SHERD_EVENT_PUT);
    assert_int_equal(shown.leaf.version, 1);
    assert_int_equal(shown.vouched.logs, 1);
    assert_memory_equal(shown.opening.subject.bytes, event.subject.bytes, 16);
    assert_memory_equal(shown.opening.digest.bytes, event.fragment.digest.bytes, 32);
    assert_false(shown.opening.actor_shown);
}

/* An honest opening of a leaf that is not in the log, and an honest leaf with another's opening. */
static void test_ledger_receipt__nothing_else_is_shown(void **state)
{
    const struct sherd_event event = example(1);
    const struct sherd_event other = example(2);
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *nobody = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bare = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_proof proof;
    struct made made;
    struct made false_made;

    (void)state;
    make(&event, &made);
    make(&other, &false_made);
    make_receipt(&made, &text);
    assert_ok(verify_receipt(sherd_buf_span(&text), policy));
    assert_ok(sherd_policy_parse(sherd_span_str("quorum none\n"), &nobody));
    assert_err(SHERD_ERR_TAMPERED, verify_receipt(sherd_buf_span(&text), nobody));
    assert_ok(sherd_proof_decode(sherd_buf_span(&text), &proof));
    const struct sherd_opening *const openings[] = {&false_made.opening, &made.opening};
    false_made.opening.subject.bytes[0] ^= 1;
    for (size_t i = 0; i < SHERD_COUNT_OF(openings); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf extra = {0};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf forged = {0};

        if (i == 1)
            made.opening.subject = false_made.opening.subject;
        encode(openings[i], &extra);
        assert_ok(sherd_proof_encode(&proof, sherd_buf_span(&extra), &forged));
        assert_err(SHERD_ERR_TAMPERED, verify_receipt(sherd_buf_span(&forged), policy));
    }
    /* none at all, and more than an opening can have */
    static const uint8_t longer[SHERD_OPENING_BYTES_MAX + 1] = {1};
    assert_ok(sherd_proof_encode(&proof, sherd_span_of(NULL, 0), &bare));
    assert_err(SHERD_ERR_TAMPERED, verify_receipt(sherd_buf_span(&bare), policy));
    assert_ok(sherd_proof_encode(&proof, sherd_span_of(longer, sizeof(longer)), &note));
    assert_err(SHERD_ERR_TAMPERED, verify_receipt(sherd_buf_span(&note), policy));
    assert_err(SHERD_ERR_TAMPERED, verify_receipt(sherd_span_str("no proof"), policy));
}

static void test_ledger_receipt__ten_thousand_changes_are_refused(void **state)
{
    const struct sherd_event event = example(1);
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf original = {0};
    uint64_t random = 20260101;
    unsigned refused = 0;
    struct made made;

    (void)state;
    make(&event, &made);
    make_receipt(&made, &original);
    while (refused < MUTATIONS) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

        assert_ok(sherd_buf_append(&text, sherd_buf_span(&original)));
        mutate(&text, &random);
        if (sherd_span_equal(sherd_buf_span(&text), sherd_buf_span(&original)))
            continue;
        if (verify_receipt(sherd_buf_span(&text), policy) != SHERD_ERR_TAMPERED) {
            /* a line of a signature twice: the same signature by the same key, over the same text */
            assert_true(text.len > original.len);
            assert_true(sherd_span_equal(sherd_span_of(text.data, original.len), sherd_buf_span(&original)));
            continue;
        }
        refused++;
    }
}

/* --- evidence ----------------------------------------------------------------------------------------------------- */

static const struct sherd_ref about = {
    {0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22}};

static void add(struct sherd_buf *text, uint64_t index, const struct sherd_opening *opening)
{
    struct sherd_path path;

    assert_ok(sherd_inclusion_prove(&tree_reader, index, SIZE, &path));
    assert_ok(sherd_evidence_add(text, index, &path, opening));
}

/* Evidence of three leaves about one thing. */
static void make_evidence(const struct sherd_ref *what, struct made made[static 3], struct sherd_buf *text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};

    for (uint8_t i = 0; i < 3; i++) {
        const struct sherd_event event = example((uint8_t)(10 + i));

        make(&event, &made[i]);
        plant(&made[i], 40U + 50U * i);
    }
    assert_ok(sherd_evidence_begin(text, what));
    for (unsigned i = 0; i < 3; i++)
        add(text, 40U + 50U * i, &made[i].opening);
    checkpoint_make(SIZE, &note);
    assert_ok(sherd_evidence_end(text, sherd_buf_span(&note)));
}

struct seen {
    unsigned count;
    enum sherd_err answer;
};

static enum sherd_err see(void *arg, uint64_t index, const struct sherd_opening *opening, const struct sherd_leaf *leaf)
{
    struct seen *seen = arg;

    assert_int_equal(index, 40 + 50 * seen->count);
    assert_memory_equal(opening->subject.bytes, about.bytes, 16);
    assert_int_equal(leaf->kind, SHERD_EVENT_PUT);
    seen->count++;
    return seen->answer;
}

static enum sherd_err verify_evidence(struct sherd_span text, const struct sherd_policy *policy)
{
    struct sherd_checkpoint checkpoint;
    struct sherd_evidence evidence;
    struct sherd_vouched vouched;

    SHERD_TRY(sherd_evidence_decode(text, &evidence));
    return sherd_evidence_verify(&evidence, policy, NULL, NULL, &checkpoint, &vouched);
}

static void test_ledger_evidence__shows_each_leaf(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *nobody = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_evidence evidence;
    struct sherd_vouched vouched;
    struct made made[3];
    struct seen seen = {.answer = SHERD_OK};

    (void)state;
    make_evidence(&about, made, &text);
    assert_ok(sherd_evidence_decode(sherd_buf_span(&text), &evidence));
    assert_int_equal(evidence.leaf_count, 3);
    assert_ok(sherd_evidence_verify(&evidence, policy, see, &seen, &checkpoint, &vouched));
    assert_int_equal(seen.count, 3);
    assert_int_equal(checkpoint.head.size, SIZE);
    evidence.leaf_count++; /* which is a lie */
    assert_err(SHERD_ERR_TAMPERED, sherd_evidence_verify(&evidence, policy, NULL, NULL, &checkpoint, &vouched));
    evidence.leaf_count--;
    seen = (struct seen){.answer = SHERD_ERR_BUSY};
    assert_err(SHERD_ERR_BUSY, sherd_evidence_verify(&evidence, policy, see, &seen, &checkpoint, &vouched));
    assert_int_equal(seen.count, 1);
    assert_ok(sherd_policy_parse(sherd_span_str("quorum none\n"), &nobody));
    assert_err(SHERD_ERR_TAMPERED, sherd_evidence_verify(&evidence, nobody, NULL, NULL, &checkpoint, &vouched));
}

/* It may be about what is shown in any place, and about nothing else. */
static void test_ledger_evidence__is_about_one_thing(void **state)
{
    static const uint8_t bytes[] = {0x22, 0x33, 0x44, 0x55, 0x66};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        for (unsigned hidden = 0; hidden < 3; hidden++) {
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
            const struct sherd_event event = example(7);
            struct sherd_ref what;
            struct made made;

            memset(what.bytes, bytes[i], sizeof(what.bytes));
            make(&event, &made);
            plant(&made, 5);
            checkpoint_make(SIZE, &note);
            made.opening.subject_shown = hidden != 1;
            made.opening.actor_shown = hidden != 2;
            assert_ok(sherd_evidence_begin(&text, &what));
            add(&text, 5, &made.opening);
            assert_ok(sherd_evidence_end(&text, sherd_buf_span(&note)));
            const bool shown = i == 0 ? hidden != 1 : i < 4 && hidden != 2;
            assert_err(shown ? SHERD_OK : SHERD_ERR_TAMPERED, verify_evidence(sherd_buf_span(&text), policy));
        }
}

/* Leaves in another order or twice, one that is not in the log, one that brings no opening or a false one. */
static void test_ledger_evidence__each_leaf_counts(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf whole = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    static const unsigned orders[][2] = {{0, 1}, {1, 0}, {1, 1}};
    struct made made[3];

    (void)state;
    make_evidence(&about, made, &whole);
    checkpoint_make(SIZE, &note);
    for (unsigned i = 0; i < 7; i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
        struct sherd_opening opening = made[0].opening;
        struct sherd_proof proof = {.index = 40};

        assert_ok(sherd_evidence_begin(&text, &about));
        assert_ok(sherd_inclusion_prove(&tree_reader, 40, SIZE, &proof.path));
        switch (i) {
        case 0:
        case 1:
        case 2:
            add(&text, 40U + 50U * orders[i][0], &made[orders[i][0]].opening);
            add(&text, 40U + 50U * orders[i][1], &made[orders[i][1]].opening);
            break;
        case 3: add(&text, 41, &made[0].opening); break;
        case 4: assert_ok(sherd_proof_body_append(&text, &proof, sherd_span_str("no opening"))); break;
        case 5: {
            static const uint8_t longer[SHERD_OPENING_BYTES_MAX + 1] = {1};

            assert_ok(sherd_proof_body_append(&text, &proof, sherd_span_of(longer, sizeof(longer))));
            break;
        }
        default:
            opening.digest.bytes[0] ^= 1;
            add(&text, 40, &opening);
            break;
        }
        assert_ok(sherd_evidence_end(&text, sherd_buf_span(&note)));
        assert_err(i == 0 ? SHERD_OK : SHERD_ERR_TAMPERED, verify_evidence(sherd_buf_span(&text), policy));
    }
}

#define EVIDENCE_HEAD "sherd-evidence@v1 22222222222222222222222222222222\n"

static void test_ledger_evidence__another_form_is_refused(void **state)
{
    static const char *const beginnings[] = {
        "",
        "sherd-evidence@v2 22222222222222222222222222222222\n\n",
        "sherd-evidence@v1 2222222222222222222222222222222\n\n",   /* a digit less */
        "sherd-evidence@v1 222222222222222222222222222222222\n\n", /* a digit more */
        "sherd-evidence@v1 2222222222222222222222222222222G\n\n",
        "sherd-evidence@v1 222222222222222222222222222222/2\n\n",
        "sherd-evidence@v1 2222222222222222222222222222222A\n\n", /* another text for it */
        "sherd-evidence@v1 2222222222222222222222222222222:\n\n",
        "sherd-evidence@v1 `2222222222222222222222222222222\n\n",
        EVIDENCE_HEAD,
        EVIDENCE_HEAD "\n\n",
        EVIDENCE_HEAD "more\n",
        EVIDENCE_HEAD "\nextra aGk=\n\n",
        EVIDENCE_HEAD "\nextra aGk\nindex 0\n\n",
        EVIDENCE_HEAD "\nindex 0\n\n", /* no opening */
        EVIDENCE_HEAD "\nextra aGk=\nindex 0\n",
    };
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf written = {0};
    struct sherd_evidence evidence;

    (void)state;
    checkpoint_make(1, &note);
    for (size_t i = 0; i < SHERD_COUNT_OF(beginnings); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

        assert_ok(sherd_text_append(&text, beginnings[i]));
        assert_ok(sherd_buf_append(&text, sherd_buf_span(&note)));
        if (sherd_evidence_decode(sherd_buf_span(&text), &evidence) != SHERD_ERR_TAMPERED)
            fail_msg("%s is read", beginnings[i]);
    }
    assert_err(SHERD_ERR_TAMPERED, sherd_evidence_decode(sherd_span_str(EVIDENCE_HEAD), &evidence));
    assert_err(SHERD_ERR_TAMPERED, sherd_evidence_decode(sherd_span_str(EVIDENCE_HEAD "\n"), &evidence));
    assert_err(SHERD_ERR_TAMPERED, sherd_evidence_decode(sherd_span_str("sherd-evidence@v1 22"), &evidence));
    assert_err(SHERD_ERR_INVALID, sherd_evidence_end(&written, sherd_span_str("no checkpoint")));
    assert_err(SHERD_ERR_INVALID, /* a name that no key can have */
               sherd_evidence_end(&written, sherd_span_str("extra x\n0\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                                                           "\n\xe2\x80\x94 a AAAAAAE=\n")));
}

/* All digits, both ways; and no leaves at all is a text, too. */
static void test_ledger_evidence__names_what_it_is_about(void **state)
{
    const struct sherd_ref what = {
        {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10}};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_span rest;
    struct sherd_evidence evidence;

    (void)state;
    checkpoint_make(SIZE, &note);
    assert_ok(sherd_evidence_begin(&text, &what));
    assert_ok(sherd_evidence_end(&text, sherd_buf_span(&note)));
    rest = sherd_buf_span(&text);
    assert_true(sherd_line_begins(&rest, "sherd-evidence@v1 0123456789abcdeffedcba9876543210\n\n"));
    assert_ok(sherd_evidence_decode(sherd_buf_span(&text), &evidence));
    assert_memory_equal(evidence.about.bytes, what.bytes, 16);
    assert_int_equal(evidence.leaf_count, 0);
    assert_ok(verify_evidence(sherd_buf_span(&text), policy));
}

static void test_ledger_evidence__ten_thousand_changes_are_refused(void **state)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf original = {0};
    uint64_t random = 20260102;
    unsigned refused = 0;
    struct made made[3];

    (void)state;
    make_evidence(&about, made, &original);
    while (refused < MUTATIONS) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

        assert_ok(sherd_buf_append(&text, sherd_buf_span(&original)));
        mutate(&text, &random);
        if (sherd_span_equal(sherd_buf_span(&text), sherd_buf_span(&original)))
            continue;
        if (verify_evidence(sherd_buf_span(&text), policy) != SHERD_ERR_TAMPERED) {
            assert_true(text.len > original.len); /* as of receipts */
            assert_true(sherd_span_equal(sherd_span_of(text.data, original.len), sherd_buf_span(&original)));
            continue;
        }
        refused++;
    }
}

/* --- joins -------------------------------------------------------------------------------------------------------- */

#define JOINS 5U
#define JOINS_INDEX 120U

/* A leaf that stands for some joins, and each of them as it may be shown. */
struct made_joins {
    uint8_t bytes[SHERD_LEAF_BYTES_MAX];
    struct sherd_opening openings[JOINS];
};

static void make_joins(unsigned count, struct made_joins *made)
{
    static struct sherd_join_tree tree;
    const struct sherd_ref file = {{0xf1}};
    struct sherd_event event = {.kind = SHERD_EVENT_JOIN, .time_ns = 1700000000000000000U, .count = count};
    struct sherd_aead_message *series;
    struct sherd_join_slot slots[JOINS];
    struct sherd_digest file_blind;
    size_t len;

    assert_ok(sherd_join_series(keys, &file, true, &series));
    assert_ok(sherd_join_file_blind(keys, &file, &file_blind));
    for (unsigned i = 0; i < count; i++) {
        struct sherd_join_shown *shown = &made->openings[i].join;

        made->openings[i] = (struct sherd_opening){.join_shown = true};
        *shown = (struct sherd_join_shown){.position = i, .slot = {.file = file, .number = i + 1}};
        shown->join = (struct sherd_join){.record = about, .version = i + 1, .time_ns = 1700000000000000000U + i};
        memset(shown->join.actor.bytes, (int)(0x70 + i), 16);
        assert_ok(sherd_join_seal(series, i + 1, &shown->join, shown->slot.bytes));
        assert_ok(sherd_join_blind(&file_blind, i + 1, &shown->blind));
        assert_ok(sherd_join_commitment(&shown->blind, &shown->join, &shown->slot.commitment));
        slots[i] = shown->slot;
    }
    sherd_aead_message_free(series);
    event.has_root = true;
    assert_ok(sherd_join_root(slots, count, &event.root));
    assert_ok(sherd_leaf_encode(keys, &event, made->bytes, &len));
    assert_ok(sherd_join_tree_build(slots, count, &tree));
    for (unsigned i = 0; i < count; i++) {
        made->openings[i].leaf = sherd_span_of(made->bytes, len);
        assert_ok(sherd_join_tree_prove(&tree, i, &made->openings[i].join.path));
    }
    assert_ok(sherd_merkle_leaf(made->openings[0].leaf, &tree_leaves[JOINS_INDEX]));
}

static enum sherd_err decode_and_verify(struct sherd_span bytes)
{
    struct sherd_opening opening;
    struct sherd_leaf leaf;

    SHERD_TRY(sherd_opening_decode(bytes, &opening));
    return sherd_opening_verify(&opening, &leaf);
}

/* Each is shown by itself; not a bit of it may be another one but of what the leaf's bytes say beside. */
static void test_ledger_opening_joins__every_bit_counts(void **state)
{
    struct made_joins made;

    (void)state;
    for (unsigned count = 1; count <= JOINS; count++) {
        make_joins(count, &made);
        for (unsigned i = 0; i < count; i++) {
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
            const size_t leaf_end = 11 + 3 + made.openings[i].leaf.len;
            struct sherd_opening back;

            encode(&made.openings[i], &bytes);
            assert_ok(sherd_opening_decode(sherd_buf_span(&bytes), &back));
            encode(&back, &again);
            assert_true(sherd_span_equal(sherd_buf_span(&bytes), sherd_buf_span(&again)));
            assert_ok(decode_and_verify(sherd_buf_span(&bytes)));
            for (size_t at = 0; at < bytes.len; at++) {
                if (at >= 14 && at < leaf_end) /* the tree of the log binds it */
                    continue;
                bytes.data[at] ^= (uint8_t)(1U << (at + i) % 8);
                assert_int_equal(decode_and_verify(sherd_buf_span(&bytes)), SHERD_ERR_TAMPERED);
                bytes.data[at] ^= (uint8_t)(1U << (at + i) % 8);
            }
        }
    }
}

/* Any of its parts without the others, a path that is none, a version that is none. */
static void test_ledger_opening_joins__are_whole(void **state)
{
    static const size_t sizes[] = {8, SHERD_JOIN_KEPT_SIZE, SHERD_JOIN_PLAIN_SIZE, 32, 32};
    uint8_t block[SHERD_OPENING_BYTES_MAX];
    uint8_t value[(SHERD_JOIN_PATH_HASHES_MAX + 1) * 32] = {0};
    struct sherd_opening opening;
    size_t len;

    (void)state;
    value[23] = 1; /* of the join: its version; of the position: nothing */
    for (unsigned set = 0; set < 32; set++) {
        struct sherd_tlv_writer writer = sherd_tlv_writer(block, sizeof(block));

        sherd_tlv_put_u64(&writer, 1, 1);
        sherd_tlv_put(&writer, 2, sherd_span_str("a leaf"));
        for (unsigned i = 0; i < SHERD_COUNT_OF(sizes); i++)
            if ((set >> i & 1) != 0)
                sherd_tlv_put(&writer, 10 + i, sherd_span_of(value, sizes[i]));
        assert_ok(sherd_tlv_end(&writer, &len));
        assert_int_equal(sherd_opening_decode(sherd_span_of(block, len), &opening),
                         set == 0 || set == 15 || set == 31 ? SHERD_OK : SHERD_ERR_TAMPERED);
    }
    for (unsigned wrong = 0; wrong < 6; wrong++) {
        struct sherd_tlv_writer writer = sherd_tlv_writer(block, sizeof(block));
        uint8_t bytes[sizeof(value)];

        memcpy(bytes, value, sizeof(value));
        bytes[23] = wrong == 3 ? 0 : 1; /* a join of no version */
        sherd_tlv_put_u64(&writer, 1, 1);
        sherd_tlv_put(&writer, 2, sherd_span_str("a leaf"));
        sherd_tlv_put_u64(&writer, 10, wrong == 0 ? SHERD_JOIN_BATCH_MAX : 0);
        sherd_tlv_put(&writer, 11, sherd_span_of(bytes, SHERD_JOIN_KEPT_SIZE - (wrong == 1 ? 1 : 0)));
        sherd_tlv_put(&writer, 12, sherd_span_of(bytes, SHERD_JOIN_PLAIN_SIZE - (wrong == 2 ? 1 : 0)));
        sherd_tlv_put(&writer, 13, sherd_span_of(bytes, wrong == 4 ? 31 : 32));
        sherd_tlv_put(&writer, 14, sherd_span_of(bytes, wrong == 5 ? 33 : 32));
        assert_ok(sherd_tlv_end(&writer, &len));
        assert_int_equal(sherd_opening_decode(sherd_span_of(block, len), &opening), SHERD_ERR_TAMPERED);
    }
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, sizeof(block));
    sherd_tlv_put_u64(&writer, 1, 1);
    sherd_tlv_put(&writer, 2, sherd_span_str("a leaf"));
    for (unsigned i = 0; i < 4; i++)
        sherd_tlv_put(&writer, 10 + i, sherd_span_of(value, sizes[i]));
    sherd_tlv_put(&writer, 14, sherd_span_of(value, sizeof(value))); /* longer than any */
    assert_ok(sherd_tlv_end(&writer, &len));
    assert_int_equal(sherd_opening_decode(sherd_span_of(block, len), &opening), SHERD_ERR_TAMPERED);
}

/* What the leaf does not stand for: another's place, another join, one of a leaf without a root, or of another kind. */
static void test_ledger_opening_joins__nothing_else_is_shown(void **state)
{
    struct made_joins made;
    struct sherd_opening opening;
    struct sherd_leaf leaf;

    (void)state;
    make_joins(JOINS, &made);
    assert_ok(sherd_opening_verify(&made.openings[1], &leaf));
    opening = made.openings[1];
    opening.join.position = 2;
    assert_int_equal(sherd_opening_verify(&opening, &leaf), SHERD_ERR_TAMPERED);
    opening.join.position = JOINS;
    assert_int_equal(sherd_opening_verify(&opening, &leaf), SHERD_ERR_TAMPERED);
    opening = made.openings[1]; /* made up: all but the commitment agrees */
    opening.join.join.record.bytes[0] ^= 1;
    assert_int_equal(sherd_opening_verify(&opening, &leaf), SHERD_ERR_TAMPERED);
    assert_ok(sherd_join_commitment(&opening.join.blind, &opening.join.join, &opening.join.slot.commitment));
    assert_int_equal(sherd_opening_verify(&opening, &leaf), SHERD_ERR_TAMPERED);
    for (unsigned i = 0; i < 2; i++) {
        const struct sherd_event event = {.kind = i == 0 ? SHERD_EVENT_JOIN : SHERD_EVENT_SEAL, .count = JOINS};
        uint8_t bytes[SHERD_LEAF_BYTES_MAX];
        size_t len;

        assert_ok(sherd_leaf_encode(keys, &event, bytes, &len));
        opening = made.openings[1];
        opening.leaf = sherd_span_of(bytes, len);
        assert_int_equal(sherd_opening_verify(&opening, &leaf), SHERD_ERR_TAMPERED);
    }
}

static enum sherd_err evidence_of(const struct sherd_ref *what, const struct sherd_opening *openings,
                                  const unsigned *order, size_t count)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};

    checkpoint_make(SIZE, &note);
    assert_ok(sherd_evidence_begin(&text, what));
    for (size_t i = 0; i < count; i++)
        add(&text, JOINS_INDEX, &openings[order[i]]);
    assert_ok(sherd_evidence_end(&text, sherd_buf_span(&note)));
    return verify_evidence(sherd_buf_span(&text), policy);
}

/* Of one record or one principal, in their order, each once. */
static void test_ledger_evidence_joins__are_about_one_thing_in_order(void **state)
{
    static const unsigned order[] = {0, 1, 4, 4, 2, 1};
    struct sherd_ref reader;
    struct made_joins made;

    (void)state;
    make_joins(JOINS, &made);
    assert_ok(evidence_of(&about, made.openings, order, 3));
    assert_err(SHERD_ERR_TAMPERED, evidence_of(&about, made.openings, order, 4));
    assert_err(SHERD_ERR_TAMPERED, evidence_of(&about, made.openings, order + 3, 2));
    memset(reader.bytes, 0x71, sizeof(reader.bytes));
    assert_ok(evidence_of(&reader, made.openings, order + 1, 1));
    assert_err(SHERD_ERR_TAMPERED, evidence_of(&reader, made.openings, order + 1, 2)); /* another's */
}

static int setup(void **state)
{
    if (tree_setup(state) != 0)
        return -1;
    return sherd_leaf_keys_new(sherd_span_of(seed, sizeof(seed)), deployment, &keys) == SHERD_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    sherd_leaf_keys_free(keys);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_opening__golden_bytes),
        cmocka_unit_test(test_ledger_opening__there_and_back),
        cmocka_unit_test(test_ledger_opening__every_bit_counts),
        cmocka_unit_test(test_ledger_opening__another_form_is_refused),
        cmocka_unit_test(test_ledger_opening__fields_are_whole),
        cmocka_unit_test(test_ledger_opening__leaves_have_a_limit),
        cmocka_unit_test(test_ledger_opening__nothing_else_opens_it),
        cmocka_unit_test(test_ledger_receipt__says_what_was_logged),
        cmocka_unit_test(test_ledger_receipt__nothing_else_is_shown),
        cmocka_unit_test(test_ledger_receipt__ten_thousand_changes_are_refused),
        cmocka_unit_test(test_ledger_evidence__shows_each_leaf),
        cmocka_unit_test(test_ledger_evidence__is_about_one_thing),
        cmocka_unit_test(test_ledger_evidence__each_leaf_counts),
        cmocka_unit_test(test_ledger_evidence__another_form_is_refused),
        cmocka_unit_test(test_ledger_evidence__names_what_it_is_about),
        cmocka_unit_test(test_ledger_evidence__ten_thousand_changes_are_refused),
        cmocka_unit_test(test_ledger_opening_joins__every_bit_counts),
        cmocka_unit_test(test_ledger_opening_joins__are_whole),
        cmocka_unit_test(test_ledger_opening_joins__nothing_else_is_shown),
        cmocka_unit_test(test_ledger_evidence_joins__are_about_one_thing_in_order),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
