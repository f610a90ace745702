/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of rekeying and of the end of erase epochs, on a whole vault: under load and kills every record stays readable
 * and in the end nothing hangs on the old keys; and what was erased is gone, also for one who has kept a copy of every
 * file, but the key of the epoch.
 */
#include "anchor/keys/entity_key.h"
#include "anchor/keys/masters.h"
#include "anchor/pins/pins.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/secret.h"
#include "cryptor/vault.h"
#include "vault.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* Under a sanitizer everything takes ten times as long. */
#if defined(__SANITIZE_ADDRESS__)
#define RECORDS 1000U
#define DEEP_RECORDS 1000U
#else
#define RECORDS 10000U
#define DEEP_RECORDS 10000U
#endif
#define ENTITIES 50U
#define BATCH 500U

static void content_of(unsigned record, unsigned version, char out[static 32])
{
    (void)snprintf(out, 32, "record %u, version %u", record, version);
}

/* Records 0, 1, 2 ... each of one of many entities. */
static void put_all(struct sherd_vault *vault, struct sherd_uuid *ids, unsigned count)
{
    struct sherd_batch_item *items = test_calloc(BATCH, sizeof(*items));
    struct sherd_record_meta metas[ENTITIES];
    char(*texts)[32] = test_calloc(BATCH, sizeof(*texts));
    char names[ENTITIES][16];

    for (unsigned i = 0; i < ENTITIES; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "entity-%u", i);
        metas[i] = (struct sherd_record_meta){.entity = names[i]};
    }
    for (unsigned done = 0; done < count; done += BATCH) {
        const unsigned now = count - done < BATCH ? count - done : BATCH;

        for (unsigned i = 0; i < now; i++) {
            content_of(done + i, 1, texts[i]);
            items[i].meta = &metas[(done + i) % ENTITIES];
            items[i].content = sherd_span_str(texts[i]);
        }
        assert_ok(sherd_record_put_batch(vault, items, now));
        for (unsigned i = 0; i < now; i++)
            ids[done + i] = items[i].id;
    }
    test_free(items);
    test_free(texts);
}

static enum sherd_err check_one(struct sherd_vault *vault, struct sherd_uuid id, unsigned record, unsigned version)
{
    struct sherd_buf found = {0};
    char text[32];

    content_of(record, version, text);
    const enum sherd_err err = sherd_record_get(vault, id, 0, &found);
    const bool same = err == SHERD_OK && sherd_span_equal(sherd_buf_span(&found), sherd_span_str(text));
    sherd_buf_done(&found);
    return err == SHERD_OK && !same ? SHERD_ERR_TAMPERED : err;
}

static void activate(struct sherd_vault *vault, const char *name)
{
    const struct sherd_master_options options = {.name = name};

    assert_ok(sherd_master_activate(vault, &options, NULL));
}

static void rekey(struct sherd_vault *vault, bool fresh_keys)
{
    const struct sherd_rekey_options options = {.fresh_keys = fresh_keys};
    struct sherd_rekey_stat stat;

    assert_ok(sherd_rekey(vault, &options, NULL, NULL, &stat));
}

static uint64_t roll(struct sherd_vault *vault)
{
    struct sherd_rekey_stat stat;
    uint64_t epoch;

    assert_ok(sherd_epoch_roll(vault, NULL, NULL, &stat, &epoch));
    return epoch;
}

/* --- under load, with kills --------------------------------------------------------------------------------------- */

/* What processes share. */
struct shared {
    atomic_bool stop;
    unsigned count;   /* of records */
    unsigned updated; /* so many of them are */
    atomic_uint failed;
    atomic_ulong reads;
    atomic_ulong writes;
    _Atomic unsigned versions[RECORDS]; /* the current one of each record */
    struct sherd_uuid ids[RECORDS];
    char why[256];
};

struct worker {
    struct sherd_vault *vault;
    struct shared *shared;
    unsigned number;
};

enum { WORKERS = 3 };

