/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints outside of the anchor: see outside.h. */
#include "anchor/ledger/outside.h"
#include "anchor/ledger/outside_counter.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/mem.h"
#include "envelope/lines.h"
#include "envelope/tlv.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOCK "ledger/outside"
#define COSIGNED "ledger/cosigned"
#define COSIGNED_NEW "ledger/cosigned.new"
#define TIME_TEXT_SIZE 32U
/* How often the ledger is read anew that is behind a file: it may have grown since. */
#define LOOKS_MAX 3U

enum field {
    FIELD_POLICY = 1,
    FIELD_FILES = 2,
    FIELD_VKEY = 3,
    FIELD_NOTE = 4,
    FIELD_SIZE = 5,
    FIELD_TPM = 6,
    FIELD_COUNTER = 7,
    FIELD_COUNTED = 8
};

/* --- as bytes ----------------------------------------------------------------------------------------------------- */

/* Absolute, of characters that a line can hold, and a file's. */
static bool is_path(const char *path)
{
    const size_t len = strlen(path);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] < ' ' || path[i] == 0x7f)
            return false;
    return len > 1 && len <= SHERD_OUTSIDE_PATH_BYTES_MAX && path[0] == '/' && path[len - 1] != '/';
}

/* Of a counter: whether there is such a one, the TPM tells. */
static bool is_name(const char *name)
{
    const size_t len = strlen(name);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)name[i] <= ' ' || (unsigned char)name[i] >= 0x7f)
            return false;
    return len > 0 && len <= SHERD_OUTSIDE_TPM_BYTES_MAX;
}

static enum sherd_err encode_files(const struct sherd_outside *outside, struct sherd_buf *files)
{
    SHERD_ENSURE(outside->file_count <= SHERD_OUTSIDE_FILES_MAX, SHERD_ERR_LIMIT, "at most 8 files of checkpoints");
    for (size_t i = 0; i < outside->file_count; i++) {
        SHERD_ENSURE(is_path(outside->files[i]), SHERD_ERR_INVALID,
                     "the file of a checkpoint needs an absolute path of at most 1023 characters");
        SHERD_TRY(sherd_text_append(files, outside->files[i]));
        SHERD_TRY(sherd_text_append(files, "\n"));
    }
    return SHERD_OK;
}

static enum sherd_err encode(const struct sherd_outside *outside, uint64_t counted_size, struct sherd_buf *out_bytes)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf files = {0};
    SHERD_CLEANUP(sherd_freep) uint8_t *block = sherd_alloc(SHERD_OUTSIDE_BYTES_MAX);
    struct sherd_tlv_writer writer = sherd_tlv_writer(block, SHERD_OUTSIDE_BYTES_MAX);
    size_t bytes = 0;

    if (block == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(outside->policy.len <= SHERD_OUTSIDE_POLICY_BYTES_MAX, SHERD_ERR_LIMIT,
                 "a policy has at most 16 KiB here");
    SHERD_ENSURE(outside->tpm == NULL || is_name(outside->tpm), SHERD_ERR_INVALID,
                 "a counter of a TPM has a name of at most 255 characters");
    SHERD_TRY(encode_files(outside, &files));
    sherd_tlv_put(&writer, FIELD_POLICY, outside->policy);
    sherd_tlv_put(&writer, FIELD_FILES, sherd_buf_span(&files));
    sherd_tlv_put(&writer, FIELD_VKEY, outside->vkey);
    sherd_tlv_put(&writer, FIELD_NOTE, outside->note);
    if (outside->size != 0)
        sherd_tlv_put_u64(&writer, FIELD_SIZE, outside->size);
    if (outside->tpm != NULL) {
        sherd_tlv_put(&writer, FIELD_TPM, sherd_span_str(outside->tpm));
        sherd_tlv_put_u64(&writer, FIELD_COUNTER, outside->counter);
        sherd_tlv_put_u64(&writer, FIELD_COUNTED, counted_size);
    }
    SHERD_TRY(sherd_tlv_end(&writer, &bytes));
    return sherd_buf_append(out_bytes, sherd_span_of(block, bytes));
}

