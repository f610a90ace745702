/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the messages between an anchor's agent and its callers: each is read as it was written, and in no other way.
 */
#include "anchor/agent/wire.h"
#include "base/bytes.h"
#include "vault.h"

/* A message of each shape, with something in every field. */
static struct sherd_pin pin = {.collection = {{1}},
                               .entity = {{2}},
                               .record = {{3}},
                               .version = 4,
                               .version_oldest = 3,
                               .fragment_bytes = 5000,
                               .created_s = 1700000000,
                               .digest = {{6}},
                               .map = {{7}},
                               .key = {{8}},
                               .entity_key_version = 9,
                               .secrets_key_version = 10,
                               .epoch = 11,
                               .round = 513,
                               .has_idempotency = true,
                               .idempotency = {{12}},
                               .has_named_key = true,
                               .named_key = {{13}},
                               .named_key_version = 14};
static struct sherd_wire_number number = {7};
static struct sherd_wire_role role = {SHERD_ASSETS};
static struct sherd_wire_ref ref = {{{9, 8, 7}}};
static struct sherd_wire_uuid uuid = {{{6, 5, 4}}};
static struct sherd_wire_hello hello = {1, {{1}}, {{2}}, "passphrase (scrypt)", true, false, true};
static struct sherd_wire_status status = {1,    4711,       false, "3 of 5 shares", 900,        899,         12,
                                          3,    true,       true,  false,           1700000000, "rekeyed",   "why not",
                                          true, false,      true,  1700000001,      7,          "no syslog", 3,
                                          2,    1700000001, 77,    "w1 is lost"};
static struct sherd_wire_progress progress = {1, 2, 3, 5};
static struct sherd_wire_unseal unseal = {SHERD_WIRE_SHARES,
                                          true,
                                          true,
                                          60,
                                          {(const uint8_t *)"a share", 7},
                                          {true, "/p/k.p12", {(const uint8_t *)"word", 4}}};
static struct sherd_wire_key_store key_store = {true, "/p/k.p12", {(const uint8_t *)"password", 8}};
static struct sherd_protection_info protection_info = {3, 1700000000, true, true, 2, 1, "/p/k.p12"};
static struct sherd_wire_unsealed unsealed = {true, {1, 2, 3, 5}, "anna, bert", "carl"};
static struct sherd_raw_lease lease = {{1, 2}, {3, 2, {{3, 4}, {5, 6}}}};
static struct sherd_wire_stored stored = {SHERD_SECRETS, {{1, 2, 3}}, {(const uint8_t *)"stored bytes", 12}};
static struct sherd_wire_key_new key_new = {
    {{{1}}, {"logs", 3, true, false, "default", "ours", true, true}}, "pat", {{2}}, 5};
static struct sherd_wire_made made;
static struct sherd_wire_pin one_pin;
static struct sherd_wire_change change;
static struct sherd_wire_pin_get pin_get = {{{1}}, 2, true};
static struct sherd_wire_got got;
static struct sherd_wire_scan scan = {false, {{1}}, 100};
static struct sherd_wire_scanned scanned = {true, 7, {{2}}};
static struct sherd_wire_entry entry;
static struct sherd_wire_idempotency idempotency = {{{1}}, {(const uint8_t *)"key", 3}, {{2}}};
static struct sherd_wire_live live = {true};
static struct sherd_wire_collection collection = {{{1}}, {{2}}};
static struct sherd_wire_master_options master_options = {"default", true, "openssl", false, "", true, "a=b\n"};
static struct sherd_master_info master_info = {.name = "default",
                                               .version = 2,
                                               .kid = {1, 2},
                                               .state = SHERD_MASTER_RETIRED,
                                               .generator = "openssl",
                                               .store = "anchor",
                                               .args = "a=b\n",
                                               .outside_id = "key/7",
                                               .created_s = 1700000000,
                                               .protection = 1,
                                               .wraps_counted = 700,
                                               .entities_counted = 70,
                                               .limit = 1000};
static struct sherd_wire_parts_sweep parts_sweep = {true};
static struct sherd_wire_master master = {"default", 2};
static struct sherd_wire_policy policy = {
    "default", {86400, 1000, 20, SHERD_SCHEDULE_WEEKLY, 6, 1439, 5000, 2, true}, true};
