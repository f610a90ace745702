/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts, for callers: <sherd/receipt.h>. The anchor signs; checking needs no vault. */
#include "anchor/embedded/statement.h"
#include "base/bytes.h"
#include "crypto/init.h"
#include "cryptor/vault.h"
#include "envelope/note.h"
#include <stdio.h>
#include <string.h>

#define DEFAULT_COLLECTION "default"
#define NAME_HEAD "sherd."
#define NAME_TAIL "/statement"

static const char *const kinds[] = {
    [SHERD_RECEIPT_RECORDS] = "records-deleted", [SHERD_RECEIPT_ENTITY] = "entity-erased",
    [SHERD_RECEIPT_EPOCH] = "epochs-ended",      [SHERD_RECEIPT_REKEYED] = "master-keys-unused",
    [SHERD_RECEIPT_DESTROYED] = "key-destroyed",
};

static enum sherd_err check_request(const struct sherd_receipt_request *request)
{
    SHERD_ENSURE(request != NULL && request->kind >= SHERD_RECEIPT_RECORDS && request->kind <= SHERD_RECEIPT_DESTROYED,
                 SHERD_ERR_INVALID, "there is no such kind of receipt");
    SHERD_ENSURE(request->kind != SHERD_RECEIPT_RECORDS || (request->records != NULL && request->record_count > 0 &&
                                                            request->record_count <= SHERD_RECEIPT_RECORDS_MAX),
                 SHERD_ERR_INVALID, "a receipt is for 1 to 65536 records");
    SHERD_ENSURE(request->kind != SHERD_RECEIPT_ENTITY || request->entity != NULL, SHERD_ERR_INVALID,
                 "an entity needs an id");
    SHERD_ENSURE(request->kind != SHERD_RECEIPT_DESTROYED || request->master_key != NULL, SHERD_ERR_INVALID,
                 "a key that is destroyed needs a name and a version");
    return SHERD_OK;
}

/* Statements are the vault owner's to make. */
static enum sherd_err check_vault(const struct sherd_vault *vault)
{
    SHERD_TRY(sherd_vault_check(vault));
    return sherd_vault_check_maintains(vault);
}

enum sherd_err sherd_receipt_make(struct sherd_vault *vault, const struct sherd_receipt_request *request,
                                  struct sherd_buf *out_receipt)
{
    struct sherd_collection_entry collection;

    SHERD_TRY(check_vault(vault));
    SHERD_TRY(check_request(request));
    SHERD_ENSURE(out_receipt != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    struct sherd_statement statement = {.kind = request->kind,
                                        .entity = request->entity,
                                        .records = request->records,
                                        .record_count = request->record_count,
                                        .master_key = request->master_key,
                                        .master_version = request->master_version};
    if (request->kind == SHERD_RECEIPT_ENTITY) {
        SHERD_TRY(sherd_vault_collection(vault, request->collection, &collection));
        statement.collection = collection.rules.name;
    }
    return vault->anchor->ops->statement_sign(vault->anchor, &statement, out_receipt);
}

enum sherd_err sherd_receipt_public_key(struct sherd_vault *vault, struct sherd_buf *out_text)
{
    SHERD_TRY(check_vault(vault));
    SHERD_ENSURE(out_text != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    return vault->anchor->ops->statement_key(vault->anchor, out_text);
}

/* --- checking ----------------------------------------------------------------------------------------------------- */

static enum sherd_err strange(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the statement is signed, but it is no receipt that this sherd understands");
}

/* The next line, without its newline. */
static bool next_line(struct sherd_span *rest, struct sherd_span *out_line)
{
    const uint8_t *end = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;

    if (end == NULL)
        return false;
    *out_line = sherd_span_of(rest->data, (size_t)(end - rest->data));
    *rest = sherd_span_of(end + 1, rest->len - out_line->len - 1);
    return true;
}

/* The value of a line that begins with a word. */
static bool value_of(struct sherd_span line, const char *word, struct sherd_span *out_value)
{
    struct sherd_span head;
    struct sherd_span blank;

    if (!sherd_span_take(&line, strlen(word), &head) || !sherd_span_equal(head, sherd_span_str(word)) ||
        !sherd_span_take(&line, 1, &blank) || blank.data[0] != ' ')
        return false;
    *out_value = line;
    return true;
}

static bool parse_name(struct sherd_span line, struct sherd_uuid *out_deployment)
{
    char id[SHERD_UUID_TEXT_SIZE];
    struct sherd_span part;

    if (!sherd_span_take(&line, strlen(NAME_HEAD), &part) || !sherd_span_equal(part, sherd_span_str(NAME_HEAD)) ||
        !sherd_span_take(&line, sizeof(id) - 1, &part) || !sherd_span_equal(line, sherd_span_str(NAME_TAIL)))
        return false;
    memcpy(id, part.data, part.len);
    id[part.len] = 0;
    return sherd_uuid_parse(id, out_deployment) == SHERD_OK;
}

static bool parse_kind(struct sherd_span value, enum sherd_receipt_kind *out_kind)
{
    for (unsigned kind = SHERD_RECEIPT_RECORDS; kind <= SHERD_RECEIPT_DESTROYED; kind++)
        if (sherd_span_equal(value, sherd_span_str(kinds[kind]))) {
            *out_kind = (enum sherd_receipt_kind)kind;
            return true;
        }
    return false;
}

static bool parse_number(struct sherd_span value, uint64_t *out_number)
{
    uint64_t number = 0;

    if (value.len == 0 || value.len > 18)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    *out_number = number;
    return true;
}

static bool parse_head(struct sherd_span *rest, struct sherd_receipt *out)
{
    struct sherd_span line;
    struct sherd_span value;

    if (!next_line(rest, &line) || !parse_name(line, &out->deployment) || !next_line(rest, &line) ||
        !value_of(line, "statement", &value) || !parse_kind(value, &out->kind) || !next_line(rest, &line) ||
        !value_of(line, "time", &value) || value.len >= sizeof(out->time))
        return false;
    memcpy(out->time, value.data, value.len);
    out->time[value.len] = 0;
    return next_line(rest, &line) && value_of(line, "epoch", &value) && parse_number(value, &out->epoch) &&
           next_line(rest, &line) && value_of(line, "salt", &value) &&
           value.len == (size_t)2 * SHERD_STATEMENT_SALT_SIZE;
}

enum sherd_err sherd_receipt_verify(struct sherd_span receipt, struct sherd_span public_key,
                                    struct sherd_receipt *out_receipt)
{
    struct sherd_receipt read = {.kind = SHERD_RECEIPT_RECORDS};
    struct sherd_span text;
    struct sherd_span line;
    struct sherd_span value;

