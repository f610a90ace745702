/* SPDX-License-Identifier: Apache-2.0 */
/* sherd status: whether an agent runs, and whether it has the vault unsealed. */
#include "anchor/agent/serve.h"
#include "cli/agent.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"

#include <inttypes.h>

struct state {
    bool agent;
    struct sherd_wire_status status;
    struct sherd_wire_progress shares[SHERD_SERVE_PROGRESS_MAX];
    size_t count;
};

static json_t *shares_json(const struct state *state)
{
    json_t *list = json_array();

    for (size_t i = 0; i < state->count; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:i, s:i, s:i, s:i}", "seal", (int)state->shares[i].seal, "given",
                                              (int)state->shares[i].given, "needed", (int)state->shares[i].threshold,
                                              "count", (int)state->shares[i].count));
    return list;
}

static json_t *rotation_json(const struct sherd_wire_status *status)
{
    const bool any = status->rotated_s != 0;

    return json_pack("{s:b, s:b, s:o, s:s?, s:s?}", "on", status->rotates, "under_way", status->rotating, "last",
                     any ? json_integer((json_int_t)status->rotated_s) : json_null(), "what",
                     any ? status->rotated : NULL, "error",
                     status->rotation_error[0] != 0 ? status->rotation_error : NULL);
}

static json_t *scrub_json(const struct sherd_wire_status *status)
{
    const bool known = status->scrub_known;

    return json_pack("{s:b, s:b, s:o, s:o, s:s?}", "on", status->scrubs, "under_way", status->scrubbing, "last",
                     known && status->scrubbed_s != 0 ? json_integer((json_int_t)status->scrubbed_s) : json_null(),
                     "open", known ? json_integer((json_int_t)status->scrub_open) : json_null(), "error",
                     status->scrub_error[0] != 0 ? status->scrub_error : NULL);
}

static json_t *outside_json(const struct sherd_wire_status *status)
{
    const bool any = status->cosigned_s != 0;

    return json_pack("{s:I, s:I, s:o, s:I, s:s?}", "witnesses", (json_int_t)status->witnesses, "cosigned_by",
                     (json_int_t)status->cosigners, "cosigned",
                     any ? json_integer((json_int_t)status->cosigned_s) : json_null(), "leaves",
                     (json_int_t)status->cosigned_size, "error",
                     status->outside_error[0] != 0 ? status->outside_error : NULL);
}

static enum sherd_err print_json(const struct state *state)
{
    const struct sherd_wire_status *status = &state->status;

    if (!state->agent)
        return cli_json_print("", json_pack("{s:b, s:b}", "agent", false, "unsealed", false), "\n");
    return cli_json_print("",
                          json_pack("{s:b, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o}", "agent", true,
                                    "unsealed", !status->sealed, "seal", status->seal, "unsealed_s",
                                    (json_int_t)status->unsealed_s, "idle_limit_s", (json_int_t)status->idle_s,
                                    "idle_left_s", (json_int_t)status->idle_left_s, "connections",
                                    (json_int_t)status->peers, "pid", (json_int_t)status->pid, "operators",
                                    status->operators, "shares", shares_json(state), "rotation", rotation_json(status),
                                    "scrub", scrub_json(status), "outside", outside_json(status)),
                          "\n");
}

static void print_rotation(const struct sherd_wire_status *status)
{
    char time[CLI_TIME_TEXT_SIZE];

    if (!status->rotates) {
        cli_print("rotation     off\n");
        return;
    }
    cli_print("rotation     by policy, %s\n", status->rotating ? "under way" : "when it is due");
    if (status->rotated_s == 0)
        return;
    cli_format_time((int64_t)status->rotated_s, time);
    cli_print("rotated      %s%s%s\n", time, status->rotated[0] != 0 ? ": " : "", status->rotated);
    if (status->rotation_error[0] != 0) {
        cli_print("             failed: ");
        cli_print_escaped(sherd_span_str(status->rotation_error));
        cli_print("\n");
    }
}

static void print_scrub(const struct sherd_wire_status *status)
{
    char time[CLI_TIME_TEXT_SIZE] = "never";

    cli_print("scrubbing    %s\n", status->scrubbing ? "under way" : status->scrubs ? "in the background" : "off");
    if (!status->scrub_known)
        return;
    if (status->scrubbed_s != 0)
        cli_format_time((int64_t)status->scrubbed_s, time);
    cli_print("scrubbed     %s, %" PRIu64 " finding%s open\n", time, status->scrub_open,
              status->scrub_open == 1 ? "" : "s");
    if (status->scrub_error[0] != 0) {
        cli_print("             failed: ");
        cli_print_escaped(sherd_span_str(status->scrub_error));
        cli_print("\n");
    }
}

static void print_outside(const struct sherd_wire_status *status)
{
    char time[CLI_TIME_TEXT_SIZE];

    if (status->witnesses > 0 && status->cosigned_s != 0) {
        cli_format_time((int64_t)status->cosigned_s, time);
        cli_print("witnesses    %" PRIu32 " of %" PRIu32 ", last at %s: %" PRIu64 " leaves\n", status->cosigners,
                  status->witnesses, time, status->cosigned_size);
    } else if (status->witnesses > 0) {
        cli_print("witnesses    %" PRIu32 " of %" PRIu32 "\n", status->cosigners, status->witnesses);
    }
    if (status->outside_error[0] == 0)
        return;
    cli_print("outside      failed: ");
    cli_print_escaped(sherd_span_str(status->outside_error));
    cli_print("\n");
}

static void print_text(const struct state *state)
{
    const struct sherd_wire_status *status = &state->status;

    if (!state->agent) {
        cli_print("sealed: no agent runs\n");
        return;
    }
    if (status->sealed)
        cli_print("sealed\n");
    else
        cli_print("unsealed     by %s, %" PRIu64 " s ago\n", status->seal, status->unsealed_s);
    for (size_t i = 0; i < state->count; i++)
        cli_print("shares       %u of %u, for seal %u\n", state->shares[i].given, state->shares[i].threshold,
                  state->shares[i].seal);
    if (status->idle_s == 0)
        cli_print("idle limit   none\n");
    else
        cli_print("idle limit   %" PRIu64 " s, %" PRIu64 " s left\n", status->idle_s, status->idle_left_s);
    if (!status->sealed) {
        print_rotation(status);
        print_scrub(status);
        print_outside(status);
    }
    cli_print("connections  %" PRIu32 ", this one included\n"
              "agent        process %" PRIu64 "%s\n",
              status->peers, status->pid, status->operators ? ", other users may give shares" : "");
}

static enum sherd_err run(struct cli *cli)
{
    SHERD_CLEANUP(sherd_link_freep) struct sherd_link *link = NULL;
    struct state state = {0};
    struct cli_agent_place place;
    const char *path = NULL;

    SHERD_TRY(cli_vault_path(cli, &path));
    SHERD_TRY(cli_agent_place(path, false, &place));
    const enum sherd_err err = cli_agent_connect(path, &place, &link);
    if (err != SHERD_ERR_NOT_FOUND) {
        SHERD_TRY(err);
        SHERD_TRY(cli_agent_status(link, &state.status, state.shares, SHERD_COUNT_OF(state.shares), &state.count));
    }
    state.agent = err == SHERD_OK;
    if (cli->json)
        return print_json(&state);
    print_text(&state);
    return SHERD_OK;
}

const struct cli_command cmd_status = {
    .name = "status",
    .operands = "",
    .summary = "show whether the vault is unsealed, how far unsealing is, and for how long it stays so",
    .run = run,
};
