/* SPDX-License-Identifier: Apache-2.0 */
/* Signed statements: see statement.h and docs/format/receipt.md. */
#include "anchor/embedded/statement.h"
#include "anchor/keys/epoch.h"
#include "anchor/keys/store_keys.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/secret.h"
#include "envelope/note.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NAME_SIZE 64U
#define LINE_SIZE 256U

/* A statement under way. */
struct draft {
    const struct sherd_statement_parts *parts;
    const struct sherd_statement *statement;
    uint8_t salt[SHERD_STATEMENT_SALT_SIZE];
    uint64_t epoch;
    struct sherd_buf text;
};

static void hex(const uint8_t *bytes, size_t count, char *out_text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < count; i++) {
        out_text[2 * i] = digits[bytes[i] >> 4];
        out_text[2 * i + 1] = digits[bytes[i] & 15];
    }
    out_text[2 * count] = 0;
}

static void name_of(const struct sherd_uuid *deployment, char out_name[NAME_SIZE])
{
    char id[SHERD_UUID_TEXT_SIZE];

    sherd_uuid_format(*deployment, id);
    (void)snprintf(out_name, NAME_SIZE, "sherd.%s/statement", id);
}

enum sherd_err sherd_statement_hash(const uint8_t salt[static SHERD_STATEMENT_SALT_SIZE], const char *what,
                                    struct sherd_span owner, struct sherd_span name,
                                    char out_text[SHERD_STATEMENT_HASH_TEXT_SIZE])
{
    static const uint8_t zero[1] = {0};
    const struct sherd_span parts[] = {sherd_span_str(what), {zero, 1}, owner, {zero, 1}, name};
    uint8_t hash[SHERD_SHA256_SIZE];

    SHERD_TRY(sherd_hmac(SHERD_SHA256, sherd_span_of(salt, SHERD_STATEMENT_SALT_SIZE), parts, SHERD_COUNT_OF(parts),
                         hash));
    hex(hash, sizeof(hash), out_text);
    return SHERD_OK;
}

static enum sherd_err add_line(struct draft *draft, const char *word, const char *value)
{
    char line[LINE_SIZE];
    const int len = snprintf(line, sizeof(line), "%s %s\n", word, value);

    SHERD_ENSURE(len > 0 && (size_t)len < sizeof(line), SHERD_ERR_LIMIT, "a line of the statement is too long");
    return sherd_buf_append(&draft->text, sherd_span_of(line, (size_t)len));
}

static enum sherd_err add_hour(struct draft *draft, const char *word, time_t time)
{
    char text[24] = "";
    struct tm parts;

    if (gmtime_r(&time, &parts) == NULL || strftime(text, sizeof(text), "%Y-%m-%dT%HZ", &parts) == 0)
        return sherd_fail(SHERD_ERR_IO, "the clock tells no time");
    return add_line(draft, word, text);
}

static enum sherd_err add_name(struct draft *draft, const char *what, struct sherd_span owner, struct sherd_span name)
{
    char text[SHERD_STATEMENT_HASH_TEXT_SIZE];

    SHERD_TRY(sherd_statement_hash(draft->salt, what, owner, name, text));
    return add_line(draft, what, text);
}

/* --- what is so --------------------------------------------------------------------------------------------------- */

static enum sherd_err not_so(const char *text)
{
    return sherd_fail(SHERD_ERR_CONFLICT, "no receipt: %s", text);
}

static enum sherd_err state_record(struct draft *draft, const struct sherd_uuid *record)
{
    const struct sherd_rekey_parts *rekey = &draft->parts->rekey;
    struct sherd_pin_view view;

    enum sherd_err err = sherd_pins_get(rekey->pins, *record, 0, &view);
    if (err == SHERD_OK)
        err = sherd_entities_live(rekey->entities, &view.pin.entity);
    if (err == SHERD_OK)
        return not_so("the record is still there");
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    return add_name(draft, "record", sherd_span_of(NULL, 0), sherd_span_of(record->bytes, sizeof(record->bytes)));
}