static void *work(void *arg)
{
    const struct worker *worker = arg;
    struct shared *shared = worker->shared;
    uint64_t x = worker->number + 1;

    while (!atomic_load(&shared->stop)) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407U;
        const unsigned record = (unsigned)((x >> 33) % (shared->count / WORKERS)) * WORKERS + worker->number;
        const unsigned version = atomic_load(&shared->versions[record]);
        enum sherd_err err = check_one(worker->vault, shared->ids[record], record, version);
        char text[32];

        atomic_fetch_add(&shared->reads, 1);
        if (err == SHERD_OK && x >> 60 < 4 && record < shared->updated) {
            content_of(record, version + 1, text);
            err = sherd_record_update(worker->vault, shared->ids[record], version, NULL, sherd_span_str(text), NULL);
            atomic_store(&shared->versions[record], version + 1);
            atomic_fetch_add(&shared->writes, 1);
        }
        if (err != SHERD_OK) {
            if (atomic_fetch_add(&shared->failed, 1) == 0)
                (void)snprintf(shared->why, sizeof(shared->why), "%s: %s", sherd_err_name(err), sherd_err_detail());
            return NULL;
        }
    }
    return NULL;
}

/* A process that reads and updates until it is told to stop. */
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

/* A process that activates a master key and the hash key, rekeys, and rolls the epoch, until it dies at a place. */
static void rotate_until(const struct vault_test *test, struct strike strike, bool fresh_keys)
{
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct sherd_vault *vault = vault_open_as(test, false, 2);

        sherd_failpoint_set(die_at, &strike);
        activate(vault, "default");
        activate(vault, "hash");
        rekey(vault, fresh_keys);
        (void)roll(vault);
        sherd_vault_close(vault);
        _exit(9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s was not hit %u times: %d", strike.name, strike.at, status);
}

struct masters {
    struct sherd_vault *vault;
    unsigned count;
    struct sherd_master_info infos[64];
};

static enum sherd_err note_master(void *arg, const struct sherd_master_info *info)
{
    struct masters *masters = arg;

    if (strchr(info->name, ':') == NULL)
        masters->infos[masters->count++] = *info;
    return SHERD_OK;
}

/* Retire and destroy all versions that do not wrap: which is refused while anything refers to one of them. */
static void destroy_old(struct sherd_vault *vault)
{
    struct masters masters = {.vault = vault};

    assert_ok(sherd_master_each(vault, note_master, &masters));
    for (unsigned i = 0; i < masters.count; i++)
        if (!masters.infos[i].wraps) {
            assert_ok(sherd_master_retire(vault, masters.infos[i].name, masters.infos[i].version));
            assert_ok(sherd_master_destroy(vault, masters.infos[i].name, masters.infos[i].version));
        }
    masters.count = 0;
    assert_ok(sherd_master_each(vault, note_master, &masters));
    assert_int_equal(masters.count, 2);
}

static uint64_t keys_count(struct sherd_vault *vault)
{
    struct sherd_store_stat stat;

    assert_ok(vault->anchor->ops->keys_stat(vault->anchor, &stat));
    return stat.entry_count;
}

static void test_scrub_rekey__leaves_every_record_readable_under_load_and_kills(void **state)
{
    static const struct strike strikes[] = {
        {"ring.written", 1, 0},       {"ring.pinned", 1, 0},         {"ring.pinned", 2, 0},
        {"renew.before_write", 1, 0}, {"renew.before_write", 30, 0}, {"rekey.before_tell", 1, 0},
        {"rekey.before_write", 1, 0}, {"rekey.before_write", 3, 0},  {"ring.pinned", 3, 0},
        {"rekey.before_tell", 2, 0},  {"epoch.before_end", 1, 0},
    };
    struct vault_test *test = *state;
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    assert_ptr_not_equal(shared, MAP_FAILED);
    shared->count = RECORDS;
    shared->updated = RECORDS;
    put_all(test->vault, shared->ids, RECORDS);
    for (unsigned i = 0; i < RECORDS; i++)
        atomic_store(&shared->versions[i], 1);
    const uint64_t before = keys_count(test->vault);
    sherd_vault_close(test->vault);
    test->vault = NULL;

    const pid_t load = load_begin(test, shared);
    for (size_t i = 0; i < SHERD_COUNT_OF(strikes); i++)
        rotate_until(test, strikes[i], i % 2 == 1);
    test->vault = vault_open_as(test, false, 2);
    assert_true(roll(test->vault) > 2);
    rekey(test->vault, true);
    destroy_old(test->vault);
    atomic_store(&shared->stop, true);
    assert_int_equal(waitpid(load, &status, 0), load);
    assert_int_equal(status, 0);
    if (atomic_load(&shared->failed) != 0)
        fail_msg("after %lu reads and %lu writes: %s", atomic_load(&shared->reads), atomic_load(&shared->writes),
                 shared->why);
    assert_true(atomic_load(&shared->reads) > 100 && atomic_load(&shared->writes) > 10);

    vault_reopen(test);
    for (unsigned i = 0; i < RECORDS; i++)
        assert_ok(check_one(test->vault, shared->ids[i], i, atomic_load(&shared->versions[i])));
    assert_int_equal(keys_count(test->vault), before); /* no older version of an entity's key is left */
    vault_assert_clean(test, 0);
    (void)munmap(shared, sizeof(*shared));
}

/* --- deep --------------------------------------------------------------------------------------------------------- */

static struct sherd_rekey_stat rekey_deep(struct sherd_vault *vault)
{
    const struct sherd_rekey_options options = {.deep = true};
    struct sherd_rekey_stat stat;

    assert_ok(sherd_rekey(vault, &options, NULL, NULL, &stat));
    return stat;
}

/* Meta of a collection that keeps all versions. */
static struct sherd_record_meta *kept_versions(struct vault_test *test)
{
    static struct sherd_record_meta meta = {.collection = "kept"};
    const struct sherd_collection rules = {.name = "kept"};

    assert_ok(sherd_collection_create(test->vault, &rules));
    return &meta;
}

static struct sherd_pin pin_of(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version)
{
    struct sherd_pin_view view;

    assert_ok(vault->anchor->ops->pin_get(vault->anchor, id, version, &view, NULL));
    return view.pin;
}

static void test_scrub_rekey__deep_seals_every_version_anew_and_changes_nothing_else(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_attribute color = {.name = "color", .value = sherd_span_str("green")};
    struct sherd_record_meta meta = *kept_versions(test);
    const size_t long_bytes = ((size_t)3 << 20) + 7;
    uint8_t *block = test_calloc(long_bytes, 1);
    struct sherd_record_info *info;
    struct sherd_uuid long_id;

    for (size_t i = 0; i < long_bytes; i++)
        block[i] = (uint8_t)(i * 7 + i / 253);
    meta.entity = "pat";
    meta.content_type = "text/x-test";
    meta.attributes = &color;
    meta.attribute_count = 1;
    const struct sherd_uuid id = vault_put(test, &meta, "one");
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("two, longer"), NULL));
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, long_bytes), &long_id));
    const uint64_t before = keys_count(test->vault);
    const struct sherd_pin pins[] = {pin_of(test->vault, id, 1), pin_of(test->vault, id, 2),
                                     pin_of(test->vault, long_id, 1)};

    assert_int_equal(rekey_deep(test->vault).sealed_count, 3);
    for (size_t i = 0; i < SHERD_COUNT_OF(pins); i++) {
        const struct sherd_pin now = pin_of(test->vault, pins[i].record, pins[i].version);

        assert_int_equal(now.version, pins[i].version);
        assert_int_equal(now.version_oldest, pins[i].version_oldest);
        assert_int_equal(now.created_s, pins[i].created_s);
        assert_int_equal(now.fragment_bytes, pins[i].fragment_bytes);
        assert_false(sherd_same(&now.map, &pins[i].map, sizeof(now.map)));
        assert_false(sherd_same(&now.digest, &pins[i].digest, sizeof(now.digest)));
        assert_false(sherd_same(&now.key, &pins[i].key, sizeof(now.key)));
        assert_int_equal(now.round, pins[i].round + 1);
    }
    vault_reopen(test);
    vault_assert_text(test, id, 1, "one");
    vault_assert_text(test, id, 2, "two, longer");
    struct sherd_buf found = {0};
    assert_ok(sherd_record_get(test->vault, long_id, 0, &found));
    assert_true(sherd_span_equal(sherd_buf_span(&found), sherd_span_of(block, long_bytes)));
    sherd_buf_done(&found);
    assert_ok(sherd_record_stat(test->vault, id, 1, &info));
    assert_string_equal(info->content_type, "text/x-test");
    assert_string_equal(info->entity, "pat");
    assert_int_equal(info->attribute_count, 1);
    sherd_record_info_free(info);
    assert_int_equal(keys_count(test->vault), before);
    vault_assert_clean(test, 0); /* what was replaced is removed */
    test_free(block);
}

