/* SPDX-License-Identifier: Apache-2.0 */
/* The anchor's directory: see home.h. */
#include "anchor/ring/home.h"
#include "anchor/ring/seals_inside.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/shield.h"
#include <stdio.h>

#define FOLDER SHERD_ANCHOR_FOLDER
#define KEYRING_FILE "anchor/keyring"
#define KEYRING_NEW_FILE "anchor/keyring.new"
#define LOCK_FILE SHERD_ANCHOR_LOCK_FILE
#define NOTICE_FILE "anchor/notice"
/* Where every kind of seal says whose it is. */
#define SEAL_DEPLOYMENT_OFFSET 28U

struct sherd_home {
    char *dir; /* the vault's */
    bool read_only;
    char seal_text[32];
    struct sherd_uuid deployment;
    bool fips; /* says the seal; the keyring must say the same */
    struct sherd_shield *root;
    struct sherd_notice notice;
};

/* --- making ------------------------------------------------------------------------------------------------------- */

static enum sherd_err digest_of(const struct sherd_buf *file, struct sherd_digest *out_digest)
{
    const struct sherd_span bytes = sherd_buf_span(file);

    return sherd_hash(SHERD_SHA256, &bytes, 1, out_digest->bytes);
}

static enum sherd_err make_files(const char *dir, const struct sherd_keyring *ring, const struct sherd_seal_wish *wish,
                                 struct sherd_root_key *root)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_KEYRING_BYTES_MAX};

    SHERD_TRY(sherd_random(root->bytes, sizeof(root->bytes)));
    SHERD_TRY(sherd_keyring_seal(ring, root, &file));
    SHERD_TRY(sherd_dir_make(dir, FOLDER));
    SHERD_TRY(sherd_seals_begin(dir, root, &ring->deployment, ring->fips, wish));
    SHERD_TRY(sherd_file_write_new(dir, KEYRING_FILE, sherd_buf_span(&file)));
    SHERD_TRY(sherd_file_write_new(dir, LOCK_FILE, sherd_span_of(NULL, 0)));
    SHERD_TRY(sherd_file_write_new(dir, NOTICE_FILE, sherd_span_of(NULL, 0)));
    return sherd_dir_sync(dir, FOLDER);
}

/* --- unsealing ---------------------------------------------------------------------------------------------------- */

/* A part that must be there, where the vault's marker is. */
static enum sherd_err must_be_there(enum sherd_err err, const struct sherd_home *home, const char *part)
{
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    return sherd_fail(SHERD_ERR_IO,
                      "%s/%s is missing: the vault was copied or restored only in part; bring back all of it",
                      home->dir, part);
}

/* The root key is there: shield it. */
static enum sherd_err take_root(struct sherd_home *home, const struct sherd_root_key *root)
{
    SHERD_TRY(sherd_shield_new(sherd_span_of(root->bytes, sizeof(root->bytes)), &home->root));
    return sherd_notice_open(home->dir, NOTICE_FILE, home->read_only, &home->notice);
}

static enum sherd_err home_new(const char *dir, bool read_only, struct sherd_home **out_home)
{
    struct sherd_home *home = sherd_alloc(sizeof(*home));

    if (home == NULL)
        return SHERD_ERR_NO_MEMORY;
    home->read_only = read_only;
    home->notice = (struct sherd_notice){.fd = -1};
    home->dir = sherd_strdup(dir);
    if (home->dir == NULL) {
        sherd_free(home);
        return SHERD_ERR_NO_MEMORY;
    }
    *out_home = home;
    return SHERD_OK;
}

enum sherd_err sherd_home_open(const char *dir, bool read_only, const struct sherd_unseal *unseal,
                               struct sherd_home **out_home)
{
    SHERD_CLEANUP(sherd_home_freep) struct sherd_home *home = NULL;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));

    if (root == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(home_new(dir, read_only, &home));
    SHERD_TRY(sherd_seals_open(dir, unseal, root, &home->deployment, home->seal_text, &home->fips));
    SHERD_TRY(take_root(home, root));
    *out_home = sherd_home_take(&home);
    return SHERD_OK;
}

