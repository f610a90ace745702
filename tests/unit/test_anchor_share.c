/* SPDX-License-Identifier: Apache-2.0 */
/* Shares: what any k give, and that each kind of bad share is refused and named. */
#include "base/failpoint.h"
#include "share.h"
#include <stdio.h>

static enum sherd_err combine(const struct sherd_share *shares, size_t count, const struct sherd_share_set *set,
                              size_t *out_bad)
{
    uint8_t secret[SHERD_SHARE_SECRET_SIZE] = "unchanged unless it is right...";
    uint8_t before[SHERD_SHARE_SECRET_SIZE];
    const enum sherd_err err = (memcpy(before, secret, sizeof(before)),
                                sherd_share_combine(shares, count, set, secret, out_bad));

    assert_memory_equal(secret, err == SHERD_OK ? share_secret : before, sizeof(secret));
    return err;
}

/* Refused with this code, and the share at `at` named, by its place and in the words. */
static void assert_named(const struct sherd_share *shares, size_t count, const struct sherd_share_set *set,
                         enum sherd_err code, size_t at)
{
    char name[32];
    size_t bad = 12345;

    assert_int_equal(combine(shares, count, set, &bad), code);
    assert_int_equal(bad, at);
    (void)snprintf(name, sizeof(name), "share %u ", shares[at].index);
    assert_true(share_said(name));
}

/* --- what is dealt ------------------------------------------------------------------------------------------------ */

/* The bytes that tests/vectors/gen_share.py prints. */
static void test_anchor_share__bytes_are_those_of_the_format(void **state)
{
    struct share_fixture *dealt = share_deal_known();
    uint8_t expected[512];
    uint8_t block[512];
    uint8_t bytes[SHERD_SHARE_BYTES];
    struct sherd_buf set = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span golden;

    (void)state;
    sherd_share_encode(&dealt->shares[1], bytes);
    golden = hex_read("0101a0a1a2a3a4a5a6a70000000202020326b953c46a1e8f23be5acb67f2862cbb4dd278ef8135a448d571e08c02ad"
                      "47d0fb2fc98bd5ebeadd3d625b55c62563788c5f8b4d7c3095bda1caa42624c6ec4d",
                      expected, sizeof(expected));
    assert_int_equal(golden.len, SHERD_SHARE_BYTES);
    assert_memory_equal(bytes, golden.data, golden.len);
    golden = hex_read("0101a0a1a2a3a4a5a6a70000000202038a4a6704b8d1744b3706ada42f649bfc66524bec8b1762abf75c9685c18b241e"
                      "153929d13c43324f4cf5799b0aa5caf1c2f9ef23ade8c326fdd43ad59f169002"
                      "e08372881988c8eed8fc4752e64ae552ebae0ef5999fe688d5526e404ab2d281",
                      expected, sizeof(expected));
    assert_int_equal(sherd_share_set_encode(&dealt->set, &set), SHERD_OK);
    assert_int_equal(set.len, golden.len);
    assert_memory_equal(block, golden.data, golden.len);
    test_free(dealt);
}

static void check_deal(const struct sherd_share_deal *deal)
{
    struct share_fixture *dealt = test_malloc(sizeof(*dealt));
    struct sherd_share *chosen = test_malloc(sizeof(dealt->shares));
    const size_t threshold = deal->threshold == SHERD_SHAMIR_COPIES ? 1 : deal->threshold;

    assert_int_equal(sherd_share_split(share_secret, deal, dealt->shares, &dealt->set), SHERD_OK);
    for (size_t i = 0; i < deal->count; i++)
        assert_int_equal(sherd_share_check(&dealt->shares[i], &dealt->set), SHERD_OK);
    for (size_t first = 0; first < deal->count; first += deal->count > 20 ? 127 : 1) {
        for (size_t i = 0; i < threshold; i++)
            chosen[i] = dealt->shares[(first + i) % deal->count];
        assert_int_equal(combine(chosen, threshold, &dealt->set, NULL), SHERD_OK);
        assert_int_equal(combine(chosen, threshold, NULL, NULL), SHERD_OK);
        if (threshold > 1)
            assert_int_equal(combine(chosen, threshold - 1, &dealt->set, NULL), SHERD_ERR_INVALID);
    }
    assert_int_equal(combine(dealt->shares, deal->count, &dealt->set, NULL), SHERD_OK);
    assert_int_equal(combine(dealt->shares, deal->count, NULL, NULL), SHERD_OK);
    test_free(dealt);
    test_free(chosen);
}

