/* SPDX-License-Identifier: Apache-2.0 */
/* Verifier keys and the parts of signed notes: published ones, and every way to write them wrongly. */
#include "ledger.h"

/* The example of C2SP signed-note. */
#define EXAMPLE_KEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define EXAMPLE                       \
    "This is an example message.\n\n" \
    "\xe2\x80\x94 example.com/foo "   \
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"

/* A checkpoint of the Go checksum database, and the key that every Go toolchain has. */
#define SUMDB_KEY "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
#define SUMDB                                                                          \
    "go.sum database tree\n35225469\nvt5T6GaLCXvyHFl9VUvvItR43XZxfLgftEcTyO3eJCQ=\n\n" \
    "\xe2\x80\x94 sum.golang.org "                                                     \
    "Az3grpukl5AXaVfYkLiDGORx/DN2nlcS5kZHR5uYOBV2KA2HgXpD+gu9HHONebHLAyaKbbTM75QTtPydhKCExixSfwQ=\n"

#define MARK "\xe2\x80\x94 "
#define LINE MARK "a AAAAAAE=\n"

static enum sherd_err verify(const char *note, const char *key_text)
{
    struct sherd_signature signature;
    struct sherd_signed parts;
    struct sherd_vkey key;

    assert_ok(sherd_vkey_parse(sherd_span_str(key_text), &key));
    assert_ok(sherd_signed_parse(sherd_span_str(note), &parts));
    assert_true(sherd_signed_next(&parts.lines, &signature));
    assert_int_equal(parts.lines.len, 0);
    assert_true(sherd_vkey_signed(&key, &signature));
    return sherd_vkey_verify(&key, parts.text, &signature, NULL);
}

static void test_envelope_signed__published_notes_verify(void **state)
{
    static char changed[] = SUMDB;

    (void)state;
    assert_ok(verify(EXAMPLE, EXAMPLE_KEY));
    assert_ok(verify(SUMDB, SUMDB_KEY));
    changed[25]++; /* the size */
    assert_err(SHERD_ERR_TAMPERED, verify(changed, SUMDB_KEY));
}

static void test_envelope_signed__keys_have_one_text(void **state)
{
    static const char *const texts[] = {EXAMPLE_KEY, SUMDB_KEY};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_vkey key;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(texts); i++) {
        assert_ok(sherd_vkey_parse(sherd_span_str(texts[i]), &key));
        sherd_buf_clear(&text);
        assert_ok(sherd_vkey_append(&key, &text));
        assert_true(sherd_span_equal(sherd_buf_span(&text), sherd_span_str(texts[i])));
    }
}

static void test_envelope_signed__a_key_of_another_text_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",  /* another id */
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",  /* upper case */
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",  /* another name */
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l",  /* bits left over, or another key */
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k ", /* something behind */
        " example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k=",
        "example.com/foo+530d903a+Aeky", /* a short key */
        "a+00000000+BgAA",               /* one of another kind */
    };
    struct sherd_vkey key;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(texts); i++)
        assert_err(SHERD_ERR_INVALID, sherd_vkey_parse(sherd_span_str(texts[i]), &key));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_vkey_parse(sherd_span_str("a+00000000+CQAA"), &key));
}

