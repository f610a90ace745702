/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every key store must do, run over each that is built in, with parts in the vault's compartments and in stores of
 * their own: give back what it kept and nothing else, and name what is wrong.
 */
#include "kms.h"

#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/random.h"
#include <pthread.h>

/* A store with arguments; %s is the test's directory. */
static const struct variant {
    const char *store;
    const char *args;
    unsigned parts;  /* that lie at places */
    unsigned needed; /* of these */
} variants[] = {
    {"anchor", "", 0, 0},
    {"stripe", "", 104, 104},
    {"stripe", "places=lmdb:%s/a,keys,lmdb:%s/b", 104, 104},
    {"shares", "", 4, 3},
    {"shares", "places=lmdb:%s/a,lmdb:%s/b,secrets\nshares=7\nthreshold=4", 7, 4},
    {"shares", "places=assets,keys\nthreshold=2", 2, 2},
};

/* One version that was kept. */
struct held {
    const struct sherd_key_store *store;
    struct sherd_key_call call;
    struct sherd_key_kept kept;
    struct sherd_master_key *key;
};

static void use(struct kms_test *test, const struct variant *variant)
{
    char text[SHERD_KEY_ARGS_BYTES_MAX];

    /* the format is the table's own */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof(text), variant->args, test->root, test->root);
#pragma GCC diagnostic pop
    assert_ok(sherd_key_args_parse(text, &test->args));
}

static struct held activate(struct kms_test *test, const struct variant *variant, const struct sherd_key_id *id)
{
    const struct sherd_key_generator *generator = NULL;
    struct held held = {.key = sherd_secret_alloc(sizeof(*held.key))};

    assert_non_null(held.key);
    assert_ok(sherd_key_generator_find(NULL, &generator));
    assert_ok(sherd_key_store_find(variant->store, &held.store));
    held.call = kms_call(test);
    held.call.id = id;
    assert_ok(sherd_key_activate(generator, held.store, &held.call, held.key, &held.kept));
    return held;
}

static void held_done(struct held *held)
{
    sherd_buf_done(&held->kept.bytes);
    sherd_secret_free(held->key);
}

static struct sherd_span kept_of(const struct held *held)
{
    return sherd_buf_span(&held->kept.bytes);
}

/* Fetch, and look that it is the key or nothing. */
static enum sherd_err fetch(const struct held *held)
{
    struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    static const struct sherd_master_key none;

    assert_non_null(key);
    const enum sherd_err err = sherd_key_fetch(held->store, &held->call, kept_of(held), key);
    assert_memory_equal(key, err == SHERD_OK ? held->key : &none, sizeof(*key));
    sherd_secret_free(key);
    return err;
}

/* --- looking at places ------------------------------------------------------------------------------------------- */

struct entry {
    struct sherd_ref name;
    uint8_t bytes[512];
    size_t len;
};

/* The entries of a place. */
struct entries {
    struct sherd_compartment *compartment;
    bool own;
    size_t count;
    struct entry list[256];
};

static enum sherd_err collect(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct entries *entries = arg;
    struct entry *entry = &entries->list[entries->count++];

    assert_true(entries->count <= SHERD_COUNT_OF(entries->list) && value.len <= sizeof(entry->bytes));
    entry->name = name;
    entry->len = value.len;
    memcpy(entry->bytes, value.data, value.len);
    return SHERD_OK;
}

static struct entries *place_open(struct kms_test *test, const char *place)
{
    struct entries *entries = test_calloc(1, sizeof(*entries));
    const struct sherd_store_config config = {.path = place + 5};
    struct sherd_snapshot *snapshot = NULL;

    entries->own = strncmp(place, "lmdb:", 5) == 0;
    if (entries->own)
        assert_ok(sherd_compartment_open(SHERD_KEYS, &sherd_store_lmdb, &config, &entries->compartment));
    for (size_t i = 0; i < 4 && !entries->own; i++)
        if (strcmp(place, sherd_role_name((enum sherd_role)(i + 1))) == 0)
            entries->compartment = test->compartments[i];
    assert_non_null(entries->compartment);
    assert_ok(sherd_compartment_snapshot_begin(entries->compartment, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, collect, entries));
    sherd_snapshot_end(snapshot);
    return entries;
}

