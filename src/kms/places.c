/* SPDX-License-Identifier: Apache-2.0 */
/* Places of key parts: see places.h and docs/format/keys.md. */
#include "kms/places.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include <pthread.h>

/* Fields of the payload. */
enum {
    PART_KID = 60,
    PART_SET = 61,
    PART_INDEX = 62,
    PART_BYTES = 63,
};
#define PART_FIELDS \
    (SHERD_TLV_BIT(PART_KID) | SHERD_TLV_BIT(PART_SET) | SHERD_TLV_BIT(PART_INDEX) | SHERD_TLV_BIT(PART_BYTES))

#define SCHEME "lmdb:"
#define SCHEME_BYTES 5U

/* Bytes of an entry, and room for its payload. */
#define PAYLOAD_BYTES 192U
#define STORED_BYTES (SHERD_ENTRY_HEADER_SIZE + PAYLOAD_BYTES + 72U)

/* A place that is open. */
struct place {
    struct sherd_compartment *compartment;
    struct sherd_entry_keys keys;
    struct sherd_hmac_key *name; /* of a store of its own */
    struct sherd_hmac_key *seal;
    bool own;
};

/* What is to be done there. Only what adds makes a place that is missing: what removes must find it. */
enum access {
    ACCESS_READ,
    ACCESS_REMOVE,
    ACCESS_ADD,
};

/* An engine opens a store once in a process: whoever uses one of its own holds this. */
static pthread_mutex_t own_lock = PTHREAD_MUTEX_INITIALIZER;

static int role_of(const char *place)
{
    for (int role = SHERD_IDENTITY; role <= SHERD_KEYS; role++)
        if (strcmp(place, sherd_role_name((enum sherd_role)role)) == 0)
            return role;
    return 0;
}

bool sherd_place_valid(const char *place)
{
    return role_of(place) != 0 || (strlen(place) < SHERD_KEY_PLACE_SIZE &&
                                   strncmp(place, SCHEME "/", SCHEME_BYTES + 1) == 0 && place[SCHEME_BYTES + 1] != 0);
}

/* --- open and close ---------------------------------------------------------------------------------------------- */

/* The keys of a store of its own: from the protection key, for this deployment. */
static enum sherd_err derive_keys(const struct sherd_key_call *call, const uint8_t *protection, struct place *place)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *keys = sherd_secret_alloc(64);
    uint8_t info[64];
    size_t info_bytes = 0;
    struct sherd_tlv_writer writer = sherd_tlv_writer(info, sizeof(info));

    if (keys == NULL)
        return SHERD_ERR_NO_MEMORY;
    sherd_tlv_put(&writer, 1, sherd_span_str("sherd key place 1"));
    sherd_tlv_put(&writer, 2, sherd_span_of(call->id->deployment.bytes, 16));
    sherd_tlv_put_u64(&writer, 3, call->protection);
    SHERD_TRY(sherd_tlv_end(&writer, &info_bytes));
    SHERD_TRY(sherd_hkdf(SHERD_SHA512, sherd_span_of(protection, SHERD_MASTER_KEY_SIZE), sherd_span_of(NULL, 0),
                         sherd_span_of(info, info_bytes), keys, 64));
    SHERD_TRY(sherd_hmac_key_new(SHERD_SHA256, sherd_span_of(keys, 32), &place->name));
    SHERD_TRY(sherd_hmac_key_new(SHERD_SHA512, sherd_span_of(keys + 32, 32), &place->seal));
    place->keys = (struct sherd_entry_keys){.deployment = call->id->deployment,
                                            .compartment = SHERD_FOR_KEYS,
                                            .version = (uint32_t)call->protection,
                                            .name = place->name,
                                            .seal = place->seal};
    return SHERD_OK;
}

static enum sherd_err own_compartment(const char *path, enum access access, struct sherd_compartment **out_compartment)
{
    struct sherd_store_config config = {.path = path, .read_only = access == ACCESS_READ};
    const struct sherd_store_ops *ops = NULL;

