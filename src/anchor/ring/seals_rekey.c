/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New shares for a seal: see seals.h. They lie beside it, in anchor/seals/N.new, until each was confirmed by being
 * given back; then they take its place by one rename. So at each moment one of both opens the vault, and a process that
 * ends anywhere leaves it to the next one to go on.
 */
#include "anchor/ring/home.h"
#include "anchor/ring/seals_inside.h"
#include "anchor/seal/seal_inside.h"
#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/secret.h"
#include "crypto/ct.h"

/* --- which seal --------------------------------------------------------------------------------------------------- */

/* What a seal must have to be the one that is meant where no number is given. */
typedef enum sherd_err suits_fn(const char *dir, unsigned number);

static enum sherd_err is_by_shares(const char *dir, unsigned number)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *seal = sherd_secret_alloc(sizeof(*seal));

    return seal != NULL ? sherd_seal_file_shares(dir, number, seal) : SHERD_ERR_NO_MEMORY;
}

static enum sherd_err has_new(const char *dir, unsigned number)
{
    SHERD_CLEANUP(sherd_new_shares_done) struct sherd_new_shares new_shares = {0};
    const enum sherd_err err = sherd_new_shares_read(dir, number, &new_shares);

    return err == SHERD_ERR_TAMPERED ? SHERD_OK : err; /* it is meant, whatever becomes of it */
}

static enum sherd_err find_seal(const char *dir, unsigned wanted, suits_fn *suits, const char *none,
                                unsigned *out_number)
{
    unsigned found = 0;

    SHERD_ENSURE(wanted <= SHERD_SEALS_MAX, SHERD_ERR_INVALID, "seals have the numbers 1 to 99");
    if (wanted != 0) {
        *out_number = wanted;
        return suits(dir, wanted);
    }
    for (unsigned number = 1; number <= SHERD_SEALS_MAX; number++) {
        const enum sherd_err err = suits(dir, number);

        if (err == SHERD_ERR_NOT_FOUND)
            continue;
        SHERD_TRY(err);
        SHERD_ENSURE(found == 0, SHERD_ERR_INVALID, "that may be one of several seals: name it by its number");
        found = number;
    }
    SHERD_ENSURE(found != 0, SHERD_ERR_NOT_FOUND, none);
    *out_number = found;
    return SHERD_OK;
}

/* --- making new shares -------------------------------------------------------------------------------------------- */

/*
 * By what a share is known that is given back: only who holds it can make that for another seal. bytes: room for the
 * share, in secret memory.
 */
static enum sherd_err digest_of(const struct sherd_share *share, const uint8_t seal[static SHERD_SHA256_SIZE],
                                uint8_t *bytes, struct sherd_digest *out_digest)
{
    const struct sherd_span parts[] = {sherd_span_str("sherd share confirm 1"), sherd_span_of(seal, SHERD_SHA256_SIZE),
                                       sherd_span_of(bytes, SHERD_SHARE_BYTES)};

    sherd_share_encode(share, bytes);
    return sherd_hash(SHERD_SHA256, parts, SHERD_COUNT_OF(parts), out_digest->bytes);
}

/* Behind the seal: its digest, that no share was confirmed yet, and by what each is known. */
static enum sherd_err append_marks(const struct sherd_shares *shares, struct sherd_buf *out_file)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *bytes = sherd_secret_alloc(SHERD_SHARE_BYTES);
    struct sherd_digest seal;

    if (bytes == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_new_shares_digest(sherd_buf_span(out_file), &seal));
    SHERD_TRY(sherd_buf_append(out_file, sherd_span_of(seal.bytes, sizeof(seal.bytes))));
    for (size_t i = 0; i < shares->count; i++) {
        uint8_t mark[SHERD_SEAL_CONFIRM_SIZE] = {0};
        struct sherd_digest digest;

        SHERD_TRY(digest_of(&shares->shares[i], seal.bytes, bytes, &digest));
        memcpy(mark + 1, digest.bytes, sizeof(digest.bytes));
        SHERD_TRY(sherd_buf_append(out_file, sherd_span_of(mark, sizeof(mark))));
    }
    return SHERD_OK;
}

/* There are none, or what is left of some that have replaced the seal. */
static enum sherd_err check_no_new(const char *dir, unsigned number)
{
    SHERD_CLEANUP(sherd_new_shares_done) struct sherd_new_shares new_shares = {0};
    const enum sherd_err err = sherd_new_shares_read(dir, number, &new_shares);

    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_ENSURE(err != SHERD_OK, SHERD_ERR_CONFLICT,
                 "new shares are waiting to be confirmed already: confirm them, or abandon them first");
    return err;
}

