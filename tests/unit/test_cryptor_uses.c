/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counted uses of master keys in a vault on disk, by processes that are killed again and again: none is ever used more
 * often than its limit says, and what was made stays readable. Verify and sweep on what is refused by policy.
 */
#include "anchor/embedded/embedded_inside.h"
#include "anchor/keys/entities_inside.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/secret.h"
#include "cryptor/vault.h"
#include "vault.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define LIMIT 1000U
#define VERSIONS 4U
#define KILLED_AFTER 50U
#define ROUNDS_MAX 200U

static enum sherd_err rule_in(void *arg, struct sherd_keyring *keyring)
{
    return sherd_keyring_rule(keyring, "default", arg);
}

static void rule(struct sherd_vault *vault, struct sherd_key_policy policy)
{
    assert_ok(sherd_ring_change(sherd_embedded_of(vault->anchor)->ring, rule_in, &policy));
}

/* What the processes share: how many entities were made, and by whom. */
struct shared {
    _Atomic uint32_t made;
    _Atomic uint32_t failed;
};

struct maker {
    struct sherd_vault *vault;
    struct shared *shared;
    unsigned round;
    unsigned number;
};

/* New entities until the process is killed. */
static void *make_entities(void *arg)
{
    const struct maker *maker = arg;
    struct sherd_anchor *anchor = maker->vault->anchor;
    struct sherd_collection_entry collection;

    if (sherd_vault_collection(maker->vault, NULL, &collection) != SHERD_OK)
        return NULL;
    for (unsigned i = 0;; i++) {
        struct sherd_record_key key;
        struct sherd_uuid record;
        struct sherd_pin pin;
        char id[48];

        (void)snprintf(id, sizeof(id), "entity %u of %u in %u", i, maker->number, maker->round);
        collection.rules.derived_entity_keys = i % 5 == 0;
        if (sherd_uuid_new(&record) != SHERD_OK ||
            anchor->ops->key_new(anchor, &collection, id, record, 1, &pin, &key) != SHERD_OK) {
            print_error("%s\n", sherd_err_detail());
            (void)atomic_fetch_add(&maker->shared->failed, 1);
            return NULL;
        }
        (void)atomic_fetch_add(&maker->shared->made, 1);
    }
}

/* A process that makes about so many entities, in two threads, and is killed. */
static void make_and_die(const struct vault_test *test, struct shared *shared, unsigned round)
{
    const struct timespec pause = {.tv_nsec = 200000};
    const uint32_t until = atomic_load(&shared->made) + KILLED_AFTER;
    const pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        struct sherd_vault *vault = vault_open_as(test, false, 2);
        struct maker makers[2];
        pthread_t threads[2];

        for (unsigned i = 0; i < 2; i++) {
            makers[i] = (struct maker){.vault = vault, .shared = shared, .round = round, .number = i};
            if (pthread_create(&threads[i], NULL, make_entities, &makers[i]) != 0)
                _exit(2);
        }
        for (unsigned i = 0; i < 2; i++)
            (void)pthread_join(threads[i], NULL);
        _exit(3);
    }
    while (atomic_load(&shared->made) < until && atomic_load(&shared->failed) == 0)
        (void)nanosleep(&pause, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(atomic_load(&shared->failed), 0);
    assert_true(WIFSIGNALED(status));
}

struct list {
    size_t count;
    struct sherd_master_info infos[SHERD_MASTERS_MAX];
    uint64_t entities[SHERD_MASTERS_MAX]; /* that hang on each */
    uint64_t entity_count;
};

static enum sherd_err note(void *arg, const struct sherd_master_info *info)
{
    struct list *list = arg;

    if (strcmp(info->name, "default") == 0)
        list->infos[list->count++] = *info;
    return SHERD_OK;
}

static enum sherd_err count_entity(void *arg, const struct sherd_anchor_entry *entry)
{
    struct list *list = arg;

