/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face of generators and key stores: names, arguments, and plug-ins that are not as they should be. The outside
 * service here is a table in this file, as a later plug-in will be one.
 */
#include "kms.h"

/* --- names and arguments ----------------------------------------------------------------------------------------- */

static void test_kms_key__finds_plugins_by_name(void **state)
{
    const struct sherd_key_generator *generator = NULL;
    const struct sherd_key_store *store = NULL;

    (void)state;
    assert_ok(sherd_key_generator_find(NULL, &generator));
    assert_string_equal(generator->name, "openssl");
    assert_ok(sherd_key_generator_find("openssl", &generator));
    assert_ok(sherd_key_store_find(NULL, &store));
    assert_string_equal(store->name, "anchor");
    for (size_t i = 0; sherd_key_stores()[i] != NULL; i++) {
        assert_ok(sherd_key_store_find(sherd_key_stores()[i]->name, &store));
        assert_ptr_equal(store, sherd_key_stores()[i]);
        assert_int_equal(store->abi, SHERD_KEY_ABI);
        assert_true(strlen(store->name) < SHERD_KEY_PLUGIN_NAME_SIZE);
    }
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_key_generator_find("aws-kms", &generator));
    assert_non_null(strstr(sherd_err_detail(), "openssl"));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_key_store_find("Stripe", &store));
    assert_non_null(strstr(sherd_err_detail(), "anchor, stripe, shares"));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_key_store_find("", &store));
}

static void test_kms_key__reads_arguments(void **state)
{
    struct sherd_key_arg_list *list = test_calloc(1, sizeof(*list));

    (void)state;
    assert_ok(sherd_key_args_parse(NULL, list));
    assert_int_equal(list->count, 0);
    assert_ok(sherd_key_args_parse("", list));
    assert_int_equal(list->count, 0);
    assert_ok(sherd_key_args_parse("region=eu-1\nendpoint=https://x/?a=b\nempty=", list));
    const struct sherd_key_args args = sherd_key_args_of(list);
    assert_int_equal(args.count, 3);
    assert_string_equal(sherd_key_arg(&args, "region"), "eu-1");
    assert_string_equal(sherd_key_arg(&args, "endpoint"), "https://x/?a=b");
    assert_string_equal(sherd_key_arg(&args, "empty"), "");
    assert_null(sherd_key_arg(&args, "regio"));
    test_free(list);
}

static void test_kms_key__refuses_arguments_that_are_none(void **state)
{
    static const char *const wrong[] = {"a",      "=b",     "\na=b",       "a=b\n\nc=d",
                                        "A=b",    "a b=c",  "a=b\na=c",    "a=\x01",
                                        "a=b\tc", "a=\x7f", "-\xc3\xa4=b", "abcdefghijklmnopqrstuvwxyzabcdefg=b"};
    char text[SHERD_KEY_ARGS_BYTES_MAX + 2];
    struct sherd_key_arg_list *list = test_calloc(1, sizeof(*list));

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(wrong); i++)
        assert_err(SHERD_ERR_INVALID, sherd_key_args_parse(wrong[i], list));
    memset(text, 'x', sizeof(text));
    text[1] = '=';
    text[SHERD_KEY_ARGS_BYTES_MAX] = 0;
    assert_ok(sherd_key_args_parse(text, list));
    text[SHERD_KEY_ARGS_BYTES_MAX] = 'x';
    text[SHERD_KEY_ARGS_BYTES_MAX + 1] = 0;
    assert_err(SHERD_ERR_LIMIT, sherd_key_args_parse(text, list));
    size_t len = 0;
    for (int i = 0; i < 17; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "a%d=b\n", i);
    assert_err(SHERD_ERR_LIMIT, sherd_key_args_parse(text, list));
    test_free(list);
}

static void test_kms_key__takes_arguments_of_generator_or_store(void **state)
{
    static const char *const of_generator[] = {"region", NULL};
    static const char *const of_store[] = {"places", "threshold", NULL};
    static const struct sherd_key_arg both[] = {{"region", "x"}, {"threshold", "2"}};
    static const struct sherd_key_arg other[] = {{"region", "x"}, {"password", "very secret"}};
    const struct sherd_key_generator generator = {.name = "g", .arg_names = of_generator};
    const struct sherd_key_store store = {.name = "s", .arg_names = of_store};
    const struct sherd_key_store plain = {.name = "p"};
    struct sherd_key_args args = {both, 2};

    (void)state;
    assert_ok(sherd_key_args_check(&generator, &store, &args));
    assert_err(SHERD_ERR_INVALID, sherd_key_args_check(&generator, &plain, &args));
    assert_non_null(strstr(sherd_err_detail(), "they take: region"));
    args.list = other;
    assert_err(SHERD_ERR_INVALID, sherd_key_args_check(&generator, &store, &args));
    assert_non_null(strstr(sherd_err_detail(), "region, places, threshold"));
    assert_null(strstr(sherd_err_detail(), "very secret"));
}