static void test_anchor_share__any_threshold_gives_the_secret(void **state)
{
    static const struct {
        enum sherd_share_kind kind;
        size_t threshold, count;
    } cases[] = {{SHERD_SHARE_SHAMIR, 2, 2},
                 {SHERD_SHARE_SHAMIR, 3, 5},
                 {SHERD_SHARE_SHAMIR, 7, 12},
                 {SHERD_SHARE_SHAMIR, 2, 255},
                 {SHERD_SHARE_SHAMIR, 255, 255},
                 {SHERD_SHARE_SHAMIR, SHERD_SHAMIR_COPIES, 1},
                 {SHERD_SHARE_SHAMIR, SHERD_SHAMIR_COPIES, 4},
                 {SHERD_SHARE_XOR, 2, 2},
                 {SHERD_SHARE_XOR, 5, 5},
                 {SHERD_SHARE_XOR, 255, 255}};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        const struct sherd_share_deal deal = {
            .kind = cases[i].kind, .threshold = cases[i].threshold, .count = cases[i].count, .generation = 1};

        check_deal(&deal);
    }
}

static void test_anchor_share_split__refuses_what_makes_no_sense(void **state)
{
    static const struct sherd_share_deal cases[] = {
        {SHERD_SHARE_SHAMIR, 2, 3, 0, NULL},   {SHERD_SHARE_SHAMIR, 1, 3, 1, NULL},
        {SHERD_SHARE_SHAMIR, 0, 3, 1, NULL},   {SHERD_SHARE_SHAMIR, 4, 3, 1, NULL},
        {SHERD_SHARE_SHAMIR, 2, 256, 1, NULL}, {SHERD_SHARE_SHAMIR, 2, 0, 1, NULL},
        {SHERD_SHARE_XOR, 2, 3, 1, NULL},      {SHERD_SHARE_XOR, 1, 1, 1, NULL},
        {SHERD_SHARE_XOR, 256, 256, 1, NULL},  {(enum sherd_share_kind)0, 2, 3, 1, NULL}};
    struct share_fixture *dealt = test_malloc(sizeof(*dealt));

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++)
        assert_int_equal(sherd_share_split(share_secret, &cases[i], dealt->shares, &dealt->set), SHERD_ERR_INVALID);
    test_free(dealt);
}

static enum sherd_err no_fill(uint8_t *block, size_t size)
{
    memset(block, 1, size);
    return SHERD_ERR_IO;
}

static void test_anchor_share_split__leaves_nothing_where_there_is_no_randomness(void **state)
{
    static const struct sherd_random_source none = {.fill = no_fill};
    static const struct share_fixture zeros;
    const struct sherd_share_deal deal = {.kind = SHERD_SHARE_SHAMIR, .threshold = 2, .count = 3, .generation = 1};
    struct share_fixture *dealt = test_malloc(sizeof(*dealt));

    (void)state;
    memset(dealt, 0x5a, sizeof(*dealt));
    sherd_random_set(&none);
    assert_int_equal(sherd_share_split(share_secret, &deal, dealt->shares, &dealt->set), SHERD_ERR_IO);
    sherd_random_set(NULL);
    assert_memory_equal(dealt->shares, zeros.shares, 3 * sizeof(*zeros.shares));
    assert_memory_equal(&dealt->set, &zeros.set, sizeof(zeros.set));
    test_free(dealt);
}

static void test_anchor_share_split__never_deals_the_same_twice(void **state)
{
    struct share_fixture *one = share_deal(2, 2, 1, NULL);
    struct share_fixture *two = share_deal(2, 2, 1, NULL);

    (void)state;
    assert_memory_not_equal(one->set.set_id, two->set.set_id, sizeof(one->set.set_id));
    for (size_t i = 0; i < 2; i++)
        assert_memory_not_equal(one->shares[i].value, two->shares[i].value, sizeof(one->shares[i].value));
    test_free(one);
    test_free(two);
}

/* --- one share by itself ------------------------------------------------------------------------------------------ */