static void place_close(struct entries *entries)
{
    if (entries->own)
        sherd_compartment_close(entries->compartment);
    test_free(entries);
}

static void entry_set(struct entries *entries, const struct sherd_ref *name, struct sherd_span value)
{
    const struct sherd_store_op op = {
        .kind = value.len > 0 ? SHERD_STORE_PUT : SHERD_STORE_DELETE, .name = *name, .value = value};

    assert_ok(sherd_compartment_write(entries->compartment, &op, 1));
}

/* What is done to the nth entry of a place, whose names are in order. */
enum harm {
    HARM_LOSE,
    HARM_CHANGE,
    HARM_SWAP, /* with the next one */
    HARM_LENGTHEN,
};

static void harm(struct kms_test *test, const char *place, size_t n, enum harm how)
{
    struct entries *entries = place_open(test, place);
    struct entry *entry = &entries->list[n % entries->count];
    const struct entry *next = &entries->list[(n + 1) % entries->count];

    if (how == HARM_CHANGE)
        entry->bytes[entry->len - 1] ^= 1;
    if (how == HARM_SWAP) {
        assert_true(entries->count >= 2);
        entry_set(entries, &next->name, sherd_span_of(entry->bytes, entry->len));
        entry_set(entries, &entry->name, sherd_span_of(next->bytes, next->len));
    } else {
        entry_set(entries, &entry->name,
                  sherd_span_of(entry->bytes, how == HARM_LOSE ? 0 : entry->len + (how == HARM_LENGTHEN)));
    }
    place_close(entries);
}

/* The places of a variant, one after another. @return false: there are no more */
static bool place_of(const struct kms_test *test, const struct variant *variant, size_t n, char out[128])
{
    const struct sherd_key_args args = sherd_key_args_of(&test->args);
    const char *list = sherd_key_arg(&args, "places");

    if (variant->parts == 0)
        return false;
    if (list == NULL)
        list = "identity,assets,secrets,keys";
    for (; n > 0; n--) {
        list = strchr(list, ',');
        if (list == NULL)
            return false;
        list++;
    }
    (void)snprintf(out, 128, "%.*s", (int)strcspn(list, ","), list);
    return true;
}

static size_t parts_at_places(struct kms_test *test, const struct variant *variant)
{
    char place[128];
    size_t count = 0;

    for (size_t n = 0; place_of(test, variant, n, place); n++) {
        struct entries *entries = place_open(test, place);

        count += entries->count;
        place_close(entries);
    }
    return count;
}

struct findings {
    size_t count;
    struct {
        enum sherd_key_fault fault;
        uint64_t index;
        char place[128];
    } list[128];
};

static enum sherd_err note(void *arg, const struct sherd_key_finding *finding)
{
    struct findings *findings = arg;

    assert_true(findings->count < SHERD_COUNT_OF(findings->list));
    findings->list[findings->count].fault = finding->fault;
    findings->list[findings->count].index = finding->index;
    (void)snprintf(findings->list[findings->count].place, 128, "%s", finding->place);
    findings->count++;
    return SHERD_OK;
}

static enum sherd_err check(const struct held *held, struct findings *out_findings)
{
    memset(out_findings, 0, sizeof(*out_findings));
    return sherd_key_check(held->store, &held->call, kept_of(held), note, out_findings);
}

/* --- what must hold ---------------------------------------------------------------------------------------------- */

typedef void behaviour_fn(struct kms_test *test, const struct variant *variant);

/* Run one behaviour over all variants, each in a host of its own. */
static void over_all(behaviour_fn *behaviour)
{
    for (size_t i = 0; i < SHERD_COUNT_OF(variants); i++) {
        void *state = NULL;

        print_message("  %s %s\n", variants[i].store, variants[i].args);
        assert_int_equal(kms_setup(&state), 0);
        use(state, &variants[i]);
        behaviour(state, &variants[i]);
        assert_int_equal(kms_teardown(&state), 0);
    }
}

