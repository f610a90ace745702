/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/unit/store_puppet.h
 * An engine that does as it is told, for the tests of the compartment: what it answers, when it gets done with writing,
 * and what it was given to write. There is one at a time. For one file of tests each.
 */
#ifndef SHERD_TESTS_UNIT_STORE_PUPPET_H
#define SHERD_TESTS_UNIT_STORE_PUPPET_H

#include "base/bytes.h"
#include "store/compartment.h"
#include "store/memory/memory.h"
#include <pthread.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those above, which it needs */
#include <cmocka.h>

/** The name of an entry, in the order of numbers. */
static struct sherd_ref name_of(uint64_t n)
{
    struct sherd_ref name = {{0}};

    sherd_put_u64(name.bytes, n);
    return name;
}

enum { NAMES_MAX = 64 };

/** A store whose answers and moments the test chooses. */
static struct puppet {
    struct sherd_store store; /* first */
    struct sherd_snapshot snapshot;

    size_t answer_bytes;    /* get appends so many */
    uint64_t scan_names[4]; /* scan visits these, */
    size_t scan_bytes;      /* each with so many bytes, */
    size_t scan_count;
    size_t visited_count; /* and counts how many it got rid of */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool gate_shut;                    /* write() waits */
    size_t write_count;                /* calls that came in */
    size_t write_op_counts[NAMES_MAX]; /* of each call */
    size_t write_set_counts[NAMES_MAX];
    uint64_t written_names[NAMES_MAX * 8]; /* first name of each set, in the order of writing */
    size_t written_count;
    enum sherd_err write_err;
    bool in_write;
    bool closed_in_write;
} puppet;

static void puppet_close(struct sherd_store *store)
{
    (void)store;
    puppet.closed_in_write = puppet.in_write;
}

static enum sherd_err puppet_snapshot_begin(struct sherd_store *store, struct sherd_snapshot **out_snapshot)
{
    (void)store;
    *out_snapshot = &puppet.snapshot;
    return SHERD_OK;
}

static void puppet_snapshot_end(struct sherd_snapshot *snapshot)
{
    (void)snapshot;
}

static enum sherd_err puppet_get(struct sherd_snapshot *snapshot, struct sherd_ref name, struct sherd_buf *out_value)
{
    static const uint8_t bytes[SHERD_STORE_VALUE_BYTES_MAX + 1];

    (void)snapshot;
    (void)name;
    return sherd_buf_append(out_value, sherd_span_of(bytes, puppet.answer_bytes));
}

static enum sherd_err puppet_visit_all(sherd_store_visit_fn *visit, void *arg)
{
    static const uint8_t bytes[SHERD_STORE_VALUE_BYTES_MAX + 1];

    for (size_t i = 0; i < puppet.scan_count; i++) {
        SHERD_TRY(visit(arg, name_of(puppet.scan_names[i]), sherd_span_of(bytes, puppet.scan_bytes)));
        puppet.visited_count++;
    }
    return SHERD_OK;
}

static enum sherd_err puppet_scan(struct sherd_snapshot *snapshot, const struct sherd_ref *after,
                                  sherd_store_visit_fn *visit, void *arg)
{
    (void)snapshot;
    (void)after; /* which an honest engine would heed */
    return puppet_visit_all(visit, arg);
}

static enum sherd_err puppet_blob_scan(struct sherd_store *store, const struct sherd_ref *after,
                                       sherd_store_visit_fn *visit, void *arg)
{
    (void)store;
    (void)after;
    return puppet_visit_all(visit, arg);
}

static enum sherd_err puppet_write(struct sherd_store *store, struct sherd_store_set *const *sets, size_t set_count)
{
    enum sherd_err err;

    (void)store;
    pthread_mutex_lock(&puppet.lock);
    if (puppet.in_write)
        abort(); /* two threads in write() at once */
    puppet.in_write = true;
    const size_t call = puppet.write_count++;
    for (size_t i = 0; i < set_count; i++) {
        puppet.write_op_counts[call] += sets[i]->count;
        puppet.written_names[puppet.written_count++] = sherd_get_u64(sets[i]->ops[0].name.bytes);
    }
    puppet.write_set_counts[call] = set_count;
    pthread_cond_broadcast(&puppet.changed);
    while (puppet.gate_shut)
        pthread_cond_wait(&puppet.changed, &puppet.lock);
    err = puppet.write_err;
    for (size_t i = 0; i < set_count; i++)
        sets[i]->result = err;
    puppet.in_write = false;
    pthread_mutex_unlock(&puppet.lock);
    return err == SHERD_OK ? SHERD_OK : sherd_fail(err, "the puppet says so");
}

static struct sherd_store_ops puppet_ops;

/** A compartment over the puppet, as the state of the test. */
static int puppet_setup(void **state)
{
    struct sherd_compartment *compartment = NULL;

    puppet_ops = sherd_store_memory;
    puppet_ops.close = puppet_close;
    puppet_ops.snapshot_begin = puppet_snapshot_begin;
    puppet_ops.snapshot_end = puppet_snapshot_end;
    puppet_ops.get = puppet_get;
    puppet_ops.scan = puppet_scan;
    puppet_ops.write = puppet_write;
    puppet_ops.blob_scan = puppet_blob_scan;
    puppet = (struct puppet){.store = {&puppet_ops}, .snapshot = {&puppet_ops}};
    pthread_mutex_init(&puppet.lock, NULL);
    pthread_cond_init(&puppet.changed, NULL);
    assert_int_equal(sherd_compartment_over(SHERD_SECRETS, &puppet.store, &compartment), SHERD_OK);
    *state = compartment;
    return 0;
}

static int puppet_teardown(void **state)
{
    sherd_compartment_close(*state);
    pthread_cond_destroy(&puppet.changed);
    pthread_mutex_destroy(&puppet.lock);
    return 0;
}

/** Shut, and write() does not return; open, and it does. */
static void set_gate(bool shut)
{
    pthread_mutex_lock(&puppet.lock);
    puppet.gate_shut = shut;
    pthread_cond_broadcast(&puppet.changed);
    pthread_mutex_unlock(&puppet.lock);
}

/** Until write() was called so many times. */
static void await_write(size_t count)
{
    pthread_mutex_lock(&puppet.lock);
    while (puppet.write_count < count)
        pthread_cond_wait(&puppet.changed, &puppet.lock);
    pthread_mutex_unlock(&puppet.lock);
}

#endif
