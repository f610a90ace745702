/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file store/lmdb/failure.h
 * That writing has failed for good, and why: whoever writes later, in any thread, is told what the first failure was.
 */
#ifndef SHERD_STORE_LMDB_FAILURE_H
#define SHERD_STORE_LMDB_FAILURE_H

#include "base/macros.h"
#include <stdatomic.h>
#include <stdbool.h>

/** Start it as {0}. */
struct sherd_lmdb_failure {
    atomic_int state; /**< none, being written, there */
    char detail[SHERD_FAIL_TEXT_SIZE];
};

/** Keep the detail of what just failed in this thread, if it is the first failure. */
void sherd_lmdb_failure_keep(struct sherd_lmdb_failure *failure);

/** Whether anything was kept. */
bool sherd_lmdb_failure_is_kept(const struct sherd_lmdb_failure *failure);

/** @return SHERD_OK; SHERD_ERR_IO, whose detail ends with that of the first failure */
SHERD_MUST_USE enum sherd_err sherd_lmdb_failure_check(const struct sherd_lmdb_failure *failure);

#endif
