/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protection key of master keys (kms/protection.h) as the anchor has it: the key store in which it may lie, its
 * versions, and how all master keys are kept anew under a new one.
 *
 * Rotating: a new version, in the key store first where it lies there; every master key is kept anew beside its old
 * keeping; one change of the keyring names the new keepings and remembers the old ones: the commit. Then the old
 * keepings are destroyed, and a second change forgets them and the versions that nothing is kept under any more. Before
 * the commit the old ones serve, after it the new ones do; what a crash leaves to destroy, the next rotation does
 * first.
 */
#include "anchor/keys/masters_inside.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/approved.h"
#include <stdio.h>

_Static_assert(SHERD_KEY_STORE_PASSWORD_BYTES_MAX == 1024U, "the longest password of crypto/pkcs12.h");

/* --- the key store ------------------------------------------------------------------------------------------------ */

static bool any_wanting(const struct sherd_protections *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (!set->list[i].loaded)
            return true;
    return false;
}

static enum sherd_err take_access(const struct sherd_key_store_file *file, struct sherd_key_store_access *access)
{
    SHERD_ENSURE(file->password.len >= 1 && file->password.len <= sizeof(access->password), SHERD_ERR_INVALID,
                 "a key store's password has 1 to 1024 bytes");
    access->path[0] = 0;
    if (file->path != NULL)
        SHERD_TRY(sherd_key_file_path(file->path, access->path));
    access->given = true;
    access->password_bytes = file->password.len;
    memcpy(access->password, file->password.data, file->password.len);
    return SHERD_OK;
}

/* How the key store is opened, as a copy; and its path, which the keyring knows where nobody said. */
static enum sherd_err copy_access(struct sherd_masters *masters, const char *remembered,
                                  struct sherd_key_store_access *out_access)
{
    (void)pthread_rwlock_rdlock(&masters->lock);
    *out_access = *masters->key_store;
    (void)pthread_rwlock_unlock(&masters->lock);
    if (!out_access->given && out_access->opened)
        return sherd_fail(SHERD_ERR_SEALED,
                          "the protection key was moved into the key store %.80s meanwhile: open the vault anew, with "
                          "--key-store-password-file (an agent: `sherd seal`, then `sherd unseal`)",
                          remembered);
    if (!out_access->given)
        return sherd_fail(SHERD_ERR_SEALED,
                          "the protection key lies in the key store %.100s: give its password with "
                          "--key-store-password-file; if it was moved, name it with --key-store",
                          remembered);
    if (out_access->path[0] == 0)
        (void)snprintf(out_access->path, sizeof(out_access->path), "%s", remembered);
    return SHERD_OK;
}

static struct sherd_key_file_store store_of(const struct sherd_key_store_access *access,
                                            char room[static SHERD_KEY_STORE_PATH_SIZE])
{
    return sherd_key_file_store_of(access->path, sherd_span_of(access->password, access->password_bytes), room);
}

static void remember(struct sherd_masters *masters, const struct sherd_protections *set)
{
    (void)pthread_rwlock_wrlock(&masters->lock);
    masters->key_store->loaded = *set;
    (void)pthread_rwlock_unlock(&masters->lock);
}

/* Have all versions of a set: those that lie outside are read once. */
static enum sherd_err load(struct sherd_masters *masters, const char *remembered, struct sherd_protections *set)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_key_store_access *access = NULL;
    char room[SHERD_KEY_STORE_PATH_SIZE];

    (void)pthread_rwlock_rdlock(&masters->lock);
    sherd_protections_fill(set, &masters->key_store->loaded);
    (void)pthread_rwlock_unlock(&masters->lock);
    if (!any_wanting(set))
        return SHERD_OK;
    access = sherd_secret_alloc(sizeof(*access));
    if (access == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(copy_access(masters, remembered, access));
    const struct sherd_key_file_store store = store_of(access, room);
    SHERD_TRY(sherd_protections_load(set, &store));
    remember(masters, set);
    return SHERD_OK;
}

