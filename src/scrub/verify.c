/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verify: reads and checks everything of one record, or of the whole vault.
 *
 * Of the whole vault: every entry of `keys`, and for each pin its map entry, its fragment, the fragment's digest and
 * every tag; every entry of `identity` and `assets`; then what no pin names, which is counted and left to the sweeper.
 * Nothing is held still meanwhile: a finding about a record counts only if the anchor still says what it said when the
 * record was looked at.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/merkle.h"
#include "cryptor/load.h"
#include <stdatomic.h>
#include <stdio.h>

/* Entries of `keys` that are looked at in one go. */
#define PAGE_MAX 512U
/* Chunks of a blob that one thread checks at a time, and that all threads together do in one round. */
#define STRIPE_CHUNKS ((size_t)16)
#define ROUND_STRIPES ((size_t)64)

struct verify {
    struct sherd_vault *vault;
    const struct sherd_observer *observer;
    pthread_mutex_t lock; /* guards stat, the observer and stopped */
    struct sherd_verify_stat stat;
    bool stopped;
    uint64_t total_bytes;
};

static void find(struct verify *verify, struct sherd_finding finding)
{
    (void)pthread_mutex_lock(&verify->lock);
    verify->stat.finding_count++;
    if (verify->observer->finding != NULL)
        verify->observer->finding(verify->observer->arg, &finding);
    (void)pthread_mutex_unlock(&verify->lock);
}

static void find_record(struct verify *verify, enum sherd_finding_kind kind, const struct sherd_pin *pin,
                        const char *text)
{
    find(verify, (struct sherd_finding){.kind = kind,
                                        .compartment = kind == SHERD_FINDING_MAP ? "assets" : "secrets",
                                        .has_record = true,
                                        .id = pin->record,
                                        .version = pin->version,
                                        .text = text});
}

static void find_entry(struct verify *verify, enum sherd_finding_kind kind, const char *compartment,
                       const struct sherd_ref *name)
{
    char text[80];
    size_t len = (size_t)snprintf(text, sizeof(text), "entry ");

    for (size_t i = 0; i < sizeof(name->bytes); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%02x", name->bytes[i]);
    (void)snprintf(text + len, sizeof(text) - len, " does not verify");
    find(verify, (struct sherd_finding){.kind = kind, .compartment = compartment, .text = text});
}

/* Count what was checked, tell the observer, and hear from it. @return SHERD_ERR_BUSY: it wants to stop */
static enum sherd_err advance(struct verify *verify, uint64_t content_bytes)
{
    (void)pthread_mutex_lock(&verify->lock);
    verify->stat.content_bytes += content_bytes;
    if (verify->observer->progress != NULL && !verify->stopped)
        verify->stopped = !verify->observer->progress(verify->observer->arg, verify->stat.content_bytes,
                                                      verify->total_bytes);
    const bool stopped = verify->stopped;
    (void)pthread_mutex_unlock(&verify->lock);
    return stopped ? sherd_fail(SHERD_ERR_BUSY, "verifying was stopped") : SHERD_OK;
}

static enum sherd_err check_inline(struct verify *verify, const struct sherd_loaded *loaded)
{
    const size_t room = loaded->fragment.len;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(room);
    struct sherd_digest digest;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf plain = sherd_buf_borrow(block, room);
    SHERD_TRY(sherd_fragment_digest(sherd_buf_span(&loaded->fragment), &digest));
    if (!sherd_same(&digest, &loaded->view.pin.digest, sizeof(digest)))
        return sherd_fail(SHERD_ERR_TAMPERED, "the fragment is not the one that was pinned");
    SHERD_TRY(sherd_loaded_open_inline(loaded, &plain));
    return advance(verify, loaded->map.content_bytes);
}

/* One round over the chunks of a blob: stripes are checked by all threads, their leaves then added in order. */
struct round {
    struct verify *verify;
    const struct sherd_loaded *loaded;
    const struct sherd_aead_message *message;
    uint64_t plain_bytes;
    uint64_t chunk_count;
    uint64_t first_chunk;
    struct sherd_digest *leaves; /* ROUND_STRIPES * STRIPE_CHUNKS */
};

static size_t chunk_plain_bytes(const struct round *round, uint64_t index)
{
    const uint64_t left = round->plain_bytes - index * SHERD_AEAD_CHUNK_SIZE;

    return left < SHERD_AEAD_CHUNK_SIZE ? (size_t)left : SHERD_AEAD_CHUNK_SIZE;
}

static enum sherd_err check_chunks(struct round *round, struct sherd_aead_message *message, uint64_t first,
                                   size_t count, uint8_t *sealed, uint8_t *plain)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += chunk_plain_bytes(round, first + i) + SHERD_AEAD_TAG_SIZE;
    const enum sherd_err err = sherd_blob_read(round->loaded->blob, sherd_fragment_chunk_offset(first), sealed, bytes);
    if (err == SHERD_ERR_LIMIT)
        return sherd_fail(SHERD_ERR_TAMPERED, "the fragment was cut");
    SHERD_TRY(err);
    for (size_t i = 0; i < count; i++) {
        const size_t plain_bytes = chunk_plain_bytes(round, first + i);
        const struct sherd_span chunk = {sealed + i * SHERD_AEAD_SEALED_CHUNK_SIZE, plain_bytes + SHERD_AEAD_TAG_SIZE};

        SHERD_TRY(sherd_merkle_leaf(chunk, &round->leaves[first + i - round->first_chunk]));
        SHERD_TRY(sherd_aead_chunk_open(message, first + i, chunk, plain));
    }
    return SHERD_OK;
}

