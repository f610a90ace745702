/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGKILL at random instants. Threads of a child put, update, delete and put in batches, and say so in a pipe before
 * and after each call; the parent kills the child, and now and then looks at what is there:
 *
 *   - every record that was acknowledged is there, in its version, with exactly its bytes, and its kept versions as
 *   well;
 *   - what was under way is as before or as after, a batch all or nothing;
 *   - nothing else is there: what was deleted does not come back;
 *   - the vault opens as it is, verifies, and a sweep removes what no record owns, and nothing else.
 *
 * SHERD_KILLS sets the number of kills. A failure prints the seed of its run; SHERD_KILL_SEED repeats one.
 */
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#define KILLS 1200UL
#define RUNNERS 2U /* vaults at a time, each with a process that kills for it */
#define THREADS 4U
#define SLOTS_OF_THREAD 80U
#define SLOTS (THREADS * SLOTS_OF_THREAD)
#define BATCH_MAX 12U
#define VERSIONS_KEPT 3U
#define LOOK_EVERY 25U
#define GONE_MAX 256U
#define SMALL_BYTES_MAX 3000U
#define LONG_BYTES_MAX 400000U /* what passes 64 KiB is a blob */
/* From the first word of a child, or from its start: every other kill comes soon, when much is being begun. */
#define KILL_WITHIN_US 80000U
#define KILL_SOON_WITHIN_US 5000U

static const char kept_collection[] = "kept"; /* three versions of a record */

enum op { OP_NONE, OP_PUT, OP_PUT_ONCE, OP_BATCH, OP_UPDATE, OP_DELETE };

struct body {
    uint64_t seed;
    uint32_t bytes;
};

/* What is known of one record. A slot without a record is free. */
struct slot {
    bool live;
    bool kept; /* in the collection that keeps versions */
    bool once; /* stored with an idempotency key */
    enum op pending;
    struct sherd_uuid id;
    uint64_t version;
    struct body bodies[VERSIONS_KEPT]; /* of version n at n modulo VERSIONS_KEPT */
    struct body pending_body;
    uint64_t batch; /* the batch under way that it belongs to */
};

/* Shared by all processes of one runner. Children change copies: one may be killed at any instant. */
struct model {
    struct slot slots[SLOTS];
    struct sherd_uuid gone[GONE_MAX]; /* deleted, and acknowledged so */
    uint64_t gone_count;
    uint64_t acknowledged;
    uint64_t entries_base[4]; /* of a vault without records */
    uint64_t maps_swept;
    uint64_t fragments_swept;
    uint64_t unfinished_swept;
    uint64_t before; /* calls under way that turned out not to have happened */
    uint64_t after;  /* and those that have */
};

enum word { WORD_READY, WORD_BEGIN, WORD_DONE };

/* What a child says. Several that are written at once arrive together or not at all: at most PIPE_BUF bytes. */
struct message {
    enum word word;
    enum op op;
    uint32_t slot;
    bool kept;
    struct body body;
    uint64_t batch;
    struct sherd_uuid id;
};

/* --- the model --------------------------------------------------------------------------------------------------- */

static struct body *body_of(struct slot *slot, uint64_t version)
{
    return &slot->bodies[version % VERSIONS_KEPT];
}

static void slot_gone(struct model *model, struct slot *slot)
{
    model->gone[model->gone_count++ % GONE_MAX] = slot->id;
    *slot = (struct slot){0};
}

static void slot_begin(struct slot *slot, const struct message *message)
{
    slot->pending = message->op;
    slot->pending_body = message->body;
    slot->batch = message->batch;
    if (message->op != OP_UPDATE && message->op != OP_DELETE) {
        slot->kept = message->kept;
        slot->once = message->op == OP_PUT_ONCE;
    }
}

/* What was under way has happened. */
static void slot_happened(struct model *model, struct slot *slot, struct sherd_uuid id)
{
    if (slot->pending == OP_DELETE) {
        slot_gone(model, slot);
        return;
    }
    if (slot->pending != OP_UPDATE) {
        slot->live = true;
        slot->id = id;
        slot->version = 0;
    }
    slot->version++;
    *body_of(slot, slot->version) = slot->pending_body;
    slot->pending = OP_NONE;
}

static void slot_did_not_happen(struct slot *slot)
{
    if (slot->live)
        slot->pending = OP_NONE;
    else
        *slot = (struct slot){0};
}

