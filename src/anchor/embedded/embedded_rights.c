/* SPDX-License-Identifier: Apache-2.0 */
/* Users, named keys, grants and logins of the anchor in the same process. */
#include "anchor/embedded/embedded_inside.h"
#include "anchor/rights/session.h"
#include "crypto/approved.h"
#include <string.h>

const struct sherd_caller sherd_embedded_owner = {.owner = true, .name = SHERD_USER_OWNER};

enum sherd_err sherd_embedded_write_pin(void *arg, const struct sherd_uuid *principal, const struct sherd_store_op *op,
                                        bool *out_lost)
{
    struct sherd_store_op ops[2] = {*op}; /* and the guard */
    struct sherd_event event = {.kind = SHERD_EVENT_PRINCIPAL};

    memcpy(event.subject.bytes, principal->bytes, sizeof(event.subject.bytes));
    return sherd_ring_write(arg, ops, 1, &event, 1, out_lost);
}

/* Alone among all processes: two that made the same name at once would write over each other. */
enum sherd_err sherd_embedded_user_create(struct sherd_anchor *anchor, const struct sherd_principal *principal)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_principal made = *principal;
    struct sherd_file_lock lock;

    SHERD_TRY(sherd_home_lock(self->home, &lock));
    const enum sherd_err err = sherd_principals_create(&self->principals, &made);
    sherd_file_lock_leave(&lock);
    return err;
}

struct user_visit {
    sherd_user_visit_fn *visit;
    void *arg;
};

static enum sherd_err tell_user(void *arg, const struct sherd_principal *principal, bool damaged)
{
    const struct user_visit *to = arg;
    struct sherd_user_info info = {.id = principal->id,
                                   .owner = strcmp(principal->name, SHERD_USER_OWNER) == 0,
                                   .passphrase = principal->credential == SHERD_CREDENTIAL_PASSPHRASE,
                                   .disabled = principal->disabled,
                                   .damaged = damaged,
                                   .created_s = principal->created_s};

    memcpy(info.name, principal->name, sizeof(info.name));
    memcpy(info.public_key, principal->public_key, sizeof(info.public_key));
    return to->visit(to->arg, &info);
}

enum sherd_err sherd_embedded_user_each(struct sherd_anchor *anchor, sherd_user_visit_fn *visit, void *arg)
{
    struct user_visit to = {visit, arg};

    return sherd_principals_each(&sherd_embedded_of(anchor)->principals, true, tell_user, &to);
}

enum sherd_err sherd_embedded_user_disable(struct sherd_anchor *anchor, const char *name)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_file_lock lock;

    SHERD_TRY(sherd_home_lock(self->home, &lock));
    const enum sherd_err err = sherd_principals_disable(&self->principals, name);
    sherd_file_lock_leave(&lock);
    return err;
}

enum sherd_err sherd_embedded_named_create(struct sherd_anchor *anchor, const char *name, const char *owned_by)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_principal principal;

    SHERD_TRY(sherd_principals_get(&self->principals, owned_by != NULL ? owned_by : SHERD_USER_OWNER, &principal));
    SHERD_ENSURE(!principal.disabled, SHERD_ERR_INVALID, "that user is disabled");
    return sherd_rights_create(&self->rights, name, &principal.id);
}

enum sherd_err sherd_embedded_named_each(struct sherd_anchor *anchor, sherd_key_visit_fn *visit, void *arg)
{
    return sherd_rights_each_key(&sherd_embedded_of(anchor)->rights, &sherd_embedded_owner, visit, arg);
}

enum sherd_err sherd_embedded_named_find(struct sherd_anchor *anchor, const char *name, unsigned wanted,
                                         struct sherd_ref *out_key)
{
    return sherd_rights_find(&sherd_embedded_of(anchor)->rights, &sherd_embedded_owner, name, wanted, out_key);
}

enum sherd_err sherd_embedded_named_grant(struct sherd_anchor *anchor, const char *key, const char *user,
                                          unsigned rights)
{
    struct sherd_ref ref;

    SHERD_TRY(sherd_embedded_named_find(anchor, key, SHERD_RIGHT_MANAGE, &ref));
    return sherd_rights_grant(&sherd_embedded_of(anchor)->rights, &ref, user, rights);
}