    SHERD_TRY(sherd_store_engine("lmdb", &ops));
    enum sherd_err err = sherd_compartment_open(SHERD_KEYS, ops, &config, out_compartment);
    if (err == SHERD_ERR_NOT_FOUND && access == ACCESS_ADD) {
        config.create = true;
        err = sherd_compartment_open(SHERD_KEYS, ops, &config, out_compartment);
    }
    return err;
}

static void place_close(struct place *place)
{
    sherd_hmac_key_free(place->name);
    sherd_hmac_key_free(place->seal);
    if (!place->own)
        return;
    sherd_compartment_close(place->compartment);
    (void)pthread_mutex_unlock(&own_lock);
}

static enum sherd_err open_own(const struct sherd_key_call *call, const uint8_t *protection, const char *text,
                               enum access access, struct place *place)
{
    (void)pthread_mutex_lock(&own_lock);
    place->own = true;
    enum sherd_err err = derive_keys(call, protection, place);
    if (err == SHERD_OK)
        err = own_compartment(text + SCHEME_BYTES, access, &place->compartment);
    if (err == SHERD_OK)
        return SHERD_OK;
    place_close(place);
    if (err == SHERD_ERR_NOT_FOUND) /* it may be a disk that is not mounted: no word about the parts */
        return sherd_fail(SHERD_ERR_IO, "place %s is not there", text);
    return err;
}

static enum sherd_err place_open(const struct sherd_places *places, const struct sherd_key_call *call,
                                 const uint8_t *protection, const char *text, enum access access,
                                 struct place *out_place)
{
    const int role = role_of(text);
    struct place place = {.own = false};

    SHERD_ENSURE(access == ACCESS_READ || !places->read_only, SHERD_ERR_DENIED, "the vault is open for reading only");
    if (!sherd_place_valid(text))
        return sherd_fail(SHERD_ERR_INVALID,
                          "\"%.64s\" is no place: identity, assets, secrets, keys, or lmdb: and an absolute path",
                          text);
    if (role == 0) {
        SHERD_TRY(open_own(call, protection, text, access, &place));
    } else {
        if (places->roles[role - 1].compartment == NULL)
            return sherd_fail(SHERD_ERR_UNSUPPORTED, "compartment %s cannot be a place here", text);
        place.compartment = places->roles[role - 1].compartment;
        place.keys = places->roles[role - 1].keys;
    }
    *out_place = place;
    return SHERD_OK;
}

/* --- entries ----------------------------------------------------------------------------------------------------- */

static enum sherd_err part_name(const struct place *place, const struct sherd_key_call *call,
                                const struct sherd_key_part *part, struct sherd_ref *out_name)
{
    uint8_t number[24];

    memcpy(number, part->set.bytes, 16);
    sherd_put_u64(number + 16, part->index);
    return sherd_entry_name(&place->keys, "key part", sherd_span_of(call->id->kid.bytes, 16),
                            sherd_span_of(number, sizeof(number)), out_name);
}

static enum sherd_err part_seal(const struct place *place, const struct sherd_key_call *call,
                                const struct sherd_key_part *part, const struct sherd_ref *name,
                                struct sherd_buf *out_stored)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *tlv = sherd_secret_alloc(PAYLOAD_BYTES);
    size_t tlv_bytes = 0;

    if (tlv == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(part->bytes >= 1 && part->bytes <= SHERD_KEY_PART_BYTES_MAX, SHERD_ERR_LIMIT,
                 "a key part has 1 to 128 bytes");
    struct sherd_tlv_writer writer = sherd_tlv_writer(tlv, PAYLOAD_BYTES);
    sherd_tlv_put(&writer, PART_KID, sherd_span_of(call->id->kid.bytes, 16));
    sherd_tlv_put(&writer, PART_SET, sherd_span_of(part->set.bytes, 16));
    sherd_tlv_put_u64(&writer, PART_INDEX, part->index);
    sherd_tlv_put(&writer, PART_BYTES, sherd_span_of(part->block, part->bytes));
    SHERD_TRY(sherd_tlv_end(&writer, &tlv_bytes));
    return sherd_entry_seal(&place->keys, SHERD_KIND_KEY_PART, name, sherd_span_of(tlv, tlv_bytes), out_stored);
}

