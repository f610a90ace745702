/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of master keys in compartments: see key_parts.h. */
#include "anchor/embedded/key_parts.h"
#include "base/mem.h"
#include "kms/places.h"

/* Parts that are looked at, and removed, at once. */
#define PAGE_MAX ((size_t)1024)

/* Which set of which version of a master key a part is of. */
struct owner {
    struct sherd_ref kid;
    struct sherd_ref set;
};

static enum sherd_err open_part(struct sherd_embedded *self, enum sherd_role role, const struct sherd_ref *name,
                                struct sherd_span stored, struct owner *out_owner)
{
    const struct sherd_entry_keys keys = sherd_embedded_keys(self, role);
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&keys, SHERD_KIND_KEY_PART, name, stored, &payload, &tlv));
    return sherd_key_part_owner(tlv, &out_owner->kid, &out_owner->set);
}

static bool is_named(const struct sherd_keyring *keyring, const struct owner *owner)
{
    const struct sherd_master *master = sherd_keyring_master(keyring, &owner->kid);

    return master != NULL && sherd_master_names_set(master, &owner->set);
}

enum sherd_err sherd_embedded_part_check(struct sherd_anchor *anchor, enum sherd_role role,
                                         const struct sherd_ref *name, struct sherd_span stored, bool *out_live)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    const struct sherd_keyring *keyring;
    struct owner owner;

    SHERD_TRY(open_part(self, role, name, stored, &owner));
    SHERD_TRY(sherd_ring_hold(self->ring, &keyring));
    *out_live = is_named(keyring, &owner);
    sherd_ring_leave(self->ring);
    return SHERD_OK;
}

/* --- listing ------------------------------------------------------------------------------------------------------ */

struct left {
    struct sherd_ref name;
    struct owner owner;
};

/* Parts of one compartment that the keyring did not name when they were met; names ascend. */
struct page {
    struct sherd_embedded *self;
    enum sherd_role role;
    struct sherd_compartment *compartment;
    bool dry_run;
    bool full; /* ended by us, behind last */
    struct sherd_ref last;
    size_t count;
    struct left left[PAGE_MAX];
};

/* Sealed anew since the snapshot was taken: the part as it lies there now. SHERD_ERR_NOT_FOUND: it is gone. */
static enum sherd_err open_now(const struct page *page, const struct sherd_ref *name, struct owner *out_owner)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));

    SHERD_TRY(sherd_compartment_get(page->compartment, *name, &stored));
    return open_part(page->self, page->role, name, sherd_buf_span(&stored), out_owner);
}

static enum sherd_err list_one(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct page *page = arg;
    const struct sherd_keyring *keyring;
    struct owner owner;

    if (!sherd_entry_is_key_part((enum sherd_purpose)page->role, stored))
        return SHERD_OK;
    enum sherd_err err = open_part(page->self, page->role, &name, stored, &owner);
    if (err == SHERD_ERR_DENIED)
        err = open_now(page, &name, &owner);
    if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_TAMPERED || err == SHERD_ERR_LIMIT || err == SHERD_ERR_DENIED)
        return SHERD_OK; /* gone; or it does not verify, which is for who verifies */
    SHERD_TRY(err);
    SHERD_TRY(sherd_ring_hold(page->self->ring, &keyring));
    const bool named = is_named(keyring, &owner);
    sherd_ring_leave(page->self->ring);
    if (named)
        return SHERD_OK;
    page->left[page->count++] = (struct left){.name = name, .owner = owner};
    page->last = name;
    page->full = page->count == PAGE_MAX;
    return page->full ? SHERD_ERR_LIMIT : SHERD_OK; /* taken back in list() */
}

static enum sherd_err list(struct page *page, bool first)
{
    struct sherd_snapshot *snapshot;

    page->count = 0;
    page->full = false;
    SHERD_TRY(sherd_compartment_snapshot_begin(page->compartment, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, first ? NULL : &page->last, list_one, page);
    sherd_snapshot_end(snapshot);
    return page->full ? SHERD_OK : err;
}

/* --- deciding ----------------------------------------------------------------------------------------------------- */

/* Of what was listed only that stays which the keyring does not name. */
static void drop_named(struct page *page, const struct sherd_keyring *keyring)
{
    size_t count = 0;

    for (size_t i = 0; i < page->count; i++)
        if (!is_named(keyring, &page->left[i].owner))
            page->left[count++] = page->left[i];
    page->count = count;
}

static enum sherd_err decide_in(void *arg, struct sherd_keyring *keyring)
{
    struct page *page = arg;

    drop_named(page, keyring);
    return page->count > 0 ? SHERD_OK : SHERD_ERR_NOT_FOUND; /* taken back in decide() */
}

static enum sherd_err look_in(void *arg, const struct sherd_keyring *keyring)
{
    drop_named(arg, keyring);
    return SHERD_OK;
}

/* Where the vault is open for reading only nobody can wait for who changes the keyring: what it says is good enough. */
static enum sherd_err look(struct page *page)
{
    const struct sherd_keyring *keyring;

    const enum sherd_err err = sherd_ring_look(page->self->ring, look_in, page);
    if (err != SHERD_ERR_DENIED)
        return err;
    sherd_ring_doubt(page->self->ring);
    SHERD_TRY(sherd_ring_hold(page->self->ring, &keyring));
    drop_named(page, keyring);
    sherd_ring_leave(page->self->ring);
    return SHERD_OK;
}

static enum sherd_err decide(struct page *page)
{
    if (page->count == 0)
        return SHERD_OK;
    if (page->dry_run)
        return look(page);
    const enum sherd_err err = sherd_ring_change(page->self->ring, decide_in, page);
    return err == SHERD_ERR_NOT_FOUND && page->count == 0 ? SHERD_OK : err;
}

/* --- removing ----------------------------------------------------------------------------------------------------- */

static enum sherd_err remove_left(const struct page *page)
{
    struct sherd_store_op *ops;

    if (page->count == 0 || page->dry_run)
        return SHERD_OK;
    ops = sherd_alloc_array(page->count, sizeof(*ops));
    if (ops == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < page->count; i++)
        ops[i] = (struct sherd_store_op){.kind = SHERD_STORE_DELETE, .name = page->left[i].name};
    const enum sherd_err err = sherd_compartment_write(page->compartment, ops, page->count);
    sherd_free(ops);
    return err;
}

static enum sherd_err sweep_compartment(struct page *page, uint64_t *count)
{
    page->full = true;
    for (bool first = true; page->full; first = false) {
        SHERD_TRY(list(page, first));
        SHERD_TRY(decide(page));
        SHERD_TRY(remove_left(page));
        *count += page->count;
    }
    return SHERD_OK;
}

enum sherd_err sherd_embedded_parts_sweep(struct sherd_anchor *anchor, bool dry_run, uint64_t *out_count)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct page *page = sherd_alloc(sizeof(*page));
    enum sherd_err err = SHERD_OK;
    uint64_t count = 0;

    if (page == NULL)
        return SHERD_ERR_NO_MEMORY;
    page->self = self;
    page->dry_run = dry_run;
    for (unsigned role = SHERD_IDENTITY; role <= SHERD_KEYS && err == SHERD_OK; role++) {
        page->role = (enum sherd_role)role;
        page->compartment = role == SHERD_KEYS ? self->compartment : self->others[role - 1];
        if (page->compartment != NULL)
            err = sweep_compartment(page, &count);
    }
    sherd_free(page);
    if (err == SHERD_OK)
        *out_count = count;
    return err;
}