    SHERD_ENSURE(out_receipt != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    SHERD_TRY(sherd_crypto_init());
    SHERD_TRY(sherd_note_verify(receipt, public_key, &text));
    if (!parse_head(&text, &read))
        return strange();
    while (next_line(&text, &line)) {
        if (value_of(line, "record", &value) || value_of(line, "master-key", &value) ||
            value_of(line, "store-key", &value))
            read.item_count++;
        else if (!value_of(line, "collection", &value) && !value_of(line, "entity", &value) &&
                 !sherd_span_equal(line, sherd_span_str("references 0")) && !value_of(line, "destroyed", &value))
            return strange();
    }
    *out_receipt = read;
    return SHERD_OK;
}

static bool unhex(struct sherd_span text, uint8_t *out)
{
    for (size_t i = 0; i < text.len; i++) {
        const uint8_t c = text.data[i];
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (digit < 0)
            return false;
        out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
    }
    return true;
}

static enum sherd_err seek(struct sherd_span rest, const char *what, struct sherd_span owner, struct sherd_span name)
{
    uint8_t salt[SHERD_STATEMENT_SALT_SIZE];
    char expected[SHERD_STATEMENT_HASH_TEXT_SIZE];
    struct sherd_span line;
    struct sherd_span value;
    bool salted = false;

    while (next_line(&rest, &line)) {
        if (!salted && value_of(line, "salt", &value)) {
            if (value.len != 2 * sizeof(salt) || !unhex(value, salt))
                return strange();
            SHERD_TRY(sherd_statement_hash(salt, what, owner, name, expected));
            salted = true;
        } else if (salted && value_of(line, what, &value) && sherd_span_equal(value, sherd_span_str(expected))) {
            return SHERD_OK;
        }
    }
    return sherd_fail(SHERD_ERR_NOT_FOUND, "the receipt names no such %s", what);
}

enum sherd_err sherd_receipt_names(struct sherd_span receipt, const struct sherd_uuid *record, const char *collection,
                                   const char *entity)
{
    SHERD_ENSURE((record != NULL) != (entity != NULL), SHERD_ERR_INVALID, "a record or an entity is sought");
    SHERD_TRY(sherd_crypto_init());
    if (record != NULL)
        return seek(receipt, "record", sherd_span_of(NULL, 0), sherd_span_of(record->bytes, sizeof(record->bytes)));
    return seek(receipt, "entity", sherd_span_str(collection != NULL ? collection : DEFAULT_COLLECTION),
                sherd_span_str(entity));
}
