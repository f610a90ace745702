/* SPDX-License-Identifier: Apache-2.0 */
/* The names of the error codes. */
#include <sherd/err.h>

const char *sherd_err_name(enum sherd_err err)
{
    switch (err) {
    case SHERD_OK: return "SHERD_OK";
    case SHERD_ERR_INVALID: return "SHERD_ERR_INVALID";
    case SHERD_ERR_NOT_FOUND: return "SHERD_ERR_NOT_FOUND";
    case SHERD_ERR_CONFLICT: return "SHERD_ERR_CONFLICT";
    case SHERD_ERR_DENIED: return "SHERD_ERR_DENIED";
    case SHERD_ERR_SEALED: return "SHERD_ERR_SEALED";
    case SHERD_ERR_TAMPERED: return "SHERD_ERR_TAMPERED";
    case SHERD_ERR_LIMIT: return "SHERD_ERR_LIMIT";
    case SHERD_ERR_BUSY: return "SHERD_ERR_BUSY";
    case SHERD_ERR_IO: return "SHERD_ERR_IO";
    case SHERD_ERR_NO_MEMORY: return "SHERD_ERR_NO_MEMORY";
    case SHERD_ERR_UNSUPPORTED: return "SHERD_ERR_UNSUPPORTED";
    }
    return "SHERD_ERR_UNKNOWN"; /* no default above, so that the compiler names a code that is forgotten there */
}
