/* SPDX-License-Identifier: Apache-2.0 */
/* The seals of a vault: see seals.h. */
#include "anchor/ring/seals.h"
#include "anchor/ring/home.h"
#include "anchor/ring/seals_inside.h"
#include "anchor/seal/seal_inside.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <stdio.h>

/* --- files -------------------------------------------------------------------------------------------------------- */

void sherd_seal_name(unsigned number, const char *suffix, char out[static SHERD_SEAL_NAME_SIZE])
{
    (void)snprintf(out, SHERD_SEAL_NAME_SIZE, SHERD_SEALS_FOLDER "/%u%s", number, suffix);
}

static enum sherd_err read_seal_file(const char *dir, unsigned number, const char *suffix, struct sherd_buf *out_file)
{
    char name[SHERD_SEAL_NAME_SIZE];

    sherd_seal_name(number, suffix, name);
    *out_file = (struct sherd_buf){.max = SHERD_SEAL_FILE_BYTES_MAX};
    const enum sherd_err err = sherd_file_read(dir, name, out_file);
    if (err == SHERD_ERR_LIMIT)
        return sherd_fail(SHERD_ERR_TAMPERED, "%s is no seal: it was changed", name);
    return err;
}

enum sherd_err sherd_seal_file_read(const char *dir, unsigned number, struct sherd_buf *out_file)
{
    return read_seal_file(dir, number, "", out_file);
}

enum sherd_err sherd_seal_file_shares(const char *dir, unsigned number, struct sherd_shares_seal *out_seal)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};

    SHERD_TRY(sherd_seal_file_read(dir, number, &file));
    const enum sherd_err err = sherd_shares_seal_read(sherd_buf_span(&file), out_seal);
    if (err == SHERD_ERR_DENIED || (err == SHERD_OK && out_seal->bytes != file.len))
        return sherd_fail(SHERD_ERR_NOT_FOUND, "seal %u is not one by shares", number);
    return err;
}

enum sherd_err sherd_seal_file_name(const char *dir, const char *name)
{
    SHERD_TRY(sherd_file_rename(dir, SHERD_SEALS_TEMPORARY, name));
    return sherd_dir_sync(dir, SHERD_SEALS_FOLDER);
}

enum sherd_err sherd_seal_file_name_new(const char *dir, const char *name)
{
    char detail[SHERD_FAIL_TEXT_SIZE];
    const enum sherd_err err = sherd_seal_file_name(dir, name);

    if (err == SHERD_OK)
        return SHERD_OK;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    if (sherd_seal_file_remove(dir, name) != SHERD_OK)
        return sherd_fail(err, "%s, and %s is left: remove it", detail, name);
    sherd_fail_restore(detail);
    return err;
}

enum sherd_err sherd_seal_file_remove(const char *dir, const char *name)
{
    SHERD_TRY(sherd_file_remove(dir, name));
    return sherd_dir_sync(dir, SHERD_SEALS_FOLDER);
}

/* --- new shares --------------------------------------------------------------------------------------------------- */

void sherd_new_shares_done(struct sherd_new_shares *new_shares)
{
    sherd_buf_done(&new_shares->file);
    sherd_secret_free(new_shares->seal);
    new_shares->seal = NULL;
}

uint8_t *sherd_new_shares_mark(const struct sherd_new_shares *new_shares, unsigned index)
{
    return new_shares->file.data + new_shares->seal->bytes + SHERD_SHA256_SIZE +
           (size_t)(index - 1) * SHERD_SEAL_CONFIRM_SIZE;
}

enum sherd_err sherd_new_shares_digest(struct sherd_span seal, struct sherd_digest *out_digest)
{
    const struct sherd_span parts[] = {sherd_span_str("sherd new shares 1"), seal};

    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out_digest->bytes);
}

static enum sherd_err changed(unsigned number)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the new shares of seal %u were changed: abandon them, and make others",
                      number);
}

/* What stands behind the seal has its form, and the seal is as it was written. */
static enum sherd_err check_marks(const struct sherd_new_shares *new_shares, unsigned number)
{
    const struct sherd_shares_seal *seal = new_shares->seal;
    const uint8_t *bytes = new_shares->file.data;
    struct sherd_digest digest;

