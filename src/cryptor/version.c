/* SPDX-License-Identifier: Apache-2.0 */
/* A version on its way in, up to the sealed fragment: see version.h. Making it durable: commit.c. */
#include "cryptor/links.h"
#include "cryptor/load.h"
#include "cryptor/rows.h"
#include "cryptor/sealed.h"
#include "cryptor/version.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "envelope/attributes.h"
#include <string.h>

void sherd_content_context(const struct sherd_vault *vault, const struct sherd_pin *pin,
                           struct sherd_context *out_context)
{
    const struct sherd_scope scope = {.deployment = vault->deployment,
                                      .tenant = vault->tenant,
                                      .collection = pin->collection,
                                      .entity = pin->entity,
                                      .record = pin->record,
                                      .version = pin->version};

    sherd_context_of_scope(&scope, SHERD_FOR_CONTENT, 0, 0, out_context);
}

enum sherd_err sherd_content_key_derive(struct sherd_version_keys *keys, const struct sherd_context *context)
{
    /*
     * record key, share in assets and share in secrets lie one behind the other, which is the input of the derivation
     */
    _Static_assert(offsetof(struct sherd_version_keys, content) == (size_t)3 * SHERD_KEY_SIZE, "three keys in a row");
    const struct sherd_span ikm = {(const uint8_t *)keys, offsetof(struct sherd_version_keys, content)};

    return sherd_hkdf(SHERD_SHA512, ikm, sherd_span_of(NULL, 0), sherd_context_span(context), keys->content.bytes,
                      sizeof(keys->content.bytes));
}

static enum sherd_err copy_text(const char *text, char *out, size_t size, const char *too_long)
{
    const size_t len = text != NULL ? strlen(text) : 0;

    SHERD_ENSURE(len < size, SHERD_ERR_INVALID, too_long);
    if (len > 0)
        memcpy(out, text, len);
    out[len] = 0;
    return SHERD_OK;
}

/* Content type and attributes as the caller gives them. */
static enum sherd_err take_description(const struct sherd_record_meta *meta, struct sherd_version *version)
{
    version->attributes.max = SHERD_ATTRIBUTES_ENCODED_MAX;
    SHERD_TRY(copy_text(meta->content_type, version->map.content_type, sizeof(version->map.content_type),
                        "a content type has at most 127 bytes"));
    SHERD_TRY(sherd_attributes_encode(meta->attributes, meta->attribute_count, &version->attributes));
    version->map.attributes = sherd_buf_span(&version->attributes);
    return SHERD_OK;
}

/* Names and shares of a version whose pin and key are there; map and pin get the same scope. */
static enum sherd_err draw_names(struct sherd_vault *vault, struct sherd_version *version)
{
    struct sherd_pin *pin = &version->change.pin;
    struct sherd_context context;
    struct sherd_ref names[2];

    version->change.key = &version->keys->record;
    version->map.collection = pin->collection;
    version->map.entity = pin->entity;
    version->map.record = pin->record;
    version->map.version = pin->version;
    version->map.created_s = pin->created_s;
    SHERD_TRY(sherd_random(names, sizeof(names)));
    version->map.data = names[0];
    pin->map = names[1];
    SHERD_TRY(sherd_random(&version->keys->in_assets, 2 * sizeof(struct sherd_content_share)));
    version->map.share = version->keys->in_assets;
    sherd_content_context(vault, pin, &context);
    return sherd_content_key_derive(version->keys, &context);
}

/* Names, shares, key and time of a version whose record, collection and entity are known. */
static enum sherd_err draw(struct sherd_vault *vault, struct sherd_uuid record, uint64_t number,
                           struct sherd_version *version)
{
    struct sherd_anchor *anchor = vault->anchor;
    struct sherd_pin *pin = &version->change.pin;

    version->keys = sherd_secret_alloc(sizeof(*version->keys));
    if (version->keys == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(anchor->ops->key_new(anchor, &version->collection, version->map.entity_id, record, number, pin,
                                   &version->keys->record));
    pin->created_s = (uint64_t)sherd_clock()->wall_s() / 60 * 60;
    version->change.versions_kept = version->collection.rules.versions_kept;
    return draw_names(vault, version);
}

/*
 * Whom contents are sealed to, where that is said. The map entry keeps the whole public key, so that an update can seal
 * to it again; that of X-Wing leaves less room for attributes.
 */
static enum sherd_err take_recipient(struct sherd_vault *vault, const char *text, struct sherd_version *version)
{
    uint8_t block[SHERD_RECIPIENT_BYTES_MAX];
    struct sherd_kem_public recipient;

