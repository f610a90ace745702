/* SPDX-License-Identifier: Apache-2.0 */
/* The keyring: see keyring.h and docs/format/vault.md. */
#include "anchor/keyring.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/secret.h"
#include <stdio.h>

#define MAGIC "SHRDRING"
#define HEADER_SIZE 16U
#define PLAIN_SIZE 1024U

enum {
    RING_DEPLOYMENT = 1,
    RING_TENANT = 2,
    RING_CREATED = 3,
    RING_STORE = 10, /* plus ten for each role, plus: */
    RING_STORE_ID = 0,
    RING_STORE_NAME = 1,
    RING_STORE_VERSION = 2,
    RING_STORE_KEY = 3,
    RING_MASTER_NAME = 50,
    RING_MASTER_VERSION = 51,
    RING_MASTER_KEY = 52,
    RING_LEDGER_SEED = 60,
};

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "anchor/keyring does not verify: it was changed, or is another vault's");
}

static unsigned store_tag(size_t store, unsigned field)
{
    return RING_STORE + 10U * (unsigned)store + field;
}

static enum sherd_err generate_store(struct sherd_keyring_store *store)
{
    SHERD_TRY(sherd_uuid_new(&store->compartment));
    SHERD_TRY(sherd_random(store->name.bytes, sizeof(store->name.bytes)));
    store->version = 1;
    return sherd_random(store->key.bytes, sizeof(store->key.bytes));
}

enum sherd_err sherd_keyring_generate(struct sherd_keyring *out_keyring)
{
    memset(out_keyring, 0, sizeof(*out_keyring));
    out_keyring->generation = 1;
    out_keyring->created_s = (uint64_t)sherd_clock()->wall_s();
    SHERD_TRY(sherd_uuid_new(&out_keyring->deployment));
    SHERD_TRY(sherd_uuid_new(&out_keyring->tenant));
    for (size_t i = 0; i < SHERD_COUNT_OF(out_keyring->stores); i++)
        SHERD_TRY(generate_store(&out_keyring->stores[i]));
    (void)snprintf(out_keyring->master_name, sizeof(out_keyring->master_name), "default");
    out_keyring->master_version = 1;
    SHERD_TRY(sherd_random(out_keyring->master.bytes, sizeof(out_keyring->master.bytes)));
    return sherd_random(out_keyring->ledger_seed, sizeof(out_keyring->ledger_seed));
}

static enum sherd_err encode(const struct sherd_keyring *ring, uint8_t out[static PLAIN_SIZE])
{
    struct sherd_tlv_writer writer = sherd_tlv_writer(out + 2, PLAIN_SIZE - 2);
    size_t len;

    sherd_tlv_put(&writer, RING_DEPLOYMENT, sherd_span_of(ring->deployment.bytes, 16));
    sherd_tlv_put(&writer, RING_TENANT, sherd_span_of(ring->tenant.bytes, 16));
    sherd_tlv_put_u64(&writer, RING_CREATED, ring->created_s);
    for (size_t i = 0; i < SHERD_COUNT_OF(ring->stores); i++) {
        const struct sherd_keyring_store *store = &ring->stores[i];

        sherd_tlv_put(&writer, store_tag(i, RING_STORE_ID), sherd_span_of(store->compartment.bytes, 16));
        sherd_tlv_put(&writer, store_tag(i, RING_STORE_NAME), sherd_span_of(store->name.bytes, SHERD_KEY_SIZE));
        sherd_tlv_put_u64(&writer, store_tag(i, RING_STORE_VERSION), store->version);
        sherd_tlv_put(&writer, store_tag(i, RING_STORE_KEY), sherd_span_of(store->key.bytes, SHERD_KEY_SIZE));
    }
    sherd_tlv_put(&writer, RING_MASTER_NAME, sherd_span_str(ring->master_name));
    sherd_tlv_put_u64(&writer, RING_MASTER_VERSION, ring->master_version);
    sherd_tlv_put(&writer, RING_MASTER_KEY, sherd_span_of(ring->master.bytes, SHERD_KEY_SIZE));
    sherd_tlv_put(&writer, RING_LEDGER_SEED, sherd_span_of(ring->ledger_seed, SHERD_SIGN_SEED_SIZE));
    SHERD_TRY(sherd_tlv_end(&writer, &len));
    sherd_put_u16(out, (uint16_t)len);
    return SHERD_OK;
}

/* Versions of keys count from 1. */
static enum sherd_err get_version(const struct sherd_tlv *tlv, unsigned tag, uint64_t *out_version)
{
    SHERD_TRY(sherd_tlv_get_u64(tlv, tag, UINT32_MAX, out_version));
    return *out_version >= 1 ? SHERD_OK : tampered();
}

static enum sherd_err decode(struct sherd_span bytes, struct sherd_keyring *ring)
{
    uint64_t required = SHERD_TLV_BIT(RING_DEPLOYMENT) | SHERD_TLV_BIT(RING_TENANT) | SHERD_TLV_BIT(RING_CREATED) |
                        SHERD_TLV_BIT(RING_MASTER_NAME) | SHERD_TLV_BIT(RING_MASTER_VERSION) |
                        SHERD_TLV_BIT(RING_MASTER_KEY) | SHERD_TLV_BIT(RING_LEDGER_SEED);
    struct sherd_tlv tlv;

