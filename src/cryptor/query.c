/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries: see <sherd/query.h>.
 *
 * Of a readable collection the rows are read as they lie in `secrets`, and each is checked against the anchor's word:
 * a row that the anchor does not pin, in that version and with that digest, is not of the collection (it is being
 * written, was left behind, or made up), and a record whose row is not met is missing, unless the anchor says now that
 * it is gone or has another version. So no row that is told of is wrong, and none is left out.
 */
#include "cryptor/query.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/ct.h"
#include "cryptor/filter.h"
#include "cryptor/row_scan.h"
#include "cryptor/row_table.h"
#include "cryptor/rows.h"

/* What is written meanwhile makes sums differ: that often it is tried whether they agree. */
#define SUM_TRIES 2U

/* Most memory for rows that answer later queries. */
#define KEPT_BYTES_MAX ((size_t)64 << 20)

/* A query under way. */
struct asking {
    struct sherd_vault *vault;
    const struct sherd_query *query;
    struct sherd_collection_entry collection;
    sherd_query_visit_fn *visit;
    void *arg;
    struct sherd_query_stat stat;
    struct sherd_row_table table;
};

static bool is_full(const struct asking *asking)
{
    return asking->query->count_max != 0 && asking->stat.matched_count >= asking->query->count_max;
}

/* Tell of a row, if it is one that is asked for. */
static enum sherd_err answer(struct asking *asking, const struct sherd_row *row)
{
    struct sherd_query_column columns[SHERD_ATTRIBUTES_MAX];
    const size_t count = sherd_filter_columns(row->attributes, columns);

    if (!sherd_filter_holds(asking->query, columns, count) || is_full(asking))
        return SHERD_OK;
    const struct sherd_query_row told = {.id = row->record,
                                         .version = row->version,
                                         .created_s = (int64_t)row->created_s,
                                         .content_type = row->content_type,
                                         .columns = columns,
                                         .column_count = count,
                                         .content = row->content};
    asking->stat.matched_count++;
    return asking->visit(asking->arg, &told);
}

/* What does not decode, or is not pinned, is no row; what it stands in the place of is found missing. */
static enum sherd_err visit_row(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct asking *asking = arg;
    struct sherd_row_slot *slot;
    struct sherd_digest digest;
    struct sherd_row row;

    (void)name;
    if (!sherd_row_scan_is_of(&asking->collection.id, stored) || sherd_row_decode(stored, &row) != SHERD_OK)
        return SHERD_OK;
    slot = sherd_row_table_find(&asking->table, &row.record);
    if (slot == NULL || slot->seen || slot->version != row.version)
        return SHERD_OK;
    SHERD_TRY(sherd_row_digest(stored, &digest));
    if (!sherd_same(&digest, &slot->digest, sizeof(digest)))
        return SHERD_OK;
    slot->seen = true;
    asking->stat.seen_count++;
    return answer(asking, &row);
}

static enum sherd_err scan_rows(struct asking *asking, sherd_store_visit_fn *visit)
{
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(asking->vault->secrets, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, NULL, visit, asking);
    sherd_snapshot_end(snapshot);
    return err;
}

/*
 * A record whose row was not met: it was deleted, or has another version by now. Loading it says so, or that somebody
 * removed or changed its row.
 */
static enum sherd_err look_for(struct asking *asking, const struct sherd_uuid *record)
{
    SHERD_CLEANUP(sherd_loaded_done) struct sherd_loaded loaded = {0};
    struct sherd_row row;

    const enum sherd_err err = sherd_load(asking->vault, *record, 0, &loaded);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    SHERD_TRY(sherd_row_decode(sherd_buf_span(&loaded.fragment), &row));
    asking->stat.seen_count++;
    return answer(asking, &row);
}

/* The long way: by the pins, one by one. It says which row is wrong. */
static enum sherd_err ask_by_pins(struct asking *asking)
{
    SHERD_TRY(sherd_row_table_fill(asking->vault, &asking->collection.id, &asking->table));
    SHERD_TRY(scan_rows(asking, visit_row));
    for (size_t i = 0; i < asking->table.size; i++)
        if (asking->table.slots[i].version != 0 && !asking->table.slots[i].seen)
            SHERD_TRY(look_for(asking, &asking->table.slots[i].record));
    return SHERD_OK;
}

/* --- the short way ------------------------------------------------------------------------------------------------ */

static enum sherd_err answer_row(void *arg, const struct sherd_row *row)
{
    return answer(arg, row);
}

