/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the rotation of store keys, on a whole vault: while other processes put, get, update and delete, one that
 * rotates is killed at every step; every record stays readable, and in the end nothing lies under an old version.
 */
#include "base/bytes.h"
#include "base/failpoint.h"
#include "cryptor/vault.h"
#include "vault.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

static const char *const stores[] = {"store:identity", "store:assets", "store:secrets", "store:keys"};

static void activate(struct sherd_vault *vault, const char *name)
{
    const struct sherd_master_options options = {.name = name};

    assert_ok(sherd_master_activate(vault, &options, NULL));
}

static void activate_all(struct sherd_vault *vault)
{
    for (size_t i = 0; i < SHERD_COUNT_OF(stores); i++)
        activate(vault, stores[i]);
}

static struct sherd_rekey_stat rekey(struct sherd_vault *vault)
{
    const struct sherd_rekey_options all = {.rate = 0};
    struct sherd_rekey_stat stat;

    assert_ok(sherd_rekey(vault, &all, NULL, NULL, &stat));
    return stat;
}

/* --- what lies where ---------------------------------------------------------------------------------------------- */

struct found {
    enum sherd_role role;
    uint32_t oldest;
    uint32_t newest;
    unsigned count;
};

static enum sherd_err look(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct found *found = arg;
    const uint32_t version = sherd_entry_version(stored);

    (void)name;
    if (found->role == SHERD_SECRETS && !sherd_entry_is_everywhere(SHERD_FOR_SECRETS, stored))
        return SHERD_OK;
    found->oldest = found->count == 0 || version < found->oldest ? version : found->oldest;
    found->newest = version > found->newest ? version : found->newest;
    found->count++;
    return SHERD_OK;
}

static struct sherd_compartment *compartment_of(struct sherd_vault *vault, enum sherd_role role)
{
    struct sherd_compartment *const all[] = {vault->identity, vault->assets.compartment, vault->secrets, vault->keys};

    return all[role - 1];
}

static struct found look_at(struct sherd_vault *vault, enum sherd_role role)
{
    struct found found = {.role = role};
    struct sherd_snapshot *snapshot;

    assert_ok(sherd_compartment_snapshot_begin(compartment_of(vault, role), &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, look, &found));
    sherd_snapshot_end(snapshot);
    assert_true(found.count > 0);
    return found;
}

struct listed {
    unsigned count[4];
    uint64_t newest[4];
    unsigned hash_count;
};

static enum sherd_err note(void *arg, const struct sherd_master_info *info)
{
    struct listed *listed = arg;

    for (size_t i = 0; i < SHERD_COUNT_OF(stores); i++)
        if (strcmp(info->name, stores[i]) == 0) {
            listed->count[i]++;
            listed->newest[i] = info->version;
        }
    listed->hash_count += strcmp(info->name, SHERD_MASTER_HASH) == 0 ? 1 : 0;
    return SHERD_OK;
}

static struct listed list(struct sherd_vault *vault)
{
    struct listed listed = {.hash_count = 0};

    assert_ok(sherd_master_each(vault, note, &listed));
    return listed;
}

/* One version is left of each, and everything lies under it. */
static void assert_all_newest(struct sherd_vault *vault)
{
    const struct listed listed = list(vault);

    for (enum sherd_role role = SHERD_IDENTITY; role <= SHERD_KEYS; role++) {
        const struct found found = look_at(vault, role);

        assert_int_equal(listed.count[role - 1], 1);
        assert_int_equal(found.oldest, listed.newest[role - 1]);
        assert_int_equal(found.newest, listed.newest[role - 1]);
    }
    assert_int_equal(listed.hash_count, 1);
}

/* --- one process -------------------------------------------------------------------------------------------------- */

