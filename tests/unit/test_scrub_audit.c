/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of audits: what must be there is known from the log and an inventory alone, each change of it is found, an
 * inventory that hides or invents something is found out, and a vault at work is no finding.
 */
#include "base/bytes.h"
#include "cryptor/vault.h"
#include "crypto/sign.h"
#include "envelope/note.h"
#include "envelope/row.h"
#include "scrub/audit.h"
#include "vault.h"
#include <pthread.h>
#include <sherd/ledger.h>
#include <stdatomic.h>

#define FINDINGS_MAX 64U
#define BLOB_BYTES 100000U

struct report {
    size_t count;
    char texts[FINDINGS_MAX][200];
};

static void note_finding(void *arg, const struct sherd_finding *finding)
{
    struct report *report = arg;

    assert_true(report->count < FINDINGS_MAX);
    (void)snprintf(report->texts[report->count++], 200, "%s: %s", finding->compartment, finding->text);
}

static enum sherd_err audit(struct vault_test *test, struct report *report, struct sherd_audit_stat *out_stat)
{
    const struct sherd_observer observer = {.finding = note_finding, .arg = report};

    report->count = 0;
    return sherd_vault_audit(test->vault, 0, &observer, out_stat);
}

static enum sherd_err append(void *arg, struct sherd_span bytes)
{
    return sherd_buf_append(arg, bytes);
}

/* What an auditor gets. */
struct given {
    struct sherd_buf inventory;
    struct sherd_buf key;
    char log[80];
    char log_key[4096];
};

static struct given give(struct vault_test *test, const char *compartment)
{
    struct given given = {0};
    const struct sherd_backup_out out = {.write = append, .arg = &given.inventory};

    assert_ok(sherd_vault_inventory(test->vault, compartment, &out));
    assert_ok(sherd_ledger_checkpoint(test->vault, NULL, &given.key, NULL));
    (void)snprintf(given.log, sizeof(given.log), "%s/anchor/ledger", test->path);
    (void)snprintf(given.log_key, sizeof(given.log_key), "%.*s", (int)given.key.len, (const char *)given.key.data);
    return given;
}

static void given_done(struct given *given)
{
    sherd_buf_done(&given->inventory);
    sherd_buf_done(&given->key);
}

/* The vault is closed for it: one process opens a store once. */
static enum sherd_err audit_given(struct vault_test *test, const struct given *given, struct report *report,
                                  struct sherd_audit_stat *out_stat)
{
    const struct sherd_observer observer = {.finding = note_finding, .arg = report};
    const struct sherd_audit_input input = {.path = test->path,
                                            .inventory = sherd_buf_span(&given->inventory),
                                            .log = given->log,
                                            .log_key = given->log_key};

    report->count = 0;
    sherd_vault_close(test->vault);
    test->vault = NULL;
    const enum sherd_err err = sherd_compartment_audit(&input, 0, &observer, out_stat);
    test->vault = vault_open_as(test, false, 2);
    return err;
}

static void put_all_kinds(struct vault_test *test)
{
    uint8_t *block = test_malloc(BLOB_BYTES);
    const struct sherd_record_meta all = {.collection = "all"};
    const struct sherd_record_meta clear = {.collection = "clear"};
    const struct sherd_collection readable = {.name = "clear", .versions_kept = 1, .readable = true};
    const struct sherd_record_meta two = {.collection = "two"};
    struct sherd_uuid id;

    vault_fill(block, BLOB_BYTES, 3);
    vault_collection(test, "all", 0, false);
    vault_collection(test, "two", 2, false);
    assert_ok(sherd_collection_create(test->vault, &readable));
    (void)vault_put(test, &clear, "a row");
    (void)vault_put(test, NULL, "short");
    assert_ok(sherd_record_put(test->vault, NULL, sherd_span_of(block, BLOB_BYTES), &id));
    id = vault_put(test, &all, "1"); /* and two more: all three stand */
    for (unsigned i = 0; i < 2; i++)
        assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("2"), NULL));
    id = vault_put(test, &two, "1"); /* of five versions two stand */
    for (unsigned i = 0; i < 4; i++)
        assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("2"), NULL));
    id = vault_put(test, NULL, "1"); /* of two versions one stands */
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("2"), NULL));
    id = vault_put(test, NULL, "gone");
    assert_ok(sherd_record_delete(test->vault, id));
    test_free(block);
}

