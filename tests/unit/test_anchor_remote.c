/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of an anchor at the end of connections: all tests of the embedded one, through sockets, and those of what can
 * go wrong between the two.
 */
#include "anchor/embedded/embedded.h"
#include "anchor/embedded/state.h"
#include "anchor/embedded/statement.h"
#include "anchor/keys/epoch.h"
#include "served.h"
#include <poll.h>

/* In place of sherd_anchor_embedded(): the same, behind connections. */
static enum sherd_err embedded_and_served(const struct sherd_anchor_parts *parts, struct sherd_anchor **out_anchor)
{
    struct sherd_anchor *embedded = NULL;

    SHERD_TRY(sherd_anchor_embedded(parts, &embedded));
    *out_anchor = served_begin(embedded);
    return SHERD_OK;
}

int embedded_tests(void);
#define sherd_anchor_embedded embedded_and_served
#define main embedded_tests
#include "test_anchor_embedded.c"
#undef main
#undef sherd_anchor_embedded

static struct served *served_of(const struct anchor_test *test)
{
    return served_find(test->anchor);
}

/* --- what the embedded one's tests do not call -------------------------------------------------------------------- */

static enum sherd_err count_masters(void *arg, const struct sherd_master_info *info)
{
    assert_true(info->version > 0 && info->name[0] != '\0' && info->store[0] != '\0');
    *(unsigned *)arg += strchr(info->name, ':') == NULL ? 1 : 0;
    return SHERD_OK;
}

static enum sherd_err stop_at_once(void *arg, const struct sherd_master_info *info)
{
    (void)arg;
    (void)info;
    return sherd_fail(SHERD_ERR_CONFLICT, "enough");
}

