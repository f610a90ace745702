/* SPDX-License-Identifier: Apache-2.0 */
/* Master keys: see masters.h. */
#include "anchor/keys/masters_inside.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <stdio.h>
#include <time.h>

_Static_assert(SHERD_MASTER_NAME_SIZE == SHERD_KEY_NAME_SIZE && SHERD_PLUGIN_NAME_SIZE == SHERD_KEY_PLUGIN_NAME_SIZE &&
                   SHERD_MASTER_ARGS_SIZE == SHERD_KEY_ARGS_BYTES_MAX + 1 &&
                   SHERD_MASTER_OUTSIDE_SIZE == SHERD_KEY_OUTSIDE_SIZE,
               "what callers see of a master key is what plug-ins may say");

enum sherd_err sherd_masters_new(struct sherd_ring *ring, const struct sherd_places *places,
                                 struct sherd_masters **out_masters)
{
    struct sherd_masters *masters = sherd_alloc(sizeof(*masters));

    if (masters == NULL)
        return SHERD_ERR_NO_MEMORY;
    masters->ring = ring;
    masters->places = *places;
    masters->held = sherd_secret_alloc(SHERD_MASTERS_MAX * sizeof(*masters->held));
    masters->key_store = sherd_secret_alloc(sizeof(*masters->key_store));
    const struct sherd_place_role *keys = &masters->places.roles[SHERD_KEYS - 1];
    if (masters->held == NULL || masters->key_store == NULL ||
        sherd_uses_new(ring, &keys->keys, keys->compartment, &masters->uses) != SHERD_OK ||
        pthread_rwlock_init(&masters->lock, NULL) != 0) {
        sherd_uses_free(masters->uses);
        sherd_secret_free(masters->held);
        sherd_secret_free(masters->key_store);
        sherd_free(masters);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "no memory for master keys");
    }
    *out_masters = masters;
    return SHERD_OK;
}

void sherd_masters_free(struct sherd_masters *masters)
{
    if (masters == NULL)
        return;
    (void)pthread_rwlock_destroy(&masters->lock);
    sherd_uses_free(masters->uses);
    sherd_secret_free(masters->held);
    sherd_secret_free(masters->key_store);
    sherd_free(masters);
}

/* --- calls of plug-ins -------------------------------------------------------------------------------------------- */

enum sherd_err sherd_master_session_ready(const struct sherd_masters *masters, const struct sherd_keyring *ring,
                                          struct sherd_master_session *session)
{
    const struct sherd_master *master = &session->master;

    session->protections = ring->protections;
    memcpy(session->key_store, ring->key_store, sizeof(session->key_store));
    session->deployment = ring->deployment;
    sherd_kms_init(&session->protections, &masters->places, &session->kms);
    session->id = (struct sherd_key_id){.deployment = ring->deployment, .kid = master->kid, .version = master->version};
    (void)snprintf(session->id.name, sizeof(session->id.name), "%s", master->name);
    SHERD_TRY(sherd_key_args_parse(master->args, &session->args));
    session->call = (struct sherd_key_call){.host = &session->kms.host,
                                            .id = &session->id,
                                            .args = sherd_key_args_of(&session->args),
                                            .store = master->store,
                                            .protection = master->protection,
                                            .outside_id = master->outside_id};
    return SHERD_OK;
}

static enum sherd_err fetch(struct sherd_masters *masters, struct sherd_master_session *session,
                            struct sherd_master_key *out_key)
{
    const struct sherd_key_store *store;

    SHERD_FAILPOINT("masters.before_fetch");
    SHERD_TRY(sherd_master_session_protect(masters, session));
    SHERD_TRY(sherd_key_store_find(session->master.store, &store));
    return sherd_key_fetch(store, &session->call, sherd_span_of(session->master.kept, session->master.kept_bytes),
                           out_key);
}

enum sherd_err sherd_master_session_destroy(struct sherd_masters *masters, struct sherd_master_session *session)
{
    const struct sherd_key_store *store;

    SHERD_TRY(sherd_master_session_protect(masters, session));
    SHERD_TRY(sherd_key_store_find(session->master.store, &store));
    return sherd_key_destroy(store, &session->call, sherd_span_of(session->master.kept, session->master.kept_bytes));
}

/* --- keys that are held ------------------------------------------------------------------------------------------- */

