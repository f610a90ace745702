/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of scrubbing in the background: when it begins a pass, that it tells what it finds by syslog, that it stops and
 * goes on. The linker puts the calls below in the place of those of the C library.
 */
#include "cli/scrubbing.h"
#include "cli/tell.h"
#include "clock.h"
#include "cryptor/load.h"
#include "cryptor/vault.h"
#include "vault.h"
#include <stdatomic.h>
#include <syslog.h>

#define DAY_S 86400
#define WAIT_MS 20000U
#define LINE_SIZE 4096

/* What reads command lines comes along, and wants the table of main.c: nobody asks it here. */
const struct cli_command *const cli_commands[] = {NULL};

const struct cli_command *cli_command_find(const char *name)
{
    (void)name;
    return NULL;
}

static atomic_uint logged;
static char last_line[LINE_SIZE];
static int last_priority;

void __wrap_openlog(const char *ident, int option, int facility);
void __wrap_closelog(void);
void __wrap_syslog(int priority, const char *format, ...);
void __wrap___syslog_chk(int priority, int flag, const char *format, ...);

void __wrap_openlog(const char *ident, int option, int facility)
{
    assert_string_equal(ident, "sherd");
    (void)option;
    assert_int_equal(facility, LOG_AUTHPRIV);
}

void __wrap_closelog(void) {}

static void note_line(int priority, const char *format, va_list args)
{
    assert_string_equal(format, "%.*s"); /* what is told is never a format */
    const int len = va_arg(args, int);
    (void)snprintf(last_line, sizeof(last_line), "%.*s", len, va_arg(args, const char *));
    last_priority = priority;
    (void)atomic_fetch_add(&logged, 1);
}

void __wrap_syslog(int priority, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    note_line(priority, format, args);
    va_end(args);
}

void __wrap___syslog_chk(int priority, int flag, const char *format, ...)
{
    va_list args;

    (void)flag;
    va_start(args, format);
    note_line(priority, format, args);
    va_end(args);
}

static struct cli_scrubbing *running;

static int setup(void **state)
{
    clock_use();
    atomic_store(&logged, 0);
    return vault_setup(state);
}

static int teardown(void **state)
{
    cli_scrubbing_free(running);
    running = NULL;
    const int failed = vault_teardown(state);

    sherd_clock_set(NULL);
    return failed;
}

static void begin(struct vault_test *test, uint64_t rate)
{
    const struct cli_scrubbing_options options = {.rate = rate, .every_s = 7 * DAY_S};

    assert_ok(cli_scrubbing_new(test->vault, &options, &running));
}

static void move(long long seconds)
{
    clock_move(seconds);
    cli_scrubbing_poke(running);
}

static struct sherd_scrub_status status_of(struct vault_test *test)
{
    struct sherd_scrub_status status;

    assert_ok(sherd_scrub_status(test->vault, &status));
    return status;
}

static void sleep_ms(unsigned ms)
{
    const struct timespec pause = {.tv_nsec = (long)ms * 1000000L};

    (void)nanosleep(&pause, NULL);
}

static void wait_for_pass(struct vault_test *test, uint64_t number)
{
    struct cli_scrubbing_status status = {.under_way = true};

    for (unsigned ms = 0; status_of(test).last.number != number || status.under_way; ms += 10) {
        if (ms > WAIT_MS)
            fail_msg("no pass %llu", (unsigned long long)number);
        sleep_ms(10);
        cli_scrubbing_look(running, &status);
    }
}

/* Nothing for ten minutes; then a pass; then none for a week. */
static void test_cli_scrubbing__makes_a_pass_when_one_is_due(void **state)
{
    struct vault_test *test = *state;

    (void)vault_put(test, NULL, "text");
    begin(test, 0);
    move(CLI_SCRUB_LOOK_S - 60);
    sleep_ms(50);
    assert_int_equal(status_of(test).last.number, 0);
    move(120);
    wait_for_pass(test, 1);
    move(6 * DAY_S);
    sleep_ms(100);
    assert_int_equal(status_of(test).last.number, 1);
    move(DAY_S + CLI_SCRUB_LOOK_S);
    wait_for_pass(test, 2);
}

