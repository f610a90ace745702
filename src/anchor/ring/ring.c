/* SPDX-License-Identifier: Apache-2.0 */
/* The shared keyring: see ring.h. */
#include "anchor/ring/ring.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret.h"
#include <pthread.h>
#include <stdatomic.h>

/* How often a keyring that changes while it is read is read anew. */
#define TRIES_MAX 100
/* The notice is a hint: after that time the keyring is read anew whatever it says. */
#define LIFETIME_MS ((uint64_t)300000)

/* Bytes of the pin's entry. */
#define PIN_STORED_BYTES 272U

_Static_assert(sizeof(struct sherd_ring_guard_room) == PIN_STORED_BYTES, "a guard holds the pin's entry");

/* A pin as it is stored: its bytes, for compare-and-swap, and the digest that it holds. */
struct stored_pin {
    struct sherd_ref name;
    uint8_t block[PIN_STORED_BYTES];
    size_t len;
    struct sherd_digest digest;
};

static struct sherd_span stored_span(const struct stored_pin *pin)
{
    return sherd_span_of(pin->block, pin->len);
}

struct sherd_ring {
    struct sherd_home *home;
    struct sherd_entry_keys keys;
    struct sherd_compartment *compartment;
    struct sherd_changes *changes; /* NULL: not yet */
    pthread_mutex_t change_lock;   /* one change at a time, of this handle */
    pthread_rwlock_t lock;         /* guards keyring */
    struct sherd_keyring *keyring; /* secret memory */
    struct stored_pin pin;         /* the keyring's */
    _Atomic uint64_t doubts;       /* how often what this handle holds was doubted */
    _Atomic uint64_t number;       /* sherd_ring_number() when keyring was read */
    _Atomic uint64_t read_ms;      /* when that was */
    atomic_bool joins_strict;      /* what it says of joins, to be read at each of them */
};

static uint64_t now_ms(void)
{
    return sherd_clock()->monotonic_ns() / 1000000U;
}

/* Both ascend, so no number comes twice. */
uint64_t sherd_ring_number(const struct sherd_ring *ring)
{
    return sherd_notice_number(sherd_home_notice(ring->home)) + atomic_load(&ring->doubts);
}

void sherd_ring_doubt(struct sherd_ring *ring)
{
    (void)atomic_fetch_add(&ring->doubts, 1);
}

static enum sherd_err pin_name(const struct sherd_ring *ring, struct sherd_ref *out_name)
{
    return sherd_entry_name(&ring->keys, "keyring", sherd_span_of(NULL, 0), sherd_span_of(NULL, 0), out_name);
}

/* --- the pin ------------------------------------------------------------------------------------------------------ */

/* A version of the store key of `keys`; in secret memory. */
struct pin_key {
    uint64_t version;
    struct sherd_store_key key;
};

static void newest_key(const struct sherd_keyring *keyring, struct pin_key *out_key)
{
    out_key->version = keyring->stores[SHERD_KEYS - 1].version;
    out_key->key = keyring->stores[SHERD_KEYS - 1].key;
}

/* The keys of `keys` with one version of the store key. @param[out] out_seal  freed by the caller when it is done */
static enum sherd_err keys_with(const struct sherd_ring *ring, const struct pin_key *key,
                                struct sherd_hmac_key **out_seal, struct sherd_entry_keys *out_keys)
{
    SHERD_TRY(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(key->key.bytes, sizeof(key->key.bytes)), out_seal));
    *out_keys = ring->keys;
    out_keys->version = (uint32_t)key->version;
    out_keys->seal = *out_seal;
    out_keys->versions = NULL;
    return SHERD_OK;
}

static bool find_in(const struct sherd_keyring *keyring, struct pin_key *key)
{
    const struct sherd_store_key *found = sherd_keyring_store_key(&keyring->stores[SHERD_KEYS - 1], key->version);

    if (found != NULL)
        key->key = *found;
    return found != NULL;
}

/*
 * The key under which a pin lies: in the keyring that is held or, if that is of long ago, in the file. A pin is sealed
 * by the newest key of the keyring before the one that it names, so either of the two has it.
 */
static enum sherd_err find_key(struct sherd_ring *ring, struct pin_key *key)
{
    (void)pthread_rwlock_rdlock(&ring->lock);
    const bool held = find_in(ring->keyring, key);
    (void)pthread_rwlock_unlock(&ring->lock);
    if (held)
        return SHERD_OK;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *file = sherd_secret_alloc(sizeof(*file));
    if (file == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_home_read(ring->home, NULL, false, file, NULL));
    SHERD_ENSURE(find_in(file, key), SHERD_ERR_TAMPERED, "the keyring's pin does not verify");
    return SHERD_OK;
}