    if (new_shares->file.len != seal->bytes + SHERD_SHA256_SIZE + (size_t)seal->set.count * SHERD_SEAL_CONFIRM_SIZE)
        return changed(number);
    SHERD_TRY(sherd_new_shares_digest(sherd_span_of(bytes, seal->bytes), &digest));
    if (!sherd_same(digest.bytes, bytes + seal->bytes, sizeof(digest.bytes)))
        return changed(number);
    for (unsigned index = 1; index <= seal->set.count; index++)
        if (*sherd_new_shares_mark(new_shares, index) > 1)
            return changed(number);
    return SHERD_OK;
}

/* What a rekeying of the seal `old` has written. One that is the seal already was left behind by one that ended. */
static enum sherd_err check_new(const struct sherd_shares_seal *old, const struct sherd_new_shares *new_shares,
                                unsigned number)
{
    const struct sherd_shares_seal *seal = new_shares->seal;

    if (!sherd_same(&old->deployment, &seal->deployment, sizeof(old->deployment)) || old->fips != seal->fips ||
        !sherd_same(old->set.set_id, seal->set.set_id, sizeof(old->set.set_id)))
        return changed(number);
    SHERD_TRY(check_marks(new_shares, number));
    if (seal->set.generation <= old->set.generation)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "seal %u has no new shares", number);
    return SHERD_OK;
}

enum sherd_err sherd_new_shares_parse(const struct sherd_shares_seal *old, unsigned number,
                                      struct sherd_new_shares *new_shares)
{
    new_shares->seal = sherd_secret_alloc(sizeof(*new_shares->seal));
    if (new_shares->seal == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_shares_seal_read(sherd_buf_span(&new_shares->file), new_shares->seal);
    if (err == SHERD_ERR_DENIED)
        return changed(number);
    SHERD_TRY(err);
    return check_new(old, new_shares, number);
}

enum sherd_err sherd_new_shares_read(const char *dir, unsigned number, struct sherd_new_shares *out_new_shares)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *old = sherd_secret_alloc(sizeof(*old));

    if (old == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_seal_file_shares(dir, number, old));
    enum sherd_err err = read_seal_file(dir, number, ".new", &out_new_shares->file);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "seal %u has no new shares", number);
    SHERD_TRY(err);
    return sherd_new_shares_parse(old, number, out_new_shares);
}

/* --- making ------------------------------------------------------------------------------------------------------- */

static enum sherd_err give_all(const struct sherd_seal_wish *wish, const struct sherd_shares *shares)
{
    SHERD_CLEANUP(sherd_secret_freep) char *text = sherd_secret_alloc(SHERD_SHARE_TEXT_SIZE);

    if (text == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (size_t i = 0; i < shares->count; i++) {
        const struct sherd_share *share = &shares->shares[i];
        struct sherd_share_given given = {
            .index = share->index,
            .count = share->count,
            .threshold = share->threshold,
            .generation = share->generation,
            .holder = wish->shares->holders != NULL ? wish->shares->holders[i] : "",
            .text = sherd_span_of(text, SHERD_SHARE_TEXT_SIZE - 1),
        };

        memcpy(given.set_id, share->set_id, sizeof(given.set_id));
        SHERD_TRY(sherd_share_text(share, text));
        SHERD_TRY(wish->give(wish->give_arg, &given));
    }
    return SHERD_OK;
}

enum sherd_err sherd_seals_make(const struct sherd_root_key *root, const struct sherd_uuid *deployment, bool fips,
                                const struct sherd_seal_wish *wish, const struct sherd_share_set *replaced,
                                struct sherd_shares *shares, struct sherd_buf *out_file)
{
    SHERD_ENSURE((wish->shares != NULL) != (wish->unseal != NULL), SHERD_ERR_INVALID,
                 "a seal is by a passphrase, by a key file or by shares: ask for one of these");
    if (wish->shares == NULL)
        return sherd_seal_make(root, deployment, fips, wish->unseal, out_file);
    SHERD_ENSURE(wish->give != NULL, SHERD_ERR_INVALID, "somebody must be given the shares");
    SHERD_TRY(sherd_shares_seal_make(root, deployment, fips, wish->shares, replaced, shares, out_file));
    return give_all(wish, shares);
}

enum sherd_err sherd_seals_begin(const char *dir, const struct sherd_root_key *root,
                                 const struct sherd_uuid *deployment, bool fips, const struct sherd_seal_wish *wish)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_SEAL_FILE_BYTES_MAX};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares *shares = sherd_secret_alloc(sizeof(*shares));
    char name[SHERD_SEAL_NAME_SIZE];

    if (shares == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_seals_make(root, deployment, fips, wish, NULL, shares, &file));
    SHERD_TRY(sherd_dir_make(dir, SHERD_SEALS_FOLDER));
    sherd_seal_name(1, "", name);
    SHERD_TRY(sherd_file_write_new(dir, name, sherd_buf_span(&file)));
    return sherd_dir_sync(dir, SHERD_SEALS_FOLDER);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* The failure that says most: of the seal that what was given is meant for, of one of its kind, of any. */