static bool stop_when_sealing(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    (void)arg;
    (void)total;
    return stat->sealed_count == 0;
}

static void test_scrub_rekey__deep_goes_on_where_it_was_stopped(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_rekey_options options = {.deep = true};
    struct sherd_rekey_stat stat;
    struct sherd_uuid *ids = test_calloc(600, sizeof(*ids));

    put_all(test->vault, ids, 600);
    assert_err(SHERD_ERR_BUSY, sherd_rekey(test->vault, &options, stop_when_sealing, NULL, &stat));
    const uint64_t first = stat.sealed_count;
    assert_true(first > 0 && first < 600);
    const struct sherd_uuid late = vault_put(test, NULL, "late");
    assert_int_equal(rekey_deep(test->vault).sealed_count, 600 - first); /* what was done, and what is new, is left */
    assert_int_equal(pin_of(test->vault, late, 0).round, 1);
    assert_int_equal(rekey_deep(test->vault).sealed_count, 601); /* the one before came to its end: all anew */
    for (unsigned i = 0; i < 600; i++)
        assert_ok(check_one(test->vault, ids[i], i, 1));
    vault_assert_clean(test, 0);
    test_free(ids);
}

static void deep_until(const struct vault_test *test, struct strike strike)
{
    int status;
    const pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct sherd_vault *vault = vault_open_as(test, false, 2);

        sherd_failpoint_set(die_at, &strike);
        (void)rekey_deep(vault);
        sherd_vault_close(vault);
        _exit(9);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s was not hit %u times: %d", strike.name, strike.at, status);
}

