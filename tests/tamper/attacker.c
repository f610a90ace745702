/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attacker: whoever runs the stores, and holds no key.
 *
 * It has the vault's directory and the engine's interface, as any author of an engine has it, and nothing else of
 * Sherd. It takes one command a line from standard input and answers each with "ok ...", or "no REASON":
 *
 *     open DIR                          open the four stores of a vault; the owner may have it open meanwhile
 *     close                             close them
 *     list ROLE                         one line a thing: "entry|blob NAME BYTES FIRST-BYTES", then "ok"
 *     get ROLE KIND NAME                "ok HEX"
 *     put ROLE KIND NAME HEX            set a value
 *     delete ROLE KIND NAME
 *     copy ROLE KIND NAME ROLE KIND NAME           the first value under the second name
 *     swap ROLE KIND NAME ROLE KIND NAME
 *     splice ROLE KIND NAME ROLE KIND NAME OFFSET BYTES    swap the same bytes of two values
 *     flip ROLE KIND NAME OFFSET MASK   xor one byte
 *     cut ROLE KIND NAME BYTES          keep so many bytes
 *     extend ROLE KIND NAME BYTE        one byte more
 *     settle ROLE                       make the engine bring its journals in, as it does by itself after some MiB
 *     undo                              everything as it was before the commands since open, or since the last undo
 *
 * ROLE is identity, assets, secrets or keys; KIND entry or blob; NAME 32 hexadecimal digits. Entries go through the
 * engine; blobs are files, and are changed as files.
 */
#include <errno.h>
#include <fcntl.h>
#include <sherd/provider/store.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The engines that are built in; a public engine would be linked like any other library. */
extern const struct sherd_store_ops *const *sherd_store_engines(void);

#define ROLES 4
#define WORDS_MAX 10
#define UNDO_MAX 4096

static const char *const role_names[ROLES] = {"identity", "assets", "secrets", "keys"};

struct value {
    uint8_t *bytes;
    size_t len;
    bool there;
};

struct place {
    unsigned role;
    bool blob;
    struct sherd_ref name;
};

struct change {
    struct place place;
    struct value before;
};

static const struct sherd_store_ops *engine;
static char directory[512];
static struct sherd_store *stores[ROLES];
static struct change undo_log[UNDO_MAX];
static size_t undo_count;

static bool fail(const char *reason)
{
    printf("no %s\n", reason);
    return false;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* @return bytes written, or -1 */
static long from_hex(const char *text, uint8_t *out, size_t max)
{
    const size_t len = strlen(text);

    if (len % 2 != 0 || len / 2 > max)
        return -1;
    for (size_t i = 0; i < len / 2; i++) {
        const int high = digit(text[2 * i]);
        const int low = digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return -1;
        out[i] = (uint8_t)(high * 16 + low);
    }
    return (long)(len / 2);
}

static void print_hex(const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        putchar(digits[bytes[i] >> 4]);
        putchar(digits[bytes[i] & 15]);
    }
}

static bool parse_place(char *const words[3], struct place *out)
{
    for (unsigned i = 0; i < ROLES; i++) {
        if (strcmp(words[0], role_names[i]) != 0)
            continue;
        out->role = i;
        out->blob = strcmp(words[1], "blob") == 0;
        return from_hex(words[2], out->name.bytes, 16) == 16 ? true : fail("bad name");
    }
    return fail("bad role");
}

static void blob_path(const struct place *place, char out[768])
{
    size_t len = (size_t)snprintf(out, 768, "%s/%s/blobs/%02x", directory, role_names[place->role],
                                  place->name.bytes[0]);

    (void)mkdir(out, 0700);
    len += (size_t)snprintf(out + len, 768 - len, "/");
    for (size_t i = 0; i < 16; i++)
        len += (size_t)snprintf(out + len, 768 - len, "%02x", place->name.bytes[i]);
}

/* ---- Values, of entries through the engine, of blobs as files ---------------------------------------------------- */

static bool load_blob(const struct place *place, struct value *out)
{
    char path[768];
    struct stat stat;

    blob_path(place, path);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? true : fail("cannot open a blob");
    if (fstat(fd, &stat) != 0) {
        close(fd);
        return fail("cannot look at a blob");
    }
    out->len = (size_t)stat.st_size;
    out->bytes = malloc(out->len + 1);
    out->there = true;
    const bool ok = read(fd, out->bytes, out->len) == (ssize_t)out->len;
    close(fd);
    return ok ? true : fail("cannot read a blob");
}

static bool store_blob(const struct place *place, const struct value *value)
{
    char path[768];

    blob_path(place, path);
    if (!value->there)
        return unlink(path) == 0 || errno == ENOENT ? true : fail("cannot remove a blob");
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail("cannot write a blob");
    const bool ok = write(fd, value->bytes, value->len) == (ssize_t)value->len;
    close(fd);
    return ok ? true : fail("cannot write a blob");
}

