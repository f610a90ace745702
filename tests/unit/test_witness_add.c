/* SPDX-License-Identifier: Apache-2.0 */
/* The witness: what it answers, what it keeps, and that it never signs two histories of one log. */
#include "base/failpoint.h"
#include "base/file.h"
#include "ledger.h"
#include "witness/witness.h"
#include <pthread.h>

#define NAME "w.example/w1"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

struct fixture {
    char dir[64];
    struct sherd_witness *witness;
    struct sherd_vkey vkey;
    char vkey_text[256];
};

static struct fixture fixture;

static void add_log(struct sherd_witness *witness)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    key_append(&text, 1, SHERD_VKEY_ED25519, LOG_ORIGIN);
    assert_ok(sherd_buf_append(&text, sherd_span_of("", 1)));
    assert_ok(sherd_witness_log_add(witness, (const char *)text.data));
}

static int setup(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    *state = &fixture;
    fixture = (struct fixture){.witness = NULL};
    if (tree_setup(state) != 0 || !folder_make(fixture.dir, sizeof(fixture.dir)))
        return -1;
    assert_ok(sherd_witness_make(fixture.dir, NAME));
    assert_ok(sherd_witness_open(fixture.dir, &fixture.witness));
    assert_ok(sherd_witness_vkey(fixture.witness, &text));
    assert_true(text.len < sizeof(fixture.vkey_text));
    memcpy(fixture.vkey_text, text.data, text.len);
    assert_ok(sherd_vkey_parse(sherd_span_str(fixture.vkey_text), &fixture.vkey));
    add_log(fixture.witness);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
#if SHERD_FAILPOINTS
    sherd_failpoint_set(NULL, NULL);
#endif
    sherd_witness_close(fixture.witness);
    folder_remove(fixture.dir);
    return 0;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* From old to size, as it should be. */
static void make_request(uint64_t old, uint64_t size, struct sherd_buf *out)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_growth growth = {.old_size = old};

    checkpoint_make(size, &note);
    growth.checkpoint = sherd_buf_span(&note);
    if (old <= size)
        assert_ok(sherd_consistency_prove(&tree_reader, old, size, &growth.path));
    assert_ok(sherd_growth_encode(&growth, out));
}

static unsigned say(struct sherd_span request, struct sherd_witness_answer *answer)
{
    assert_ok(sherd_witness_add_checkpoint(fixture.witness, request, answer));
    return answer->status;
}

static unsigned ask(uint64_t old, uint64_t size)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
    struct sherd_witness_answer answer = {0};

    make_request(old, size, &request);
    const unsigned status = say(sherd_buf_span(&request), &answer);
    sherd_buf_done(&answer.body);
    return status;
}

/* A checkpoint of that size over other leaves, signed by the log. */
static void make_fork(uint64_t old, uint64_t size, struct sherd_buf *out)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_checkpoint checkpoint = {.origin = sherd_span_str(LOG_ORIGIN), .head = tree_head(size)};
    struct sherd_growth growth = {.old_size = old};

    checkpoint.head.root.bytes[5] ^= 1;
    assert_ok(sherd_checkpoint_encode(&checkpoint, &text));
    assert_ok(log_sign(NULL, sherd_buf_span(&text), &note));
    growth.checkpoint = sherd_buf_span(&note);
    assert_ok(sherd_consistency_prove(&tree_reader, old, size, &growth.path));
    assert_ok(sherd_growth_encode(&growth, out));
}

/* What it has seen, as it says itself. */
static uint64_t seen_size(void)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
    struct sherd_witness_answer answer = {0};
    uint64_t size = 0;

    make_request(1199, 1200, &request);
    assert_int_equal(say(sherd_buf_span(&request), &answer), 409);
    assert_string_equal(answer.type, "text/x.tlog.size");
    assert_true(answer.body.len > 1 && answer.body.data[answer.body.len - 1] == '\n');
    assert_true(sherd_decimal_parse(sherd_span_of(answer.body.data, answer.body.len - 1), &size));
    sherd_buf_done(&answer.body);
    return size;
}

/* --- what it answers ---------------------------------------------------------------------------------------------- */

static void test_witness_add__cosigns_what_continues(void **state)
{
    static const uint64_t sizes[] = {0, 1, 2, 7, 8, 9, 255, 256, 257, 1000};
    uint64_t old = 0;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(sizes); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
        struct sherd_witness_answer answer = {0};
        struct sherd_signature signature;
        struct sherd_signed parts;
        struct sherd_span lines;
        struct sherd_growth growth;
        uint64_t time_s = 0;

        make_request(old, sizes[i], &request);
        assert_int_equal(say(sherd_buf_span(&request), &answer), 200);
        lines = sherd_buf_span(&answer.body);
        assert_ok(sherd_growth_decode(sherd_buf_span(&request), &growth));
        assert_ok(sherd_signed_parse(growth.checkpoint, &parts));
        assert_true(sherd_signed_next(&lines, &signature));
        assert_true(sherd_vkey_signed(&fixture.vkey, &signature));
        assert_ok(sherd_vkey_verify(&fixture.vkey, parts.text, &signature, &time_s));
        assert_true(time_s > 1700000000);
        assert_int_equal(lines.len, 0);
        sherd_buf_done(&answer.body);
        assert_int_equal(seen_size(), sizes[i]);
        assert_int_equal(ask(sizes[i], sizes[i]), 200); /* a heartbeat */
        old = sizes[i];
    }
}

