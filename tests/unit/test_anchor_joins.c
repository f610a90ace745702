/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of joins in a vault on disk: each key that is given out has one entry, noted before, in the ledger after; and
 * whoever edits, cuts, moves, removes or brings back entries is seen. (Being killed: test_anchor_joins_kill.c.)
 */
#include "anchor/embedded/embedded_inside.h"
#include "anchor/ledger/join_files.h"
#include "base/file.h"
#include "cryptor/vault.h"
#include "joins.h"
#include "rights.h"
#include <pthread.h>
#include <time.h>

/* --- one entry a release ------------------------------------------------------------------------------------------ */

static void test_anchor_joins__each_get_has_one_entry(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "some contents");
    const uint64_t began_ns = (uint64_t)time(NULL) * 1000000000U;

    assert_int_equal(joins_of(test->vault)->count, 0);
    for (unsigned i = 0; i < 3; i++)
        joins_get(test->vault, id);
    assert_int_equal(joins_check(test->vault).join_count, 3);
    assert_int_equal(joins_of(test->vault)->count, 0);
    joins_run(test->vault);

    const struct joins *joins = joins_of(test->vault);
    assert_int_equal(joins->count, 3);
    for (size_t i = 0; i < joins->count; i++) {
        static const struct sherd_ref owner = {{0}};

        assert_memory_equal(joins->list[i].join.record.bytes, id.bytes, 16);
        assert_memory_equal(joins->list[i].join.actor.bytes, owner.bytes, 16);
        assert_int_equal(joins->list[i].join.version, 1);
        assert_true(joins->list[i].join.time_ns >= began_ns);
        assert_int_equal(joins->list[i].slot.number, i + 1);
        assert_int_equal(joins->list[i].leaf, joins->list[0].leaf);
    }
    const struct sherd_keys_check check = joins_check(test->vault);
    assert_int_equal(check.join_count, 0);
    assert_int_equal(check.joins_lost, 0);
    assert_true(check.agrees && check.log_verifies && check.joins_verify);
}

static void test_anchor_joins__what_gives_no_key_has_none(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "some contents");
    struct sherd_record_info *info = NULL;

    assert_ok(sherd_record_stat(test->vault, id, 0, &info));
    sherd_record_info_free(info);
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("others"), NULL));
    joins_run(test->vault);
    assert_int_equal(joins_of(test->vault)->count, 0);
}

static void test_anchor_joins__names_the_version_and_the_user(void **state)
{
    struct vault_test *test = *state;
    const struct user ann = user_new(test, "ann");

    assert_ok(sherd_key_create(test->vault, "team", NULL));
    assert_ok(sherd_key_grant(test->vault, "team", "ann", SHERD_RIGHT_READ | SHERD_RIGHT_WRITE));
    vault_collection(test, "c", 0, false);
    const struct sherd_record_meta meta = {.collection = "c", .key = "team"};
    const struct sherd_uuid id = vault_put(test, &meta, "one");
    struct sherd_anchor *session = session_of(test, &ann);

    ask_as(test, session);
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("two"), NULL));
    joins_get(test->vault, id);
    joins_get_version(test->vault, id, 1);
    ask_as(test, NULL);
    joins_get(test->vault, id);
    joins_run(test->vault);

    const struct joins *joins = joins_of(test->vault);
    struct sherd_principal principal;
    assert_ok(sherd_principals_get(&sherd_embedded_of(test->vault->anchor)->principals, "ann", &principal));
    assert_int_equal(joins->count, 3);
    assert_int_equal(joins->list[0].join.version, 2);
    assert_int_equal(joins->list[1].join.version, 1);
    assert_int_equal(joins->list[2].join.version, 2);
    assert_memory_equal(joins->list[0].join.actor.bytes, principal.id.bytes, 16);
    assert_memory_equal(joins->list[1].join.actor.bytes, principal.id.bytes, 16);
    assert_memory_not_equal(joins->list[2].join.actor.bytes, principal.id.bytes, 16);
    end(session);
}

