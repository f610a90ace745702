/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is authentic, but elsewhere: fields and whole entries swapped between records, versions, collections, entities
 * and compartments, one by one and in consistent sets. And what is authentic, but of another time: the entry of an
 * idempotency key that answered once, a name that seems to be free.
 *
 * Usage: test_tamper_swaps ATTACKER
 */
#include "judge.h"
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORDS 20

static const char *attacker_program;
static struct victim victim;
static struct attacker attacker;
static struct record records[RECORDS];
static size_t record_count;
static struct things things;
static size_t swap_count;

/* Twenty records of one length, so that whatever can be swapped at all can be swapped between any two. */
static int make_vault(void **state)
{
    static const char *const collections[] = {"default", "all"};
    static const char *const entities[] = {NULL, "patient 17", "patient 18"};

    (void)state;
    attacker_start(&attacker, attacker_program);
    victim_new(&victim);
    (void)attack(&attacker, "open %s", victim.dir);
    victim_collection(&victim, "all", 0, false);
    (void)attacker_look(&attacker, &things, -1, 0);
    while (record_count < RECORDS) {
        const struct sherd_record_meta meta = {.collection = collections[record_count % 2],
                                               .entity = entities[record_count / 2 % 3]};

        judge_put(&victim, &attacker, &things, records, &record_count, &meta, record_count < 17 ? 64 : 100000);
    }
    for (size_t i = 1; i < 8; i += 2) /* in "all" */
        judge_update(&victim, &attacker, &things, records, i, 0, 64);
    judge_update(&victim, &attacker, &things, records, 3, 0, 64);
    judge_update(&victim, &attacker, &things, records, 17, 0, 100000);
    return 0;
}

static int end_vault(void **state)
{
    (void)state;
    attacker_stop(&attacker);
    for (size_t i = 0; i < record_count; i++)
        record_done(&records[i]);
    victim_done(&victim);
    return 0;
}

/* Journals grow with each swap and each undo: see test_tamper_bytes.c. */
static void undo(void)
{
    (void)attack(&attacker, "undo");
    if (++swap_count % 64 == 0)
        for (enum role role = IDENTITY; role < ROLE_COUNT; role++)
            (void)attack(&attacker, "settle %s", role_names[role]);
}

/* Both ends of a swap: parts by the calls that need them, other things by verify. */
static void judge_two(const struct thing *one, const struct thing *two)
{
    if (is_part(one) && is_part(two) && one->record == two->record) {
        const struct record *record = &records[one->record];

        assert_int_equal(victim_get(&victim, record, one->version), SHERD_ERR_TAMPERED);
        assert_int_equal(victim_get(&victim, record, two->version), SHERD_ERR_TAMPERED);
        assert_int_equal(victim_verify(&victim, record), SHERD_ERR_TAMPERED);
        return;
    }
    if (is_part(one))
        judge_part(&victim, records, one);
    if (is_part(two))
        judge_part(&victim, records, two);
    if (!is_part(one) || !is_part(two))
        assert_int_equal(victim_verify_all(&victim, NULL), SHERD_ERR_TAMPERED);
}

static void report(const char *what, size_t count)
{
    assert_true(count > 0);
    print_message("%s: %zu swaps, all detected\n", what, count);
}

static void test_tamper_swaps__all_is_well(void **state)
{
    (void)state;
    judge_well(&victim, records, record_count);
}

static void test_tamper_swaps__any_two_things_of_a_compartment(void **state)
{
    const size_t before = swap_count;

    (void)state;
    for (size_t i = 0; i < things.count; i++)
        for (size_t j = i + 1; j < things.count; j++) {
            const struct thing *one = &things.at[i];
            const struct thing *two = &things.at[j];

            if (one->role != two->role || one->blob != two->blob)
                continue;
            (void)attack(&attacker, "swap %s %s", place_of(one), place_of(two));
            judge_two(one, two);
            undo();
        }
    report("two things of a compartment", swap_count - before);
}

/* The fields of a fragment, of its blob form alike, and those of an entry: offset and bytes. */
static const size_t fragment_fields[][2] = {{8, 32}, {40, 24}, {64, 32}, {40, 56}, {8, 88}, {96, 16}, {96, 80}};
static const size_t entry_fields[][2] = {{8, 24}, {32, 32}, {8, 56}, {64, 16}, {64, 192}};

