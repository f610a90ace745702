/* SPDX-License-Identifier: Apache-2.0 */
/* Seals by shares: see seal.h and docs/format/vault.md, anchor/seals/N. */
#include "anchor/seal/seal_inside.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include <stdio.h>

#define SHARE_LINES 3U

/* --- shares as text ----------------------------------------------------------------------------------------------- */

/* The line at the front of the text, with its line feed. */
static struct sherd_span take_line(struct sherd_span *rest)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->len);
    struct sherd_span line = {0};

    (void)sherd_span_take(rest, end != NULL ? (size_t)(end - rest->data) + 1 : rest->len, &line);
    return line;
}

/* Whether a line is part of a share: it is neither empty nor a comment. */
static bool is_of_share(struct sherd_span line)
{
    for (size_t i = 0; i < line.len; i++) {
        const uint8_t c = line.data[i];

        if (c == '#')
            return false;
        if (c != ' ' && c != '\t' && c != '-' && c != '\r' && c != '\n')
            return true;
    }
    return false;
}

/* The lines of the next share, of which some may be missing; empty at the end of the text. */
static enum sherd_err take_share(struct sherd_span *rest, struct sherd_buf *lines)
{
    unsigned count = 0;

    sherd_buf_clear(lines);
    while (rest->len > 0 && count < SHARE_LINES) {
        const struct sherd_span line = take_line(rest);

        if (!is_of_share(line))
            continue;
        if (sherd_buf_append(lines, line) != SHERD_OK)
            return sherd_fail(SHERD_ERR_INVALID, "it is too long");
        count++;
    }
    return SHERD_OK;
}

static enum sherd_err parse_next(struct sherd_span *rest, struct sherd_buf *lines, struct sherd_shares *out_shares)
{
    SHERD_TRY(take_share(rest, lines));
    if (lines->len == 0)
        return SHERD_OK;
    SHERD_ENSURE(out_shares->count < SHERD_SHARES_MAX, SHERD_ERR_INVALID, "more are given than there can be");
    SHERD_TRY(sherd_share_parse(sherd_buf_span(lines), &out_shares->shares[out_shares->count], NULL));
    out_shares->count++;
    return SHERD_OK;
}

enum sherd_err sherd_shares_parse(struct sherd_span text, struct sherd_shares *out_shares)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(SHERD_SHARE_TEXT_BYTES_MAX);
    struct sherd_buf lines;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(text.len <= SHERD_SHARES_TEXT_BYTES_MAX, SHERD_ERR_INVALID, "the text of the shares is too long");
    lines = sherd_buf_borrow(block, SHERD_SHARE_TEXT_BYTES_MAX);
    out_shares->count = 0;
    while (text.len > 0) {
        const enum sherd_err err = parse_next(&text, &lines, out_shares);

        if (err != SHERD_OK)
            return sherd_fail(err, "share in place %zu: %s", out_shares->count + 1, sherd_err_detail());
    }
    SHERD_ENSURE(out_shares->count > 0, SHERD_ERR_INVALID, "no share is given");
    return SHERD_OK;
}

/* --- what is asked for -------------------------------------------------------------------------------------------- */

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* May be empty. Names stand in messages and in names of files. */
static bool is_holder_name(const char *name, size_t len)
{
    if (len > SHERD_HOLDER_BYTES_MAX || (len > 0 && (name[0] == '.' || name[0] == '-')))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!is_letter_or_digit(name[i]) && (name[i] == 0 || strchr("._@+-", name[i]) == NULL))
            return false;
    return true;
}

static enum sherd_err check_holders(const struct sherd_shares_options *options)
{
    for (unsigned i = 0; options->holders != NULL && i < options->count; i++) {
        const char *name = options->holders[i];

        SHERD_ENSURE(name != NULL && is_holder_name(name, strlen(name)), SHERD_ERR_INVALID,
                     "a holder's name has 1 to 47 letters, digits and ._@+-, and no '.' or '-' at its front");
        for (unsigned j = 0; j < i; j++)
            if (name[0] != 0 && strcmp(name, options->holders[j]) == 0)
                return sherd_fail(SHERD_ERR_INVALID, "the holder %s is named twice: each holds one share", name);
    }
    return SHERD_OK;
}