/* The example of C2SP tlog-witness, section add-checkpoint. */
#define EXAMPLE_HEAD                                 \
    "old 20852014\n"                                 \
    "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n" \
    "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n" \
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n" \
    "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
#define EXAMPLE_NOTE                                                                                 \
    "example.com/behind-the-sofa\n"                                                                  \
    "20852163\n"                                                                                     \
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"                                                 \
    "\n"                                                                                             \
    "\xe2\x80\x94 example.com/behind-the-sofa "                                                      \
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n" \
    "\xe2\x80\x94 example.com/behind-the-sofa "                                                      \
    "opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n"

static void test_witness_add__the_published_example_is_understood(void **state)
{
    struct sherd_witness_answer answer = {0};

    (void)state;
    assert_int_equal(say(sherd_span_str(EXAMPLE_HEAD "\n" EXAMPLE_NOTE), &answer), 404); /* read, and unknown */
    sherd_buf_done(&answer.body);
}

static void test_witness_add__what_is_malformed_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "old 1\n",
        "old 1\n\n",
        EXAMPLE_HEAD EXAMPLE_NOTE,                                /* no empty line */
        "old 01\n\n" EXAMPLE_NOTE,                                /* another text for 1 */
        "old -1\n\n" EXAMPLE_NOTE,                                /**/
        "old  1\n\n" EXAMPLE_NOTE,                                /**/
        "Old 1\n\n" EXAMPLE_NOTE,                                 /**/
        "old 18446744073709551616\n\n" EXAMPLE_NOTE,              /* no number */
        "old 1\nAAAA\n\n" EXAMPLE_NOTE,                           /* no hash */
        "old 1\r\n\n" EXAMPLE_NOTE,                               /**/
        EXAMPLE_HEAD "\nexample.com\n1\nCsUYapGG\n\n",            /* no checkpoint */
        EXAMPLE_HEAD "\nexample.com/behind-the-sofa\n20852163\n", /* cut */
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++) {
        struct sherd_witness_answer answer = {0};

        assert_int_equal(say(sherd_span_str(bad[i]), &answer), 400);
        sherd_buf_done(&answer.body);
    }
}

static void test_witness_add__at_most_63_hashes(void **state)
{
    (void)state;
    for (unsigned count = 63; count <= 64; count++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
        struct sherd_witness_answer answer = {0};
        struct sherd_growth growth = {.path.count = count};

        checkpoint_make(9, &note);
        growth.checkpoint = sherd_buf_span(&note);
        assert_ok(sherd_growth_encode(&growth, &request));
        assert_int_equal(say(sherd_buf_span(&request), &answer), count == 63 ? 422 : 400);
        sherd_buf_done(&answer.body);
    }
}

static void test_witness_add__another_size_is_told(void **state)
{
    (void)state;
    assert_int_equal(ask(5, 9), 409);
    assert_int_equal(ask(0, 9), 200);
    assert_int_equal(ask(0, 9), 409);
    assert_int_equal(ask(0, 12), 409);
    assert_int_equal(ask(8, 12), 409);
    assert_int_equal(ask(0, 8), 409); /* never back */
    assert_int_equal(ask(8, 8), 409);
    assert_int_equal(ask(9, 8), 400); /* the older is the larger one */
    assert_int_equal(seen_size(), 9);
}

static void test_witness_add__a_second_history_is_refused(void **state)
{
    static const struct {
        uint64_t old;
        uint64_t size;
    } forks[] = {{9, 9}, {9, 10}, {9, 500}};

    (void)state;
    assert_int_equal(ask(0, 9), 200);
    for (size_t i = 0; i < SHERD_COUNT_OF(forks); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
        struct sherd_witness_answer answer = {0};

        make_fork(forks[i].old, forks[i].size, &request);
        assert_int_equal(say(sherd_buf_span(&request), &answer), 422);
        sherd_buf_done(&answer.body);
        assert_int_equal(seen_size(), 9);
    }
    assert_int_equal(ask(9, 10), 200);
}

static void test_witness_add__an_empty_tree_has_one_root(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
    struct sherd_witness_answer answer = {0};

    (void)state;
    make_fork(0, 0, &request);
    assert_int_equal(say(sherd_buf_span(&request), &answer), 422);
    sherd_buf_done(&answer.body);
    assert_int_equal(ask(0, 0), 200);
}