static enum sherd_err open_pin(struct sherd_ring *ring, const struct sherd_ref *name, struct sherd_span stored,
                               struct sherd_digest *out_digest)
{
    SHERD_CLEANUP(sherd_secret_freep) struct pin_key *key = sherd_secret_alloc(sizeof(*key));
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *seal = NULL;
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_entry_keys keys;
    struct sherd_span tlv;

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    key->version = sherd_entry_version(stored);
    SHERD_TRY(find_key(ring, key));
    SHERD_TRY(keys_with(ring, key, &seal, &keys));
    SHERD_TRY(sherd_entry_open(&keys, SHERD_KIND_KEYRING_PIN, name, stored, &payload, &tlv));
    return sherd_keyring_pin_decode(tlv, out_digest);
}

/* The pin as it is stored, not yet opened. */
static enum sherd_err read_stored(const struct sherd_ring *ring, struct stored_pin *pin)
{
    struct sherd_buf stored = sherd_buf_borrow(pin->block, sizeof(pin->block));

    SHERD_TRY(pin_name(ring, &pin->name));
    const enum sherd_err err = sherd_compartment_get(ring->compartment, pin->name, &stored);
    if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT)
        return sherd_fail(SHERD_ERR_TAMPERED, "the keyring's pin is missing or does not verify: `keys` was changed");
    pin->len = stored.len;
    return err;
}

static enum sherd_err read_pin(struct sherd_ring *ring, struct stored_pin *pin)
{
    SHERD_TRY(read_stored(ring, pin));
    return open_pin(ring, &pin->name, stored_span(pin), &pin->digest);
}

/* Once there is a ledger, with its events. */
static enum sherd_err write_set(const struct sherd_ring *ring, const struct sherd_store_op *ops, size_t count,
                                struct sherd_event *events, size_t event_count)
{
    return ring->changes != NULL ? sherd_changes_write(ring->changes, ops, count, events, event_count)
                                 : sherd_compartment_write(ring->compartment, ops, count);
}

/*
 * Pin a keyring in place of what old says; old is NULL for the first.
 * @param[in] key         seals it: see find_key()
 * @param[in] along       what is written with it; NULL for nothing
 * @param[in] generation  of the keyring
 */
static enum sherd_err write_pin(const struct sherd_ring *ring, const struct stored_pin *old, const struct pin_key *key,
                                const struct sherd_ring_along *along, uint32_t generation,
                                const struct sherd_digest *digest, struct stored_pin *out_pin)
{
    struct sherd_event event = {.kind = SHERD_EVENT_KEYRING, .version = generation};
    SHERD_CLEANUP(sherd_hmac_key_freep) struct sherd_hmac_key *seal = NULL;
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(out_pin->block, sizeof(out_pin->block));
    struct sherd_store_op op = {.kind = SHERD_STORE_PUT,
                                .expect = old != NULL ? SHERD_EXPECT_EQUALS : SHERD_EXPECT_ABSENT};
    struct sherd_entry_keys keys;
    size_t tlv_bytes;

    SHERD_TRY(pin_name(ring, &op.name));
    SHERD_TRY(sherd_keyring_pin_encode(digest, tlv, &tlv_bytes));
    SHERD_TRY(keys_with(ring, key, &seal, &keys));
    SHERD_TRY(sherd_entry_seal(&keys, SHERD_KIND_KEYRING_PIN, &op.name, sherd_span_of(tlv, tlv_bytes), &stored));
    op.value = sherd_buf_span(&stored);
    if (old != NULL)
        op.expected = stored_span(old);
    struct sherd_store_op ops[2] = {op};
    const size_t count = along != NULL && along->used ? 2 : 1;
    if (count > 1)
        ops[1] = along->op;
    sherd_store_ops_order(ops, count);
    SHERD_TRY(write_set(ring, ops, count, &event, 1));
    out_pin->name = op.name;
    out_pin->len = stored.len;
    out_pin->digest = *digest;
    return SHERD_OK;
}

static enum sherd_err try_pinned(struct sherd_ring *ring, bool alone, struct stored_pin *pin,
                                 struct sherd_keyring *out_keyring)
{
    SHERD_TRY(read_pin(ring, pin));
    return sherd_home_read(ring->home, &pin->digest, alone, out_keyring, NULL);
}

