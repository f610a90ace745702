/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of readable collections, for who reads the store directly: docs/format/row.md.
 *
 * A signature says that the deployment wrote the row, not that it is the newest version, nor that no other is missing:
 * who holds the store may put back an older row, or leave one out. Two rows of one record in one dump are refused.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/attributes.h"
#include "envelope/row.h"
#include "envelope/signed.h"
#include "verify/verify.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_HEAD "sherd."
#define NAME_TAIL "/statement"
#define UUID_CHARS 36U

/* --- whom to believe ---------------------------------------------------------------------------------------------- */

/* The key, and the deployment whose it is. */
struct signer {
    struct sherd_vkey key;
    struct sherd_uuid deployment;
};

static enum sherd_err read_signer(const struct verify_args *args, struct signer *out_signer)
{
    char id[SHERD_UUID_TEXT_SIZE] = "";

    SHERD_ENSURE(args->key != NULL, SHERD_ERR_INVALID, "--key must say whom to believe");
    SHERD_TRY(sherd_vkey_parse(sherd_span_str(args->key), &out_signer->key));
    const struct sherd_span name = out_signer->key.name;
    const size_t head = strlen(NAME_HEAD);

    SHERD_ENSURE(out_signer->key.type == SHERD_VKEY_ED25519 && name.len == head + UUID_CHARS + strlen(NAME_TAIL) &&
                     sherd_span_equal(sherd_span_of(name.data, head), sherd_span_str(NAME_HEAD)) &&
                     sherd_span_equal(sherd_span_of(name.data + head + UUID_CHARS, strlen(NAME_TAIL)),
                                      sherd_span_str(NAME_TAIL)),
                 SHERD_ERR_INVALID, "--key is no public key of statements: `sherd info` shows it");
    memcpy(id, name.data + head, UUID_CHARS);
    return sherd_uuid_parse(id, &out_signer->deployment);
}

static enum sherd_err check(const struct signer *signer, struct sherd_span stored, struct sherd_row *out_row)
{
    SHERD_TRY(sherd_row_decode(stored, out_row));
    SHERD_ENSURE(sherd_same(&out_row->deployment, &signer->deployment, sizeof(signer->deployment)), SHERD_ERR_TAMPERED,
                 "it is a row of another deployment");
    return sherd_row_verify(out_row, signer->key.key);
}

enum sherd_err verify_row(const struct verify_args *args)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf stored = {0};
    char id[SHERD_UUID_TEXT_SIZE];
    struct signer signer;
    struct sherd_row row;

    SHERD_TRY(read_signer(args, &signer));
    SHERD_TRY(verify_read(args->operands[0], SHERD_ROW_BYTES_MAX, &stored));
    SHERD_TRY(check(&signer, sherd_buf_span(&stored), &row));
    sherd_uuid_format(row.record, id);
    (void)printf("ok: record %s, version %" PRIu64 ", of collection ", id, row.version);
    verify_print(sherd_span_str(row.collection_name));
    (void)printf("; %zu bytes of contents\n", row.content.len);
    return SHERD_OK;
}

/* --- printing ----------------------------------------------------------------------------------------------------- */

static bool is_utf8(struct sherd_span text)
{
    for (size_t i = 0; i < text.len;) {
        const uint8_t first = text.data[i];
        const size_t more = first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : (first & 0xf0) == 0xe0 ? 2 : 3;
        const uint8_t second = i + 1 < text.len ? text.data[i + 1] : 0;

        if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || text.len - i <= more ||
            (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) ||
            (first == 0xf4 && second > 0x8f))
            return false;
        for (size_t j = 1; j <= more; j++)
            if ((text.data[i + j] & 0xc0) != 0x80)
                return false;
        i += more + 1;
    }
    return true;
}

