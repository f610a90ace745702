/* SPDX-License-Identifier: Apache-2.0 */
/* The witness: see witness.h. */
#include "witness/witness.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/random.h"
#include "base/secret.h"
#include "envelope/lines.h"
#include "ledger/proof.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_FILE "key"
#define KEY_NEW "key.new"
#define LOGS "logs"
#define TURN "turn"
#define KEY_MAGIC "SHRDWTNS"
#define KEY_HEAD_SIZE 12U /* magic, format */
#define KEY_FORMAT 1U
#define KEY_FILE_BYTES_MAX (KEY_HEAD_SIZE + SHERD_SIGN_SEED_SIZE + SHERD_VKEY_NAME_BYTES_MAX)
#define LOG_HEAD "sherd witness log 1\n"
#define LOG_FILE_BYTES_MAX (SHERD_WITNESS_REQUEST_BYTES_MAX + 8192U)
#define HASH_CHARS ((size_t)2 * SHERD_SHA256_SIZE)
/* logs/, the hash, and .new */
#define LOG_PATH_SIZE (sizeof(LOGS) + HASH_CHARS + 8U)

enum { OK = 200, BAD_REQUEST = 400, FORBIDDEN = 403, NOT_FOUND = 404, CONFLICT = 409, UNPROCESSABLE = 422 };

/* In secret memory. */
struct sherd_witness {
    char *dir;
    uint8_t seed[SHERD_SIGN_SEED_SIZE];
    size_t name_len;
    char name[SHERD_VKEY_NAME_BYTES_MAX + 1];
};

/* What is kept of one log. */
struct kept {
    struct sherd_buf file;
    struct sherd_policy *policy; /* that log alone */
    struct sherd_span vkey;
    struct sherd_span note; /* empty: none was cosigned */
    struct sherd_tree_head head;
};

static void kept_done(struct kept *kept)
{
    sherd_policy_free(kept->policy);
    sherd_buf_done(&kept->file);
}

/* --- the key ------------------------------------------------------------------------------------------------------ */

static struct sherd_span name_of(const struct sherd_witness *witness)
{
    return sherd_span_of(witness->name, witness->name_len);
}

enum sherd_err sherd_witness_vkey(const struct sherd_witness *witness, struct sherd_buf *out_text)
{
    uint8_t key[SHERD_SIGN_PUBLIC_SIZE];
    struct sherd_vkey vkey;

    SHERD_TRY(sherd_sign_public(witness->seed, key));
    SHERD_TRY(sherd_vkey_make(SHERD_VKEY_COSIGNED, name_of(witness), key, &vkey));
    return sherd_vkey_append(&vkey, out_text);
}

static enum sherd_err write_key(const char *dir, const char *name)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *file = sherd_secret_alloc(KEY_FILE_BYTES_MAX);
    const size_t name_len = strlen(name);
    const size_t bytes = KEY_HEAD_SIZE + SHERD_SIGN_SEED_SIZE + name_len;

    if (file == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(file, KEY_MAGIC, 8);
    sherd_put_u32(file + 8, KEY_FORMAT);
    SHERD_TRY(sherd_random(file + KEY_HEAD_SIZE, SHERD_SIGN_SEED_SIZE));
    memcpy(file + KEY_HEAD_SIZE + SHERD_SIGN_SEED_SIZE, name, name_len);
    SHERD_TRY(sherd_file_write(dir, KEY_NEW, sherd_span_of(file, bytes)));
    SHERD_TRY(sherd_file_rename(dir, KEY_NEW, KEY_FILE));
    return sherd_dir_sync(dir, "");
}

/* The key comes last: where it is, all else is. */
enum sherd_err sherd_witness_make(const char *dir, const char *name)
{
    static const uint8_t none[SHERD_SIGN_PUBLIC_SIZE] = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf there = {.max = 4096};
    struct sherd_vkey vkey;

    SHERD_TRY(sherd_vkey_make(SHERD_VKEY_COSIGNED, sherd_span_str(name), none, &vkey));
    enum sherd_err err = sherd_dir_make(dir, "");
    if (err != SHERD_OK && err != SHERD_ERR_CONFLICT)
        return err;
    if (sherd_file_read(dir, KEY_FILE, &there) != SHERD_ERR_NOT_FOUND)
        return sherd_fail(SHERD_ERR_CONFLICT, "there is a witness in %.150s", dir);
    err = sherd_dir_make(dir, LOGS);
    if (err != SHERD_OK && err != SHERD_ERR_CONFLICT)
        return err;
    return write_key(dir, name);
}

