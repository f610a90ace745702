/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, ranges, sizes, times and bytes as the command reads and shows them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/policy_text.h"
#include "cli/text.h"
#include <string.h>

#define SPAN(text) sherd_span_of((text), sizeof(text) - 1)

static void test_cli_text__reads_numbers(void **state)
{
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "1e3", "18446744073709551616", "99999999999999999999", "1.0"};
    uint64_t number = 7;

    (void)state;
    assert_true(cli_parse_number("0", 0, UINT64_MAX, &number));
    assert_int_equal(number, 0);
    assert_true(cli_parse_number("18446744073709551615", 0, UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    assert_true(cli_parse_number("007", 1, 10, &number));
    assert_int_equal(number, 7);
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_false(cli_parse_number(bad[i], 0, UINT64_MAX, &number));
    assert_false(cli_parse_number("5", 6, 10, &number));
    assert_false(cli_parse_number("11", 6, 10, &number));
    assert_int_equal(number, 7);
}

static void assert_range(const char *text, uint64_t bytes, uint64_t begin, uint64_t end)
{
    struct cli_range range;
    uint64_t out_begin = 0;
    uint64_t out_end = 0;

    assert_true(cli_range_parse(text, &range));
    assert_true(cli_range_resolve(&range, bytes, &out_begin, &out_end));
    assert_true(out_begin == begin);
    assert_true(out_end == end);
}

static void test_cli_range__counts_both_ends(void **state)
{
    struct cli_range range;
    uint64_t begin = 0;
    uint64_t end = 0;

    (void)state;
    assert_range("0-0", 10, 0, 1);
    assert_range("2-4", 10, 2, 5);
    assert_range("2-9", 10, 2, 10);
    assert_range("2-", 10, 2, 10);
    assert_range("-3", 10, 7, 10);
    assert_range("-30", 10, 0, 10);
    assert_range("-0", 10, 10, 10);
    assert_range("10-", 10, 10, 10);
    assert_range("0-18446744073709551615", 10, 0, 10);
    assert_range("0-", 0, 0, 0);
    assert_true(cli_range_parse("11-", &range));
    assert_false(cli_range_resolve(&range, 10, &begin, &end));
}

static void test_cli_range__refuses_what_is_none(void **state)
{
    static const char *const bad[] = {"",    "-", "5", "5-4", "a-b", "1-2-3", "1- 2", "--2", "1-18446744073709551616",
                                      "1-2x"};
    struct cli_range range;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_false(cli_range_parse(bad[i], &range));
}

static void assert_size(double bytes, const char *text)
{
    char out[CLI_SIZE_TEXT_SIZE];

    cli_format_size(bytes, out);
    assert_string_equal(out, text);
}

static void test_cli_text__writes_sizes(void **state)
{
    (void)state;
    assert_size(0, "0 B");
    assert_size(999, "999 B");
    assert_size(1000, "1.0 kB");
    assert_size(999949, "999.9 kB");
    assert_size(999951, "1.0 MB");
    assert_size(52428800, "52.4 MB");
    assert_size(1e15, "1.0 PB");
    assert_size(1.8e19, "18000.0 PB");
}

static void test_cli_text__writes_times(void **state)
{
    char out[CLI_TIME_TEXT_SIZE];

    (void)state;
    cli_format_time(0, out);
    assert_string_equal(out, "1970-01-01T00:00Z");
    cli_format_time(1700000000, out);
    assert_string_equal(out, "2023-11-14T22:13Z");
    cli_format_time(INT64_MAX, out);
    assert_string_equal(out, "9223372036854775807");
}

static void test_cli_text__reads_and_writes_hex(void **state)
{
    uint8_t bytes[4] = {0};
    char text[9];

    (void)state;
    assert_true(cli_parse_hex("00ffAb10", bytes, sizeof(bytes)));
    cli_format_hex(sherd_span_of(bytes, sizeof(bytes)), text);
    assert_string_equal(text, "00ffab10");
    assert_false(cli_parse_hex("00ffab1", bytes, sizeof(bytes)));
    assert_false(cli_parse_hex("00ffab100", bytes, sizeof(bytes)));
    assert_false(cli_parse_hex("00ffab1g", bytes, sizeof(bytes)));
}

/* Unicode 15, table 3-7: well-formed byte sequences, and their neighbours that are not. */
static void test_cli_text__knows_utf8(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        size_t want;
    } cases[] = {
        {"a", 1, 1},
        {"\x7f", 1, 1},
        {"\x80", 1, 0},
        {"\xc1\xbf", 2, 0},
        {"\xc2\x80", 2, 2},
        {"\xdf\xbf", 2, 2},
        {"\xc3", 1, 0},
        {"\xc3(", 2, 0},
        {"\xe0\x9f\xbf", 3, 0},
        {"\xe0\xa0\x80", 3, 3},
        {"\xed\x9f\xbf", 3, 3},
        {"\xed\xa0\x80", 3, 0},
        {"\xef\xbf\xbf", 3, 3},
        {"\xf0\x8f\xbf\xbf", 4, 0},
        {"\xf0\x90\x80\x80", 4, 4},
        {"\xf4\x8f\xbf\xbf", 4, 4},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf5\x80\x80\x80", 4, 0},
        {"\xff", 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++)
        assert_int_equal(cli_utf8_len(sherd_span_of(cases[i].bytes, cases[i].len)), cases[i].want);
    assert_int_equal(cli_utf8_len(sherd_span_of(NULL, 0)), 0);
    assert_true(cli_utf8_valid(SPAN("")));
    assert_true(cli_utf8_valid(SPAN("gr\xc3\xbc\xc3\x9f")));
    assert_false(cli_utf8_valid(SPAN("gr\xc3")));
    assert_false(cli_utf8_valid(SPAN("a\0b")));
}

static bool plain(struct sherd_span bytes)
{
    return cli_shown_plain(bytes, cli_utf8_len(bytes));
}

static void test_cli_text__shows_nothing_that_steers_a_terminal(void **state)
{
    (void)state;
    assert_true(plain(SPAN(" ")));
    assert_true(plain(SPAN("~")));
    assert_true(plain(SPAN("\xc3\xbc")));
    assert_true(plain(SPAN("\xc2\xa0")));
    assert_false(plain(SPAN("\x1b")));
    assert_false(plain(SPAN("\n")));
    assert_false(plain(SPAN("\x7f")));
    assert_false(plain(SPAN("\\")));
    assert_false(plain(SPAN("\xc2\x9b")));
    assert_false(plain(SPAN("\xff")));
}

static void test_cli_path__stays_below(void **state)
{
    static const char *const good[] = {"a", "a/b", ".hidden", "...", "..a", "a/.../b", " "};
    static const char *const bad[] = {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a/../b"};
    char name[257];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(good); i++)
        assert_true(cli_path_safe(sherd_span_str(good[i])));
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_false(cli_path_safe(sherd_span_str(bad[i])));
    assert_false(cli_path_safe(SPAN("a\0b")));
    memset(name, 'x', sizeof(name));
    assert_true(cli_path_safe(sherd_span_of(name, 255)));
    assert_false(cli_path_safe(sherd_span_of(name, 256)));
}

static void test_cli_text__tells_text_from_chance(void **state)
{
    (void)state;
    assert_int_equal(cli_printable_run(SPAN("\x01"
                                            "abc"
                                            "\x02"
                                            "abcdef"
                                            "\xff")),
                     6);
    assert_int_equal(cli_printable_run(SPAN("")), 0);
    assert_int_equal(cli_printable_run_limit(0), 8);
    /* 64 MB of random bytes: 64e6 * 161/256 * (95/256)^n < 0.001 first at n = 25 */
    assert_int_equal(cli_printable_run_limit(64000000), 25);
    assert_true(cli_printable_run_limit(1000) >= 13);
}

static void test_cli_text__reads_and_writes_ages(void **state)
{
    static const struct {
        const char *text;
        uint64_t seconds;
        const char *written;
    } good[] = {{"none", 0, "none"},    {"45s", 45, "45s"},      {"90s", 90, "90s"},
                {"120s", 120, "2m"},    {"30m", 1800, "30m"},    {"24h", 86400, "1d"},
                {"36h", 129600, "36h"}, {"90d", 7776000, "90d"}, {"36525d", 3155760000, "36525d"}};
    static const char *const bad[] = {"",    "d",  "0d",  "0s",  "90",     "-1d", "1.5d",
                                      " 1d", "1w", "1D ", "1dd", "36526d", "Nan", "9999999999999999999d"};
    char text[CLI_AGE_TEXT_SIZE];
    uint64_t age_s = 7;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(good); i++) {
        assert_true(cli_age_parse(good[i].text, &age_s));
        assert_int_equal(age_s, good[i].seconds);
        cli_age_format(age_s, text);
        assert_string_equal(text, good[i].written);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_false(cli_age_parse(bad[i], &age_s));
}

static void test_cli_text__reads_and_writes_schedules(void **state)
{
    static const struct {
        const char *text;
        enum sherd_key_schedule schedule;
        unsigned weekday;
        unsigned minute;
    } good[] = {{"none", SHERD_SCHEDULE_NONE, 0, 0},
                {"daily@00:00", SHERD_SCHEDULE_DAILY, 0, 0},
                {"daily@03:05", SHERD_SCHEDULE_DAILY, 0, 185},
                {"weekly:sun@23:59", SHERD_SCHEDULE_WEEKLY, 0, 1439},
                {"weekly:sat@12:00", SHERD_SCHEDULE_WEEKLY, 6, 720}};
    static const char *const bad[] = {"",
                                      "daily",
                                      "daily@",
                                      "daily@3:00",
                                      "daily@24:00",
                                      "daily@03:60",
                                      "daily@03:00 ",
                                      "daily@0300",
                                      "weekly@03:00",
                                      "weekly:",
                                      "weekly:su",
                                      "weekly:sun",
                                      "weekly:sunday@03:00",
                                      "weekly:xyz@03:00",
                                      "weekly:sun@",
                                      "monthly:1@03:00",
                                      "03:00",
                                      "daily@-1:00",
                                      "daily@0x:00"};
    struct sherd_key_policy policy = {.limit = 5};
    char text[CLI_SCHEDULE_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(good); i++) {
        assert_true(cli_schedule_parse(good[i].text, &policy));
        assert_int_equal(policy.schedule, good[i].schedule);
        assert_int_equal(policy.weekday, good[i].weekday);
        assert_int_equal(policy.minute, good[i].minute);
        assert_int_equal(policy.limit, 5);
        cli_schedule_format(&policy, text);
        assert_string_equal(text, good[i].text);
    }
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_false(cli_schedule_parse(bad[i], &policy));
    assert_int_equal(policy.weekday, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cli_text__reads_and_writes_ages),
        cmocka_unit_test(test_cli_text__reads_and_writes_schedules),
        cmocka_unit_test(test_cli_text__reads_numbers),
        cmocka_unit_test(test_cli_range__counts_both_ends),
        cmocka_unit_test(test_cli_range__refuses_what_is_none),
        cmocka_unit_test(test_cli_text__writes_sizes),
        cmocka_unit_test(test_cli_text__writes_times),
        cmocka_unit_test(test_cli_text__reads_and_writes_hex),
        cmocka_unit_test(test_cli_text__knows_utf8),
        cmocka_unit_test(test_cli_text__shows_nothing_that_steers_a_terminal),
        cmocka_unit_test(test_cli_path__stays_below),
        cmocka_unit_test(test_cli_text__tells_text_from_chance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
