/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scrubber against who holds the stores, and the anchor's disk: 500 faults of all kinds, each planted by the
 * attacker's program and each on a thing of its own, are found in one pass, each as what it is; nothing else is.
 *
 * Usage: test_tamper_scrub ATTACKER
 */
#include "cryptor/vault.h"
#include "judge.h"
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDS 470
#define FAULTS 500
#define FOUND_MAX 1024

static const char *attacker_program;

/* What one fault must be found as. */
struct fault {
    const char *what;
    bool of_record;
    struct sherd_uuid record;
    char compartment[16];
    char name[40]; /* part of the text, where it is of no record */
    bool found;
};

struct scene {
    struct victim victim;
    struct attacker attacker;
    struct record records[RECORDS];
    size_t count;
    struct things things;
    struct fault faults[FAULTS];
    size_t fault_count;
    struct sherd_scrub_finding found[FOUND_MAX];
    size_t found_count;
};

/* --- planting ----------------------------------------------------------------------------------------------------- */

static struct fault *add(struct scene *scene, const char *what, const char *compartment)
{
    assert_true(scene->fault_count < FAULTS);
    struct fault *fault = &scene->faults[scene->fault_count++];

    *fault = (struct fault){.what = what};
    (void)snprintf(fault->compartment, sizeof(fault->compartment), "%s", compartment);
    return fault;
}

static void add_of_record(struct scene *scene, const char *what, const char *compartment, size_t record)
{
    struct fault *fault = add(scene, what, compartment);

    fault->of_record = true;
    fault->record = scene->records[record].id;
}

/* Found by its name, which the text says. */
static void add_of_name(struct scene *scene, const char *what, const char *compartment, const struct sherd_ref *name)
{
    struct fault *fault = add(scene, what, compartment);

    for (size_t i = 0; i < sizeof(name->bytes); i++)
        (void)snprintf(fault->name + 2 * i, 3, "%02x", name->bytes[i]);
}

static void add_of_text(struct scene *scene, const char *what, const char *compartment, const char *text)
{
    struct fault *fault = add(scene, what, compartment);

    (void)snprintf(fault->name, sizeof(fault->name), "%s", text);
}

static const struct thing *part(const struct scene *scene, size_t record, unsigned kind)
{
    return part_of(&scene->things, scene->records, record, 1, kind);
}

/* One fault on a record of its own, of a kind after the other. @return records that were used */
static size_t plant_on(struct scene *scene, size_t record, unsigned turn)
{
    struct attacker *attacker = &scene->attacker;
    const struct thing *map = part(scene, record, KIND_MAP);
    const struct thing *fragment = part(scene, record, KIND_FRAGMENT);
    const struct thing *pin = part(scene, record, KIND_PIN);

    switch (turn) {
    case 0:
        (void)attack(attacker, "flip %s %zu 1", place_of(map), map->bytes - 1 - record % 40);
        add_of_record(scene, "flipped map entry", "assets", record);
        return 1;
    case 1:
        (void)attack(attacker, "flip %s %zu 128", place_of(fragment), record * 7 % fragment->bytes);
        add_of_record(scene, "flipped fragment", "secrets", record);
        return 1;
    case 2:
        (void)attack(attacker, "delete %s", place_of(map));
        add_of_record(scene, "removed map entry", "assets", record);
        return 1;
    case 3:
        (void)attack(attacker, "delete %s", place_of(fragment));
        add_of_record(scene, "removed fragment", "secrets", record);
        return 1;
    case 4:
        (void)attack(attacker, "cut %s %zu", place_of(fragment), fragment->bytes - 1);
        add_of_record(scene, "cut fragment", "secrets", record);
        return 1;
    case 5:
        (void)attack(attacker, "extend %s 0", place_of(fragment));
        add_of_record(scene, "extended fragment", "secrets", record);
        return 1;
    case 6:
        (void)attack(attacker, "flip %s %zu 4", place_of(pin), pin->bytes - 3);
        add_of_name(scene, "flipped pin", "keys", &pin->name);
        return 1;
    case 7:
        (void)attack(attacker, "swap %s %s", place_of(fragment), place_of(part(scene, record + 1, KIND_FRAGMENT)));
        add_of_record(scene, "swapped fragment", "secrets", record);
        add_of_record(scene, "swapped fragment", "secrets", record + 1);
        return 2;
    case 8:
        (void)attack(attacker, "copy %s %s", place_of(part(scene, record + 1, KIND_MAP)), place_of(map));
        add_of_record(scene, "another's map entry", "assets", record);
        return 2; /* the other one stays sound */
    default:
        (void)attack(attacker, "swap %s %s", place_of(map), place_of(part(scene, record + 1, KIND_MAP)));
        add_of_record(scene, "swapped map entry", "assets", record);
        add_of_record(scene, "swapped map entry", "assets", record + 1);
        return 2;
    }
}