static void test_scrub_store_keys_rekey__brings_everything_under_the_newest(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_master_options stripe = {
        .name = "default", .store = "stripe", .args = "places=identity,assets,secrets,keys"};
    struct sherd_uuid ids[40];
    char text[32];

    vault_collection(test, "logs", 3, false);
    assert_ok(sherd_master_activate(test->vault, &stripe, NULL)); /* parts in all compartments */
    for (unsigned i = 0; i < 40; i++) {
        const struct sherd_record_meta meta = {.collection = i % 2 == 0 ? "logs" : NULL, .entity = "pat"};

        (void)snprintf(text, sizeof(text), "text %u", i);
        ids[i] = vault_put(test, &meta, text);
    }
    for (unsigned round = 0; round < 3; round++) {
        activate_all(test->vault);
        activate(test->vault, "hash");
        const struct sherd_rekey_stat stat = rekey(test->vault);
        assert_true(stat.resealed_count >= 40);
        assert_true(stat.record_count >= 40); /* the store key of secrets takes part in what wraps their keys */
        assert_all_newest(test->vault);
        assert_int_equal(rekey(test->vault).resealed_count, 0);
        if (round == 1)
            vault_reopen(test);
        for (unsigned i = 0; i < 40; i++) {
            (void)snprintf(text, sizeof(text), "text %u", i);
            vault_assert_text(test, ids[i], 0, text);
        }
        assert_ok(sherd_record_update(test->vault, ids[0], 0, NULL, sherd_span_str("text 0"), NULL));
        vault_assert_clean(test, 0);
    }
}

/* What is asked for in part is done in part: the rest lies where it lay, and nothing is destroyed. */
static void test_scrub_store_keys_rekey__of_one_entity_ends_nothing(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "pat"};
    const struct sherd_rekey_options one = {.entity = "pat"};
    struct sherd_rekey_stat stat;

    const struct sherd_uuid id = vault_put(test, &meta, "text");
    activate_all(test->vault);
    assert_ok(sherd_rekey(test->vault, &one, NULL, NULL, &stat));
    assert_int_equal(stat.resealed_count, 0);
    assert_int_equal(list(test->vault).count[SHERD_ASSETS - 1], 2);
    vault_assert_text(test, id, 0, "text");
    for (size_t i = 0; i < SHERD_COUNT_OF(stores); i++)
        assert_err(SHERD_ERR_CONFLICT, sherd_master_destroy(test->vault, stores[i], 1));
    vault_assert_clean(test, 0);
    rekey(test->vault);
    assert_all_newest(test->vault);
}

/* What was begun before, and is committed when all that sealed it is destroyed, is sealed anew on its way. */
static void test_scrub_store_keys_rekey__meets_what_is_under_way(void **state)
{
    struct vault_test *test = *state;
    struct sherd_vault *vault = test->vault;
    struct sherd_writer *writers[3];
    struct sherd_uuid ids[3];
    const struct sherd_uuid first = vault_put(test, NULL, "first");

    assert_ok(sherd_writer_begin(test->vault, NULL, &writers[0]));
    assert_ok(sherd_writer_begin_update(test->vault, first, 0, NULL, &writers[1]));
    assert_ok(sherd_writer_begin(test->vault, NULL, &writers[2]));
    for (unsigned round = 0; round < 2; round++) {
        activate_all(vault);
        rekey(vault);
    }
    assert_all_newest(vault);
    for (size_t i = 0; i < 3; i++) {
        assert_ok(sherd_writer_append(writers[i], sherd_span_str("begun before")));
        if (i == 2)
            sherd_writer_abort(writers[i]);
        else
            assert_ok(sherd_writer_commit(writers[i], &ids[i], NULL));
    }
    assert_all_newest(vault);
    vault_assert_text(test, first, 0, "begun before");
    vault_assert_text(test, ids[0], 0, "begun before");
    vault_assert_clean(test, 0);
}

struct thief {
    struct sherd_store_op op;
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
};

static enum sherd_err steal_map(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct thief *thief = arg;

    if (stored.data[1] != SHERD_KIND_MAP)
        return SHERD_OK;
    memcpy(thief->block, stored.data, stored.len);
    thief->op = (struct sherd_store_op){
        .kind = SHERD_STORE_PUT, .name = name, .value = sherd_span_of(thief->block, stored.len)};
    return SHERD_OK;
}