static void test_envelope_signed__names_have_no_blanks(void **state)
{
    static const char *const bad[] = {
        "",
        "a b",
        "a+b",
        "a\tb",
        "a\nb",
        "a\x7f",
        "\xc2\x85",
        "a\xc2\xa0",
        "\xe1\x9a\x80",
        "\xe2\x80\x83",
        "\xe2\x80\xa8",
        "\xe2\x80\xaf",
        "\xe2\x81\x9f",
        "\xe3\x80\x80",
        "\x80",
        "\xc3",
        "\xc0\xaf",
        "\xe0\x80\xaf",
        "\xed\xa0\x80",
        "\xf4\x90\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xe2\x80",
        "a\xff",
    };
    static const char *const good[] = {"a", "witness.example/w1", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x94\x91", "~"};
    const uint8_t bytes[32] = {0};
    char name[SHERD_VKEY_NAME_BYTES_MAX + 2] = {0};
    struct sherd_vkey key;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_err(SHERD_ERR_INVALID, sherd_vkey_make(SHERD_VKEY_ED25519, sherd_span_str(bad[i]), bytes, &key));
    for (size_t i = 0; i < SHERD_COUNT_OF(good); i++)
        assert_ok(sherd_vkey_make(SHERD_VKEY_ED25519, sherd_span_str(good[i]), bytes, &key));
    memset(name, 'n', SHERD_VKEY_NAME_BYTES_MAX + 1);
    assert_err(SHERD_ERR_INVALID, sherd_vkey_make(SHERD_VKEY_ED25519, sherd_span_str(name), bytes, &key));
    name[SHERD_VKEY_NAME_BYTES_MAX] = 0;
    assert_ok(sherd_vkey_make(SHERD_VKEY_ED25519, sherd_span_str(name), bytes, &key));
}

static void test_envelope_signed__what_is_no_note_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "\n",
        "text\n",
        "text\n\n",                       /* no signature */
        "text\n" LINE,                    /* no empty line */
        "text\n\n" MARK "a AAAAAAE=",     /* the line does not end */
        "text\n\n" MARK "a  AAAAAAE=\n",  /* two blanks */
        "text\n\n" MARK " AAAAAAE=\n",    /* no name */
        "text\n\n" MARK "a+b AAAAAAE=\n", /* no such name */
        "text\n\n" MARK "a\n",            /* no signature on it */
        "text\n\n" MARK "a AAAAAA==\n",   /* an id and nothing else */
        "text\n\n" MARK "a AAAAAAF=\n",   /* bits left over */
        "text\n\n" MARK "a AAAAAAE\n",    /* no padding */
        "text\n\n- a AAAAAAE=\n",         /* another dash */
        "text\n\n" LINE "more\n",         /* something behind */
        "te\txt\n\n" LINE,                /* a control character */
        "te\rxt\n\n" LINE,
        "text\xff\n\n" LINE,
        "text\n\n" LINE "\n",
    };
    struct sherd_signed parts;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(texts); i++)
        assert_err(SHERD_ERR_TAMPERED, sherd_signed_parse(sherd_span_str(texts[i]), &parts));
    assert_err(SHERD_ERR_TAMPERED, sherd_signed_parse(sherd_span_of("te\0xt\n\n" LINE, 7 + sizeof(LINE) - 1), &parts));
}

static void test_envelope_signed__the_last_empty_line_divides(void **state)
{
    struct sherd_signed parts;

    (void)state;
    assert_ok(sherd_signed_parse(sherd_span_str("one\n\ntwo\n\n" LINE LINE), &parts));
    assert_true(sherd_span_equal(parts.text, sherd_span_str("one\n\ntwo\n")));
    assert_true(sherd_span_equal(parts.lines, sherd_span_str(LINE LINE)));
}

static void test_envelope_signed__as_many_signatures_as_there_may_be(void **state)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_signature signature;
    struct sherd_signed parts;
    unsigned count = 0;

    (void)state;
    assert_ok(sherd_text_append(&note, "text\n\n"));
    for (unsigned i = 0; i < SHERD_SIGNATURES_MAX; i++)
        assert_ok(sherd_text_append(&note, LINE));
    assert_ok(sherd_signed_parse(sherd_buf_span(&note), &parts));
    while (sherd_signed_next(&parts.lines, &signature))
        count++;
    assert_int_equal(count, SHERD_SIGNATURES_MAX);
    assert_ok(sherd_text_append(&note, LINE));
    assert_err(SHERD_ERR_TAMPERED, sherd_signed_parse(sherd_buf_span(&note), &parts));
}

/* A signature of a kind that is not known is longer, and in nobody's way. */
static void test_envelope_signed__long_signatures_of_others_are_passed_over(void **state)
{
    static const uint8_t blob[SHERD_SIGNATURE_BLOB_MAX + 1] = {9, 9, 9, 9};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    struct sherd_signature signature;
    struct sherd_signed parts;

    (void)state;
    for (size_t over = 2; over-- > 0;) {
        sherd_buf_clear(&note);
        assert_ok(sherd_text_append(&note, "text\n\n" MARK "pq "));
        assert_ok(sherd_base64_encode(SHERD_BASE64_PADDED, sherd_span_of(blob, SHERD_SIGNATURE_BLOB_MAX + over),
                                      &note));
        assert_ok(sherd_text_append(&note, "\n" LINE));
        assert_int_equal(sherd_signed_parse(sherd_buf_span(&note), &parts) == SHERD_OK, over == 0);
    }
    assert_true(sherd_signed_next(&parts.lines, &signature));
    assert_int_equal(signature.len, SHERD_SIGNATURE_BLOB_MAX - 4);
    assert_true(sherd_signed_next(&parts.lines, &signature));
    assert_int_equal(signature.len, 1);
    assert_false(sherd_signed_next(&parts.lines, &signature));
}

