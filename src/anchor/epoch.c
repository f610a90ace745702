/* SPDX-License-Identifier: Apache-2.0 */
/* Erase epochs: see epoch.h. */
#include "anchor/epoch.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/random.h"
#include "base/secret.h"

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

static enum sherd_err write_slot(const struct sherd_home *home, uint64_t number)
{
    uint8_t slot[SLOT_SIZE];
    struct sherd_buf sealed = sherd_buf_borrow(slot + HEADER_SIZE, SLOT_SIZE - HEADER_SIZE);
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_epoch_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_random(key->bytes, sizeof(key->bytes)));
    SHERD_TRY(sherd_random(slot, sizeof(slot))); /* what is behind the key says nothing */
    put_header(number, slot);
    SHERD_TRY(sherd_home_seal(home, sherd_span_of(slot, HEADER_SIZE), sherd_span_of(key->bytes, sizeof(key->bytes)),
                              &sealed));
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
