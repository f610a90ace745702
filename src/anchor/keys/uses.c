/* SPDX-License-Identifier: Apache-2.0 */
/* Counted uses: see uses.h. */
#include "anchor/keys/uses.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "envelope/payload.h"
#include <pthread.h>

#define LABEL "uses"
/* Bytes of a stored entry. */
#define STORED_BYTES 272U
/* Of the limit, the part that is reserved at once at most, so that a small one is not lost in reservations. */
#define LIMIT_PARTS ((uint64_t)64)
/* How often an entry is changed anew that others change. */
#define TRIES_MAX 1000U

_Static_assert(sizeof(((struct sherd_ring_along *)NULL)->block) == STORED_BYTES, "what goes along holds an entry");

/* What this handle has reserved of one version, and not used yet. */
struct lease {
    bool used;
    struct sherd_ref kid;
    uint64_t limit; /* under which it was reserved: where that is changed, it counts for nothing */
    uint64_t next;  /* how many are reserved next */
    struct sherd_uses_want left;
};

struct sherd_uses {
    struct sherd_ring *ring;
    struct sherd_entry_keys keys;
    struct sherd_compartment *compartment;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t ended; /* reserving is false again */
    bool reserving;       /* one thread writes, for all */
    size_t oldest;        /* the lease that makes room where all are in use */
    struct lease leases[SHERD_MASTERS_MAX];
};

enum sherd_err sherd_uses_new(struct sherd_ring *ring, const struct sherd_entry_keys *keys,
                              struct sherd_compartment *compartment, struct sherd_uses **out_uses)
{
    struct sherd_uses *uses = sherd_alloc(sizeof(*uses));

    if (uses == NULL)
        return SHERD_ERR_NO_MEMORY;
    *uses = (struct sherd_uses){.ring = ring, .keys = *keys, .compartment = compartment};
    const int lock = pthread_mutex_init(&uses->lock, NULL);
    const int ended = pthread_cond_init(&uses->ended, NULL);
    if (lock != 0 || ended != 0) {
        sherd_free(uses);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    }
    *out_uses = uses;
    return SHERD_OK;
}

void sherd_uses_free(struct sherd_uses *uses)
{
    if (uses == NULL)
        return;
    (void)pthread_cond_destroy(&uses->ended);
    (void)pthread_mutex_destroy(&uses->lock);
    sherd_free(uses);
}

bool sherd_uses_are_counted(const struct sherd_master *master)
{
    return strcmp(master->name, SHERD_MASTER_HASH) != 0;
}

uint64_t sherd_uses_limit(const struct sherd_keyring *keyring, const struct sherd_master *master)
{
    const struct sherd_key_policy *policy = sherd_keyring_policy(keyring, master->name);

    return policy != NULL && policy->limit != 0 ? policy->limit : SHERD_KEY_LIMIT;
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the count of a master key's uses is missing or does not verify");
}

static enum sherd_err changing(void)
{
    return sherd_fail(SHERD_ERR_CONFLICT, "the keys are being changed: try again");
}

static enum sherd_err name_of(const struct sherd_uses *uses, const struct sherd_ref *kid, struct sherd_ref *out_name)
{
    return sherd_entry_name(&uses->keys, LABEL, sherd_span_of(kid->bytes, sizeof(kid->bytes)), sherd_span_of(NULL, 0),
                            out_name);
}

static enum sherd_err seal(const struct sherd_uses *uses, const struct sherd_ref *name,
                           const struct sherd_key_uses *count, struct sherd_buf *out_stored)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    SHERD_TRY(sherd_key_uses_encode(count, tlv, &tlv_bytes));
    return sherd_entry_seal(&uses->keys, SHERD_KIND_KEY_USES, name, sherd_span_of(tlv, tlv_bytes), out_stored);
}

/* Open an entry: it must be where the kid that it says belongs. */
static enum sherd_err open_entry(const struct sherd_uses *uses, const struct sherd_ref *name, struct sherd_span stored,
                                 struct sherd_key_uses *out_count)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_key_uses count;
    struct sherd_ref expected;
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&uses->keys, SHERD_KIND_KEY_USES, name, stored, &payload, &tlv));
    SHERD_TRY(sherd_key_uses_decode(tlv, &count));
    SHERD_TRY(name_of(uses, &count.master, &expected));
    if (!sherd_same(&expected, name, sizeof(expected)))
        return tampered();
    *out_count = count;
    return SHERD_OK;
}

