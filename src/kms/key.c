/* SPDX-License-Identifier: Apache-2.0 */
/* Generators and key stores, checked: see key.h. */
#include "kms/key.h"
#include "base/secret.h"
#include "crypto/ct.h"
#include "kms/local/local.h"
#include "kms/shares.h"
#include "kms/stripe.h"
#include <stdio.h>
#include <string.h>

static const struct sherd_key_generator *const generators[] = {&sherd_key_generator_openssl, NULL};

static const struct sherd_key_store *const stores[] = {&sherd_key_store_anchor, &sherd_key_store_stripe,
                                                       &sherd_key_store_shares, NULL};

const struct sherd_key_generator *const *sherd_key_generators(void)
{
    return generators;
}

const struct sherd_key_store *const *sherd_key_stores(void)
{
    return stores;
}

/* --- which there are --------------------------------------------------------------------------------------------- */

/* Names, with commas between them; cut where there is no more room. */
struct names {
    char text[128];
    size_t len;
};

static void names_add(struct names *names, const char *name)
{
    const int len = snprintf(names->text + names->len, sizeof(names->text) - names->len, "%s%s",
                             names->len > 0 ? ", " : "", name);

    if (len > 0 && names->len + (size_t)len < sizeof(names->text))
        names->len += (size_t)len;
}

enum sherd_err sherd_key_generator_find(const char *name, const struct sherd_key_generator **out_generator)
{
    struct names names = {.len = 0};

    for (size_t i = 0; generators[i] != NULL; i++) {
        if (name == NULL || strcmp(generators[i]->name, name) == 0) {
            *out_generator = generators[i];
            return SHERD_OK;
        }
        names_add(&names, generators[i]->name);
    }
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "there is no generator \"%.32s\" of master keys; there are: %s", name,
                      names.text);
}

enum sherd_err sherd_key_store_find(const char *name, const struct sherd_key_store **out_store)
{
    struct names names = {.len = 0};

    for (size_t i = 0; stores[i] != NULL; i++) {
        if (name == NULL || strcmp(stores[i]->name, name) == 0) {
            *out_store = stores[i];
            return SHERD_OK;
        }
        names_add(&names, stores[i]->name);
    }
    return sherd_fail(SHERD_ERR_UNSUPPORTED, "there is no key store \"%.32s\"; there are: %s", name, names.text);
}

static bool has_name(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static void names_add_all(struct names *names, const char *const *list)
{
    for (; list != NULL && *list != NULL; list++)
        names_add(names, *list);
}

enum sherd_err sherd_key_args_check(const struct sherd_key_generator *generator, const struct sherd_key_store *store,
                                    const struct sherd_key_args *args)
{
    struct names names = {.len = 0};

    names_add_all(&names, generator->arg_names);
    names_add_all(&names, store->arg_names);
    for (size_t i = 0; i < args->count; i++) {
        const char *name = args->list[i].name;

        if (!has_name(generator->arg_names, name) && !has_name(store->arg_names, name))
            return sherd_fail(SHERD_ERR_INVALID,
                              "generator %s and key store %s take no argument \"%.32s\"; they take: %s",
                              generator->name, store->name, name, names.len > 0 ? names.text : "none");
    }
    return SHERD_OK;
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static enum sherd_err check_generator(const struct sherd_key_generator *generator)
{
    if (generator->abi != SHERD_KEY_ABI || generator->name == NULL || generator->generate == NULL)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "generator %s is made for another interface than %u",
                          generator->name != NULL ? generator->name : "?", SHERD_KEY_ABI);
    return SHERD_OK;
}

static enum sherd_err check_store(const struct sherd_key_store *store)
{
    if (store->abi != SHERD_KEY_ABI || store->name == NULL || store->keep == NULL || store->fetch == NULL ||
        store->destroy == NULL || store->check == NULL)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "key store %s is made for another interface than %u",
                          store->name != NULL ? store->name : "?", SHERD_KEY_ABI);
    return SHERD_OK;
}

/* The call as a plug-in gets it. */
static struct sherd_key_call call_of(const struct sherd_key_store *store, const struct sherd_key_call *call)
{
    struct sherd_key_call ready = *call;

    ready.store = store->name;
    if (ready.outside_id == NULL)
        ready.outside_id = "";
    if (ready.timeout_ms == 0)
        ready.timeout_ms = SHERD_KEY_TIMEOUT_MS;
    return ready;
}