    for (size_t i = 0; i < SHERD_COUNT_OF(ring->stores); i++)
        for (unsigned field = RING_STORE_ID; field <= RING_STORE_KEY; field++)
            required |= SHERD_TLV_BIT(store_tag(i, field));
    SHERD_TRY(sherd_tlv_parse(bytes, required, 0, &tlv));
    SHERD_TRY(sherd_tlv_get(&tlv, RING_DEPLOYMENT, ring->deployment.bytes, 16));
    SHERD_TRY(sherd_tlv_get(&tlv, RING_TENANT, ring->tenant.bytes, 16));
    SHERD_TRY(sherd_tlv_get_u64(&tlv, RING_CREATED, INT64_MAX, &ring->created_s));
    for (size_t i = 0; i < SHERD_COUNT_OF(ring->stores); i++) {
        struct sherd_keyring_store *store = &ring->stores[i];

        SHERD_TRY(sherd_tlv_get(&tlv, store_tag(i, RING_STORE_ID), store->compartment.bytes, 16));
        SHERD_TRY(sherd_tlv_get(&tlv, store_tag(i, RING_STORE_NAME), store->name.bytes, SHERD_KEY_SIZE));
        SHERD_TRY(get_version(&tlv, store_tag(i, RING_STORE_VERSION), &store->version));
        SHERD_TRY(sherd_tlv_get(&tlv, store_tag(i, RING_STORE_KEY), store->key.bytes, SHERD_KEY_SIZE));
    }
    SHERD_TRY(sherd_tlv_get_text(&tlv, RING_MASTER_NAME, ring->master_name, sizeof(ring->master_name)));
    SHERD_TRY(get_version(&tlv, RING_MASTER_VERSION, &ring->master_version));
    SHERD_TRY(sherd_tlv_get(&tlv, RING_MASTER_KEY, ring->master.bytes, SHERD_KEY_SIZE));
    return sherd_tlv_get(&tlv, RING_LEDGER_SEED, ring->ledger_seed, SHERD_SIGN_SEED_SIZE);
}

static void put_header(uint32_t generation, uint8_t out[static HEADER_SIZE])
{
    memcpy(out, MAGIC, 8);
    sherd_put_u16(out + 8, SHERD_FORMAT);
    sherd_put_u16(out + 10, SHERD_SUITE);
    sherd_put_u32(out + 12, generation);
}

/* The context: the deployment, then the header. */
static struct sherd_context ring_context(const struct sherd_uuid *deployment, const uint8_t header[static HEADER_SIZE])
{
    struct sherd_context context = {.len = 16 + HEADER_SIZE};

    memcpy(context.bytes, deployment->bytes, 16);
    memcpy(context.bytes + 16, header, HEADER_SIZE);
    return context;
}

enum sherd_err sherd_keyring_seal(const struct sherd_keyring *keyring, const struct sherd_root_key *root,
                                  struct sherd_buf *out_file)
{
    uint8_t header[HEADER_SIZE];
    uint8_t *plain = sherd_secret_alloc(PLAIN_SIZE);

    if (plain == NULL)
        return SHERD_ERR_NO_MEMORY;
    put_header(keyring->generation, header);
    const struct sherd_context context = ring_context(&keyring->deployment, header);
    enum sherd_err err = encode(keyring, plain);
    if (err == SHERD_OK)
        err = sherd_buf_append(out_file, sherd_span_of(header, sizeof(header)));
    if (err == SHERD_OK)
        err = sherd_aead_seal(root->bytes, sherd_context_span(&context), sherd_span_of(plain, PLAIN_SIZE), out_file);
    sherd_secret_free(plain);
    return err;
}

static enum sherd_err open_into(struct sherd_span file, const struct sherd_root_key *root,
                                const struct sherd_uuid *deployment, struct sherd_buf *plain,
                                struct sherd_keyring *out_keyring)
{
    const struct sherd_context context = ring_context(deployment, file.data);
    const struct sherd_span sealed = {file.data + HEADER_SIZE, file.len - HEADER_SIZE};

    SHERD_TRY(sherd_aead_open(root->bytes, sherd_context_span(&context), sealed, plain));
    const size_t len = plain->len == PLAIN_SIZE ? sherd_get_u16(plain->data) : PLAIN_SIZE;
    if (len > PLAIN_SIZE - 2 || !sherd_padding_valid(sherd_span_of(plain->data + 2 + len, PLAIN_SIZE - 2 - len)))
        return tampered();
    out_keyring->generation = sherd_get_u32(file.data + 12);
    if (out_keyring->generation == 0)
        return tampered();
    SHERD_TRY(decode(sherd_span_of(plain->data + 2, len), out_keyring));
    return sherd_same(out_keyring->deployment.bytes, deployment->bytes, 16) ? SHERD_OK : tampered();
}

enum sherd_err sherd_keyring_open(struct sherd_span file, const struct sherd_root_key *root,
                                  const struct sherd_uuid *deployment, struct sherd_keyring *out_keyring)
{
    if (file.len < HEADER_SIZE || !sherd_same(file.data, MAGIC, 8))
        return tampered();
    if (sherd_get_u16(file.data + 8) != SHERD_FORMAT || sherd_get_u16(file.data + 10) != SHERD_SUITE)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "the keyring has a format that this version of sherd does not know: "
                                                 "use a newer sherd");
    if (file.len != SHERD_KEYRING_BYTES)
        return tampered();

    uint8_t *block = sherd_secret_alloc(PLAIN_SIZE);
    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    struct sherd_buf plain = sherd_buf_borrow(block, PLAIN_SIZE);
    const enum sherd_err err = open_into(file, root, deployment, &plain, out_keyring);
    sherd_secret_free(block);
    return err == SHERD_ERR_TAMPERED ? tampered() : err;
}