/* All that a session writes carries its user; nothing that the owner writes carries anybody. */
static void test_anchor_joins__events_of_a_session_have_an_actor(void **state)
{
    static const enum sherd_event_kind of_ann[] = {SHERD_EVENT_NAMED_KEY, SHERD_EVENT_PUT,   SHERD_EVENT_ENTITY,
                                                   SHERD_EVENT_UPDATE,    SHERD_EVENT_GRANT, SHERD_EVENT_DELETE,
                                                   SHERD_EVENT_REWRAP};
    struct vault_test *test = *state;
    const struct user ann = user_new(test, "ann");
    const struct user bob = user_new(test, "bob");
    struct sherd_anchor *session = session_of(test, &ann);
    struct sherd_rekey_stat rekeyed;
    struct sherd_principal principal;

    assert_ok(sherd_principals_get(&sherd_embedded_of(test->vault->anchor)->principals, "ann", &principal));
    joins_run(test->vault);
    const size_t before = events_of(test->vault)->count;
    ask_as(test, session);
    assert_ok(sherd_key_create(test->vault, "mine", NULL));
    const struct sherd_record_meta meta = {.key = "mine", .entity = "of ann's"};
    const struct sherd_uuid id = vault_put(test, &meta, "one");
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("two"), NULL));
    assert_ok(sherd_key_grant(test->vault, "mine", bob.name, SHERD_RIGHT_READ));
    assert_ok(sherd_key_rotate(test->vault, "mine", NULL, NULL, &rekeyed));
    assert_ok(sherd_record_delete(test->vault, id));
    ask_as(test, NULL);
    const struct sherd_uuid other = vault_put(test, NULL, "of the owner");
    joins_run(test->vault);

    const struct events *events = events_of(test->vault);
    bool seen[SHERD_EVENT_KINDS] = {false};
    for (size_t i = 0; i < events->count; i++) {
        const struct sherd_event *event = &events->list[i];
        const bool by_ann = memcmp(event->actor.bytes, principal.id.bytes, 16) == 0;
        const bool of_owner = i < before || memcmp(event->subject.bytes, other.bytes, 16) == 0;

        if (of_owner)
            assert_false(by_ann);
        else if (event->kind != SHERD_EVENT_ENTITY || by_ann)
            assert_true(by_ann);
        seen[event->kind] = seen[event->kind] || by_ann;
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(of_ann); i++)
        if (!seen[of_ann[i]])
            fail_msg("no %s by ann", sherd_event_name(of_ann[i]));
    end(session);
}

/* --- many --------------------------------------------------------------------------------------------------------- */

#define THREADS 4U
#define GETS 25000U

struct getter {
    struct sherd_vault *vault;
    struct sherd_uuid ids[8];
    unsigned number;
    uint64_t given[8];
};

static void *get_many(void *arg)
{
    struct getter *getter = arg;
    struct sherd_anchor *anchor = getter->vault->anchor;

    for (unsigned i = 0; i < GETS; i++) {
        const unsigned which = (i + getter->number) % 8;
        struct sherd_pin_view view;
        struct sherd_record_key key;

        if (anchor->ops->pin_get(anchor, getter->ids[which], 0, &view, &key) != SHERD_OK)
            return NULL;
        getter->given[which]++;
    }
    return getter;
}

struct tally {
    const struct sherd_uuid *ids;
    uint64_t by_id[8];
    uint64_t count;
    uint8_t *seen; /* one for each slot of each file */
    size_t files;
    struct sherd_ref names[64];
};

static enum sherd_err tally(void *arg, uint64_t leaf, const struct sherd_join_slot *slot, const struct sherd_join *join)
{
    struct tally *tally = arg;
    size_t file = 0;

    (void)leaf;
    while (file < tally->files && memcmp(tally->names[file].bytes, slot->file.bytes, 16) != 0)
        file++;
    if (file == tally->files)
        tally->names[tally->files++] = slot->file;
    assert_true(tally->files < SHERD_COUNT_OF(tally->names));
    uint8_t *seen = &tally->seen[file * (SHERD_JOIN_SLOTS_MAX + 1) + slot->number];
    assert_int_equal(*seen, 0); /* no slot comes twice */
    *seen = 1;
    for (size_t i = 0; i < 8; i++)
        tally->by_id[i] += memcmp(join->record.bytes, tally->ids[i].bytes, 16) == 0;
    tally->count++;
    return SHERD_OK;
}

