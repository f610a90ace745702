/* SPDX-License-Identifier: Apache-2.0 */
/* Files of age: there and back, every byte changed, keys as text, files of identities, the armor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "base/random.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "envelope/age.h"
#include <string.h>

#define LONGEST (3 * (size_t)65536)

static struct sherd_age_identity own;
static struct sherd_age_recipient to;
static uint8_t plain[LONGEST];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(plain); i++)
        plain[i] = (uint8_t)(i * 11 + i / 257);
    if (sherd_crypto_init() != SHERD_OK)
        return -1;
    return sherd_age_keygen(&own, &to) == SHERD_OK ? 0 : -1;
}

static void assert_opens(struct sherd_span file, size_t bytes)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

    assert_int_equal(sherd_age_open(&own, 1, file, &out), SHERD_OK);
    assert_int_equal(out.len, bytes);
    if (bytes > 0)
        assert_memory_equal(out.data, plain, bytes);
}

static void seal(size_t bytes, struct sherd_buf *out_file)
{
    assert_int_equal(sherd_age_seal(&to, 1, sherd_span_of(plain, bytes), out_file), SHERD_OK);
}

/* --- there and back --------------------------------------------------------------------------------------------- */

static void test_envelope_age__every_length_around_a_chunk(void **state)
{
    static const size_t lengths[] = {0, 1, 16, 65535, 65536, 65537, 131071, 131072, 131073, LONGEST};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
        const size_t chunks = lengths[i] == 0 ? 1 : (lengths[i] + 65535) / 65536;
        const size_t header = 22 + 54 + 44 + 48; /* version, recipient in two lines, MAC */

        seal(lengths[i], &file);
        assert_int_equal(file.len, header + 16 + lengths[i] + 16 * chunks);
        assert_opens(sherd_buf_span(&file), lengths[i]);
    }
}

static void test_envelope_age__each_recipient_opens_it(void **state)
{
    enum { PEOPLE = 5 };
    struct sherd_age_identity identities[PEOPLE];
    struct sherd_age_recipient recipients[PEOPLE];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

    (void)state;
    for (size_t i = 0; i < PEOPLE; i++)
        assert_int_equal(sherd_age_keygen(&identities[i], &recipients[i]), SHERD_OK);
    assert_int_equal(sherd_age_seal(recipients, PEOPLE, sherd_span_of(plain, 40), &file), SHERD_OK);
    for (size_t i = 0; i < PEOPLE; i++) {
        sherd_buf_clear(&out);
        assert_int_equal(sherd_age_open(&identities[i], 1, sherd_buf_span(&file), &out), SHERD_OK);
        assert_memory_equal(out.data, plain, 40);
    }
    sherd_buf_clear(&out);
    assert_int_equal(sherd_age_open(&own, 1, sherd_buf_span(&file), &out), SHERD_ERR_DENIED);
    identities[2] = own; /* a ring of keys of which some fit */
    assert_int_equal(sherd_age_open(identities, PEOPLE, sherd_buf_span(&file), &out), SHERD_OK);
}

static void test_envelope_age__a_passphrase(void **state)
{
    const struct sherd_span passphrase = sherd_span_str("nine sherds, no pot");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    bool wants = false;

    (void)state;
    assert_int_equal(sherd_age_seal_passphrase(passphrase, 10, sherd_span_of(plain, 70), &file), SHERD_OK);
    assert_int_equal(sherd_age_wants_passphrase(sherd_buf_span(&file), &wants), SHERD_OK);
    assert_true(wants);
    assert_int_equal(sherd_age_open_passphrase(passphrase, sherd_buf_span(&file), &out), SHERD_OK);
    assert_int_equal(out.len, 70);
    assert_memory_equal(out.data, plain, 70);
    sherd_buf_clear(&out);
    assert_int_equal(sherd_age_open_passphrase(sherd_span_str("nine"), sherd_buf_span(&file), &out), SHERD_ERR_DENIED);
    assert_int_equal(sherd_age_open_passphrase(sherd_span_str(""), sherd_buf_span(&file), &out), SHERD_ERR_DENIED);
    assert_int_equal(sherd_age_open(&own, 1, sherd_buf_span(&file), &out), SHERD_ERR_DENIED);
    assert_int_equal(out.len, 0);
}

