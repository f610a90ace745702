/* SPDX-License-Identifier: Apache-2.0 */
/* Principals: see principals.h. */
#include "identity/principals.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "base/random.h"
#include <string.h>

/* Principals that are gathered before the visitor sees them. */
#define PAGE_MAX 64U
/* How often a pin is tried whose keys are changed under it. */
#define TRIES_MAX 16U

static enum sherd_err tampered(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "a user's entry in identity does not verify: bring identity back as it was");
}

/* A stored entry, and where it lies. */
struct stored {
    struct sherd_ref name;
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf bytes;
};

static enum sherd_err entry_name(const struct sherd_entry_keys *keys, const char *name, struct sherd_ref *out_name)
{
    return sherd_entry_name(keys, "principal", sherd_span_str(name), sherd_span_of(NULL, 0), out_name);
}

static enum sherd_err read_stored(const struct sherd_entry_keys *keys, struct sherd_compartment *compartment,
                                  const char *name, struct stored *out_stored)
{
    SHERD_TRY(entry_name(keys, name, &out_stored->name));
    out_stored->bytes = sherd_buf_borrow(out_stored->block, sizeof(out_stored->block));
    const enum sherd_err err = sherd_compartment_get(compartment, out_stored->name, &out_stored->bytes);
    return err == SHERD_ERR_LIMIT ? tampered() : err;
}

static enum sherd_err open_entry(const struct sherd_principals *principals, const struct sherd_ref *name,
                                 struct sherd_span stored, struct sherd_principal *out_principal)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref expected;
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&principals->keys, SHERD_KIND_PRINCIPAL, name, stored, &payload, &tlv));
    SHERD_TRY(sherd_principal_decode(tlv, out_principal));
    SHERD_TRY(entry_name(&principals->keys, out_principal->name, &expected));
    if (!sherd_same(&expected, name, sizeof(expected)) ||
        !sherd_same(&out_principal->tenant, &principals->tenant, sizeof(principals->tenant)))
        return tampered();
    return SHERD_OK;
}

static enum sherd_err open_pin(const struct sherd_principals *principals, const struct sherd_ref *name,
                               struct sherd_span stored, struct sherd_principal_pin *out_pin)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_ref expected;
    struct sherd_span tlv;

    SHERD_TRY(sherd_entry_open(&principals->pin_keys, SHERD_KIND_PRINCIPAL_PIN, name, stored, &payload, &tlv));
    SHERD_TRY(sherd_principal_pin_decode(tlv, out_pin));
    SHERD_TRY(entry_name(&principals->pin_keys, out_pin->name, &expected));
    return sherd_same(&expected, name, sizeof(expected)) ? SHERD_OK : tampered();
}

static enum sherd_err read_pin_once(const struct sherd_principals *principals, const char *name, struct stored *stored,
                                    struct sherd_principal_pin *out_pin)
{
    SHERD_TRY(read_stored(&principals->pin_keys, principals->pins, name, stored));
    return open_pin(principals, &stored->name, sherd_buf_span(&stored->bytes), out_pin);
}

/* The pin of a name, and how it lies in the store. */
static enum sherd_err read_pin(const struct sherd_principals *principals, const char *name, struct stored *stored,
                               struct sherd_principal_pin *out_pin)
{
    const enum sherd_err err = read_pin_once(principals, name, stored, out_pin);

    return err == SHERD_ERR_DENIED ? read_pin_once(principals, name, stored, out_pin) : err; /* sherd_entry_open() */
}

static enum sherd_err read_entry_once(const struct sherd_principals *principals, const char *name,
                                      struct sherd_principal *out_principal)
{
    struct stored stored;

    SHERD_TRY(read_stored(&principals->keys, principals->compartment, name, &stored));
    return open_entry(principals, &stored.name, sherd_buf_span(&stored.bytes), out_principal);
}

static enum sherd_err read_entry(const struct sherd_principals *principals, const char *name,
                                 struct sherd_principal *out_principal)
{
    const enum sherd_err err = read_entry_once(principals, name, out_principal);

