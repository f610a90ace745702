/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of records that only their recipient opens: there and back in any length, without an identity, with another's,
 * on update; and what somebody can do who has all keys of the vault, and the identity alone not.
 */
#include "base/bytes.h"
#include "cryptor/sealed.h"
#include "cryptor/version.h"
#include "cryptor/load.h"
#include "vault.h"

static const char marker[] = "a marker that stands nowhere unless it was opened";

struct pair {
    struct sherd_buf own;
    char recipient[SHERD_RECIPIENT_TEXT_BYTES_MAX + 1];
    struct sherd_identity *identity;
};

static void pair_new(struct pair *pair)
{
    struct sherd_buf text = sherd_buf_borrow(pair->recipient, SHERD_RECIPIENT_TEXT_BYTES_MAX);

    *pair = (struct pair){0};
    assert_ok(sherd_identity_new(SHERD_IDENTITY_X25519, &pair->own, &text));
    assert_ok(sherd_identity_parse(sherd_buf_span(&pair->own), &pair->identity));
}

static void pair_done(struct pair *pair)
{
    sherd_identity_free(pair->identity);
    sherd_buf_done(&pair->own);
}

static struct sherd_uuid put_to(struct vault_test *test, const char *recipient, struct sherd_span content)
{
    const struct sherd_record_meta meta = {.recipient = recipient};
    struct sherd_uuid id;

    assert_ok(sherd_record_put(test->vault, &meta, content, &id));
    return id;
}

/* The code of a get, which on failure gives no byte. */
static enum sherd_err get_with(struct vault_test *test, struct sherd_uuid id, const struct sherd_read_options *options,
                               struct sherd_buf *found)
{
    assert_ok(sherd_buf_append(found, sherd_span_str("before")));
    const enum sherd_err err = sherd_record_get_with(test->vault, id, options, found);

    assert_memory_equal(found->data, "before", 6);
    if (err != SHERD_OK)
        assert_int_equal(found->len, 6);
    return err;
}

static enum sherd_err get_as(struct vault_test *test, struct sherd_uuid id, const struct sherd_identity *identity)
{
    const struct sherd_read_options options = {.identity = identity};
    struct sherd_buf found = {0};
    const enum sherd_err err = get_with(test, id, &options, &found);

    sherd_buf_done(&found);
    return err;
}

static void assert_opens(struct vault_test *test, struct sherd_uuid id, uint64_t version,
                         const struct sherd_identity *identity, struct sherd_span expected)
{
    const struct sherd_read_options options = {.version = version, .identity = identity};
    struct sherd_buf found = {0};

    assert_ok(get_with(test, id, &options, &found));
    assert_int_equal(found.len, 6 + expected.len);
    if (expected.len > 0)
        assert_true(memcmp(found.data + 6, expected.data, expected.len) == 0);
    sherd_buf_done(&found);
}

static void assert_recipient(struct vault_test *test, struct sherd_uuid id, const char *recipient, uint64_t bytes)
{
    struct sherd_record_info *info = NULL;

    assert_ok(sherd_record_stat(test->vault, id, 0, &info));
    assert_string_equal(info->recipient, recipient);
    assert_int_equal(info->content_bytes, bytes);
    sherd_record_info_free(info);
}

/* ---- there and back ---------------------------------------------------------------------------------------------- */

static const size_t lengths[] = {0,     1,        49,       16383,          16384,  16385,
                                 32768, 61 << 10, 62 << 10, (62 << 10) + 1, 65535,  65536,
                                 65537, 200000,   1048576,  1 << 21,        3000001};
#define LENGTH_MAX ((size_t)3000001)

static void test_cryptor_sealed__gives_back_any_length(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(LENGTH_MAX);
    struct pair pair;

    pair_new(&pair);
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        const struct sherd_span content = sherd_span_of(block, lengths[i]);

        vault_fill(block, lengths[i], i);
        const struct sherd_uuid id = put_to(test, pair.recipient, content);
        assert_opens(test, id, 0, pair.identity, content);
        assert_recipient(test, id, pair.recipient, lengths[i]);
        assert_err(SHERD_ERR_DENIED, get_as(test, id, NULL));
        assert_err(SHERD_ERR_DENIED, vault_get(test, id, 0));
    }
    vault_reopen(test);
    vault_assert_clean(test, 0); /* and that without an identity */
    pair_done(&pair);
    test_free(block);
}

