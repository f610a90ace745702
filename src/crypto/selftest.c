/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Known-answer tests: each algorithm must give a published answer, and each check must refuse what is wrong by one bit,
 * before this process uses any of it. All together take about a millisecond.
 */
#include "crypto/selftest.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/ct.h"
#include "crypto/evp.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/known.h"
#include "crypto/shamir.h"
#include "crypto/sign.h"
#include <string.h>

#define ANSWER_BYTES_MAX 96

/* The bytes of a literal, without its final zero byte. */
#define BYTES(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}

struct known {
    const char *name;
    enum sherd_err (*compute)(uint8_t *out); /* writes answer.len bytes */
    struct sherd_span answer;
};

/* FIPS 180-4: the example message of one block. */
static const struct sherd_span abc = BYTES("abc");

static enum sherd_err compute_sha256(uint8_t *out)
{
    return sherd_hash(SHERD_SHA256, &abc, 1, out);
}

static enum sherd_err compute_sha512(uint8_t *out)
{
    return sherd_hash(SHERD_SHA512, &abc, 1, out);
}

/* RFC 4231, test case 2. */
static enum sherd_err compute_hmac(uint8_t *out)
{
    static const struct sherd_span key = BYTES("Jefe");
    static const struct sherd_span message = BYTES("what do ya want for nothing?");

    return sherd_hmac(SHERD_SHA512, key, &message, 1, out);
}

/* Wycheproof, hkdf_sha512_test, case 71: the first 76 of its 120 bytes, as many as a sealed message takes. */
static enum sherd_err compute_hkdf(uint8_t *out)
{
    static const struct sherd_span ikm =
        BYTES("\xc1\x32\xac\x86\x1d\x00\xe8\xaa\x82\x47\x0b\xaf\x3b\xe3\x85\x1c\x9f\x77\xf9\x6b\x19\xcc"
              "\x2c\x3e\xb5\x55\x8c\x20\x91\x5a\xd1\x6c\xb4\x5c\x50\xdb\x9b\x23\x0c\x52\x79\xbf\x7b\x38"
              "\xfb\xf5\x0c\xe6\x8b\x60\xd7\xb2\x30\x53\x0f\x3a\x5f\x40\x16\x88\x3f\x21\x71\x68");
    static const struct sherd_span salt =
        BYTES("\x4c\x35\x82\xc8\x67\xfa\xb8\x4c\xa0\x75\xda\x5a\xef\x6b\x78\xb8\xdb\x98\x2e\xe4\xfe\x33"
              "\xfb\x45\x00\x29\x46\x59\xaa\xd6\x3d\xd7\x67\x7f\x2f\x25\x6b\xf7\x19\xc6\x79\x6e\xa8\xfd"
              "\xf1\x2c\x46\x86\x30\x64\x87\x5a\x52\x9a\xee\xf9\x31\x8f\x34\x43\x35\x61\x0f\x82");
    static const struct sherd_span info = BYTES("\x75\x73\xb9\x5f\x1d\x8e\xe5\xd0");

    return sherd_hkdf(SHERD_SHA512, ikm, salt, info, out, 76);
}

/* Wycheproof, c2sp_chunked_encryption_aes_256_gcm_test, case 9. */
#define COBBLESTONE_SEALED                                                                             \
    "\xdb\xed\xae\xfc\x1c\x35\xdc\x6c\x0f\x22\xb7\x43\xb0\x3e\x48\x87\x47\x16\x6a\x51\xf3\x34\x79\xe7" \
    "\xce\xb8\xb7\xe1\x1c\xc0\xd2\x71\x0f\x62\x4a\x12\x75\x01\xbc\x4a\xea\x7d\x0a\xf6\xf8\x3c\xfe\x35" \
    "\x9b\x9e\x69\x41\x5a\xa5\x37\xf3\x6a\xdf\x86\xeb\x35\xb0\x70\x47\x5b\xaa\x03\x9b\xb7\x79\x14\x32" \
    "\xad\xbc\xa4\x95\x78\xbb\xd3"
