/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of the ledger beside each compartment: see copies.h. */
#include "cryptor/copies.h"
#include "anchor/ledger/leaves.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/mem.h"
#include "ledger/log.h"
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A ledger that begins anew has another name: its copy is another directory, and that of the one before stays. */
#define COPY_FOLDER "ledger-"
#define COPY_FOLDER_SIZE 32U
#define FRESH_S 60

/* The ledger's newest checkpoint, and leaves on their way into copies. */
struct source {
    struct sherd_vault *vault;
    struct sherd_buf note;
    struct sherd_buf key;
    struct sherd_policy *policy;
    struct sherd_checkpoint checkpoint; /* borrows from note */
    struct sherd_buf leaves;            /* of one page, one after the other */
    size_t ends[SHERD_LEAVES_MAX];
    uint64_t first; /* of the page */
    size_t count;
};

static void source_done(struct source *source)
{
    sherd_buf_done(&source->note);
    sherd_buf_done(&source->key);
    sherd_buf_done(&source->leaves);
    sherd_policy_free(source->policy);
}

static enum sherd_err source_open(struct sherd_vault *vault, bool fresh, struct source *source)
{
    source->vault = vault;
    source->note.max = SHERD_CHECKPOINT_BYTES_MAX;
    SHERD_TRY(vault->anchor->ops->ledger_note(vault->anchor, fresh, &source->note, &source->key));
    SHERD_TRY(sherd_policy_of_own_log(sherd_buf_span(&source->key), &source->policy));
    return sherd_checkpoint_verify(sherd_buf_span(&source->note), source->policy, &source->checkpoint, NULL);
}

static enum sherd_err keep_leaf(void *arg, const struct sherd_leaf_found *found)
{
    struct source *source = arg;

    SHERD_ENSURE(found->index == source->first + source->count && source->count < SHERD_LEAVES_MAX, SHERD_ERR_IO,
                 "the ledger is not read on");
    SHERD_TRY(sherd_buf_append(&source->leaves, found->leaf));
    source->ends[source->count++] = source->leaves.len;
    return SHERD_OK;
}

static enum sherd_err read_page(struct source *source, uint64_t from)
{
    struct sherd_anchor *anchor = source->vault->anchor;
    const struct sherd_leaf_query query = {.size = source->checkpoint.head.size,
                                           .from = from,
                                           .to = source->checkpoint.head.size,
                                           .told = SHERD_LEAF_STORED,
                                           .count_max = SHERD_LEAVES_MAX,
                                           .about = SHERD_LEAVES_ALL};
    uint64_t next;

    sherd_buf_clear(&source->leaves);
    source->first = from;
    source->count = 0;
    SHERD_TRY(anchor->ops->ledger_scan(anchor, &query, keep_leaf, source, &next));
    SHERD_ENSURE(source->count > 0, SHERD_ERR_IO, "the ledger is not read on");
    return SHERD_OK;
}

static enum sherd_err next_leaf(void *arg, uint64_t index, struct sherd_span *out_entry)
{
    struct source *source = arg;

    if (index < source->first || index >= source->first + source->count)
        SHERD_TRY(read_page(source, index));
    const size_t at = (size_t)(index - source->first);
    const size_t begin = at == 0 ? 0 : source->ends[at - 1];
    *out_entry = sherd_span_of(source->leaves.data + begin, source->ends[at] - begin);
    return SHERD_OK;
}

/* "ROLE/ledger-XXXXXXXX": the digits at the end of the ledger's name. */
static char *copy_path(const struct source *source, enum sherd_role role)
{
    const struct sherd_span origin = source->checkpoint.origin;
    const size_t digits = origin.len < 8 ? origin.len : 8;
    char name[COPY_FOLDER_SIZE];

    (void)snprintf(name, sizeof(name), "%s/" COPY_FOLDER "%.*s", sherd_role_name(role), (int)digits,
                   (const char *)origin.data + origin.len - digits);
    return sherd_path_join(source->vault->path, name);
}

/* Brings one copy up to date, or checks it. */
typedef enum sherd_err copy_fn(struct source *source, const char *path);

static enum sherd_err follow(struct source *source, const char *path)
{
    source->count = 0;
    return sherd_log_follow(path, source->policy, sherd_buf_span(&source->note), next_leaf, source);
}