    return err == SHERD_ERR_DENIED ? read_entry_once(principals, name, out_principal) : err; /* as in read_pin() */
}

/* What is pinned: the entry's fields. Not what is stored, which is another under each store key. */
static enum sherd_err digest_of(const struct sherd_principal *principal, struct sherd_digest *out_digest)
{
    uint8_t bytes[SHERD_TLV_BYTES_MAX];
    struct sherd_span tlv = {bytes, 0};

    SHERD_TRY(sherd_principal_encode(principal, bytes, &tlv.len));
    return sherd_hash(SHERD_SHA256, &tlv, 1, out_digest->bytes);
}

/* An entry against its pin. A disabled one may lie there as it was: the pin comes first. */
static enum sherd_err agree(const struct sherd_principal_pin *pin, const struct sherd_principal *principal)
{
    struct sherd_digest digest;

    SHERD_TRY(digest_of(principal, &digest));
    if (!sherd_same(&pin->id, &principal->id, sizeof(pin->id)) ||
        (!sherd_same(&pin->digest, &digest, sizeof(digest)) && !(pin->disabled && !principal->disabled)))
        return tampered();
    return SHERD_OK;
}

enum sherd_err sherd_principals_get(const struct sherd_principals *principals, const char *name,
                                    struct sherd_principal *out_principal)
{
    struct sherd_principal principal;
    struct sherd_principal_pin pin;
    struct stored stored;

    enum sherd_err err = sherd_rights_name_valid(name) ? read_pin(principals, name, &stored, &pin)
                                                       : SHERD_ERR_NOT_FOUND;
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "there is no such user");
    SHERD_TRY(err);
    err = read_entry(principals, name, &principal);
    if (err == SHERD_ERR_NOT_FOUND)
        return tampered();
    SHERD_TRY(err);
    SHERD_TRY(agree(&pin, &principal));
    principal.disabled = pin.disabled;
    *out_principal = principal;
    return SHERD_OK;
}

enum sherd_err sherd_principals_live(const struct sherd_principals *principals, const char *name,
                                     const struct sherd_uuid *id)
{
    struct sherd_principal_pin pin;
    struct stored stored;

    SHERD_TRY(read_pin(principals, name, &stored, &pin));
    return !pin.disabled && sherd_same(&pin.id, id, sizeof(*id)) ? SHERD_OK : SHERD_ERR_NOT_FOUND;
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

static enum sherd_err seal_entry(const struct sherd_principals *principals, const struct sherd_principal *principal,
                                 struct stored *out_stored)
{
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    size_t tlv_bytes;

    SHERD_TRY(entry_name(&principals->keys, principal->name, &out_stored->name));
    out_stored->bytes = sherd_buf_borrow(out_stored->block, sizeof(out_stored->block));
    SHERD_TRY(sherd_principal_encode(principal, tlv, &tlv_bytes));
    return sherd_entry_seal(&principals->keys, SHERD_KIND_PRINCIPAL, &out_stored->name, sherd_span_of(tlv, tlv_bytes),
                            &out_stored->bytes);
}

static enum sherd_err write_entry(const struct sherd_principals *principals, const struct stored *stored)
{
    const struct sherd_store_op op = {.kind = SHERD_STORE_PUT,
                                      .expect = SHERD_EXPECT_ANY,
                                      .name = stored->name,
                                      .value = sherd_buf_span(&stored->bytes)};

    return sherd_compartment_write(principals->compartment, &op, 1);
}

static enum sherd_err write_pin_once(const struct sherd_principals *principals, const struct sherd_principal *principal,
                                     const struct stored *before, bool *out_lost)
{
    struct sherd_principal_pin pin = {.id = principal->id, .disabled = principal->disabled};
    uint8_t tlv[SHERD_TLV_BYTES_MAX];
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));
    struct sherd_store_op op = {.kind = SHERD_STORE_PUT,
                                .expect = before != NULL ? SHERD_EXPECT_EQUALS : SHERD_EXPECT_ABSENT};
    size_t tlv_bytes;

    memcpy(pin.name, principal->name, sizeof(pin.name));
    *out_lost = false;
    SHERD_TRY(digest_of(principal, &pin.digest));
    SHERD_TRY(entry_name(&principals->pin_keys, principal->name, &op.name));
    SHERD_TRY(sherd_principal_pin_encode(&pin, tlv, &tlv_bytes));
    SHERD_TRY(sherd_entry_seal(&principals->pin_keys, SHERD_KIND_PRINCIPAL_PIN, &op.name, sherd_span_of(tlv, tlv_bytes),
                               &stored));
    op.value = sherd_buf_span(&stored);
    if (before != NULL)
        op.expected = sherd_buf_span(&before->bytes);
    return principals->write_pins(principals->write_arg, &principal->id, &op, out_lost);
}

