/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is gone, what came back, and what never was there: entries deleted in every subset of the stores, older entries
 * and whole older compartments put back, doubles, and entries that the attacker made.
 *
 * Out of scope: the compartment `keys` rolled back as a whole, or all pins of a record. It is the anchor's own, and
 * what notices its roll-back (a ledger with checkpoints outside) is not part of an embedded vault. Pins of a record
 * that do not agree with one another are found.
 *
 * Usage: test_tamper_removal ATTACKER
 */
#include "judge.h"
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORDS_MAX 12

static const char *attacker_program;

struct scene {
    struct victim victim;
    struct attacker attacker;
    struct record records[RECORDS_MAX];
    size_t count;
    struct things things;
};

static struct sherd_record_meta idempotent(void)
{
    return (struct sherd_record_meta){.idempotency_key = sherd_span_str("a retry of Tuesday")};
}

static void scene_put(struct scene *scene, const struct sherd_record_meta *meta, size_t len)
{
    judge_put(&scene->victim, &scene->attacker, &scene->things, scene->records, &scene->count, meta, len);
}

static void scene_update(struct scene *scene, size_t index, uint32_t kept, size_t len)
{
    judge_update(&scene->victim, &scene->attacker, &scene->things, scene->records, index, kept, len);
}

/* 0: small; 1: all versions kept, three of them; 2: a blob; 3: described, another entity; 4: with idempotency key. */
static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    const struct sherd_attribute attribute = {"author", sherd_span_str("N. N.")};
    const struct sherd_record_meta in_all = {.collection = "all"};
    const struct sherd_record_meta described = {.entity = "patient 17", .attributes = &attribute, .attribute_count = 1};
    const struct sherd_record_meta retried = idempotent();

    assert_non_null(scene);
    attacker_start(&scene->attacker, attacker_program);
    victim_new(&scene->victim);
    (void)attack(&scene->attacker, "open %s", scene->victim.dir);
    victim_collection(&scene->victim, "all", 0, false);
    (void)attacker_look(&scene->attacker, &scene->things, -1, 0);
    scene_put(scene, NULL, 40);
    scene_put(scene, &in_all, 41);
    scene_update(scene, 1, 0, 42);
    scene_update(scene, 1, 0, 43);
    scene_put(scene, NULL, 100000);
    scene_put(scene, &described, 44);
    scene_put(scene, &retried, 45);
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

static void reopen(struct scene *scene)
{
    victim_close(&scene->victim);
    assert_int_equal(victim_open(&scene->victim), SHERD_OK);
}

static size_t orphans(struct scene *scene, enum sherd_err wanted)
{
    struct sherd_verify_stat stat;

    assert_int_equal(victim_verify_all(&scene->victim, &stat), wanted);
    return (size_t)stat.orphan_count;
}

/* ---- Removed ----------------------------------------------------------------------------------------------------- */

static const unsigned part_kinds[] = {KIND_MAP, KIND_FRAGMENT, KIND_PIN};

static void remove_parts(struct scene *scene, size_t record, uint64_t version, unsigned subset)
{
    for (unsigned k = 0; k < 3; k++)
        if ((subset >> k & 1) != 0)
            (void)attack(&scene->attacker, "delete %s",
                         place_of(part_of(&scene->things, scene->records, record, version, part_kinds[k])));
}

/* While the pin lives, nothing that is missing is "not found". */
static void test_tamper_removal__of_parts_is_detected_while_the_pin_lives(void **state)
{
    struct scene *scene = *state;
    struct victim *victim = &scene->victim;

    for (size_t i = 0; i < scene->count; i++) {
        const struct record *record = &scene->records[i];

        for (uint64_t version = record->oldest; version <= record->versions; version++)
            for (unsigned subset = 1; subset < 4; subset++) {
                const bool current = version == record->versions;
                const enum sherd_err of_map = (subset & 1) != 0 ? SHERD_ERR_TAMPERED : SHERD_OK;

                remove_parts(scene, i, version, subset);
                assert_int_equal(victim_get(victim, record, version), SHERD_ERR_TAMPERED);
                assert_int_equal(victim_read(victim, record, version), SHERD_ERR_TAMPERED);
                assert_int_equal(victim_stat(victim, record, version), of_map);
                assert_int_equal(victim_get(victim, record, 0), current ? SHERD_ERR_TAMPERED : SHERD_OK);
                assert_int_equal(victim_list(victim, scene->records, scene->count), current ? of_map : SHERD_OK);
                assert_int_equal(victim_verify(victim, record), SHERD_ERR_TAMPERED);
                assert_int_equal(victim_verify_all(victim, NULL), SHERD_ERR_TAMPERED);
                (void)attack(&scene->attacker, "undo");
            }
    }
    judge_well(victim, scene->records, scene->count);
}