static bool take_held(struct sherd_masters *masters, const struct sherd_ref *kid, struct sherd_master_key *out_key)
{
    bool found = false;

    (void)pthread_rwlock_rdlock(&masters->lock);
    for (size_t i = 0; i < SHERD_MASTERS_MAX && !found; i++) {
        found = masters->held[i].used && sherd_same(&masters->held[i].kid, kid, sizeof(*kid));
        if (found)
            memcpy(out_key, &masters->held[i].key, sizeof(*out_key));
    }
    (void)pthread_rwlock_unlock(&masters->lock);
    return found;
}

/* Hold a key; where all room is taken, by keys that were destroyed meanwhile too, begin anew. */
static void hold(struct sherd_masters *masters, const struct sherd_ref *kid, const struct sherd_master_key *key)
{
    size_t i = 0;

    (void)pthread_rwlock_wrlock(&masters->lock);
    while (i < SHERD_MASTERS_MAX && masters->held[i].used)
        i++;
    if (i == SHERD_MASTERS_MAX) {
        sherd_wipe(masters->held, SHERD_MASTERS_MAX * sizeof(*masters->held));
        i = 0;
    }
    masters->held[i].used = true;
    masters->held[i].kid = *kid;
    memcpy(&masters->held[i].key, key, sizeof(*key));
    (void)pthread_rwlock_unlock(&masters->lock);
}

/* Wipe keys that are held and that the keyring has no more: they were destroyed, perhaps by another process. */
static void forget_destroyed(struct sherd_masters *masters, const struct sherd_keyring *ring)
{
    (void)pthread_rwlock_rdlock(&masters->lock);
    const bool done = masters->generation == ring->generation;
    (void)pthread_rwlock_unlock(&masters->lock);
    if (done)
        return;
    (void)pthread_rwlock_wrlock(&masters->lock);
    for (size_t i = 0; i < SHERD_MASTERS_MAX; i++)
        if (masters->held[i].used && sherd_keyring_master(ring, &masters->held[i].kid) == NULL)
            sherd_wipe(&masters->held[i], sizeof(masters->held[i]));
    masters->generation = ring->generation;
    (void)pthread_rwlock_unlock(&masters->lock);
}

enum sherd_err sherd_master_session_give(struct sherd_masters *masters, struct sherd_master_session *session,
                                         struct sherd_master_key *out_key)
{
    if (take_held(masters, &session->master.kid, out_key))
        return SHERD_OK;
    SHERD_TRY(fetch(masters, session, out_key));
    hold(masters, &session->master.kid, out_key);
    return SHERD_OK;
}

/* How a version is chosen from the keyring; NULL: there is none. */
typedef const struct sherd_master *choose_fn(const struct sherd_keyring *ring, const void *which);

static const struct sherd_master *choose_kid(const struct sherd_keyring *ring, const void *kid)
{
    return sherd_keyring_master(ring, kid);
}

static const struct sherd_master *choose_active(const struct sherd_keyring *ring, const void *name)
{
    return sherd_keyring_active(ring, name);
}

static const struct sherd_master *choose_successor(const struct sherd_keyring *ring, const void *kid)
{
    const struct sherd_master *master = sherd_keyring_master(ring, kid);

    return master != NULL ? sherd_keyring_active(ring, master->name) : NULL;
}

static uint64_t floor_of(const struct sherd_keyring *ring, const struct sherd_master *master)
{
    const struct sherd_key_policy *policy = sherd_keyring_policy(ring, master->name);

    return policy != NULL ? policy->floor : 0;
}

static bool is_accepted(const struct sherd_keyring *ring, const struct sherd_master *master)
{
    return master->version >= floor_of(ring, master);
}

/* What lies under a version below its floor is refused, though the version be there. */
static enum sherd_err check_floor(const struct sherd_keyring *ring, const struct sherd_master *master)
{
    if (is_accepted(ring, master))
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_DENIED,
                      "version %llu of the master key %.63s is below its floor %llu: `sherd key floor` says what is "
                      "accepted",
                      (unsigned long long)master->version, master->name, (unsigned long long)floor_of(ring, master));
}

/* @return SHERD_ERR_NOT_FOUND, without a detail: there is none */
static enum sherd_err choose_session(struct sherd_masters *masters, choose_fn *which, const void *arg,
                                     struct sherd_master_session *session)
{
    const struct sherd_keyring *ring;

