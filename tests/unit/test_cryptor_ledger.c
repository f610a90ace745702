/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of <sherd/ledger.h>: receipts, proofs, history and evidence of a vault, of its anchor in the same process and
 * of one at the end of connections; and who may have what.
 */
#include "ledger/evidence.h"
#include "ledger/log.h"
#include "rights.h"
#include "served.h"

#define MANY 600U

static int setup_served(void **state)
{
    if (vault_setup(state) != 0)
        return -1;
    struct sherd_vault *vault = ((struct vault_test *)*state)->vault;

    vault->anchor = served_begin(vault->anchor);
    vault->assets.anchor = vault->anchor;
    return 0;
}

/* The log's public key, and its newest checkpoint. */
struct known {
    struct sherd_buf key;
    struct sherd_buf note;
    struct sherd_ledger_head head;
};

static void known_done(struct known *known)
{
    sherd_buf_done(&known->key);
    sherd_buf_done(&known->note);
}

static struct known know(struct vault_test *test)
{
    struct known known = {0};

    assert_ok(sherd_ledger_checkpoint(test->vault, &known.note, &known.key, &known.head));
    return known;
}

static void expect_receipt(struct vault_test *test, struct sherd_uuid id, uint64_t version, const char *kind)
{
    SHERD_CLEANUP(known_done) struct known known = know(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_ledger_receipt receipt;

    assert_ok(sherd_ledger_receipt(test->vault, id, version, &text));
    assert_ok(sherd_ledger_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&known.key), &receipt));
    assert_string_equal(receipt.kind, kind);
    assert_memory_equal(receipt.record.bytes, id.bytes, sizeof(id.bytes));
    if (version != 0)
        assert_int_equal(receipt.version, version);
    assert_int_equal(receipt.head.size, known.head.size);
    assert_memory_equal(receipt.head.root, known.head.root, sizeof(known.head.root));
    assert_string_equal(receipt.head.origin, known.head.origin);
    assert_true(receipt.index < known.head.size);
}

static void test_cryptor_ledger_receipt__is_of_one_version(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "one");
    const struct sherd_uuid nobody = {{1, 2, 3}};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    expect_receipt(test, id, 1, "put");
    assert_ok(sherd_record_update(test->vault, id, 1, NULL, sherd_span_str("two"), NULL));
    expect_receipt(test, id, 1, "put");
    expect_receipt(test, id, 2, "update");
    expect_receipt(test, id, 0, "update");
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_receipt(test->vault, id, 3, &text));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_receipt(test->vault, nobody, 0, &text));
    assert_ok(sherd_record_delete(test->vault, id));
    expect_receipt(test, id, 0, "delete");
    expect_receipt(test, id, 2, "update"); /* what was, was */
    assert_int_equal(text.len, 0);
    assert_err(SHERD_ERR_INVALID, sherd_ledger_receipt(test->vault, id, 1, NULL));
}

/* A receipt says nothing of whose it is and who put it, and its fragment is the pin's. */
static void test_cryptor_ledger_receipt__shows_no_more_than_it_must(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "alice"};
    const struct sherd_uuid id = vault_put(test, &meta, "one");
    SHERD_CLEANUP(known_done) struct known known = know(test);
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    uint8_t room[SHERD_OPENING_BYTES_MAX];
    struct sherd_pin_view view;
    struct sherd_shown shown;

    assert_ok(sherd_ledger_receipt(test->vault, id, 1, &text));
    assert_ok(sherd_policy_of_log(sherd_buf_span(&known.key), &policy));
    assert_ok(sherd_shown_verify(sherd_buf_span(&text), policy, room, &shown));
    assert_false(shown.opening.actor_shown);
    assert_ok(test->vault->anchor->ops->pin_get(test->vault->anchor, id, 1, &view, NULL));
    assert_memory_equal(shown.opening.digest.bytes, view.pin.digest.bytes, 32);
}

