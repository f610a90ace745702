/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/window.h
 * The window of a put: from its first durable fragment to its pin. Writers of all processes hold it shared; the sweeper
 * takes it alone for an instant, and knows then that nothing is in flight. docs/decisions/0004-commit-order.md
 */
#ifndef SHERD_CRYPTOR_WINDOW_H
#define SHERD_CRYPTOR_WINDOW_H

#include "base/macros.h"
#include <stdbool.h>

struct sherd_window;

/**
 * @param[in] path  the lock file, which exists; opened for reading only. @return SHERD_OK; SHERD_ERR_IO;
 *                  SHERD_ERR_NO_MEMORY
 */
SHERD_MUST_USE enum sherd_err sherd_window_open(const char *path, struct sherd_window **out_window);
/** NULL is accepted. */
void sherd_window_close(struct sherd_window *window);

/**
 * Enter as a writer, or alone: waits for the others. Any number of threads and processes. @return SHERD_OK;
 * SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_window_enter(struct sherd_window *window, bool alone);
/** Leave; with what was given to enter. */
void sherd_window_leave(struct sherd_window *window, bool alone);

#endif
