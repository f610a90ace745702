/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which a version becomes durable: fragment, map entry, pin; and in which it goes: pin, fragment, map
 * entry. docs/decisions/0004-commit-order.md says why each crash between two steps is harmless.
 */
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cryptor/hold.h"
#include "cryptor/version.h"

/* Versions whose remains are removed in one write set. */
#define DROP_MAX 256U

static enum sherd_err commit_fragments(struct sherd_vault *vault, struct sherd_version *const *versions, size_t count,
                                       struct sherd_store_op *ops)
{
    size_t op_count = 0;

    for (size_t i = 0; i < count; i++) {
        if (versions[i]->map.blob) {
            struct sherd_blob_writer *blob = versions[i]->blob;

            versions[i]->blob = NULL; /* consumed, also on failure */
            SHERD_TRY(sherd_compartment_blob_commit(vault->secrets, blob, versions[i]->map.data));
            continue;
        }
        ops[op_count++] = (struct sherd_store_op){.kind = SHERD_STORE_PUT,
                                                  .expect = SHERD_EXPECT_ABSENT,
                                                  .name = versions[i]->map.data,
                                                  .value = sherd_buf_span(&versions[i]->fragment)};
    }
    if (op_count == 0)
        return SHERD_OK;
    sherd_store_ops_order(ops, op_count);
    return sherd_compartment_write(vault->secrets, ops, op_count);
}

/*
 * Map entries that were sealed before the store key of `assets` was followed by another are sealed anew: within the
 * window, so that a rekeying that waits for it meets all that lies under older ones.
 */
static enum sherd_err renew_maps(struct sherd_vault *vault, struct sherd_version *const *versions, size_t count)
{
    uint32_t newest;

    SHERD_TRY(sherd_entry_newest(&vault->assets.keys, &newest));
    for (size_t i = 0; i < count; i++) {
        struct sherd_version *version = versions[i];

        if (sherd_entry_version(sherd_buf_span(&version->map_entry)) == newest)
            continue;
        sherd_buf_clear(&version->map_entry);
        SHERD_TRY(sherd_assets_map_seal(&vault->assets, &version->change.pin.map, &version->map, &version->map_entry));
    }
    return SHERD_OK;
}

static enum sherd_err commit_maps(struct sherd_vault *vault, struct sherd_version *const *versions, size_t count,
                                  struct sherd_store_op *ops)
{
    SHERD_TRY(renew_maps(vault, versions, count));
    for (size_t i = 0; i < count; i++)
        ops[i] = (struct sherd_store_op){.kind = SHERD_STORE_PUT,
                                         .expect = SHERD_EXPECT_ABSENT,
                                         .name = versions[i]->change.pin.map,
                                         .value = sherd_buf_span(&versions[i]->map_entry)};
    sherd_store_ops_order(ops, count);
    return sherd_compartment_write(vault->assets.compartment, ops, count);
}

/* What the ledger is to say of each is known only now. */
static enum sherd_err describe_changes(struct sherd_version *const *versions, size_t count,
                                       struct sherd_pin_change *changes)
{
    for (size_t i = 0; i < count; i++) {
        const struct sherd_span map = sherd_buf_span(&versions[i]->map_entry);

        changes[i] = versions[i]->change;
        changes[i].fragment = versions[i]->map.data;
        changes[i].readable = versions[i]->map.readable;
        SHERD_TRY(sherd_hash(SHERD_SHA256, &map, 1, changes[i].map_digest.bytes));
    }
    return SHERD_OK;
}

static enum sherd_err commit_pins(struct sherd_vault *vault, struct sherd_version *const *versions, size_t count,
                                  struct sherd_refs *dropped)
{
    struct sherd_pin_change *changes = sherd_alloc_array(count, sizeof(*changes));

    if (changes == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_anchor *anchor = vault->anchor;
    enum sherd_err err = describe_changes(versions, count, changes);
    if (err == SHERD_OK)
        err = changes[0].reseals ? anchor->ops->pin_replace(anchor, changes, count, dropped)
                                 : anchor->ops->pin_commit(anchor, changes, count, dropped);
    sherd_free(changes);
    atomic_store_explicit(&vault->wrote, true, memory_order_relaxed);
    return err;
}

/* Take back what a refused commit has stored. What fails here stays until the next sweep. */
static void take_back(struct sherd_vault *vault, struct sherd_version *const *versions, size_t count)
{
    struct sherd_refs stored = {0};

    for (size_t i = 0; i < count; i++)
        if (sherd_refs_add(&stored, &versions[i]->change.pin.map) != SHERD_OK)
            break;
    (void)sherd_version_drop(vault, &stored);
    sherd_refs_done(&stored);
}

/* The crash points of a put, an update and of sealing anew have names of their own. */
#define COMMIT_POINT(versions, place)                                               \
    SHERD_FAILPOINT((versions)[0]->change.reseals                 ? "reseal." place \
                    : (versions)[0]->change.version_expected != 0 ? "update." place \
                                                                  : "put." place)

static enum sherd_err commit_in_window(struct sherd_vault *vault, struct sherd_version *const *versions, size_t count,
                                       struct sherd_store_op *ops, struct sherd_refs *dropped)
{
    COMMIT_POINT(versions, "before_secrets");
    SHERD_TRY(commit_fragments(vault, versions, count, ops));
    COMMIT_POINT(versions, "after_secrets");
    SHERD_TRY(commit_maps(vault, versions, count, ops));
    COMMIT_POINT(versions, "after_assets");
    SHERD_TRY(commit_pins(vault, versions, count, dropped));
    COMMIT_POINT(versions, "after_pin");
    return SHERD_OK;
}

static enum sherd_err commit_with(struct sherd_vault *vault, struct sherd_version *const *versions, size_t count,
                                  struct sherd_store_op *ops, struct sherd_refs *dropped)
{
    SHERD_TRY(sherd_window_enter(vault->window, false));
    const enum sherd_err err = commit_in_window(vault, versions, count, ops, dropped);
    sherd_window_leave(vault->window, false);
    if (err == SHERD_ERR_CONFLICT || err == SHERD_ERR_NOT_FOUND) { /* another update, or a delete, was first */
        take_back(vault, versions, count);
        return err == SHERD_ERR_NOT_FOUND
                   ? sherd_fail(err, "there is no such record")
                   : sherd_fail(err, "someone else wrote first: read the record again, then retry");
    }
    SHERD_TRY(err);
    (void)sherd_version_drop(vault, dropped); /* what fails here is for the sweeper */
    return SHERD_OK;
}

static enum sherd_err commit_group(struct sherd_vault *vault, struct sherd_version *const *versions, size_t count)
{
    SHERD_CLEANUP(sherd_refs_done) struct sherd_refs dropped = {0};
    struct sherd_store_op *ops = sherd_alloc_array(count, sizeof(*ops));