    SHERD_TRY(sherd_ring_hold(masters->ring, &ring));
    forget_destroyed(masters, ring);
    const struct sherd_master *master = which(ring, arg);
    enum sherd_err err = master != NULL ? check_floor(ring, master) : SHERD_ERR_NOT_FOUND;
    if (err == SHERD_OK) {
        session->master = *master;
        err = sherd_master_session_ready(masters, ring, session);
    }
    sherd_ring_leave(masters->ring);
    return err;
}

static bool is_kept_alike(const struct sherd_master *a, const struct sherd_master *b)
{
    return sherd_same(&a->kid, &b->kid, sizeof(a->kid)) && a->protection == b->protection &&
           a->kept_bytes == b->kept_bytes && sherd_same(a->kept, b->kept, a->kept_bytes);
}

/* It was not where the keyring said: the key may be kept anew by now, and the old copy destroyed. */
static bool is_kept_anew(struct sherd_masters *masters, choose_fn *which, const void *arg,
                         struct sherd_master_session *session)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master *before = sherd_secret_alloc(sizeof(*before));
    char detail[SHERD_FAIL_TEXT_SIZE];

    if (before == NULL)
        return false;
    *before = session->master;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    sherd_ring_doubt(masters->ring);
    if (choose_session(masters, which, arg, session) == SHERD_OK && !is_kept_alike(before, &session->master))
        return true;
    sherd_fail_restore(detail);
    return false;
}

/* Choose a version and give its key. @return SHERD_ERR_NOT_FOUND, without a detail: there is none */
static enum sherd_err choose(struct sherd_masters *masters, choose_fn *which, const void *arg,
                             struct sherd_ref *out_kid, struct sherd_master_key *out_key)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_session *session =
        sherd_secret_alloc(sizeof(*session));

    if (session == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(choose_session(masters, which, arg, session));
    enum sherd_err err = sherd_master_session_give(masters, session, out_key);
    while (err == SHERD_ERR_TAMPERED && is_kept_anew(masters, which, arg, session))
        err = sherd_master_session_give(masters, session, out_key);
    SHERD_TRY(err);
    if (out_kid != NULL)
        *out_kid = session->master.kid;
    return SHERD_OK;
}

static bool is_built_in(const char *name)
{
    return strcmp(name, SHERD_MASTER_DEFAULT) == 0 || strcmp(name, SHERD_MASTER_HASH) == 0;
}

static enum sherd_err activate(struct sherd_masters *masters, const struct sherd_master_options *options,
                               bool only_first, const struct sherd_ref *only_after, uint64_t *out_version);

enum sherd_err sherd_masters_active(struct sherd_masters *masters, const char *name, struct sherd_ref *out_kid,
                                    struct sherd_master_key *out_key)
{
    const struct sherd_master_options options = {.name = name};

    enum sherd_err err = choose(masters, choose_active, name, out_kid, out_key);
    if (err == SHERD_ERR_NOT_FOUND && is_built_in(name)) {
        SHERD_TRY(activate(masters, &options, true, NULL, NULL));
        err = choose(masters, choose_active, name, out_kid, out_key);
    }
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "there is no master key %.63s: make it with `sherd key activate`", name);
    return err;
}

/* What names a version that is not there: one that is known to have been destroyed, or none that ever was. */
static enum sherd_err not_there_any_more(const struct sherd_keyring *ring, const struct sherd_ref *kid)
{
    const struct sherd_destroyed *destroyed = sherd_keyring_destroyed(ring, kid);
    char day[sizeof("-9223372036854775808-12-31")] = "";
    struct tm tm;

    if (destroyed == NULL)
        return sherd_fail(SHERD_ERR_TAMPERED, "a key is wrapped by a master key that is not there any more");
    const time_t time_s = (time_t)destroyed->destroyed_s;
    if (gmtime_r(&time_s, &tm) != NULL)
        (void)strftime(day, sizeof(day), "%Y-%m-%d", &tm);
    return sherd_fail(SHERD_ERR_DENIED, "version %llu of the master key %.63s was destroyed on %s, and is refused",
                      (unsigned long long)destroyed->version, destroyed->name, day);
}

static enum sherd_err refuse_missing(struct sherd_masters *masters, const struct sherd_ref *kid)
{
    const struct sherd_keyring *ring;