static struct sherd_wire_policy policy_item = {
    "store:assets", {86400, 0, 0, SHERD_SCHEDULE_DAILY, 0, 180, 0, 0, false}, false};
static struct sherd_wire_entity entity = {{{1}}, "pat"};
static struct sherd_rekey_scope scope = {true, {{1}}, false, {{0}}, true, {{2}}, false, true};
static struct sherd_rekey_progress rekey_progress = {1, 2, 3, true, false, 4, 6};
static struct sherd_store_stat stat_of_keys = {1, 2, 3, 4};
static struct sherd_keys_check keys_check = {1, 2, 3, true, false, 4, 5, true, 8, 9, {{10}}, {{6, 7}}};
static struct sherd_wire_resealed resealed = {SHERD_ASSETS, {{1, 2}}, {{3, 4}}};
static struct sherd_wire_joins joins_rule = {true, true};
static struct sherd_wire_book book = {3, 700, true, {(const uint8_t *)"some of a book", 14}};
static struct sherd_wire_file file = {{(const uint8_t *)"a short file", 12}};
static struct sherd_wire_piece piece = {{(const uint8_t *)"a piece of more", 15}};
static struct sherd_wire_state backup_state = {7, 3, 2, 300, 8192, {1, 2, 3}};
static struct sherd_wire_after after = {false, {{1, 2}}};
static struct sherd_wire_row row = {{{1, 2, 3}}, {(const uint8_t *)"stored bytes", 12}};
static struct sherd_wire_statement statement = {SHERD_RECEIPT_ENTITY, true, "logs", "pat", true, {"default", 2}};
static struct sherd_wire_owner owner = {{{1}}, true, false};
static struct sherd_principal user_new = {.name = "anna",
                                          .credential = SHERD_CREDENTIAL_PASSPHRASE,
                                          .public_key = {1, 2},
                                          .hash = {SHERD_PWHASH_SCRYPT, 17, 8, 1},
                                          .salt = {3, 4}};
static struct sherd_user_info user = {"anna", {{1}}, false, true, true, true, {1, 2}, 1700000000};
static struct sherd_wire_name name = {"anna"};
static struct sherd_wire_named_new named_new = {"ours", true, "anna"};
static struct sherd_key_info named = {"ours", {1, 2}, "anna", 1700000000, 3, 7};
static struct sherd_wire_grant grant = {"ours", "bert", 5};
static struct sherd_wire_granted granted = {"bert", 5};
static struct sherd_wire_named_find named_find = {"ours", 4};
static struct sherd_challenge challenge = {
    {{1}}, {2, 3}, SHERD_CREDENTIAL_PASSPHRASE, {SHERD_PWHASH_ARGON2ID, 65536, 3, 4}, {4, 5}};
static struct sherd_wire_row_sign row_sign;
static struct sherd_rows_sum rows_sum = {7, {{1}}, {2, 3}};
static struct sherd_wire_signature signature = {{1, 2, 3}};
static struct sherd_wire_login login = {"anna", {1, 2}, {3, 4}};

static struct sherd_leaf_query leaf_query = {9, 2, 7, true, SHERD_LEAF_STORED, 100, SHERD_LEAVES_RECORD, {{1, 2}}, 3};
static struct sherd_wire_join join = {
    .index = 7,
    .leaf = {(const uint8_t *)"a leaf", 6},
    .path = {2, {{{1}}, {{2}}}},
    .shown = {3, {{{4}}, 5, {6}, {{7}}}, {{{8}}, 9, 10, {{11}}}, {{12}}, {1, {{{13}}}}}};
static struct sherd_wire_leaf leaf = {7,
                                      {(const uint8_t *)"a leaf", 6},
                                      {2, {{{1}}, {{2}}}},
                                      {(const uint8_t *)"an event", 8},
                                      {{{3}}, {{4}}, {{5}}, {{6}}}};
static struct sherd_wire_growth growth = {3, 7};
static struct sherd_path path_of_tree = {3, {{{1}}, {{2}}, {{3}}}};

struct sample {
    enum sherd_wire_verb verb;
    void *call;
    void *call_item;
    void *reply;
    void *reply_item;
};

