/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tests/tamper/attack.h
 * The attacker's program (attacker.c) on the other end of two pipes, and what it sees: things under names.
 */
#ifndef SHERD_TESTS_TAMPER_ATTACK_H
#define SHERD_TESTS_TAMPER_ATTACK_H

#include <sherd/provider/store.h>
#include <sherd/sherd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

enum role {
    IDENTITY,
    ASSETS,
    SECRETS,
    KEYS,
};

#define ROLE_COUNT 4

extern const char *const role_names[ROLE_COUNT];

/** One stored thing, as the attacker sees it. What it belongs to is found by looking before and after a put. */
struct thing {
    enum role role;
    bool blob;
    struct sherd_ref name;
    size_t bytes;
    unsigned kind;    /**< by the second byte of an entry, as judge.h names it; 0 for a blob */
    int record;       /**< number of the record that brought it; -1 for none */
    uint64_t version; /**< of that record */
};

#define THINGS_MAX 8192

struct things {
    size_t count;
    struct thing at[THINGS_MAX];
};

struct attacker {
    pid_t pid;
    FILE *to;
    FILE *from;
    char *line; /**< the last answer */
    size_t line_cap;
};

/** Start the program. Fails the test if that is not possible. */
void attacker_start(struct attacker *attacker, const char *program);
/** End it, and see that it ended well. */
void attacker_stop(struct attacker *attacker);

/** Send one command; the answer must be "ok". @return what follows "ok ", valid until the next command */
__attribute__((format(printf, 2, 3))) const char *attack(struct attacker *attacker, const char *format, ...);

/** Send one command; @return whether it was answered with "ok" */
__attribute__((format(printf, 2, 3))) bool try_attack(struct attacker *attacker, const char *format, ...);

/** "ROLE KIND NAME" of a thing. @return one of eight static blocks, in turn */
const char *place_of(const struct thing *thing);

/** Add all that lies in the four stores and is not in things yet. @return how many there were before */
size_t attacker_look(struct attacker *attacker, struct things *things, int record, uint64_t version);

/** A value as bytes. @return its length; *out_bytes is to be freed */
size_t attacker_get(struct attacker *attacker, const struct thing *thing, uint8_t **out_bytes);

/** Set a value. */
void attacker_put(struct attacker *attacker, const struct thing *thing, const uint8_t *bytes, size_t len);

#endif
