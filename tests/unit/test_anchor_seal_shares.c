/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of seals by shares: each wrong share is named by its holder, and each changed byte of the seal is refused. */
#include "anchor/seal/seal.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "share.h"
#include "vault.h"
#include <stdio.h>

static const struct sherd_root_key root = {"YELLOW SUBMARINE YELLOW SUBMARI"};
static const struct sherd_uuid deployment = {{0xde, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
static const char *const holders[] = {"anna", "bert", "carl", "dora", "emil"};

struct sealed {
    struct sherd_shares *shares;
    struct sherd_shares_seal *seal;
    struct sherd_buf file;
    struct sherd_buf text; /* what a test gives */
};

static void make(struct sealed *sealed, const struct sherd_shares_options *options,
                 const struct sherd_share_set *replaced)
{
    sherd_buf_clear(&sealed->file);
    assert_ok(sherd_shares_seal_make(&root, &deployment, false, options, replaced, sealed->shares, &sealed->file));
    assert_ok(sherd_shares_seal_read(sherd_buf_span(&sealed->file), sealed->seal));
    assert_int_equal(sealed->seal->bytes, sealed->file.len);
}

static int setup(void **state)
{
    const struct sherd_shares_options options = {.count = 5, .threshold = 3, .holders = holders};
    struct sealed *sealed = test_calloc(1, sizeof(*sealed));

    if (sherd_crypto_init() != SHERD_OK)
        return -1;
    sealed->shares = sherd_secret_alloc(sizeof(*sealed->shares));
    sealed->seal = sherd_secret_alloc(sizeof(*sealed->seal));
    assert_non_null(sealed->shares);
    assert_non_null(sealed->seal);
    make(sealed, &options, NULL);
    *state = sealed;
    return 0;
}

static int teardown(void **state)
{
    struct sealed *sealed = *state;

    sherd_secret_free(sealed->shares);
    sherd_secret_free(sealed->seal);
    sherd_buf_done(&sealed->file);
    sherd_buf_done(&sealed->text);
    test_free(sealed);
    return 0;
}

/* Give a share too. */
static void give(struct sealed *sealed, const struct sherd_share *share)
{
    char text[SHERD_SHARE_TEXT_SIZE];

    assert_ok(sherd_share_text(share, text));
    assert_ok(sherd_buf_append(&sealed->text, sherd_span_str(text)));
}

/* Give these shares and no others; 0 ends. */
static void give_only(struct sealed *sealed, const unsigned *indices)
{
    sherd_buf_clear(&sealed->text);
    for (; *indices != 0; indices++)
        give(sealed, &sealed->shares->shares[*indices - 1]);
}

static enum sherd_err open_it(const struct sealed *sealed)
{
    const struct sherd_unseal unseal = {.shares = sherd_buf_span(&sealed->text)};
    struct sherd_root_key found = {{0}};
    struct sherd_uuid whose = {{0}};
    const enum sherd_err err = sherd_seal_open(sherd_buf_span(&sealed->file), &unseal, &found, &whose);

    if (err == SHERD_OK) {
        assert_memory_equal(found.bytes, root.bytes, sizeof(root.bytes));
        assert_memory_equal(whose.bytes, deployment.bytes, sizeof(deployment.bytes));
    } else {
        assert_int_equal(whose.bytes[0], 0);
    }
    return err;
}

static void test_anchor_seal_shares__any_three_of_five_open(void **state)
{
    struct sealed *sealed = *state;
    char text[32];
    unsigned opened = 0;

    for (unsigned a = 1; a <= 5; a++)
        for (unsigned b = 1; b <= 5; b++)
            for (unsigned c = 1; c <= 5; c++) {
                if (a == b || b == c || a == c)
                    continue;
                give_only(sealed, (const unsigned[]){a, b, c, 0});
                assert_ok(open_it(sealed));
                opened++;
            }
    assert_int_equal(opened, 60);
    give_only(sealed, (const unsigned[]){5, 4, 3, 2, 1, 0});
    assert_ok(open_it(sealed));
    sherd_seal_describe(sherd_buf_span(&sealed->file), text);
    assert_string_equal(text, "3 of 5 shares");
    assert_int_equal(sherd_seal_kind_of(sherd_buf_span(&sealed->file)), SHERD_SEAL_SHARES);
}

static void test_anchor_seal_shares__too_few_say_whose_are_there(void **state)
{
    struct sealed *sealed = *state;

    give_only(sealed, (const unsigned[]){3, 1, 0});
    assert_err(SHERD_ERR_SEALED, open_it(sealed));
    assert_string_equal(sherd_err_detail(), "2 of 3 shares: anna, carl; 1 more needed");
    sherd_buf_clear(&sealed->text);
    assert_err(SHERD_ERR_INVALID, open_it(sealed));
    assert_ok(sherd_buf_append(&sealed->text, sherd_span_str("\n# nothing but a comment\n \t\r\n")));
    assert_err(SHERD_ERR_INVALID, open_it(sealed));
    assert_true(share_said("no share is given"));
}

static void test_anchor_seal_shares__a_wrong_one_is_named_by_its_holder(void **state)
{
    struct sealed *sealed = *state;
    struct sherd_share forged;

    give_only(sealed, (const unsigned[]){1, 3, 1, 0});
    assert_err(SHERD_ERR_INVALID, open_it(sealed));
    assert_string_equal(sherd_err_detail(), "anna: share 1 is given twice");
    forged = sealed->shares->shares[1];
    forged.value[7] ^= 1;
    give_only(sealed, (const unsigned[]){1, 3, 0});
    give(sealed, &forged);
    assert_err(SHERD_ERR_DENIED, open_it(sealed));
    assert_true(share_said("bert: share 2 was forged or changed"));
    forged = sealed->shares->shares[3]; /* its commitment holds, its MAC does not */
    forged.mac[0] ^= 1;
    give_only(sealed, (const unsigned[]){1, 3, 0});
    give(sealed, &forged);
    assert_err(SHERD_ERR_DENIED, open_it(sealed));
    assert_true(share_said("dora: share 4 was forged or changed"));
    forged = sealed->shares->shares[1];
    forged.index = 4; /* bert says he is dora */
    give_only(sealed, (const unsigned[]){1, 3, 0});
    give(sealed, &forged);
    assert_err(SHERD_ERR_DENIED, open_it(sealed));
    assert_true(share_said("dora: share 4 was forged or changed"));
}

static void test_anchor_seal_shares__a_stale_one_and_a_strange_one_are_told_apart(void **state)
{
    const struct sherd_shares_options options = {.count = 5, .threshold = 3, .holders = holders};
    struct sealed *sealed = *state;
    struct share_fixture *other = share_deal(3, 5, 1, NULL);
    const struct sherd_share stale = sealed->shares->shares[4];
    const struct sherd_share_set old = sealed->seal->set;

    make(sealed, &options, &old);
    assert_int_equal(sealed->seal->set.generation, 2);
    assert_memory_equal(sealed->seal->set.set_id, old.set_id, sizeof(old.set_id));
    give_only(sealed, (const unsigned[]){1, 3, 0});
    give(sealed, &stale);
    assert_err(SHERD_ERR_DENIED, open_it(sealed));
    assert_true(share_said("emil: share 5 is stale"));
    give_only(sealed, (const unsigned[]){1, 3, 0});
    give(sealed, &other->shares[1]);
    assert_err(SHERD_ERR_DENIED, open_it(sealed));
    assert_string_equal(sherd_err_detail(), "share 2 is of another set");
    assert_true(sherd_shares_seal_meant(sealed->seal, sealed->shares));
    test_free(other);
}

static void test_anchor_seal_shares__text_is_read_as_people_give_it(void **state)
{
    struct sealed *sealed = *state;

    sherd_buf_clear(&sealed->text);
    assert_ok(sherd_buf_append(&sealed->text, sherd_span_str("# share 1 of 5, for anna\r\n\r\n")));
    give(sealed, &sealed->shares->shares[0]);
    assert_ok(sherd_buf_append(&sealed->text, sherd_span_str("\n\n  # and\n")));
    give(sealed, &sealed->shares->shares[1]);
    give(sealed, &sealed->shares->shares[2]);
    for (size_t i = 0; i < sealed->text.len; i++)
        if (sealed->text.data[i] >= 'a' && sealed->text.data[i] <= 'z')
            sealed->text.data[i] = (uint8_t)(sealed->text.data[i] - 'a' + 'A');
    assert_ok(open_it(sealed));
    sealed->text.len -= 80; /* the last line is gone */
    assert_err(SHERD_ERR_INVALID, open_it(sealed));
    assert_true(share_said("in place 3"));
}

static void test_anchor_seal_shares__every_changed_byte_is_refused(void **state)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff};
    struct sealed *sealed = *state;

    give_only(sealed, (const unsigned[]){1, 3, 5, 0});
    for (size_t i = 0; i < sealed->file.len; i++)
        for (size_t c = 0; c < SHERD_COUNT_OF(changes); c++) {
            sealed->file.data[i] ^= changes[c];
            const enum sherd_err err = open_it(sealed);

            assert_true(err == SHERD_ERR_DENIED || err == SHERD_ERR_UNSUPPORTED);
            sealed->file.data[i] ^= changes[c];
        }
    assert_ok(open_it(sealed));
}