/* The keyring that is pinned now. It may be changed between the pin and the file: then both are read anew. */
static enum sherd_err read_pinned(struct sherd_ring *ring, bool alone, struct stored_pin *pin,
                                  struct sherd_keyring *out_keyring)
{
    for (unsigned tries = 0;; tries++) {
        struct stored_pin now;
        enum sherd_err err = try_pinned(ring, alone, pin, out_keyring);

        if (err != SHERD_ERR_TAMPERED || tries == TRIES_MAX)
            return err;
        SHERD_TRY(read_stored(ring, &now));
        if (sherd_span_equal(stored_span(&now), stored_span(pin)))
            return try_pinned(ring, alone, pin, out_keyring);
    }
}

/* --- having the keyring ------------------------------------------------------------------------------------------- */

static enum sherd_err write_first(struct sherd_ring *ring, const struct sherd_digest *digest)
{
    SHERD_CLEANUP(sherd_secret_freep) struct pin_key *key = sherd_secret_alloc(sizeof(*key));

    if (key == NULL)
        return SHERD_ERR_NO_MEMORY;
    newest_key(ring->keyring, key);
    return write_pin(ring, NULL, key, NULL, ring->keyring->generation, digest, &ring->pin);
}

static enum sherd_err settle(struct sherd_ring *ring, bool fresh)
{
    struct sherd_digest digest;

    if (!fresh)
        return read_pinned(ring, false, &ring->pin, ring->keyring);
    SHERD_TRY(sherd_home_read(ring->home, NULL, false, ring->keyring, &digest));
    return write_first(ring, &digest);
}

enum sherd_err sherd_ring_new(struct sherd_home *home, struct sherd_keyring *first, const struct sherd_entry_keys *keys,
                              struct sherd_compartment *compartment, bool fresh, struct sherd_ring **out_ring)
{
    struct sherd_ring *ring = sherd_alloc(sizeof(*ring));

    if (ring == NULL) {
        sherd_secret_free(first);
        return SHERD_ERR_NO_MEMORY;
    }
    *ring = (struct sherd_ring){.home = home, .keys = *keys, .compartment = compartment, .keyring = first};
    const int change_lock = pthread_mutex_init(&ring->change_lock, NULL);
    const int lock = pthread_rwlock_init(&ring->lock, NULL);
    enum sherd_err err = change_lock == 0 && lock == 0 ? SHERD_OK
                                                       : sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    atomic_init(&ring->doubts, 0);
    atomic_init(&ring->number, sherd_ring_number(ring));
    atomic_init(&ring->read_ms, now_ms());
    if (err == SHERD_OK)
        err = settle(ring, fresh);
    atomic_init(&ring->joins_strict, first->joins_strict);
    if (err != SHERD_OK) {
        sherd_ring_free(ring);
        return err;
    }
    *out_ring = ring;
    return SHERD_OK;
}

void sherd_ring_write_through(struct sherd_ring *ring, struct sherd_changes *changes)
{
    ring->changes = changes;
}

void sherd_ring_free(struct sherd_ring *ring)
{
    if (ring == NULL)
        return;
    (void)pthread_rwlock_destroy(&ring->lock);
    (void)pthread_mutex_destroy(&ring->change_lock);
    sherd_secret_free(ring->keyring);
    sherd_free(ring);
}

/* Put a keyring in place of the one that is held. */
static void swap(struct sherd_ring *ring, struct sherd_keyring *keyring, const struct stored_pin *pin, uint64_t number)
{
    (void)pthread_rwlock_wrlock(&ring->lock);
    sherd_secret_free(ring->keyring);
    ring->keyring = keyring;
    ring->pin = *pin;
    atomic_store(&ring->joins_strict, keyring->joins_strict);
    atomic_store(&ring->number, number);
    atomic_store(&ring->read_ms, now_ms());
    (void)pthread_rwlock_unlock(&ring->lock);
}

/* Read the keyring anew if somebody has raised the notice since, or after a time. */
static enum sherd_err refresh(struct sherd_ring *ring)
{
    const uint64_t number = sherd_ring_number(ring);
    struct stored_pin pin;