/* --- an outside service ------------------------------------------------------------------------------------------ */

/* Wraps by an exclusive or, and can be made to fail; it sees what each call says. */
static struct service {
    enum sherd_err fails; /* all calls */
    bool gives_another;   /* fetch() gives another key */
    bool keeps_nothing;
    uint32_t timeout_ms;
    char outside_id[SHERD_KEY_OUTSIDE_SIZE];
    unsigned destroyed;
} service;

static enum sherd_err service_generate(const struct sherd_key_call *call, struct sherd_key_made *out_made)
{
    uint8_t wrapped[SHERD_MASTER_KEY_SIZE];

    if (service.fails != SHERD_OK)
        return sherd_fail(service.fails, "the service does not answer");
    service.timeout_ms = call->timeout_ms;
    assert_string_equal(call->store, "service");
    assert_ok(sherd_random(out_made->key->bytes, sizeof(out_made->key->bytes)));
    for (size_t i = 0; i < sizeof(wrapped); i++)
        wrapped[i] = out_made->key->bytes[i] ^ 0x5a;
    (void)snprintf(out_made->outside_id, sizeof(out_made->outside_id), "arn:service:key/1");
    return sherd_buf_append(&out_made->wrapped, sherd_span_of(wrapped, sizeof(wrapped)));
}

static enum sherd_err service_keep(const struct sherd_key_call *call, const struct sherd_master_key *key,
                                   struct sherd_span wrapped, struct sherd_key_kept *out_kept)
{
    (void)key;
    assert_string_equal(out_kept->outside_id, "arn:service:key/1"); /* begins as the generator's */
    assert_int_equal(wrapped.len, SHERD_MASTER_KEY_SIZE);
    if (service.keeps_nothing)
        return SHERD_OK;
    (void)snprintf(out_kept->outside_id, sizeof(out_kept->outside_id), "arn:service:key/1:eu");
    return call->host->protect(call, wrapped, &out_kept->bytes);
}

static enum sherd_err service_fetch(const struct sherd_key_call *call, struct sherd_span kept,
                                    struct sherd_master_key *out_key)
{
    uint8_t block[SHERD_MASTER_KEY_SIZE];
    struct sherd_buf wrapped = sherd_buf_borrow(block, sizeof(block));

    (void)snprintf(service.outside_id, sizeof(service.outside_id), "%s", call->outside_id);
    service.timeout_ms = call->timeout_ms;
    SHERD_TRY(call->host->unprotect(call, kept, &wrapped));
    for (size_t i = 0; i < sizeof(block); i++)
        out_key->bytes[i] = block[i] ^ (service.gives_another ? 0x5b : 0x5a);
    return SHERD_OK;
}

static enum sherd_err service_destroy(const struct sherd_key_call *call, struct sherd_span kept)
{
    (void)call;
    (void)kept;
    service.destroyed++;
    return SHERD_OK;
}

static enum sherd_err service_check(const struct sherd_key_call *call, struct sherd_span kept,
                                    sherd_key_finding_fn *visit, void *arg)
{
    const struct sherd_key_finding finding = {SHERD_KEY_PART_UNREACHABLE, 0, "service"};

    (void)call;
    (void)kept;
    SHERD_TRY(visit(arg, &finding));
    return sherd_fail(SHERD_ERR_BUSY, "the service says to come back");
}

static const struct sherd_key_generator service_generator = {SHERD_KEY_ABI, "service", NULL, service_generate};
static const struct sherd_key_store service_store = {SHERD_KEY_ABI, "service",       NULL,         service_keep,
                                                     service_fetch, service_destroy, service_check};

static enum sherd_err activate(struct kms_test *test, const struct sherd_key_generator *generator,
                               const struct sherd_key_store *store, struct sherd_master_key *key,
                               struct sherd_key_kept *kept)
{
    const struct sherd_key_call call = kms_call(test);

