/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record that was updated a thousand times, and whose attacker has kept what lay in the stores after many of the
 * updates: each earlier version, put back as a whole or in part, under the names that it had or that are read now.
 *
 * Usage: test_tamper_versions ATTACKER
 */
#include "anchor/embedded/embedded.h"
#include "cryptor/vault.h"
#include "judge.h"
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define UPDATES 1000U
#define KEPT_MAX 128U
#define CONTENT_BYTES 16U

/* A thing as it was. */
struct copy {
    struct thing thing;
    uint8_t *bytes;
    size_t len;
};

/* All that made a version. */
struct triple {
    uint64_t version;
    struct copy parts[3]; /* head, map entry, fragment */
};

enum { HEAD, MAP, FRAGMENT };

static const char *attacker_program;

struct scene {
    struct victim victim;
    struct attacker attacker;
    struct sherd_uuid id;
    struct triple now;
    struct triple kept[KEPT_MAX];
    size_t kept_count;
};

static struct scene scene;
static struct things seen; /* too large for a stack; looked at anew each time */

static void content_of(uint64_t version, char out[static CONTENT_BYTES + 1])
{
    (void)snprintf(out, CONTENT_BYTES + 1, "version %8llu", (unsigned long long)version);
}

/* What lies in the stores of the one record that there is: of its collection one version is kept. */
static struct triple look(uint64_t version)
{
    struct triple triple = {.version = version};
    unsigned found = 0;

    seen.count = 0;
    (void)attacker_look(&scene.attacker, &seen, 0, version);
    for (size_t i = 0; i < seen.count; i++) {
        const struct thing *thing = &seen.at[i];
        const unsigned which = thing->kind == KIND_PIN ? HEAD : is_map(thing) ? MAP : FRAGMENT;

        if (which == FRAGMENT && !(is_fragment(thing) && thing->kind == KIND_FRAGMENT))
            continue;
        assert_int_equal(found >> which & 1, 0);
        found |= 1U << which;
        triple.parts[which].thing = *thing;
        triple.parts[which].len = attacker_get(&scene.attacker, thing, &triple.parts[which].bytes);
    }
    assert_int_equal(found, 7);
    return triple;
}

static void triple_done(struct triple *triple)
{
    for (size_t i = 0; i < 3; i++)
        free(triple->parts[i].bytes);
}

/* The first ones, the last ones, and one in ten. */
static bool is_wanted(uint64_t version)
{
    return version <= 3 || version >= UPDATES - 2 || version % 10 == 0;
}

static int make_vault(void **state)
{
    char content[CONTENT_BYTES + 1];
    uint64_t version = 1;

    (void)state;
    attacker_start(&scene.attacker, attacker_program);
    victim_new(&scene.victim);
    (void)attack(&scene.attacker, "open %s", scene.victim.dir);
    content_of(1, content);
    assert_int_equal(sherd_record_put(scene.victim.vault, NULL, sherd_span_str(content), &scene.id), SHERD_OK);
    for (;;) {
        if (version <= UPDATES && is_wanted(version)) {
            assert_true(scene.kept_count < KEPT_MAX);
            scene.kept[scene.kept_count++] = look(version);
        }
        if (version > UPDATES)
            break;
        content_of(version + 1, content);
        assert_int_equal(sherd_record_update(scene.victim.vault, scene.id, version, NULL, sherd_span_str(content),
                                             &version),
                         SHERD_OK);
    }
    scene.now = look(version);
    return 0;
}

static int end_vault(void **state)
{
    (void)state;
    attacker_stop(&scene.attacker);
    for (size_t i = 0; i < scene.kept_count; i++)
        triple_done(&scene.kept[i]);
    triple_done(&scene.now);
    victim_done(&scene.victim);
    return 0;
}

/* What a read gives. Other bytes than those of that version end the test. */
static enum sherd_err read_version(uint64_t version)
{
    char content[CONTENT_BYTES + 1];
    struct sherd_buf found = {0};