static void test_envelope_age__the_default_work_is_18(void **state)
{
    static const char work[] = " 18\n";
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

    (void)state;
    assert_int_equal(sherd_age_seal_passphrase(sherd_span_str("p"), 0, sherd_span_of(plain, 5), &file), SHERD_OK);
    assert_non_null(memmem(file.data, file.len, work, sizeof(work) - 1));
    assert_int_equal(sherd_age_open_passphrase(sherd_span_str("p"), sherd_buf_span(&file), &out), SHERD_OK);
}

static void test_envelope_age__two_files_share_nothing(void **state)
{
    struct sherd_buf files[2] = {{0}, {0}};

    (void)state;
    seal(64, &files[0]);
    seal(64, &files[1]);
    for (size_t at = 22; at + 8 <= files[0].len; at++) {
        const uint8_t *piece = files[0].data + at;

        if (memchr(piece, '\n', 8) == NULL && memchr(piece, ' ', 8) == NULL)
            assert_null(memmem(files[1].data, files[1].len, piece, 8));
    }
    sherd_buf_done(&files[0]);
    sherd_buf_done(&files[1]);
}

/* --- damage ----------------------------------------------------------------------------------------------------- */

/* Every byte, to three other values, and every length that is shorter. */
static void assert_no_damage_opens(struct sherd_buf *file)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

    for (size_t at = 0; at < file->len; at++) {
        static const uint8_t changes[] = {0x01, 0x20, 0x80};

        for (size_t i = 0; i < sizeof(changes); i++) {
            file->data[at] ^= changes[i];
            assert_int_not_equal(sherd_age_open(&own, 1, sherd_buf_span(file), &out), SHERD_OK);
            file->data[at] ^= changes[i];
            assert_int_equal(out.len, 0);
        }
        assert_int_not_equal(sherd_age_open(&own, 1, sherd_span_of(file->data, at), &out), SHERD_OK);
    }
    assert_int_equal(out.len, 0);
}

static void test_envelope_age__every_changed_byte_is_refused(void **state)
{
    struct sherd_age_recipient both[2];
    struct sherd_age_identity other;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};

    (void)state;
    assert_int_equal(sherd_age_keygen(&other, &both[0]), SHERD_OK);
    both[1] = to;
    assert_int_equal(sherd_age_seal(both, 2, sherd_span_of(plain, 30), &file), SHERD_OK);
    assert_no_damage_opens(&file);
    assert_opens(sherd_buf_span(&file), 30);
}

/* The armor's own line ends may be cut off: white space around it means nothing. */
static void test_envelope_age__every_changed_byte_of_an_armor_is_refused(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};

    (void)state;
    seal(31, &file);
    assert_int_equal(sherd_age_armor(sherd_buf_span(&file), &text), SHERD_OK);
    text.len--;
    assert_no_damage_opens(&text);
    assert_opens(sherd_buf_span(&text), 31);
}

static void test_envelope_age__a_file_is_one_file(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};

    (void)state;
    seal(10, &file);
    seal(10, &file);
    assert_int_equal(sherd_age_open(&own, 1, sherd_buf_span(&file), &out), SHERD_ERR_TAMPERED);
}

/* --- limits ----------------------------------------------------------------------------------------------------- */

static void test_envelope_age__bad_arguments_are_refused(void **state)
{
    static struct sherd_age_recipient many[SHERD_AGE_RECIPIENTS_MAX + 1];
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    const struct sherd_span some = {plain, 5};
    const struct sherd_span passphrase = sherd_span_str("p");

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(many); i++)
        many[i] = to;
    assert_int_equal(sherd_age_seal(many, 0, some, &file), SHERD_ERR_INVALID);
    assert_int_equal(sherd_age_seal(many, SHERD_AGE_RECIPIENTS_MAX + 1, some, &file), SHERD_ERR_INVALID);
    memset(&many[1], 0, sizeof(many[1]));
    assert_int_equal(sherd_age_seal(many, 2, some, &file), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_age_seal_passphrase(sherd_span_str(""), 10, some, &file), SHERD_ERR_INVALID);
    assert_int_equal(sherd_age_seal_passphrase(passphrase, SHERD_AGE_WORK_MAX + 1, some, &file), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_age_open(&own, 0, some, &file), SHERD_ERR_INVALID);
    assert_int_equal(file.len, 0);
}