static void test_cryptor_ledger_receipt__another_key_does_not_do(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "one");
    SHERD_CLEANUP(known_done) struct known known = know(test);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf statements = {0};
    struct sherd_ledger_receipt receipt;

    assert_ok(sherd_ledger_receipt(test->vault, id, 1, &text));
    assert_ok(sherd_receipt_public_key(test->vault, &statements));
    assert_err(SHERD_ERR_TAMPERED,
               sherd_ledger_receipt_verify(sherd_buf_span(&text), sherd_buf_span(&statements), &receipt));
    assert_err(SHERD_ERR_INVALID,
               sherd_ledger_receipt_verify(sherd_buf_span(&text), sherd_span_str("no key"), &receipt));
    assert_err(SHERD_ERR_TAMPERED,
               sherd_ledger_receipt_verify(sherd_span_str("no proof"), sherd_buf_span(&known.key), &receipt));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bare = {0}; /* a proof that says nothing of its leaf */
    assert_ok(sherd_ledger_prove_inclusion(test->vault, known.head.size - 1, &bare));
    assert_err(SHERD_ERR_TAMPERED,
               sherd_ledger_receipt_verify(sherd_buf_span(&bare), sherd_buf_span(&known.key), &receipt));
}

/* --- proofs ------------------------------------------------------------------------------------------------------- */

static void test_cryptor_ledger_proofs__of_leaves_and_growth(void **state)
{
    struct vault_test *test = *state;
    SHERD_CLEANUP(known_done) struct known before = know(test);
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    uint8_t room[SHERD_OPENING_BYTES_MAX];
    struct sherd_checkpoint old;
    struct sherd_checkpoint now;
    struct sherd_growth growth;
    struct sherd_shown shown;

    (void)vault_put(test, NULL, "one");
    SHERD_CLEANUP(known_done) struct known after = know(test);
    assert_true(after.head.size > before.head.size);
    assert_ok(sherd_policy_of_log(sherd_buf_span(&after.key), &policy));
    for (uint64_t i = 0; i < after.head.size; i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

        assert_ok(sherd_ledger_prove_inclusion(test->vault, i, &text));
        assert_ok(sherd_shown_verify(sherd_buf_span(&text), policy, room, &shown));
        assert_int_equal(shown.index, i);
        assert_false(shown.opening.subject_shown || shown.opening.actor_shown);
    }
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_prove_inclusion(test->vault, after.head.size, &text));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_prove_inclusion(test->vault, UINT64_MAX, &text));
    assert_ok(sherd_ledger_prove_consistency(test->vault, before.head.size, 0, &text));
    assert_ok(sherd_growth_decode(sherd_buf_span(&text), &growth));
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&before.note), policy, &old, NULL));
    assert_ok(sherd_checkpoint_verify(growth.checkpoint, policy, &now, NULL));
    assert_ok(sherd_growth_verify(&growth, &old, &now));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf other = {0};
    assert_err(SHERD_ERR_INVALID, sherd_ledger_prove_consistency(test->vault, after.head.size + 1, 0, &other));
    assert_err(SHERD_ERR_INVALID, sherd_ledger_prove_consistency(test->vault, 0, after.head.size + 1, &other));
    assert_err(SHERD_ERR_INVALID, sherd_ledger_prove_consistency(test->vault, 2, 1, &other));
    assert_int_equal(other.len, 0);
    assert_ok(sherd_ledger_prove_consistency(test->vault, 1, before.head.size, &other));
    assert_ok(sherd_growth_decode(sherd_buf_span(&other), &growth));
    assert_int_equal(growth.checkpoint.len, 0); /* that of then is kept elsewhere */
}