/* 100,000 releases on several threads, with rounds in between: exactly as many entries, of exactly those records. */
static void test_anchor_joins__as_many_entries_as_releases(void **state)
{
    struct vault_test *test = *state;
    static struct getter getters[THREADS];
    struct sherd_uuid ids[8];
    pthread_t threads[THREADS];
    struct tally found = {.ids = ids, .seen = calloc(64, SHERD_JOIN_SLOTS_MAX + 1)};

    assert_non_null(found.seen);
    for (unsigned i = 0; i < 8; i++)
        ids[i] = vault_put(test, NULL, "contents");
    for (unsigned i = 0; i < THREADS; i++) {
        getters[i] = (struct getter){.vault = test->vault, .number = i};
        memcpy(getters[i].ids, ids, sizeof(ids));
        assert_int_equal(pthread_create(&threads[i], NULL, get_many, &getters[i]), 0);
    }
    for (unsigned i = 0; i < 20; i++)
        joins_run(test->vault);
    for (unsigned i = 0; i < THREADS; i++) {
        void *ended;

        assert_int_equal(pthread_join(threads[i], &ended), 0);
        assert_non_null(ended);
    }
    vault_reopen(test);
    joins_run(test->vault);
    assert_ok(joins_each(test->vault, tally, &found));
    assert_int_equal(found.count, THREADS * GETS);
    for (size_t i = 0; i < 8; i++) {
        uint64_t given = 0;

        for (unsigned n = 0; n < THREADS; n++)
            given += getters[n].given[i];
        assert_int_equal(found.by_id[i], given);
    }
    const struct sherd_keys_check check = joins_check(test->vault);
    assert_true(check.joins_verify && check.log_verifies && check.agrees);
    assert_int_equal(check.joins_lost + check.join_count, 0);
    joins_run(test->vault);
    assert_int_equal(joins_files(test), 0); /* whose handles have ended */
    free(found.seen);
}

/* --- attacks on what waits ---------------------------------------------------------------------------------------- */

/* So many joins that wait, of a handle that is open; the first one waits no more where the file is known. */
static void note_joins(struct vault_test *test, unsigned count, bool known)
{
    const struct sherd_uuid id = vault_put(test, NULL, "contents");

    joins_get(test->vault, id);
    if (known)
        joins_run(test->vault);
    for (unsigned i = 1; i < count; i++)
        joins_get(test->vault, id);
}

static void test_anchor_joins_tamper__each_slot_that_is_edited_is_seen(void **state)
{
    struct vault_test *test = *state;
    note_joins(test, 60, false);

    for (uint64_t number = 1; number <= 59; number++) /* of the last one the tail may not be there yet */
        for (size_t at = 0; at < SHERD_JOIN_SLOT_SIZE; at += 9) {
            file_flip(test, joins_file(test), sherd_join_offset(number) + at);
            const struct sherd_keys_check check = joins_check(test->vault);
            assert_int_equal(check.joins_lost, 1);
            assert_int_equal(check.join_count, 59);
            file_flip(test, joins_file(test), sherd_join_offset(number) + at);
        }
    assert_int_equal(joins_check(test->vault).joins_lost, 0);
    file_flip(test, joins_file(test), sherd_join_offset(7));
    joins_run(test->vault);
    vault_reopen(test);
    joins_run(test->vault);
    const struct sherd_keys_check check = joins_check(test->vault); /* and never forgotten */
    assert_int_equal(check.joins_lost, 1);
    assert_int_equal(joins_of(test->vault)->count, 59);
    assert_true(check.joins_verify);
}

static void test_anchor_joins_tamper__slots_in_another_order_are_seen(void **state)
{
    struct vault_test *test = *state;
    note_joins(test, 10, false);

    file_swap(test, joins_file(test), sherd_join_offset(3), sherd_join_offset(4), SHERD_JOIN_SLOT_SIZE);
    assert_int_equal(joins_check(test->vault).joins_lost, 2);
    joins_run(test->vault);
    assert_int_equal(joins_check(test->vault).joins_lost, 2);
}