enum sherd_err sherd_outside_encode(const struct sherd_outside *outside, struct sherd_buf *out_bytes)
{
    return encode(outside, 0, out_bytes);
}

static enum sherd_err not_ours(void)
{
    return sherd_fail(SHERD_ERR_TAMPERED, "what is said of checkpoints outside is no such thing");
}

static enum sherd_err decode_files(struct sherd_span files, struct sherd_outside_text *out)
{
    struct sherd_span line;
    size_t count = 0;

    while (files.len > 0) {
        if (count == SHERD_OUTSIDE_FILES_MAX || !sherd_line_take(&files, &line) || line.len == 0 ||
            line.len > SHERD_OUTSIDE_PATH_BYTES_MAX || memchr(line.data, 0, line.len) != NULL)
            return not_ours();
        memcpy(out->files[count], line.data, line.len);
        out->files[count][line.len] = '\0';
        if (!is_path(out->files[count]))
            return not_ours();
        out->paths[count] = out->files[count];
        count++;
    }
    out->outside.files = out->paths;
    out->outside.file_count = count;
    return SHERD_OK;
}

/* All three, or none. */
static enum sherd_err decode_counter(const struct sherd_tlv *tlv, struct sherd_outside_text *out)
{
    const bool there = tlv->value[FIELD_TPM].len > 0;

    if ((tlv->value[FIELD_COUNTER].len > 0) != there || (tlv->value[FIELD_COUNTED].len > 0) != there)
        return not_ours();
    if (!there)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get_text(tlv, FIELD_TPM, out->tpm, sizeof(out->tpm)));
    if (!is_name(out->tpm))
        return not_ours();
    out->outside.tpm = out->tpm;
    SHERD_TRY(sherd_tlv_get_u64(tlv, FIELD_COUNTER, INT64_MAX, &out->outside.counter));
    return sherd_tlv_get_u64(tlv, FIELD_COUNTED, INT64_MAX, &out->counted_size);
}

enum sherd_err sherd_outside_decode(struct sherd_span bytes, struct sherd_outside_text *out)
{
    const uint64_t optional = SHERD_TLV_BIT(FIELD_POLICY) | SHERD_TLV_BIT(FIELD_FILES) | SHERD_TLV_BIT(FIELD_VKEY) |
                              SHERD_TLV_BIT(FIELD_NOTE) | SHERD_TLV_BIT(FIELD_SIZE) | SHERD_TLV_BIT(FIELD_TPM) |
                              SHERD_TLV_BIT(FIELD_COUNTER) | SHERD_TLV_BIT(FIELD_COUNTED);
    struct sherd_tlv tlv;

    *out = (struct sherd_outside_text){.outside.size = 0};
    SHERD_TRY(sherd_tlv_parse(bytes, 0, optional, &tlv));
    SHERD_TRY(decode_files(tlv.value[FIELD_FILES], out));
    out->outside.policy = tlv.value[FIELD_POLICY];
    out->outside.vkey = tlv.value[FIELD_VKEY];
    out->outside.note = tlv.value[FIELD_NOTE];
    if (out->outside.policy.len > SHERD_OUTSIDE_POLICY_BYTES_MAX ||
        out->outside.note.len > SHERD_OUTSIDE_NOTE_BYTES_MAX)
        return not_ours();
    SHERD_TRY(decode_counter(&tlv, out));
    if (tlv.value[FIELD_SIZE].len == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_tlv_get_u64(&tlv, FIELD_SIZE, INT64_MAX, &out->outside.size));
    return out->outside.size != 0 ? SHERD_OK : not_ours();
}

/* --- the ledger, and a file --------------------------------------------------------------------------------------- */

/* The ledger as it is; a piece of work. */
struct work {
    struct sherd_sequencer *sequencer;
    const char *dir; /* the anchor's */
    struct sherd_buf bytes;
    struct sherd_outside_text *text;
    struct sherd_buf note; /* the log's checkpoint */
    struct sherd_buf vkey;
    struct sherd_policy *policy; /* the log alone */
    struct sherd_checkpoint now; /* borrows from note */
};