static void test_envelope_signed__cosignatures_say_when(void **state)
{
    static const char text[] = "log.example\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const struct sherd_vkey witness = key_of(2, SHERD_VKEY_COSIGNED, "witness.example");
    const struct sherd_vkey plain = key_of(2, SHERD_VKEY_ED25519, "witness.example");
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf line = {0};
    struct sherd_signature signature;
    uint8_t seed[SHERD_SIGN_SEED_SIZE];
    uint64_t time_s = 0;

    (void)state;
    key_seed(2, seed);
    assert_err(SHERD_ERR_INVALID, sherd_cosign(sherd_span_str("a b"), seed, 1, sherd_span_str(text), &line));
    assert_err(SHERD_ERR_INVALID,
               sherd_cosign(witness.name, seed, (uint64_t)INT64_MAX + 1, sherd_span_str(text), &line));
    assert_int_equal(line.len, 0);
    assert_ok(sherd_cosign(witness.name, seed, 1679315147, sherd_span_str(text), &line));
    struct sherd_span rest = sherd_buf_span(&line);
    assert_true(sherd_signed_next(&rest, &signature));
    assert_int_equal(signature.len, SHERD_COSIGNATURE_SIZE);
    assert_true(sherd_vkey_signed(&witness, &signature));
    assert_false(sherd_vkey_signed(&plain, &signature)); /* the same name and key for another purpose: another id */
    assert_ok(sherd_vkey_verify(&witness, sherd_span_str(text), &signature, &time_s));
    assert_int_equal(time_s, 1679315147);
    assert_err(SHERD_ERR_TAMPERED, sherd_vkey_verify(&plain, sherd_span_str(text), &signature, NULL));

    /* What it signs, by hand. */
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf message = {0};
    assert_ok(sherd_text_append(&message, "cosignature/v1\ntime 1679315147\n"));
    assert_ok(sherd_text_append(&message, text));
    assert_ok(sherd_sign_verify(witness.key, sherd_buf_span(&message), signature.bytes + 8));

    signature.bytes[7] ^= 1; /* another time */
    assert_err(SHERD_ERR_TAMPERED, sherd_vkey_verify(&witness, sherd_span_str(text), &signature, &time_s));
    signature.bytes[7] ^= 1;
    signature.bytes[0] |= 0x80; /* a time that there is not */
    assert_err(SHERD_ERR_TAMPERED, sherd_vkey_verify(&witness, sherd_span_str(text), &signature, &time_s));
    signature.bytes[0] &= 0x7f;
    signature.len--;
    assert_err(SHERD_ERR_TAMPERED, sherd_vkey_verify(&witness, sherd_span_str(text), &signature, &time_s));
    assert_int_equal(time_s, 1679315147);
}

/* The cosigned_message of C2SP tlog-cosignature, by hand. */
static const char cosigned_text[] = "log.example\n259\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
#define COSIGNED_HEAD                              \
    "subtree/v1\n\0"                               \
    "\x0fwitness.example"                          \
    "\x00\x00\x00\x00\x64\x18\x50\xcb"             \
    "\x0blog.example"                              \
    "\x00\x00\x00\x00\x00\x00\x00\x00"             \
    "\x00\x00\x00\x00\x00\x00\x01\x03"             \
    "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a" \
    "\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15" \
    "\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"