static enum sherd_err state_records(struct draft *draft)
{
    for (size_t i = 0; i < draft->statement->record_count; i++)
        SHERD_TRY(state_record(draft, &draft->statement->records[i]));
    return SHERD_OK;
}

static enum sherd_err state_entity(struct draft *draft)
{
    const struct sherd_statement *statement = draft->statement;
    const struct sherd_span collection = sherd_span_str(statement->collection);
    struct sherd_uuid id;
    struct sherd_ref entity;

    SHERD_TRY(sherd_entry_collection_id(&draft->parts->assets, statement->collection, &id));
    const enum sherd_err err = sherd_entities_find(draft->parts->rekey.entities, &id, statement->entity, &entity);
    if (err == SHERD_OK)
        return not_so("the entity is still there");
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    SHERD_TRY(add_name(draft, "collection", sherd_span_of(NULL, 0), collection));
    return add_name(draft, "entity", collection, sherd_span_str(statement->entity));
}

static enum sherd_err state_epoch(struct draft *draft)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));
    struct sherd_rekey_references references = {.epoch = draft->epoch};

    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_epoch_read(draft->parts->rekey.home, draft->epoch, set));
    if (set->count != 1)
        return not_so("the key of an older erase epoch is still there: run `sherd epoch roll`");
    SHERD_TRY(sherd_rekey_count(&draft->parts->rekey, &references));
    if (references.epoch_count > 0)
        return not_so("something still refers to an older erase epoch");
    return SHERD_OK;
}

static enum sherd_err state_version(struct draft *draft, const struct sherd_master_info *info)
{
    struct sherd_rekey_references references = {0};
    char kid[2 * sizeof(info->kid) + 1];
    char line[LINE_SIZE];

    memcpy(references.master.bytes, info->kid, sizeof(info->kid));
    SHERD_TRY(sherd_rekey_count(&draft->parts->rekey, &references));
    if (references.master_count > 0)
        return sherd_fail(SHERD_ERR_CONFLICT, "no receipt: %llu entries still refer to version %llu of master key %s",
                          (unsigned long long)references.master_count, (unsigned long long)info->version, info->name);
    hex(info->kid, sizeof(info->kid), kid);
    (void)snprintf(line, sizeof(line), "%s %" PRIu64 " %s", info->name, info->version, kid);
    return add_line(draft, "master-key", line);
}

/* The versions that are spoken of: gathered first, since looking for references asks for master keys too. */
struct versions {
    const struct sherd_statement *statement;
    size_t count;
    struct sherd_master_info list[SHERD_MASTERS_MAX];
};

static enum sherd_err gather_version(void *arg, const struct sherd_master_info *info)
{
    struct versions *versions = arg;
    const struct sherd_statement *statement = versions->statement;
    const bool wanted = statement->master_key == NULL ? !info->wraps
                                                      : strcmp(info->name, statement->master_key) == 0 &&
                                                            info->version == statement->master_version;

    if (wanted && versions->count < SHERD_MASTERS_MAX)
        versions->list[versions->count++] = *info;
    return SHERD_OK;
}

static enum sherd_err state_versions(struct draft *draft)
{
    SHERD_CLEANUP(sherd_secret_freep) struct versions *versions = sherd_secret_alloc(sizeof(*versions));

    if (versions == NULL)
        return SHERD_ERR_NO_MEMORY;
    versions->statement = draft->statement;
    SHERD_TRY(sherd_masters_each(draft->parts->masters, gather_version, versions));
    SHERD_ENSURE(versions->count > 0 || draft->statement->master_key == NULL, SHERD_ERR_NOT_FOUND,
                 "there is no such version of that master key");
    for (size_t i = 0; i < versions->count; i++)
        SHERD_TRY(state_version(draft, &versions->list[i]));
    return SHERD_OK;
}