    SHERD_TRY(sherd_ring_hold(masters->ring, &ring));
    const enum sherd_err err = not_there_any_more(ring, kid);
    sherd_ring_leave(masters->ring);
    return err;
}

enum sherd_err sherd_masters_accepts(struct sherd_masters *masters, const struct sherd_ref *kid)
{
    const struct sherd_keyring *ring;

    SHERD_TRY(sherd_ring_hold(masters->ring, &ring));
    const struct sherd_master *master = sherd_keyring_master(ring, kid);
    const enum sherd_err err = master != NULL ? check_floor(ring, master) : not_there_any_more(ring, kid);
    sherd_ring_leave(masters->ring);
    return err;
}

enum sherd_err sherd_masters_key(struct sherd_masters *masters, const struct sherd_ref *kid,
                                 struct sherd_master_key *out_key)
{
    const enum sherd_err err = choose(masters, choose_kid, kid, NULL, out_key);

    return err == SHERD_ERR_NOT_FOUND ? refuse_missing(masters, kid) : err;
}

enum sherd_err sherd_masters_successor(struct sherd_masters *masters, const struct sherd_ref *kid,
                                       struct sherd_ref *out_kid, struct sherd_master_key *out_key)
{
    SHERD_TRY(sherd_masters_accepts(masters, kid));
    const enum sherd_err err = choose(masters, choose_successor, kid, out_kid, out_key);

    return err == SHERD_ERR_NOT_FOUND ? refuse_missing(masters, kid) : err;
}

enum sherd_err sherd_masters_kids(struct sherd_masters *masters, const char *name, struct sherd_refs *kids)
{
    const struct sherd_keyring *ring;

    SHERD_TRY(sherd_ring_hold(masters->ring, &ring));
    const struct sherd_master *active = sherd_keyring_active(ring, name);
    enum sherd_err err = active != NULL ? sherd_refs_add(kids, &active->kid) : SHERD_OK;
    for (size_t i = ring->master_count; i-- > 0 && err == SHERD_OK;) {
        const struct sherd_master *master = &ring->masters[i];

        if (master != active && strcmp(master->name, name) == 0 && is_accepted(ring, master))
            err = sherd_refs_add(kids, &master->kid);
    }
    sherd_ring_leave(masters->ring);
    return err;
}

/* --- making ------------------------------------------------------------------------------------------------------- */

struct activation {
    struct sherd_masters *masters;
    const struct sherd_master_options *options;
    bool only_first;                      /* nothing is to be done if somebody else was first */
    const struct sherd_ref *only_after;   /* nothing is to be done unless this version wraps still; NULL */
    struct sherd_master_session *session; /* secret memory */
    struct sherd_master_key *key;
    bool kept;
    struct sherd_ring_along along; /* the count of the new version's uses */
};

/* Whether somebody else was first. */
static bool is_done_already(const struct activation *activation, const struct sherd_keyring *ring)
{
    const struct sherd_master *active = sherd_keyring_active(ring, activation->options->name);

    if (activation->only_after != NULL)
        return active == NULL || active != sherd_keyring_master(ring, activation->only_after);
    return activation->only_first && active != NULL;
}

/* Where a version belongs: versions of a name ascend, and so do names. */
static size_t place_of(const struct sherd_keyring *ring, const char *name, uint64_t *out_version)
{
    size_t i = 0;
    uint64_t version = 1;

    for (; i < ring->master_count; i++) {
        const int order = strcmp(ring->masters[i].name, name);

        if (order > 0)
            break;
        if (order == 0)
            version = ring->masters[i].version + 1;
    }
    *out_version = version;
    return i;
}

static enum sherd_err describe_new(const struct sherd_keyring *ring, const struct sherd_master_options *options,
                                   const struct sherd_key_generator *generator, const struct sherd_key_store *store,
                                   uint64_t version, struct sherd_master *out_master)
{
    struct sherd_master master = {.version = version,
                                  .state = SHERD_MASTER_ACTIVE,
                                  .created_s = (uint64_t)sherd_clock()->wall_s(),
                                  .protection = sherd_protections_current(&ring->protections)};

    SHERD_TRY(sherd_random(master.kid.bytes, sizeof(master.kid.bytes)));
    (void)snprintf(master.name, sizeof(master.name), "%s", options->name);
    (void)snprintf(master.generator, sizeof(master.generator), "%s", generator->name);
    (void)snprintf(master.store, sizeof(master.store), "%s", store->name);
    (void)snprintf(master.args, sizeof(master.args), "%s", options->args != NULL ? options->args : "");
    *out_master = master;
    return SHERD_OK;
}