static enum sherd_err part_decode(struct sherd_span bytes, const struct sherd_ref *kid, struct sherd_key_part *part)
{
    struct sherd_tlv tlv;
    uint64_t index = 0;

    SHERD_TRY(sherd_tlv_parse(bytes, PART_FIELDS, 0, &tlv));
    const struct sherd_span found_kid = tlv.value[PART_KID];
    const struct sherd_span found_set = tlv.value[PART_SET];
    const struct sherd_span found = tlv.value[PART_BYTES];
    SHERD_TRY(sherd_tlv_get_u64(&tlv, PART_INDEX, UINT64_MAX, &index));
    if (!sherd_span_equal(found_kid, sherd_span_of(kid->bytes, 16)) ||
        !sherd_span_equal(found_set, sherd_span_of(part->set.bytes, 16)) || index != part->index || found.len < 1 ||
        found.len > SHERD_KEY_PART_BYTES_MAX)
        return sherd_fail(SHERD_ERR_TAMPERED, "a key part does not verify");
    memcpy(part->block, found.data, found.len);
    part->bytes = found.len;
    return SHERD_OK;
}

static enum sherd_err part_open(const struct place *place, const struct sherd_key_call *call,
                                const struct sherd_ref *name, struct sherd_span stored, struct sherd_key_part *part)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(PAYLOAD_BYTES);
    struct sherd_span tlv;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf payload = sherd_buf_borrow(block, PAYLOAD_BYTES);
    SHERD_TRY(sherd_entry_open(&place->keys, SHERD_KIND_KEY_PART, name, stored, &payload, &tlv));
    return part_decode(tlv, &call->id->kid, part);
}

enum sherd_err sherd_key_part_owner(struct sherd_span bytes, struct sherd_ref *out_kid, struct sherd_ref *out_set)
{
    struct sherd_tlv tlv;
    struct sherd_ref kid;
    struct sherd_ref set;

    SHERD_TRY(sherd_tlv_parse(bytes, PART_FIELDS, 0, &tlv));
    SHERD_TRY(sherd_tlv_get(&tlv, PART_KID, kid.bytes, sizeof(kid.bytes)));
    SHERD_TRY(sherd_tlv_get(&tlv, PART_SET, set.bytes, sizeof(set.bytes)));
    *out_kid = kid;
    *out_set = set;
    return SHERD_OK;
}

/* --- put --------------------------------------------------------------------------------------------------------- */

/* One set, in the order of the names, so that nothing stored says which part came first. */
static enum sherd_err put_all(const struct place *place, const struct sherd_key_call *call,
                              const struct sherd_key_part *parts, size_t count, uint8_t *stored,
                              struct sherd_store_op *ops)
{
    for (size_t i = 0; i < count; i++) {
        struct sherd_buf entry = sherd_buf_borrow(stored + i * STORED_BYTES, STORED_BYTES);

        ops[i] = (struct sherd_store_op){.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT};
        SHERD_TRY(part_name(place, call, &parts[i], &ops[i].name));
        SHERD_TRY(part_seal(place, call, &parts[i], &ops[i].name, &entry));
        ops[i].value = sherd_buf_span(&entry);
    }
    sherd_store_ops_order(ops, count);
    return sherd_compartment_write(place->compartment, ops, count);
}

static void freep(void *pointer_to_block)
{
    void *block = NULL;

    memcpy(&block, pointer_to_block, sizeof(block));
    sherd_free(block);
}

static enum sherd_err check_count(size_t count)
{
    SHERD_ENSURE(count >= 1 && count <= SHERD_KEY_PARTS_MAX, SHERD_ERR_INVALID, "1 to 1024 key parts go at once");
    return SHERD_OK;
}

