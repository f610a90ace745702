/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attacks on what the anchor keeps beside pins: entities, the entries of their ids, older versions of their keys, the
 * keyring and its pin, the file of the erase epochs, the notice. Wrong bytes never show; what is missing, changed or
 * rolled back is refused, or found by verify.
 *
 * Out of scope: all of `keys` and of anchor/ rolled back together, as in test_tamper_removal.c. What an erased entity
 * had may come back by that until its epoch has ended; that it does not afterwards is tested here.
 *
 * Usage: test_tamper_keys ATTACKER
 */
#include "judge.h"
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORDS_MAX 8

static const char *attacker_program;

struct scene {
    struct victim victim;
    struct attacker attacker;
    struct record records[RECORDS_MAX];
    size_t count;
    struct things things;
};

static const struct sherd_record_meta pat = {.entity = "pat"};
static const struct sherd_record_meta kim = {.entity = "kim"};

/* Records 0 and 1 are pat's, 2 is kim's. */
static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    attacker_start(&scene->attacker, attacker_program);
    victim_new(&scene->victim);
    (void)attack(&scene->attacker, "open %s", scene->victim.dir);
    (void)attacker_look(&scene->attacker, &scene->things, -1, 0);
    judge_put(&scene->victim, &scene->attacker, &scene->things, scene->records, &scene->count, &pat, 40);
    judge_put(&scene->victim, &scene->attacker, &scene->things, scene->records, &scene->count, &pat, 70000);
    judge_put(&scene->victim, &scene->attacker, &scene->things, scene->records, &scene->count, &kim, 50);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;

    attacker_stop(&scene->attacker);
    for (size_t i = 0; i < scene->count; i++)
        record_done(&scene->records[i]);
    victim_done(&scene->victim);
    free(scene);
    return 0;
}

static enum sherd_err reopen(struct scene *scene)
{
    victim_close(&scene->victim);
    return victim_open(&scene->victim);
}

/* The entry of a kind in `keys` that a record brought; -1 for those that were there before all. */
static const struct thing *thing_of(const struct scene *scene, unsigned kind, int record)
{
    for (size_t i = 0; i < scene->things.count; i++)
        if (scene->things.at[i].kind == kind && scene->things.at[i].role == KEYS &&
            scene->things.at[i].record == record)
            return &scene->things.at[i];
    fail_msg("nothing of kind %u of record %d", kind, record);
    return NULL;
}

/* A copy of an entry or a file, as it was. */
struct kept {
    struct thing thing;
    char path[160];
    uint8_t *bytes;
    size_t len;
};

static struct kept keep(struct scene *scene, const struct thing *thing)
{
    struct kept kept = {.thing = *thing};

    kept.len = attacker_get(&scene->attacker, thing, &kept.bytes);
    return kept;
}

static struct kept keep_file(const struct scene *scene, const char *name)
{
    struct kept kept = {.bytes = malloc(1 << 17)};
    FILE *file;

    (void)snprintf(kept.path, sizeof(kept.path), "%s/%s", scene->victim.dir, name);
    file = fopen(kept.path, "rb");
    assert_non_null(file);
    assert_non_null(kept.bytes);
    kept.len = fread(kept.bytes, 1, 1 << 17, file);
    (void)fclose(file);
    return kept;
}

static void put_back(struct scene *scene, const struct kept *kept)
{
    if (kept->path[0] == 0) {
        attacker_put(&scene->attacker, &kept->thing, kept->bytes, kept->len);
        return;
    }
    FILE *file = fopen(kept->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(kept->bytes, 1, kept->len, file), kept->len);
    assert_int_equal(fclose(file), 0);
}

static void kept_done(struct kept *kept)
{
    free(kept->bytes);
}

static void activate(struct scene *scene, const char *name)
{
    const struct sherd_master_options options = {.name = name};

    assert_int_equal(sherd_master_activate(scene->victim.vault, &options, NULL), SHERD_OK);
}

static void roll(struct scene *scene)
{
    struct sherd_rekey_stat stat;

    assert_int_equal(sherd_epoch_roll(scene->victim.vault, NULL, NULL, &stat, NULL), SHERD_OK);
}

/* --- entities and the entries of their ids ------------------------------------------------------------------------ */

