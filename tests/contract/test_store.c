/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of stores: one suite, run against every engine that is built in, and against each with the fault engine
 * around it, whose script lets everything pass.
 *
 * test_contract_store [NAME]   only the subject of that name, such as "lmdb" or "fault+memory"
 */
#include "subject.h"
#include "store/compartment.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for all tests, with names that say which subject they asked. */
struct table {
    struct CMUnitTest tests[96];
    char names[96][128];
    size_t count;
};

static void append(struct table *table, const char *prefix, const struct CMUnitTest *tests, size_t test_count)
{
    for (size_t i = 0; i < test_count; i++) {
        const size_t at = table->count++;

        if (at >= SHERD_COUNT_OF(table->tests))
            abort(); /* the table is too short for the suite */
        (void)snprintf(table->names[at], sizeof(table->names[at]), "%s: %s", prefix, tests[i].name);
        table->tests[at] = tests[i];
        table->tests[at].name = table->names[at];
    }
}

static int run_subject(const char *name)
{
    static struct table table;

    table.count = 0;
    append(&table, name, entry_tests, entry_test_count);
    append(&table, name, blob_tests, blob_test_count);
    append(&table, name, fork_tests, fork_test_count);
    if (subject_is_shared())
        append(&table, name, process_tests, process_test_count);
    append(&table, name, thread_tests, thread_test_count);
    return _cmocka_run_group_tests(name, table.tests, table.count, NULL, NULL);
}

int main(int argc, char **argv)
{
    int failed = 0;
    int run = 0;

    for (const struct sherd_store_ops *const *engine = sherd_store_engines(); *engine != NULL; engine++) {
        for (int wrapped = 0; wrapped <= 1; wrapped++) {
            char name[64];

            (void)snprintf(name, sizeof(name), "%s%s", wrapped ? "fault+" : "", (*engine)->name);
            if (argc > 1 && strcmp(argv[1], name) != 0)
                continue;
            subject = (struct subject){*engine, wrapped != 0};
            failed += run_subject(name);
            run++;
        }
    }
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
