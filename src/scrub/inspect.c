/* SPDX-License-Identifier: Apache-2.0 */
/* What one compartment alone gives to a thief: no key is used, and none is at hand. */
#include "base/mem.h"
#include "cryptor/files.h"
#include "store/compartment.h"
#include <sherd/maintain.h>
#include <string.h>

#define HEAD_BYTES ((size_t)64)

struct inspect {
    struct sherd_compartment *compartment;
    sherd_inspect_fn *visit;
    void *arg;
};

static enum sherd_err show(const struct inspect *inspect, struct sherd_ref name, bool blob, uint64_t bytes,
                           struct sherd_span head)
{
    struct sherd_inspect_entry entry = {.blob = blob, .bytes = bytes, .head = head};

    memcpy(entry.name, name.bytes, sizeof(entry.name));
    return inspect->visit(inspect->arg, &entry);
}

static enum sherd_err show_entry(void *arg, struct sherd_ref name, struct sherd_span value)
{
    return show(arg, name, false, value.len,
                sherd_span_of(value.data, value.len < HEAD_BYTES ? value.len : HEAD_BYTES));
}

static enum sherd_err show_blob(void *arg, struct sherd_ref name, struct sherd_span value)
{
    const struct inspect *inspect = arg;
    const size_t head_bytes = value.len < HEAD_BYTES ? value.len : HEAD_BYTES;
    struct sherd_blob_reader *reader;
    uint8_t head[HEAD_BYTES];
    uint64_t bytes;

    SHERD_TRY(sherd_compartment_blob_open(inspect->compartment, name, &reader, &bytes));
    const enum sherd_err err = sherd_blob_read(reader, 0, head, head_bytes);
    sherd_blob_close(reader);
    SHERD_TRY(err);
    return show(inspect, name, true, bytes, sherd_span_of(head, head_bytes));
}

static enum sherd_err show_all(struct inspect *inspect)
{
    struct sherd_snapshot *snapshot;

    SHERD_TRY(sherd_compartment_snapshot_begin(inspect->compartment, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, NULL, show_entry, inspect);
    sherd_snapshot_end(snapshot);
    SHERD_TRY(err);
    return sherd_compartment_blob_scan(inspect->compartment, NULL, show_blob, inspect);
}

static enum sherd_err role_of(const char *name, enum sherd_role *out_role)
{
    for (enum sherd_role role = SHERD_IDENTITY; role <= SHERD_KEYS; role++)
        if (strcmp(sherd_role_name(role), name) == 0) {
            *out_role = role;
            return SHERD_OK;
        }
    return sherd_fail(SHERD_ERR_INVALID, "a compartment is one of identity, assets, secrets, keys");
}

enum sherd_err sherd_compartment_inspect(const char *path, const char *compartment, sherd_inspect_fn *visit, void *arg)
{
    struct inspect inspect = {.visit = visit, .arg = arg};
    char engine[SHERD_ENGINE_NAME_SIZE];
    const struct sherd_store_ops *ops;
    enum sherd_role role;

    SHERD_ENSURE(path != NULL && compartment != NULL && visit != NULL, SHERD_ERR_INVALID,
                 "a vault, a compartment and a visitor are needed");
    SHERD_TRY(role_of(compartment, &role));
    SHERD_TRY(sherd_marker_read(path, engine));
    SHERD_TRY(sherd_store_engine(engine, &ops));
    char *dir = sherd_path_join(path, compartment);
    if (dir == NULL)
        return SHERD_ERR_NO_MEMORY;
    const struct sherd_store_config config = {.path = dir, .read_only = true};
    enum sherd_err err = sherd_compartment_open(role, ops, &config, &inspect.compartment);
    sherd_free(dir);
    SHERD_TRY(err);
    err = show_all(&inspect);
    sherd_compartment_close(inspect.compartment);
    return err;
}