static void model_hear(struct model *model, const struct message *message)
{
    struct slot *slot = &model->slots[message->slot];

    if (message->word == WORD_BEGIN)
        slot_begin(slot, message);
    if (message->word == WORD_DONE) {
        slot_happened(model, slot, message->id);
        model->acknowledged++;
    }
}

/* --- the child that writes --------------------------------------------------------------------------------------- */

struct work {
    pthread_t thread;
    struct model *model; /* the child's own copy; each thread has slots of its own */
    struct sherd_vault *vault;
    int pipe;
    unsigned number;
    uint64_t random;
    uint8_t blocks[BATCH_MAX][SMALL_BYTES_MAX];
    uint8_t block[LONG_BYTES_MAX];
};

static void say(struct work *work, const struct message *messages, size_t count)
{
    for (size_t i = 0; i < count && messages[i].word != WORD_READY; i++) {
        struct slot *slot = &work->model->slots[messages[i].slot];

        if (messages[i].word == WORD_BEGIN)
            slot_begin(slot, &messages[i]);
        else if (slot->pending == OP_DELETE)
            *slot = (struct slot){0}; /* the list of what is gone is the parent's */
        else
            slot_happened(work->model, slot, messages[i].id);
    }
    const ssize_t bytes = (ssize_t)(count * sizeof(*messages));
    REQUIRE(write(work->pipe, messages, (size_t)bytes) == bytes, "the pipe: %s", strerror(errno));
}

static struct body new_body(struct work *work, uint8_t *block, size_t bytes_max)
{
    const uint64_t dice = mix_below(&work->random, 100);
    const struct body body = {
        .seed = mix_next(&work->random),
        .bytes = (uint32_t)(CONTENT_BYTES_MIN + mix_below(&work->random, dice < 6
                                                                             ? bytes_max - CONTENT_BYTES_MIN
                                                                             : SMALL_BYTES_MAX - CONTENT_BYTES_MIN))};

    content_fill(body.seed, block, body.bytes);
    return body;
}

static struct sherd_span once_key(const struct body *body)
{
    return sherd_span_of(&body->seed, sizeof(body->seed));
}

static void do_put(struct work *work, uint32_t slot, bool once)
{
    struct message message = {.word = WORD_BEGIN, .op = once ? OP_PUT_ONCE : OP_PUT, .slot = slot};
    struct sherd_record_meta meta = {0};

    message.body = new_body(work, work->block, sizeof(work->block));
    message.kept = !once && mix_below(&work->random, 3) == 0;
    meta.collection = message.kept ? kept_collection : NULL;
    if (once)
        meta.idempotency_key = once_key(&message.body);
    say(work, &message, 1);
    REQUIRE_OK(sherd_record_put(work->vault, &meta, sherd_span_of(work->block, message.body.bytes), &message.id));
    message.word = WORD_DONE;
    say(work, &message, 1);
}

static void do_batch(struct work *work, const uint32_t *slots, size_t count)
{
    struct message messages[BATCH_MAX];
    struct sherd_batch_item items[BATCH_MAX] = {{0}};
    const uint64_t batch = mix_next(&work->random);

    for (size_t i = 0; i < count; i++) {
        messages[i] = (struct message){.word = WORD_BEGIN, .op = OP_BATCH, .slot = slots[i], .batch = batch};
        messages[i].body = new_body(work, work->blocks[i], SMALL_BYTES_MAX);
        items[i].content = sherd_span_of(work->blocks[i], messages[i].body.bytes);
    }
    say(work, messages, count);
    REQUIRE_OK(sherd_record_put_batch(work->vault, items, count));
    for (size_t i = 0; i < count; i++) {
        messages[i].word = WORD_DONE;
        messages[i].id = items[i].id;
    }
    say(work, messages, count);
}

static void do_update(struct work *work, uint32_t number)
{
    const struct slot *slot = &work->model->slots[number];
    struct message message = {.word = WORD_BEGIN, .op = OP_UPDATE, .slot = number};
    const uint64_t version = slot->version;
    uint64_t version_new = 0;

    message.body = new_body(work, work->block, sizeof(work->block));
    message.id = slot->id;
    say(work, &message, 1);
    REQUIRE_OK(sherd_record_update(work->vault, slot->id, version, NULL, sherd_span_of(work->block, message.body.bytes),
                                   &version_new));
    REQUIRE(version_new == version + 1, "an update of version %llu made version %llu", (unsigned long long)version,
            (unsigned long long)version_new);
    message.word = WORD_DONE;
    say(work, &message, 1);
}

