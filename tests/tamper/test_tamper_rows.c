/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of readable collections, which anyone can read who holds the store: changed, moved, removed, doubled, rolled
 * back, made up, and another deployment's. Each of `get`, `query`, `verify`, `audit` and `sherd-verify rows` says what
 * docs/format/row.md says that it sees; none gives out anything but what was written last.
 *
 * Usage: test_tamper_rows ATTACKER
 */
#include "anchor/embedded/embedded.h"
#include "cryptor/vault.h"
#include "judge.h"
#include "verify/verify.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Of record UPDATED the attacker has kept what it was before. */
enum { FULL, PLAIN, UPDATED, ELSEWHERE, SEALED, RECORDS };

#define BOOKS 3U /* the first so many are in the one collection, the next in the other */
#define BYTES 48U
#define FRESH_NAME "secrets entry ee000000000000000000000000000000"

static const char *attacker_program;
static struct victim victim;
static struct attacker attacker;
static struct record records[RECORDS];
static size_t record_count;
static struct things things;
static char key[256];       /* the public key of rows */
static struct thing old[3]; /* head, map entry and row of UPDATED, as they were */
static uint8_t *old_bytes[3];
static size_t old_len[3];
static uint8_t *foreign; /* a row of another deployment */
static size_t foreign_len;

enum { HEAD, MAP, ROW };

static const unsigned part_kinds[] = {KIND_PIN, KIND_MAP, KIND_FRAGMENT};

/* --- the vaults --------------------------------------------------------------------------------------------------- */

static void make_readable(struct victim *owner, const char *name)
{
    struct sherd_collection collection = {.versions_kept = 1, .readable = true};

    (void)snprintf(collection.name, sizeof(collection.name), "%s", name);
    assert_int_equal(sherd_collection_create(owner->vault, &collection), SHERD_OK);
}

static void put(const char *collection, const struct sherd_attribute *attributes, size_t count)
{
    const struct sherd_record_meta meta = {.collection = collection,
                                           .content_type = count > 0 ? "text/plain" : NULL,
                                           .attributes = attributes,
                                           .attribute_count = count};

    judge_put(&victim, &attacker, &things, records, &record_count, &meta, BYTES);
}

static void learn_key(void)
{
    struct sherd_buf text = {0};

    assert_int_equal(sherd_receipt_public_key(victim.vault, &text), SHERD_OK);
    (void)snprintf(key, sizeof(key), "%.*s", (int)text.len, (const char *)text.data);
    sherd_buf_done(&text);
}

/* A row of the same form in a vault of somebody else. */
static void take_foreign(void)
{
    const struct sherd_record_meta meta = {.collection = "books"};
    static struct things seen;
    struct victim other;
    struct attacker thief;
    struct record record;

    victim_new(&other);
    make_readable(&other, "books");
    victim_put(&other, &meta, 4711, BYTES, &record);
    attacker_start(&thief, attacker_program);
    (void)attack(&thief, "open %s", other.dir);
    (void)attacker_look(&thief, &seen, 0, 1);
    for (size_t i = 0; i < seen.count; i++)
        if (seen.at[i].role == SECRETS && seen.at[i].kind == KIND_ROW)
            foreign_len = attacker_get(&thief, &seen.at[i], &foreign);
    assert_non_null(foreign);
    attacker_stop(&thief);
    record_done(&record);
    victim_done(&other);
}

static int make_vault(void **state)
{
    const struct sherd_attribute attributes[] = {{"author", sherd_span_str("N. N.")}, {"year", sherd_span_str("1984")}};

    (void)state;
    attacker_start(&attacker, attacker_program);
    victim_new(&victim);
    (void)attack(&attacker, "open %s", victim.dir);
    make_readable(&victim, "books");
    make_readable(&victim, "more");
    (void)attacker_look(&attacker, &things, -1, 0);
    put("books", attributes, 2);
    put("books", NULL, 0);
    put("books", NULL, 0);
    put("more", NULL, 0);
    put(NULL, NULL, 0);
    for (unsigned i = 0; i < 3; i++) {
        old[i] = *part_of(&things, records, UPDATED, 1, part_kinds[i]);
        old_len[i] = attacker_get(&attacker, &old[i], &old_bytes[i]);
    }
    judge_update(&victim, &attacker, &things, records, UPDATED, 1, BYTES);
    learn_key();
    take_foreign();
    return 0;
}

