/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the scrubber: one finding for one thing, however often it is met; what heals and what comes back; what is
 * accepted and what is not; passes that are killed and go on; a book that nobody takes away unseen.
 */
#include "anchor/book/book.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "clock.h"
#include "cryptor/load.h"
#include "cryptor/vault.h"
#include "scrub/pages.h"
#include "scrub/verify.h"
#include "vault.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define HOUR_S 3600

/* It stands still between moves, so that times can be told apart. */
static int64_t still_wall_s(void)
{
    return 1800000000 + atomic_load(&clock_moved_s);
}

static const struct sherd_clock still = {.wall_s = still_wall_s, .monotonic_ns = clock_monotonic_ns};

static int setup(void **state)
{
    clock_use();
    sherd_clock_set(&still);
    return vault_setup(state);
}

static int teardown(void **state)
{
    const int failed = vault_teardown(state);

    sherd_failpoint_set(NULL, NULL);
    sherd_clock_set(NULL);
    return failed;
}

static enum sherd_err scrub(struct vault_test *test, struct sherd_verify_stat *out_stat)
{
    return sherd_vault_scrub(test->vault, NULL, NULL, out_stat);
}

static struct sherd_scrub_status status_of(struct vault_test *test)
{
    struct sherd_scrub_status status;

    assert_ok(sherd_scrub_status(test->vault, &status));
    return status;
}

/* The only finding there is. */
static enum sherd_err take_only(void *arg, const struct sherd_scrub_finding *finding)
{
    struct sherd_scrub_finding *only = arg;

    if (only->count != 0)
        fail_msg("a second finding: %s", finding->text);
    *only = *finding;
    return SHERD_OK;
}

static struct sherd_scrub_finding only_finding(struct vault_test *test)
{
    struct sherd_scrub_finding only = {.count = 0};

    assert_ok(sherd_scrub_finding_each(test->vault, take_only, &only));
    assert_true(only.count > 0);
    return only;
}

/* An entry as it lies in a store. */
struct kept {
    struct sherd_compartment *compartment;
    struct sherd_ref name;
    struct sherd_buf bytes;
};

static void keep(struct kept *kept, struct sherd_compartment *compartment, struct sherd_ref name)
{
    *kept = (struct kept){.compartment = compartment, .name = name, .bytes = {.max = SHERD_STORE_VALUE_BYTES_MAX}};
    assert_ok(sherd_compartment_get(compartment, name, &kept->bytes));
}

static void write_back(struct kept *kept)
{
    const struct sherd_store_op op = {
        .kind = SHERD_STORE_PUT, .name = kept->name, .value = sherd_buf_span(&kept->bytes)};

    assert_ok(sherd_compartment_write(kept->compartment, &op, 1));
}

static void flip(struct kept *kept)
{
    kept->bytes.data[kept->bytes.len / 2] ^= 1;
    write_back(kept);
    kept->bytes.data[kept->bytes.len / 2] ^= 1;
}

static void take_away(const struct kept *kept)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .name = kept->name};

    assert_ok(sherd_compartment_write(kept->compartment, &op, 1));
}

static void keep_fragment(struct vault_test *test, struct kept *kept, struct sherd_uuid id)
{
    struct sherd_loaded loaded = {0};

    assert_ok(sherd_load(test->vault, id, 0, &loaded));
    keep(kept, test->vault->secrets, loaded.map.data);
    sherd_loaded_done(&loaded);
}

/* The head of a record, by looking at what is there with and without it. */
struct heads {
    size_t count;
    struct sherd_ref names[64];
    struct sherd_uuid ids[64];
    pthread_mutex_t lock;
};

static enum sherd_err note_heads(void *arg, const struct sherd_page *page)
{
    struct heads *heads = arg;

    (void)pthread_mutex_lock(&heads->lock);
    for (size_t i = 0; i < page->count; i++)
        if (page->entries[i].status == SHERD_OK && page->entries[i].kind == SHERD_KIND_PIN && heads->count < 64) {
            heads->names[heads->count] = page->entries[i].name;
            heads->ids[heads->count++] = page->entries[i].id;
        }
    (void)pthread_mutex_unlock(&heads->lock);
    return SHERD_OK;
}