static const struct sample samples[] = {
    {SHERD_WIRE_HELLO, &number, NULL, &hello, NULL},
    {SHERD_WIRE_STATUS, NULL, NULL, &status, &progress},
    {SHERD_WIRE_UNSEAL, &unseal, NULL, &unsealed, NULL},
    {SHERD_WIRE_SEAL, NULL, NULL, NULL, NULL},
    {SHERD_WIRE_LEASE, &role, NULL, &lease, NULL},
    {SHERD_WIRE_COMPARTMENT_ENTRY, &role, NULL, &stored, NULL},
    {SHERD_WIRE_COMPARTMENT_CHECK, &stored, NULL, NULL, NULL},
    {SHERD_WIRE_KEY_NEW, &key_new, NULL, &made, NULL},
    {SHERD_WIRE_PIN_COMMIT, NULL, &change, NULL, &ref},
    {SHERD_WIRE_PIN_GET, &pin_get, NULL, &got, NULL},
    {SHERD_WIRE_PIN_DELETE, &uuid, NULL, NULL, &ref},
    {SHERD_WIRE_SCAN, &scan, NULL, &scanned, &entry},
    {SHERD_WIRE_IDEMPOTENCY_GET, &idempotency, NULL, &uuid, NULL},
    {SHERD_WIRE_PART_CHECK, &stored, NULL, &live, NULL},
    {SHERD_WIRE_COLLECTION_PIN, &collection, NULL, NULL, NULL},
    {SHERD_WIRE_COLLECTION_CHECK, &collection, NULL, NULL, NULL},
    {SHERD_WIRE_MASTER_ACTIVATE, &master_options, NULL, &number, NULL},
    {SHERD_WIRE_MASTER_EACH, NULL, NULL, NULL, &master_info},
    {SHERD_WIRE_MASTER_RETIRE, &master, NULL, NULL, NULL},
    {SHERD_WIRE_MASTER_DESTROY, &master, NULL, NULL, NULL},
    {SHERD_WIRE_ENTITY_FIND, &entity, NULL, &ref, NULL},
    {SHERD_WIRE_ENTITY_ERASE, &entity, NULL, NULL, NULL},
    {SHERD_WIRE_REKEY_BEGIN, &scope, NULL, NULL, NULL},
    {SHERD_WIRE_REKEY_STEP, &number, NULL, &rekey_progress, NULL},
    {SHERD_WIRE_REKEY_END, NULL, NULL, NULL, NULL},
    {SHERD_WIRE_EPOCH_BEGIN, NULL, NULL, &number, NULL},
    {SHERD_WIRE_EPOCH_END, NULL, NULL, &number, NULL},
    {SHERD_WIRE_KEYS_STAT, NULL, NULL, &stat_of_keys, NULL},
    {SHERD_WIRE_KEYS_OWNER, NULL, NULL, &owner, NULL},
    {SHERD_WIRE_KEYS_BLOBS, NULL, NULL, NULL, &ref},
    {SHERD_WIRE_KEY_RENEW, &one_pin, NULL, &made, NULL},
    {SHERD_WIRE_PIN_REPLACE, NULL, &change, NULL, &ref},
    {SHERD_WIRE_ROUND_BEGIN, NULL, NULL, &number, NULL},
    {SHERD_WIRE_ROUND_END, &number, NULL, NULL, NULL},
    {SHERD_WIRE_EPOCH_EXPORT, NULL, NULL, &file, NULL},
    {SHERD_WIRE_STATE_TAKE, &uuid, NULL, &backup_state, NULL},
    {SHERD_WIRE_STATE_SCAN, &after, NULL, &scanned, &row},
    {SHERD_WIRE_STATE_END, NULL, NULL, NULL, NULL},
    {SHERD_WIRE_STATEMENT_RECORDS, NULL, &uuid, NULL, NULL},
    {SHERD_WIRE_STATEMENT_SIGN, &statement, NULL, &number, NULL},
    {SHERD_WIRE_STATEMENT_KEY, NULL, NULL, &file, NULL},
    {SHERD_WIRE_MORE, NULL, NULL, NULL, &piece},
    {SHERD_WIRE_USER_CREATE, &user_new, NULL, NULL, NULL},
    {SHERD_WIRE_USER_EACH, NULL, NULL, NULL, &user},
    {SHERD_WIRE_USER_DISABLE, &name, NULL, NULL, NULL},
    {SHERD_WIRE_NAMED_CREATE, &named_new, NULL, NULL, NULL},
    {SHERD_WIRE_NAMED_EACH, NULL, NULL, NULL, &named},
    {SHERD_WIRE_NAMED_GRANT, &grant, NULL, NULL, NULL},
    {SHERD_WIRE_GRANT_EACH, &name, NULL, NULL, &granted},
    {SHERD_WIRE_NAMED_FIND, &named_find, NULL, &ref, NULL},
    {SHERD_WIRE_PRINCIPAL_CHECK, &stored, NULL, NULL, NULL},
    {SHERD_WIRE_CHALLENGE, &name, NULL, &challenge, NULL},
    {SHERD_WIRE_LOGIN, &login, NULL, NULL, NULL},
    {SHERD_WIRE_PROTECTION_EACH, NULL, NULL, NULL, &protection_info},
    {SHERD_WIRE_PROTECTION_ROTATE, &key_store, NULL, &number, NULL},
    {SHERD_WIRE_ENTRY_RESEAL, &stored, NULL, &stored, NULL},
    {SHERD_WIRE_POLICY_SET, &policy, NULL, NULL, NULL},
    {SHERD_WIRE_POLICY_EACH, NULL, NULL, NULL, &policy_item},
    {SHERD_WIRE_PARTS_SWEEP, &parts_sweep, NULL, &number, NULL},
    {SHERD_WIRE_LEDGER_RUN, NULL, NULL, &number, NULL},
    {SHERD_WIRE_LEDGER_CHECK, NULL, NULL, &keys_check, NULL},
    {SHERD_WIRE_LEDGER_NOTE, &number, NULL, &file, &piece},
    {SHERD_WIRE_LEDGER_SCAN, &leaf_query, NULL, &number, &leaf},
    {SHERD_WIRE_LEDGER_GROWTH, &growth, NULL, &path_of_tree, NULL},
    {SHERD_WIRE_ENTRIES_RESEALED, NULL, &resealed, NULL, NULL},
    {SHERD_WIRE_JOINS_RULE, &joins_rule, NULL, &joins_rule, NULL},
    {SHERD_WIRE_BOOK_READ, &number, NULL, &book, NULL},
    {SHERD_WIRE_BOOK_POSITION, NULL, NULL, &file, NULL},
    {SHERD_WIRE_BOOK_CHANGE, &piece, NULL, NULL, NULL},
    {SHERD_WIRE_OUTSIDE_GET, NULL, NULL, &piece, NULL},
    {SHERD_WIRE_OUTSIDE_SET, &piece, NULL, NULL, NULL},
    {SHERD_WIRE_OUTSIDE_TAKE, &piece, NULL, NULL, NULL},
    {SHERD_WIRE_ROW_SIGN, &row_sign, NULL, &signature, NULL},
    {SHERD_WIRE_ROWS_SUM, &uuid, NULL, &rows_sum, NULL},
    {SHERD_WIRE_LEDGER_JOINS, &leaf_query, NULL, &number, &join},
};