/* A checkpoint of before, one of another ledger, one that was changed. */
static void test_cryptor_ledger_compare__finds_its_own(void **state)
{
    struct vault_test *test = *state;
    SHERD_CLEANUP(known_done) struct known known = know(test);
    struct sherd_ledger_head head;
    void *other_state = NULL;

    assert_ok(sherd_ledger_compare(test->vault, sherd_buf_span(&known.note), &head));
    assert_int_equal(head.size, known.head.size);
    (void)vault_put(test, NULL, "one");
    assert_ok(sherd_ledger_compare(test->vault, sherd_buf_span(&known.note), &head));
    assert_memory_equal(head.root, known.head.root, sizeof(head.root));
    assert_int_equal(vault_setup(&other_state), 0);
    SHERD_CLEANUP(known_done) struct known other = know(other_state);
    assert_err(SHERD_ERR_TAMPERED, sherd_ledger_compare(test->vault, sherd_buf_span(&other.note), &head));
    (void)vault_teardown(&other_state);
    known.note.data[known.note.len / 2] ^= 1;
    assert_err(SHERD_ERR_TAMPERED, sherd_ledger_compare(test->vault, sherd_buf_span(&known.note), &head));
}

/* --- history ------------------------------------------------------------------------------------------------------ */

struct told {
    uint64_t count;
    uint64_t last_index;
    char kinds[512]; /* each with a space behind it */
    enum sherd_err answer;
};

static enum sherd_err tell(void *arg, const struct sherd_ledger_event *event)
{
    struct told *told = arg;
    const size_t len = strlen(told->kinds);

    assert_true(told->count == 0 || event->index > told->last_index ||
                (event->index == told->last_index && strcmp(event->kind, "join") == 0));
    told->last_index = event->index;
    told->count++;
    if (len + strlen(event->kind) + 2 < sizeof(told->kinds))
        (void)snprintf(told->kinds + len, sizeof(told->kinds) - len, "%s ", event->kind);
    return told->answer;
}

static struct told history(struct vault_test *test, const struct sherd_ledger_query *query)
{
    struct told told = {.answer = SHERD_OK};
    struct sherd_ledger_head head;

    assert_ok(sherd_ledger_history(test->vault, query, tell, &told, &head));
    assert_true(told.count == 0 || told.last_index < head.size);
    return told;
}

static void test_cryptor_ledger_history__of_a_record(void **state)
{
    struct vault_test *test = *state;
    struct sherd_ledger_query query = {.about = SHERD_LEDGER_RECORD};

    query.id = vault_put(test, NULL, "one");
    (void)vault_put(test, NULL, "another one");
    assert_ok(sherd_record_update(test->vault, query.id, 0, NULL, sherd_span_str("two"), NULL));
    assert_string_equal(history(test, &query).kinds, "put update ");
    assert_ok(sherd_record_delete(test->vault, query.id));
    assert_string_equal(history(test, &query).kinds, "put update delete ");
    query.about = SHERD_LEDGER_ID;
    assert_string_equal(history(test, &query).kinds, "put update delete ");
    query.id.bytes[0] ^= 1;
    assert_int_equal(history(test, &query).count, 0);
    struct told told = {.answer = SHERD_ERR_BUSY}; /* who visits may end it */
    query = (struct sherd_ledger_query){.about = SHERD_LEDGER_ALL};
    assert_int_equal(sherd_ledger_history(test->vault, &query, tell, &told, NULL), SHERD_ERR_BUSY);
    assert_int_equal(told.count, 1);
}

static void test_cryptor_ledger_history__of_an_entity_and_a_user(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "alice"};
    const struct sherd_ledger_query alice = {.about = SHERD_LEDGER_ENTITY, .name = "alice"};
    const struct sherd_ledger_query anna = {.about = SHERD_LEDGER_USER, .name = "anna"};
    struct sherd_ledger_query wrong = {.about = SHERD_LEDGER_ENTITY, .name = "nobody"};
    struct told told = {.answer = SHERD_OK};
    const struct sherd_uuid id = vault_put(test, &meta, "one");

    (void)vault_put(test, NULL, "another one");
    assert_ok(sherd_record_delete(test->vault, id));
    assert_string_equal(history(test, &alice).kinds, "entity put delete ");
    (void)user_new(test, "anna");
    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    assert_ok(sherd_key_grant(test->vault, "pay", "anna", SHERD_RIGHT_READ));
    assert_string_equal(history(test, &anna).kinds, "principal grant ");
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_history(test->vault, &wrong, tell, &told, NULL));
    wrong.about = SHERD_LEDGER_USER;
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_history(test->vault, &wrong, tell, &told, NULL));
    wrong.name = NULL;
    assert_err(SHERD_ERR_INVALID, sherd_ledger_history(test->vault, &wrong, tell, &told, NULL));
    wrong.about = (enum sherd_ledger_about)0;
    assert_err(SHERD_ERR_INVALID, sherd_ledger_history(test->vault, &wrong, tell, &told, NULL));
    assert_int_equal(told.count, 0);
}