/* A JSON string; what is no UTF-8 as {"hex": ...}. */
static void print_json(struct sherd_span text)
{
    const bool plain = is_utf8(text);

    (void)fputs(plain ? "\"" : "{\"hex\": \"", stdout);
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t byte = text.data[i];

        if (!plain)
            (void)printf("%02x", byte);
        else if (byte < 0x20 || byte == 0x7f)
            (void)printf("\\u%04x", byte);
        else if (byte == '"' || byte == '\\')
            (void)printf("\\%c", byte);
        else
            (void)putchar(byte);
    }
    (void)fputs(plain ? "\"" : "\"}", stdout);
}

static void print_attributes(struct sherd_span attributes)
{
    struct sherd_span previous = {0};
    struct sherd_span name;
    struct sherd_span value;
    const char *before = "";

    while (attributes.len > 0 && sherd_attributes_next(&attributes, &previous, &name, &value) == SHERD_OK) {
        (void)fputs(before, stdout);
        print_json(is_utf8(name) ? name : sherd_span_str("(name is not UTF-8)"));
        (void)fputs(": ", stdout);
        print_json(value);
        before = ", ";
    }
}

static void print_row(const struct sherd_row *row)
{
    char id[SHERD_UUID_TEXT_SIZE];

    sherd_uuid_format(row->record, id);
    (void)printf("{\"id\": \"%s\", \"version\": %" PRIu64 ", \"created_s\": %" PRIu64 ", \"collection\": ", id,
                 row->version, row->created_s);
    print_json(sherd_span_str(row->collection_name));
    (void)fputs(", \"type\": ", stdout);
    print_json(sherd_span_str(row->content_type));
    (void)fputs(", \"attributes\": {", stdout);
    print_attributes(row->attributes);
    (void)fputs("}, \"content\": ", stdout);
    print_json(row->content);
    (void)fputs("}\n", stdout);
}

/* --- dumps -------------------------------------------------------------------------------------------------------- */

/* A dump as it is read: lines in hexadecimal, a key and its value in turn. */
struct dump {
    FILE *file;
    char *line;
    size_t room;
    size_t number;
    struct sherd_uuid *seen; /* records that were met */
    size_t seen_count;
    size_t seen_room;
    uint8_t *value; /* SHERD_ROW_BYTES_MAX */
};

static void dump_done(struct dump *dump)
{
    if (dump->file != NULL && dump->file != stdin)
        (void)fclose(dump->file);
    sherd_free(dump->line);
    sherd_free(dump->seen);
    sherd_free(dump->value);
}

static enum sherd_err no_dump(const struct dump *dump)
{
    return sherd_fail(SHERD_ERR_INVALID, "line %zu is not what mdb_dump prints", dump->number);
}

/* @param[out] out_line  borrowed until the next; NULL data: there is no more */
static enum sherd_err next_line(struct dump *dump, struct sherd_span *out_line)
{
    size_t len = 0;
    int letter;

    *out_line = sherd_span_of(NULL, 0);
    while ((letter = getc(dump->file)) != EOF && letter != '\n') {
        if (len == dump->room)
            return no_dump(dump);
        dump->line[len++] = (char)letter;
    }
    SHERD_ENSURE(!ferror(dump->file), SHERD_ERR_IO, "the dump cannot be read");
    if (letter == EOF && len == 0)
        return SHERD_OK;
    dump->number++;
    *out_line = sherd_span_of(dump->line, len);
    return SHERD_OK;
}

static int digit_of(uint8_t letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* A line of data: a blank, then hexadecimal digits. Longer values than a row can be are cut: they are none. */
static enum sherd_err read_value(const struct dump *dump, struct sherd_span line, size_t *out_bytes)
{
    if (line.len < 1 || line.data[0] != ' ' || line.len % 2 != 1)
        return no_dump(dump);
    const size_t bytes = (line.len - 1) / 2;

    for (size_t i = 0; i < bytes; i++) {
        const int high = digit_of(line.data[1 + 2 * i]);
        const int low = digit_of(line.data[2 + 2 * i]);

        if (high < 0 || low < 0)
            return no_dump(dump);
        if (i < SHERD_ROW_BYTES_MAX)
            dump->value[i] = (uint8_t)(high << 4 | low);
    }
    *out_bytes = bytes < SHERD_ROW_BYTES_MAX ? bytes : SHERD_ROW_BYTES_MAX;
    return SHERD_OK;
}

static enum sherd_err remember(struct dump *dump, const struct sherd_uuid *record)
{
    if (dump->seen_count == dump->seen_room) {
        const size_t room = dump->seen_room == 0 ? 1024 : 2 * dump->seen_room;
        struct sherd_uuid *seen = sherd_realloc(dump->seen, room * sizeof(*seen));

        if (seen == NULL)
            return SHERD_ERR_NO_MEMORY;
        dump->seen = seen;
        dump->seen_room = room;
    }
    dump->seen[dump->seen_count++] = *record;
    return SHERD_OK;
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct sherd_uuid)); /* not secret: ids that are printed */
}

