/* SPDX-License-Identifier: Apache-2.0 */
/* Failpoints: a test's hook, or what the environment asks for. Empty unless the build has failpoints. */
#include "base/failpoint.h"

#if SHERD_FAILPOINTS

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum action { ACTION_KILL, ACTION_IO, ACTION_NOSPACE, ACTION_LOST };

static const char *const action_names[] = {"kill", "io", "nospace", "lost"};

/* One NAME=ACTION[@N] of the environment. */
struct rule {
    char name[64];
    enum action action;
    unsigned long only_hit; /* counted from 1; 0 for every hit */
    atomic_ulong hits;
};

#define RULE_COUNT_MAX 32

static struct rule rules[RULE_COUNT_MAX];
static size_t rule_count;
static pthread_once_t rules_once = PTHREAD_ONCE_INIT;

/* The pair is read without a lock: hooks are set while no operation runs. */
static sherd_failpoint_fn *_Atomic hook_in_use;
static void *hook_arg;

static bool action_parse(const char *text, size_t len, enum action *out_action)
{
    for (size_t i = 0; i < SHERD_COUNT_OF(action_names); i++)
        if (strlen(action_names[i]) == len && strncmp(action_names[i], text, len) == 0) {
            *out_action = (enum action)i;
            return true;
        }
    return false;
}

/* @N of len characters, or nothing. */
static bool only_hit_parse(const char *text, size_t len, unsigned long *out_hit)
{
    char *end = NULL;

    *out_hit = 0;
    if (len == 0)
        return true;
    if (len < 2 || text[1] < '1' || text[1] > '9')
        return false;
    errno = 0;
    *out_hit = strtoul(text + 1, &end, 10);
    return errno == 0 && end == text + len;
}

static bool rule_parse(const char *text, size_t len, struct rule *out_rule)
{
    const char *equals = memchr(text, '=', len);
    const size_t name_len = equals != NULL ? (size_t)(equals - text) : 0;
    const char *action = text + name_len + 1;
    size_t action_len = 0;

    if (name_len == 0 || name_len >= sizeof(out_rule->name))
        return false;
    memcpy(out_rule->name, text, name_len);
    while (action + action_len < text + len && action[action_len] != '@')
        action_len++;
    return action_parse(action, action_len, &out_rule->action) &&
           only_hit_parse(action + action_len, (size_t)(text + len - action) - action_len, &out_rule->only_hit);
}

/* A rule that is misspelt would make a test that cannot fail, so it ends the process. */
static void rules_read(void)
{
    const char *text = getenv("SHERD_FAILPOINT");

    while (text != NULL && *text != '\0') {
        const size_t len = strcspn(text, ",");

        if (rule_count == RULE_COUNT_MAX || !rule_parse(text, len, &rules[rule_count]))
            sherd_bug("SHERD_FAILPOINT: not understood: %s", text);
        rule_count++;
        text += len + (text[len] == ',');
    }
}

static enum sherd_err rule_act(enum action action, const char *name)
{
    switch (action) {
    case ACTION_KILL:
        for (;;)
            (void)kill(getpid(), SIGKILL);
    case ACTION_NOSPACE: errno = ENOSPC; return sherd_fail_errno(SHERD_ERR_IO, "failpoint %s", name);
    case ACTION_IO: errno = EIO; return sherd_fail_errno(SHERD_ERR_IO, "failpoint %s", name);
    case ACTION_LOST: return sherd_fail(SHERD_ERR_IO, "failpoint %s: the answer was lost", name);
    }
    sherd_bug("failpoint %s: action %d", name, (int)action);
}

/* Counts the hit. */
static bool rule_applies(struct rule *rule, const char *name)
{
    if (strcmp(rule->name, name) != 0)
        return false;
    return atomic_fetch_add(&rule->hits, 1) + 1 == rule->only_hit || rule->only_hit == 0;
}

/* All rules count each hit, though only the first that applies acts. */
static enum sherd_err rules_hit(const char *name)
{
    const struct rule *acting = NULL;

    for (size_t i = 0; i < rule_count; i++)
        if (rule_applies(&rules[i], name) && acting == NULL)
            acting = &rules[i];
    return acting != NULL ? rule_act(acting->action, name) : SHERD_OK;
}

void sherd_failpoint_set(sherd_failpoint_fn *hook, void *arg)
{
    hook_arg = arg;
    atomic_store(&hook_in_use, hook);
}

enum sherd_err sherd_failpoint_hit(const char *name)
{
    sherd_failpoint_fn *const hook = atomic_load(&hook_in_use);

    if (hook != NULL)
        return hook(hook_arg, name);
    pthread_once(&rules_once, rules_read);
    return rules_hit(name);
}

#else

typedef int sherd_failpoint_unused; /* ISO C wants one declaration in a file */

#endif
