/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the scrubber's book as bytes and as rules: what is written is what is read, no other bytes are a book, and
 * what leaves it leaves it by its rules. The bytes of docs/format/scrub.md stand here, too.
 */
#include "anchor/book/book.h"
#include "hex.h"
#include "vault.h"

static struct sherd_scrub_finding about(const char *text)
{
    const struct sherd_finding finding = {.kind = SHERD_FINDING_ENTRY, .compartment = "assets", .text = text};
    struct sherd_scrub_finding out;

    assert_ok(sherd_book_finding_of(&finding, &out));
    return out;
}

static struct sherd_book_effect apply(struct sherd_book *book, const struct sherd_book_change *change, int64_t now_s)
{
    struct sherd_book_effect effect;

    assert_ok(sherd_book_apply(book, change, now_s, &effect));
    return effect;
}

static void begin(struct sherd_book *book, int64_t now_s)
{
    const struct sherd_book_change change = {.action = SHERD_BOOK_BEGIN};

    (void)apply(book, &change, now_s);
}

static void find(struct sherd_book *book, const char *text, int64_t now_s)
{
    const struct sherd_scrub_finding finding = about(text);
    const struct sherd_book_change change = {.action = SHERD_BOOK_FIND,
                                             .position = {.pass = book->status.now.number},
                                             .findings = &finding,
                                             .finding_count = 1};

    (void)apply(book, &change, now_s);
}

static void end(struct sherd_book *book, int64_t now_s)
{
    const struct sherd_book_change change = {.action = SHERD_BOOK_END,
                                             .position = {.pass = book->status.now.number, .stat = {1, 2, 3, 4, 5, 6}}};

    (void)apply(book, &change, now_s);
}

/* A book with something of everything. */
static void fill(struct sherd_book *book)
{
    const struct sherd_scrub_rule rules[] = {
        {.audience = SHERD_TELL_ADMIN, .way = SHERD_TELL_SYSLOG},
        {.audience = SHERD_TELL_AUDITOR, .way = SHERD_TELL_COMMAND, .place = "/usr/local/bin/tell"},
        {.audience = SHERD_TELL_READERS, .way = SHERD_TELL_ANSWER}};
    const struct sherd_book_change rule = {.action = SHERD_BOOK_RULES, .rules = rules, .rule_count = 3};
    const struct sherd_book_change tell = {.action = SHERD_BOOK_TELL, .number = 2, .rules = &rules[1], .rule_count = 1};
    struct sherd_book_change acknowledge = {
        .action = SHERD_BOOK_ACKNOWLEDGE, .one = true, .by = "anna", .note = "known since May"};

    *book = (struct sherd_book){.generation = 7, .nonce = {9, 9}, .loss = {1, 2, 2, {{3, 4}, {6, 6}}}};
    memset(book->accepted.bytes, 0xac, sizeof(book->accepted.bytes));
    (void)apply(book, &rule, 1);
    begin(book, 100);
    find(book, "one", 110);
    find(book, "two", 120);
    find(book, "three", 130);
    end(book, 140);
    memcpy(acknowledge.id, about("two").id, sizeof(acknowledge.id));
    (void)apply(book, &acknowledge, 150);
    (void)apply(book, &tell, 160);
    begin(book, 200);
    find(book, "two", 210);
    find(book, "three", 220);
    end(book, 240);
    begin(book, 300);
}

static void test_anchor_book__is_read_as_it_was_written(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    struct sherd_book book;
    struct sherd_book read = {0};

    (void)state;
    fill(&book);
    assert_int_equal(book.count, 3);
    assert_int_equal(book.status.open_count, 1);
    assert_int_equal(book.status.acknowledged_count, 1);
    assert_int_equal(book.status.healed_count, 1);
    assert_ok(sherd_book_encode(&book, &bytes));
    assert_ok(sherd_book_decode(sherd_buf_span(&bytes), &read));
    assert_ok(sherd_book_encode(&read, &again));
    assert_int_equal(bytes.len, again.len);
    assert_memory_equal(bytes.data, again.data, bytes.len);
    assert_memory_equal(&book.status, &read.status, sizeof(book.status));
    assert_memory_equal(book.findings, read.findings, 3 * sizeof(*book.findings));
    sherd_book_done(&book);
    sherd_book_done(&read);
}

