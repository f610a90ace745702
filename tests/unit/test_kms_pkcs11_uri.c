/* SPDX-License-Identifier: Apache-2.0 */
/* URIs of PKCS#11: read, written in one form, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/macros.h"
#include "kms/pkcs11/uri.h"
#include <string.h>

static void test_kms_pkcs11_uri__is_written_in_one_form(void **state)
{
    static const char *const cases[][2] = {
        {"pkcs11:", "pkcs11:"},
        {"pkcs11:token=anna;object=share", "pkcs11:token=anna;object=share"},
        {"pkcs11:object=share;token=anna", "pkcs11:token=anna;object=share"},
        {"pkcs11:object=a%20b;id=%01%ab%AC;type=private", "pkcs11:object=a%20b;id=%01%ab%ac"},
        {"pkcs11:id=a1", "pkcs11:id=%61%31"},
        {"pkcs11:token=%41nna;type=cert", "pkcs11:token=Anna"},
        {"pkcs11:token=a+b", "pkcs11:token=a%2bb"},
        {"pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=0f6e;token=x%3by",
         "pkcs11:token=x%3by;manufacturer=SoftHSM%20project;serial=0f6e;model=SoftHSM%20v2"},
        {"pkcs11:token=anna?module-path=/usr/lib/x.so", "pkcs11:token=anna"},
        {"pkcs11:?module-path=x", "pkcs11:"},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        char text[SHERD_P11_URI_BYTES_MAX + 1];
        char again[SHERD_P11_URI_BYTES_MAX + 1];
        struct sherd_p11_uri uri;

        assert_int_equal(sherd_p11_uri_parse(cases[i][0], &uri), SHERD_OK);
        sherd_p11_uri_print(&uri, text);
        assert_string_equal(text, cases[i][1]);
        assert_int_equal(sherd_p11_uri_parse(text, &uri), SHERD_OK);
        sherd_p11_uri_print(&uri, again);
        assert_string_equal(again, text);
    }
}

static void test_kms_pkcs11_uri__says_what_it_says(void **state)
{
    struct sherd_p11_uri uri;

    (void)state;
    assert_int_equal(sherd_p11_uri_parse("pkcs11:id=%00%ff;token=a%25?module-path=/lib/a%20b.so", &uri), SHERD_OK);
    assert_string_equal(uri.token, "a%");
    assert_string_equal(uri.module_path, "/lib/a b.so");
    assert_int_equal(uri.id_bytes, 2);
    assert_memory_equal(uri.id, "\x00\xff", 2);
    assert_string_equal(uri.object, "");
    assert_true(sherd_p11_is_uri("pkcs11:"));
    assert_false(sherd_p11_is_uri("pkcs11"));
    assert_false(sherd_p11_is_uri("PKCS11:"));
}

static void test_kms_pkcs11_uri__what_is_wrong_is_refused(void **state)
{
    static const struct {
        const char *text;
        enum sherd_err err;
        const char *words;
    } cases[] = {
        {"", SHERD_ERR_INVALID, "begins with"},
        {"http:token=a", SHERD_ERR_INVALID, "begins with"},
        {"pkcs11:token", SHERD_ERR_INVALID, "is a list"},
        {"pkcs11:;", SHERD_ERR_INVALID, "is a list"},
        {"pkcs11:token=", SHERD_ERR_INVALID, "empty"},
        {"pkcs11:token=a;", SHERD_ERR_INVALID, "ends in a separator"},
        {"pkcs11:token=a;;id=%01", SHERD_ERR_INVALID, "is a list"},
        {"pkcs11:token=a;token=a", SHERD_ERR_INVALID, "twice"},
        {"pkcs11:id=%01;id=%01", SHERD_ERR_INVALID, "twice"},
        {"pkcs11:token=%4", SHERD_ERR_INVALID, "%25"},
        {"pkcs11:token=%", SHERD_ERR_INVALID, "%25"},
        {"pkcs11:token=%4g", SHERD_ERR_INVALID, "%25"},
        {"pkcs11:token=a%00b", SHERD_ERR_INVALID, "zero byte"},
        {"pkcs11:token=123456789012345678901234567890123", SHERD_ERR_INVALID, "too long"},
        {"pkcs11:serial=12345678901234567", SHERD_ERR_INVALID, "too long"},
        {"pkcs11:slot-id=1", SHERD_ERR_UNSUPPORTED, "'slot-id'"},
        {"pkcs11:type=data", SHERD_ERR_UNSUPPORTED, "'type'"},
        {"pkcs11:x-what=1", SHERD_ERR_UNSUPPORTED, "'x-what'"},
        {"pkcs11:module-path=/x", SHERD_ERR_UNSUPPORTED, "'module-path'"},
        {"pkcs11:?token=a", SHERD_ERR_UNSUPPORTED, "'token'"},
        {"pkcs11:?pin-value=1234", SHERD_ERR_INVALID, "a PIN is never taken"},
        {"pkcs11:token=a?module-path=x&pin-source=file:y", SHERD_ERR_INVALID, "a PIN is never taken"},
    };

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(cases); i++) {
        struct sherd_p11_uri uri = {.id_bytes = 77};

        assert_int_equal(sherd_p11_uri_parse(cases[i].text, &uri), cases[i].err);
        assert_non_null(strstr(sherd_err_detail(), cases[i].words));
        assert_null(strstr(sherd_err_detail(), "1234"));
        assert_int_equal(uri.id_bytes, 77);
    }
}

/* The longest of everything, all of it to be escaped, has room. */
static void test_kms_pkcs11_uri__the_longest_has_room(void **state)
{
    char text[SHERD_P11_URI_BYTES_MAX + 1];
    struct sherd_p11_uri uri = {.id_bytes = SHERD_P11_ID_BYTES_MAX};
    struct sherd_p11_uri again;

    (void)state;
    memset(uri.token, 0x01, 32);
    memset(uri.manufacturer, 0x02, 32);
    memset(uri.serial, 0x03, 16);
    memset(uri.model, 0x04, 16);
    memset(uri.object, 0x05, SHERD_P11_LABEL_BYTES_MAX);
    sherd_p11_uri_print(&uri, text);
    assert_true(strlen(text) <= SHERD_P11_URI_BYTES_MAX);
    assert_int_equal(sherd_p11_uri_parse(text, &again), SHERD_OK);
    assert_memory_equal(&again, &uri, sizeof(uri));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kms_pkcs11_uri__is_written_in_one_form),
        cmocka_unit_test(test_kms_pkcs11_uri__says_what_it_says),
        cmocka_unit_test(test_kms_pkcs11_uri__what_is_wrong_is_refused),
        cmocka_unit_test(test_kms_pkcs11_uri__the_longest_has_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