static void test_envelope_age__the_buffers_ceiling_holds(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    uint8_t block[300];
    struct sherd_buf small = sherd_buf_borrow(block, 50);

    (void)state;
    assert_int_equal(sherd_age_seal(&to, 1, sherd_span_of(plain, 5), &small), SHERD_ERR_LIMIT);
    assert_int_equal(small.len, 0);
    seal(51, &file);
    assert_int_equal(sherd_age_open(&own, 1, sherd_buf_span(&file), &small), SHERD_ERR_LIMIT);
    assert_int_equal(sherd_age_armor(sherd_buf_span(&file), &small), SHERD_ERR_LIMIT);
    assert_int_equal(small.len, 0);
}

static enum sherd_err nothing_fill(uint8_t *block, size_t size)
{
    (void)block;
    (void)size;
    return sherd_fail(SHERD_ERR_IO, "no randomness");
}

static void test_envelope_age__without_randomness_nothing_is_sealed(void **state)
{
    static const struct sherd_random_source nothing = {.fill = nothing_fill};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};

    (void)state;
    sherd_random_set(&nothing);
    assert_int_equal(sherd_age_seal(&to, 1, sherd_span_of(plain, 5), &file), SHERD_ERR_IO);
    assert_int_equal(sherd_age_seal_passphrase(sherd_span_str("p"), 1, sherd_span_of(plain, 5), &file), SHERD_ERR_IO);
    sherd_random_set(NULL);
    assert_int_equal(file.len, 0);
}

/* --- keys as text ------------------------------------------------------------------------------------------------ */

/* The pair that the specification gives as its example. */
static const char spec_identity[] = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
static const char spec_recipient[] = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

static void test_envelope_age__keys_of_the_specification(void **state)
{
    struct sherd_age_identity identity;
    struct sherd_age_recipient recipient;
    struct sherd_age_recipient parsed;
    char identity_text[SHERD_AGE_IDENTITY_CHARS + 1];
    char recipient_text[SHERD_AGE_RECIPIENT_CHARS + 1];

    (void)state;
    assert_int_equal(sherd_age_identity_parse(sherd_span_str(spec_identity), &identity), SHERD_OK);
    for (size_t i = 0; i < sizeof(identity.key.bytes); i++)
        assert_int_equal(identity.key.bytes[i], 0x42);
    assert_int_equal(sherd_age_recipient_of(&identity, &recipient), SHERD_OK);
    assert_int_equal(sherd_age_recipient_text(&recipient, recipient_text), SHERD_OK);
    assert_string_equal(recipient_text, spec_recipient);
    assert_int_equal(sherd_age_recipient_parse(sherd_span_str(spec_recipient), &parsed), SHERD_OK);
    assert_memory_equal(&parsed, &recipient, sizeof(parsed));
    assert_int_equal(sherd_age_identity_text(&identity, identity_text), SHERD_OK);
    assert_string_equal(identity_text, spec_identity);
}

static void test_envelope_age__texts_that_are_no_keys_are_refused(void **state)
{
    static const char *const recipients[] = {
        "",
        "age1",
        "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujw",
        "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwjq",
        "AGE1ZVKYG2LQZRAA2LNJVQEJ32NKUU0UES2S82HZRYE869XEEXVN73EQUNUJWJ",
        "Age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
        " age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
        "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj\n",
        spec_identity,
    };
    static const char *const identities[] = {
        "",
        "AGE-SECRET-KEY-1",
        "age-secret-key-1gfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpq4egaex",
        "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX ",
        spec_recipient,
    };
    struct sherd_age_recipient recipient;
    struct sherd_age_identity identity;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(recipients); i++)
        assert_int_equal(sherd_age_recipient_parse(sherd_span_str(recipients[i]), &recipient), SHERD_ERR_INVALID);
    for (size_t i = 0; i < SHERD_COUNT_OF(identities); i++)
        assert_int_equal(sherd_age_identity_parse(sherd_span_str(identities[i]), &identity), SHERD_ERR_INVALID);
}

static void test_envelope_age__any_wrong_character_of_a_key_is_seen(void **state)
{
    struct sherd_age_recipient recipient;
    struct sherd_age_identity identity;
    char text[SHERD_AGE_IDENTITY_CHARS + 1];

    (void)state;
    memcpy(text, spec_recipient, sizeof(spec_recipient));
    for (size_t at = 0; at < SHERD_AGE_RECIPIENT_CHARS; at++) {
        text[at] = text[at] == 'q' ? 'p' : 'q';
        assert_int_equal(sherd_age_recipient_parse(sherd_span_str(text), &recipient), SHERD_ERR_INVALID);
        text[at] = spec_recipient[at];
    }
    memcpy(text, spec_identity, sizeof(spec_identity));
    for (size_t at = 0; at < SHERD_AGE_IDENTITY_CHARS; at++) {
        text[at] = text[at] == 'Q' ? 'P' : 'Q';
        assert_int_equal(sherd_age_identity_parse(sherd_span_str(text), &identity), SHERD_ERR_INVALID);
        assert_null(strstr(sherd_err_detail(), "YYSJZ"));
        text[at] = spec_identity[at];
    }
}