/* Make and keep a version; what is kept goes into the description. */
static enum sherd_err make(struct activation *activation, const struct sherd_key_generator *generator,
                           const struct sherd_key_store *store)
{
    struct sherd_master_session *session = activation->session;
    struct sherd_key_kept kept = {.bytes = {.max = SHERD_KEY_KEPT_BYTES_MAX}};

    SHERD_TRY(sherd_key_args_check(generator, store, &session->call.args));
    SHERD_TRY(sherd_master_session_protect(activation->masters, session));
    const enum sherd_err err = sherd_key_activate(generator, store, &session->call, activation->key, &kept);
    if (err == SHERD_OK) {
        session->master.kept_bytes = (uint16_t)kept.bytes.len;
        memcpy(session->master.kept, kept.bytes.data, kept.bytes.len);
        memcpy(session->master.outside_id, kept.outside_id, sizeof(session->master.outside_id));
        activation->kept = true;
    }
    sherd_buf_done(&kept.bytes);
    return err;
}

static enum sherd_err activate_in(void *arg, struct sherd_keyring *ring)
{
    struct activation *activation = arg;
    struct sherd_master_session *session = activation->session;
    const struct sherd_key_generator *generator;
    const struct sherd_key_store *store;
    uint64_t version;

    if (is_done_already(activation, ring))
        return SHERD_ERR_CONFLICT; /* taken back in activate() */
    SHERD_ENSURE(ring->master_count < SHERD_MASTERS_MAX, SHERD_ERR_LIMIT,
                 "there are too many versions of master keys: destroy some that nothing refers to");
    SHERD_TRY(sherd_key_generator_find(activation->options->generator, &generator));
    SHERD_TRY(sherd_key_store_find(activation->options->store, &store));
    const size_t place = place_of(ring, activation->options->name, &version);
    SHERD_TRY(describe_new(ring, activation->options, generator, store, version, &session->master));
    SHERD_TRY(sherd_master_session_ready(activation->masters, ring, session));
    SHERD_TRY(make(activation, generator, store));
    if (sherd_uses_are_counted(&session->master))
        SHERD_TRY(sherd_uses_begin(activation->masters->uses, ring, &session->master.kid, &activation->along));
    memmove(&ring->masters[place + 1], &ring->masters[place], (ring->master_count - place) * sizeof(ring->masters[0]));
    ring->masters[place] = session->master;
    ring->master_count++;
    return SHERD_OK;
}

/* Whether the keyring has a version, as far as that can be told. */
static bool may_be_there(struct sherd_masters *masters, const struct sherd_ref *kid)
{
    const struct sherd_keyring *ring;

    if (sherd_ring_hold(masters->ring, &ring) != SHERD_OK)
        return true;
    const bool there = sherd_keyring_master(ring, kid) != NULL;
    sherd_ring_leave(masters->ring);
    return there;
}

/*
 * Take back what a change has kept that was not made: after a failed write that is not certain, and it stays. What
 * cannot be removed is sealed, and nothing refers to it.
 */
static void take_back(struct activation *activation, enum sherd_err err)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    if (activation->kept && err != SHERD_ERR_IO && !may_be_there(activation->masters, &activation->session->master.kid))
        err = sherd_master_session_destroy(activation->masters, activation->session);
    (void)err;
    sherd_fail_restore(detail);
}

/* @param[in] only_after  NULL: whatever wraps now */
static enum sherd_err activate(struct sherd_masters *masters, const struct sherd_master_options *options,
                               bool only_first, const struct sherd_ref *only_after, uint64_t *out_version)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_session *session =
        sherd_secret_alloc(sizeof(*session));
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    struct activation activation = {.masters = masters,
                                    .options = options,
                                    .only_first = only_first,
                                    .only_after = only_after,
                                    .session = session,
                                    .key = key};

    if (session == NULL || key == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_ring_change_along(masters->ring, activate_in, &activation, &activation.along);
    if (err == SHERD_ERR_CONFLICT && (only_first || only_after != NULL) && !activation.kept) /* another was faster */
        return SHERD_OK;
    if (err != SHERD_OK) {
        take_back(&activation, err);
        return err;
    }
    hold(masters, &session->master.kid, key);
    if (out_version != NULL)
        *out_version = session->master.version;
    return SHERD_OK;
}

