/* SPDX-License-Identifier: Apache-2.0 */
/* A share as text: what a person may do to it and what not, and that the line that is wrong is named. */
#include "share.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_CHARS (SHERD_SHARE_TEXT_SIZE - 1)
#define LINE_CHARS (TEXT_CHARS / 3)

static enum sherd_err parse(const char *text, unsigned *out_line)
{
    struct sherd_share share;

    return sherd_share_parse(sherd_span_of(text, strlen(text)), &share, out_line);
}

static void assert_parses_to(const char *text, const struct sherd_share *expected)
{
    uint8_t bytes[SHERD_SHARE_BYTES];
    uint8_t expected_bytes[SHERD_SHARE_BYTES];
    struct sherd_share share;

    if (sherd_share_parse(sherd_span_of(text, strlen(text)), &share, NULL) != SHERD_OK)
        fail_msg("%s", sherd_err_detail());
    sherd_share_encode(&share, bytes);
    sherd_share_encode(expected, expected_bytes);
    assert_memory_equal(bytes, expected_bytes, sizeof(bytes));
}

static void assert_line(const char *text, unsigned line, const char *words)
{
    unsigned got = 77;

    assert_int_equal(parse(text, &got), SHERD_ERR_INVALID);
    assert_int_equal(got, line);
    assert_true(share_said(words));
}

/* The text of two shares of one set, cut into lines. */
struct lines {
    struct share_fixture *dealt;
    char text[2][SHERD_SHARE_TEXT_SIZE];
    char line[2][3][LINE_CHARS + 1];
};

static int lines_setup(void **state)
{
    static struct lines lines;

    lines.dealt = share_deal_known();
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sherd_share_text(&lines.dealt->shares[i + 1], lines.text[i]), SHERD_OK);
        assert_int_equal(strlen(lines.text[i]), TEXT_CHARS);
        for (size_t j = 0; j < 3; j++)
            memcpy(lines.line[i][j], lines.text[i] + j * LINE_CHARS, LINE_CHARS);
    }
    *state = &lines;
    return 0;
}

static int lines_teardown(void **state)
{
    const struct lines *lines = *state;

    test_free(lines->dealt);
    return 0;
}

/* What tests/vectors/gen_share.py prints. */
static void test_anchor_share_text__is_that_of_the_format(void **state)
{
    const struct lines *lines = *state;

    assert_string_equal(lines->text[0],
                        "sherd1 xyp2 pggp qxs2 rg4r 5jj6 dfcq qqqq yqsz qvnt j57y dg0g 7ga7 tg4m a47z\n"
                        "sherd1 xgp2 pgwt vleg vt9m fhf8 3mup xkjy 34t3 uzxq 9t28 6raj ljvt 65gk ppyp\n"
                        "sherd1 xvp2 pg0t atwn 6cjm 2hrz 2cmc 330c kntu xz2m mgw2 5snz f3hv f53x 5zud\n");
    assert_parses_to(lines->text[0], &lines->dealt->shares[1]);
}

static void test_anchor_share_text__every_share_comes_back(void **state)
{
    struct share_fixture *dealt = share_deal(2, 255, 1, NULL);
    char text[SHERD_SHARE_TEXT_SIZE];

    (void)state;
    for (size_t i = 0; i < 255; i++) {
        assert_int_equal(sherd_share_text(&dealt->shares[i], text), SHERD_OK);
        assert_parses_to(text, &dealt->shares[i]);
    }
    test_free(dealt);
}