static void test_tamper_keys__an_entity_that_is_gone_or_anothers_is_refused(void **state)
{
    struct scene *scene = *state;
    const struct thing *entity = thing_of(scene, KIND_ENTITY_KEY, 0);
    const struct thing *other = thing_of(scene, KIND_ENTITY_KEY, 2);

    for (unsigned way = 0; way < 2; way++) {
        if (way == 0)
            (void)attack(&scene->attacker, "delete %s", place_of(entity));
        else
            (void)attack(&scene->attacker, "copy %s %s", place_of(other), place_of(entity));
        assert_int_equal(reopen(scene), SHERD_OK);
        assert_int_equal(victim_get(&scene->victim, &scene->records[0], 0), SHERD_ERR_TAMPERED);
        assert_int_equal(victim_read(&scene->victim, &scene->records[1], 0), SHERD_ERR_TAMPERED);
        assert_int_equal(victim_get(&scene->victim, &scene->records[2], 0), SHERD_OK);
        assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
        (void)attack(&scene->attacker, "undo");
    }
    assert_int_equal(reopen(scene), SHERD_OK);
    judge_well(&scene->victim, scene->records, scene->count);
}

/* Reading does not need it; an id that leads to nobody, or to another, is found. */
static void test_tamper_keys__an_ids_entry_that_is_gone_or_anothers_is_found(void **state)
{
    struct scene *scene = *state;
    const struct thing *lookup = thing_of(scene, KIND_ENTITY_LOOKUP, 0);
    const struct thing *other = thing_of(scene, KIND_ENTITY_LOOKUP, 2);

    for (unsigned way = 0; way < 2; way++) {
        struct sherd_uuid id;

        if (way == 0)
            (void)attack(&scene->attacker, "delete %s", place_of(lookup));
        else
            (void)attack(&scene->attacker, "copy %s %s", place_of(other), place_of(lookup));
        assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
        assert_int_equal(reopen(scene), SHERD_OK);
        for (size_t i = 0; i < scene->count; i++)
            assert_int_equal(victim_get(&scene->victim, &scene->records[i], 0), SHERD_OK);
        if (way == 1)
            assert_int_equal(sherd_record_put(scene->victim.vault, &pat, sherd_span_str("x"), &id), SHERD_ERR_TAMPERED);
        assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
        (void)attack(&scene->attacker, "undo");
    }
    assert_int_equal(reopen(scene), SHERD_OK);
    judge_well(&scene->victim, scene->records, scene->count);
}

static bool stop_after(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    (void)arg;
    (void)stat;
    (void)total;
    return false;
}

