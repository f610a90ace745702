/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file subject.h
 * The engine that the contract suite is asking about, a fresh store of it for each test, and short words for writing
 * and checking.
 */
#ifndef SHERD_TESTS_CONTRACT_SUBJECT_H
#define SHERD_TESTS_CONTRACT_SUBJECT_H

#include "store/fault/fault.h"
#include <sherd/provider/store.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those above, which it needs */
#include <cmocka.h>

/** An engine as it is, or with the fault engine around it. */
struct subject {
    const struct sherd_store_ops *engine;
    bool wrapped; /**< in a fault store whose script lets everything pass */
};

/** What the suite runs against now. */
extern struct subject subject;

/** Whether other processes see what one process wrote: not so for memory. */
bool subject_is_shared(void);

/** One test's store, opened to write, in a place of its own. */
struct fixture {
    char path[256];
    struct sherd_store *store; /**< a test may close it and set NULL */
    struct sherd_fault_script *script;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/** Open a store at a path as the subject does. Does not assert, so children may use it too. */
enum sherd_err fixture_open_as(struct fixture *fixture, const struct sherd_store_config *config,
                               struct sherd_store **out_store);
/** Open the fixture's own store, which must be closed, and assert that it went well. */
void fixture_reopen(struct fixture *fixture, bool read_only);
void fixture_close(struct fixture *fixture);

/** The name whose order is that of n. */
struct sherd_ref name_of(uint64_t n);
uint64_t number_of(struct sherd_ref name);

struct sherd_store_op op_put(uint64_t n, const char *value);
struct sherd_store_op op_put_if_absent(uint64_t n, const char *value);
struct sherd_store_op op_put_if_equals(uint64_t n, const char *expected, const char *value);
struct sherd_store_op op_delete(uint64_t n);

/** Carry out one set; asserts that what write() returns fits to the set's result, which is returned. */
enum sherd_err write_ops(struct sherd_store *store, const struct sherd_store_op *ops, size_t count);
/** As write_ops() but without assertions, for threads and children. */
enum sherd_err write_ops_quietly(struct sherd_store *store, const struct sherd_store_op *ops, size_t count);
void put(struct sherd_store *store, uint64_t n, const char *value);

/** The current value of one entry, appended to out_value; no assertions. */
enum sherd_err get_now(struct sherd_store *store, uint64_t n, struct sherd_buf *out_value);
void assert_value(struct sherd_store *store, uint64_t n, const char *value);
void assert_absent(struct sherd_store *store, uint64_t n);

/** Names that a scan or a blob scan visited. */
struct visits {
    uint64_t numbers[64];
    size_t lengths[64];
    size_t count;
    size_t stop_after; /**< 0: never */
};

/** Notes the visit in a struct visits; ends the scan with SHERD_ERR_DENIED after stop_after. */
enum sherd_err note_visit(void *arg, struct sherd_ref name, struct sherd_span value);

/** Bytes that depend on the seed, and differ from one place to the next. */
void fill(uint8_t *block, size_t bytes, uint64_t seed);

/** A small generator (xorshift64*, Vigna 2016), so that each run asks the same. */
uint64_t draw(uint64_t *state);

/** Wait for a child and assert that it ended with 0. */
void assert_child(int pid);

extern const struct CMUnitTest entry_tests[];
extern const size_t entry_test_count;
extern const struct CMUnitTest blob_tests[];
extern const size_t blob_test_count;
extern const struct CMUnitTest fork_tests[];
extern const size_t fork_test_count;
extern const struct CMUnitTest process_tests[]; /**< only for subjects that are shared */
extern const size_t process_test_count;
extern const struct CMUnitTest thread_tests[];
extern const size_t thread_test_count;

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

#endif