static enum sherd_err read_key(struct sherd_witness *witness)
{
    SHERD_CLEANUP(sherd_secret_freep) uint8_t *block = sherd_secret_alloc(KEY_FILE_BYTES_MAX + 1);
    struct sherd_buf file = sherd_buf_borrow(block, block != NULL ? KEY_FILE_BYTES_MAX + 1 : 0);

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    const enum sherd_err err = sherd_file_read(witness->dir, KEY_FILE, &file);
    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(err, "no witness in %.150s: make one with `sherd witness init`", witness->dir);
    if (err != SHERD_OK && err != SHERD_ERR_LIMIT)
        return err;
    if (err == SHERD_ERR_LIMIT || file.len <= KEY_HEAD_SIZE + SHERD_SIGN_SEED_SIZE || file.len > KEY_FILE_BYTES_MAX ||
        !sherd_same(file.data, KEY_MAGIC, 8) || sherd_get_u32(file.data + 8) != KEY_FORMAT)
        return sherd_fail(SHERD_ERR_TAMPERED, "%.150s/key is no key of a witness", witness->dir);
    memcpy(witness->seed, block + KEY_HEAD_SIZE, SHERD_SIGN_SEED_SIZE);
    witness->name_len = file.len - KEY_HEAD_SIZE - SHERD_SIGN_SEED_SIZE;
    memcpy(witness->name, block + KEY_HEAD_SIZE + SHERD_SIGN_SEED_SIZE, witness->name_len);
    return SHERD_OK;
}

enum sherd_err sherd_witness_open(const char *dir, struct sherd_witness **out_witness)
{
    SHERD_CLEANUP(sherd_witness_closep) struct sherd_witness *witness = sherd_secret_alloc(sizeof(*witness));

    if (witness == NULL)
        return SHERD_ERR_NO_MEMORY;
    memset(witness, 0, sizeof(*witness));
    witness->dir = sherd_strdup(dir);
    if (witness->dir == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(read_key(witness));
    *out_witness = witness;
    witness = NULL;
    return SHERD_OK;
}

void sherd_witness_close(struct sherd_witness *witness)
{
    if (witness == NULL)
        return;
    sherd_free(witness->dir);
    sherd_secret_free(witness);
}

/* --- what is kept of a log ---------------------------------------------------------------------------------------- */

static enum sherd_err hash_origin(struct sherd_span origin, char out_hash[static HASH_CHARS + 1])
{
    struct sherd_digest digest;

    SHERD_TRY(sherd_hash(SHERD_SHA256, &origin, 1, digest.bytes));
    for (size_t i = 0; i < sizeof(digest.bytes); i++)
        (void)snprintf(out_hash + 2 * i, 3, "%02x", digest.bytes[i]);
    return SHERD_OK;
}

static void log_path(const char *hash, const char *tail, char out_path[static LOG_PATH_SIZE])
{
    (void)snprintf(out_path, LOG_PATH_SIZE, LOGS "/%.*s%s", (int)HASH_CHARS, hash, tail);
}

static enum sherd_err spoilt(const char *hash)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "what is kept in logs/%.16s... does not verify: bring the file back", hash);
}

/* The witness's own cosignature must be on what it kept. */
static bool is_cosigned(const struct sherd_witness *witness, struct sherd_span note)
{
    uint8_t key[SHERD_SIGN_PUBLIC_SIZE];
    struct sherd_signature signature;
    struct sherd_signed parts;
    struct sherd_vkey vkey;

    if (sherd_sign_public(witness->seed, key) != SHERD_OK ||
        sherd_vkey_make(SHERD_VKEY_COSIGNED, name_of(witness), key, &vkey) != SHERD_OK ||
        sherd_signed_parse(note, &parts) != SHERD_OK)
        return false;
    while (sherd_signed_next(&parts.lines, &signature))
        if (sherd_vkey_signed(&vkey, &signature))
            return sherd_vkey_verify(&vkey, parts.text, &signature, NULL) == SHERD_OK;
    return false;
}