    const enum sherd_err err = sherd_record_get(scene.victim.vault, scene.id, 0, &found);
    content_of(version, content);
    if (err == SHERD_OK) {
        assert_int_equal(found.len, CONTENT_BYTES);
        assert_memory_equal(found.data, content, CONTENT_BYTES);
    }
    sherd_buf_done(&found);
    return err;
}

/* One part as it was, under a name that it had or that is read now. */
static void put_back(const struct triple *old, unsigned which, bool under_new_name)
{
    const struct thing *place = under_new_name ? &scene.now.parts[which].thing : &old->parts[which].thing;

    attacker_put(&scene.attacker, place, old->parts[which].bytes, old->parts[which].len);
}

static void undo(void)
{
    (void)attack(&scene.attacker, "undo");
}

static void test_tamper_versions__all_is_well(void **state)
{
    (void)state;
    assert_true(scene.kept_count >= 100);
    assert_int_equal(scene.now.version, UPDATES + 1);
    assert_int_equal(read_version(UPDATES + 1), SHERD_OK);
    assert_int_equal(victim_verify_all(&scene.victim, NULL), SHERD_OK);
}

/*
 * The stores that others run, put back to one version: what is read now has other names, or is no longer what it was.
 */
static void test_tamper_versions__the_stores_put_back_are_detected_on_the_first_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < scene.kept_count; i++) {
        const struct triple *old = &scene.kept[i];

        for (unsigned subset = 1; subset < 4; subset++) {
            for (unsigned which = MAP; which <= FRAGMENT; which++)
                if ((subset >> (which - MAP) & 1) != 0)
                    put_back(old, which, true);
            assert_int_equal(read_version(0), SHERD_ERR_TAMPERED);
            undo();
        }
        /* as they were, in the place of those that are read now */
        for (unsigned which = MAP; which <= FRAGMENT; which++) {
            put_back(old, which, false);
            (void)attack(&scene.attacker, "delete %s", place_of(&scene.now.parts[which].thing));
        }
        assert_int_equal(read_version(0), SHERD_ERR_TAMPERED);
        undo();
    }
    assert_int_equal(read_version(UPDATES + 1), SHERD_OK);
}

/* The old head with anything but all that it had. */
static void test_tamper_versions__an_old_head_alone_reads_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < scene.kept_count; i++)
        for (unsigned subset = 0; subset < 3; subset++) {
            put_back(&scene.kept[i], HEAD, false);
            for (unsigned which = MAP; which <= FRAGMENT; which++)
                if ((subset >> (which - MAP) & 1) != 0)
                    put_back(&scene.kept[i], which, false);
            assert_int_equal(read_version(0), SHERD_ERR_TAMPERED);
            undo();
        }
}

/*
 * The anchor's own store with the others, consistently: each entry verifies, and nothing that is read by itself says
 * that it is old. The ledger does, and is asked before the anchor serves anybody: so no read of an agent is the first.
 */
static void test_tamper_versions__all_stores_put_back_are_refused_before_a_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < scene.kept_count; i++) {
        for (unsigned which = HEAD; which <= FRAGMENT; which++)
            put_back(&scene.kept[i], which, false);
        victim_close(&scene.victim); /* as one who was stopped meanwhile */
        assert_int_equal(victim_open(&scene.victim), SHERD_OK);
        assert_int_equal(sherd_anchor_unsealed(scene.victim.vault->anchor), SHERD_ERR_TAMPERED);
        assert_int_equal(victim_verify_all(&scene.victim, NULL), SHERD_ERR_TAMPERED);
        undo();
    }
    assert_int_equal(read_version(UPDATES + 1), SHERD_OK);
    assert_int_equal(victim_verify_all(&scene.victim, NULL), SHERD_OK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tamper_versions__all_is_well),
        cmocka_unit_test(test_tamper_versions__the_stores_put_back_are_detected_on_the_first_read),
        cmocka_unit_test(test_tamper_versions__an_old_head_alone_reads_nothing),
        cmocka_unit_test(test_tamper_versions__all_stores_put_back_are_refused_before_a_read),
    };

    if (argc != 2)
        return 2;
    attacker_program = argv[1];
    return cmocka_run_group_tests(tests, make_vault, end_vault);
}
