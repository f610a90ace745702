/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte of every stored field of each kind of entry, in one compartment after the other, and bytes of every entry
 * of a set of records: changed in three ways, with the value cut by one byte, made longer by one and emptied. Whatever
 * is changed must be found by those calls that need it, must not disturb those that do not, and must never show in what
 * is given out.
 *
 * Usage: test_tamper_bytes ATTACKER ROLE; one program run looks at one compartment, so that runs share the processors.
 */
#include "judge.h"
#include <sherd/rights.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * Of each kind of entry, and each length that fragments have, the first that is met is changed at every byte, or, if it
 * is longer than this, in its head, its end and a sample in between. Of the others, whose fields are the same ones, the
 * head is, where the header, the version and the nonce are, and the end, where the tag is; and in between every SHIFTth
 * byte, each of them from another one on, so that together they are changed everywhere again.
 */
#define WHOLE_BYTES_MAX 1200U
#define HEAD_BYTES 96U
#define END_BYTES 32U
#define SAMPLE_COUNT 400U
#define OTHER_HEAD_BYTES 12U
#define OTHER_END_BYTES 4U
#define SHIFT 16U

#define RECORDS_MAX 16

static const char *attacker_program;
static const char *role_wanted;

static struct victim victim;
static struct attacker attacker;
static struct record records[RECORDS_MAX];
static size_t record_count;
static struct things things;
static size_t mutation_count;

static struct sherd_record_meta idempotent(void)
{
    return (struct sherd_record_meta){.idempotency_key = sherd_span_str("a retry of Tuesday")};
}

static void put(const struct sherd_record_meta *meta, size_t len)
{
    judge_put(&victim, &attacker, &things, records, &record_count, meta, len);
}