enum sherd_err sherd_home_make_by(const char *dir, const struct sherd_keyring *ring, const struct sherd_seal_wish *wish,
                                  struct sherd_home **out_home)
{
    SHERD_CLEANUP(sherd_home_freep) struct sherd_home *home = NULL;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));

    if (root == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(make_files(dir, ring, wish, root));
    SHERD_TRY(home_new(dir, false, &home));
    home->deployment = ring->deployment;
    home->fips = ring->fips;
    SHERD_TRY(take_root(home, root));
    *out_home = sherd_home_take(&home);
    return SHERD_OK;
}

enum sherd_err sherd_home_make(const char *dir, const struct sherd_keyring *ring, const struct sherd_unseal *unseal,
                               struct sherd_home **out_home)
{
    const struct sherd_seal_wish wish = {.unseal = unseal};

    return sherd_home_make_by(dir, ring, &wish, out_home);
}

void sherd_home_free(struct sherd_home *home)
{
    if (home == NULL)
        return;
    sherd_notice_close(&home->notice);
    sherd_shield_free(home->root);
    sherd_free(home->dir);
    sherd_free(home);
}

const char *sherd_home_seal_text(const struct sherd_home *home)
{
    return home->seal_text;
}

const char *sherd_home_dir(const struct sherd_home *home)
{
    return home->dir;
}

const struct sherd_uuid *sherd_home_deployment(const struct sherd_home *home)
{
    return &home->deployment;
}

bool sherd_home_fips(const struct sherd_home *home)
{
    return home->fips;
}

enum sherd_err sherd_home_root(const struct sherd_home *home, struct sherd_root_key *out_root)
{
    return sherd_shield_open(home->root, out_root->bytes, sizeof(out_root->bytes));
}

/* --- the keyring -------------------------------------------------------------------------------------------------- */

/* A seal of the other mode holds the same root key, and yet is none of this vault's: somebody has brought it in. */
static enum sherd_err check_mode(const struct sherd_home *home, const struct sherd_keyring *ring)
{
    SHERD_ENSURE(home->fips || !ring->fips, SHERD_ERR_DENIED,
                 "the vault is in FIPS mode, and the seal that opens it was not made in that mode: remove it, and add "
                 "another by `sherd seals add`");
    SHERD_ENSURE(home->fips == ring->fips, SHERD_ERR_DENIED,
                 "the seal was made for FIPS mode, and the vault is in no such mode");
    return SHERD_OK;
}

/* One of the two files, opened if its digest is the one that is wanted. */
static enum sherd_err read_one(const struct sherd_home *home, const char *name, const struct sherd_digest *pinned,
                               struct sherd_keyring *out_ring, struct sherd_digest *out_digest)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_KEYRING_BYTES_MAX};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));
    struct sherd_digest digest;

    if (root == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_file_read(home->dir, name, &file);
    SHERD_ENSURE(err != SHERD_ERR_LIMIT, SHERD_ERR_TAMPERED, "anchor/keyring does not verify: it was changed");
    SHERD_TRY(err);
    SHERD_TRY(digest_of(&file, &digest));
    if (pinned != NULL && !sherd_same(&digest, pinned, sizeof(digest)))
        return sherd_fail(SHERD_ERR_TAMPERED,
                          "anchor/keyring is not the one that was written last: it was changed or rolled back; bring "
                          "back the newest one, from a backup");
    SHERD_TRY(sherd_shield_open(home->root, root->bytes, sizeof(root->bytes)));
    SHERD_TRY(sherd_keyring_open(sherd_buf_span(&file), root, &home->deployment, out_ring));
    SHERD_TRY(check_mode(home, out_ring));
    if (out_digest != NULL)
        *out_digest = digest;
    return SHERD_OK;
}

/*
 * The keyring is the file of that name, or the one beside it if a writer ended between pinning it and giving it the
 * name.
 */
enum sherd_err sherd_home_read(const struct sherd_home *home, const struct sherd_digest *pinned, bool alone,
                               struct sherd_keyring *out_ring, struct sherd_digest *out_digest)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    enum sherd_err err = read_one(home, KEYRING_FILE, pinned, out_ring, out_digest);
    if (err != SHERD_ERR_TAMPERED || pinned == NULL)
        return must_be_there(err, home, KEYRING_FILE);
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    err = read_one(home, KEYRING_NEW_FILE, pinned, out_ring, out_digest);
    if (err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_TAMPERED) /* it may just have taken the other's name */
        err = read_one(home, KEYRING_FILE, pinned, out_ring, out_digest);
    else if (err == SHERD_OK && alone)
        err = sherd_home_adopt(home);
    if (err == SHERD_ERR_TAMPERED)
        sherd_fail_restore(detail);
    return err;
}

