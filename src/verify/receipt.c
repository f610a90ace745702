/* SPDX-License-Identifier: Apache-2.0 */
/* Statements that something is gone: docs/format/receipt.md. */
#include "base/bytes.h"
#include "envelope/lines.h"
#include "envelope/note.h"
#include "verify/verify.h"
#include <stdio.h>

#define NAME_HEAD "sherd."
#define NAME_TAIL "/statement"
#define SALT_CHARS 32U
#define HASH_CHARS 64U

/* What a receipt says. */
struct receipt {
    struct sherd_span kind;
    struct sherd_span time;
    struct sherd_span name;
    size_t items;
};

/* A line that begins with a word: what follows it. */
static bool take_value(struct sherd_span *rest, const char *word, struct sherd_span *out_value)
{
    struct sherd_span after = *rest;

    if (!sherd_line_take(&after, out_value) || !sherd_line_begins(out_value, word))
        return false;
    *rest = after;
    return true;
}

static bool is_hex(struct sherd_span text, size_t chars)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.data[i] < '0' || text.data[i] > '9') && (text.data[i] < 'a' || text.data[i] > 'f'))
            return false;
    return text.len == chars;
}

static bool is_kind(struct sherd_span kind)
{
    static const char *const kinds[] = {"records-deleted", "entity-erased", "epochs-ended", "master-keys-unused",
                                        "key-destroyed"};

    for (size_t i = 0; i < SHERD_COUNT_OF(kinds); i++)
        if (sherd_span_equal(kind, sherd_span_str(kinds[i])))
            return true;
    return false;
}

/* The name of the key, which the first line repeats: sherd.DEPLOYMENT/statement. */
static bool is_name(struct sherd_span name)
{
    struct sherd_span tail;

    return name.len > strlen(NAME_HEAD NAME_TAIL) && sherd_line_begins(&name, NAME_HEAD) &&
           sherd_span_take(&name, name.len - strlen(NAME_TAIL), &tail) &&
           sherd_span_equal(name, sherd_span_str(NAME_TAIL));
}

/* A line that says something of the name before it, and is none. */
static bool take_fact(struct sherd_span *rest)
{
    struct sherd_span after = *rest;
    struct sherd_span value;

    if (!take_value(&after, "destroyed ", &value) &&
        !(take_value(&after, "references ", &value) && sherd_span_equal(value, sherd_span_str("0"))))
        return false;
    *rest = after;
    return true;
}

static bool read_items(struct sherd_span rest, size_t *out_items)
{
    struct sherd_span value;

    for (*out_items = 0; rest.len > 0; ++*out_items) {
        if (take_value(&rest, "master-key ", &value) || take_value(&rest, "store-key ", &value)) {
            while (take_fact(&rest))
                ;
            continue;
        }
        if ((!take_value(&rest, "record ", &value) && !take_value(&rest, "collection ", &value) &&
             !take_value(&rest, "entity ", &value)) ||
            !is_hex(value, HASH_CHARS))
            return false;
    }
    return true;
}

static bool read_receipt(struct sherd_span text, struct receipt *out)
{
    struct sherd_span epoch;
    struct sherd_span salt;
    uint64_t number = 0;

    return sherd_line_take(&text, &out->name) && is_name(out->name) && take_value(&text, "statement ", &out->kind) &&
           is_kind(out->kind) && take_value(&text, "time ", &out->time) && take_value(&text, "epoch ", &epoch) &&
           sherd_decimal_parse(epoch, &number) && take_value(&text, "salt ", &salt) && is_hex(salt, SALT_CHARS) &&
           read_items(text, &out->items);
}

enum sherd_err verify_statement(const struct verify_args *args, struct sherd_span note)
{
    struct receipt receipt = {0};
    struct sherd_vkey key;
    struct sherd_span text;

    SHERD_ENSURE(args->log_key == NULL && args->policy_file == NULL && args->against == NULL && args->record == NULL,
                 SHERD_ERR_INVALID, "a signed statement is checked with --key alone");
    SHERD_ENSURE(args->key != NULL, SHERD_ERR_INVALID, "--key must say whom to believe");
    SHERD_TRY(sherd_vkey_parse(sherd_span_str(args->key), &key));
    SHERD_TRY(sherd_note_verify(note, sherd_span_str(args->key), &text));
    SHERD_ENSURE(read_receipt(text, &receipt) && sherd_span_equal(receipt.name, key.name), SHERD_ERR_TAMPERED,
                 "it is signed, but it is no receipt that this version understands");
    (void)fputs("ok: ", stdout);
    verify_print(receipt.kind);
    (void)fputs(", stated at ", stdout);
    verify_print(receipt.time);
    (void)fputs(" by ", stdout);
    verify_print(receipt.name);
    (void)printf("; %zu name%s in it\n", receipt.items, receipt.items == 1 ? "" : "s");
    return SHERD_OK;
}