static void do_delete(struct work *work, uint32_t number)
{
    struct message message = {.word = WORD_BEGIN, .op = OP_DELETE, .slot = number};

    message.id = work->model->slots[number].id;
    say(work, &message, 1);
    REQUIRE_OK(sherd_record_delete(work->vault, message.id));
    message.word = WORD_DONE;
    say(work, &message, 1);
}

/* Some slots of this thread, from a random one on, that are free or hold a record; none of them is in doubt. */
static size_t pick(struct work *work, bool live, uint32_t *out_slots, size_t want)
{
    const uint32_t start = (uint32_t)mix_below(&work->random, SLOTS_OF_THREAD);
    size_t count = 0;

    for (uint32_t i = 0; i < SLOTS_OF_THREAD && count < want; i++) {
        const uint32_t number = work->number * SLOTS_OF_THREAD + (start + i) % SLOTS_OF_THREAD;
        const struct slot *slot = &work->model->slots[number];

        if (slot->pending == OP_NONE && slot->live == live)
            out_slots[count++] = number;
    }
    return count;
}

static void do_something(struct work *work)
{
    const uint64_t dice = mix_below(&work->random, 100);
    uint32_t slots[BATCH_MAX];

    if (dice < 30 && pick(work, false, slots, 1) == 1)
        do_put(work, slots[0], dice < 8);
    else if (dice < 40) {
        const size_t count = pick(work, false, slots, 2 + mix_below(&work->random, BATCH_MAX - 1));

        if (count > 0)
            do_batch(work, slots, count);
    } else if (dice < 70 && pick(work, true, slots, 1) == 1)
        do_update(work, slots[0]);
    else if (pick(work, true, slots, 1) == 1)
        do_delete(work, slots[0]);
}

__attribute__((noreturn)) static void *work_on(void *arg)
{
    struct work *work = arg;

    for (;;)
        do_something(work);
}

/* Work until killed. The child of a process that never had the vault open. */
__attribute__((noreturn)) static void child_run(const struct place *place, const struct model *shared, int out,
                                                uint64_t seed)
{
    struct model *model = malloc(sizeof(*model));
    struct work *works = calloc(THREADS, sizeof(*works));
    const struct message ready = {.word = WORD_READY};

    REQUIRE(model != NULL && works != NULL, "no memory");
    memcpy(model, shared, sizeof(*model));
    struct sherd_vault *vault = place_open(place);
    for (unsigned i = 0; i < THREADS; i++) {
        works[i].model = model;
        works[i].vault = vault;
        works[i].pipe = out;
        works[i].number = i;
        works[i].random = seed + i;
    }
    say(&works[0], &ready, 1);
    for (unsigned i = 1; i < THREADS; i++)
        REQUIRE(pthread_create(&works[i].thread, NULL, work_on, &works[i]) == 0, "no thread");
    work_on(&works[0]);
}

/* --- the child that looks ---------------------------------------------------------------------------------------- */

struct look {
    struct model *model;
    struct sherd_vault *vault;
    size_t listed;
};

static struct slot *slot_of(struct model *model, struct sherd_uuid id)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (model->slots[i].live && same_uuid(model->slots[i].id, id))
            return &model->slots[i];
    return NULL;
}

/* A record that nobody heard of is one whose put was under way, and whole. */
static void meet_unknown(struct look *look, const struct sherd_record_info *info)
{
    struct sherd_buf content = {0};
    uint64_t seed = 0;

    REQUIRE_OK(sherd_record_get(look->vault, info->id, 0, &content));
    REQUIRE(content_is(sherd_buf_span(&content), &seed), "a record under way is torn");
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &look->model->slots[i];

        if (slot->live || slot->pending == OP_NONE || slot->pending_body.seed != seed)
            continue;
        REQUIRE(content.len == slot->pending_body.bytes && info->version == 1, "a record under way has another length");
        slot->live = true; /* and pending still, so that batches can be looked at */
        slot->id = info->id;
        sherd_buf_done(&content);
        return;
    }
    REQUIRE(false, "a record that nobody puts: deleted, or never asked for");
}

