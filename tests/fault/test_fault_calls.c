/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every public call, with the first, second, n-th allocation, read, write, flush, open, naming, truncation, mapping or
 * draw of randomness in it failing, once or from then on, until the call passes unharmed. After each:
 *
 *   - the code is one that the call's documentation has for it, with a detail: no failure of the machine is ever taken
 *   for
 *     tampering, for a record that is not there or for a wrong key;
 *   - the handle still reads; after a failed flush it does not write;
 *   - a fresh handle finds the state as before or as after, and reads and writes: no lock is held;
 *   - nothing leaks: neither memory nor descriptors, and no file that nobody owns stays.
 *
 * Built without sanitizers, which would meet the failures as well; the library below it likewise. It starts itself anew
 * with the shim loaded first.
 */
#include "shim.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define CALLS_MAX 100000UL /* of one kind in one call: more would be a loop without end */
#define EACH_UPTO 60UL
#define LASTING_UPTO 16UL
#define COLD_STEPS 250UL
#define LONG_BYTES 200000U

static shim_arm_fn *arm;
static shim_disarm_fn *disarm;
static shim_blocks_fn *blocks_in_use;

/* --- what can go wrong ------------------------------------------------------------------------------------------- */

struct fault {
    const char *name;
    enum shim_kind kind;
    int error;
    bool harmless; /* must not be seen at all */
};

static const struct fault faults[] = {
    {"no memory", SHIM_ALLOC, ENOMEM, false},
    {"read EIO", SHIM_READ, EIO, false},
    {"read EINTR", SHIM_READ, EINTR, true},
    {"short read", SHIM_READ, SHIM_SHORT, true},
    {"write EIO", SHIM_WRITE, EIO, false},
    {"write ENOSPC", SHIM_WRITE, ENOSPC, false},
    {"write EINTR", SHIM_WRITE, EINTR, true},
    {"short write", SHIM_WRITE, SHIM_SHORT, true},
    {"flush EIO", SHIM_SYNC, EIO, false},
    {"flush ENOSPC", SHIM_SYNC, ENOSPC, false},
    {"open EMFILE", SHIM_OPEN, EMFILE, false},
    {"open EIO", SHIM_OPEN, EIO, false},
    {"name EIO", SHIM_NAME, EIO, false},
    {"name ENOSPC", SHIM_NAME, ENOSPC, false},
    {"truncate ENOSPC", SHIM_TRUNCATE, ENOSPC, false},
    {"map ENOMEM", SHIM_MAP, ENOMEM, false},
    {"random EIO", SHIM_RANDOM, EIO, false},
    {"random EINTR", SHIM_RANDOM, EINTR, true},
};

/* --- calls ------------------------------------------------------------------------------------------------------- */

/* The vault, and the records in it that calls are about. */
static struct place place;
static struct sherd_uuid still_id; /* never changed */
static struct sherd_uuid long_id;  /* never changed, a blob */
static struct sherd_uuid target_id;
static uint64_t target_version;
static bool target_long;
static uint8_t content[LONG_BYTES];
static char collection_name[32];
static unsigned collection_number;
static char second_path[128];

static struct sherd_span small_content(void)
{
    return sherd_span_of(content, 700);
}

static struct sherd_span long_content(void)
{
    return sherd_span_of(content, sizeof(content));
}

static enum sherd_err call_open(struct sherd_vault *vault)
{
    const struct sherd_unseal unseal = place_unseal(&place);

    vault = NULL;
    const enum sherd_err err = sherd_vault_open(place.vault, &unseal, NULL, &vault);
    if (err == SHERD_OK)
        sherd_vault_close(vault);
    else
        REQUIRE(vault == NULL, "an output was written on failure");
    return err;
}

static enum sherd_err call_init(struct sherd_vault *vault)
{
    const struct sherd_unseal unseal = place_unseal(&place);

    (void)vault;
    return sherd_vault_init(second_path, &unseal, NULL);
}

static enum sherd_err call_key_file(struct sherd_vault *vault)
{
    struct sherd_buf text = {0};

