/* SPDX-License-Identifier: Apache-2.0 */
/* The hold of a backup on blobs: see hold.h. */
#include "cryptor/hold.h"
#include "base/mem.h"
#include "cryptor/files.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

static enum sherd_err open_marker(const struct sherd_vault *vault, struct sherd_hold *hold)
{
    char *path = sherd_path_join(vault->path, SHERD_MARKER_FILE);

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    hold->fd = open(path, O_RDONLY | O_CLOEXEC);
    sherd_free(path);
    return hold->fd >= 0 ? SHERD_OK : sherd_fail_errno(SHERD_ERR_IO, "sherd.vault cannot be opened");
}

static enum sherd_err take(const struct sherd_vault *vault, int how, struct sherd_hold *hold)
{
    int result;

    SHERD_TRY(open_marker(vault, hold));
    do
        result = flock(hold->fd, how);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return SHERD_OK;
    const bool busy = errno == EWOULDBLOCK;
    const enum sherd_err err = busy ? sherd_fail(SHERD_ERR_BUSY, "a backup is being made: try again when it is done")
                                    : sherd_fail_errno(SHERD_ERR_IO, "sherd.vault cannot be locked");
    sherd_hold_leave(hold);
    return err;
}

enum sherd_err sherd_hold_take(const struct sherd_vault *vault, struct sherd_hold *hold)
{
    return take(vault, LOCK_EX, hold);
}

enum sherd_err sherd_hold_pass(const struct sherd_vault *vault, struct sherd_hold *hold)
{
    return take(vault, LOCK_SH | LOCK_NB, hold);
}

void sherd_hold_leave(struct sherd_hold *hold)
{
    if (hold->fd >= 0)
        (void)close(hold->fd);
    hold->fd = -1;
}
