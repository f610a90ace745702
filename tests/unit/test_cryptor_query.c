/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of readable collections and queries: what is told is right and whole, whatever is done to the store. The
 * attacker of these tests writes straight into `secrets`, past the vault.
 */
#include "base/bytes.h"
#include "cryptor/query.h"
#include "cryptor/row_scan.h"
#include "cryptor/rows.h"
#include "vault.h"

#define ROWS 12U

/* What a query told. */
struct told {
    size_t count;
    struct sherd_uuid ids[64];
    char contents[64][64];
    enum sherd_err answer; /* of the visitor */
};

static enum sherd_err note(void *arg, const struct sherd_query_row *row)
{
    struct told *told = arg;

    assert_true(told->count < SHERD_COUNT_OF(told->ids));
    told->ids[told->count] = row->id;
    if (row->content.data != NULL)
        (void)snprintf(told->contents[told->count], 64, "%.*s", (int)row->content.len, (const char *)row->content.data);
    told->count++;
    return told->answer;
}

static void make_readable(struct vault_test *test, const char *name)
{
    struct sherd_collection rules = {.versions_kept = 1, .readable = true};

    (void)snprintf(rules.name, sizeof(rules.name), "%s", name);
    assert_ok(sherd_collection_create(test->vault, &rules));
}

static struct sherd_uuid put_row(struct vault_test *test, const char *collection, unsigned number, const char *kind,
                                 const char *content)
{
    char text[16];
    const int len = snprintf(text, sizeof(text), "%u", number);
    const struct sherd_attribute attributes[] = {{"kind", sherd_span_str(kind)},
                                                 {"n", sherd_span_of(text, (size_t)len)}};
    const struct sherd_record_meta meta = {
        .collection = collection, .content_type = "text/plain", .attributes = attributes, .attribute_count = 2};

    return vault_put(test, &meta, content);
}

/* A readable collection "t" of ROWS rows, and one of its records as it lies in the store. */
struct rows_test {
    struct vault_test *vault;
    struct sherd_uuid ids[ROWS];
    struct sherd_ref names[ROWS];
    struct sherd_buf stored[ROWS];
};

static int setup(void **state)
{
    struct rows_test *test = test_calloc(1, sizeof(*test));
    void *vault = NULL;

    if (vault_setup(&vault) != 0)
        return -1;
    test->vault = vault;
    make_readable(test->vault, "t");
    for (unsigned i = 0; i < ROWS; i++) {
        SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};

        test->ids[i] = put_row(test->vault, "t", i, i % 3 == 0 ? "fizz" : "other", "the contents");
        assert_ok(sherd_load(test->vault->vault, test->ids[i], 0, &loaded));
        test->names[i] = loaded.map.data;
        test->stored[i].max = SHERD_ROW_BYTES_MAX;
        assert_ok(sherd_buf_append(&test->stored[i], sherd_buf_span(&loaded.fragment)));
    }
    *state = test;
    return 0;
}

static int teardown(void **state)
{
    struct rows_test *test = *state;
    void *vault = test->vault;

    for (unsigned i = 0; i < ROWS; i++)
        sherd_buf_done(&test->stored[i]);
    test_free(test);
    return vault_teardown(&vault);
}

static enum sherd_err ask(struct vault_test *test, const char *collection, const struct sherd_query_term *terms,
                          size_t count, struct told *out_told)
{
    const struct sherd_query query = {.collection = collection, .terms = terms, .term_count = count};
    struct sherd_query_stat stat;

    *out_told = (struct told){0};
    return sherd_query_run(test->vault, &query, note, out_told, &stat);
}

static size_t count_of(struct vault_test *test, const char *name, enum sherd_query_op op, const char *value)
{
    const struct sherd_query_term term = {name, op, sherd_span_str(value)};
    struct told told;

    assert_ok(ask(test, "t", &term, 1, &told));
    return told.count;
}