enum sherd_err sherd_masters_key_store(struct sherd_masters *masters, const struct sherd_key_store_file *file)
{
    const struct sherd_keyring *ring;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_protections *set = sherd_secret_alloc(sizeof(*set));
    char remembered[SHERD_KEY_STORE_PATH_SIZE];

    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_ring_hold(masters->ring, &ring));
    *set = ring->protections;
    memcpy(remembered, ring->key_store, sizeof(remembered));
    sherd_ring_leave(masters->ring);
    if (file != NULL && sherd_protections_outside(set))
        SHERD_TRY(take_access(file, masters->key_store));
    SHERD_TRY(load(masters, remembered, set));
    masters->key_store->opened = true; /* nobody else has it yet */
    return SHERD_OK;
}

enum sherd_err sherd_master_session_protect(struct sherd_masters *masters, struct sherd_master_session *session)
{
    if (!sherd_protections_wanting(&session->protections, session->call.protection))
        return SHERD_OK;
    return load(masters, session->key_store, &session->protections);
}

/* --- what there is ------------------------------------------------------------------------------------------------ */

static void inform(const struct sherd_keyring *ring, size_t which, struct sherd_protection_info *out_info)
{
    const struct sherd_protection_version *version = &ring->protections.list[which];
    struct sherd_protection_info info = {.version = version->version,
                                         .created_s = version->created_s,
                                         .serves = which + 1 == ring->protections.count,
                                         .outside = version->outside};

    for (size_t i = 0; i < ring->master_count; i++) {
        info.master_count += ring->masters[i].protection == version->version ? 1 : 0;
        info.old_count += ring->masters[i].old.protection == version->version ? 1 : 0;
    }
    if (version->outside)
        memcpy(info.key_store, ring->key_store, sizeof(info.key_store));
    *out_info = info;
}

enum sherd_err sherd_masters_protection_each(struct sherd_masters *masters, sherd_protection_visit_fn *visit, void *arg)
{
    const struct sherd_keyring *ring;
    struct sherd_protection_info *infos = sherd_alloc_array(SHERD_PROTECTION_VERSIONS_MAX, sizeof(*infos));
    size_t count = 0;

    if (infos == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = sherd_ring_hold(masters->ring, &ring);
    if (err == SHERD_OK) {
        for (; count < ring->protections.count; count++)
            inform(ring, count, &infos[count]);
        sherd_ring_leave(masters->ring);
    }
    for (size_t i = 0; i < count && err == SHERD_OK; i++)
        err = visit(arg, &infos[i]);
    sherd_free(infos);
    return err;
}

/* --- keeping anew ------------------------------------------------------------------------------------------------- */

struct rotation {
    struct sherd_masters *masters;
    const struct sherd_key_store_access *turn_on; /* the key store to turn on; NULL: the key stays where it lies */
    struct sherd_master_session *session;         /* what follows lies in secret memory */
    struct sherd_master_key *key;
    struct sherd_key_store_access *access;
    struct sherd_keyring *after; /* the keyring as it is to be, if through; else as it was when the work began */
    bool through;                /* all is kept anew */
};

/* A keeping that is new is whole, not just enough to fetch the key. */
static enum sherd_err refuse_fault(void *arg, const struct sherd_key_finding *finding)
{
    const struct sherd_master *master = arg;

    return sherd_fail(SHERD_ERR_IO, "part %llu of master key %.63s was kept anew at %.64s, and is not there",
                      (unsigned long long)finding->index + 1, master->name, finding->place);
}

/* Keep session->master anew under a version of the protection key. @param[in,out] kept  empty before */
static enum sherd_err keep(struct rotation *rotation, uint64_t protection, struct sherd_key_kept *kept)
{
    struct sherd_master_session *session = rotation->session;
    struct sherd_key_call call = session->call;
    const struct sherd_key_store *store;