static void damage(struct vault_test *test)
{
    const struct sherd_uuid id = vault_put(test, NULL, "damaged");
    struct sherd_loaded loaded = {0};
    struct sherd_store_op op = {.kind = SHERD_STORE_DELETE};

    assert_ok(sherd_load(test->vault, id, 0, &loaded));
    op.name = loaded.map.data;
    sherd_loaded_done(&loaded);
    assert_ok(sherd_compartment_write(test->vault->secrets, &op, 1));
}

static void wait_for_lines(unsigned count)
{
    for (unsigned ms = 0; atomic_load(&logged) < count; ms += 10) {
        if (ms > WAIT_MS)
            fail_msg("%u lines", atomic_load(&logged));
        sleep_ms(10);
    }
}

static void test_cli_scrubbing__tells_by_syslog_once(void **state)
{
    const struct sherd_scrub_rule rules[] = {{.audience = SHERD_TELL_ADMIN, .way = SHERD_TELL_SYSLOG},
                                             {.audience = SHERD_TELL_AUDITOR, .way = SHERD_TELL_SYSLOG}};
    struct vault_test *test = *state;

    damage(test);
    assert_ok(sherd_scrub_rules_set(test->vault, rules, 2));
    begin(test, 0);
    move(CLI_SCRUB_LOOK_S + 1);
    wait_for_pass(test, 1);
    wait_for_lines(2);
    assert_int_equal(last_priority, LOG_AUTHPRIV | LOG_ALERT); /* the auditor's comes last */
    assert_non_null(strstr(last_line, "\"told\":\"auditor\""));
    assert_non_null(strstr(last_line, "fragment is missing"));
    assert_null(strchr(last_line, '\n'));
    move(8 * DAY_S);
    wait_for_pass(test, 2);
    move(CLI_SCRUB_LOOK_S + 1);
    sleep_ms(100);
    assert_int_equal(atomic_load(&logged), 2);
}

/* Stopped in the middle at once; what is under way is gone on with when the vault is unsealed again. */
static void test_cli_scrubbing__stops_soon_and_goes_on_later(void **state)
{
    struct vault_test *test = *state;
    struct cli_scrubbing_status status = {.under_way = false};

    for (unsigned i = 0; i < 20; i++)
        (void)vault_put(test, NULL, "text");
    begin(test, 4096); /* a version a second */
    move(CLI_SCRUB_LOOK_S + 1);
    for (unsigned ms = 0; !status.under_way && ms < WAIT_MS; ms += 10) {
        sleep_ms(10);
        cli_scrubbing_look(running, &status);
    }
    assert_true(status.under_way);
    sleep_ms(100);
    cli_scrubbing_free(running);
    running = NULL;
    assert_int_equal(status_of(test).now.number, 1);
    begin(test, 0);
    move(CLI_SCRUB_LOOK_S + 1);
    wait_for_pass(test, 1);
    assert_int_equal(status_of(test).last.stat.record_count, 20);
}

static void test_cli_scrubbing__reads_and_writes_rules(void **state)
{
    static const char *const texts[] = {"admin:syslog", "auditor:file:/var/log/x", "admin:command:/bin/tell", "first",
                                        "readers"};
    static const char *const none[] = {"",
                                       ":",
                                       "admin",
                                       "admin:",
                                       "admin:file",
                                       "admin:file:",
                                       "admin:file:x",
                                       "first:syslog",
                                       "readers:",
                                       "admin:syslog:",
                                       "auditor:answer",
                                       "x:syslog"};
    char text[CLI_RULE_TEXT_SIZE];
    struct sherd_scrub_rule rule;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(texts); i++) {
        assert_ok(cli_rule_parse(texts[i], &rule));
        cli_rule_format(&rule, text);
        assert_string_equal(text, texts[i]);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(none); i++)
        assert_err(SHERD_ERR_INVALID, cli_rule_parse(none[i], &rule));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cli_scrubbing__makes_a_pass_when_one_is_due),
        TEST(test_cli_scrubbing__tells_by_syslog_once),
        TEST(test_cli_scrubbing__stops_soon_and_goes_on_later),
        TEST(test_cli_scrubbing__reads_and_writes_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
