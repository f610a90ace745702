/* SPDX-License-Identifier: Apache-2.0 */
/* Policies: see policy.h. */
#include "ledger/policy.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/lines.h"
#include <stdio.h>

#define NAME_NONE "none"

struct parser {
    struct sherd_policy *policy;
    unsigned line; /* from 1 */
    bool quorum;   /* was seen */
    bool used_witnesses[SHERD_POLICY_WITNESSES_MAX];
    bool used_groups[SHERD_POLICY_GROUPS_MAX];
};

static enum sherd_err bad(const struct parser *parser, const char *what)
{
    return sherd_fail(SHERD_ERR_INVALID, "policy, line %u: %s", parser->line, what);
}

static enum sherd_err full(const struct parser *parser, const char *what)
{
    return sherd_fail(SHERD_ERR_LIMIT, "policy, line %u: too many %s", parser->line, what);
}

/* The next word of a line. @return false at its end */
static bool next_word(struct sherd_span *line, struct sherd_span *out_word)
{
    size_t begin = 0;

    while (begin < line->len && (line->data[begin] == ' ' || line->data[begin] == '\t'))
        begin++;
    size_t end = begin;
    while (end < line->len && line->data[end] != ' ' && line->data[end] != '\t')
        end++;
    *out_word = sherd_span_of(line->data + begin, end - begin);
    *line = sherd_span_of(line->data + end, line->len - end);
    return end > begin;
}

