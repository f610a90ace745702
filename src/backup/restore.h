/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file backup/restore.h
 * Filling a directory with the vault that a backup holds.
 */
#ifndef SHERD_BACKUP_RESTORE_H
#define SHERD_BACKUP_RESTORE_H

#include "backup/bundle.h"

/**
 * Write all of a vault into an empty directory, durably. Nothing but the backup itself is verified yet.
 * @param[in,out] info  gets everything
 */
SHERD_MUST_USE enum sherd_err sherd_restore_into(struct sherd_bundle_opened *opened, const char *dir,
                                                 const struct sherd_observer *observer, struct sherd_backup_info *info);

#endif