/* Things that belong to no record. */
static void plant_elsewhere(struct scene *scene)
{
    struct attacker *attacker = &scene->attacker;

    for (size_t i = 0; i < scene->things.count; i++) {
        const struct thing *thing = &scene->things.at[i];

        if (thing->role == IDENTITY && thing->kind == KIND_PRINCIPAL) {
            (void)attack(attacker, "flip %s %zu 1", place_of(thing), thing->bytes - 5);
            add_of_name(scene, "flipped principal", "identity", &thing->name);
        }
        if (thing->role == KEYS && thing->kind == KIND_COLLECTION_PIN) {
            (void)attack(attacker, "flip %s %zu 1", place_of(thing), thing->bytes - 5);
            add_of_name(scene, "flipped pin of a collection", "keys", &thing->name);
        }
    }
}

/* Entries and blobs under names that nobody gave, until there are as many faults as there are to be. */
static void plant_strangers(struct scene *scene)
{
    struct attacker *attacker = &scene->attacker;
    const struct thing *map = part(scene, RECORDS - 1, KIND_MAP);

    for (unsigned i = 0; scene->fault_count < FAULTS - 2; i++) {
        struct thing thing = {.role = i % 3 == 1 ? KEYS : ASSETS, .blob = i % 3 == 2, .name = {{0xee, (uint8_t)i}}};

        for (size_t j = 2; j < 16; j++)
            thing.name.bytes[j] = (uint8_t)(i * 31 + j);
        if (thing.role == KEYS)
            (void)attack(attacker, "copy %s %s", place_of(part(scene, RECORDS - 2, KIND_PIN)), place_of(&thing));
        else if (thing.blob)
            (void)attack(attacker, "put %s 00112233", place_of(&thing));
        else
            (void)attack(attacker, "copy %s %s", place_of(map), place_of(&thing));
        add_of_name(scene, thing.blob ? "blob" : "copy under another name", role_names[thing.role], &thing.name);
    }
}

static void change_tile(const struct scene *scene)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/anchor/ledger/tile/entries/000", scene->victim.dir);
    FILE *file = fopen(path, "r+");
    if (file == NULL)
        fail_msg("no full tile of entries: %s", path);
    assert_int_equal(fseek(file, 500, SEEK_SET), 0);
    const int byte = fgetc(file);
    assert_int_equal(fseek(file, 500, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
    assert_int_equal(fclose(file), 0);
}

/* --- the scene ---------------------------------------------------------------------------------------------------- */

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));

    assert_non_null(scene);
    attacker_start(&scene->attacker, attacker_program);
    victim_new(&scene->victim);
    (void)attack(&scene->attacker, "open %s", scene->victim.dir);
    (void)attacker_look(&scene->attacker, &scene->things, -1, 0);
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

static enum sherd_err take(void *arg, const struct sherd_scrub_finding *finding)
{
    struct scene *scene = arg;

    assert_true(scene->found_count < FOUND_MAX);
    scene->found[scene->found_count++] = *finding;
    return SHERD_OK;
}