static enum sherd_err meet(void *arg, const struct sherd_record_info *info)
{
    struct look *look = arg;
    struct slot *slot = slot_of(look->model, info->id);

    look->listed++;
    if (slot == NULL) {
        meet_unknown(look, info);
        return SHERD_OK;
    }
    if (slot->pending == OP_UPDATE && info->version == slot->version + 1) {
        slot_happened(look->model, slot, slot->id);
        look->model->after++;
    }
    REQUIRE(info->version == slot->version, "version %llu is listed, not %llu", (unsigned long long)info->version,
            (unsigned long long)slot->version);
    return SHERD_OK;
}

/* A put with an idempotency key that was under way is tried again: one record, whether or not it had happened. */
static void retry_put(struct look *look, struct slot *slot)
{
    const struct sherd_record_meta meta = {.idempotency_key = once_key(&slot->pending_body)};
    uint8_t *block = malloc(slot->pending_body.bytes);
    const bool was_there = slot->live;
    struct sherd_uuid id;

    REQUIRE(block != NULL, "no memory");
    content_fill(slot->pending_body.seed, block, slot->pending_body.bytes);
    REQUIRE_OK(sherd_record_put(look->vault, &meta, sherd_span_of(block, slot->pending_body.bytes), &id));
    REQUIRE(!was_there || same_uuid(id, slot->id), "a repeated put made another record");
    look->listed += !was_there;
    slot_happened(look->model, slot, id);
    free(block);
}

static void require_batch_agrees(const struct model *model, const struct slot *slot)
{
    for (size_t i = 0; i < SLOTS; i++) {
        const struct slot *other = &model->slots[i];

        if (other->pending == OP_BATCH && other->batch == slot->batch)
            REQUIRE(other->live == slot->live, "half a batch is there");
    }
}

/* Decide what became of the call that was under way on a slot. */
static void settle(struct look *look, struct slot *slot)
{
    struct sherd_record_info *info = NULL;
    bool happened = slot->live;

    if (slot->pending == OP_PUT_ONCE) {
        retry_put(look, slot);
        return;
    }
    if (slot->pending == OP_DELETE) {
        const enum sherd_err err = sherd_record_stat(look->vault, slot->id, 0, &info);

        REQUIRE(err == SHERD_OK || err == SHERD_ERR_NOT_FOUND, "%s", sherd_err_detail());
        sherd_record_info_free(info);
        happened = err == SHERD_ERR_NOT_FOUND;
    }
    if (slot->pending == OP_UPDATE)
        happened = false; /* otherwise the listing would have met the new version */
    if (happened)
        slot_happened(look->model, slot, slot->id);
    else
        slot_did_not_happen(slot);
    look->model->after += happened;
    look->model->before += !happened;
}

static void settle_all(struct look *look)
{
    struct model *model = look->model;

    for (size_t i = 0; i < SLOTS; i++)
        if (model->slots[i].pending == OP_BATCH)
            require_batch_agrees(model, &model->slots[i]);
    for (size_t i = 0; i < SLOTS; i++)
        if (model->slots[i].pending != OP_NONE)
            settle(look, &model->slots[i]);
}

/* Every version that is kept, and no other. @return how many */
static uint64_t require_slot(struct sherd_vault *vault, struct slot *slot)
{
    const uint64_t kept = slot->kept ? VERSIONS_KEPT : 1;
    const uint64_t oldest = slot->version > kept ? slot->version - kept + 1 : 1;
    struct sherd_buf content = {0};

    for (uint64_t version = oldest; version <= slot->version; version++)
        require_content(vault, slot->id, version, body_of(slot, version)->seed, body_of(slot, version)->bytes);
    if (oldest > 1)
        REQUIRE_ERR(sherd_record_get(vault, slot->id, oldest - 1, &content), SHERD_ERR_NOT_FOUND);
    REQUIRE_ERR(sherd_record_get(vault, slot->id, slot->version + 1, &content), SHERD_ERR_NOT_FOUND);
    return slot->version - oldest + 1;
}