static enum sherd_err tell_scan(struct asking *asking, const struct sherd_row_scan *scan, uint64_t count)
{
    asking->stat.seen_count = count;
    return sherd_row_scan_each(scan, answer_row, asking);
}

/*
 * Rows that added up once are kept in memory, and answer for as long as the anchor says the same sum: what is told then
 * is what was verified, whatever the store says by now. One collection a handle.
 */
static void keep(struct asking *asking, const struct sherd_rows_sum *sum, struct sherd_row_scan *scan)
{
    struct sherd_vault *vault = asking->vault;

    sherd_row_scan_share(scan);
    (void)pthread_mutex_lock(&vault->collections_lock);
    struct sherd_row_scan *before = vault->rows.scan;
    vault->rows = (struct sherd_rows_kept){
        .scan = scan, .collection = asking->collection.id, .count = sum->count, .sum = sum->sum};
    (void)pthread_mutex_unlock(&vault->collections_lock);
    sherd_row_scan_free(before);
}

static struct sherd_row_scan *find_kept(struct sherd_vault *vault, const struct sherd_uuid *collection,
                                        const struct sherd_rows_sum *sum)
{
    struct sherd_row_scan *found = NULL;

    (void)pthread_mutex_lock(&vault->collections_lock);
    const struct sherd_rows_kept *kept = &vault->rows;
    if (kept->scan != NULL && sherd_same(&kept->collection, collection, sizeof(*collection)) &&
        kept->count == sum->count && sherd_ct_equal(kept->sum.bytes, sum->sum.bytes, sizeof(sum->sum.bytes))) {
        found = kept->scan;
        sherd_row_scan_share(found);
    }
    (void)pthread_mutex_unlock(&vault->collections_lock);
    return found;
}

/* @param[out] out_done  false: none are kept that the sum of now is of */
static enum sherd_err ask_kept(struct asking *asking, const struct sherd_rows_sum *sum, bool *out_done)
{
    SHERD_CLEANUP(sherd_row_scan_freep) struct sherd_row_scan *scan = find_kept(asking->vault,
                                                                                           &asking->collection.id, sum);

    *out_done = scan != NULL;
    if (scan == NULL)
        return SHERD_OK;
    asking->stat.seen_count = sum->count;
    return sherd_row_scan_again(scan, asking->query, answer_row, asking);
}

/*
 * Add up all rows, and compare with what the anchor says they add up to. So each of them is pinned and none is missing,
 * or the sums differ: because of a row that is being written or was left behind, or because of somebody's doing.
 * @param[out] out_done  false: they differ, and nothing was told
 */
static enum sherd_err ask_by_sum(struct asking *asking, const struct sherd_rows_sum *sum,
                                 const struct sherd_hmac_key *key, bool *out_done)
{
    SHERD_CLEANUP(sherd_row_scan_freep) struct sherd_row_scan *scan = NULL;
    struct sherd_digest found;

    *out_done = false;
    const enum sherd_err err = sherd_row_scan_new(asking->vault, &asking->collection.id, asking->query, key,
                                                  KEPT_BYTES_MAX, &scan);
    if (err == SHERD_ERR_LIMIT)
        return SHERD_OK;
    SHERD_TRY(err);
    const uint64_t count = sherd_row_scan_sum(scan, &found);
    if (count != sum->count || !sherd_ct_equal(found.bytes, sum->sum.bytes, sizeof(found.bytes)))
        return SHERD_OK;
    *out_done = true;
    if (sherd_row_scan_is_whole(scan))
        keep(asking, sum, scan);
    return tell_scan(asking, scan, count);
}

/* What makes no sum of this anchor's, or a wrong one, is looked into the long way. */
static enum sherd_err try_sum(struct asking *asking, bool *out_done)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_rows_sum *sum = sherd_secret_alloc(sizeof(*sum));
    struct sherd_anchor *anchor = asking->vault->anchor;
    struct sherd_hmac_key *key = NULL;

    *out_done = false;
    if (sum == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = anchor->ops->rows_sum(anchor, &asking->collection.id, sum);
    if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_UNSUPPORTED || err == SHERD_ERR_TAMPERED)
        return SHERD_OK;
    SHERD_TRY(err);
    SHERD_TRY(ask_kept(asking, sum, out_done));
    if (*out_done)
        return SHERD_OK;
    SHERD_TRY(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(sum->key, sizeof(sum->key)), &key));
    err = ask_by_sum(asking, sum, key, out_done);
    sherd_hmac_key_free(key);
    return err;
}