static void test_anchor_joins_tamper__a_file_that_is_removed_is_seen(void **state)
{
    struct vault_test *test = *state;
    note_joins(test, 5, true);

    joins_remove(test);
    assert_int_equal(joins_check(test->vault).joins_lost, 1);
    joins_run(test->vault);
    assert_int_equal(joins_check(test->vault).joins_lost, 1);
    joins_run(test->vault);
    assert_int_equal(joins_check(test->vault).joins_lost, 1); /* told once */
}

/* Nobody knows of it yet but the one who writes it, who says so. */
static void test_anchor_joins_tamper__a_new_file_that_is_removed_is_seen(void **state)
{
    struct vault_test *test = *state;
    note_joins(test, 5, false);

    joins_remove(test);
    vault_reopen(test);
    joins_run(test->vault);
    assert_int_equal(joins_check(test->vault).joins_lost, 5);
}

static void test_anchor_joins_tamper__a_file_that_is_cut_is_seen(void **state)
{
    static struct file_copy before;
    struct vault_test *test = *state;
    note_joins(test, 30, false);

    joins_run(test->vault);
    for (uint64_t slots = 0; slots < 30; slots++) {
        joins_copy(test, &before);
        file_cut(test, joins_file(test), sherd_join_offset(slots) + SHERD_JOIN_SLOT_SIZE);
        assert_int_equal(joins_check(test->vault).joins_lost, 1);
        joins_copy_back(test, &before);
    }
    assert_int_equal(joins_check(test->vault).joins_lost, 0);
}

/* What is in the ledger already does not get there once more. */
static void test_anchor_joins_tamper__a_file_that_is_put_back_adds_nothing(void **state)
{
    static struct file_copy before;
    struct vault_test *test = *state;
    note_joins(test, 5, true);

    joins_copy(test, &before);
    vault_reopen(test);
    for (unsigned i = 0; i < 8; i++) {
        vault_put(test, NULL, "another round");
        joins_run(test->vault);
        if (i % 4 == 0) /* soon, and when it is forgotten */
            joins_copy_back(test, &before);
        joins_run(test->vault);
        assert_int_equal(joins_of(test->vault)->count, 5);
    }
    joins_copy_back(test, &before);
    assert_false(joins_check(test->vault).joins_verify);
    assert_int_equal(joins_check(test->vault).joins_lost, 0);
}

/* --- attacks on what is kept -------------------------------------------------------------------------------------- */

#define KEPT "anchor/ledger/kept/0000000000"

static size_t slot_at(size_t number)
{
    return (number / SHERD_JOIN_BATCH_MAX + 1) * SHERD_JOIN_BATCH_HEAD_SIZE + number * SHERD_JOIN_KEPT_SIZE;
}

static void expect_damaged(const struct vault_test *test)
{
    const struct sherd_keys_check check = joins_check(test->vault);

    assert_true(check.log_verifies);
    assert_false(check.joins_verify);
}

static void test_anchor_joins_tamper__each_of_1000_kept_is_bound(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");

    for (unsigned i = 0; i < 1000; i++)
        joins_give(test->vault, id);
    joins_run(test->vault);
    assert_true(joins_check(test->vault).joins_verify);
    for (size_t i = 0; i < 1000; i++) {
        const size_t at = slot_at(i) + i % SHERD_JOIN_KEPT_SIZE;

        file_flip(test, KEPT, at); /* edited */
        expect_damaged(test);
        file_flip(test, KEPT, at);
    }
    for (size_t i = 0; i < 999; i += 7) { /* in another order */
        file_swap(test, KEPT, slot_at(i), slot_at(i + 1), SHERD_JOIN_KEPT_SIZE);
        expect_damaged(test);
        file_swap(test, KEPT, slot_at(i), slot_at(i + 1), SHERD_JOIN_KEPT_SIZE);
    }
    assert_true(joins_check(test->vault).joins_verify);
    for (size_t i = 0; i < SHERD_JOIN_BATCH_HEAD_SIZE; i++) {
        file_flip(test, KEPT, i);
        expect_damaged(test);
        file_flip(test, KEPT, i);
    }
    for (size_t i = 1000; i-- > 0;) { /* cut, from the end on */
        file_cut(test, KEPT, slot_at(i));
        expect_damaged(test);
        i -= i > 40 ? 40 : 0;
    }
    assert_ok(sherd_file_remove(test->path, KEPT));
    expect_damaged(test);
    assert_err(SHERD_ERR_TAMPERED, joins_each(test->vault, joins_add, NULL));
}