/* Twenty kills; each run goes on where the last one died. */
static void test_scrub_rekey__deep_leaves_every_record_readable_under_load_and_kills(void **state)
{
    static const char *const names[] = {"reseal.before_secrets", "reseal.after_secrets", "reseal.after_assets",
                                        "pin.before_replace",    "reseal.after_pin",     "drop.after_secrets"};
    struct vault_test *test = *state;
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct sherd_sweep_stat swept;
    int status;

    assert_ptr_not_equal(shared, MAP_FAILED);
    shared->count = DEEP_RECORDS;
    shared->updated = DEEP_RECORDS / 4; /* what is updated is up to date */
    put_all(test->vault, shared->ids, DEEP_RECORDS);
    for (unsigned i = 0; i < DEEP_RECORDS; i++)
        atomic_store(&shared->versions[i], 1);
    activate(test->vault, "default");
    sherd_vault_close(test->vault);
    test->vault = NULL;

    const pid_t load = load_begin(test, shared);
    for (unsigned i = 0; i < 20; i++)
        deep_until(test, (struct strike){names[i % SHERD_COUNT_OF(names)], 1, 0});
    test->vault = vault_open_as(test, false, 2);
    assert_true(rekey_deep(test->vault).sealed_count > 0);
    destroy_old(test->vault); /* which is refused while anything refers to an older version */
    atomic_store(&shared->stop, true);
    assert_int_equal(waitpid(load, &status, 0), load);
    assert_int_equal(status, 0);
    if (atomic_load(&shared->failed) != 0)
        fail_msg("after %lu reads and %lu writes: %s", atomic_load(&shared->reads), atomic_load(&shared->writes),
                 shared->why);
    assert_true(atomic_load(&shared->reads) > 100 && atomic_load(&shared->writes) > 10);

    vault_reopen(test);
    for (unsigned i = 0; i < DEEP_RECORDS; i++) {
        assert_ok(check_one(test->vault, shared->ids[i], i, atomic_load(&shared->versions[i])));
        assert_int_equal(pin_of(test->vault, shared->ids[i], 0).round, 1);
    }
    assert_ok(sherd_vault_sweep(test->vault, false, &swept)); /* what the kills have left */
    vault_assert_clean(test, 0);
    (void)munmap(shared, sizeof(*shared));
}

/* An update that comes between the reading of a version and its new pin wins; the older one is sealed anew as well. */
struct overtake {
    struct sherd_vault *vault;
    struct sherd_uuid id;
    unsigned hits;
};

static enum sherd_err update_meanwhile(void *arg, const char *name)
{
    struct overtake *overtake = arg;

    if (strcmp(name, "reseal.after_secrets") == 0 && ++overtake->hits == 1)
        assert_ok(sherd_record_update(overtake->vault, overtake->id, 1, NULL, sherd_span_str("newer"), NULL));
    return SHERD_OK;
}