static void test_cryptor_query__compares_numbers_as_such_and_other_values_as_bytes(void **state)
{
    const struct rows_test *rows = *state;
    struct vault_test *test = rows->vault;

    assert_int_equal(count_of(test, "kind", SHERD_QUERY_IS, "fizz"), 4);
    assert_int_equal(count_of(test, "kind", SHERD_QUERY_IS_NOT, "fizz"), ROWS - 4);
    assert_int_equal(count_of(test, "kind", SHERD_QUERY_BEGINS, "ot"), ROWS - 4);
    assert_int_equal(count_of(test, "kind", SHERD_QUERY_BEGINS, ""), ROWS);
    assert_int_equal(count_of(test, "kind", SHERD_QUERY_BELOW, "g"), 4);
    assert_int_equal(count_of(test, "n", SHERD_QUERY_BELOW, "9"), 9); /* 10 and 11 are above */
    assert_int_equal(count_of(test, "n", SHERD_QUERY_AT_MOST, "9"), 10);
    assert_int_equal(count_of(test, "n", SHERD_QUERY_ABOVE, "9"), 2);
    assert_int_equal(count_of(test, "n", SHERD_QUERY_AT_LEAST, "-3"), ROWS);
    assert_int_equal(count_of(test, "n", SHERD_QUERY_IS, "007"), 1);
    assert_int_equal(count_of(test, "n", SHERD_QUERY_BEGINS, "1"), 3);
    assert_int_equal(count_of(test, "nothing", SHERD_QUERY_IS_NOT, "x"), 0);
}

static void test_cryptor_query__all_conditions_must_hold(void **state)
{
    const struct rows_test *rows = *state;
    const struct sherd_query_term terms[] = {{"kind", SHERD_QUERY_IS, sherd_span_str("fizz")},
                                             {"n", SHERD_QUERY_ABOVE, sherd_span_str("3")}};
    struct told told;

    assert_ok(ask(rows->vault, "t", terms, 2, &told));
    assert_int_equal(told.count, 2); /* 6 and 9 */
    assert_string_equal(told.contents[0], "the contents");
}

static void test_cryptor_query__asks_sealed_collections_the_same(void **state)
{
    struct rows_test *rows = *state;
    const struct sherd_query_term term = {"kind", SHERD_QUERY_IS, sherd_span_str("fizz")};
    struct sherd_query query = {.terms = &term, .term_count = 1};
    struct sherd_query_stat stat;
    struct told told = {0};

    for (unsigned i = 0; i < 6; i++)
        (void)put_row(rows->vault, NULL, i, i % 2 == 0 ? "fizz" : "other", "sealed");
    assert_ok(sherd_query_run(rows->vault->vault, &query, note, &told, &stat));
    assert_int_equal(told.count, 3);
    assert_int_equal(stat.seen_count, 6);
    assert_false(stat.readable);
    assert_string_equal(told.contents[0], "");
    told = (struct told){0};
    query.with_contents = true;
    query.count_max = 2;
    assert_ok(sherd_query_run(rows->vault->vault, &query, note, &told, &stat));
    assert_int_equal(told.count, 2);
    assert_string_equal(told.contents[1], "sealed");
}

static void test_cryptor_query__stops_where_it_is_told_to(void **state)
{
    const struct rows_test *rows = *state;
    const struct sherd_query query = {.collection = "t", .count_max = 5};
    const struct sherd_query all = {.collection = "t"};
    struct sherd_query_stat stat;
    struct told told = {0};

    assert_ok(sherd_query_run(rows->vault->vault, &query, note, &told, &stat));
    assert_int_equal(told.count, 5);
    told = (struct told){.answer = SHERD_ERR_BUSY};
    assert_int_equal(sherd_query_run(rows->vault->vault, &all, note, &told, &stat), SHERD_ERR_BUSY);
    assert_int_equal(told.count, 1);
}

