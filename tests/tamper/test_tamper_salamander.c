/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invisible salamander: one ciphertext that AES-GCM opens under two keys. Plain GCM does not commit to its key, so
 * whoever can give out keys could show two readers two contents of one fragment. Here a fragment is made that is
 * accepted, by AES-GCM alone, under the message keys of two different records; it is put in the place of each, with
 * every commitment that the attacker could write.
 *
 * The one who makes it is stronger than any attacker of a store: it is given the two records' content keys.
 *
 * Usage: test_tamper_salamander ATTACKER
 */
#include "judge.h"
#include "crypto/hash.h"
#include "cryptor/load.h"
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Contents of 256 bytes: a size class of their own. */
#define BLOCKS 16U
#define CONTENT_BYTES (16U * BLOCKS)
#define FRAGMENT_BYTES (96U + CONTENT_BYTES + 16U)

static const char *attacker_program;

/* ---- GF(2^128) of NIST SP 800-38D, section 6.3: the first bit of a block is the coefficient of x^0 --------------- */

struct element {
    uint64_t high;
    uint64_t low;
};

static struct element element_of(const uint8_t block[16])
{
    struct element e = {0, 0};

    for (unsigned i = 0; i < 8; i++) {
        e.high = e.high << 8 | block[i];
        e.low = e.low << 8 | block[8 + i];
    }
    return e;
}

static void element_put(struct element e, uint8_t block[16])
{
    for (unsigned i = 0; i < 8; i++) {
        block[i] = (uint8_t)(e.high >> (56 - 8 * i));
        block[8 + i] = (uint8_t)(e.low >> (56 - 8 * i));
    }
}

static struct element plus(struct element a, struct element b)
{
    return (struct element){a.high ^ b.high, a.low ^ b.low};
}

static struct element times(struct element a, struct element b)
{
    struct element product = {0, 0};

    for (unsigned i = 0; i < 128; i++) {
        const uint64_t bit = i < 64 ? a.high >> (63 - i) & 1 : a.low >> (127 - i) & 1;
        const uint64_t carry = b.low & 1;

        if (bit != 0)
            product = plus(product, b);
        b.low = b.low >> 1 | b.high << 63;
        b.high = b.high >> 1 ^ (carry != 0 ? UINT64_C(0xe1) << 56 : 0);
    }
    return product;
}

/* a^(2^128 - 2): a^2 * a^4 * ... * a^(2^127) */
static struct element inverse(struct element a)
{
    struct element result = {UINT64_C(1) << 63, 0};

    for (unsigned i = 1; i < 128; i++) {
        a = times(a, a);
        result = times(result, a);
    }
    return result;
}

/* ---- The message keys of a fragment, by C2SP chunked-encryption alone -------------------------------------------- */

struct message_keys {
    uint8_t bytes[76]; /* AES key 32, nonce 12, commitment 32 */
};

static struct message_keys derive(const struct sherd_loaded *loaded, const uint8_t salt[24])
{
    static const char label[] = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"; /* with its zero byte */
    const struct sherd_span info[] = {
        {(const uint8_t *)label, sizeof(label)}, {salt, 24}, {loaded->context.bytes, loaded->context.len}};
    struct message_keys keys;

    assert_int_equal(sherd_hkdf_expand(SHERD_SHA512, sherd_span_of(loaded->keys->content.bytes, 32), info, 3,
                                       keys.bytes, sizeof(keys.bytes)),
                     SHERD_OK);
    return keys;
}

static void aes(const uint8_t key[32], const uint8_t in[16], uint8_t out[16])
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int len;

    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_ecb(), NULL, key, NULL), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, out, &len, in, 16), 1);
    EVP_CIPHER_CTX_free(ctx);
}

/* Chunk 0, whose nonce is the derived one as it is. */
static bool gcm_accepts(const struct message_keys *keys, const uint8_t nonce[12], const uint8_t *chunk)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t out[CONTENT_BYTES];
    uint8_t tag[16];
    int len;

    memcpy(tag, chunk + CONTENT_BYTES, sizeof(tag));
    const bool accepted = EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, keys->bytes, nonce) == 1 &&
                          EVP_DecryptUpdate(ctx, out, &len, chunk, CONTENT_BYTES) == 1 &&
                          EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1 &&
                          EVP_DecryptFinal_ex(ctx, tag, &len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return accepted;
}

/* tag = c1 h^(n+1) + ... + cn h^2 + lengths h + E(J0) */
static struct element tag_of(const struct message_keys *keys, const uint8_t *chunk, struct element *out_h)
{
    uint8_t zero[16] = {0};
    uint8_t counter[16] = {0};
    uint8_t block[16];

    aes(keys->bytes, zero, block);
    const struct element h = element_of(block);
    struct element sum = {0, 0};
    for (unsigned i = 0; i < BLOCKS; i++)
        sum = times(plus(sum, element_of(chunk + (size_t)i * 16)), h);
    sum = times(plus(sum, (struct element){0, 8 * CONTENT_BYTES}), h);
    memcpy(counter, keys->bytes + 32, 12);
    counter[15] = 1;
    aes(keys->bytes, counter, block);
    *out_h = h;
    return plus(sum, element_of(block));
}