static const uint8_t cobblestone_key[] = "YELLOW SUBMARINE YELLOW SUBMARIN";
static const struct sherd_span cobblestone_context = BYTES("test context");
static const struct sherd_span cobblestone_plain = BYTES("chunked");
static const struct sherd_span cobblestone_sealed = BYTES(COBBLESTONE_SEALED);

static enum sherd_err compute_seal(uint8_t *out)
{
    struct sherd_buf sealed = sherd_buf_borrow(out, ANSWER_BYTES_MAX);

    return sherd_aead_seal_salted(cobblestone_key, cobblestone_context, cobblestone_sealed.data, cobblestone_plain,
                                  &sealed);
}

/* Opens the message; with its byte at index xor 1, if there is such a byte. */
static enum sherd_err open_with_flip(size_t index, uint8_t *out)
{
    uint8_t block[sizeof(COBBLESTONE_SEALED) - 1];
    struct sherd_buf plain = sherd_buf_borrow(out, ANSWER_BYTES_MAX);

    memcpy(block, cobblestone_sealed.data, sizeof(block));
    if (index < sizeof(block))
        block[index] ^= 1;
    return sherd_aead_open(cobblestone_key, cobblestone_context, sherd_span_of(block, sizeof(block)), &plain);
}

/* Flips in the commitment, the ciphertext and the tag: an opener that checks nothing gives the right answer, too. */
static enum sherd_err compute_open(uint8_t *out)
{
    const size_t flips[] = {SHERD_AEAD_SALT_SIZE, SHERD_AEAD_HEADER_SIZE, sizeof(COBBLESTONE_SEALED) - 2};

    for (size_t i = 0; i < SHERD_COUNT_OF(flips); i++)
        SHERD_ENSURE(open_with_flip(flips[i], out) == SHERD_ERR_TAMPERED, SHERD_ERR_UNSUPPORTED,
                     "a changed message was opened");
    return open_with_flip(SIZE_MAX, out);
}

/* RFC 8032 section 7.1, test 2. The answer is the public key and the signature. */
static enum sherd_err compute_ed25519(uint8_t *out)
{
    static const uint8_t seed[] = "\x4c\xcd\x08\x9b\x28\xff\x96\xda\x9d\xb6\xc3\x46\xec\x11\x4e\x0f"
                                  "\x5b\x8a\x31\x9f\x35\xab\xa6\x24\xda\x8c\xf6\xed\x4f\xb8\xa6\xfb";
    static const struct sherd_span message = BYTES("\x72");
    static const struct sherd_span other = BYTES("\x73");
    uint8_t *signature = out + SHERD_SIGN_PUBLIC_SIZE;

    SHERD_TRY(sherd_sign_public(seed, out));
    SHERD_TRY(sherd_sign(seed, message, signature));
    SHERD_TRY(sherd_sign_verify(out, message, signature));
    SHERD_ENSURE(sherd_sign_verify(out, other, signature) == SHERD_ERR_TAMPERED, SHERD_ERR_UNSUPPORTED,
                 "a wrong signature was accepted");
    return SHERD_OK;
}

/* RFC 7914 section 12, the first vector: N = 16, r = 1, p = 1, all else empty. */
static enum sherd_err compute_scrypt(uint8_t *out)
{
    const struct sherd_pwhash_params params = {SHERD_PWHASH_SCRYPT, 4, 1, 1};
    const struct sherd_span none = {NULL, 0};

    return sherd_scrypt(&params, none, none, out, 64);
}

/* RFC 7914 section 11, the first vector: one iteration. */
static enum sherd_err compute_pbkdf2(uint8_t *out)
{
    const struct sherd_pwhash_params params = {SHERD_PWHASH_PBKDF2, 1, 1, 1};
    static const struct sherd_span password = BYTES("passwd");
    static const struct sherd_span salt = BYTES("salt");

