/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a backup: see bundle.h. */
#include "backup/bundle.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/payload.h"
#include <string.h>

#define MAGIC "SHRDBKUP"
#define ITEM_HEADER_SIZE 9U
#define NAME_SIZE 16U
#define END_SIZE (8U + 8U + SHERD_SHA256_SIZE)
#define ROLES 4U

/* --- the head ----------------------------------------------------------------------------------------------------- */

void sherd_bundle_head_done(struct sherd_bundle_head *head)
{
    sherd_buf_done(&head->bytes);
    *head = (struct sherd_bundle_head){0};
}

static enum sherd_err settle_head(struct sherd_bundle_head *head)
{
    const struct sherd_span bytes = sherd_buf_span(&head->bytes);

    head->seals = sherd_span_of(bytes.data + SHERD_BUNDLE_HEAD_SIZE, bytes.len - SHERD_BUNDLE_HEAD_SIZE);
    return sherd_hash(SHERD_SHA256, &bytes, 1, head->digest.bytes);
}

enum sherd_err sherd_bundle_head_encode(struct sherd_bundle_head *head)
{
    uint8_t fixed[SHERD_BUNDLE_HEAD_SIZE] = MAGIC;

    sherd_put_u16(fixed + 8, SHERD_FORMAT);
    sherd_put_u16(fixed + 10, SHERD_SUITE);
    sherd_put_u32(fixed + 12, (uint32_t)(SHERD_BUNDLE_HEAD_SIZE + head->seals.len));
    memcpy(fixed + 16, head->deployment.bytes, 16);
    memcpy(fixed + 32, head->id.bytes, 16);
    sherd_put_u64(fixed + 48, head->time_s);
    sherd_put_u64(fixed + 56, head->epoch);
    sherd_put_u64(fixed + 64, head->epoch_older);
    sherd_put_u32(fixed + 72, head->generation);
    memcpy(fixed + 80, head->engine, strnlen(head->engine, sizeof(head->engine) - 1));
    head->bytes = (struct sherd_buf){.max = SHERD_BUNDLE_HEAD_BYTES_MAX};
    SHERD_TRY(sherd_buf_append(&head->bytes, sherd_span_of(fixed, sizeof(fixed))));
    SHERD_TRY(sherd_buf_append(&head->bytes, head->seals));
    return settle_head(head);
}

static enum sherd_err changed(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "the backup does not verify: it was changed or cut off, or is not all of it");
}

static bool is_engine(const uint8_t *text)
{
    size_t len = 0;

    while (len < SHERD_BUNDLE_ENGINE_SIZE && text[len] >= 'a' && text[len] <= 'z')
        len++;
    for (size_t i = len; i < SHERD_BUNDLE_ENGINE_SIZE; i++)
        if (text[i] != 0)
            return false;
    return len > 0 && len < SHERD_BUNDLE_ENGINE_SIZE;
}

static enum sherd_err check_seals(struct sherd_span seals)
{
    unsigned number = 0;

    while (seals.len > 0) {
        struct sherd_span file;

        SHERD_TRY(sherd_seal_copies_next(&seals, &number, &file));
    }
    return SHERD_OK;
}

/* What stands in the fixed part of a head. */
static enum sherd_err decode_fixed(const uint8_t *fixed, struct sherd_bundle_head *head)
{
    memcpy(head->deployment.bytes, fixed + 16, 16);
    memcpy(head->id.bytes, fixed + 32, 16);
    head->time_s = sherd_get_u64(fixed + 48);
    head->epoch = sherd_get_u64(fixed + 56);
    head->epoch_older = sherd_get_u64(fixed + 64);
    head->generation = sherd_get_u32(fixed + 72);
    memcpy(head->engine, fixed + 80, sizeof(head->engine));
    if (head->time_s > INT64_MAX || head->epoch == 0 || head->epoch_older >= head->epoch ||
        sherd_get_u32(fixed + 76) != 0 || !is_engine(fixed + 80))
        return changed();
    return SHERD_OK;
}

