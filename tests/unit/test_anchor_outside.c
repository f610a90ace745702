/* SPDX-License-Identifier: Apache-2.0 */
/* What is outside, as bytes; and files of checkpoints: when they are written, and what of them is believed. */
#include "anchor.h"
#include "anchor/ledger/outside.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "envelope/lines.h"
#include "envelope/note.h"
#include "ledger/checkpoint.h"
#include <openssl/crypto.h>
#include <unistd.h>

struct fixture {
    char root[40];
    char file[64];
    struct sherd_compartment *keys;
    struct sherd_hmac_key *name;
    struct sherd_hmac_key *seal;
    struct sherd_leaf_keys *leaves;
    struct sherd_changes *changes;
    struct sherd_sequencer_parts parts;
    struct sherd_sequencer *sequencer;
};

static int setup(void **state)
{
    static struct fixture fixture;
    static const uint8_t key[32] = {3};
    static const uint8_t deployment[16] = {4};

    fixture = (struct fixture){.root = "/tmp/sherd-test-outside-XXXXXX"};
    if (sherd_crypto_init() != SHERD_OK || mkdtemp(fixture.root) == NULL)
        return -1;
    (void)snprintf(fixture.file, sizeof(fixture.file), "%s/checkpoint", fixture.root);
    fixture.keys = anchor_compartment(SHERD_KEYS, true);
    assert_ok(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(key, 32), &fixture.name));
    assert_ok(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(key, 32), &fixture.seal));
    fixture.parts.keys = (struct sherd_entry_keys){
        .compartment = SHERD_FOR_KEYS, .version = 1, .name = fixture.name, .seal = fixture.seal};
    assert_ok(sherd_leaf_keys_new(sherd_span_of(key, 32), deployment, &fixture.leaves));
    assert_ok(sherd_changes_new(fixture.keys, &fixture.parts.keys, fixture.leaves, &fixture.changes));
    fixture.parts.dir = fixture.root;
    fixture.parts.seed = key;
    fixture.parts.changes = fixture.changes;
    fixture.parts.leaves = fixture.leaves;
    memcpy(fixture.parts.deployment.bytes, deployment, sizeof(deployment));
    assert_ok(sherd_sequencer_make(&fixture.parts, SHERD_EVENT_GENESIS));
    assert_ok(sherd_sequencer_new(&fixture.parts, &fixture.sequencer));
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

#if SHERD_FAILPOINTS
    sherd_failpoint_set(NULL, NULL);
#endif
    sherd_sequencer_free(fixture->sequencer);
    sherd_changes_free(fixture->changes);
    sherd_leaf_keys_free(fixture->leaves);
    sherd_hmac_key_free(fixture->name);
    sherd_hmac_key_free(fixture->seal);
    sherd_compartment_close(fixture->keys);
    vault_remove(fixture->root);
    return sherd_store_memory_forget("keys") == SHERD_OK ? 0 : -1;
}

/* --- as bytes ----------------------------------------------------------------------------------------------------- */

static void test_anchor_outside__golden_bytes(void **state)
{
    static const char *const files[] = {"/a/b", "/c"};
    static const char golden[] = "\x01\x00\x0bquorum none"
                                 "\x02\x00\x08/a/b\n/c\n"
                                 "\x03\x00\x01k"
                                 "\x05\x00\x08\x00\x00\x00\x00\x00\x00\x01\x04";
    const struct sherd_outside outside = {.policy = sherd_span_str("quorum none"),
                                          .files = files,
                                          .file_count = 2,
                                          .vkey = sherd_span_str("k"),
                                          .size = 260};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    static struct sherd_outside_text text;

    (void)state;
    assert_ok(sherd_outside_encode(&outside, &bytes));
    assert_int_equal(bytes.len, sizeof(golden) - 1);
    assert_memory_equal(bytes.data, golden, sizeof(golden) - 1);
    assert_ok(sherd_outside_decode(sherd_buf_span(&bytes), &text));
    assert_int_equal(text.outside.file_count, 2);
    assert_string_equal(text.outside.files[0], "/a/b");
    assert_string_equal(text.outside.files[1], "/c");
    assert_int_equal(text.outside.size, 260);
    for (size_t i = 0; i < bytes.len; i++) /* whatever is read is written the same, and most is not read */
        for (unsigned bit = 0; bit < 8; bit++) {
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};

            bytes.data[i] ^= (uint8_t)(1U << bit);
            if (sherd_outside_decode(sherd_buf_span(&bytes), &text) == SHERD_OK) {
                assert_ok(sherd_outside_encode(&text.outside, &again));
                assert_true(again.len == bytes.len && memcmp(again.data, bytes.data, bytes.len) == 0);
            }
            bytes.data[i] ^= (uint8_t)(1U << bit);
        }
}

