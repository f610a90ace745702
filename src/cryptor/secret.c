/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets: <sherd/secret.h>. The id of a secret's record is a pseudonym of its path, so nothing stands between the two
 * that could be swapped, removed or brought back: whether there is a secret of a path, only the anchor says.
 */
#include "cryptor/secret.h"
#include "base/bytes.h"
#include "cryptor/load.h"
#include "cryptor/version.h"
#include <stdio.h>
#include <string.h>

#define ATTRIBUTE_PATH "path"
/* How often a secret is set that somebody else sets or removes meanwhile. */
#define ATTEMPTS_MAX 4U

enum sherd_err sherd_secret_collection(struct sherd_vault *vault, struct sherd_collection_entry *out_collection)
{
    const struct sherd_collection rules = {.name = SHERD_SECRET_COLLECTION, .versions_kept = SHERD_SECRET_VERSIONS};

    enum sherd_err err = sherd_vault_collection(vault, SHERD_SECRET_COLLECTION, out_collection);
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    err = sherd_vault_collection_create(vault, &rules);
    if (err != SHERD_ERR_CONFLICT) /* CONFLICT: somebody else was faster */
        SHERD_TRY(err);
    return sherd_vault_collection(vault, SHERD_SECRET_COLLECTION, out_collection);
}

static bool is_part(const char *part, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    return len > 0 && strspn(part, allowed) >= len && strncmp(part, ".", len) != 0 && strncmp(part, "..", len) != 0;
}

static bool is_path(const char *path)
{
    if (strlen(path) > SHERD_SECRET_PATH_BYTES_MAX)
        return false;
    for (;;) {
        const size_t len = strcspn(path, "/");

        if (!is_part(path, len))
            return false;
        if (path[len] == 0)
            return true;
        path += len + 1;
    }
}

/* In the form of RFC 9562 section 5.8, as the id of a collection is. */
static enum sherd_err id_of(const struct sherd_vault *vault, const char *path, struct sherd_uuid *out_id)
{
    struct sherd_ref ref;

    SHERD_ENSURE(path != NULL && is_path(path), SHERD_ERR_INVALID,
                 "a secret's path has at most 200 bytes: parts of a-z, A-Z, 0-9, '.', '_', '-' with '/' between them");
    SHERD_TRY(sherd_entry_name(&vault->assets.keys, "secret of the path", sherd_span_str(path), sherd_span_of(NULL, 0),
                               &ref));
    memcpy(out_id->bytes, ref.bytes, sizeof(out_id->bytes));
    out_id->bytes[6] = (uint8_t)((out_id->bytes[6] & 0x0f) | 0x80);
    out_id->bytes[8] = (uint8_t)((out_id->bytes[8] & 0x3f) | 0x80);
    return SHERD_OK;
}

static enum sherd_err seal_and_commit(struct sherd_vault *vault, struct sherd_version *version, struct sherd_span value,
                                      uint64_t *out_version)
{
    SHERD_TRY(sherd_version_seal_inline(vault, version, value));
    SHERD_TRY(sherd_version_commit(vault, version, 1));
    *out_version = version->map.version;
    return SHERD_OK;
}

static enum sherd_err set_first(struct sherd_vault *vault, struct sherd_uuid id, const char *path, const char *key,
                                struct sherd_span value, uint64_t *out_version)
{
    const struct sherd_attribute attribute = {.name = ATTRIBUTE_PATH, .value = sherd_span_str(path)};
    const struct sherd_record_meta meta = {
        .collection = SHERD_SECRET_COLLECTION, .key = key, .attributes = &attribute, .attribute_count = 1};
    SHERD_CLEANUP(sherd_version_done) struct sherd_version version = {0};

    SHERD_TRY(sherd_version_begin_as(vault, id, &meta, &version));
    return seal_and_commit(vault, &version, value, out_version);
}

/* A secret stays under the key that it has: one that is named must be that one. */
static enum sherd_err check_key(struct sherd_vault *vault, struct sherd_uuid id, const char *key)
{
    struct sherd_pin_view view;
    struct sherd_ref ref;

    SHERD_TRY(vault->anchor->ops->pin_get(vault->anchor, id, 0, &view, NULL));
    if (key == NULL)
        return SHERD_OK;
    SHERD_TRY(vault->anchor->ops->named_find(vault->anchor, key, 0, &ref));
    if (!view.pin.has_named_key || !sherd_same(&view.pin.named_key, &ref, sizeof(ref)))
        return sherd_fail(SHERD_ERR_CONFLICT, "the secret lies under another key, or under none: remove it first");
    return SHERD_OK;
}

