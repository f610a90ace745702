/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thief of all four compartments and of everything else in the vault's directory, without passphrase or key file.
 * What is not found in all of it is not found in one or two compartments either.
 *
 * Usage: test_tamper_thief ATTACKER
 */
#include "judge.h"
#include "cryptor/load.h"
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define RECORDS 320
#define BLOBS 4
#define PASSPHRASE "PASSPHRASE-MARKER correct horse"

static const char *attacker_program;
static struct victim victim;
static struct attacker attacker;
static struct things things;
static struct sherd_uuid ids[RECORDS + BLOBS];
static size_t content_lens[RECORDS + BLOBS];

struct value {
    const struct thing *thing;
    uint8_t *bytes;
    size_t len;
};

static struct value *values;

/* ---- The vault --------------------------------------------------------------------------------------------------- */

static size_t content_make(unsigned number, size_t len, char *out)
{
    char text[64];
    const size_t text_len = (size_t)snprintf(text, sizeof(text), "CONTENT-MARKER-%04u/", number);

    for (size_t i = 0; i < len; i++)
        out[i] = text[i % text_len];
    return len;
}

static void put_one(unsigned number, size_t len)
{
    static char content[200000];
    char entity[64];
    char type[64];
    char name[64];
    char value[64];
    const struct sherd_attribute attribute = {name, {(const uint8_t *)value, strlen("ATTRIBUTE-VALUE-MARKER-0000")}};
    const struct sherd_record_meta meta = {.collection = number % 2 == 0 ? "collection-marker-a" : "default",
                                           .entity = entity,
                                           .content_type = type,
                                           .attributes = &attribute,
                                           .attribute_count = 1};

    (void)snprintf(entity, sizeof(entity), "ENTITY-MARKER-%04u", number % 10);
    (void)snprintf(type, sizeof(type), "text/TYPE-MARKER-%04u", number);
    (void)snprintf(name, sizeof(name), "ATTRIBUTE-NAME-MARKER-%04u", number);
    (void)snprintf(value, sizeof(value), "ATTRIBUTE-VALUE-MARKER-%04u", number);
    content_lens[number] = content_make(number, len, content);
    assert_int_equal(sherd_record_put(victim.vault, &meta, sherd_span_of(content, len), &ids[number]), SHERD_OK);
}

static int make_vault(void **state)
{
    (void)state;
    victim_new_with_passphrase(&victim, PASSPHRASE);
    victim_collection(&victim, "collection-marker-a", 3, false);
    for (unsigned i = 0; i < RECORDS; i++)
        put_one(i, i * 37 % 3000);
    for (unsigned i = 0; i < BLOBS; i++)
        put_one(RECORDS + i, 70000 + 13000 * (size_t)i);
    attacker_start(&attacker, attacker_program);
    (void)attack(&attacker, "open %s", victim.dir);
    (void)attacker_look(&attacker, &things, -1, 0);
    values = calloc(things.count, sizeof(*values));
    assert_non_null(values);
    for (size_t i = 0; i < things.count; i++) {
        values[i].thing = &things.at[i];
        values[i].len = attacker_get(&attacker, &things.at[i], &values[i].bytes);
    }
    return 0;
}

static int end_vault(void **state)
{
    (void)state;
    for (size_t i = 0; i < things.count; i++)
        free(values[i].bytes);
    free(values);
    attacker_stop(&attacker);
    victim_done(&victim);
    return 0;
}

/* ---- Markers ----------------------------------------------------------------------------------------------------- */

/* A byte string to look for; found by its first eight bytes. */
struct pattern {
    uint8_t bytes[160];
    size_t len;
};

#define PATTERNS_MAX 8192
#define TABLE_SIZE 65536U

static struct pattern patterns[PATTERNS_MAX];
static size_t pattern_count;
static int table[TABLE_SIZE]; /* 0: empty; else 1 + the first pattern; probing onwards */

static size_t slot_of(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return (size_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> 48);
}