static void test_witness_add__the_log_must_have_signed(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
    struct sherd_witness_answer answer = {0};
    const struct sherd_checkpoint checkpoint = {.origin = sherd_span_str(LOG_ORIGIN), .head = tree_head(4)};
    struct sherd_growth growth = {.old_size = 0};
    uint8_t other = 2;

    (void)state;
    assert_ok(sherd_checkpoint_encode(&checkpoint, &text));
    assert_ok(log_sign(&other, sherd_buf_span(&text), &note));
    growth.checkpoint = sherd_buf_span(&note);
    assert_ok(sherd_growth_encode(&growth, &request));
    assert_int_equal(say(sherd_buf_span(&request), &answer), 403);
    sherd_buf_done(&answer.body);

    /* One by the log's key that is false spoils it, whatever else stands there. */
    sherd_buf_done(&request);
    make_request(0, 4, &request);
    for (size_t i = request.len - 10; i < request.len - 8; i++)
        request.data[i] = request.data[i] == 'A' ? 'B' : 'A';
    answer = (struct sherd_witness_answer){0};
    assert_int_equal(say(sherd_buf_span(&request), &answer), 403);
    sherd_buf_done(&answer.body);
    assert_int_equal(seen_size(), 0);
}

static void test_witness_add__a_mutated_request_never_moves_it_back(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
    uint64_t dice_state = 20260101;
    unsigned cosigned = 0;

    (void)state;
    assert_int_equal(ask(0, 100), 200);
    make_request(100, 300, &request);
    for (unsigned i = 0; i < 3000; i++) {
        const size_t at = dice(&dice_state) % request.len;
        const uint8_t before = request.data[at];
        struct sherd_witness_answer answer = {0};

        request.data[at] = (uint8_t)(before ^ (1U << (dice(&dice_state) % 8)));
        const unsigned status = say(sherd_buf_span(&request), &answer);
        cosigned += status == 200;
        request.data[at] = before;
        sherd_buf_done(&answer.body);
    }
    assert_int_equal(cosigned, 0);
    assert_int_equal(seen_size(), 100);
    assert_int_equal(ask(100, 300), 200);
}

/* --- what it keeps ------------------------------------------------------------------------------------------------ */

static void test_witness_add__what_it_cosigned_is_shown(void **state)
{
    char hash[65];
    struct sherd_digest digest;
    const struct sherd_span origin = sherd_span_str(LOG_ORIGIN);
    struct sherd_witness_answer answer = {0};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = log_policy();
    struct sherd_checkpoint checkpoint;

    (void)state;
    assert_ok(sherd_hash(SHERD_SHA256, &origin, 1, digest.bytes));
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(hash + 2 * i, 3, "%02x", digest.bytes[i]);
    assert_ok(sherd_witness_checkpoint(fixture.witness, sherd_span_str(hash), &answer));
    assert_int_equal(answer.status, 404);
    sherd_buf_done(&answer.body);
    assert_int_equal(ask(0, 33), 200);
    assert_ok(sherd_witness_checkpoint(fixture.witness, sherd_span_str(hash), &answer));
    assert_int_equal(answer.status, 200);
    assert_ok(sherd_checkpoint_verify(sherd_buf_span(&answer.body), policy, &checkpoint, NULL));
    assert_int_equal(checkpoint.head.size, 33);
    sherd_buf_done(&answer.body);
    static const char *const bad[] = {"", "../key", "00", ZEROS};
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++) {
        assert_ok(sherd_witness_checkpoint(fixture.witness, sherd_span_str(bad[i]), &answer));
        assert_int_equal(answer.status, 404);
        sherd_buf_done(&answer.body);
    }
}

static void test_witness_add__it_remembers(void **state)
{
    (void)state;
    assert_int_equal(ask(0, 40), 200);
    sherd_witness_close(fixture.witness);
    fixture.witness = NULL;
    assert_ok(sherd_witness_open(fixture.dir, &fixture.witness));
    assert_int_equal(seen_size(), 40);
    assert_int_equal(ask(40, 41), 200);
    assert_err(SHERD_ERR_CONFLICT, sherd_witness_make(fixture.dir, NAME));
    assert_int_equal(seen_size(), 41);
}

static void test_witness_add__a_log_is_added_once(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    (void)state;
    assert_int_equal(ask(0, 40), 200);
    key_append(&text, 3, SHERD_VKEY_ED25519, LOG_ORIGIN); /* another key of that name */
    assert_ok(sherd_buf_append(&text, sherd_span_of("", 1)));
    assert_err(SHERD_ERR_CONFLICT, sherd_witness_log_add(fixture.witness, (const char *)text.data));
    assert_int_equal(seen_size(), 40);
    assert_err(SHERD_ERR_INVALID, sherd_witness_log_add(fixture.witness, fixture.vkey_text)); /* a witness's */
    assert_err(SHERD_ERR_INVALID, sherd_witness_log_add(fixture.witness, "no key"));
}