static void work_done(struct work *work)
{
    sherd_buf_done(&work->bytes);
    sherd_buf_done(&work->note);
    sherd_buf_done(&work->vkey);
    sherd_policy_free(work->policy);
    sherd_free(work->text);
}

/* What the state says now. */
static enum sherd_err refresh(struct work *work)
{
    sherd_buf_clear(&work->bytes);
    sherd_buf_clear(&work->note);
    SHERD_TRY(sherd_sequencer_outside(work->sequencer, &work->bytes, &work->note));
    SHERD_TRY(sherd_outside_decode(sherd_buf_span(&work->bytes), work->text));
    return sherd_checkpoint_verify(sherd_buf_span(&work->note), work->policy, &work->now, NULL);
}

static enum sherd_err begin(struct sherd_sequencer *sequencer, struct work *work)
{
    work->sequencer = sequencer;
    work->dir = sherd_sequencer_dir(sequencer);
    work->text = sherd_alloc(sizeof(*work->text));
    if (work->text == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_sequencer_vkey(sequencer, &work->vkey));
    SHERD_TRY(sherd_policy_of_log(sherd_buf_span(&work->vkey), &work->policy));
    return refresh(work);
}

static void time_text(uint64_t time_s, char out[static TIME_TEXT_SIZE])
{
    const time_t time = (time_t)time_s;
    struct tm parts;

    if (time_s == 0 || gmtime_r(&time, &parts) == NULL ||
        strftime(out, TIME_TEXT_SIZE, " of %Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        out[0] = '\0';
}

/* When a checkpoint was signed last by who says when, or else its file written. */
static uint64_t time_of(struct sherd_span note, const char *file)
{
    struct sherd_signature signature;
    struct sherd_signed parts;
    uint64_t newest_s = 0;
    int64_t age_s = 0;

    if (sherd_signed_parse(note, &parts) == SHERD_OK)
        while (sherd_signed_next(&parts.lines, &signature))
            if ((signature.len == SHERD_COSIGNATURE_SIZE || signature.len == SHERD_MLDSA_COSIGNATURE_SIZE) &&
                sherd_get_u64(signature.bytes) > newest_s)
                newest_s = sherd_get_u64(signature.bytes);
    if (newest_s == 0 && sherd_file_age(file, "", &age_s) == SHERD_OK && sherd_clock()->wall_s() > age_s)
        newest_s = (uint64_t)(sherd_clock()->wall_s() - age_s);
    return newest_s <= INT64_MAX ? newest_s : 0;
}

/* A file of a checkpoint, read and verified as one of this ledger. */
struct seen {
    struct sherd_buf note;
    struct sherd_checkpoint checkpoint;
};

static enum sherd_err another_ledger(const char *file, struct sherd_span origin)
{
    return sherd_fail(
        SHERD_ERR_CONFLICT,
        "%.100s is the checkpoint of another ledger (%.*s): if this vault was restored, take that file away", file,
        (int)(origin.len < 60 ? origin.len : 60), (const char *)origin.data);
}

/* @return SHERD_OK; SHERD_ERR_NOT_FOUND; SHERD_ERR_CONFLICT; SHERD_ERR_TAMPERED; SHERD_ERR_IO */
static enum sherd_err look(const struct work *work, const char *file, struct seen *seen)
{
    struct sherd_signed parts;

    seen->note.max = SHERD_CHECKPOINT_BYTES_MAX;
    SHERD_TRY(sherd_file_read(file, "", &seen->note));
    if (sherd_signed_parse(sherd_buf_span(&seen->note), &parts) != SHERD_OK ||
        sherd_checkpoint_decode(parts.text, &seen->checkpoint) != SHERD_OK)
        return sherd_fail(SHERD_ERR_TAMPERED, "%.150s holds no checkpoint", file);
    if (!sherd_span_equal(seen->checkpoint.origin, work->now.origin))
        return another_ledger(file, seen->checkpoint.origin);
    if (sherd_checkpoint_verify(sherd_buf_span(&seen->note), work->policy, &seen->checkpoint, NULL) != SHERD_OK)
        return sherd_fail(SHERD_ERR_TAMPERED, "the checkpoint %.150s is not signed by the ledger's key", file);
    return SHERD_OK;
}

static enum sherd_err behind(const struct work *work, const char *file, const struct seen *seen)
{
    const uint64_t missing = seen->checkpoint.head.size - work->now.head.size;
    char when[TIME_TEXT_SIZE];

    time_text(time_of(sherd_buf_span(&seen->note), file), when);
    return sherd_fail(SHERD_ERR_TAMPERED,
                      "the anchor is %" PRIu64
                      " change%s behind the checkpoint %.100s%s: it was rolled back; bring back "
                      "the newer one, or `sherd policy accept`",
                      missing, missing == 1 ? "" : "s", file, when);
}

/* That the log's beginning of that size is what was seen. */
static enum sherd_err compare(void *arg, struct sherd_log *log, const struct sherd_join_state *joins)
{
    const struct sherd_tree_head *head = arg;
    struct sherd_digest root;

    (void)joins;
    SHERD_TRY(sherd_log_root(log, head->size, &root));
    SHERD_ENSURE(sherd_same(root.bytes, head->root.bytes, sizeof(root.bytes)), SHERD_ERR_CONFLICT, "another root");
    return SHERD_OK;
}

static enum sherd_err check_seen(struct work *work, const char *file, struct seen *seen)
{
    char when[TIME_TEXT_SIZE];

    for (unsigned looks = 1; seen->checkpoint.head.size > work->now.head.size; looks++) {
        if (looks == LOOKS_MAX)
            return behind(work, file, seen);
        SHERD_TRY(refresh(work)); /* another process may have made a round since */
    }
    const enum sherd_err err = sherd_sequencer_log(work->sequencer, compare, &seen->checkpoint.head);
    if (err != SHERD_ERR_CONFLICT)
        return err;
    time_text(time_of(sherd_buf_span(&seen->note), file), when);
    return sherd_fail(SHERD_ERR_TAMPERED,
                      "the ledger has another history than the checkpoint %.100s%s, which it signed: the anchor was "
                      "rolled back, and went on from there",
                      file, when);
}

static void seen_done(struct seen *seen)
{
    sherd_buf_done(&seen->note);
}

static enum sherd_err check_file(struct work *work, const char *file)
{
    SHERD_CLEANUP(seen_done) struct seen seen = {.checkpoint.head.size = 0};
    const enum sherd_err err = look(work, file, &seen);

    if (err == SHERD_ERR_NOT_FOUND)
        return sherd_fail(SHERD_ERR_IO,
                          "the checkpoint %.100s is not there, so nobody can say whether the anchor was rolled back: "
                          "mount or bring it back, or `sherd policy accept`",
                          file);
    SHERD_TRY(err);
    return check_seen(work, file, &seen);
}

/* Mostly nothing is outside, and then the ledger is not looked at. */
static enum sherd_err is_anything_outside(struct sherd_sequencer *sequencer, bool *out_any)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf bytes = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};

    SHERD_TRY(sherd_sequencer_outside(sequencer, &bytes, &note));
    *out_any = bytes.len > 0;
    return SHERD_OK;
}