static void test_anchor_remote_masters__are_made_told_retired_and_destroyed(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    const struct sherd_master_options options = {.name = "default", .generator = "openssl"};
    const struct sherd_master_options unknown = {.name = "default", .store = "no such store"};
    char long_name[100];
    uint64_t version = 0;
    unsigned count = 0;

    assert_ok(ops->master_each(test->anchor, count_masters, &count));
    assert_int_equal(count, 2);
    assert_ok(ops->master_activate(test->anchor, &options, &version));
    assert_int_equal(version, 2);
    count = 0;
    assert_ok(ops->master_each(test->anchor, count_masters, &count));
    assert_int_equal(count, 3);
    assert_err(SHERD_ERR_CONFLICT, ops->master_each(test->anchor, stop_at_once, NULL));
    assert_err(SHERD_ERR_CONFLICT, ops->master_destroy(test->anchor, "default", 1));
    assert_ok(ops->master_retire(test->anchor, "default", 1));
    assert_ok(ops->master_destroy(test->anchor, "default", 1));
    assert_err(SHERD_ERR_NOT_FOUND, ops->master_retire(test->anchor, "default", 1));
    assert_int_not_equal(ops->master_activate(test->anchor, &unknown, &version), SHERD_OK);
    memset(long_name, 'n', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    assert_err(SHERD_ERR_INVALID, ops->master_retire(test->anchor, long_name, 1));
}

static void test_anchor_remote_rekey__belongs_to_its_connection(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    const struct sherd_rekey_scope scope = {.fresh_keys = true};
    struct sherd_rekey_progress progress = {0};
    struct sherd_rekey *rekey = NULL;
    struct sherd_rekey *second = NULL;
    struct sherd_pin_view view;
    const struct sherd_uuid record = record_new();

    pin_version(test, record, 1, 1);
    assert_ok(ops->rekey_begin(test->anchor, &scope, &rekey));
    assert_err(SHERD_ERR_BUSY, ops->rekey_begin(test->anchor, &scope, &second));
    while (!progress.done) {
        assert_ok(ops->rekey_step(test->anchor, rekey, 3, &progress));
        assert_ok(get(test, record, 0, &view)); /* other calls go on meanwhile */
    }
    assert_int_equal(progress.entity_count, 1);
    assert_int_equal(progress.record_count, 1);
    ops->rekey_end(test->anchor, rekey);
    ops->rekey_end(test->anchor, NULL);
    assert_ok(ops->rekey_begin(test->anchor, &scope, &rekey));
    ops->rekey_end(test->anchor, rekey); /* not finished: the next one begins anew */
    assert_ok(ops->rekey_begin(test->anchor, &scope, &second));
    ops->rekey_end(test->anchor, second);
}

static void test_anchor_remote_keys__are_described(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_store_op op = {.kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT};
    struct sherd_store_stat stat;
    struct sherd_ref name;
    bool there = true;

    assert_err(SHERD_ERR_TAMPERED, ops->keys_owner(test->anchor, &name, &there));
    assert_false(there);
    assert_ok(ops->compartment_entry(test->anchor, SHERD_KEYS, &op.name, &stored));
    assert_memory_equal(&op.name, &name, sizeof(name));
    op.value = sherd_buf_span(&stored);
    assert_ok(sherd_compartment_write(test->keys, &op, 1));
    assert_ok(ops->keys_owner(test->anchor, &name, &there));
    assert_true(there);
    assert_ok(ops->keys_stat(test->anchor, &stat));
    assert_true(stat.entry_count >= 2);
    assert_null(ops->home(test->anchor));
}

static void test_anchor_remote_entities__are_found_and_erased(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_ref entity;
    uint64_t epoch = 0;

    pin_version(test, record_new(), 1, 1);
    assert_ok(ops->entity_find(test->anchor, &test->collection.id, "", &entity));
    assert_err(SHERD_ERR_NOT_FOUND, ops->entity_find(test->anchor, &test->collection.id, "nobody", &entity));
    assert_ok(ops->entity_erase(test->anchor, &test->collection.id, ""));
    assert_err(SHERD_ERR_NOT_FOUND, ops->entity_find(test->anchor, &test->collection.id, "", &entity));
    assert_ok(ops->epoch_begin(test->anchor, &epoch));
    assert_int_equal(epoch, 2);
    assert_ok(ops->epoch_end(test->anchor, &epoch));
    assert_int_equal(epoch, 2);
}

/* --- backups and statements --------------------------------------------------------------------------------------- */

/* Everything that a scan told: names and values, one after another. */
struct told {
    struct sherd_buf bytes;
    size_t count;
    size_t stop_at; /* 0: never */
};

static enum sherd_err tell_row(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct told *told = arg;

    assert_ok(sherd_buf_append(&told->bytes, sherd_span_of(name.bytes, sizeof(name.bytes))));
    assert_ok(sherd_buf_append(&told->bytes, stored));
    told->count++;
    return told->count == told->stop_at ? sherd_fail(SHERD_ERR_CONFLICT, "enough") : SHERD_OK;
}

/* More entries in `keys` than a frame holds, the longest that a store takes among them. */
static void fill_keys(struct anchor_test *test)
{
    static uint8_t value[SHERD_STORE_VALUE_BYTES_MAX];
    struct sherd_store_op op = {
        .kind = SHERD_STORE_PUT, .expect = SHERD_EXPECT_ABSENT, .value = {value, sizeof(value)}};

    for (unsigned i = 0; i < 12; i++) {
        value[i] = (uint8_t)(i + 1);
        sherd_put_u64(op.name.bytes, (uint64_t)i << 60);
        op.value.len = i % 3 == 0 ? 1 : sizeof(value);
        assert_ok(sherd_compartment_write(test->keys, &op, 1));
    }
    for (unsigned i = 0; i < 100; i++)
        pin_version(test, record_new(), 1, 1);
}

static bool spans_same(const struct sherd_buf *a, const struct sherd_buf *b)
{
    return sherd_span_equal(sherd_buf_span(a), sherd_buf_span(b));
}

static void test_anchor_remote_state__is_that_of_the_anchor_itself(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_anchor *embedded = served_of(test)->embedded;
    struct sherd_anchor_state far = {0};
    struct sherd_anchor_state near = {0};
    struct told by_far = {.count = 0};
    struct told by_near = {.count = 0};
    const struct sherd_uuid backup = record_new();

    fill_keys(test);
    assert_ok(ops->state_take(test->anchor, &backup, &far));
    assert_ok(embedded->ops->state_take(embedded, &backup, &near));
    pin_version(test, record_new(), 1, 1); /* in neither */
    assert_ok(ops->state_scan(test->anchor, &far, NULL, tell_row, &by_far));
    assert_ok(embedded->ops->state_scan(embedded, &near, NULL, tell_row, &by_near));
    assert_true(by_near.count > 112 && by_near.bytes.len > SHERD_WIRE_FRAME_BYTES_MAX);
    assert_int_equal(by_far.count, by_near.count);
    assert_true(spans_same(&by_far.bytes, &by_near.bytes));
    assert_true(spans_same(&far.seals, &near.seals));
    assert_true(spans_same(&far.keyring, &near.keyring));
    assert_true(far.keyring.len > 0 && far.seals.len > 0);
    assert_memory_equal(far.key, near.key, sizeof(*far.key));
    assert_int_equal(far.generation, near.generation);
    assert_int_equal(far.epoch, near.epoch);
    assert_int_equal(far.epoch_older, near.epoch_older);
    ops->state_done(test->anchor, &far);
    embedded->ops->state_done(embedded, &near);
    assert_null(far.key);
    ops->state_done(test->anchor, &far); /* all zero */
    sherd_buf_done(&by_far.bytes);
    sherd_buf_done(&by_near.bytes);
}

static void test_anchor_remote_state__goes_on_behind_a_name_and_stops_when_told(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_anchor_state taken = {0};
    struct told all = {.count = 0};
    struct told some = {.stop_at = 3};
    struct told rest = {.count = 0};
    struct sherd_ref after;
    const struct sherd_uuid backup = record_new();

    fill_keys(test);
    assert_err(SHERD_ERR_INVALID, ops->state_scan(test->anchor, &taken, NULL, tell_row, &all));
    assert_ok(ops->state_take(test->anchor, &backup, &taken));
    assert_ok(ops->state_scan(test->anchor, &taken, NULL, tell_row, &all));
    assert_err(SHERD_ERR_CONFLICT, ops->state_scan(test->anchor, &taken, NULL, tell_row, &some));
    assert_int_equal(some.count, 3);
    memcpy(after.bytes, all.bytes.data, sizeof(after.bytes)); /* the first name */
    assert_ok(ops->state_scan(test->anchor, &taken, &after, tell_row, &rest));
    assert_int_equal(rest.count, all.count - 1);
    ops->state_done(test->anchor, &taken);
    sherd_buf_done(&all.bytes);
    sherd_buf_done(&some.bytes);
    sherd_buf_done(&rest.bytes);
}

static void test_anchor_remote_state__is_one_a_connection_and_ends_with_it(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_anchor_state states[2] = {{.key = NULL}};
    struct sherd_wire_uuid call = {.id = record_new()};
    struct sherd_link *link = NULL;
    struct sherd_wire reply;
    bool broken = true;

    for (size_t i = 0; i < SHERD_COUNT_OF(states); i++)
        assert_ok(ops->state_take(test->anchor, &call.id, &states[i]));
    for (size_t i = 0; i < SHERD_COUNT_OF(states); i++)
        ops->state_done(test->anchor, &states[i]);
    assert_ok(connect_one(served_of(test), &link));
    (void)sherd_link_write(link, false);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_link_call(link, SHERD_WIRE_MORE, &reply, &broken));
    for (unsigned i = 0; i < 2; i++) {
        sherd_wire_code(sherd_link_write(link, false), sherd_wire_call_of(SHERD_WIRE_STATE_TAKE)->call.head, &call);
        assert_int_equal(sherd_link_call(link, SHERD_WIRE_STATE_TAKE, &reply, &broken),
                         i == 0 ? SHERD_OK : SHERD_ERR_BUSY);
    }
    sherd_link_free(link); /* the snapshot goes with it: who checks memory sees if it did not */
}