static void test_anchor_share_check__names_another_set_and_another_generation(void **state)
{
    struct share_fixture *now = share_deal(2, 3, 5, share_set_id);
    struct share_fixture *old = share_deal(3, 4, 4, share_set_id); /* of another k and n, too */
    struct share_fixture *newer = share_deal(2, 3, 6, share_set_id);
    struct share_fixture *other = share_deal(2, 3, 5, NULL);

    (void)state;
    assert_int_equal(sherd_share_check(&other->shares[2], &now->set), SHERD_ERR_INVALID);
    assert_true(share_said("share 3 is of another set"));
    assert_int_equal(sherd_share_check(&old->shares[3], &now->set), SHERD_ERR_INVALID);
    assert_true(share_said("share 4 is stale: it is of generation 4, and 5 has replaced that"));
    assert_int_equal(sherd_share_check(&newer->shares[0], &now->set), SHERD_ERR_INVALID);
    assert_true(share_said("share 1 is of generation 6, newer than the seal, which has 5"));
    test_free(now);
    test_free(old);
    test_free(newer);
    test_free(other);
}

static void assert_forged(const struct sherd_share *share, const struct sherd_share_set *set)
{
    assert_int_equal(sherd_share_check(share, set), SHERD_ERR_TAMPERED);
    assert_true(share_said("was forged or changed"));
}

static void test_anchor_share_check__sees_each_field(void **state)
{
    struct share_fixture *dealt = share_deal(2, 3, 5, NULL);
    const struct sherd_share good = dealt->shares[0];
    struct sherd_share share = good;

    (void)state;
    assert_int_equal(sherd_share_check(&share, &dealt->set), SHERD_OK);
    for (size_t i = 0; i < sizeof(share.value); i++) {
        share.value[i] ^= 0x10;
        assert_forged(&share, &dealt->set);
        share = good;
    }
    for (size_t i = 0; i < sizeof(share.set_commitment); i++) {
        share.set_commitment[i] ^= 1;
        assert_forged(&share, &dealt->set);
        share = good;
    }
    for (unsigned index = 0; index < 256; index++) { /* another's number, and those beyond the set */
        share.index = (uint8_t)index;
        if (index != 1)
            assert_forged(&share, &dealt->set);
    }
    share = good;
    share.kind = SHERD_SHARE_XOR;
    assert_forged(&share, &dealt->set);
    share = good;
    share.threshold = 3;
    assert_forged(&share, &dealt->set);
    share = good;
    share.count = 4;
    assert_forged(&share, &dealt->set);
    test_free(dealt);
}

/* --- combining ---------------------------------------------------------------------------------------------------- */

/* One forged share of k, at each place: in its value, so that the others would combine to a wrong secret. */
static void check_forged(size_t threshold, size_t count, bool with_set)
{
    struct share_fixture *dealt = share_deal(threshold, count, 1, NULL);

    for (size_t at = 0; at < count; at++) {
        struct sherd_share *share = &dealt->shares[at];

        share->value[at % SHERD_SHARE_SECRET_SIZE] ^= 0x40;
        assert_named(dealt->shares, count, with_set ? &dealt->set : NULL, SHERD_ERR_TAMPERED, at);
        share->value[at % SHERD_SHARE_SECRET_SIZE] ^= 0x40;
        share->mac[at % SHERD_SHARE_TAG_SIZE] ^= 1;
        assert_named(dealt->shares, count, with_set ? &dealt->set : NULL, SHERD_ERR_TAMPERED, at);
        share->mac[at % SHERD_SHARE_TAG_SIZE] ^= 1;
    }
    assert_int_equal(combine(dealt->shares, count, NULL, NULL), SHERD_OK);
    test_free(dealt);
}

static void test_anchor_share_combine__names_the_forged_one_of_k(void **state)
{
    (void)state;
    check_forged(2, 2, true);
    check_forged(3, 3, true);
    check_forged(5, 5, true);
    check_forged(3, 7, true);
    check_forged(20, 20, true);
}

static void test_anchor_share_combine__names_the_forged_one_without_the_set_if_there_is_one_more(void **state)
{
    (void)state;
    check_forged(2, 3, false);
    check_forged(3, 4, false);
    check_forged(5, 6, false);
    check_forged(12, 13, false);
}

