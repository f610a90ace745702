/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#12 key stores: keys come back, wrong passwords, damage and missing aliases are told apart, and what asks for too
 * much is refused. With OpenSSL's and Java's own tools, where they are installed.
 */
#include "base/macros.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "crypto/pkcs12.h"
#include "pkcs12_java.h"
#include "vault.h"
#include <fcntl.h>
#include <sys/wait.h>

#define PASSWORD "correct horse battery staple"

static const uint8_t key_one[32] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t key_two[32] = {0xff, 0xee};

static struct sherd_span key_span(const uint8_t key[static 32])
{
    return sherd_span_of(key, 32);
}

static void assert_key(const struct sherd_pkcs12 *store, const char *alias, const uint8_t expected[static 32])
{
    uint8_t *key = sherd_secret_alloc(32);

    assert_non_null(key);
    assert_true(sherd_pkcs12_has(store, alias));
    assert_ok(sherd_pkcs12_get(store, alias, key, 32));
    assert_memory_equal(key, expected, 32);
    sherd_secret_free(key);
}

/* Two files with the same two keys: ours, made once, and Java's, with fewer rounds. */
static struct sherd_buf sample;
static uint8_t java[sizeof(pkcs12_java)];

static int setup(void **state)
{
    struct sherd_pkcs12 *store = NULL;

    (void)state;
    memcpy(java, pkcs12_java, sizeof(java));
    assert_ok(sherd_crypto_init());
    assert_ok(sherd_pkcs12_new(sherd_span_str(PASSWORD), &store));
    assert_ok(sherd_pkcs12_add(store, "sherd-protection-1", key_span(key_one)));
    assert_ok(sherd_pkcs12_add(store, "sherd-protection-2", key_span(key_two)));
    assert_ok(sherd_pkcs12_write(store, &sample));
    sherd_pkcs12_free(store);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sherd_buf_done(&sample);
    return 0;
}

static void test_crypto_pkcs12__gives_keys_back(void **state)
{
    struct sherd_pkcs12 *store = NULL;

    (void)state;
    assert_ok(sherd_pkcs12_open(sherd_buf_span(&sample), sherd_span_str(PASSWORD), &store));
    assert_key(store, "sherd-protection-1", key_one);
    assert_key(store, "sherd-protection-2", key_two);
    assert_key(store, "Sherd-Protection-2", key_two); /* as Java has it */
    sherd_pkcs12_free(store);
}

static void test_crypto_pkcs12__reads_what_java_wrote(void **state)
{
    struct sherd_pkcs12 *store = NULL;

    (void)state;
    assert_ok(sherd_pkcs12_open(sherd_span_of(java, sizeof(java)), sherd_span_str(PASSWORD), &store));
    assert_key(store, "sherd-protection-1", key_one);
    assert_key(store, "sherd-protection-2", key_two);
    sherd_pkcs12_free(store);
}

static void test_crypto_pkcs12__keeps_what_is_there_when_it_adds(void **state)
{
    static const uint8_t key_three[32] = {3};
    struct sherd_pkcs12 *store = NULL;
    struct sherd_buf file = {0};

    (void)state;
    assert_ok(sherd_pkcs12_open(sherd_buf_span(&sample), sherd_span_str(PASSWORD), &store));
    assert_ok(sherd_pkcs12_add(store, "sherd-protection-3", key_span(key_three)));
    assert_err(SHERD_ERR_CONFLICT, sherd_pkcs12_add(store, "sherd-protection-1", key_span(key_three)));
    assert_ok(sherd_pkcs12_write(store, &file));
    sherd_pkcs12_free(store);
    assert_ok(sherd_pkcs12_open(sherd_buf_span(&file), sherd_span_str(PASSWORD), &store));
    assert_key(store, "sherd-protection-1", key_one);
    assert_key(store, "sherd-protection-2", key_two);
    assert_key(store, "sherd-protection-3", key_three);
    sherd_pkcs12_free(store);
    sherd_buf_done(&file);
}