    if (number == atomic_load(&ring->number) && now_ms() - atomic_load(&ring->read_ms) < LIFETIME_MS)
        return SHERD_OK;
    struct sherd_keyring *keyring = sherd_secret_alloc(sizeof(*keyring));
    if (keyring == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = read_pinned(ring, false, &pin, keyring);
    if (err != SHERD_OK) {
        sherd_secret_free(keyring);
        return err;
    }
    swap(ring, keyring, &pin, number);
    return SHERD_OK;
}

enum sherd_err sherd_ring_hold(struct sherd_ring *ring, const struct sherd_keyring **out_keyring)
{
    SHERD_TRY(refresh(ring));
    (void)pthread_rwlock_rdlock(&ring->lock);
    *out_keyring = ring->keyring;
    return SHERD_OK;
}

bool sherd_ring_joins_strict(const struct sherd_ring *ring)
{
    return atomic_load_explicit(&ring->joins_strict, memory_order_relaxed);
}

void sherd_ring_leave(struct sherd_ring *ring)
{
    (void)pthread_rwlock_unlock(&ring->lock);
}

void sherd_ring_guard(const struct sherd_ring *ring, struct sherd_ring_guard_room *room, struct sherd_store_op *out_op)
{
    memcpy(room->block, ring->pin.block, ring->pin.len);
    *out_op = (struct sherd_store_op){.kind = SHERD_STORE_CHECK,
                                      .expect = SHERD_EXPECT_EQUALS,
                                      .name = ring->pin.name,
                                      .expected = sherd_span_of(room->block, ring->pin.len)};
}

bool sherd_ring_seals(const struct sherd_keyring *keyring, const struct sherd_store_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i].kind == SHERD_STORE_PUT &&
            sherd_entry_version(ops[i].value) != keyring->stores[SHERD_KEYS - 1].version)
            return false;
    return true;
}

enum sherd_err sherd_ring_guard_set(struct sherd_ring *ring, const struct sherd_store_op *ops, size_t count,
                                    struct sherd_ring_guard_room *room, struct sherd_store_op *out_op)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(ring, &keyring));
    const bool serves = sherd_ring_seals(keyring, ops, count);
    if (serves)
        sherd_ring_guard(ring, room, out_op);
    sherd_ring_leave(ring);
    return serves ? SHERD_OK : sherd_fail(SHERD_ERR_CONFLICT, "the keys are being changed: try again");
}

enum sherd_err sherd_ring_guard_lost(struct sherd_ring *ring, const struct sherd_store_op *guard, bool *out_lost)
{
    struct stored_pin now;

    SHERD_TRY(read_stored(ring, &now));
    *out_lost = !sherd_span_equal(stored_span(&now), guard->expected);
    if (*out_lost)
        sherd_ring_doubt(ring);
    return SHERD_OK;
}

enum sherd_err sherd_ring_write_guarded(struct sherd_ring *ring, struct sherd_store_op *ops, size_t count,
                                        const struct sherd_store_op *guard, struct sherd_event *events,
                                        size_t event_count, bool *out_lost)
{
    const struct sherd_store_op kept = *guard; /* it may be one of those that are put in order */

    *out_lost = false;
    sherd_store_ops_order(ops, count);
    const enum sherd_err err = write_set(ring, ops, count, events, event_count);
    if (err == SHERD_ERR_CONFLICT)
        SHERD_TRY(sherd_ring_guard_lost(ring, &kept, out_lost));
    return err;
}

enum sherd_err sherd_ring_write(struct sherd_ring *ring, struct sherd_store_op *ops, size_t count,
                                struct sherd_event *events, size_t event_count, bool *out_lost)
{
    struct sherd_ring_guard_room room;

    const enum sherd_err err = sherd_ring_guard_set(ring, ops, count, &room, &ops[count]);
    *out_lost = err == SHERD_ERR_CONFLICT;
    SHERD_TRY(err);
    return sherd_ring_write_guarded(ring, ops, count + 1, &ops[count], events, event_count, out_lost);
}

enum sherd_err sherd_ring_tell(struct sherd_ring *ring)
{
    struct sherd_file_lock lock;

    SHERD_TRY(sherd_home_lock(ring->home, &lock));
    const enum sherd_err err = sherd_notice_raise(sherd_home_notice(ring->home));
    sherd_file_lock_leave(&lock);
    return err;
}

/* Write and pin a changed keyring. */
static enum sherd_err commit(const struct sherd_ring *ring, const struct stored_pin *old, const struct pin_key *key,
                             const struct sherd_ring_along *along, struct sherd_keyring *keyring,
                             struct stored_pin *out_pin)
{
    struct sherd_digest digest;

    keyring->generation++;
    SHERD_TRY(sherd_home_write(ring->home, keyring, &digest));
    SHERD_FAILPOINT("ring.written");
    return write_pin(ring, old, key, along, keyring->generation, &digest, out_pin);
}

/* What is left to do when the change is pinned. Where it fails, the next who changes something makes it good. */
static enum sherd_err spread(const struct sherd_ring *ring)
{
    SHERD_FAILPOINT("ring.pinned");
    SHERD_TRY(sherd_home_adopt(ring->home));
    return sherd_notice_raise(sherd_home_notice(ring->home));
}