static void test_scrub_rekey__deep_lets_an_update_meanwhile_win(void **state)
{
    struct vault_test *test = *state;
    struct overtake overtake = {.vault = test->vault};

    overtake.id = vault_put(test, kept_versions(test), "older");
    sherd_failpoint_set(update_meanwhile, &overtake);
    (void)rekey_deep(test->vault);
    sherd_failpoint_set(NULL, NULL);
    assert_true(overtake.hits > 0);
    vault_assert_text(test, overtake.id, 0, "newer");
    vault_assert_text(test, overtake.id, 2, "newer");
    vault_assert_text(test, overtake.id, 1, "older");
    assert_int_equal(pin_of(test->vault, overtake.id, 1).round, 1);
    assert_int_equal(pin_of(test->vault, overtake.id, 2).round, 1);
    vault_assert_clean(test, 0);
}

/* --- what is written meanwhile ------------------------------------------------------------------------------------ */

static void test_scrub_rekey__wraps_anew_what_was_begun_before(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.entity = "pat"};
    struct sherd_writer *writers[2];
    struct sherd_uuid ids[2];

    const struct sherd_uuid first = vault_put(test, &meta, "first");
    assert_ok(sherd_writer_begin(test->vault, &meta, &writers[0]));
    assert_ok(sherd_writer_begin_update(test->vault, first, 0, NULL, &writers[1]));
    activate(test->vault, "default");
    rekey(test->vault, true);
    (void)roll(test->vault); /* all that wrapped their keys is destroyed */
    destroy_old(test->vault);
    for (size_t i = 0; i < 2; i++) {
        assert_ok(sherd_writer_append(writers[i], sherd_span_str("begun before")));
        assert_ok(sherd_writer_commit(writers[i], &ids[i], NULL));
    }
    vault_reopen(test);
    vault_assert_text(test, ids[0], 0, "begun before");
    vault_assert_text(test, first, 0, "begun before");
    vault_assert_clean(test, 0);
}

static void test_scrub_rekey__gives_fresh_keys_to_whom_they_are_asked_for(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta pat = {.entity = "pat"};
    const struct sherd_record_meta kim = {.entity = "kim"};
    const struct sherd_rekey_options only_pat = {.entity = "pat", .fresh_keys = true};
    const struct sherd_rekey_options nobody = {.entity = "sam"};
    struct sherd_rekey_stat stat;
    struct sherd_uuid ids[20];

    for (unsigned i = 0; i < 20; i++)
        ids[i] = vault_put(test, i % 4 == 0 ? &pat : &kim, "text");
    const uint64_t before = keys_count(test->vault);
    for (unsigned round = 0; round < 3; round++) {
        assert_ok(sherd_rekey(test->vault, &only_pat, NULL, NULL, &stat));
        assert_int_equal(stat.entity_count, 1);
        assert_int_equal(stat.record_count, 5);
        assert_int_equal(keys_count(test->vault), before);
    }
    assert_err(SHERD_ERR_NOT_FOUND, sherd_rekey(test->vault, &nobody, NULL, NULL, &stat));
    assert_ok(sherd_rekey(test->vault, &(struct sherd_rekey_options){.rate = 1000000}, NULL, NULL, &stat));
    assert_int_equal(stat.entity_count + stat.record_count, 0); /* all is up to date */
    for (unsigned i = 0; i < 20; i++)
        vault_assert_text(test, ids[i], 0, "text");
    vault_assert_clean(test, 0);
}

static bool stop_at_once(void *arg, const struct sherd_rekey_stat *stat, uint64_t total)
{
    unsigned *calls = arg;

    assert_true(total > 0);
    (void)stat;
    return ++*calls < 2;
}

/* A roll that was stopped is ended by the next, which then rolls once more: copies may lie under the one between. */
static void test_scrub_epoch__that_was_stopped_is_ended_and_followed_by_another(void **state)
{
    struct vault_test *test = *state;
    struct sherd_rekey_stat stat;
    unsigned calls = 0;
    uint64_t epoch = 0;

    const struct sherd_uuid id = vault_put(test, NULL, "text");
    assert_int_equal(roll(test->vault), 2);
    assert_err(SHERD_ERR_BUSY, sherd_epoch_roll(test->vault, stop_at_once, &calls, &stat, &epoch));
    vault_assert_text(test, id, 0, "text");
    vault_reopen(test);
    assert_int_equal(roll(test->vault), 4);
    vault_assert_text(test, id, 0, "text");
    vault_assert_clean(test, 0);
}

