/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of what is asked of the ledger: every leaf of a range is met once, in either direction and across pages, and
 * proved to be in the tree that was asked for.
 */
#include "anchor/ledger/leaves.h"
#include "ledger.h"
#include "ledger/opening.h"

/* More than one call looks at, and no multiple of anything. */
#define LEAVES 17001U
#define APPEND 4096U
/* Each so manieth leaf is about the record. */
#define STEP 97U

static const uint8_t deployment[16] = {0xd1};
static const uint8_t seed[32] = {0x5e, 0xed};

struct fixture {
    char root[40];
    char dir[48];
    struct sherd_policy *policy;
    struct sherd_leaf_keys *keys;
    struct sherd_log *log;
    struct sherd_tree_head head;
};

static struct sherd_ref record_of(uint64_t index)
{
    return (struct sherd_ref){{0xaa, index % STEP == 0 ? 1 : 2}};
}

static struct sherd_event event_of(uint64_t index)
{
    struct sherd_event event = {.kind = index % (2 * STEP) == 0 ? SHERD_EVENT_PUT : SHERD_EVENT_DELETE,
                                .time_ns = index * 1000000000U,
                                .version = index + 1,
                                .subject = record_of(index),
                                .entity = {{0xee, (uint8_t)(index % 1000 == 7)}}};

    memcpy(event.id, &index, sizeof(index));
    return event;
}

static int append_all(struct fixture *fixture)
{
    static uint8_t blocks[APPEND][SHERD_LEAF_BYTES_MAX];
    static struct sherd_span entries[APPEND];

    for (uint64_t done = 0; done < LEAVES;) {
        size_t count = 0;

        for (; count < APPEND && done < LEAVES; done++, count++) {
            const struct sherd_event event = event_of(done);

            entries[count].data = blocks[count];
            if (sherd_leaf_encode(fixture->keys, &event, blocks[count], &entries[count].len) != SHERD_OK)
                return -1;
        }
        if (sherd_log_append(fixture->log, entries, count, NULL) != SHERD_OK)
            return -1;
    }
    return 0;
}

static int setup(void **state)
{
    static struct fixture fixture;

    if (sherd_crypto_init() != SHERD_OK || !folder_make(fixture.root, sizeof(fixture.root)))
        return -1;
    (void)snprintf(fixture.dir, sizeof(fixture.dir), "%s/log", fixture.root);
    fixture.policy = log_policy();
    if (sherd_leaf_keys_new(sherd_span_of(seed, sizeof(seed)), deployment, &fixture.keys) != SHERD_OK ||
        sherd_log_make(fixture.dir, sherd_span_str(LOG_ORIGIN), &log_signer) != SHERD_OK ||
        sherd_log_open(fixture.dir, fixture.policy, &log_signer, &fixture.log) != SHERD_OK || append_all(&fixture) != 0)
        return -1;
    fixture.head = sherd_log_checkpoint(fixture.log)->head;
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    sherd_log_close(fixture->log);
    sherd_policy_free(fixture->policy);
    sherd_leaf_keys_free(fixture->keys);
    folder_remove(fixture->root);
    return 0;
}

/* What was found, in the order in which it was. */
struct finds {
    const struct fixture *fixture;
    struct sherd_tree_head head; /* that is proved against */
    size_t count;
    uint64_t indexes[LEAVES];
};

static enum sherd_err take(void *arg, const struct sherd_leaf_found *found)
{
    struct finds *finds = arg;
    const struct sherd_proof proof = {.index = found->index, .path = found->path};
    const struct sherd_event event = event_of(found->index);
    const struct sherd_opening opening = {.leaf = found->leaf,
                                          .subject_shown = true,
                                          .subject = event.subject,
                                          .subject_blind = found->blinds[SHERD_LEAF_SUBJECT],
                                          .actor_shown = true,
                                          .entity = event.entity,
                                          .actor_blind = found->blinds[SHERD_LEAF_ACTOR]};
    struct sherd_leaf leaf;

    assert_ok(sherd_proof_verify_in(&proof, found->leaf, &finds->head));
    assert_ok(sherd_opening_verify(&opening, &leaf));
    assert_int_equal(found->event.version, event.version);
    assert_true(finds->count < LEAVES);
    finds->indexes[finds->count++] = found->index;
    return SHERD_OK;
}

/* All of a query, page by page. @return how many calls it took */
static unsigned find(const struct fixture *fixture, struct sherd_leaf_query query, struct finds *finds)
{
    unsigned calls = 0;
    uint64_t next;

    finds->fixture = fixture;
    finds->head = fixture->head;
    finds->count = 0;
    while (query.from < query.to) {
        const size_t before = finds->count;

        assert_ok(sherd_leaves_find(fixture->log, fixture->keys, &query, take, finds, &next));
        assert_true(next >= query.from && next <= query.to && next != (query.backwards ? query.to : query.from));
        assert_true(finds->count - before <= query.count_max);
        if (query.backwards)
            query.to = next;
        else
            query.from = next;
        calls++;
    }
    return calls;
}