/* Read what follows the head: the log's key, and perhaps an empty line and a checkpoint. */
static bool parse_kept(const struct sherd_witness *witness, struct kept *kept)
{
    struct sherd_span rest = sherd_buf_span(&kept->file);
    struct sherd_checkpoint checkpoint;
    struct sherd_span line;

    if (!sherd_line_begins(&rest, LOG_HEAD) || !sherd_line_take(&rest, &kept->vkey) ||
        sherd_policy_of_log(kept->vkey, &kept->policy) != SHERD_OK)
        return false;
    if (rest.len == 0)
        return sherd_hash(SHERD_SHA256, NULL, 0, kept->head.root.bytes) == SHERD_OK;
    if (!sherd_line_take(&rest, &line) || line.len != 0 || !is_cosigned(witness, rest) ||
        sherd_checkpoint_verify(rest, kept->policy, &checkpoint, NULL) != SHERD_OK)
        return false;
    kept->note = rest;
    kept->head = checkpoint.head;
    return true;
}

/* @return SHERD_OK; SHERD_ERR_NOT_FOUND: no such log; SHERD_ERR_TAMPERED; SHERD_ERR_IO */
static enum sherd_err read_kept(const struct sherd_witness *witness, const char *hash, struct kept *kept)
{
    char path[LOG_PATH_SIZE];
    char again[HASH_CHARS + 1];

    log_path(hash, "", path);
    kept->file.max = LOG_FILE_BYTES_MAX;
    const enum sherd_err err = sherd_file_read(witness->dir, path, &kept->file);
    if (err == SHERD_ERR_LIMIT || (err == SHERD_OK && !parse_kept(witness, kept)))
        return spoilt(hash);
    SHERD_TRY(err);
    SHERD_TRY(hash_origin(kept->policy->logs[0].key.name, again));
    return strncmp(again, hash, HASH_CHARS) == 0 ? SHERD_OK : spoilt(hash);
}

/* Durable when it returns, whole or not at all. */
static enum sherd_err write_kept(const struct sherd_witness *witness, const char *hash, struct sherd_span vkey,
                                 struct sherd_span note)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf file = {.max = LOG_FILE_BYTES_MAX};
    char path[LOG_PATH_SIZE];
    char fresh[LOG_PATH_SIZE];

    SHERD_TRY(sherd_text_append(&file, LOG_HEAD));
    SHERD_TRY(sherd_buf_append(&file, vkey));
    SHERD_TRY(sherd_text_append(&file, "\n"));
    if (note.len > 0)
        SHERD_TRY(sherd_text_append(&file, "\n"));
    SHERD_TRY(sherd_buf_append(&file, note));
    log_path(hash, "", path);
    log_path(hash, ".new", fresh);
    SHERD_TRY(sherd_file_write(witness->dir, fresh, sherd_buf_span(&file)));
    SHERD_FAILPOINT("witness.before_state");
    SHERD_TRY(sherd_file_rename(witness->dir, fresh, path));
    return sherd_dir_sync(witness->dir, LOGS);
}

static enum sherd_err add_log(const struct sherd_witness *witness, const char *hash, const char *vkey)
{
    SHERD_CLEANUP(kept_done) struct kept kept = {.note.len = 0};
    const enum sherd_err err = read_kept(witness, hash, &kept);

    SHERD_ENSURE(err != SHERD_OK, SHERD_ERR_CONFLICT, "the witness knows a log of that origin");
    return err == SHERD_ERR_NOT_FOUND ? write_kept(witness, hash, sherd_span_str(vkey), sherd_span_of(NULL, 0)) : err;
}

enum sherd_err sherd_witness_log_add(struct sherd_witness *witness, const char *vkey)
{
    struct sherd_file_lock turn;
    char hash[HASH_CHARS + 1];
    struct sherd_vkey key;

    SHERD_TRY(sherd_vkey_parse(sherd_span_str(vkey), &key));
    SHERD_ENSURE(key.type != SHERD_VKEY_COSIGNED, SHERD_ERR_INVALID, "that is a witness's key, not a log's");
    SHERD_ENSURE(key.type == SHERD_VKEY_ED25519, SHERD_ERR_INVALID,
                 "a witness knows a log by its key of Ed25519: `sherd policy key` prints it");
    SHERD_TRY(hash_origin(key.name, hash));
    SHERD_TRY(sherd_file_lock_take(witness->dir, TURN, &turn));
    const enum sherd_err err = add_log(witness, hash, vkey);
    sherd_file_lock_leave(&turn);
    return err;
}