    (void)vault;
    const enum sherd_err err = sherd_key_file_new(&text);
    REQUIRE(err == SHERD_OK || text.len == 0, "an output was written on failure");
    sherd_buf_done(&text);
    return err;
}

static enum sherd_err call_info(struct sherd_vault *vault)
{
    struct sherd_vault_info info;

    return sherd_vault_info(vault, &info);
}

static enum sherd_err call_put(struct sherd_vault *vault)
{
    struct sherd_uuid id;

    return sherd_record_put(vault, NULL, small_content(), &id);
}

static enum sherd_err call_put_long(struct sherd_vault *vault)
{
    struct sherd_uuid id;

    return sherd_record_put(vault, NULL, long_content(), &id);
}

static enum sherd_err call_put_described(struct sherd_vault *vault)
{
    const struct sherd_attribute attributes[] = {{"one", sherd_span_str("1")}, {"two", sherd_span_str("2")}};
    struct sherd_record_meta meta = {.collection = "kept", .content_type = "text/plain", .attribute_count = 2};
    char entity[32];
    struct sherd_uuid id;

    (void)snprintf(entity, sizeof(entity), "entity %u", collection_number++); /* a new one: its key is made */
    meta.entity = entity;
    meta.attributes = attributes;
    return sherd_record_put(vault, &meta, small_content(), &id);
}

static enum sherd_err call_put_once(struct sherd_vault *vault)
{
    const struct sherd_record_meta meta = {
        .idempotency_key = sherd_span_of(&collection_number, sizeof(collection_number))};
    struct sherd_uuid id;

    collection_number++;
    return sherd_record_put(vault, &meta, small_content(), &id);
}

static enum sherd_err call_stream(struct sherd_vault *vault)
{
    struct sherd_writer *writer = NULL;
    enum sherd_err err = sherd_writer_begin(vault, NULL, &writer);

    for (size_t at = 0; err == SHERD_OK && at < sizeof(content); at += 20000)
        err = sherd_writer_append(writer, sherd_span_of(content + at, 20000));
    if (err == SHERD_OK)
        return sherd_writer_commit(writer, NULL, NULL);
    sherd_writer_abort(writer);
    return err;
}

static enum sherd_err call_batch(struct sherd_vault *vault)
{
    struct sherd_batch_item items[3] = {
        {.content = small_content()}, {.content = small_content()}, {.content = small_content()}};

    return sherd_record_put_batch(vault, items, 3);
}

static enum sherd_err get(struct sherd_vault *vault, struct sherd_uuid id, struct sherd_span expected)
{
    struct sherd_buf found = {0};
    const enum sherd_err err = sherd_record_get(vault, id, 0, &found);

    if (err == SHERD_OK)
        REQUIRE(found.len == expected.len && memcmp(found.data, expected.data, expected.len) == 0, "other contents");
    else
        REQUIRE(found.len == 0, "an output was written on failure");
    sherd_buf_done(&found);
    return err;
}

static enum sherd_err call_get(struct sherd_vault *vault)
{
    return get(vault, still_id, small_content());
}

static enum sherd_err call_get_long(struct sherd_vault *vault)
{
    return get(vault, long_id, long_content());
}

static enum sherd_err call_range(struct sherd_vault *vault)
{
    struct sherd_reader *reader = NULL;
    uint8_t block[40000];
    size_t got = 0;
    enum sherd_err err = sherd_reader_open(vault, long_id, 0, &reader, NULL);

    if (err != SHERD_OK)
        return err;
    err = sherd_reader_read(reader, 100001, block, sizeof(block), &got);
    if (err == SHERD_OK)
        REQUIRE(got == sizeof(block) && memcmp(block, content + 100001, got) == 0, "a range of other contents");
    sherd_reader_close(reader);
    return err;
}

static enum sherd_err call_stat(struct sherd_vault *vault)
{
    struct sherd_record_info *info = NULL;
    const enum sherd_err err = sherd_record_stat(vault, still_id, 0, &info);