static void test_scrub_rekey__needs_what_it_needs(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_rekey_options all = {.rate = 0};
    struct sherd_rekey_stat stat;

    assert_err(SHERD_ERR_INVALID, sherd_rekey(NULL, &all, NULL, NULL, &stat));
    assert_err(SHERD_ERR_INVALID, sherd_rekey(test->vault, NULL, NULL, NULL, &stat));
    assert_err(SHERD_ERR_INVALID, sherd_rekey(test->vault, &all, NULL, NULL, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_epoch_roll(NULL, NULL, NULL, &stat, NULL));
    assert_err(SHERD_ERR_INVALID, sherd_epoch_roll(test->vault, NULL, NULL, NULL, NULL));
    sherd_vault_close(test->vault);
    test->vault = vault_open_as(test, true, 2);
    assert_err(SHERD_ERR_DENIED, sherd_rekey(test->vault, &all, NULL, NULL, &stat));
    assert_err(SHERD_ERR_DENIED, sherd_epoch_roll(test->vault, NULL, NULL, &stat, NULL));
}

/* --- forensics ---------------------------------------------------------------------------------------------------- */

#define KEPT (RECORDS / 10 * 9)

/* One who has the files of a vault as they were, and the means to unseal them. */
struct thief {
    struct sherd_home *home;
    struct sherd_compartment *keys;
    struct sherd_keyring *ring; /* secret memory, as all below */
    struct sherd_hmac_key *name;
    struct sherd_hmac_key *seal;
    struct sherd_ring *shared;
    struct sherd_masters *masters;
    struct sherd_epoch_set *epochs; /* those he has */
    struct sherd_entity_keys at;
    struct found *found;
};

/* What he has opened. */
struct found {
    size_t entity_count;
    struct sherd_entity_key_entry entries[2 * ENTITIES];
    struct sherd_entity_key keys[2 * ENTITIES];
    size_t record_count;
    struct sherd_uuid records[RECORDS];
};

static void thief_open(const char *dir, const struct sherd_unseal *unseal, struct thief *thief)
{
    char path[128];
    struct sherd_places places = {.read_only = true};
    struct sherd_keyring *first = sherd_secret_alloc(sizeof(*first));
    const struct sherd_store_ops *engine;

    *thief = (struct thief){.home = NULL};
    assert_ok(sherd_home_open(dir, false, unseal, &thief->home));
    (void)snprintf(path, sizeof(path), "%s/keys", dir);
    assert_ok(sherd_store_engine("lmdb", &engine));
    assert_ok(sherd_compartment_open(SHERD_KEYS, engine, &(struct sherd_store_config){.path = path}, &thief->keys));
    thief->ring = sherd_secret_alloc(sizeof(*thief->ring));
    thief->epochs = sherd_secret_alloc(sizeof(*thief->epochs));
    thief->found = sherd_secret_alloc(sizeof(*thief->found));
    assert_ok(sherd_home_read(thief->home, NULL, false, thief->ring, NULL));
    *first = *thief->ring;
    const struct sherd_keyring_store *store = &thief->ring->stores[SHERD_KEYS - 1];
    assert_ok(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(store->name.bytes, 32), &thief->name));
    assert_ok(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(store->key.bytes, 32), &thief->seal));
    thief->at = (struct sherd_entity_keys){.deployment = thief->ring->deployment,
                                           .tenant = thief->ring->tenant,
                                           .secrets = &thief->ring->stores[SHERD_SECRETS - 1],
                                           .keys = {.deployment = thief->ring->deployment,
                                                    .compartment = SHERD_FOR_KEYS,
                                                    .version = (uint32_t)store->version,
                                                    .name = thief->name,
                                                    .seal = thief->seal},
                                           .compartment = thief->keys};
    assert_ok(sherd_ring_new(thief->home, first, &thief->at.keys, thief->keys, false, &thief->shared));
    places.roles[SHERD_KEYS - 1].compartment = thief->keys;
    places.roles[SHERD_KEYS - 1].keys = thief->at.keys;
    assert_ok(sherd_masters_new(thief->shared, &places, &thief->masters));
}

static void thief_done(struct thief *thief)
{
    sherd_masters_free(thief->masters);
    sherd_ring_free(thief->shared);
    sherd_compartment_close(thief->keys);
    sherd_home_free(thief->home);
    sherd_hmac_key_free(thief->name);
    sherd_hmac_key_free(thief->seal);
    sherd_secret_free(thief->ring);
    sherd_secret_free(thief->epochs);
    sherd_secret_free(thief->found);
}

