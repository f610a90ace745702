/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/joins.h
 * Joins and events of a vault as its ledger has them, for the tests of joins; and one who can write the anchor's
 * files.
 */
#ifndef SHERD_TESTS_UNIT_JOINS_H
#define SHERD_TESTS_UNIT_JOINS_H

#include "anchor/embedded/embedded_inside.h"
#include "anchor/ledger/join_find.h"
#include "cryptor/vault.h"
#include "vault.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#define JOINS_MAX ((size_t)4096)
#define EVENTS_MAX ((size_t)4096)

/* --- what is in the ledger ---------------------------------------------------------------------------------------- */

typedef enum sherd_err joins_visit_fn(void *arg, uint64_t leaf, const struct sherd_join_slot *slot,
                                      const struct sherd_join *join);

struct joins_visit {
    joins_visit_fn *visit;
    void *arg;
};

__attribute__((unused)) static enum sherd_err joins_visit_one(void *arg, const struct sherd_leaf_join *found)
{
    const struct joins_visit *visit = arg;
    struct sherd_leaf leaf;

    assert_ok(sherd_leaf_decode(found->leaf, &leaf));
    if (found->lost != 0)
        return SHERD_OK;
    assert_ok(sherd_join_shown_verify(&found->shown, &leaf));
    return visit->visit(visit->arg, found->index, &found->shown.slot, &found->shown.join);
}

/** Every join that is in the ledger, in its order, each as anybody could verify it. */
__attribute__((unused)) static enum sherd_err joins_each(struct sherd_vault *vault, joins_visit_fn *visit, void *arg)
{
    struct joins_visit each = {visit, arg};
    struct sherd_leaf_query query = {.about = SHERD_LEAVES_ALL, .told = SHERD_LEAF_OPENED};

    struct sherd_keys_check check;

    assert_ok(vault->anchor->ops->ledger_check(vault->anchor, &check));
    query.size = query.to = check.log_size;
    while (query.from < query.to)
        SHERD_TRY(vault->anchor->ops->ledger_joins(vault->anchor, &query, joins_visit_one, &each, &query.from));
    return SHERD_OK;
}

struct joins {
    size_t count;
    struct {
        uint64_t leaf;
        struct sherd_join_slot slot;
        struct sherd_join join;
    } list[JOINS_MAX];
};

__attribute__((unused)) static enum sherd_err joins_add(void *arg, uint64_t leaf, const struct sherd_join_slot *slot,
                                                        const struct sherd_join *join)
{
    struct joins *joins = arg;

    if (joins == NULL)
        return SHERD_OK;
    assert_true(joins->count < JOINS_MAX);
    joins->list[joins->count].leaf = leaf;
    joins->list[joins->count].slot = *slot;
    joins->list[joins->count++].join = *join;
    return SHERD_OK;
}

/** All joins that are leaves, verified. */
__attribute__((unused)) static const struct joins *joins_of(struct sherd_vault *vault)
{
    static struct joins joins;

    joins.count = 0;
    assert_ok(joins_each(vault, joins_add, &joins));
    return &joins;
}

struct events {
    const struct sherd_leaf_keys *keys;
    size_t count;
    struct sherd_event list[EVENTS_MAX];
};

__attribute__((unused)) static enum sherd_err events_add(void *arg, uint64_t index, struct sherd_span entry)
{
    struct events *events = arg;

    assert_int_equal(index, events->count);
    assert_true(events->count < EVENTS_MAX);
    return sherd_leaf_open(events->keys, entry, &events->list[events->count++]);
}

__attribute__((unused)) static enum sherd_err events_all(void *arg, struct sherd_log *log,
                                                         const struct sherd_join_state *joins)
{
    (void)joins;
    return sherd_log_verify(log, events_add, arg);
}

/** All events that are leaves, verified. */
__attribute__((unused)) static const struct events *events_of(struct sherd_vault *vault)
{
    static struct events events;

    events.keys = sherd_embedded_of(vault->anchor)->leaves;
    events.count = 0;
    assert_ok(sherd_sequencer_log(sherd_embedded_of(vault->anchor)->sequencer, events_all, &events));
    return &events;
}

__attribute__((unused)) static struct sherd_keys_check joins_check(struct sherd_vault *vault)
{
    struct sherd_keys_check check;

    assert_ok(vault->anchor->ops->ledger_check(vault->anchor, &check));
    return check;
}