/* What the compartments hold once they are swept follows from the records: not one entry more or less. */
static void require_entries(struct look *look, uint64_t records, uint64_t versions)
{
    const struct model *model = look->model;
    struct sherd_vault_info info;
    uint64_t once = 0;

    for (size_t i = 0; i < SLOTS; i++)
        once += model->slots[i].live && model->slots[i].once;
    REQUIRE_OK(sherd_vault_info(look->vault, &info));
    REQUIRE(info.entry_count[0] == model->entries_base[0], "identity has %llu entries",
            (unsigned long long)info.entry_count[0]);
    REQUIRE(info.entry_count[1] == model->entries_base[1] + versions, "assets has %llu entries for %llu versions",
            (unsigned long long)info.entry_count[1], (unsigned long long)versions);
    REQUIRE(info.entry_count[2] + info.blob_count[2] == model->entries_base[2] + versions,
            "secrets has %llu fragments for %llu versions",
            (unsigned long long)(info.entry_count[2] + info.blob_count[2]), (unsigned long long)versions);
    REQUIRE(info.entry_count[3] == model->entries_base[3] + versions + once,
            "keys has %llu entries for %llu versions of %llu records, %llu with a key of their own",
            (unsigned long long)info.entry_count[3], (unsigned long long)versions, (unsigned long long)records,
            (unsigned long long)once);
}

static void require_records(struct look *look)
{
    struct model *model = look->model;
    struct sherd_buf content = {0};
    uint64_t records = 0;
    uint64_t versions = 0;

    for (size_t i = 0; i < SLOTS; i++)
        if (model->slots[i].live) {
            records++;
            versions += require_slot(look->vault, &model->slots[i]);
        }
    REQUIRE(records == look->listed, "%zu records are listed, not %llu", look->listed, (unsigned long long)records);
    for (size_t i = 0; i < GONE_MAX && i < model->gone_count; i++)
        REQUIRE_ERR(sherd_record_get(look->vault, model->gone[i], 0, &content), SHERD_ERR_NOT_FOUND);

    const struct sherd_sweep_stat swept = require_swept(look->vault);
    model->maps_swept += swept.map_count;
    model->fragments_swept += swept.fragment_count;
    model->unfinished_swept += swept.unfinished_count;
    for (size_t i = 0; i < SLOTS; i++)
        if (model->slots[i].live)
            (void)require_slot(look->vault, &model->slots[i]);
    require_entries(look, records, versions);
}

struct looked {
    const struct place *place;
    struct model *model;
};

static void look_at_all(void *arg)
{
    const struct looked *looked = arg;
    struct look look = {.model = looked->model, .vault = place_open(looked->place)};
    struct sherd_cursor cursor = {0};

    while (!cursor.ended)
        REQUIRE_OK(sherd_record_list(look.vault, NULL, &cursor, 64, meet, &look));
    settle_all(&look);
    require_records(&look);
    sherd_vault_close(look.vault);
}

/* --- the process that kills -------------------------------------------------------------------------------------- */

static void nap_us(uint64_t us)
{
    const struct timespec t = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

    (void)nanosleep(&t, NULL);
}

/* Take in what the child has said. @return whether anything was there */
static bool hear(int in, struct model *model)
{
    struct message messages[BATCH_MAX];
    bool heard = false;

    for (;;) {
        const ssize_t got = read(in, messages, sizeof(messages));

        if (got < 0 && errno == EAGAIN)
            return heard;
        REQUIRE(got >= 0 && got % (ssize_t)sizeof(messages[0]) == 0, "the pipe gives %zd", got);
        if (got == 0)
            return heard;
        for (size_t i = 0; i < (size_t)got / sizeof(messages[0]); i++)
            model_hear(model, &messages[i]);
        heard = true;
    }
}

static void wait_for_word(int in)
{
    struct pollfd poll_in = {.fd = in, .events = POLLIN};

    REQUIRE(poll(&poll_in, 1, 60000) == 1, "the child says nothing for a minute");
}

/* Hear the child out for a while, so that its pipe does not fill. */
static void hear_for(int in, struct model *model, uint64_t us)
{
    while (us > 0) {
        const uint64_t step = us < 2000 ? us : 2000;

        nap_us(step);
        us -= step;
        (void)hear(in, model);
    }
}