static void read_it(struct vault_test *test, struct sherd_uuid id, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf content = {0};

        assert_ok(sherd_record_get(test->vault, id, 0, &content));
    }
}

/* Who read what, in its place between the changes; of an entity, of all its records. */
static void test_cryptor_ledger_history__tells_joins(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "alice"};
    struct sherd_ledger_query query = {.about = SHERD_LEDGER_RECORD, .joins = true};
    struct sherd_ledger_query alice = {.about = SHERD_LEDGER_ENTITY, .name = "alice", .joins = true};
    struct told told = {.answer = SHERD_OK};

    query.id = vault_put(test, &meta, "one");
    const struct sherd_uuid other = vault_put(test, NULL, "another one");
    read_it(test, query.id, 2);
    read_it(test, other, 3);
    assert_string_equal(history(test, &query).kinds, "put join join ");
    assert_ok(sherd_record_update(test->vault, query.id, 0, NULL, sherd_span_str("two"), NULL));
    read_it(test, query.id, 1);
    assert_string_equal(history(test, &query).kinds, "put join join update join ");
    assert_string_equal(history(test, &alice).kinds, "entity put join join update join ");
    const struct sherd_uuid more = vault_put(test, &meta, "more of alice");
    read_it(test, more, 1);
    read_it(test, other, 1);
    assert_string_equal(history(test, &alice).kinds, "entity put join join update join put join ");
    query.joins = false;
    assert_string_equal(history(test, &query).kinds, "put update ");
    query = (struct sherd_ledger_query){.about = SHERD_LEDGER_ALL, .joins = true};
    assert_err(SHERD_ERR_INVALID, sherd_ledger_history(test->vault, &query, tell, &told, NULL));
    query = (struct sherd_ledger_query){.about = SHERD_LEDGER_RECORD, .id = other, .joins = true};
    query.id.bytes[0] ^= 1;
    assert_int_equal(history(test, &query).count, 0);
}

/* More than one page and one leaf hold; and evidence of all of them. */
static void test_cryptor_ledger_history__tells_many_joins(void **state)
{
    struct vault_test *test = *state;
    struct sherd_ledger_query query = {.about = SHERD_LEDGER_RECORD, .joins = true};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_evidence evidence;
    struct sherd_vouched vouched;
    uint64_t count = 0;

    query.id = vault_put(test, NULL, "one");
    const struct sherd_uuid other = vault_put(test, NULL, "another one");
    for (unsigned i = 0; i < 10; i++) {
        read_it(test, query.id, 70);
        read_it(test, other, 7);
    }
    assert_int_equal(history(test, &query).count, 701);
    SHERD_CLEANUP(known_done) struct known known = know(test);
    assert_ok(sherd_policy_of_log(sherd_buf_span(&known.key), &policy));
    assert_ok(sherd_ledger_evidence(test->vault, &query, &text, &count));
    assert_int_equal(count, 701);
    assert_ok(sherd_evidence_decode(sherd_buf_span(&text), &evidence));
    assert_ok(sherd_evidence_verify(&evidence, policy, NULL, NULL, &checkpoint, &vouched));
}

