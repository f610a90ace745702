/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of rotation in the background: when it looks, what it tells, how it gives way, and that it stops. */
#include "cli/rotation.h"
#include "clock.h"
#include "cryptor/vault.h"
#include "vault.h"

#define HOUR_S 3600
#define WAIT_MS 20000U

static const struct sherd_key_policy hourly = {.age_s_max = HOUR_S, .destroy = true};

struct rotation_test {
    struct vault_test *vault;
    struct cli_rotation *rotation;
    atomic_uint told;
};

/* The one that is under way, which must end before its vault, also where a test fails. */
static struct cli_rotation *running;

static void end(void)
{
    cli_rotation_free(running);
    running = NULL;
}

static void on_changed(void *arg)
{
    (void)atomic_fetch_add((atomic_uint *)arg, 1);
}

static void begin(struct rotation_test *of, void **state, uint64_t rate)
{
    of->vault = *state;
    atomic_init(&of->told, 0);
    assert_ok(cli_rotation_new(of->vault->vault, rate, on_changed, &of->told, &of->rotation));
    running = of->rotation;
}

static int setup(void **state)
{
    clock_use();
    return vault_setup(state);
}

static int teardown(void **state)
{
    end();
    const int failed = vault_teardown(state);

    sherd_clock_set(NULL);
    return failed;
}

static void sleep_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};

    (void)nanosleep(&pause, NULL);
}

static void move(const struct rotation_test *of, long long seconds)
{
    clock_move(seconds);
    cli_rotation_poke(of->rotation);
}

static struct cli_rotation_status look(const struct rotation_test *of)
{
    struct cli_rotation_status status;

    cli_rotation_look(of->rotation, &status);
    return status;
}

/* Wait until a rotation has ended after a time. */
static struct cli_rotation_status wait_for_end(const struct rotation_test *of, int64_t after_s)
{
    struct cli_rotation_status status = look(of);

    for (unsigned waited = 0; (status.ended_s <= after_s || status.under_way) && waited < WAIT_MS; waited += 10) {
        sleep_ms(10);
        status = look(of);
    }
    assert_true(status.ended_s > after_s && !status.under_way);
    return status;
}

static enum sherd_err count_one(void *arg, const struct sherd_master_info *info)
{
    *(uint64_t *)arg = strcmp(info->name, "default") == 0 ? info->version : *(uint64_t *)arg;
    return SHERD_OK;
}