static void keep_head(struct vault_test *test, struct kept *kept, struct sherd_uuid id)
{
    struct heads heads = {.lock = PTHREAD_MUTEX_INITIALIZER};

    assert_ok(sherd_pages_each(test->vault, note_heads, &heads));
    for (size_t i = 0; i < heads.count; i++)
        if (vault_same_id(heads.ids[i], id)) {
            keep(kept, test->vault->keys, heads.names[i]);
            return;
        }
    fail_msg("no head");
}

/* --- passes ------------------------------------------------------------------------------------------------------- */

static void test_scrub_scrub__notes_each_pass(void **state)
{
    struct vault_test *test = *state;
    struct sherd_verify_stat stat;
    struct sherd_scrub_status status = status_of(test);

    assert_int_equal(status.last.number, 0);
    for (unsigned i = 0; i < 20; i++)
        (void)vault_put(test, NULL, "some text");
    for (unsigned pass = 1; pass < 4; pass++) {
        clock_move(HOUR_S);
        assert_ok(scrub(test, &stat));
        status = status_of(test);
        assert_int_equal(status.last.number, pass);
        assert_int_equal(status.now.number, 0);
        assert_int_equal(status.last.ended_s, sherd_clock()->wall_s());
        assert_int_equal(status.last.stat.record_count, 20);
        assert_int_equal(status.last.stat.content_bytes, 20 * 9);
        assert_int_equal(status.open_count, 0);
        assert_memory_equal(&stat, &status.last.stat, sizeof(stat));
    }
    vault_reopen(test);
    assert_int_equal(status_of(test).last.number, 3);
    vault_assert_clean(test, 0);
}

static void test_scrub_scrub__is_for_the_owner_who_may_write(void **state)
{
    struct vault_test *test = *state;
    struct sherd_verify_stat stat;

    sherd_vault_close(test->vault);
    test->vault = vault_open_as(test, true, 1);
    assert_err(SHERD_ERR_DENIED, scrub(test, &stat));
    assert_int_equal(status_of(test).last.number, 0);
}

static void test_scrub_scrub__runs_once_at_a_time(void **state)
{
    struct vault_test *test = *state;
    char dir[128];
    struct sherd_file_lock lock;
    struct sherd_verify_stat stat;

    (void)snprintf(dir, sizeof(dir), "%s/anchor", test->path);
    assert_ok(sherd_file_lock_try(dir, "scrub.pass", &lock));
    assert_err(SHERD_ERR_BUSY, scrub(test, &stat));
    sherd_file_lock_leave(&lock);
    assert_ok(scrub(test, &stat));
}

/* --- findings ----------------------------------------------------------------------------------------------------- */

static void test_scrub_scrub__tells_a_thing_once(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "damaged");
    const int64_t first_s = sherd_clock()->wall_s();
    struct sherd_verify_stat stat;
    struct kept kept;

    (void)vault_put(test, NULL, "sound");
    keep_fragment(test, &kept, id);
    flip(&kept);
    for (unsigned pass = 1; pass < 5; pass++) {
        assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
        const struct sherd_scrub_finding found = only_finding(test);
        assert_int_equal(found.kind, SHERD_FINDING_FRAGMENT);
        assert_string_equal(found.compartment, "secrets");
        assert_true(found.has_record && vault_same_id(found.record, id));
        assert_int_equal(found.version, 1);
        assert_int_equal(found.count, pass);
        assert_int_equal(found.first_s, first_s);
        assert_int_equal(found.last_s, first_s + (pass - 1) * HOUR_S);
        assert_int_equal(found.serial, 1);
        clock_move(HOUR_S);
    }
    sherd_buf_done(&kept.bytes);
}

