/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eight threads put, get, update, delete, list, sweep and verify on one vault, against a model of each record:
 *
 *   - a get gives a version that was acknowledged or under way while it ran, whole, and never SHERD_ERR_TAMPERED;
 *   - of the updates that expect one version exactly one succeeds;
 *   - a listing meets each record that stays as it is once, and each that is only updated at least once;
 *   - what was deleted is gone for everyone who asks afterwards;
 *   - verifying and sweeping find and harm nothing.
 *
 * SHERD_SECONDS makes it longer.
 */
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define THREADS 8U
#define SECONDS 8UL
#define STILL 6U    /* slots whose records stay as they are */
#define UPDATED 12U /* up to here: updated, never deleted */
#define SLOTS 24U   /* the rest: deleted, and put anew, as well */
#define GONE_MAX 64U
#define VERSIONS_MAX 100000U

/* One record at a time. The lock guards the fields, and is never held during a call. */
struct slot {
    pthread_mutex_t lock;
    bool live;
    bool deleting;
    unsigned generation; /* of records in this slot */
    struct sherd_uuid id;
    uint64_t acknowledged; /* newest version that was */
    uint64_t begun;        /* newest version that a call was begun for */
    uint64_t acknowledged_seed;
};

static struct slot slots[SLOTS];
static struct sherd_vault *vault;
static atomic_bool stop;
static atomic_ulong counts[8];
static pthread_mutex_t gone_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sherd_uuid gone[GONE_MAX];
static size_t gone_count;

/* --- contents that say which record and version they are --------------------------------------------------------- */

static uint64_t seed_make(size_t slot, unsigned generation, uint64_t version, uint64_t *random)
{
    return (uint64_t)slot << 56 | (uint64_t)(generation & 0xffff) << 40 | (version & 0xffffff) << 16 |
           (mix_next(random) & 0xffff);
}

static uint64_t version_in(uint64_t seed)
{
    return seed >> 16 & 0xffffff;
}

static bool is_of(uint64_t seed, size_t slot, unsigned generation)
{
    return seed >> 56 == slot && (seed >> 40 & 0xffff) == (generation & 0xffff);
}

static size_t bytes_of(uint64_t seed)
{
    uint64_t state = seed;

    return CONTENT_BYTES_MIN + (mix_below(&state, 10) == 0 ? mix_below(&state, 200000) : mix_below(&state, 4000));
}

struct self {
    uint64_t random;
    uint8_t *block;
};

static struct sherd_span fill(struct self *self, uint64_t seed)
{
    content_fill(seed, self->block, bytes_of(seed));
    return sherd_span_of(self->block, bytes_of(seed));
}