static void test_anchor_remote_epoch_export__opens_and_is_not_adopted(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {0};
    struct sherd_epoch_set *set = sherd_secret_alloc(sizeof(*set));
    struct sherd_home *home = anchor_home_open(test);

    assert_non_null(set);
    assert_ok(ops->epoch_export(test->anchor, &file));
    assert_ok(sherd_epoch_import_file(home, sherd_buf_span(&file), set));
    assert_int_equal(set->count, 1);
    assert_int_equal(set->numbers[0], 1);
    assert_err(SHERD_ERR_UNSUPPORTED, ops->epoch_adopt(test->anchor, sherd_buf_span(&file)));
    assert_non_null(strstr(sherd_err_detail(), "agent"));
    sherd_home_free(home);
    sherd_secret_free(set);
}

/* As many records as a statement names, which no frame holds, as no frame holds what is said of them. */
static void test_anchor_remote_statement__is_signed_for_as_many_records_as_there_may_be(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_uuid *records = test_calloc(SHERD_RECEIPT_RECORDS_MAX + 1, sizeof(*records));
    struct sherd_statement statement = {
        .kind = SHERD_RECEIPT_RECORDS, .records = records, .record_count = SHERD_RECEIPT_RECORDS_MAX};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = SHERD_RECEIPT_BYTES_MAX};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    struct sherd_receipt receipt;

    for (size_t i = 0; i <= SHERD_RECEIPT_RECORDS_MAX; i++)
        sherd_put_u64(records[i].bytes, i + 1);
    assert_ok(ops->statement_key(test->anchor, &key));
    assert_ok(ops->statement_sign(test->anchor, &statement, &note));
    assert_true(note.len > SHERD_WIRE_FRAME_BYTES_MAX);
    assert_ok(sherd_receipt_verify(sherd_buf_span(&note), sherd_buf_span(&key), &receipt));
    assert_int_equal(receipt.item_count, SHERD_RECEIPT_RECORDS_MAX);
    assert_ok(sherd_receipt_names(sherd_buf_span(&note), &records[0], NULL, NULL));
    assert_ok(sherd_receipt_names(sherd_buf_span(&note), &records[SHERD_RECEIPT_RECORDS_MAX - 1], NULL, NULL));
    sherd_buf_clear(&note);
    statement.record_count++;
    assert_err(SHERD_ERR_LIMIT, ops->statement_sign(test->anchor, &statement, &note));
    assert_int_equal(note.len, 0);
    statement.record_count = 0; /* nothing is left of the ones before */
    assert_err(SHERD_ERR_INVALID, ops->statement_sign(test->anchor, &statement, &note));
    test_free(records);
}