/* Where OpenSSL has no ML-DSA-44, keys can be written, for their text is text, but nobody is told that one would do. */
static void assert_mldsa_is_refused(void)
{
    static const uint8_t seed[SHERD_MLDSA_SEED_SIZE] = {1};
    const struct sherd_span text = sherd_span_str(cosigned_text);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf out = {0};
    struct sherd_signature signature = {.len = SHERD_MLDSA_COSIGNATURE_SIZE};
    struct sherd_vkey vkey = {.type = SHERD_VKEY_MLDSA, .name = sherd_span_str("witness.example")};

    assert_err(SHERD_ERR_UNSUPPORTED, sherd_vkey_verify(&vkey, text, &signature, NULL));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_cosign_mldsa(vkey.name, seed, 1, text, &out));
    assert_int_equal(out.len, 0);
    key_of_elsewhere(&out, "witness.example");
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_vkey_parse(sherd_buf_span(&out), &vkey));
    assert_non_null(strstr(sherd_err_detail(), "OpenSSL 3.5"));
    assert_int_equal(vkey.key[0], 0);
}

static void test_envelope_signed__mldsa_signs_what_c2sp_says(void **state)
{
    const struct sherd_span text = sherd_span_str(cosigned_text);
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf line = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    struct sherd_signature signature;
    uint8_t seed[SHERD_MLDSA_SEED_SIZE];
    struct sherd_vkey again;
    uint64_t time_s = 0;

    (void)state;
    if (!has_mldsa()) {
        assert_mldsa_is_refused();
        return;
    }
    const struct sherd_vkey witness = key_of(2, SHERD_VKEY_MLDSA, "witness.example");
    key_seed(2, seed);
    assert_ok(sherd_cosign_mldsa(witness.name, seed, 1679315147, text, &line));
    struct sherd_span rest = sherd_buf_span(&line);
    assert_true(sherd_signed_next(&rest, &signature));
    assert_int_equal(rest.len, 0);
    assert_int_equal(signature.len, SHERD_MLDSA_COSIGNATURE_SIZE);
    assert_true(sherd_vkey_signed(&witness, &signature));
    assert_ok(sherd_vkey_verify(&witness, text, &signature, &time_s));
    assert_int_equal(time_s, 1679315147);
    assert_ok(sherd_mldsa_verify(witness.key, sherd_span_of(COSIGNED_HEAD, sizeof(COSIGNED_HEAD) - 1),
                                 signature.bytes + 8));

    uint8_t message[sizeof(COSIGNED_HEAD) - 1]; /* of a time that there is not, and well signed */
    memcpy(message, COSIGNED_HEAD, sizeof(message));
    message[28] = signature.bytes[0] = 0x80;
    assert_ok(sherd_mldsa_sign(seed, sherd_span_of(message, sizeof(message)), true, signature.bytes + 8));
    assert_err(SHERD_ERR_TAMPERED, sherd_vkey_verify(&witness, text, &signature, &time_s));

    key_append(&key, 2, SHERD_VKEY_MLDSA, "witness.example");
    assert_ok(sherd_vkey_parse(sherd_buf_span(&key), &again));
    assert_memory_equal(again.key, witness.key, sizeof(again.key));
    key.data[key.len - 9] ^= 1; /* another key, and the id of the first */
    assert_err(SHERD_ERR_INVALID, sherd_vkey_parse(sherd_buf_span(&key), &again));
}