static void add_pattern(const uint8_t *bytes, size_t len)
{
    assert_true(pattern_count < PATTERNS_MAX && len >= 8 && len <= sizeof(patterns[0].bytes));
    memcpy(patterns[pattern_count].bytes, bytes, len);
    patterns[pattern_count++].len = len;
    size_t slot = slot_of(bytes);
    while (table[slot] != 0)
        slot = (slot + 1) % TABLE_SIZE;
    table[slot] = (int)pattern_count;
}

static void add_hex(const uint8_t *bytes, size_t len, const char *digits)
{
    uint8_t text[160];

    for (size_t i = 0; i < len; i++) {
        text[2 * i] = (uint8_t)digits[bytes[i] >> 4];
        text[2 * i + 1] = (uint8_t)digits[bytes[i] & 15];
    }
    add_pattern(text, 2 * len);
}

/* Base64 as it looks wherever the bytes begin in their group of three: what does not depend on the neighbours. */
static void add_base64(const uint8_t *bytes, size_t len)
{
    for (size_t shift = 0; shift < 3; shift++) {
        uint8_t shifted[80] = {0};
        uint8_t text[160];

        memcpy(shifted + shift, bytes, len);
        (void)EVP_EncodeBlock(text, shifted, (int)(shift + len));
        const size_t from = shift == 0 ? 0 : 4;
        const size_t to = (shift + len) / 3 * 4;
        add_pattern(text + from, to - from);
    }
}

static void add_wide(const uint8_t *bytes, size_t len, size_t at)
{
    uint8_t wide[160] = {0};

    for (size_t i = 0; i < len; i++)
        wide[2 * i + at] = bytes[i];
    add_pattern(wide + at, 2 * len - 1 - at);
}

/* All forms of up to 64 bytes. */
static void add_marker(const void *marker, size_t len)
{
    add_pattern(marker, len);
    add_hex(marker, len, "0123456789abcdef");
    add_hex(marker, len, "0123456789ABCDEF");
    add_base64(marker, len);
    add_wide(marker, len, 0);
    add_wide(marker, len, 1);
}

static const char *const marker_texts[] = {
    "CONTENT-MARKER",  "ENTITY-MARKER",       "TYPE-MARKER",           "ATTRIBUTE-NAME-MARKER",
    "ATTRIBUTE-VALUE", "collection-marker-a", "PASSPHRASE-MARKER cor",
};

static size_t found_in(const uint8_t *bytes, size_t len)
{
    size_t found = 0;

    for (size_t at = 0; at + 8 <= len; at++)
        for (size_t slot = slot_of(bytes + at); table[slot] != 0; slot = (slot + 1) % TABLE_SIZE) {
            const struct pattern *pattern = &patterns[table[slot] - 1];

            if (pattern->len <= len - at && memcmp(pattern->bytes, bytes + at, pattern->len) == 0)
                found++;
        }
    return found;
}

static size_t file_count;
static size_t file_bytes;
static size_t file_found;

static int search_file(const char *path, const struct stat *stat, int kind, struct FTW *ftw)
{
    const size_t len = (size_t)stat->st_size;

    (void)ftw;
    if (kind != FTW_F)
        return 0;
    uint8_t *bytes = malloc(len + 1);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (bytes == NULL || fd < 0)
        return -1;
    const ssize_t got = read(fd, bytes, len);
    close(fd);
    const size_t found = got == (ssize_t)len ? found_in(bytes, len) : 0;
    if (found > 0)
        print_message("%zu markers in %s\n", found, path);
    file_found += found;
    file_bytes += len;
    file_count++;
    free(bytes);
    return got == (ssize_t)len ? 0 : -1;
}