/* However much is lost: what is not is told, from any leaf on, and each loss is one that is named. */
static void test_anchor_joins_tamper__losses_are_told_apart(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");
    struct sherd_sequencer *sequencer = sherd_embedded_of(test->vault->anchor)->sequencer;
    struct sherd_join_loss loss;
    struct sherd_join_loss none = {.count = 0};
    struct sherd_keys_check check;

    for (unsigned i = 0; i < 10; i++) {
        joins_give(test->vault, id);
        joins_run(test->vault);
        (void)vault_put(test, NULL, "between");
    }
    const uint64_t second = joins_of(test->vault)->list[1].leaf;
    const uint64_t third = joins_of(test->vault)->list[2].leaf;
    const uint64_t fifth = joins_of(test->vault)->list[4].leaf;
    const size_t batch = SHERD_JOIN_BATCH_HEAD_SIZE + SHERD_JOIN_KEPT_SIZE;
    file_flip(test, KEPT, batch + 30);
    file_flip(test, KEPT, 2 * batch + 1);  /* where a head is */
    file_flip(test, KEPT, 4 * batch + 15); /* ... which now says another leaf */
    assert_ok(sherd_sequencer_check(sequencer, NULL, &check, &loss));
    assert_false(check.joins_verify);
    assert_int_equal(loss.count, 2);
    assert_int_equal(loss.spans[0].first, second);
    assert_int_equal(loss.spans[0].last, third);
    assert_int_equal(loss.spans[1].first, fifth);
    assert_int_equal(loss.spans[1].last, fifth);
    assert_ok(sherd_sequencer_check(sequencer, &loss, &check, NULL)); /* all of it was accepted */
    assert_true(check.joins_verify);
    assert_ok(sherd_sequencer_check(sequencer, &none, &check, NULL));
    assert_false(check.joins_verify);
    loss.count = 1;
    assert_ok(sherd_sequencer_check(sequencer, &loss, &check, NULL));
    assert_false(check.joins_verify);
    assert_int_equal(check.joins_first, fifth);
    assert_int_equal(check.joins_last, fifth);
}

static void test_anchor_joins__losses_have_a_limit(void **state)
{
    struct sherd_join_loss loss = {.count = 0};
    struct sherd_digest names[3];

    (void)state;
    for (uint64_t leaf = 10; leaf < 10 + 2 * SHERD_JOIN_LOSS_SPANS_MAX; leaf += 2)
        sherd_join_loss_add(&loss, leaf, false);
    assert_int_equal(loss.count, SHERD_JOIN_LOSS_SPANS_MAX);
    assert_true(sherd_join_loss_has(&loss, 10) && !sherd_join_loss_has(&loss, 11) && sherd_join_loss_has(&loss, 12));
    assert_ok(sherd_join_loss_name(&loss, &names[0]));
    sherd_join_loss_add(&loss, 200, false); /* as if all in between were lost, too */
    assert_int_equal(loss.count, SHERD_JOIN_LOSS_SPANS_MAX);
    assert_true(sherd_join_loss_has(&loss, 150) && !sherd_join_loss_has(&loss, 201));
    assert_ok(sherd_join_loss_name(&loss, &names[1]));
    loss.extra++;
    assert_ok(sherd_join_loss_name(&loss, &names[2]));
    assert_memory_not_equal(names[0].bytes, names[1].bytes, 32);
    assert_memory_not_equal(names[1].bytes, names[2].bytes, 32);
}

static void test_anchor_joins_tamper__verify_reports_it(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");

    joins_get(test->vault, id);
    joins_run(test->vault);
    assert_int_equal(violations(test), 0);
    file_flip(test, KEPT, 30);
    assert_int_equal(violations(test), 1);
    file_flip(test, KEPT, 30);
    assert_int_equal(violations(test), 0);
}