static bool load(const struct place *place, struct value *out)
{
    struct sherd_snapshot *snapshot;
    struct sherd_buf bytes = {0};

    *out = (struct value){0};
    if (place->blob)
        return load_blob(place, out);
    if (engine->snapshot_begin(stores[place->role], &snapshot) != SHERD_OK)
        return fail("no snapshot");
    const enum sherd_err err = engine->get(snapshot, place->name, &bytes);
    engine->snapshot_end(snapshot);
    if (err != SHERD_OK && err != SHERD_ERR_NOT_FOUND)
        return fail("cannot read an entry");
    if (err == SHERD_OK) {
        out->bytes = malloc(bytes.len + 1);
        memcpy(out->bytes, bytes.data, bytes.len);
        out->len = bytes.len;
        out->there = true;
    }
    sherd_buf_done(&bytes);
    return true;
}

static bool store(const struct place *place, const struct value *value)
{
    const struct sherd_store_op op = {
        .kind = value->there ? SHERD_STORE_PUT : SHERD_STORE_DELETE,
        .expect = SHERD_EXPECT_ANY,
        .name = place->name,
        .value = value->there ? sherd_span_of(value->bytes, value->len) : sherd_span_of(NULL, 0),
    };
    struct sherd_store_set set = {.ops = &op, .count = 1};
    struct sherd_store_set *const sets[] = {&set};

    if (place->blob)
        return store_blob(place, value);
    if (engine->write(stores[place->role], sets, 1) != SHERD_OK || set.result != SHERD_OK)
        return fail("cannot write an entry");
    return true;
}

/* Set a value, and remember the one before for undo. */
static bool change(const struct place *place, const struct value *value)
{
    struct change *entry = &undo_log[undo_count];

    if (undo_count == UNDO_MAX)
        return fail("too many changes");
    entry->place = *place;
    if (!load(place, &entry->before))
        return false;
    undo_count++;
    return store(place, value);
}

static bool undo(void)
{
    while (undo_count > 0) {
        struct change *entry = &undo_log[--undo_count];

        if (!store(&entry->place, &entry->before))
            return false;
        free(entry->before.bytes);
    }
    return true;
}

/* A set of several MiB that changes nothing in the end. */
static bool settle(const char *role)
{
    enum { PUTS = 18 };
    static uint8_t filler[SHERD_STORE_VALUE_BYTES_MAX];
    const struct sherd_ref name = {{'s', 'e', 't', 't', 'l', 'e'}};
    struct sherd_store_op ops[PUTS + 1];
    struct sherd_store_set set = {.ops = ops, .count = PUTS + 1};
    struct sherd_store_set *const sets[] = {&set};

    for (size_t i = 0; i < PUTS; i++)
        ops[i] = (struct sherd_store_op){
            .kind = SHERD_STORE_PUT, .name = name, .value = sherd_span_of(filler, sizeof(filler))};
    ops[PUTS] = (struct sherd_store_op){.kind = SHERD_STORE_DELETE, .name = name};
    for (unsigned i = 0; i < ROLES; i++)
        if (strcmp(role, role_names[i]) == 0)
            return engine->write(stores[i], sets, 1) == SHERD_OK ? true : fail("cannot settle");
    return fail("bad role");
}

/* ---- Commands ---------------------------------------------------------------------------------------------------- */

static void close_stores(void)
{
    for (unsigned i = 0; i < ROLES; i++) {
        if (stores[i] != NULL)
            engine->close(stores[i]);
        stores[i] = NULL;
    }
    while (undo_count > 0)
        free(undo_log[--undo_count].before.bytes);
}

static bool open_stores(const char *dir)
{
    close_stores();
    engine = sherd_store_engines()[0];
    (void)snprintf(directory, sizeof(directory), "%s", dir);
    for (unsigned i = 0; i < ROLES; i++) {
        char path[768];
        const struct sherd_store_config config = {.path = path};

        (void)snprintf(path, sizeof(path), "%s/%s", dir, role_names[i]);
        if (engine->open(&config, &stores[i]) != SHERD_OK)
            return fail(sherd_err_detail());
    }
    return true;
}

static enum sherd_err print_thing(void *arg, struct sherd_ref name, struct sherd_span value)
{
    (void)arg;
    printf("%s ", value.data != NULL ? "entry" : "blob");
    print_hex(name.bytes, sizeof(name.bytes));
    printf(" %zu ", value.len);
    if (value.data != NULL)
        print_hex(value.data, value.len < 8 ? value.len : 8);
    else
        printf("-");
    printf("\n");
    return SHERD_OK;
}

static bool list(const char *role)
{
    struct sherd_snapshot *snapshot;

    for (unsigned i = 0; i < ROLES; i++) {
        if (strcmp(role, role_names[i]) != 0)
            continue;
        if (engine->snapshot_begin(stores[i], &snapshot) != SHERD_OK)
            return fail("no snapshot");
        enum sherd_err err = engine->scan(snapshot, NULL, print_thing, NULL);
        engine->snapshot_end(snapshot);
        if (err == SHERD_OK)
            err = engine->blob_scan(stores[i], NULL, print_thing, NULL);
        return err == SHERD_OK ? true : fail("cannot scan");
    }
    return fail("bad role");
}