static void test_tamper_thief__finds_no_marker_in_any_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(marker_texts) / sizeof(marker_texts[0]); i++)
        add_marker(marker_texts[i], strlen(marker_texts[i]));
    for (size_t i = 0; i < RECORDS + BLOBS; i++) {
        char text[SHERD_UUID_TEXT_SIZE];

        sherd_uuid_format(ids[i], text);
        add_marker(ids[i].bytes, sizeof(ids[i].bytes));
        add_marker(text, strlen(text));
    }
    for (size_t i = 0; i < pattern_count; i++) { /* the search can find each of them */
        uint8_t decoy[200] = {0};

        memcpy(decoy + 13, patterns[i].bytes, patterns[i].len);
        assert_true(found_in(decoy, sizeof(decoy)) >= 1);
    }
    assert_int_equal(nftw(victim.dir, search_file, 16, FTW_PHYS), 0);
    assert_true(file_count > 20 && file_bytes > 500000);
    for (size_t i = 0; i < things.count; i++) {
        assert_int_equal(found_in(values[i].bytes, values[i].len), 0);
        assert_int_equal(found_in(things.at[i].name.bytes, sizeof(things.at[i].name.bytes)), 0);
    }
    assert_int_equal(file_found, 0);
    print_message("%zu patterns, %zu files, %zu bytes: nothing found\n", pattern_count, file_count, file_bytes);
}

/* ---- Sameness ---------------------------------------------------------------------------------------------------- */

static int compare_words(const void *a, const void *b)
{
    const uint64_t one = *(const uint64_t *)a;
    const uint64_t two = *(const uint64_t *)b;

    return (one > two) - (one < two);
}

static void add_windows(uint64_t *words, size_t *count, const uint8_t *bytes, size_t len, size_t from)
{
    for (size_t at = from; at + 8 <= len; at++)
        memcpy(&words[(*count)++], bytes + at, 8);
}

/*
 * No eight bytes in a row lie twice anywhere, in one compartment or in two, names included. Left out is what overlaps
 * the first eight bytes of an entry or fragment: its header (docs/format/envelope.md sections 2 and 3), the same for
 * all of a kind, which says nothing but the kind and the version of a key. Of two compartments, not even headers are
 * the same.
 */
static void test_tamper_thief__finds_no_eight_bytes_twice(void **state)
{
    size_t count = 0;
    size_t room = 0;

    (void)state;
    for (size_t i = 0; i < things.count; i++)
        room += values[i].len + 16;
    uint64_t *words = calloc(room, sizeof(*words));
    assert_non_null(words);
    for (size_t i = 0; i < things.count; i++) {
        add_windows(words, &count, values[i].bytes, values[i].len, 8);
        add_windows(words, &count, things.at[i].name.bytes, sizeof(things.at[i].name.bytes), 0);
    }
    qsort(words, count, sizeof(*words), compare_words);
    for (size_t i = 1; i < count; i++)
        assert_true(words[i] != words[i - 1]);
    for (size_t i = 0; i < things.count; i++)
        for (size_t j = 0; j < i; j++)
            if (things.at[i].role != things.at[j].role)
                assert_memory_not_equal(values[i].bytes, values[j].bytes, 8);
    print_message("%zu windows of 8 bytes, no two equal\n", count);
    free(words);
}

/* ---- Randomness -------------------------------------------------------------------------------------------------- */

/* Chi-square over 256 bins: mean 255, deviation 22.6; 8 deviations are not met by chance. */
static void assert_uniform(const size_t counts[256], size_t total)
{
    const double expected = (double)total / 256;
    double sum = 0;

    for (size_t i = 0; i < 256; i++)
        sum += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
    if (fabs(sum - 255) > 8 * 22.6)
        fail_msg("chi-square %.0f over %zu values", sum, total);
}