/* The files are those of the first look: a look at the state anew writes over what was decoded. */
static enum sherd_err check_files(struct work *work)
{
    SHERD_CLEANUP(sherd_freep) struct sherd_outside_text *text = sherd_alloc(sizeof(*text));

    if (text == NULL)
        return SHERD_ERR_NO_MEMORY;
    *text = *work->text;
    for (size_t i = 0; i < text->outside.file_count; i++)
        SHERD_TRY(check_file(work, text->files[i]));
    text->outside.tpm = text->tpm[0] != 0 ? text->tpm : NULL;
    return sherd_outside_counter_check(&text->outside);
}

enum sherd_err sherd_outside_check(struct sherd_sequencer *sequencer)
{
    SHERD_CLEANUP(work_done) struct work work = {.dir = NULL};
    bool any = false;

    SHERD_TRY(is_anything_outside(sequencer, &any));
    if (!any)
        return SHERD_OK;
    SHERD_TRY(begin(sequencer, &work));
    return check_files(&work);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Durable when it returns, whole or not at all. */
static enum sherd_err replace(const char *file, struct sherd_span note)
{
    const char *slash = strrchr(file, '/');
    const size_t dir_len = slash == file ? 1 : (size_t)(slash - file);
    char dir[SHERD_OUTSIDE_PATH_BYTES_MAX + 1];
    char fresh[SHERD_OUTSIDE_PATH_BYTES_MAX + 16];