static bool get(char *const words[3])
{
    struct place place;
    struct value value;

    if (!parse_place(words, &place) || !load(&place, &value))
        return false;
    if (!value.there)
        return fail("not there");
    printf("ok ");
    print_hex(value.bytes, value.len);
    printf("\n");
    free(value.bytes);
    return true;
}

static bool put(char *const words[4])
{
    struct place place;
    struct value value = {.bytes = malloc(strlen(words[3]) / 2 + 1), .there = true};
    const long len = from_hex(words[3], value.bytes, strlen(words[3]) / 2);

    value.len = (size_t)len;
    const bool ok = len >= 0 ? parse_place(words, &place) && change(&place, &value) : fail("bad value");
    free(value.bytes);
    return ok;
}

static bool erase(char *const words[3])
{
    const struct value nothing = {0};
    struct place place;

    return parse_place(words, &place) && change(&place, &nothing);
}

enum what { FLIP, CUT, EXTEND };

static bool damage(enum what what, char *const words[5])
{
    struct place place;
    struct value value;
    const size_t number = strtoul(words[3], NULL, 10);

    if (!parse_place(words, &place) || !load(&place, &value))
        return false;
    if (!value.there || (what != EXTEND && number >= value.len)) {
        free(value.bytes);
        return fail("no such byte");
    }
    if (what == FLIP)
        value.bytes[number] ^= (uint8_t)strtoul(words[4], NULL, 10);
    else if (what == CUT)
        value.len = number;
    else
        value.bytes[value.len++] = (uint8_t)number;
    const bool ok = change(&place, &value);
    free(value.bytes);
    return ok;
}

static void exchange(struct value *one, struct value *two, size_t offset, size_t bytes)
{
    for (size_t i = offset; i < offset + bytes; i++) {
        const uint8_t byte = one->bytes[i];

        one->bytes[i] = two->bytes[i];
        two->bytes[i] = byte;
    }
}

enum between { COPY, SWAP, SPLICE };

static bool between(enum between what, char *const words[8])
{
    struct place one;
    struct place two;
    struct value first = {0};
    struct value second = {0};
    bool ok = parse_place(words, &one) && parse_place(words + 3, &two) && load(&one, &first) && load(&two, &second);

    if (ok && what == COPY) {
        ok = change(&two, &first);
    } else if (ok && what == SWAP) {
        ok = change(&one, &second) && change(&two, &first);
    } else if (ok) {
        const size_t offset = strtoul(words[6], NULL, 10);
        const size_t bytes = strtoul(words[7], NULL, 10);

        ok = offset + bytes <= first.len && offset + bytes <= second.len ? true : fail("no such bytes");
        if (ok) {
            exchange(&first, &second, offset, bytes);
            ok = change(&one, &first) && change(&two, &second);
        }
    }
    free(first.bytes);
    free(second.bytes);
    return ok;
}

struct command {
    const char *name;
    size_t words;
};

/* @return whether "ok" is still to be said */
static bool obey(char **words, size_t count)
{
    static const struct command commands[] = {
        {"open", 1}, {"close", 0},  {"list", 1}, {"get", 3}, {"put", 4},    {"delete", 3}, {"copy", 6},
        {"swap", 6}, {"splice", 8}, {"flip", 5}, {"cut", 4}, {"extend", 4}, {"settle", 1}, {"undo", 0},
    };

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(words[0], commands[i].name) != 0 || count != commands[i].words + 1)
            continue;
        switch (i) {
        case 0: return open_stores(words[1]);
        case 1: close_stores(); return true;
        case 2: return list(words[1]);
        case 3: (void)get(words + 1); return false;
        case 4: return put(words + 1);
        case 5: return erase(words + 1);
        case 6: return between(COPY, words + 1);
        case 7: return between(SWAP, words + 1);
        case 8: return between(SPLICE, words + 1);
        case 9: return damage(FLIP, words + 1);
        case 10: return damage(CUT, words + 1);
        case 11: return damage(EXTEND, words + 1);
        case 12: return settle(words[1]);
        default: return undo();
        }
    }
    return fail("no such command");
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        char *words[WORDS_MAX] = {NULL};
        char *rest = NULL;
        size_t count = 0;

        if (line[len - 1] == '\n')
            line[len - 1] = 0;
        for (char *word = strtok_r(line, " ", &rest); word != NULL && count < WORDS_MAX;
             word = strtok_r(NULL, " ", &rest))
            words[count++] = word;
        if (count == 0)
            (void)fail("no command");
        else if (obey(words, count))
            printf("ok\n");
        fflush(stdout);
    }
    close_stores();
    free(line);
    return 0;
}