    SHERD_TRY(sherd_key_store_find(session->master.store, &store));
    SHERD_TRY(sherd_master_session_give(rotation->masters, session, rotation->key));
    call.protection = protection;
    SHERD_TRY(sherd_key_keep(store, &call, rotation->key, kept));
    call.outside_id = kept->outside_id;
    const enum sherd_err err = sherd_key_check(store, &call, sherd_buf_span(&kept->bytes), refuse_fault,
                                               &session->master);
    if (err != SHERD_OK) {
        char detail[SHERD_FAIL_TEXT_SIZE];

        (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
        const enum sherd_err gone = sherd_key_destroy(store, &call, sherd_buf_span(&kept->bytes));
        (void)gone; /* what stays is of a set that nothing names */
        sherd_fail_restore(detail);
    }
    return err;
}

/* The old keeping is remembered until it is destroyed. */
static void replace(struct sherd_master *master, uint64_t protection, const struct sherd_key_kept *kept)
{
    master->old.protection = master->protection;
    master->old.kept_bytes = master->kept_bytes;
    memcpy(master->old.kept, master->kept, sizeof(master->old.kept));
    memcpy(master->old.outside_id, master->outside_id, sizeof(master->old.outside_id));
    master->protection = protection;
    master->kept_bytes = (uint16_t)kept->bytes.len;
    memset(master->kept, 0, sizeof(master->kept));
    memcpy(master->kept, kept->bytes.data, kept->bytes.len);
    memcpy(master->outside_id, kept->outside_id, sizeof(master->outside_id));
}

static enum sherd_err keep_anew(struct rotation *rotation, const struct sherd_keyring *ring,
                                struct sherd_master *master)
{
    const uint64_t protection = sherd_protections_current(&ring->protections);
    struct sherd_key_kept kept = {.bytes = {.max = SHERD_KEY_KEPT_BYTES_MAX}};

    rotation->session->master = *master;
    SHERD_TRY(sherd_master_session_ready(rotation->masters, ring, rotation->session));
    const enum sherd_err err = keep(rotation, protection, &kept);
    if (err == SHERD_OK)
        replace(master, protection, &kept);
    sherd_buf_done(&kept.bytes);
    return err;
}

/*
 * Destroy the new keepings of a keyring that was not written: those of master keys that have an old one, since the
 * rotation began where none had. The failure's own words stay.
 */
static void take_back(struct rotation *rotation, const struct sherd_keyring *ring)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    for (size_t i = 0; i < ring->master_count; i++) {
        if (ring->masters[i].old.protection == 0)
            continue;
        rotation->session->master = ring->masters[i];
        enum sherd_err err = sherd_master_session_ready(rotation->masters, ring, rotation->session);
        if (err == SHERD_OK)
            err = sherd_master_session_destroy(rotation->masters, rotation->session);
        (void)err; /* what stays is of a set that nothing names */
    }
    sherd_fail_restore(detail);
}

static enum sherd_err keep_all_anew(struct rotation *rotation, struct sherd_keyring *ring)
{
    for (size_t i = 0; i < ring->master_count; i++)
        if (ring->masters[i].state != SHERD_MASTER_ENDING) /* of which a part may be gone already */
            SHERD_TRY(keep_anew(rotation, ring, &ring->masters[i]));
    SHERD_FAILPOINT("protection.kept_anew");
    return SHERD_OK;
}

/* --- versions ----------------------------------------------------------------------------------------------------- */

void sherd_keyring_drop_protections(struct sherd_keyring *ring)
{
    for (size_t i = ring->protections.count; i-- > 0;) {
        const uint64_t version = ring->protections.list[i].version;
        bool needed = version == sherd_protections_current(&ring->protections);

        for (size_t m = 0; m < ring->master_count && !needed; m++)
            needed = ring->masters[m].protection == version || ring->masters[m].old.protection == version;
        if (!needed && sherd_protections_drop(&ring->protections, version) != SHERD_OK)
            sherd_bug("a version of the protection key that is there cannot be dropped");
    }
}

static enum sherd_err add_version(struct rotation *rotation, struct sherd_keyring *ring)
{
    const uint64_t now_s = (uint64_t)sherd_clock()->wall_s();
    char room[SHERD_KEY_STORE_PATH_SIZE];