/* An older version's pin is promised by the head. */
static void test_tamper_removal__of_an_old_pin_is_detected(void **state)
{
    struct scene *scene = *state;
    const struct record *record = &scene->records[1];

    for (uint64_t version = 1; version < record->versions; version++)
        for (unsigned subset = 4; subset < 8; subset++) {
            remove_parts(scene, 1, version, subset);
            assert_int_equal(victim_get(&scene->victim, record, version), SHERD_ERR_TAMPERED);
            assert_int_equal(victim_stat(&scene->victim, record, version), SHERD_ERR_TAMPERED);
            assert_int_equal(victim_get(&scene->victim, record, 0), SHERD_OK);
            assert_int_equal(victim_verify(&scene->victim, record), SHERD_ERR_TAMPERED);
            (void)attack(&scene->attacker, "undo");
        }
    judge_well(&scene->victim, scene->records, scene->count);
}

/* Without its head there is no record: the anchor says so, and nothing else of the record comes out. */
static void test_tamper_removal__of_a_head_leaves_no_record(void **state)
{
    struct scene *scene = *state;

    for (size_t i = 0; i < scene->count; i++)
        for (unsigned subset = 4; subset < 8; subset++) {
            const struct record *record = &scene->records[i];

            remove_parts(scene, i, record->versions, subset);
            assert_int_equal(victim_get(&scene->victim, record, 0), SHERD_ERR_NOT_FOUND);
            assert_int_equal(victim_get(&scene->victim, record, 1), SHERD_ERR_NOT_FOUND);
            assert_int_equal(victim_read(&scene->victim, record, 0), SHERD_ERR_NOT_FOUND);
            assert_int_equal(victim_stat(&scene->victim, record, 0), SHERD_ERR_NOT_FOUND);
            assert_int_equal(victim_verify(&scene->victim, record), SHERD_ERR_NOT_FOUND);
            (void)attack(&scene->attacker, "undo");
        }
    judge_well(&scene->victim, scene->records, scene->count);
}

static const struct thing *first_of(const struct scene *scene, unsigned kind, enum role role, int record)
{
    for (size_t i = 0; i < scene->things.count; i++)
        if (scene->things.at[i].kind == kind && scene->things.at[i].role == role &&
            scene->things.at[i].record == record)
            return &scene->things.at[i];
    fail_msg("nothing of kind %u", kind);
    return NULL;
}

static void test_tamper_removal__of_an_entity_key_is_detected(void **state)
{
    struct scene *scene = *state;

    (void)attack(&scene->attacker, "delete %s", place_of(first_of(scene, KIND_ENTITY_KEY, KEYS, 3)));
    reopen(scene);
    assert_int_equal(victim_get(&scene->victim, &scene->records[3], 0), SHERD_ERR_TAMPERED);
    assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
    assert_int_equal(victim_get(&scene->victim, &scene->records[0], 0), SHERD_OK);
    (void)attack(&scene->attacker, "undo");
    judge_well(&scene->victim, scene->records, scene->count);
}

