/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of <sherd/keys.h> on a whole vault: master keys and entities as a caller sees them, and who is refused what. */
#include "base/failpoint.h"
#include "cryptor/vault.h"
#include "vault.h"
#include <signal.h>
#include <sys/wait.h>

struct entities {
    size_t count;
    struct sherd_entity_info infos[1100];
};

static enum sherd_err note(void *arg, const struct sherd_entity_info *info)
{
    struct entities *entities = arg;

    entities->infos[entities->count++] = *info;
    return SHERD_OK;
}

static struct entities *list(struct vault_test *test, const char *collection)
{
    struct entities *entities = test_calloc(1, sizeof(*entities));

    assert_ok(sherd_entity_each(test->vault, collection, note, entities));
    return entities;
}

static const struct sherd_entity_info *find(const struct entities *entities, const char *collection, const char *id)
{
    for (size_t i = 0; i < entities->count; i++)
        if (strcmp(entities->infos[i].collection, collection) == 0 && strcmp(entities->infos[i].id, id) == 0)
            return &entities->infos[i];
    return NULL;
}

static void test_cryptor_keys_entity_each__tells_of_all_that_live(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta pat = {.entity = "pat"};
    const struct sherd_record_meta kim = {.collection = "eu", .entity = "kim"};
    const struct sherd_master_options eu_key = {.name = "eu-key"};
    const struct sherd_rekey_options fresh = {.entity = "pat", .fresh_keys = true};
    struct sherd_collection eu = {
        .name = "eu", .versions_kept = 1, .derived_entity_keys = true, .master_key = "eu-key"};
    struct sherd_rekey_stat stat;

    assert_ok(sherd_master_activate(test->vault, &eu_key, NULL));
    assert_ok(sherd_collection_create(test->vault, &eu));
    (void)vault_put(test, &pat, "x");
    (void)vault_put(test, &kim, "x");
    (void)vault_put(test, NULL, "x");
    assert_ok(sherd_rekey(test->vault, &fresh, NULL, NULL, &stat));
    struct entities *all = list(test, NULL);
    assert_int_equal(all->count, 3);
    const struct sherd_entity_info *info = find(all, "default", "pat");
    assert_non_null(info);
    assert_int_equal(info->key_version, 2);
    assert_false(info->derived);
    assert_string_equal(info->master_key, "default");
    assert_int_equal(info->master_version, 1);
    assert_int_equal(info->epoch, 1);
    info = find(all, "eu", "kim");
    assert_non_null(info);
    assert_true(info->derived);
    assert_string_equal(info->master_key, "eu-key");
    assert_non_null(find(all, "default", ""));
    test_free(all);
    all = list(test, "eu");
    assert_int_equal(all->count, 1);
    test_free(all);
    assert_ok(sherd_entity_erase(test->vault, NULL, "pat"));
    all = list(test, "default");
    assert_int_equal(all->count, 1);
    assert_string_equal(all->infos[0].id, "");
    test_free(all);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_entity_each(test->vault, "us", note, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_entity_each(test->vault, NULL, NULL, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_entity_each(NULL, NULL, note, NULL));
}

static void test_cryptor_keys_entity_each__goes_on_past_a_page(void **state)
{
    enum { COUNT = 600 };
    struct vault_test *test = *state;
    struct sherd_batch_item *items = test_calloc(COUNT, sizeof(*items));
    struct sherd_record_meta *metas = test_calloc(COUNT, sizeof(*metas));
    char(*names)[16] = test_calloc(COUNT, sizeof(*names));

    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "e%u", i);
        metas[i].entity = names[i];
        items[i] = (struct sherd_batch_item){.meta = &metas[i], .content = sherd_span_str("x")};
    }
    assert_ok(sherd_record_put_batch(test->vault, items, COUNT));
    struct entities *all = list(test, NULL);
    assert_int_equal(all->count, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        assert_non_null(find(all, "default", names[i]));
    test_free(all);
    test_free(items);
    test_free(metas);
    test_free(names);
}

static void test_cryptor_keys_entity_each__says_when_an_entry_does_not_verify(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_store_op op = {
        .kind = SHERD_STORE_PUT, .name = {{1, 2, 3}}, .value = sherd_span_str("not an entry")};
    struct entities *all = test_calloc(1, sizeof(*all));

    (void)vault_put(test, NULL, "x");
    assert_ok(sherd_compartment_write(test->vault->keys, &op, 1));
    assert_err(SHERD_ERR_TAMPERED, sherd_entity_each(test->vault, NULL, note, all));
    test_free(all);
}

static void test_cryptor_keys_entity_erase__takes_all_records_and_versions(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta pat = {.collection = "all", .entity = "pat"};
    const struct sherd_record_meta kim = {.collection = "all", .entity = "kim"};
    struct sherd_uuid ids[6];
    struct sherd_record_info *info;
    struct sherd_sweep_stat swept;

    vault_collection(test, "all", 0, false);
    for (unsigned i = 0; i < 6; i++) {
        ids[i] = vault_put(test, i % 2 == 0 ? &pat : &kim, "one");
        assert_ok(sherd_record_update(test->vault, ids[i], 0, NULL, sherd_span_str("two"), NULL));
    }
    assert_err(SHERD_ERR_NOT_FOUND, sherd_entity_erase(test->vault, NULL, "pat")); /* of another collection */
    assert_ok(sherd_entity_erase(test->vault, "all", "pat"));
    for (unsigned i = 0; i < 6; i++)
        for (uint64_t version = 0; version <= 2; version++)
            assert_int_equal(vault_get(test, ids[i], version), i % 2 == 0 ? SHERD_ERR_NOT_FOUND : SHERD_OK);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_stat(test->vault, ids[0], 0, &info));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_record_update(test->vault, ids[0], 0, NULL, sherd_span_str("three"), NULL));
    vault_assert_clean(test, 12); /* three records of two versions: a map entry and a fragment each */
    assert_ok(sherd_vault_sweep(test->vault, false, &swept));
    assert_int_equal(swept.pin_count, 3);
    vault_assert_clean(test, 0);
    vault_reopen(test);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(vault_get(test, ids[i], 0), i % 2 == 0 ? SHERD_ERR_NOT_FOUND : SHERD_OK);
    vault_assert_text(test, vault_put(test, &pat, "again"), 0, "again");
}