/* An entry as it is stored now. */
struct stored {
    struct sherd_ref name;
    uint8_t block[STORED_BYTES];
    struct sherd_buf bytes;
    struct sherd_key_uses count;
};

static enum sherd_err read_once(const struct sherd_uses *uses, const struct sherd_ref *kid, struct stored *out)
{
    out->bytes = sherd_buf_borrow(out->block, sizeof(out->block));
    SHERD_TRY(name_of(uses, kid, &out->name));
    const enum sherd_err err = sherd_compartment_get(uses->compartment, out->name, &out->bytes);
    if (err == SHERD_ERR_LIMIT)
        return tampered();
    SHERD_TRY(err);
    return open_entry(uses, &out->name, sherd_buf_span(&out->bytes), &out->count);
}

/* What lacks its entry: a version that is no more, or one that was robbed of it. */
static enum sherd_err judge_missing(struct sherd_uses *uses, const struct sherd_ref *kid)
{
    const struct sherd_keyring *keyring;

    sherd_ring_doubt(uses->ring);
    SHERD_TRY(sherd_ring_hold(uses->ring, &keyring));
    const bool there = sherd_keyring_master(keyring, kid) != NULL;
    sherd_ring_leave(uses->ring);
    return there ? tampered() : changing();
}

static enum sherd_err read_stored(struct sherd_uses *uses, const struct sherd_ref *kid, struct stored *out)
{
    enum sherd_err err = read_once(uses, kid, out);

    if (err == SHERD_ERR_DENIED) /* as in sherd_entry_open() */
        err = read_once(uses, kid, out);
    return err == SHERD_ERR_NOT_FOUND ? judge_missing(uses, kid) : err;
}

enum sherd_err sherd_uses_read(struct sherd_uses *uses, const struct sherd_ref *kid, struct sherd_key_uses *out_uses)
{
    struct stored stored;

    SHERD_TRY(read_stored(uses, kid, &stored));
    *out_uses = stored.count;
    return SHERD_OK;
}

enum sherd_err sherd_uses_begin(struct sherd_uses *uses, const struct sherd_keyring *keyring,
                                const struct sherd_ref *kid, struct sherd_ring_along *out_along)
{
    const struct sherd_key_uses none = {.master = *kid};
    struct sherd_store_op *op = &out_along->op;

    for (unsigned tries = 0; tries < 2; tries++) {
        struct sherd_buf stored = sherd_buf_borrow(out_along->block, sizeof(out_along->block));

        *op = (struct sherd_store_op){.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT};
        SHERD_TRY(name_of(uses, kid, &op->name));
        SHERD_TRY(seal(uses, &op->name, &none, &stored));
        op->value = sherd_buf_span(&stored);
        out_along->used = sherd_ring_seals(keyring, op, 1);
        if (out_along->used)
            return SHERD_OK;
        sherd_ring_doubt(uses->ring); /* the store key was rotated by somebody who could not tell */
    }
    return changing();
}

enum sherd_err sherd_uses_end(struct sherd_uses *uses, const struct sherd_ref *kid, struct sherd_ring_along *out_along)
{
    out_along->op = (struct sherd_store_op){.kind = SHERD_STORE_DELETE};
    SHERD_TRY(name_of(uses, kid, &out_along->op.name));
    out_along->used = true;
    return SHERD_OK;
}

/* --- reserving ---------------------------------------------------------------------------------------------------- */

/* Put a raised count in place of the one that was read. @return SHERD_ERR_CONFLICT: another was faster */
static enum sherd_err replace(struct sherd_uses *uses, const struct stored *before, const struct sherd_key_uses *count)
{
    uint8_t block[STORED_BYTES];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_store_op ops[2] = {{.kind = SHERD_STORE_PUT,
                                     .expect = SHERD_EXPECT_EQUALS,
                                     .name = before->name,
                                     .expected = sherd_buf_span(&before->bytes)}};
    bool lost;

    SHERD_TRY(seal(uses, &before->name, count, &stored));
    ops[0].value = sherd_buf_span(&stored);
    SHERD_FAILPOINT("uses.before_write");
    return sherd_ring_write(uses->ring, ops, 1, NULL, 0, &lost);
}