static int setup(void **state)
{
    (void)state;
    made.pin = pin;
    one_pin.pin = pin;
    row_sign = (struct sherd_wire_row_sign){.pin = pin, .body = {{4}}};
    memset(made.key.bytes, 0x5a, sizeof(made.key.bytes));
    change = (struct sherd_wire_change){.change = {.pin = pin,
                                                   .version_expected = 3,
                                                   .versions_kept = 2,
                                                   .idempotency_key = sherd_span_str("an order"),
                                                   .content_hash = {{1}},
                                                   .map_expected = {{5}},
                                                   .fragment = {{6}},
                                                   .map_digest = {{7}}},
                                        .with_key = true,
                                        .key = made.key};
    got = (struct sherd_wire_got){.view = {.pin = pin,
                                           .version_current = 9,
                                           .version_oldest = 2,
                                           .verified_s = 1700000000,
                                           .found = true,
                                           .first_serial = 5},
                                  .with_key = true,
                                  .key = made.key};
    entry.entry = (struct sherd_anchor_entry){
        .name = {{1}}, .kind = SHERD_KIND_PIN, .erased = true, .pinned_damaged = true, .pin = &entry.pin};
    entry.pin = pin;
    return 0;
}

/* Write a message: its head, and its item twice. */
static void write_message(const struct sherd_wire_shape *shape, void *head, void *item, struct sherd_buf *out)
{
    struct sherd_wire wire = sherd_wire_writer(out);

    assert_int_equal(shape->head != NULL, head != NULL);
    assert_int_equal(shape->item != NULL, item != NULL);
    sherd_wire_code(&wire, shape->head, head);
    sherd_wire_code(&wire, shape->item, item);
    sherd_wire_code(&wire, shape->item, item);
    assert_ok(sherd_wire_written(&wire));
}

