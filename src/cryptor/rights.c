/* SPDX-License-Identifier: Apache-2.0 */
/* Users, named keys and grants, for callers: <sherd/rights.h>. The anchor decides and does. */
#include "crypto/approved.h"
#include "base/random.h"
#include "base/secret.h"
#include "cryptor/secret.h"
#include "cryptor/vault.h"
#include <sherd/rights.h>
#include <stdio.h>
#include <string.h>

/*
 * The key of a new user that has a passphrase: derived here, where the passphrase is, and gone when its public half is.
 */
static enum sherd_err take_passphrase(bool fips, struct sherd_span passphrase, struct sherd_principal *principal)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_credential_seed *seed = sherd_secret_alloc(sizeof(*seed));

    if (seed == NULL)
        return SHERD_ERR_NO_MEMORY;
    principal->credential = SHERD_CREDENTIAL_PASSPHRASE;
    principal->hash = sherd_pwhash_for(fips);
    SHERD_TRY(sherd_random(principal->salt, sizeof(principal->salt)));
    SHERD_TRY(sherd_credential_derive(passphrase, &principal->hash, principal->salt, seed));
    return sherd_sign_public(seed->bytes, principal->public_key);
}

static enum sherd_err take_user(bool fips, const struct sherd_user_new *user, struct sherd_principal *principal)
{
    SHERD_ENSURE(user->name != NULL && sherd_rights_name_valid(user->name), SHERD_ERR_INVALID,
                 "a user's name has 1 to 63 of a-z, 0-9, '.', '_', '-' and begins with a letter or digit");
    SHERD_ENSURE((user->passphrase.len > 0) != (user->public_key.len > 0), SHERD_ERR_INVALID,
                 "a user needs exactly one of a passphrase and a public key");
    (void)snprintf(principal->name, sizeof(principal->name), "%s", user->name);
    if (user->passphrase.len > 0)
        return take_passphrase(fips, user->passphrase, principal);
    principal->credential = SHERD_CREDENTIAL_KEY;
    return sherd_credential_parse_public(user->public_key, principal->public_key);
}

/* Users put secrets into a collection that only the owner can make, so it is there before they are. */
enum sherd_err sherd_user_create(struct sherd_vault *vault, const struct sherd_user_new *user)
{
    struct sherd_principal principal = {.disabled = false};
    struct sherd_collection_entry secrets;

    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(user != NULL, SHERD_ERR_INVALID, "a user needs a name");
    SHERD_TRY(sherd_vault_check_maintains(vault));
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(take_user(vault->fips, user, &principal));
    SHERD_TRY(sherd_secret_collection(vault, &secrets));
    SHERD_TRY(sherd_window_enter(vault->window, false)); /* a backup has all that it writes, or nothing */
    const enum sherd_err err = vault->anchor->ops->user_create(vault->anchor, &principal);
    sherd_window_leave(vault->window, false);
    return err;
}

struct user_visit {
    sherd_user_visit_fn *visit;
    void *arg;
    char name[SHERD_NAME_SIZE]; /* of the first that is damaged */
    unsigned damaged_count;
};

static enum sherd_err visit_user(void *arg, const struct sherd_user_info *info)
{
    struct user_visit *to = arg;

    if (info->damaged && to->damaged_count++ == 0)
        memcpy(to->name, info->name, sizeof(to->name));
    return to->visit(to->arg, info);
}

enum sherd_err sherd_user_each(struct sherd_vault *vault, sherd_user_visit_fn *visit, void *arg)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told of the users");
    struct user_visit to = {.visit = visit, .arg = arg};
    SHERD_TRY(vault->anchor->ops->user_each(vault->anchor, visit_user, &to));
    if (to.damaged_count == 0)
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_TAMPERED,
                      "the entry of user %s in identity is damaged or gone%s: bring identity back as it was", to.name,
                      to.damaged_count > 1 ? ", and not the only one" : "");
}

enum sherd_err sherd_user_disable(struct sherd_vault *vault, const char *name)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(name != NULL, SHERD_ERR_INVALID, "a user has a name");
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(sherd_window_enter(vault->window, false)); /* a backup has all that it writes, or nothing */
    const enum sherd_err err = vault->anchor->ops->user_disable(vault->anchor, name);
    sherd_window_leave(vault->window, false);
    return err;
}

enum sherd_err sherd_key_create(struct sherd_vault *vault, const char *name, const char *owner)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(name != NULL, SHERD_ERR_INVALID, "a key needs a name");
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(sherd_window_enter(vault->window, false)); /* a backup has all that it writes, or nothing */
    const enum sherd_err err = vault->anchor->ops->named_create(vault->anchor, name, owner);
    sherd_window_leave(vault->window, false);
    return err;
}

enum sherd_err sherd_key_each(struct sherd_vault *vault, sherd_key_visit_fn *visit, void *arg)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(visit != NULL, SHERD_ERR_INVALID, "somebody must be told of the keys");
    return vault->anchor->ops->named_each(vault->anchor, visit, arg);
}

enum sherd_err sherd_key_grant(struct sherd_vault *vault, const char *key, const char *user, unsigned rights)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(key != NULL && user != NULL, SHERD_ERR_INVALID, "a grant is of a key, to a user");
    SHERD_TRY(sherd_vault_check_writable(vault));
    SHERD_TRY(sherd_window_enter(vault->window, false)); /* a backup has all that it writes, or nothing */
    const enum sherd_err err = vault->anchor->ops->named_grant(vault->anchor, key, user, rights);
    sherd_window_leave(vault->window, false);
    return err;
}

enum sherd_err sherd_grant_each(struct sherd_vault *vault, const char *key, sherd_grant_visit_fn *visit, void *arg)
{
    SHERD_TRY(sherd_vault_check(vault));
    SHERD_ENSURE(key != NULL && visit != NULL, SHERD_ERR_INVALID, "a key, and somebody to be told of its grants");
    return vault->anchor->ops->grant_each(vault->anchor, key, visit, arg);
}