/* Pin a principal. @param[in] before  the pin that is replaced, as it is stored; NULL: there must be none */
static enum sherd_err write_pin(const struct sherd_principals *principals, const struct sherd_principal *principal,
                                const struct stored *before)
{
    enum sherd_err err = SHERD_OK;
    bool lost = true;

    for (unsigned tries = 0; tries < TRIES_MAX && lost; tries++)
        err = write_pin_once(principals, principal, before, &lost);
    return err;
}

/* The entry first, then its pin, with which the principal is there. What a crash left of another is replaced. */
enum sherd_err sherd_principals_create(const struct sherd_principals *principals, struct sherd_principal *principal)
{
    struct sherd_principal_pin pin;
    struct stored stored;

    SHERD_ENSURE(sherd_rights_name_valid(principal->name), SHERD_ERR_INVALID,
                 "a user's name has 1 to 63 of a-z, 0-9, '.', '_', '-' and begins with a letter or digit");
    const enum sherd_err err = read_pin(principals, principal->name, &stored, &pin);
    if (err == SHERD_OK)
        return sherd_fail(SHERD_ERR_CONFLICT, "there is a user of that name");
    if (err != SHERD_ERR_NOT_FOUND)
        return err;
    principal->tenant = principals->tenant;
    principal->created_s = (uint64_t)sherd_clock()->wall_s() / 60 * 60;
    SHERD_TRY(sherd_uuid_new(&principal->id));
    SHERD_TRY(seal_entry(principals, principal, &stored));
    SHERD_TRY(write_entry(principals, &stored));
    SHERD_FAILPOINT("user.after_identity");
    return write_pin(principals, principal, NULL);
}

/* The pin first: from then on it is disabled, whatever the entry says. */
enum sherd_err sherd_principals_disable(const struct sherd_principals *principals, const char *name)
{
    struct sherd_principal principal;
    struct sherd_principal_pin pin;
    struct stored before;
    struct stored stored;

    SHERD_TRY(sherd_principals_get(principals, name, &principal));
    SHERD_ENSURE(principal.credential != SHERD_CREDENTIAL_SEAL, SHERD_ERR_INVALID,
                 "the vault's owner cannot be disabled");
    SHERD_TRY(read_pin(principals, name, &before, &pin));
    principal.disabled = true;
    SHERD_TRY(seal_entry(principals, &principal, &stored));
    SHERD_TRY(write_pin(principals, &principal, &before));
    SHERD_FAILPOINT("user.after_pin");
    return write_entry(principals, &stored);
}

/* --- walks -------------------------------------------------------------------------------------------------------- */

/* Names of principals, from `identity`, or from their pins. */
struct page {
    const struct sherd_principals *principals;
    const struct sherd_entry_keys *keys; /* of the compartment that is walked over */
    struct sherd_compartment *compartment;
    enum sherd_kind kind;
    size_t count;
    bool full;
    bool damaged; /* something did not verify, in this page or one before */
    struct sherd_ref last;
    char names[PAGE_MAX][SHERD_NAME_SIZE];
};

static void begin_entries(const struct sherd_principals *principals, struct page *page)
{
    page->principals = principals;
    page->keys = &principals->keys;
    page->compartment = principals->compartment;
    page->kind = SHERD_KIND_PRINCIPAL;
}