    sherd_record_info_free(info);
    return err;
}

/* The records beside the three that are always there: what a put under test has made. */
struct listing {
    size_t count;
    struct sherd_uuid extra[8];
    size_t extra_count;
};

static enum sherd_err meet(void *arg, const struct sherd_record_info *info)
{
    struct listing *listing = arg;

    listing->count++;
    if (same_uuid(info->id, still_id) || same_uuid(info->id, long_id) || same_uuid(info->id, target_id))
        return SHERD_OK;
    REQUIRE(listing->extra_count < 8, "records that nobody put");
    listing->extra[listing->extra_count++] = info->id;
    return SHERD_OK;
}

static enum sherd_err list(struct sherd_vault *vault, struct listing *out_listing)
{
    struct sherd_cursor cursor = {0};

    *out_listing = (struct listing){0};
    return sherd_record_list(vault, NULL, &cursor, 0, meet, out_listing);
}

static enum sherd_err call_list(struct sherd_vault *vault)
{
    struct listing listing;
    const enum sherd_err err = list(vault, &listing);

    REQUIRE(err != SHERD_OK || listing.count == 3, "a listing that succeeds meets %zu records", listing.count);
    return err;
}

static enum sherd_err call_update(struct sherd_vault *vault)
{
    return sherd_record_update(vault, target_id, target_version, NULL, target_long ? long_content() : small_content(),
                               NULL);
}

static enum sherd_err call_delete(struct sherd_vault *vault)
{
    return sherd_record_delete(vault, target_id);
}

static enum sherd_err call_collection(struct sherd_vault *vault)
{
    struct sherd_collection rules = {.versions_kept = 2};

    memcpy(rules.name, collection_name, sizeof(collection_name));
    return sherd_collection_create(vault, &rules);
}

static enum sherd_err call_collection_get(struct sherd_vault *vault)
{
    struct sherd_collection rules;

    return sherd_collection_get(vault, "kept", &rules);
}

static enum sherd_err call_verify(struct sherd_vault *vault)
{
    struct sherd_verify_stat stat = {0};
    const enum sherd_err err = sherd_vault_verify(vault, NULL, NULL, &stat);

    REQUIRE(stat.finding_count == 0, "a failure of the machine is a finding");
    return err;
}

static enum sherd_err call_verify_one(struct sherd_vault *vault)
{
    struct sherd_verify_stat stat = {0};
    const enum sherd_err err = sherd_vault_verify(vault, &long_id, NULL, &stat);

    REQUIRE(stat.finding_count == 0, "a failure of the machine is a finding");
    return err;
}

static enum sherd_err call_sweep(struct sherd_vault *vault)
{
    struct sherd_sweep_stat stat;

    return sherd_vault_sweep(vault, false, &stat);
}

static enum sherd_err inspect_one(void *arg, const struct sherd_inspect_entry *entry)
{
    (void)entry;
    ++*(size_t *)arg;
    return SHERD_OK;
}

static enum sherd_err call_inspect(struct sherd_vault *vault)
{
    size_t count = 0;

    (void)vault;
    return sherd_compartment_inspect(place.vault, "secrets", inspect_one, &count);
}

enum effect {
    READS,
    PUTS,
    PUTS_THREE,
    UPDATES,
    UPDATES_LONG,
    DELETES,
    DELETES_LONG,
    MAKES_COLLECTION,
    MAKES_VAULT,
    SWEEPS
};

struct call {
    const char *name;
    enum sherd_err (*run)(struct sherd_vault *vault);
    enum effect effect;
    bool no_vault; /* takes none, and none may be open */
};