static void swap_fields(const struct thing *one, const struct thing *two, const size_t (*fields)[2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)attack(&attacker, "splice %s %s %zu %zu", place_of(one), place_of(two), fields[i][0], fields[i][1]);
        judge_two(one, two);
        undo();
    }
}

static void test_tamper_swaps__fields_of_any_two_parts_of_a_kind(void **state)
{
    const size_t before = swap_count;

    (void)state;
    for (size_t i = 0; i < things.count; i++)
        for (size_t j = i + 1; j < things.count; j++) {
            const struct thing *one = &things.at[i];
            const struct thing *two = &things.at[j];

            if (!is_part(one) || !is_part(two) || one->role != two->role || one->bytes != two->bytes)
                continue;
            if (is_fragment(one))
                swap_fields(one, two, fragment_fields, sizeof(fragment_fields) / sizeof(fragment_fields[0]));
            else if ((i + j) % 3 == 0) /* of entries a third: the whole payload is one sealed text */
                swap_fields(one, two, entry_fields, sizeof(entry_fields) / sizeof(entry_fields[0]));
        }
    report("fields", swap_count - before);
}

static void swap_part(size_t i, uint64_t version_i, size_t j, uint64_t version_j, unsigned kind)
{
    (void)attack(&attacker, "swap %s %s", place_of(part_of(&things, records, i, version_i, kind)),
                 place_of(part_of(&things, records, j, version_j, kind)));
}

static void test_tamper_swaps__consistent_sets_of_any_two_records(void **state)
{
    static const unsigned kinds[] = {KIND_PIN, KIND_MAP, KIND_FRAGMENT};
    const size_t before = swap_count;

    (void)state;
    for (size_t i = 0; i < record_count; i++)
        for (size_t j = i + 1; j < record_count; j++) {
            if (records[i].len[0] != records[j].len[0])
                continue;
            for (unsigned subset = 1; subset < 8; subset++) {
                for (unsigned k = 0; k < 3; k++)
                    if ((subset >> k & 1) != 0)
                        swap_part(i, records[i].versions, j, records[j].versions, kinds[k]);
                assert_int_equal(victim_get(&victim, &records[i], 0), SHERD_ERR_TAMPERED);
                assert_int_equal(victim_get(&victim, &records[j], 0), SHERD_ERR_TAMPERED);
                assert_int_equal(victim_verify(&victim, &records[i]), SHERD_ERR_TAMPERED);
                undo();
            }
        }
    report("consistent sets", swap_count - before);
}

static void test_tamper_swaps__an_old_version_under_the_new_name(void **state)
{
    static const unsigned kinds[] = {KIND_PIN, KIND_MAP, KIND_FRAGMENT};
    const size_t before = swap_count;

    (void)state;
    for (size_t i = 0; i < record_count; i++)
        for (uint64_t old = 1; old < records[i].versions; old++)
            for (unsigned subset = 1; subset < 8; subset++)
                for (unsigned way = 0; way < 2; way++) {
                    for (unsigned k = 0; k < 3; k++)
                        if ((subset >> k & 1) != 0)
                            (void)attack(&attacker, "%s %s %s", way == 0 ? "copy" : "swap",
                                         place_of(part_of(&things, records, i, old, kinds[k])),
                                         place_of(part_of(&things, records, i, records[i].versions, kinds[k])));
                    assert_int_equal(victim_get(&victim, &records[i], 0), SHERD_ERR_TAMPERED);
                    assert_int_equal(victim_get(&victim, &records[i], old),
                                     way == 1 || (subset & 1) != 0 ? SHERD_ERR_TAMPERED : SHERD_OK);
                    assert_int_equal(victim_verify(&victim, &records[i]), SHERD_ERR_TAMPERED);
                    assert_int_equal(victim_verify_all(&victim, NULL), SHERD_ERR_TAMPERED);
                    undo();
                }
    report("old versions", swap_count - before);
}