static enum sherd_err write_new(const char *dir, unsigned number, struct sherd_span old, struct sherd_span file)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf now = {0};
    char name[SHERD_SEAL_NAME_SIZE];

    SHERD_TRY(check_no_new(dir, number));
    const enum sherd_err err = sherd_seal_file_read(dir, number, &now);
    if (err == SHERD_ERR_NOT_FOUND || (err == SHERD_OK && !sherd_span_equal(sherd_buf_span(&now), old)))
        return sherd_fail(SHERD_ERR_CONFLICT,
                          "somebody has changed the seal meanwhile: the shares that were just made open nothing");
    SHERD_TRY(err);
    SHERD_FAILPOINT("shares.before_write");
    SHERD_TRY(sherd_file_write(dir, SHERD_SEALS_TEMPORARY, file));
    SHERD_FAILPOINT("shares.written");
    sherd_seal_name(number, ".new", name);
    SHERD_TRY(sherd_seal_file_name_new(dir, name));
    SHERD_FAILPOINT("shares.named");
    return SHERD_OK;
}

/* As many as before, with the same holders. holders: room for names. */
static struct sherd_shares_options same_as(const struct sherd_shares_seal *old, const char **holders)
{
    const bool parts = old->set.kind == SHERD_SHARE_XOR;

    for (unsigned i = 0; i < old->set.count; i++)
        holders[i] = old->holders[i];
    return (struct sherd_shares_options){.count = old->set.count,
                                         .threshold = old->set.threshold,
                                         .parts = parts,
                                         .copies = !parts && old->set.threshold == 1,
                                         .holders = holders};
}

/* The new seal and what stands behind it; the shares are given out. */
static enum sherd_err make_new(const struct sherd_home *home, const struct sherd_seal_wish *wish,
                               const struct sherd_shares_seal *old, struct sherd_buf *out_file)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares *shares = sherd_secret_alloc(sizeof(*shares));

    if (root == NULL || shares == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_home_root(home, root));
    SHERD_TRY(sherd_seals_make(root, sherd_home_deployment(home), sherd_home_fips(home), wish, &old->set, shares,
                               out_file));
    return append_marks(shares, out_file);
}

enum sherd_err sherd_seals_rekey(const struct sherd_home *home, unsigned number,
                                 const struct sherd_shares_options *options, sherd_share_give_fn *give, void *arg)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares_seal *old = sherd_secret_alloc(sizeof(*old));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf old_file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_SEAL_FILE_BYTES_MAX};
    const char *holders[SHERD_SHARES_MAX];
    const char *dir = sherd_home_dir(home);
    struct sherd_file_lock lock;

    if (old == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_home_lock(home, &lock)); /* asks too whether the vault may be written, before shares are made */
    sherd_file_lock_leave(&lock);
    SHERD_TRY(find_seal(dir, number, is_by_shares, "no seal of this vault is by shares", &number));
    SHERD_TRY(check_no_new(dir, number));
    SHERD_TRY(sherd_seal_file_read(dir, number, &old_file));
    SHERD_TRY(sherd_shares_seal_read(sherd_buf_span(&old_file), old));
    const struct sherd_shares_options same = same_as(old, holders);
    const struct sherd_seal_wish wish = {.shares = options != NULL ? options : &same, .give = give, .give_arg = arg};
    SHERD_TRY(make_new(home, &wish, old, &file));
    SHERD_TRY(sherd_home_lock(home, &lock)); /* only now: giving shares out may take people's time */
    const enum sherd_err err = write_new(dir, number, sherd_buf_span(&old_file), sherd_buf_span(&file));
    sherd_file_lock_leave(&lock);
    return err;
}

static enum sherd_err abandon_alone(const char *dir, unsigned number)
{
    char name[SHERD_SEAL_NAME_SIZE];

    SHERD_TRY(find_seal(dir, number, has_new, "no seal has new shares", &number));
    sherd_seal_name(number, ".new", name);
    return sherd_seal_file_remove(dir, name);
}

enum sherd_err sherd_seals_abandon(const struct sherd_home *home, unsigned number)
{
    struct sherd_file_lock lock;

    SHERD_TRY(sherd_home_lock(home, &lock));
    const enum sherd_err err = abandon_alone(sherd_home_dir(home), number);
    sherd_file_lock_leave(&lock);
    return err;
}

/* --- confirming --------------------------------------------------------------------------------------------------- */