static const struct call calls[] = {
    {"open", call_open, READS, true},
    {"init", call_init, MAKES_VAULT, true},
    {"key_file_new", call_key_file, READS, false},
    {"info", call_info, READS, false},
    {"put", call_put, PUTS, false},
    {"put_long", call_put_long, PUTS, false},
    {"put_described", call_put_described, PUTS, false},
    {"put_once", call_put_once, PUTS, false},
    {"stream", call_stream, PUTS, false},
    {"batch", call_batch, PUTS_THREE, false},
    {"get", call_get, READS, false},
    {"get_long", call_get_long, READS, false},
    {"range", call_range, READS, false},
    {"stat", call_stat, READS, false},
    {"list", call_list, READS, false},
    {"update", call_update, UPDATES, false},
    {"update_long", call_update, UPDATES_LONG, false},
    {"delete", call_delete, DELETES, false},
    {"delete_long", call_delete, DELETES_LONG, false},
    {"collection_create", call_collection, MAKES_COLLECTION, false},
    {"collection_get", call_collection_get, READS, false},
    {"verify", call_verify, READS, false},
    {"verify_one", call_verify_one, READS, false},
    {"sweep", call_sweep, SWEEPS, false},
    {"inspect", call_inspect, READS, true},
};

/* --- before and after -------------------------------------------------------------------------------------------- */

static const struct call *call;
static const struct fault *fault;
static struct shim_plan plan;
static enum sherd_err result;
static bool struck;

static void where(void)
{
    fprintf(stderr, "%s: %s at call %lu%s: %s (%s)\n", call->name, fault->name, plan.first,
            plan.for_good ? " and all after it" : "", sherd_err_name(result), sherd_err_detail());
}