/* That what the copy has is what the ledger had when it had so many leaves. */
static enum sherd_err check_growth(const struct source *source, const struct sherd_checkpoint *own)
{
    const struct sherd_tree_head *head = &source->checkpoint.head;
    struct sherd_anchor *anchor = source->vault->anchor;
    struct sherd_path path;

    if (own->head.size > head->size)
        return sherd_fail(SHERD_ERR_CONFLICT, "the ledger is %" PRIu64 " leaves behind its copy: it was rolled back",
                          own->head.size - head->size);
    SHERD_TRY(anchor->ops->ledger_growth(anchor, own->head.size, head->size, &path));
    SHERD_ENSURE(sherd_span_equal(own->origin, source->checkpoint.origin) &&
                     sherd_consistency_verify(&path, &own->head, head) == SHERD_OK,
                 SHERD_ERR_CONFLICT, "the ledger does not continue its copy: it was forked or written anew");
    return SHERD_OK;
}

static enum sherd_err check(struct source *source, const char *path)
{
    SHERD_CLEANUP(sherd_log_closep) struct sherd_log *log = NULL;

    const enum sherd_err err = sherd_log_open(path, source->policy, NULL, &log);
    if (err == SHERD_ERR_NOT_FOUND) /* nobody has made it yet */
        return SHERD_OK;
    SHERD_TRY(err);
    SHERD_TRY(check_growth(source, sherd_log_checkpoint(log)));
    return sherd_log_verify(log, NULL, NULL);
}

static enum sherd_err each(struct sherd_vault *vault, copy_fn *use, sherd_copy_told_fn *told, void *arg)
{
    SHERD_CLEANUP(source_done) struct source source = {0};

    SHERD_TRY(source_open(vault, use == follow, &source));
    for (enum sherd_role role = SHERD_IDENTITY; role <= SHERD_SECRETS; role++) {
        SHERD_CLEANUP(sherd_freep) char *path = copy_path(&source, role);

        if (path == NULL)
            return SHERD_ERR_NO_MEMORY;
        enum sherd_err err = use(&source, path);
        if (err == SHERD_ERR_CONFLICT) { /* another process may have been faster: the ledger as it is by now */
            source_done(&source);
            source = (struct source){0};
            SHERD_TRY(source_open(vault, use == follow, &source));
            err = use(&source, path);
        }
        if (err == SHERD_ERR_BUSY) /* another process brings it there */
            continue;
        if (err != SHERD_OK && err != SHERD_ERR_CONFLICT && err != SHERD_ERR_TAMPERED)
            return err;
        if (told != NULL)
            told(arg, role, err, err == SHERD_OK ? "" : sherd_err_detail());
    }
    return SHERD_OK;
}

enum sherd_err sherd_copies_update(struct sherd_vault *vault, sherd_copy_told_fn *told, void *arg)
{
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(sherd_vault_check_maintains(vault));
    return each(vault, follow, told, arg);
}

enum sherd_err sherd_copies_check(struct sherd_vault *vault, sherd_copy_told_fn *told, void *arg)
{
    SHERD_TRY(sherd_vault_check_maintains(vault));
    return each(vault, check, told, arg);
}

/* --- at the end of a handle --------------------------------------------------------------------------------------- */

/* Whether a copy was brought up to date within a minute. */
static bool is_fresh(const struct sherd_vault *vault)
{
    SHERD_CLEANUP(sherd_freep) char *dir = sherd_path_join(vault->path, sherd_role_name(SHERD_IDENTITY));
    DIR *entries = dir != NULL ? opendir(dir) : NULL;
    const struct dirent *entry;
    bool fresh = false;

    if (entries == NULL)
        return true; /* there is no place for copies */
    while (!fresh && (entry = readdir(entries)) != NULL) {
        char name[sizeof(entry->d_name) + 16];
        int64_t age_s;

        if (strncmp(entry->d_name, COPY_FOLDER, sizeof(COPY_FOLDER) - 1) != 0)
            continue;
        (void)snprintf(name, sizeof(name), "%s/checkpoint", entry->d_name);
        fresh = sherd_file_age(dir, name, &age_s) == SHERD_OK && age_s >= 0 && age_s < FRESH_S;
    }
    (void)closedir(entries);
    return fresh;
}

void sherd_copies_end(struct sherd_vault *vault)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    if (!atomic_load(&vault->wrote) || vault->read_only || vault->of_user || is_fresh(vault))
        return;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    if (sherd_copies_update(vault, NULL, NULL) != SHERD_OK)
        sherd_fail_restore(detail);
}