enum sherd_err sherd_home_write(const struct sherd_home *home, const struct sherd_keyring *ring,
                                struct sherd_digest *out_digest)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_KEYRING_BYTES_MAX};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));

    if (root == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(!home->read_only, SHERD_ERR_DENIED, "the vault is open for reading only");
    SHERD_TRY(sherd_shield_open(home->root, root->bytes, sizeof(root->bytes)));
    SHERD_TRY(sherd_keyring_seal(ring, root, &file));
    SHERD_TRY(digest_of(&file, out_digest));
    SHERD_TRY(sherd_file_write(home->dir, KEYRING_NEW_FILE, sherd_buf_span(&file)));
    return sherd_dir_sync(home->dir, FOLDER);
}

enum sherd_err sherd_home_adopt(const struct sherd_home *home)
{
    SHERD_TRY(sherd_file_rename(home->dir, KEYRING_NEW_FILE, KEYRING_FILE));
    return sherd_dir_sync(home->dir, FOLDER);
}

enum sherd_err sherd_home_lock(const struct sherd_home *home, struct sherd_file_lock *out_lock)
{
    SHERD_ENSURE(!home->read_only, SHERD_ERR_DENIED, "the vault is open for reading only");
    return sherd_file_lock_take(home->dir, LOCK_FILE, out_lock);
}

enum sherd_err sherd_home_try_lock(const struct sherd_home *home, const char *name, struct sherd_file_lock *out_lock)
{
    SHERD_ENSURE(!home->read_only, SHERD_ERR_DENIED, "the vault is open for reading only");
    return sherd_file_lock_try(home->dir, name, out_lock);
}

enum sherd_err sherd_home_notice_open(const char *dir, struct sherd_notice *out_notice)
{
    return sherd_notice_open(dir, NOTICE_FILE, true, out_notice);
}

const struct sherd_notice *sherd_home_notice(const struct sherd_home *home)
{
    return &home->notice;
}

/* --- what else lies here ------------------------------------------------------------------------------------------ */

static enum sherd_err home_context(const struct sherd_home *home, struct sherd_span context,
                                   struct sherd_context *out_context)
{
    SHERD_ENSURE(context.len <= sizeof(out_context->bytes) - 16, SHERD_ERR_INVALID, "a context is too long");
    memcpy(out_context->bytes, home->deployment.bytes, 16);
    memcpy(out_context->bytes + 16, context.data, context.len);
    out_context->len = 16 + context.len;
    return SHERD_OK;
}

enum sherd_err sherd_home_seal(const struct sherd_home *home, struct sherd_span context, struct sherd_span plain,
                               struct sherd_buf *out_sealed)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));
    struct sherd_context bound;

    if (root == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(home_context(home, context, &bound));
    SHERD_TRY(sherd_shield_open(home->root, root->bytes, sizeof(root->bytes)));
    return sherd_aead_seal(root->bytes, sherd_context_span(&bound), plain, out_sealed);
}

enum sherd_err sherd_home_unseal(const struct sherd_home *home, struct sherd_span context, struct sherd_span sealed,
                                 struct sherd_buf *out_plain)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));
    struct sherd_context bound;

    if (root == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(home_context(home, context, &bound));
    SHERD_TRY(sherd_shield_open(home->root, root->bytes, sizeof(root->bytes)));
    return sherd_aead_open(root->bytes, sherd_context_span(&bound), sealed, out_plain);
}

enum sherd_err sherd_home_file_new(const struct sherd_home *home, const char *name, struct sherd_span bytes)
{
    SHERD_TRY(sherd_file_write_new(home->dir, name, bytes));
    return sherd_dir_sync(home->dir, FOLDER);
}