/* Bytes of contents, padding left out, in count chunks from first on. */
static uint64_t content_in(const struct round *round, uint64_t first, size_t count)
{
    const uint64_t content_bytes = round->loaded->map.content_bytes;
    const uint64_t begin = first * SHERD_AEAD_CHUNK_SIZE;
    const uint64_t bytes = count * SHERD_AEAD_CHUNK_SIZE;

    if (begin >= content_bytes)
        return 0;
    return content_bytes - begin < bytes ? content_bytes - begin : bytes;
}

static enum sherd_err check_stripe(void *arg, size_t index)
{
    struct round *round = arg;
    const uint64_t first = round->first_chunk + index * STRIPE_CHUNKS;
    const uint64_t left = round->chunk_count - first;
    const size_t count = left < STRIPE_CHUNKS ? (size_t)left : STRIPE_CHUNKS;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *plain = sherd_secret_alloc(SHERD_AEAD_CHUNK_SIZE);
    uint8_t *sealed = sherd_alloc(STRIPE_CHUNKS * SHERD_AEAD_SEALED_CHUNK_SIZE);
    enum sherd_err err = plain != NULL && sealed != NULL ? sherd_aead_message_clone(round->message, &message)
                                                         : SHERD_ERR_NO_MEMORY;

    if (err == SHERD_OK)
        err = check_chunks(round, message, first, count, sealed, plain);
    sherd_free(sealed);
    SHERD_TRY(err);
    return advance(round->verify, content_in(round, first, count));
}

static enum sherd_err check_rounds(struct round *round, struct sherd_merkle *tree)
{
    while (round->first_chunk < round->chunk_count) {
        const uint64_t left = round->chunk_count - round->first_chunk;
        const uint64_t count = left < ROUND_STRIPES * STRIPE_CHUNKS ? left : ROUND_STRIPES * STRIPE_CHUNKS;

        SHERD_TRY(sherd_pool_each(round->verify->vault->pool, (size_t)((count + STRIPE_CHUNKS - 1) / STRIPE_CHUNKS),
                                  check_stripe, round));
        for (size_t i = 0; i < count; i++)
            SHERD_TRY(sherd_merkle_add(tree, &round->leaves[i]));
        round->first_chunk += count;
    }
    return SHERD_OK;
}

static enum sherd_err check_blob(struct verify *verify, const struct sherd_loaded *loaded)
{
    struct round round = {.verify = verify, .loaded = loaded};
    struct sherd_merkle tree = {0};
    struct sherd_digest digest;
    SHERD_CLEANUP(sherd_aead_message_freep) struct sherd_aead_message *message = NULL;