/* Single bytes, and the low halves of neighbours, of all values of a compartment but for headers. */
static void test_tamper_thief__sees_uniform_bytes(void **state)
{
    (void)state;
    for (enum role role = IDENTITY; role < ROLE_COUNT; role++) {
        size_t single[256] = {0};
        size_t pairs[256] = {0};
        size_t names[256] = {0};
        size_t total = 0;
        size_t name_total = 0;

        for (size_t i = 0; i < things.count; i++) {
            if (things.at[i].role != role)
                continue;
            for (size_t at = 9; at < values[i].len; at++, total++) {
                single[values[i].bytes[at]]++;
                pairs[(values[i].bytes[at - 1] & 15) << 4 | (values[i].bytes[at] & 15)]++;
            }
            for (size_t at = 0; at < 16; at++, name_total++)
                names[things.at[i].name.bytes[at]]++;
        }
        assert_true(total > 0);
        if (total > 5000) {
            assert_uniform(single, total);
            assert_uniform(pairs, total);
        }
        if (name_total > 5000)
            assert_uniform(names, name_total);
        print_message("%s: %zu bytes\n", role_names[role], total);
    }
}

/* ---- Lengths ----------------------------------------------------------------------------------------------------- */

/* Padme, from its paper (Nikitin, Barman, Lueks, Underwood, Hubaux, Ford, PETS 2019), not from our code. */
static size_t padme(size_t len)
{
    unsigned e = 0;
    unsigned s = 0;

    if (len < 2)
        return len;
    while (len >> (e + 1) != 0)
        e++;
    while (e >> (s + 1) != 0)
        s++;
    const size_t mask = ((size_t)1 << (e - (s + 1))) - 1;
    return e <= s + 1 ? len : (len + mask) & ~mask;
}

static int compare_sizes(const void *a, const void *b)
{
    const size_t one = *(const size_t *)a;
    const size_t two = *(const size_t *)b;

    return (one > two) - (one < two);
}

static void test_tamper_thief__sees_one_length_a_kind_and_padded_sizes(void **state)
{
    static size_t seen[RECORDS + BLOBS];
    static size_t wanted[RECORDS + BLOBS];
    size_t lens[ROLE_COUNT][128] = {{0}};
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < things.count; i++) {
        const struct thing *thing = &things.at[i];

        if (is_fragment(thing)) {
            assert_true(count < RECORDS + BLOBS);
            seen[count++] = thing->bytes;
            continue;
        }
        assert_true(thing->kind >= 1 && thing->kind < 128);
        size_t *len = &lens[thing->role][thing->kind];
        if (*len == 0)
            *len = thing->bytes;
        assert_int_equal(thing->bytes, *len);
    }
    assert_int_equal(count, RECORDS + BLOBS);
    for (size_t i = 0; i < count; i++) {
        const size_t padded = padme(content_lens[i]);

        assert_true(padded >= content_lens[i] && (double)padded <= 1.12 * (double)content_lens[i] + 1);
        wanted[i] = 96 + padded + (padded / 16384 + 1) * 16;
    }
    qsort(seen, count, sizeof(seen[0]), compare_sizes);
    qsort(wanted, count, sizeof(wanted[0]), compare_sizes);
    assert_memory_equal(seen, wanted, sizeof(seen));
}

/* ---- Trial decryption -------------------------------------------------------------------------------------------- */

static bool opens_as_sealed(const uint8_t key[32], const struct sherd_context *context, const struct value *fragment)
{
    struct sherd_aead_message *message = NULL;
    const enum sherd_err err = sherd_aead_message_open_begin(key, sherd_context_span(context),
                                                             sherd_span_of(fragment->bytes + 40, 56), &message);

    sherd_aead_message_free(message);
    assert_true(err == SHERD_OK || err == SHERD_ERR_TAMPERED);
    return err == SHERD_OK;
}

/* Plain AES-256-GCM over the first chunk, with the nonces that lie at hand: zero, and the first of the salt. */
static bool opens_as_gcm(EVP_CIPHER_CTX *ctx, const uint8_t key[32], const struct value *fragment)
{
    static const uint8_t zero[12] = {0};
    const uint8_t *const nonces[] = {zero, fragment->bytes + 40};
    const size_t rest = fragment->len - 96;
    const size_t sealed = rest < 16400 ? rest : 16400;
    static uint8_t out[16400];
    uint8_t tag[16];
    int len;

    memcpy(tag, fragment->bytes + 96 + sealed - 16, sizeof(tag));
    for (size_t i = 0; i < 2; i++)
        if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonces[i]) == 1 &&
            EVP_DecryptUpdate(ctx, out, &len, fragment->bytes + 96, (int)sealed - 16) == 1 &&
            EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) == 1 && EVP_DecryptFinal_ex(ctx, out, &len) == 1)
            return true;
    return false;
}