static void test_anchor_remote_statement__is_refused_where_it_is_not_so(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_uuid records[2] = {record_new(), record_new()};
    struct sherd_statement statement = {.kind = SHERD_RECEIPT_RECORDS, .records = records, .record_count = 2};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = SHERD_RECEIPT_BYTES_MAX};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf key = {0};
    struct sherd_refs dropped = {0};
    struct sherd_receipt receipt;

    pin_version(test, records[1], 1, 1);
    assert_ok(ops->statement_key(test->anchor, &key));
    assert_err(SHERD_ERR_CONFLICT, ops->statement_sign(test->anchor, &statement, &note));
    assert_int_equal(note.len, 0);
    assert_ok(ops->pin_delete(test->anchor, records[1], &dropped));
    assert_ok(ops->statement_sign(test->anchor, &statement, &note));
    assert_ok(sherd_receipt_verify(sherd_buf_span(&note), sherd_buf_span(&key), &receipt));
    assert_int_equal(receipt.item_count, 2);
    statement = (struct sherd_statement){.kind = SHERD_RECEIPT_ENTITY, .collection = "logs"};
    assert_err(SHERD_ERR_INVALID, ops->statement_sign(test->anchor, &statement, &note)); /* of whom? */
    statement = (struct sherd_statement){.kind = SHERD_RECEIPT_REKEYED, .master_key = "default", .master_version = 7};
    assert_err(SHERD_ERR_NOT_FOUND, ops->statement_sign(test->anchor, &statement, &note));
    sherd_refs_done(&dropped);
}