    if (text == NULL)
        return SHERD_OK;
    sherd_buf_clear(&version->recipient);
    version->map.recipient = sherd_span_of(NULL, 0);
    if (strcmp(text, SHERD_RECIPIENT_NONE) == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_recipient_parse(sherd_span_str(text), &recipient));
    SHERD_TRY(sherd_sealed_check_kem(vault, recipient.kem));
    version->recipient.max = SHERD_RECIPIENT_BYTES_MAX;
    SHERD_TRY(sherd_buf_append(&version->recipient, sherd_span_of(block, sherd_recipient_encode(&recipient, block))));
    version->map.recipient = sherd_buf_span(&version->recipient);
    return SHERD_OK;
}

/* What it links to is looked up now: a link names what is there when it is made. */
static enum sherd_err take_links(struct sherd_vault *vault, const struct sherd_record_meta *meta,
                                 struct sherd_version *version)
{
    if (meta->link_count == 0 && !meta->drop_links)
        return SHERD_OK;
    sherd_buf_clear(&version->links);
    version->links.max = SHERD_LINKS_BYTES_MAX;
    SHERD_TRY(sherd_links_resolve(vault, meta->links, meta->link_count, &version->links));
    version->map.links = sherd_buf_span(&version->links);
    return SHERD_OK;
}

/* What does not go with a recipient, said before anything is sealed. */
static enum sherd_err check_recipient(const struct sherd_version *version)
{
    const size_t room = SHERD_ATTRIBUTES_PQ_BYTES_MAX + 3 * SHERD_ATTRIBUTES_MAX;

    if (version->map.recipient.len == 0)
        return SHERD_OK;
    SHERD_ENSURE(version->idempotency_key.len == 0, SHERD_ERR_INVALID,
                 "an idempotency key does not go with a recipient: by it the vault could test guesses at the contents");
    SHERD_ENSURE(version->map.recipient.len < SHERD_RECIPIENT_BYTES_MAX || version->attributes.len <= room,
                 SHERD_ERR_INVALID, "with an age1pq1 recipient, all attributes together have at most 3072 bytes");
    return SHERD_OK;
}

static enum sherd_err take_idempotency_key(struct sherd_span key, struct sherd_version *version)
{
    SHERD_ENSURE(key.len <= SHERD_IDEMPOTENCY_KEY_BYTES_MAX, SHERD_ERR_INVALID,
                 "an idempotency key has at most 128 bytes");
    version->idempotency_key.max = SHERD_IDEMPOTENCY_KEY_BYTES_MAX;
    SHERD_TRY(sherd_buf_append(&version->idempotency_key, key));
    version->change.idempotency_key = sherd_buf_span(&version->idempotency_key);
    return SHERD_OK;
}

/* The named key that the caller says; where the collection says one, no other. */
static enum sherd_err take_key(const struct sherd_record_meta *meta, struct sherd_version *version)
{
    struct sherd_collection *rules = &version->collection.rules;

    if (meta->key == NULL || strcmp(meta->key, rules->key) == 0)
        return SHERD_OK;
    SHERD_ENSURE(rules->key[0] == 0, SHERD_ERR_INVALID, "all records of that collection lie under its own key");
    SHERD_ENSURE(meta->key[0] != 0, SHERD_ERR_INVALID, "a key needs a name");
    return copy_text(meta->key, rules->key, sizeof(rules->key), "a key's name has at most 63 bytes");
}

enum sherd_err sherd_version_begin(struct sherd_vault *vault, const struct sherd_record_meta *meta,
                                   struct sherd_version *version)
{
    struct sherd_uuid record;