/* REQUIRE, with a line before that tells which fault in which call it was. */
#define REQUIRE_HERE(cond, ...)                   \
    do {                                          \
        if (!(cond)) {                            \
            where();                              \
            REQUIRE(false && #cond, __VA_ARGS__); \
        }                                         \
    } while (0)

static void alarmed(int number)
{
    static const char text[] = "a call takes a minute: a lock is held\n";

    (void)number;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    where();
    _exit(FAULT_FOUND);
}

static bool changes_records(void)
{
    return call->effect == PUTS || call->effect == PUTS_THREE;
}

/* What the call needs to be there, made without failures. */
static void prepare(struct sherd_vault *vault)
{
    const bool deletes = call->effect == DELETES || call->effect == DELETES_LONG;

    target_long = call->effect == UPDATES_LONG || call->effect == DELETES_LONG;
    if (deletes) {
        REQUIRE_OK(sherd_record_put(vault, NULL, target_long ? long_content() : small_content(), &target_id));
        target_version = 1;
    }
    if (call->effect == SWEEPS) { /* a record and its ghost: an unfinished put */
        struct sherd_writer *writer = NULL;

        REQUIRE_OK(sherd_writer_begin(vault, NULL, &writer));
        sherd_writer_abort(writer);
    }
    (void)snprintf(collection_name, sizeof(collection_name), "made-%u", ++collection_number);
}

static size_t descriptor_count(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    REQUIRE(dir != NULL, "/proc/self/fd: %s", strerror(errno));
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

/* Nothing that a failed init made stays, where it could be removed. */
static void require_no_leavings(void)
{
    DIR *dir = opendir(place.root);
    const struct dirent *entry;

    REQUIRE(dir != NULL, "%s: %s", place.root, strerror(errno));
    while ((entry = readdir(dir)) != NULL) {
        char path[512];

        if (strncmp(entry->d_name, "second.new-", 11) != 0)
            continue;
        REQUIRE_HERE(plan.for_good, "%s stays", entry->d_name);
        (void)snprintf(path, sizeof(path), "%s/%s", place.root, entry->d_name);
        tree_remove(path);
    }
    (void)closedir(dir);
}

static void require_second_vault(void)
{
    struct place second = place;
    struct stat st;

    require_no_leavings();
    memcpy(second.vault, second_path, sizeof(second.vault));
    if (stat(second_path, &st) != 0) {
        REQUIRE_HERE(result != SHERD_OK, "no vault was made");
        return;
    }
    struct sherd_vault *vault = place_open(&second);
    REQUIRE_OK(call_put(vault));
    sherd_vault_close(vault);
    tree_remove(second_path);
}

static void require_target(struct sherd_vault *vault)
{
    struct sherd_record_info *info = NULL;
    const enum sherd_err err = sherd_record_stat(vault, target_id, 0, &info);

    if (call->effect == DELETES || call->effect == DELETES_LONG) {
        REQUIRE_HERE(err == SHERD_ERR_NOT_FOUND || (err == SHERD_OK && result != SHERD_OK), "%s", sherd_err_detail());
        if (err == SHERD_OK) {
            REQUIRE_OK(get(vault, target_id, target_long ? long_content() : small_content()));
            REQUIRE_OK(sherd_record_delete(vault, target_id));
        }
    } else {
        REQUIRE_HERE(err == SHERD_OK && (info->version == target_version + 1 ||
                                         (info->version == target_version && result != SHERD_OK)),
                     "%s", sherd_err_detail());
        target_version = info->version;
        REQUIRE_OK(get(vault, target_id, info->content_bytes == sizeof(content) ? long_content() : small_content()));
    }
    sherd_record_info_free(info);
}

static struct sherd_span made_content(void)
{
    return call->run == call_put_long || call->run == call_stream ? long_content() : small_content();
}

static void require_records(struct sherd_vault *vault)
{
    const size_t made = call->effect == PUTS ? 1 : 3;
    struct listing listing;

    REQUIRE_OK(list(vault, &listing));
    REQUIRE_HERE(listing.count == 3 + listing.extra_count, "%zu records", listing.count);
    REQUIRE_HERE(listing.extra_count == made || (listing.extra_count == 0 && result != SHERD_OK),
                 "%zu new records instead of %zu", listing.extra_count, made);
    for (size_t i = 0; i < listing.extra_count; i++) {
        REQUIRE_OK(get(vault, listing.extra[i], made_content()));
        REQUIRE_OK(sherd_record_delete(vault, listing.extra[i]));
    }
}

static void require_collection(struct sherd_vault *vault)
{
    struct sherd_collection rules;
    const enum sherd_err err = sherd_collection_get(vault, collection_name, &rules);

    REQUIRE_HERE(err == SHERD_OK || (err == SHERD_ERR_NOT_FOUND && result != SHERD_OK), "%s", sherd_err_detail());
    if (err == SHERD_ERR_NOT_FOUND)
        REQUIRE_OK(call_collection(vault));
}

/* A fresh handle finds the state as before or as after, and works. */
static void require_state(void)
{
    struct sherd_vault *vault = place_open(&place);
    struct sherd_uuid id;

    if (changes_records())
        require_records(vault);
    if (call->effect >= UPDATES && call->effect <= DELETES_LONG)
        require_target(vault);
    if (call->effect == MAKES_COLLECTION)
        require_collection(vault);
    if (call->effect == MAKES_VAULT)
        require_second_vault();
    REQUIRE_OK(call_get(vault));
    REQUIRE_OK(sherd_record_put(vault, NULL, small_content(), &id));
    REQUIRE_OK(get(vault, id, small_content()));
    REQUIRE_OK(sherd_record_delete(vault, id));
    sherd_vault_close(vault);
}

/* The codes that a failure of the machine may have. */
static void require_code(void)
{
    if (result == SHERD_OK)
        return;
    REQUIRE_HERE(struck, "it fails without a fault");
    /* LMDB reads its files by itself when they are opened, and does not try again. */
    REQUIRE_HERE(!fault->harmless || call->no_vault, "what should be tried again is a failure");
    REQUIRE_HERE(result == SHERD_ERR_IO || result == SHERD_ERR_NO_MEMORY, "not a code for this");
    REQUIRE_HERE(sherd_err_detail()[0] != '\0', "no detail");
    REQUIRE_HERE(fault->kind == SHIM_ALLOC || fault->kind == SHIM_MAP || result == SHERD_ERR_IO,
                 "not for want of memory");
}

/* The handle that met the fault reads; and writes, unless a flush failed. */
static void require_handle(struct sherd_vault *vault)
{
    const bool stopped = fault->kind == SHIM_SYNC && result != SHERD_OK;
    struct sherd_uuid id;

    REQUIRE_OK(call_get(vault));
    const enum sherd_err err = sherd_record_put(vault, NULL, small_content(), &id);
    if (stopped)
        REQUIRE_HERE(err == SHERD_ERR_IO, "it writes over a failed flush");
    if (err != SHERD_OK)
        REQUIRE_HERE(err == SHERD_ERR_IO && struck && sherd_err_detail()[0] != '\0', "a handle that does not write: %s",
                     sherd_err_detail());
    else
        REQUIRE_OK(sherd_record_delete(vault, id));
}

/* One call with one fault. */
static void run_once(void)
{
    struct sherd_vault *vault = place_open(&place);

    (void)alarm(60);
    prepare(vault);
    if (call->no_vault) {
        sherd_vault_close(vault);
        vault = NULL;
    }
    arm(&plan);
    result = call->run(vault);
    struck = disarm() >= plan.first;
    require_code();
    if (vault != NULL)
        require_handle(vault);
    sherd_vault_close(vault);
    require_state();
    (void)alarm(0);
}

/* Memory and descriptors after it are those before it; caches may fill once, so what grows must grow again. */
static void run_balanced(void)
{
    long blocks = 0;
    size_t descriptors = 0;

    for (int tries = 0; tries < 4; tries++) {
        blocks = blocks_in_use();
        descriptors = descriptor_count();
        run_once();
        REQUIRE_HERE(descriptor_count() <= descriptors, "a descriptor stays open");
        if (!struck || blocks_in_use() <= blocks)
            return;
    }
    REQUIRE_HERE(false, "memory is lost, again and again: %ld blocks", blocks_in_use() - blocks);
}

/*
 * Each call in turn; of very many a choice. A fault that lasts is one more failure of each call behind the first, most
 * of which are met in the next runs again: it begins at each of the first calls, then at every fourth.
 * SHERD_EVERY_CALL=1: each.
 */
static unsigned long next_first(unsigned long first, bool for_good)
{
    static long every = -1;

    if (every < 0)
        every = (long)number_from_env("SHERD_EVERY_CALL", 0);
    if (every > 0)
        return first + 1;
    const unsigned long step = for_good && first >= LASTING_UPTO ? 4 : 1;
    return first < EACH_UPTO ? first + step : first + step + (first - EACH_UPTO) / 8;
}

static unsigned long run_fault(bool for_good)
{
    unsigned long runs = 0;

    plan = (struct shim_plan){.kind = fault->kind, .error = fault->error, .for_good = for_good};
    for (;;) {
        plan.first = next_first(plan.first, for_good);
        run_balanced();
        REQUIRE_HERE(plan.first < CALLS_MAX, "it never passes");
        if (!struck)
            break;
        runs++;
    }
    REQUIRE_HERE(result == SHERD_OK, "it fails without a fault");
    return runs;
}

static unsigned long run_call(void)
{
    unsigned long runs = 0;

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        fault = &faults[i];
        runs += run_fault(false);
        if (!fault->harmless)
            runs += run_fault(true);
    }
    return runs;
}

/* --- a process that has never opened a vault --------------------------------------------------------------------- */

static void open_cold(void *arg)
{
    (void)arg;
    (void)alarm(60);
    arm(&plan);
    result = call->run(NULL);
    struck = disarm() >= plan.first;
    require_code();
    _exit(struck ? 0 : 1);
}

/* Also the start of the cryptography meets each failure, or, where there are very many, a choice of them. */
static unsigned long run_cold(void)
{
    unsigned long step = 1;
    unsigned long runs = 0;
    int status = 0;

    plan = (struct shim_plan){.kind = fault->kind, .error = fault->error, .first = 1};
    while (status == 0) {
        status = in_child(open_cold, NULL);
        REQUIRE_HERE(status <= 1, "it ended with %d", status);
        if (++runs % COLD_STEPS == 0)
            step *= 2;
        plan.first += step;
    }
    return runs;
}

/* --- the test ---------------------------------------------------------------------------------------------------- */

static void make_records(void)
{
    const struct sherd_collection kept = {.name = "kept", .versions_kept = 3};
    const struct sherd_record_meta in_kept = {.collection = "kept"};
    struct sherd_vault *vault = place_open(&place);

    content_fill(99, content, sizeof(content));
    REQUIRE_OK(sherd_collection_create(vault, &kept));
    REQUIRE_OK(sherd_record_put(vault, NULL, small_content(), &still_id));
    REQUIRE_OK(sherd_record_put(vault, NULL, long_content(), &long_id));
    REQUIRE_OK(sherd_record_put(vault, &in_kept, small_content(), &target_id));
    target_version = 1;
    sherd_vault_close(vault);
}

/* Start anew with the shim before all other libraries. */
static void load_shim(char **argv)
{
    if (getenv("LD_PRELOAD") == NULL) {
        REQUIRE(setenv("LD_PRELOAD", SHIM_PATH, 1) == 0, "setenv: %s", strerror(errno));
        (void)execv("/proc/self/exe", argv);
        REQUIRE(false, "exec: %s", strerror(errno));
    }
    *(void **)(void *)&arm = dlsym(RTLD_DEFAULT, "shim_arm");
    *(void **)(void *)&disarm = dlsym(RTLD_DEFAULT, "shim_disarm");
    *(void **)(void *)&blocks_in_use = dlsym(RTLD_DEFAULT, "shim_blocks");
    REQUIRE(arm != NULL && disarm != NULL && blocks_in_use != NULL, "%s was not loaded", SHIM_PATH);
}

static void test_fault_calls__cold_start(void **state)
{
    /*
     * Read, open, map, random. Not memory: OpenSSL 3.0 uses its default context without a look whether the first
     * allocations for it succeeded. Those of Sherd itself are struck in test_fault_points.
     */
    static const size_t cold_faults[] = {1, 10, 15, 16};

    (void)state;
    call = &calls[0];
    for (size_t i = 0; i < sizeof(cold_faults) / sizeof(cold_faults[0]); i++) {
        fault = &faults[cold_faults[i]];
        print_message("%s: %lu runs\n", fault->name, run_cold());
    }
}

static void test_call(void **state)
{
    static bool made;

    if (!made)
        make_records();
    made = true;
    call = *state;
    print_message("%lu runs\n", run_call());
}

static void make_place(void *arg)
{
    struct place *made = arg;

    place_make_vault(made);
}

/* In a child, so that this process has not touched the cryptography when the cold start is tested. */
static int setup(void **state)
{
    struct place *made = mmap(NULL, sizeof(*made), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)state;
    if (made == MAP_FAILED || in_child(make_place, made) != 0)
        return -1;
    place = *made;
    (void)snprintf(second_path, sizeof(second_path), "%s/second", place.root);
    return munmap(made, sizeof(*made));
}

static int teardown(void **state)
{
    (void)state;
    place_remove(&place);
    return 0;
}

#define CALL_COUNT (sizeof(calls) / sizeof(calls[0]))

/* An argument names the one call to test. */
int main(int argc, char **argv)
{
    struct CMUnitTest tests[CALL_COUNT + 1] = {{0}};
    static char names[CALL_COUNT][64];
    size_t count = 0;

    load_shim(argv);
    (void)signal(SIGALRM, alarmed);
    if (argc < 2)
        tests[count++] = (struct CMUnitTest)cmocka_unit_test(test_fault_calls__cold_start);
    for (size_t i = 0; i < CALL_COUNT; i++) {
        if (argc >= 2 && strcmp(argv[1], calls[i].name) != 0)
            continue;
        (void)snprintf(names[i], sizeof(names[i]), "test_fault_calls__%s", calls[i].name);
        tests[count++] = (struct CMUnitTest){
            .name = names[i], .test_func = test_call, .initial_state = (void *)(uintptr_t)&calls[i]};
    }
    return _cmocka_run_group_tests("fault_calls", tests, count, setup, teardown);
}
