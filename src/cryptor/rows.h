/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cryptor/rows.h
 * Records of readable collections, whose contents lie in clear: envelope/row.h. They have a map entry, a pin and a
 * record key as all others do, so that whatever walks, moves or rekeys records need not know of them; the key opens
 * nothing.
 */
#ifndef SHERD_CRYPTOR_ROWS_H
#define SHERD_CRYPTOR_ROWS_H

#include "cryptor/load.h"
#include "envelope/row.h"

/** What does not go with a readable collection, said before anything is made. @return SHERD_OK; SHERD_ERR_INVALID */
SHERD_MUST_USE enum sherd_err sherd_row_check(const struct sherd_version *version);

/** The row of a version, signed by the anchor, into version->fragment; and its map entry. */
SHERD_MUST_USE enum sherd_err sherd_row_write(struct sherd_vault *vault, struct sherd_version *version,
                                              struct sherd_span content);

/** Check the row of a version that was loaded against its pin and map entry. @return SHERD_OK; SHERD_ERR_TAMPERED */
SHERD_MUST_USE enum sherd_err sherd_row_read(const struct sherd_vault *vault, const struct sherd_loaded *loaded);

/** Whether a decoded row is what a pin says, but for its digest. */
bool sherd_row_agrees(const struct sherd_vault *vault, const struct sherd_row *row, const struct sherd_pin *pin);

/** The contents of a row that was checked. @param[in,out] out_content  appended */
SHERD_MUST_USE enum sherd_err sherd_row_content(const struct sherd_loaded *loaded, struct sherd_buf *out_content);

#endif