static void write_in_pieces(struct sherd_writer *writer, struct sherd_span content, size_t piece)
{
    while (content.len > 0) {
        struct sherd_span part;

        assert_true(sherd_span_take(&content, content.len < piece ? content.len : piece, &part));
        assert_ok(sherd_writer_append(writer, part));
    }
}

static void test_cryptor_sealed_writer__takes_pieces_of_any_size(void **state)
{
    static const size_t pieces[] = {1000, 16384, 16385, 40000, 1 << 20};
    static const size_t totals[] = {0, 100, 50000, 65536, 300000};
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(300000);
    struct pair pair;

    pair_new(&pair);
    vault_fill(block, 300000, 7);
    const struct sherd_record_meta meta = {.recipient = pair.recipient};
    for (size_t i = 0; i < SHERD_COUNT_OF(pieces); i++) {
        for (size_t j = 0; j < SHERD_COUNT_OF(totals); j++) {
            struct sherd_writer *writer = NULL;
            struct sherd_uuid id;

            assert_ok(sherd_writer_begin(test->vault, &meta, &writer));
            write_in_pieces(writer, sherd_span_of(block, totals[j]), pieces[i]);
            assert_ok(sherd_writer_commit(writer, &id, NULL));
            assert_opens(test, id, 0, pair.identity, sherd_span_of(block, totals[j]));
        }
    }
    pair_done(&pair);
    test_free(block);
}

static void assert_range(struct sherd_reader *reader, const uint8_t *content, size_t len, uint64_t offset, size_t want)
{
    const size_t there = offset < len ? len - (size_t)offset : 0;
    uint8_t *block = test_malloc(want + 1);
    size_t got = 0;

    assert_ok(sherd_reader_read(reader, offset, block, want, &got));
    assert_int_equal(got, want < there ? want : there);
    if (got > 0)
        assert_true(memcmp(block, content + offset, got) == 0);
    test_free(block);
}

static void test_cryptor_sealed_reader__reads_any_range(void **state)
{
    static const uint64_t offsets[] = {0, 1, 16383, 16384, 16385, 49152, 1048575, 1999999, 2000000, 2000001};
    static const size_t wants[] = {0, 1, 16384, 16385, 40000, 1 << 20, 3 << 20};
    struct vault_test *test = *state;
    const size_t len = 2000000;
    uint8_t *content = test_malloc(len);
    struct sherd_reader *reader = NULL;
    uint64_t bytes = 0;
    struct pair pair;

    pair_new(&pair);
    vault_fill(content, len, 3);
    const struct sherd_read_options options = {.identity = pair.identity};
    const struct sherd_uuid id = put_to(test, pair.recipient, sherd_span_of(content, len));
    assert_ok(sherd_reader_open_with(test->vault, id, &options, &reader, &bytes));
    assert_int_equal(bytes, len);
    for (size_t i = 0; i < SHERD_COUNT_OF(offsets); i++)
        for (size_t j = 0; j < SHERD_COUNT_OF(wants); j++)
            assert_range(reader, content, len, offsets[i], wants[j]);
    sherd_reader_close(reader);
    pair_done(&pair);
    test_free(content);
}

/* ---- who opens --------------------------------------------------------------------------------------------------- */

static void test_cryptor_sealed__opens_for_the_recipient_alone(void **state)
{
    struct vault_test *test = *state;
    struct pair pair;
    struct pair other;

    pair_new(&pair);
    pair_new(&other);
    const struct sherd_uuid id = put_to(test, pair.recipient, sherd_span_str(marker));
    assert_err(SHERD_ERR_DENIED, get_as(test, id, NULL));
    assert_non_null(strstr(sherd_err_detail(), "--identity"));
    assert_err(SHERD_ERR_DENIED, get_as(test, id, other.identity));
    assert_non_null(strstr(sherd_err_detail(), "another recipient"));
    assert_opens(test, id, 0, pair.identity, sherd_span_str(marker));

    const struct sherd_uuid open = vault_put(test, NULL, "for all");
    assert_opens(test, open, 0, pair.identity, sherd_span_str("for all"));
    pair_done(&other);
    pair_done(&pair);
}