static void test_scrub_scrub__says_what_healed_and_what_came_back(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "damaged");
    struct sherd_verify_stat stat;
    struct kept kept;
    uint64_t count;

    keep_fragment(test, &kept, id);
    flip(&kept);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    clock_move(HOUR_S);
    write_back(&kept);
    assert_ok(scrub(test, &stat));
    assert_int_equal(only_finding(test).healed_s, sherd_clock()->wall_s());
    assert_int_equal(status_of(test).healed_count, 1);
    flip(&kept);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    assert_int_equal(only_finding(test).healed_s, 0);
    assert_int_equal(only_finding(test).serial, 2); /* news */
    write_back(&kept);
    assert_ok(scrub(test, &stat));
    assert_ok(sherd_scrub_acknowledge(test->vault, NULL, "me", NULL, &count)); /* what healed leaves the book then */
    assert_int_equal(count, 1);
    assert_int_equal(status_of(test).healed_count, 0);
    assert_int_equal(status_of(test).serial, 2);
    sherd_buf_done(&kept.bytes);
}

/* Leaves of the ledger. */
static uint64_t leaves(struct vault_test *test)
{
    uint64_t size = 0;

    assert_ok(test->vault->anchor->ops->ledger_run(test->vault->anchor, &size));
    return size;
}

static void test_scrub_scrub__is_silent_of_what_was_acknowledged(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid id = vault_put(test, NULL, "damaged");
    struct sherd_verify_stat stat;
    uint8_t other[16] = {1};
    struct kept kept;
    uint64_t count;

    keep_fragment(test, &kept, id);
    flip(&kept);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    const struct sherd_scrub_finding found = only_finding(test);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_scrub_acknowledge(test->vault, other, "me", "no", &count));
    const uint64_t before = leaves(test);
    assert_ok(sherd_scrub_acknowledge(test->vault, found.id, "me", "restored on Tuesday", &count));
    assert_int_equal(count, 1);
    assert_int_equal(leaves(test), before + 1); /* that somebody did is in the ledger */
    assert_string_equal(only_finding(test).note, "restored on Tuesday");
    assert_string_equal(only_finding(test).by, "me");
    assert_int_equal(only_finding(test).acknowledged_s, sherd_clock()->wall_s());
    assert_ok(scrub(test, &stat));
    assert_int_equal(stat.finding_count, 1); /* it is there, and was met */
    const uint64_t scrubbed = leaves(test);  /* with one more, of the keys that the scrubber had */
    assert_ok(sherd_scrub_acknowledge(test->vault, NULL, "me", "again", &count));
    assert_int_equal(count, 0);
    assert_int_equal(leaves(test), scrubbed);
    sherd_buf_done(&kept.bytes);
}

/* A pin that is gone: nothing but the ledger misses it. */
static void test_scrub_scrub__accepts_one_disagreement_and_no_other(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid first = vault_put(test, NULL, "first");
    const struct sherd_uuid second = vault_put(test, NULL, "second");
    struct sherd_verify_stat stat;
    struct kept heads[2];
    uint64_t count;

    keep_head(test, &heads[0], first);
    keep_head(test, &heads[1], second);
    take_away(&heads[0]);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    const struct sherd_scrub_finding gone = only_finding(test);
    assert_int_equal(gone.kind, SHERD_FINDING_LEDGER);
    take_away(&heads[1]);
    assert_err(SHERD_ERR_CONFLICT, sherd_scrub_acknowledge(test->vault, gone.id, "me", NULL, &count));
    write_back(&heads[1]);
    assert_ok(sherd_scrub_acknowledge(test->vault, gone.id, "me", "we deleted it by hand", &count));
    assert_ok(scrub(test, &stat));
    vault_assert_clean(test, 2);
    (void)vault_put(test, NULL, "third"); /* what is done rightly changes nothing of it */
    assert_ok(scrub(test, &stat));

    write_back(&heads[0]); /* what was accepted is that it is gone */
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    take_away(&heads[0]);
    assert_ok(scrub(test, &stat));
    take_away(&heads[1]);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    assert_int_equal(status_of(test).open_count, 1);
    vault_reopen(test);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    sherd_buf_done(&heads[0].bytes);
    sherd_buf_done(&heads[1].bytes);
}

