/* SPDX-License-Identifier: Apache-2.0 */
/* Operators who unseal: see operators.h. */
#include "anchor/agent/operators.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include <string.h>

#define SECOND_NS ((uint64_t)1000000000)
/* Seals by shares that are given at the same time. */
#define POOLS_MAX 8U
/* Texts of all shares of one seal; they are about 250 bytes each. Made when the first share comes. */
#define POOL_BYTES ((size_t)128 << 10)

/* Shares of one seal. */
#define POOL_SHARES_MAX 255U

/* One user. */
struct user {
    bool used;
    uid_t uid;
    unsigned failures;
    uint64_t until_ns; /* its pause */
    uint64_t seen_ns;
};

/* A text in a pool: where it ends, how many shares it is, and when it came. */
struct given {
    size_t end;
    unsigned shares;
    uint64_t given_ns;
};

/* The shares of one seal that are there. */
struct pool {
    struct sherd_wire_progress progress; /* seal 0: the pool is free */
    size_t count;                        /* of texts */
    struct given given[POOL_SHARES_MAX];
    uint8_t *text; /* in secret memory, POOL_BYTES */
    size_t len;
};

struct sherd_operators {
    struct user operators[SHERD_OPERATORS_MAX]; /* the first one is the owner */
    struct pool pools[POOLS_MAX];
};

enum sherd_err sherd_operators_new(uid_t owner, struct sherd_operators **out_operators)
{
    struct sherd_operators *operators = sherd_alloc(sizeof(*operators));

    if (operators == NULL)
        return SHERD_ERR_NO_MEMORY;
    operators->operators[0] = (struct user){.used = true, .uid = owner};
    *out_operators = operators;
    return SHERD_OK;
}

static void drain(struct pool *pool)
{
    sherd_secret_free(pool->text);
    memset(pool, 0, sizeof(*pool)); /* what is left is no secret */
}