struct worst {
    unsigned rank;
    enum sherd_err err;
    char detail[SHERD_FAIL_TEXT_SIZE];
};

static void keep_worst(struct worst *worst, unsigned rank, enum sherd_err err)
{
    if (rank <= worst->rank)
        return;
    worst->rank = rank;
    worst->err = err;
    (void)snprintf(worst->detail, sizeof(worst->detail), "%s", sherd_err_detail());
}

static enum sherd_err tell_worst(const struct worst *worst, const char *dir)
{
    if (worst->rank == 0)
        return sherd_fail(SHERD_ERR_IO,
                          "%s/" SHERD_SEALS_FOLDER "/1 is missing: the vault was copied or restored only in part; "
                          "bring back all of it",
                          dir);
    sherd_fail_restore(worst->detail);
    return worst->err;
}

/* How much a failure with this seal says. */
static unsigned rank_of(struct sherd_span file, const struct sherd_unseal *unseal, const struct sherd_shares *shares)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *seal = sherd_secret_alloc(sizeof(*seal));

    if (!sherd_unseal_fits(unseal, sherd_seal_kind_of(file)))
        return 1;
    if (unseal->shares.len == 0)
        return 3;
    return seal != NULL && sherd_shares_seal_read(file, seal) == SHERD_OK && sherd_shares_seal_meant(seal, shares) ? 3
                                                                                                                   : 2;
}

static bool ends_search(enum sherd_err err)
{
    return err != SHERD_ERR_DENIED && err != SHERD_ERR_UNSUPPORTED && err != SHERD_ERR_SEALED &&
           err != SHERD_ERR_INVALID && err != SHERD_ERR_TAMPERED;
}

/* One seal: does what was given open it? */
static enum sherd_err try_seal(const char *dir, unsigned number, const struct sherd_unseal *unseal,
                               const struct sherd_shares *shares, struct sherd_root_key *root,
                               struct sherd_uuid *out_deployment, char out_text[32], bool *out_fips,
                               struct worst *worst)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    enum sherd_err err = sherd_seal_file_read(dir, number, &file);

    if (err == SHERD_OK)
        err = sherd_seal_open(sherd_buf_span(&file), unseal, root, out_deployment);
    if (err == SHERD_OK) {
        sherd_seal_describe(sherd_buf_span(&file), out_text);
        *out_fips = sherd_seal_fips(sherd_buf_span(&file));
    } else if (err != SHERD_ERR_NOT_FOUND) {
        struct worst this = {0};

        keep_worst(&this, 1, err); /* what finds the rank has details of its own */
        const unsigned rank = rank_of(sherd_buf_span(&file), unseal, shares);
        sherd_fail_restore(this.detail);
        keep_worst(worst, rank, err);
    }
    return err;
}

enum sherd_err sherd_seals_open(const char *dir, const struct sherd_unseal *unseal, struct sherd_root_key *out_root,
                                struct sherd_uuid *out_deployment, char out_text[32], bool *out_fips)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares *shares = sherd_secret_alloc(sizeof(*shares));
    struct worst worst = {0};

    if (shares == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_unseal_check(unseal));
    if (unseal->shares.len > 0)
        SHERD_TRY(sherd_shares_parse(unseal->shares, shares));
    for (unsigned number = 1; number <= SHERD_SEALS_MAX; number++) {
        const enum sherd_err err = try_seal(dir, number, unseal, shares, out_root, out_deployment, out_text, out_fips,
                                            &worst);

        if (err == SHERD_OK || (err != SHERD_ERR_NOT_FOUND && ends_search(err)))
            return err;
    }
    return tell_worst(&worst, dir);
}

/* --- looking ------------------------------------------------------------------------------------------------------ */