/* Name, time, origin, size and root are signed; further lines of a checkpoint are not, says C2SP. */
static void test_envelope_signed__mldsa_signs_nothing_else(void **state)
{
    static const char *const others[] = {
        "log.examplf\n259\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log.example\n260\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log.example\n259\nAQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log.example\n259\n",
        "a letter\n",
        "\n259\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    };
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf line = {0};
    const struct sherd_span text = sherd_span_str(cosigned_text);
    struct sherd_signature signature;
    uint8_t seed[SHERD_MLDSA_SEED_SIZE];

    (void)state;
    key_seed(2, seed);
    if (!has_mldsa()) {
        assert_mldsa_is_refused();
        return;
    }
    struct sherd_vkey witness = key_of(2, SHERD_VKEY_MLDSA, "witness.example");
    for (size_t i = 3; i < SHERD_COUNT_OF(others); i++)
        assert_err(SHERD_ERR_INVALID, sherd_cosign_mldsa(witness.name, seed, 1, sherd_span_str(others[i]), &line));
    assert_err(SHERD_ERR_INVALID, sherd_cosign_mldsa(witness.name, seed, (uint64_t)INT64_MAX + 1, text, &line));
    assert_err(SHERD_ERR_INVALID, sherd_cosign_mldsa(sherd_span_str("a b"), seed, 1, text, &line));
    assert_int_equal(line.len, 0);
    assert_ok(sherd_cosign_mldsa(witness.name, seed, 7, text, &line));
    struct sherd_span rest = sherd_buf_span(&line);
    assert_true(sherd_signed_next(&rest, &signature));
    for (size_t i = 0; i < SHERD_COUNT_OF(others); i++)
        assert_err(SHERD_ERR_TAMPERED, sherd_vkey_verify(&witness, sherd_span_str(others[i]), &signature, NULL));
    for (size_t i = 0; i < SHERD_MLDSA_COSIGNATURE_SIZE; i += i < 16 ? 1 : 97) {
        signature.bytes[i] ^= 0x80;
        assert_err(SHERD_ERR_TAMPERED, sherd_vkey_verify(&witness, text, &signature, NULL));
        signature.bytes[i] ^= 0x80;
    }
    signature.len--;
    assert_err(SHERD_ERR_TAMPERED, sherd_vkey_verify(&witness, text, &signature, NULL));
    signature.len++;
    assert_ok(sherd_vkey_verify(&witness, text, &signature, NULL));
    witness.name = sherd_span_str("witness.exampl3"); /* another's, with the same key */
    assert_err(SHERD_ERR_TAMPERED, sherd_vkey_verify(&witness, text, &signature, NULL));
}

/* --- notes of one key (note.h) ------------------------------------------------------------------------------------ */

static void one_key(uint8_t seed[SHERD_SIGN_SEED_SIZE], const char *name, struct sherd_buf *out_text)
{
    uint8_t public_key[SHERD_SIGN_PUBLIC_SIZE];

    key_seed(5, seed);
    assert_ok(sherd_sign_public(seed, public_key));
    assert_ok(sherd_note_key_text(name, public_key, out_text));
}

/* Whatever may be a name and a text there may be one here, and both readers take it for the same. */
static void test_envelope_signed_note__is_what_its_parts_are(void **state)
{
    static const char *const names[] = {"a", "\xc3\xa9.example", "sherd.example/log"};
    static const char *const texts[] = {"line\n", "\xe2\x82\xac\n", "two\n\nparts\n", "ends empty\n\n", "\n"};
    uint8_t seed[SHERD_SIGN_SEED_SIZE];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(names) * SHERD_COUNT_OF(texts); i++) {
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
        SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
        const char *text = texts[i / SHERD_COUNT_OF(names)];
        struct sherd_signed parts;
        struct sherd_span found;

        one_key(seed, names[i % SHERD_COUNT_OF(names)], &key);
        assert_ok(sherd_note_sign(names[i % SHERD_COUNT_OF(names)], seed, sherd_span_str(text), &note));
        assert_ok(sherd_signed_parse(sherd_buf_span(&note), &parts));
        assert_true(sherd_span_equal(parts.text, sherd_span_str(text)));
        assert_ok(sherd_note_verify(sherd_buf_span(&note), sherd_buf_span(&key), &found));
        assert_true(sherd_span_equal(found, sherd_span_str(text)));
    }
}

static void test_envelope_signed_note__what_is_no_text_is_not_signed(void **state)
{
    static const char *const bad[] = {"", "no end", "te\xfft\n", "\xc0\xaf\n", "te\tt\n", "te\rt\n"};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    const uint8_t seed[SHERD_SIGN_SEED_SIZE] = {1};

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_err(SHERD_ERR_INVALID, sherd_note_sign("a", seed, sherd_span_str(bad[i]), &note));
    assert_err(SHERD_ERR_INVALID, sherd_note_sign("a b", seed, sherd_span_str("text\n"), &note));
    assert_err(SHERD_ERR_INVALID, sherd_note_sign("", seed, sherd_span_str("text\n"), &note));
    assert_int_equal(note.len, 0);
}