static void test_anchor_outside__paths_that_are_none(void **state)
{
    static const char *const bad[] = {"", "/", "a", "./a", "/a/", "/a\nb", "/a\x01", "/\x7f"};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++) {
        const struct sherd_outside outside = {.files = &bad[i], .file_count = 1};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};

        assert_err(SHERD_ERR_INVALID, sherd_outside_encode(&outside, &bytes));
    }
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static enum sherd_err set_file(const struct fixture *fixture)
{
    const char *const files[] = {fixture->file};
    const struct sherd_outside outside = {.files = files, .file_count = 1};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};

    assert_ok(sherd_outside_encode(&outside, &bytes));
    return sherd_outside_put(fixture->sequencer, sherd_buf_span(&bytes));
}

static void grow(const struct fixture *fixture, uint8_t name)
{
    const struct sherd_store_op op = {
        .kind = SHERD_STORE_PUT, .name = {{0xff, name}}, .value = sherd_span_str("value")};
    struct sherd_event event = {.kind = SHERD_EVENT_PUT, .version = 1};

    assert_ok(sherd_changes_write(fixture->changes, &op, 1, &event, 1));
    assert_ok(sherd_sequencer_run(fixture->sequencer, NULL));
}

static void read_file(const struct fixture *fixture, struct sherd_buf *out)
{
    assert_ok(sherd_file_read(fixture->file, "", out));
}

static void test_anchor_outside__a_file_follows(void **state)
{
    const struct fixture *fixture = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf first = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf second = {0};

    assert_ok(set_file(fixture));
    read_file(fixture, &first);
    grow(fixture, 1);
    assert_ok(sherd_outside_check(fixture->sequencer)); /* it is behind, not the anchor */
    assert_ok(sherd_outside_publish(fixture->sequencer));
    read_file(fixture, &second);
    assert_true(first.len != second.len || memcmp(first.data, second.data, first.len) != 0);
    assert_ok(sherd_outside_check(fixture->sequencer));
}

/* Where the signature of Ed25519 ends: what follows it, by ML-DSA-44, is for others. */
static size_t first_signature_end(const struct sherd_buf *note)
{
    struct sherd_signed parts;
    struct sherd_span line;

    assert_ok(sherd_signed_parse(sherd_buf_span(note), &parts));
    assert_true(sherd_line_take(&parts.lines, &line));
    return note->len - parts.lines.len;
}

/* What the anchor does not need to believe in is put right. */
static void test_anchor_outside__what_others_believe_is_put_right(void **state)
{
    const struct fixture *fixture = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf after = {0};

    assert_ok(set_file(fixture));
    read_file(fixture, &note);
    const struct sherd_span cut = sherd_span_of(note.data, first_signature_end(&note));
    assert_ok(sherd_file_write(fixture->root, "checkpoint", cut));
    assert_ok(sherd_outside_check(fixture->sequencer));
    assert_ok(sherd_outside_publish(fixture->sequencer));
    read_file(fixture, &after);
    assert_true(sherd_span_equal(sherd_buf_span(&after), sherd_buf_span(&note)));
    assert_int_equal(cut.len < note.len, OpenSSL_version_num() >= 0x30500000UL);
}