/* What a visitor is shown, and what that borrows from. */
struct view {
    struct sherd_seal_info info;
    const char *holders[SHERD_SHARES_MAX];
    const char *new_holders[SHERD_SHARES_MAX];
    bool new_confirmed[SHERD_SHARES_MAX];
};

static void view_shares(struct view *view, const struct sherd_shares_seal *seal)
{
    view->info.count = seal->set.count;
    view->info.threshold = seal->set.threshold;
    view->info.generation = seal->set.generation;
    memcpy(view->info.set_id, seal->set.set_id, sizeof(view->info.set_id));
    for (unsigned i = 0; i < seal->set.count; i++)
        view->holders[i] = seal->holders[i];
    view->info.holders = view->holders;
}

static void view_new(struct view *view, const struct sherd_new_shares *new_shares)
{
    const struct sherd_shares_seal *seal = new_shares->seal;

    view->info.rekeying = true;
    view->info.new_count = seal->set.count;
    view->info.new_threshold = seal->set.threshold;
    view->info.new_generation = seal->set.generation;
    for (unsigned i = 0; i < seal->set.count; i++) {
        view->new_holders[i] = seal->holders[i];
        view->new_confirmed[i] = *sherd_new_shares_mark(new_shares, i + 1) != 0;
    }
    view->info.new_holders = view->new_holders;
    view->info.new_confirmed = view->new_confirmed;
}

static enum sherd_err visit_one(const char *dir, unsigned number, sherd_seal_visit_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_new_shares_done) struct sherd_new_shares new_shares = {0};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *seal = sherd_secret_alloc(sizeof(*seal));
    struct view view = {.info = {.number = number}};

    if (seal == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = sherd_seal_file_read(dir, number, &file);
    if (err != SHERD_OK && err != SHERD_ERR_TAMPERED)
        return err;
    view.info.kind = sherd_seal_kind_of(sherd_buf_span(&file));
    view.info.fips = sherd_seal_fips(sherd_buf_span(&file));
    sherd_seal_describe(sherd_buf_span(&file), view.info.text);
    if (sherd_shares_seal_read(sherd_buf_span(&file), seal) == SHERD_OK) {
        view_shares(&view, seal);
        err = sherd_new_shares_read(dir, number, &new_shares);
        if (err == SHERD_OK)
            view_new(&view, &new_shares);
        else if (err != SHERD_ERR_NOT_FOUND && err != SHERD_ERR_TAMPERED)
            return err;
    }
    return visit(arg, &view.info);
}

enum sherd_err sherd_seals_each(const char *dir, sherd_seal_visit_fn *visit, void *arg)
{
    for (unsigned number = 1; number <= SHERD_SEALS_MAX; number++) {
        const enum sherd_err err = visit_one(dir, number, visit, arg);

        if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND)
            return err;
    }
    return SHERD_OK;
}

/* As sherd_seals_check(), against one seal. */
static enum sherd_err check_one(const char *dir, unsigned number, const struct sherd_shares *shares,
                                struct sherd_shares_progress *out_progress, bool *out_meant)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *seal = sherd_secret_alloc(sizeof(*seal));
    bool have[SHERD_SHARES_MAX + 1];

    *out_meant = false;
    if (seal == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_seal_file_shares(dir, number, seal));
    *out_meant = sherd_shares_seal_meant(seal, shares);
    SHERD_TRY(sherd_shares_seal_check(seal, shares, have));
    sherd_shares_seal_progress(seal, seal->set.threshold, have, out_progress);
    out_progress->number = number;
    return SHERD_OK;
}

static enum sherd_err check_any(const char *dir, const struct sherd_shares *shares,
                                struct sherd_shares_progress *out_progress)
{
    struct worst worst = {0};
    bool meant;

    for (unsigned number = 1; number <= SHERD_SEALS_MAX; number++) {
        const enum sherd_err err = check_one(dir, number, shares, out_progress, &meant);

        if (err == SHERD_OK || (err != SHERD_ERR_NOT_FOUND && ends_search(err)))
            return err;
        if (err != SHERD_ERR_NOT_FOUND)
            keep_worst(&worst, meant ? 3 : 2, err);
    }
    SHERD_ENSURE(worst.rank > 0, SHERD_ERR_NOT_FOUND, "no seal of this vault is by shares");
    sherd_fail_restore(worst.detail);
    return worst.err;
}

enum sherd_err sherd_seals_check(const char *dir, struct sherd_span shares, struct sherd_shares_progress *out_progress)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares *parsed = sherd_secret_alloc(sizeof(*parsed));

    if (parsed == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_shares_parse(shares, parsed));
    return check_any(dir, parsed, out_progress);
}