enum sherd_err sherd_home_file_read(const struct sherd_home *home, const char *name, struct sherd_buf *out_bytes)
{
    const enum sherd_err err = sherd_file_read(home->dir, name, out_bytes);

    if (err == SHERD_ERR_LIMIT)
        return sherd_fail(SHERD_ERR_TAMPERED, "%s does not verify: it was changed", name);
    return must_be_there(err, home, name);
}

enum sherd_err sherd_home_overwrite(const struct sherd_home *home, const char *name, size_t offset,
                                    struct sherd_span bytes)
{
    SHERD_ENSURE(!home->read_only, SHERD_ERR_DENIED, "the vault is open for reading only");
    return sherd_file_overwrite(home->dir, name, offset, bytes);
}

/* --- copies ------------------------------------------------------------------------------------------------------- */

/* One of the two files as it is, if its digest is the one that is wanted. */
static enum sherd_err copy_one(const struct sherd_home *home, const char *name, const struct sherd_digest *pinned,
                               struct sherd_buf *out_file)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_KEYRING_BYTES_MAX};
    struct sherd_digest digest;

    SHERD_TRY(sherd_file_read(home->dir, name, &file));
    SHERD_TRY(digest_of(&file, &digest));
    SHERD_ENSURE(sherd_same(&digest, pinned, sizeof(digest)), SHERD_ERR_NOT_FOUND, "that keyring is not the one");
    return sherd_buf_append(out_file, sherd_buf_span(&file));
}

enum sherd_err sherd_home_keyring_copy(const struct sherd_home *home, const struct sherd_digest *pinned,
                                       struct sherd_buf *out_file)
{
    const enum sherd_err err = copy_one(home, KEYRING_FILE, pinned, out_file);

    return err == SHERD_ERR_NOT_FOUND ? copy_one(home, KEYRING_NEW_FILE, pinned, out_file) : err;
}

enum sherd_err sherd_seal_copies_of(const char *dir, struct sherd_buf *out_seals)
{
    for (unsigned number = 1; number <= SHERD_SEALS_MAX; number++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_SEAL_FILE_BYTES_MAX};
        uint8_t frame[3] = {(uint8_t)number};
        char name[SHERD_SEAL_NAME_SIZE];

        sherd_seal_name(number, "", name);
        const enum sherd_err err = sherd_file_read(dir, name, &file);
        if (err == SHERD_ERR_NOT_FOUND || (err == SHERD_OK && file.len == 0))
            continue;
        SHERD_TRY(err);
        sherd_put_u16(frame + 1, (uint16_t)file.len);
        SHERD_TRY(sherd_buf_append(out_seals, sherd_span_of(frame, sizeof(frame))));
        SHERD_TRY(sherd_buf_append(out_seals, sherd_buf_span(&file)));
    }
    return SHERD_OK;
}

enum sherd_err sherd_home_seals_copy(const struct sherd_home *home, struct sherd_buf *out_seals)
{
    return sherd_seal_copies_of(home->dir, out_seals);
}

enum sherd_err sherd_seal_copies_next(struct sherd_span *seals, unsigned *number, struct sherd_span *out_file)
{
    struct sherd_span frame;

    if (!sherd_span_take(seals, 3, &frame) || frame.data[0] <= *number || frame.data[0] > SHERD_SEALS_MAX ||
        sherd_get_u16(frame.data + 1) == 0 || sherd_get_u16(frame.data + 1) > SHERD_SEAL_FILE_BYTES_MAX ||
        !sherd_span_take(seals, sherd_get_u16(frame.data + 1), out_file))
        return sherd_fail(SHERD_ERR_TAMPERED, "the copies of seals are not as sherd wrote them");
    *number = frame.data[0];
    return SHERD_OK;
}

enum sherd_err sherd_seal_copy_look(struct sherd_span file, struct sherd_uuid *out_deployment)
{
    SHERD_ENSURE(file.len >= SEAL_DEPLOYMENT_OFFSET + 16 && sherd_same(file.data, "SHRDSEAL", 8), SHERD_ERR_TAMPERED,
                 "anchor/seals does not verify: it was changed");
    memcpy(out_deployment->bytes, file.data + SEAL_DEPLOYMENT_OFFSET, 16);
    return SHERD_OK;
}