static bool is_that(const struct fault *fault, const struct sherd_scrub_finding *finding)
{
    if (strcmp(fault->compartment, finding->compartment) != 0 || fault->of_record != finding->has_record)
        return false;
    if (fault->of_record)
        return memcmp(fault->record.bytes, finding->record.bytes, 16) == 0;
    return strstr(finding->text, fault->name) != NULL;
}

/*
 * A map entry that does not verify is met a second time, by its name, where it lies; and a user's entry by the pin that
 * finds it not.
 */
static bool is_met_twice(const struct scene *scene, const struct sherd_scrub_finding *finding)
{
    char name[40];

    if (strcmp(finding->compartment, "identity") == 0)
        return strstr(finding->text, "a user's entry is missing") != NULL;
    if (strcmp(finding->compartment, "assets") != 0 || finding->has_record)
        return false;
    for (size_t i = 0; i < scene->things.count; i++) {
        const struct thing *thing = &scene->things.at[i];

        for (size_t j = 0; j < 16; j++)
            (void)snprintf(name + 2 * j, 3, "%02x", thing->name.bytes[j]);
        if (thing->role == ASSETS && is_map(thing) && strstr(finding->text, name) != NULL)
            return true;
    }
    return false;
}

static void judge(struct scene *scene)
{
    for (size_t i = 0; i < scene->found_count; i++) {
        bool wanted = is_met_twice(scene, &scene->found[i]);

        for (size_t j = 0; j < scene->fault_count; j++)
            if (is_that(&scene->faults[j], &scene->found[i])) {
                scene->faults[j].found = true;
                wanted = true;
            }
        if (!wanted)
            fail_msg("found, and not planted: %s: %s", scene->found[i].compartment, scene->found[i].text);
    }
    for (size_t j = 0; j < scene->fault_count; j++)
        if (!scene->faults[j].found)
            fail_msg("planted, and not found: %s in %s (%s)", scene->faults[j].what, scene->faults[j].compartment,
                     scene->faults[j].name);
}

static void test_tamper_scrub__finds_500_of_500_faults_in_one_pass(void **state)
{
    struct scene *scene = *state;
    struct sherd_verify_stat stat;
    unsigned turn = 0;

    while (scene->count < RECORDS) /* some in blobs */
        judge_put(&scene->victim, &scene->attacker, &scene->things, scene->records, &scene->count, NULL,
                  scene->count % 12 == 11 ? 70000 + scene->count : 40 + scene->count);
    assert_int_equal(sherd_vault_scrub(scene->victim.vault, NULL, NULL, &stat), SHERD_OK);
    assert_int_equal(stat.record_count, RECORDS);
    struct sherd_anchor *anchor = scene->victim.vault->anchor; /* so that there are tiles that are full */
    assert_int_equal(anchor->ops->ledger_run(anchor, NULL), SHERD_OK);
    for (size_t record = 0; record < RECORDS - 12;)
        record += plant_on(scene, record, turn++ % 10);
    (void)attack(&scene->attacker, "delete %s", place_of(part(scene, RECORDS - 5, KIND_PIN)));
    add_of_text(scene, "removed pin", "keys", "rolled back, removed or added");
    plant_elsewhere(scene);
    add_of_text(scene, "changed leaf", "keys", "leaf or tile");
    victim_close(&scene->victim);
    assert_int_equal(victim_open(&scene->victim), SHERD_OK);
    plant_strangers(scene);
    change_tile(scene);
    while (scene->fault_count < FAULTS)
        (void)plant_on(scene, RECORDS - 12 + (FAULTS - scene->fault_count), 1);
    assert_int_equal(scene->fault_count, FAULTS);

    assert_int_equal(sherd_vault_scrub(scene->victim.vault, NULL, NULL, &stat), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_scrub_finding_each(scene->victim.vault, take, scene), SHERD_OK);
    judge(scene);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tamper_scrub__finds_500_of_500_faults_in_one_pass, set_up, tear_down),
    };

    if (argc != 2)
        return 2;
    attacker_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