static enum sherd_err set_next(struct sherd_vault *vault, struct sherd_uuid id, struct sherd_span value,
                               uint64_t *out_version)
{
    SHERD_CLEANUP(sherd_version_done) struct sherd_version version = {0};

    SHERD_TRY(sherd_version_begin_update(vault, id, 0, NULL, &version));
    return seal_and_commit(vault, &version, value, out_version);
}

static enum sherd_err set_once(struct sherd_vault *vault, struct sherd_uuid id, const char *path, const char *key,
                               struct sherd_span value, uint64_t *out_version)
{
    const enum sherd_err err = set_next(vault, id, value, out_version);

    return err == SHERD_ERR_NOT_FOUND ? set_first(vault, id, path, key, value, out_version) : err;
}

enum sherd_err sherd_secret_set(struct sherd_vault *vault, const char *path, const char *key, struct sherd_span value,
                                uint64_t *out_version)
{
    struct sherd_collection_entry collection;
    struct sherd_uuid id;
    uint64_t version = 0;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(value.data != NULL || value.len == 0, SHERD_ERR_INVALID, "a secret needs its value");
    SHERD_ENSURE(value.len <= SHERD_SECRET_BYTES_MAX, SHERD_ERR_LIMIT, "a secret has at most 64 KiB");
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(id_of(vault, path, &id));
    SHERD_TRY(sherd_secret_collection(vault, &collection));
    enum sherd_err err = check_key(vault, id, key);
    if (err != SHERD_ERR_NOT_FOUND)
        SHERD_TRY(err);
    err = SHERD_ERR_CONFLICT;
    for (unsigned i = 0; i < ATTEMPTS_MAX && err == SHERD_ERR_CONFLICT; i++)
        err = set_once(vault, id, path, key, value, &version);
    if (err == SHERD_ERR_CONFLICT)
        return sherd_fail(err, "the path is taken, or others kept setting it first");
    SHERD_TRY(err);
    if (out_version != NULL)
        *out_version = version;
    return SHERD_OK;
}

static enum sherd_err no_such_secret(enum sherd_err err)
{
    return err == SHERD_ERR_NOT_FOUND ? sherd_fail(err, "there is no such secret, or no such version of it") : err;
}

enum sherd_err sherd_secret_get(struct sherd_vault *vault, const char *path, uint64_t version,
                                struct sherd_buf *out_value)
{
    struct sherd_uuid id;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(id_of(vault, path, &id));
    return no_such_secret(sherd_record_get(vault, id, version, out_value));
}

enum sherd_err sherd_secret_delete(struct sherd_vault *vault, const char *path)
{
    struct sherd_uuid id;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_TRY(id_of(vault, path, &id));
    return no_such_secret(sherd_record_delete(vault, id));
}

struct telling {
    const char *prefix;
    sherd_secret_visit_fn *visit;
    void *arg;
};

static enum sherd_err tell(void *arg, const struct sherd_record_info *record)
{
    const struct telling *telling = arg;
    struct sherd_secret_info info = {.version_current = record->version_current,
                                     .version_oldest = record->version_oldest,
                                     .value_bytes = record->content_bytes,
                                     .created_s = record->created_s};

    for (size_t i = 0; i < record->attribute_count; i++) {
        const struct sherd_attribute *attribute = &record->attributes[i];

        if (strcmp(attribute->name, ATTRIBUTE_PATH) == 0 && attribute->value.len < sizeof(info.path))
            memcpy(info.path, attribute->value.data, attribute->value.len);
    }
    if (info.path[0] == 0 ||
        (telling->prefix != NULL && strncmp(info.path, telling->prefix, strlen(telling->prefix)) != 0))
        return SHERD_OK; /* a record that somebody put here by hand is no secret */
    return telling->visit(telling->arg, &info);
}

enum sherd_err sherd_secret_each(struct sherd_vault *vault, const char *prefix, sherd_secret_visit_fn *visit, void *arg)
{
    struct telling telling = {prefix, visit, arg};
    struct sherd_collection_entry collection;
    struct sherd_cursor cursor = {.started = false};

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told of the secrets");
    const enum sherd_err err = sherd_vault_collection(vault, SHERD_SECRET_COLLECTION, &collection);
    if (err == SHERD_ERR_NOT_FOUND) /* nobody has ever set one */
        return SHERD_OK;
    SHERD_TRY(err);
    return sherd_record_list(vault, SHERD_SECRET_COLLECTION, &cursor, 0, tell, &telling);
}