enum sherd_err sherd_home_write_seals(const char *dir, struct sherd_span seals)
{
    unsigned number = 0;

    SHERD_TRY(sherd_dir_make(dir, FOLDER));
    SHERD_TRY(sherd_dir_make(dir, SHERD_SEALS_FOLDER));
    while (seals.len > 0) {
        struct sherd_span file;
        char name[SHERD_SEAL_NAME_SIZE];

        SHERD_TRY(sherd_seal_copies_next(&seals, &number, &file));
        sherd_seal_name(number, "", name);
        SHERD_TRY(sherd_file_write_new(dir, name, file));
    }
    SHERD_TRY(sherd_file_write_new(dir, LOCK_FILE, sherd_span_of(NULL, 0)));
    SHERD_TRY(sherd_file_write_new(dir, NOTICE_FILE, sherd_span_of(NULL, 0)));
    SHERD_TRY(sherd_dir_sync(dir, SHERD_SEALS_FOLDER));
    return sherd_dir_sync(dir, FOLDER);
}

enum sherd_err sherd_home_write_keyring(const char *dir, struct sherd_span file)
{
    SHERD_TRY(sherd_file_write_new(dir, KEYRING_FILE, file));
    return sherd_dir_sync(dir, FOLDER);
}

/* All copies in turn, until one opens; else what the first one said that what was given is meant for. */
static enum sherd_err try_copies(struct sherd_home *home, struct sherd_span seals, const struct sherd_unseal *unseal,
                                 struct sherd_root_key *root)
{
    char detail[SHERD_FAIL_TEXT_SIZE] = "";
    enum sherd_err result = SHERD_OK;
    unsigned number = 0;

    while (seals.len > 0) {
        struct sherd_span file;

        SHERD_TRY(sherd_seal_copies_next(&seals, &number, &file));
        const enum sherd_err err = sherd_seal_open(file, unseal, root, &home->deployment);
        if (err == SHERD_OK) {
            home->fips = sherd_seal_fips(file);
            sherd_seal_describe(file, home->seal_text);
            return SHERD_OK;
        }
        if (err != SHERD_ERR_DENIED && err != SHERD_ERR_UNSUPPORTED)
            return err;
        if (result == SHERD_OK) {
            result = err;
            (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
        }
    }
    SHERD_ENSURE(result != SHERD_OK, SHERD_ERR_NOT_FOUND, "there is no seal in the backup");
    sherd_fail_restore(detail);
    return result;
}

enum sherd_err sherd_home_of_copies(struct sherd_span seals, const struct sherd_unseal *unseal,
                                    struct sherd_home **out_home)
{
    SHERD_CLEANUP(sherd_home_freep) struct sherd_home *home = NULL;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));

    if (root == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(home_new("", true, &home));
    SHERD_TRY(try_copies(home, seals, unseal, root));
    SHERD_TRY(sherd_shield_new(sherd_span_of(root->bytes, sizeof(root->bytes)), &home->root));
    *out_home = sherd_home_take(&home);
    return SHERD_OK;
}

enum sherd_err sherd_home_check_keyring(const struct sherd_home *home, struct sherd_span file,
                                        struct sherd_keyring *out_ring)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_root_key *root = sherd_secret_alloc(sizeof(*root));

    if (root == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_shield_open(home->root, root->bytes, sizeof(root->bytes)));
    SHERD_TRY(sherd_keyring_open(file, root, &home->deployment, out_ring));
    return check_mode(home, out_ring);
}

enum sherd_err sherd_home_mix(const struct sherd_home *home, struct sherd_span more, struct sherd_span salt,
                              const char *info, uint8_t out_key[SHERD_KEY_SIZE])
{
    SHERD_CLEANUP(sherd_secret_freep)
    uint8_t *ikm = sherd_secret_alloc(sizeof(struct sherd_root_key) + more.len);

    if (ikm == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_shield_open(home->root, ikm, sizeof(struct sherd_root_key)));
    memcpy(ikm + sizeof(struct sherd_root_key), more.data, more.len);
    return sherd_hkdf(SHERD_SHA512, sherd_span_of(ikm, sizeof(struct sherd_root_key) + more.len), salt,
                      sherd_span_str(info), out_key, SHERD_KEY_SIZE);
}
