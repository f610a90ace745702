/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the seals of a vault: side by side, added, removed, replaced; and killed at each step of it. */
#include "anchor/ring/seals.h"
#include "base/failpoint.h"
#include "share.h"
#include "vault.h"
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define COUNT_MAX 8

static const char *const holders[] = {"anna", "bert", "carl", "dora", "emil"};
static const struct sherd_shares_options three_of_five = {.count = 5, .threshold = 3, .holders = holders};

/* Shares as they were given out; in memory that a child of the test shares. */
struct dealt {
    size_t count;
    char texts[COUNT_MAX][SHERD_SHARE_TEXT_SIZE];
};

struct seals_test {
    struct vault_test vault; /* sealed by shares */
    struct dealt *dealt;     /* [0] the first shares, [1] and on, those that a test makes */
    struct sherd_buf text;
};

static enum sherd_err keep_share(void *arg, const struct sherd_share_given *share)
{
    struct dealt *dealt = arg;

    if (share->text.len != SHERD_SHARE_TEXT_SIZE - 1 || share->index != dealt->count + 1)
        return SHERD_ERR_INVALID;
    memcpy(dealt->texts[dealt->count++], share->text.data, share->text.len);
    return SHERD_OK;
}

static enum sherd_err refuse_second(void *arg, const struct sherd_share_given *share)
{
    (void)arg;
    return share->index == 2 ? sherd_fail(SHERD_ERR_IO, "the holder is not there") : SHERD_OK;
}