static void gives_back(struct kms_test *test, const struct variant *variant)
{
    struct held held = activate(test, variant, &test->id);
    struct findings findings;

    assert_ok(fetch(&held));
    assert_ok(fetch(&held));
    assert_ok(check(&held, &findings));
    assert_int_equal(findings.count, 0);
    assert_int_equal(parts_at_places(test, variant), variant->parts);
    held_done(&held);
}

static void test_kms_stores__give_back_what_they_kept(void **state)
{
    (void)state;
    over_all(gives_back);
}

static void keeps_apart(struct kms_test *test, const struct variant *variant)
{
    struct sherd_key_id other;
    struct sherd_key_id next;

    kms_new_id(test, "hash", 1, &other);
    kms_new_id(test, "default", 2, &next);
    struct held first = activate(test, variant, &test->id);
    struct held second = activate(test, variant, &other);
    struct held third = activate(test, variant, &next);

    assert_memory_not_equal(first.key, second.key, sizeof(*first.key));
    assert_memory_not_equal(first.key, third.key, sizeof(*first.key));
    assert_int_equal(parts_at_places(test, variant), 3 * variant->parts);
    assert_ok(sherd_key_destroy(second.store, &second.call, kept_of(&second)));
    assert_ok(fetch(&first));
    assert_ok(fetch(&third));
    assert_int_equal(parts_at_places(test, variant), 2 * variant->parts);
    held_done(&first);
    held_done(&second);
    held_done(&third);
}

static void test_kms_stores__keep_versions_and_keys_apart(void **state)
{
    (void)state;
    over_all(keeps_apart);
}

static void refuses_changed_kept(struct kms_test *test, const struct variant *variant)
{
    struct held held = activate(test, variant, &test->id);
    const size_t len = held.kept.bytes.len;

    for (size_t i = 0; i < len; i += strstr(variant->args, "lmdb") != NULL ? 11 : 1) {
        held.kept.bytes.data[i] ^= 1;
        assert_err(SHERD_ERR_TAMPERED, fetch(&held));
        held.kept.bytes.data[i] ^= 1;
    }
    for (held.kept.bytes.len = 0; held.kept.bytes.len < len; held.kept.bytes.len++)
        assert_err(SHERD_ERR_TAMPERED, fetch(&held));
    assert_ok(fetch(&held));
    held_done(&held);
}

static void test_kms_stores__refuse_changed_kept_bytes(void **state)
{
    (void)state;
    over_all(refuses_changed_kept);
}

static void refuses_others(struct kms_test *test, const struct variant *variant)
{
    struct held held = activate(test, variant, &test->id);
    struct sherd_key_id id = test->id;

    assert_ok(sherd_protections_rotate(test->protections, NULL, 1700000001));
    held.call.protection = 2;
    assert_err(SHERD_ERR_TAMPERED, fetch(&held));
    held.call.protection = 3;
    assert_err(SHERD_ERR_TAMPERED, fetch(&held));
    held.call.protection = 1;
    assert_ok(fetch(&held));

    held.call.id = &id;
    id.version = 2;
    assert_err(SHERD_ERR_TAMPERED, fetch(&held));
    id = test->id;
    id.name[0] ^= 1;
    assert_err(SHERD_ERR_TAMPERED, fetch(&held));
    id = test->id;
    id.kid.bytes[15] ^= 1;
    assert_err(SHERD_ERR_TAMPERED, fetch(&held));
    id = test->id;
    id.deployment.bytes[0] ^= 1;
    assert_err(SHERD_ERR_TAMPERED, fetch(&held));
    held_done(&held);
}

static void test_kms_stores__refuse_another_key_version_or_protection(void **state)
{
    (void)state;
    over_all(refuses_others);
}