static void test_anchor_seal_shares__every_other_length_is_refused(void **state)
{
    struct sealed *sealed = *state;
    const size_t whole = sealed->file.len;

    give_only(sealed, (const unsigned[]){1, 3, 5, 0});
    assert_ok(sherd_buf_append(&sealed->file, sherd_span_str("x")));
    assert_err(SHERD_ERR_DENIED, open_it(sealed));
    sealed->file.len--;
    for (size_t len = 0; len < whole; len++) {
        struct sealed cut = *sealed;

        cut.file = sherd_buf_borrow(test_malloc(len > 0 ? len : 1), len);
        assert_ok(sherd_buf_append(&cut.file, sherd_span_of(sealed->file.data, len)));
        assert_err(SHERD_ERR_DENIED, open_it(&cut));
        test_free(cut.file.data);
    }
    assert_ok(open_it(sealed));
}

static void test_anchor_seal_shares__of_a_full_set_fit_the_file(void **state)
{
    struct sealed *sealed = *state;
    const char *names[SHERD_SHARES_MAX];
    char blocks[SHERD_SHARES_MAX][SHERD_HOLDER_BYTES_MAX + 1];
    const struct sherd_shares_options options = {.count = 255, .threshold = 255, .holders = names};

    for (unsigned i = 0; i < SHERD_SHARES_MAX; i++) {
        (void)snprintf(blocks[i], sizeof(blocks[i]), "%047u", i);
        names[i] = blocks[i];
    }
    make(sealed, &options, NULL);
    assert_true(sealed->file.len + (size_t)255 * 33 <= SHERD_SEAL_FILE_BYTES_MAX);
    sherd_buf_clear(&sealed->text);
    for (unsigned i = 0; i < 255; i++)
        give(sealed, &sealed->shares->shares[254 - i]);
    assert_ok(open_it(sealed));
    sealed->text.len -= SHERD_SHARE_TEXT_SIZE - 1;
    assert_err(SHERD_ERR_SEALED, open_it(sealed));
    assert_true(share_said("254 of 255 shares"));
}