static int end_vault(void **state)
{
    (void)state;
    attacker_stop(&attacker);
    for (unsigned i = 0; i < 3; i++)
        free(old_bytes[i]);
    free(foreign);
    for (size_t i = 0; i < record_count; i++)
        record_done(&records[i]);
    victim_done(&victim);
    return 0;
}

/* --- who looks ---------------------------------------------------------------------------------------------------- */

/* A handle remembers rows that added up: who asks is one who was not there before. */
static void reopen(void)
{
    victim_close(&victim);
    assert_int_equal(victim_open(&victim), SHERD_OK);
}

struct answer {
    size_t first;
    size_t end;
    size_t count;
    bool met[RECORDS];
};

/* Whatever is told is of a record of that collection, once, and its newest contents. */
static enum sherd_err meet_row(void *arg, const struct sherd_query_row *row)
{
    struct answer *answer = arg;

    for (size_t i = answer->first; i < answer->end; i++) {
        const struct record *record = &records[i];
        const uint64_t newest = record->versions - 1;

        if (memcmp(&row->id, &record->id, sizeof(row->id)) != 0)
            continue;
        assert_false(answer->met[i]);
        assert_int_equal(row->content.len, record->len[newest]);
        assert_memory_equal(row->content.data, record->content[newest], record->len[newest]);
        answer->met[i] = true;
        answer->count++;
        return SHERD_OK;
    }
    fail_msg("a row was told of that is not there");
    return SHERD_ERR_INVALID;
}

/* Ask for all rows. @return what the query says; whatever it says, it told nothing wrong */
static enum sherd_err ask(const char *collection)
{
    const bool books = strcmp(collection, "books") == 0;
    struct answer answer = {.first = books ? 0 : ELSEWHERE, .end = books ? BOOKS : SEALED};
    const struct sherd_query query = {.collection = collection};
    struct sherd_query_stat stat;

    const enum sherd_err err = sherd_query_run(victim.vault, &query, meet_row, &answer, &stat);
    assert_true((err == SHERD_OK) == (answer.count == answer.end - answer.first));
    return err;
}

static enum sherd_err audit(void)
{
    struct sherd_audit_stat stat;

    return sherd_vault_audit(victim.vault, 0, NULL, &stat);
}

/* What sherd-verify says of a file; what it prints of the rows is nothing to look at. */
static enum sherd_err check_file(enum sherd_err (*check)(const struct verify_args *args), char *path)
{
    char *operands[] = {path};
    const struct verify_args args = {.key = key, .operands = operands, .operand_count = 1};
    const int out = dup(STDOUT_FILENO);
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    assert_true(out >= 0 && null >= 0);
    (void)fflush(stdout);
    assert_true(dup2(null, STDOUT_FILENO) >= 0);
    const enum sherd_err err = check(&args);
    (void)fflush(stdout);
    assert_true(dup2(out, STDOUT_FILENO) >= 0);
    (void)close(out);
    (void)close(null);
    return err;
}

static void print_hex(FILE *file, const uint8_t *bytes, size_t len)
{
    (void)fputc(' ', file);
    for (size_t i = 0; i < len; i++)
        (void)fprintf(file, "%02x", bytes[i]);
    (void)fputc('\n', file);
}