static void takes_no_others_kept(struct kms_test *test, const struct variant *variant)
{
    struct sherd_key_id next;

    kms_new_id(test, "default", 2, &next);
    struct held first = activate(test, variant, &test->id);
    struct held second = activate(test, variant, &next);
    const struct sherd_buf bytes = first.kept.bytes;

    first.kept.bytes = second.kept.bytes;
    assert_err(SHERD_ERR_TAMPERED, fetch(&first));
    first.kept.bytes = bytes;
    assert_ok(fetch(&first));
    for (size_t i = 0; i < SHERD_COUNT_OF(variants); i++) {
        const struct sherd_key_store *own = first.store;

        assert_ok(sherd_key_store_find(variants[i].store, &first.store));
        if (first.store != own) {
            const enum sherd_err err = fetch(&first); /* its arguments may be refused first */

            assert_true(err == SHERD_ERR_TAMPERED || err == SHERD_ERR_INVALID);
        }
        first.store = own;
    }
    held_done(&first);
    held_done(&second);
}

static void test_kms_stores__take_nothing_kept_of_another_key_or_store(void **state)
{
    (void)state;
    over_all(takes_no_others_kept);
}

static void destroys(struct kms_test *test, const struct variant *variant)
{
    struct held held = activate(test, variant, &test->id);

    assert_ok(sherd_key_destroy(held.store, &held.call, kept_of(&held)));
    assert_int_equal(parts_at_places(test, variant), 0);
    if (variant->parts > 0)
        assert_err(SHERD_ERR_TAMPERED, fetch(&held)); /* even for one who kept what the keyring had */
    assert_ok(sherd_key_destroy(held.store, &held.call, kept_of(&held)));
    held.kept.bytes.len = 0;
    assert_err(SHERD_ERR_TAMPERED, fetch(&held));
    held_done(&held);
}

static void test_kms_stores__destroy_for_good(void **state)
{
    (void)state;
    over_all(destroys);
}

/* A part at fault: the key comes if enough are left; either way check names exactly it. */
static void part_at_fault(struct kms_test *test, const struct variant *variant, enum harm how, unsigned faults)
{
    char place[128];

    for (size_t n = 0; place_of(test, variant, n, place); n++) {
        struct held held = activate(test, variant, &test->id);
        const bool enough = variant->parts - faults >= variant->needed;
        struct findings findings;
        char named[160];

        harm(test, place, n * 7, how);
        const enum sherd_err expected = enough ? SHERD_OK : SHERD_ERR_TAMPERED;
        assert_int_equal(fetch(&held), expected);
        if (!enough) {
            assert_non_null(strstr(sherd_err_detail(), place));
            assert_non_null(strstr(sherd_err_detail(), how == HARM_LOSE ? "is missing" : "does not verify"));
        }
        assert_int_equal(check(&held, &findings), expected);
        assert_int_equal(findings.count, faults);
        for (size_t i = 0; i < findings.count; i++) {
            assert_string_equal(findings.list[i].place, place);
            assert_int_equal(findings.list[i].fault, how == HARM_LOSE ? SHERD_KEY_PART_LOST : SHERD_KEY_PART_DAMAGED);
        }
        if (!enough) { /* the one that the text names is the first that check names */
            (void)snprintf(named, sizeof(named), " %u of ", (unsigned)findings.list[0].index + 1);
            assert_non_null(strstr(sherd_err_detail(), named));
        }
        assert_ok(sherd_key_destroy(held.store, &held.call, kept_of(&held)));
        held_done(&held);
    }
}

static void names_lost(struct kms_test *test, const struct variant *variant)
{
    part_at_fault(test, variant, HARM_LOSE, 1);
}

static void names_changed(struct kms_test *test, const struct variant *variant)
{
    part_at_fault(test, variant, HARM_CHANGE, 1);
    part_at_fault(test, variant, HARM_LENGTHEN, 1);
}

static void names_swapped(struct kms_test *test, const struct variant *variant)
{
    if (variant->parts >= 6) /* two at each place */
        part_at_fault(test, variant, HARM_SWAP, 2);
}

static void test_kms_stores__name_a_lost_part(void **state)
{
    (void)state;
    over_all(names_lost);
}

static void test_kms_stores__name_a_changed_part(void **state)
{
    (void)state;
    over_all(names_changed);
}

static void test_kms_stores__name_swapped_parts(void **state)
{
    (void)state;
    over_all(names_swapped);
}