/* With k alone and no set, all that can be said is that one is bad; a wrong MAC is still somebody's. */
static void test_anchor_share_combine__sees_the_forged_one_of_k_without_the_set(void **state)
{
    struct share_fixture *dealt = share_deal(3, 5, 1, NULL);

    (void)state;
    for (size_t at = 0; at < 3; at++) {
        size_t bad = 12345;

        dealt->shares[at].value[0] ^= 1;
        assert_int_equal(combine(dealt->shares, 3, NULL, &bad), SHERD_ERR_TAMPERED);
        assert_int_equal(bad, SHERD_SHARE_NONE);
        assert_true(share_said("give another one too"));
        dealt->shares[at].value[0] ^= 1;
        dealt->shares[at].mac[0] ^= 1;
        assert_named(dealt->shares, 3, NULL, SHERD_ERR_TAMPERED, at);
        dealt->shares[at].mac[0] ^= 1;
    }
    test_free(dealt);
}

static void test_anchor_share_combine__xor_and_copies_name_a_forged_one(void **state)
{
    static const struct sherd_share_deal deals[] = {{SHERD_SHARE_XOR, 4, 4, 1, NULL},
                                                    {SHERD_SHARE_SHAMIR, SHERD_SHAMIR_COPIES, 4, 1, NULL}};
    struct share_fixture *dealt = test_malloc(sizeof(*dealt));

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(deals); i++) {
        assert_int_equal(sherd_share_split(share_secret, &deals[i], dealt->shares, &dealt->set), SHERD_OK);
        for (size_t at = 0; at < 4; at++) {
            dealt->shares[at].value[3] ^= 2;
            assert_named(dealt->shares, 4, &dealt->set, SHERD_ERR_TAMPERED, at);
            assert_int_equal(combine(dealt->shares, 4, NULL, NULL), SHERD_ERR_TAMPERED);
            dealt->shares[at].value[3] ^= 2;
        }
    }
    test_free(dealt);
}

static void test_anchor_share_combine__refuses_zero_twice_and_too_few(void **state)
{
    struct share_fixture *dealt = share_deal(3, 5, 1, NULL);
    const struct sherd_share_set *sets[] = {&dealt->set, NULL};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sherd_share shares[4] = {dealt->shares[0], dealt->shares[1], dealt->shares[0], dealt->shares[3]};
        size_t bad = 12345;

        assert_named(shares, 3, sets[i], SHERD_ERR_INVALID, 2);
        assert_true(share_said("share 1 is given twice"));
        assert_named(shares, 4, sets[i], SHERD_ERR_INVALID, 2);
        assert_int_equal(combine(shares, 2, sets[i], &bad), SHERD_ERR_INVALID);
        assert_int_equal(bad, SHERD_SHARE_NONE);
        assert_true(share_said("3 shares are needed, and 2 given"));
        assert_int_equal(combine(shares, 0, sets[i], &bad), SHERD_ERR_INVALID);
        assert_int_equal(combine(shares, 256, sets[i], &bad), SHERD_ERR_INVALID);
        shares[2] = dealt->shares[2];
        shares[1].index = 0;
        bad = 12345;
        assert_int_not_equal(combine(shares, 4, sets[i], &bad), SHERD_OK);
        assert_int_equal(bad, 1);
        assert_true(share_said(i == 0 ? "share 0 was forged" : "no share has the number 0"));
    }
    test_free(dealt);
}

static void test_anchor_share_combine__names_the_one_of_another_set_or_generation(void **state)
{
    struct share_fixture *now = share_deal(3, 5, 5, share_set_id);
    struct share_fixture *old = share_deal(3, 5, 4, share_set_id);
    struct share_fixture *other = share_deal(3, 5, 5, NULL);
    const struct sherd_share_set *sets[] = {&now->set, NULL};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        for (size_t at = 0; at < 3; at++) {
            const struct sherd_share kept = now->shares[at];

            now->shares[at] = old->shares[at];
            assert_named(now->shares, 3, sets[i], SHERD_ERR_INVALID, at);
            assert_true(share_said("is stale"));
            now->shares[at] = other->shares[at];
            assert_named(now->shares, 3, sets[i], SHERD_ERR_INVALID, at);
            assert_true(share_said("is of another set"));
            now->shares[at] = kept;
            now->shares[at].set_commitment[7] ^= 1;
            assert_named(now->shares, 3, sets[i], SHERD_ERR_TAMPERED, at);
            now->shares[at] = kept;
        }
    }
    test_free(now);
    test_free(old);
    test_free(other);
}