static void test_crypto_pkcs12__refuses_a_wrong_password(void **state)
{
    static const char *const wrong[] = {"correct horse battery stapl", "Correct horse battery staple", "x"};
    struct sherd_pkcs12 *store = NULL;

    (void)state;
    for (size_t i = 0; i < SHERD_COUNT_OF(wrong); i++) {
        assert_err(SHERD_ERR_DENIED,
                   sherd_pkcs12_open(sherd_span_of(java, sizeof(java)), sherd_span_str(wrong[i]), &store));
        assert_null(strstr(sherd_err_detail(), wrong[i]));
        assert_null(store);
    }
}

static void test_crypto_pkcs12__refuses_bad_passwords_aliases_and_keys(void **state)
{
    static const char long_alias[66] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static const uint8_t long_key[65];
    uint8_t long_password[1025];
    struct sherd_pkcs12 *store = NULL;

    (void)state;
    memset(long_password, 'p', sizeof(long_password));
    assert_err(SHERD_ERR_INVALID, sherd_pkcs12_new(sherd_span_str(""), &store));
    assert_err(SHERD_ERR_INVALID, sherd_pkcs12_new(sherd_span_of("a\0b", 3), &store));
    assert_err(SHERD_ERR_INVALID, sherd_pkcs12_new(sherd_span_of(long_password, 1025), &store));
    assert_ok(sherd_pkcs12_new(sherd_span_of(long_password, 1024), &store));
    assert_err(SHERD_ERR_INVALID, sherd_pkcs12_add(store, "", key_span(key_one)));
    assert_err(SHERD_ERR_INVALID, sherd_pkcs12_add(store, "A", key_span(key_one)));
    assert_err(SHERD_ERR_INVALID, sherd_pkcs12_add(store, long_alias, key_span(key_one)));
    assert_err(SHERD_ERR_INVALID, sherd_pkcs12_add(store, "a", sherd_span_of(long_key, 65)));
    assert_err(SHERD_ERR_INVALID, sherd_pkcs12_add(store, "a", sherd_span_of(NULL, 0)));
    assert_false(sherd_pkcs12_has(store, "a"));
    sherd_pkcs12_free(store);
    sherd_pkcs12_free(NULL);
}

static void test_crypto_pkcs12__names_a_missing_alias(void **state)
{
    struct sherd_pkcs12 *store = NULL;
    uint8_t key[33] = {0};

    (void)state;
    assert_ok(sherd_pkcs12_open(sherd_buf_span(&sample), sherd_span_str(PASSWORD), &store));
    assert_false(sherd_pkcs12_has(store, "sherd-protection-3"));
    assert_err(SHERD_ERR_NOT_FOUND, sherd_pkcs12_get(store, "sherd-protection-3", key, 32));
    assert_non_null(strstr(sherd_err_detail(), "sherd-protection-3"));
    assert_err(SHERD_ERR_LIMIT, sherd_pkcs12_get(store, "sherd-protection-1", key, 33));
    assert_err(SHERD_ERR_LIMIT, sherd_pkcs12_get(store, "sherd-protection-1", key, 16));
    assert_int_equal(key[0], 0);
    sherd_pkcs12_free(store);
}

/* A changed byte, every few: the file never opens, and where a key of it still opens, that is no wrong password. */
static void test_crypto_pkcs12__sees_damage(void **state)
{
    struct sherd_pkcs12 *store = NULL;
    unsigned tampered = 0;
    unsigned denied = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(java); i += 5) {
        java[i] ^= 0x10;
        const enum sherd_err err = sherd_pkcs12_open(sherd_span_of(java, sizeof(java)), sherd_span_str(PASSWORD),
                                                     &store);
        java[i] ^= 0x10;
        if (err != SHERD_ERR_TAMPERED && err != SHERD_ERR_DENIED && err != SHERD_ERR_UNSUPPORTED)
            fail_msg("byte %zu: %s", i, sherd_err_name(err));
        tampered += err == SHERD_ERR_TAMPERED;
        denied += err == SHERD_ERR_DENIED;
        assert_null(store);
    }
    assert_true(tampered > denied); /* the rest lies in the first key, the one that is tried */
    for (size_t len = 0; len < sizeof(java); len += 7)
        assert_err(SHERD_ERR_TAMPERED, sherd_pkcs12_open(sherd_span_of(java, len), sherd_span_str(PASSWORD), &store));
    struct sherd_buf longer = {0};
    assert_ok(sherd_buf_append(&longer, sherd_span_of(java, sizeof(java))));
    assert_ok(sherd_buf_append(&longer, sherd_span_str("x")));
    assert_err(SHERD_ERR_TAMPERED, sherd_pkcs12_open(sherd_buf_span(&longer), sherd_span_str(PASSWORD), &store));
    sherd_buf_done(&longer);
}

