/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of contexts: golden bytes, by hand from docs/format/envelope.md section 4, and that each part is bound. */
#include "envelope/context.h"
#include "hex.h"
#include <string.h>

static struct sherd_scope example_scope(void)
{
    struct sherd_scope scope = {.version = 7};

    memset(scope.deployment.bytes, 0xde, 16);
    memset(scope.tenant.bytes, 0x7e, 16);
    memset(scope.collection.bytes, 0xc0, 16);
    memset(scope.entity.bytes, 0xe0, 16);
    memset(scope.record.bytes, 0x4d, 16);
    return scope;
}

static void assert_golden(const struct sherd_context *context, const char *golden)
{
    uint8_t block[256];
    const struct sherd_span expected = hex_read(golden, block, sizeof(block));

    assert_int_equal(sherd_context_span(context).len, expected.len);
    assert_memory_equal(context->bytes, expected.data, expected.len);
}

#define SCOPE                                                                                        \
    "01 0010" HEX_X16(" de") " 02 0010" HEX_X16(" 7e") " 03 0010" HEX_X16(" c0") " 04 0010" HEX_X16( \
        " e0") " 05 0010" HEX_X16(" 4d")

static void test_envelope_context_scope__is_the_documented_one(void **state)
{
    const struct sherd_scope scope = example_scope();
    struct sherd_context context;

    (void)state;
    sherd_context_of_scope(&scope, SHERD_FOR_CONTENT, 0, 0, &context);
    assert_golden(&context, SCOPE " 06 0008 0001000100000000 07 0008 0000000000000007 08 0008 0000000000000010"
                                  " 09 0008 0000000000000000");
    sherd_context_of_scope(&scope, SHERD_FOR_RECORD_KEY, 3, 2, &context);
    assert_golden(&context, SCOPE " 06 0008 0001000100000003 07 0008 0000000000000007 08 0008 0000000000000011"
                                  " 09 0008 0000000000000002");
    sherd_context_of_scope(&scope, SHERD_FOR_ENTITY_KEY, UINT32_MAX, UINT64_MAX, &context);
    assert_golden(&context, SCOPE " 06 0008 00010001ffffffff 07 0008 0000000000000007 08 0008 0000000000000012"
                                  " 09 0008 ffffffffffffffff");
    sherd_context_of_scope(&scope, SHERD_FOR_WRAPPING_KEY, 1, 1, &context);
    assert_golden(&context, SCOPE " 06 0008 0001000100000001 07 0008 0000000000000007 08 0008 0000000000000013"
                                  " 09 0008 0000000000000001");
}

/* What a wrapped entity key, a derived one, and the key that wraps record keys are bound to beside the scope. */
static void test_envelope_context_wrap__is_the_documented_one(void **state)
{
    const struct sherd_scope scope = example_scope();
    struct sherd_context context;
    struct sherd_ref master;

    (void)state;
    memset(master.bytes, 0x5a, 16);
    sherd_context_of_wrap(&scope, SHERD_FOR_ENTITY_KEY, 0, 0, &master, 9, &context);
    assert_golden(&context, SCOPE " 06 0008 0001000100000000 07 0008 0000000000000007 08 0008 0000000000000012"
                                  " 09 0008 0000000000000000 0a 0010" HEX_X16(" 5a") " 0d 0008 0000000000000009");
    sherd_context_of_wrap(&scope, SHERD_FOR_DERIVED_KEY, 0, 0, &master, 0, &context);
    assert_golden(&context, SCOPE " 06 0008 0001000100000000 07 0008 0000000000000007 08 0008 0000000000000016"
                                  " 09 0008 0000000000000000 0a 0010" HEX_X16(" 5a") " 0d 0008 0000000000000000");
    sherd_context_of_wrap(&scope, SHERD_FOR_WRAPPING_KEY, 3, 7, NULL, 9, &context);
    assert_golden(&context, SCOPE " 06 0008 0001000100000003 07 0008 0000000000000007 08 0008 0000000000000013"
                                  " 09 0008 0000000000000007 0d 0008 0000000000000009");
}

static void test_envelope_context_entry__is_the_documented_one(void **state)
{
    struct sherd_uuid deployment;
    struct sherd_ref name;
    struct sherd_context context;

    (void)state;
    memset(deployment.bytes, 0xde, 16);
    memset(name.bytes, 0xa1, 16);
    sherd_context_of_entry(&deployment, SHERD_FOR_KEYS, 5, 1, &name, 320, &context);
    assert_golden(&context, "01 0010" HEX_X16(" de") " 06 0008 0001000100000001 08 0008 0000000000000004"
                                                     " 09 0008 0000000000000005 0b 0010" HEX_X16(
                                                         " a1") " 0c 0008 0000000000000140");
}

static void assert_differs(const struct sherd_context *context, const struct sherd_scope *scope,
                           enum sherd_purpose purpose, uint32_t key_version, uint64_t outer_version)
{
    struct sherd_context other;

    sherd_context_of_scope(scope, purpose, key_version, outer_version, &other);
    assert_true(other.len != context->len || memcmp(other.bytes, context->bytes, other.len) != 0);
}

static void test_envelope_context_scope__binds_each_part(void **state)
{
    const struct sherd_scope scope = example_scope();
    struct sherd_context context;
    struct sherd_scope other;

    (void)state;
    sherd_context_of_scope(&scope, SHERD_FOR_RECORD_KEY, 1, 2, &context);
    assert_differs(&context, &scope, SHERD_FOR_CONTENT, 1, 2);
    assert_differs(&context, &scope, SHERD_FOR_RECORD_KEY, 2, 2);
    assert_differs(&context, &scope, SHERD_FOR_RECORD_KEY, 1, 1);
    for (size_t i = 0; i < offsetof(struct sherd_scope, version) + 8; i++) {
        other = scope;
        ((uint8_t *)&other)[i] ^= 1;
        assert_differs(&context, &other, SHERD_FOR_RECORD_KEY, 1, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelope_context_scope__is_the_documented_one),
        cmocka_unit_test(test_envelope_context_wrap__is_the_documented_one),
        cmocka_unit_test(test_envelope_context_entry__is_the_documented_one),
        cmocka_unit_test(test_envelope_context_scope__binds_each_part),
    };

    return cmocka_run_group_tests_name("envelope_context", tests, NULL, NULL);
}