/* Read a message and write it again. @return whether it was read */
static bool read_and_write(const struct sherd_wire_shape *shape, struct sherd_span bytes, struct sherd_buf *out)
{
    struct sherd_wire reader = sherd_wire_reader(bytes);
    struct sherd_wire writer = sherd_wire_writer(out);
    void *head = test_calloc(1, shape->head_bytes + 1);
    void *item = test_calloc(1, shape->item_bytes + 1);

    sherd_wire_code(&reader, shape->head, head);
    if (!reader.failed)
        sherd_wire_code(&writer, shape->head, head);
    while (shape->item != NULL && sherd_wire_more(&reader)) {
        memset(item, 0, shape->item_bytes);
        sherd_wire_code(&reader, shape->item, item);
        if (!reader.failed)
            sherd_wire_code(&writer, shape->item, item);
    }
    const bool read = sherd_wire_read(&reader) == SHERD_OK;
    if (read)
        assert_ok(sherd_wire_written(&writer));
    test_free(head);
    test_free(item);
    return read;
}

/* A copy of its own, so that reading past the end is seen. */
static bool reads_as_itself(const struct sherd_wire_shape *shape, struct sherd_span bytes)
{
    struct sherd_buf again = {.max = SHERD_WIRE_FRAME_BYTES_MAX};
    uint8_t *copy = test_malloc(bytes.len + 1);

    memcpy(copy + 1, bytes.data, bytes.len);
    const bool read = read_and_write(shape, sherd_span_of(copy + 1, bytes.len), &again);
    if (read) {
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.data, bytes.data, bytes.len);
    }
    test_free(copy);
    sherd_buf_done(&again);
    return read;
}

static void check_shape(const struct sherd_wire_shape *shape, void *head, void *item)
{
    struct sherd_buf bytes = {.max = SHERD_WIRE_FRAME_BYTES_MAX};

    write_message(shape, head, item, &bytes);
    if (bytes.len == 0)
        return;
    if (!shape->keys && item == NULL)
        assert_true(bytes.len + SHERD_WIRE_HEAD_SIZE <= SHERD_WIRE_SMALL_BYTES_MAX);
    if (shape->keys)
        assert_true(bytes.len <= 2 * SHERD_WIRE_CHANGE_BYTES_MAX);
    assert_true(reads_as_itself(shape, sherd_buf_span(&bytes)));
    for (size_t len = 0; len < bytes.len; len++) /* cut: no message, or one item less */
        assert_true(!reads_as_itself(shape, sherd_span_of(bytes.data, len)) || item != NULL);
    for (size_t i = 0; i < bytes.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) { /* another message, or none; never the same one in other bytes */
            bytes.data[i] ^= (uint8_t)(1U << bit);
            (void)reads_as_itself(shape, sherd_buf_span(&bytes));
            bytes.data[i] ^= (uint8_t)(1U << bit);
        }
    sherd_buf_done(&bytes);
}

static void test_anchor_wire_messages__are_read_as_written_and_in_no_other_way(void **state)
{
    (void)state;
    assert_int_equal(SHERD_COUNT_OF(samples) + 1, SHERD_WIRE_VERB_COUNT);
    for (size_t i = 0; i < SHERD_COUNT_OF(samples); i++) {
        const struct sherd_wire_call *call = sherd_wire_call_of(samples[i].verb);

        assert_non_null(call);
        assert_int_equal(samples[i].verb, i + 1);
        check_shape(&call->call, samples[i].call, samples[i].call_item);
        check_shape(&call->reply, samples[i].reply, samples[i].reply_item);
    }
    assert_null(sherd_wire_call_of(0));
    assert_null(sherd_wire_call_of(SHERD_WIRE_VERB_COUNT));
}