    assert_int_equal(entry->status, SHERD_OK);
    list->entity_count += entry->entity != NULL ? 1 : 0;
    for (size_t i = 0; i < list->count && entry->entity != NULL; i++)
        list->entities[i] += sherd_same(entry->entity->master.bytes, list->infos[i].kid, 16) ? 1 : 0;
    return SHERD_OK;
}

/* The versions, and what hangs on each: every key is unwrapped on the way. */
static struct list list_of(struct sherd_vault *vault)
{
    struct list list = {.count = 0};
    struct sherd_ref last;
    size_t count;

    assert_ok(sherd_master_each(vault, note, &list));
    assert_ok(vault->anchor->ops->scan(vault->anchor, NULL, 1000000, count_entity, &list, &last, &count));
    return list;
}

static size_t version_count(struct sherd_vault *vault)
{
    struct list list = {.count = 0};

    assert_ok(sherd_master_each(vault, note, &list));
    return list.count;
}

static void test_cryptor_uses__never_exceed_their_limit_though_processes_die(void **state)
{
    struct vault_test *test = *state;
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sherd_verify_stat stat;
    unsigned round = 0;

    assert_true(shared != MAP_FAILED);
    rule(test->vault, (struct sherd_key_policy){.limit = LIMIT});
    const struct sherd_uuid first = vault_put(test, &(struct sherd_record_meta){.entity = "pat"}, "the first");
    for (; version_count(test->vault) < VERSIONS; round++) {
        assert_true(round < ROUNDS_MAX);
        make_and_die(test, shared, round);
    }
    const struct sherd_uuid last = vault_put(test, &(struct sherd_record_meta){.entity = "kim"}, "the last");
    for (unsigned again = 0; again < 2; again++) {
        const struct list list = list_of(test->vault);

        assert_true(list.count >= VERSIONS);
        assert_true(list.entity_count >= atomic_load(&shared->made) + 2); /* what was made is there */
        for (size_t i = 0; i < list.count; i++) {
            assert_int_equal(list.infos[i].limit, LIMIT);
            assert_true(list.entities[i] <= list.infos[i].wraps_counted && list.infos[i].wraps_counted <= LIMIT);
            assert_true(i + 1 == list.count || list.infos[i].wraps_counted == LIMIT); /* each was used up first */
            assert_true(i + 1 == list.count || list.entities[i] > LIMIT / 2);         /* and not by losses */
        }
        vault_reopen(test);
    }
    assert_int_equal(vault_get(test, first, 0), SHERD_OK);
    assert_int_equal(vault_get(test, last, 0), SHERD_OK);
    assert_ok(sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_int_equal(stat.record_count, 2);
    assert_int_equal(stat.refused_count, 0);
    assert_int_equal(munmap(shared, sizeof(*shared)), 0);
}

/* --- verify and sweep --------------------------------------------------------------------------------------------- */

struct told {
    unsigned records;
    unsigned others;
};

static void tell(void *arg, const struct sherd_finding *finding)
{
    struct told *told = arg;

    assert_int_equal(finding->kind, SHERD_FINDING_REFUSED);
    assert_non_null(strstr(finding->text, "is refused by policy"));
    assert_string_equal(finding->compartment, "keys");
    told->records += finding->has_record ? 1 : 0;
    told->others += finding->has_record ? 0 : 1;
}

static void test_cryptor_uses__verify_tells_what_is_refused_from_what_is_damaged(void **state)
{
    const struct sherd_master_options next = {.name = "default"};
    const struct sherd_rekey_options all = {0};
    struct vault_test *test = *state;
    struct sherd_rekey_stat rekeyed;
    struct sherd_verify_stat stat;
    struct sherd_sweep_stat swept;
    struct told told = {0};
    const struct sherd_observer observer = {.finding = tell, .arg = &told};
    const struct sherd_uuid old = vault_put(test, &(struct sherd_record_meta){.entity = "pat"}, "older");

    assert_ok(sherd_master_activate(test->vault, &next, NULL));
    const struct sherd_uuid young = vault_put(test, &(struct sherd_record_meta){.entity = "kim"}, "newer");
    rule(test->vault, (struct sherd_key_policy){.floor = 2});
    vault_reopen(test);
    assert_int_equal(vault_get(test, old, 0), SHERD_ERR_DENIED);
    assert_int_equal(vault_get(test, young, 0), SHERD_OK);
    assert_ok(sherd_vault_verify(test->vault, NULL, &observer, &stat));
    assert_int_equal(stat.finding_count, 0);
    assert_int_equal(stat.refused_count, 2);
    assert_int_equal(stat.orphan_count, 0);
    assert_int_equal(told.records, 1);
    assert_int_equal(told.others, 1);
    assert_ok(sherd_vault_verify(test->vault, &old, &observer, &stat)); /* one record */
    assert_int_equal(stat.refused_count, 1);
    assert_int_equal(told.records, 2);
    assert_ok(sherd_vault_verify(test->vault, &young, &observer, &stat));
    assert_int_equal(stat.refused_count, 0);
    assert_err(SHERD_ERR_DENIED, sherd_vault_sweep(test->vault, false, &swept));
    assert_err(SHERD_ERR_DENIED, sherd_rekey(test->vault, &all, NULL, NULL, &rekeyed));
    assert_ok(sherd_record_delete(test->vault, old)); /* which needs no key */
    rule(test->vault, (struct sherd_key_policy){.floor = 0});
    assert_ok(sherd_rekey(test->vault, &all, NULL, NULL, &rekeyed));
    rule(test->vault, (struct sherd_key_policy){.floor = 2}); /* nothing lies below it any more */
    assert_ok(sherd_vault_verify(test->vault, NULL, &observer, &stat));
    assert_int_equal(stat.refused_count, 0);
    assert_ok(sherd_vault_sweep(test->vault, false, &swept));
}

/* --- nonces ------------------------------------------------------------------------------------------------------- */

#define WRAPS 100000U
#define SALT_BYTES 24U

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, SALT_BYTES);
}