/*
 * Whose collection an entity is of follows from the collection's name alone: nobody gets a statement about one
 * collection by asking for it in the words of another.
 */
static void test_anchor_remote_statement__finds_the_collection_itself(void **state)
{
    struct anchor_test *test = *state;
    const struct sherd_anchor_ops *ops = test->anchor->ops;
    struct sherd_statement statement = {.kind = SHERD_RECEIPT_ENTITY, .collection = "logs", .entity = "pat"};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {.max = SHERD_RECEIPT_BYTES_MAX};
    struct sherd_entry_keys assets;
    struct sherd_record_key key;
    struct sherd_pin pin;

    assert_ok(ops->lease(test->anchor, SHERD_ASSETS, &assets));
    assert_ok(sherd_entry_collection_id(&assets, "logs", &test->collection.id));
    assert_ok(ops->key_new(test->anchor, &test->collection, "pat", record_new(), 1, &pin, &key));
    assert_err(SHERD_ERR_CONFLICT, ops->statement_sign(test->anchor, &statement, &note));
    assert_ok(ops->entity_erase(test->anchor, &test->collection.id, "pat"));
    assert_ok(ops->statement_sign(test->anchor, &statement, &note));
    assert_ok(sherd_receipt_names(sherd_buf_span(&note), NULL, "logs", "pat"));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_receipt_names(sherd_buf_span(&note), NULL, "default", "pat"));
}

/* --- many at once ------------------------------------------------------------------------------------------------- */

#define THREADS 12U /* more than there are connections */

static void *hammer(void *arg)
{
    struct anchor_test *test = arg;

    for (unsigned i = 0; i < 20; i++) {
        const struct sherd_uuid record = record_new();
        struct sherd_pin_view view;

        pin_version(test, record, 1, 1);
        assert_ok(get(test, record, 0, &view));
        assert_memory_equal(&view.pin.record, &record, sizeof(record));
    }
    return NULL;
}

static void test_anchor_remote_threads__share_connections(void **state)
{
    struct anchor_test *test = *state;
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, test), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(served_of(test)->count <= SHERD_REMOTE_LINKS_MAX);
}

/* A batch that is longer than a small frame, with keys in it. */
static void test_anchor_remote_pin_commit__takes_many_at_once(void **state)
{
    static struct sherd_pin_change changes[1024];
    static struct sherd_record_key keys[1024];
    struct anchor_test *test = *state;
    struct sherd_refs dropped = {0};
    struct sherd_record_key key;
    struct sherd_pin_view view;

    for (size_t i = 0; i < SHERD_COUNT_OF(changes); i++) {
        changes[i] = change_of(test, record_new(), 1, 1, &keys[i]);
        changes[i].key = i % 2 == 0 ? &keys[i] : NULL;
    }
    assert_ok(test->anchor->ops->pin_commit(test->anchor, changes, SHERD_COUNT_OF(changes), &dropped));
    for (size_t i = 0; i < SHERD_COUNT_OF(changes); i += 100) {
        assert_ok(test->anchor->ops->pin_get(test->anchor, changes[i].pin.record, 0, &view, &key));
        assert_memory_equal(&key, &keys[i], sizeof(key));
    }
    sherd_refs_done(&dropped);
}

/* --- refusals and bad peers --------------------------------------------------------------------------------------- */

static void test_anchor_remote_refusal__keeps_code_and_words(void **state)
{
    struct anchor_test *test = *state;
    struct served *served = served_of(test);
    struct sherd_pin_view view;
    struct sherd_anchor *another = NULL;
    struct sherd_wire_hello hello;

    served->refusal = SHERD_ERR_SEALED;
    assert_err(SHERD_ERR_SEALED, get(test, record_new(), 0, &view));
    assert_string_equal(sherd_err_detail(), "refused by the test");
    assert_err(SHERD_ERR_SEALED, sherd_anchor_remote(connect_one, served, &hello, &another));
    served->refusal = SHERD_OK;
    assert_err(SHERD_ERR_NOT_FOUND, get(test, record_new(), 0, &view));
}