    SHERD_TRY(sherd_aead_plain_bytes(loaded->map.fragment_bytes - SHERD_FRAGMENT_PREFIX_SIZE, &round.plain_bytes));
    round.chunk_count = round.plain_bytes / SHERD_AEAD_CHUNK_SIZE + 1;
    SHERD_TRY(sherd_aead_message_open_begin(loaded->keys->content.bytes, sherd_context_span(&loaded->context),
                                            sherd_span_of(loaded->head + SHERD_FRAGMENT_PREFIX_SIZE,
                                                          SHERD_AEAD_HEADER_SIZE),
                                            &message));
    round.message = message;
    SHERD_TRY(sherd_merkle_leaf(sherd_span_of(loaded->head, sizeof(loaded->head)), &digest));
    SHERD_TRY(sherd_merkle_add(&tree, &digest));
    round.leaves = sherd_alloc_array(ROUND_STRIPES * STRIPE_CHUNKS, sizeof(*round.leaves));
    if (round.leaves == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = check_rounds(&round, &tree);
    sherd_free(round.leaves);
    SHERD_TRY(err);
    SHERD_TRY(sherd_merkle_root(&tree, &digest));
    if (round.plain_bytes < loaded->map.content_bytes || !sherd_same(&digest, &loaded->view.pin.digest, sizeof(digest)))
        return sherd_fail(SHERD_ERR_TAMPERED, "the fragment is not the one that was pinned");
    return SHERD_OK;
}

static enum sherd_err check_loaded(struct verify *verify, const struct sherd_loaded *loaded)
{
    return loaded->map.blob ? check_blob(verify, loaded) : check_inline(verify, loaded);
}

/*
 * Whether a version that failed to verify is still pinned as it was: otherwise it was changed while it was looked at.
 */
static enum sherd_err still_pinned(struct verify *verify, const struct sherd_pin *pin, bool *out_still)
{
    struct sherd_anchor *anchor = verify->vault->anchor;
    struct sherd_pin_view now;

    const enum sherd_err err = anchor->ops->pin_get(anchor, pin->record, pin->version, &now, NULL);
    *out_still = err == SHERD_OK && sherd_same(&now.pin.map, &pin->map, sizeof(pin->map));
    return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}

/* Check one pinned version. A violation is a finding, not an error. */
static enum sherd_err check_version(struct verify *verify, const struct sherd_pin *pin)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};
    enum sherd_finding_kind kind = SHERD_FINDING_FRAGMENT;
    bool still = true;

    enum sherd_err err = sherd_load(verify->vault, pin->record, pin->version, &loaded);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK; /* deleted meanwhile */
    if (err == SHERD_ERR_TAMPERED) {
        SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded located = {0};

        if (sherd_locate(verify->vault, pin->record, pin->version, &located) == SHERD_ERR_TAMPERED)
            kind = SHERD_FINDING_MAP;
    } else if (err == SHERD_OK) {
        err = check_loaded(verify, &loaded);
        if (err == SHERD_ERR_TAMPERED)
            SHERD_TRY(still_pinned(verify, pin, &still));
    }
    if (err == SHERD_ERR_TAMPERED && still) {
        find_record(verify, kind, pin,
                    kind == SHERD_FINDING_MAP ? "its map entry is missing or does not verify"
                                              : "its fragment is missing or does not verify");
        err = SHERD_OK;
    }
    if (err == SHERD_ERR_TAMPERED)
        err = SHERD_OK;
    (void)pthread_mutex_lock(&verify->lock);
    verify->stat.version_count++;
    (void)pthread_mutex_unlock(&verify->lock);
    return err;
}

/* A page of pins: gathered in a scan, checked after it. */
struct page {
    struct verify *verify;
    size_t count;
    struct sherd_pin pins[PAGE_MAX];
    size_t collection_count;
    struct sherd_uuid collections[PAGE_MAX];
};

static enum sherd_err visit_key_entry(void *arg, const struct sherd_anchor_entry *entry)
{
    struct page *page = arg;

    if (entry->status != SHERD_OK)
        find_entry(page->verify, SHERD_FINDING_PIN, "keys", &entry->name);
    else if (entry->pin != NULL)
        page->pins[page->count++] = *entry->pin;
    if (entry->collection != NULL)
        page->collections[page->collection_count++] = *entry->collection;
    if (entry->kind == SHERD_KIND_PIN && entry->status == SHERD_OK)
        page->verify->stat.record_count++;
    return SHERD_OK;
}

static enum sherd_err check_page_entry(void *arg, size_t index)
{
    struct page *page = arg;

    return check_version(page->verify, &page->pins[index]);
}

/*
 * Each collection that is pinned must be there, under its id and under its name. Entries that are there are met later.
 */