#define STANDING 9U /* of put_all_kinds(), in each of the two compartments */

static void test_scrub_audit__knows_what_must_be_there(void **state)
{
    struct vault_test *test = *state;
    struct sherd_audit_stat stat;
    struct report report;

    assert_ok(audit(test, &report, &stat));
    assert_int_equal(stat.entry_count, 0);
    put_all_kinds(test);
    assert_ok(audit(test, &report, &stat));
    assert_int_equal(report.count, 0);
    assert_int_equal(stat.entry_count, 2 * STANDING);
    assert_int_equal(stat.checked_count, 2 * STANDING);
    assert_int_equal(stat.damaged_below, 1);
    assert_int_equal(stat.later_count, 0);
    assert_int_equal(stat.stray_count, 0);
    assert_true(stat.checked_bytes > BLOB_BYTES && stat.leaf_count > STANDING);
}

static void test_scrub_audit__needs_no_key_of_the_vault(void **state)
{
    static const char *const compartments[] = {"assets", "secrets"};
    struct vault_test *test = *state;
    struct sherd_audit_stat stat;
    struct report report;

    put_all_kinds(test);
    for (size_t i = 0; i < SHERD_COUNT_OF(compartments); i++) {
        struct given given = give(test, compartments[i]);

        (void)vault_put(test, NULL, "later");
        assert_ok(sherd_ledger_checkpoint(test->vault, NULL, NULL, NULL));
        assert_ok(audit_given(test, &given, &report, &stat));
        assert_int_equal(stat.entry_count, STANDING + i);
        assert_int_equal(stat.checked_count, STANDING + i);
        assert_int_equal(stat.later_count, 1);
        assert_int_equal(stat.stray_count, 1);
        given_done(&given);
    }
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

struct names {
    size_t count;
    struct sherd_ref names[64];
};

static enum sherd_err take_name(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct names *names = arg;

    if (value.len > 1 && (value.data[1] == SHERD_KIND_MAP || value.data[1] >= 128))
        names->names[names->count++] = name;
    return SHERD_OK;
}

static void write_entry(struct sherd_compartment *compartment, const struct sherd_ref *name, struct sherd_span value)
{
    const struct sherd_store_op op = {.kind = value.len > 0 ? SHERD_STORE_PUT : SHERD_STORE_DELETE,
                                      .expect = SHERD_EXPECT_ANY,
                                      .name = *name,
                                      .value = value};

    assert_ok(sherd_compartment_write(compartment, &op, 1));
}

struct search {
    uint8_t kind;
    bool found;
    struct sherd_ref name;
};

static enum sherd_err meet(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct search *search = arg;

    if (value.len > 1 && value.data[1] == search->kind) {
        search->name = name;
        search->found = true;
    }
    return SHERD_OK;
}

static bool find_kind(struct sherd_compartment *compartment, uint8_t kind, struct sherd_ref *out_name)
{
    struct search search = {.kind = kind};
    struct sherd_snapshot *snapshot;

    assert_ok(sherd_compartment_snapshot_begin(compartment, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, meet, &search));
    sherd_snapshot_end(snapshot);
    *out_name = search.name;
    return search.found;
}

static void assert_one_finding(struct vault_test *test, const char *compartment, const char *what)
{
    struct sherd_audit_stat stat;
    struct report report;

    assert_err(SHERD_ERR_TAMPERED, audit(test, &report, &stat));
    assert_int_equal(stat.finding_count, 1);
    assert_int_equal(report.count, 1);
    assert_int_equal(strncmp(report.texts[0], compartment, strlen(compartment)), 0);
    assert_non_null(strstr(report.texts[0], what));
}

static void test_scrub_audit__finds_each_entry_that_was_removed_or_changed(void **state)
{
    struct vault_test *test = *state;

    put_all_kinds(test);
    struct sherd_compartment *const compartments[] = {test->vault->assets.compartment, test->vault->secrets};
    for (size_t c = 0; c < SHERD_COUNT_OF(compartments); c++) {
        struct sherd_snapshot *snapshot;
        struct names names = {0};

        assert_ok(sherd_compartment_snapshot_begin(compartments[c], &snapshot));
        assert_ok(sherd_snapshot_scan(snapshot, NULL, take_name, &names));
        sherd_snapshot_end(snapshot);
        assert_int_equal(names.count, c == 0 ? STANDING : STANDING - 1); /* one is a blob */
        for (size_t i = 0; i < names.count; i++) {
            struct sherd_buf stored = {0};

            assert_ok(sherd_compartment_get(compartments[c], names.names[i], &stored));
            write_entry(compartments[c], &names.names[i], (struct sherd_span){0});
            assert_one_finding(test, c == 0 ? "assets" : "secrets", "is missing");
            stored.data[stored.len - 1] ^= 1;
            write_entry(compartments[c], &names.names[i], sherd_buf_span(&stored));
            assert_one_finding(test, c == 0 ? "assets" : "secrets", "is not what the ledger says");
            stored.data[stored.len - 1] ^= 1;
            write_entry(compartments[c], &names.names[i], sherd_buf_span(&stored));
            sherd_buf_done(&stored);
        }
    }
}

static char blob_path[256];

static int find_blob(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (kind == FTW_F)
        (void)snprintf(blob_path, sizeof(blob_path), "%s", path);
    return 0;
}

static void test_scrub_audit__finds_a_blob_that_was_cut_changed_or_removed(void **state)
{
    struct vault_test *test = *state;
    char path[256];

    put_all_kinds(test);
    (void)snprintf(path, sizeof(path), "%s/secrets/blobs", test->path);
    blob_path[0] = 0;
    assert_int_equal(nftw(path, find_blob, 16, FTW_PHYS), 0);
    (void)snprintf(path, sizeof(path), "%s", blob_path);
    assert_true(path[0] != 0);
    for (long at = 0; at < 100000; at += 33331) {
        FILE *file = fopen(path, "r+");
        int byte;

        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        byte = fgetc(file);
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_true(fputc(byte ^ 0x80, file) != EOF && fclose(file) == 0);
        assert_one_finding(test, "secrets", "is not what the ledger says");
        file = fopen(path, "r+");
        assert_true(fseek(file, at, SEEK_SET) == 0 && fputc(byte, file) != EOF && fclose(file) == 0);
    }
    assert_int_equal(truncate(path, 90000), 0);
    assert_one_finding(test, "secrets", "is not what the ledger says");
    assert_int_equal(truncate(path, 50), 0);
    assert_one_finding(test, "secrets", "is not what the ledger says");
    assert_int_equal(unlink(path), 0);
    assert_one_finding(test, "secrets", "is missing");
}

/* --- inventories that lie ----------------------------------------------------------------------------------------- */

static void assert_lie(struct vault_test *test, const struct given *given, const char *what)
{
    struct sherd_audit_stat stat;
    struct report report;
    bool said = false;

    assert_err(SHERD_ERR_TAMPERED, audit_given(test, given, &report, &stat));
    for (size_t i = 0; i < report.count; i++)
        said = said || strstr(report.texts[i], what) != NULL;
    assert_true(said);
}

static void test_scrub_audit__finds_out_an_inventory_that_lies(void **state)
{
    struct vault_test *test = *state;
    struct sherd_audit_stat stat;
    struct report report;

    put_all_kinds(test);
    struct given given = give(test, "secrets");
    uint8_t *const bytes = given.inventory.data;
    const size_t len = given.inventory.len;
    uint8_t *const first = bytes + SHERD_INVENTORY_HEAD_SIZE;

    /* a row left away, that of an entry which must be there: the first is that of "short" */
    struct sherd_buf less = {0};
    assert_ok(sherd_buf_append(&less, sherd_span_of(bytes, SHERD_INVENTORY_HEAD_SIZE)));
    assert_ok(sherd_buf_append(&less, sherd_span_of(first + SHERD_INVENTORY_ROW_SIZE,
                                                    len - SHERD_INVENTORY_HEAD_SIZE - SHERD_INVENTORY_ROW_SIZE)));
    less.data[31]--;
    struct given hiding = given;
    hiding.inventory = less;
    assert_lie(test, &hiding, "does not show");
    sherd_buf_done(&less);

    /* each field of a row */
    for (size_t at = 8; at < SHERD_INVENTORY_ROW_SIZE; at++) {
        first[at] ^= 1;
        if (at % 8 == 0)
            assert_lie(test, &given, "does not open");
        first[at] ^= 1;
    }
    /* said to be the other compartment's, or older than it is */
    bytes[15] ^= 1;
    assert_lie(test, &given, "does not open");
    bytes[15] ^= 1;
    assert_ok(audit_given(test, &given, &report, &stat));

    /* bytes that are none */
    const size_t broken[] = {0, 8, 11, 12, 16, 24, 31, SHERD_INVENTORY_HEAD_SIZE};
    for (size_t i = 0; i < SHERD_COUNT_OF(broken); i++) {
        bytes[broken[i]] ^= 0x80;
        assert_int_not_equal(audit_given(test, &given, &report, &stat), SHERD_OK);
        assert_int_equal(report.count, 0);
        bytes[broken[i]] ^= 0x80;
    }
    given.inventory.len--;
    assert_err(SHERD_ERR_TAMPERED, audit_given(test, &given, &report, &stat));
    given.inventory.len = 10;
    assert_err(SHERD_ERR_TAMPERED, audit_given(test, &given, &report, &stat));
    given.inventory.len = len;

    /* a log that is another's, or is not there */
    given.log_key[strlen(given.log_key) - 3] ^= 1;
    assert_int_not_equal(audit_given(test, &given, &report, &stat), SHERD_OK);
    given.log_key[strlen(given.log_key) - 3] ^= 1;
    (void)snprintf(given.log, sizeof(given.log), "%s", test->root);
    assert_err(SHERD_ERR_NOT_FOUND, audit_given(test, &given, &report, &stat));
    given_done(&given);
}

/* --- samples, and work meanwhile ---------------------------------------------------------------------------------- */

static void test_scrub_audit__says_what_a_sample_gives(void **state)
{
    enum { RECORDS = 200 };
    struct vault_test *test = *state;
    struct sherd_batch_item items[RECORDS] = {0};
    struct sherd_audit_stat stat;

    for (size_t i = 0; i < RECORDS; i++)
        items[i].content = sherd_span_str("x");
    assert_ok(sherd_record_put_batch(test->vault, items, RECORDS));
    assert_ok(sherd_vault_audit(test->vault, 100, NULL, &stat));
    assert_int_equal(stat.entry_count, 2 * RECORDS);
    assert_int_equal(stat.checked_count, 200);
    assert_int_equal(stat.damaged_below, 5); /* C(196, 100) / C(200, 100) = 0.06, C(195, 100) / ... = 0.03 */
    assert_ok(sherd_vault_audit(test->vault, 1, NULL, &stat));
    assert_int_equal(stat.damaged_below, 191); /* 10 of 200 are seen by one look with 95 % at 191 */
    assert_ok(sherd_vault_audit(test->vault, RECORDS, NULL, &stat));
    assert_int_equal(stat.damaged_below, 1);
    assert_ok(sherd_vault_audit(test->vault, UINT64_MAX, NULL, &stat));
    assert_int_equal(stat.checked_count, 2 * RECORDS);

    /* each entry is looked at by some sample: whichever is missing is found */
    struct names *names = test_calloc(1, sizeof(*names) + RECORDS * sizeof(struct sherd_ref));
    struct sherd_snapshot *snapshot;
    assert_ok(sherd_compartment_snapshot_begin(test->vault->secrets, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, take_name, names));
    sherd_snapshot_end(snapshot);
    write_entry(test->vault->secrets, &names->names[7], (struct sherd_span){0});
    unsigned found = 0;
    for (unsigned i = 0; i < 40; i++)
        found += sherd_vault_audit(test->vault, 100, NULL, &stat) == SHERD_ERR_TAMPERED ? 1 : 0;
    assert_in_range(found, 5, 35); /* 20 on average; outside once in 2 million */
    test_free(names);
}

struct work {
    struct vault_test *test;
    atomic_bool stop;
    uint64_t done;
};

static void *work(void *arg)
{
    struct work *work = arg;
    struct sherd_uuid ids[8] = {0};

    for (; !atomic_load(&work->stop); work->done++) {
        struct sherd_uuid *id = &ids[work->done % SHERD_COUNT_OF(ids)];

        if (work->done >= SHERD_COUNT_OF(ids))
            assert_ok(sherd_record_delete(work->test->vault, *id));
        assert_ok(sherd_record_put(work->test->vault, NULL, sherd_span_str("busy"), id));
        assert_ok(sherd_record_update(work->test->vault, *id, 0, NULL, sherd_span_str("more"), NULL));
    }
    return NULL;
}

static void test_scrub_audit__of_a_vault_at_work_finds_nothing(void **state)
{
    struct vault_test *test = *state;
    struct work working = {.test = test};
    struct sherd_audit_stat stat;
    struct report report;
    pthread_t thread;

    put_all_kinds(test);
    assert_int_equal(pthread_create(&thread, NULL, work, &working), 0);
    for (unsigned i = 0; i < 15; i++)
        assert_ok(audit(test, &report, &stat));
    atomic_store(&working.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(working.done > 0 && stat.entry_count >= (uint64_t)2 * STANDING);
    assert_ok(audit(test, &report, &stat));
}

/* --- leaves that overtake one another ----------------------------------------------------------------------------- */

#define MANY 4500U /* more than become leaves in one round: src/anchor/ledger/sequencer.h */

/* Rounds take what waits for them in no order: that a record was sealed anew may be in the ledger before its put. */
static void test_scrub_audit__of_records_that_were_sealed_anew_at_once_finds_nothing(void **state)
{
    static struct sherd_batch_item items[SHERD_BATCH_ITEMS_MAX];
    const struct sherd_rekey_options deep = {.deep = true};
    struct vault_test *test = *state;
    struct sherd_rekey_stat rekeyed;
    struct sherd_audit_stat stat;
    struct report report;

    for (size_t i = 0; i < SHERD_COUNT_OF(items); i++)
        items[i].content = sherd_span_str("at once");
    for (size_t done = 0, count; done < MANY; done += count) {
        count = MANY - done < SHERD_COUNT_OF(items) ? MANY - done : SHERD_COUNT_OF(items);
        assert_ok(sherd_record_put_batch(test->vault, items, count));
    }
    for (unsigned i = 0; i < 2; i++)
        assert_ok(sherd_rekey(test->vault, &deep, NULL, NULL, &rekeyed));
    assert_ok(audit(test, &report, &stat));
    assert_int_equal(stat.checked_count, 2 * MANY);
    assert_int_equal(stat.stray_count, 0);
}

static const uint8_t seed[SHERD_SIGN_SEED_SIZE] = {0x5e};
#define ORIGIN "sherd.example/log"

static enum sherd_err sign(void *arg, struct sherd_span text, struct sherd_buf *out_note)
{
    (void)arg;
    return sherd_note_sign(ORIGIN, seed, text, out_note);
}

/* A log of three leaves about one version, and an inventory of `assets` that shows each. @return the row that stands */
static size_t standing_row(const struct vault_test *test, const enum sherd_event_kind kinds[static 3])
{
    static const uint8_t deployment[16] = {0xd1};
    const struct sherd_log_signer signer = {.sign = sign};
    struct sherd_inventory inventory = {.compartment = SHERD_LEAF_ASSETS, .size = 3};
    struct sherd_leaf_keys *keys = NULL;
    struct sherd_policy *policy = NULL;
    struct sherd_inventory_stat stat;
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
    uint8_t leaves[3][SHERD_LEAF_BYTES_MAX];
    struct sherd_span entries[3];
    struct sherd_log *log = NULL;
    struct sherd_buf key = {0};
    size_t found = 3;

    assert_ok(sherd_leaf_keys_new(sherd_span_of(seed, sizeof(seed)), deployment, &keys));
    for (uint8_t i = 0; i < 3; i++) {
        struct sherd_event event = {
            .kind = kinds[i], .version = 1, .id = {1, i}, .subject = {{7}}, .map = {.there = true, .name = {{8, i}}}};
        struct sherd_inventory_row row = {.index = i, .name = event.map.name};
        struct sherd_digest blinds[SHERD_LEAF_COMMITMENTS];

        assert_ok(sherd_leaf_encode(keys, &event, leaves[i], &entries[i].len));
        entries[i].data = leaves[i];
        assert_ok(sherd_leaf_blinds(keys, event.id, blinds));
        row.blind = blinds[SHERD_LEAF_ASSETS];
        assert_ok(sherd_inventory_add(&inventory, &row));
    }
    assert_ok(sherd_sign_public(seed, public_key));
    assert_ok(sherd_note_key_text(ORIGIN, public_key, &key));
    assert_ok(sherd_policy_of_log(sherd_buf_span(&key), &policy));
    vault_remove(test->path);
    assert_ok(sherd_log_make(test->path, sherd_span_str(ORIGIN), &signer));
    assert_ok(sherd_log_open(test->path, policy, &signer, &log));
    assert_ok(sherd_log_append(log, entries, 3, NULL));
    assert_ok(sherd_inventory_check(&inventory, log, NULL, NULL, &stat));
    assert_int_equal(stat.finding_count, 0);
    assert_int_equal(stat.stands_count, 1);
    for (size_t i = 0; i < 3; i++)
        if (inventory.rows[i].state == SHERD_ROW_STANDS)
            found = i;
    sherd_inventory_done(&inventory);
    sherd_log_close(log);
    sherd_policy_free(policy);
    sherd_leaf_keys_free(keys);
    sherd_buf_done(&key);
    return found;
}

/* The same, leaf by leaf: whichever comes first, the version lies where it was sealed anew last. */
static void test_scrub_audit__a_version_lies_where_it_was_sealed_anew(void **state)
{
    static const enum sherd_event_kind orders[][3] = {
        {SHERD_EVENT_PUT, SHERD_EVENT_RESEAL, SHERD_EVENT_RESEAL},
        {SHERD_EVENT_RESEAL, SHERD_EVENT_PUT, SHERD_EVENT_RESEAL},
        {SHERD_EVENT_RESEAL, SHERD_EVENT_RESEAL, SHERD_EVENT_PUT},
        {SHERD_EVENT_RESEAL, SHERD_EVENT_UPDATE, SHERD_EVENT_RESTORE},
    };
    static const size_t stands[] = {2, 2, 1, 2};

    for (size_t i = 0; i < SHERD_COUNT_OF(orders); i++)
        assert_int_equal(standing_row(*state, orders[i]), stands[i]);
}

/* --- store keys that are rotated ---------------------------------------------------------------------------------- */

static void rotate(struct vault_test *test, const char *const names[], size_t count, bool deep)
{
    const struct sherd_rekey_options options = {.deep = deep};
    struct sherd_rekey_stat stat;

    for (size_t i = 0; i < count; i++) {
        const struct sherd_master_options key = {.name = names[i]};

        assert_ok(sherd_master_activate(test->vault, &key, NULL));
    }
    assert_ok(sherd_rekey(test->vault, &options, NULL, NULL, &stat));
}

/* By the vault, and by who has an inventory of today. */
static void assert_audited(struct vault_test *test)
{
    static const char *const compartments[] = {"assets", "secrets"};
    struct sherd_audit_stat stat;
    struct report report;

    assert_ok(audit(test, &report, &stat));
    assert_int_equal(stat.checked_count, 2 * STANDING);
    for (size_t i = 0; i < SHERD_COUNT_OF(compartments); i++) {
        struct given given = give(test, compartments[i]);

        assert_ok(audit_given(test, &given, &report, &stat));
        assert_int_equal(stat.checked_count, STANDING);
        given_done(&given);
    }
}

/* One entry of each compartment, a row among them, with a byte changed. */
static void assert_changes_are_found(struct vault_test *test)
{
    static const char *const names[] = {"assets", "secrets"};
    static const uint8_t kinds[] = {SHERD_KIND_MAP, SHERD_KIND_ROW};

    for (size_t c = 0; c < SHERD_COUNT_OF(names); c++) {
        struct given given = give(test, names[c]); /* which opens the vault anew */
        struct sherd_compartment *compartment = c == 0 ? test->vault->assets.compartment : test->vault->secrets;
        struct sherd_buf stored = {0};
        struct sherd_audit_stat stat;
        struct report report;
        struct sherd_ref name;

        assert_true(find_kind(compartment, kinds[c], &name));
        assert_ok(sherd_compartment_get(compartment, name, &stored));
        stored.data[stored.len / 2] ^= 1;
        write_entry(compartment, &name, sherd_buf_span(&stored));
        assert_one_finding(test, names[c], "is not what the ledger says");
        assert_err(SHERD_ERR_TAMPERED, audit_given(test, &given, &report, &stat));
        assert_int_equal(stat.finding_count, 1);
        stored.data[stored.len / 2] ^= 1;
        compartment = c == 0 ? test->vault->assets.compartment : test->vault->secrets;
        write_entry(compartment, &name, sherd_buf_span(&stored));
        sherd_buf_done(&stored);
        given_done(&given);
    }
}

static void test_scrub_audit__holds_while_store_keys_are_rotated(void **state)
{
    static const char *const keys[] = {"store:assets", "store:secrets"};
    struct vault_test *test = *state;

    put_all_kinds(test);
    assert_audited(test);
    for (unsigned i = 0; i < 4; i++) { /* each, both, and none but all sealed anew under other names */
        rotate(test, &keys[i == 1], i == 3 ? 0 : i == 2 ? 2 : 1, i == 3);
        assert_audited(test);
        if (i >= 2)
            assert_changes_are_found(test);
    }
    vault_assert_clean(test, 0);
}

/* An inventory says of entries what they were. Those that are sealed anew since, it cannot tell from changed ones. */
static void test_scrub_audit__an_inventory_from_before_a_rotation_says_that_it_is_too_old(void **state)
{
    static const char *const key = "store:assets";
    struct vault_test *test = *state;
    struct sherd_audit_stat stat;
    struct report report;

    put_all_kinds(test);
    struct given assets = give(test, "assets");
    struct given secrets = give(test, "secrets");
    rotate(test, &key, 1, false);
    assert_ok(sherd_ledger_checkpoint(test->vault, NULL, NULL, NULL));
    assert_err(SHERD_ERR_CONFLICT, audit_given(test, &assets, &report, &stat));
    assert_int_equal(report.count, 0);
    assert_ok(audit_given(test, &secrets, &report, &stat)); /* its entries are as they were */
    given_done(&assets);
    given_done(&secrets);
}

static void *rotate_often(void *arg)
{
    static const char *const key = "store:assets";
    struct work *work = arg;

    while (!atomic_load(&work->stop)) {
        rotate(work->test, &key, 1, work->done % 4 == 3);
        work->done++;
    }
    return NULL;
}

static void test_scrub_audit__of_a_vault_that_is_rekeyed_finds_nothing(void **state)
{
    struct vault_test *test = *state;
    struct work rotating = {.test = test};
    struct sherd_audit_stat stat;
    struct report report;
    pthread_t thread;

    put_all_kinds(test);
    assert_int_equal(pthread_create(&thread, NULL, rotate_often, &rotating), 0);
    for (unsigned i = 0; i < 8; i++) {
        const enum sherd_err err = audit(test, &report, &stat);

        assert_int_equal(report.count, 0);
        if (err != SHERD_ERR_BUSY)
            assert_ok(err);
    }
    atomic_store(&rotating.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(rotating.done > 0);
    assert_ok(audit(test, &report, &stat));
}

static bool stop_at_once(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    (void)done;
    (void)total;
    return false;
}

static void test_scrub_audit__stops_and_refuses(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_observer observer = {.progress = stop_at_once};
    const struct sherd_audit_input nothing = {.path = test->path};
    struct sherd_buf bytes = {0};
    const struct sherd_backup_out out = {.write = append, .arg = &bytes};
    struct sherd_audit_stat stat;

    (void)vault_put(test, NULL, "x");
    assert_err(SHERD_ERR_BUSY, sherd_vault_audit(test->vault, 0, &observer, &stat));
    assert_err(SHERD_ERR_INVALID, sherd_vault_inventory(test->vault, "keys", &out));
    assert_err(SHERD_ERR_INVALID, sherd_vault_inventory(test->vault, "secrets", NULL));
    assert_err(SHERD_ERR_INVALID, sherd_compartment_audit(&nothing, 0, NULL, &stat));
    assert_int_equal(bytes.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scrub_audit__knows_what_must_be_there, vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__needs_no_key_of_the_vault, vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__finds_each_entry_that_was_removed_or_changed, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__finds_a_blob_that_was_cut_changed_or_removed, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__finds_out_an_inventory_that_lies, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__says_what_a_sample_gives, vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__of_a_vault_at_work_finds_nothing, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__of_records_that_were_sealed_anew_at_once_finds_nothing,
                                        vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__a_version_lies_where_it_was_sealed_anew, vault_setup_nothing,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__holds_while_store_keys_are_rotated, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__an_inventory_from_before_a_rotation_says_that_it_is_too_old,
                                        vault_setup, vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__of_a_vault_that_is_rekeyed_finds_nothing, vault_setup,
                                        vault_teardown),
        cmocka_unit_test_setup_teardown(test_scrub_audit__stops_and_refuses, vault_setup, vault_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