static enum sherd_err check_twice(struct dump *dump)
{
    if (dump->seen_count > 1)
        qsort(dump->seen, dump->seen_count, sizeof(*dump->seen), compare_ids);
    for (size_t i = 1; i < dump->seen_count; i++)
        SHERD_ENSURE(compare_ids(&dump->seen[i - 1], &dump->seen[i]) != 0, SHERD_ERR_TAMPERED,
                     "a record has two rows: one of them is an older one");
    return SHERD_OK;
}

/* What does not say that it is a row is something else that lies there, and is sealed. */
static enum sherd_err check_value(const struct signer *signer, struct dump *dump, size_t bytes)
{
    const struct sherd_span stored = sherd_span_of(dump->value, bytes);
    struct sherd_row row;

    if (!sherd_row_is(stored))
        return SHERD_OK;
    const enum sherd_err err = check(signer, stored, &row);
    if (err == SHERD_ERR_TAMPERED) {
        char cause[200];

        (void)snprintf(cause, sizeof(cause), "%s", sherd_err_detail());
        return sherd_fail(err, "line %zu: %s", dump->number, cause);
    }
    SHERD_TRY(err);
    print_row(&row);
    return remember(dump, &row.record);
}

static enum sherd_err skip_head(struct dump *dump)
{
    struct sherd_span line;

    do {
        SHERD_TRY(next_line(dump, &line));
        if (line.data == NULL)
            return no_dump(dump);
        SHERD_ENSURE(!sherd_span_equal(line, sherd_span_str("format=print")), SHERD_ERR_UNSUPPORTED,
                     "use mdb_dump without -p");
    } while (!sherd_span_equal(line, sherd_span_str("HEADER=END")));
    return SHERD_OK;
}

static enum sherd_err read_dump(const struct signer *signer, struct dump *dump)
{
    struct sherd_span line;
    size_t bytes;

    SHERD_TRY(skip_head(dump));
    for (;;) {
        SHERD_TRY(next_line(dump, &line));
        if (sherd_span_equal(line, sherd_span_str("DATA=END")))
            return check_twice(dump);
        SHERD_TRY(read_value(dump, line, &bytes)); /* the key, which means nothing */
        SHERD_TRY(next_line(dump, &line));
        SHERD_TRY(read_value(dump, line, &bytes));
        SHERD_TRY(check_value(signer, dump, bytes));
    }
}

static enum sherd_err open_dump(const char *path, struct dump *dump)
{
    dump->room = 2 * SHERD_STORE_VALUE_BYTES_MAX + 2;
    dump->line = sherd_alloc(dump->room);
    dump->value = sherd_alloc(SHERD_ROW_BYTES_MAX);
    if (dump->line == NULL || dump->value == NULL)
        return SHERD_ERR_NO_MEMORY;
    dump->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (dump->file == NULL)
        return sherd_fail_errno(errno == ENOENT ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO, "the dump cannot be opened");
    return SHERD_OK;
}

enum sherd_err verify_rows(const struct verify_args *args)
{
    SHERD_CLEANUP(dump_done) struct dump dump = {0};
    struct signer signer;

    SHERD_TRY(read_signer(args, &signer));
    SHERD_TRY(open_dump(args->operands[0], &dump));
    return read_dump(&signer, &dump);
}