    return sherd_key_activate(generator, store, &call, key, kept);
}

static void test_kms_key__ties_a_version_to_an_outside_key(void **state)
{
    struct kms_test *test = *state;
    struct sherd_key_kept kept = {.outside_id = ""};
    struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    struct sherd_master_key *again = sherd_secret_alloc(sizeof(*again));

    assert_true(key != NULL && again != NULL);
    service = (struct service){.fails = SHERD_OK};
    assert_ok(activate(test, &service_generator, &service_store, key, &kept));
    assert_string_equal(kept.outside_id, "arn:service:key/1:eu");
    assert_string_equal(service.outside_id, "arn:service:key/1:eu"); /* what it was read back with */
    assert_int_equal(service.timeout_ms, SHERD_KEY_TIMEOUT_MS);

    struct sherd_key_call call = kms_call(test);
    call.outside_id = kept.outside_id;
    call.timeout_ms = 250;
    assert_ok(sherd_key_fetch(&service_store, &call, sherd_buf_span(&kept.bytes), again));
    assert_memory_equal(again, key, sizeof(*key));
    assert_int_equal(service.timeout_ms, 250);
    assert_err(SHERD_ERR_BUSY, sherd_key_check(&service_store, &call, sherd_buf_span(&kept.bytes), NULL, NULL));
    assert_ok(sherd_key_destroy(&service_store, &call, sherd_buf_span(&kept.bytes)));
    assert_int_equal(service.destroyed, 1);
    sherd_buf_done(&kept.bytes);
    sherd_secret_free(key);
    sherd_secret_free(again);
}

static void test_kms_key__mixes_generators_and_stores(void **state)
{
    struct kms_test *test = *state;
    struct sherd_key_kept kept = {.outside_id = ""};
    struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));

    assert_non_null(key);
    service = (struct service){.fails = SHERD_OK};
    struct sherd_key_store store = *sherd_key_stores()[0];
    store.name = "service"; /* the service insists on it */
    assert_ok(activate(test, &service_generator, &store, key, &kept));
    assert_string_equal(kept.outside_id, "arn:service:key/1"); /* the generator's stays */
    assert_int_equal(kept.bytes.len, SHERD_MASTER_KEY_SIZE + SHERD_KEY_PROTECT_BYTES);
    sherd_buf_done(&kept.bytes);
    sherd_secret_free(key);
}

static void test_kms_key__uses_no_key_that_cannot_be_fetched_again(void **state)
{
    static const struct sherd_master_key none;
    struct kms_test *test = *state;
    struct sherd_key_kept kept = {.outside_id = ""};
    struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));

    assert_non_null(key);
    service = (struct service){.gives_another = true};
    assert_err(SHERD_ERR_IO, activate(test, &service_generator, &service_store, key, &kept));
    assert_int_equal(service.destroyed, 1); /* taken back */
    service = (struct service){.keeps_nothing = true};
    assert_err(SHERD_ERR_IO, activate(test, &service_generator, &service_store, key, &kept));
    assert_int_equal(service.destroyed, 0);
    service = (struct service){.fails = SHERD_ERR_BUSY};
    assert_err(SHERD_ERR_BUSY, activate(test, &service_generator, &service_store, key, &kept));
    assert_string_equal(sherd_err_detail(), "the service does not answer");
    assert_memory_equal(key, &none, sizeof(none));
    assert_int_equal(kept.bytes.len, 0);
    sherd_secret_free(key);
}

static void test_kms_key__refuses_another_abi(void **state)
{
    struct kms_test *test = *state;
    struct sherd_key_generator generator = service_generator;
    struct sherd_key_store store = service_store;
    struct sherd_key_kept kept = {.outside_id = ""};
    struct sherd_master_key *key = sherd_secret_alloc(sizeof(*key));
    const struct sherd_key_call call = kms_call(test);

    assert_non_null(key);
    service = (struct service){.fails = SHERD_OK};
    generator.abi = SHERD_KEY_ABI + 1;
    assert_err(SHERD_ERR_UNSUPPORTED, activate(test, &generator, &store, key, &kept));
    generator = (struct sherd_key_generator){.abi = SHERD_KEY_ABI, .name = "half"};
    assert_err(SHERD_ERR_UNSUPPORTED, activate(test, &generator, &store, key, &kept));
    store.abi = 0;
    assert_err(SHERD_ERR_UNSUPPORTED, activate(test, &service_generator, &store, key, &kept));
    store = service_store;
    store.check = NULL;
    assert_err(SHERD_ERR_UNSUPPORTED, activate(test, &service_generator, &store, key, &kept));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_key_fetch(&store, &call, sherd_span_of(NULL, 0), key));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_key_destroy(&store, &call, sherd_span_of(NULL, 0)));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_key_check(&store, &call, sherd_span_of(NULL, 0), NULL, NULL));
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_key_keep(&store, &call, key, &kept));
    sherd_secret_free(key);
}