    if (ops == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = commit_with(vault, versions, count, ops, &dropped);
    sherd_free(ops);
    return err;
}

/* A new record under names that nobody else can hold: its commit is refused only where every other would be. */
static bool may_share(const struct sherd_version *version)
{
    return version->change.version_expected == 0 && version->change.idempotency_key.len == 0 && !version->map.blob;
}

enum sherd_err sherd_version_commit(struct sherd_vault *vault, struct sherd_version *versions, size_t count)
{
    if (count == 1 && may_share(versions))
        return sherd_queue_commit(vault->queue, vault, versions, commit_group);
    struct sherd_version **group = sherd_alloc_array(count, sizeof(struct sherd_version *));
    if (group == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < count; i++)
        group[i] = &versions[i];
    const enum sherd_err err = commit_group(vault, group, count);
    sherd_free(group);
    return err;
}

/* What a version leaves behind, found by its map entry. */
struct remains {
    struct sherd_ref map;
    struct sherd_ref data;
    bool blob;
};

static enum sherd_err find_remains(struct sherd_vault *vault, const struct sherd_ref *map_name,
                                   struct remains *out_remains)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);
    SHERD_CLEANUP(sherd_map_wipe) struct sherd_map map = {0};

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf payload = sherd_buf_borrow(block, SHERD_PAYLOAD_BYTES_MAX);
    SHERD_TRY(sherd_assets_map_get(&vault->assets, map_name, &payload, &map));
    *out_remains = (struct remains){.map = *map_name, .data = map.data, .blob = map.blob};
    return SHERD_OK;
}

static enum sherd_err drop_held(struct sherd_vault *vault, const struct remains *remains, size_t count)
{
    struct sherd_store_op secrets[DROP_MAX];
    struct sherd_store_op assets[DROP_MAX];
    size_t secrets_count = 0;

    for (size_t i = 0; i < count; i++) {
        assets[i] = (struct sherd_store_op){.kind = SHERD_STORE_DELETE, .name = remains[i].map};
        if (remains[i].blob)
            SHERD_TRY(sherd_compartment_blob_delete(vault->secrets, remains[i].data));
        else
            secrets[secrets_count++] = (struct sherd_store_op){.kind = SHERD_STORE_DELETE, .name = remains[i].data};
    }
    if (secrets_count > 0)
        SHERD_TRY(sherd_compartment_write(vault->secrets, secrets, secrets_count));
    SHERD_FAILPOINT("drop.after_secrets");
    return count == 0 ? SHERD_OK : sherd_compartment_write(vault->assets.compartment, assets, count);
}

/* Where a backup holds the blobs, all of it is left to the sweeper. */
static enum sherd_err drop_some(struct sherd_vault *vault, const struct remains *remains, size_t count)
{
    struct sherd_hold hold = {-1};
    bool blobs = false;

    for (size_t i = 0; i < count; i++)
        blobs = blobs || remains[i].blob;
    enum sherd_err err = blobs ? sherd_hold_pass(vault, &hold) : SHERD_OK;
    if (err == SHERD_ERR_BUSY)
        return SHERD_OK;
    SHERD_TRY(err);
    err = drop_held(vault, remains, count);
    sherd_hold_leave(&hold);
    return err;
}

enum sherd_err sherd_version_drop(struct sherd_vault *vault, const struct sherd_refs *dropped)
{
    struct remains remains[DROP_MAX];
    size_t count = 0;

    for (size_t i = 0; i < dropped->count; i++) {
        const enum sherd_err err = find_remains(vault, &dropped->refs[i], &remains[count]);

        if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED)
            continue; /* nothing there, or nothing that says where the fragment is: that is for the sweeper */
        SHERD_TRY(err);
        if (++count == DROP_MAX) {
            SHERD_TRY(drop_some(vault, remains, count));
            count = 0;
        }
    }
    return drop_some(vault, remains, count);
}