static void test_cryptor_query__refuses_what_is_no_query(void **state)
{
    const struct rows_test *rows = *state;
    struct sherd_query_term term = {"", SHERD_QUERY_IS, sherd_span_str("x")};
    struct sherd_query query = {.collection = "t", .terms = &term, .term_count = 1};
    struct told told = {0};

    assert_err(SHERD_ERR_INVALID, sherd_query_run(rows->vault->vault, &query, note, &told, NULL));
    term.name = "n";
    term.op = (enum sherd_query_op)99;
    assert_err(SHERD_ERR_INVALID, sherd_query_run(rows->vault->vault, &query, note, &told, NULL));
    query.term_count = SHERD_QUERY_TERMS_MAX + 1;
    assert_err(SHERD_ERR_INVALID, sherd_query_run(rows->vault->vault, &query, note, &told, NULL));
    query = (struct sherd_query){.collection = "no-such"};
    assert_err(SHERD_ERR_NOT_FOUND, sherd_query_run(rows->vault->vault, &query, note, &told, NULL));
}

/* --- the life of a row -------------------------------------------------------------------------------------------- */

static void test_cryptor_rows__are_put_read_updated_and_deleted_like_any_record(void **state)
{
    struct rows_test *rows = *state;
    struct vault_test *test = rows->vault;
    struct sherd_record_info *info = NULL;
    uint64_t version;
    struct told told;

    vault_assert_text(test, rows->ids[0], 0, "the contents");
    assert_ok(sherd_record_update(test->vault, rows->ids[0], 1, NULL, sherd_span_str("new"), &version));
    assert_int_equal(version, 2);
    vault_assert_text(test, rows->ids[0], 0, "new");
    assert_err(SHERD_ERR_NOT_FOUND, vault_get(test, rows->ids[0], 1));
    assert_ok(sherd_record_stat(test->vault, rows->ids[0], 0, &info));
    assert_int_equal(info->attribute_count, 2);
    assert_string_equal(info->collection, "t");
    sherd_record_info_free(info);
    assert_ok(sherd_record_delete(test->vault, rows->ids[1]));
    assert_ok(ask(test, "t", NULL, 0, &told));
    assert_int_equal(told.count, ROWS - 1);
    vault_assert_clean(test, 0);
    vault_reopen(test);
    assert_ok(ask(test, "t", NULL, 0, &told));
    assert_int_equal(told.count, ROWS - 1);
}