/* --- the host ---------------------------------------------------------------------------------------------------- */

static void test_kms_host__protects_up_to_what_the_keyring_holds(void **state)
{
    const struct kms_test *test = *state;
    static const uint8_t plain[SHERD_KEY_KEPT_BYTES_MAX];
    struct sherd_buf text = {0};
    struct sherd_key_call call = kms_call(test);

    call.store = "service";
    assert_ok(call.host->protect(&call, sherd_span_of(plain, SHERD_KEY_WRAPPED_BYTES_MAX), &text));
    assert_int_equal(text.len, SHERD_KEY_WRAPPED_BYTES_MAX + SHERD_KEY_PROTECT_BYTES);
    sherd_buf_clear(&text);
    assert_ok(call.host->protect(&call, sherd_span_of(plain, sizeof(plain) - SHERD_KEY_PROTECT_BYTES), &text));
    assert_int_equal(text.len, SHERD_KEY_KEPT_BYTES_MAX);
    assert_err(SHERD_ERR_LIMIT,
               call.host->protect(&call, sherd_span_of(plain, sizeof(plain) - SHERD_KEY_PROTECT_BYTES + 1), &text));
    assert_err(SHERD_ERR_LIMIT, call.host->protect(&call, sherd_span_of(NULL, 0), &text));
    sherd_buf_done(&text);
}

static void test_kms_host__refuses_what_is_no_part_or_place(void **state)
{
    const struct kms_test *test = *state;
    struct sherd_key_part part = {.bytes = 0};
    struct sherd_key_call call = kms_call(test);

    call.store = "service";
    assert_err(SHERD_ERR_LIMIT, call.host->parts_put(&call, "keys", &part, 1));
    part.bytes = SHERD_KEY_PART_BYTES_MAX + 1;
    assert_err(SHERD_ERR_LIMIT, call.host->parts_put(&call, "keys", &part, 1));
    part.bytes = SHERD_KEY_PART_BYTES_MAX;
    assert_err(SHERD_ERR_INVALID, call.host->parts_put(&call, "keys", &part, 0));
    assert_err(SHERD_ERR_INVALID, call.host->parts_put(&call, "keys", &part, SHERD_KEY_PARTS_MAX + 1));
    assert_err(SHERD_ERR_INVALID, call.host->parts_put(&call, "nowhere", &part, 1));
    assert_ok(call.host->parts_put(&call, "keys", &part, 1));
    assert_int_equal(call.host->parts_put(&call, "keys", &part, 1), SHERD_ERR_CONFLICT); /* never over one */
    assert_ok(call.host->parts_get(&call, "keys", &part, 1));
    assert_int_equal(part.status, SHERD_OK);
    assert_ok(call.host->parts_delete(&call, "keys", &part, 1));
    assert_ok(call.host->parts_delete(&call, "keys", &part, 1));
    assert_ok(call.host->parts_get(&call, "keys", &part, 1));
    assert_int_equal(part.status, SHERD_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kms_key__finds_plugins_by_name),
        cmocka_unit_test(test_kms_key__reads_arguments),
        cmocka_unit_test(test_kms_key__refuses_arguments_that_are_none),
        cmocka_unit_test(test_kms_key__takes_arguments_of_generator_or_store),
        kms_test_of(test_kms_key__ties_a_version_to_an_outside_key),
        kms_test_of(test_kms_key__mixes_generators_and_stores),
        kms_test_of(test_kms_key__uses_no_key_that_cannot_be_fetched_again),
        kms_test_of(test_kms_key__refuses_another_abi),
        kms_test_of(test_kms_host__protects_up_to_what_the_keyring_holds),
        kms_test_of(test_kms_host__refuses_what_is_no_part_or_place),
    };

    return cmocka_run_group_tests_name("kms_key", tests, NULL, NULL);
}