static void test_anchor_leaves__all_are_met_once(void **state)
{
    static struct finds finds;
    const struct fixture *fixture = *state;

    for (unsigned backwards = 0; backwards < 2; backwards++) {
        struct sherd_leaf_query query = {
            .size = LEAVES, .to = 1000, .backwards = backwards == 1, .count_max = 100, .about = SHERD_LEAVES_ALL};

        query.from = 3;
        assert_int_equal(find(fixture, query, &finds), 10);
        assert_int_equal(finds.count, 997);
        for (size_t i = 0; i < finds.count; i++)
            assert_int_equal(finds.indexes[i], backwards == 1 ? 999 - i : 3 + i);
    }
}

static void test_anchor_leaves__of_a_record_across_pages(void **state)
{
    static struct finds finds;
    const struct fixture *fixture = *state;
    const size_t expected = (LEAVES + STEP - 1) / STEP;

    for (unsigned backwards = 0; backwards < 2; backwards++) {
        const struct sherd_leaf_query query = {.size = LEAVES,
                                               .to = LEAVES,
                                               .backwards = backwards == 1,
                                               .count_max = SHERD_LEAVES_MAX,
                                               .about = SHERD_LEAVES_RECORD,
                                               .id = record_of(0)};

        assert_int_equal(find(fixture, query, &finds), 2); /* as much as one call looks at, and the rest */
        assert_int_equal(finds.count, expected);
        for (size_t i = 0; i < finds.count; i++)
            assert_int_equal(finds.indexes[i], STEP * (backwards == 1 ? expected - 1 - i : i));
    }
}

/* Of a version only what made it; of an id whatever has it, also inside what is sealed. */
static void test_anchor_leaves__of_versions_and_ids(void **state)
{
    static struct finds finds;
    const struct fixture *fixture = *state;
    struct sherd_leaf_query query = {.size = LEAVES,
                                     .to = LEAVES,
                                     .backwards = true,
                                     .count_max = 1,
                                     .about = SHERD_LEAVES_RECORD,
                                     .id = record_of(0),
                                     .version = 2 * STEP + 1};

    (void)find(fixture, query, &finds);
    assert_int_equal(finds.count, 1);
    assert_int_equal(finds.indexes[0], 2 * STEP);
    query.version = STEP + 1; /* that was a deletion */
    (void)find(fixture, query, &finds);
    assert_int_equal(finds.count, 0);
    query = (struct sherd_leaf_query){
        .size = LEAVES, .to = LEAVES, .count_max = SHERD_LEAVES_MAX, .about = SHERD_LEAVES_ID, .id = {{0xee, 1}}};
    (void)find(fixture, query, &finds);
    assert_int_equal(finds.count, 17);
    for (size_t i = 0; i < finds.count; i++)
        assert_int_equal(finds.indexes[i], 1000 * i + 7);
}

/* The tree may be an older one than the log has: what is found is proved to be in that. */
static void test_anchor_leaves__in_an_older_tree(void **state)
{
    static struct finds finds;
    const struct fixture *fixture = *state;
    const struct sherd_leaf_query query = {.size = 300, .to = 300, .count_max = 300, .about = SHERD_LEAVES_ALL};
    struct fixture older = *fixture;

    older.head.size = 300;
    assert_ok(sherd_log_root(fixture->log, 300, &older.head.root));
    (void)find(&older, query, &finds);
    assert_int_equal(finds.count, 300);
}

static enum sherd_err stop(void *arg, const struct sherd_leaf_found *found)
{
    (void)arg;
    (void)found;
    return sherd_fail(SHERD_ERR_CONFLICT, "enough");
}

static void test_anchor_leaves__what_cannot_be_asked(void **state)
{
    const struct fixture *fixture = *state;
    static const struct sherd_leaf_query queries[] = {
        {.size = 10, .from = 5, .to = 4, .count_max = 1, .about = SHERD_LEAVES_ALL},
        {.size = 10, .from = 5, .to = 11, .count_max = 1, .about = SHERD_LEAVES_ALL},
        {.size = LEAVES + 1, .to = 4, .count_max = 1, .about = SHERD_LEAVES_ALL},
        {.size = 10, .to = 4, .about = SHERD_LEAVES_ALL},
    };
    struct sherd_leaf_query query = {.size = LEAVES, .to = LEAVES, .count_max = 1, .about = SHERD_LEAVES_ALL};
    uint64_t next = 77;

    for (size_t i = 0; i < SHERD_COUNT_OF(queries); i++)
        assert_err(SHERD_ERR_INVALID, sherd_leaves_find(fixture->log, fixture->keys, &queries[i], stop, NULL, &next));
    assert_err(SHERD_ERR_CONFLICT, sherd_leaves_find(fixture->log, fixture->keys, &query, stop, NULL, &next));
    query.backwards = true;
    assert_err(SHERD_ERR_CONFLICT, sherd_leaves_find(fixture->log, fixture->keys, &query, stop, NULL, &next));
    query.to = 0; /* an empty range */
    assert_ok(sherd_leaves_find(fixture->log, fixture->keys, &query, stop, NULL, &next));
    assert_int_equal(next, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anchor_leaves__all_are_met_once),
        cmocka_unit_test(test_anchor_leaves__of_a_record_across_pages),
        cmocka_unit_test(test_anchor_leaves__of_versions_and_ids),
        cmocka_unit_test(test_anchor_leaves__in_an_older_tree),
        cmocka_unit_test(test_anchor_leaves__what_cannot_be_asked),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