/* Whether what was kept gives the key back: before anything is wrapped by it. */
static enum sherd_err fetch_again(const struct sherd_key_store *store, const struct sherd_key_call *call,
                                  const struct sherd_master_key *key, const struct sherd_key_kept *kept)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_master_key *back = sherd_secret_alloc(sizeof(*back));

    if (back == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_key_call later = *call;
    later.outside_id = kept->outside_id;
    SHERD_ENSURE(kept->bytes.len >= 1, SHERD_ERR_IO, "a key store keeps nothing of a master key");
    SHERD_TRY(store->fetch(&later, sherd_buf_span(&kept->bytes), back));
    SHERD_ENSURE(sherd_ct_equal(back->bytes, key->bytes, sizeof(key->bytes)), SHERD_ERR_IO,
                 "a key store gives back another master key than it was given");
    return SHERD_OK;
}

static void kept_done(struct sherd_key_kept *kept)
{
    sherd_buf_done(&kept->bytes);
}

/* Take back a keeping that is not good; its failure's own words stay. */
static void take_back(const struct sherd_key_store *store, const struct sherd_key_call *call,
                      const struct sherd_key_kept *kept)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    if (kept->bytes.len == 0)
        return;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    const enum sherd_err err = store->destroy(call, sherd_buf_span(&kept->bytes));
    (void)err; /* what stays is of a set that nothing names */
    sherd_fail_restore(detail);
}

static enum sherd_err keep(const struct sherd_key_store *store, const struct sherd_key_call *call,
                           const struct sherd_master_key *key, struct sherd_span wrapped,
                           struct sherd_key_kept *out_kept)
{
    SHERD_CLEANUP(kept_done) struct sherd_key_kept kept = {.bytes = {.max = SHERD_KEY_KEPT_BYTES_MAX}};

    (void)snprintf(kept.outside_id, sizeof(kept.outside_id), "%s", call->outside_id);
    SHERD_TRY(store->keep(call, key, wrapped, &kept));
    const enum sherd_err err = fetch_again(store, call, key, &kept);
    if (err != SHERD_OK) {
        take_back(store, call, &kept);
        return err;
    }
    memcpy(out_kept->outside_id, kept.outside_id, sizeof(kept.outside_id));
    out_kept->bytes = sherd_buf_take(&kept.bytes);
    return SHERD_OK;
}

static void made_done(struct sherd_key_made *made)
{
    sherd_secret_free(made->key);
    sherd_buf_done(&made->wrapped);
}

enum sherd_err sherd_key_activate(const struct sherd_key_generator *generator, const struct sherd_key_store *store,
                                  const struct sherd_key_call *call, struct sherd_master_key *out_key,
                                  struct sherd_key_kept *out_kept)
{
    SHERD_CLEANUP(made_done) struct sherd_key_made made = {.wrapped = {.max = SHERD_KEY_WRAPPED_BYTES_MAX}};

    SHERD_TRY(check_generator(generator));
    SHERD_TRY(check_store(store));
    struct sherd_key_call ready = call_of(store, call);
    SHERD_TRY(sherd_key_args_check(generator, store, &ready.args));
    made.key = sherd_secret_alloc(sizeof(*made.key));
    if (made.key == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(generator->generate(&ready, &made));
    ready.outside_id = made.outside_id;
    SHERD_TRY(keep(store, &ready, made.key, sherd_buf_span(&made.wrapped), out_kept));
    *out_key = *made.key;
    return SHERD_OK;
}

enum sherd_err sherd_key_keep(const struct sherd_key_store *store, const struct sherd_key_call *call,
                              const struct sherd_master_key *key, struct sherd_key_kept *out_kept)
{
    SHERD_TRY(check_store(store));
    const struct sherd_key_call ready = call_of(store, call);
    return keep(store, &ready, key, sherd_span_of(NULL, 0), out_kept);
}

enum sherd_err sherd_key_fetch(const struct sherd_key_store *store, const struct sherd_key_call *call,
                               struct sherd_span kept, struct sherd_master_key *out_key)
{
    SHERD_TRY(check_store(store));
    const struct sherd_key_call ready = call_of(store, call);
    return store->fetch(&ready, kept, out_key);
}

enum sherd_err sherd_key_destroy(const struct sherd_key_store *store, const struct sherd_key_call *call,
                                 struct sherd_span kept)
{
    SHERD_TRY(check_store(store));
    const struct sherd_key_call ready = call_of(store, call);
    return store->destroy(&ready, kept);
}

static enum sherd_err visit_nothing(void *arg, const struct sherd_key_finding *finding)
{
    (void)arg;
    (void)finding;
    return SHERD_OK;
}

enum sherd_err sherd_key_check(const struct sherd_key_store *store, const struct sherd_key_call *call,
                               struct sherd_span kept, sherd_key_finding_fn *visit, void *arg)
{
    SHERD_TRY(check_store(store));
    const struct sherd_key_call ready = call_of(store, call);
    return store->check(&ready, kept, visit != NULL ? visit : visit_nothing, arg);
}