static void test_cryptor_rows__refuse_what_does_not_go_with_contents_in_clear(void **state)
{
    struct rows_test *rows = *state;
    struct sherd_collection rules = {.name = "more", .versions_kept = 3, .readable = true};
    const struct sherd_record_meta pat = {.collection = "t", .entity = "pat"};
    const struct sherd_record_meta sealed = {
        .collection = "t", .recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"};
    const struct sherd_record_meta plain = {.collection = "t"};
    struct sherd_vault *vault = rows->vault->vault;
    struct sherd_buf large = {0};
    struct sherd_uuid id;

    assert_err(SHERD_ERR_INVALID, sherd_collection_create(vault, &rules));
    assert_err(SHERD_ERR_INVALID, sherd_record_put(vault, &pat, sherd_span_str("x"), &id));
    assert_err(SHERD_ERR_INVALID, sherd_record_put(vault, &sealed, sherd_span_str("x"), &id));
    assert_err(SHERD_ERR_INVALID, sherd_entity_erase(vault, "t", ""));
    assert_ok(sherd_buf_reserve(&large, SHERD_ROW_CONTENT_BYTES_MAX + 1));
    memset(large.data, 'x', SHERD_ROW_CONTENT_BYTES_MAX + 1);
    assert_err(SHERD_ERR_LIMIT,
               sherd_record_put(vault, &plain, sherd_span_of(large.data, SHERD_ROW_CONTENT_BYTES_MAX + 1), &id));
    assert_ok(sherd_record_put(vault, &plain, sherd_span_of(large.data, SHERD_ROW_CONTENT_BYTES_MAX), &id));
    vault_assert_bytes(rows->vault, id, 0, sherd_span_of(large.data, SHERD_ROW_CONTENT_BYTES_MAX));
    sherd_buf_done(&large);
    vault_assert_clean(rows->vault, 0);
}

static void test_cryptor_rows__survive_rekeying_sweeping_and_deep_rekeying(void **state)
{
    struct rows_test *rows = *state;
    const struct sherd_rekey_options plain = {.fresh_keys = true};
    const struct sherd_rekey_options deep = {.deep = true};
    struct sherd_rekey_stat rekeyed;
    struct sherd_sweep_stat swept;
    struct told told;

    assert_ok(sherd_rekey(rows->vault->vault, &plain, NULL, NULL, &rekeyed));
    assert_ok(sherd_rekey(rows->vault->vault, &deep, NULL, NULL, &rekeyed));
    assert_ok(sherd_vault_sweep(rows->vault->vault, false, &swept));
    assert_ok(ask(rows->vault, "t", NULL, 0, &told));
    assert_int_equal(told.count, ROWS);
    vault_assert_text(rows->vault, rows->ids[3], 0, "the contents");
    vault_assert_clean(rows->vault, 0);
}

static void test_cryptor_rows__are_signed_for_who_has_the_public_key_alone(void **state)
{
    const struct rows_test *rows = *state;
    const struct sherd_anchor *anchor = rows->vault->vault->anchor;
    uint8_t block[512];
    struct sherd_buf text = sherd_buf_borrow(block, sizeof(block));
    struct sherd_row row;

    assert_ok(sherd_receipt_public_key(rows->vault->vault, &text));
    assert_non_null(anchor);
    for (unsigned i = 0; i < ROWS; i++) {
        assert_ok(sherd_row_decode(sherd_buf_span(&rows->stored[i]), &row));
        assert_true(vault_same_id(row.record, rows->ids[i]));
        assert_string_equal(row.collection_name, "t");
        assert_true(sherd_span_equal(row.content, sherd_span_str("the contents")));
    }
}

/* --- attacks ------------------------------------------------------------------------------------------------------ */

static void lay(struct rows_test *rows, const struct sherd_ref *name, struct sherd_span stored)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .name = *name, .value = stored};

    assert_ok(sherd_compartment_write(rows->vault->vault->secrets, &op, 1));
}

static void take_away(struct rows_test *rows, const struct sherd_ref *name)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_DELETE, .name = *name};

    assert_ok(sherd_compartment_write(rows->vault->vault->secrets, &op, 1));
}

/* Each way of reading sees it. */
static void assert_seen(struct rows_test *rows, unsigned which)
{
    struct sherd_verify_stat stat = {0};
    struct told told;

    assert_err(SHERD_ERR_TAMPERED, ask(rows->vault, "t", NULL, 0, &told));
    assert_true(told.count <= ROWS - 1);
    for (size_t i = 0; i < told.count; i++)
        assert_string_equal(told.contents[i], "the contents");
    assert_err(SHERD_ERR_TAMPERED, vault_get(rows->vault, rows->ids[which], 0));
    assert_err(SHERD_ERR_TAMPERED, sherd_vault_verify(rows->vault->vault, &rows->ids[which], NULL, &stat));
    assert_int_equal(stat.finding_count, 1);
}

/* Every byte of a row, changed in two ways; also such that the row is not of the collection any more. */
static void test_cryptor_rows__a_change_of_any_byte_is_seen(void **state)
{
    struct rows_test *rows = *state;
    struct sherd_buf *stored = &rows->stored[5];
    struct told told;

    for (size_t i = 0; i < stored->len; i++) {
        stored->data[i] ^= i % 2 == 0 ? 0x01 : 0x80;
        lay(rows, &rows->names[5], sherd_buf_span(stored));
        assert_seen(rows, 5);
        stored->data[i] ^= i % 2 == 0 ? 0x01 : 0x80;
    }
    lay(rows, &rows->names[5], sherd_span_of(stored->data, stored->len - 1));
    assert_seen(rows, 5);
    lay(rows, &rows->names[5], sherd_buf_span(stored));
    assert_ok(ask(rows->vault, "t", NULL, 0, &told));
    assert_int_equal(told.count, ROWS);
}