/* Case, blanks, dashes, empty lines and line ends of other systems do not matter. */
static void test_anchor_share_parse__takes_what_people_type(void **state)
{
    const struct lines *lines = *state;
    const struct sherd_share *share = &lines->dealt->shares[1];
    char typed[2048] = "\n  \t\r\n";
    size_t len = strlen(typed);

    for (const char *c = lines->text[0]; *c != '\0'; c++) {
        const int in_case = len % 3 == 0 ? toupper((unsigned char)*c) : *c;

        if (*c == ' ')
            len += (size_t)snprintf(typed + len, sizeof(typed) - len, "%s", (c - lines->text[0]) % 2 ? " - " : "");
        else if (*c == '\n')
            len += (size_t)snprintf(typed + len, sizeof(typed) - len, "\t\r\n\r\n --- \n");
        else
            typed[len++] = (char)in_case;
    }
    typed[len] = '\0';
    assert_parses_to(typed, share);
    typed[strlen(typed) - strlen("\t\r\n\r\n --- \n")] = '\0'; /* no end of the last line */
    assert_parses_to(typed, share);
}

static bool separates(unsigned c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '-';
}

/* Each other byte at each place, but for what does not matter: the case of a letter, one separator for another. */
static void test_anchor_share_parse__every_changed_character_is_refused(void **state)
{
    struct lines *lines = *state;
    char *text = lines->text[0];

    for (size_t at = 0; at < TEXT_CHARS; at++) {
        const unsigned kept = (unsigned char)text[at];

        for (unsigned value = 0; value < 256; value++) {
            struct sherd_share share;
            const bool same = tolower((int)value) == (int)kept || (separates(value) && separates(kept)) ||
                              (at == TEXT_CHARS - 1 && separates(value));
            unsigned line = 0;

            text[at] = (char)value;
            const enum sherd_err err = sherd_share_parse(sherd_span_of(text, TEXT_CHARS), &share, &line);
            if (same ? err != SHERD_OK : err != SHERD_ERR_INVALID)
                fail_msg("byte %u at %zu: %s", value, at, sherd_err_detail());
            if (!same) /* what stands for a line feed makes one line of two, and the first is wrong */
                assert_int_equal(line, at / LINE_CHARS + 1);
        }
        text[at] = (char)kept;
    }
}

static void test_anchor_share_parse__every_lost_character_is_refused(void **state)
{
    const struct lines *lines = *state;

    for (size_t at = 0; at < TEXT_CHARS; at++) {
        char text[SHERD_SHARE_TEXT_SIZE];
        const bool matters = lines->text[0][at] != ' ' && at != TEXT_CHARS - 1;

        memcpy(text, lines->text[0], at);
        memcpy(text + at, lines->text[0] + at + 1, sizeof(text) - at - 1);
        assert_int_equal(parse(text, NULL), matters ? SHERD_ERR_INVALID : SHERD_OK);
    }
    for (size_t len = 0; len < TEXT_CHARS - 1; len++) {
        char text[SHERD_SHARE_TEXT_SIZE] = "";

        memcpy(text, lines->text[0], len);
        assert_int_equal(parse(text, NULL), SHERD_ERR_INVALID);
    }
}

static void test_anchor_share_parse__names_the_line_that_is_mistyped(void **state)
{
    const struct lines *lines = *state;

    for (unsigned line = 1; line <= 3; line++) {
        char text[SHERD_SHARE_TEXT_SIZE];
        char words[64];
        char *at = text + (line - 1) * LINE_CHARS + 30;

        memcpy(text, lines->text[0], sizeof(text));
        at += *at == ' ';
        const char kept = *at;
        *at = kept == 'q' ? 'p' : 'q';
        (void)snprintf(words, sizeof(words), "line %u of the share: bech32: the checksum", line);
        assert_line(text, line, words);
        *at = 'b';
        (void)snprintf(words, sizeof(words), "line %u of the share: bech32: a character that is none", line);
        assert_line(text, line, words);
        *at = ' ';
        (void)snprintf(words, sizeof(words), "line %u of the share: it has 61 characters, and not 62", line);
        assert_line(text, line, words);
    }
}