/* A version of a store key: those below the oldest that is there were destroyed, and are accepted nowhere. */
static enum sherd_err state_store_key(struct draft *draft, const struct sherd_keyring *keyring, unsigned role)
{
    const struct sherd_statement *statement = draft->statement;
    char line[LINE_SIZE];

    SHERD_ENSURE(role != 0 && statement->master_version >= 1 &&
                     statement->master_version <= keyring->stores[role - 1].version,
                 SHERD_ERR_NOT_FOUND, "there is no such version of that store key");
    if (statement->master_version >= sherd_keyring_floor(&keyring->stores[role - 1]))
        return not_so("that version is still there");
    (void)snprintf(line, sizeof(line), "%s %" PRIu64, statement->master_key, statement->master_version);
    SHERD_TRY(add_line(draft, "store-key", line));
    return add_line(draft, "references", "0");
}

static const struct sherd_destroyed *find_destroyed(const struct sherd_keyring *keyring,
                                                    const struct sherd_statement *statement)
{
    for (size_t i = 0; i < keyring->destroyed_count; i++)
        if (strcmp(keyring->destroyed[i].name, statement->master_key) == 0 &&
            keyring->destroyed[i].version == statement->master_version)
            return &keyring->destroyed[i];
    return NULL;
}

static bool is_there(const struct sherd_keyring *keyring, const struct sherd_statement *statement)
{
    for (size_t i = 0; i < keyring->master_count; i++)
        if (strcmp(keyring->masters[i].name, statement->master_key) == 0 &&
            keyring->masters[i].version == statement->master_version)
            return true;
    return false;
}

/*
 * A version of a master key that the keyring remembers. It was destroyed after a count of what refers to it, at a time
 * from which on nothing could come to do so: masters.h. So the count of then holds for ever.
 */
static enum sherd_err state_destroyed_master(struct draft *draft, const struct sherd_keyring *keyring)
{
    const struct sherd_statement *statement = draft->statement;
    const struct sherd_destroyed *destroyed = find_destroyed(keyring, statement);
    char kid[2 * sizeof(destroyed->kid.bytes) + 1];
    char line[LINE_SIZE];

    if (is_there(keyring, statement))
        return not_so("that version is still there");
    SHERD_ENSURE(destroyed != NULL, SHERD_ERR_NOT_FOUND,
                 "no such version is remembered: it was never made, or 64 others were destroyed since");
    hex(destroyed->kid.bytes, sizeof(destroyed->kid.bytes), kid);
    (void)snprintf(line, sizeof(line), "%s %" PRIu64 " %s", destroyed->name, destroyed->version, kid);
    SHERD_TRY(add_line(draft, "master-key", line));
    SHERD_TRY(add_line(draft, "references", "0"));
    return add_hour(draft, "destroyed", (time_t)destroyed->destroyed_s);
}

static enum sherd_err state_destroyed(struct draft *draft)
{
    const struct sherd_keyring *keyring;
    unsigned role;

    SHERD_TRY(sherd_ring_hold(draft->parts->rekey.ring, &keyring));
    const enum sherd_err err = sherd_store_key_named(draft->statement->master_key, &role)
                                   ? state_store_key(draft, keyring, role)
                                   : state_destroyed_master(draft, keyring);
    sherd_ring_leave(draft->parts->rekey.ring);
    return err;
}

/* --- the text ----------------------------------------------------------------------------------------------------- */

static enum sherd_err add_head(struct draft *draft, const char *name, const char *kind)
{
    char number[24];
    char salt[2 * SHERD_STATEMENT_SALT_SIZE + 1];

    SHERD_TRY(sherd_buf_append(&draft->text, sherd_span_str(name)));
    SHERD_TRY(sherd_buf_append(&draft->text, sherd_span_str("\n")));
    SHERD_TRY(add_line(draft, "statement", kind));
    SHERD_TRY(add_hour(draft, "time", (time_t)sherd_clock()->wall_s()));
    (void)snprintf(number, sizeof(number), "%" PRIu64, draft->epoch);
    SHERD_TRY(add_line(draft, "epoch", number));
    hex(draft->salt, sizeof(draft->salt), salt);
    return add_line(draft, "salt", salt);
}