/* A collection lies under its name and under its id. With either gone, its records' descriptions cannot be made. */
static void test_tamper_removal__of_a_collection_is_detected(void **state)
{
    struct scene *scene = *state;

    for (size_t i = 0; i < scene->things.count; i++) {
        const struct thing *thing = &scene->things.at[i];

        if (thing->kind != KIND_COLLECTION && thing->kind != KIND_COLLECTION_PIN)
            continue;
        (void)attack(&scene->attacker, "delete %s", place_of(thing));
        reopen(scene);
        assert_int_equal(victim_list(&scene->victim, scene->records, scene->count), SHERD_ERR_TAMPERED);
        for (size_t j = 0; j < scene->count; j++)
            assert_int_equal(victim_get(&scene->victim, &scene->records[j], 0), SHERD_OK);
        (void)attack(&scene->attacker, "undo");
        reopen(scene);
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

static void test_tamper_removal__of_a_compartments_own_entry_is_detected(void **state)
{
    struct scene *scene = *state;

    for (size_t i = 0; i < scene->things.count; i++) {
        const struct thing *thing = &scene->things.at[i];

        if (thing->kind != KIND_COMPARTMENT)
            continue;
        (void)attack(&scene->attacker, "delete %s", place_of(thing));
        assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
        victim_close(&scene->victim);
        assert_int_equal(victim_open(&scene->victim), SHERD_ERR_TAMPERED);
        (void)attack(&scene->attacker, "undo");
        assert_int_equal(victim_open(&scene->victim), SHERD_OK);
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

/* What the attacker removes from one store must not make the sweeper remove the rest from another. */
static void test_tamper_removal__of_parts_does_not_misuse_the_sweeper(void **state)
{
    struct scene *scene = *state;
    struct sherd_sweep_stat stat;

    for (size_t i = 0; i < scene->count; i++) {
        (void)attack(&scene->attacker, "delete %s",
                     place_of(part_of(&scene->things, scene->records, i, scene->records[i].versions, KIND_MAP)));
        assert_int_equal(sherd_vault_sweep(scene->victim.vault, false, &stat), SHERD_ERR_TAMPERED);
        (void)attack(&scene->attacker, "undo");
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

/* ---- Put back ---------------------------------------------------------------------------------------------------- */

struct kept {
    struct thing thing;
    uint8_t *bytes;
    size_t len;
};

/* Keep copies of a version's map entry and fragment, and put them back as subset says. */
static void keep(struct scene *scene, size_t record, uint64_t version, struct kept out[2])
{
    for (unsigned k = 0; k < 2; k++) {
        out[k].thing = *part_of(&scene->things, scene->records, record, version, part_kinds[k]);
        out[k].len = attacker_get(&scene->attacker, &out[k].thing, &out[k].bytes);
    }
}

static void put_back(struct scene *scene, const struct kept kept[2], unsigned subset)
{
    for (unsigned k = 0; k < 2; k++)
        if ((subset >> k & 1) != 0)
            attacker_put(&scene->attacker, &kept[k].thing, kept[k].bytes, kept[k].len);
}

static void kept_done(struct kept kept[2])
{
    free(kept[0].bytes);
    free(kept[1].bytes);
}

static void test_tamper_rollback__of_an_updated_record_gives_the_new_version(void **state)
{
    struct scene *scene = *state;
    static const size_t chosen[] = {0, 2, 3};
    struct sherd_sweep_stat swept;

    for (size_t n = 0; n < 3; n++) {
        const size_t i = chosen[n];
        struct kept old[2];

        keep(scene, i, 1, old);
        scene_update(scene, i, 1, scene->records[i].len[0]);
        for (unsigned subset = 1; subset < 4; subset++) {
            put_back(scene, old, subset);
            reopen(scene);
            assert_int_equal(victim_get(&scene->victim, &scene->records[i], 0), SHERD_OK);
            assert_int_equal(victim_stat(&scene->victim, &scene->records[i], 0), SHERD_OK);
            assert_int_equal(victim_get(&scene->victim, &scene->records[i], 1), SHERD_ERR_NOT_FOUND);
            assert_int_equal(victim_list(&scene->victim, scene->records, scene->count), SHERD_OK);
            assert_int_equal(orphans(scene, SHERD_OK), subset == 3 ? 2 : 1);
            assert_int_equal(sherd_vault_sweep(scene->victim.vault, false, &swept), SHERD_OK);
            assert_int_equal(swept.map_count + swept.fragment_count, subset == 3 ? 2 : 1);
            assert_int_equal(orphans(scene, SHERD_OK), 0);
        }
        kept_done(old);
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

/* The old version's map entry and fragment in the places of the new one's. */
static void test_tamper_rollback__under_the_new_names_is_detected(void **state)
{
    struct scene *scene = *state;
    struct kept old[2];

    keep(scene, 0, 1, old);
    scene_update(scene, 0, 1, scene->records[0].len[0]);
    for (unsigned k = 0; k < 2; k++)
        old[k].thing.name = part_of(&scene->things, scene->records, 0, 2, part_kinds[k])->name;
    for (unsigned subset = 1; subset < 4; subset++) {
        put_back(scene, old, subset);
        assert_int_equal(victim_get(&scene->victim, &scene->records[0], 0), SHERD_ERR_TAMPERED);
        assert_int_equal(victim_verify(&scene->victim, &scene->records[0]), SHERD_ERR_TAMPERED);
        (void)attack(&scene->attacker, "undo");
    }
    kept_done(old);
}

static void test_tamper_rollback__of_a_deleted_record_leaves_it_deleted(void **state)
{
    struct scene *scene = *state;
    struct sherd_sweep_stat swept;

    for (size_t left = scene->count; left-- > 0;) {
        const struct record record = scene->records[left];
        struct kept old[2];

        keep(scene, left, record.versions, old);
        assert_int_equal(sherd_record_delete(scene->victim.vault, record.id), SHERD_OK);
        for (unsigned subset = 1; subset < 4; subset++) {
            put_back(scene, old, subset);
            reopen(scene);
            assert_int_equal(victim_get(&scene->victim, &record, 0), SHERD_ERR_NOT_FOUND);
            assert_int_equal(victim_stat(&scene->victim, &record, 0), SHERD_ERR_NOT_FOUND);
            assert_int_equal(victim_list(&scene->victim, scene->records, left), SHERD_OK);
            assert_int_equal(orphans(scene, SHERD_OK), subset == 3 ? 2 : 1);
            assert_int_equal(sherd_vault_sweep(scene->victim.vault, false, &swept), SHERD_OK);
            assert_int_equal(victim_get(&scene->victim, &record, 0), SHERD_ERR_NOT_FOUND);
            assert_int_equal(orphans(scene, SHERD_OK), 0);
        }
        kept_done(old);
    }
}

static void swap_in(struct scene *scene, const char *role, const char *from)
{
    char path[192];
    char source[192];

    (void)snprintf(path, sizeof(path), "%s/%s", scene->victim.dir, role);
    (void)snprintf(source, sizeof(source), "%s/%s", from, role);
    tree_copy(source, path);
}

/* assets and secrets, one or both, as they were before updates, deletions and puts. */
static void test_tamper_rollback__of_compartments_is_detected_at_each_changed_record(void **state)
{
    struct scene *scene = *state;
    char before[128];
    char after[128];

    (void)snprintf(before, sizeof(before), "%s/before", scene->victim.root);
    (void)snprintf(after, sizeof(after), "%s/after", scene->victim.root);
    victim_close(&scene->victim);
    (void)attack(&scene->attacker, "close");
    tree_copy(scene->victim.dir, before);
    assert_int_equal(victim_open(&scene->victim), SHERD_OK);
    (void)attack(&scene->attacker, "open %s", scene->victim.dir);
    scene_update(scene, 0, 1, 40);
    scene_update(scene, 1, 0, 41);
    scene_update(scene, 2, 1, 100000);
    scene_put(scene, NULL, 77);
    (void)attack(&scene->attacker, "close");
    victim_close(&scene->victim);
    tree_copy(scene->victim.dir, after);

    for (unsigned subset = 1; subset < 4; subset++) {
        if ((subset & 1) != 0)
            swap_in(scene, "assets", before);
        if ((subset & 2) != 0)
            swap_in(scene, "secrets", before);
        assert_int_equal(victim_open(&scene->victim), SHERD_OK);
        for (size_t i = 0; i < scene->count; i++) {
            const bool changed = i < 3 || i == scene->count - 1;

            assert_int_equal(victim_get(&scene->victim, &scene->records[i], 0),
                             changed ? SHERD_ERR_TAMPERED : SHERD_OK);
            assert_int_equal(victim_verify(&scene->victim, &scene->records[i]),
                             changed ? SHERD_ERR_TAMPERED : SHERD_OK);
        }
        for (uint64_t version = 1; version <= 3; version++)
            assert_int_equal(victim_get(&scene->victim, &scene->records[1], version), SHERD_OK);
        assert_int_equal(victim_list(&scene->victim, scene->records, scene->count),
                         (subset & 1) != 0 ? SHERD_ERR_TAMPERED : SHERD_OK);
        assert_int_equal(victim_verify_all(&scene->victim, NULL), SHERD_ERR_TAMPERED);
        victim_close(&scene->victim);
        swap_in(scene, "assets", after);
        swap_in(scene, "secrets", after);
    }
    assert_int_equal(victim_open(&scene->victim), SHERD_OK);
    judge_well(&scene->victim, scene->records, scene->count);
}

/* ---- Another vault's, doubles, inventions ------------------------------------------------------------------------ */

static void test_tamper_foreign__compartments_of_another_vault_are_refused(void **state)
{
    struct scene *scene = *state;
    struct victim other;
    char own[128];

    victim_new(&other);
    victim_close(&other);
    victim_close(&scene->victim);
    (void)attack(&scene->attacker, "close");
    (void)snprintf(own, sizeof(own), "%s/own", scene->victim.root);
    tree_copy(scene->victim.dir, own);
    for (unsigned subset = 1; subset < 16; subset++) {
        for (unsigned role = 0; role < ROLE_COUNT; role++)
            swap_in(scene, role_names[role], (subset >> role & 1) != 0 ? other.dir : own);
        assert_int_equal(victim_open(&scene->victim), SHERD_ERR_TAMPERED);
    }
    /* The whole of the other vault, and its anchor in parts: another key file opens that, not this one. */
    swap_in(scene, "anchor", other.dir);
    assert_int_equal(victim_open(&scene->victim), SHERD_ERR_DENIED);
    swap_in(scene, "anchor/seals", own);
    assert_int_equal(victim_open(&scene->victim), SHERD_ERR_TAMPERED);
    tree_copy(own, scene->victim.dir);
    assert_int_equal(victim_open(&scene->victim), SHERD_OK);
    judge_well(&scene->victim, scene->records, scene->count);
    victim_done(&other);
}

/* An entry is bound to its name; a fragment under another name is nobody's. */
static void test_tamper_foreign__doubles_are_found(void **state)
{
    struct scene *scene = *state;

    for (size_t i = 0; i < scene->things.count; i++) {
        const struct thing *thing = &scene->things.at[i];
        struct thing twin = *thing;

        for (size_t at = 0; at < 16; at += 15) {
            twin.name.bytes[at] ^= 0x5a;
            (void)attack(&scene->attacker, "copy %s %s", place_of(thing), place_of(&twin));
            for (size_t j = 0; j < scene->count; j++)
                assert_int_equal(victim_get(&scene->victim, &scene->records[j], 0), SHERD_OK);
            assert_int_equal(orphans(scene, thing->role == SECRETS ? SHERD_OK : SHERD_ERR_TAMPERED) != 0,
                             thing->role == SECRETS);
            (void)attack(&scene->attacker, "undo");
        }
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

/* Well-formed to the last byte that needs no key, and less than that. */
static void test_tamper_foreign__inventions_are_found(void **state)
{
    static const struct {
        enum role role;
        uint8_t kind;
        size_t bytes;
    } made[] = {
        {IDENTITY, 1, 272}, {IDENTITY, 33, 272}, {IDENTITY, 34, 272},    {SECRETS, 35, 272}, {IDENTITY, 10, 272},
        {IDENTITY, 10, 8},  {IDENTITY, 0, 1},    {ASSETS, 1, 272},       {ASSETS, 2, 464},   {ASSETS, 3, 5200},
        {ASSETS, 4, 336},   {ASSETS, 2, 463},    {ASSETS, 0, 1},         {ASSETS, 5, 432},   {ASSETS, 9, 262144},
        {KEYS, 1, 272},     {KEYS, 5, 432},      {KEYS, 6, 432},         {KEYS, 7, 464},     {KEYS, 8, 272},
        {KEYS, 9, 272},     {KEYS, 255, 400},    {KEYS, 0, 1},           {KEYS, 5, 262144},  {SECRETS, 128, 112},
        {SECRETS, 1, 272},  {SECRETS, 128, 1},   {SECRETS, 128, 262144},
    };
    struct scene *scene = *state;

    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        struct thing thing = {.role = made[i].role, .name = {{(uint8_t)i, 0xee}}};
        uint8_t *bytes = calloc(1, made[i].bytes + 8);

        assert_non_null(bytes);
        for (size_t at = 8; at < made[i].bytes; at++)
            bytes[at] = (uint8_t)(at * 151 + i);
        memcpy(bytes, (const uint8_t[8]){1, made[i].kind, 0, 1, 0, 0, 0, made[i].kind == 128 ? 0 : 1}, 8);
        attacker_put(&scene->attacker, &thing, bytes, made[i].bytes);
        free(bytes);
        for (size_t j = 0; j < scene->count; j++)
            assert_int_equal(victim_get(&scene->victim, &scene->records[j], 0), SHERD_OK);
        assert_int_equal(orphans(scene, made[i].role == SECRETS ? SHERD_OK : SHERD_ERR_TAMPERED) != 0,
                         made[i].role == SECRETS);
        (void)attack(&scene->attacker, "undo");
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

/* Every other format, kind, suite and key version is refused, whichever way it is asked for. */
static void test_tamper_foreign__every_other_header_is_refused(void **state)
{
    struct scene *scene = *state;

    for (unsigned k = 0; k < 3; k++) {
        const struct thing *thing = part_of(&scene->things, scene->records, 0, 1, part_kinds[k]);

        for (unsigned offset = 0; offset < 8; offset++)
            for (unsigned mask = 1; mask < 256; mask++) {
                (void)attack(&scene->attacker, "flip %s %u %u", place_of(thing), offset, mask);
                assert_int_equal(victim_get(&scene->victim, &scene->records[0], 0), SHERD_ERR_TAMPERED);
                (void)attack(&scene->attacker, "undo");
                if (mask == 128)
                    (void)attack(&scene->attacker, "settle %s", role_names[thing->role]);
            }
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

/* ---- Pins that do not agree, and blobs where none belongs -------------------------------------------------------- */

struct told {
    enum sherd_finding_kind kind;
    const char *compartment;
    uint64_t version;
    size_t count;  /* of such findings */
    size_t others; /* of all others */
};

static void note_told(void *arg, const struct sherd_finding *finding)
{
    struct told *told = arg;

    if (finding->kind == told->kind && strcmp(finding->compartment, told->compartment) == 0 &&
        finding->version == told->version)
        told->count++;
    else
        told->others++;
}

/* Verify must tell this one thing and nothing else. @return the orphans beside it */
static size_t assert_told(struct scene *scene, enum sherd_finding_kind kind, const char *compartment, uint64_t version)
{
    struct told told = {.kind = kind, .compartment = compartment, .version = version};
    const struct sherd_observer observer = {.finding = note_told, .arg = &told};
    struct sherd_verify_stat stat = {0};

    assert_int_equal(sherd_vault_verify(scene->victim.vault, NULL, &observer, &stat), SHERD_ERR_TAMPERED);
    assert_int_equal(told.count, 1);
    assert_int_equal(told.others, 0);
    return (size_t)stat.orphan_count;
}

static void assert_not_swept(struct scene *scene)
{
    struct sherd_sweep_stat stat;

    assert_int_equal(sherd_vault_sweep(scene->victim.vault, false, &stat), SHERD_ERR_TAMPERED);
}

/*
 * An older head of a record whose versions are all kept: the version that it makes current is pinned as an older one.
 * What the newer version has must still be there when the newer head is.
 */
static void test_tamper_rollback__of_a_head_is_found_by_its_older_versions(void **state)
{
    struct scene *scene = *state;
    struct kept head = {.thing = *part_of(&scene->things, scene->records, 1, 3, KIND_PIN)};

    head.len = attacker_get(&scene->attacker, &head.thing, &head.bytes);
    scene_update(scene, 1, 0, 44);
    attacker_put(&scene->attacker, &head.thing, head.bytes, head.len);
    assert_int_equal(assert_told(scene, SHERD_FINDING_PIN, "keys", 3), 2);
    assert_not_swept(scene);
    (void)attack(&scene->attacker, "undo");
    judge_well(&scene->victim, scene->records, scene->count);
    free(head.bytes);
}

/* A removed head of a record that has older versions: their pins have none. */
static void test_tamper_removal__of_a_head_is_found_by_its_older_versions(void **state)
{
    struct scene *scene = *state;
    struct sherd_verify_stat stat;

    remove_parts(scene, 1, 3, 4);
    assert_int_equal(victim_verify_all(&scene->victim, &stat), SHERD_ERR_TAMPERED);
    assert_int_equal(stat.finding_count, 2); /* versions 1 and 2 */
    assert_not_swept(scene);
    (void)attack(&scene->attacker, "undo");
    judge_well(&scene->victim, scene->records, scene->count);
}

static void test_tamper_removal__of_an_old_pin_is_found_by_its_head(void **state)
{
    struct scene *scene = *state;

    for (uint64_t version = 1; version < 3; version++) {
        remove_parts(scene, 1, version, 4);
        (void)assert_told(scene, SHERD_FINDING_PIN, "keys", version);
        assert_not_swept(scene);
        (void)attack(&scene->attacker, "undo");
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

/* The pin of a version that is no longer kept, or of a record that is gone. */
static void test_tamper_rollback__of_an_old_pin_is_found(void **state)
{
    const struct sherd_record_meta in_two = {.collection = "two"};
    struct scene *scene = *state;
    struct kept old;
    size_t at;

    victim_collection(&scene->victim, "two", 2, false);
    (void)attacker_look(&scene->attacker, &scene->things, -1, 0);
    scene_put(scene, &in_two, 46);
    at = scene->count - 1;
    scene_update(scene, at, 2, 47);
    old.thing = *part_of(&scene->things, scene->records, at, 1, KIND_PIN);
    old.len = attacker_get(&scene->attacker, &old.thing, &old.bytes);
    scene_update(scene, at, 2, 48);

    attacker_put(&scene->attacker, &old.thing, old.bytes, old.len);
    (void)assert_told(scene, SHERD_FINDING_PIN, "keys", 1);
    assert_not_swept(scene);
    (void)attack(&scene->attacker, "undo");
    judge_well(&scene->victim, scene->records, scene->count);

    assert_int_equal(sherd_record_delete(scene->victim.vault, scene->records[at].id), SHERD_OK);
    attacker_put(&scene->attacker, &old.thing, old.bytes, old.len);
    (void)assert_told(scene, SHERD_FINDING_PIN, "keys", 1);
    assert_not_swept(scene);
    (void)attack(&scene->attacker, "undo");
    assert_int_equal(orphans(scene, SHERD_OK), 0);
    free(old.bytes);
}

/* A blob belongs into `secrets` alone. Elsewhere verify says so; the sweeper leaves it. */
static void test_tamper_foreign__blobs_where_none_belongs_are_found(void **state)
{
    static const enum role roles[] = {IDENTITY, ASSETS, KEYS};
    struct scene *scene = *state;
    struct sherd_sweep_stat swept;
    uint8_t bytes[100] = {1};

    for (size_t i = 0; i < 3; i++) {
        const struct thing laid = {.role = roles[i], .blob = true, .name = {{0xb1, (uint8_t)i}}};

        attacker_put(&scene->attacker, &laid, bytes, sizeof(bytes));
        assert_int_equal(assert_told(scene, SHERD_FINDING_ENTRY, role_names[roles[i]], 0), 0);
        assert_int_equal(sherd_vault_sweep(scene->victim.vault, false, &swept), SHERD_OK);
        assert_int_equal(swept.map_count + swept.fragment_count, 0);
        (void)assert_told(scene, SHERD_FINDING_ENTRY, role_names[roles[i]], 0);
        (void)attack(&scene->attacker, "undo");
    }
    judge_well(&scene->victim, scene->records, scene->count);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_tamper_removal__of_parts_is_detected_while_the_pin_lives),
        CASE(test_tamper_removal__of_an_old_pin_is_detected),
        CASE(test_tamper_removal__of_a_head_leaves_no_record),
        CASE(test_tamper_removal__of_an_entity_key_is_detected),
        CASE(test_tamper_removal__of_a_collection_is_detected),
        CASE(test_tamper_removal__of_a_compartments_own_entry_is_detected),
        CASE(test_tamper_removal__of_parts_does_not_misuse_the_sweeper),
        CASE(test_tamper_rollback__of_an_updated_record_gives_the_new_version),
        CASE(test_tamper_rollback__under_the_new_names_is_detected),
        CASE(test_tamper_rollback__of_a_deleted_record_leaves_it_deleted),
        CASE(test_tamper_rollback__of_compartments_is_detected_at_each_changed_record),
        CASE(test_tamper_foreign__compartments_of_another_vault_are_refused),
        CASE(test_tamper_foreign__doubles_are_found),
        CASE(test_tamper_foreign__inventions_are_found),
        CASE(test_tamper_foreign__every_other_header_is_refused),
        CASE(test_tamper_rollback__of_a_head_is_found_by_its_older_versions),
        CASE(test_tamper_removal__of_a_head_is_found_by_its_older_versions),
        CASE(test_tamper_removal__of_an_old_pin_is_found_by_its_head),
        CASE(test_tamper_rollback__of_an_old_pin_is_found),
        CASE(test_tamper_foreign__blobs_where_none_belongs_are_found),
    };

    if (argc != 2)
        return 2;
    attacker_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
