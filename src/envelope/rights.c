/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of principals, named keys and grants: see rights.h and docs/format/envelope.md section 2. */
#include "envelope/rights.h"
#include "envelope/payload_inside.h"
#include <sherd/rights.h>
#include <string.h>

static enum sherd_err malformed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a stored entry does not verify");
}

bool sherd_rights_name_valid(const char *name)
{
    return sherd_collection_name_valid(name); /* one rule for all names that people give */
}

static enum sherd_err get_name(const struct sherd_tlv *tlv, unsigned tag, char out_name[SHERD_RIGHTS_NAME_SIZE])
{
    SHERD_TRY(sherd_tlv_get_text(tlv, tag, out_name, SHERD_RIGHTS_NAME_SIZE));
    return sherd_rights_name_valid(out_name) ? SHERD_OK : malformed();
}

static enum sherd_err get_time(const struct sherd_tlv *tlv, uint64_t *out_time_s)
{
    SHERD_TRY(sherd_tlv_get_u64(tlv, FIELD_CREATED, INT64_MAX, out_time_s));
    return *out_time_s % 60 == 0 ? SHERD_OK : malformed();
}

/* Generations count from 1. */
static enum sherd_err get_generation(const struct sherd_tlv *tlv, uint64_t *out_generation)
{
    SHERD_TRY(sherd_tlv_get_u64(tlv, FIELD_GENERATION, UINT32_MAX, out_generation));
    return *out_generation > 0 ? SHERD_OK : malformed();
}

static enum sherd_err get_flag(const struct sherd_tlv *tlv, unsigned tag, bool *out_flag)
{
    uint64_t flag;

    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, 1, &flag));
    *out_flag = flag == 1;
    return SHERD_OK;
}

#define HASH_FIELDS \
    (BIT(FIELD_HASH_ALG) | BIT(FIELD_HASH_COST) | BIT(FIELD_HASH_BLOCK) | BIT(FIELD_HASH_PARALLEL) | BIT(FIELD_SALT))

enum sherd_err sherd_principal_encode(const struct sherd_principal *principal, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_TENANT, SPAN(principal->tenant));
    sherd_tlv_put_u64(&writer, FIELD_CREATED, principal->created_s);
    sherd_tlv_put(&writer, FIELD_PRINCIPAL, sherd_span_str(principal->name));
    sherd_tlv_put(&writer, FIELD_PRINCIPAL_ID, SPAN(principal->id));
    sherd_tlv_put_u64(&writer, FIELD_CREDENTIAL, principal->credential);
    if (principal->credential != SHERD_CREDENTIAL_SEAL)
        sherd_tlv_put(&writer, FIELD_PUBLIC_KEY, sherd_span_of(principal->public_key, sizeof(principal->public_key)));
    if (principal->credential == SHERD_CREDENTIAL_PASSPHRASE) {
        sherd_tlv_put_u64(&writer, FIELD_HASH_ALG, principal->hash.alg);
        sherd_tlv_put_u64(&writer, FIELD_HASH_COST, principal->hash.cost);
        sherd_tlv_put_u64(&writer, FIELD_HASH_BLOCK, principal->hash.block);
        sherd_tlv_put_u64(&writer, FIELD_HASH_PARALLEL, principal->hash.parallel);
        sherd_tlv_put(&writer, FIELD_SALT, sherd_span_of(principal->salt, sizeof(principal->salt)));
    }
    sherd_tlv_put_u64(&writer, FIELD_DISABLED, principal->disabled ? 1 : 0);
    return sherd_tlv_end(&writer, out_bytes);
}

static enum sherd_err get_hash(const struct sherd_tlv *tlv, struct sherd_principal *principal)
{
    uint64_t values[4];