/* Who reads the store directly, as mdb_dump prints it, with the public key alone. */
static enum sherd_err read_directly(void)
{
    static struct things seen;
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/dump", victim.root);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("HEADER=END\n", file);
    seen.count = 0;
    (void)attacker_look(&attacker, &seen, 0, 0);
    for (size_t i = 0; i < seen.count; i++)
        if (seen.at[i].role == SECRETS && !seen.at[i].blob) {
            uint8_t *bytes;
            const size_t len = attacker_get(&attacker, &seen.at[i], &bytes);

            print_hex(file, seen.at[i].name.bytes, sizeof(seen.at[i].name.bytes));
            print_hex(file, bytes, len);
            free(bytes);
        }
    (void)fputs("DATA=END\n", file);
    assert_int_equal(fclose(file), 0);
    return check_file(verify_rows, path);
}

/* What each of them must say after an attack. */
struct verdict {
    enum sherd_err books;    /**< a query of the one collection */
    enum sherd_err more;     /**< of the other */
    enum sherd_err vault;    /**< verify of all */
    enum sherd_err audit;    /**< stored bytes against the ledger */
    enum sherd_err directly; /**< sherd-verify rows */
};

#define SEEN SHERD_ERR_TAMPERED

static void judge(const struct verdict *verdict)
{
    reopen();
    assert_int_equal(ask("books"), verdict->books);
    assert_int_equal(ask("more"), verdict->more);
    assert_int_equal(victim_verify_all(&victim, NULL), verdict->vault);
    assert_int_equal(audit(), verdict->audit);
    assert_int_equal(read_directly(), verdict->directly);
}

/* The attack is over: all is as it was before, for everybody. */
static void undo(void)
{
    static const struct verdict well = {SHERD_OK, SHERD_OK, SHERD_OK, SHERD_OK, SHERD_OK};

    (void)attack(&attacker, "undo");
    judge(&well);
    for (size_t i = 0; i < RECORDS; i++)
        assert_int_equal(victim_get(&victim, &records[i], 0), SHERD_OK);
}

static const struct thing *row_of(unsigned record)
{
    return part_of(&things, records, record, records[record].versions, KIND_FRAGMENT);
}

static void put_back(unsigned part)
{
    attacker_put(&attacker, &old[part], old_bytes[part], old_len[part]);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

static void test_tamper_rows__all_is_well(void **state)
{
    static const struct verdict well = {SHERD_OK, SHERD_OK, SHERD_OK, SHERD_OK, SHERD_OK};

    (void)state;
    judge_well(&victim, records, record_count);
    judge(&well);
}

static void judge_changed(size_t number)
{
    const struct thing *row = row_of(FULL);
    char path[128];
    uint8_t *bytes;
    FILE *file;

    const size_t len = attacker_get(&attacker, row, &bytes);
    (void)snprintf(path, sizeof(path), "%s/row", victim.root);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    free(bytes);
    judge_part(&victim, records, row);
    assert_int_equal(check_file(verify_row, path), SHERD_ERR_TAMPERED);
    if (number % 8 == 0)
        assert_int_equal(audit(), SHERD_ERR_TAMPERED);
    if (number % 2 == 0) /* it never adds up here, so that nothing is remembered */
        assert_int_equal(ask("books"), SHERD_ERR_TAMPERED);
}

static void test_tamper_rows__each_byte(void **state)
{
    static const unsigned masks[] = {0x01, 0x80, 0xff};
    const struct thing *row = row_of(FULL);

    (void)state;
    reopen();
    for (size_t i = 0; i < row->bytes; i++)
        for (unsigned k = 0; k < 3; k++) {
            (void)attack(&attacker, "flip %s %zu %u", place_of(row), i, masks[k]);
            judge_changed(3 * i + k);
            (void)attack(&attacker, "undo");
        }
    for (size_t bytes = 1; bytes < row->bytes; bytes += bytes < 8 || bytes + 8 > row->bytes ? 1 : 16) {
        (void)attack(&attacker, "cut %s %zu", place_of(row), bytes);
        judge_changed(bytes);
        (void)attack(&attacker, "undo");
    }
    (void)attack(&attacker, "extend %s 0", place_of(row));
    judge_changed(0);
    undo();
}

/* --- rows that are authentic, elsewhere --------------------------------------------------------------------------- */

/* The same rows under other names: what is asked of the collection as a whole is answered, and rightly. */
static void test_tamper_rows__that_change_places(void **state)
{
    static const unsigned pairs[][2] = {{FULL, PLAIN}, {PLAIN, UPDATED}, {PLAIN, ELSEWHERE}};
    static const struct verdict verdict = {SHERD_OK, SHERD_OK, SEEN, SEEN, SHERD_OK};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        (void)attack(&attacker, "swap %s %s", place_of(row_of(pairs[i][0])), place_of(row_of(pairs[i][1])));
        judge(&verdict);
        judge_part(&victim, records, row_of(pairs[i][0]));
        judge_part(&victim, records, row_of(pairs[i][1]));
        undo();
    }
}