static void begin_pins(const struct sherd_principals *principals, struct page *page)
{
    page->principals = principals;
    page->keys = &principals->pin_keys;
    page->compartment = principals->pins;
    page->kind = SHERD_KIND_PRINCIPAL_PIN;
}

static enum sherd_err open_name(const struct page *page, const struct sherd_ref *name, struct sherd_span stored,
                                char out_name[SHERD_NAME_SIZE])
{
    struct sherd_principal principal;
    struct sherd_principal_pin pin;

    if (page->kind == SHERD_KIND_PRINCIPAL) {
        SHERD_TRY(open_entry(page->principals, name, stored, &principal));
        memcpy(out_name, principal.name, SHERD_NAME_SIZE);
    } else {
        SHERD_TRY(open_pin(page->principals, name, stored, &pin));
        memcpy(out_name, pin.name, SHERD_NAME_SIZE);
    }
    return SHERD_OK;
}

/* What is of no principal must be what it says: it may be an entry whose kind was changed. */
static enum sherd_err check_other(const struct page *page, enum sherd_kind kind, const struct sherd_ref *name,
                                  struct sherd_span stored)
{
    uint8_t block[SHERD_PAYLOAD_BYTES_MAX];
    struct sherd_buf payload = sherd_buf_borrow(block, sizeof(block));
    struct sherd_span tlv;

    if (page->kind != SHERD_KIND_PRINCIPAL) /* of `keys`, where most are of others, the kind is enough */
        return SHERD_OK;
    return sherd_entry_open(page->keys, kind, name, stored, &payload, &tlv);
}

static enum sherd_err look_at(struct page *page, const struct sherd_ref *name, struct sherd_span stored)
{
    enum sherd_kind kind;

    SHERD_TRY(sherd_entry_kind(page->keys, stored, &kind));
    if (kind != page->kind)
        return check_other(page, kind, name, stored);
    SHERD_TRY(open_name(page, name, stored, page->names[page->count]));
    page->count++;
    return SHERD_OK;
}

/* Sealed anew since the snapshot was taken: what lies there now. */
static enum sherd_err look_now(struct page *page, const struct sherd_ref *name)
{
    uint8_t block[SHERD_ENTRY_BYTES_MAX];
    struct sherd_buf stored = sherd_buf_borrow(block, sizeof(block));

    const enum sherd_err err = sherd_compartment_get(page->compartment, *name, &stored);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    return look_at(page, name, sherd_buf_span(&stored));
}

static bool is_damage(enum sherd_err err)
{
    return err == SHERD_ERR_TAMPERED || err == SHERD_ERR_DENIED || err == SHERD_ERR_LIMIT;
}

static enum sherd_err gather(void *arg, struct sherd_ref name, struct sherd_span stored)
{
    struct page *page = arg;

    page->full = page->count == PAGE_MAX;
    if (page->full)
        return SHERD_ERR_LIMIT; /* taken back in fill() */
    page->last = name;
    enum sherd_err err = look_at(page, &name, stored);
    if (err == SHERD_ERR_DENIED)
        err = look_now(page, &name);
    page->damaged = page->damaged || is_damage(err);
    return is_damage(err) ? SHERD_OK : err;
}

static enum sherd_err fill(struct page *page, bool first)
{
    const struct sherd_ref after = page->last;
    struct sherd_snapshot *snapshot;

    page->count = 0;
    page->full = false;
    SHERD_TRY(sherd_compartment_snapshot_begin(page->compartment, &snapshot));
    const enum sherd_err err = sherd_snapshot_scan(snapshot, first ? NULL : &after, gather, page);
    sherd_snapshot_end(snapshot);
    return page->full ? SHERD_OK : err;
}

/* Visits what is sound, in a walk over entries; what is damaged, in one over pins. */
struct visitor {
    sherd_principals_visit_fn *visit;
    void *arg;
};

static enum sherd_err tell_sound(struct page *page, const char *name, const struct visitor *to)
{
    struct sherd_principal principal;
    const enum sherd_err err = sherd_principals_get(page->principals, name, &principal);