void sherd_operators_free(struct sherd_operators *operators)
{
    if (operators == NULL)
        return;
    sherd_operators_forget(operators, 0);
    sherd_free(operators);
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

static struct user *find(struct sherd_operators *operators, uid_t uid)
{
    for (size_t i = 0; i < SHERD_OPERATORS_MAX; i++)
        if (operators->operators[i].used && operators->operators[i].uid == uid)
            return &operators->operators[i];
    return NULL;
}

/* Whether it costs less to forget a than b: who has a pause is remembered rather, and of those who failed most. */
static bool is_less(const struct user *a, const struct user *b, uint64_t now_ns)
{
    const bool a_pauses = a->until_ns > now_ns;
    const bool b_pauses = b->until_ns > now_ns;

    if (a_pauses != b_pauses)
        return b_pauses;
    if (a_pauses && a->failures != b->failures)
        return a->failures < b->failures;
    return a->seen_ns < b->seen_ns; /* one that was never used was never seen */
}

/*
 * Room for one more user, always: strangers of many names who fail shall keep no operator out. What they gain is some
 * failures more, which gain nothing: shares are not guessed.
 */
static struct user *make_room(struct sherd_operators *operators, uid_t uid, uint64_t now_ns)
{
    struct user *least = &operators->operators[1];

    for (size_t i = 2; i < SHERD_OPERATORS_MAX; i++)
        if (is_less(&operators->operators[i], least, now_ns))
            least = &operators->operators[i];
    *least = (struct user){.used = true, .uid = uid};
    return least;
}

enum sherd_err sherd_operators_admit(struct sherd_operators *operators, uid_t uid)
{
    const uint64_t now_ns = sherd_clock()->monotonic_ns();
    struct user *user = find(operators, uid);

    if (user == NULL)
        user = make_room(operators, uid, now_ns);
    user->seen_ns = now_ns;
    if (user->until_ns <= now_ns)
        return SHERD_OK;
    return sherd_fail(SHERD_ERR_BUSY, "you failed %u times: try again in %llu s", user->failures,
                      (unsigned long long)((user->until_ns - now_ns) / SECOND_NS + 1));
}

/* All but what is not the operator's doing. */
static bool counts_as_failure(enum sherd_err outcome)
{
    return outcome != SHERD_OK && outcome != SHERD_ERR_IO && outcome != SHERD_ERR_NO_MEMORY &&
           outcome != SHERD_ERR_BUSY && outcome != SHERD_ERR_SEALED;
}

void sherd_operators_tried(struct sherd_operators *operators, uid_t uid, enum sherd_err outcome)
{
    struct user *user = find(operators, uid);
    uint64_t pause_s = 1;

    if (user == NULL)
        return; /* somebody else has taken its place meanwhile */
    if (!counts_as_failure(outcome)) {
        if (outcome == SHERD_OK)
            user->failures = 0;
        return;
    }
    user->failures++;
    if (user->failures <= SHERD_OPERATORS_FREE_FAILURES)
        return;
    for (unsigned i = SHERD_OPERATORS_FREE_FAILURES + 1; i < user->failures && pause_s < SHERD_OPERATORS_PAUSE_S_MAX;
         i++)
        pause_s *= 2;
    if (pause_s > SHERD_OPERATORS_PAUSE_S_MAX)
        pause_s = SHERD_OPERATORS_PAUSE_S_MAX;
    user->until_ns = sherd_clock()->monotonic_ns() + pause_s * SECOND_NS;
}

/* --- shares ------------------------------------------------------------------------------------------------------- */

/* Take the first text out of a pool; they stand in the order in which they came. */
static void drop_first(struct pool *pool)
{
    const struct given first = pool->given[0];
    const size_t end = first.end;

    memmove(pool->text, pool->text + end, pool->len - end);
    pool->len -= end;
    sherd_wipe(pool->text + pool->len, end);
    pool->count--;
    memmove(pool->given, pool->given + 1, pool->count * sizeof(pool->given[0]));
    for (size_t i = 0; i < pool->count; i++)
        pool->given[i].end -= end;
    pool->progress.given = (uint8_t)(pool->progress.given - first.shares);
    if (pool->count == 0)
        drain(pool);
}

static void expire(struct sherd_operators *operators)
{
    const uint64_t now_ns = sherd_clock()->monotonic_ns();

    for (size_t i = 0; i < POOLS_MAX; i++) {
        struct pool *pool = &operators->pools[i];

        while (pool->count > 0 && now_ns - pool->given[0].given_ns >= SHERD_OPERATORS_LIFETIME_S * SECOND_NS)
            drop_first(pool);
    }
}

static struct pool *pool_of(struct sherd_operators *operators, unsigned seal)
{
    struct pool *empty = NULL;

    for (size_t i = 0; i < POOLS_MAX; i++) {
        if (operators->pools[i].progress.seal == seal)
            return &operators->pools[i];
        if (operators->pools[i].progress.seal == 0)
            empty = &operators->pools[i];
    }
    return empty;
}

/* Add a text and a newline behind it, not yet for good. */
static enum sherd_err append(struct pool *pool, struct sherd_span share, size_t *out_len)
{
    if (pool->text == NULL)
        pool->text = sherd_secret_alloc(POOL_BYTES);
    if (pool->text == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(pool->count < POOL_SHARES_MAX && pool->len + share.len + 1 <= POOL_BYTES, SHERD_ERR_LIMIT,
                 "no room for one more share");
    memcpy(pool->text + pool->len, share.data, share.len);
    pool->text[pool->len + share.len] = '\n';
    *out_len = pool->len + share.len + 1;
    return SHERD_OK;
}

/* One more share of that seal: with those that are there, it is checked once more, for one that is there twice. */
static enum sherd_err add(struct pool *pool, struct sherd_span share, unsigned shares, sherd_operators_check_fn *check,
                          void *arg, struct sherd_wire_unsealed *out)
{
    struct sherd_wire_unsealed all = {0};
    size_t len = 0;

    SHERD_TRY(append(pool, share, &len));
    const enum sherd_err err = check(arg, sherd_span_of(pool->text, len), &all);
    if (err != SHERD_OK) {
        sherd_wipe(pool->text + pool->len, len - pool->len);
        return err;
    }
    pool->given[pool->count] = (struct given){.end = len, .shares = shares, .given_ns = sherd_clock()->monotonic_ns()};
    pool->count++;
    pool->len = len;
    pool->progress = all.progress;
    *out = all;
    return SHERD_OK;
}

enum sherd_err sherd_operators_give(struct sherd_operators *operators, struct sherd_span share,
                                    sherd_operators_check_fn *check, void *arg, struct sherd_wire_unsealed *out,
                                    struct sherd_span *out_all)
{
    struct sherd_wire_unsealed alone = {0};

    expire(operators);
    SHERD_TRY(check(arg, share, &alone));
    struct pool *pool = pool_of(operators, alone.progress.seal);
    SHERD_ENSURE(pool != NULL, SHERD_ERR_LIMIT, "shares of too many seals at a time");
    const enum sherd_err err = add(pool, share, alone.progress.given, check, arg, out);
    if (pool->count == 0)
        drain(pool);
    SHERD_TRY(err);
    *out_all = pool->progress.given >= pool->progress.threshold ? sherd_span_of(pool->text, pool->len)
                                                                : sherd_span_of(NULL, 0);
    return SHERD_OK;
}

struct sherd_span sherd_operators_ready(struct sherd_operators *operators, unsigned *out_seal)
{
    expire(operators);
    for (size_t i = 0; i < POOLS_MAX; i++) {
        const struct pool *pool = &operators->pools[i];

        if (pool->count == 0 || pool->progress.given < pool->progress.threshold)
            continue;
        *out_seal = pool->progress.seal;
        return sherd_span_of(pool->text, pool->len);
    }
    return sherd_span_of(NULL, 0);
}

void sherd_operators_forget(struct sherd_operators *operators, unsigned seal)
{
    for (size_t i = 0; i < POOLS_MAX; i++)
        if (seal == 0 || operators->pools[i].progress.seal == seal)
            drain(&operators->pools[i]);
}

size_t sherd_operators_progress(struct sherd_operators *operators, struct sherd_wire_progress *out, size_t max)
{
    size_t count = 0;

    expire(operators);
    for (size_t i = 0; i < POOLS_MAX && count < max; i++)
        if (operators->pools[i].count > 0)
            out[count++] = operators->pools[i].progress;
    return count;
}