    SHERD_TRY(sherd_uuid_new(&record));
    return sherd_version_begin_as(vault, record, meta, version);
}

enum sherd_err sherd_version_begin_as(struct sherd_vault *vault, struct sherd_uuid id,
                                      const struct sherd_record_meta *meta, struct sherd_version *version)
{
    static const struct sherd_record_meta defaults = {0};

    if (meta == NULL)
        meta = &defaults;
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(sherd_vault_collection(vault, meta->collection, &version->collection));
    SHERD_TRY(copy_text(meta->entity, version->map.entity_id, sizeof(version->map.entity_id),
                        "an entity's id has at most 128 bytes"));
    SHERD_TRY(take_description(meta, version));
    SHERD_TRY(take_idempotency_key(meta->idempotency_key, version));
    SHERD_TRY(take_recipient(vault, meta->recipient, version));
    SHERD_TRY(check_recipient(version));
    SHERD_TRY(sherd_row_check(version));
    SHERD_TRY(take_links(vault, meta, version));
    SHERD_TRY(take_key(meta, version));
    return draw(vault, id, 1, version);
}

/* Entity, content type, attributes, recipient and links as the current version has them, and how the record began. */
static enum sherd_err inherit(const struct sherd_loaded *loaded, struct sherd_version *version)
{
    const struct sherd_map *map = &loaded->map;

    version->attributes.max = SHERD_ATTRIBUTES_ENCODED_MAX;
    SHERD_TRY(sherd_buf_append(&version->attributes, map->attributes));
    memcpy(version->map.entity_id, map->entity_id, sizeof(map->entity_id));
    memcpy(version->map.content_type, map->content_type, sizeof(map->content_type));
    version->map.attributes = sherd_buf_span(&version->attributes);
    version->recipient.max = SHERD_RECIPIENT_BYTES_MAX;
    SHERD_TRY(sherd_buf_append(&version->recipient, map->recipient));
    version->map.recipient = sherd_buf_span(&version->recipient);
    version->links.max = SHERD_LINKS_BYTES_MAX;
    SHERD_TRY(sherd_buf_append(&version->links, map->links));
    version->map.links = sherd_buf_span(&version->links);
    version->map.has_first = true;
    sherd_loaded_first(loaded, &version->map.first);
    return SHERD_OK;
}

/* Content type and attributes are replaced; the recipient stays unless another is named. */
static enum sherd_err replace(struct sherd_vault *vault, const struct sherd_record_meta *meta,
                              struct sherd_version *version)
{
    sherd_buf_clear(&version->attributes);
    SHERD_TRY(take_description(meta, version));
    SHERD_TRY(take_links(vault, meta, version));
    return take_recipient(vault, meta->recipient, version);
}

enum sherd_err sherd_version_begin_update(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version_expected,
                                          const struct sherd_record_meta *meta, struct sherd_version *version)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded current = {0};

    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_ENSURE(meta == NULL || (meta->collection == NULL && meta->entity == NULL && meta->key == NULL &&
                                  meta->idempotency_key.len == 0),
                 SHERD_ERR_INVALID, "an update cannot change collection, entity or key, and takes no idempotency key");
    SHERD_TRY(sherd_locate(vault, id, 0, &current));
    const uint64_t version_current = current.view.version_current;
    if (version_expected != 0 && version_expected != version_current)
        return sherd_fail(SHERD_ERR_CONFLICT, "version %llu of the record is current",
                          (unsigned long long)version_current);
    SHERD_TRY(sherd_vault_collection_by_id(vault, &current.view.pin.collection, &version->collection));
    SHERD_TRY(inherit(&current, version));
    if (meta != NULL)
        SHERD_TRY(replace(vault, meta, version));
    SHERD_TRY(check_recipient(version));
    SHERD_TRY(sherd_row_check(version));
    SHERD_TRY(draw(vault, id, version_current + 1, version));
    version->change.version_expected = version_current;
    return SHERD_OK;
}