static enum sherd_err visit_log(struct sherd_witness *witness, const char *hash, sherd_witness_log_fn *visit, void *arg)
{
    SHERD_CLEANUP(kept_done) struct kept kept = {.note.len = 0};

    SHERD_TRY(read_kept(witness, hash, &kept));
    const struct sherd_witness_log log = {
        .vkey = kept.vkey, .origin = kept.policy->logs[0].key.name, .note = kept.note, .size = kept.head.size};
    return visit(arg, &log);
}

enum sherd_err sherd_witness_log_each(struct sherd_witness *witness, sherd_witness_log_fn *visit, void *arg)
{
    SHERD_CLEANUP(sherd_freep) char *path = sherd_path_join(witness->dir, LOGS);
    enum sherd_err err = SHERD_OK;

    if (path == NULL)
        return SHERD_ERR_NO_MEMORY;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return sherd_fail_errno(SHERD_ERR_IO, "%.150s", path);
    for (const struct dirent *entry; err == SHERD_OK && (entry = readdir(dir)) != NULL;)
        if (strlen(entry->d_name) == HASH_CHARS)
            err = visit_log(witness, entry->d_name, visit, arg);
    (void)closedir(dir);
    return err;
}

/* --- add-checkpoint ----------------------------------------------------------------------------------------------- */

/* A request, read. */
struct request {
    struct sherd_growth growth;
    struct sherd_signed parts; /* of its checkpoint */
    struct sherd_checkpoint checkpoint;
};

static enum sherd_err refuse(struct sherd_witness_answer *answer, unsigned status, const char *why)
{
    answer->status = status;
    SHERD_TRY(sherd_text_append(&answer->body, why));
    return sherd_text_append(&answer->body, "\n");
}

static bool parse_request(struct sherd_span bytes, struct request *out)
{
    return bytes.len <= SHERD_WITNESS_REQUEST_BYTES_MAX && sherd_growth_decode(bytes, &out->growth) == SHERD_OK &&
           out->growth.path.count <= SHERD_WITNESS_HASHES_MAX && out->growth.checkpoint.len > 0 &&
           sherd_signed_parse(out->growth.checkpoint, &out->parts) == SHERD_OK &&
           sherd_checkpoint_decode(out->parts.text, &out->checkpoint) == SHERD_OK;
}

/* The checkpoint, with the signatures by the log's key alone, and the cosignature. */
static enum sherd_err note_to_keep(const struct request *request, const struct sherd_vkey *log, struct sherd_span line,
                                   struct sherd_buf *note)
{
    struct sherd_span rest = request->parts.lines;
    struct sherd_signature signature;

    SHERD_TRY(sherd_buf_append(note, request->parts.text));
    SHERD_TRY(sherd_text_append(note, "\n"));
    for (struct sherd_span before = rest; sherd_signed_next(&rest, &signature); before = rest)
        if (sherd_vkey_signed(log, &signature))
            SHERD_TRY(sherd_buf_append(note, sherd_span_of(before.data, before.len - rest.len)));
    return sherd_buf_append(note, line);
}

static enum sherd_err cosign(const struct sherd_witness *witness, const char *hash, const struct kept *kept,
                             const struct request *request, struct sherd_witness_answer *answer)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf line = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    const int64_t now_s = sherd_clock()->wall_s();

    SHERD_ENSURE(now_s > 0, SHERD_ERR_IO, "the clock is not set");
    SHERD_TRY(sherd_cosign(name_of(witness), witness->seed, (uint64_t)now_s, request->parts.text, &line));
    SHERD_TRY(note_to_keep(request, &kept->policy->logs[0].key, sherd_buf_span(&line), &note));
    SHERD_TRY(write_kept(witness, hash, kept->vkey, sherd_buf_span(&note)));
    SHERD_FAILPOINT("witness.before_answer");
    answer->status = OK;
    return sherd_buf_append(&answer->body, sherd_buf_span(&line));
}