/* One row twice, and another one not at all: of the same collection, and of the other. */
static void test_tamper_rows__in_the_place_of_another(void **state)
{
    static const struct verdict same = {SEEN, SHERD_OK, SEEN, SEEN, SEEN};
    static const struct verdict from_books = {SHERD_OK, SEEN, SEEN, SEEN, SEEN};

    (void)state;
    (void)attack(&attacker, "copy %s %s", place_of(row_of(FULL)), place_of(row_of(PLAIN)));
    judge(&same);
    judge_part(&victim, records, row_of(PLAIN));
    undo();
    (void)attack(&attacker, "copy %s %s", place_of(row_of(PLAIN)), place_of(row_of(ELSEWHERE)));
    judge(&from_books);
    judge_part(&victim, records, row_of(ELSEWHERE));
    undo();
}

static void test_tamper_rows__and_fragments_in_each_others_places(void **state)
{
    static const struct verdict verdict = {SEEN, SHERD_OK, SEEN, SEEN, SHERD_OK};

    (void)state;
    (void)attack(&attacker, "swap %s %s", place_of(row_of(PLAIN)), place_of(row_of(SEALED)));
    /* the row is there, under the fragment's name: only its record misses it */
    static const struct verdict swapped = {SHERD_OK, SHERD_OK, SEEN, SEEN, SHERD_OK};
    judge(&swapped);
    judge_part(&victim, records, row_of(PLAIN));
    judge_part(&victim, records, row_of(SEALED));
    undo();
    (void)attack(&attacker, "copy %s %s", place_of(row_of(SEALED)), place_of(row_of(PLAIN)));
    judge(&verdict);
    judge_part(&victim, records, row_of(PLAIN));
    undo();
}

static void test_tamper_rows__of_another_deployment(void **state)
{
    static const struct verdict in_place = {SEEN, SHERD_OK, SEEN, SEEN, SEEN};
    static const struct verdict beside = {SHERD_OK, SHERD_OK, SHERD_OK, SHERD_OK, SEEN};
    const struct thing *row = row_of(PLAIN);
    struct thing fresh = *row;

    (void)state;
    attacker_put(&attacker, row, foreign, foreign_len);
    judge(&in_place);
    judge_part(&victim, records, row);
    undo();
    memset(fresh.name.bytes, 0xee, sizeof(fresh.name.bytes));
    attacker_put(&attacker, &fresh, foreign, foreign_len);
    judge(&beside);
    undo();
}

/* --- of another time, and not at all ------------------------------------------------------------------------------ */

static void test_tamper_rows__that_are_removed(void **state)
{
    static const struct verdict in_books = {SEEN, SHERD_OK, SEEN, SEEN, SHERD_OK};
    static const struct verdict in_more = {SHERD_OK, SEEN, SEEN, SEEN, SHERD_OK};

    (void)state;
    for (unsigned i = 0; i <= ELSEWHERE; i++) {
        (void)attack(&attacker, "delete %s", place_of(row_of(i)));
        judge(i == ELSEWHERE ? &in_more : &in_books);
        judge_part(&victim, records, row_of(i));
        undo();
    }
}