static void test_anchor_wire_fields__survive(void **state)
{
    struct sherd_buf bytes = {.max = SHERD_WIRE_FRAME_BYTES_MAX};
    const struct sherd_wire_shape *shape = &sherd_wire_call_of(SHERD_WIRE_PIN_COMMIT)->call;
    const struct sherd_wire_shape *replacement = &sherd_wire_call_of(SHERD_WIRE_PIN_REPLACE)->call;
    struct sherd_wire_change read = {.with_key = false};

    (void)state;
    struct sherd_wire wire = sherd_wire_writer(&bytes);
    sherd_wire_code(&wire, shape->item, &change);
    wire = sherd_wire_reader(sherd_buf_span(&bytes));
    sherd_wire_code(&wire, shape->item, &read);
    assert_ok(sherd_wire_read(&wire));
    assert_memory_equal(&read.key, &change.key, sizeof(read.key));
    assert_memory_equal(&read.change.pin.key, &pin.key, sizeof(pin.key));
    assert_int_equal(read.change.pin.epoch, 11);
    assert_memory_equal(&read.change.pin.named_key, &pin.named_key, sizeof(pin.named_key));
    assert_int_equal(read.change.pin.named_key_version, 14);
    assert_int_equal(read.change.pin.round, 513);
    assert_int_equal(read.change.version_expected, 3);
    assert_int_equal(read.change.versions_kept, 2);
    assert_true(sherd_span_equal(read.change.idempotency_key, sherd_span_str("an order")));
    assert_false(read.change.reseals);
    sherd_buf_clear(&bytes);
    wire = sherd_wire_writer(&bytes);
    sherd_wire_code(&wire, replacement->item, &change);
    wire = sherd_wire_reader(sherd_buf_span(&bytes));
    sherd_wire_code(&wire, replacement->item, &read);
    assert_ok(sherd_wire_read(&wire));
    assert_true(read.change.reseals);
    assert_memory_equal(&read.change.map_expected, &change.change.map_expected, sizeof(read.change.map_expected));
    sherd_buf_done(&bytes);
}

static void test_anchor_wire_text__is_refused_where_it_is_too_long_or_holds_a_zero(void **state)
{
    const struct sherd_wire_shape *shape = &sherd_wire_call_of(SHERD_WIRE_MASTER_RETIRE)->call;
    uint8_t bytes[2 + 64 + 8] = {0, 64};

    (void)state;
    memset(bytes + 2, 'n', 64);
    assert_false(reads_as_itself(shape, sherd_span_of(bytes, sizeof(bytes))));
    bytes[1] = 63;
    memmove(bytes + 2 + 63, bytes + 2 + 64, 8);
    assert_true(reads_as_itself(shape, sherd_span_of(bytes, sizeof(bytes) - 1)));
    bytes[10] = 0;
    assert_false(reads_as_itself(shape, sherd_span_of(bytes, sizeof(bytes) - 1)));
}

/* Whether a call of unseal can be written. */
static bool unseal_goes(struct sherd_wire_unseal call)
{
    struct sherd_buf bytes = {.max = SHERD_WIRE_SMALL_BYTES_MAX - SHERD_WIRE_HEAD_SIZE};
    struct sherd_wire wire = sherd_wire_writer(&bytes);

    sherd_wire_code(&wire, sherd_wire_call_of(SHERD_WIRE_UNSEAL)->call.head, &call);
    const bool goes = sherd_wire_written(&wire) == SHERD_OK &&
                      reads_as_itself(&sherd_wire_call_of(SHERD_WIRE_UNSEAL)->call, sherd_buf_span(&bytes));
    sherd_buf_done(&bytes);
    return goes;
}