static int setup(void **state)
{
    struct seals_test *test = calloc(1, sizeof(*test));

    test->dealt = mmap(NULL, 4 * sizeof(*test->dealt), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (test->dealt == MAP_FAILED)
        return -1;
    memcpy(test->vault.root, "/tmp/sherd-test-XXXXXX", sizeof("/tmp/sherd-test-XXXXXX"));
    if (mkdtemp(test->vault.root) == NULL)
        return -1;
    (void)snprintf(test->vault.path, sizeof(test->vault.path), "%s/vault", test->vault.root);
    const struct sherd_vault_init_options init = {
        .shares = &three_of_five, .share_give = keep_share, .share_arg = &test->dealt[0]};
    assert_ok(sherd_vault_init(test->vault.path, NULL, &init));
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct seals_test *test = *state;

    sherd_failpoint_set(NULL, NULL);
    sherd_vault_close(test->vault.vault);
    vault_remove(test->vault.root);
    (void)munmap(test->dealt, 4 * sizeof(*test->dealt));
    sherd_buf_done(&test->text);
    sherd_buf_done(&test->vault.key_text);
    free(test);
    return 0;
}

/* These of the shares, as text; 0 ends. */
static struct sherd_span pick(struct seals_test *test, unsigned set, const unsigned *indices)
{
    sherd_buf_clear(&test->text);
    for (; *indices != 0; indices++)
        assert_ok(sherd_buf_append(&test->text, sherd_span_str(test->dealt[set].texts[*indices - 1])));
    return sherd_buf_span(&test->text);
}

#define PICK(...) ((const unsigned[]){__VA_ARGS__, 0})

static enum sherd_err open_by(struct seals_test *test, const struct sherd_unseal *unseal)
{
    sherd_vault_close(test->vault.vault);
    test->vault.vault = NULL;
    return sherd_vault_open(test->vault.path, unseal, NULL, &test->vault.vault);
}

static enum sherd_err open_shares(struct seals_test *test, unsigned set, const unsigned *indices)
{
    const struct sherd_unseal unseal = {.shares = pick(test, set, indices)};

    return open_by(test, &unseal);
}

static enum sherd_err confirm(struct seals_test *test, unsigned set, const unsigned *indices,
                              struct sherd_shares_progress *out_progress)
{
    return sherd_shares_confirm(test->vault.path, 0, pick(test, set, indices), out_progress);
}

/* Gathers what sherd_seal_each() tells. */
struct seen {
    size_t count;
    unsigned numbers[8];
    char texts[8][32];
    bool rekeying[8];
    unsigned confirmed[8];
};

static enum sherd_err see(void *arg, const struct sherd_seal_info *info)
{
    struct seen *seen = arg;
    const size_t at = seen->count++;

    seen->numbers[at] = info->number;
    memcpy(seen->texts[at], info->text, sizeof(info->text));
    seen->rekeying[at] = info->rekeying;
    for (unsigned i = 0; info->rekeying && i < info->new_count; i++)
        seen->confirmed[at] += info->new_confirmed[i];
    if (info->count > 0)
        assert_string_equal(info->holders[1], "bert");
    return SHERD_OK;
}

static void look(struct seals_test *test, struct seen *seen)
{
    *seen = (struct seen){0};
    assert_ok(sherd_seal_each(test->vault.path, see, seen));
}

static void test_anchor_seals__shares_open_a_vault(void **state)
{
    struct seals_test *test = *state;
    struct sherd_vault_info info;
    struct sherd_shares_progress progress;
    const struct sherd_unseal passphrase = {.passphrase = sherd_span_str("x")};

    assert_int_equal(test->dealt[0].count, 5);
    assert_ok(open_shares(test, 0, PICK(5, 2, 3)));
    assert_ok(sherd_vault_info(test->vault.vault, &info));
    assert_string_equal(info.seal, "3 of 5 shares");
    assert_err(SHERD_ERR_SEALED, open_shares(test, 0, PICK(5, 2)));
    assert_err(SHERD_ERR_DENIED, open_by(test, &passphrase));
    assert_true(share_said("sealed by shares"));
    assert_ok(sherd_shares_check(test->vault.path, pick(test, 0, PICK(4, 1)), &progress));
    assert_int_equal(progress.given, 2);
    assert_int_equal(progress.needed, 3);
    assert_int_equal(progress.count, 5);
    assert_false(progress.done);
    assert_string_equal(progress.holders, "anna, dora");
    assert_string_equal(progress.missing, "bert, carl, emil");
}

static void test_anchor_seals__lie_side_by_side_and_the_last_one_stays(void **state)
{
    struct seals_test *test = *state;
    const struct sherd_unseal passphrase = {.passphrase = sherd_span_str("correct horse")};
    const struct sherd_shares_options parts = {.count = 2, .parts = true, .holders = holders};
    struct sherd_unseal key_file = {0};
    struct seen seen;
    unsigned number = 0;

    assert_ok(sherd_key_file_new(&test->vault.key_text));
    key_file.key_file = sherd_buf_span(&test->vault.key_text);
    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_ok(sherd_seal_add(test->vault.vault, &passphrase, &number));
    assert_int_equal(number, 2);
    assert_ok(sherd_seal_add(test->vault.vault, &key_file, &number));
    assert_int_equal(number, 3);
    assert_ok(sherd_seal_add_shares(test->vault.vault, &parts, keep_share, &test->dealt[1], &number));
    assert_int_equal(number, 4);
    assert_ok(open_by(test, &passphrase));
    assert_ok(open_by(test, &key_file));
    assert_ok(open_shares(test, 1, PICK(2, 1)));
    assert_ok(open_shares(test, 0, PICK(4, 5, 1)));
    look(test, &seen);
    assert_int_equal(seen.count, 4);
    assert_string_equal(seen.texts[0], "3 of 5 shares");
    assert_string_equal(seen.texts[2], "key file");
    assert_string_equal(seen.texts[3], "2 parts");
    assert_ok(sherd_seal_remove(test->vault.vault, 1));
    assert_err(SHERD_ERR_DENIED, open_shares(test, 0, PICK(4, 5, 1)));
    assert_ok(open_by(test, &key_file));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_seal_remove(test->vault.vault, 1));
    assert_ok(sherd_seal_remove(test->vault.vault, 2));
    assert_ok(sherd_seal_remove(test->vault.vault, 4));
    assert_err(SHERD_ERR_DENIED, sherd_seal_remove(test->vault.vault, 3));
    assert_true(share_said("the last seal"));
    assert_err(SHERD_ERR_INVALID, sherd_seal_remove(test->vault.vault, 0));
    assert_ok(open_by(test, &key_file));
    assert_ok(sherd_seal_add(test->vault.vault, &passphrase, &number));
    assert_int_equal(number, 1); /* the first number that is free */
}

static void test_anchor_seals__is_not_added_where_a_share_does_not_arrive(void **state)
{
    struct seals_test *test = *state;
    struct seen seen;

    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_err(SHERD_ERR_IO, sherd_seal_add_shares(test->vault.vault, &three_of_five, refuse_second, NULL, NULL));
    assert_err(SHERD_ERR_IO, sherd_shares_rekey(test->vault.vault, 0, NULL, refuse_second, NULL));
    look(test, &seen);
    assert_int_equal(seen.count, 1);
    assert_false(seen.rekeying[0]);
}

static void test_anchor_seals__with_a_removed_one_of_garbage_open(void **state)
{
    struct seals_test *test = *state;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/anchor/seals/2", test->vault.path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("garbage", file);
    (void)fclose(file);
    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_err(SHERD_ERR_DENIED, sherd_seal_remove(test->vault.vault, 1)); /* garbage opens nothing */
    assert_ok(sherd_seal_remove(test->vault.vault, 2));
}