static enum sherd_err check_collections(struct verify *verify, const struct page *page)
{
    for (size_t i = 0; i < page->collection_count; i++) {
        struct sherd_collection_entry entry;
        const enum sherd_err err = sherd_assets_collection_by_id(&verify->vault->assets, &page->collections[i], &entry);

        if (err == SHERD_ERR_TAMPERED)
            find(verify, (struct sherd_finding){.kind = SHERD_FINDING_ENTRY,
                                                .compartment = "assets",
                                                .text = "a collection is missing or does not verify"});
        else
            SHERD_TRY(err);
    }
    return SHERD_OK;
}

static enum sherd_err check_pages(struct verify *verify, struct page *page)
{
    struct sherd_anchor *anchor = verify->vault->anchor;
    struct sherd_ref after;
    size_t seen = PAGE_MAX;
    bool first = true;

    while (seen == PAGE_MAX) {
        struct sherd_ref last;

        page->count = 0;
        page->collection_count = 0;
        SHERD_TRY(anchor->ops->scan(anchor, first ? NULL : &after, PAGE_MAX, visit_key_entry, page, &last, &seen));
        SHERD_TRY(check_collections(verify, page));
        SHERD_TRY(sherd_pool_each(verify->vault->pool, page->count, check_page_entry, page));
        after = last;
        first = false;
    }
    return SHERD_OK;
}

static enum sherd_err visit_asset(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct verify *verify = arg;
    const struct sherd_assets *assets = &verify->vault->assets;
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_PAYLOAD_BYTES_MAX);
    SHERD_CLEANUP(sherd_map_wipe) struct sherd_map map = {0};
    enum sherd_err err;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf payload = sherd_buf_borrow(block, SHERD_PAYLOAD_BYTES_MAX);
    if (sherd_assets_is_map(assets, stored))
        err = sherd_assets_map_open(assets, &name, stored, &payload, &map);
    else
        err = sherd_assets_entry_check(assets, &name, stored);
    if (err != SHERD_ERR_TAMPERED)
        return err;
    find_entry(verify, SHERD_FINDING_ENTRY, "assets", &name);
    return SHERD_OK;
}

static enum sherd_err check_identity(struct verify *verify, const struct sherd_ref *name, struct sherd_span stored)
{
    const struct sherd_entry_keys *keys = &verify->vault->identity_keys;
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_uuid tenant;
    struct sherd_span tlv;
    char principal[64];
    enum sherd_kind kind;

    SHERD_TRY(sherd_entry_kind(keys, stored, &kind));
    SHERD_TRY(sherd_entry_open(keys, kind, name, stored, &payload, &tlv)); /* bound to its name: a copy does not open */
    if (kind == SHERD_KIND_COMPARTMENT)
        return verify->vault->anchor->ops->compartment_check(verify->vault->anchor, SHERD_IDENTITY, stored);
    return sherd_principal_decode(tlv, &tenant, principal);
}

static enum sherd_err visit_identity(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    const enum sherd_err err = check_identity(arg, &name, stored);

    if (err != SHERD_ERR_TAMPERED)
        return err;
    find_entry(arg, SHERD_FINDING_ENTRY, "identity", &name);
    return SHERD_OK;
}

static enum sherd_err scan_compartment(struct sherd_compartment *compartment, sherd_store_visit_fn *visit,
                                       struct verify *verify)
{
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(compartment, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, NULL, visit, verify);
    sherd_snapshot_end(snapshot);
    return err;
}

static bool is_there(struct sherd_compartment *compartment, const struct sherd_ref *name)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));

    return sherd_compartment_get(compartment, *name, &stored) != SHERD_ERR_NOT_FOUND;
}

/* The entry that says whose a compartment is. Where all entries are opened, only a missing one was not met already. */
static enum sherd_err check_owner(struct verify *verify, enum sherd_role role, struct sherd_compartment *compartment)
{
    struct sherd_ref name;

    const enum sherd_err err = sherd_vault_check_owner(verify->vault, role, compartment, &name);
    if (err != SHERD_ERR_TAMPERED)
        return err;
    if (role == SHERD_SECRETS || !is_there(compartment, &name))
        find_entry(verify, SHERD_FINDING_ENTRY, sherd_role_name(role), &name);
    return SHERD_OK;
}

static enum sherd_err check_owners(struct verify *verify)
{
    const struct sherd_vault *vault = verify->vault;