static void test_anchor_seal_shares__parts_are_needed_all(void **state)
{
    const struct sherd_shares_options options = {.count = 3, .parts = true};
    struct sealed *sealed = *state;
    char text[32];

    make(sealed, &options, NULL);
    sherd_seal_describe(sherd_buf_span(&sealed->file), text);
    assert_string_equal(text, "3 parts");
    give_only(sealed, (const unsigned[]){2, 3, 1, 0});
    assert_ok(open_it(sealed));
    give_only(sealed, (const unsigned[]){2, 3, 0});
    assert_err(SHERD_ERR_SEALED, open_it(sealed));
    assert_string_equal(sherd_err_detail(), "2 of 3 shares: share 2, share 3; 1 more needed");
}

static void test_anchor_seal_shares__copies_open_alone(void **state)
{
    const struct sherd_shares_options options = {.count = 2, .copies = true};
    struct sealed *sealed = *state;

    make(sealed, &options, NULL);
    for (unsigned index = 1; index <= 2; index++) {
        give_only(sealed, (const unsigned[]){index, 0});
        assert_ok(open_it(sealed));
    }
}

static void test_anchor_seal_shares__asks_for_what_can_be(void **state)
{
    static const char *const twice[] = {"anna", "bert", "anna"};
    static const char *const odd[][3] = {{"a", "b", "../c"},
                                         {"a", "b", "-c"},
                                         {"a", "b", ".c"},
                                         {"a", "b", "c,d"},
                                         {"a", "b", "c d"},
                                         {"a", "b", NULL},
                                         {"a", "b", "012345678901234567890123456789012345678901234567"}};
    const struct sherd_shares_options wrong[] = {
        {.count = 0, .threshold = 0},
        {.count = 5, .threshold = 1},
        {.count = 5, .threshold = 0},
        {.count = 5, .threshold = 6},
        {.count = 256, .threshold = 3},
        {.count = 1, .parts = true},
        {.count = 0, .copies = true},
        {.count = 2, .copies = true, .parts = true},
        {.count = 3, .threshold = 2, .holders = twice},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(wrong); i++)
        assert_err(SHERD_ERR_INVALID, sherd_shares_options_check(&wrong[i]));
    assert_true(share_said("anna is named twice"));
    for (size_t i = 0; i < SHERD_COUNT_OF(odd); i++) {
        const struct sherd_shares_options options = {.count = 3, .threshold = 2, .holders = odd[i]};

        assert_err(SHERD_ERR_INVALID, sherd_shares_options_check(&options));
    }
    assert_err(SHERD_ERR_INVALID, sherd_shares_options_check(NULL));
}

#define seal_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        seal_test(test_anchor_seal_shares__any_three_of_five_open),
        seal_test(test_anchor_seal_shares__too_few_say_whose_are_there),
        seal_test(test_anchor_seal_shares__a_wrong_one_is_named_by_its_holder),
        seal_test(test_anchor_seal_shares__a_stale_one_and_a_strange_one_are_told_apart),
        seal_test(test_anchor_seal_shares__text_is_read_as_people_give_it),
        seal_test(test_anchor_seal_shares__every_changed_byte_is_refused),
        seal_test(test_anchor_seal_shares__every_other_length_is_refused),
        seal_test(test_anchor_seal_shares__of_a_full_set_fit_the_file),
        seal_test(test_anchor_seal_shares__parts_are_needed_all),
        seal_test(test_anchor_seal_shares__copies_open_alone),
        seal_test(test_anchor_seal_shares__asks_for_what_can_be),
    };

    return cmocka_run_group_tests_name("anchor_seal_shares", tests, NULL, NULL);
}
