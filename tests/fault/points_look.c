/* SPDX-License-Identifier: Apache-2.0 */
/* The process that looks at what a change left behind. See points.h. */
#include "points.h"

#if SHERD_FAILPOINTS

#include "cryptor/row_scan.h"
#include "cryptor/vault.h"
#include <string.h>
#include <sys/stat.h>

/* What is found of a change. */
struct found {
    struct sherd_vault *vault;
    size_t listed;
    size_t new_count;
    bool happened;
};

static bool is_base(struct sherd_uuid id)
{
    for (size_t i = 0; i < BASE_COUNT; i++)
        if (same_uuid(scene->base[i].id, id))
            return true;
    return false;
}

static enum sherd_err meet(void *arg, const struct sherd_record_info *info)
{
    struct found *found = arg;
    struct sherd_buf content = {0};
    uint64_t seed = 0;

    found->listed++;
    if (is_base(info->id))
        return SHERD_OK;
    found->new_count++;
    REQUIRE(scene->change->kind == KIND_NEW, "a record that nobody put");
    REQUIRE_OK(sherd_record_get(found->vault, info->id, 0, &content));
    REQUIRE(content_is(sherd_buf_span(&content), &seed) && content.len == scene->change->body.bytes &&
                seed - scene->change->body.seed < scene->change->count,
            "a new record has other contents");
    if (scene->result == SHERD_OK)
        REQUIRE(same_uuid(info->id, scene->new_ids[seed - scene->change->body.seed]), "a new record has another id");
    sherd_buf_done(&content);
    return SHERD_OK;
}

static void list_all(struct found *found)
{
    struct sherd_cursor cursor = {0};

    found->listed = 0;
    found->new_count = 0;
    while (!cursor.ended)
        REQUIRE_OK(sherd_record_list(found->vault, NULL, &cursor, 0, meet, found));
}

/* Versions that a record has, once each of them was read. @return how many are kept; 0: there is no record */
static uint64_t require_base(struct sherd_vault *vault, enum base_record which, uint64_t version)
{
    const struct base *base = &scene->base[which];
    const bool keeps = which == KEPT || which == KEPT_LONG;
    const uint64_t oldest = keeps && version > 1 ? version - 1 : version;

    for (uint64_t i = oldest; i <= version; i++) {
        const struct body *body = i <= base->versions ? &base->bodies[i - 1] : &scene->change->body;

        require_content(vault, base->id, i, body->seed, body->bytes);
    }
    return version - oldest + 1;
}

static uint64_t version_of(struct sherd_vault *vault, struct sherd_uuid id)
{
    struct sherd_record_info *info = NULL;
    const enum sherd_err err = sherd_record_stat(vault, id, 0, &info);

    if (err == SHERD_ERR_NOT_FOUND)
        return 0;
    REQUIRE(err == SHERD_OK, "%s (%s)", sherd_err_name(err), sherd_err_detail());
    const uint64_t version = info->version;
    sherd_record_info_free(info);
    return version;
}

static void judge_target(struct found *found)
{
    const struct change *change = scene->change;
    const struct base *base = &scene->base[change->target];
    const uint64_t version = version_of(found->vault, base->id);
    const uint64_t after = change->kind == KIND_DELETE ? 0 : base->versions + 1;

    REQUIRE(version == base->versions || version == after, "version %llu", (unsigned long long)version);
    found->happened = version == after;
}

static void judge_collection(struct found *found)
{
    struct sherd_collection rules;
    enum sherd_err err = sherd_collection_get(found->vault, new_collection.name, &rules);

    REQUIRE(err == SHERD_OK || err == SHERD_ERR_NOT_FOUND, "%s (%s)", sherd_err_name(err), sherd_err_detail());
    found->happened = err == SHERD_OK;
    err = sherd_collection_create(found->vault, &new_collection);
    REQUIRE(err == (found->happened ? SHERD_ERR_CONFLICT : SHERD_OK), "%s (%s)", sherd_err_name(err),
            sherd_err_detail());
    REQUIRE_OK(sherd_collection_get(found->vault, new_collection.name, &rules));
    REQUIRE(rules.versions_kept == new_collection.versions_kept, "a collection has other rules");
}