static void test_anchor_seals_rekey__replaces_when_all_are_confirmed(void **state)
{
    struct seals_test *test = *state;
    struct sherd_shares_progress progress;
    struct seen seen;

    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_ok(sherd_shares_rekey(test->vault.vault, 0, NULL, keep_share, &test->dealt[1]));
    assert_err(SHERD_ERR_CONFLICT, sherd_shares_rekey(test->vault.vault, 1, NULL, keep_share, &test->dealt[2]));
    assert_int_equal(test->dealt[2].count, 0);
    assert_err(SHERD_ERR_DENIED, open_shares(test, 1, PICK(1, 2, 3)));
    assert_true(share_said("anna: share 1 is of generation 2, newer"));
    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_err(SHERD_ERR_DENIED, confirm(test, 0, PICK(1), &progress));
    assert_true(share_said("anna: share 1 is stale"));
    assert_ok(confirm(test, 1, PICK(4, 2), &progress));
    assert_string_equal(progress.holders, "bert, dora");
    assert_string_equal(progress.missing, "anna, carl, emil");
    assert_ok(confirm(test, 1, PICK(2), &progress)); /* once more does no harm */
    assert_int_equal(progress.given, 2);
    look(test, &seen);
    assert_true(seen.rekeying[0]);
    assert_int_equal(seen.confirmed[0], 2);
    assert_ok(confirm(test, 1, PICK(1, 3), &progress));
    assert_false(progress.done);
    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_ok(confirm(test, 1, PICK(5), &progress));
    assert_true(progress.done);
    assert_ok(open_shares(test, 1, PICK(1, 2, 3)));
    assert_err(SHERD_ERR_DENIED, open_shares(test, 0, PICK(1, 2, 3)));
    assert_true(share_said("anna: share 1 is stale"));
    assert_err(SHERD_ERR_NOT_FOUND, confirm(test, 1, PICK(5), &progress));
}

static void test_anchor_seals_rekey__makes_another_number_of_shares(void **state)
{
    struct seals_test *test = *state;
    const struct sherd_shares_options two = {.count = 2, .threshold = 2};
    struct sherd_shares_progress progress;

    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_ok(sherd_shares_rekey(test->vault.vault, 1, &two, keep_share, &test->dealt[1]));
    assert_ok(confirm(test, 1, PICK(1, 2), &progress));
    assert_true(progress.done);
    assert_ok(open_shares(test, 1, PICK(2, 1)));
}

static void test_anchor_seals_rekey__is_abandoned_by_a_word(void **state)
{
    struct seals_test *test = *state;
    struct sherd_shares_progress progress;

    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_shares_abandon(test->vault.vault, 0));
    assert_ok(sherd_shares_rekey(test->vault.vault, 0, NULL, keep_share, &test->dealt[1]));
    assert_ok(confirm(test, 1, PICK(1, 2, 3, 4), &progress));
    assert_ok(sherd_shares_abandon(test->vault.vault, 0));
    assert_err(SHERD_ERR_NOT_FOUND, confirm(test, 1, PICK(5), &progress));
    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_ok(sherd_shares_rekey(test->vault.vault, 0, NULL, keep_share, &test->dealt[2]));
    assert_err(SHERD_ERR_DENIED, confirm(test, 1, PICK(1), &progress)); /* of those that were given up */
    assert_true(share_said("anna: share 1 was forged"));
    assert_ok(confirm(test, 2, PICK(1, 2, 3, 4, 5), &progress));
    assert_ok(open_shares(test, 2, PICK(1, 2, 3)));
}

/* Whoever changes the new shares' file does not get them into the place of the old ones. */
static void test_anchor_seals_rekey__refuses_every_changed_byte_of_new_shares(void **state)
{
    struct seals_test *test = *state;
    struct sherd_shares_progress progress;
    char path[128];
    long bytes;
    unsigned marks = 0;

    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_ok(sherd_shares_rekey(test->vault.vault, 0, NULL, keep_share, &test->dealt[1]));
    (void)snprintf(path, sizeof(path), "%s/anchor/seals/1.new", test->vault.path);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    bytes = ftell(file);
    for (long i = 0; i < bytes; i++) {
        (void)fseek(file, i, SEEK_SET);
        const int byte = fgetc(file);

        (void)fseek(file, i, SEEK_SET);
        (void)fputc(byte ^ 2, file);
        (void)fflush(file);
        const enum sherd_err err = confirm(test, 1, PICK(1, 2, 3, 4, 5), &progress);
        if (err == SHERD_OK)
            fail_msg("byte %ld is not looked at", i);
        marks += err == SHERD_ERR_DENIED;
        (void)fseek(file, i, SEEK_SET);
        (void)fputc(byte, file);
        (void)fflush(file);
    }
    (void)fclose(file);
    assert_int_equal(marks, 5 * 32); /* the digests of the shares; all else is refused before one is looked at */
    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_ok(confirm(test, 1, PICK(1, 2, 3, 4, 5), &progress));
    assert_ok(open_shares(test, 1, PICK(1, 2, 3)));
}