/* A signed row that is not the newest: the direct reader believes it where the newest one is gone. */
static void test_tamper_rows__that_are_rolled_back(void **state)
{
    static const struct verdict in_place = {SEEN, SHERD_OK, SEEN, SEEN, SHERD_OK};
    static const struct verdict beside = {SHERD_OK, SHERD_OK, SHERD_OK, SHERD_OK, SEEN};
    const struct thing *row = row_of(UPDATED);
    const struct thing *map = part_of(&things, records, UPDATED, 2, KIND_MAP);

    (void)state;
    attacker_put(&attacker, row, old_bytes[ROW], old_len[ROW]);
    judge(&in_place);
    judge_part(&victim, records, row);
    undo();
    /* with its map entry, under the names that both had: nobody asks for those */
    put_back(ROW);
    put_back(MAP);
    judge(&beside);
    assert_int_equal(victim_get(&victim, &records[UPDATED], 0), SHERD_OK);
    undo();
    /* ... and in the place of those that are asked for */
    put_back(ROW);
    attacker_put(&attacker, map, old_bytes[MAP], old_len[MAP]);
    (void)attack(&attacker, "delete %s", place_of(row));
    judge(&in_place);
    judge_part(&victim, records, map);
    undo();
}

/* With the anchor's own head of the record: the ledger says so, before an agent serves anybody. */
static void test_tamper_rows__that_are_rolled_back_in_all_stores(void **state)
{
    (void)state;
    for (unsigned part = 0; part < 3; part++)
        put_back(part);
    (void)attack(&attacker, "delete %s", place_of(row_of(UPDATED)));
    reopen();
    assert_int_equal(sherd_anchor_unsealed(victim.vault->anchor), SHERD_ERR_TAMPERED);
    assert_int_equal(victim_verify_all(&victim, NULL), SHERD_ERR_TAMPERED);
    assert_int_equal(audit(), SHERD_ERR_TAMPERED);
    undo();
}

/* --- made up ------------------------------------------------------------------------------------------------------ */

/*
 * A row under a name that no map entry says: as it is, in other words, and of a record or collection that there is not.
 */
static void test_tamper_rows__beside_those_that_are_pinned(void **state)
{
    static const struct verdict verdict = {SHERD_OK, SHERD_OK, SHERD_OK, SHERD_OK, SEEN};
    static const size_t changed[] = {0, 30, 49, 57}; /* nothing; collection, record, and version: row.md */
    const struct thing *row = row_of(PLAIN);

    (void)state;
    for (size_t i = 0; i <= sizeof(changed) / sizeof(changed[0]); i++) {
        const size_t at = i < sizeof(changed) / sizeof(changed[0]) ? changed[i] : row->bytes - 70; /* contents */

        (void)attack(&attacker, "copy %s " FRESH_NAME, place_of(row));
        if (at != 0)
            (void)attack(&attacker, "flip " FRESH_NAME " %zu 1", at);
        judge(&verdict);
        judge_well(&victim, records, record_count);
        undo();
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tamper_rows__all_is_well),
        cmocka_unit_test(test_tamper_rows__each_byte),
        cmocka_unit_test(test_tamper_rows__that_change_places),
        cmocka_unit_test(test_tamper_rows__in_the_place_of_another),
        cmocka_unit_test(test_tamper_rows__and_fragments_in_each_others_places),
        cmocka_unit_test(test_tamper_rows__of_another_deployment),
        cmocka_unit_test(test_tamper_rows__that_are_removed),
        cmocka_unit_test(test_tamper_rows__that_are_rolled_back),
        cmocka_unit_test(test_tamper_rows__that_are_rolled_back_in_all_stores),
        cmocka_unit_test(test_tamper_rows__beside_those_that_are_pinned),
    };

    if (argc != 2)
        return 2;
    attacker_program = argv[1];
    return cmocka_run_group_tests(tests, make_vault, end_vault);
}