/* What unseals, the key store, or both; and the longest of all fits into secret memory. */
static void test_anchor_wire_unseal__needs_what_its_kind_says(void **state)
{
    static const uint8_t block[SHERD_WIRE_UNSEAL_BYTES_MAX] = {1};
    struct sherd_wire_unseal call = unseal;

    (void)state;
    assert_true(unseal_goes(call));
    call.key_store.given = false;
    assert_true(unseal_goes(call));
    call.kind = SHERD_WIRE_KEY_STORE;
    assert_false(unseal_goes(call));
    call.secret.len = 0;
    assert_false(unseal_goes(call));
    call.key_store.given = true;
    assert_true(unseal_goes(call));
    call.key_store.password.len = 0;
    assert_false(unseal_goes(call));
    call.kind = SHERD_WIRE_PASSPHRASE;
    call.key_store = unseal.key_store;
    assert_false(unseal_goes(call));

    call.secret = sherd_span_of(block, sizeof(block));
    call.key_store.password = sherd_span_of(block, SHERD_KEY_STORE_PASSWORD_BYTES_MAX);
    memset(call.key_store.path, 'p', sizeof(call.key_store.path) - 1);
    assert_true(unseal_goes(call));
    call.key_store.password.len++;
    assert_false(unseal_goes(call));
}

static void test_anchor_wire_head__knows_its_bounds(void **state)
{
    uint8_t bytes[SHERD_WIRE_HEAD_SIZE];
    const struct sherd_wire_head head = {.frame_bytes = 16, .request = 7, .verb = 2, .status = SHERD_ERR_BUSY};
    struct sherd_wire_head read;
    const uint32_t sizes[] = {0, 15, 16, SHERD_WIRE_FRAME_BYTES_MAX, SHERD_WIRE_FRAME_BYTES_MAX + 1};

    (void)state;
    sherd_wire_head_encode(&head, bytes);
    assert_ok(sherd_wire_head_decode(bytes, &read));
    assert_int_equal(read.request, 7);
    assert_int_equal(read.verb, 2);
    assert_int_equal(read.status, SHERD_ERR_BUSY);
    for (size_t i = 0; i < SHERD_COUNT_OF(sizes); i++) {
        sherd_put_u32(bytes, sizes[i] - 4);
        assert_int_equal(sherd_wire_head_decode(bytes, &read) == SHERD_OK, i == 2 || i == 3);
    }
    sherd_put_u32(bytes, 12);
    sherd_put_u16(bytes + 14, SHERD_ERR_UNSUPPORTED + 1);
    assert_err(SHERD_ERR_IO, sherd_wire_head_decode(bytes, &read));
}

/* --- seeds of fuzz_wire ------------------------------------------------------------------------------------------- */

static int write_seed(const char *folder, const struct sherd_wire_call *call, const struct sample *sample, bool reply)
{
    struct sherd_buf bytes = {.max = SHERD_WIRE_FRAME_BYTES_MAX};
    const uint8_t front[] = {(uint8_t)sample->verb, reply};
    char path[512];

    write_message(reply ? &call->reply : &call->call, reply ? sample->reply : sample->call,
                  reply ? sample->reply_item : sample->call_item, &bytes);
    if (bytes.len == 0)
        return 0;
    (void)snprintf(path, sizeof(path), "%s/%s-%s", folder, call->name, reply ? "reply" : "call");
    FILE *out = fopen(path, "wb");
    if (out == NULL)
        return 1;
    const size_t written = fwrite(front, 1, sizeof(front), out) + fwrite(bytes.data, 1, bytes.len, out);
    const bool whole = written == sizeof(front) + bytes.len;
    sherd_buf_done(&bytes);
    return fclose(out) == 0 && whole ? 0 : 1;
}

/* Not a test: writes all samples into a folder, as fuzz_wire takes them. */
static int write_seeds(const char *folder)
{
    int failed = setup(NULL);

    for (size_t i = 0; i < SHERD_COUNT_OF(samples); i++)
        for (unsigned reply = 0; reply < 2; reply++)
            failed |= write_seed(folder, sherd_wire_call_of(samples[i].verb), &samples[i], reply == 1);
    return failed;
}

/* With an argument: write_seeds(), into fuzz/corpus/wire. */
int main(int argc, char **argv)
{
    if (argc > 1)
        return write_seeds(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_anchor_wire_messages__are_read_as_written_and_in_no_other_way),
        cmocka_unit_test(test_anchor_wire_fields__survive),
        cmocka_unit_test(test_anchor_wire_text__is_refused_where_it_is_too_long_or_holds_a_zero),
        cmocka_unit_test(test_anchor_wire_unseal__needs_what_its_kind_says),
        cmocka_unit_test(test_anchor_wire_head__knows_its_bounds),
    };

    return cmocka_run_group_tests_name("anchor_wire", tests, setup, NULL);
}