static void test_scrub_store_keys_rekey__refuses_what_is_put_back(void **state)
{
    struct vault_test *test = *state;
    struct sherd_snapshot *snapshot;
    struct sherd_verify_stat stat;
    struct thief thief;

    const struct sherd_uuid id = vault_put(test, NULL, "text");
    assert_ok(sherd_compartment_snapshot_begin(test->vault->assets.compartment, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, steal_map, &thief));
    sherd_snapshot_end(snapshot);
    activate(test->vault, "store:assets");
    rekey(test->vault);
    vault_assert_text(test, id, 0, "text");
    assert_ok(sherd_compartment_write(test->vault->assets.compartment, &thief.op, 1));
    assert_int_equal(vault_get(test, id, 0), SHERD_ERR_DENIED);
    assert_err(SHERD_ERR_TAMPERED, sherd_vault_verify(test->vault, NULL, NULL, &stat));
    assert_int_equal(stat.finding_count, 2); /* the record, and the entry where it lies */
    activate(test->vault, "store:assets");
    const struct sherd_rekey_options all = {.rate = 0};
    struct sherd_rekey_stat rekeyed;
    assert_err(SHERD_ERR_DENIED, sherd_rekey(test->vault, &all, NULL, NULL, &rekeyed)); /* it ends nothing then */
    assert_int_equal(list(test->vault).count[SHERD_ASSETS - 1], 2);
    thief.block[7] = 200; /* one that was never made */
    assert_ok(sherd_compartment_write(test->vault->assets.compartment, &thief.op, 1));
    assert_int_equal(vault_get(test, id, 0), SHERD_ERR_TAMPERED);
}

/* --- processes, and kills ----------------------------------------------------------------------------------------- */

#define RECORDS 120U
#define WORKERS 3U

struct shared {
    atomic_bool stop;
    atomic_uint failed;
    atomic_ulong rounds;
    _Atomic unsigned versions[RECORDS]; /* the current one of each record */
    struct sherd_uuid ids[RECORDS];
    char why[256];
};

struct worker {
    struct sherd_vault *vault;
    struct shared *shared;
    unsigned number;
};

static void text_of(unsigned record, unsigned version, char out[static 40])
{
    (void)snprintf(out, 40, "record %u, version %u", record, version);
}

static enum sherd_err check_one(struct sherd_vault *vault, struct sherd_uuid id, unsigned record, unsigned version)
{
    struct sherd_buf found = {0};
    char text[40];

    text_of(record, version, text);
    const enum sherd_err err = sherd_record_get(vault, id, 0, &found);
    const bool same = err == SHERD_OK && sherd_span_equal(sherd_buf_span(&found), sherd_span_str(text));
    sherd_buf_done(&found);
    return err == SHERD_OK && !same ? SHERD_ERR_TAMPERED : err;
}

/* A record of its own: put, read, deleted. Of some entity, which is new now and then. */
static enum sherd_err come_and_go(struct sherd_vault *vault, uint64_t x)
{
    char entity[32];
    const struct sherd_record_meta meta = {.entity = entity};
    struct sherd_buf found = {0};
    struct sherd_uuid id;

    (void)snprintf(entity, sizeof(entity), "entity-%u", (unsigned)(x % 1000));
    enum sherd_err err = sherd_record_put(vault, &meta, sherd_span_str("comes and goes"), &id);
    if (err == SHERD_OK)
        err = sherd_record_get(vault, id, 0, &found);
    if (err == SHERD_OK && !sherd_span_equal(sherd_buf_span(&found), sherd_span_str("comes and goes")))
        err = SHERD_ERR_TAMPERED;
    sherd_buf_done(&found);
    return err == SHERD_OK ? sherd_record_delete(vault, id) : err;
}

static enum sherd_err do_one(const struct worker *worker, uint64_t x)
{
    struct shared *shared = worker->shared;
    const unsigned record = (unsigned)((x >> 33) % (RECORDS / WORKERS)) * WORKERS + worker->number;
    const unsigned version = atomic_load(&shared->versions[record]);
    char text[40];

    SHERD_TRY(check_one(worker->vault, shared->ids[record], record, version));
    if (x >> 60 < 4) {
        text_of(record, version + 1, text);
        SHERD_TRY(sherd_record_update(worker->vault, shared->ids[record], version, NULL, sherd_span_str(text), NULL));
        atomic_store(&shared->versions[record], version + 1);
    }
    return x >> 60 > 12 ? come_and_go(worker->vault, x) : SHERD_OK;
}

static void *work(void *arg)
{
    const struct worker *worker = arg;
    struct shared *shared = worker->shared;
    uint64_t x = worker->number + 1;

    while (!atomic_load(&shared->stop)) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407U;
        const enum sherd_err err = do_one(worker, x);

        atomic_fetch_add(&shared->rounds, 1);
        if (err != SHERD_OK) {
            if (atomic_fetch_add(&shared->failed, 1) == 0)
                (void)snprintf(shared->why, sizeof(shared->why), "%s: %s", sherd_err_name(err), sherd_err_detail());
            return NULL;
        }
    }
    return NULL;
}