/* --- where nothing can be noted ----------------------------------------------------------------------------------- */

static void test_anchor_joins__without_an_entry_there_is_no_key(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");
    char dir[120];
    struct sherd_buf content = {0};

    (void)snprintf(dir, sizeof(dir), "%s/anchor/ledger/joins", test->path);
    vault_remove(dir);
    assert_err(SHERD_ERR_IO, sherd_record_get(test->vault, id, 0, &content));
    assert_int_equal(content.len, 0);
    sherd_buf_done(&content);
}

static void test_anchor_joins__reading_only_notes_nothing(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");

    sherd_vault_close(test->vault);
    test->vault = vault_open_as(test, true, 1);
    joins_get(test->vault, id);
    vault_reopen(test);
    assert_int_equal(joins_check(test->vault).join_count, 0);
    assert_int_equal(joins_files(test), 0);
}

/* --- strict ------------------------------------------------------------------------------------------------------- */

/* The rule is the vault's, and holds for handles that are open. */
static void test_anchor_joins_strict__is_kept_and_noted(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");
    const struct user ann = user_new(test, "ann");
    bool strict = true;

    assert_ok(sherd_joins_strict(test->vault, &strict));
    assert_false(strict);
    assert_ok(sherd_joins_set_strict(test->vault, true));
    assert_true(sherd_ring_joins_strict(sherd_embedded_of(test->vault->anchor)->ring));
    vault_reopen(test);
    assert_ok(sherd_joins_strict(test->vault, &strict));
    assert_true(strict);
    assert_true(sherd_ring_joins_strict(sherd_embedded_of(test->vault->anchor)->ring));
    for (unsigned i = 0; i < 100; i++) /* into a second file */
        joins_give(test->vault, id);
    joins_run(test->vault);
    assert_int_equal(joins_of(test->vault)->count, 100);

    struct sherd_anchor *session = session_of(test, &ann);
    ask_as(test, session);
    assert_err(SHERD_ERR_DENIED, sherd_joins_set_strict(test->vault, false));
    ask_as(test, NULL);
    end(session);
    assert_ok(sherd_joins_set_strict(test->vault, false));
    assert_false(sherd_ring_joins_strict(sherd_embedded_of(test->vault->anchor)->ring));
}

static void *give_some(void *arg)
{
    const struct getter *getter = arg;

    for (unsigned i = 0; i < 50; i++)
        joins_give(getter->vault, getter->ids[0]);
    return NULL;
}

/* Those who wait at the same time wait for one flush, and none for ever. */
static void test_anchor_joins_strict__threads_share_flushes(void **state)
{
    struct vault_test *test = *state;
    struct getter getter = {.vault = test->vault, .ids = {vault_put(test, NULL, "contents")}};
    pthread_t threads[THREADS];

    assert_ok(sherd_joins_set_strict(test->vault, true));
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, give_some, &getter), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    joins_run(test->vault);
    assert_int_equal(joins_of(test->vault)->count, 50 * THREADS);
}

/* --- serving ------------------------------------------------------------------------------------------------------ */

static void test_anchor_joins__unseal_and_seal_are_leaves(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");
    struct sherd_buf content = {0};

    assert_ok(sherd_anchor_unsealed(test->vault->anchor));
    const struct events *events = events_of(test->vault);
    assert_int_equal(events->list[events->count - 1].kind, SHERD_EVENT_UNSEAL);
    assert_int_equal(joins_files(test), 1); /* which the ledger knows: it is missed before anything is in it */
    for (unsigned i = 0; i < 4; i++)
        joins_get(test->vault, id);
    assert_ok(sherd_anchor_sealed(test->vault->anchor));
    events = events_of(test->vault);
    assert_int_equal(events->list[events->count - 1].kind, SHERD_EVENT_SEAL);
    assert_int_equal(events->list[events->count - 1].count, 4);
    assert_int_equal(joins_of(test->vault)->count, 4);
    assert_int_equal(joins_files(test), 0);
    assert_err(SHERD_ERR_SEALED, sherd_record_get(test->vault, id, 0, &content));
    sherd_buf_done(&content);
}