/* An old pin is of another kind than a head: its header can be made a head's, the rest cannot. */
static void test_tamper_swaps__an_old_pin_in_the_dress_of_a_head(void **state)
{
    const size_t before = swap_count;

    (void)state;
    for (size_t i = 0; i < record_count; i++)
        for (uint64_t old = 1; old < records[i].versions; old++) {
            const struct thing *head = part_of(&things, records, i, records[i].versions, KIND_PIN);

            (void)attack(&attacker, "copy %s %s", place_of(part_of(&things, records, i, old, KIND_PIN)),
                         place_of(head));
            (void)attack(&attacker, "flip %s 1 %d", place_of(head), KIND_PIN ^ KIND_OLD_PIN);
            judge_part(&victim, records, head);
            undo();
        }
    report("old pins", swap_count - before);
}

/* Every kind of value in every other compartment, in the place of each kind that is there. */
static void test_tamper_swaps__between_compartments(void **state)
{
    const size_t before = swap_count;
    bool from_seen[ROLE_COUNT][256] = {{false}};

    (void)state;
    for (size_t i = 0; i < things.count; i++) {
        const struct thing *from = &things.at[i];
        bool to_seen[ROLE_COUNT][256] = {{false}};

        if (from->blob || from_seen[from->role][from->kind])
            continue;
        from_seen[from->role][from->kind] = true;
        for (size_t j = 0; j < things.count; j++) {
            const struct thing *to = &things.at[j];

            if (to->role == from->role || to->blob || to_seen[to->role][to->kind])
                continue;
            to_seen[to->role][to->kind] = true;
            (void)attack(&attacker, "copy %s %s", place_of(from), place_of(to));
            if (is_part(to))
                judge_part(&victim, records, to);
            assert_int_equal(victim_verify_all(&victim, NULL), SHERD_ERR_TAMPERED);
            undo();
        }
    }
    report("between compartments", swap_count - before);
}

/* --- of another time --------------------------------------------------------------------------------------------- */

/* The one thing of a kind that came since the attacker looked last. */
static struct thing new_thing(enum role role, unsigned kind)
{
    const size_t before = attacker_look(&attacker, &things, -1, 0);
    const struct thing *found = NULL;

    for (size_t i = before; i < things.count; i++)
        if (things.at[i].role == role && things.at[i].kind == kind) {
            assert_null(found);
            found = &things.at[i];
        }
    assert_non_null(found);
    return *found;
}

static struct sherd_record_meta once(void)
{
    return (struct sherd_record_meta){.idempotency_key = sherd_span_str("a retry of Tuesday")};
}

static enum sherd_err put_again(const struct record *record, struct sherd_uuid *out_id)
{
    const struct sherd_record_meta meta = once();

    return sherd_record_put(victim.vault, &meta, sherd_span_of(record->content[0], record->len[0]), out_id);
}

/* Put back, the entry would answer for a record that is gone: to a repeated put, and to one of other contents. */
static void judge_dead_answer(const struct record *record)
{
    const struct sherd_record_meta meta = once();
    struct sherd_uuid id = {{7}};

    assert_int_equal(put_again(record, &id), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_record_put(victim.vault, &meta, sherd_span_str("other contents"), &id), SHERD_ERR_TAMPERED);
    assert_int_equal(id.bytes[0], 7);
}

static void test_tamper_swaps__an_idempotency_entry_of_a_deleted_record_answers_nobody(void **state)
{
    const struct sherd_record_meta meta = once();
    struct record record;
    struct sherd_uuid second;
    struct sherd_uuid third;
    uint8_t *bytes;

    (void)state;
    (void)attacker_look(&attacker, &things, -1, 0);
    victim_put(&victim, &meta, 4711, 50, &record);
    const struct thing entry = new_thing(KEYS, KIND_IDEMPOTENCY);
    const size_t len = attacker_get(&attacker, &entry, &bytes);
    assert_int_equal(sherd_record_delete(victim.vault, record.id), SHERD_OK);

    attacker_put(&attacker, &entry, bytes, len);
    judge_dead_answer(&record);
    undo();

    /* The key serves again; the first record's entry in the place of the second's. */
    assert_int_equal(put_again(&record, &second), SHERD_OK);
    assert_memory_not_equal(&second, &record.id, sizeof(second));
    attacker_put(&attacker, &entry, bytes, len);
    judge_dead_answer(&record);
    undo();
    assert_int_equal(put_again(&record, &third), SHERD_OK);
    assert_memory_equal(&third, &second, sizeof(third));
    assert_int_equal(sherd_record_delete(victim.vault, second), SHERD_OK);
    free(bytes);
    record_done(&record);
}