/*
 * Dodis, Grubbs, Ristenpart, Woodage, Fast Message Franking (CRYPTO 2018): the last block is chosen such that both keys
 * give the same tag.
 */
static void salamander(const struct message_keys *one, const struct message_keys *two, uint8_t *chunk)
{
    uint8_t *last = chunk + CONTENT_BYTES - 16;
    struct element h1;
    struct element h2;

    memset(chunk, 0x42, CONTENT_BYTES);
    memset(last, 0, 16);
    const struct element t1 = tag_of(one, chunk, &h1);
    const struct element t2 = tag_of(two, chunk, &h2);
    element_put(times(plus(t1, t2), inverse(plus(times(h1, h1), times(h2, h2)))), last);
    element_put(tag_of(one, chunk, &h1), chunk + CONTENT_BYTES);
}

/* ---- The attack -------------------------------------------------------------------------------------------------- */

struct scene {
    struct victim victim;
    struct attacker attacker;
    struct record records[2];
    struct things things;
};

static void read_keys(struct scene *scene, size_t index, const uint8_t salt[24], struct message_keys *out)
{
    struct sherd_loaded loaded = {0};

    assert_int_equal(sherd_load(scene->victim.vault, scene->records[index].id, 0, &loaded), SHERD_OK);
    *out = derive(&loaded, salt);
    sherd_loaded_done(&loaded);
}

static void test_tamper_salamander__is_refused_whatever_it_commits_to(void **state)
{
    static struct scene scene;
    static const uint8_t salt[24] = {7, 7, 7};
    size_t count = 0;
    struct message_keys keys[2];
    uint8_t *own[2];
    uint8_t made[FRAGMENT_BYTES];

    (void)state;
    attacker_start(&scene.attacker, attacker_program);
    victim_new(&scene.victim);
    (void)attack(&scene.attacker, "open %s", scene.victim.dir);
    (void)attacker_look(&scene.attacker, &scene.things, -1, 0);
    for (size_t i = 0; i < 2; i++)
        judge_put(&scene.victim, &scene.attacker, &scene.things, scene.records, &count, NULL, CONTENT_BYTES);
    for (size_t i = 0; i < 2; i++) {
        const struct thing *fragment = part_of(&scene.things, scene.records, i, 1, KIND_FRAGMENT);

        assert_int_equal(attacker_get(&scene.attacker, fragment, &own[i]), FRAGMENT_BYTES);
        read_keys(&scene, i, own[i] + 40, &keys[i]);
        assert_memory_equal(own[i] + 64, keys[i].bytes + 44, 32); /* the derivation here is that of the format */
        assert_true(gcm_accepts(&keys[i], keys[i].bytes + 32, own[i] + 96));
        read_keys(&scene, i, salt, &keys[i]);
    }
    salamander(&keys[0], &keys[1], made + 96);
    assert_true(gcm_accepts(&keys[0], keys[0].bytes + 32, made + 96));
    assert_true(gcm_accepts(&keys[1], keys[1].bytes + 32, made + 96));

    /* Its commitment: that of the other record, those that the fragments had, and none. */
    for (size_t i = 0; i < 2; i++) {
        const struct thing *fragment = part_of(&scene.things, scene.records, i, 1, KIND_FRAGMENT);
        static const uint8_t none[32] = {0};
        const uint8_t *const commitments[] = {keys[1 - i].bytes + 44, own[i] + 64, own[1 - i] + 64, none};

        for (size_t k = 0; k < 4; k++) {
            memcpy(made, own[i], 40);
            memcpy(made + 40, salt, 24);
            memcpy(made + 64, commitments[k], 32);
            attacker_put(&scene.attacker, fragment, made, sizeof(made));
            judge_part(&scene.victim, scene.records, fragment);
            (void)attack(&scene.attacker, "undo");
        }
        /* With the commitment of its own key it opens, as any text does that its key holder makes; not as pinned. */
        memcpy(made + 64, keys[i].bytes + 44, 32);
        attacker_put(&scene.attacker, fragment, made, sizeof(made));
        assert_int_equal(victim_verify(&scene.victim, &scene.records[i]), SHERD_ERR_TAMPERED);
        (void)attack(&scene.attacker, "undo");
        /* And then in the place of the other it does not, so there are no two readings of it. */
        memcpy(made, own[1 - i], 40);
        const struct thing *other = part_of(&scene.things, scene.records, 1 - i, 1, KIND_FRAGMENT);
        attacker_put(&scene.attacker, other, made, sizeof(made));
        judge_part(&scene.victim, scene.records, other);
        (void)attack(&scene.attacker, "undo");
    }
    judge_well(&scene.victim, scene.records, 2);
    for (size_t i = 0; i < 2; i++) {
        free(own[i]);
        record_done(&scene.records[i]);
    }
    attacker_stop(&scene.attacker);
    victim_done(&scene.victim);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tamper_salamander__is_refused_whatever_it_commits_to),
    };

    if (argc != 2)
        return 2;
    attacker_program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
