/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the plain files of a vault: the marker's one text, reading with a ceiling, writing without replacing. */
#include "cryptor/files.h"
#include "base/mem.h"
#include "vault.h"
#include <sys/stat.h>

static const char marker[] = "sherd vault\nformat 1\nengine lmdb\n";

static enum sherd_err parse(const char *text, size_t len, char engine[SHERD_ENGINE_NAME_SIZE])
{
    char *exact = test_malloc(len > 0 ? len : 1); /* of exactly this length: reading past its end is seen */

    memcpy(exact, text, len);
    const enum sherd_err err = sherd_marker_parse(sherd_span_of(exact, len), engine);
    test_free(exact);
    return err;
}

static void test_cryptor_files_marker__is_the_documented_text(void **state)
{
    struct vault_test *test = *state;
    struct sherd_buf text = {0};
    char engine[SHERD_ENGINE_NAME_SIZE] = "";

    assert_ok(sherd_marker_write(test->root, "lmdb"));
    assert_ok(sherd_file_read(test->root, SHERD_MARKER_FILE, &text));
    assert_int_equal(text.len, strlen(marker));
    assert_memory_equal(text.data, marker, text.len);
    sherd_buf_done(&text);
    assert_ok(sherd_marker_read(test->root, engine));
    assert_string_equal(engine, "lmdb");
    assert_err(SHERD_ERR_CONFLICT, sherd_marker_write(test->root, "lmdb"));
}

static void test_cryptor_files_marker__refuses_every_other_text(void **state)
{
    static const char *const others[] = {
        "",
        "\n",
        "sherd vault",
        "Sherd vault\nformat 1\nengine lmdb\n",
        "sherd vault\r\nformat 1\r\nengine lmdb\r\n",
        "sherd vault\nformat \nengine lmdb\n",
        "sherd vault\nformat 01\nengine lmdb\n",
        "sherd vault\nformat 1 \nengine lmdb\n",
        "sherd vault\nformat -1\nengine lmdb\n",
        "sherd vault\nformat 1\nengine \n",
        "sherd vault\nformat 1\nengine LMDB\n",
        "sherd vault\nformat 1\nengine lm-db\n",
        "sherd vault\nformat 1\nengine lmdb",
        "sherd vault\nformat 1\nengine lmdb\n\n",
        "sherd vault\nformat 1\nengine lmdb\nmore\n",
        "sherd vault\nformat 1\nengine abcdefghijklmnop\n",
        "sherd vault\nformat 1\n",
        " sherd vault\nformat 1\nengine lmdb\n",
    };
    char engine[SHERD_ENGINE_NAME_SIZE] = "untouched";

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(others); i++)
        if (parse(others[i], strlen(others[i]), engine) != SHERD_ERR_TAMPERED)
            fail_msg("accepted: %s", others[i]);
    assert_string_equal(engine, "untouched");
    for (size_t len = 0; len < strlen(marker); len++)
        assert_int_equal(parse(marker, len, engine), SHERD_ERR_TAMPERED);
    assert_ok(parse("sherd vault\nformat 1\nengine abcdefghijklmno\n", 44, engine));
    assert_string_equal(engine, "abcdefghijklmno");
}

static void test_cryptor_files_marker__knows_no_format_of_the_future(void **state)
{
    static const char *const formats[] = {"0", "2", "10", "999999999"};
    char engine[SHERD_ENGINE_NAME_SIZE];
    char text[80];

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(formats); i++) {
        /* whatever follows: a later format may say other things there */
        (void)snprintf(text, sizeof(text), "sherd vault\nformat %s\n%s", formats[i],
                       i % 2 == 0 ? "" : "cipher rot13\n");
        assert_err(SHERD_ERR_UNSUPPORTED, sherd_marker_parse(sherd_span_str(text), engine));
        assert_non_null(strstr(sherd_err_detail(), "newer"));
    }
}