/* docs/format/scrub.md, section 6: a pass under way that has found one thing. */
static void test_anchor_book__has_these_bytes(void **state)
{
    static const char expected[] =
        "008e"
        "01 0008 0000000000000001"
        "02 0008 0000000000000001"
        "03 0008 0000000000000001"
        "06 004c 0000000000000001 0000000000000064 0000000000000000 00000000"
        "        0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000"
        "09 0008 0000000000000001"
        "0a 0010 00000000000000000000000000000000"
        "0064"
        "01 0010 a8773748ffb23c6170e4b5fa0fd3dcfb"
        "02 0008 0000000000000004"
        "03 0008 0000000000000002"
        "06 0001 78"
        "07 0008 000000000000006e"
        "08 0008 000000000000006e"
        "09 0008 0000000000000001"
        "0e 0008 0000000000000001"
        "0f 0008 0000000000000001";
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    struct sherd_book book = {.generation = 1};
    uint8_t block[512];
    const struct sherd_span wanted = hex_read(expected, block, sizeof(block));

    (void)state;
    begin(&book, 100);
    find(&book, "x", 110);
    assert_ok(sherd_book_encode(&book, &bytes));
    assert_int_equal(bytes.len, wanted.len);
    assert_memory_equal(bytes.data, wanted.data, wanted.len);
    sherd_book_done(&book);
}

static void test_anchor_book__is_read_from_no_other_bytes(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    struct sherd_book book;

    (void)state;
    fill(&book);
    assert_ok(sherd_book_encode(&book, &bytes));
    sherd_book_done(&book);
    for (size_t len = 0; len < bytes.len; len++)
        assert_true(sherd_book_decode(sherd_span_of(bytes.data, len), &book) != SHERD_OK);
    for (size_t i = 0; i < bytes.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};

            bytes.data[i] ^= (uint8_t)(1U << bit);
            if (sherd_book_decode(sherd_buf_span(&bytes), &book) == SHERD_OK) { /* then it says just that */
                assert_ok(sherd_book_encode(&book, &again));
                assert_int_equal(again.len, bytes.len);
                assert_memory_equal(again.data, bytes.data, bytes.len);
            }
            sherd_book_done(&book);
            bytes.data[i] ^= (uint8_t)(1U << bit);
        }
}

static void test_anchor_book__takes_changes_as_bytes(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    const struct sherd_scrub_finding findings[] = {about("one"), about("two")};
    const struct sherd_scrub_rule rule = {.audience = SHERD_TELL_FIRST, .way = SHERD_TELL_ANSWER};
    const struct sherd_book_change change = {.action = SHERD_BOOK_FIND,
                                             .number = 5,
                                             .position = {.pass = 3, .phase = 1, .range = 2, .partial = true},
                                             .findings = findings,
                                             .finding_count = 2,
                                             .one = true,
                                             .id = {1, 2},
                                             .by = "anna",
                                             .note = "why",
                                             .rules = &rule,
                                             .rule_count = 1};
    struct sherd_book_room *room = test_malloc(sizeof(*room));
    struct sherd_book_change read;

    (void)state;
    assert_ok(sherd_book_change_encode(&change, &bytes));
    assert_ok(sherd_book_change_decode(sherd_buf_span(&bytes), room, &read));
    assert_int_equal(read.action, SHERD_BOOK_FIND);
    assert_int_equal(read.number, 5);
    assert_memory_equal(&read.position, &change.position, sizeof(read.position));
    assert_int_equal(read.finding_count, 2);
    assert_memory_equal(read.findings, findings, sizeof(findings));
    assert_true(read.one);
    assert_memory_equal(read.id, change.id, 16);
    assert_string_equal(read.by, "anna");
    assert_string_equal(read.note, "why");
    assert_int_equal(read.rule_count, 1);
    assert_int_equal(read.rules[0].audience, SHERD_TELL_FIRST);
    for (size_t len = 0; len < bytes.len; len++)
        if (sherd_book_change_decode(sherd_span_of(bytes.data, len), room, &read) == SHERD_OK)
            assert_true(len > 10); /* the front of one that ends between fields is one, too */
    test_free(room);
}