enum sherd_err sherd_version_begin_anew(struct sherd_vault *vault, const struct sherd_loaded *loaded,
                                        struct sherd_version *version)
{
    const struct sherd_pin *before = &loaded->view.pin;
    struct sherd_anchor *anchor = vault->anchor;

    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(sherd_vault_collection_by_id(vault, &before->collection, &version->collection));
    SHERD_TRY(inherit(loaded, version));
    version->keys = sherd_secret_alloc(sizeof(*version->keys));
    if (version->keys == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(anchor->ops->key_renew(anchor, before, &version->change.pin, &version->keys->record));
    version->change.version_expected = before->version;
    version->change.reseals = true;
    version->change.map_expected = before->map;
    return draw_names(vault, version);
}

/* Seal contents and the zeros behind them as one message. */
static enum sherd_err seal_padded(const struct sherd_version *version, const struct sherd_context *context,
                                  struct sherd_span content, size_t padded_bytes, struct sherd_buf *out_sealed)
{
    const struct sherd_content_key *key = &version->keys->content;

    if (padded_bytes == content.len)
        return sherd_aead_seal(key->bytes, sherd_context_span(context), content, out_sealed);
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *padded = sherd_secret_alloc(padded_bytes);
    if (padded == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(padded, content.data, content.len);
    return sherd_aead_seal(key->bytes, sherd_context_span(context), sherd_span_of(padded, padded_bytes), out_sealed);
}

enum sherd_err sherd_version_sealed(struct sherd_vault *vault, struct sherd_version *version, uint64_t content_bytes,
                                    uint64_t fragment_bytes, const struct sherd_digest *digest)
{
    version->map.content_bytes = content_bytes;
    version->map.fragment_bytes = fragment_bytes;
    version->map.blob = version->blob != NULL;
    version->map.readable = version->collection.rules.readable;
    version->change.pin.fragment_bytes = fragment_bytes;
    version->change.pin.digest = *digest;
    version->map_entry.max = SHERD_ENTRY_BYTES_MAX;
    return sherd_assets_map_seal(&vault->assets, &version->change.pin.map, &version->map, &version->map_entry);
}

enum sherd_err sherd_version_seal_inline(struct sherd_vault *vault, struct sherd_version *version,
                                         struct sherd_span content)
{
    const uint64_t padded_bytes = sherd_fragment_padded_bytes(content.len, version->collection.rules.exact_sizes);

    if (version->collection.rules.readable)
        return sherd_row_write(vault, version, content);
    uint8_t prefix[SHERD_FRAGMENT_PREFIX_SIZE];
    struct sherd_context context;
    struct sherd_digest digest;

    sherd_content_context(vault, &version->change.pin, &context);
    sherd_fragment_prefix_encode(&version->keys->in_secrets, prefix);
    version->fragment.max = SHERD_STORE_VALUE_BYTES_MAX;
    SHERD_TRY(sherd_buf_reserve(&version->fragment, (size_t)sherd_fragment_bytes(padded_bytes)));
    SHERD_TRY(sherd_buf_append(&version->fragment, sherd_span_of(prefix, sizeof(prefix))));
    SHERD_TRY(seal_padded(version, &context, content, (size_t)padded_bytes, &version->fragment));

    SHERD_TRY(sherd_fragment_digest(sherd_buf_span(&version->fragment), &digest));
    return sherd_version_sealed(vault, version, content.len, version->fragment.len, &digest);
}

enum sherd_err sherd_version_seal_small(struct sherd_vault *vault, struct sherd_version *version,
                                        struct sherd_span content)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf stream = {.max = SHERD_INLINE_BYTES_MAX};
    struct sherd_kem_public recipient;
    struct sherd_context context;

    if (version->map.recipient.len == 0)
        return sherd_version_seal_inline(vault, version, content);
    SHERD_TRY(sherd_recipient_decode(version->map.recipient, &recipient));
    SHERD_TRY(sherd_sealed_check_kem(vault, recipient.kem));
    sherd_sealed_context(vault, &version->change.pin, &context);
    SHERD_TRY(sherd_seal_whole(&recipient, &context, content, &stream));
    return sherd_version_seal_inline(vault, version, sherd_buf_span(&stream));
}

void sherd_version_done(struct sherd_version *version)
{
    sherd_blob_abort(version->blob);
    sherd_buf_done(&version->fragment);
    sherd_buf_done(&version->map_entry);
    sherd_buf_done(&version->idempotency_key);
    sherd_buf_done(&version->attributes);
    sherd_buf_done(&version->recipient);
    sherd_buf_done(&version->links);
    sherd_secret_free(version->keys);
    sherd_wipe(version, sizeof(*version));
}
