/* SPDX-License-Identifier: Apache-2.0 */
/* sherd status: whether an agent runs, and whether it has the vault unsealed. */
#include "anchor/serve.h"
#include "cli/agent.h"
#include "cli/commands.h"
#include "cli/json.h"

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

static enum sherd_err print_json(const struct state *state)
{
    const struct sherd_wire_status *status = &state->status;

    if (!state->agent)
        return cli_json_print("", json_pack("{s:b, s:b}", "agent", false, "unsealed", false), "\n");
    return cli_json_print("",
                          json_pack("{s:b, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "agent", true, "unsealed",
                                    !status->sealed, "seal", status->seal, "unsealed_s", (json_int_t)status->unsealed_s,
                                    "idle_limit_s", (json_int_t)status->idle_s, "idle_left_s",
                                    (json_int_t)status->idle_left_s, "connections", (json_int_t)status->peers, "pid",
                                    (json_int_t)status->pid, "operators", status->operators, "shares",
                                    shares_json(state)),
                          "\n");
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
