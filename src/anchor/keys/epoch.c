/* SPDX-License-Identifier: Apache-2.0 */
/* Erase epochs: see epoch.h. */
#include "anchor/keys/epoch.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/random.h"
#include "base/secret.h"
#include <stdio.h>

#define EPOCH_FILE "anchor/epoch"
#define MAGIC "SHRDEPCH"
/* A slot is a block of the disk of its own, so that a torn write of one cannot touch the other. */
#define SLOT_SIZE ((size_t)4096)
#define SLOTS 2U
#define HEADER_SIZE 16U
#define SEALED_SIZE ((size_t)SHERD_WRAPPED_KEY_SIZE)

static void put_header(uint64_t number, uint8_t out[static HEADER_SIZE])
{
    memcpy(out, MAGIC, 8);
    sherd_put_u64(out + 8, number);
}

/* An epoch lies in the slot of its number: the next one in the other. */
static size_t slot_of(uint64_t number)
{
    return (size_t)(number % SLOTS);
}

/* The number that a slot says, not yet verified; 0 for none. */
static uint64_t number_in(const uint8_t *slot)
{
    return sherd_same(slot, MAGIC, 8) ? sherd_get_u64(slot + 8) : 0;
}

/* Add a slot's epoch, if it has one that belongs there, behind those that are there. */
static enum sherd_err open_slot(const struct sherd_home *home, const uint8_t *file, size_t index, uint64_t serving,
                                struct sherd_epoch_set *set)
{
    const uint8_t *slot = file + index * SLOT_SIZE;
    struct sherd_epoch_key *key = &set->keys[set->count];
    struct sherd_buf plain = sherd_buf_borrow(key->bytes, sizeof(key->bytes));

    if (number_in(slot) == 0 || slot_of(number_in(slot)) != index)
        return SHERD_OK;
    if (number_in(slot) > serving) /* one that was begun, and does not serve yet */
        return SHERD_OK;
    const enum sherd_err err = sherd_home_unseal(home, sherd_span_of(slot, HEADER_SIZE),
                                                 sherd_span_of(slot + HEADER_SIZE, SEALED_SIZE), &plain);
    if (err == SHERD_ERR_TAMPERED) /* a slot that was being written or destroyed when the machine stopped */
        return SHERD_OK;
    SHERD_TRY(err);
    set->numbers[set->count++] = number_in(slot);
    return SHERD_OK;
}

/* A slot with an epoch's key. */
static enum sherd_err seal_slot(const struct sherd_home *home, uint64_t number, const struct sherd_epoch_key *key,
                                uint8_t slot[SLOT_SIZE])
{
    struct sherd_buf sealed = sherd_buf_borrow(slot + HEADER_SIZE, SLOT_SIZE - HEADER_SIZE);

    SHERD_TRY(sherd_random(slot, SLOT_SIZE)); /* what is behind the key says nothing */
    put_header(number, slot);
    return sherd_home_seal(home, sherd_span_of(slot, HEADER_SIZE), sherd_span_of(key->bytes, sizeof(key->bytes)),
                           &sealed);
}

static enum sherd_err write_slot(const struct sherd_home *home, uint64_t number)
{
    uint8_t slot[SLOT_SIZE];
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_random(key->bytes, sizeof(key->bytes)));
    SHERD_TRY(seal_slot(home, number, key, slot));
    return sherd_home_overwrite(home, EPOCH_FILE, slot_of(number) * SLOT_SIZE, sherd_span_of(slot, sizeof(slot)));
}

enum sherd_err sherd_epoch_make(const struct sherd_home *home)
{
    uint8_t blank[SLOTS * SLOT_SIZE];

    SHERD_TRY(sherd_random(blank, sizeof(blank)));
    SHERD_TRY(sherd_home_file_new(home, EPOCH_FILE, sherd_span_of(blank, sizeof(blank))));
    return write_slot(home, 1);
}

enum sherd_err sherd_epoch_read(const struct sherd_home *home, uint64_t serving, struct sherd_epoch_set *out_set)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SLOTS * SLOT_SIZE};

    SHERD_TRY(sherd_home_file_read(home, EPOCH_FILE, &file));
    out_set->count = 0;
    if (file.len == SLOTS * SLOT_SIZE) {
        SHERD_TRY(open_slot(home, file.data, slot_of(serving + 1), serving, out_set));
        SHERD_TRY(open_slot(home, file.data, slot_of(serving), serving, out_set));
    }
    SHERD_ENSURE(out_set->count > 0 && out_set->numbers[out_set->count - 1] == serving, SHERD_ERR_TAMPERED,
                 "anchor/epoch does not verify: it was changed, or is another vault's; without it nothing can be read");
    return SHERD_OK;
}