static void test_anchor_share_parse__names_lines_out_of_place(void **state)
{
    const struct lines *lines = *state;
    static const struct {
        unsigned order[4]; /* lines of the share, 0 ends */
        unsigned wrong;
        const char *words;
    } cases[] = {
        {{2, 1, 3, 0}, 1, "line 1 of the share: here stands line 2: line 1 is missing, or comes later"},
        {{1, 3, 2, 0}, 2, "line 2 of the share: here stands line 3: line 2 is missing, or comes later"},
        {{1, 3, 0, 0}, 2, "line 2 of the share: here stands line 3"},
        {{2, 3, 0, 0}, 1, "line 1 of the share: here stands line 2"},
        {{1, 1, 2, 3}, 2, "line 2 of the share: here stands line 1, once more or too late"},
        {{1, 2, 2, 3}, 3, "line 3 of the share: here stands line 2, once more or too late"},
        {{1, 2, 0, 0}, 3, "line 3 of the share: it is missing"},
        {{1, 0, 0, 0}, 2, "line 2 of the share: it is missing"},
        {{0, 0, 0, 0}, 1, "line 1 of the share: it is missing"},
        {{1, 2, 3, 3}, 0, "something stands behind the three lines"},
        {{1, 2, 3, 1}, 0, "something stands behind the three lines"},
    };

    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        char text[4 * LINE_CHARS + 1] = "";

        for (size_t j = 0; j < 4 && cases[i].order[j] != 0; j++)
            memcpy(text + strlen(text), lines->line[0][cases[i].order[j] - 1], LINE_CHARS);
        assert_line(text, cases[i].wrong, cases[i].words);
    }
}

static void test_anchor_share_parse__names_the_line_of_another_share(void **state)
{
    const struct lines *lines = *state;
    struct share_fixture *other = share_deal(2, 3, 1, NULL); /* of another set: same index */
    char others[SHERD_SHARE_TEXT_SIZE];

    assert_int_equal(sherd_share_text(&other->shares[1], others), SHERD_OK);
    for (unsigned line = 2; line <= 3; line++) {
        char text[SHERD_SHARE_TEXT_SIZE];

        memcpy(text, lines->text[0], sizeof(text));
        memcpy(text + (line - 1) * LINE_CHARS, lines->line[1][line - 1], LINE_CHARS);
        assert_line(text, line, "it is of another share than line 1 (of share 2 there, of 3 here)");
        if (other->set.set_id[0] == share_set_id[0] && other->set.set_id[1] == share_set_id[1])
            continue; /* 1 in 65536 */
        memcpy(text + (line - 1) * LINE_CHARS, others + (line - 1) * LINE_CHARS, LINE_CHARS);
        assert_line(text, line, "it is of another share than line 1");
    }
    test_free(other);
}

static void test_anchor_share_parse__refuses_long_texts_unread(void **state)
{
    char *text = test_malloc(SHERD_SHARE_TEXT_BYTES_MAX + 2);
    const struct lines *lines = *state;

    memset(text, ' ', SHERD_SHARE_TEXT_BYTES_MAX + 1);
    memcpy(text, lines->text[0], TEXT_CHARS);
    text[SHERD_SHARE_TEXT_BYTES_MAX + 1] = '\0';
    assert_line(text, 0, "too long");
    text[SHERD_SHARE_TEXT_BYTES_MAX] = '\0';
    assert_parses_to(text, &lines->dealt->shares[1]);
    test_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anchor_share_text__is_that_of_the_format),
        cmocka_unit_test(test_anchor_share_text__every_share_comes_back),
        cmocka_unit_test(test_anchor_share_parse__takes_what_people_type),
        cmocka_unit_test(test_anchor_share_parse__every_changed_character_is_refused),
        cmocka_unit_test(test_anchor_share_parse__every_lost_character_is_refused),
        cmocka_unit_test(test_anchor_share_parse__names_the_line_that_is_mistyped),
        cmocka_unit_test(test_anchor_share_parse__names_lines_out_of_place),
        cmocka_unit_test(test_anchor_share_parse__names_the_line_of_another_share),
        cmocka_unit_test(test_anchor_share_parse__refuses_long_texts_unread),
    };

    return cmocka_run_group_tests_name("anchor_share_text", tests, lines_setup, lines_teardown);
}