    if (rotation->turn_on != NULL)
        *rotation->access = *rotation->turn_on;
    else if (sherd_protections_outside(&ring->protections))
        SHERD_TRY(copy_access(rotation->masters, ring->key_store, rotation->access));
    else
        return sherd_protections_rotate(&ring->protections, NULL, now_s);
    const struct sherd_key_file_store store = store_of(rotation->access, room);
    SHERD_TRY(sherd_protections_rotate(&ring->protections, &store, now_s));
    memcpy(ring->key_store, rotation->access->path, sizeof(ring->key_store));
    return SHERD_OK;
}

static bool is_unfinished(const struct sherd_keyring *ring)
{
    for (size_t i = 0; i < ring->master_count; i++)
        if (ring->masters[i].old.protection != 0)
            return true;
    return false;
}

static enum sherd_err rotate_in(void *arg, struct sherd_keyring *ring)
{
    struct rotation *rotation = arg;

    SHERD_ENSURE(rotation->turn_on == NULL || !sherd_protections_outside(&ring->protections), SHERD_ERR_CONFLICT,
                 "the protection key lies in a key store already: to move the file, move it, and name it with "
                 "--key-store; for a new key, `sherd key protection rotate`");
    if (rotation->turn_on != NULL) /* before a file is written that the keyring could not name */
        SHERD_TRY(sherd_approved_check(ring->fips, SHERD_ALGORITHM_PKCS12_MAC));
    SHERD_ENSURE(!is_unfinished(ring), SHERD_ERR_BUSY, "somebody else rotates the protection key: try again");
    sherd_keyring_drop_protections(ring);
    SHERD_TRY(load(rotation->masters, ring->key_store, &ring->protections));
    SHERD_TRY(add_version(rotation, ring));
    const enum sherd_err err = keep_all_anew(rotation, ring);
    if (err != SHERD_OK) {
        take_back(rotation, ring);
        return err;
    }
    *rotation->after = *ring;
    rotation->through = true;
    return SHERD_OK;
}

/* Whether the keyring has the new version, as far as that can be told. */
static bool may_be_there(struct rotation *rotation)
{
    const struct sherd_keyring *ring;

    if (sherd_ring_hold(rotation->masters->ring, &ring) != SHERD_OK)
        return true;
    const uint64_t version = sherd_protections_current(&ring->protections);
    sherd_ring_leave(rotation->masters->ring);
    return version >= sherd_protections_current(&rotation->after->protections);
}

/* The new version is committed: this handle has it, and how it is read. */
static void adopt(struct rotation *rotation)
{
    struct sherd_key_store_access *ours = rotation->masters->key_store;

    (void)pthread_rwlock_wrlock(&rotation->masters->lock);
    if (rotation->turn_on != NULL)
        *ours = *rotation->turn_on;
    ours->opened = true;
    ours->loaded = rotation->after->protections;
    (void)pthread_rwlock_unlock(&rotation->masters->lock);
}

static enum sherd_err rotate(struct rotation *rotation)
{
    char detail[SHERD_FAIL_TEXT_SIZE];
    const enum sherd_err err = sherd_ring_change(rotation->masters->ring, rotate_in, rotation);

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    /* After a failed write it is not certain that the keyring does not name them: what is not named stays, sealed. */
    if (err != SHERD_OK && err != SHERD_ERR_IO && rotation->through && !may_be_there(rotation))
        take_back(rotation, rotation->after);
    if (err != SHERD_OK)
        sherd_fail_restore(detail);
    SHERD_TRY(err);
    adopt(rotation);
    SHERD_FAILPOINT("protection.committed");
    return SHERD_OK;
}

/* --- ending it ---------------------------------------------------------------------------------------------------- */

static bool is_same_old(const struct sherd_old_keeping *a, const struct sherd_old_keeping *b)
{
    return a->protection == b->protection && a->kept_bytes == b->kept_bytes &&
           sherd_same(a->kept, b->kept, a->kept_bytes);
}

/* Forget the old keepings that were destroyed, and the versions that they were under. */
static enum sherd_err forget_in(void *arg, struct sherd_keyring *ring)
{
    const struct sherd_keyring *destroyed = arg;