/* Whether an epoch before the one that serves still has its key. */
static enum sherd_err has_older(const struct sherd_home *home, uint64_t serving, bool *out_older)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));

    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_epoch_read(home, serving, set));
    *out_older = set->count == 2;
    return SHERD_OK;
}

enum sherd_err sherd_epoch_begin(const struct sherd_home *home, uint64_t serving)
{
    bool older;

    SHERD_TRY(has_older(home, serving, &older));
    SHERD_ENSURE(!older, SHERD_ERR_CONFLICT, "the last erase epoch has not ended yet");
    return write_slot(home, serving + 1);
}

enum sherd_err sherd_epoch_end(const struct sherd_home *home, uint64_t serving)
{
    uint8_t blank[SLOT_SIZE];

    SHERD_TRY(sherd_random(blank, sizeof(blank)));
    SHERD_FAILPOINT("epoch.before_end");
    return sherd_home_overwrite(home, EPOCH_FILE, slot_of(serving + 1) * SLOT_SIZE,
                                sherd_span_of(blank, sizeof(blank)));
}

/* --- copies, for backups ------------------------------------------------------------------------------------------ */

#define EXPORT_MAGIC "SHRDEKEY"
#define EXPORT_HEADER_SIZE 48U

enum sherd_err sherd_epoch_look(const char *dir, uint64_t out_numbers[2])
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SLOTS * SLOT_SIZE};

    SHERD_TRY(sherd_file_read(dir, EPOCH_FILE, &file));
    SHERD_ENSURE(file.len == SLOTS * SLOT_SIZE, SHERD_ERR_TAMPERED, "anchor/epoch does not verify: it was changed");
    out_numbers[0] = number_in(file.data);
    out_numbers[1] = number_in(file.data + SLOT_SIZE);
    return SHERD_OK;
}

enum sherd_err sherd_epoch_read_other(const struct sherd_home *home, const char *dir, struct sherd_epoch_set *out_set)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SLOTS * SLOT_SIZE};

    SHERD_TRY(sherd_file_read(dir, EPOCH_FILE, &file));
    out_set->count = 0;
    if (file.len == SLOTS * SLOT_SIZE) {
        const size_t first = number_in(file.data) <= number_in(file.data + SLOT_SIZE) ? 0 : 1;

        SHERD_TRY(open_slot(home, file.data, first, UINT64_MAX, out_set));
        SHERD_TRY(open_slot(home, file.data, 1 - first, UINT64_MAX, out_set));
    }
    return SHERD_OK;
}

enum sherd_err sherd_epoch_write_new(const struct sherd_home *home, const char *dir, const struct sherd_epoch_set *set)
{
    uint8_t file[SLOTS * SLOT_SIZE];

    SHERD_TRY(sherd_random(file, sizeof(file)));
    for (size_t i = 0; i < set->count; i++)
        SHERD_TRY(seal_slot(home, set->numbers[i], &set->keys[i], file + slot_of(set->numbers[i]) * SLOT_SIZE));
    return sherd_file_write_new(dir, EPOCH_FILE, sherd_span_of(file, sizeof(file)));
}

void sherd_epoch_blot(const char *dir)
{
    uint8_t blank[SLOTS * SLOT_SIZE];
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    if (sherd_random(blank, sizeof(blank)) == SHERD_OK &&
        sherd_file_overwrite(dir, EPOCH_FILE, 0, sherd_span_of(blank, sizeof(blank))) != SHERD_OK)
        sherd_fail_restore(detail); /* there was none, or it cannot be written: then it is removed as it is */
}

enum sherd_err sherd_epoch_pick(const struct sherd_epoch_set *have, uint64_t epoch, uint64_t older,
                                struct sherd_epoch_set *out_set)
{
    const uint64_t wanted[2] = {older != 0 ? older : epoch, older != 0 ? epoch : 0};

    out_set->count = 0;
    for (size_t i = 0; i < 2 && wanted[i] != 0; i++) {
        size_t at = 0;

        while (at < have->count && have->numbers[at] != wanted[i])
            at++;
        if (at == have->count)
            return sherd_fail(SHERD_ERR_DENIED,
                              "the backup is of erase epoch %llu, whose key is not here: the epoch has ended, or name "
                              "the vault that has its key, or the file that it was exported to",
                              (unsigned long long)wanted[i]);
        out_set->numbers[out_set->count] = wanted[i];
        out_set->keys[out_set->count++] = have->keys[at];
    }
    return SHERD_OK;
}

enum sherd_err sherd_epoch_backup_key(const struct sherd_home *home, const struct sherd_epoch_set *set,
                                      struct sherd_span salt, uint8_t out_key[SHERD_KEY_SIZE])
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_key *keys = sherd_secret_alloc(2 * sizeof(*keys));

    if (keys == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < set->count; i++) /* the one that served comes first */
        keys[i] = set->keys[set->count - 1 - i];
    return sherd_home_mix(home, sherd_span_of(keys, set->count * sizeof(*keys)), salt, "sherd backup 1", out_key);
}