/* All entries of one version under the names of another: none opens. */
static void refuses_parts_of_another(struct kms_test *test, const struct variant *variant)
{
    char place[128];
    struct sherd_key_id next;

    if (variant->parts == 0)
        return;
    kms_new_id(test, "default", 2, &next);
    struct held first = activate(test, variant, &test->id);
    struct entries *before[SHERD_KEY_PLACES_MAX];
    for (size_t n = 0; place_of(test, variant, n, place); n++) {
        before[n] = place_open(test, place);
        if (before[n]->own)
            sherd_compartment_close(before[n]->compartment);
    }
    assert_ok(sherd_key_destroy(first.store, &first.call, kept_of(&first)));
    struct held second = activate(test, variant, &next);
    for (size_t n = 0; place_of(test, variant, n, place); n++) {
        struct entries *now = place_open(test, place);

        for (size_t i = 0; i < now->count; i++)
            entry_set(now, &now->list[i].name, sherd_span_of(before[n]->list[i].bytes, before[n]->list[i].len));
        place_close(now);
        test_free(before[n]);
    }
    assert_err(SHERD_ERR_TAMPERED, fetch(&second));
    held_done(&first);
    held_done(&second);
}

static void test_kms_stores__refuse_parts_of_another_version(void **state)
{
    (void)state;
    over_all(refuses_parts_of_another);
}

/* The protection key rotates: kept anew beside the old keeping, which then goes. */
static void is_kept_anew(struct kms_test *test, const struct variant *variant)
{
    struct held held = activate(test, variant, &test->id);
    struct held anew = held;

    assert_ok(sherd_protections_rotate(test->protections, NULL, 1700000001));
    anew.call.protection = 2;
    anew.kept = (struct sherd_key_kept){.outside_id = ""};
    assert_ok(sherd_key_keep(anew.store, &anew.call, anew.key, &anew.kept));
    assert_int_equal(parts_at_places(test, variant), 2 * variant->parts);
    assert_ok(fetch(&held));
    assert_ok(fetch(&anew));
    assert_ok(sherd_key_destroy(held.store, &held.call, kept_of(&held)));
    assert_ok(sherd_protections_drop(test->protections, 1));
    assert_ok(fetch(&anew));
    assert_int_equal(parts_at_places(test, variant), variant->parts);
    assert_err(SHERD_ERR_TAMPERED, fetch(&held));
    sherd_buf_done(&held.kept.bytes);
    held_done(&anew);
}

static void test_kms_stores__keep_a_key_anew_under_another_protection(void **state)
{
    (void)state;
    over_all(is_kept_anew);
}

static bool holds(struct sherd_span where, struct sherd_span what)
{
    return memmem(where.data, where.len, what.data, what.len) != NULL;
}

/* Nothing that is kept has a piece of the key, and all entries of a place are alike. */
static void says_nothing(struct kms_test *test, const struct variant *variant)
{
    struct held held = activate(test, variant, &test->id);
    char place[128];

    for (size_t piece = 0; piece + 8 <= sizeof(held.key->bytes); piece += 8)
        assert_false(holds(kept_of(&held), sherd_span_of(held.key->bytes + piece, 8)));
    for (size_t n = 0; place_of(test, variant, n, place); n++) {
        struct entries *entries = place_open(test, place);

        for (size_t i = 0; i < entries->count; i++) {
            const struct sherd_span bytes = {entries->list[i].bytes, entries->list[i].len};

            assert_int_equal(bytes.len, 272);
            assert_true(sherd_entry_is_key_part(entries->own
                                                    ? SHERD_FOR_KEYS
                                                    : (enum sherd_purpose)sherd_compartment_role(entries->compartment),
                                                bytes));
            assert_false(sherd_entry_is_key_part(SHERD_FOR_CONTENT, bytes));
            assert_memory_equal(bytes.data, entries->list[0].bytes, 8);
            assert_false(holds(bytes, sherd_span_of(test->id.kid.bytes, 8)));
            for (size_t piece = 0; piece + 8 <= sizeof(held.key->bytes); piece += 8)
                assert_false(holds(bytes, sherd_span_of(held.key->bytes + piece, 8)));
        }
        place_close(entries);
    }
    held_done(&held);
}