static void test_crypto_pkcs12__has_a_ceiling(void **state)
{
    uint8_t *bytes = test_calloc(1, SHERD_PKCS12_BYTES_MAX + 1);
    struct sherd_pkcs12 *store = NULL;

    (void)state;
    assert_err(SHERD_ERR_LIMIT,
               sherd_pkcs12_open(sherd_span_of(bytes, SHERD_PKCS12_BYTES_MAX + 1), sherd_span_str(PASSWORD), &store));
    assert_err(SHERD_ERR_TAMPERED,
               sherd_pkcs12_open(sherd_span_of(bytes, SHERD_PKCS12_BYTES_MAX), sherd_span_str(PASSWORD), &store));
    test_free(bytes);
}

/* The number of rounds stands as INTEGER 300000 (02 03 04 93 e0), once for each key and once, last, for the MAC. */
static size_t rounds_at(unsigned nth)
{
    static const uint8_t integer[] = {0x02, 0x03, 0x04, 0x93, 0xe0};

    for (size_t i = 0; i + sizeof(integer) <= sample.len; i++)
        if (memcmp(sample.data + i, integer, sizeof(integer)) == 0 && nth-- == 0) /* not secret: a file's structure */
            return i + 2;
    return 0;
}

static void test_crypto_pkcs12__refuses_too_many_or_too_few_rounds_without_doing_them(void **state)
{
    static const uint8_t numbers[][3] = {
        {0x7f, 0xff, 0xff}, {0x4c, 0x4b, 0x41}, {0x00, 0x03, 0xe7}, {0xff, 0xff, 0xff}};
    const size_t at = rounds_at(2);
    struct sherd_pkcs12 *store = NULL;

    (void)state;
    assert_true(at > 0 && rounds_at(3) == 0);
    for (size_t i = 0; i < SHERD_COUNT_OF(numbers); i++) {
        memcpy(sample.data + at, numbers[i], 3);
        const enum sherd_err err = sherd_pkcs12_open(sherd_buf_span(&sample), sherd_span_str(PASSWORD), &store);
        assert_true(err == SHERD_ERR_UNSUPPORTED || err == SHERD_ERR_TAMPERED); /* 00 03 e7 is no DER */
    }
    memcpy(sample.data + at, (const uint8_t[]){0x04, 0x93, 0xe0}, 3);
    assert_ok(sherd_pkcs12_open(sherd_buf_span(&sample), sherd_span_str(PASSWORD), &store));
    sherd_pkcs12_free(store);
}

/* --- other programs ---------------------------------------------------------------------------------------------- */

struct folder {
    char root[48];
    char file[64];
    char out[64];
};

static int folder_setup(void **state)
{
    struct folder *folder = test_calloc(1, sizeof(*folder));

    (void)snprintf(folder->root, sizeof(folder->root), "/tmp/sherd-test-pkcs12-XXXXXX");
    if (mkdtemp(folder->root) == NULL)
        return -1;
    (void)snprintf(folder->file, sizeof(folder->file), "%s/store.p12", folder->root);
    (void)snprintf(folder->out, sizeof(folder->out), "%s/out", folder->root);
    *state = folder;
    return 0;
}

static int folder_teardown(void **state)
{
    struct folder *folder = *state;

    vault_remove(folder->root);
    test_free(folder);
    return 0;
}