/* Each share is to the bit the one that was given out: then the marks say so. */
static enum sherd_err mark_shares(const struct sherd_new_shares *new_shares, const struct sherd_shares *shares)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *bytes = sherd_secret_alloc(SHERD_SHARE_BYTES);
    const uint8_t *seal = new_shares->file.data + new_shares->seal->bytes;
    bool have[SHERD_SHARES_MAX + 1];

    if (bytes == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_shares_seal_check(new_shares->seal, shares, have));
    for (size_t i = 0; i < shares->count; i++) {
        const unsigned index = shares->shares[i].index;
        uint8_t *mark = sherd_new_shares_mark(new_shares, index);
        struct sherd_digest digest;

        SHERD_TRY(digest_of(&shares->shares[i], seal, bytes, &digest));
        if (!sherd_ct_equal(digest.bytes, mark + 1, sizeof(digest.bytes)))
            return sherd_fail(SHERD_ERR_DENIED, "%s: share %u was forged or changed: it is not the one that was dealt",
                              new_shares->seal->holders[index - 1], index);
    }
    for (size_t i = 0; i < shares->count; i++)
        *sherd_new_shares_mark(new_shares, shares->shares[i].index) = 1;
    return SHERD_OK;
}

static enum sherd_err write_marks(const char *dir, unsigned number, const struct sherd_new_shares *new_shares)
{
    char name[SHERD_SEAL_NAME_SIZE];

    SHERD_FAILPOINT("confirm.before_write");
    SHERD_TRY(sherd_file_write(dir, SHERD_SEALS_TEMPORARY, sherd_buf_span(&new_shares->file)));
    SHERD_FAILPOINT("confirm.written");
    sherd_seal_name(number, ".new", name);
    SHERD_TRY(sherd_seal_file_name(dir, name));
    SHERD_FAILPOINT("confirm.named");
    return SHERD_OK;
}

/* All are confirmed: the new seal takes the place of the old one. */
static enum sherd_err replace_seal(const char *dir, unsigned number, const struct sherd_new_shares *new_shares)
{
    char name[SHERD_SEAL_NAME_SIZE];

    SHERD_TRY(sherd_file_write(dir, SHERD_SEALS_TEMPORARY,
                               sherd_span_of(new_shares->file.data, new_shares->seal->bytes)));
    SHERD_FAILPOINT("confirm.before_replace");
    sherd_seal_name(number, "", name);
    SHERD_TRY(sherd_seal_file_name(dir, name));
    SHERD_FAILPOINT("confirm.replaced");
    sherd_seal_name(number, ".new", name);
    return sherd_seal_file_remove(dir, name);
}

static void tell_progress(const struct sherd_new_shares *new_shares, unsigned number,
                          struct sherd_shares_progress *out_progress)
{
    const struct sherd_shares_seal *seal = new_shares->seal;
    bool have[SHERD_SHARES_MAX + 1] = {false};

    for (unsigned index = 1; index <= seal->set.count; index++)
        have[index] = *sherd_new_shares_mark(new_shares, index) != 0;
    sherd_shares_seal_progress(seal, seal->set.count, have, out_progress);
    out_progress->number = number;
}

static enum sherd_err confirm_alone(const char *dir, unsigned number, const struct sherd_shares *shares,
                                    struct sherd_shares_progress *out_progress)
{
    SHERD_CLEANUP(sherd_new_shares_done) struct sherd_new_shares new_shares = {0};
    struct sherd_shares_progress progress;

    SHERD_TRY(find_seal(dir, number, has_new, "no new shares are waiting to be confirmed", &number));
    SHERD_TRY(sherd_new_shares_read(dir, number, &new_shares));
    if (shares->count > 0) {
        SHERD_TRY(mark_shares(&new_shares, shares));
        SHERD_TRY(write_marks(dir, number, &new_shares));
    }
    tell_progress(&new_shares, number, &progress);
    if (progress.done)
        SHERD_TRY(replace_seal(dir, number, &new_shares));
    *out_progress = progress;
    return SHERD_OK;
}

enum sherd_err sherd_seals_confirm(const char *dir, unsigned number, struct sherd_span shares,
                                   struct sherd_shares_progress *out_progress)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_shares *parsed = sherd_secret_alloc(sizeof(*parsed));
    struct sherd_file_lock lock;

    if (parsed == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (shares.len > 0)
        SHERD_TRY(sherd_shares_parse(shares, parsed));
    SHERD_TRY(sherd_file_lock_take(dir, SHERD_ANCHOR_LOCK_FILE, &lock));
    const enum sherd_err err = confirm_alone(dir, number, parsed, out_progress);
    sherd_file_lock_leave(&lock);
    return err;
}