enum sherd_err sherd_shares_options_check(const struct sherd_shares_options *options)
{
    SHERD_ENSURE(options != NULL, SHERD_ERR_INVALID, "it must be said how many shares there are");
    SHERD_ENSURE(!options->parts || !options->copies, SHERD_ERR_INVALID, "parts are no copies: ask for one of both");
    SHERD_ENSURE(options->count >= 1 && options->count <= SHERD_SHARES_MAX, SHERD_ERR_INVALID,
                 "there are 1 to 255 shares");
    if (options->parts)
        SHERD_ENSURE(options->count >= 2, SHERD_ERR_INVALID, "there are 2 parts or more");
    if (!options->parts && !options->copies) {
        SHERD_ENSURE(options->threshold >= 2, SHERD_ERR_INVALID,
                     "2 shares or more must be needed: where each one shall open alone, ask for copies");
        if (options->threshold > options->count)
            return sherd_fail(SHERD_ERR_INVALID, "%u shares cannot be needed where there are only %u",
                              options->threshold, options->count);
    }
    return check_holders(options);
}

static struct sherd_share_deal deal_of(const struct sherd_shares_options *options,
                                       const struct sherd_share_set *replaced)
{
    return (struct sherd_share_deal){
        .kind = options->parts ? SHERD_SHARE_XOR : SHERD_SHARE_SHAMIR,
        .threshold = options->parts    ? options->count
                     : options->copies ? SHERD_SHAMIR_COPIES
                                       : options->threshold,
        .count = options->count,
        .generation = replaced != NULL ? replaced->generation + 1 : 1,
        .set_id = replaced != NULL ? replaced->set_id : NULL,
    };
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

/* In secret memory. */
struct work {
    uint8_t secret[SHERD_SHARE_SECRET_SIZE];
    struct sherd_seal_key key;
};

static enum sherd_err derive_key(struct work *work, const uint8_t salt[static SHERD_SEAL_SALT_SIZE])
{
    return sherd_hkdf(SHERD_SHA512, sherd_span_of(work->secret, sizeof(work->secret)),
                      sherd_span_of(salt, SHERD_SEAL_SALT_SIZE), sherd_span_str("sherd seal shares 1"), work->key.bytes,
                      sizeof(work->key.bytes));
}

static enum sherd_err append_holders(const struct sherd_shares_options *options, struct sherd_buf *out_file)
{
    for (unsigned i = 0; i < options->count; i++) {
        const char *name = options->holders != NULL ? options->holders[i] : "";
        const uint8_t len = (uint8_t)strlen(name);

        SHERD_TRY(sherd_buf_append(out_file, sherd_span_of(&len, 1)));
        SHERD_TRY(sherd_buf_append(out_file, sherd_span_of(name, len)));
    }
    return SHERD_OK;
}

/* All but the sealed root key. */
static enum sherd_err append_clear(const struct sherd_seal_header *header, const struct sherd_share_set *set,
                                   const struct sherd_shares_options *options, struct sherd_buf *out_file)
{
    uint8_t bytes[SHERD_SEAL_HEADER_SIZE];

    sherd_seal_header_encode(header, bytes);
    SHERD_TRY(sherd_buf_append(out_file, sherd_span_of(bytes, sizeof(bytes))));
    SHERD_TRY(sherd_share_set_encode(set, out_file));
    return append_holders(options, out_file);
}

static enum sherd_err make_with(struct work *work, const struct sherd_root_key *root, struct sherd_seal_header *header,
                                const struct sherd_shares_options *options, const struct sherd_share_deal *deal,
                                struct sherd_shares *out_shares, struct sherd_buf *out_file)
{
    SHERD_CLEANUP(sherd_secret_freep) struct sherd_share_set *set = sherd_secret_alloc(sizeof(*set));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = SHERD_SEAL_FILE_BYTES_MAX};

    if (set == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_random(work->secret, sizeof(work->secret)));
    SHERD_TRY(sherd_random(header->salt, sizeof(header->salt)));
    SHERD_TRY(sherd_share_split(work->secret, deal, out_shares->shares, set));
    SHERD_TRY(append_clear(header, set, options, &file));
    SHERD_TRY(derive_key(work, header->salt));
    SHERD_TRY(sherd_buf_reserve(&file, SHERD_SEAL_ROOT_SIZE)); /* or the context would move while it is read */
    const struct sherd_span context = sherd_buf_span(&file);
    SHERD_TRY(sherd_aead_seal(work->key.bytes, context, sherd_span_of(root->bytes, sizeof(root->bytes)), &file));
    return sherd_buf_append(out_file, sherd_buf_span(&file));
}