static void test_anchor_remote_control__reaches_the_host(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_wire_unseal unseal = {.kind = SHERD_WIRE_PASSPHRASE, .secret = sherd_span_str("open")};
    struct sherd_wire_progress progress = {0};
    struct sherd_wire_unsealed unsealed;
    struct sherd_wire_status status;
    struct sherd_link *link = NULL;
    struct sherd_wire reply;
    bool broken = true;

    assert_ok(connect_one(served_of(test), &link));
    sherd_wire_code(sherd_link_write(link, false), sherd_wire_call_of(SHERD_WIRE_UNSEAL)->call.head, &unseal);
    assert_ok(sherd_link_call(link, SHERD_WIRE_UNSEAL, &reply, &broken));
    sherd_wire_code(&reply, sherd_wire_call_of(SHERD_WIRE_UNSEAL)->reply.head, &unsealed);
    assert_ok(sherd_wire_read(&reply));
    assert_true(unsealed.unsealed);
    unseal.secret = sherd_span_str("no");
    sherd_wire_code(sherd_link_write(link, false), sherd_wire_call_of(SHERD_WIRE_UNSEAL)->call.head, &unseal);
    assert_err(SHERD_ERR_DENIED, sherd_link_call(link, SHERD_WIRE_UNSEAL, &reply, &broken));
    assert_false(broken);
    (void)sherd_link_write(link, false);
    assert_ok(sherd_link_call(link, SHERD_WIRE_STATUS, &reply, &broken));
    sherd_wire_code(&reply, sherd_wire_call_of(SHERD_WIRE_STATUS)->reply.head, &status);
    assert_int_equal(status.peers, 3);
    for (unsigned i = 0; i < 2; i++)
        sherd_wire_code(&reply, sherd_wire_call_of(SHERD_WIRE_STATUS)->reply.item, &progress);
    assert_ok(sherd_wire_read(&reply));
    assert_int_equal(progress.count, 8);
    sherd_link_free(link);
}

/* Whether the other end hangs up within so many milliseconds. */
static bool hangs_up(int fd, int within_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    uint8_t block[256];

    while (poll(&polled, 1, within_ms) > 0)
        if (recv(fd, block, sizeof(block), 0) <= 0)
            return true;
    return false;
}

static void test_anchor_remote_serve__hangs_up_on_who_breaks_the_protocol(void **state)
{
    struct anchor_test *test = *state;
    static const struct {
        const char *what;
        uint8_t bytes[20];
        size_t len;
    } bad[] = {
        {"shorter than a head", {0, 0, 0, 11}, 16},
        {"longer than a frame may be", {0, 0x10, 0, 0}, 16},
        {"no such verb", {0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 200}, 16},
        {"a call with a status", {0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 1}, 16},
        {"a status that is none", {0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 99}, 16},
        {"two calls at once", {0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 12}, 20},
    };

    for (size_t i = 0; i < SHERD_COUNT_OF(bad); i++) {
        const int fd = connect_fd(served_of(test));

        assert_int_equal(send(fd, bad[i].bytes, bad[i].len, MSG_NOSIGNAL), bad[i].len);
        if (!hangs_up(fd, 5000))
            fail_msg("%s: the connection goes on", bad[i].what);
        (void)close(fd);
    }
}

static void test_anchor_remote_serve__gives_up_on_who_stops_in_a_message(void **state)
{
    struct anchor_test *test = *state;
    const int fd = connect_fd(served_of(test));
    struct sherd_pin_view view;

    assert_int_equal(send(fd, "\0\0\0\x20", 4, MSG_NOSIGNAL), 4);
    assert_false(hangs_up(fd, 2000)); /* it may go on yet, and holds up nobody else */
    assert_err(SHERD_ERR_NOT_FOUND, get(test, record_new(), 0, &view));
    assert_true(hangs_up(fd, (int)SHERD_LINK_STALL_MS + 5000));
    (void)close(fd);
}