static void test_cryptor_sealed__takes_any_of_several_keys(void **state)
{
    struct vault_test *test = *state;
    struct sherd_identity *both = NULL;
    struct sherd_buf text = {0};
    struct pair pair;
    struct pair other;

    pair_new(&pair);
    pair_new(&other);
    assert_ok(sherd_buf_append(&text, sherd_buf_span(&other.own)));
    assert_ok(sherd_buf_append(&text, sherd_span_str("\r\n# mine\r\n")));
    assert_ok(sherd_buf_append(&text, sherd_buf_span(&pair.own)));
    assert_ok(sherd_identity_parse(sherd_buf_span(&text), &both));
    assert_opens(test, put_to(test, pair.recipient, sherd_span_str("a")), 0, both, sherd_span_str("a"));
    assert_opens(test, put_to(test, other.recipient, sherd_span_str("b")), 0, both, sherd_span_str("b"));
    sherd_identity_free(both);
    sherd_buf_done(&text);
    pair_done(&other);
    pair_done(&pair);
}

static void test_cryptor_sealed__refuses_what_is_no_recipient(void **state)
{
    /* a good text of 32 zero bytes: a point with which every secret is zero */
    static const char *const nobody[] = {"", "age1", "None",
                                         "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqk",
                                         "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"};
    struct vault_test *test = *state;
    struct sherd_kem_public zero = {.kem = SHERD_KEM_X25519};
    struct sherd_buf text = {0};
    struct sherd_uuid id;

    for (size_t i = 0; i < SHERD_COUNT_OF(nobody); i++) {
        const struct sherd_record_meta meta = {.recipient = nobody[i]};

        assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    }
    assert_ok(sherd_recipient_text(&zero, &text));
    assert_ok(sherd_buf_append(&text, sherd_span_of("", 1)));
    const struct sherd_record_meta meta = {.recipient = (const char *)text.data};
    struct sherd_writer *writer = NULL;
    assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    assert_err(SHERD_ERR_INVALID, sherd_writer_begin(test->vault, &meta, &writer));
    assert_null(writer);
    sherd_buf_done(&text);
    vault_assert_clean(test, 0);
}