static void judge(struct found *found)
{
    const struct change *change = scene->change;

    list_all(found);
    if (change->kind == KIND_NEW) {
        REQUIRE(found->new_count == 0 || found->new_count == change->count, "%zu of %zu new records are there",
                found->new_count, change->count);
        found->happened = found->new_count > 0;
    } else if (change->kind == KIND_UPDATE || change->kind == KIND_DELETE) {
        judge_target(found);
    } else if (change->kind == KIND_COLLECTION) {
        judge_collection(found);
    }
    if (scene->result == SHERD_OK && change->kind != KIND_NONE)
        REQUIRE(found->happened, "it was acknowledged, and is not there");
}

/* Tried again, a put with an idempotency key gives one record. */
static void require_once(struct found *found)
{
    struct sherd_uuid first = scene->new_ids[0];

    if (scene->change->makes != MAKES_IDEMPOTENCY)
        return;
    REQUIRE_OK(scene->change->act(scene, found->vault));
    if (scene->result == SHERD_OK)
        REQUIRE(same_uuid(first, scene->new_ids[0]), "a repeated put made another record");
    list_all(found);
    REQUIRE(found->new_count == 1, "a repeated put made %zu records", found->new_count);
    found->happened = true;
}

static void require_entries(const struct found *found, uint64_t versions, uint64_t once)
{
    const bool entity = scene->change->makes == MAKES_ENTITY;
    const bool collection = scene->change->kind == KIND_COLLECTION; /* there is one more now in any case */
    const uint64_t kept_before = 8; /* versions in the prepared vault, and 1 idempotency key */
    struct sherd_vault_info info;
    uint64_t now[4];

    REQUIRE_OK(sherd_vault_info(found->vault, &info));
    for (size_t i = 0; i < 4; i++)
        now[i] = info.entry_count[i] + info.blob_count[i];
    REQUIRE(now[0] == scene->entries[0], "identity has %llu entries", (unsigned long long)now[0]);
    REQUIRE(now[2] == scene->entries[2] - kept_before + versions, "secrets has %llu fragments for %llu versions",
            (unsigned long long)now[2], (unsigned long long)versions);
    REQUIRE(now[1] == scene->entries[1] - kept_before + versions + (collection ? 2 : 0),
            "assets has %llu entries for %llu versions", (unsigned long long)now[1], (unsigned long long)versions);
    const uint64_t keys = scene->entries[3] - kept_before - 1 + versions + once + (collection ? 1 : 0);
    REQUIRE(now[3] == keys || (entity && now[3] == keys + 2), "keys has %llu entries, not %llu",
            (unsigned long long)now[3], (unsigned long long)keys);
}