static bool is_word(struct sherd_span word, const char *text)
{
    return sherd_span_equal(word, sherd_span_str(text));
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static bool find_witness(const struct sherd_policy *policy, struct sherd_span name, size_t *out_index)
{
    for (*out_index = 0; *out_index < policy->witness_count; ++*out_index)
        if (sherd_span_equal(policy->witnesses[*out_index].name, name))
            return true;
    return false;
}

static bool find_group(const struct sherd_policy *policy, struct sherd_span name, size_t *out_index)
{
    for (*out_index = 0; *out_index < policy->group_count; ++*out_index)
        if (sherd_span_equal(policy->groups[*out_index].name, name))
            return true;
    return false;
}

/* A name that is to be defined. */
static enum sherd_err take_new_name(const struct parser *parser, struct sherd_span *line, struct sherd_span *out_name)
{
    size_t index = 0;

    if (!next_word(line, out_name))
        return bad(parser, "a name is missing");
    if (is_word(*out_name, NAME_NONE) || find_witness(parser->policy, *out_name, &index) ||
        find_group(parser->policy, *out_name, &index))
        return bad(parser, "that name is taken");
    return SHERD_OK;
}

/* A key, an address if there is one, and the end of the line. */
static enum sherd_err take_key(const struct parser *parser, struct sherd_span *line, struct sherd_vkey *out_key,
                               struct sherd_span *out_url)
{
    struct sherd_span word;

    if (!next_word(line, &word))
        return bad(parser, "a public key is missing");
    const enum sherd_err err = sherd_vkey_parse(word, out_key);
    if (err != SHERD_OK)
        return sherd_fail(err, "policy, line %u: %s", parser->line, sherd_err_detail());
    (void)next_word(line, out_url);
    return next_word(line, &word) ? bad(parser, "there is more on the line than belongs there") : SHERD_OK;
}

static bool same_key(const struct sherd_vkey *a, const struct sherd_vkey *b)
{
    return sherd_same(a->key, b->key, sizeof(a->key));
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static enum sherd_err parse_log(struct parser *parser, struct sherd_span line)
{
    struct sherd_policy *policy = parser->policy;
    struct sherd_policy_log log = {0};

    if (policy->log_count == SHERD_POLICY_LOGS_MAX)
        return full(parser, "logs");
    SHERD_TRY(take_key(parser, &line, &log.key, &log.url));
    for (size_t i = 0; i < policy->log_count; i++)
        if (same_key(&policy->logs[i].key, &log.key))
            return bad(parser, "that log is there already");
    policy->logs[policy->log_count++] = log;
    return SHERD_OK;
}

static enum sherd_err parse_witness(struct parser *parser, struct sherd_span line)
{
    struct sherd_policy *policy = parser->policy;
    struct sherd_policy_witness witness = {0};

    if (policy->witness_count == SHERD_POLICY_WITNESSES_MAX)
        return full(parser, "witnesses");
    SHERD_TRY(take_new_name(parser, &line, &witness.name));
    SHERD_TRY(take_key(parser, &line, &witness.key, &witness.url));
    if (witness.key.type == SHERD_VKEY_ED25519)
        return bad(parser, "the key of a witness is of another kind");
    for (size_t i = 0; i < policy->witness_count; i++)
        if (same_key(&policy->witnesses[i].key, &witness.key))
            return bad(parser, "that witness is there already");
    policy->witnesses[policy->witness_count++] = witness;
    return SHERD_OK;
}

static enum sherd_err add_member(struct parser *parser, struct sherd_policy_group *group, struct sherd_span name)
{
    bool *used = NULL;
    bool *member = NULL;
    size_t index = 0;

    if (find_witness(parser->policy, name, &index)) {
        used = &parser->used_witnesses[index];
        member = &group->witnesses[index];
    } else if (find_group(parser->policy, name, &index)) {
        used = &parser->used_groups[index];
        member = &group->groups[index];
    } else {
        return bad(parser, "a member of the group is not defined above it");
    }
    if (*used)
        return bad(parser, "a member of the group is one already, of this or of another");
    *used = true;
    *member = true;
    group->member_count++;
    return SHERD_OK;
}

/* all, any or a number, once the members are counted. */
static enum sherd_err set_threshold(const struct parser *parser, struct sherd_policy_group *group,
                                    struct sherd_span word)
{
    uint64_t threshold = 0;

    if (is_word(word, "any"))
        threshold = 1;
    else if (is_word(word, "all"))
        threshold = group->member_count;
    else if (!sherd_decimal_parse(word, &threshold))
        return bad(parser, "all, any or a number is expected");
    if (threshold < 1 || threshold > group->member_count)
        return bad(parser, "the group has fewer members than it needs");
    group->threshold = (unsigned)threshold;
    return SHERD_OK;
}

static enum sherd_err parse_group(struct parser *parser, struct sherd_span line)
{
    struct sherd_policy *policy = parser->policy;
    struct sherd_span threshold;
    struct sherd_span member;

    if (policy->group_count == SHERD_POLICY_GROUPS_MAX)
        return full(parser, "groups");
    struct sherd_policy_group *group = &policy->groups[policy->group_count];
    SHERD_TRY(take_new_name(parser, &line, &group->name));
    (void)next_word(&line, &threshold);
    while (next_word(&line, &member))
        SHERD_TRY(add_member(parser, group, member));
    SHERD_TRY(set_threshold(parser, group, threshold));
    policy->group_count++;
    return SHERD_OK;
}

static enum sherd_err parse_quorum(struct parser *parser, struct sherd_span line)
{
    struct sherd_policy *policy = parser->policy;
    struct sherd_span name;
    struct sherd_span more;

    if (parser->quorum)
        return bad(parser, "there is a quorum already");
    if (!next_word(&line, &name) || next_word(&line, &more))
        return bad(parser, "a quorum is one name");
    if (find_witness(policy, name, &policy->quorum_index))
        policy->quorum = SHERD_QUORUM_WITNESS;
    else if (find_group(policy, name, &policy->quorum_index))
        policy->quorum = SHERD_QUORUM_GROUP;
    else if (!is_word(name, NAME_NONE))
        return bad(parser, "the quorum is not defined above it");
    parser->quorum = true;
    return SHERD_OK;
}

static enum sherd_err parse_line(struct parser *parser, struct sherd_span line)
{
    struct sherd_span word;

    for (size_t i = 0; i < line.len; i++)
        if ((line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f)
            return bad(parser, "a control character");
    if (!next_word(&line, &word) || word.data[0] == '#')
        return SHERD_OK;
    if (is_word(word, "log"))
        return parse_log(parser, line);
    if (is_word(word, "witness"))
        return parse_witness(parser, line);
    if (is_word(word, "group"))
        return parse_group(parser, line);
    if (is_word(word, "quorum"))
        return parse_quorum(parser, line);
    return bad(parser, "log, witness, group or quorum is expected");
}

enum sherd_err sherd_policy_parse(struct sherd_span text, struct sherd_policy **out_policy)
{
    SHERD_CLEANUP(sherd_policy_freep) struct sherd_policy *policy = sherd_alloc(sizeof(*policy));
    struct parser parser = {.policy = policy};
    struct sherd_span line;

    SHERD_ENSURE(text.len <= SHERD_POLICY_BYTES_MAX, SHERD_ERR_LIMIT, "the policy is too long");
    if (policy == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(sherd_buf_append(&policy->text, text));
    struct sherd_span rest = sherd_buf_span(&policy->text);
    while (rest.len > 0) {
        parser.line++;
        if (!sherd_line_take(&rest, &line))
            return bad(&parser, "the line does not end");
        SHERD_TRY(parse_line(&parser, line));
    }
    SHERD_ENSURE(parser.quorum, SHERD_ERR_INVALID, "policy: there is no quorum; `quorum none` needs no witness");
    *out_policy = sherd_policy_take(&policy);
    return SHERD_OK;
}

/* One more key of the log. What is said of it does not speak of the lines of a policy, which nobody wrote. */
static enum sherd_err add_key(struct sherd_span vkey_text, struct sherd_vkey *first, struct sherd_buf *text)
{
    struct sherd_vkey vkey;

    SHERD_TRY(sherd_vkey_parse(vkey_text, &vkey));
    if (text->len == 0)
        *first = vkey;
    else
        SHERD_ENSURE(sherd_span_equal(vkey.name, first->name) &&
                         (vkey.type == SHERD_VKEY_MLDSA) != (first->type == SHERD_VKEY_MLDSA),
                     SHERD_ERR_INVALID, "two public keys of a log have one name, and one of them is of ML-DSA-44");
    SHERD_TRY(sherd_text_append(text, "log "));
    SHERD_TRY(sherd_buf_append(text, vkey_text));
    return sherd_text_append(text, "\n");
}

enum sherd_err sherd_policy_of_log(struct sherd_span vkey_text, struct sherd_policy **out_policy)
{
    SHERD_CLEANUP(sherd_buf_done) struct sherd_buf text = {.max = SHERD_POLICY_BYTES_MAX};
    struct sherd_span last = vkey_text;
    struct sherd_vkey vkey = {.type = SHERD_VKEY_ED25519};
    struct sherd_span first;

    if (sherd_line_take(&last, &first))
        SHERD_TRY(add_key(first, &vkey, &text));
    SHERD_TRY(add_key(last, &vkey, &text));
    SHERD_TRY(sherd_text_append(&text, "quorum none\n"));
    return sherd_policy_parse(sherd_buf_span(&text), out_policy);
}

enum sherd_err sherd_policy_of_own_log(struct sherd_span vkey_text, struct sherd_policy **out_policy)
{
    SHERD_TRY(sherd_policy_of_log(vkey_text, out_policy));
    (*out_policy)->own = true;
    return SHERD_OK;
}

void sherd_policy_free(struct sherd_policy *policy)
{
    if (policy == NULL)
        return;
    sherd_buf_done(&policy->text);
    sherd_free(policy);
}

bool sherd_policy_met(const struct sherd_policy *policy, const bool *witnesses)
{
    bool met[SHERD_POLICY_GROUPS_MAX] = {false};

    for (size_t i = 0; i < policy->group_count; i++) { /* members stand before it */
        const struct sherd_policy_group *group = &policy->groups[i];
        unsigned count = 0;

        for (size_t k = 0; k < policy->witness_count; k++)
            count += group->witnesses[k] && witnesses[k];
        for (size_t k = 0; k < i; k++)
            count += group->groups[k] && met[k];
        met[i] = count >= group->threshold;
    }
    if (policy->quorum == SHERD_QUORUM_NONE)
        return true;
    return policy->quorum == SHERD_QUORUM_WITNESS ? witnesses[policy->quorum_index] : met[policy->quorum_index];
}