/* Run a program, its output to a file. @return its status; -1: it is not installed */
static int run(const char *out, const char *const *argv)
{
    const pid_t child = fork();
    int status = 0;

    assert_true(child >= 0);
    if (child == 0) {
        const int fd = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}

static void write_file(const char *path, struct sherd_span bytes)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

static void read_file(const char *path, struct sherd_buf *out)
{
    uint8_t block[4096];
    FILE *file = fopen(path, "rb");

    assert_non_null(file);
    for (size_t got; (got = fread(block, 1, sizeof(block), file)) > 0;)
        assert_ok(sherd_buf_append(out, sherd_span_of(block, got)));
    (void)fclose(file);
}

static bool says(const char *path, const char *text)
{
    struct sherd_buf bytes = {0};

    read_file(path, &bytes);
    const bool is = bytes.len > 0 && memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
    sherd_buf_done(&bytes);
    return is;
}

static void test_crypto_pkcs12__openssl_reads_it(void **state)
{
    const struct folder *folder = *state;
    const char *const argv[] = {"openssl", "pkcs12",         "-in", folder->file, "-info", "-nodes",
                                "-passin", "pass:" PASSWORD, NULL};

    write_file(folder->file, sherd_buf_span(&sample));
    const int status = run(folder->out, argv);
    if (status < 0)
        skip();
    assert_int_equal(status, 0);
    assert_true(says(folder->out, "MAC: sha256, Iteration 300000"));
    assert_true(says(folder->out, "friendlyName: sherd-protection-1"));
    assert_true(says(folder->out, "friendlyName: sherd-protection-2"));
}

static void test_crypto_pkcs12__java_reads_it(void **state)
{
    const struct folder *folder = *state;
    const char *const argv[] = {"keytool", "-list",      "-keystore", folder->file, "-storetype",
                                "PKCS12",  "-storepass", PASSWORD,    NULL};

    write_file(folder->file, sherd_buf_span(&sample));
    const int status = run(folder->out, argv);
    if (status < 0)
        skip();
    assert_int_equal(status, 0);
    assert_true(says(folder->out, "sherd-protection-1, "));
    assert_true(says(folder->out, "sherd-protection-2, "));
    assert_true(says(folder->out, "SecretKeyEntry"));
}

/*
 * An entry that keytool made is read; one of ours is added to its file; and Java re-encrypts both when it renames one.
 */
static void test_crypto_pkcs12__shares_a_file_with_java(void **state)
{
    const struct folder *folder = *state;
    const char *const make[] = {"keytool",    "-genseckey", "-alias",    "sherd-protection-7", "-keyalg",
                                "AES",        "-keysize",   "256",       "-storetype",         "PKCS12",
                                "-storepass", PASSWORD,     "-keystore", folder->file,         NULL};
    const char *const rename[] = {"keytool",    "-changealias",
                                  "-alias",     "sherd-protection-8",
                                  "-destalias", "sherd-protection-9",
                                  "-keystore",  folder->file,
                                  "-storetype", "PKCS12",
                                  "-storepass", PASSWORD,
                                  NULL};
    struct sherd_pkcs12 *store = NULL;
    struct sherd_buf file = {0};
    uint8_t key[32] = {0};
    uint8_t again[32] = {0};

    const int status = run(folder->out, make);
    if (status < 0)
        skip();
    assert_int_equal(status, 0);
    read_file(folder->file, &file);
    assert_ok(sherd_pkcs12_open(sherd_buf_span(&file), sherd_span_str(PASSWORD), &store));
    assert_ok(sherd_pkcs12_get(store, "sherd-protection-7", key, sizeof(key)));
    assert_ok(sherd_pkcs12_add(store, "sherd-protection-8", key_span(key_one)));
    sherd_buf_clear(&file);
    assert_ok(sherd_pkcs12_write(store, &file));
    sherd_pkcs12_free(store);
    write_file(folder->file, sherd_buf_span(&file));
    assert_int_equal(run(folder->out, rename), 0);
    sherd_buf_clear(&file);
    read_file(folder->file, &file);
    assert_ok(sherd_pkcs12_open(sherd_buf_span(&file), sherd_span_str(PASSWORD), &store));
    assert_ok(sherd_pkcs12_get(store, "sherd-protection-7", again, sizeof(again)));
    assert_memory_equal(again, key, sizeof(key));
    assert_key(store, "sherd-protection-9", key_one);
    assert_false(sherd_pkcs12_has(store, "sherd-protection-8"));
    sherd_pkcs12_free(store);
    sherd_buf_done(&file);
}

/* A file that openssl made, with a private key and a certificate, keeps them when a secret key is added. */
static void test_crypto_pkcs12__leaves_certificates_as_they_are(void **state)
{
    const struct folder *folder = *state;
    char pem[64];
    (void)snprintf(pem, sizeof(pem), "%s/key.pem", folder->root);
    const char *const make[] = {"openssl",   "req",     "-x509", "-newkey", "ed25519", "-nodes", "-subj",
                                "/CN=sherd", "-keyout", pem,     "-out",    pem,       NULL};
    const char *const pack[] = {"openssl",    "pkcs12",   "-export",        "-in", pem, "-out",
                                folder->file, "-passout", "pass:" PASSWORD, NULL};
    const char *const look[] = {"openssl", "pkcs12", "-in", folder->file, "-nodes", "-passin", "pass:" PASSWORD, NULL};
    struct sherd_pkcs12 *store = NULL;
    struct sherd_buf file = {0};

    const int status = run(folder->out, make);
    if (status < 0)
        skip();
    assert_int_equal(status, 0);
    assert_int_equal(run(folder->out, pack), 0);
    read_file(folder->file, &file);
    assert_ok(sherd_pkcs12_open(sherd_buf_span(&file), sherd_span_str(PASSWORD), &store));
    assert_false(sherd_pkcs12_has(store, "sherd-protection-1"));
    assert_ok(sherd_pkcs12_add(store, "sherd-protection-1", key_span(key_one)));
    sherd_buf_clear(&file);
    assert_ok(sherd_pkcs12_write(store, &file));
    sherd_pkcs12_free(store);
    write_file(folder->file, sherd_buf_span(&file));
    assert_int_equal(run(folder->out, look), 0);
    assert_true(says(folder->out, "-----BEGIN CERTIFICATE-----"));
    assert_true(says(folder->out, "-----BEGIN PRIVATE KEY-----"));
    assert_ok(sherd_pkcs12_open(sherd_buf_span(&file), sherd_span_str(PASSWORD), &store));
    assert_key(store, "sherd-protection-1", key_one);
    sherd_pkcs12_free(store);
    sherd_buf_done(&file);
}

/* Files of old ciphers (SHA-1, RC2, 3DES) are refused by name, before any key is derived. */
static void test_crypto_pkcs12__refuses_old_macs(void **state)
{
    const struct folder *folder = *state;
    char pem[64];
    (void)snprintf(pem, sizeof(pem), "%s/key.pem", folder->root);
    const char *const make[] = {"openssl",   "req",     "-x509", "-newkey", "ed25519", "-nodes", "-subj",
                                "/CN=sherd", "-keyout", pem,     "-out",    pem,       NULL};
    const char *const pack[] = {"openssl",    "pkcs12",   "-export",        "-in",     pem,    "-out",
                                folder->file, "-passout", "pass:" PASSWORD, "-macalg", "sha1", NULL};
    struct sherd_pkcs12 *store = NULL;
    struct sherd_buf file = {0};

    const int status = run(folder->out, make);
    if (status < 0)
        skip();
    assert_int_equal(status, 0);
    assert_int_equal(run(folder->out, pack), 0);
    read_file(folder->file, &file);
    assert_err(SHERD_ERR_UNSUPPORTED, sherd_pkcs12_open(sherd_buf_span(&file), sherd_span_str(PASSWORD), &store));
    sherd_buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_pkcs12__gives_keys_back),
        cmocka_unit_test(test_crypto_pkcs12__reads_what_java_wrote),
        cmocka_unit_test(test_crypto_pkcs12__keeps_what_is_there_when_it_adds),
        cmocka_unit_test(test_crypto_pkcs12__refuses_a_wrong_password),
        cmocka_unit_test(test_crypto_pkcs12__refuses_bad_passwords_aliases_and_keys),
        cmocka_unit_test(test_crypto_pkcs12__names_a_missing_alias),
        cmocka_unit_test(test_crypto_pkcs12__sees_damage),
        cmocka_unit_test(test_crypto_pkcs12__has_a_ceiling),
        cmocka_unit_test(test_crypto_pkcs12__refuses_too_many_or_too_few_rounds_without_doing_them),
        cmocka_unit_test_setup_teardown(test_crypto_pkcs12__openssl_reads_it, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_crypto_pkcs12__java_reads_it, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_crypto_pkcs12__shares_a_file_with_java, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_crypto_pkcs12__leaves_certificates_as_they_are, folder_setup,
                                        folder_teardown),
        cmocka_unit_test_setup_teardown(test_crypto_pkcs12__refuses_old_macs, folder_setup, folder_teardown),
    };

    return cmocka_run_group_tests_name("crypto_pkcs12", tests, setup, teardown);
}
