/* SPDX-License-Identifier: Apache-2.0 */
/* The pipes to the attacker's program: see attack.h. */
#include "attack.h"
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A compartment's own entry: its kind is 1, and its number in the header this and the compartment's. */
#define OWNER_NUMBERS 32U
#define OWNER_KIND 1U

const char *const role_names[ROLE_COUNT] = {"identity", "assets", "secrets", "keys"};

void attacker_start(struct attacker *attacker, const char *program)
{
    char *const argv[] = {(char *)(uintptr_t)program, NULL};
    posix_spawn_file_actions_t actions;
    int in[2];
    int out[2];

    assert_non_null(program);
    *attacker = (struct attacker){0};
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn(&attacker->pid, program, &actions, NULL, argv, environ), 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    attacker->to = fdopen(in[1], "w");
    attacker->from = fdopen(out[0], "r");
    assert_non_null(attacker->to);
    assert_non_null(attacker->from);
}

void attacker_stop(struct attacker *attacker)
{
    int status;

    (void)fclose(attacker->to);
    assert_int_equal(waitpid(attacker->pid, &status, 0), attacker->pid);
    (void)fclose(attacker->from);
    free(attacker->line);
    *attacker = (struct attacker){0};
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static char *answer(struct attacker *attacker)
{
    const ssize_t len = getline(&attacker->line, &attacker->line_cap, attacker->from);

    assert_true(len > 0);
    attacker->line[len - 1] = 0;
    return attacker->line;
}

__attribute__((format(printf, 2, 0))) static void say(struct attacker *attacker, const char *format, va_list args)
{
    (void)vfprintf(attacker->to, format, args);
    (void)fputc('\n', attacker->to);
    assert_int_equal(fflush(attacker->to), 0);
}

const char *attack(struct attacker *attacker, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(attacker, format, args);
    va_end(args);
    const char *told = answer(attacker);
    if (strncmp(told, "ok", 2) != 0)
        fail_msg("the attacker says to \"%s\": %s", format, told);
    return told[2] == ' ' ? told + 3 : told + 2;
}

bool try_attack(struct attacker *attacker, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    say(attacker, format, args);
    va_end(args);
    return strncmp(answer(attacker), "ok", 2) == 0;
}

const char *place_of(const struct thing *thing)
{
    static char blocks[8][64];
    static unsigned next;
    char *block = blocks[next++ % 8];
    size_t len = (size_t)snprintf(block, 64, "%s %s ", role_names[thing->role], thing->blob ? "blob" : "entry");

    for (size_t i = 0; i < sizeof(thing->name.bytes); i++)
        len += (size_t)snprintf(block + len, 64 - len, "%02x", thing->name.bytes[i]);
    return block;
}

static unsigned hex_at(const char *text)
{
    const char two[3] = {text[0], text[1], 0};

    return (unsigned)strtoul(two, NULL, 16);
}

static void parse_thing(const char *line, struct thing *thing)
{
    char form[8];
    char name[33];
    char head[17];

    assert_int_equal(sscanf(line, "%7s %32s %zu %16s", form, name, &thing->bytes, head), 4);
    thing->blob = strcmp(form, "blob") == 0;
    for (size_t i = 0; i < sizeof(thing->name.bytes); i++)
        thing->name.bytes[i] = (uint8_t)hex_at(name + 2 * i);
    thing->kind = thing->blob || strlen(head) < 4 ? 0 : hex_at(head + 2);
    if (thing->kind > OWNER_NUMBERS && thing->kind <= OWNER_NUMBERS + ROLE_COUNT)
        thing->kind = OWNER_KIND;
    if (thing->kind >= 33 && thing->kind <= 36) /* a compartment's own entry, by its number there */
        thing->kind = 1;
}

static bool known(const struct things *things, const struct thing *thing, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (things->at[i].role == thing->role && things->at[i].blob == thing->blob &&
            memcmp(&things->at[i].name, &thing->name, sizeof(thing->name)) == 0)
            return true;
    return false;
}

/* What waits for the ledger comes and goes by itself. */
static bool waits(const struct thing *thing)
{
    static const uint8_t zeros[8] = {0};

    return memcmp(thing->name.bytes, zeros, sizeof(zeros)) == 0;
}

size_t attacker_look(struct attacker *attacker, struct things *things, int record, uint64_t version)
{
    const size_t before = things->count;

    for (enum role role = IDENTITY; role < ROLE_COUNT; role++) {
        (void)fprintf(attacker->to, "list %s\n", role_names[role]);
        assert_int_equal(fflush(attacker->to), 0);
        for (const char *line = answer(attacker); strcmp(line, "ok") != 0; line = answer(attacker)) {
            struct thing thing = {.role = role, .record = record, .version = version};

            parse_thing(line, &thing);
            if (known(things, &thing, before) || waits(&thing))
                continue;
            assert_true(things->count < THINGS_MAX);
            things->at[things->count++] = thing;
        }
    }
    return before;
}

size_t attacker_get(struct attacker *attacker, const struct thing *thing, uint8_t **out_bytes)
{
    const char *hex = attack(attacker, "get %s", place_of(thing));
    const size_t len = strlen(hex) / 2;
    uint8_t *bytes = malloc(len + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)hex_at(hex + 2 * i);
    *out_bytes = bytes;
    return len;
}

void attacker_put(struct attacker *attacker, const struct thing *thing, const uint8_t *bytes, size_t len)
{
    char *hex = malloc(2 * len + 1);

    assert_non_null(hex);
    for (size_t i = 0; i < len; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    hex[2 * len] = 0;
    (void)attack(attacker, "put %s %s", place_of(thing), hex);
    free(hex);
}