static uint64_t newest(const struct rotation_test *of)
{
    uint64_t version = 0;

    assert_ok(sherd_master_each(of->vault->vault, count_one, &version));
    return version;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

static void test_cli_rotation__waits_until_a_key_is_due(void **state)
{
    struct rotation_test of;

    begin(&of, state, 0);
    const struct sherd_uuid id = vault_put(of.vault, NULL, "something");
    assert_ok(sherd_key_policy_set(of.vault->vault, "default", &hourly, false));
    for (unsigned i = 0; i < 8; i++) {
        move(&of, 7 * 60);
        sleep_ms(20);
        assert_int_equal(look(&of).ended_s, 0);
        assert_int_equal(newest(&of), 1);
    }
    assert_int_equal(atomic_load(&of.told), 0); /* nobody was kept awake by that */
    const int64_t before_s = sherd_clock()->wall_s();
    move(&of, HOUR_S);
    const struct cli_rotation_status status = wait_for_end(&of, before_s);
    assert_string_equal(status.error, "");
    assert_string_equal(status.what, "activated default 2 (age), rekeyed, retired default 1, destroyed default 1");
    assert_int_equal(newest(&of), 2);
    assert_int_equal(atomic_load(&of.told), 2);
    vault_assert_text(of.vault, id, 0, "something");
}

static void test_cli_rotation__looks_at_once(void **state)
{
    struct rotation_test of;

    assert_ok(sherd_key_policy_set(((struct vault_test *)*state)->vault, "default", &hourly, false));
    clock_move(HOUR_S);
    begin(&of, state, 0);
    (void)wait_for_end(&of, 0);
    assert_int_equal(newest(&of), 2);
}

static void test_cli_rotation__tries_a_failure_again_after_growing_pauses(void **state)
{
    struct vault_test *test = *state;
    char dir[80];
    char args[128];
    const struct sherd_master_options options = {.name = "default", .store = "stripe", .args = args};
    struct rotation_test of;
    unsigned pause_s = 60;

    (void)snprintf(dir, sizeof(dir), "%s/place", test->root);
    (void)snprintf(args, sizeof(args), "places=identity,assets,lmdb:%s", dir);
    assert_ok(sherd_master_activate(test->vault, &options, NULL));
    assert_ok(sherd_key_policy_set(test->vault, "default", &hourly, false));
    vault_remove(dir);
    FILE *in_the_way = fopen(dir, "w"); /* a file where the place's directory was */
    assert_non_null(in_the_way);
    assert_int_equal(fclose(in_the_way), 0);
    clock_move(HOUR_S);
    const int64_t before_s = sherd_clock()->wall_s();
    begin(&of, state, 0);
    struct cli_rotation_status status = wait_for_end(&of, before_s - 1);
    assert_true(strlen(status.error) > 0);
    for (unsigned i = 0; i < 9; i++) {
        const int64_t last_s = status.ended_s;

        move(&of, pause_s - 10);
        sleep_ms(30);
        assert_int_equal(look(&of).ended_s, last_s);
        move(&of, 11);
        status = wait_for_end(&of, last_s);
        assert_true(strlen(status.error) > 0);
        assert_int_equal(newest(&of), 2);
        pause_s = pause_s < 1920 ? 2 * pause_s : 3600; /* an hour at most */
    }
    assert_int_equal(unlink(dir), 0);
    move(&of, 3601);
    status = wait_for_end(&of, status.ended_s);
    assert_string_equal(status.error, "");
    assert_int_equal(newest(&of), 3);
}

/* Rekeying wraps each entity's key once: with fewer wraps allowed than that, there would be no end. */
static void test_cli_rotation__does_not_rotate_without_end(void **state)
{
    const struct sherd_key_policy few = {.wraps_max = 3, .destroy = true};
    struct rotation_test of;
    char entity[16];
    const struct sherd_record_meta meta = {.entity = entity};

    for (unsigned i = 0; i < 5; i++) {
        (void)snprintf(entity, sizeof(entity), "entity %u", i);
        vault_put(*state, &meta, "something");
    }
    assert_ok(sherd_key_policy_set(((struct vault_test *)*state)->vault, "default", &few, false));
    begin(&of, state, 0);
    struct cli_rotation_status status = wait_for_end(&of, 0);
    assert_non_null(strstr(status.error, "due again"));
    assert_int_equal(newest(&of), 2);
    move(&of, 61);
    status = wait_for_end(&of, status.ended_s);
    assert_int_equal(newest(&of), 3);
    move(&of, 61); /* the pause is longer by now */
    sleep_ms(50);
    assert_int_equal(newest(&of), 3);
}

static void test_cli_rotation__gives_way_to_who_rekeys(void **state)
{
    const struct sherd_rekey_scope scope = {.one_key = false};
    struct sherd_anchor *anchor = ((struct vault_test *)*state)->vault->anchor;
    struct sherd_rekey *other = NULL;
    struct rotation_test of;

    assert_ok(sherd_key_policy_set(((struct vault_test *)*state)->vault, "default", &hourly, false));
    clock_move(HOUR_S);
    assert_ok(anchor->ops->rekey_begin(anchor, &scope, &other));
    begin(&of, state, 0);
    for (unsigned i = 0; i < 4; i++) {
        sleep_ms(50);
        assert_int_equal(look(&of).ended_s, 0);
        assert_int_equal(newest(&of), 1);
        move(&of, 61);
    }
    anchor->ops->rekey_end(anchor, other);
    move(&of, 61); /* no longer than a minute, however often it gave way */
    const struct cli_rotation_status status = wait_for_end(&of, 0);
    assert_string_equal(status.error, "");
    assert_int_equal(newest(&of), 2);
}

static void test_cli_rotation__stops_within_a_second(void **state)
{
    struct vault_test *test = *state;
    struct rotation_test of;
    struct timespec begun;
    struct timespec ended;

    for (unsigned i = 0; i < 40; i++)
        vault_put(test, NULL, "something");
    assert_ok(sherd_key_policy_set(test->vault, "default", &hourly, false));
    clock_move(HOUR_S);
    begin(&of, state, 4); /* a rate at which it takes half a minute */
    for (unsigned waited = 0; !look(&of).under_way && waited < WAIT_MS; waited += 10)
        sleep_ms(10);
    sleep_ms(300);
    assert_true(look(&of).under_way);
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &begun), 0);
    cli_rotation_stop(of.rotation);
    end();
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ended), 0);
    assert_true(ended.tv_sec - begun.tv_sec <= 1);
    begin(&of, state, 0); /* and the next one goes on */
    const struct cli_rotation_status status = wait_for_end(&of, 0);
    assert_string_equal(status.what, "rekeyed, retired default 1, destroyed default 1");
    cli_rotation_free(NULL);
    cli_rotation_stop(NULL);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_cli_rotation__waits_until_a_key_is_due),
        TEST(test_cli_rotation__looks_at_once),
        TEST(test_cli_rotation__tries_a_failure_again_after_growing_pauses),
        TEST(test_cli_rotation__does_not_rotate_without_end),
        TEST(test_cli_rotation__gives_way_to_who_rekeys),
        TEST(test_cli_rotation__stops_within_a_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