    memcpy(dir, file, dir_len);
    dir[dir_len] = '\0';
    (void)snprintf(fresh, sizeof(fresh), ".%s.sherd-new", slash + 1); /* a name that nobody else gives */
    SHERD_TRY(sherd_file_write(dir, fresh, note));
    SHERD_TRY(sherd_file_rename(dir, fresh, slash + 1));
    return sherd_dir_sync(dir, "");
}

/*
 * What is kept of what witnesses said. It can be had again: where it is gone, or others have written something that is
 * too long, there is none. @param[in,out] out_note  empty; nothing where there is none
 */
static enum sherd_err read_cosigned(const struct work *work, struct sherd_buf *out_note)
{
    const enum sherd_err err = sherd_file_read(work->dir, COSIGNED, out_note);

    if (err == SHERD_ERR_LIMIT)
        sherd_buf_clear(out_note);
    return err == SHERD_ERR_NOT_FOUND || err == SHERD_ERR_LIMIT ? SHERD_OK : err;
}

/* The newest checkpoint, with the cosignatures where they are on that one. */
static enum sherd_err newest_note(const struct work *work, struct sherd_buf *out_note)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf cosigned = {.max = SHERD_OUTSIDE_NOTE_BYTES_MAX};
    struct sherd_checkpoint checkpoint;

    const enum sherd_err err = read_cosigned(work, &cosigned);
    if (err == SHERD_OK && cosigned.len > 0 &&
        sherd_checkpoint_verify(sherd_buf_span(&cosigned), work->policy, &checkpoint, NULL) == SHERD_OK &&
        checkpoint.head.size == work->now.head.size)
        return sherd_buf_append(out_note, sherd_buf_span(&cosigned));
    return sherd_buf_append(out_note, sherd_buf_span(&work->note));
}

static enum sherd_err publish_to(struct work *work, const char *file, struct sherd_span note)
{
    SHERD_CLEANUP(seen_done) struct seen seen = {.checkpoint.head.size = 0};
    const enum sherd_err err = look(work, file, &seen);

    if (err != SHERD_ERR_NOT_FOUND) {
        SHERD_TRY(err);
        SHERD_TRY(check_seen(work, file, &seen));
        if (sherd_span_equal(sherd_buf_span(&seen.note), note))
            return SHERD_OK;
    }
    SHERD_FAILPOINT("outside.before_file");
    return replace(file, note);
}

/* One process at a time. All files are tried; the first failure is told. */
static enum sherd_err publish_all(struct work *work, struct sherd_outside_text *text)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf note = {0};
    char detail[SHERD_FAIL_TEXT_SIZE] = "";
    enum sherd_err first = SHERD_OK;

    SHERD_TRY(newest_note(work, &note));
    for (size_t i = 0; i < text->outside.file_count; i++) {
        const enum sherd_err err = publish_to(work, text->files[i], sherd_buf_span(&note));

        if (err == SHERD_OK || first != SHERD_OK)
            continue;
        first = err;
        (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    }
    if (first != SHERD_OK)
        sherd_fail_restore(detail);
    return first;
}

static enum sherd_err publish_in_turn(struct work *work, struct sherd_outside_text *text)
{
    struct sherd_file_lock lock;

    if (text->outside.file_count == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_file_lock_take(work->dir, LOCK, &lock));
    const enum sherd_err err = publish_all(work, text);
    sherd_file_lock_leave(&lock);
    return err;
}

enum sherd_err sherd_outside_publish(struct sherd_sequencer *sequencer)
{
    SHERD_CLEANUP(work_done) struct work work = {.dir = NULL};
    SHERD_CLEANUP(sherd_freep) struct sherd_outside_text *text = sherd_alloc(sizeof(*text));

    bool any = false;