/* The thief is even told the context of each fragment, which it cannot know. */
static const struct value *fragment_of(size_t record, struct sherd_loaded *loaded)
{
    assert_int_equal(sherd_load(victim.vault, ids[record], 0, loaded), SHERD_OK);
    for (size_t i = 0; i < things.count; i++)
        if (things.at[i].role == SECRETS && memcmp(&things.at[i].name, &loaded->map.data, 16) == 0) {
            assert_true(opens_as_sealed(loaded->keys->content.bytes, &loaded->context, &values[i]));
            return &values[i];
        }
    fail_msg("a fragment is missing");
    return NULL;
}

static void try_all(size_t record, size_t step, size_t *tried)
{
    struct sherd_loaded loaded = {0};
    const struct value *fragment = fragment_of(record, &loaded);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    assert_non_null(ctx);
    for (size_t i = 0; i < things.count; i++)
        for (size_t at = 0; at + 32 <= values[i].len && at < 600; at += step) {
            assert_false(opens_as_sealed(values[i].bytes + at, &loaded.context, fragment));
            if (fragment->len < 4000)
                assert_false(opens_as_gcm(ctx, values[i].bytes + at, fragment));
            ++*tried;
        }
    EVP_CIPHER_CTX_free(ctx);
    sherd_loaded_done(&loaded);
}

/*
 * Each aligned field of each value as the key of fragments in turn, and for one fragment each 32 bytes in a row. The
 * fields: share, salt, commitment and the sealed text of entries begin at multiples of 8.
 */
static void test_tamper_thief__opens_nothing_with_what_lies_there_as_keys(void **state)
{
    size_t tried = 0;

    (void)state;
    for (size_t record = 0; record < RECORDS; record += 40)
        try_all(record, 8, &tried);
    try_all(1, 1, &tried);
    print_message("%zu trial decryptions: nothing opened\n", tried);
}

/* The other way round: a few fields of each value against every fragment, as one who has not the map would pair them.*/
static void test_tamper_thief__pairs_no_key_with_any_fragment(void **state)
{
    static const size_t offsets[] = {8, 32, 64, 96};
    size_t tried = 0;

    (void)state;
    for (size_t record = 0; record < RECORDS + BLOBS; record++) {
        struct sherd_loaded loaded = {0};
        const struct value *fragment = fragment_of(record, &loaded);

        for (size_t i = record % 7; i < things.count; i += 7)
            for (size_t k = 0; k < 4; k++) {
                if (offsets[k] + 32 > values[i].len)
                    continue;
                assert_false(opens_as_sealed(values[i].bytes + offsets[k], &loaded.context, fragment));
                tried++;
            }
        sherd_loaded_done(&loaded);
    }
    print_message("%zu pairs: nothing opened\n", tried);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tamper_thief__finds_no_marker_in_any_form),
        cmocka_unit_test(test_tamper_thief__finds_no_eight_bytes_twice),
        cmocka_unit_test(test_tamper_thief__sees_uniform_bytes),
        cmocka_unit_test(test_tamper_thief__sees_one_length_a_kind_and_padded_sizes),
        cmocka_unit_test(test_tamper_thief__opens_nothing_with_what_lies_there_as_keys),
        cmocka_unit_test(test_tamper_thief__pairs_no_key_with_any_fragment),
    };

    if (argc != 2)
        return 2;
    attacker_program = argv[1];
    return cmocka_run_group_tests(tests, make_vault, end_vault);
}