static void kill_one(const struct place *place, struct model *model, uint64_t *random)
{
    const bool while_opening = mix_below(random, 5) == 0;
    const bool soon = while_opening || mix_below(random, 2) == 0;
    const uint64_t seed = mix_next(random);
    int status = 0;
    int ends[2];

    REQUIRE(pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0, "no pipe");
    const pid_t child = fork_child();
    if (child == 0)
        child_run(place, model, ends[1], seed);
    (void)close(ends[1]);
    if (!while_opening)
        wait_for_word(ends[0]);
    hear_for(ends[0], model, 1 + mix_below(random, soon ? KILL_SOON_WITHIN_US : KILL_WITHIN_US));
    (void)kill(child, SIGKILL);
    REQUIRE(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
    REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended by itself, with %d", status);
    (void)hear(ends[0], model);
    (void)close(ends[0]);
}

static void look_now(const struct place *place, struct model *model)
{
    struct looked looked = {.place = place, .model = model};
    const int status = in_child(look_at_all, &looked);

    REQUIRE(status == 0, "looking ended with %d", status);
}

static void prepare(void *arg)
{
    const struct looked *looked = arg;
    const struct sherd_collection kept = {.name = "kept", .versions_kept = VERSIONS_KEPT};
    const struct sherd_record_meta meta = {.collection = kept_collection};
    struct sherd_vault *vault = place_open(looked->place);
    struct sherd_vault_info info;
    struct sherd_uuid id;

    REQUIRE_OK(sherd_collection_create(vault, &kept));
    REQUIRE_OK(sherd_record_put(vault, NULL, sherd_span_str("makes the default entity"), &id));
    REQUIRE_OK(sherd_record_delete(vault, id));
    REQUIRE_OK(sherd_record_put(vault, &meta, sherd_span_str("and that of the other collection"), &id));
    REQUIRE_OK(sherd_record_delete(vault, id));
    REQUIRE_OK(sherd_vault_info(vault, &info));
    memcpy(looked->model->entries_base, info.entry_count, sizeof(info.entry_count));
    sherd_vault_close(vault);
}

struct run {
    unsigned long kills;
    uint64_t seed;
};

static void run_kills(void *arg)
{
    const struct run *run = arg;
    struct place place;
    uint64_t random = run->seed;
    struct model *model = mmap(NULL, sizeof(*model), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    REQUIRE(model != MAP_FAILED, "no memory");
    place_make_vault(&place);
    struct looked looked = {.place = &place, .model = model};
    REQUIRE(in_child(prepare, &looked) == 0, "the vault could not be prepared");
    for (unsigned long i = 1; i <= run->kills; i++) {
        kill_one(&place, model, &random);
        if (i % LOOK_EVERY == 0 || i == run->kills)
            look_now(&place, model);
    }
    fprintf(
        stderr,
        "%lu kills, %llu acknowledged; under way %llu as before, %llu as after; swept %llu map entries, %llu fragments,"
        " %llu unfinished\n",
        run->kills, (unsigned long long)model->acknowledged, (unsigned long long)model->before,
        (unsigned long long)model->after, (unsigned long long)model->maps_swept,
        (unsigned long long)model->fragments_swept, (unsigned long long)model->unfinished_swept);
    /* A run that met nothing under way has shown nothing. */
    REQUIRE(model->acknowledged > run->kills, "too little was acknowledged to be worth anything");
    REQUIRE(run->kills < 200 || (model->before > 0 && model->after > 0 && model->maps_swept > 0 &&
                                 model->fragments_swept > 0 && model->unfinished_swept > 0),
            "the kills did not come in between");
    place_remove(&place);
    (void)munmap(model, sizeof(*model));
}

static void test_fault_kill__loses_nothing_acknowledged(void **state)
{
    const unsigned long kills = number_from_env("SHERD_KILLS", KILLS);
    const unsigned long seed = number_from_env("SHERD_KILL_SEED",
                                               (unsigned long)time(NULL) * 1000003UL ^ (unsigned long)getpid());
    pid_t runners[RUNNERS];

    (void)state;
    for (unsigned i = 0; i < RUNNERS; i++) {
        struct run run = {.kills = (kills + RUNNERS - 1) / RUNNERS, .seed = seed + i};

        runners[i] = fork_child();
        if (runners[i] == 0) {
            run_kills(&run);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < RUNNERS; i++) {
        int status = 0;

        assert_int_equal(waitpid(runners[i], &status, 0), runners[i]);
        if (status != 0)
            fail_msg("runner %u ended with %d; SHERD_KILL_SEED=%lu", i, status, seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_kill__loses_nothing_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
