/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts of faults: rules, and which of them a call meets. See fault.h. */
#include "store/fault/script.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <pthread.h>
#include <time.h>

struct sherd_fault_script {
    pthread_mutex_t lock; /* of all that follows */
    size_t rule_count;
    struct sherd_fault_rule rules[SHERD_FAULT_RULES_MAX];
    uint64_t matches[SHERD_FAULT_RULES_MAX]; /* calls that each rule matched so far */
    uint64_t calls[SHERD_FAULT_CALL_COUNT];
    uint64_t hits[SHERD_FAULT_KIND_COUNT];
};

#define BIT(n) (1U << (n))

#define ALL_CALLS (BIT(SHERD_FAULT_CALL_COUNT) - 1U)

/* Which kinds make sense for which calls. */
static const unsigned calls_of_kind[SHERD_FAULT_KIND_COUNT] = {
    [SHERD_FAULT_FAIL] = ALL_CALLS,
    [SHERD_FAULT_LOSE] = BIT(SHERD_FAULT_WRITE) | BIT(SHERD_FAULT_BLOB_APPEND) | BIT(SHERD_FAULT_BLOB_PATCH) |
                         BIT(SHERD_FAULT_BLOB_COMMIT) | BIT(SHERD_FAULT_BLOB_DELETE) | BIT(SHERD_FAULT_TIDY),
    [SHERD_FAULT_DELAY] = ALL_CALLS,
    [SHERD_FAULT_REPEAT] = BIT(SHERD_FAULT_WRITE) | BIT(SHERD_FAULT_BLOB_APPEND) | BIT(SHERD_FAULT_BLOB_PATCH) |
                           BIT(SHERD_FAULT_BLOB_DELETE),
    [SHERD_FAULT_FLIP] = BIT(SHERD_FAULT_GET) | BIT(SHERD_FAULT_SCAN) | BIT(SHERD_FAULT_BLOB_READ) |
                         BIT(SHERD_FAULT_WRITE) | BIT(SHERD_FAULT_BLOB_APPEND) | BIT(SHERD_FAULT_BLOB_PATCH),
    [SHERD_FAULT_STALE] = BIT(SHERD_FAULT_GET) | BIT(SHERD_FAULT_SCAN),
    [SHERD_FAULT_HIDE] = BIT(SHERD_FAULT_GET) | BIT(SHERD_FAULT_SCAN) | BIT(SHERD_FAULT_BLOB_OPEN) |
                         BIT(SHERD_FAULT_BLOB_SCAN),
};

static const unsigned calls_that_scan = BIT(SHERD_FAULT_SCAN) | BIT(SHERD_FAULT_BLOB_SCAN);

static const unsigned calls_with_name = BIT(SHERD_FAULT_GET) | BIT(SHERD_FAULT_WRITE) | BIT(SHERD_FAULT_BLOB_COMMIT) |
                                        BIT(SHERD_FAULT_BLOB_OPEN) | BIT(SHERD_FAULT_BLOB_READ) |
                                        BIT(SHERD_FAULT_BLOB_DELETE);

struct sherd_fault_script *sherd_fault_script_new(void)
{
    struct sherd_fault_script *script = sherd_alloc(sizeof(*script));

    if (script != NULL)
        pthread_mutex_init(&script->lock, NULL);
    return script;
}

void sherd_fault_script_free(struct sherd_fault_script *script)
{
    if (script == NULL)
        return;
    pthread_mutex_destroy(&script->lock);
    sherd_free(script);
}

static bool may_be_named(const struct sherd_fault_rule *rule)
{
    if ((calls_that_scan & BIT(rule->call)) != 0)
        return rule->kind == SHERD_FAULT_HIDE || rule->kind == SHERD_FAULT_FLIP;
    return (calls_with_name & BIT(rule->call)) != 0;
}

static enum sherd_err check_rule(const struct sherd_fault_rule *rule)
{
    const bool fails = rule->kind == SHERD_FAULT_FAIL || rule->kind == SHERD_FAULT_LOSE;