static void test_cryptor_keys__refuse_who_may_only_read(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_master_options options = {.name = "default"};

    (void)vault_put(test, NULL, "x");
    sherd_vault_close(test->vault);
    test->vault = vault_open_as(test, true, 2);
    assert_err(SHERD_ERR_DENIED, sherd_master_activate(test->vault, &options, NULL));
    assert_err(SHERD_ERR_DENIED, sherd_master_retire(test->vault, "default", 1));
    assert_err(SHERD_ERR_DENIED, sherd_master_destroy(test->vault, "default", 1));
    assert_err(SHERD_ERR_DENIED, sherd_entity_erase(test->vault, NULL, ""));
    struct entities *all = list(test, NULL);
    assert_int_equal(all->count, 1);
    test_free(all);
}

static void test_cryptor_keys__need_what_they_need(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_master_options nameless = {.store = "anchor"};

    assert_err(SHERD_ERR_INVALID, sherd_master_activate(test->vault, NULL, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_master_activate(test->vault, &nameless, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_master_activate(NULL, &nameless, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_master_each(test->vault, NULL, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_master_retire(test->vault, NULL, 1));
    assert_err(SHERD_ERR_INVALID, sherd_master_destroy(test->vault, NULL, 1));
    assert_err(SHERD_ERR_INVALID, sherd_entity_erase(test->vault, NULL, NULL));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_entity_erase(test->vault, "nowhere", "pat"));
}

/* --- killed ------------------------------------------------------------------------------------------------------- */

static enum sherd_err die_at(void *arg, const char *name)
{
    if (strcmp(arg, name) == 0)
        (void)raise(SIGKILL);
    return SHERD_OK;
}

static enum sherd_err count_one(void *arg, const struct sherd_master_info *info)
{
    unsigned *count = arg;

    *count += strcmp(info->name, "default") == 0 ? 1 : 0;
    return SHERD_OK;
}

static unsigned versions_of_default(struct vault_test *test)
{
    unsigned count = 0;

    assert_ok(sherd_master_each(test->vault, count_one, &count));
    return count;
}

/* A process that activates a master key and erases an entity, and dies at a place. */
static void change_and_die(const struct vault_test *test, char *place)
{
    const struct sherd_master_options options = {.name = "default", .store = "stripe"};
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct sherd_vault *vault = vault_open_as(test, false, 2);

        sherd_failpoint_set(die_at, place);
        if (sherd_master_activate(vault, &options, NULL) == SHERD_OK &&
            sherd_entity_erase(vault, NULL, "pat") == SHERD_OK)
            _exit(9);
        _exit(8);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_cryptor_keys__that_were_being_changed_are_old_or_new(void **state)
{
    static struct {
        char place[24];
        unsigned versions; /* of the master key, after it */
        bool erased;
    } cases[] = {
        {"ring.written", 1, false}, {"ring.pinned", 2, false},      {"erase.before_write", 3, false},
        {"ring.written", 3, false}, {"erase.before_tell", 4, true},
    };
    struct vault_test *test = *state;
    const struct sherd_record_meta pat = {.entity = "pat"};
    const struct sherd_record_meta kim = {.entity = "kim"};
    const struct sherd_uuid gone = vault_put(test, &pat, "pat's");
    struct sherd_uuid last = vault_put(test, &kim, "kim's");

    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        sherd_vault_close(test->vault);
        test->vault = NULL;
        change_and_die(test, cases[i].place);
        test->vault = vault_open_as(test, false, 2);
        assert_int_equal(versions_of_default(test), cases[i].versions);
        assert_int_equal(vault_get(test, gone, 0), cases[i].erased ? SHERD_ERR_NOT_FOUND : SHERD_OK);
        vault_assert_text(test, last, 0, "kim's");
        last = vault_put(test, &kim, "kim's");
        struct sherd_verify_stat stat;
        assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &stat));
        assert_int_equal(stat.finding_count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_keys_entity_each__tells_of_all_that_live),
        vault_test_of(test_cryptor_keys_entity_each__goes_on_past_a_page),
        vault_test_of(test_cryptor_keys_entity_each__says_when_an_entry_does_not_verify),
        vault_test_of(test_cryptor_keys_entity_erase__takes_all_records_and_versions),
        vault_test_of(test_cryptor_keys__refuse_who_may_only_read),
        vault_test_of(test_cryptor_keys__need_what_they_need),
        vault_test_of(test_cryptor_keys__that_were_being_changed_are_old_or_new),
    };

    return cmocka_run_group_tests_name("cryptor_keys", tests, NULL, NULL);
}
