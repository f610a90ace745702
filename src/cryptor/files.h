/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/files.h
 * sherd.vault, the file that says what a directory is; names of the plain files of a vault. docs/format/vault.md
 */
#ifndef SHERD_CRYPTOR_FILES_H
#define SHERD_CRYPTOR_FILES_H

#include "base/file.h"

#define SHERD_MARKER_FILE "sherd.vault"
#define SHERD_WINDOW_FILE "window.lock"

/** Longest name of an engine, with the final zero byte. */
#define SHERD_ENGINE_NAME_SIZE 16U

/** Write sherd.vault. */
SHERD_MUST_USE enum sherd_err sherd_marker_write(const char *vault, const char *engine);

/**
 * Read sherd.vault.
 * @return SHERD_OK; SHERD_ERR_NOT_FOUND: no vault there; SHERD_ERR_UNSUPPORTED: a format of the future;
 *         SHERD_ERR_TAMPERED: not what sherd wrote; SHERD_ERR_IO
 */
SHERD_MUST_USE enum sherd_err sherd_marker_read(const char *vault, char out_engine[SHERD_ENGINE_NAME_SIZE]);

/** Parse the text of sherd.vault; for sherd_marker_read() and its fuzzer. */
SHERD_MUST_USE enum sherd_err sherd_marker_parse(struct sherd_span text, char out_engine[SHERD_ENGINE_NAME_SIZE]);

#endif