/* A change, but never of the mode: it was chosen when the vault was made. */
static enum sherd_err change_within_mode(struct sherd_keyring *keyring, sherd_ring_change_fn *change, void *arg)
{
    const bool fips = keyring->fips;

    SHERD_TRY(change(arg, keyring));
    SHERD_ENSURE(keyring->fips == fips, SHERD_ERR_DENIED,
                 "FIPS mode is chosen when a vault is made, and never changed");
    return SHERD_OK;
}

static enum sherd_err change_alone(struct sherd_ring *ring, sherd_ring_change_fn *change, void *arg,
                                   const struct sherd_ring_along *along)
{
    struct stored_pin old;
    struct stored_pin pin;
    SHERD_CLEANUP(sherd_secret_freep) struct pin_key *key = sherd_secret_alloc(sizeof(*key));
    struct sherd_keyring *keyring = sherd_secret_alloc(sizeof(*keyring));

    if (key == NULL || keyring == NULL) {
        sherd_secret_free(keyring);
        return SHERD_ERR_NO_MEMORY;
    }
    enum sherd_err err = read_pinned(ring, true, &old, keyring);
    if (err == SHERD_OK) {
        newest_key(keyring, key);
        err = change_within_mode(keyring, change, arg);
    }
    if (err == SHERD_OK)
        err = commit(ring, &old, key, along, keyring, &pin);
    if (err != SHERD_OK) {
        sherd_ring_doubt(ring); /* a write that failed may have been carried out */
        sherd_secret_free(keyring);
        return err;
    }
    err = spread(ring);
    swap(ring, keyring, &pin, sherd_ring_number(ring));
    return err;
}

static enum sherd_err look_alone(struct sherd_ring *ring, sherd_ring_look_fn *look, void *arg)
{
    struct stored_pin pin;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *keyring = sherd_secret_alloc(sizeof(*keyring));

    if (keyring == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(read_pinned(ring, true, &pin, keyring));
    return look(arg, keyring);
}

/* Alone among all processes, and threads of this one. @return SHERD_OK: alone_end() must follow */
static enum sherd_err alone_begin(struct sherd_ring *ring, struct sherd_file_lock *out_lock)
{
    (void)pthread_mutex_lock(&ring->change_lock);
    const enum sherd_err err = sherd_home_lock(ring->home, out_lock);
    if (err != SHERD_OK)
        (void)pthread_mutex_unlock(&ring->change_lock);
    return err;
}

static void alone_end(struct sherd_ring *ring, struct sherd_file_lock *lock)
{
    sherd_file_lock_leave(lock);
    (void)pthread_mutex_unlock(&ring->change_lock);
}

enum sherd_err sherd_ring_change_along(struct sherd_ring *ring, sherd_ring_change_fn *change, void *arg,
                                       const struct sherd_ring_along *along)
{
    struct sherd_file_lock lock;

    SHERD_TRY(alone_begin(ring, &lock));
    const enum sherd_err err = change_alone(ring, change, arg, along);
    alone_end(ring, &lock);
    return err;
}

enum sherd_err sherd_ring_change(struct sherd_ring *ring, sherd_ring_change_fn *change, void *arg)
{
    return sherd_ring_change_along(ring, change, arg, NULL);
}

enum sherd_err sherd_ring_look(struct sherd_ring *ring, sherd_ring_look_fn *look, void *arg)
{
    struct sherd_file_lock lock;

    SHERD_TRY(alone_begin(ring, &lock));
    const enum sherd_err err = look_alone(ring, look, arg);
    alone_end(ring, &lock);
    return err;
}

enum sherd_err sherd_ring_check(struct sherd_ring *ring, const struct sherd_ref *name, struct sherd_span stored)
{
    struct sherd_digest digest;
    struct sherd_ref ours;

    SHERD_TRY(pin_name(ring, &ours));
    SHERD_ENSURE(sherd_same(&ours, name, sizeof(ours)), SHERD_ERR_TAMPERED, "the keyring's pin does not verify");
    return open_pin(ring, name, stored, &digest);
}

enum sherd_err sherd_ring_pinned(struct sherd_ring *ring, struct sherd_snapshot *snapshot,
                                 struct sherd_digest *out_digest)
{
    uint8_t block[PIN_STORED_BYTES];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref name;

    SHERD_TRY(pin_name(ring, &name));
    const enum sherd_err err = sherd_snapshot_get(snapshot, name, &stored);
    if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT)
        return sherd_fail(SHERD_ERR_TAMPERED, "the keyring's pin is missing or does not verify: `keys` was changed");
    SHERD_TRY(err);
    return open_pin(ring, &name, sherd_buf_span(&stored), out_digest);
}