static enum sherd_err tell_size(const struct kept *kept, struct sherd_witness_answer *answer)
{
    answer->status = CONFLICT;
    answer->type = "text/x.tlog.size";
    SHERD_TRY(sherd_decimal_append(&answer->body, kept->head.size));
    return sherd_text_append(&answer->body, "\n");
}

static enum sherd_err is_empty_root(const struct sherd_tree_head *head, bool *out_is)
{
    struct sherd_digest empty;

    SHERD_TRY(sherd_hash(SHERD_SHA256, NULL, 0, empty.bytes));
    *out_is = sherd_same(empty.bytes, head->root.bytes, sizeof(empty.bytes));
    return SHERD_OK;
}

/* In the order of C2SP tlog-witness. The turn is held. */
static enum sherd_err decide(const struct sherd_witness *witness, const char *hash, const struct request *request,
                             struct sherd_witness_answer *answer)
{
    SHERD_CLEANUP(kept_done) struct kept kept = {.note.len = 0};
    const struct sherd_tree_head *head = &request->checkpoint.head;
    struct sherd_checkpoint verified;
    bool empty = true;

    enum sherd_err err = read_kept(witness, hash, &kept);
    if (err == SHERD_ERR_NOT_FOUND)
        return refuse(answer, NOT_FOUND, "this witness knows no log of that origin");
    SHERD_TRY(err);
    err = sherd_checkpoint_verify(request->growth.checkpoint, kept.policy, &verified, NULL);
    if (err == SHERD_ERR_TAMPERED)
        return refuse(answer, FORBIDDEN, "the checkpoint is not signed by that log's key");
    SHERD_TRY(err);
    if (request->growth.old_size > head->size)
        return refuse(answer, BAD_REQUEST, "the old size is above the checkpoint's");
    if (request->growth.old_size != kept.head.size)
        return tell_size(&kept, answer);
    if (head->size == 0)
        SHERD_TRY(is_empty_root(head, &empty));
    if (!empty)
        return refuse(answer, UNPROCESSABLE, "an empty tree has another root");
    err = sherd_consistency_verify(&request->growth.path, &kept.head, head);
    if (err == SHERD_ERR_TAMPERED)
        return refuse(answer, UNPROCESSABLE, "the checkpoint does not continue the one that was cosigned last");
    SHERD_TRY(err);
    return cosign(witness, hash, &kept, request, answer);
}

enum sherd_err sherd_witness_add_checkpoint(struct sherd_witness *witness, struct sherd_span request,
                                            struct sherd_witness_answer *answer)
{
    SHERD_CLEANUP(sherd_freep) struct request *parsed = sherd_alloc(sizeof(*parsed));
    struct sherd_file_lock turn;
    char hash[HASH_CHARS + 1];

    if (parsed == NULL)
        return SHERD_ERR_NO_MEMORY;
    if (!parse_request(request, parsed))
        return refuse(answer, BAD_REQUEST, "that is no request: old size, proof, an empty line, a signed checkpoint");
    SHERD_TRY(hash_origin(parsed->checkpoint.origin, hash));
    SHERD_TRY(sherd_file_lock_take(witness->dir, TURN, &turn));
    const enum sherd_err err = decide(witness, hash, parsed, answer);
    sherd_file_lock_leave(&turn);
    return err;
}

/* --- what was cosigned last --------------------------------------------------------------------------------------- */

static bool is_hash(struct sherd_span text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.data[i] < '0' || text.data[i] > '9') && (text.data[i] < 'a' || text.data[i] > 'f'))
            return false;
    return text.len == HASH_CHARS;
}

enum sherd_err sherd_witness_checkpoint(struct sherd_witness *witness, struct sherd_span origin_hash,
                                        struct sherd_witness_answer *answer)
{
    SHERD_CLEANUP(kept_done) struct kept kept = {.note.len = 0};

    if (!is_hash(origin_hash))
        return refuse(answer, NOT_FOUND, "there is no such thing here");
    const enum sherd_err err = read_kept(witness, (const char *)origin_hash.data, &kept);
    if (err == SHERD_ERR_NOT_FOUND || (err == SHERD_OK && kept.note.len == 0))
        return refuse(answer, NOT_FOUND, "this witness has cosigned nothing of such a log");
    SHERD_TRY(err);
    answer->status = OK;
    return sherd_buf_append(&answer->body, kept.note);
}