static void test_kms_stores__keep_nothing_in_clear(void **state)
{
    (void)state;
    over_all(says_nothing);
}

static void writes_nothing_read_only(struct kms_test *test, const struct variant *variant)
{
    struct held held = activate(test, variant, &test->id);
    struct sherd_key_kept kept = {.outside_id = ""};

    test->kms.places.read_only = true;
    assert_ok(fetch(&held));
    if (variant->parts > 0) {
        assert_err(SHERD_ERR_DENIED, sherd_key_keep(held.store, &held.call, held.key, &kept));
        assert_err(SHERD_ERR_DENIED, sherd_key_destroy(held.store, &held.call, kept_of(&held)));
        assert_int_equal(kept.bytes.len, 0);
    }
    assert_int_equal(parts_at_places(test, variant), variant->parts);
    held_done(&held);
}

static void test_kms_stores__write_nothing_where_it_is_read_only(void **state)
{
    (void)state;
    over_all(writes_nothing_read_only);
}

struct worker {
    pthread_t thread;
    const struct held *held;
    bool ok;
};

static bool fetches(const struct held *held)
{
    struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    const bool ok = key != NULL && sherd_key_fetch(held->store, &held->call, kept_of(held), key) == SHERD_OK &&
                    sherd_same(key, held->key, sizeof(*key));

    sherd_secret_free(key);
    return ok;
}

static void *work(void *arg)
{
    struct worker *worker = arg;

    worker->ok = true;
    for (int i = 0; i < 5; i++) {
        struct held mine = *worker->held;

        mine.kept = (struct sherd_key_kept){.outside_id = ""};
        worker->ok = worker->ok && fetches(worker->held) &&
                     sherd_key_keep(mine.store, &mine.call, mine.key, &mine.kept) == SHERD_OK && fetches(&mine) &&
                     sherd_key_destroy(mine.store, &mine.call, kept_of(&mine)) == SHERD_OK && !fetches(&mine);
        sherd_buf_done(&mine.kept.bytes);
    }
    return NULL;
}

/* Several threads fetch one version, and keep it anew and destroy that, at the same places. */
static void serves_threads(struct kms_test *test, const struct variant *variant)
{
    struct held held = activate(test, variant, &test->id);
    struct worker workers[4] = {{.held = &held}, {.held = &held}, {.held = &held}, {.held = &held}};

    if (variant->parts > 0) {
        for (size_t i = 0; i < SHERD_COUNT_OF(workers); i++)
            assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        for (size_t i = 0; i < SHERD_COUNT_OF(workers); i++)
            assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        for (size_t i = 0; i < SHERD_COUNT_OF(workers); i++)
            assert_true(workers[i].ok);
        assert_int_equal(parts_at_places(test, variant), variant->parts);
    }
    held_done(&held);
}

static void test_kms_stores__serve_threads(void **state)
{
    (void)state;
    over_all(serves_threads);
}

/* A place that is gone whole: named as what cannot be reached, not as damage; and no destruction is claimed there. */
static void names_a_missing_place(struct kms_test *test, const struct variant *variant)
{
    struct held held;
    struct findings findings;
    char away[80];
    char path[80];

    if (strstr(variant->args, "lmdb") == NULL)
        return;
    held = activate(test, variant, &test->id);
    (void)snprintf(path, sizeof(path), "%s/a", test->root);
    (void)snprintf(away, sizeof(away), "%s/away", test->root);
    assert_int_equal(rename(path, away), 0);
    const enum sherd_err expected = strcmp(variant->store, "stripe") == 0 ? SHERD_ERR_IO : SHERD_OK;
    assert_int_equal(fetch(&held), expected);
    if (expected != SHERD_OK)
        assert_non_null(strstr(sherd_err_detail(), path));
    assert_int_equal(check(&held, &findings), expected);
    assert_true(findings.count > 0);
    for (size_t i = 0; i < findings.count; i++) {
        assert_int_equal(findings.list[i].fault, SHERD_KEY_PART_UNREACHABLE);
        assert_non_null(strstr(findings.list[i].place, path));
    }
    assert_err(SHERD_ERR_IO, sherd_key_destroy(held.store, &held.call, kept_of(&held)));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(rename(away, path), 0);
    assert_err(SHERD_ERR_TAMPERED, fetch(&held)); /* the other places did destroy theirs */
    assert_ok(sherd_key_destroy(held.store, &held.call, kept_of(&held)));
    assert_int_equal(parts_at_places(test, variant), 0);
    held_done(&held);
}