/*
 * Reserve once: as many as next says, or what is left of the limit, but never less than is wanted.
 * @param[out] out_got  what was reserved; none where out_full says so
 */
static enum sherd_err reserve_once(struct sherd_uses *uses, const struct lease *lease,
                                   const struct sherd_uses_want *want, struct sherd_uses_want *out_got, bool *out_full)
{
    struct stored stored;
    uint64_t count = lease->next > want->wraps ? lease->next : want->wraps;

    SHERD_TRY(read_stored(uses, &lease->kid, &stored));
    const uint64_t left = stored.count.wraps < lease->limit ? lease->limit - stored.count.wraps : 0;
    *out_full = left < want->wraps;
    if (*out_full)
        return SHERD_OK;
    if (count > left)
        count = left;
    const struct sherd_uses_want got = {.wraps = count, .entities = want->entities > 0 ? count : 0};
    const struct sherd_key_uses raised = {.master = lease->kid,
                                          .wraps = stored.count.wraps + got.wraps,
                                          .entities = stored.count.entities + got.entities};
    SHERD_TRY(replace(uses, &stored, &raised));
    SHERD_FAILPOINT("uses.reserved");
    *out_got = got;
    return SHERD_OK;
}

static enum sherd_err reserve(struct sherd_uses *uses, const struct lease *lease, const struct sherd_uses_want *want,
                              struct sherd_uses_want *out_got, bool *out_full)
{
    enum sherd_err err = SHERD_ERR_CONFLICT;

    for (unsigned tries = 0; tries < TRIES_MAX && err == SHERD_ERR_CONFLICT; tries++) {
        err = reserve_once(uses, lease, want, out_got, out_full);
        if (err == SHERD_ERR_CONFLICT && tries % 8 == 7)
            sherd_ring_doubt(uses->ring);
    }
    return err == SHERD_ERR_CONFLICT ? sherd_fail(SHERD_ERR_BUSY, "the count of a master key's uses changes too often")
                                     : err;
}

/* --- taking ------------------------------------------------------------------------------------------------------- */

/* The lease of a version under its limit; a fresh one where there is none. The lock is held. */
static struct lease *lease_of(struct sherd_uses *uses, const struct sherd_ref *kid, uint64_t limit)
{
    struct lease *free = NULL;

    for (size_t i = 0; i < SHERD_MASTERS_MAX; i++) {
        struct lease *lease = &uses->leases[i];

        if (lease->used && sherd_same(&lease->kid, kid, sizeof(*kid))) {
            if (lease->limit == limit)
                return lease;
            lease->used = false;
        }
        if (!lease->used)
            free = lease;
    }
    if (free == NULL)
        free = &uses->leases[uses->oldest++ % SHERD_MASTERS_MAX];
    *free = (struct lease){.used = true, .kid = *kid, .limit = limit, .next = 1};
    return free;
}

static bool take_left(struct lease *lease, const struct sherd_uses_want *want)
{
    if (lease->left.wraps < want->wraps || lease->left.entities < want->entities)
        return false;
    lease->left.wraps -= want->wraps;
    lease->left.entities -= want->entities;
    return true;
}

/* So many at most are reserved beyond what is wanted at the moment. */
static uint64_t at_most(const struct lease *lease, uint64_t count)
{
    const uint64_t part = (lease->limit + LIMIT_PARTS - 1) / LIMIT_PARTS;
    const uint64_t max = part < SHERD_USES_RESERVED_MAX ? part : SHERD_USES_RESERVED_MAX;

    return count < max ? count : max;
}

/* Reserve more, with the lock given back meanwhile. */
static enum sherd_err extend(struct sherd_uses *uses, const struct lease *lease, const struct sherd_uses_want *want,
                             bool *out_full)
{
    const struct lease before = *lease;
    struct sherd_uses_want got = {0};

    uses->reserving = true;
    (void)pthread_mutex_unlock(&uses->lock);
    const enum sherd_err err = reserve(uses, &before, want, &got, out_full);
    (void)pthread_mutex_lock(&uses->lock);
    uses->reserving = false;
    (void)pthread_cond_broadcast(&uses->ended);
    SHERD_TRY(err);
    struct lease *after = lease_of(uses, &before.kid, before.limit);
    after->left.wraps += got.wraps;
    after->left.entities += got.entities;
    after->next = at_most(after, before.next * 2);
    return SHERD_OK;
}