    return sherd_pbkdf2(&params, password, salt, out, 64);
}

/* RFC 9106 section 5.3. */
static enum sherd_err compute_argon2id(uint8_t *out)
{
    static const struct sherd_span password = BYTES("\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
                                                    "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01");
    static const struct sherd_span salt = BYTES("\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02");
    static const struct sherd_span secret = BYTES("\x03\x03\x03\x03\x03\x03\x03\x03");
    static const struct sherd_span data = BYTES("\x04\x04\x04\x04\x04\x04\x04\x04\x04\x04\x04\x04");
    const struct sherd_pwhash_params params = {SHERD_PWHASH_ARGON2ID, 32, 3, 4};

    return sherd_argon2id(&params, password, salt, secret, data, out, 32);
}

/* No document has vectors for this: the answer was computed apart from this code, with tables of logarithms. */
static enum sherd_err compute_shamir(uint8_t *out)
{
    return sherd_shamir_known(out);
}

static const struct known knowns[] = {
    /* First, since it is left out where OpenSSL has no Argon2id. */
    {"argon2id", compute_argon2id,
     BYTES("\x0d\x64\x0d\xf5\x8d\x78\x76\x6c\x08\xc0\x37\xa3\x4a\x8b\x53\xc9\xd0\x1e\xf0\x45\x2d\x75\xb6\x5e"
           "\xb5\x25\x20\xe9\x6b\x01\xe6\x59")},
    {"sha256", compute_sha256,
     BYTES("\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c"
           "\xb4\x10\xff\x61\xf2\x00\x15\xad")},
    {"sha512", compute_sha512,
     BYTES("\xdd\xaf\x35\xa1\x93\x61\x7a\xba\xcc\x41\x73\x49\xae\x20\x41\x31\x12\xe6\xfa\x4e\x89\xa9\x7e\xa2"
           "\x0a\x9e\xee\xe6\x4b\x55\xd3\x9a\x21\x92\x99\x2a\x27\x4f\xc1\xa8\x36\xba\x3c\x23\xa3\xfe\xeb\xbd"
           "\x45\x4d\x44\x23\x64\x3c\xe8\x0e\x2a\x9a\xc9\x4f\xa5\x4c\xa4\x9f")},
    {"hmac-sha512", compute_hmac,
     BYTES("\x16\x4b\x7a\x7b\xfc\xf8\x19\xe2\xe3\x95\xfb\xe7\x3b\x56\xe0\xa3\x87\xbd\x64\x22\x2e\x83\x1f\xd6"
           "\x10\x27\x0c\xd7\xea\x25\x05\x54\x97\x58\xbf\x75\xc0\x5a\x99\x4a\x6d\x03\x4f\x65\xf8\xf0\xe6\xfd"
           "\xca\xea\xb1\xa3\x4d\x4a\x6b\x4b\x63\x6e\x07\x0a\x38\xbc\xe7\x37")},
    {"hkdf-sha512", compute_hkdf,
     BYTES("\xd9\x36\x63\x82\x59\x63\xa4\xa2\x32\x8a\x6e\x56\xee\x7d\x10\x8d\xe9\x5b\x7c\x98\x1c\x3e\x62\xdc"
           "\x8d\xf4\x01\x05\xe4\x99\x51\x37\xca\x8c\xfa\x91\xcb\xff\xb4\x47\xff\xd8\x0b\x0b\x90\x15\x78\xaa"
           "\xab\xc6\xc5\x6b\x3a\xa6\x67\x34\xfb\xe9\x8b\x95\xc1\x12\x59\x90\xe1\x45\x33\xe1\x3d\x04\x9f\x02"
           "\x58\x80\xfb\x28")},
    {"cobblestone-256-seal", compute_seal, BYTES(COBBLESTONE_SEALED)},
    {"cobblestone-256-open", compute_open, BYTES("chunked")},
    {"ed25519", compute_ed25519,
     BYTES("\x3d\x40\x17\xc3\xe8\x43\x89\x5a\x92\xb7\x0a\xa7\x4d\x1b\x7e\xbc\x9c\x98\x2c\xcf\x2e\xc4\x96\x8c"
           "\xc0\xcd\x55\xf1\x2a\xf4\x66\x0c"
           "\x92\xa0\x09\xa9\xf0\xd4\xca\xb8\x72\x0e\x82\x0b\x5f\x64\x25\x40\xa2\xb2\x7b\x54\x16\x50\x3f\x8f"
           "\xb3\x76\x22\x23\xeb\xdb\x69\xda\x08\x5a\xc1\xe4\x3e\x15\x99\x6e\x45\x8f\x36\x13\xd0\xf1\x1d\x8c"
           "\x38\x7b\x2e\xae\xb4\x30\x2a\xee\xb0\x0d\x29\x16\x12\xbb\x0c\x00")},
    {"scrypt", compute_scrypt,
     BYTES("\x77\xd6\x57\x62\x38\x65\x7b\x20\x3b\x19\xca\x42\xc1\x8a\x04\x97\xf1\x6b\x48\x44\xe3\x07\x4a\xe8"
           "\xdf\xdf\xfa\x3f\xed\xe2\x14\x42\xfc\xd0\x06\x9d\xed\x09\x48\xf8\x32\x6a\x75\x3a\x0f\xc8\x1f\x17"
           "\xe8\xd3\xe0\xfb\x2e\x0d\x36\x28\xcf\x35\xe2\x0c\x38\xd1\x89\x06")},
    {"pbkdf2", compute_pbkdf2,
     BYTES("\x55\xac\x04\x6e\x56\xe3\x08\x9f\xec\x16\x91\xc2\x25\x44\xb6\x05\xf9\x41\x85\x21\x6d\xde\x04\x65"
           "\xe6\x8b\x9d\x57\xc2\x0d\xac\xbc\x49\xca\x9c\xcc\xf1\x79\xb6\x45\x99\x16\x64\xb3\x9d\x77\xef\x31"
           "\x7c\x71\xb8\x45\xb1\xe3\x0b\xd5\x09\x11\x20\x41\xd3\xa1\x97\x83")},
    {"shamir", compute_shamir, BYTES("\x99\x69\xe7\x8e\xc9\x02\x97\x26\x54\xc8Sherd")},
};