static void test_kms_stores__name_a_place_that_is_gone(void **state)
{
    (void)state;
    over_all(names_a_missing_place);
}

#if SHERD_FAILPOINTS

/* Fails the nth time that memory is asked for. */
static enum sherd_err fail_nth(void *arg, const char *name)
{
    unsigned *left = arg;

    if (strcmp(name, "alloc") != 0 || *left == 0 || --*left > 0)
        return SHERD_OK;
    return SHERD_ERR_NO_MEMORY;
}

/*
 * Activate, or fetch what was kept, where the nth block of memory cannot be had. @return false: there are not so many
 */
static bool without_nth(const struct variant *variant, unsigned n, bool fetching)
{
    static const struct sherd_master_key none;
    void *state = NULL;
    struct held held = {.key = NULL};
    unsigned left = n;

    assert_int_equal(kms_setup(&state), 0);
    use(state, variant);
    if (fetching)
        held = activate(state, variant, &((struct kms_test *)state)->id);
    else
        assert_ok(sherd_key_store_find(variant->store, &held.store));
    held.call = kms_call(state);
    struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    assert_non_null(key);

    sherd_failpoint_set(fail_nth, &left);
    const enum sherd_err err = fetching ? sherd_key_fetch(held.store, &held.call, kept_of(&held), key)
                                        : sherd_key_activate(sherd_key_generators()[0], held.store, &held.call, key,
                                                             &held.kept);
    sherd_failpoint_set(NULL, NULL);
    const bool failed = left == 0;
    assert_int_equal(err, failed ? SHERD_ERR_NO_MEMORY : SHERD_OK);
    if (failed) {
        assert_memory_equal(key, &none, sizeof(none));
        assert_int_equal(held.kept.bytes.len > 0, fetching);
    }
    sherd_secret_free(key);
    held_done(&held);
    assert_int_equal(kms_teardown(&state), 0);
    return failed;
}

static void survives_want_of_memory(const struct variant *variant)
{
    unsigned n = 1;

    if (strstr(variant->args, "lmdb") != NULL)
        return; /* the engine has tests of its own */
    while (without_nth(variant, n, false))
        n += n < 40 ? 1 : 29;
    assert_true(n > 3);
    n = 1;
    while (without_nth(variant, n, true))
        n += n < 40 ? 1 : 29;
    assert_true(n > 1);
}

static void test_kms_stores__survive_want_of_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(variants); i++)
        survives_want_of_memory(&variants[i]);
}

#endif

/* --- arguments --------------------------------------------------------------------------------------------------- */