/* A record of each shape. */
static int make_vault(void **state)
{
    static uint8_t long_value[1500];
    const struct sherd_attribute small[] = {{"author", sherd_span_str("N. N.")}, {"year", sherd_span_str("1984")}};
    const struct sherd_attribute large[] = {{"abstract", sherd_span_of(long_value, sizeof(long_value))}};
    const struct sherd_record_meta described = {
        .entity = "patient 17", .content_type = "text/plain", .attributes = small, .attribute_count = 2};
    const struct sherd_record_meta lengthy = {.attributes = large, .attribute_count = 1};
    const struct sherd_record_meta in_all = {.collection = "all"};
    const struct sherd_record_meta in_exact = {.collection = "exact"};
    const struct sherd_record_meta retried = idempotent();

    (void)state;
    attacker_start(&attacker, attacker_program);
    victim_new(&victim);
    (void)attack(&attacker, "open %s", victim.dir);
    victim_collection(&victim, "all", 0, false);
    victim_collection(&victim, "exact", 1, true);
    (void)attacker_look(&attacker, &things, -1, 0);

    put(NULL, 0);
    put(NULL, 14);
    put(&described, 1000);
    put(&in_all, 20);
    judge_update(&victim, &attacker, &things, records, record_count - 1, 0, 21);
    judge_update(&victim, &attacker, &things, records, record_count - 1, 0, 22);
    put(&in_exact, 33);
    put(&lengthy, 5);
    put(&retried, 60);
    put(NULL, 17000);
    put(NULL, 100000);
    victim_close(&victim);
    victim.reads = true;
    assert_int_equal(victim_open(&victim), SHERD_OK);
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

/* ---- What each call must say ------------------------------------------------------------------------------------- */

/*
 * A listing walks the pins, and needs the map entries of current versions and the collections; but not the users, whose
 * own listing names the one that is damaged.
 */
static void judge_list(const struct thing *thing)
{
    const bool of_current = is_map(thing) && thing->version == records[thing->record].versions;
    const enum sherd_err err = victim_list(&victim, records, record_count);

    if (thing->kind == KIND_COLLECTION) /* an open vault remembers rules that it has met */
        assert_true(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    else
        assert_int_equal(err, thing->role == KEYS || of_current ? SHERD_ERR_TAMPERED : SHERD_OK);
}

struct users {
    size_t count;
    size_t damaged_count;
};

static enum sherd_err count_user(void *arg, const struct sherd_user_info *info)
{
    struct users *users = arg;

    assert_string_equal(info->name, SHERD_USER_OWNER); /* the only one that there is */
    users->count++;
    users->damaged_count += info->damaged;
    return SHERD_OK;
}

static void judge_users(const struct thing *thing)
{
    const bool damaged = thing->kind == KIND_PRINCIPAL;
    struct users users = {0};

    const enum sherd_err err = sherd_user_each(victim.vault, count_user, &users);
    assert_int_equal(err, damaged ? SHERD_ERR_TAMPERED : SHERD_OK);
    assert_int_equal(users.count, 1);
    assert_int_equal(users.damaged_count, damaged);
}

/* Of what belongs to a record, every eighth change is also looked for in all of the vault: that takes longer. */
static void judge(const struct thing *thing, size_t number)
{
    if (is_part(thing)) {
        judge_part(&victim, records, thing);
        if (number % 8 != 0)
            return;
    }
    judge_list(thing);
    if (thing->role == IDENTITY)
        judge_users(thing);
    assert_int_equal(victim_verify_all(&victim, NULL), SHERD_ERR_TAMPERED);
}

/* What an open vault remembers, a fresh one has to read. */
static void judge_fresh(const struct thing *thing)
{
    victim_close(&victim);
    victim.reads = thing->kind != KIND_IDEMPOTENCY; /* of which it is a put that asks */
    if (thing->kind == KIND_COMPARTMENT) {
        assert_int_equal(victim_open(&victim), SHERD_ERR_TAMPERED);
        return;
    }
    assert_int_equal(victim_open(&victim), SHERD_OK);
    if (thing->kind == KIND_ENTITY_KEY && thing->record >= 0)
        assert_int_equal(victim_get(&victim, &records[thing->record], 0), SHERD_ERR_TAMPERED);
    if (thing->kind == KIND_IDEMPOTENCY) {
        const struct record *record = &records[thing->record];
        const struct sherd_record_meta meta = idempotent();
        struct sherd_uuid id;

        assert_int_equal(sherd_record_put(victim.vault, &meta, sherd_span_of(record->content[0], record->len[0]), &id),
                         SHERD_ERR_TAMPERED);
    }
    for (size_t i = 0; i < record_count; i++) {
        const enum sherd_err err = victim_get(&victim, &records[i], 0);

        if (err != SHERD_OK)
            assert_int_equal(err, SHERD_ERR_TAMPERED);
    }
    if (thing->kind == KIND_COLLECTION || thing->kind == KIND_COLLECTION_PIN)
        assert_int_equal(victim_list(&victim, records, record_count), SHERD_ERR_TAMPERED);
    if (!victim.reads)
        victim_close(&victim);
    victim.reads = true;
}

/* ---- Mutations --------------------------------------------------------------------------------------------------- */

static bool needs_fresh(const struct thing *thing, size_t number)
{
    if (thing->kind == KIND_COMPARTMENT)
        return true;
    return (thing->kind == KIND_ENTITY_KEY || thing->kind == KIND_COLLECTION || thing->kind == KIND_COLLECTION_PIN ||
            thing->kind == KIND_IDEMPOTENCY) &&
           number % 16 == 0;
}

static void judge_and_undo(const struct thing *thing, size_t number)
{
    mutation_count++;
    judge(thing, number);
    if (needs_fresh(thing, number))
        judge_fresh(thing);
    (void)attack(&attacker, "undo");
    if (mutation_count % 128 == 0 && !thing->blob) /* or every scan would sort thousands of changes */
        (void)attack(&attacker, "settle %s", role_names[thing->role]);
    if (victim.vault == NULL)
        assert_int_equal(victim_open(&victim), SHERD_OK);
}

/* How many of its kind were met before; of fragments, of its kind and length. */
static size_t rank_of(const struct thing *thing)
{
    size_t rank = 0;

    for (const struct thing *at = things.at; at < thing; at++)
        rank += at->role == thing->role && at->kind == thing->kind && at->blob == thing->blob &&
                (!is_fragment(thing) || at->bytes == thing->bytes);
    return rank;
}

static bool looked_at(const struct thing *thing, size_t rank, size_t offset)
{
    if (rank > 0)
        return offset < OTHER_HEAD_BYTES || offset + OTHER_END_BYTES >= thing->bytes || offset % SHIFT == rank % SHIFT;
    if (thing->bytes <= WHOLE_BYTES_MAX || offset < HEAD_BYTES || offset + END_BYTES >= thing->bytes)
        return true;
    return (offset - HEAD_BYTES) % (thing->bytes / SAMPLE_COUNT) == 0;
}

static size_t planned(const struct thing *thing)
{
    const size_t rank = rank_of(thing);
    size_t count = 3; /* cut, extended, emptied */

    for (size_t offset = 0; offset < thing->bytes; offset++)
        if (looked_at(thing, rank, offset))
            count += 3;
    return count;
}

static void mutate(const struct thing *thing)
{
    static const unsigned masks[] = {0x01, 0x80, 0xff};
    const size_t rank = rank_of(thing);
    const char *place = place_of(thing);
    char copy[64];
    size_t number = 0;

    (void)snprintf(copy, sizeof(copy), "%s", place);
    for (size_t offset = 0; offset < thing->bytes; offset++) {
        for (size_t i = 0; i < 3 && looked_at(thing, rank, offset); i++) {
            (void)attack(&attacker, "flip %s %zu %u", copy, offset, masks[i]);
            judge_and_undo(thing, number++);
        }
    }
    (void)attack(&attacker, "cut %s %zu", copy, thing->bytes - 1);
    judge_and_undo(thing, 0);
    (void)attack(&attacker, "extend %s 0", copy);
    judge_and_undo(thing, 0);
    (void)attack(&attacker, "cut %s %d", copy, thing->blob ? 0 : 1); /* an engine holds no entry of no bytes */
    judge_and_undo(thing, 0);
}

static void test_tamper_bytes__all_is_well_before(void **state)
{
    (void)state;
    judge_well(&victim, records, record_count);
}

static void test_tamper_bytes__every_change_is_detected(void **state)
{
    const double start = now_s();
    size_t planned_count = 0;

    /* What the set of records gives at least in each compartment: 28,400 together. */
    static const size_t least[ROLE_COUNT] = {1600, 6300, 10000, 10500};

    (void)state;
    for (size_t i = 0; i < things.count; i++)
        if (strcmp(role_names[things.at[i].role], role_wanted) == 0)
            planned_count += planned(&things.at[i]);
    for (enum role role = IDENTITY; role < ROLE_COUNT; role++)
        if (strcmp(role_names[role], role_wanted) == 0)
            assert_true(planned_count >= least[role]);
    for (size_t i = 0; i < things.count; i++)
        if (strcmp(role_names[things.at[i].role], role_wanted) == 0)
            mutate(&things.at[i]);
    assert_int_equal(mutation_count, planned_count);
    print_message("%s: %zu mutations, all detected, in %.1f s\n", role_wanted, mutation_count, now_s() - start);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tamper_bytes__all_is_well_before),
        cmocka_unit_test(test_tamper_bytes__every_change_is_detected),
        cmocka_unit_test(test_tamper_bytes__all_is_well_before),
    };

    if (argc != 3)
        return 2;
    attacker_program = argv[1];
    role_wanted = argv[2];
    return cmocka_run_group_tests(tests, make_vault, end_vault);
}