enum sherd_err sherd_epoch_adopt(const struct sherd_home *home, uint64_t serving, uint64_t number,
                                 const struct sherd_epoch_key *key)
{
    uint8_t slot[SLOT_SIZE];

    SHERD_ENSURE(slot_of(serving) != slot_of(number), SHERD_ERR_CONFLICT,
                 "only the epoch after the one that serves can be taken over");
    SHERD_TRY(seal_slot(home, number, key, slot));
    return sherd_home_overwrite(home, EPOCH_FILE, slot_of(number) * SLOT_SIZE, sherd_span_of(slot, sizeof(slot)));
}

enum sherd_err sherd_epoch_export_file(const struct sherd_home *home, const struct sherd_epoch_set *set,
                                       struct sherd_buf *out_file)
{
    const struct sherd_uuid deployment = *sherd_home_deployment(home);
    uint8_t header[EXPORT_HEADER_SIZE] = EXPORT_MAGIC;

    sherd_put_u16(header + 8, 1);
    sherd_put_u16(header + 10, 1);
    sherd_put_u16(header + 12, (uint16_t)set->count);
    memcpy(header + 16, deployment.bytes, sizeof(deployment.bytes));
    for (size_t i = 0; i < set->count; i++)
        sherd_put_u64(header + 32 + 8 * i, set->numbers[i]);
    SHERD_TRY(sherd_buf_append(out_file, sherd_span_of(header, sizeof(header))));
    return sherd_home_seal(home, sherd_span_of(header, sizeof(header)),
                           sherd_span_of(set->keys, set->count * sizeof(set->keys[0])), out_file);
}

enum sherd_err sherd_epoch_export_look(struct sherd_span file, struct sherd_uuid *out_deployment,
                                       uint64_t out_numbers[2])
{
    SHERD_ENSURE(file.len >= EXPORT_HEADER_SIZE && sherd_same(file.data, EXPORT_MAGIC, 8), SHERD_ERR_INVALID,
                 "that is no file with an epoch's key");
    const unsigned count = sherd_get_u16(file.data + 12);
    SHERD_ENSURE(sherd_get_u16(file.data + 8) == 1 && sherd_get_u16(file.data + 10) == 1, SHERD_ERR_UNSUPPORTED,
                 "the epoch key's file is of a format that this version of sherd does not know");
    memcpy(out_deployment->bytes, file.data + 16, sizeof(out_deployment->bytes));
    out_numbers[0] = sherd_get_u64(file.data + 32);
    out_numbers[1] = sherd_get_u64(file.data + 40);
    SHERD_ENSURE((count == 1 && out_numbers[0] > 0 && out_numbers[1] == 0) ||
                     (count == 2 && out_numbers[0] > 0 && out_numbers[1] > out_numbers[0]),
                 SHERD_ERR_TAMPERED, "the epoch key's file does not verify: it was changed");
    return SHERD_OK;
}

enum sherd_err sherd_epoch_import_file(const struct sherd_home *home, struct sherd_span file,
                                       struct sherd_epoch_set *out_set)
{
    struct sherd_buf plain = sherd_buf_borrow(out_set->keys, sizeof(out_set->keys));
    const struct sherd_uuid ours = *sherd_home_deployment(home);
    struct sherd_uuid deployment;
    uint64_t numbers[2];

    out_set->count = 0;
    SHERD_TRY(sherd_epoch_export_look(file, &deployment, numbers));
    SHERD_ENSURE(sherd_same(&deployment, &ours, sizeof(ours)), SHERD_ERR_DENIED,
                 "the epoch key is that of another vault");
    enum sherd_err err = sherd_home_unseal(home, sherd_span_of(file.data, EXPORT_HEADER_SIZE),
                                           sherd_span_of(file.data + EXPORT_HEADER_SIZE, file.len - EXPORT_HEADER_SIZE),
                                           &plain);
    if (err == SHERD_OK && plain.len != (numbers[1] != 0 ? 2U : 1U) * sizeof(out_set->keys[0]))
        err = SHERD_ERR_TAMPERED;
    SHERD_ENSURE(err != SHERD_ERR_TAMPERED && err != SHERD_ERR_LIMIT, SHERD_ERR_TAMPERED,
                 "the epoch key's file does not verify: it was changed");
    SHERD_TRY(err);
    memcpy(out_set->numbers, numbers, sizeof(numbers));
    out_set->count = numbers[1] != 0 ? 2 : 1;
    return SHERD_OK;
}