/* However many there are, their number is known. */
static void test_anchor_book__counts_what_it_has_no_room_for(void **state)
{
    struct sherd_book book = {.generation = 0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {.max = SHERD_BOOK_BYTES_MAX};
    char text[160];

    (void)state;
    begin(&book, 1);
    for (unsigned i = 0; i < SHERD_SCRUB_FINDINGS_MAX + 100; i++) {
        struct sherd_scrub_finding finding;

        (void)snprintf(text, sizeof(text), "%0150u", i);
        finding = about(text);
        assert_ok(sherd_book_find(&book, &finding, 2));
    }
    assert_int_equal(book.count, SHERD_SCRUB_FINDINGS_MAX);
    assert_int_equal(book.status.open_count, SHERD_SCRUB_FINDINGS_MAX);
    assert_int_equal(book.status.dropped_count, 100);
    for (size_t i = 0; i < book.count; i++) { /* the longest that they can be */
        memset(book.findings[i].by, 'b', sizeof(book.findings[i].by) - 1);
        memset(book.findings[i].note, 'n', sizeof(book.findings[i].note) - 1);
        book.findings[i].has_record = true;
        book.findings[i].version = 1;
        book.findings[i].healed_s = 1;
        book.findings[i].acknowledged_s = 1;
    }
    assert_ok(sherd_book_encode(&book, &bytes)); /* within what a book may have */
    end(&book, 3);
    begin(&book, 4);
    assert_int_equal(book.status.dropped_count, 0); /* counted anew in each pass */
    sherd_book_done(&book);
}

static void test_anchor_book__knows_one_pass_at_a_time(void **state)
{
    struct sherd_book book = {.generation = 0};
    struct sherd_book_change change = {.action = SHERD_BOOK_MOVE, .position = {.pass = 1}};
    struct sherd_book_effect effect;

    (void)state;
    assert_err(SHERD_ERR_CONFLICT, sherd_book_apply(&book, &change, 1, &effect));
    begin(&book, 1);
    assert_ok(sherd_book_apply(&book, &change, 1, &effect));
    begin(&book, 2); /* goes on with that one */
    assert_int_equal(book.status.now.number, 1);
    assert_int_equal(book.status.now.began_s, 1);
    const struct sherd_book_change anew = {.action = SHERD_BOOK_BEGIN, .number = 1};
    (void)apply(&book, &anew, 3);
    assert_int_equal(book.status.now.number, 2);
    assert_err(SHERD_ERR_CONFLICT, sherd_book_apply(&book, &change, 1, &effect));
    change.position.pass = 2;
    change.action = SHERD_BOOK_END;
    assert_ok(sherd_book_apply(&book, &change, 4, &effect));
    assert_err(SHERD_ERR_CONFLICT, sherd_book_apply(&book, &change, 4, &effect));
    assert_int_equal(book.status.last.number, 2);
    sherd_book_done(&book);
}

static void test_anchor_book__keeps_what_a_rule_has_told(void **state)
{
    const struct sherd_scrub_rule rules[] = {{.audience = SHERD_TELL_ADMIN, .way = SHERD_TELL_SYSLOG},
                                             {.audience = SHERD_TELL_ADMIN, .way = SHERD_TELL_FILE, .place = "/a"}};
    struct sherd_book_change rule = {.action = SHERD_BOOK_RULES, .rules = rules, .rule_count = 2};
    struct sherd_book_change tell = {.action = SHERD_BOOK_TELL, .number = 1, .rules = rules, .rule_count = 1};
    struct sherd_book book = {.generation = 0};
    struct sherd_book_effect effect;

    (void)state;
    begin(&book, 1);
    find(&book, "x", 2);
    (void)apply(&book, &rule, 3);
    tell.number = 9; /* nobody tells what is not there */
    (void)apply(&book, &tell, 3);
    assert_int_equal(book.status.rules[0].told, 0);
    tell.number = 1;
    (void)apply(&book, &tell, 3);
    assert_int_equal(book.status.rules[0].told, 1);
    (void)apply(&book, &rule, 4);
    assert_int_equal(book.status.rules[0].told, 1);
    assert_int_equal(book.status.rules[1].told, 0);
    rule.rule_count = 0;
    (void)apply(&book, &rule, 4);
    assert_int_equal(book.status.rule_count, 0);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_book_apply(&book, &tell, 1, &effect));
    sherd_book_done(&book);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anchor_book__is_read_as_it_was_written),
        cmocka_unit_test(test_anchor_book__has_these_bytes),
        cmocka_unit_test(test_anchor_book__is_read_from_no_other_bytes),
        cmocka_unit_test(test_anchor_book__takes_changes_as_bytes),
        cmocka_unit_test(test_anchor_book__counts_what_it_has_no_room_for),
        cmocka_unit_test(test_anchor_book__knows_one_pass_at_a_time),
        cmocka_unit_test(test_anchor_book__keeps_what_a_rule_has_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