/* A change that only takes a row out of an answer is seen by the query that it is taken out of. */
static void test_cryptor_rows__a_row_is_not_hidden_by_changing_what_is_asked_for(void **state)
{
    struct rows_test *rows = *state;
    const struct sherd_query_term term = {"kind", SHERD_QUERY_IS, sherd_span_str("fizz")};
    struct sherd_buf *stored = &rows->stored[3];
    struct told told;
    uint8_t *at = memmem(stored->data, stored->len, "fizz", 4);

    assert_non_null(at);
    memcpy(at, "fuzz", 4);
    lay(rows, &rows->names[3], sherd_buf_span(stored));
    assert_err(SHERD_ERR_TAMPERED, ask(rows->vault, "t", &term, 1, &told));
    assert_true(told.count <= 3);
}

static void test_cryptor_rows__that_change_places_are_seen(void **state)
{
    struct rows_test *rows = *state;

    lay(rows, &rows->names[1], sherd_buf_span(&rows->stored[2]));
    lay(rows, &rows->names[2], sherd_buf_span(&rows->stored[1]));
    assert_err(SHERD_ERR_TAMPERED, vault_get(rows->vault, rows->ids[1], 0));
    assert_err(SHERD_ERR_TAMPERED, vault_get(rows->vault, rows->ids[2], 0));
}

static void test_cryptor_rows__one_that_is_removed_is_missed(void **state)
{
    struct rows_test *rows = *state;

    take_away(rows, &rows->names[7]);
    assert_seen(rows, 7);
    lay(rows, &rows->names[7], sherd_buf_span(&rows->stored[8])); /* another in its place */
    assert_seen(rows, 7);
}

static void test_cryptor_rows__one_that_is_rolled_back_is_seen(void **state)
{
    struct rows_test *rows = *state;
    struct sherd_loaded loaded = {0};

    assert_ok(sherd_record_update(rows->vault->vault, rows->ids[4], 0, NULL, sherd_span_str("the contents"), NULL));
    assert_ok(sherd_load(rows->vault->vault, rows->ids[4], 0, &loaded));
    lay(rows, &loaded.map.data, sherd_buf_span(&rows->stored[4])); /* signed, and older */
    sherd_loaded_done(&loaded);
    assert_seen(rows, 4);
}

/* One that an attacker makes up, or copies under another name, is none: the answer stays what it was. */
static void test_cryptor_rows__one_that_is_made_up_is_never_told_of(void **state)
{
    struct rows_test *rows = *state;
    struct sherd_ref name = {{0xee, 1}};
    struct sherd_buf made = {.max = SHERD_ROW_BYTES_MAX};
    static const uint8_t signature[SHERD_SIGNATURE_SIZE] = {1};
    struct sherd_row row;
    struct told told;

    assert_ok(sherd_row_decode(sherd_buf_span(&rows->stored[0]), &row));
    row.content = sherd_span_str("made up");
    assert_ok(sherd_row_encode(&row, &made)); /* in the name of a record that is there */
    assert_ok(sherd_buf_append(&made, sherd_span_of(signature, sizeof(signature))));
    lay(rows, &name, sherd_buf_span(&made));
    sherd_buf_clear(&made);
    row.record.bytes[3] ^= 1; /* and of one that never was */
    assert_ok(sherd_row_encode(&row, &made));
    assert_ok(sherd_buf_append(&made, sherd_span_of(signature, sizeof(signature))));
    name.bytes[1] = 2;
    lay(rows, &name, sherd_buf_span(&made));
    name.bytes[1] = 3;
    lay(rows, &name, sherd_buf_span(&rows->stored[0])); /* a copy */
    assert_ok(ask(rows->vault, "t", NULL, 0, &told));
    assert_int_equal(told.count, ROWS);
    for (size_t i = 0; i < told.count; i++)
        assert_string_equal(told.contents[i], "the contents");
    sherd_buf_done(&made);
}