enum sherd_err sherd_shares_seal_make(const struct sherd_root_key *root, const struct sherd_uuid *deployment, bool fips,
                                      const struct sherd_shares_options *options,
                                      const struct sherd_share_set *replaced, struct sherd_shares *out_shares,
                                      struct sherd_buf *out_file)
{
    SHERD_CLEANUP(sherd_secret_freep) struct work *work = sherd_secret_alloc(sizeof(*work));
    struct sherd_seal_header header = {.fips = fips, .deployment = *deployment};

    if (work == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_shares_options_check(options));
    SHERD_ENSURE(replaced == NULL || replaced->generation < UINT32_MAX, SHERD_ERR_LIMIT,
                 "the shares have no more generations: add a seal with new ones, and remove this one");
    const struct sherd_share_deal deal = deal_of(options, replaced);
    header.kind = options->parts ? SHERD_SEAL_PARTS : SHERD_SEAL_SHARES;
    out_shares->count = options->count;
    const enum sherd_err err = make_with(work, root, &header, options, &deal, out_shares, out_file);
    if (err != SHERD_OK)
        sherd_wipe(out_shares, sizeof(*out_shares));
    return err;
}

static bool read_holders(struct sherd_span *rest, struct sherd_shares_seal *out_seal)
{
    for (unsigned i = 0; i < out_seal->set.count; i++) {
        struct sherd_span len;
        struct sherd_span name;

        if (!sherd_span_take(rest, 1, &len) || !sherd_span_take(rest, len.data[0], &name) ||
            !is_holder_name((const char *)name.data, name.len))
            return false;
        memcpy(out_seal->holders[i], name.data, name.len);
        out_seal->holders[i][name.len] = 0;
    }
    return true;
}

static enum sherd_err read_body(struct sherd_span file, struct sherd_span rest, enum sherd_seal_kind kind,
                                struct sherd_shares_seal *out_seal)
{
    struct sherd_span set;
    struct sherd_span root;

    if (rest.len < SHERD_SHARE_SET_BYTES(0) || !sherd_span_take(&rest, SHERD_SHARE_SET_BYTES(rest.data[15]), &set))
        return sherd_seal_denied();
    const enum sherd_err err = sherd_share_set_decode(set, &out_seal->set);
    if (err == SHERD_ERR_TAMPERED)
        return sherd_seal_denied();
    SHERD_TRY(err);
    if ((kind == SHERD_SEAL_PARTS) != (out_seal->set.kind == SHERD_SHARE_XOR) || !read_holders(&rest, out_seal) ||
        !sherd_span_take(&rest, SHERD_SEAL_ROOT_SIZE, &root))
        return sherd_seal_denied();
    out_seal->bytes = file.len - rest.len;
    return SHERD_OK;
}

enum sherd_err sherd_shares_seal_read(struct sherd_span file, struct sherd_shares_seal *out_seal)
{
    struct sherd_seal_header header;
    struct sherd_span rest = file;
    struct sherd_span head;

    SHERD_TRY(sherd_seal_header_decode(file, &header));
    if (header.kind != SHERD_SEAL_SHARES && header.kind != SHERD_SEAL_PARTS)
        return sherd_fail(SHERD_ERR_DENIED, "this is no seal by shares");
    if (!sherd_span_take(&rest, SHERD_SEAL_HEADER_SIZE, &head))
        return sherd_seal_denied();
    out_seal->deployment = header.deployment;
    out_seal->fips = header.fips;
    return read_body(file, rest, header.kind, out_seal);
}

/* --- shares against their seal ------------------------------------------------------------------------------------ */

bool sherd_shares_seal_meant(const struct sherd_shares_seal *seal, const struct sherd_shares *shares)
{
    for (size_t i = 0; i < shares->count; i++)
        if (sherd_same(shares->shares[i].set_id, seal->set.set_id, sizeof(seal->set.set_id)))
            return true;
    return false;
}

/*
 * Whose a share is, where the seal can know it; else "". A stale share's holder is the one whom the seal names for its
 * number today.
 */
static const char *holder_of(const struct sherd_shares_seal *seal, const struct sherd_share *share)
{
    if (!sherd_same(share->set_id, seal->set.set_id, sizeof(seal->set.set_id)) || share->index < 1 ||
        share->index > seal->set.count)
        return "";
    return seal->holders[share->index - 1];
}