static enum sherd_err make_again(const char *name)
{
    struct sherd_collection rules = {.versions_kept = 9};

    (void)snprintf(rules.name, sizeof(rules.name), "%s", name);
    victim_close(&victim); /* an open vault remembers its collections */
    assert_int_equal(victim_open(&victim), SHERD_OK);
    return sherd_collection_create(victim.vault, &rules);
}

/* A collection lies in `assets` twice, under its name and its id; the attacker cannot tell which is which. */
static void test_tamper_swaps__a_name_whose_entry_was_removed_is_not_given_again(void **state)
{
    const struct thing *entries[2];
    size_t count = 0;
    unsigned seen = 0;

    (void)state;
    (void)attacker_look(&attacker, &things, -1, 0);
    const size_t first = things.count;
    victim_collection(&victim, "ledgers", 3, false);
    (void)attacker_look(&attacker, &things, -1, 0);
    for (size_t i = first; i < things.count; i++)
        if (things.at[i].role == ASSETS) {
            assert_true(count < 2);
            entries[count++] = &things.at[i];
        }
    assert_int_equal(count, 2);
    for (unsigned subset = 1; subset < 4; subset++) {
        for (unsigned k = 0; k < 2; k++)
            if ((subset >> k & 1) != 0)
                (void)attack(&attacker, "delete %s", place_of(entries[k]));
        const enum sherd_err err = make_again("ledgers");
        assert_true(err == SHERD_ERR_TAMPERED || (err == SHERD_ERR_CONFLICT && subset != 3));
        seen += err == SHERD_ERR_TAMPERED;
        assert_int_equal(victim_verify_all(&victim, NULL), SHERD_ERR_TAMPERED);
        undo();
    }
    assert_int_equal(seen, 2); /* the one under the name, and both */
    assert_int_equal(make_again("ledgers"), SHERD_ERR_CONFLICT);
    assert_int_equal(victim_verify_all(&victim, NULL), SHERD_OK);
}

/*
 * Without its pin a collection may be made again; it is the same one then, and what is in it stays in it. That there
 * was a pin, the ledger knows for good: so this is the last of the tests.
 */
static void test_tamper_swaps__a_name_whose_pin_was_removed_names_the_same_collection(void **state)
{
    const struct sherd_record_meta meta = {.collection = "diaries"};
    struct record record;

    (void)state;
    (void)attacker_look(&attacker, &things, -1, 0);
    victim_collection(&victim, "diaries", 3, false);
    const struct thing pin = new_thing(KEYS, KIND_COLLECTION_PIN);
    victim_put(&victim, &meta, 4712, 50, &record);
    (void)attack(&attacker, "delete %s", place_of(&pin));
    assert_int_equal(make_again("diaries"), SHERD_OK);
    assert_int_equal(victim_stat(&victim, &record, 0), SHERD_OK);
    assert_int_equal(victim_get(&victim, &record, 0), SHERD_OK);
    assert_int_equal(victim_verify_all(&victim, NULL), SHERD_ERR_TAMPERED);
    record_done(&record);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tamper_swaps__all_is_well),
        cmocka_unit_test(test_tamper_swaps__any_two_things_of_a_compartment),
        cmocka_unit_test(test_tamper_swaps__fields_of_any_two_parts_of_a_kind),
        cmocka_unit_test(test_tamper_swaps__consistent_sets_of_any_two_records),
        cmocka_unit_test(test_tamper_swaps__an_old_version_under_the_new_name),
        cmocka_unit_test(test_tamper_swaps__an_old_pin_in_the_dress_of_a_head),
        cmocka_unit_test(test_tamper_swaps__between_compartments),
        cmocka_unit_test(test_tamper_swaps__an_idempotency_entry_of_a_deleted_record_answers_nobody),
        cmocka_unit_test(test_tamper_swaps__a_name_whose_entry_was_removed_is_not_given_again),
        cmocka_unit_test(test_tamper_swaps__all_is_well),
        cmocka_unit_test(test_tamper_swaps__a_name_whose_pin_was_removed_names_the_same_collection),
    };

    if (argc != 2)
        return 2;
    attacker_program = argv[1];
    return cmocka_run_group_tests(tests, make_vault, end_vault);
}