enum sherd_err sherd_masters_activate(struct sherd_masters *masters, const struct sherd_master_options *options,
                                      uint64_t *out_version)
{
    SHERD_ENSURE(options->name != NULL && sherd_master_name_valid(options->name), SHERD_ERR_INVALID,
                 "a master key's name is 1 to 63 of a-z, 0-9, '.', '_', '-'");
    SHERD_ENSURE(options->args == NULL || strlen(options->args) <= SHERD_KEY_ARGS_BYTES_MAX, SHERD_ERR_LIMIT,
                 "the arguments of a master key have at most 512 bytes");
    return activate(masters, options, false, NULL, out_version);
}

/* --- counted uses ------------------------------------------------------------------------------------------------- */

/* What a version was made with, so that the next one is made alike. */
struct recipe {
    char name[SHERD_MASTER_NAME_SIZE];
    char generator[SHERD_PLUGIN_NAME_SIZE];
    char store[SHERD_PLUGIN_NAME_SIZE];
    char args[SHERD_MASTER_ARGS_SIZE];
    uint64_t limit;
};

static enum sherd_err recipe_of(struct sherd_masters *masters, const struct sherd_ref *kid, struct recipe *out)
{
    const struct sherd_keyring *ring;

    SHERD_TRY(sherd_ring_hold(masters->ring, &ring));
    const struct sherd_master *master = sherd_keyring_master(ring, kid);
    if (master != NULL) {
        memcpy(out->name, master->name, sizeof(out->name));
        memcpy(out->generator, master->generator, sizeof(out->generator));
        memcpy(out->store, master->store, sizeof(out->store));
        memcpy(out->args, master->args, sizeof(out->args));
        out->limit = sherd_uses_limit(ring, master);
    }
    sherd_ring_leave(masters->ring);
    return master != NULL ? SHERD_OK : sherd_fail(SHERD_ERR_CONFLICT, "the keys are being changed: try again");
}

/* Make the next version, unless somebody else has: whoever finds one used up does, and one of them is first. */
static enum sherd_err activate_next(struct sherd_masters *masters, const struct sherd_ref *kid)
{
    char detail[SHERD_FAIL_TEXT_SIZE];
    struct recipe recipe;

    SHERD_TRY(recipe_of(masters, kid, &recipe));
    const struct sherd_master_options options = {
        .name = recipe.name, .generator = recipe.generator, .store = recipe.store, .args = recipe.args};
    const enum sherd_err err = activate(masters, &options, false, kid, NULL);
    if (err == SHERD_OK || err == SHERD_ERR_CONFLICT)
        return err;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    return sherd_fail(err == SHERD_ERR_IO || err == SHERD_ERR_NO_MEMORY ? err : SHERD_ERR_LIMIT,
                      "the master key %.63s has wrapped as many keys as it may, %llu, and the next version cannot be "
                      "made: %.200s",
                      recipe.name, (unsigned long long)recipe.limit, detail);
}

enum sherd_err sherd_masters_use(struct sherd_masters *masters, const struct sherd_ref *kid, uint64_t entities)
{
    const struct sherd_uses_want want = {.wraps = 1, .entities = entities};
    bool full;

    SHERD_TRY(sherd_uses_take(masters->uses, kid, &want, &full));
    if (!full)
        return SHERD_OK;
    SHERD_TRY(activate_next(masters, kid));
    return sherd_fail(SHERD_ERR_CONFLICT, "the master key has wrapped as many keys as it may: the next one serves");
}

enum sherd_err sherd_masters_expect(struct sherd_masters *masters, const struct sherd_ref *kid, uint64_t wraps)
{
    const enum sherd_err err = sherd_uses_expect(masters->uses, kid, wraps);

    return err == SHERD_ERR_CONFLICT ? SHERD_OK : err;
}

enum sherd_err sherd_masters_limit(struct sherd_masters *masters, const struct sherd_ref *kid, uint64_t *out_limit)
{
    struct recipe recipe;