/* A body that is cut, or too long, or holds what no message may: an answer, and the connection goes on. */
static void test_anchor_remote_serve__refuses_bodies_that_are_no_message(void **state)
{
    struct anchor_test *test = *state;
    struct sherd_wire_pin_get call = {.version = 1};
    struct sherd_link *link = NULL;
    struct sherd_wire reply;
    bool broken = true;

    assert_ok(connect_one(served_of(test), &link));
    struct sherd_wire *wire = sherd_link_write(link, false);
    sherd_wire_code(wire, sherd_wire_call_of(SHERD_WIRE_PIN_GET)->call.head, &call);
    sherd_link_message(link)[24] = 2; /* neither true nor false */
    assert_err(SHERD_ERR_IO, sherd_link_call(link, SHERD_WIRE_PIN_GET, &reply, &broken));
    assert_false(broken);
    wire = sherd_link_write(link, false);
    sherd_wire_code(wire, sherd_wire_call_of(SHERD_WIRE_PIN_GET)->call.head, &call);
    assert_ok(sherd_buf_append(wire->out, sherd_span_str("x")));
    assert_err(SHERD_ERR_IO, sherd_link_call(link, SHERD_WIRE_PIN_GET, &reply, &broken));
    assert_false(broken);
    sherd_link_free(link);
}

/* The agent is killed: the call that was under way says that nobody knows, and later ones that it is gone. */
static void test_anchor_remote_call__says_when_the_agent_is_gone(void **state)
{
    struct anchor_test *test = *state;
    struct served *served = served_of(test);
    struct sherd_pin_view view;

    for (size_t i = 0; i < served->count; i++)
        (void)shutdown(sherd_link_fd(served->links[i]), SHUT_RDWR);
    assert_err(SHERD_ERR_IO, get(test, record_new(), 0, &view));
    assert_err(SHERD_ERR_NOT_FOUND, get(test, record_new(), 0, &view)); /* on a connection of its own, it goes on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        anchor_test_of(test_anchor_remote_masters__are_made_told_retired_and_destroyed),
        anchor_test_of(test_anchor_remote_rekey__belongs_to_its_connection),
        anchor_test_of(test_anchor_remote_keys__are_described),
        anchor_test_of(test_anchor_remote_entities__are_found_and_erased),
        anchor_test_of(test_anchor_remote_state__is_that_of_the_anchor_itself),
        anchor_test_of(test_anchor_remote_state__goes_on_behind_a_name_and_stops_when_told),
        anchor_test_of(test_anchor_remote_state__is_one_a_connection_and_ends_with_it),
        anchor_test_of(test_anchor_remote_epoch_export__opens_and_is_not_adopted),
        anchor_test_of(test_anchor_remote_statement__is_signed_for_as_many_records_as_there_may_be),
        anchor_test_of(test_anchor_remote_statement__is_refused_where_it_is_not_so),
        anchor_test_of(test_anchor_remote_statement__finds_the_collection_itself),
        anchor_test_of(test_anchor_remote_threads__share_connections),
        anchor_test_of(test_anchor_remote_pin_commit__takes_many_at_once),
        anchor_test_of(test_anchor_remote_refusal__keeps_code_and_words),
        anchor_test_of(test_anchor_remote_control__reaches_the_host),
        anchor_test_of(test_anchor_remote_serve__hangs_up_on_who_breaks_the_protocol),
        anchor_test_of(test_anchor_remote_serve__gives_up_on_who_stops_in_a_message),
        anchor_test_of(test_anchor_remote_serve__refuses_bodies_that_are_no_message),
        anchor_test_of(test_anchor_remote_call__says_when_the_agent_is_gone),
    };
    const int failed = embedded_tests();

    return failed + cmocka_run_group_tests_name("anchor_remote", tests, NULL, NULL);
}