static void test_envelope_signed_note__is_refused_where_the_parts_are(void **state)
{
    static const char *const bad[] = {"text\n", "text\n\n", "te\xfft\n\n" LINE, "text\n\n" LINE "more\n",
                                      "text\n\n" LINE};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    uint8_t seed[SHERD_SIGN_SEED_SIZE];
    struct sherd_span text;

    (void)state;
    one_key(seed, "a", &key);
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_err(SHERD_ERR_TAMPERED, sherd_note_verify(sherd_span_str(bad[i]), sherd_buf_span(&key), &text));
    assert_ok(sherd_note_sign("a", seed, sherd_span_str("text\n"), &note));
    note.data[note.len - 4]++;
    assert_err(SHERD_ERR_TAMPERED, sherd_note_verify(sherd_buf_span(&note), sherd_buf_span(&key), &text));
    assert_err(SHERD_ERR_TAMPERED, sherd_note_verify(sherd_span_str(EXAMPLE), sherd_buf_span(&key), &text));
    assert_ok(sherd_note_verify(sherd_span_str(EXAMPLE), sherd_span_str(" " EXAMPLE_KEY "\n"), &text));
    for (const char *const *none = (const char *const[]){"", "x", "a+b+c", EXAMPLE_KEY "=", NULL}; *none != NULL;
         none++)
        assert_err(SHERD_ERR_INVALID, sherd_note_verify(sherd_span_str(EXAMPLE), sherd_span_str(*none), &text));
    sherd_buf_clear(&note);
    key_append(&note, 1, SHERD_VKEY_COSIGNED, "w");
    assert_err(SHERD_ERR_INVALID, sherd_note_verify(sherd_span_str(EXAMPLE), sherd_buf_span(&note), &text));
}

static void test_envelope_signed__decimals_and_digests_have_one_text(void **state)
{
    static const char *const bad[] = {
        "", "00", "01", "-1", "+1", " 1", "1 ", "1x", "18446744073709551616", "99999999999999999999"};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {0};
    struct sherd_digest digest = {{1}};
    struct sherd_digest back;
    uint64_t number = 7;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_false(sherd_decimal_parse(sherd_span_str(bad[i]), &number));
    assert_int_equal(number, 7);
    assert_true(sherd_decimal_parse(sherd_span_str("0"), &number) && number == 0);
    assert_true(sherd_decimal_parse(sherd_span_str("18446744073709551615"), &number) && number == UINT64_MAX);
    assert_ok(sherd_decimal_append(&text, UINT64_MAX));
    assert_true(sherd_span_equal(sherd_buf_span(&text), sherd_span_str("18446744073709551615")));
    sherd_buf_clear(&text);
    assert_ok(sherd_digest_append(&text, &digest));
    assert_true(sherd_digest_parse(sherd_buf_span(&text), &back));
    assert_memory_equal(&digest, &back, sizeof(back));
    assert_false(sherd_digest_parse(sherd_span_of(text.data, 40), &back));
    assert_false(sherd_digest_parse(sherd_span_str("AAAA"), &back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_signed__published_notes_verify),
        cmocka_unit_test(test_envelope_signed__keys_have_one_text),
        cmocka_unit_test(test_envelope_signed__a_key_of_another_text_is_refused),
        cmocka_unit_test(test_envelope_signed__names_have_no_blanks),
        cmocka_unit_test(test_envelope_signed__what_is_no_note_is_refused),
        cmocka_unit_test(test_envelope_signed__the_last_empty_line_divides),
        cmocka_unit_test(test_envelope_signed__as_many_signatures_as_there_may_be),
        cmocka_unit_test(test_envelope_signed__long_signatures_of_others_are_passed_over),
        cmocka_unit_test(test_envelope_signed__cosignatures_say_when),
        cmocka_unit_test(test_envelope_signed__mldsa_signs_what_c2sp_says),
        cmocka_unit_test(test_envelope_signed__mldsa_signs_nothing_else),
        cmocka_unit_test(test_envelope_signed_note__is_what_its_parts_are),
        cmocka_unit_test(test_envelope_signed_note__what_is_no_text_is_not_signed),
        cmocka_unit_test(test_envelope_signed_note__is_refused_where_the_parts_are),
        cmocka_unit_test(test_envelope_signed__decimals_and_digests_have_one_text),
    };

    return cmocka_run_group_tests(tests, tree_setup, NULL);
}
