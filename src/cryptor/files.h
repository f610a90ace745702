/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/files.h
 * The few plain files of a vault: sherd.vault, the seal, the keyring, the lock. docs/format/vault.md
 */
#ifndef SHERD_CRYPTOR_FILES_H
#define SHERD_CRYPTOR_FILES_H

#include "base/macros.h"
#include <sherd/span.h>

#define SHERD_MARKER_FILE "sherd.vault"
#define SHERD_WINDOW_FILE "window.lock"
#define SHERD_KEYRING_FILE "anchor/keyring"
#define SHERD_SEAL_FILE "anchor/seals/1"

/** Longest name of an engine, with the final zero byte. */
#define SHERD_ENGINE_NAME_SIZE 16U

/** dir/name as one path. @return NULL (detail set) if there is no memory; free with sherd_free() */
char *sherd_path_join(const char *dir, const char *name) __attribute__((malloc, warn_unused_result));

/** Read a whole file of at most buf->max bytes. @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_LIMIT; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_file_read(const char *dir, const char *name, struct sherd_buf *out_bytes);

/** Write a new file, for its owner alone, and make it durable; its directory entry is not yet. */
SHERD_MUST_USE enum sherd_err sherd_file_write_new(const char *dir, const char *name, struct sherd_span bytes);

/** Make a directory's entries durable. name may be "" for dir itself. */
SHERD_MUST_USE enum sherd_err sherd_dir_sync(const char *dir, const char *name);

/** Make a directory for its owner alone. @return SHERD_OK; SHERD_ERR_CONFLICT: it exists; SHERD_ERR_IO */
SHERD_MUST_USE enum sherd_err sherd_dir_make(const char *dir, const char *name);

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