/* More handles come and go between two rounds than a round knows files: none waits for ever, none is lost. */
static void test_anchor_joins__of_very_many_handles_are_all_taken(void **state)
{
    enum { HANDLES = SHERD_JOIN_FILES_MAX + 30 };
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "contents");

    joins_run(test->vault);
    const size_t before = joins_of(test->vault)->count;
    for (unsigned i = 0; i < HANDLES; i++) {
        vault_reopen(test);
        joins_get(test->vault, id);
    }
    vault_reopen(test);
    joins_run(test->vault);
    joins_run(test->vault);
    assert_int_equal(joins_of(test->vault)->count, before + HANDLES);
    assert_true(joins_files(test) < 10);
}

static enum sherd_err take_first(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct sherd_ref *head = arg;

    if (value.len < 2 || value.data[1] != SHERD_KIND_PIN)
        return SHERD_OK;
    *head = name;
    return SHERD_ERR_BUSY;
}

/* What was done to `keys` while nobody had it is found before anything is served. */
static void test_anchor_joins__unseal_compares_keys_with_the_ledger(void **state)
{
    struct vault_test *test = *state;
    struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .expect = SHERD_EXPECT_ANY};
    struct sherd_buf stored = {0};
    struct sherd_snapshot *snapshot;

    (void)vault_put(test, NULL, "contents");
    assert_ok(sherd_compartment_snapshot_begin(test->vault->keys, &snapshot));
    assert_int_equal(sherd_snapshot_scan(snapshot, NULL, take_first, &op.name), SHERD_ERR_BUSY);
    sherd_snapshot_end(snapshot);
    assert_ok(sherd_compartment_get(test->vault->keys, op.name, &stored));
    assert_ok(sherd_compartment_write(test->vault->keys, &op, 1));
    assert_err(SHERD_ERR_TAMPERED, sherd_anchor_unsealed(test->vault->anchor));
    op.kind = SHERD_STORE_PUT;
    op.value = sherd_buf_span(&stored);
    assert_ok(sherd_compartment_write(test->vault->keys, &op, 1));
    assert_ok(sherd_anchor_unsealed(test->vault->anchor));
    sherd_buf_done(&stored);
}

#define test_of(name) cmocka_unit_test_setup_teardown(name, vault_setup, vault_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_of(test_anchor_joins__each_get_has_one_entry),
        test_of(test_anchor_joins__what_gives_no_key_has_none),
        test_of(test_anchor_joins__names_the_version_and_the_user),
        test_of(test_anchor_joins__events_of_a_session_have_an_actor),
        test_of(test_anchor_joins__as_many_entries_as_releases),
        test_of(test_anchor_joins_tamper__each_slot_that_is_edited_is_seen),
        test_of(test_anchor_joins_tamper__slots_in_another_order_are_seen),
        test_of(test_anchor_joins_tamper__a_file_that_is_removed_is_seen),
        test_of(test_anchor_joins_tamper__a_new_file_that_is_removed_is_seen),
        test_of(test_anchor_joins_tamper__a_file_that_is_cut_is_seen),
        test_of(test_anchor_joins_tamper__a_file_that_is_put_back_adds_nothing),
        test_of(test_anchor_joins_tamper__each_of_1000_kept_is_bound),
        test_of(test_anchor_joins_tamper__losses_are_told_apart),
        cmocka_unit_test(test_anchor_joins__losses_have_a_limit),
        test_of(test_anchor_joins_tamper__verify_reports_it),
        test_of(test_anchor_joins__without_an_entry_there_is_no_key),
        test_of(test_anchor_joins__reading_only_notes_nothing),
        test_of(test_anchor_joins_strict__is_kept_and_noted),
        test_of(test_anchor_joins_strict__threads_share_flushes),
        test_of(test_anchor_joins__of_very_many_handles_are_all_taken),
        test_of(test_anchor_joins__unseal_and_seal_are_leaves),
        test_of(test_anchor_joins__unseal_compares_keys_with_the_ledger),
    };

    return cmocka_run_group_tests_name("anchor_joins", tests, NULL, NULL);
}