enum sherd_err sherd_places_put(const struct sherd_places *places, const struct sherd_key_call *call,
                                const uint8_t *protection, const char *text, const struct sherd_key_part *parts,
                                size_t count)
{
    struct place place;

    SHERD_TRY(check_count(count));
    SHERD_CLEANUP(freep) uint8_t *stored = sherd_alloc_array(count, STORED_BYTES);
    SHERD_CLEANUP(freep) struct sherd_store_op *ops = sherd_alloc_array(count, sizeof(*ops));
    if (stored == NULL || ops == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(place_open(places, call, protection, text, ACCESS_ADD, &place));
    const enum sherd_err err = put_all(&place, call, parts, count, stored, ops);
    place_close(&place);
    return err;
}

/* --- get --------------------------------------------------------------------------------------------------------- */

static enum sherd_err get_one(const struct place *place, const struct sherd_key_call *call,
                              struct sherd_snapshot *snapshot, struct sherd_key_part *part)
{
    uint8_t block[STORED_BYTES];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref name;

    SHERD_TRY(part_name(place, call, part, &name));
    enum sherd_err err = sherd_snapshot_get(snapshot, name, &stored);
    if (err == SHERD_OK)
        err = part_open(place, call, &name, sherd_buf_span(&stored), part);
    if (err == SHERD_ERR_LIMIT) /* longer than any */
        err = SHERD_ERR_TAMPERED;
    part->status = err;
    return err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_TAMPERED ? SHERD_OK : err;
}

static enum sherd_err get_all(const struct place *place, const struct sherd_key_call *call,
                              struct sherd_key_part *parts, size_t count)
{
    struct sherd_snapshot *snapshot = NULL;
    enum sherd_err err = SHERD_OK;

    SHERD_TRY(sherd_compartment_snapshot_begin(place->compartment, &snapshot));
    for (size_t i = 0; i < count && err == SHERD_OK; i++)
        err = get_one(place, call, snapshot, &parts[i]);
    sherd_snapshot_end(snapshot);
    return err;
}

enum sherd_err sherd_places_get(const struct sherd_places *places, const struct sherd_key_call *call,
                                const uint8_t *protection, const char *text, struct sherd_key_part *parts, size_t count)
{
    struct place place;

    SHERD_TRY(check_count(count));
    SHERD_TRY(place_open(places, call, protection, text, ACCESS_READ, &place));
    enum sherd_err err = get_all(&place, call, parts, count);
    if (err == SHERD_ERR_DENIED) /* sealed anew meanwhile: as in sherd_entry_open() */
        err = get_all(&place, call, parts, count);
    place_close(&place);
    return err;
}

/* --- delete ------------------------------------------------------------------------------------------------------ */

static enum sherd_err delete_all(const struct place *place, const struct sherd_key_call *call,
                                 const struct sherd_key_part *parts, size_t count, struct sherd_store_op *ops)
{
    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct sherd_store_op){.kind = SHERD_STORE_DELETE, .expect = SHERD_EXPECT_ANY};
        SHERD_TRY(part_name(place, call, &parts[i], &ops[i].name));
    }
    sherd_store_ops_order(ops, count);
    return sherd_compartment_write(place->compartment, ops, count);
}

enum sherd_err sherd_places_delete(const struct sherd_places *places, const struct sherd_key_call *call,
                                   const uint8_t *protection, const char *text, const struct sherd_key_part *parts,
                                   size_t count)
{
    struct place place;

    SHERD_TRY(check_count(count));
    SHERD_CLEANUP(freep) struct sherd_store_op *ops = sherd_alloc_array(count, sizeof(*ops));
    if (ops == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(place_open(places, call, protection, text, ACCESS_REMOVE, &place));
    const enum sherd_err err = delete_all(&place, call, parts, count, ops);
    place_close(&place);
    return err;
}