    SHERD_TRY(recipe_of(masters, kid, &recipe));
    *out_limit = recipe.limit;
    return SHERD_OK;
}

enum sherd_err sherd_masters_check_uses(struct sherd_masters *masters, const struct sherd_ref *name,
                                        struct sherd_span stored)
{
    return sherd_uses_check(masters->uses, name, stored);
}

enum sherd_err sherd_masters_check_counted(struct sherd_masters *masters)
{
    return sherd_uses_check_all(masters->uses);
}

/* --- what there is, and ending it --------------------------------------------------------------------------------- */

static void inform(const struct sherd_keyring *ring, const struct sherd_master *master,
                   struct sherd_master_info *out_info)
{
    struct sherd_master_info info = {.version = master->version,
                                     .state = master->state,
                                     .wraps = sherd_keyring_active(ring, master->name) == master,
                                     .created_s = master->created_s,
                                     .protection = master->protection,
                                     .limit = sherd_uses_are_counted(master) ? sherd_uses_limit(ring, master) : 0};

    memcpy(info.kid, master->kid.bytes, sizeof(info.kid));
    memcpy(info.name, master->name, sizeof(info.name));
    memcpy(info.generator, master->generator, sizeof(info.generator));
    memcpy(info.store, master->store, sizeof(info.store));
    memcpy(info.args, master->args, sizeof(info.args));
    memcpy(info.outside_id, master->outside_id, sizeof(info.outside_id));
    *out_info = info;
}

static enum sherd_err inform_of_uses(struct sherd_masters *masters, struct sherd_master_info *info)
{
    struct sherd_key_uses uses = {.wraps = 0};
    struct sherd_ref kid;

    if (info->limit == 0)
        return SHERD_OK;
    memcpy(kid.bytes, info->kid, sizeof(kid.bytes));
    const enum sherd_err err = sherd_uses_read(masters->uses, &kid, &uses);
    if (err != SHERD_ERR_CONFLICT) /* it has ended since */
        SHERD_TRY(err);
    info->wraps_counted = uses.wraps;
    info->entities_counted = uses.entities;
    return SHERD_OK;
}

enum sherd_err sherd_masters_each(struct sherd_masters *masters, sherd_master_visit_fn *visit, void *arg)
{
    const struct sherd_keyring *ring;
    struct sherd_master_info *infos = sherd_alloc_array(SHERD_MASTERS_MAX, sizeof(*infos));
    size_t count = 0;

    if (infos == NULL)
        return SHERD_ERR_NO_MEMORY;
    enum sherd_err err = sherd_ring_hold(masters->ring, &ring);
    if (err == SHERD_OK) {
        for (; count < ring->master_count; count++)
            inform(ring, &ring->masters[count], &infos[count]);
        sherd_ring_leave(masters->ring);
    }
    for (size_t i = 0; i < count && err == SHERD_OK; i++) {
        err = inform_of_uses(masters, &infos[i]);
        if (err == SHERD_OK)
            err = visit(arg, &infos[i]);
    }
    sherd_free(infos);
    return err;
}

struct which {
    const char *name;
    uint64_t version;
};

static const struct sherd_master *version_of(const struct sherd_keyring *ring, const struct which *which)
{
    for (size_t i = 0; i < ring->master_count; i++)
        if (strcmp(ring->masters[i].name, which->name) == 0 && ring->masters[i].version == which->version)
            return &ring->masters[i];
    return NULL;
}

static enum sherd_err not_there(const struct which *which)
{
    return sherd_fail(SHERD_ERR_NOT_FOUND, "there is no version %llu of a master key %.63s",
                      (unsigned long long)which->version, which->name);
}

static enum sherd_err retire_in(void *arg, struct sherd_keyring *ring)
{
    const struct which *which = arg;
    const struct sherd_master *master = version_of(ring, which);

    if (master == NULL)
        return not_there(which);
    ring->masters[master - ring->masters].state = SHERD_MASTER_RETIRED;
    SHERD_ENSURE(sherd_keyring_active(ring, which->name) != NULL, SHERD_ERR_CONFLICT,
                 "that is the last active version of its name: activate another one first");
    const struct sherd_key_policy *policy = sherd_keyring_policy(ring, which->name);
    SHERD_ENSURE(policy == NULL || sherd_keyring_active(ring, which->name)->version >= policy->floor,
                 SHERD_ERR_CONFLICT, "the version that would wrap then is below the floor: activate another one first");
    return SHERD_OK;
}