    if (text == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(is_anything_outside(sequencer, &any));
    if (!any)
        return SHERD_OK;
    SHERD_TRY(begin(sequencer, &work));
    *text = *work.text;
    return publish_in_turn(&work, text);
}

/* --- setting and telling ------------------------------------------------------------------------------------------ */

/* Whether those who can be asked are a quorum: else the vault could not be unsealed. */
static enum sherd_err check_addresses(const struct sherd_policy *policy)
{
    bool asked[SHERD_POLICY_WITNESSES_MAX] = {false};

    for (size_t i = 0; i < policy->witness_count; i++)
        asked[i] = policy->witnesses[i].url.len > 0;
    SHERD_ENSURE(sherd_policy_met(policy, asked), SHERD_ERR_INVALID,
                 "too few witnesses of the policy have an address: those that can be asked are no quorum");
    return SHERD_OK;
}

/* The policy with the ledger's own key among its logs. */
static enum sherd_err complete_policy(const struct work *work, struct sherd_span given, struct sherd_buf *out_text)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    const struct sherd_vkey *own = &work->policy->logs[0].key;

    if (given.len == 0)
        return SHERD_OK;
    SHERD_TRY(sherd_policy_parse(given, &policy));
    SHERD_TRY(check_addresses(policy));
    for (size_t i = 0; i < policy->log_count; i++)
        if (sherd_span_equal(policy->logs[i].key.name, own->name) &&
            sherd_same(policy->logs[i].key.key, own->key, sizeof(own->key)))
            return sherd_buf_append(out_text, given);
    if (policy->log_count > 0)
        return sherd_fail(SHERD_ERR_INVALID, "the policy is for other logs: its log must be %.*s", (int)work->vkey.len,
                          (const char *)work->vkey.data);
    SHERD_TRY(sherd_text_append(out_text, "log "));
    SHERD_TRY(sherd_buf_append(out_text, sherd_buf_span(&work->vkey)));
    SHERD_TRY(sherd_text_append(out_text, "\n"));
    return sherd_buf_append(out_text, given);
}

/* The state first, then the counter: see outside_counter.h. The lock is held. */
static enum sherd_err put_counted(struct work *work, struct sherd_outside *outside, bool may_make)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf encoded = {0};

    SHERD_TRY(sherd_outside_counter_next(outside, may_make));
    SHERD_TRY(encode(outside, work->now.head.size, &encoded));
    SHERD_TRY(sherd_sequencer_outside_set(work->sequencer, sherd_buf_span(&encoded)));
    return sherd_outside_counter_reach(outside);
}

static enum sherd_err put_in_turn(struct work *work, struct sherd_outside *outside, bool may_make)
{
    struct sherd_file_lock lock;

    SHERD_TRY(sherd_file_lock_take(work->dir, LOCK, &lock));
    const enum sherd_err err = put_counted(work, outside, may_make);
    sherd_file_lock_leave(&lock);
    return err;
}

/* The lock is held: what others counted meanwhile is seen. */
static enum sherd_err count(struct work *work)
{
    SHERD_TRY(refresh(work));
    if (work->text->outside.tpm == NULL || work->text->counted_size == work->now.head.size)
        return SHERD_OK;
    return put_counted(work, &work->text->outside, false);
}

enum sherd_err sherd_outside_count(struct sherd_sequencer *sequencer)
{
    SHERD_CLEANUP(work_done) struct work work = {.dir = NULL};
    struct sherd_file_lock lock;
    bool any = false;

    SHERD_TRY(is_anything_outside(sequencer, &any));
    if (!any)
        return SHERD_OK;
    SHERD_TRY(begin(sequencer, &work));
    if (work.text->outside.tpm == NULL)
        return SHERD_OK;
    SHERD_TRY(sherd_file_lock_take(work.dir, LOCK, &lock));
    const enum sherd_err err = count(&work);
    sherd_file_lock_leave(&lock);
    return err;
}

/* Where it was refused, nothing has changed. */
enum sherd_err sherd_outside_put(struct sherd_sequencer *sequencer, struct sherd_span bytes)
{
    SHERD_CLEANUP(work_done) struct work work = {.dir = NULL};
    SHERD_CLEANUP(sherd_freep) struct sherd_outside_text *text = sherd_alloc(sizeof(*text));
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf policy = {0};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf encoded = {0};