/* --- whose a share is --------------------------------------------------------------------------------------------- */

static void describe_in(const struct sherd_shares_seal *seal, unsigned number, const struct sherd_share *share,
                        const char *good, struct sherd_share_info *info)
{
    const enum sherd_err err = sherd_share_check(share, &seal->set);

    info->number = number;
    if (share->index <= seal->set.count)
        memcpy(info->holder, seal->holders[share->index - 1], sizeof(info->holder));
    (void)snprintf(info->state, sizeof(info->state), "%s", err == SHERD_OK ? good : sherd_err_detail());
}

/* SHERD_ERR_NOT_FOUND: this seal has nothing to say of the share. */
static enum sherd_err look_up_in(const char *dir, unsigned number, const struct sherd_shares *one,
                                 struct sherd_share_info *info)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *seal = sherd_secret_alloc(sizeof(*seal));
    SHERD_CLEANUP(sherd_new_shares_done) struct sherd_new_shares new_shares = {0};
    const struct sherd_share *share = &one->shares[0];

    if (seal == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_seal_file_shares(dir, number, seal));
    SHERD_ENSURE(sherd_shares_seal_meant(seal, one), SHERD_ERR_NOT_FOUND, "the share is of another set");
    if (share->generation > seal->set.generation && sherd_new_shares_read(dir, number, &new_shares) == SHERD_OK)
        describe_in(new_shares.seal, number, share,
                    *sherd_new_shares_mark(&new_shares, share->index <= new_shares.seal->set.count ? share->index : 1)
                        ? "new, confirmed"
                        : "new, not confirmed yet",
                    info);
    else
        describe_in(seal, number, share, "current", info);
    return SHERD_OK;
}

static enum sherd_err look_up(const char *dir, const struct sherd_shares *one, struct sherd_share_info *info)
{
    for (unsigned number = 1; number <= SHERD_SEALS_MAX; number++) {
        const enum sherd_err err = look_up_in(dir, number, one, info);

        if (err != SHERD_ERR_NOT_FOUND && err != SHERD_ERR_UNSUPPORTED && err != SHERD_ERR_TAMPERED)
            return err;
    }
    (void)snprintf(info->state, sizeof(info->state), "of no seal of this vault");
    return SHERD_OK;
}

static enum sherd_err visit_share(const char *dir, const struct sherd_shares *one, sherd_share_visit_fn *visit,
                                  void *arg)
{
    const struct sherd_share *share = &one->shares[0];
    struct sherd_share_info info = {
        .index = share->index,
        .count = share->count,
        .threshold = share->threshold,
        .parts = share->kind == SHERD_SHARE_XOR,
        .generation = share->generation,
    };

    memcpy(info.set_id, share->set_id, sizeof(info.set_id));
    if (dir != NULL)
        SHERD_TRY(look_up(dir, one, &info));
    return visit(arg, &info);
}

enum sherd_err sherd_seals_share_each(const char *dir, struct sherd_span shares, sherd_share_visit_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares *parsed = sherd_secret_alloc(sizeof(*parsed));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares *one = sherd_secret_alloc(sizeof(*one));

    if (parsed == NULL || one == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_shares_parse(shares, parsed));
    for (size_t i = 0; i < parsed->count; i++) {
        one->count = 1;
        one->shares[0] = parsed->shares[i];
        SHERD_TRY(visit_share(dir, one, visit, arg));
    }
    return SHERD_OK;
}

/* --- adding and removing ------------------------------------------------------------------------------------------ */

static enum sherd_err is_free(const char *dir, unsigned number, bool *out_free)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    const enum sherd_err err = sherd_seal_file_read(dir, number, &file);

    *out_free = err == SHERD_ERR_NOT_FOUND;
    return err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static enum sherd_err add_alone(const char *dir, struct sherd_span file, unsigned *out_number)
{
    char name[SHERD_SEAL_NAME_SIZE];
    unsigned number = 0;
    bool free_there = false;

    while (!free_there && ++number <= SHERD_SEALS_MAX)
        SHERD_TRY(is_free(dir, number, &free_there));
    SHERD_ENSURE(free_there, SHERD_ERR_LIMIT, "the vault has 99 seals: remove one first");
    sherd_seal_name(number, ".new", name);
    SHERD_TRY(sherd_seal_file_remove(dir, name)); /* of a seal that somebody removed by hand */
    SHERD_TRY(sherd_file_write(dir, SHERD_SEALS_TEMPORARY, file));
    SHERD_FAILPOINT("seal.add_written");
    sherd_seal_name(number, "", name);
    SHERD_TRY(sherd_seal_file_name_new(dir, name));
    SHERD_FAILPOINT("seal.added");
    *out_number = number;
    return SHERD_OK;
}