static void test_anchor_share_combine__without_a_majority_blames_nobody(void **state)
{
    struct share_fixture *one = share_deal(2, 3, 1, NULL);
    struct share_fixture *two = share_deal(2, 3, 1, NULL);
    const struct sherd_share shares[2] = {one->shares[0], two->shares[1]};
    size_t bad = 12345;

    (void)state;
    assert_int_equal(combine(shares, 2, NULL, &bad), SHERD_ERR_INVALID);
    assert_int_equal(bad, SHERD_SHARE_NONE);
    assert_true(share_said("of different sets or generations"));
    test_free(one);
    test_free(two);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

/* Whether any of the checks that a share meets refuses these bytes, beside the good second share of 2 of 3. */
static bool refused(const uint8_t bytes[static SHERD_SHARE_BYTES], const struct share_fixture *dealt,
                    const struct sherd_share_set *set)
{
    struct sherd_share shares[2] = {{.index = 0}, dealt->shares[1]};
    const enum sherd_err err = sherd_share_decode(sherd_span_of(bytes, SHERD_SHARE_BYTES), &shares[0]);

    return err != SHERD_OK || combine(shares, 2, set, NULL) != SHERD_OK;
}

static void test_anchor_share_decode__every_changed_byte_is_refused(void **state)
{
    struct share_fixture *dealt = share_deal(2, 3, 2, NULL);
    uint8_t bytes[SHERD_SHARE_BYTES];

    (void)state;
    sherd_share_encode(&dealt->shares[0], bytes);
    assert_false(refused(bytes, dealt, &dealt->set));
    assert_false(refused(bytes, dealt, NULL));
    for (size_t at = 0; at < sizeof(bytes); at++) {
        for (unsigned change = 1; change < 256; change++) {
            bytes[at] ^= (uint8_t)change;
            assert_true(refused(bytes, dealt, change % 2 == 0 ? NULL : &dealt->set));
            bytes[at] ^= (uint8_t)change;
        }
    }
    test_free(dealt);
}

static void test_anchor_share_decode__gives_what_was_encoded(void **state)
{
    struct share_fixture *dealt = share_deal(2, 255, 0xfedcba98, NULL);
    uint8_t bytes[SHERD_SHARE_BYTES];
    uint8_t again[SHERD_SHARE_BYTES];
    struct sherd_share share;

    (void)state;
    for (size_t i = 0; i < 255; i++) {
        sherd_share_encode(&dealt->shares[i], bytes);
        assert_int_equal(sherd_share_decode(sherd_span_of(bytes, sizeof(bytes)), &share), SHERD_OK);
        assert_int_equal(sherd_share_check(&share, &dealt->set), SHERD_OK);
        sherd_share_encode(&share, again);
        assert_memory_equal(again, bytes, sizeof(bytes));
    }
    for (size_t len = 0; len < sizeof(bytes); len++)
        assert_int_equal(sherd_share_decode(sherd_span_of(bytes, len), &share), SHERD_ERR_INVALID);
    bytes[0] = 2;
    assert_int_equal(sherd_share_decode(sherd_span_of(bytes, sizeof(bytes)), &share), SHERD_ERR_UNSUPPORTED);
    test_free(dealt);
}

static void test_anchor_share_set__comes_back_whole_or_not_at_all(void **state)
{
    struct share_fixture *dealt = share_deal(3, 4, 9, NULL);
    struct sherd_share_set *again = test_malloc(sizeof(*again));
    uint8_t block[SHERD_SHARE_SET_BYTES(4) + 1] = {0};
    struct sherd_buf bytes = sherd_buf_borrow(block, sizeof(block));

    (void)state;
    assert_int_equal(sherd_share_set_encode(&dealt->set, &bytes), SHERD_OK);
    assert_int_equal(bytes.len, SHERD_SHARE_SET_BYTES(4));
    assert_int_equal(sherd_share_set_decode(sherd_buf_span(&bytes), again), SHERD_OK);
    assert_memory_equal(again, &dealt->set, sizeof(*again));
    for (size_t len = 0; len <= sizeof(block); len++)
        assert_int_equal(sherd_share_set_decode(sherd_span_of(block, len), again),
                         len == bytes.len ? SHERD_OK : SHERD_ERR_TAMPERED);
    for (size_t at = 0; at < bytes.len; at++) { /* what still decodes fits no share */
        block[at] ^= 1;
        assert_true(sherd_share_set_decode(sherd_buf_span(&bytes), again) != SHERD_OK ||
                    sherd_share_check(&dealt->shares[0], again) != SHERD_OK);
        block[at] ^= 1;
    }
    test_free(dealt);
    test_free(again);
}

#if SHERD_FAILPOINTS
/* Fails the block whose number, from 0, is in *arg. */
static enum sherd_err deny_alloc(void *arg, const char *name)
{
    int *left = arg;

    return strcmp(name, "alloc") == 0 && (*left)-- == 0 ? SHERD_ERR_IO : SHERD_OK;
}
#endif

/* Whichever block cannot be had: SHERD_ERR_NO_MEMORY, and no output is written, or it is wiped. */
#if SHERD_FAILPOINTS
static void test_anchor_share__without_memory_nothing_is_given(void **state)
{
    static const struct share_fixture zeros;
    struct share_fixture *dealt = share_deal(2, 3, 1, NULL);
    struct share_fixture *again = test_calloc(1, sizeof(*again));
    const struct sherd_share_deal deal = {.kind = SHERD_SHARE_SHAMIR, .threshold = 2, .count = 3, .generation = 1};
    char text[SHERD_SHARE_TEXT_SIZE];
    struct sherd_share share = {.index = 77};
    enum sherd_err err = SHERD_ERR_NO_MEMORY;
    int left = 0;

    assert_int_equal(sherd_share_text(&dealt->shares[0], text), SHERD_OK);
    for (int block = 0; err != SHERD_OK; block++) {
        left = block;
        sherd_failpoint_set(deny_alloc, &left);
        err = sherd_share_split(share_secret, &deal, again->shares, &again->set);
        sherd_failpoint_set(NULL, NULL);
        assert_true(block > 0 || err == SHERD_ERR_NO_MEMORY);
        if (err == SHERD_OK)
            break;
        assert_int_equal(err, SHERD_ERR_NO_MEMORY);
        assert_memory_equal(again, &zeros, sizeof(zeros));
    }
    left = 0;
    sherd_failpoint_set(deny_alloc, &left);
    err = combine(dealt->shares, 2, &dealt->set, NULL);
    left = 0;
    const enum sherd_err parsed = sherd_share_parse(sherd_span_of(text, sizeof(text) - 1), &share, NULL);
    left = 0;
    const enum sherd_err written = sherd_share_text(&dealt->shares[0], text);
    sherd_failpoint_set(NULL, NULL);
    assert_int_equal(err, SHERD_ERR_NO_MEMORY);
    assert_int_equal(parsed, SHERD_ERR_NO_MEMORY);
    assert_int_equal(written, SHERD_ERR_NO_MEMORY);
    assert_int_equal(share.index, 77);
    test_free(dealt);
    test_free(again);
    (void)state;
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anchor_share__bytes_are_those_of_the_format),
        cmocka_unit_test(test_anchor_share__any_threshold_gives_the_secret),
        cmocka_unit_test(test_anchor_share_split__refuses_what_makes_no_sense),
        cmocka_unit_test(test_anchor_share_split__leaves_nothing_where_there_is_no_randomness),
        cmocka_unit_test(test_anchor_share_split__never_deals_the_same_twice),
        cmocka_unit_test(test_anchor_share_check__names_another_set_and_another_generation),
        cmocka_unit_test(test_anchor_share_check__sees_each_field),
        cmocka_unit_test(test_anchor_share_combine__names_the_forged_one_of_k),
        cmocka_unit_test(test_anchor_share_combine__names_the_forged_one_without_the_set_if_there_is_one_more),
        cmocka_unit_test(test_anchor_share_combine__sees_the_forged_one_of_k_without_the_set),
        cmocka_unit_test(test_anchor_share_combine__xor_and_copies_name_a_forged_one),
        cmocka_unit_test(test_anchor_share_combine__refuses_zero_twice_and_too_few),
        cmocka_unit_test(test_anchor_share_combine__names_the_one_of_another_set_or_generation),
        cmocka_unit_test(test_anchor_share_combine__without_a_majority_blames_nobody),
        cmocka_unit_test(test_anchor_share_decode__every_changed_byte_is_refused),
        cmocka_unit_test(test_anchor_share_decode__gives_what_was_encoded),
        cmocka_unit_test(test_anchor_share_set__comes_back_whole_or_not_at_all),
#if SHERD_FAILPOINTS
        cmocka_unit_test(test_anchor_share__without_memory_nothing_is_given),
#endif
    };

    return cmocka_run_group_tests_name("anchor_share", tests, NULL, NULL);
}