/*
 * Of one key, under one master key, epoch and context, again and again: each wrap draws a salt of its own, from which
 * its key and nonce are derived, so none is used twice while salts differ.
 */
static void test_cryptor_uses__never_have_a_salt_twice(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_entities_parts *parts = sherd_entities_parts(sherd_embedded_of(test->vault->anchor)->entities);
    struct sherd_entity_key_entry entry = {.version = 1, .version_oldest = 1, .epoch = 1};
    struct sherd_master_key *master = sherd_secret_alloc(sizeof(*master));
    struct sherd_epoch_set *epochs = sherd_secret_alloc(sizeof(*epochs));
    struct sherd_entity_key *key = sherd_secret_alloc(sizeof(*key));
    uint8_t(*salts)[SALT_BYTES] = test_calloc(WRAPS, SALT_BYTES);

    assert_true(master != NULL && epochs != NULL && key != NULL);
    assert_ok(sherd_masters_active(parts->masters, "default", &entry.master, master));
    assert_ok(sherd_epoch_read(parts->home, 1, epochs));
    assert_ok(sherd_random(key->bytes, sizeof(key->bytes)));
    for (size_t i = 0; i < WRAPS; i++) {
        assert_ok(sherd_entity_key_wrap(&parts->at, master, &epochs->keys[0], key, &entry));
        memcpy(salts[i], entry.key.bytes, SALT_BYTES);
    }
    qsort(salts, WRAPS, SALT_BYTES, by_bytes);
    for (size_t i = 1; i < WRAPS; i++)
        if (memcmp(salts[i - 1], salts[i], SALT_BYTES) == 0)
            fail_msg("a salt was drawn twice");
    test_free(salts);
    sherd_secret_free(master);
    sherd_secret_free(epochs);
    sherd_secret_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_uses__never_exceed_their_limit_though_processes_die),
        vault_test_of(test_cryptor_uses__verify_tells_what_is_refused_from_what_is_damaged),
        vault_test_of(test_cryptor_uses__never_have_a_salt_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