/* A process that puts, reads, updates and deletes until it is told to stop. */
static pid_t load_begin(const struct vault_test *test, struct shared *shared)
{
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child != 0)
        return child;
    pthread_t threads[WORKERS];
    struct worker workers[WORKERS];
    struct sherd_vault *vault = vault_open_as(test, false, 2);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.vault = vault, .shared = shared, .number = i};
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
            _exit(2);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        (void)pthread_join(threads[i], NULL);
    sherd_vault_close(vault);
    _exit(0);
}

struct strike {
    const char *name;
    unsigned at;
    unsigned hits;
};

static enum sherd_err die_at(void *arg, const char *name)
{
    struct strike *strike = arg;

    if (strcmp(strike->name, name) == 0 && ++strike->hits == strike->at)
        (void)raise(SIGKILL);
    return SHERD_OK;
}

/* A process that activates every store key and rekeys, until it dies at a place. */
static void rotate_until(const struct vault_test *test, struct strike strike)
{
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct sherd_vault *vault = vault_open_as(test, false, 2);

        sherd_failpoint_set(die_at, &strike);
        activate_all(vault);
        activate(vault, "hash");
        (void)rekey(vault);
        sherd_vault_close(vault);
        _exit(9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s was not hit %u times: %d", strike.name, strike.at, status);
}

static void put_all(struct vault_test *test, struct shared *shared)
{
    char text[40];
    char entity[16];

    for (unsigned i = 0; i < RECORDS; i++) {
        const struct sherd_record_meta meta = {.entity = entity};

        (void)snprintf(entity, sizeof(entity), "entity-%u", i % 10);
        text_of(i, 1, text);
        shared->ids[i] = vault_put(test, &meta, text);
        atomic_store(&shared->versions[i], 1);
    }
}

static void test_scrub_store_keys_rekey__leaves_every_record_readable_under_load_and_kills(void **state)
{
    static const struct strike strikes[] = {
        {"ring.written", 1, 0},        {"ring.pinned", 1, 0},         {"ring.pinned", 2, 0},
        {"ring.pinned", 4, 0},         {"rekey.before_tell", 1, 0},   {"rekey.before_write", 1, 0},
        {"reseal.before_write", 1, 0}, {"reseal.before_write", 4, 0}, {"stores.before_end", 1, 0},
        {"ring.written", 6, 0},        {"ring.pinned", 6, 0},         {"masters.doomed", 1, 0},
    };
    struct vault_test *test = *state;
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    assert_ptr_not_equal(shared, MAP_FAILED);
    put_all(test, shared);
    sherd_vault_close(test->vault);
    test->vault = NULL;
    const pid_t load = load_begin(test, shared);
    for (size_t i = 0; i < SHERD_COUNT_OF(strikes); i++) {
        rotate_until(test, strikes[i]);
        if (i % 4 == 3) { /* so that versions do not run out, and that ends are met under load */
            test->vault = vault_open_as(test, false, 2);
            rekey(test->vault);
            sherd_vault_close(test->vault);
            test->vault = NULL;
        }
    }
    test->vault = vault_open_as(test, false, 2);
    for (unsigned i = 0; i < 3; i++) {
        activate_all(test->vault);
        rekey(test->vault);
    }
    assert_all_newest(test->vault);
    atomic_store(&shared->stop, true);
    assert_int_equal(waitpid(load, &status, 0), load);
    if (atomic_load(&shared->failed) != 0)
        fail_msg("after %lu rounds: %s", atomic_load(&shared->rounds), shared->why);
    assert_int_equal(status, 0);
    assert_true(atomic_load(&shared->rounds) > 100);

    assert_all_newest(test->vault);
    vault_reopen(test);
    for (unsigned i = 0; i < RECORDS; i++)
        assert_ok(check_one(test->vault, shared->ids[i], i, atomic_load(&shared->versions[i])));
    vault_assert_clean(test, 0);
    (void)munmap(shared, sizeof(*shared));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_scrub_store_keys_rekey__brings_everything_under_the_newest),
        vault_test_of(test_scrub_store_keys_rekey__of_one_entity_ends_nothing),
        vault_test_of(test_scrub_store_keys_rekey__meets_what_is_under_way),
        vault_test_of(test_scrub_store_keys_rekey__refuses_what_is_put_back),
        vault_test_of(test_scrub_store_keys_rekey__leaves_every_record_readable_under_load_and_kills),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