enum sherd_err sherd_seals_add(const struct sherd_home *home, const struct sherd_seal_wish *wish, unsigned *out_number)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_SEAL_FILE_BYTES_MAX};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares *shares = sherd_secret_alloc(sizeof(*shares));
    struct sherd_file_lock lock;
    unsigned number = 0;

    if (root == NULL || shares == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_home_root(home, root));
    SHERD_TRY(sherd_seals_make(root, sherd_home_deployment(home), sherd_home_fips(home), wish, NULL, shares, &file));
    SHERD_TRY(sherd_home_lock(home, &lock));
    const enum sherd_err err = add_alone(sherd_home_dir(home), sherd_buf_span(&file), &number);
    sherd_file_lock_leave(&lock);
    if (err == SHERD_OK && out_number != NULL)
        *out_number = number;
    return err;
}

/* Whether another seal is there that could open the vault. */
static enum sherd_err has_other(const struct sherd_home *home, unsigned number, bool *out_has)
{
    const char *dir = sherd_home_dir(home);

    *out_has = false;
    for (unsigned other = 1; other <= SHERD_SEALS_MAX && !*out_has; other++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
        struct sherd_seal_header header;

        if (other == number)
            continue;
        const enum sherd_err err = sherd_seal_file_read(dir, other, &file);
        if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_TAMPERED)
            continue;
        SHERD_TRY(err);
        *out_has = sherd_seal_kind_of(sherd_buf_span(&file)) != SHERD_SEAL_UNKNOWN &&
                   sherd_seal_header_decode(sherd_buf_span(&file), &header) == SHERD_OK &&
                   header.fips == sherd_home_fips(home) &&
                   sherd_same(&header.deployment, sherd_home_deployment(home), sizeof(header.deployment));
    }
    return SHERD_OK;
}

/* The salt of a seal that is gone is written over, as far as the disk does so in place: nothing opens the rest then. */
static enum sherd_err wipe_removed(const char *dir)
{
    uint8_t noise[SHERD_SEAL_BYTES];

    SHERD_TRY(sherd_random(noise, sizeof(noise)));
    SHERD_TRY(sherd_file_overwrite(dir, SHERD_SEALS_TEMPORARY, 0, sherd_span_of(noise, sizeof(noise))));
    return sherd_seal_file_remove(dir, SHERD_SEALS_TEMPORARY);
}

static enum sherd_err remove_alone(const struct sherd_home *home, unsigned number)
{
    const char *dir = sherd_home_dir(home);
    char name[SHERD_SEAL_NAME_SIZE];
    bool free_there;
    bool other;

    SHERD_TRY(is_free(dir, number, &free_there));
    if (free_there)
        return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no seal %u", number);
    SHERD_TRY(has_other(home, number, &other));
    SHERD_ENSURE(other, SHERD_ERR_DENIED, "this is the last seal, and nothing would open the vault: add another first");
    sherd_seal_name(number, ".new", name);
    SHERD_TRY(sherd_seal_file_remove(dir, name));
    SHERD_FAILPOINT("seal.before_remove");
    sherd_seal_name(number, "", name);
    SHERD_TRY(sherd_file_rename(dir, name, SHERD_SEALS_TEMPORARY));
    SHERD_TRY(sherd_dir_sync(dir, SHERD_SEALS_FOLDER));
    SHERD_FAILPOINT("seal.removed");
    return wipe_removed(dir);
}

enum sherd_err sherd_seals_remove(const struct sherd_home *home, unsigned number)
{
    struct sherd_file_lock lock;

    SHERD_ENSURE(number >= 1 && number <= SHERD_SEALS_MAX, SHERD_ERR_INVALID, "seals have the numbers 1 to 99");
    SHERD_TRY(sherd_home_lock(home, &lock));
    const enum sherd_err err = remove_alone(home, number);
    sherd_file_lock_leave(&lock);
    return err;
}