    SHERD_TRY(check_owner(verify, SHERD_IDENTITY, vault->identity));
    SHERD_TRY(check_owner(verify, SHERD_ASSETS, vault->assets.compartment));
    SHERD_TRY(check_owner(verify, SHERD_SECRETS, vault->secrets));
    return check_owner(verify, SHERD_KEYS, vault->keys);
}

/* What no pin names. Where entries do not verify that was found before, and what they lead to cannot be told. */
static enum sherd_err count_orphans(struct verify *verify)
{
    struct sherd_sweep_stat sweep;

    const enum sherd_err err = sherd_vault_sweep(verify->vault, true, &sweep);
    if (err == SHERD_OK)
        verify->stat.orphan_count = sweep.map_count + sweep.fragment_count;
    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static enum sherd_err check_vault(struct verify *verify)
{
    struct page *page = sherd_alloc(sizeof(*page));

    if (page == NULL)
        return SHERD_ERR_NO_MEMORY;
    page->verify = verify;
    const enum sherd_err err = check_pages(verify, page);
    sherd_free(page);
    SHERD_TRY(err);
    SHERD_TRY(scan_compartment(verify->vault->assets.compartment, visit_asset, verify));
    SHERD_TRY(scan_compartment(verify->vault->identity, visit_identity, verify));
    SHERD_TRY(check_owners(verify));
    return count_orphans(verify);
}

static void find_pin(struct verify *verify, struct sherd_uuid id, uint64_t version)
{
    find(verify, (struct sherd_finding){.kind = SHERD_FINDING_PIN,
                                        .compartment = "keys",
                                        .has_record = true,
                                        .id = id,
                                        .version = version,
                                        .text = "its pin is missing or does not verify"});
}

static enum sherd_err check_record(struct verify *verify, struct sherd_uuid id)
{
    struct sherd_anchor *anchor = verify->vault->anchor;
    struct sherd_pin_view head;

    const enum sherd_err head_err = anchor->ops->pin_get(anchor, id, 0, &head, NULL);
    if (head_err == SHERD_ERR_TAMPERED) {
        find_pin(verify, id, 0);
        return SHERD_OK;
    }
    SHERD_TRY(head_err);
    verify->stat.record_count = 1;
    for (uint64_t version = head.version_current; version >= head.version_oldest; version--) {
        struct sherd_pin_view view;
        const enum sherd_err err = anchor->ops->pin_get(anchor, id, version, &view, NULL);

        if (err == SHERD_OK)
            verify->total_bytes += view.pin.fragment_bytes;
        if (err == SHERD_ERR_TAMPERED)
            find_pin(verify, id, version);
        else if (err != SHERD_ERR_NOT_FOUND)
            SHERD_TRY(err == SHERD_OK ? check_version(verify, &view.pin) : err);
    }
    return SHERD_OK;
}

/* How much there is to do. Of one record that is known when its pins are: counting a store takes as long as it is. */
static enum sherd_err measure(struct verify *verify)
{
    struct sherd_store_stat stat;

    SHERD_TRY(sherd_compartment_stat(verify->vault->secrets, &stat));
    verify->total_bytes = stat.entry_bytes + stat.blob_bytes;
    return SHERD_OK;
}

enum sherd_err sherd_vault_verify(struct sherd_vault *vault, const struct sherd_uuid *id,
                                  const struct sherd_observer *observer, struct sherd_verify_stat *out_stat)
{
    static const struct sherd_observer silent = {0};
    struct verify verify = {.vault = vault, .observer = observer != NULL ? observer : &silent};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(out_stat != NULL, SHERD_ERR_INVALID, "a place for the answer is needed");
    if (pthread_mutex_init(&verify.lock, NULL) != 0)
        return sherd_fail(SHERD_ERR_NO_MEMORY, "a lock could not be made");
    enum sherd_err err = id != NULL ? SHERD_OK : measure(&verify);
    if (err == SHERD_OK)
        err = id != NULL ? check_record(&verify, *id) : check_vault(&verify);
    (void)pthread_mutex_destroy(&verify.lock);
    *out_stat = verify.stat;
    SHERD_TRY(err);
    if (verify.stat.finding_count > 0)
        return sherd_fail(SHERD_ERR_TAMPERED, "%llu violations of integrity",
                          (unsigned long long)verify.stat.finding_count);
    return SHERD_OK;
}