#if SHERD_FAILPOINTS

/* Has no memory at the hit-th block that is asked for. */
static enum sherd_err no_memory(void *arg, const char *name)
{
    unsigned *left = arg;

    return strcmp(name, "alloc") == 0 && *left > 0 && --*left == 0 ? SHERD_ERR_NO_MEMORY : SHERD_OK;
}

typedef enum sherd_err try_fn(struct seals_test *test);

static enum sherd_err try_check(struct seals_test *test)
{
    struct sherd_shares_progress progress;

    return sherd_shares_check(test->vault.path, sherd_buf_span(&test->text), &progress);
}

static enum sherd_err try_add(struct seals_test *test)
{
    test->dealt[1].count = 0;
    return sherd_seal_add_shares(test->vault.vault, &three_of_five, keep_share, &test->dealt[1], NULL);
}

static enum sherd_err try_rekey(struct seals_test *test)
{
    test->dealt[1].count = 0;
    return sherd_shares_rekey(test->vault.vault, 1, NULL, keep_share, &test->dealt[1]);
}

static enum sherd_err try_confirm(struct seals_test *test)
{
    struct sherd_shares_progress progress;

    return sherd_shares_confirm(test->vault.path, 1, sherd_buf_span(&test->text), &progress);
}

/* Fail each block that a call asks for, until it has all of them. @return how many there are */
static unsigned starve(struct seals_test *test, try_fn *work)
{
    for (unsigned hit = 1;; hit++) {
        unsigned left = hit;

        sherd_failpoint_set(no_memory, &left);
        const enum sherd_err err = work(test);
        sherd_failpoint_set(NULL, NULL);
        if (left > 0) {
            assert_ok(err);
            return hit - 1;
        }
        if (err != SHERD_ERR_NO_MEMORY)
            fail_msg("block %u: %s: %s", hit, sherd_err_name(err), sherd_err_detail());
    }
}

static void test_anchor_seals__without_memory_change_nothing(void **state)
{
    struct seals_test *test = *state;
    struct seen seen;

    assert_ok(open_shares(test, 0, PICK(1, 2, 3)));
    assert_true(starve(test, try_check) > 3);
    assert_true(starve(test, try_add) > 5);
    look(test, &seen);
    assert_int_equal(seen.count, 2); /* added once, when there was memory */
    assert_true(starve(test, try_rekey) > 5);
    (void)pick(test, 1, PICK(1, 2, 3, 4));
    assert_true(starve(test, try_confirm) > 5);
    assert_ok(open_shares(test, 0, PICK(5, 4, 3)));
    (void)pick(test, 1, PICK(5));
    assert_ok(try_confirm(test));
    assert_ok(open_shares(test, 1, PICK(5, 4, 3)));
}

/* Dies at the hit-th place of that name. */
struct strike {
    const char *name;
    unsigned hit;
};

static enum sherd_err die(void *arg, const char *name)
{
    struct strike *strike = arg;

    if (strcmp(name, strike->name) == 0 && --strike->hit == 0)
        (void)kill(getpid(), SIGKILL);
    return SHERD_OK;
}

typedef void work_fn(struct seals_test *test);

/* @return whether the child was killed; else it did all of its work */
static bool killed(struct seals_test *test, work_fn *work, const char *name, unsigned hit)
{
    struct strike strike = {.name = name, .hit = hit};
    int status = 0;

    sherd_vault_close(test->vault.vault);
    test->vault.vault = NULL;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        sherd_failpoint_set(die, &strike);
        work(test);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        return true;
    assert_int_equal(status, 0);
    return false;
}

/* In a child, where an assertion would not be told. */
static void must(enum sherd_err err)
{
    if (err != SHERD_OK) {
        (void)fprintf(stderr, "in a child: %s\n", sherd_err_detail());
        _exit(1);
    }
}

/* New shares, confirmed in two goes. */
static void rekey_all(struct seals_test *test)
{
    struct sherd_shares_progress progress;

    must(open_shares(test, 0, PICK(1, 2, 3)));
    must(sherd_shares_rekey(test->vault.vault, 0, NULL, keep_share, &test->dealt[1]));
    must(confirm(test, 1, PICK(1, 5), &progress));
    must(confirm(test, 1, PICK(2, 3, 4), &progress));
}