void sherd_bundle_describe(const struct sherd_bundle_head *head, struct sherd_backup_info *out_info)
{
    *out_info = (struct sherd_backup_info){.deployment = head->deployment,
                                           .id = head->id,
                                           .time_s = head->time_s,
                                           .epoch = head->epoch,
                                           .epoch_older = head->epoch_older};
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

struct sherd_bundle_writer {
    const struct sherd_backup_out *out;
    struct sherd_aead_message *message;
    struct sherd_hasher *file;    /* of what goes out */
    struct sherd_hasher *content; /* of the plaintext */
    uint64_t bytes;
    uint64_t entry_count;
    uint64_t blob_count;
    uint64_t index;
    size_t len;
    uint8_t plain[SHERD_AEAD_CHUNK_SIZE];
    uint8_t sealed[SHERD_AEAD_SEALED_CHUNK_SIZE];
};

static enum sherd_err send(struct sherd_bundle_writer *writer, struct sherd_span bytes)
{
    SHERD_TRY(sherd_hasher_update(writer->file, bytes));
    writer->bytes += bytes.len;
    return writer->out->write(writer->out->arg, bytes);
}

static enum sherd_err begin_writing(struct sherd_bundle_writer *writer, const struct sherd_bundle_head *head,
                                    const struct sherd_backup_key *key)
{
    uint8_t header[SHERD_AEAD_HEADER_SIZE];

    SHERD_TRY(sherd_hasher_new(SHERD_SHA256, &writer->file));
    SHERD_TRY(sherd_hasher_new(SHERD_SHA256, &writer->content));
    SHERD_TRY(sherd_aead_message_seal_begin(key->bytes, sherd_span_of(head->digest.bytes, sizeof(head->digest.bytes)),
                                            header, &writer->message));
    SHERD_TRY(send(writer, sherd_buf_span(&head->bytes)));
    return send(writer, sherd_span_of(header, sizeof(header)));
}

enum sherd_err sherd_bundle_writer_new(const struct sherd_backup_out *out, const struct sherd_bundle_head *head,
                                       const struct sherd_backup_key *key, struct sherd_bundle_writer **out_writer)
{
    SHERD_CLEANUP(sherd_bundle_writer_freep) struct sherd_bundle_writer *writer =
        sherd_alloc(sizeof(*writer));

    if (writer == NULL)
        return SHERD_ERR_NO_MEMORY;
    writer->out = out;
    SHERD_TRY(begin_writing(writer, head, key));
    *out_writer = sherd_bundle_writer_take(&writer);
    return SHERD_OK;
}

void sherd_bundle_writer_free(struct sherd_bundle_writer *writer)
{
    if (writer == NULL)
        return;
    sherd_aead_message_free(writer->message);
    sherd_hasher_free(writer->file);
    sherd_hasher_free(writer->content);
    sherd_free(writer);
}

uint64_t sherd_bundle_written(const struct sherd_bundle_writer *writer)
{
    return writer->bytes;
}

static enum sherd_err seal_chunk(struct sherd_bundle_writer *writer)
{
    SHERD_TRY(sherd_aead_chunk_seal(writer->message, writer->index++, sherd_span_of(writer->plain, writer->len),
                                    writer->sealed));
    SHERD_TRY(send(writer, sherd_span_of(writer->sealed, writer->len + SHERD_AEAD_TAG_SIZE)));
    writer->len = 0;
    return SHERD_OK;
}

/* Bytes of plaintext. A full chunk goes out at once: there is always a shorter one behind it. */
static enum sherd_err put_plain(struct sherd_bundle_writer *writer, struct sherd_span bytes)
{
    while (bytes.len > 0) {
        const size_t room = sizeof(writer->plain) - writer->len;
        const size_t take = bytes.len < room ? bytes.len : room;

        memcpy(writer->plain + writer->len, bytes.data, take);
        writer->len += take;
        bytes = sherd_span_of(bytes.data + take, bytes.len - take);
        if (writer->len == sizeof(writer->plain))
            SHERD_TRY(seal_chunk(writer));
    }
    return SHERD_OK;
}

enum sherd_err sherd_bundle_more(struct sherd_bundle_writer *writer, struct sherd_span bytes)
{
    SHERD_TRY(sherd_hasher_update(writer->content, bytes));
    return put_plain(writer, bytes);
}

enum sherd_err sherd_bundle_begin(struct sherd_bundle_writer *writer, enum sherd_bundle_item item,
                                  struct sherd_span first, uint64_t more_bytes)
{
    uint8_t header[ITEM_HEADER_SIZE] = {(uint8_t)item};

    sherd_put_u64(header + 1, first.len + more_bytes);
    writer->entry_count += item == SHERD_BUNDLE_ENTRY;
    writer->blob_count += item == SHERD_BUNDLE_BLOB;
    SHERD_TRY(sherd_bundle_more(writer, sherd_span_of(header, sizeof(header))));
    return sherd_bundle_more(writer, first);
}

enum sherd_err sherd_bundle_put(struct sherd_bundle_writer *writer, enum sherd_bundle_item item,
                                struct sherd_span first, struct sherd_span second)
{
    SHERD_TRY(sherd_bundle_begin(writer, item, first, second.len));
    return sherd_bundle_more(writer, second);
}

enum sherd_err sherd_bundle_end(struct sherd_bundle_writer *writer, struct sherd_backup_info *info)
{
    uint8_t item[ITEM_HEADER_SIZE + END_SIZE] = {SHERD_BUNDLE_END};

    sherd_put_u64(item + 1, END_SIZE);
    sherd_put_u64(item + 9, writer->entry_count);
    sherd_put_u64(item + 17, writer->blob_count);
    SHERD_TRY(sherd_hasher_final(writer->content, item + 25));
    SHERD_TRY(put_plain(writer, sherd_span_of(item, sizeof(item))));
    SHERD_TRY(seal_chunk(writer));
    info->bytes = writer->bytes;
    info->entry_count = writer->entry_count;
    info->blob_count = writer->blob_count;
    return sherd_hasher_final(writer->file, info->sha256);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct sherd_bundle_reader {
    const struct sherd_backup_in *in;
    struct sherd_bundle_head head;
    struct sherd_aead_message *message;
    struct sherd_hasher *file;
    struct sherd_hasher *content;
    const struct sherd_observer *observer;
    uint64_t bytes;
    uint64_t index;
    bool last; /* the chunk that is being read is the last */
    size_t len;
    size_t at;
    uint8_t plain[SHERD_AEAD_CHUNK_SIZE];
    uint8_t sealed[SHERD_AEAD_SEALED_CHUNK_SIZE];
    uint8_t value[SHERD_STORE_VALUE_BYTES_MAX];
};

static enum sherd_err receive(struct sherd_bundle_reader *reader, uint8_t *block, size_t size, size_t *out_bytes)
{
    SHERD_TRY(reader->in->read(reader->in->arg, block, size, out_bytes));
    SHERD_ENSURE(*out_bytes <= size, SHERD_ERR_INVALID, "more was read than there is room for");
    reader->bytes += *out_bytes;
    return sherd_hasher_update(reader->file, sherd_span_of(block, *out_bytes));
}

static enum sherd_err no_backup(void)
{
    return sherd_fail(SHERD_ERR_INVALID, "that is no backup of a vault");
}

static enum sherd_err receive_head(struct sherd_bundle_reader *reader)
{
    struct sherd_bundle_head *head = &reader->head;
    uint8_t fixed[SHERD_BUNDLE_HEAD_SIZE];
    size_t got;

    SHERD_TRY(receive(reader, fixed, sizeof(fixed), &got));
    if (got < 12 || !sherd_same(fixed, MAGIC, 8))
        return no_backup();
    if (sherd_get_u16(fixed + 8) != SHERD_FORMAT || sherd_get_u16(fixed + 10) != SHERD_SUITE)
        return sherd_fail(SHERD_ERR_UNSUPPORTED, "the backup has format %u, and this version of sherd knows format %u",
                          (unsigned)sherd_get_u16(fixed + 8), (unsigned)SHERD_FORMAT);
    const size_t size = got == sizeof(fixed) ? sherd_get_u32(fixed + 12) : 0;
    if (size < sizeof(fixed) || size > SHERD_BUNDLE_HEAD_BYTES_MAX)
        return changed();
    SHERD_TRY(decode_fixed(fixed, head));
    head->bytes = (struct sherd_buf){.max = SHERD_BUNDLE_HEAD_BYTES_MAX};
    SHERD_TRY(sherd_buf_append(&head->bytes, sherd_span_of(fixed, sizeof(fixed))));
    SHERD_TRY(sherd_buf_reserve(&head->bytes, size - sizeof(fixed)));
    SHERD_TRY(receive(reader, head->bytes.data + sizeof(fixed), size - sizeof(fixed), &got));
    if (got != size - sizeof(fixed))
        return changed();
    head->bytes.len = size;
    SHERD_TRY(settle_head(head));
    return check_seals(head->seals);
}

enum sherd_err sherd_bundle_reader_new(const struct sherd_backup_in *in, struct sherd_bundle_reader **out_reader)
{
    SHERD_CLEANUP(sherd_bundle_reader_freep) struct sherd_bundle_reader *reader =
        sherd_alloc(sizeof(*reader));

    if (reader == NULL)
        return SHERD_ERR_NO_MEMORY;
    reader->in = in;
    SHERD_TRY(sherd_hasher_new(SHERD_SHA256, &reader->file));
    SHERD_TRY(sherd_hasher_new(SHERD_SHA256, &reader->content));
    SHERD_TRY(receive_head(reader));
    *out_reader = sherd_bundle_reader_take(&reader);
    return SHERD_OK;
}

void sherd_bundle_reader_free(struct sherd_bundle_reader *reader)
{
    if (reader == NULL)
        return;
    sherd_aead_message_free(reader->message);
    sherd_hasher_free(reader->file);
    sherd_hasher_free(reader->content);
    sherd_bundle_head_done(&reader->head);
    sherd_free(reader);
}

const struct sherd_bundle_head *sherd_bundle_head_of(const struct sherd_bundle_reader *reader)
{
    return &reader->head;
}

enum sherd_err sherd_bundle_unlock(struct sherd_bundle_reader *reader, const struct sherd_backup_key *key)
{
    const struct sherd_span context = {reader->head.digest.bytes, sizeof(reader->head.digest.bytes)};
    uint8_t header[SHERD_AEAD_HEADER_SIZE];
    size_t got;

    SHERD_TRY(receive(reader, header, sizeof(header), &got));
    if (got != sizeof(header))
        return changed();
    const enum sherd_err err = sherd_aead_message_open_begin(key->bytes, context, sherd_span_of(header, sizeof(header)),
                                                             &reader->message);
    return err == SHERD_ERR_TAMPERED ? changed() : err;
}

static enum sherd_err report(const struct sherd_bundle_reader *reader)
{
    const struct sherd_observer *observer = reader->observer;

    if (observer == NULL || observer->progress == NULL ||
        observer->progress(observer->arg, reader->bytes, reader->in->total_bytes))
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_BUSY, "reading the backup was stopped");
}

/* The next chunk. One that is shorter than it could be is the last. */
static enum sherd_err open_chunk(struct sherd_bundle_reader *reader)
{
    size_t got;

    if (reader->last)
        return changed();
    SHERD_TRY(receive(reader, reader->sealed, sizeof(reader->sealed), &got));
    if (got < SHERD_AEAD_TAG_SIZE)
        return changed();
    reader->last = got < sizeof(reader->sealed);
    const enum sherd_err err = sherd_aead_chunk_open(reader->message, reader->index++,
                                                     sherd_span_of(reader->sealed, got), reader->plain);
    if (err == SHERD_ERR_TAMPERED)
        return changed();
    SHERD_TRY(err);
    reader->at = 0;
    reader->len = got - SHERD_AEAD_TAG_SIZE;
    return reader->index % 64 == 0 ? report(reader) : SHERD_OK;
}

/* Up to size bytes of plaintext that lie in the chunk, at least one. */
static enum sherd_err take_some(struct sherd_bundle_reader *reader, uint64_t size, struct sherd_span *out_bytes)
{
    while (reader->at == reader->len)
        SHERD_TRY(open_chunk(reader));
    const size_t there = reader->len - reader->at;
    *out_bytes = sherd_span_of(reader->plain + reader->at, size < there ? (size_t)size : there);
    reader->at += out_bytes->len;
    return SHERD_OK;
}

static enum sherd_err take(struct sherd_bundle_reader *reader, uint8_t *block, size_t size)
{
    while (size > 0) {
        struct sherd_span some;

        SHERD_TRY(take_some(reader, size, &some));
        memcpy(block, some.data, some.len);
        block += some.len;
        size -= some.len;
    }
    return SHERD_OK;
}

static enum sherd_err take_hashed(struct sherd_bundle_reader *reader, uint8_t *block, size_t size)
{
    SHERD_TRY(take(reader, block, size));
    return sherd_hasher_update(reader->content, sherd_span_of(block, size));
}

/* How far the list of items is. */
struct parse {
    struct sherd_bundle_reader *reader;
    const struct sherd_bundle_sink *sink;
    bool keyring;
    unsigned role; /* 0: none yet */
    bool blobs;    /* of this compartment there are blobs already */
    bool named;    /* last is a name */
    struct sherd_ref last;
    uint64_t entry_count;
    uint64_t blob_count;
};

static enum sherd_err parse_keyring(struct parse *parse, uint64_t len)
{
    struct sherd_bundle_reader *reader = parse->reader;

    if (parse->keyring || len == 0 || len > SHERD_KEYRING_BYTES_MAX)
        return changed();
    parse->keyring = true;
    SHERD_TRY(take_hashed(reader, reader->value, (size_t)len));
    return parse->sink->keyring(parse->sink->arg, sherd_span_of(reader->value, (size_t)len));
}

static enum sherd_err parse_compartment(struct parse *parse, uint64_t len)
{
    uint8_t role;

    if (!parse->keyring || len != 1)
        return changed();
    SHERD_TRY(take_hashed(parse->reader, &role, 1));
    if (role != parse->role + 1 || role > ROLES)
        return changed();
    parse->role = role;
    parse->blobs = false;
    parse->named = false;
    return parse->sink->compartment(parse->sink->arg, (enum sherd_role)role);
}

static enum sherd_err parse_name(struct parse *parse, bool blob, struct sherd_ref *out_name)
{
    if (parse->role == 0 || (parse->blobs && !blob))
        return changed();
    SHERD_TRY(take_hashed(parse->reader, out_name->bytes, sizeof(out_name->bytes)));
    if (blob && !parse->blobs)
        parse->named = false;
    parse->blobs = blob;
    if (parse->named && memcmp(out_name->bytes, parse->last.bytes, NAME_SIZE) <= 0) /* not secret: names lie open */
        return changed();
    parse->named = true;
    parse->last = *out_name;
    return SHERD_OK;
}

static enum sherd_err parse_entry(struct parse *parse, uint64_t len)
{
    struct sherd_bundle_reader *reader = parse->reader;
    struct sherd_ref name;

    if (len <= NAME_SIZE || len > NAME_SIZE + sizeof(reader->value))
        return changed();
    SHERD_TRY(parse_name(parse, false, &name));
    SHERD_TRY(take_hashed(reader, reader->value, (size_t)len - NAME_SIZE));
    parse->entry_count++;
    return parse->sink->entry(parse->sink->arg, &name, sherd_span_of(reader->value, (size_t)len - NAME_SIZE));
}

static enum sherd_err parse_blob(struct parse *parse, uint64_t len)
{
    struct sherd_ref name;

    if (len < NAME_SIZE)
        return changed();
    SHERD_TRY(parse_name(parse, true, &name));
    parse->blob_count++;
    SHERD_TRY(parse->sink->blob(parse->sink->arg, &name, len - NAME_SIZE));
    for (uint64_t left = len - NAME_SIZE; left > 0;) {
        struct sherd_span some;

        SHERD_TRY(take_some(parse->reader, left, &some));
        SHERD_TRY(sherd_hasher_update(parse->reader->content, some));
        SHERD_TRY(parse->sink->blob_bytes(parse->sink->arg, some));
        left -= some.len;
    }
    return SHERD_OK;
}

/* The end item; its header is not hashed. */
static enum sherd_err parse_end(const struct parse *parse, uint64_t len)
{
    struct sherd_bundle_reader *reader = parse->reader;
    uint8_t end[END_SIZE];
    uint8_t content[SHERD_SHA256_SIZE];

    if (parse->role != ROLES || len != END_SIZE)
        return changed();
    SHERD_TRY(take(reader, end, sizeof(end)));
    SHERD_TRY(sherd_hasher_final(reader->content, content));
    if (sherd_get_u64(end) != parse->entry_count || sherd_get_u64(end + 8) != parse->blob_count ||
        !sherd_same(end + 16, content, sizeof(content)))
        return changed();
    if (!reader->last && reader->at == reader->len) /* a full chunk ended with the item: an empty one follows */
        SHERD_TRY(open_chunk(reader));
    return reader->last && reader->at == reader->len ? SHERD_OK : changed();
}

static enum sherd_err parse_item(struct parse *parse, bool *out_ended)
{
    uint8_t header[ITEM_HEADER_SIZE];

    SHERD_TRY(take(parse->reader, header, sizeof(header)));
    const uint64_t len = sherd_get_u64(header + 1);
    *out_ended = header[0] == SHERD_BUNDLE_END;
    if (*out_ended)
        return parse_end(parse, len);
    SHERD_TRY(sherd_hasher_update(parse->reader->content, sherd_span_of(header, sizeof(header))));
    switch (header[0]) {
    case SHERD_BUNDLE_KEYRING: return parse_keyring(parse, len);
    case SHERD_BUNDLE_COMPARTMENT: return parse_compartment(parse, len);
    case SHERD_BUNDLE_ENTRY: return parse_entry(parse, len);
    case SHERD_BUNDLE_BLOB: return parse_blob(parse, len);
    default: return changed();
    }
}

enum sherd_err sherd_bundle_read(struct sherd_bundle_reader *reader, const struct sherd_bundle_sink *sink,
                                 const struct sherd_observer *observer, struct sherd_backup_info *info)
{
    struct parse parse = {.reader = reader, .sink = sink};
    bool ended = false;

    reader->observer = observer;
    while (!ended)
        SHERD_TRY(parse_item(&parse, &ended));
    sherd_bundle_describe(&reader->head, info);
    info->bytes = reader->bytes;
    info->entry_count = parse.entry_count;
    info->blob_count = parse.blob_count;
    return sherd_hasher_final(reader->file, info->sha256);
}