/* What is known to be damaged does not hide what is rolled back in `keys`. */
static void test_scrub_scrub__hides_nothing_behind_what_was_acknowledged(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_uuid damaged = vault_put(test, NULL, "damaged");
    const struct sherd_uuid removed = vault_put(test, NULL, "removed");
    struct sherd_verify_stat stat;
    struct kept fragment;
    struct kept head;
    uint64_t count;

    keep_fragment(test, &fragment, damaged);
    keep_head(test, &head, removed);
    flip(&fragment);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    assert_ok(sherd_scrub_acknowledge(test->vault, NULL, NULL, NULL, &count));
    assert_ok(scrub(test, &stat));
    take_away(&head);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    assert_int_equal(status_of(test).open_count, 1);
    sherd_buf_done(&fragment.bytes);
    sherd_buf_done(&head.bytes);
}

/* --- what was interrupted ----------------------------------------------------------------------------------------- */

struct strike {
    const char *name;
    unsigned hits;
    enum sherd_err err; /* SHERD_OK: die */
};

static enum sherd_err strike_at(void *arg, const char *name)
{
    struct strike *strike = arg;

    if (strcmp(name, strike->name) != 0 || strike->hits-- != 1)
        return SHERD_OK;
    if (strike->err == SHERD_OK)
        (void)kill(getpid(), SIGKILL);
    return strike->err == SHERD_OK ? SHERD_OK : sherd_fail(strike->err, "no space is left on the device");
}

/* Scrub in a child that dies at a place. @return whether it died there */
static bool scrub_and_die(struct vault_test *test, const char *name, unsigned hits)
{
    struct strike strike = {.name = name, .hits = hits};
    int status = 0;

    sherd_vault_close(test->vault);
    test->vault = NULL;
    const pid_t child = fork();
    if (child == 0) {
        struct sherd_verify_stat stat;
        struct sherd_vault *vault = NULL;
        const struct sherd_vault_open_options options = {.threads = 1};

        if (sherd_vault_open(test->path, &test->unseal, &options, &vault) != SHERD_OK)
            _exit(9);
        sherd_failpoint_set(strike_at, &strike);
        const enum sherd_err err = sherd_vault_scrub(vault, NULL, NULL, &stat);
        _exit(err == SHERD_OK || err == SHERD_ERR_TAMPERED ? 0 : 8);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    test->vault = vault_open_as(test, false, 1);
    return WIFSIGNALED(status);
}

/* Damage many, so that something is found in most ranges, and so the position moves. */
static size_t damage_many(struct vault_test *test, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct kept kept;

        keep_fragment(test, &kept, vault_put(test, NULL, "damaged"));
        flip(&kept);
        sherd_buf_done(&kept.bytes);
    }
    return count;
}

static void test_scrub_scrub__goes_on_where_it_was_killed(void **state)
{
    struct vault_test *test = *state;
    const size_t damaged = damage_many(test, 40);
    struct sherd_book_position position = {0};
    struct sherd_verify_stat stat;
    uint32_t last = 0;

    for (unsigned i = 0; i < 10; i++)
        (void)vault_put(test, NULL, "sound");
    for (unsigned kills = 0; kills < 3; kills++) {
        assert_true(scrub_and_die(test, "scrub.moved", 30));
        assert_ok(test->vault->anchor->ops->book_position(test->vault->anchor, &position));
        assert_int_equal(position.pass, 1);
        assert_true(position.range > last);
        last = position.range;
    }
    assert_true(status_of(test).open_count > 0 && status_of(test).open_count < damaged);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    assert_int_equal(stat.record_count, 50);
    assert_int_equal(stat.finding_count, damaged);
    assert_int_equal(stat.orphan_count, 0);
    const struct sherd_scrub_status status = status_of(test);
    assert_int_equal(status.open_count, damaged);
    assert_int_equal(status.last.number, 1);
    assert_int_equal(status.serial, damaged); /* none twice */
}

/* Killed at each place of writing the book: it is the one before or the one after. */
static void test_scrub_scrub__keeps_its_book_through_kills(void **state)
{
    static const char *const places[] = {"book.before_pin", "book.pinned", "book.before_move"};
    struct vault_test *test = *state;
    const size_t damaged = damage_many(test, 5);
    struct sherd_verify_stat stat;

    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++)
        for (unsigned hits = 1; hits < 8; hits++) {
            (void)scrub_and_die(test, places[i], hits);
            assert_false(status_of(test).lost);
        }
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    assert_int_equal(status_of(test).open_count, damaged);
    assert_int_equal(stat.finding_count, damaged); /* nothing of the book's own */
}