/* Rekeying was stopped half-way: what wraps records still lies in older versions' entries. */
static void test_tamper_keys__an_older_version_that_is_gone_or_changed_is_refused(void **state)
{
    const struct sherd_rekey_options fresh = {.fresh_keys = true};
    struct scene *scene = *state;
    struct sherd_rekey_stat stat;

    assert_int_equal(sherd_rekey(scene->victim.vault, &fresh, stop_after, NULL, &stat), SHERD_ERR_BUSY);
    (void)attacker_look(&scene->attacker, &scene->things, 7, 0);
    const struct thing *old = thing_of(scene, KIND_OLD_ENTITY_KEY, 7);
    for (size_t at = 0; at < old->bytes + 1; at += 31) {
        size_t refused = 0;

        if (at == 0)
            (void)attack(&scene->attacker, "delete %s", place_of(old));
        else
            (void)attack(&scene->attacker, "flip %s %zu 4", place_of(old), at);
        assert_int_equal(reopen(scene), SHERD_OK);
        for (size_t i = 0; i < scene->count; i++) {
            const enum sherd_err err = victim_get(&scene->victim, &scene->records[i], 0);

            assert_true(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
            refused += err != SHERD_OK ? 1 : 0;
        }
        assert_in_range(refused, 1, 2); /* it is one entity's, and the other is well */
        (void)attack(&scene->attacker, "undo");
    }
    assert_int_equal(reopen(scene), SHERD_OK);
    assert_int_equal(sherd_rekey(scene->victim.vault, &fresh, NULL, NULL, &stat), SHERD_OK);
    judge_well(&scene->victim, scene->records, scene->count);
}

/* --- erased ------------------------------------------------------------------------------------------------------- */

static void test_tamper_keys__an_erased_entity_does_not_come_back_unseen(void **state)
{
    struct scene *scene = *state;
    struct kept live = keep(scene, thing_of(scene, KIND_ENTITY_KEY, 0));
    struct kept lookup = keep(scene, thing_of(scene, KIND_ENTITY_LOOKUP, 0));
    struct kept pin = keep(scene, thing_of(scene, KIND_PIN, 0));

    assert_int_equal(sherd_entity_erase(scene->victim.vault, NULL, "pat"), SHERD_OK);
    /* one of its entries over or beside the tombstone: found */
    put_back(scene, &live);
    assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
    (void)attack(&scene->attacker, "undo");
    put_back(scene, &lookup);
    assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
    assert_int_equal(reopen(scene), SHERD_OK);
    assert_int_equal(victim_get(&scene->victim, &scene->records[0], 0), SHERD_ERR_NOT_FOUND);
    (void)attack(&scene->attacker, "undo");
    /* when the epoch has ended, all of them together open nothing any more */
    assert_int_equal(reopen(scene), SHERD_OK);
    roll(scene);
    put_back(scene, &live);
    put_back(scene, &lookup);
    put_back(scene, &pin);
    assert_int_equal(reopen(scene), SHERD_OK);
    assert_int_equal(victim_get(&scene->victim, &scene->records[0], 0), SHERD_ERR_TAMPERED);
    assert_int_equal(victim_get(&scene->victim, &scene->records[1], 0), SHERD_ERR_TAMPERED);
    assert_int_equal(victim_get(&scene->victim, &scene->records[2], 0), SHERD_OK);
    assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
    kept_done(&live);
    kept_done(&lookup);
    kept_done(&pin);
}

static void test_tamper_keys__a_tombstone_erases_its_own_entity_alone(void **state)
{
    struct scene *scene = *state;

    assert_int_equal(sherd_entity_erase(scene->victim.vault, NULL, "pat"), SHERD_OK);
    (void)attack(&scene->attacker, "copy %s %s", place_of(thing_of(scene, KIND_ENTITY_KEY, 0)),
                 place_of(thing_of(scene, KIND_ENTITY_KEY, 2)));
    assert_int_equal(reopen(scene), SHERD_OK);
    assert_int_equal(victim_get(&scene->victim, &scene->records[2], 0), SHERD_ERR_TAMPERED);
    (void)attack(&scene->attacker, "undo");
    assert_int_equal(reopen(scene), SHERD_OK);
    assert_int_equal(victim_get(&scene->victim, &scene->records[2], 0), SHERD_OK);
}

/* --- the keyring -------------------------------------------------------------------------------------------------- */

static void test_tamper_keys__a_keyring_that_is_not_the_pinned_one_is_refused(void **state)
{
    static const size_t planted[] = {0, 1, 100, 4184, 70000};
    struct scene *scene = *state;
    const struct thing *pin = thing_of(scene, KIND_KEYRING_PIN, -1);
    struct kept old_pin = keep(scene, pin);
    struct kept old_ring = keep_file(scene, "anchor/keyring");

    (void)attack(&scene->attacker, "delete %s", place_of(pin));
    assert_int_equal(reopen(scene), SHERD_ERR_TAMPERED);
    (void)attack(&scene->attacker, "undo");
    for (size_t at = 0; at < pin->bytes; at += 17) {
        (void)attack(&scene->attacker, "flip %s %zu 1", place_of(pin), at);
        assert_int_equal(reopen(scene), SHERD_ERR_TAMPERED);
        (void)attack(&scene->attacker, "undo");
    }
    assert_int_equal(reopen(scene), SHERD_OK);
    activate(scene, "default");
    struct kept new_ring = keep_file(scene, "anchor/keyring");
    put_back(scene, &old_ring);
    assert_int_equal(reopen(scene), SHERD_ERR_TAMPERED);
    put_back(scene, &new_ring);
    put_back(scene, &old_pin);
    assert_int_equal(reopen(scene), SHERD_ERR_TAMPERED);
    (void)attack(&scene->attacker, "undo");
    for (size_t i = 0; i < sizeof(planted) / sizeof(planted[0]); i++) {
        struct kept junk = new_ring;

        (void)snprintf(junk.path, sizeof(junk.path), "%s/anchor/keyring.new", scene->victim.dir);
        junk.bytes = calloc(1, planted[i] + 1);
        junk.len = planted[i];
        assert_non_null(junk.bytes);
        put_back(scene, &junk);
        (void)snprintf(junk.path, sizeof(junk.path), "%s/anchor/notice", scene->victim.dir);
        put_back(scene, &junk);
        assert_int_equal(reopen(scene), SHERD_OK);
        judge_well(&scene->victim, scene->records, scene->count);
        activate(scene, "hash"); /* what was planted is written over */
        judge_well(&scene->victim, scene->records, scene->count);
        kept_done(&junk);
    }
    kept_done(&old_pin);
    kept_done(&old_ring);
    kept_done(&new_ring);
}

/* --- erase epochs ------------------------------------------------------------------------------------------------- */

static void judge_without_epoch(struct scene *scene)
{
    const enum sherd_err err = reopen(scene);

    assert_true(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    for (size_t i = 0; i < scene->count && err == SHERD_OK; i++)
        assert_int_equal(victim_get(&scene->victim, &scene->records[i], 0), SHERD_ERR_TAMPERED);
}

static void test_tamper_keys__epochs_that_are_changed_or_old_open_nothing(void **state)
{
    struct scene *scene = *state;
    struct kept old = keep_file(scene, "anchor/epoch");

    assert_int_equal(old.len, 8192);
    roll(scene);
    struct kept now = keep_file(scene, "anchor/epoch");
    put_back(scene, &old);
    judge_without_epoch(scene);
    for (size_t at = 0; at < 120; at += 7) { /* epoch 2 lies in the first slot */
        now.bytes[at] ^= 8;
        put_back(scene, &now);
        judge_without_epoch(scene);
        now.bytes[at] ^= 8;
    }
    struct kept swapped = keep_file(scene, "anchor/epoch");
    memcpy(swapped.bytes, now.bytes + 4096, 4096);
    memcpy(swapped.bytes + 4096, now.bytes, 4096);
    put_back(scene, &swapped);
    judge_without_epoch(scene);
    now.len = 4096;
    put_back(scene, &now);
    judge_without_epoch(scene);
    now.len = 8192;
    put_back(scene, &now);
    assert_int_equal(reopen(scene), SHERD_OK);
    judge_well(&scene->victim, scene->records, scene->count);
    /* the old slot beside the new one: a copy of a key that wraps nothing any more */
    memcpy(now.bytes + 4096, old.bytes + 4096, 4096);
    put_back(scene, &now);
    assert_int_equal(reopen(scene), SHERD_OK);
    judge_well(&scene->victim, scene->records, scene->count);
    roll(scene);
    judge_well(&scene->victim, scene->records, scene->count);
    kept_done(&old);
    kept_done(&now);
    kept_done(&swapped);
}

/* Well-formed to the last byte that needs no key. */
static void test_tamper_keys__inventions_are_found(void **state)
{
    static const struct {
        uint8_t kind;
        size_t bytes;
    } made[] = {{7, 464}, {11, 272}, {12, 272}, {13, 464}, {14, 272}, {52, 272}, {5, 432}, {6, 432}};
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        struct thing thing = {.role = KEYS, .name = {{(uint8_t)i, 0xee}}};
        uint8_t bytes[512];

        for (size_t at = 0; at < sizeof(bytes); at++)
            bytes[at] = (uint8_t)(at * 151 + i);
        memcpy(bytes, (const uint8_t[8]){1, made[i].kind, 0, 1, 0, 0, 0, 1}, 8);
        attacker_put(&scene->attacker, &thing, bytes, made[i].bytes);
        for (size_t j = 0; j < scene->count; j++)
            assert_int_equal(victim_get(&scene->victim, &scene->records[j], 0), SHERD_OK);
        if (made[i].kind != 52) /* a part of a master key is its key store's to check */
            assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
        (void)attack(&scene->attacker, "undo");
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_tamper_keys__an_entity_that_is_gone_or_anothers_is_refused),
        CASE(test_tamper_keys__an_ids_entry_that_is_gone_or_anothers_is_found),
        CASE(test_tamper_keys__an_older_version_that_is_gone_or_changed_is_refused),
        CASE(test_tamper_keys__an_erased_entity_does_not_come_back_unseen),
        CASE(test_tamper_keys__a_tombstone_erases_its_own_entity_alone),
        CASE(test_tamper_keys__a_keyring_that_is_not_the_pinned_one_is_refused),
        CASE(test_tamper_keys__epochs_that_are_changed_or_old_open_nothing),
        CASE(test_tamper_keys__inventions_are_found),
    };

    if (argc != 2)
        return 2;
    attacker_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