enum sherd_err sherd_embedded_grant_each(struct sherd_anchor *anchor, const char *key, sherd_grant_visit_fn *visit,
                                         void *arg)
{
    struct sherd_ref ref;

    SHERD_TRY(sherd_embedded_named_find(anchor, key, SHERD_RIGHT_MANAGE, &ref));
    return sherd_rights_each_grant(&sherd_embedded_of(anchor)->rights, &ref, visit, arg);
}

enum sherd_err sherd_embedded_principal_check(struct sherd_anchor *anchor, const struct sherd_ref *name,
                                              struct sherd_span stored)
{
    return sherd_principals_check(&sherd_embedded_of(anchor)->principals, name, stored);
}

/* For a name that nobody has: always the same, and nothing that tells it from one that somebody has. */
static enum sherd_err challenge_nobody(const struct sherd_embedded *self, const char *user,
                                       struct sherd_challenge *challenge)
{
    struct sherd_ref salt;

    SHERD_TRY(sherd_entry_name(&self->principals.keys, "salt of nobody", sherd_span_str(user), sherd_span_of(NULL, 0),
                               &salt));
    challenge->credential = SHERD_CREDENTIAL_PASSPHRASE;
    challenge->hash = sherd_pwhash_for(sherd_home_fips(self->home));
    memcpy(challenge->salt, salt.bytes, sizeof(challenge->salt));
    return SHERD_OK;
}

enum sherd_err sherd_embedded_challenge(struct sherd_anchor *anchor, const char *user,
                                        struct sherd_challenge *out_challenge)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_challenge challenge = {.deployment = self->fixed->deployment};
    struct sherd_principal principal;

    SHERD_ENSURE(sherd_rights_name_valid(user), SHERD_ERR_INVALID,
                 "a user's name has 1 to 63 of a-z, 0-9, '.', '_', '-' and begins with a letter or digit");
    const enum sherd_err err = sherd_principals_get(&self->principals, user, &principal);
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND)
        return err;
    if (err == SHERD_OK && principal.credential == SHERD_CREDENTIAL_PASSPHRASE) {
        challenge.credential = principal.credential;
        challenge.hash = principal.hash;
        memcpy(challenge.salt, principal.salt, sizeof(challenge.salt));
    } else {
        SHERD_TRY(challenge_nobody(self, user, &challenge));
    }
    SHERD_TRY(sherd_nonces_give(self->nonces, challenge.nonce));
    *out_challenge = challenge;
    return SHERD_OK;
}

/* Whether somebody is who it says, by the answer to a challenge of ours. */
static enum sherd_err authenticate(struct sherd_embedded *self, const char *user,
                                   const uint8_t nonce[static SHERD_NONCE_SIZE],
                                   const uint8_t signature[static SHERD_SIGNATURE_SIZE],
                                   struct sherd_principal *out_principal)
{
    struct sherd_challenge challenge = {.deployment = self->fixed->deployment};

    if (!sherd_nonces_take(self->nonces, nonce))
        return sherd_credential_denied();
    memcpy(challenge.nonce, nonce, SHERD_NONCE_SIZE);
    enum sherd_err err = sherd_principals_get(&self->principals, user, out_principal);
    if (err == SHERD_ERR_NOT_FOUND ||
        (err == SHERD_OK && (out_principal->disabled || out_principal->credential == SHERD_CREDENTIAL_SEAL)))
        return sherd_credential_denied();
    SHERD_TRY(err);
    err = sherd_credential_verify(&challenge, user, out_principal->public_key, signature);
    return err == SHERD_ERR_TAMPERED ? sherd_credential_denied() : err;
}

enum sherd_err sherd_embedded_login(struct sherd_anchor *anchor, const char *user,
                                    const uint8_t nonce[static SHERD_NONCE_SIZE],
                                    const uint8_t signature[static SHERD_SIGNATURE_SIZE],
                                    struct sherd_anchor **out_session)
{
    struct sherd_embedded *self = sherd_embedded_of(anchor);
    struct sherd_session_parts parts = {.anchor = anchor, .pins = &self->pins, .rights = &self->rights};
    struct sherd_principal principal;

    SHERD_TRY(authenticate(self, user, nonce, signature, &principal));
    parts.caller.id = principal.id;
    memcpy(parts.caller.name, principal.name, sizeof(parts.caller.name));
    return sherd_session_new(&parts, out_session);
}