/* More than a page holds: each once, in order, and a range of them. */
static void test_cryptor_ledger_history__in_pages(void **state)
{
    static struct sherd_batch_item items[MANY];
    struct vault_test *test = *state;
    struct sherd_ledger_query query = {.about = SHERD_LEDGER_ALL};
    struct told told = {.answer = SHERD_OK};

    for (size_t i = 0; i < MANY; i++)
        items[i] = (struct sherd_batch_item){.content = sherd_span_str("x")};
    assert_ok(sherd_record_put_batch(test->vault, items, MANY));
    SHERD_CLEANUP(known_done) struct known known = know(test);
    assert_true(known.head.size > MANY);
    assert_int_equal(history(test, &query).count, known.head.size);
    query.from = 100;
    query.to = 500;
    told = history(test, &query);
    assert_int_equal(told.count, 400);
    assert_int_equal(told.last_index, 499);
    query.from = query.to = known.head.size;
    assert_int_equal(history(test, &query).count, 0);
    query.from++;
    query.to++;
    assert_err(SHERD_ERR_INVALID, sherd_ledger_history(test->vault, &query, tell, &told, NULL));
    query.from = 2;
    query.to = 1;
    assert_err(SHERD_ERR_INVALID, sherd_ledger_history(test->vault, &query, tell, &told, NULL));
    expect_receipt(test, items[0].id, 1, "put");
    expect_receipt(test, items[MANY / 2].id, 1, "put");
    expect_receipt(test, items[MANY - 1].id, 1, "put");
}

/* --- evidence ----------------------------------------------------------------------------------------------------- */

static void test_cryptor_ledger_evidence__holds_what_history_tells(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "alice"};
    const struct sherd_ledger_query alice = {.about = SHERD_LEDGER_ENTITY, .name = "alice"};
    const struct sherd_ledger_query all = {.about = SHERD_LEDGER_ALL};
    const struct sherd_uuid id = vault_put(test, &meta, "one");
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_checkpoint checkpoint;
    struct sherd_evidence evidence;
    struct sherd_vouched vouched;
    uint64_t count = 0;

    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("two"), NULL));
    SHERD_CLEANUP(known_done) struct known known = know(test);
    assert_ok(sherd_policy_of_log(sherd_buf_span(&known.key), &policy));
    assert_ok(sherd_ledger_evidence(test->vault, &alice, &text, &count));
    assert_int_equal(count, 3);
    assert_ok(sherd_evidence_decode(sherd_buf_span(&text), &evidence));
    assert_int_equal(evidence.leaf_count, 3);
    assert_ok(sherd_evidence_verify(&evidence, policy, NULL, NULL, &checkpoint, &vouched));
    assert_int_equal(checkpoint.head.size, known.head.size);
    assert_err(SHERD_ERR_INVALID, sherd_ledger_evidence(test->vault, &all, &text, NULL));
}

/* --- who may ------------------------------------------------------------------------------------------------------ */

static void expect_owners_alone(struct vault_test *test, struct sherd_uuid id)
{
    static const enum sherd_ledger_about kinds[] = {SHERD_LEDGER_ALL, SHERD_LEDGER_ID, SHERD_LEDGER_ENTITY,
                                                    SHERD_LEDGER_USER};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct told told = {.answer = SHERD_OK};

    for (size_t i = 0; i < SHERD_COUNT_OF(kinds); i++) {
        const struct sherd_ledger_query query = {.about = kinds[i], .id = id, .name = "alice"};

        assert_err(SHERD_ERR_DENIED, sherd_ledger_history(test->vault, &query, tell, &told, NULL));
    }
    assert_err(SHERD_ERR_DENIED, sherd_ledger_prove_inclusion(test->vault, 0, &text));
    assert_int_equal(told.count, 0);
    assert_int_equal(text.len, 0);
}