static size_t known_first(void)
{
    return sherd_evp()->argon2id != NULL ? 0 : 1;
}

const char *const *sherd_crypto_selftest_names(void)
{
    static const char *const names[] = {
        "argon2id", "sha256", "sha512", "hmac-sha512", "hkdf-sha512", "cobblestone-256-seal", "cobblestone-256-open",
        "ed25519",  "scrypt", "pbkdf2", "shamir",      NULL};
    _Static_assert(SHERD_COUNT_OF(names) == SHERD_COUNT_OF(knowns) + 1, "each test has its name here");

    (void)!sherd_crypto_gate(); /* what there is is only known once it was looked for */
    return names + known_first();
}

static enum sherd_err known_run(const struct known *known, bool spoil)
{
    uint8_t out[ANSWER_BYTES_MAX] = {0};
    const enum sherd_err err = known->compute(out);

    if (err == SHERD_ERR_NO_MEMORY)
        return err;
    if (spoil)
        out[0] ^= 1;
    if (err != SHERD_OK || !sherd_ct_equal(out, known->answer.data, known->answer.len))
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "cryptography: the self-test of %s failed; nothing is served",
                          known->name);
    return SHERD_OK;
}

enum sherd_err sherd_selftest_run(const char *broken)
{
    for (size_t i = known_first(); i < SHERD_COUNT_OF(knowns); i++)
        SHERD_TRY(known_run(&knowns[i], broken != NULL && strcmp(broken, knowns[i].name) == 0));
    return SHERD_OK;
}