/* Try every epoch key that he has on an entity's key, under its own number and as the entry says. */
static enum sherd_err try_entity(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct thief *thief = arg;
    struct found *found = thief->found;
    struct sherd_master_key *master = sherd_secret_alloc(sizeof(*master));
    struct sherd_entity_key_entry *entry = &found->entries[found->entity_count];
    enum sherd_kind kind;

    if (sherd_entry_kind(&thief->at.keys, stored, &kind) == SHERD_OK &&
        (kind == SHERD_KIND_ENTITY_KEY || kind == SHERD_KIND_OLD_ENTITY_KEY) &&
        sherd_entity_key_open(&thief->at, kind, &name, stored, entry) == SHERD_OK &&
        entry->state == SHERD_ENTITY_LIVE && sherd_masters_key(thief->masters, &entry->master, master) == SHERD_OK)
        for (size_t i = 0; i < 2 * thief->epochs->count; i++) {
            struct sherd_entity_key_entry claimed = *entry;

            if (i % 2 == 1)
                claimed.epoch = thief->epochs->numbers[i / 2];
            if (sherd_entity_key_unwrap(&thief->at, master, &thief->epochs->keys[i / 2], &claimed,
                                        &found->keys[found->entity_count]) == SHERD_OK) {
                found->entity_count++;
                break;
            }
        }
    sherd_secret_free(master);
    return SHERD_OK;
}

static bool opens(const struct thief *thief, const struct sherd_pin *pin, size_t entity, size_t epoch, uint64_t number)
{
    struct sherd_record_key *key = sherd_secret_alloc(sizeof(*key));
    struct sherd_buf plain = sherd_buf_borrow(key->bytes, sizeof(key->bytes));
    struct sherd_hmac_key *wrapping = NULL;
    struct sherd_context context;

    assert_ok(sherd_entity_key_wrapping(&thief->at, &thief->found->entries[entity], &thief->found->keys[entity], number,
                                        &thief->epochs->keys[epoch], NULL, &wrapping));
    sherd_entity_key_pin_context(&thief->at, pin, &context);
    const enum sherd_err err = sherd_aead_open_with(wrapping, sherd_context_span(&context),
                                                    sherd_span_of(pin->key.bytes, sizeof(pin->key.bytes)), &plain);
    sherd_hmac_key_free(wrapping);
    sherd_secret_free(key);
    return err == SHERD_OK;
}

static enum sherd_err try_pin(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct thief *thief = arg;
    const struct sherd_pins pins = {.keys = thief->at.keys, .compartment = thief->keys};
    struct sherd_pin pin;
    enum sherd_kind kind;
    bool open = false;

    if (sherd_entry_kind(&thief->at.keys, stored, &kind) != SHERD_OK || kind != SHERD_KIND_PIN ||
        sherd_pins_check(&pins, kind, &name, stored, &pin) != SHERD_OK)
        return SHERD_OK;
    for (size_t e = 0; e < thief->found->entity_count && !open; e++)
        if (memcmp(&thief->found->entries[e].entity, &pin.entity, sizeof(pin.entity)) == 0)
            for (size_t i = 0; i < thief->epochs->count && !open; i++)
                open = opens(thief, &pin, e, i, pin.epoch) || opens(thief, &pin, e, i, thief->epochs->numbers[i]);
    if (open)
        thief->found->records[thief->found->record_count++] = pin.record;
    return SHERD_OK;
}

static void steal(struct thief *thief)
{
    struct sherd_snapshot *snapshot;

    thief->found->entity_count = 0;
    thief->found->record_count = 0;
    assert_ok(sherd_compartment_snapshot_begin(thief->keys, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, try_entity, thief));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, try_pin, thief));
    sherd_snapshot_end(snapshot);
}

static size_t count_of(const struct thief *thief, const struct sherd_uuid *ids, size_t from, size_t to)
{
    size_t count = 0;

    for (size_t i = from; i < to; i++)
        for (size_t k = 0; k < thief->found->record_count; k++)
            count += vault_same_id(ids[i], thief->found->records[k]) ? 1 : 0;
    return count;
}