    if (text == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_outside_decode(bytes, text));
    SHERD_TRY(begin(sequencer, &work));
    SHERD_TRY(complete_policy(&work, text->outside.policy, &policy));
    struct sherd_outside kept = {.policy = sherd_buf_span(&policy),
                                 .files = text->outside.files,
                                 .file_count = text->outside.file_count,
                                 .tpm = text->outside.tpm};
    SHERD_TRY(sherd_outside_encode(&kept, &encoded)); /* whether all of it can be kept */
    SHERD_TRY(publish_in_turn(&work, text));          /* before it is needed to open the vault */
    return put_in_turn(&work, &kept, true);
}

enum sherd_err sherd_outside_tell(struct sherd_sequencer *sequencer, struct sherd_buf *out_bytes)
{
    SHERD_CLEANUP(work_done) struct work work = {.dir = NULL};
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf cosigned = {.max = SHERD_OUTSIDE_NOTE_BYTES_MAX};

    SHERD_TRY(begin(sequencer, &work));
    SHERD_TRY(read_cosigned(&work, &cosigned));
    struct sherd_outside told = work.text->outside;
    told.vkey = sherd_buf_span(&work.vkey);
    told.note = sherd_buf_span(&cosigned);
    told.size = work.now.head.size;
    return sherd_outside_encode(&told, out_bytes);
}

/* --- what witnesses cosigned -------------------------------------------------------------------------------------- */

static enum sherd_err keep_note(struct work *work, struct sherd_span note, const struct sherd_checkpoint *taken)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf cosigned = {.max = SHERD_OUTSIDE_NOTE_BYTES_MAX};
    struct sherd_checkpoint kept;

    SHERD_TRY(read_cosigned(work, &cosigned));
    if (cosigned.len > 0 && sherd_checkpoint_verify(sherd_buf_span(&cosigned), work->policy, &kept, NULL) == SHERD_OK &&
        kept.head.size > taken->head.size)
        return SHERD_OK;
    SHERD_TRY(sherd_file_write(work->dir, COSIGNED_NEW, note));
    SHERD_TRY(sherd_file_rename(work->dir, COSIGNED_NEW, COSIGNED));
    return sherd_dir_sync(work->dir, "ledger");
}

/* That it is of this ledger: of one size or less, and with the root that it had then. */
static enum sherd_err check_taken(struct work *work, const struct sherd_checkpoint *taken)
{
    struct sherd_tree_head head = taken->head;

    SHERD_ENSURE(sherd_span_equal(taken->origin, work->now.origin) && head.size <= work->now.head.size,
                 SHERD_ERR_TAMPERED, "the cosigned checkpoint is not of this ledger");
    return sherd_sequencer_log(work->sequencer, compare, &head);
}

enum sherd_err sherd_outside_keep(struct sherd_sequencer *sequencer, struct sherd_span note)
{
    SHERD_CLEANUP(work_done) struct work work = {.dir = NULL};
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = NULL;
    SHERD_CLEANUP(sherd_freep) struct sherd_outside_text *text = sherd_alloc(sizeof(*text));
    struct sherd_checkpoint taken;
    struct sherd_file_lock lock;

    if (text == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(begin(sequencer, &work));
    SHERD_ENSURE(work.text->outside.policy.len > 0, SHERD_ERR_NOT_FOUND, "no policy says whom to believe");
    SHERD_ENSURE(note.len <= SHERD_OUTSIDE_NOTE_BYTES_MAX, SHERD_ERR_LIMIT, "the checkpoint has too many signatures");
    SHERD_TRY(sherd_policy_parse(work.text->outside.policy, &policy));
    SHERD_TRY(sherd_checkpoint_verify(note, policy, &taken, NULL));
    SHERD_TRY(check_taken(&work, &taken));
    *text = *work.text;
    SHERD_TRY(sherd_file_lock_take(work.dir, LOCK, &lock));
    enum sherd_err err = keep_note(&work, note, &taken);
    if (err == SHERD_OK)
        err = publish_all(&work, text);
    sherd_file_lock_leave(&lock);
    return err;
}