    if (err == SHERD_ERR_NOT_FOUND) /* left by a crash before it was pinned */
        return SHERD_OK;
    page->damaged = page->damaged || is_damage(err);
    if (is_damage(err))
        return SHERD_OK;
    SHERD_TRY(err);
    return to->visit(to->arg, &principal, false);
}

/* What its pin says of a principal whose entry is damaged or gone. */
static enum sherd_err tell_damaged(struct page *page, const char *name, const struct visitor *to)
{
    struct sherd_principal principal;
    struct sherd_principal_pin pin;
    struct stored stored;

    enum sherd_err err = sherd_principals_get(page->principals, name, &principal);
    if (!is_damage(err))
        return err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
    err = read_pin(page->principals, name, &stored, &pin);
    page->damaged = page->damaged || is_damage(err); /* the pin itself, since it was met */
    if (err == SHERD_ERR_NOT_FOUND || is_damage(err))
        return SHERD_OK;
    SHERD_TRY(err);
    principal = (struct sherd_principal){
        .tenant = page->principals->tenant, .id = pin.id, .disabled = pin.disabled, .credential = SHERD_CREDENTIAL_KEY};
    memcpy(principal.name, pin.name, sizeof(principal.name));
    return to->visit(to->arg, &principal, true);
}

static enum sherd_err walk(struct page *page, const struct visitor *to)
{
    bool first = true;

    page->damaged = false;
    do {
        SHERD_TRY(fill(page, first));
        first = false;
        for (size_t i = 0; i < page->count; i++)
            SHERD_TRY(page->kind == SHERD_KIND_PRINCIPAL ? tell_sound(page, page->names[i], to)
                                                         : tell_damaged(page, page->names[i], to));
    } while (page->full);
    return SHERD_OK;
}

static enum sherd_err walk_both(struct page *page, const struct sherd_principals *principals, bool all_pins,
                                const struct visitor *to)
{
    begin_entries(principals, page);
    SHERD_TRY(walk(page, to));
    if (!page->damaged && !all_pins)
        return SHERD_OK;
    begin_pins(principals, page);
    SHERD_TRY(walk(page, to));
    if (page->damaged)
        return sherd_fail(SHERD_ERR_TAMPERED,
                          "an entry of keys does not verify, and may be a user's: run `sherd verify`");
    return SHERD_OK;
}

enum sherd_err sherd_principals_each(const struct sherd_principals *principals, bool all_pins,
                                     sherd_principals_visit_fn *visit, void *arg)
{
    const struct visitor to = {visit, arg};
    struct page *page = sherd_alloc(sizeof(*page));

    if (page == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = walk_both(page, principals, all_pins, &to);
    sherd_free(page);
    return err;
}

enum sherd_err sherd_principals_check(const struct sherd_principals *principals, const struct sherd_ref *name,
                                      struct sherd_span stored)
{
    struct sherd_principal principal;
    struct sherd_principal_pin pin;
    struct stored stored_pin;

    SHERD_TRY(open_entry(principals, name, stored, &principal));
    const enum sherd_err err = read_pin(principals, principal.name, &stored_pin, &pin);
    if (err == SHERD_ERR_NOT_FOUND)
        return SHERD_OK;
    SHERD_TRY(err);
    return agree(&pin, &principal);
}

enum sherd_err sherd_principals_check_pin(const struct sherd_principals *principals, const struct sherd_ref *name,
                                          struct sherd_span stored, struct sherd_principal_pin *out_pin)
{
    return open_pin(principals, name, stored, out_pin);
}

enum sherd_err sherd_principals_check_pinned(const struct sherd_principals *principals,
                                             const struct sherd_principal_pin *pin, bool *out_damaged)
{
    struct sherd_principal principal;

    const enum sherd_err err = sherd_principals_get(principals, pin->name, &principal);
    *out_damaged = is_damage(err);
    return *out_damaged || err == SHERD_ERR_NOT_FOUND ? SHERD_OK : err;
}