static enum sherd_err write_text(struct draft *draft, const char *name)
{
    switch (draft->statement->kind) {
    case SHERD_RECEIPT_RECORDS: SHERD_TRY(add_head(draft, name, "records-deleted")); return state_records(draft);
    case SHERD_RECEIPT_ENTITY: SHERD_TRY(add_head(draft, name, "entity-erased")); return state_entity(draft);
    case SHERD_RECEIPT_EPOCH: SHERD_TRY(add_head(draft, name, "epochs-ended")); return state_epoch(draft);
    case SHERD_RECEIPT_REKEYED: SHERD_TRY(add_head(draft, name, "master-keys-unused")); return state_versions(draft);
    case SHERD_RECEIPT_DESTROYED: SHERD_TRY(add_head(draft, name, "key-destroyed")); return state_destroyed(draft);
    }
    return sherd_fail(SHERD_ERR_INVALID, "there is no such kind of receipt");
}

static enum sherd_err check_statement(const struct sherd_statement *statement)
{
    SHERD_ENSURE(statement->kind != SHERD_RECEIPT_RECORDS ||
                     (statement->record_count > 0 && statement->record_count <= SHERD_RECEIPT_RECORDS_MAX),
                 SHERD_ERR_INVALID, "a receipt is for 1 to 65536 records");
    SHERD_ENSURE(statement->kind != SHERD_RECEIPT_ENTITY ||
                     (statement->entity != NULL && statement->collection != NULL),
                 SHERD_ERR_INVALID, "an entity needs an id and a collection");
    SHERD_ENSURE(statement->kind != SHERD_RECEIPT_DESTROYED || statement->master_key != NULL, SHERD_ERR_INVALID,
                 "a key that is destroyed needs a name and a version");
    return SHERD_OK;
}

/* The seed, out of the keyring. @param[out] out_seed  in secret memory */
static enum sherd_err read_keyring(const struct sherd_statement_parts *parts, uint8_t *out_seed, uint64_t *out_epoch)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(parts->rekey.ring, &keyring));
    memcpy(out_seed, keyring->ledger_seed, SHERD_SIGN_SEED_SIZE);
    *out_epoch = keyring->epoch;
    sherd_ring_leave(parts->rekey.ring);
    return SHERD_OK;
}

enum sherd_err sherd_statement_sign(const struct sherd_statement_parts *parts, const struct sherd_statement *statement,
                                    struct sherd_buf *out_note)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *seed = sherd_secret_alloc(SHERD_SIGN_SEED_SIZE);
    struct draft draft = {.parts = parts, .statement = statement, .text = {.max = SHERD_RECEIPT_BYTES_MAX - LINE_SIZE}};
    char name[NAME_SIZE];

    if (seed == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(check_statement(statement));
    SHERD_TRY(read_keyring(parts, seed, &draft.epoch));
    SHERD_TRY(sherd_random(draft.salt, sizeof(draft.salt)));
    name_of(&parts->deployment, name);
    enum sherd_err err = write_text(&draft, name);
    if (err == SHERD_OK)
        err = sherd_note_sign(name, seed, sherd_buf_span(&draft.text), out_note);
    sherd_buf_done(&draft.text);
    return err;
}

enum sherd_err sherd_statement_key(const struct sherd_statement_parts *parts, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *seed = sherd_secret_alloc(SHERD_SIGN_SEED_SIZE);
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];
    char name[NAME_SIZE];
    uint64_t epoch;

    if (seed == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(read_keyring(parts, seed, &epoch));
    SHERD_TRY(sherd_sign_public(seed, public_key));
    name_of(&parts->deployment, name);
    return sherd_note_key_text(name, public_key, out_text);
}