/* All that the change is not about is as it was, and all is accounted for. */
static void require_rest(struct found *found)
{
    const struct change *change = scene->change;
    uint64_t once = change->makes == MAKES_IDEMPOTENCY && found->happened;
    uint64_t versions = change->kind == KIND_NEW && found->happened ? change->count : 0;

    for (size_t i = 0; i < BASE_COUNT; i++) {
        const bool is_target = found->happened && i == change->target;

        if (is_target && change->kind == KIND_DELETE)
            continue;
        versions += require_base(found->vault, (enum base_record)i,
                                 scene->base[i].versions + (is_target && change->kind == KIND_UPDATE));
        once += i == ONCE;
    }
    require_entries(found, versions, once);
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* A row that a query tells of: of the record that was there, or of the new one, whole. */
static enum sherd_err meet_row(void *arg, const struct sherd_query_row *row)
{
    const struct base *base = &scene->base[ROW];
    const bool is_old = same_uuid(row->id, base->id);
    const struct body *body = is_old && row->version == 1 ? &base->bodies[0] : &scene->change->body;
    uint64_t seed = 0;

    REQUIRE(is_old || scene->change->kind == KIND_NEW, "a row that nobody put");
    REQUIRE(content_is(row->content, &seed) && seed == body->seed && row->content.len == body->bytes,
            "a row has other contents");
    ++*(uint64_t *)arg;
    return SHERD_OK;
}

/* What the rows in the store add up to, once orphans are gone, is what the anchor has added up. */
static void require_sum(struct sherd_vault *vault, uint64_t count)
{
    const struct sherd_query every = {.collection = ROWS};
    struct sherd_collection_entry collection;
    struct sherd_row_scan *scan = NULL;
    struct sherd_hmac_key *key = NULL;
    struct sherd_rows_sum sum;
    struct sherd_digest found;

    REQUIRE_OK(sherd_vault_collection(vault, ROWS, &collection));
    REQUIRE_OK(vault->anchor->ops->rows_sum(vault->anchor, &collection.id, &sum));
    REQUIRE_OK(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(sum.key, sizeof(sum.key)), &key));
    REQUIRE_OK(sherd_row_scan_new(vault, &collection.id, &every, key, 0, &scan));
    REQUIRE(sum.count == count && sherd_row_scan_sum(scan, &found) == count, "%llu rows are counted, %llu are there",
            (unsigned long long)sum.count, (unsigned long long)count);
    REQUIRE(memcmp(found.bytes, sum.sum.bytes, sizeof(found.bytes)) == 0, "the rows do not add up");
    sherd_row_scan_free(scan);
    sherd_hmac_key_free(key);
}

/* Who asks is told of what is there, and the ledger says of each byte of it what it is, and of nothing more. */
static void require_rows(const struct found *found)
{
    const struct change *change = scene->change;
    const bool more = found->happened && change->kind == KIND_NEW;
    const bool fewer = found->happened && change->kind == KIND_DELETE;
    const uint64_t count = more ? 2 : fewer ? 0 : 1;
    const struct sherd_query query = {.collection = ROWS};
    struct sherd_audit_stat audited;
    uint64_t told = 0;

    REQUIRE_OK(sherd_query_run(found->vault, &query, meet_row, &told, NULL));
    REQUIRE(told == count, "a query tells of %llu rows", (unsigned long long)told);
    require_sum(found->vault, count);
    REQUIRE_OK(sherd_vault_audit(found->vault, 0, NULL, &audited));
    REQUIRE(audited.stray_count == 0, "%llu entries are in no leaf", (unsigned long long)audited.stray_count);
}

static void require_second_vault(void)
{
    struct place second = scene->place;
    struct stat st;

    second_path(scene, second.vault, sizeof(second.vault));
    if (stat(second.vault, &st) != 0) {
        REQUIRE(scene->result != SHERD_OK, "the new vault is not there");
        return;
    }
    struct sherd_vault *vault = place_open(&second);
    (void)require_clean(vault);
    sherd_vault_close(vault);
    tree_remove(second.vault);
}

void look(void)
{
    struct found found = {.vault = place_open(&scene->place)};
    struct sherd_uuid id;

    REQUIRE_OK(sherd_record_put(found.vault, NULL, sherd_span_str("no lock is held"), &id));
    REQUIRE_OK(sherd_record_delete(found.vault, id));
    judge(&found);
    (void)require_swept(found.vault);
    require_once(&found);
    require_rest(&found);
    if (scene->change->rows)
        require_rows(&found);
    sherd_vault_close(found.vault);
    if (scene->change->makes == MAKES_VAULT)
        require_second_vault();
}

/* At the very end, when all processes are gone. */
void look_again(void)
{
    struct found found = {.vault = place_open(&scene->place)};

    (void)require_clean(found.vault);
    judge(&found);
    sherd_vault_close(found.vault);
}

#endif