static enum sherd_err take(struct sherd_uses *uses, const struct sherd_ref *kid, uint64_t limit,
                           const struct sherd_uses_want *want, bool *out_full)
{
    enum sherd_err err = SHERD_OK;

    *out_full = false;
    (void)pthread_mutex_lock(&uses->lock);
    while (err == SHERD_OK && !*out_full) {
        struct lease *lease = lease_of(uses, kid, limit);

        if (take_left(lease, want))
            break;
        if (uses->reserving)
            (void)pthread_cond_wait(&uses->ended, &uses->lock);
        else
            err = extend(uses, lease, want, out_full);
    }
    (void)pthread_mutex_unlock(&uses->lock);
    return err;
}

static enum sherd_err limit_of(struct sherd_uses *uses, const struct sherd_ref *kid, uint64_t *out_limit)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(uses->ring, &keyring));
    const struct sherd_master *master = sherd_keyring_master(keyring, kid);
    if (master != NULL)
        *out_limit = sherd_uses_limit(keyring, master);
    sherd_ring_leave(uses->ring);
    return master != NULL ? SHERD_OK : changing();
}

enum sherd_err sherd_uses_take(struct sherd_uses *uses, const struct sherd_ref *kid, const struct sherd_uses_want *want,
                               bool *out_full)
{
    uint64_t limit;

    SHERD_TRY(limit_of(uses, kid, &limit));
    return take(uses, kid, limit, want, out_full);
}

enum sherd_err sherd_uses_expect(struct sherd_uses *uses, const struct sherd_ref *kid, uint64_t wraps)
{
    uint64_t limit;

    SHERD_TRY(limit_of(uses, kid, &limit));
    (void)pthread_mutex_lock(&uses->lock);
    struct lease *lease = lease_of(uses, kid, limit);
    if (wraps > lease->left.wraps)
        lease->next = at_most(lease, wraps - lease->left.wraps);
    (void)pthread_mutex_unlock(&uses->lock);
    return SHERD_OK;
}

/* --- checking ----------------------------------------------------------------------------------------------------- */

static enum sherd_err check_belongs(struct sherd_uses *uses, const struct sherd_ref *kid)
{
    const struct sherd_keyring *keyring;

    SHERD_TRY(sherd_ring_hold(uses->ring, &keyring));
    const struct sherd_master *master = sherd_keyring_master(keyring, kid);
    const bool belongs = master != NULL && sherd_uses_are_counted(master);
    sherd_ring_leave(uses->ring);
    return belongs ? SHERD_OK : tampered();
}

enum sherd_err sherd_uses_check(struct sherd_uses *uses, const struct sherd_ref *name, struct sherd_span stored)
{
    struct sherd_key_uses count;
    bool still;

    SHERD_TRY(open_entry(uses, name, stored, &count));
    if (check_belongs(uses, &count.master) == SHERD_OK)
        return SHERD_OK;
    SHERD_TRY(sherd_compartment_still(uses->compartment, *name, stored, &still)); /* or its version has ended since */
    if (!still)
        return SHERD_OK;
    sherd_ring_doubt(uses->ring); /* or was made since, by somebody who could not tell */
    return check_belongs(uses, &count.master);
}

enum sherd_err sherd_uses_check_all(struct sherd_uses *uses)
{
    struct sherd_ref kids[SHERD_MASTERS_MAX];
    const struct sherd_keyring *keyring;
    struct sherd_key_uses count;
    size_t kid_count = 0;

    SHERD_TRY(sherd_ring_hold(uses->ring, &keyring));
    for (size_t i = 0; i < keyring->master_count; i++)
        if (sherd_uses_are_counted(&keyring->masters[i]))
            kids[kid_count++] = keyring->masters[i].kid;
    sherd_ring_leave(uses->ring);
    for (size_t i = 0; i < kid_count; i++) {
        const enum sherd_err err = sherd_uses_read(uses, &kids[i], &count);

        if (err != SHERD_ERR_CONFLICT) /* it has ended since */
            SHERD_TRY(err);
    }
    return SHERD_OK;
}