static enum sherd_err ask_rows(struct asking *asking)
{
    bool done = false;

    for (unsigned i = 0; i < SUM_TRIES && !done; i++) {
        asking->stat.seen_count = 0;
        SHERD_TRY(try_sum(asking, &done));
    }
    return done ? SHERD_OK : ask_by_pins(asking);
}

/* --- collections that are not readable ---------------------------------------------------------------------------- */

static enum sherd_err answer_info(struct asking *asking, const struct sherd_record_info *info,
                                  struct sherd_span content)
{
    struct sherd_query_column columns[SHERD_ATTRIBUTES_MAX];
    const struct sherd_query_row told = {.id = info->id,
                                         .version = info->version,
                                         .created_s = info->created_s,
                                         .content_type = info->content_type,
                                         .columns = columns,
                                         .column_count = info->attribute_count,
                                         .content = content};

    for (size_t i = 0; i < info->attribute_count; i++)
        columns[i] = (struct sherd_query_column){sherd_span_str(info->attributes[i].name), info->attributes[i].value};
    asking->stat.matched_count++;
    return asking->visit(asking->arg, &told);
}

static bool info_holds(const struct asking *asking, const struct sherd_record_info *info)
{
    struct sherd_query_column columns[SHERD_ATTRIBUTES_MAX];

    for (size_t i = 0; i < info->attribute_count; i++)
        columns[i] = (struct sherd_query_column){sherd_span_str(info->attributes[i].name), info->attributes[i].value};
    return sherd_filter_holds(asking->query, columns, info->attribute_count);
}

static enum sherd_err visit_info(void *arg, const struct sherd_record_info *info)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf content = {0};
    struct asking *asking = arg;

    asking->stat.seen_count++;
    if (is_full(asking) || !info_holds(asking, info))
        return SHERD_OK;
    if (!asking->query->with_contents)
        return answer_info(asking, info, sherd_span_of(NULL, 0));
    const enum sherd_err err = sherd_record_get(asking->vault, info->id, info->version, &content);
    if (err == SHERD_ERR_NOT_FOUND) /* deleted or updated meanwhile */
        return SHERD_OK;
    SHERD_TRY(err);
    return answer_info(asking, info, sherd_buf_span(&content));
}

static enum sherd_err ask_sealed(struct asking *asking)
{
    struct sherd_cursor cursor = {0};

    return sherd_record_list(asking->vault, asking->collection.rules.name, &cursor, 0, visit_info, asking);
}

/* --- the call ----------------------------------------------------------------------------------------------------- */

static enum sherd_err begin(struct asking *asking)
{
    SHERD_TRY(sherd_vault_check(asking->vault));
    SHERD_ENSURE(asking->query != NULL && asking->visit != NULL, SHERD_ERR_INVALID, "a query and a visitor are needed");
    SHERD_TRY(sherd_filter_check(asking->query));
    SHERD_TRY(sherd_vault_collection(asking->vault, asking->query->collection, &asking->collection));
    asking->stat.readable = asking->collection.rules.readable;
    return SHERD_OK;
}

enum sherd_err sherd_query_run(struct sherd_vault *vault, const struct sherd_query *query, sherd_query_visit_fn *visit,
                               void *arg, struct sherd_query_stat *out_stat)
{
    struct asking asking = {.vault = vault, .query = query, .visit = visit, .arg = arg};

    SHERD_TRY(begin(&asking));
    const enum sherd_err err = asking.stat.readable ? ask_rows(&asking) : ask_sealed(&asking);
    sherd_row_table_done(&asking.table);
    if (out_stat != NULL)
        *out_stat = asking.stat;
    return err;
}

enum sherd_err sherd_query_unverified(struct sherd_vault *vault, const struct sherd_query *query,
                                      sherd_query_visit_fn *visit, void *arg, struct sherd_query_stat *out_stat)
{
    SHERD_CLEANUP(sherd_row_scan_freep) struct sherd_row_scan *scan = NULL;
    struct asking asking = {.vault = vault, .query = query, .visit = visit, .arg = arg};
    struct sherd_digest none;

    SHERD_TRY(begin(&asking));
    SHERD_ENSURE(asking.stat.readable, SHERD_ERR_INVALID, "the collection is not readable");
    SHERD_TRY(sherd_row_scan_new(vault, &asking.collection.id, query, NULL, 0, &scan));
    const uint64_t count = sherd_row_scan_sum(scan, &none);
    const enum sherd_err err = tell_scan(&asking, scan, count);
    *out_stat = asking.stat;
    return err;
}
