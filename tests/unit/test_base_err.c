/* SPDX-License-Identifier: Apache-2.0 */
/* Names of error codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sherd/err.h>

#define CODE(name) {name, #name}

static const struct {
    enum sherd_err err;
    const char *name;
} codes[] = {
    CODE(SHERD_OK),         CODE(SHERD_ERR_INVALID), CODE(SHERD_ERR_NOT_FOUND), CODE(SHERD_ERR_CONFLICT),
    CODE(SHERD_ERR_DENIED), CODE(SHERD_ERR_SEALED),  CODE(SHERD_ERR_TAMPERED),  CODE(SHERD_ERR_LIMIT),
    CODE(SHERD_ERR_BUSY),   CODE(SHERD_ERR_IO),      CODE(SHERD_ERR_NO_MEMORY), CODE(SHERD_ERR_UNSUPPORTED),
};

static void test_base_err__names_every_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_int_equal(codes[i].err, (int)i); /* the values are part of the ABI: only ever appended */
        assert_string_equal(sherd_err_name(codes[i].err), codes[i].name);
    }
}

static void test_base_err__names_what_is_no_code(void **state)
{
    const int last = (int)(sizeof(codes) / sizeof(codes[0]));

    (void)state;
    assert_string_equal(sherd_err_name((enum sherd_err)last), "SHERD_ERR_UNKNOWN");
    assert_string_equal(sherd_err_name((enum sherd_err)(last + 1)), "SHERD_ERR_UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_err__names_every_code),
        cmocka_unit_test(test_base_err__names_what_is_no_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