enum sherd_err sherd_masters_retire(struct sherd_masters *masters, const char *name, uint64_t version)
{
    struct which which = {.name = name, .version = version};

    return sherd_ring_change(masters->ring, retire_in, &which);
}

static enum sherd_err check_retired(const struct sherd_master *master)
{
    SHERD_ENSURE(master->state != SHERD_MASTER_ACTIVE, SHERD_ERR_CONFLICT,
                 "that version is active: retire it first, with `sherd key retire`");
    return SHERD_OK;
}

enum sherd_err sherd_masters_retired(struct sherd_masters *masters, const char *name, uint64_t version,
                                     struct sherd_ref *out_kid)
{
    const struct which which = {.name = name, .version = version};
    const struct sherd_keyring *ring;

    SHERD_TRY(sherd_ring_hold(masters->ring, &ring));
    const struct sherd_master *master = version_of(ring, &which);
    const enum sherd_err err = master != NULL ? check_retired(master) : not_there(&which);
    if (err == SHERD_OK)
        *out_kid = master->kid;
    sherd_ring_leave(masters->ring);
    return err;
}

struct removal {
    struct sherd_masters *masters;
    const struct sherd_ref *kid;
    struct sherd_master *removed; /* gets what is known of it */
    struct sherd_ring_along along;
};

static enum sherd_err find_ending(const struct removal *removal, const struct sherd_keyring *ring, size_t *out_place)
{
    const struct sherd_master *master = sherd_keyring_master(ring, removal->kid);

    SHERD_ENSURE(master != NULL, SHERD_ERR_NOT_FOUND, "that version of a master key was destroyed meanwhile");
    *out_place = (size_t)(master - ring->masters);
    return check_retired(master);
}

/* From here on it can only end; what its store needs to find its parts stays until they are gone. */
static enum sherd_err doom_in(void *arg, struct sherd_keyring *ring)
{
    struct removal *removal = arg;
    size_t place;

    SHERD_TRY(find_ending(removal, ring, &place));
    ring->masters[place].state = SHERD_MASTER_ENDING;
    *removal->removed = ring->masters[place];
    return SHERD_OK;
}

static enum sherd_err remove_in(void *arg, struct sherd_keyring *ring)
{
    struct removal *removal = arg;
    size_t place;

    SHERD_TRY(find_ending(removal, ring, &place));
    if (sherd_uses_are_counted(&ring->masters[place]))
        SHERD_TRY(sherd_uses_end(removal->masters->uses, removal->kid, &removal->along));
    sherd_keyring_remember(ring, &ring->masters[place], (uint64_t)sherd_clock()->wall_s());
    ring->master_count--;
    memmove(&ring->masters[place], &ring->masters[place + 1], (ring->master_count - place) * sizeof(ring->masters[0]));
    sherd_wipe(&ring->masters[ring->master_count], sizeof(ring->masters[0]));
    sherd_keyring_drop_protections(ring);
    return SHERD_OK;
}

enum sherd_err sherd_masters_destroy(struct sherd_masters *masters, const struct sherd_ref *kid)
{
    const struct sherd_keyring *ring;
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_session *session =
        sherd_secret_alloc(sizeof(*session));
    struct removal removal = {.masters = masters, .kid = kid};

    if (session == NULL)
        return SHERD_ERR_NO_MEMORY;
    removal.removed = &session->master;
    SHERD_TRY(sherd_ring_change(masters->ring, doom_in, &removal));
    SHERD_FAILPOINT("masters.doomed");
    SHERD_TRY(sherd_ring_hold(masters->ring, &ring));
    const enum sherd_err err = sherd_master_session_ready(masters, ring, session);
    sherd_ring_leave(masters->ring);
    SHERD_TRY(err);
    SHERD_TRY(sherd_master_session_destroy_old(masters, session));
    SHERD_TRY(sherd_master_session_destroy(masters, session));
    SHERD_FAILPOINT("masters.parts_gone");
    SHERD_TRY(sherd_ring_change_along(masters->ring, remove_in, &removal, &removal.along));
    SHERD_TRY(sherd_ring_hold(masters->ring, &ring));
    forget_destroyed(masters, ring);
    sherd_ring_leave(masters->ring);
    return SHERD_OK;
}