static void test_anchor_outside__what_is_not_believed(void **state)
{
    const struct fixture *fixture = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};

    assert_ok(set_file(fixture));
    grow(fixture, 1);
    assert_ok(sherd_outside_publish(fixture->sequencer));
    read_file(fixture, &note);
    const size_t counting = first_signature_end(&note);
    for (size_t i = 0; i < counting; i++) { /* each byte of it counts */
        note.data[i] ^= 1;
        assert_ok(sherd_file_write(fixture->root, "checkpoint", sherd_buf_span(&note)));
        note.data[i] ^= 1;
        assert_int_not_equal(sherd_outside_check(fixture->sequencer), SHERD_OK);
        assert_int_not_equal(sherd_outside_publish(fixture->sequencer), SHERD_OK); /* nor is it written over */
    }
    assert_int_equal(unlink(fixture->file), 0);
    assert_err(SHERD_ERR_IO, sherd_outside_check(fixture->sequencer));
    assert_ok(sherd_outside_publish(fixture->sequencer));
    assert_ok(sherd_outside_check(fixture->sequencer));
}

static void test_anchor_outside__what_was_set_stays_from_round_to_round(void **state)
{
    const struct fixture *fixture = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf before = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf after = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};

    assert_ok(set_file(fixture));
    assert_ok(sherd_sequencer_outside(fixture->sequencer, &before, &note));
    assert_true(before.len > 0);
    for (uint8_t i = 1; i <= 3; i++)
        grow(fixture, i);
    assert_ok(sherd_sequencer_outside(fixture->sequencer, &after, &note));
    assert_true(before.len == after.len && memcmp(before.data, after.data, before.len) == 0);
}

#if SHERD_FAILPOINTS
static enum sherd_err fail_at(void *arg, const char *name)
{
    return strcmp(name, arg) == 0 ? sherd_fail(SHERD_ERR_IO, "as told") : SHERD_OK;
}

static void test_anchor_outside__a_file_that_fails_is_as_before(void **state)
{
    const struct fixture *fixture = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf before = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf after = {0};
    char before_file[] = "outside.before_file";

    assert_ok(set_file(fixture));
    read_file(fixture, &before);
    grow(fixture, 1);
    sherd_failpoint_set(fail_at, before_file);
    assert_err(SHERD_ERR_IO, sherd_outside_publish(fixture->sequencer));
    sherd_failpoint_set(NULL, NULL);
    read_file(fixture, &after);
    assert_true(before.len == after.len && memcmp(before.data, after.data, before.len) == 0);
    assert_ok(sherd_outside_publish(fixture->sequencer));
}
#endif

/* --- what witnesses cosigned -------------------------------------------------------------------------------------- */

static void test_anchor_outside__what_nobody_asked_for_is_not_kept(void **state)
{
    const struct fixture *fixture = *state;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf encoded = {0};
    const struct sherd_outside outside = {.policy = sherd_span_str("quorum none\n")};

    assert_ok(sherd_sequencer_outside(fixture->sequencer, &bytes, &note));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_outside_keep(fixture->sequencer, sherd_buf_span(&note)));
    assert_ok(sherd_outside_encode(&outside, &encoded));
    assert_ok(sherd_outside_put(fixture->sequencer, sherd_buf_span(&encoded)));
    assert_ok(sherd_outside_keep(fixture->sequencer, sherd_buf_span(&note)));
    note.data[note.len - 10] ^= 1;
    assert_err(SHERD_ERR_TAMPERED, sherd_outside_keep(fixture->sequencer, sherd_buf_span(&note)));
    assert_err(SHERD_ERR_TAMPERED, sherd_outside_keep(fixture->sequencer, sherd_span_str("no note")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_anchor_outside__##name, setup, teardown)
        T(golden_bytes),
        T(paths_that_are_none),
        T(a_file_follows),
        T(what_others_believe_is_put_right),
        T(what_is_not_believed),
        T(what_was_set_stays_from_round_to_round),
#if SHERD_FAILPOINTS
        T(a_file_that_fails_is_as_before),
#endif
        T(what_nobody_asked_for_is_not_kept),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