/* Pass on what is wrong with a share, with its holder's name. */
static enum sherd_err wrong(const struct sherd_shares_seal *seal, const struct sherd_share *share)
{
    const char *holder = holder_of(seal, share);

    return sherd_fail(SHERD_ERR_DENIED, "%s%s%s", holder, holder[0] != 0 ? ": " : "", sherd_err_detail());
}

static enum sherd_err check_one(const struct sherd_shares_seal *seal, const struct sherd_share *share,
                                bool have[static SHERD_SHARES_MAX + 1])
{
    const enum sherd_err err = sherd_share_check(share, &seal->set);

    if (err == SHERD_ERR_INVALID || err == SHERD_ERR_TAMPERED)
        return wrong(seal, share);
    SHERD_TRY(err);
    if (have[share->index]) {
        const char *holder = holder_of(seal, share);

        return sherd_fail(SHERD_ERR_INVALID, "%s%sshare %u is given twice", holder, holder[0] != 0 ? ": " : "",
                          share->index);
    }
    have[share->index] = true;
    return SHERD_OK;
}

enum sherd_err sherd_shares_seal_check(const struct sherd_shares_seal *seal, const struct sherd_shares *shares,
                                       bool out_have[static SHERD_SHARES_MAX + 1])
{
    memset(out_have, 0, SHERD_SHARES_MAX + 1);
    for (size_t i = 0; i < shares->count; i++)
        SHERD_TRY(check_one(seal, &shares->shares[i], out_have));
    return SHERD_OK;
}

/* Add a name to a list, unless it has no room for it. */
static void list_holder(const struct sherd_shares_seal *seal, unsigned index, char list[static 192])
{
    const char *holder = seal->holders[index - 1];
    const size_t len = strlen(list);
    char name[SHERD_HOLDER_BYTES_MAX + 1];

    if (holder[0] != 0)
        (void)snprintf(name, sizeof(name), "%s", holder);
    else
        (void)snprintf(name, sizeof(name), "share %u", index);
    if (len + strlen(name) + sizeof(", ...") < 192)
        (void)snprintf(list + len, 192 - len, "%s%s", len > 0 ? ", " : "", name);
    else if (len < 3 || strcmp(list + len - 3, "...") != 0)
        (void)snprintf(list + len, 192 - len, ", ...");
}

void sherd_shares_seal_progress(const struct sherd_shares_seal *seal, unsigned needed,
                                const bool have[static SHERD_SHARES_MAX + 1], struct sherd_shares_progress *out)
{
    *out = (struct sherd_shares_progress){.needed = needed, .count = seal->set.count};
    for (unsigned index = 1; index <= seal->set.count; index++) {
        out->given += have[index];
        list_holder(seal, index, have[index] ? out->holders : out->missing);
    }
    out->done = out->given >= needed;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static enum sherd_err check_enough(const struct sherd_shares_seal *seal, const bool have[static SHERD_SHARES_MAX + 1])
{
    struct sherd_shares_progress progress;

    sherd_shares_seal_progress(seal, seal->set.threshold, have, &progress);
    if (progress.done)
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_SEALED, "%u of %u shares: %s; %u more needed", progress.given, progress.needed,
                      progress.holders, progress.needed - progress.given);
}

enum sherd_err sherd_shares_seal_open(struct sherd_span file, const struct sherd_shares_seal *seal,
                                      const struct sherd_shares *shares, struct sherd_root_key *out_root)
{
    SHERD_CLEANUP(sherd_secret_freep) struct work *work = sherd_secret_alloc(sizeof(*work));
    bool have[SHERD_SHARES_MAX + 1];
    size_t bad = SHERD_SHARE_NONE;

    if (work == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_shares_seal_check(seal, shares, have));
    SHERD_TRY(check_enough(seal, have));
    const enum sherd_err err = sherd_share_combine(shares->shares, shares->count, &seal->set, work->secret, &bad);
    if (err == SHERD_ERR_TAMPERED || err == SHERD_ERR_INVALID)
        return bad != SHERD_SHARE_NONE ? wrong(seal, &shares->shares[bad])
                                       : sherd_fail(SHERD_ERR_DENIED, "%s", sherd_err_detail());
    SHERD_TRY(err);
    SHERD_TRY(derive_key(work, file.data + SHERD_SEAL_HEADER_SIZE - SHERD_SEAL_SALT_SIZE));
    return sherd_seal_open_root(sherd_span_of(file.data, seal->bytes), &work->key, out_root);
}