static struct slot look_at(size_t number)
{
    (void)pthread_mutex_lock(&slots[number].lock);
    const struct slot seen = slots[number];
    (void)pthread_mutex_unlock(&slots[number].lock);
    return seen;
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static void put(struct self *self, size_t number)
{
    struct slot *slot = &slots[number];
    const struct sherd_record_meta meta = {.collection = number % 3 == 0 ? "kept" : NULL};
    struct sherd_uuid id;

    (void)pthread_mutex_lock(&slot->lock);
    const bool is_mine = !slot->live && !slot->deleting;
    const unsigned generation = slot->generation;
    slot->deleting = slot->deleting || is_mine; /* nobody else puts meanwhile */
    (void)pthread_mutex_unlock(&slot->lock);
    if (!is_mine)
        return;
    const uint64_t seed = seed_make(number, generation, 1, &self->random);
    REQUIRE_OK(sherd_record_put(vault, &meta, fill(self, seed), &id));
    (void)pthread_mutex_lock(&slot->lock);
    slot->id = id;
    slot->live = true;
    slot->deleting = false;
    slot->acknowledged = 1;
    slot->begun = 1;
    slot->acknowledged_seed = seed;
    (void)pthread_mutex_unlock(&slot->lock);
}

static void update(struct self *self, size_t number)
{
    struct slot *slot = &slots[number];
    uint64_t version_new = 0;

    (void)pthread_mutex_lock(&slot->lock);
    const struct slot seen = *slot;
    if (seen.live && !seen.deleting && slot->begun == seen.acknowledged)
        slot->begun = seen.acknowledged + 1;
    (void)pthread_mutex_unlock(&slot->lock);
    if (!seen.live || seen.deleting)
        return;
    const uint64_t seed = seed_make(number, seen.generation, seen.acknowledged + 1, &self->random);
    const enum sherd_err err = sherd_record_update(vault, seen.id, seen.acknowledged, NULL, fill(self, seed),
                                                   &version_new);
    (void)pthread_mutex_lock(&slot->lock);
    const bool same = slot->generation == seen.generation;
    if (err == SHERD_OK) {
        REQUIRE(version_new == seen.acknowledged + 1, "an update made version %llu", (unsigned long long)version_new);
        REQUIRE(!same || slot->acknowledged == seen.acknowledged, "two updates made version %llu",
                (unsigned long long)version_new);
        if (same) {
            slot->acknowledged = version_new;
            slot->acknowledged_seed = seed;
        }
    } else if (err == SHERD_ERR_NOT_FOUND) {
        REQUIRE(!same || slot->deleting, "a record is not found that nobody deletes");
    } else {
        REQUIRE(err == SHERD_ERR_CONFLICT, "update: %s (%s)", sherd_err_name(err), sherd_err_detail());
        REQUIRE(!same || slot->begun > seen.acknowledged || slot->deleting, "a conflict with nobody");
    }
    (void)pthread_mutex_unlock(&slot->lock);
}

static void delete(size_t number)
{
    struct slot *slot = &slots[number];

    (void)pthread_mutex_lock(&slot->lock);
    const struct slot seen = *slot;
    if (seen.live)
        slot->deleting = true;
    (void)pthread_mutex_unlock(&slot->lock);
    if (!seen.live || seen.deleting)
        return;
    REQUIRE_OK(sherd_record_delete(vault, seen.id));
    (void)pthread_mutex_lock(&gone_lock);
    gone[gone_count++ % GONE_MAX] = seen.id;
    (void)pthread_mutex_unlock(&gone_lock);
    (void)pthread_mutex_lock(&slot->lock);
    slot->live = false;
    slot->deleting = false;
    slot->generation++;
    (void)pthread_mutex_unlock(&slot->lock);
}

static void get(size_t number)
{
    const struct slot before = look_at(number);
    struct sherd_buf content = {0};
    uint64_t seed = 0;

    if (!before.live)
        return;
    const enum sherd_err err = sherd_record_get(vault, before.id, 0, &content);
    const struct slot after = look_at(number);
    const bool same = after.generation == before.generation;
    if (err == SHERD_ERR_NOT_FOUND) {
        REQUIRE(!same || after.deleting || before.deleting, "a record is not found that nobody deletes");
    } else {
        REQUIRE(err == SHERD_OK, "get: %s (%s)", sherd_err_name(err), sherd_err_detail());
        REQUIRE(content_is(sherd_buf_span(&content), &seed) && content.len == bytes_of(seed),
                "a get gives torn contents");
        REQUIRE(is_of(seed, number, before.generation), "a get gives another record's contents");
        REQUIRE(version_in(seed) >= before.acknowledged, "a get gives version %llu when %llu was acknowledged",
                (unsigned long long)version_in(seed), (unsigned long long)before.acknowledged);
        REQUIRE(!same || version_in(seed) <= after.begun, "a get gives a version that nobody writes");
        REQUIRE(!same || version_in(seed) != after.acknowledged || seed == after.acknowledged_seed,
                "two contents of one version");
    }
    sherd_buf_done(&content);
}

static void get_range(struct self *self, size_t number)
{
    const struct slot seen = look_at(number);
    struct sherd_reader *reader = NULL;
    uint64_t bytes = 0;
    uint8_t head[CONTENT_BYTES_MIN];
    uint64_t seed = 0;
    size_t got = 0;

    if (number >= UPDATED || sherd_reader_open(vault, seen.id, 0, &reader, &bytes) != SHERD_OK)
        return;
    REQUIRE_OK(sherd_reader_read(reader, 0, head, sizeof(head), &got));
    REQUIRE(got == sizeof(head), "a range has %zu bytes", got);
    memcpy(&seed, head, sizeof(seed));
    REQUIRE(is_of(seed, number, seen.generation) && bytes_of(seed) == bytes, "a range of another record");
    content_fill(seed, self->block, bytes);
    const uint64_t from = mix_below(&self->random, bytes);
    uint8_t tail[512];
    REQUIRE_OK(sherd_reader_read(reader, from, tail, sizeof(tail), &got));
    REQUIRE(got == (bytes - from < sizeof(tail) ? bytes - from : sizeof(tail)) &&
                memcmp(tail, self->block + from, got) == 0,
            "a range is torn");
    sherd_reader_close(reader);
}

static void get_gone(struct self *self)
{
    struct sherd_record_info *info = NULL;
    struct sherd_uuid id = {{0}};

    (void)pthread_mutex_lock(&gone_lock);
    const bool any = gone_count > 0;
    if (any)
        id = gone[mix_below(&self->random, gone_count < GONE_MAX ? gone_count : GONE_MAX)];
    (void)pthread_mutex_unlock(&gone_lock);
    if (any)
        REQUIRE_ERR(sherd_record_stat(vault, id, 0, &info), SHERD_ERR_NOT_FOUND);
}

struct listing {
    struct slot before[UPDATED];
    unsigned met[UPDATED];
};

static enum sherd_err meet(void *arg, const struct sherd_record_info *info)
{
    struct listing *listing = arg;

