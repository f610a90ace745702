/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in `assets` against the ledger, as an auditor does it who opens nothing: the bytes of each map entry are
 * those that the ledger says last, also after its store key was rotated, and wherever that ended.
 */
#include "base/failpoint.h"
#include "joins.h"
#include <signal.h>
#include <sys/wait.h>

#define RECORDS 150U

struct audit {
    const struct events *events;
    size_t maps;
    size_t newest; /* as the last event says */
    size_t before; /* as the one before it says, and the last one announced new bytes */
};

static enum sherd_err audit_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct audit *audit = arg;
    const struct sherd_event *last = NULL;
    const struct sherd_event *other = NULL;
    struct sherd_digest digest;

    if (stored.data[1] != SHERD_KIND_MAP)
        return SHERD_OK;
    for (size_t i = 0; i < audit->events->count; i++) {
        const struct sherd_event *event = &audit->events->list[i];

        if (!event->map.there || memcmp(event->map.name.bytes, name.bytes, sizeof(name.bytes)) != 0)
            continue;
        other = last;
        last = event;
    }
    assert_non_null(last);
    assert_ok(sherd_hash(SHERD_SHA256, &stored, 1, digest.bytes));
    audit->maps++;
    if (memcmp(last->map.digest.bytes, digest.bytes, sizeof(digest.bytes)) == 0)
        audit->newest++;
    else if (other != NULL && last->kind == SHERD_EVENT_RESEAL &&
             memcmp(other->map.digest.bytes, digest.bytes, sizeof(digest.bytes)) == 0)
        audit->before++;
    return SHERD_OK;
}

static struct audit audit(struct vault_test *test)
{
    struct audit audit = {.maps = 0};
    struct sherd_snapshot *snapshot;

    joins_run(test->vault);
    audit.events = events_of(test->vault);
    assert_ok(sherd_compartment_snapshot_begin(test->vault->assets.compartment, &snapshot));
    assert_ok(sherd_snapshot_scan(snapshot, NULL, audit_one, &audit));
    sherd_snapshot_end(snapshot);
    return audit;
}

static void put_records(struct vault_test *test)
{
    static struct sherd_batch_item items[RECORDS];

    for (unsigned i = 0; i < RECORDS; i++)
        items[i] = (struct sherd_batch_item){.content = sherd_span_str("contents")};
    assert_ok(sherd_record_put_batch(test->vault, items, RECORDS));
}

static void activate(struct sherd_vault *vault, const char *name)
{
    const struct sherd_master_options options = {.name = name};

    assert_ok(sherd_master_activate(vault, &options, NULL));
}

static enum sherd_err rekey(struct sherd_vault *vault, bool deep)
{
    const struct sherd_rekey_options all = {.deep = deep};
    struct sherd_rekey_stat stat;

    return sherd_rekey(vault, &all, NULL, NULL, &stat);
}

static void test_scrub_reseal_ledger__says_what_lies_there(void **state)
{
    struct vault_test *test = *state;
    unsigned resealed = 0;

    put_records(test);
    const struct audit fresh = audit(test);
    assert_int_equal(fresh.maps, RECORDS);
    assert_int_equal(fresh.newest, RECORDS);
    activate(test->vault, "store:assets");
    activate(test->vault, "store:identity");
    assert_ok(rekey(test->vault, false));

    const struct audit after = audit(test);
    assert_int_equal(after.maps, RECORDS);
    assert_int_equal(after.newest, RECORDS);
    for (size_t i = 0; i < after.events->count; i++) {
        static const struct sherd_ref none;

        resealed += after.events->list[i].kind == SHERD_EVENT_RESEAL &&
                    memcmp(after.events->list[i].subject.bytes, none.bytes, 16) == 0;
    }
    assert_true(resealed >= RECORDS);
    assert_ok(rekey(test->vault, true)); /* other names, and a pin each */
    assert_int_equal(audit(test).newest, RECORDS);
    vault_assert_clean(test, 0);
}

/* --- killed ------------------------------------------------------------------------------------------------------- */

static struct {
    const char *place;
    unsigned hit;
} death;

static enum sherd_err die_at(void *arg, const char *name)
{
    (void)arg;
    if (strcmp(death.place, name) == 0 && --death.hit == 0)
        (void)raise(SIGKILL);
    return SHERD_OK;
}

/* Half-way, each entry is as the ledger says, or as it said before it was told that it changes; and then it goes on. */
static void test_scrub_reseal_ledger__wherever_it_ends(void **state)
{
    struct vault_test *test = *state;

    put_records(test);
    activate(test->vault, "store:assets");
    for (unsigned hit = 1; hit <= 3; hit++) {
        int status;

        sherd_vault_close(test->vault);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct sherd_vault *vault = vault_open_as(test, false, 1);

            death.place = "reseal.before_write";
            death.hit = hit;
            sherd_failpoint_set(die_at, NULL);
            _exit(rekey(vault, false) == SHERD_OK ? 8 : 9);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        test->vault = vault_open_as(test, false, 1);
        const struct audit half = audit(test);
        assert_int_equal(half.maps, RECORDS);
        assert_int_equal(half.newest + half.before, RECORDS);
        if (!WIFSIGNALED(status))
            break;
        assert_true(half.before > 0);
    }
    assert_ok(rekey(test->vault, false));
    assert_int_equal(audit(test).newest, RECORDS);
    vault_assert_clean(test, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_scrub_reseal_ledger__says_what_lies_there),
        vault_test_of(test_scrub_reseal_ledger__wherever_it_ends),
    };

    return cmocka_run_group_tests_name("scrub_reseal_ledger", tests, NULL, NULL);
}