    SHERD_TRY(sherd_tlv_get_u64(tlv, FIELD_HASH_ALG, SHERD_PWHASH_ARGON2ID, &values[0]));
    SHERD_TRY(sherd_tlv_get_u64(tlv, FIELD_HASH_COST, UINT32_MAX, &values[1]));
    SHERD_TRY(sherd_tlv_get_u64(tlv, FIELD_HASH_BLOCK, UINT32_MAX, &values[2]));
    SHERD_TRY(sherd_tlv_get_u64(tlv, FIELD_HASH_PARALLEL, UINT32_MAX, &values[3]));
    if (values[0] == 0)
        return malformed();
    principal->hash = (struct sherd_pwhash_params){.alg = (enum sherd_pwhash_alg)values[0],
                                                   .cost = (uint32_t)values[1],
                                                   .block = (uint32_t)values[2],
                                                   .parallel = (uint32_t)values[3]};
    return sherd_tlv_get(tlv, FIELD_SALT, principal->salt, sizeof(principal->salt));
}

/* What a principal's credential needs must be there, and nothing else. */
static enum sherd_err get_credential(const struct sherd_tlv *tlv, struct sherd_principal *principal)
{
    uint64_t credential;
    uint64_t there = tlv->value[FIELD_PUBLIC_KEY].data != NULL ? BIT(FIELD_PUBLIC_KEY) : 0;
    uint64_t wanted = 0;

    for (unsigned tag = FIELD_HASH_ALG; tag <= FIELD_SALT; tag++)
        there |= tlv->value[tag].data != NULL ? BIT(tag) : 0;
    SHERD_TRY(sherd_tlv_get_u64(tlv, FIELD_CREDENTIAL, SHERD_CREDENTIAL_KEY, &credential));
    switch (credential) {
    case SHERD_CREDENTIAL_SEAL: break;
    case SHERD_CREDENTIAL_PASSPHRASE: wanted = BIT(FIELD_PUBLIC_KEY) | HASH_FIELDS; break;
    case SHERD_CREDENTIAL_KEY: wanted = BIT(FIELD_PUBLIC_KEY); break;
    default: return malformed();
    }
    if (there != wanted)
        return malformed();
    principal->credential = (enum sherd_credential)credential;
    if (credential != SHERD_CREDENTIAL_SEAL)
        SHERD_TRY(sherd_tlv_get(tlv, FIELD_PUBLIC_KEY, principal->public_key, sizeof(principal->public_key)));
    return credential == SHERD_CREDENTIAL_PASSPHRASE ? get_hash(tlv, principal) : SHERD_OK;
}

enum sherd_err sherd_principal_decode(struct sherd_span bytes, struct sherd_principal *out_principal)
{
    const uint64_t required = BIT(FIELD_TENANT) | BIT(FIELD_CREATED) | BIT(FIELD_PRINCIPAL) | BIT(FIELD_PRINCIPAL_ID) |
                              BIT(FIELD_CREDENTIAL) | BIT(FIELD_DISABLED);
    struct sherd_principal principal = {.disabled = false};
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(bytes, required, BIT(FIELD_PUBLIC_KEY) | HASH_FIELDS, &tlv));
    GET(&tlv, FIELD_TENANT, principal.tenant);
    SHERD_TRY(get_time(&tlv, &principal.created_s));
    SHERD_TRY(get_name(&tlv, FIELD_PRINCIPAL, principal.name));
    GET(&tlv, FIELD_PRINCIPAL_ID, principal.id);
    SHERD_TRY(get_credential(&tlv, &principal));
    SHERD_TRY(get_flag(&tlv, FIELD_DISABLED, &principal.disabled));
    *out_principal = principal;
    return SHERD_OK;
}