static void test_scrub_scrub__survives_a_full_disk(void **state)
{
    static const char *const places[] = {"book.before_pin", "book.before_move"};
    struct vault_test *test = *state;
    const size_t damaged = damage_many(test, 3);
    struct sherd_verify_stat stat;

    for (size_t i = 0; i < SHERD_COUNT_OF(places); i++)
        for (unsigned hits = 1; hits < 4; hits++) {
            struct strike strike = {.name = places[i], .hits = hits, .err = SHERD_ERR_IO};

            sherd_failpoint_set(strike_at, &strike);
            const enum sherd_err err = scrub(test, &stat);
            sherd_failpoint_set(NULL, NULL);
            assert_true(err == SHERD_ERR_IO || err == SHERD_ERR_TAMPERED);
            assert_false(status_of(test).lost);
        }
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    assert_int_equal(status_of(test).open_count, damaged);
}

struct stopper {
    unsigned steps;
};

static bool stop_soon(void *arg, uint64_t done, uint64_t total)
{
    struct stopper *stopper = arg;

    (void)done;
    (void)total;
    return stopper->steps-- > 1;
}

static void test_scrub_scrub__stops_when_told_and_begins_anew_when_told(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_scrub_options anew = {.anew = true};
    struct sherd_verify_stat stat;
    struct stopper stopper = {.steps = 3};
    const struct sherd_observer observer = {.progress = stop_soon, .arg = &stopper};

    for (unsigned i = 0; i < 10; i++)
        (void)vault_put(test, NULL, "text");
    assert_err(SHERD_ERR_BUSY, sherd_vault_scrub(test->vault, NULL, &observer, &stat));
    assert_int_equal(status_of(test).now.number, 1);
    assert_ok(sherd_vault_scrub(test->vault, &anew, NULL, &stat));
    assert_int_equal(status_of(test).last.number, 2);
    assert_int_equal(stat.record_count, 10);
}

/* --- attacks on the book ------------------------------------------------------------------------------------------ */

static void path_of(const struct vault_test *test, const char *name, char out[static 160])
{
    (void)snprintf(out, 160, "%s/anchor/%s", test->path, name);
}

static void copy_file(const char *from, const char *to)
{
    uint8_t block[65536];
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(in >= 0 && out >= 0);
    const ssize_t len = read(in, block, sizeof(block));
    assert_true(len >= 0);
    assert_int_equal(write(out, block, (size_t)len), len);
    (void)close(in);
    (void)close(out);
}

/* Removed, put back, changed: each is a finding itself, and what was open before is found again. */
static void test_scrub_scrub__misses_its_book(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_scrub_rule rule = {.audience = SHERD_TELL_ADMIN, .way = SHERD_TELL_SYSLOG};
    struct sherd_verify_stat stat;
    char book[160];
    char old[160];

    path_of(test, "scrub", book);
    path_of(test, "old", old);
    (void)damage_many(test, 1);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    copy_file(book, old);
    for (unsigned how = 0; how < 3; how++) {
        assert_ok(sherd_scrub_rules_set(test->vault, &rule, 1));
        if (how == 0)
            assert_int_equal(unlink(book), 0);
        else
            copy_file(old, book);
        if (how == 2)
            assert_int_equal(truncate(book, 100), 0);
        assert_true(status_of(test).lost);
        assert_err(SHERD_ERR_TAMPERED, sherd_scrub_rules_set(test->vault, &rule, 1));
        assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
        const struct sherd_scrub_status status = status_of(test);
        assert_false(status.lost);
        assert_int_equal(status.open_count, 2); /* the damage, and the book */
        assert_int_equal(status.rule_count, 1);
        assert_int_equal(status.rules[0].audience, SHERD_TELL_READERS); /* what was ruled is lost */
    }
}

