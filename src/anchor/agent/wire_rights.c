/* SPDX-License-Identifier: Apache-2.0 */
/* Messages about users, named keys and grants: see wire.h and docs/format/agent.md. */
#include "anchor/agent/wire_inside.h"
#include <string.h>

/* Users that show who they are through an anchor: the owner, who does so by unsealing, is none of them. */
static void code_credential(struct sherd_wire *wire, enum sherd_credential *credential)
{
    *credential = (enum sherd_credential)code_enum(wire, (unsigned)*credential, SHERD_CREDENTIAL_PASSPHRASE,
                                                   SHERD_CREDENTIAL_KEY);
}

/* How a passphrase is hashed; all zero where there is none. */
static void code_hash(struct sherd_wire *wire, struct sherd_pwhash_params *hash)
{
    const unsigned alg = code_enum(wire, (unsigned)hash->alg, 0, SHERD_PWHASH_PBKDF2);

    memset(&hash->alg, 0, sizeof(hash->alg));
    if (alg != 0)
        hash->alg = (enum sherd_pwhash_alg)alg;
    code_u32(wire, &hash->cost);
    code_u32(wire, &hash->block);
    code_u32(wire, &hash->parallel);
}

/* Tenant, id and time are the anchor's to fill in. */
void sherd_wire_code_user_new(struct sherd_wire *wire, void *message)
{
    struct sherd_principal *principal = message;

    code_text(wire, principal->name, sizeof(principal->name));
    code_credential(wire, &principal->credential);
    code_fixed(wire, principal->public_key, sizeof(principal->public_key));
    code_hash(wire, &principal->hash);
    code_fixed(wire, principal->salt, sizeof(principal->salt));
}

void sherd_wire_code_user(struct sherd_wire *wire, void *message)
{
    struct sherd_user_info *info = message;

    code_text(wire, info->name, sizeof(info->name));
    code_uuid(wire, &info->id);
    code_bool(wire, &info->owner);
    code_bool(wire, &info->passphrase);
    code_bool(wire, &info->disabled);
    code_bool(wire, &info->damaged);
    code_fixed(wire, info->public_key, sizeof(info->public_key));
    code_u64(wire, &info->created_s);
}

void sherd_wire_code_name(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_name *name = message;

    code_text(wire, name->name, sizeof(name->name));
}

void sherd_wire_code_named_new(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_named_new *call = message;

    code_text(wire, call->name, sizeof(call->name));
    code_option(wire, &call->has_owner, call->owner, sizeof(call->owner));
}

void sherd_wire_code_named(struct sherd_wire *wire, void *message)
{
    struct sherd_key_info *info = message;

    code_text(wire, info->name, sizeof(info->name));
    code_fixed(wire, info->id, sizeof(info->id));
    code_text(wire, info->owner, sizeof(info->owner));
    code_u64(wire, &info->created_s);
    code_u64(wire, &info->version);
    info->rights = (unsigned)code_uint(wire, 4, info->rights, UINT32_MAX);
}

void sherd_wire_code_grant(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_grant *call = message;

    code_text(wire, call->key, sizeof(call->key));
    code_text(wire, call->user, sizeof(call->user));
    code_u32(wire, &call->rights);
}

void sherd_wire_code_granted(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_granted *grant = message;

    code_text(wire, grant->user, sizeof(grant->user));
    code_u32(wire, &grant->rights);
}

void sherd_wire_code_named_find(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_named_find *call = message;

    code_text(wire, call->name, sizeof(call->name));
    code_u32(wire, &call->wanted);
}

void sherd_wire_code_challenge(struct sherd_wire *wire, void *message)
{
    struct sherd_challenge *challenge = message;

    code_uuid(wire, &challenge->deployment);
    code_fixed(wire, challenge->nonce, sizeof(challenge->nonce));
    code_credential(wire, &challenge->credential);
    code_hash(wire, &challenge->hash);
    code_fixed(wire, challenge->salt, sizeof(challenge->salt));
}

void sherd_wire_code_login(struct sherd_wire *wire, void *message)
{
    struct sherd_wire_login *call = message;

    code_text(wire, call->user, sizeof(call->user));
    code_fixed(wire, call->nonce, sizeof(call->nonce));
    code_fixed(wire, call->signature, sizeof(call->signature));
}
