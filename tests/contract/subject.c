/* SPDX-License-Identifier: Apache-2.0 */
/* Stores to ask, and short words for asking. See subject.h. */
#include "subject.h"
#include "base/bytes.h"
#include "store/memory/memory.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct subject subject;

bool subject_is_shared(void)
{
    return subject.engine != &sherd_store_memory;
}

/* --- places ------------------------------------------------------------------------------------------------------ */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

enum sherd_err fixture_open_as(struct fixture *fixture, const struct sherd_store_config *config,
                               struct sherd_store **out_store)
{
    struct sherd_store *store;
    enum sherd_err err;

    SHERD_TRY(subject.engine->open(config, &store));
    if (!subject.wrapped) {
        *out_store = store;
        return SHERD_OK;
    }
    err = sherd_store_fault_wrap(store, fixture->script, out_store);
    if (err != SHERD_OK)
        store->ops->close(store);
    return err;
}

int fixture_setup(void **state)
{
    const char *folder = getenv("TMPDIR");
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->script = sherd_fault_script_new();
    assert_non_null(fixture->script);
    assert_in_range(snprintf(fixture->path, sizeof(fixture->path) - 8, "%s/sherd-contract-XXXXXX",
                             folder != NULL ? folder : "/tmp"),
                    1, sizeof(fixture->path) - 9);
    assert_non_null(mkdtemp(fixture->path));
    memcpy(fixture->path + strlen(fixture->path), "/store", sizeof("/store"));

    const struct sherd_store_config config = {.path = fixture->path, .create = true};
    assert_int_equal(fixture_open_as(fixture, &config, &fixture->store), SHERD_OK);
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    fixture_close(fixture);
    sherd_fault_script_free(fixture->script);
    if (!subject_is_shared())
        assert_int_equal(sherd_store_memory_forget(fixture->path), SHERD_OK);
    *strrchr(fixture->path, '/') = '\0';
    remove_tree(fixture->path);
    free(fixture);
    return 0;
}

void fixture_reopen(struct fixture *fixture, bool read_only)
{
    const struct sherd_store_config config = {.path = fixture->path, .read_only = read_only};

    assert_null(fixture->store);
    assert_int_equal(fixture_open_as(fixture, &config, &fixture->store), SHERD_OK);
}

void fixture_close(struct fixture *fixture)
{
    if (fixture->store != NULL)
        fixture->store->ops->close(fixture->store);
    fixture->store = NULL;
}

/* --- writing and checking ---------------------------------------------------------------------------------------- */

struct sherd_ref name_of(uint64_t n)
{
    struct sherd_ref name = {{0}};

    sherd_put_u64(name.bytes, n);
    sherd_put_u64(name.bytes + 8, ~n); /* names of which only one half differs are not the usual ones */
    return name;
}

uint64_t number_of(struct sherd_ref name)
{
    return sherd_get_u64(name.bytes);
}

struct sherd_store_op op_put(uint64_t n, const char *value)
{
    return (struct sherd_store_op){.kind = SHERD_STORE_PUT, .name = name_of(n), .value = sherd_span_str(value)};
}

struct sherd_store_op op_put_if_absent(uint64_t n, const char *value)
{
    struct sherd_store_op op = op_put(n, value);

    op.expect = SHERD_EXPECT_ABSENT;
    return op;
}

struct sherd_store_op op_put_if_equals(uint64_t n, const char *expected, const char *value)
{
    struct sherd_store_op op = op_put(n, value);

    op.expect = SHERD_EXPECT_EQUALS;
    op.expected = sherd_span_str(expected);
    return op;
}

struct sherd_store_op op_delete(uint64_t n)
{
    return (struct sherd_store_op){.kind = SHERD_STORE_DELETE, .name = name_of(n)};
}

enum sherd_err write_ops_quietly(struct sherd_store *store, const struct sherd_store_op *ops, size_t count)
{
    struct sherd_store_set set = {ops, count, SHERD_ERR_UNSUPPORTED};
    struct sherd_store_set *sets[] = {&set};
    const enum sherd_err err = store->ops->write(store, sets, 1);

    if (err == SHERD_OK)
        return set.result;
    return err == set.result ? err : SHERD_ERR_UNSUPPORTED; /* what no write says */
}

enum sherd_err write_ops(struct sherd_store *store, const struct sherd_store_op *ops, size_t count)
{
    const enum sherd_err err = write_ops_quietly(store, ops, count);

    assert_int_not_equal(err, SHERD_ERR_UNSUPPORTED);
    return err;
}

void put(struct sherd_store *store, uint64_t n, const char *value)
{
    const struct sherd_store_op op = op_put(n, value);

    assert_int_equal(write_ops(store, &op, 1), SHERD_OK);
}

enum sherd_err get_now(struct sherd_store *store, uint64_t n, struct sherd_buf *out_value)
{
    struct sherd_snapshot *snapshot;
    enum sherd_err err;

    SHERD_TRY(store->ops->snapshot_begin(store, &snapshot));
    err = snapshot->ops->get(snapshot, name_of(n), out_value);
    snapshot->ops->snapshot_end(snapshot);
    return err;
}

void assert_value(struct sherd_store *store, uint64_t n, const char *value)
{
    struct sherd_buf found = {0};

    assert_int_equal(get_now(store, n, &found), SHERD_OK);
    assert_int_equal(found.len, strlen(value));
    assert_memory_equal(found.data, value, found.len);
    sherd_buf_done(&found);
}

void assert_absent(struct sherd_store *store, uint64_t n)
{
    struct sherd_buf found = {0};

    assert_int_equal(get_now(store, n, &found), SHERD_ERR_NOT_FOUND);
    assert_int_equal(found.len, 0);
    sherd_buf_done(&found);
}

enum sherd_err note_visit(void *arg, struct sherd_ref name, struct sherd_span value)
{
    struct visits *visits = arg;

    if (visits->count == SHERD_COUNT_OF(visits->numbers))
        return SHERD_ERR_LIMIT;
    visits->numbers[visits->count] = number_of(name);
    visits->lengths[visits->count] = value.len;
    visits->count++;
    return visits->count == visits->stop_after ? SHERD_ERR_DENIED : SHERD_OK;
}

void fill(uint8_t *block, size_t bytes, uint64_t seed)
{
    uint64_t state = seed * 2 + 1;

    for (size_t i = 0; i < bytes; i++)
        block[i] = (uint8_t)(draw(&state) >> 32);
}

uint64_t draw(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

void assert_child(int pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