static void test_cryptor_files_marker__is_missing_or_too_long(void **state)
{
    struct vault_test *test = *state;
    char engine[SHERD_ENGINE_NAME_SIZE];
    char text[200];

    assert_err(SHERD_ERR_NOT_FOUND, sherd_marker_read(test->root, engine));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_marker_read("/nowhere/at/all", engine));
    memset(text, 'x', sizeof(text));
    memcpy(text, marker, strlen(marker));
    assert_ok(sherd_file_write_new(test->root, SHERD_MARKER_FILE, sherd_span_of(text, sizeof(text))));
    assert_err(SHERD_ERR_TAMPERED, sherd_marker_read(test->root, engine));
}

static void test_cryptor_files_read__keeps_to_the_buffer_s_ceiling(void **state)
{
    struct vault_test *test = *state;
    uint8_t *contents = test_malloc(10000);
    struct sherd_buf found = {.max = 10000};

    vault_fill(contents, 10000, 1);
    assert_ok(sherd_file_write_new(test->root, "file", sherd_span_of(contents, 10000)));
    assert_ok(sherd_file_read(test->root, "file", &found));
    assert_int_equal(found.len, 10000);
    assert_memory_equal(found.data, contents, 10000);
    sherd_buf_done(&found);
    found.max = 9999;
    assert_err(SHERD_ERR_LIMIT, sherd_file_read(test->root, "file", &found));
    sherd_buf_done(&found);
    assert_err(SHERD_ERR_NOT_FOUND, sherd_file_read(test->root, "no file", &found));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_file_read(test->root, "file/below", &found));
    assert_err(SHERD_ERR_IO, sherd_file_read(test->root, "", &found)); /* a directory */
    sherd_buf_done(&found);
    test_free(contents);
}

static void test_cryptor_files_write__never_replaces_and_is_the_owner_s_alone(void **state)
{
    struct vault_test *test = *state;
    char *path = sherd_path_join(test->root, "file");
    struct stat st;

    assert_ok(sherd_file_write_new(test->root, "file", sherd_span_str("one")));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 3);
    assert_err(SHERD_ERR_CONFLICT, sherd_file_write_new(test->root, "file", sherd_span_str("two")));
    assert_err(SHERD_ERR_IO, sherd_file_write_new(test->root, "no/such/place", sherd_span_str("x")));
    sherd_free(path);
}

static void test_cryptor_files_dir__is_made_once_and_the_owner_s_alone(void **state)
{
    struct vault_test *test = *state;
    char *path = sherd_path_join(test->root, "dir");
    struct stat st;

    assert_ok(sherd_dir_make(test->root, "dir"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_err(SHERD_ERR_CONFLICT, sherd_dir_make(test->root, "dir"));
    assert_err(SHERD_ERR_IO, sherd_dir_make(test->root, "no/such"));
    assert_ok(sherd_dir_sync(test->root, "dir"));
    assert_ok(sherd_dir_sync(test->root, ""));
    assert_err(SHERD_ERR_IO, sherd_dir_sync(test->root, "nothing"));
    sherd_free(path);
}

static void test_cryptor_files_path_join__joins(void **state)
{
    char *joined = sherd_path_join("/a", "b/c");
    char *bare = sherd_path_join("/a", "");

    (void)state;
    assert_string_equal(joined, "/a/b/c");
    assert_string_equal(bare, "/a");
    sherd_free(joined);
    sherd_free(bare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        vault_test_without(test_cryptor_files_marker__is_the_documented_text),
        vault_test_without(test_cryptor_files_marker__refuses_every_other_text),
        vault_test_without(test_cryptor_files_marker__knows_no_format_of_the_future),
        vault_test_without(test_cryptor_files_marker__is_missing_or_too_long),
        vault_test_without(test_cryptor_files_read__keeps_to_the_buffer_s_ceiling),
        vault_test_without(test_cryptor_files_write__never_replaces_and_is_the_owner_s_alone),
        vault_test_without(test_cryptor_files_dir__is_made_once_and_the_owner_s_alone),
        vault_test_without(test_cryptor_files_path_join__joins),
    };

    return cmocka_run_group_tests_name("cryptor_files", tests, NULL, NULL);
}