/* After a kill exactly one set of shares opens, and the work can be ended. */
static void finish_rekey(struct seals_test *test)
{
    struct sherd_shares_progress progress;
    const bool old_opens = open_shares(test, 0, PICK(3, 4, 5)) == SHERD_OK;
    const bool new_opens = test->dealt[1].count == 5 && open_shares(test, 1, PICK(3, 4, 5)) == SHERD_OK;

    assert_true(old_opens != new_opens);
    if (old_opens && confirm(test, 1, PICK(1, 2, 3, 4, 5), &progress) != SHERD_OK) {
        assert_ok(open_shares(test, 0, PICK(3, 4, 5))); /* the new ones were never written: make others */
        test->dealt[1].count = 0;
        assert_ok(sherd_shares_rekey(test->vault.vault, 0, NULL, keep_share, &test->dealt[1]));
        assert_ok(confirm(test, 1, PICK(1, 2, 3, 4, 5), &progress));
    }
    assert_ok(open_shares(test, 1, PICK(3, 4, 5)));
    test->dealt[2].count = 0;
    assert_ok(sherd_shares_rekey(test->vault.vault, 0, NULL, keep_share, &test->dealt[2])); /* nothing is in the way */
    assert_ok(sherd_shares_abandon(test->vault.vault, 0));
    assert_err(SHERD_ERR_DENIED, open_shares(test, 0, PICK(3, 4, 5)));
}

static void test_anchor_seals_rekey__killed_anywhere_leaves_one_set_that_opens(void **state)
{
    static const char *const places[] = {"shares.before_write",    "shares.written",  "shares.named",
                                         "confirm.before_write",   "confirm.written", "confirm.named",
                                         "confirm.before_replace", "confirm.replaced"};
    unsigned strikes = 0;

    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++)
        for (unsigned hit = 1;; hit++) {
            struct seals_test *test = *state;
            const bool was_killed = killed(test, rekey_all, places[i], hit);

            if (!was_killed && hit == 1)
                fail_msg("%s is never reached", places[i]);
            finish_rekey(test);
            strikes += was_killed;
            (void)teardown(state);
            assert_int_equal(setup(state), 0);
            if (!was_killed)
                break;
        }
    assert_int_equal(strikes, 3 + 3 * 2 + 2);
}

static void add_and_remove(struct seals_test *test)
{
    const struct sherd_unseal unseal = {.passphrase = sherd_span_str("correct horse")};

    must(open_shares(test, 0, PICK(1, 2, 3)));
    must(sherd_seal_add(test->vault.vault, &unseal, NULL));
    must(sherd_seal_remove(test->vault.vault, 1));
}

static void test_anchor_seals__killed_while_one_is_added_or_removed_still_open(void **state)
{
    static const char *const places[] = {"seal.add_written", "seal.added", "seal.before_remove", "seal.removed"};
    const struct sherd_unseal passphrase = {.passphrase = sherd_span_str("correct horse")};

    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++) {
        struct seals_test *test = *state;

        assert_true(killed(test, add_and_remove, places[i], 1));
        const bool by_shares = open_shares(test, 0, PICK(1, 2, 3)) == SHERD_OK;
        const bool by_passphrase = open_by(test, &passphrase) == SHERD_OK;
        assert_int_equal(by_shares, i < 3);
        assert_int_equal(by_passphrase, i > 0);
        (void)teardown(state);
        assert_int_equal(setup(state), 0);
    }
}

#endif

#define seals_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        seals_test(test_anchor_seals__shares_open_a_vault),
        seals_test(test_anchor_seals__lie_side_by_side_and_the_last_one_stays),
        seals_test(test_anchor_seals__is_not_added_where_a_share_does_not_arrive),
        seals_test(test_anchor_seals__with_a_removed_one_of_garbage_open),
        seals_test(test_anchor_seals_rekey__replaces_when_all_are_confirmed),
        seals_test(test_anchor_seals_rekey__makes_another_number_of_shares),
        seals_test(test_anchor_seals_rekey__is_abandoned_by_a_word),
        seals_test(test_anchor_seals_rekey__refuses_every_changed_byte_of_new_shares),
#if SHERD_FAILPOINTS
        seals_test(test_anchor_seals__without_memory_change_nothing),
        seals_test(test_anchor_seals_rekey__killed_anywhere_leaves_one_set_that_opens),
        seals_test(test_anchor_seals__killed_while_one_is_added_or_removed_still_open),
#endif
    };

    return cmocka_run_group_tests_name("anchor_seals", tests, NULL, NULL);
}