enum sherd_err sherd_principal_pin_encode(const struct sherd_principal_pin *pin, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_DIGEST, SPAN(pin->digest));
    sherd_tlv_put(&writer, FIELD_PRINCIPAL, sherd_span_str(pin->name));
    sherd_tlv_put(&writer, FIELD_PRINCIPAL_ID, SPAN(pin->id));
    sherd_tlv_put_u64(&writer, FIELD_DISABLED, pin->disabled ? 1 : 0);
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_principal_pin_decode(struct sherd_span bytes, struct sherd_principal_pin *out_pin)
{
    const uint64_t required = BIT(FIELD_DIGEST) | BIT(FIELD_PRINCIPAL) | BIT(FIELD_PRINCIPAL_ID) | BIT(FIELD_DISABLED);
    struct sherd_principal_pin pin = {.disabled = false};
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(bytes, required, 0, &tlv));
    GET(&tlv, FIELD_DIGEST, pin.digest);
    SHERD_TRY(get_name(&tlv, FIELD_PRINCIPAL, pin.name));
    GET(&tlv, FIELD_PRINCIPAL_ID, pin.id);
    SHERD_TRY(get_flag(&tlv, FIELD_DISABLED, &pin.disabled));
    *out_pin = pin;
    return SHERD_OK;
}

enum sherd_err sherd_named_key_encode(const struct sherd_named_key *key, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put_u64(&writer, FIELD_CREATED, key->created_s);
    sherd_tlv_put(&writer, FIELD_NAMED_KEY, SPAN(key->id));
    sherd_tlv_put(&writer, FIELD_KEY_NAME, sherd_span_str(key->name));
    sherd_tlv_put(&writer, FIELD_PRINCIPAL_ID, SPAN(key->owner));
    sherd_tlv_put_u64(&writer, FIELD_GENERATION, key->generation);
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_named_key_decode(struct sherd_span bytes, struct sherd_named_key *out_key)
{
    const uint64_t required = BIT(FIELD_CREATED) | BIT(FIELD_NAMED_KEY) | BIT(FIELD_KEY_NAME) |
                              BIT(FIELD_PRINCIPAL_ID) | BIT(FIELD_GENERATION);
    struct sherd_named_key key = {.generation = 0};
    struct sherd_tlv tlv;

    SHERD_TRY(sherd_tlv_parse(bytes, required, 0, &tlv));
    SHERD_TRY(get_time(&tlv, &key.created_s));
    GET(&tlv, FIELD_NAMED_KEY, key.id);
    SHERD_TRY(get_name(&tlv, FIELD_KEY_NAME, key.name));
    GET(&tlv, FIELD_PRINCIPAL_ID, key.owner);
    SHERD_TRY(get_generation(&tlv, &key.generation));
    *out_key = key;
    return SHERD_OK;
}

enum sherd_err sherd_grant_encode(const struct sherd_grant *grant, uint8_t *block, size_t *out_bytes)
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_TLV_BYTES_MAX);

    sherd_tlv_put(&writer, FIELD_NAMED_KEY, SPAN(grant->key));
    sherd_tlv_put(&writer, FIELD_PRINCIPAL_ID, SPAN(grant->principal));
    sherd_tlv_put_u64(&writer, FIELD_GENERATION, grant->generation);
    sherd_tlv_put_u64(&writer, FIELD_RIGHTS, grant->rights);
    return sherd_tlv_end(&writer, out_bytes);
}

enum sherd_err sherd_grant_decode(struct sherd_span bytes, struct sherd_grant *out_grant)
{
    const uint64_t required = BIT(FIELD_NAMED_KEY) | BIT(FIELD_PRINCIPAL_ID) | BIT(FIELD_GENERATION) |
                              BIT(FIELD_RIGHTS);
    struct sherd_grant grant = {.rights = 0};
    struct sherd_tlv tlv;
    uint64_t rights;

    SHERD_TRY(sherd_tlv_parse(bytes, required, 0, &tlv));
    GET(&tlv, FIELD_NAMED_KEY, grant.key);
    GET(&tlv, FIELD_PRINCIPAL_ID, grant.principal);
    SHERD_TRY(get_generation(&tlv, &grant.generation));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_RIGHTS, SHERD_RIGHTS_ALL, &rights));
    if (rights == 0)
        return malformed();
    grant.rights = (unsigned)rights;
    *out_grant = grant;
    return SHERD_OK;
}