/* The one file of the one log. */
static enum sherd_err find_file(void *arg, const struct sherd_witness_log *log)
{
    struct sherd_digest digest;
    char *path = arg;

    assert_ok(sherd_hash(SHERD_SHA256, &log->origin, 1, digest.bytes));
    memcpy(path, "logs/", sizeof("logs/"));
    for (size_t i = 0; i < 32; i++)
        (void)snprintf(path + 5 + 2 * i, 3, "%02x", digest.bytes[i]);
    return SHERD_OK;
}

static void test_witness_add__a_changed_memory_cosigns_nothing(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
    char path[80];

    (void)state;
    assert_int_equal(ask(0, 40), 200);
    assert_ok(sherd_witness_log_each(fixture.witness, find_file, path));
    assert_ok(sherd_file_read(fixture.dir, path, &file));
    make_request(40, 41, &request);
    for (size_t i = 0; i < file.len; i++) {
        struct sherd_witness_answer answer = {0};

        file.data[i] ^= 1;
        assert_ok(sherd_file_write(fixture.dir, path, sherd_buf_span(&file)));
        file.data[i] ^= 1;
        assert_err(SHERD_ERR_TAMPERED,
                   sherd_witness_add_checkpoint(fixture.witness, sherd_buf_span(&request), &answer));
        assert_int_equal(answer.body.len, 0);
        sherd_buf_done(&answer.body);
    }
    assert_ok(sherd_file_write(fixture.dir, path, sherd_buf_span(&file)));
    assert_int_equal(ask(40, 41), 200);
}

#if SHERD_FAILPOINTS
static enum sherd_err fail_at(void *arg, const char *name)
{
    return strcmp(name, arg) == 0 ? sherd_fail(SHERD_ERR_IO, "as told") : SHERD_OK;
}

static void test_witness_add__durable_before_it_is_given(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
    struct sherd_witness_answer answer = {0};
    char before_state[] = "witness.before_state";
    char before_answer[] = "witness.before_answer";

    (void)state;
    make_request(0, 7, &request);
    sherd_failpoint_set(fail_at, before_state);
    assert_err(SHERD_ERR_IO, sherd_witness_add_checkpoint(fixture.witness, sherd_buf_span(&request), &answer));
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(answer.body.len, 0);
    assert_int_equal(seen_size(), 0);
    sherd_failpoint_set(fail_at, before_answer);
    assert_err(SHERD_ERR_IO, sherd_witness_add_checkpoint(fixture.witness, sherd_buf_span(&request), &answer));
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(answer.body.len, 0);
    assert_int_equal(seen_size(), 7); /* it is bound, though nobody was told */
    assert_int_equal(ask(7, 7), 200);
    sherd_buf_done(&answer.body);
}
#endif

/* --- who comes at once -------------------------------------------------------------------------------------------- */

#define RACERS 8U

static void *race(void *arg)
{
    const uint64_t size = 10 + *(const uint64_t *)arg;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf request = {0};
    struct sherd_witness_answer answer = {0};

    make_request(5, size, &request);
    const unsigned status = say(sherd_buf_span(&request), &answer);
    sherd_buf_done(&answer.body);
    return status == 200 ? arg : NULL;
}

static void test_witness_add__of_those_who_come_at_once_one_is_cosigned(void **state)
{
    pthread_t threads[RACERS];
    uint64_t numbers[RACERS];
    uint64_t won = 0;
    unsigned winners = 0;

    (void)state;
    assert_int_equal(ask(0, 5), 200);
    for (size_t i = 0; i < RACERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, race, &numbers[i]), 0);
    }
    for (size_t i = 0; i < RACERS; i++) {
        void *result = NULL;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        winners += result != NULL;
        won = result != NULL ? 10 + *(uint64_t *)result : won;
    }
    assert_int_equal(winners, 1);
    assert_int_equal(seen_size(), won);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_witness_add__##name, setup, teardown)
        T(cosigns_what_continues),
        T(the_published_example_is_understood),
        T(what_is_malformed_is_refused),
        T(at_most_63_hashes),
        T(another_size_is_told),
        T(a_second_history_is_refused),
        T(an_empty_tree_has_one_root),
        T(the_log_must_have_signed),
        T(a_mutated_request_never_moves_it_back),
        T(what_it_cosigned_is_shown),
        T(it_remembers),
        T(a_log_is_added_once),
        T(a_changed_memory_cosigns_nothing),
#if SHERD_FAILPOINTS
        T(durable_before_it_is_given),
#endif
        T(of_those_who_come_at_once_one_is_cosigned),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