static void test_kms_stores__refuse_bad_arguments(void **state)
{
    static const struct {
        const char *store;
        const char *args;
        enum sherd_err err;
    } cases[] = {
        {"stripe", "places=keys", SHERD_ERR_INVALID},
        {"stripe", "places=", SHERD_ERR_INVALID},
        {"stripe", "places=keys,", SHERD_ERR_INVALID},
        {"stripe", "places=keys,keys", SHERD_ERR_INVALID},
        {"stripe", "places=keys,ledger", SHERD_ERR_INVALID},
        {"stripe", "places=keys,lmdb:relative", SHERD_ERR_INVALID},
        {"stripe", "places=keys,lmdb:/", SHERD_ERR_INVALID},
        {"stripe", "places=keys,memory:/x", SHERD_ERR_INVALID},
        {"stripe", "threshold=2", SHERD_ERR_INVALID},
        {"anchor", "places=keys,assets", SHERD_ERR_INVALID},
        {"shares", "threshold=1", SHERD_ERR_INVALID},
        {"shares", "threshold=5", SHERD_ERR_INVALID},
        {"shares", "threshold=two", SHERD_ERR_INVALID},
        {"shares", "threshold=", SHERD_ERR_INVALID},
        {"shares", "threshold=0x3", SHERD_ERR_INVALID},
        {"shares", "threshold=-3", SHERD_ERR_INVALID},
        {"shares", "shares=33", SHERD_ERR_INVALID},
        {"shares", "shares=3", SHERD_ERR_INVALID}, /* of 4 places */
        {"shares", "shares=99999999999999999999", SHERD_ERR_INVALID},
        {"stripe", "places=keys,lmdb:/sherd-test-no-such-directory/a/b", SHERD_ERR_IO},
    };
    struct kms_test *test = *state;

    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        const struct variant variant = {cases[i].store, cases[i].args, 0, 0};
        struct sherd_key_kept kept = {.outside_id = ""};
        struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
        const struct sherd_key_store *store = NULL;

        assert_non_null(key);
        assert_ok(sherd_key_args_parse(variant.args, &test->args));
        assert_ok(sherd_key_store_find(variant.store, &store));
        const struct sherd_key_call call = kms_call(test);
        print_message("  %s %s\n", variant.store, variant.args);
        assert_err(cases[i].err, sherd_key_activate(sherd_key_generators()[0], store, &call, key, &kept));
        assert_int_equal(kept.bytes.len, 0);
        sherd_secret_free(key);
    }
}

/* A compartment that this process has not open is no place, and says so. */
static void test_kms_stores__refuse_a_compartment_that_is_not_there(void **state)
{
    struct kms_test *test = *state;
    struct sherd_key_kept kept = {.outside_id = ""};
    struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    const struct sherd_key_store *store = NULL;

    assert_non_null(key);
    test->kms.places.roles[SHERD_SECRETS - 1].compartment = NULL;
    assert_ok(sherd_key_store_find("stripe", &store));
    const struct sherd_key_call call = kms_call(test);
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_key_activate(sherd_key_generators()[0], store, &call, key, &kept));
    assert_non_null(strstr(sherd_err_detail(), "secrets"));
    test->kms.places.roles[SHERD_SECRETS - 1].compartment = test->compartments[SHERD_SECRETS - 1];
    const struct variant stripe = {"stripe", "", 104, 104};
    assert_int_equal(parts_at_places(test, &stripe), 0); /* what was written before is taken back */
    sherd_secret_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kms_stores__give_back_what_they_kept),
        cmocka_unit_test(test_kms_stores__keep_versions_and_keys_apart),
        cmocka_unit_test(test_kms_stores__refuse_changed_kept_bytes),
        cmocka_unit_test(test_kms_stores__refuse_another_key_version_or_protection),
        cmocka_unit_test(test_kms_stores__take_nothing_kept_of_another_key_or_store),
        cmocka_unit_test(test_kms_stores__destroy_for_good),
        cmocka_unit_test(test_kms_stores__name_a_lost_part),
        cmocka_unit_test(test_kms_stores__name_a_changed_part),
        cmocka_unit_test(test_kms_stores__name_swapped_parts),
        cmocka_unit_test(test_kms_stores__refuse_parts_of_another_version),
        cmocka_unit_test(test_kms_stores__keep_a_key_anew_under_another_protection),
        cmocka_unit_test(test_kms_stores__keep_nothing_in_clear),
        cmocka_unit_test(test_kms_stores__write_nothing_where_it_is_read_only),
        cmocka_unit_test(test_kms_stores__name_a_place_that_is_gone),
        cmocka_unit_test(test_kms_stores__serve_threads),
#if SHERD_FAILPOINTS
        cmocka_unit_test(test_kms_stores__survive_want_of_memory),
#endif
        kms_test_of(test_kms_stores__refuse_bad_arguments),
        kms_test_of(test_kms_stores__refuse_a_compartment_that_is_not_there),
    };

    return cmocka_run_group_tests_name("kms_stores", tests, NULL, NULL);
}