/* A position of another pass says nothing. */
static void test_scrub_scrub__goes_by_no_other_position(void **state)
{
    struct vault_test *test = *state;
    struct sherd_book_position position = {0};
    struct sherd_verify_stat stat;
    char file[160];
    char old[160];

    path_of(test, "scrub.position", file);
    path_of(test, "old", old);
    (void)damage_many(test, 20);
    assert_true(scrub_and_die(test, "scrub.moved", 100));
    assert_ok(test->vault->anchor->ops->book_position(test->vault->anchor, &position));
    assert_true(position.range > 0);
    copy_file(file, old);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    assert_true(scrub_and_die(test, "book.pinned", 1)); /* the next one begins */
    copy_file(old, file);
    assert_ok(test->vault->anchor->ops->book_position(test->vault->anchor, &position));
    assert_int_equal(position.range, 0);
    assert_int_equal(position.pass, 2);
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    assert_int_equal(stat.finding_count, 20);
}

/* --- readers ------------------------------------------------------------------------------------------------------ */

static struct sherd_read_notice notice_of(struct vault_test *test, struct sherd_uuid id, uint64_t version)
{
    struct sherd_read_notice notice;
    const struct sherd_read_options options = {.version = version, .notice = &notice};
    struct sherd_buf content = {0};

    assert_ok(sherd_record_get_with(test->vault, id, &options, &content));
    sherd_buf_done(&content);
    return notice;
}

static void test_scrub_scrub__tells_readers(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta meta = {.collection = "all"};
    const struct sherd_scrub_rule rules[] = {{.audience = SHERD_TELL_FIRST, .way = SHERD_TELL_ANSWER},
                                             {.audience = SHERD_TELL_READERS, .way = SHERD_TELL_ANSWER}};
    struct sherd_verify_stat stat;
    struct kept kept;
    uint64_t count;

    vault_collection(test, "all", 0, false);
    const struct sherd_uuid id = vault_put(test, &meta, "1");
    const struct sherd_uuid other = vault_put(test, &meta, "other");
    keep_fragment(test, &kept, id);
    assert_ok(sherd_record_update(test->vault, id, 0, NULL, sherd_span_str("2"), NULL));
    assert_ok(sherd_scrub_rules_set(test->vault, rules, 2));
    flip(&kept); /* of the older version */
    assert_err(SHERD_ERR_TAMPERED, scrub(test, &stat));
    clock_move(2);
    assert_true(notice_of(test, other, 0).first); /* whatever he reads */
    clock_move(2);
    assert_false(notice_of(test, other, 0).first);
    assert_false(notice_of(test, other, 0).found);
    assert_true(notice_of(test, id, 0).found);
    assert_true(notice_of(test, id, 2).found); /* each time */
    assert_ok(sherd_scrub_rules_set(test->vault, rules, 1));
    clock_move(2);
    assert_false(notice_of(test, id, 0).found);
    assert_ok(sherd_scrub_rules_set(test->vault, rules, 2));
    clock_move(2);
    assert_true(notice_of(test, id, 0).found);
    assert_ok(sherd_scrub_acknowledge(test->vault, NULL, "me", NULL, &count));
    clock_move(2);
    assert_false(notice_of(test, id, 0).found);
    assert_err(SHERD_ERR_TAMPERED, vault_get(test, id, 1)); /* which is no reason to give it out */
    sherd_buf_done(&kept.bytes);
}

static void test_scrub_scrub__says_what_it_has_not_verified_yet(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_collection rules = {.name = "later", .versions_kept = 1, .asynchronous = true};
    const struct sherd_record_meta meta = {.collection = "later"};
    struct sherd_verify_stat stat;

    assert_ok(sherd_collection_create(test->vault, &rules));
    const struct sherd_uuid later = vault_put(test, &meta, "later");
    const struct sherd_uuid now = vault_put(test, NULL, "now");
    assert_true(notice_of(test, later, 0).deferred);
    assert_false(notice_of(test, now, 0).deferred);
    assert_int_equal(notice_of(test, now, 0).verified_s, 0);
    clock_move(HOUR_S);
    assert_ok(scrub(test, &stat));
    clock_move(2);
    assert_false(notice_of(test, later, 0).deferred);
    assert_int_equal(notice_of(test, later, 0).verified_s, sherd_clock()->wall_s() - 2);
    assert_ok(sherd_record_update(test->vault, later, 0, NULL, sherd_span_str("newer"), NULL));
    assert_true(notice_of(test, later, 0).deferred);
    vault_reopen(test);
    assert_true(notice_of(test, later, 0).deferred);
    assert_true(notice_of(test, now, 0).verified_s != 0);
}