__attribute__((unused)) static void joins_run(struct sherd_vault *vault)
{
    assert_ok(vault->anchor->ops->ledger_run(vault->anchor, NULL));
}

/* --- gets --------------------------------------------------------------------------------------------------------- */

__attribute__((unused)) static void joins_get_version(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version)
{
    struct sherd_buf content = {0};

    assert_ok(sherd_record_get(vault, id, version, &content));
    sherd_buf_done(&content);
}

__attribute__((unused)) static void joins_get(struct sherd_vault *vault, struct sherd_uuid id)
{
    joins_get_version(vault, id, 0);
}

/** The key alone. */
__attribute__((unused)) static void joins_give(struct sherd_vault *vault, struct sherd_uuid id)
{
    struct sherd_pin_view view;
    struct sherd_record_key key;

    assert_ok(vault->anchor->ops->pin_get(vault->anchor, id, 0, &view, &key));
}

/* --- who can write the anchor's files ----------------------------------------------------------------------------- */

__attribute__((unused)) static int file_open(const struct vault_test *test, const char *name)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s", test->path, name);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

__attribute__((unused)) static void file_flip(const struct vault_test *test, const char *name, size_t at)
{
    const int fd = file_open(test, name);
    uint8_t byte;

    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 1U;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    assert_int_equal(close(fd), 0);
}

__attribute__((unused)) static void file_swap(const struct vault_test *test, const char *name, size_t a, size_t b,
                                              size_t size)
{
    const int fd = file_open(test, name);
    uint8_t first[128];
    uint8_t second[128];

    assert_true(size <= sizeof(first));
    assert_int_equal(pread(fd, first, size, (off_t)a), size);
    assert_int_equal(pread(fd, second, size, (off_t)b), size);
    assert_int_equal(pwrite(fd, second, size, (off_t)a), size);
    assert_int_equal(pwrite(fd, first, size, (off_t)b), size);
    assert_int_equal(close(fd), 0);
}

__attribute__((unused)) static void file_cut(const struct vault_test *test, const char *name, size_t size)
{
    const int fd = file_open(test, name);

    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(close(fd), 0);
}

/** How many files of joins there are. @param[out] name  gets the last one's; NULL if not wanted */
__attribute__((unused)) static unsigned joins_list(const struct vault_test *test, char *name, size_t size)
{
    unsigned count = 0;
    char path[120];

    (void)snprintf(path, sizeof(path), "%s/anchor/ledger/joins", test->path);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, "spare-", 6) == 0)
            continue;
        if (name != NULL)
            (void)snprintf(name, size, "anchor/ledger/joins/%.64s", entry->d_name);
        count++;
    }
    (void)closedir(dir);
    return count;
}

__attribute__((unused)) static unsigned joins_files(const struct vault_test *test)
{
    return joins_list(test, NULL, 0);
}

/* The only file of joins. */
__attribute__((unused)) static const char *joins_file(const struct vault_test *test)
{
    static char name[120];

    assert_int_equal(joins_list(test, name, sizeof(name)), 1);
    return name;
}

__attribute__((unused)) static void joins_remove(const struct vault_test *test)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s", test->path, joins_file(test));
    assert_int_equal(unlink(path), 0);
}

/** A file as it was. */
struct file_copy {
    char name[120];
    size_t size;
    uint8_t bytes[1 << 16];
};

__attribute__((unused)) static void joins_copy(const struct vault_test *test, struct file_copy *copy)
{
    (void)snprintf(copy->name, sizeof(copy->name), "%s", joins_file(test));
    const int fd = file_open(test, copy->name);
    const ssize_t size = pread(fd, copy->bytes, sizeof(copy->bytes), 0);

    assert_true(size > 0);
    copy->size = (size_t)size;
    assert_int_equal(close(fd), 0);
}

/** In place of what is there, in the same file: who has it mapped has what was. */
__attribute__((unused)) static void joins_copy_back(const struct vault_test *test, const struct file_copy *copy)
{
    const int fd = file_open(test, copy->name);

    assert_int_equal(pwrite(fd, copy->bytes, copy->size, 0), copy->size);
    assert_int_equal(ftruncate(fd, (off_t)copy->size), 0);
    assert_int_equal(close(fd), 0);
}

#endif