    SHERD_ENSURE((unsigned)rule->call < SHERD_FAULT_CALL_COUNT && (unsigned)rule->kind < SHERD_FAULT_KIND_COUNT,
                 SHERD_ERR_INVALID, "fault script: no such call or kind");
    SHERD_ENSURE((calls_of_kind[rule->kind] & BIT(rule->call)) != 0, SHERD_ERR_INVALID,
                 "fault script: a fault of this kind means nothing for this call");
    SHERD_ENSURE(rule->first >= 1, SHERD_ERR_INVALID, "fault script: calls count from 1");
    SHERD_ENSURE(fails == (rule->err != SHERD_OK), SHERD_ERR_INVALID,
                 "fault script: what fails needs a code, and nothing else has one");
    SHERD_ENSURE(!rule->named || may_be_named(rule), SHERD_ERR_INVALID, "fault script: this call knows no name");
    return SHERD_OK;
}

enum sherd_err sherd_fault_script_add(struct sherd_fault_script *script, const struct sherd_fault_rule *rule)
{
    enum sherd_err err = SHERD_OK;

    SHERD_TRY(check_rule(rule));
    pthread_mutex_lock(&script->lock);
    if (script->rule_count == SHERD_FAULT_RULES_MAX) {
        err = sherd_fail(SHERD_ERR_LIMIT, "fault script: too many rules");
    } else {
        script->matches[script->rule_count] = 0;
        script->rules[script->rule_count++] = *rule;
    }
    pthread_mutex_unlock(&script->lock);
    return err;
}

void sherd_fault_script_clear(struct sherd_fault_script *script)
{
    pthread_mutex_lock(&script->lock);
    script->rule_count = 0;
    pthread_mutex_unlock(&script->lock);
}

uint64_t sherd_fault_script_calls(struct sherd_fault_script *script, enum sherd_fault_call call)
{
    pthread_mutex_lock(&script->lock);
    const uint64_t count = script->calls[call];
    pthread_mutex_unlock(&script->lock);
    return count;
}

uint64_t sherd_fault_script_hits(struct sherd_fault_script *script, enum sherd_fault_kind kind)
{
    pthread_mutex_lock(&script->lock);
    const uint64_t count = script->hits[kind];
    pthread_mutex_unlock(&script->lock);
    return count;
}

bool sherd_fault_same_name(struct sherd_ref a, struct sherd_ref b)
{
    return sherd_span_equal(sherd_span_of(a.bytes, sizeof(a.bytes)), sherd_span_of(b.bytes, sizeof(b.bytes)));
}

bool sherd_fault_set_has(const struct sherd_store_set *set, struct sherd_ref name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (sherd_fault_same_name(set->ops[i].name, name))
            return true;
    }
    return false;
}

static bool is_about(const struct sherd_fault_rule *rule, const struct sherd_fault_subject *subject)
{
    if (rule->call != subject->call)
        return false;
    if (!rule->named || (calls_that_scan & BIT(rule->call)) != 0)
        return true;
    if (subject->name != NULL)
        return sherd_fault_same_name(*subject->name, rule->name);
    for (size_t i = 0; i < subject->set_count; i++) {
        if (sherd_fault_set_has(subject->sets[i], rule->name))
            return true;
    }
    return false;
}

/* The lock is held. */
static bool strikes(const struct sherd_fault_rule *rule, uint64_t match)
{
    return match >= rule->first && (rule->count == 0 || match - rule->first < rule->count);
}

static void sleep_us(uint32_t microseconds)
{
    struct timespec left = {microseconds / 1000000U, (long)(microseconds % 1000000U) * 1000L};

    while (nanosleep(&left, &left) != 0)
        continue; /* a signal came */
}

void sherd_fault_script_consult(struct sherd_fault_script *script, const struct sherd_fault_subject *subject,
                                struct sherd_fault_plan *out_plan)
{
    *out_plan = (struct sherd_fault_plan){0};
    pthread_mutex_lock(&script->lock);
    script->calls[subject->call]++;
    for (size_t i = 0; i < script->rule_count; i++) {
        const struct sherd_fault_rule *rule = &script->rules[i];

        if (!is_about(rule, subject) || !strikes(rule, ++script->matches[i]))
            continue;
        script->hits[rule->kind]++;
        out_plan->strikes[rule->kind] = true;
        out_plan->rule[rule->kind] = *rule;
    }
    pthread_mutex_unlock(&script->lock);
    if (out_plan->strikes[SHERD_FAULT_DELAY])
        sleep_us(out_plan->rule[SHERD_FAULT_DELAY].delay_us);
}