/* --- at work ------------------------------------------------------------------------------------------------------ */

struct changer {
    struct vault_test *test;
    const char *collection;
    atomic_bool *stop;
    enum sherd_err err;
};

static void *change(void *arg)
{
    struct changer *changer = arg;
    const struct sherd_record_meta meta = {.collection = changer->collection};
    struct sherd_vault *vault = changer->test->vault;

    while (!atomic_load(changer->stop) && changer->err == SHERD_OK) {
        struct sherd_uuid id;

        changer->err = sherd_record_put(vault, &meta, sherd_span_str("1"), &id);
        for (unsigned i = 0; i < 6 && changer->err == SHERD_OK; i++)
            changer->err = sherd_record_update(vault, id, 0, NULL, sherd_span_str("more"), NULL);
        if (changer->err == SHERD_OK)
            changer->err = sherd_record_delete(vault, id);
    }
    return NULL;
}

static void test_scrub_scrub__finds_nothing_while_others_work(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_rekey_options rekey = {.rate = 0};
    atomic_bool stop = false;
    struct changer changers[] = {{test, "all", &stop, SHERD_OK}, {test, "two", &stop, SHERD_OK}};
    pthread_t threads[2];
    struct sherd_rekey_stat rekeyed;
    struct sherd_verify_stat stat;

    vault_collection(test, "all", 0, false);
    vault_collection(test, "two", 2, false);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change, &changers[i]), 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_ok(scrub(test, &stat));
        if (i % 5 == 4)
            assert_ok(sherd_rekey(test->vault, &rekey, NULL, NULL, &rekeyed));
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(changers[i].err, SHERD_OK);
    }
    assert_int_equal(status_of(test).serial, 0);
    vault_assert_clean(test, 0);
}

/* At a rate it takes its time: 64 versions count 4 KiB each at least. */
static void test_scrub_scrub__keeps_to_its_rate(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_scrub_options options = {.rate = 1 << 20};
    struct sherd_verify_stat stat;
    struct timespec before;
    struct timespec after;

    sherd_clock_set(NULL);
    for (unsigned i = 0; i < 64; i++)
        (void)vault_put(test, NULL, "small");
    (void)clock_gettime(CLOCK_MONOTONIC, &before);
    assert_ok(sherd_vault_scrub(test->vault, &options, NULL, &stat));
    (void)clock_gettime(CLOCK_MONOTONIC, &after);
    const double seconds = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    assert_true(seconds > 0.23);
    assert_int_equal(stat.record_count, 64);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_scrub_scrub__notes_each_pass),
        TEST(test_scrub_scrub__is_for_the_owner_who_may_write),
        TEST(test_scrub_scrub__runs_once_at_a_time),
        TEST(test_scrub_scrub__tells_a_thing_once),
        TEST(test_scrub_scrub__says_what_healed_and_what_came_back),
        TEST(test_scrub_scrub__is_silent_of_what_was_acknowledged),
        TEST(test_scrub_scrub__accepts_one_disagreement_and_no_other),
        TEST(test_scrub_scrub__hides_nothing_behind_what_was_acknowledged),
        TEST(test_scrub_scrub__goes_on_where_it_was_killed),
        TEST(test_scrub_scrub__keeps_its_book_through_kills),
        TEST(test_scrub_scrub__survives_a_full_disk),
        TEST(test_scrub_scrub__stops_when_told_and_begins_anew_when_told),
        TEST(test_scrub_scrub__misses_its_book),
        TEST(test_scrub_scrub__goes_by_no_other_position),
        TEST(test_scrub_scrub__tells_readers),
        TEST(test_scrub_scrub__says_what_it_has_not_verified_yet),
        TEST(test_scrub_scrub__finds_nothing_while_others_work),
        TEST(test_scrub_scrub__keeps_to_its_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