/* A sealed record does not become readable, nor the other way round, by what lies in the store. */
static void test_cryptor_rows__and_fragments_do_not_stand_for_one_another(void **state)
{
    struct rows_test *rows = *state;
    struct sherd_loaded sealed = {0};
    const struct sherd_uuid id = vault_put(rows->vault, NULL, "sealed");

    assert_ok(sherd_load(rows->vault->vault, id, 0, &sealed));
    lay(rows, &rows->names[6], sherd_buf_span(&sealed.fragment));
    assert_seen(rows, 6);
    lay(rows, &sealed.map.data, sherd_buf_span(&rows->stored[6]));
    assert_err(SHERD_ERR_TAMPERED, vault_get(rows->vault, id, 0));
    sherd_loaded_done(&sealed);
}

/* A handle that has asked keeps what it verified; the store's word is never taken for it. */
static void test_cryptor_query__tells_of_what_it_verified_until_the_anchor_says_otherwise(void **state)
{
    struct rows_test *rows = *state;
    const struct sherd_query_term term = {"n", SHERD_QUERY_IS, sherd_span_str("5")};
    struct told told;

    assert_ok(ask(rows->vault, "t", NULL, 0, &told));
    take_away(rows, &rows->names[5]);
    assert_ok(ask(rows->vault, "t", NULL, 0, &told));
    assert_int_equal(told.count, ROWS);
    assert_ok(ask(rows->vault, "t", &term, 1, &told));
    assert_int_equal(told.count, 1);
    assert_true(vault_same_id(told.ids[0], rows->ids[5]));
    (void)put_row(rows->vault, "t", 99, "new", "the contents"); /* now all rows are read again */
    assert_err(SHERD_ERR_TAMPERED, ask(rows->vault, "t", &term, 1, &told));
    assert_int_equal(told.count, 0);
    lay(rows, &rows->names[5], sherd_buf_span(&rows->stored[5]));
    assert_ok(ask(rows->vault, "t", NULL, 0, &told));
    assert_int_equal(told.count, ROWS + 1);
    take_away(rows, &rows->names[5]);
    vault_reopen(rows->vault);
    assert_err(SHERD_ERR_TAMPERED, ask(rows->vault, "t", &term, 1, &told));
}

/* What the anchor has added up is what is pinned, whatever was done: so the short way is taken, and is right. */
static void assert_adds_up(struct rows_test *rows, uint64_t count)
{
    const struct sherd_vault *vault = rows->vault->vault;
    const struct sherd_query every = {.collection = "t"};
    struct sherd_collection_entry collection;
    struct sherd_row_scan *scan = NULL;
    struct sherd_hmac_key *key = NULL;
    struct sherd_rows_sum sum;
    struct sherd_digest found;

    assert_ok(sherd_vault_collection(rows->vault->vault, "t", &collection));
    assert_ok(vault->anchor->ops->rows_sum(vault->anchor, &collection.id, &sum));
    assert_int_equal(sum.count, count);
    assert_ok(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(sum.key, sizeof(sum.key)), &key));
    assert_ok(sherd_row_scan_new(rows->vault->vault, &collection.id, &every, key, 0, &scan));
    assert_int_equal(sherd_row_scan_sum(scan, &found), count);
    assert_memory_equal(found.bytes, sum.sum.bytes, sizeof(found.bytes));
    sherd_row_scan_free(scan);
    sherd_hmac_key_free(key);
}