static void copy_vault(const struct vault_test *test, const char *name, char out_path[static 64])
{
    int status;

    (void)snprintf(out_path, 64, "%s/%s", test->root, name);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)execlp("cp", "cp", "-a", test->path, out_path, (char *)NULL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The records of the entities 0..4 of 50 are erased: a tenth of all. */
static void put_and_sort(struct vault_test *test, struct sherd_uuid *ids)
{
    struct sherd_uuid *all = test_calloc(RECORDS, sizeof(*all));
    size_t erased = KEPT;
    size_t kept = 0;

    put_all(test->vault, all, RECORDS);
    for (unsigned i = 0; i < RECORDS; i++)
        ids[i % ENTITIES < 5 ? erased++ : kept++] = all[i];
    assert_int_equal(kept, KEPT);
    test_free(all);
}

static void erase_some(struct vault_test *test)
{
    char name[16];

    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "entity-%u", i);
        assert_ok(sherd_entity_erase(test->vault, NULL, name));
        assert_err(SHERD_ERR_NOT_FOUND, sherd_entity_erase(test->vault, NULL, name));
    }
}

/* He has everything of before, of after and of now, the root key included, but not the key of the epoch that ended. */
static void test_scrub_epoch__ends_what_was_erased_for_good(void **state)
{
    struct vault_test *test = *state;
    struct sherd_uuid *ids = test_calloc(RECORDS, sizeof(*ids));
    struct thief before;
    struct thief after;
    struct thief now;
    char before_path[64];
    char after_path[64];
    char now_path[64];

    put_and_sort(test, ids);
    sherd_vault_close(test->vault);
    copy_vault(test, "before", before_path);
    test->vault = vault_open_as(test, false, 2);
    erase_some(test);
    sherd_vault_close(test->vault);
    copy_vault(test, "after", after_path);
    test->vault = vault_open_as(test, false, 2);
    assert_int_equal(roll(test->vault), 2);
    for (size_t i = 0; i < RECORDS; i++)
        assert_int_equal(vault_get(test, ids[i], 0), i < KEPT ? SHERD_OK : SHERD_ERR_NOT_FOUND);
    vault_assert_clean(test, RECORDS - KEPT == 0 ? 0 : 2 * (RECORDS - KEPT));
    sherd_vault_close(test->vault);
    test->vault = NULL;
    copy_vault(test, "now", now_path);

    thief_open(before_path, &test->unseal, &before);
    thief_open(after_path, &test->unseal, &after);
    thief_open(now_path, &test->unseal, &now);
    /* he knows his trade: with the epoch's key, the copy of before gives everything */
    assert_ok(sherd_epoch_read(before.home, 1, before.epochs));
    steal(&before);
    assert_int_equal(count_of(&before, ids, 0, KEPT), KEPT);
    assert_int_equal(count_of(&before, ids, KEPT, RECORDS), RECORDS - KEPT);
    /* after the erasure, what was erased is gone but for old copies */
    assert_ok(sherd_epoch_read(after.home, 1, after.epochs));
    steal(&after);
    assert_int_equal(count_of(&after, ids, 0, KEPT), KEPT);
    assert_int_equal(count_of(&after, ids, KEPT, RECORDS), 0);
    /* and now that the epoch has ended, there is no copy that gives it */
    assert_ok(sherd_epoch_read(now.home, 2, now.epochs));
    assert_int_equal(now.epochs->count, 1);
    steal(&now);
    assert_int_equal(count_of(&now, ids, 0, KEPT), KEPT);
    assert_int_equal(count_of(&now, ids, KEPT, RECORDS), 0);
    *before.epochs = *now.epochs;
    steal(&before);
    assert_int_equal(before.found->record_count, 0);
    *after.epochs = *now.epochs;
    steal(&after);
    assert_int_equal(after.found->record_count, 0);
    thief_done(&before);
    thief_done(&after);
    thief_done(&now);
    test_free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_scrub_rekey__leaves_every_record_readable_under_load_and_kills),
        vault_test_of(test_scrub_rekey__deep_seals_every_version_anew_and_changes_nothing_else),
        vault_test_of(test_scrub_rekey__deep_goes_on_where_it_was_stopped),
        vault_test_of(test_scrub_rekey__deep_leaves_every_record_readable_under_load_and_kills),
        vault_test_of(test_scrub_rekey__deep_lets_an_update_meanwhile_win),
        vault_test_of(test_scrub_rekey__wraps_anew_what_was_begun_before),
        vault_test_of(test_scrub_rekey__gives_fresh_keys_to_whom_they_are_asked_for),
        vault_test_of(test_scrub_epoch__that_was_stopped_is_ended_and_followed_by_another),
        vault_test_of(test_scrub_rekey__needs_what_it_needs),
        vault_test_of(test_scrub_epoch__ends_what_was_erased_for_good),
    };

    return cmocka_run_group_tests_name("scrub_rekey", tests, NULL, NULL);
}