/* With an OpenSSL that has ML-KEM it goes there and back; with another it is refused, and said why. */
static void test_cryptor_sealed__xwing_where_openssl_has_it(void **state)
{
    struct vault_test *test = *state;
    struct sherd_kem_public to = {.kem = SHERD_KEM_XWING, .bytes = {1}};
    struct sherd_identity *identity = NULL;
    struct sherd_buf own = {0};
    struct sherd_buf text = {0};
    struct sherd_uuid id;
    const enum sherd_err err = sherd_identity_new(SHERD_IDENTITY_XWING, &own, &text);

    if (err != SHERD_OK)
        assert_ok(sherd_recipient_text(&to, &text));
    assert_ok(sherd_buf_append(&text, sherd_span_of("", 1)));
    const struct sherd_record_meta meta = {.recipient = (const char *)text.data};
    if (!sherd_kem_supported(SHERD_KEM_XWING)) {
        assert_int_equal(err, SHERD_ERR_UNSUPPORTED);
        assert_err(SHERD_ERR_UNSUPPORTED, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    } else {
        assert_ok(err);
        assert_ok(sherd_identity_parse(sherd_buf_span(&own), &identity));
        id = put_to(test, meta.recipient, sherd_span_str(marker));
        assert_opens(test, id, 0, identity, sherd_span_str(marker));
        assert_recipient(test, id, meta.recipient, strlen(marker));
    }
    vault_assert_clean(test, 0);
    sherd_identity_free(identity);
    sherd_buf_done(&own);
    sherd_buf_done(&text);
}

static void test_cryptor_sealed__goes_with_no_idempotency_key(void **state)
{
    struct vault_test *test = *state;
    struct sherd_writer *writer = NULL;
    struct sherd_uuid id;
    struct pair pair;

    pair_new(&pair);
    const struct sherd_record_meta meta = {.recipient = pair.recipient, .idempotency_key = sherd_span_str("k")};
    assert_err(SHERD_ERR_INVALID, sherd_record_put(test->vault, &meta, sherd_span_str("x"), &id));
    assert_err(SHERD_ERR_INVALID, sherd_writer_begin(test->vault, &meta, &writer));
    pair_done(&pair);
}

static void test_cryptor_sealed_batch__seals_each(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_calloc(1, SHERD_BATCH_CONTENT_BYTES_MAX);
    struct pair pair;

    pair_new(&pair);
    const struct sherd_record_meta meta = {.recipient = pair.recipient};
    struct sherd_batch_item items[] = {{.meta = &meta, .content = sherd_span_str(marker)},
                                       {.content = sherd_span_str("for all")},
                                       {.meta = &meta, .content = sherd_span_of(block, SHERD_BATCH_SEALED_BYTES_MAX)}};
    assert_ok(sherd_record_put_batch(test->vault, items, 3));
    assert_opens(test, items[0].id, 0, pair.identity, items[0].content);
    assert_opens(test, items[2].id, 0, pair.identity, items[2].content);
    vault_assert_text(test, items[1].id, 0, "for all");
    assert_err(SHERD_ERR_DENIED, vault_get(test, items[0].id, 0));
    items[2].content.len++;
    assert_err(SHERD_ERR_LIMIT, sherd_record_put_batch(test->vault, items, 3));
    pair_done(&pair);
    test_free(block);
}

/* ---- updates ----------------------------------------------------------------------------------------------------- */

static void update(struct vault_test *test, struct sherd_uuid id, const struct sherd_record_meta *meta,
                   const char *text)
{
    assert_ok(sherd_record_update(test->vault, id, 0, meta, sherd_span_str(text), NULL));
}

static void test_cryptor_sealed_update__keeps_or_replaces_the_recipient(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_record_meta typed = {.collection = "kept", .content_type = "text/plain"};
    struct pair pair;
    struct pair other;

    pair_new(&pair);
    pair_new(&other);
    vault_collection(test, "kept", 0, false);
    const struct sherd_uuid id = vault_put(test, &typed, "1 for all");
    update(test, id, &(struct sherd_record_meta){.recipient = pair.recipient}, "2 to one");
    update(test, id, NULL, "3 kept");
    update(test, id, &(struct sherd_record_meta){.content_type = "a/b"}, "4 kept with another type");
    assert_recipient(test, id, pair.recipient, 24);
    update(test, id, &(struct sherd_record_meta){.recipient = other.recipient}, "5 to another");
    update(test, id, &(struct sherd_record_meta){.recipient = SHERD_RECIPIENT_NONE}, "6 for all again");
    assert_recipient(test, id, "", 15);

    vault_assert_text(test, id, 1, "1 for all");
    assert_opens(test, id, 2, pair.identity, sherd_span_str("2 to one"));
    assert_opens(test, id, 3, pair.identity, sherd_span_str("3 kept"));
    assert_opens(test, id, 4, pair.identity, sherd_span_str("4 kept with another type"));
    assert_opens(test, id, 5, other.identity, sherd_span_str("5 to another"));
    vault_assert_text(test, id, 6, "6 for all again");
    for (uint64_t version = 2; version <= 5; version++)
        assert_err(SHERD_ERR_DENIED, vault_get(test, id, version));
    vault_assert_clean(test, 0);
    pair_done(&other);
    pair_done(&pair);
}

static void test_cryptor_sealed_update__seals_any_length_to_the_recipient_it_keeps(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(LENGTH_MAX);
    struct pair pair;

    pair_new(&pair);
    const struct sherd_uuid id = put_to(test, pair.recipient, sherd_span_str("x"));
    for (size_t i = 0; i < SHERD_COUNT_OF(lengths); i++) {
        const struct sherd_span content = sherd_span_of(block, lengths[i]);

        vault_fill(block, lengths[i], i);
        assert_ok(sherd_record_update(test->vault, id, 0, NULL, content, NULL));
        assert_opens(test, id, 0, pair.identity, content);
        assert_err(SHERD_ERR_DENIED, vault_get(test, id, 0));
    }
    pair_done(&pair);
    test_free(block);
}

/* ---- who has all keys of the vault ------------------------------------------------------------------------------- */

static struct sherd_buf raw_of(struct vault_test *test, struct sherd_uuid id)
{
    const struct sherd_read_options options = {.raw = true};
    struct sherd_buf raw = {0};

    assert_ok(sherd_record_get_with(test->vault, id, &options, &raw));
    return raw;
}

static void assert_versions(struct vault_test *test, struct sherd_uuid id, const struct pair *pair,
                            const struct sherd_span contents[static 2])
{
    for (uint64_t version = 1; version <= 2; version++)
        assert_opens(test, id, version, pair->identity, contents[version - 1]);
    assert_recipient(test, id, pair->recipient, contents[1].len);
    assert_err(SHERD_ERR_DENIED, get_as(test, id, NULL));
}

static struct sherd_pin pin_of(struct vault_test *test, struct sherd_uuid id, uint64_t version)
{
    struct sherd_pin_view view;

    assert_ok(test->vault->anchor->ops->pin_get(test->vault->anchor, id, version, &view, NULL));
    return view.pin;
}

/* The vault has no identity: it seals anew what it keeps, which stays what the recipient was sent, byte for byte. */
static void test_cryptor_sealed_rekey__deep_leaves_it_sealed_to_the_recipient(void **state)
{
    static const size_t seconds[] = {0, 5000, 65536, 3000001}; /* in entries and in blobs */
    const struct sherd_rekey_options deep = {.deep = true};
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(LENGTH_MAX);
    struct pair pair;

    pair_new(&pair);
    vault_collection(test, "kept", 0, false);
    for (size_t i = 0; i < SHERD_COUNT_OF(seconds); i++) {
        const struct sherd_record_meta meta = {.collection = "kept", .entity = "pat", .recipient = pair.recipient};
        const struct sherd_span contents[] = {sherd_span_str(marker), sherd_span_of(block, seconds[i])};
        struct sherd_rekey_stat stat;
        struct sherd_uuid id;

        vault_fill(block, seconds[i], i);
        assert_ok(sherd_record_put(test->vault, &meta, contents[0], &id));
        assert_ok(sherd_record_update(test->vault, id, 1, NULL, contents[1], NULL));
        const struct sherd_pin before = pin_of(test, id, 2);
        struct sherd_buf raw = raw_of(test, id);
        assert_ok(sherd_rekey(test->vault, &deep, NULL, NULL, &stat));
        assert_int_equal(stat.sealed_count, 3 * i + 2);
        vault_reopen(test);
        const struct sherd_pin after = pin_of(test, id, 2);
        struct sherd_buf raw_after = raw_of(test, id);
        assert_false(sherd_same(&after.digest, &before.digest, sizeof(after.digest)));
        assert_false(sherd_same(&after.map, &before.map, sizeof(after.map)));
        assert_true(sherd_same(&after.entity, &before.entity, sizeof(after.entity)));
        assert_int_equal(after.version, 2);
        assert_true(sherd_span_equal(sherd_buf_span(&raw), sherd_buf_span(&raw_after)));
        assert_versions(test, id, &pair, contents);
        assert_ok(sherd_record_update(test->vault, id, 2, NULL, sherd_span_str("three"), NULL));
        assert_opens(test, id, 3, pair.identity, sherd_span_str("three")); /* the recipient is inherited as before */
        sherd_buf_done(&raw);
        sherd_buf_done(&raw_after);
    }
    vault_assert_clean(test, 0);
    pair_done(&pair);
    test_free(block);
}

static void test_cryptor_sealed_raw__holds_nothing_that_was_sealed(void **state)
{
    struct vault_test *test = *state;
    struct sherd_buf content = {0};
    struct pair pair;

    pair_new(&pair);
    for (unsigned i = 0; i < 4000; i++)
        assert_ok(sherd_buf_append(&content, sherd_span_str(marker)));
    for (size_t len = strlen(marker); len <= content.len; len *= 20) {
        const struct sherd_uuid id = put_to(test, pair.recipient, sherd_span_of(content.data, len));
        struct sherd_buf raw = raw_of(test, id);

        assert_int_equal(raw.len, sherd_recipient_sealed_bytes(SHERD_KEM_X25519, len));
        assert_null(memmem(raw.data, raw.len, marker, 8));
        sherd_buf_done(&raw);
    }
    sherd_buf_done(&content);
    pair_done(&pair);
}

/*
 * Seals the outer layer over a stream of the attacker's, as the next version of a record, with all keys of the vault.
 */
static void forge(struct vault_test *test, struct sherd_version *version, struct sherd_span stream)
{
    assert_ok(sherd_version_seal_inline(test->vault, version, stream));
    assert_ok(sherd_version_commit(test->vault, version, 1));
    sherd_version_done(version);
}

/* The next version of a record, and the stream that its recipient would accept as that. */
static void forge_begin(struct vault_test *test, struct sherd_uuid id, struct sherd_span content,
                        struct sherd_version *version, struct sherd_buf *stream)
{
    struct sherd_kem_public recipient;
    struct sherd_context context;

    *version = (struct sherd_version){0};
    assert_ok(sherd_version_begin_update(test->vault, id, 0, NULL, version));
    assert_ok(sherd_recipient_decode(version->map.recipient, &recipient));
    sherd_sealed_context(test->vault, &version->change.pin, &context);
    sherd_buf_clear(stream);
    assert_ok(sherd_seal_whole(&recipient, &context, content, stream));
}

static void test_cryptor_sealed_tamper__any_byte_changed_under_the_vaults_keys_is_seen(void **state)
{
    struct vault_test *test = *state;
    const struct sherd_span content = sherd_span_str(marker);
    struct sherd_buf stream = {0};
    struct sherd_version version;
    struct pair pair;

    pair_new(&pair);
    const struct sherd_uuid id = put_to(test, pair.recipient, content);
    forge_begin(test, id, content, &version, &stream);
    forge(test, &version, sherd_buf_span(&stream));
    assert_opens(test, id, 0, pair.identity, content); /* unchanged, it is as good as the owner's */
    for (size_t i = 0; i < sherd_recipient_sealed_bytes(SHERD_KEM_X25519, content.len); i++) {
        forge_begin(test, id, content, &version, &stream);
        stream.data[i] ^= (uint8_t)(1U << i % 7); /* not the top bit of a point's last byte, which X25519 ignores */
        forge(test, &version, sherd_buf_span(&stream));
        assert_err(SHERD_ERR_TAMPERED, get_as(test, id, pair.identity));
    }
    vault_assert_clean(test, 0); /* the vault's own layer is whole */
    sherd_buf_done(&stream);
    pair_done(&pair);
}

/* X25519 masks the top bit of a point, but HPKE hashes enc as it came. */
static void test_cryptor_sealed_tamper__the_bit_that_x25519_ignores_is_seen(void **state)
{
    struct vault_test *test = *state;
    struct sherd_buf stream = {0};
    struct sherd_version version;
    struct pair pair;

    pair_new(&pair);
    const struct sherd_uuid id = put_to(test, pair.recipient, sherd_span_str("x"));
    forge_begin(test, id, sherd_span_str("y"), &version, &stream);
    stream.data[31] ^= 0x80;
    forge(test, &version, sherd_buf_span(&stream));
    assert_err(SHERD_ERR_TAMPERED, get_as(test, id, pair.identity));

    forge_begin(test, id, sherd_span_str("y"), &version, &stream);
    memset(stream.data, 0, 32); /* the secret is zero, which everybody knows */
    forge(test, &version, sherd_buf_span(&stream));
    assert_err(SHERD_ERR_TAMPERED, get_as(test, id, pair.identity));
    sherd_buf_done(&stream);
    pair_done(&pair);
}

#define HEAD_BYTES ((size_t)32 + SHERD_AEAD_HEADER_SIZE)

/* What can be done to whole chunks: exchange two, cut one off, cut the end off, change one byte in each. */
enum harm { HARM_SWAP, HARM_CUT_CHUNK, HARM_CUT_END, HARM_FLIP_FIRST, HARM_FLIP_SECOND, HARM_FLIP_LAST, HARM_COUNT };

static void harm(enum harm kind, struct sherd_buf *stream)
{
    uint8_t *first = stream->data + HEAD_BYTES;
    uint8_t *second = first + SHERD_AEAD_SEALED_CHUNK_SIZE;

    switch (kind) {
    case HARM_SWAP:
        for (size_t i = 0; i < SHERD_AEAD_SEALED_CHUNK_SIZE; i++) {
            const uint8_t byte = first[i];

            first[i] = second[i];
            second[i] = byte;
        }
        break;
    case HARM_CUT_CHUNK:
        memmove(first, second, stream->len - HEAD_BYTES - SHERD_AEAD_SEALED_CHUNK_SIZE);
        stream->len -= SHERD_AEAD_SEALED_CHUNK_SIZE;
        break;
    case HARM_CUT_END: stream->len -= 100; break;
    case HARM_FLIP_FIRST: first[100] ^= 1; break;
    case HARM_FLIP_SECOND: second[16399] ^= 1; break;
    case HARM_FLIP_LAST: stream->data[stream->len - 1] ^= 1; break;
    case HARM_COUNT: break;
    }
}

static void test_cryptor_sealed_tamper__chunks_moved_or_cut_under_the_vaults_keys_are_seen(void **state)
{
    struct vault_test *test = *state;
    uint8_t *block = test_malloc(60000);
    struct sherd_buf stream = {0};
    struct sherd_version version;
    struct pair pair;

    pair_new(&pair);
    vault_fill(block, 60000, 9);
    const struct sherd_uuid id = put_to(test, pair.recipient, sherd_span_str("x"));
    for (enum harm kind = HARM_SWAP; kind <= HARM_COUNT; kind++) {
        forge_begin(test, id, sherd_span_of(block, 60000), &version, &stream);
        harm(kind, &stream);
        forge(test, &version, sherd_buf_span(&stream));
        if (kind == HARM_COUNT)
            assert_opens(test, id, 0, pair.identity, sherd_span_of(block, 60000));
        else
            assert_err(SHERD_ERR_TAMPERED, get_as(test, id, pair.identity));
    }
    sherd_buf_done(&stream);
    pair_done(&pair);
    test_free(block);
}

/* What was sealed for one record, or one version, does not pass for another, though its recipient is the same. */
static void test_cryptor_sealed_tamper__a_stream_of_another_record_or_version_is_seen(void **state)
{
    struct vault_test *test = *state;
    struct sherd_buf stream = {0};
    struct sherd_version version;
    struct pair pair;

    pair_new(&pair);
    const struct sherd_uuid id = put_to(test, pair.recipient, sherd_span_str("mine"));
    const struct sherd_uuid other = put_to(test, pair.recipient, sherd_span_str("another"));
    struct sherd_buf others = raw_of(test, other);
    struct sherd_buf older = raw_of(test, id);
    forge_begin(test, id, sherd_span_str("x"), &version, &stream);
    forge(test, &version, sherd_buf_span(&others));
    assert_err(SHERD_ERR_TAMPERED, get_as(test, id, pair.identity));
    forge_begin(test, id, sherd_span_str("x"), &version, &stream);
    forge(test, &version, sherd_buf_span(&older));
    assert_err(SHERD_ERR_TAMPERED, get_as(test, id, pair.identity));
    sherd_buf_done(&older);
    sherd_buf_done(&others);
    sherd_buf_done(&stream);
    pair_done(&pair);
}

/* Who has all keys may say that a record is sealed to another: then its recipient is told so, and gets nothing. */
static void test_cryptor_sealed_tamper__another_recipient_in_the_map_entry_gives_nothing(void **state)
{
    struct vault_test *test = *state;
    struct sherd_buf stream = {0};
    struct sherd_version version;
    struct pair pair;
    struct pair other;

    pair_new(&pair);
    pair_new(&other);
    const struct sherd_uuid id = put_to(test, pair.recipient, sherd_span_str("x"));
    struct sherd_kem_public recipient;
    forge_begin(test, id, sherd_span_str(marker), &version, &stream);
    assert_ok(sherd_recipient_parse(sherd_span_str(other.recipient), &recipient));
    version.recipient.len = sherd_recipient_encode(&recipient, version.recipient.data);
    forge(test, &version, sherd_buf_span(&stream));
    assert_err(SHERD_ERR_DENIED, get_as(test, id, pair.identity));
    assert_err(SHERD_ERR_TAMPERED, get_as(test, id, other.identity));
    sherd_buf_done(&stream);
    pair_done(&other);
    pair_done(&pair);
}

/* ---- identities -------------------------------------------------------------------------------------------------- */

static void test_cryptor_sealed_identity__is_written_as_age_writes_it(void **state)
{
    struct pair pair;
    struct sherd_span rest;

    (void)state;
    pair_new(&pair);
    rest = sherd_buf_span(&pair.own);
    const struct sherd_span comment = sherd_span_line(&rest);
    const struct sherd_span own = sherd_span_line(&rest);
    assert_int_equal(rest.len, 0);
    assert_int_equal(comment.len, 14 + 62);
    assert_memory_equal(comment.data, "# public key: age1", 18);
    assert_memory_equal(comment.data + 14, pair.recipient, 62);
    assert_int_equal(own.len, 74);
    assert_memory_equal(own.data, "AGE-SECRET-KEY-1", 16);
    pair_done(&pair);
}

static void test_cryptor_sealed_identity__refuses_what_is_none(void **state)
{
    static const char *const bad[] = {"", "# only a comment\n", "AGE-SECRET-KEY-1\n",
                                      "age1zvkyg2lqzraa2lnjvqej32nkuu0u\n"};
    struct sherd_identity *identity = NULL;
    struct sherd_buf many = {0};
    struct pair pair;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++)
        assert_err(SHERD_ERR_INVALID, sherd_identity_parse(sherd_span_str(bad[i]), &identity));
    assert_non_null(strstr(sherd_err_detail(), "line 1"));
    assert_null(strstr(sherd_err_detail(), "zvkyg"));
    pair_new(&pair);
    for (unsigned i = 0; i < SHERD_IDENTITY_KEYS_MAX; i++)
        assert_ok(sherd_buf_append(&many, sherd_buf_span(&pair.own)));
    assert_ok(sherd_identity_parse(sherd_buf_span(&many), &identity));
    sherd_identity_free(identity);
    assert_ok(sherd_buf_append(&many, sherd_buf_span(&pair.own)));
    assert_err(SHERD_ERR_LIMIT, sherd_identity_parse(sherd_buf_span(&many), &identity));
    assert_err(SHERD_ERR_INVALID, sherd_identity_new((enum sherd_identity_kind)9, &pair.own, &many));
    sherd_buf_done(&many);
    pair_done(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_of(test_cryptor_sealed__gives_back_any_length),
        vault_test_of(test_cryptor_sealed_writer__takes_pieces_of_any_size),
        vault_test_of(test_cryptor_sealed_reader__reads_any_range),
        vault_test_of(test_cryptor_sealed__opens_for_the_recipient_alone),
        vault_test_of(test_cryptor_sealed__takes_any_of_several_keys),
        vault_test_of(test_cryptor_sealed__refuses_what_is_no_recipient),
        vault_test_of(test_cryptor_sealed__xwing_where_openssl_has_it),
        vault_test_of(test_cryptor_sealed__goes_with_no_idempotency_key),
        vault_test_of(test_cryptor_sealed_batch__seals_each),
        vault_test_of(test_cryptor_sealed_update__keeps_or_replaces_the_recipient),
        vault_test_of(test_cryptor_sealed_update__seals_any_length_to_the_recipient_it_keeps),
        vault_test_of(test_cryptor_sealed_rekey__deep_leaves_it_sealed_to_the_recipient),
        vault_test_of(test_cryptor_sealed_raw__holds_nothing_that_was_sealed),
        vault_test_of(test_cryptor_sealed_tamper__any_byte_changed_under_the_vaults_keys_is_seen),
        vault_test_of(test_cryptor_sealed_tamper__the_bit_that_x25519_ignores_is_seen),
        vault_test_of(test_cryptor_sealed_tamper__chunks_moved_or_cut_under_the_vaults_keys_are_seen),
        vault_test_of(test_cryptor_sealed_tamper__a_stream_of_another_record_or_version_is_seen),
        vault_test_of(test_cryptor_sealed_tamper__another_recipient_in_the_map_entry_gives_nothing),
        cmocka_unit_test(test_cryptor_sealed_identity__is_written_as_age_writes_it),
        cmocka_unit_test(test_cryptor_sealed_identity__refuses_what_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