    for (size_t i = 0; i < destroyed->master_count; i++) {
        const struct sherd_master *before = &destroyed->masters[i];
        const struct sherd_master *master = sherd_keyring_master(ring, &before->kid);

        if (before->old.protection != 0 && master != NULL && is_same_old(&before->old, &master->old))
            sherd_wipe(&ring->masters[master - ring->masters].old, sizeof(master->old));
    }
    sherd_keyring_drop_protections(ring);
    return SHERD_OK;
}

enum sherd_err sherd_master_session_destroy_old(struct sherd_masters *masters, struct sherd_master_session *session)
{
    const struct sherd_old_keeping *old = &session->master.old;
    const struct sherd_key_store *store;

    if (old->protection == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_key_store_find(session->master.store, &store));
    session->call.protection = old->protection;
    session->call.outside_id = old->outside_id;
    enum sherd_err err = sherd_master_session_protect(masters, session);
    if (err == SHERD_OK)
        err = sherd_key_destroy(store, &session->call, sherd_span_of(old->kept, old->kept_bytes));
    session->call.protection = session->master.protection;
    session->call.outside_id = session->master.outside_id;
    return err;
}

static enum sherd_err destroy_all_old(struct rotation *rotation, const struct sherd_keyring *ring)
{
    for (size_t i = 0; i < ring->master_count; i++) {
        rotation->session->master = ring->masters[i];
        SHERD_TRY(sherd_master_session_ready(rotation->masters, ring, rotation->session));
        SHERD_TRY(sherd_master_session_destroy_old(rotation->masters, rotation->session));
    }
    SHERD_FAILPOINT("protection.destroyed");
    return SHERD_OK;
}

/* Destroy what a rotation has left, this one or one that was interrupted. @param[out] out_any  there was something */
static enum sherd_err finish(struct rotation *rotation, bool *out_any)
{
    const struct sherd_keyring *ring;

    SHERD_TRY(sherd_ring_hold(rotation->masters->ring, &ring));
    *rotation->after = *ring;
    sherd_ring_leave(rotation->masters->ring);
    *out_any = is_unfinished(rotation->after);
    if (!*out_any)
        return SHERD_OK;
    SHERD_TRY(destroy_all_old(rotation, rotation->after));
    return sherd_ring_change(rotation->masters->ring, forget_in, rotation->after);
}

/* Words for a failure after the commit: the rotation stands. */
static enum sherd_err not_finished(enum sherd_err err)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    return sherd_fail(err,
                      "the new protection key serves, but an old copy of a master key is left, until it is rotated "
                      "again: %.140s",
                      detail);
}

static enum sherd_err run(struct rotation *rotation, uint64_t *out_version)
{
    bool left = false;

    sherd_ring_doubt(rotation->masters->ring); /* as the keyring is now, not as it was */
    SHERD_TRY(finish(rotation, &left));
    enum sherd_err err = rotate(rotation);
    if (err == SHERD_ERR_CONFLICT && left) /* it was turned on by who was interrupted */
        err = SHERD_OK;
    SHERD_TRY(err);
    err = finish(rotation, &left);
    *out_version = sherd_protections_current(&rotation->after->protections);
    return err == SHERD_OK ? err : not_finished(err);
}

enum sherd_err sherd_masters_protection_rotate(struct sherd_masters *masters,
                                               const struct sherd_key_store_file *turn_on, uint64_t *out_version)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_key_store_access *given =
        sherd_secret_alloc(sizeof(*given));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_session *session =
        sherd_secret_alloc(sizeof(*session));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_key_store_access *access =
        sherd_secret_alloc(sizeof(*access));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *after = sherd_secret_alloc(sizeof(*after));
    struct rotation rotation = {.masters = masters, .session = session, .key = key, .access = access, .after = after};
    uint64_t version = 0;

    if (given == NULL || session == NULL || key == NULL || access == NULL || after == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (turn_on != NULL) {
        SHERD_ENSURE(turn_on->path != NULL, SHERD_ERR_INVALID, "say which file the key store is, with --key-store");
        SHERD_TRY(take_access(turn_on, given));
        rotation.turn_on = given;
    }
    SHERD_TRY(run(&rotation, &version));
    if (out_version != NULL)
        *out_version = version;
    return SHERD_OK;
}