static void test_cryptor_ledger_rights__users_have_what_is_theirs(void **state)
{
    struct vault_test *test = *state;
    const struct user bob = user_new(test, "bob");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf none = {0};
    struct told told = {.answer = SHERD_OK};
    const struct sherd_record_meta meta = {.key = "pay"};
    struct sherd_uuid mine;

    assert_ok(sherd_key_create(test->vault, "pay", NULL));
    const struct sherd_ledger_query theirs = {.about = SHERD_LEDGER_RECORD, .id = put_under(test, "pay", "one")};
    struct sherd_anchor *session = session_of(test, &bob);

    ask_as(test, session); /* no right: as if there were no such record */
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_history(test->vault, &theirs, tell, &told, NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_receipt(test->vault, theirs.id, 1, &none));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_receipt(test->vault, theirs.id, 0, &none));
    ask_as(test, NULL);

    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_WRITE));
    ask_as(test, session); /* a receipt of what he puts, and no history */
    assert_ok(sherd_record_put(test->vault, &meta, sherd_span_str("mine"), &mine));
    expect_receipt(test, mine, 1, "put");
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_receipt(test->vault, mine, 0, &none));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_history(test->vault, &theirs, tell, &told, NULL));
    ask_as(test, NULL);

    assert_ok(sherd_key_grant(test->vault, "pay", "bob", SHERD_RIGHT_READ));
    ask_as(test, session);
    assert_string_equal(history(test, &theirs).kinds, "put ");
    assert_ok(sherd_ledger_receipt(test->vault, theirs.id, 0, &text));
    assert_ok(sherd_ledger_prove_consistency(test->vault, 1, 0, &text));
    expect_owners_alone(test, theirs.id);
    ask_as(test, NULL);

    assert_ok(sherd_user_disable(test->vault, "bob"));
    ask_as(test, session);
    assert_int_not_equal(sherd_ledger_history(test->vault, &theirs, tell, &told, NULL), SHERD_OK);
    assert_err(SHERD_ERR_DENIED, sherd_ledger_prove_consistency(test->vault, 1, 0, &none));
    ask_as(test, NULL);
    end(session);
    assert_int_equal(told.count, 0);
    assert_int_equal(none.len, 0);
}

/* Who has it open for reading only makes no leaves: he sees what there was. */
static void test_cryptor_ledger_read_only__makes_nothing(void **state)
{
    struct vault_test *test = *state;

    (void)vault_put(test, NULL, "before");
    vault_reopen(test); /* and copies of the ledger are made: they are not due again soon */
    SHERD_CLEANUP(known_done) struct known known = know(test);
    const struct sherd_uuid id = vault_put(test, NULL, "pending");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    sherd_vault_close(test->vault);
    test->vault = vault_open_as(test, true, 2);
    SHERD_CLEANUP(known_done) struct known seen = know(test);
    assert_int_equal(seen.head.size, known.head.size);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_ledger_receipt(test->vault, id, 1, &text));
    vault_reopen(test);
    expect_receipt(test, id, 1, "put");
}

/* Here and behind connections. */
#define BOTH(test)                                                                                              \
    cmocka_unit_test_setup_teardown(test, vault_setup, vault_teardown),                                         \
    {                                                                                                           \
        .name = #test "_served", .test_func = test, .setup_func = setup_served, .teardown_func = vault_teardown \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_cryptor_ledger_receipt__is_of_one_version),
        BOTH(test_cryptor_ledger_receipt__shows_no_more_than_it_must),
        BOTH(test_cryptor_ledger_receipt__another_key_does_not_do),
        BOTH(test_cryptor_ledger_proofs__of_leaves_and_growth),
        BOTH(test_cryptor_ledger_compare__finds_its_own),
        BOTH(test_cryptor_ledger_history__of_a_record),
        BOTH(test_cryptor_ledger_history__of_an_entity_and_a_user),
        BOTH(test_cryptor_ledger_history__tells_joins),
        BOTH(test_cryptor_ledger_history__tells_many_joins),
        BOTH(test_cryptor_ledger_history__in_pages),
        BOTH(test_cryptor_ledger_evidence__holds_what_history_tells),
        BOTH(test_cryptor_ledger_rights__users_have_what_is_theirs),
        BOTH(test_cryptor_ledger_read_only__makes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