#define SPEC "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"

static void test_envelope_age__files_of_identities(void **state)
{
    static const struct {
        const char *text;
        enum sherd_err err;
        size_t count;
    } files[] = {
        {SPEC, SHERD_OK, 1},
        {"# created: 2026-01-01\n# public key: age1...\n" SPEC "\n", SHERD_OK, 1},
        {SPEC "\r\n\r\n#\r\n" SPEC "\r\n", SHERD_OK, 2},
        {SPEC "\n" SPEC "\n" SPEC "\n", SHERD_ERR_LIMIT, 0},
        {"", SHERD_ERR_INVALID, 0},
        {"# none\n\n", SHERD_ERR_INVALID, 0},
        {SPEC "\nage1", SHERD_ERR_INVALID, 0},
        {" " SPEC "\n", SHERD_ERR_INVALID, 0},
        {SPEC " \n", SHERD_ERR_INVALID, 0},
    };
    static const struct sherd_age_identity wiped;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(files); i++) {
        struct sherd_age_identity identities[2];
        size_t count = 0;

        assert_int_equal(sherd_age_identities_parse(sherd_span_str(files[i].text), 2, identities, &count),
                         files[i].err);
        assert_int_equal(count, files[i].count);
        if (files[i].err == SHERD_OK)
            assert_int_equal(identities[count - 1].key.bytes[31], 0x42);
        else
            assert_memory_equal(&identities[0], &wiped, sizeof(wiped));
    }
    assert_non_null(strstr(sherd_err_detail(), "line 1"));
}

/* --- what a file is ---------------------------------------------------------------------------------------------- */

static void test_envelope_age__files_are_known_by_their_first_line(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf back = {0};
    bool wants = true;

    (void)state;
    seal(100, &file);
    assert_int_equal(sherd_age_armor(sherd_buf_span(&file), &text), SHERD_OK);
    assert_true(sherd_age_is_file(sherd_buf_span(&file)));
    assert_true(sherd_age_is_file(sherd_buf_span(&text)));
    assert_false(sherd_age_is_file(sherd_span_str("age-encryption.org")));
    assert_false(sherd_age_is_file(sherd_span_str("")));
    assert_int_equal(sherd_age_wants_passphrase(sherd_buf_span(&text), &wants), SHERD_OK);
    assert_false(wants);
    assert_int_equal(sherd_age_wants_passphrase(sherd_span_str("age-encryption.org/v1\n"), &wants), SHERD_ERR_TAMPERED);
    assert_int_equal(sherd_age_unarmor(sherd_buf_span(&text), &back), SHERD_OK);
    assert_int_equal(back.len, file.len);
    assert_memory_equal(back.data, file.data, file.len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_age__every_length_around_a_chunk),
        cmocka_unit_test(test_envelope_age__each_recipient_opens_it),
        cmocka_unit_test(test_envelope_age__a_passphrase),
        cmocka_unit_test(test_envelope_age__the_default_work_is_18),
        cmocka_unit_test(test_envelope_age__two_files_share_nothing),
        cmocka_unit_test(test_envelope_age__every_changed_byte_is_refused),
        cmocka_unit_test(test_envelope_age__every_changed_byte_of_an_armor_is_refused),
        cmocka_unit_test(test_envelope_age__a_file_is_one_file),
        cmocka_unit_test(test_envelope_age__bad_arguments_are_refused),
        cmocka_unit_test(test_envelope_age__the_buffers_ceiling_holds),
        cmocka_unit_test(test_envelope_age__without_randomness_nothing_is_sealed),
        cmocka_unit_test(test_envelope_age__keys_of_the_specification),
        cmocka_unit_test(test_envelope_age__texts_that_are_no_keys_are_refused),
        cmocka_unit_test(test_envelope_age__any_wrong_character_of_a_key_is_seen),
        cmocka_unit_test(test_envelope_age__files_of_identities),
        cmocka_unit_test(test_envelope_age__files_are_known_by_their_first_line),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
