/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyring. The first byte of an input says what the rest is:
 *
 *     0  a keyring file as it might lie there
 *     1  a header of 16 bytes and contents, which are padded with zeros to whole pages of 4096 bytes and sealed under a
 *        known root key, so that what is behind the tag is reached: what opens must be sealed again to the same
 *        contents
 */
#include "anchor/ring/keyring.h"
#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "crypto/known.h"
#include <stdlib.h>

#define HEADER_SIZE 16U
#define PAGE_SIZE ((size_t)4096)
#define PLAIN_SIZE_MAX ((size_t)64 << 10)

static const struct sherd_root_key root = {"YELLOW SUBMARINE YELLOW SUBMARI"};
static const struct sherd_uuid deployment = {
    {0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde, 0xde}};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_file(struct sherd_span file)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));

    must(ring != NULL);
    const enum sherd_err err = sherd_keyring_open(file, &root, &deployment, ring);
    must(err == SHERD_ERR_TAMPERED || err == SHERD_ERR_UNSUPPORTED); /* nobody without the key makes one that opens */
}

/* The context of a keyring: the deployment, then the header. */
static struct sherd_span context_of(const uint8_t *header, uint8_t block[static 16 + HEADER_SIZE])
{
    memcpy(block, deployment.bytes, 16);
    memcpy(block + 16, header, HEADER_SIZE);
    return sherd_span_of(block, 16 + HEADER_SIZE);
}

static void check_again(const struct sherd_keyring *ring, struct sherd_span header, struct sherd_span plain)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf again = {0};
    uint8_t block[16 + HEADER_SIZE];

    must(sherd_keyring_seal(ring, &root, &file) == SHERD_OK && file.len <= SHERD_KEYRING_BYTES_MAX);
    must(sherd_same(file.data, header.data, HEADER_SIZE));
    must(sherd_aead_open(root.bytes, context_of(file.data, block),
                         sherd_span_of(file.data + HEADER_SIZE, file.len - HEADER_SIZE), &again) == SHERD_OK);
    must(sherd_span_equal(sherd_buf_span(&again), plain));
}

static void fuzz_contents(struct sherd_span input)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_keyring *ring = sherd_secret_alloc(sizeof(*ring));
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(PLAIN_SIZE_MAX);
    static const uint8_t salt[SHERD_AEAD_SALT_SIZE] = {1};
    uint8_t context[16 + HEADER_SIZE];
    struct sherd_span header;

    must(ring != NULL && block != NULL);
    if (!sherd_span_take(&input, HEADER_SIZE, &header) || input.len == 0 || input.len > PLAIN_SIZE_MAX)
        return;
    memcpy(block, input.data, input.len);
    const struct sherd_span plain = {block, (input.len + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE};
    must(sherd_buf_append(&file, header) == SHERD_OK);
    must(sherd_aead_seal_salted(root.bytes, context_of(header.data, context), salt, plain, &file) == SHERD_OK);
    const enum sherd_err err = sherd_keyring_open(sherd_buf_span(&file), &root, &deployment, ring);
    must(err == SHERD_OK || err == SHERD_ERR_TAMPERED || err == SHERD_ERR_UNSUPPORTED);
    if (err == SHERD_OK)
        check_again(ring, header, plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sherd_span input = sherd_span_of(data, len);
    struct sherd_span kind;

    must(sherd_crypto_init() == SHERD_OK);
    if (!sherd_span_take(&input, 1, &kind))
        return 0;
    if (kind.data[0] % 2 == 0)
        fuzz_file(input);
    else
        fuzz_contents(input);
    return 0;
}