static void test_cryptor_rows__add_up_through_their_lives(void **state)
{
    struct rows_test *rows = *state;
    const struct sherd_rekey_options deep = {.deep = true};
    struct sherd_batch_item items[3] = {{.content = {(const uint8_t *)"b", 1}},
                                        {.content = {(const uint8_t *)"b", 1}},
                                        {.content = {(const uint8_t *)"b", 1}}};
    const struct sherd_record_meta meta = {.collection = "t"};
    const struct sherd_record_meta other = {.collection = "u"};
    struct sherd_rekey_stat rekeyed;

    assert_adds_up(rows, ROWS);
    assert_ok(sherd_record_update(rows->vault->vault, rows->ids[0], 0, NULL, sherd_span_str("2"), NULL));
    assert_adds_up(rows, ROWS);
    assert_ok(sherd_record_delete(rows->vault->vault, rows->ids[0]));
    assert_adds_up(rows, ROWS - 1);
    make_readable(rows->vault, "u");
    items[0].meta = &meta;
    items[1].meta = &other;
    items[2].meta = &meta;
    assert_ok(sherd_record_put_batch(rows->vault->vault, items, 3));
    assert_adds_up(rows, ROWS + 1);
    assert_ok(sherd_rekey(rows->vault->vault, &deep, NULL, NULL, &rekeyed));
    assert_adds_up(rows, ROWS + 1);
    assert_ok(sherd_master_activate(rows->vault->vault, &(struct sherd_master_options){.name = "store:keys"}, NULL));
    assert_ok(sherd_rekey(rows->vault->vault, &(struct sherd_rekey_options){.fresh_keys = false}, NULL, NULL,
                          &rekeyed));
    vault_reopen(rows->vault);
    assert_adds_up(rows, ROWS + 1);
    vault_assert_clean(rows->vault, 0);
}

static void test_cryptor_query__believes_the_store_only_where_that_is_measured(void **state)
{
    struct rows_test *rows = *state;
    const struct sherd_query query = {.collection = "t"};
    const struct sherd_query sealed = {0};
    struct sherd_query_stat stat;
    struct told told = {0};

    assert_ok(sherd_query_unverified(rows->vault->vault, &query, note, &told, &stat));
    assert_int_equal(told.count, ROWS);
    assert_err(SHERD_ERR_INVALID, sherd_query_unverified(rows->vault->vault, &sealed, note, &told, &stat));
}

#define rows_test_of(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        rows_test_of(test_cryptor_query__compares_numbers_as_such_and_other_values_as_bytes),
        rows_test_of(test_cryptor_query__all_conditions_must_hold),
        rows_test_of(test_cryptor_query__asks_sealed_collections_the_same),
        rows_test_of(test_cryptor_query__stops_where_it_is_told_to),
        rows_test_of(test_cryptor_query__refuses_what_is_no_query),
        rows_test_of(test_cryptor_rows__are_put_read_updated_and_deleted_like_any_record),
        rows_test_of(test_cryptor_rows__refuse_what_does_not_go_with_contents_in_clear),
        rows_test_of(test_cryptor_rows__survive_rekeying_sweeping_and_deep_rekeying),
        rows_test_of(test_cryptor_rows__are_signed_for_who_has_the_public_key_alone),
        rows_test_of(test_cryptor_rows__a_change_of_any_byte_is_seen),
        rows_test_of(test_cryptor_rows__a_row_is_not_hidden_by_changing_what_is_asked_for),
        rows_test_of(test_cryptor_rows__that_change_places_are_seen),
        rows_test_of(test_cryptor_rows__one_that_is_removed_is_missed),
        rows_test_of(test_cryptor_rows__one_that_is_rolled_back_is_seen),
        rows_test_of(test_cryptor_rows__one_that_is_made_up_is_never_told_of),
        rows_test_of(test_cryptor_rows__and_fragments_do_not_stand_for_one_another),
        rows_test_of(test_cryptor_query__tells_of_what_it_verified_until_the_anchor_says_otherwise),
        rows_test_of(test_cryptor_rows__add_up_through_their_lives),
        rows_test_of(test_cryptor_query__believes_the_store_only_where_that_is_measured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