    for (size_t i = 0; i < UPDATED; i++)
        if (same_uuid(listing->before[i].id, info->id)) {
            listing->met[i]++;
            REQUIRE(info->version >= listing->before[i].acknowledged, "a listing shows an older version");
        }
    return SHERD_OK;
}

static void list(void)
{
    struct listing listing = {0};
    struct sherd_cursor cursor = {0};

    for (size_t i = 0; i < UPDATED; i++)
        listing.before[i] = look_at(i);
    while (!cursor.ended)
        REQUIRE_OK(sherd_record_list(vault, NULL, &cursor, 5, meet, &listing));
    for (size_t i = 0; i < STILL; i++)
        REQUIRE(listing.met[i] == 1, "a listing meets a record %u times", listing.met[i]);
    for (size_t i = STILL; i < UPDATED; i++)
        REQUIRE(listing.met[i] >= 1, "a listing misses a record that is updated");
}

static void sweep(void)
{
    struct sherd_sweep_stat stat;

    REQUIRE_OK(sherd_vault_sweep(vault, false, &stat));
}

static void verify_one(size_t number)
{
    const struct slot seen = look_at(number);
    struct sherd_verify_stat stat;

    if (number < UPDATED)
        REQUIRE_OK(sherd_vault_verify(vault, &seen.id, NULL, &stat));
}

/* --- the test ---------------------------------------------------------------------------------------------------- */

static void do_something(struct self *self)
{
    const uint64_t dice = mix_below(&self->random, 1000);
    const size_t number = (size_t)mix_below(&self->random, SLOTS);
    const size_t which = dice < 450   ? 0
                         : dice < 650 ? 1
                         : dice < 720 ? 2
                         : dice < 800 ? 3
                         : dice < 900 ? 4
                         : dice < 960 ? 5
                         : dice < 985 ? 6
                                      : 7;

    switch (which) {
    case 0: get(number); break;
    case 1:
        if (number >= STILL)
            update(self, number);
        break;
    case 2:
        if (number >= UPDATED)
            delete (number);
        break;
    case 3: put(self, number); break;
    case 4: get_range(self, number); break;
    case 5: dice % 2 == 0 ? get_gone(self) : verify_one(number); break;
    case 6: list(); break;
    default: dice % 2 == 0 ? sweep() : (void)require_clean(vault); break;
    }
    atomic_fetch_add(&counts[which], 1);
}

static void *run(void *arg)
{
    struct self *self = arg;

    while (!atomic_load(&stop))
        do_something(self);
    return NULL;
}

static void require_model(void)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (slots[i].live)
            require_content(vault, slots[i].id, 0, slots[i].acknowledged_seed, bytes_of(slots[i].acknowledged_seed));
    for (size_t i = 0; i < SLOTS; i++)
        REQUIRE(slots[i].acknowledged < VERSIONS_MAX, "too many versions for the seeds");
}

static void test_fault_threads__see_whole_versions_only(void **state)
{
    const struct sherd_collection kept = {.name = "kept", .versions_kept = 3};
    const struct timespec seconds = {.tv_sec = (time_t)number_from_env("SHERD_SECONDS", SECONDS)};
    struct place place;
    struct self selves[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    place_make_vault(&place);
    vault = place_open(&place);
    REQUIRE_OK(sherd_collection_create(vault, &kept));
    for (size_t i = 0; i < THREADS; i++) {
        selves[i] = (struct self){.random = (uint64_t)time(NULL) * 31 + i, .block = malloc(300000)};
        assert_non_null(selves[i].block);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        assert_int_equal(pthread_mutex_init(&slots[i].lock, NULL), 0);
        put(&selves[0], i);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &selves[i]), 0);
    (void)nanosleep(&seconds, NULL);
    atomic_store(&stop, true);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < 8; i++)
        assert_true(atomic_load(&counts[i]) > 0);
    require_model();
    (void)require_swept(vault);
    sherd_vault_close(vault);
    vault = place_open(&place);
    require_model();
    sherd_vault_close(vault);
    print_message(
        "gets %lu, updates %lu, deletes %lu, puts %lu, ranges %lu, gone or one %lu, lists %lu, sweeps and verifies "
        "%lu\n",
        counts[0], counts[1], counts[2], counts[3], counts[4], counts[5], counts[6], counts[7]);
    for (size_t i = 0; i < THREADS; i++)
        free(selves[i].block);
    place_remove(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_threads__see_whole_versions_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
