/* SPDX-License-Identifier: Apache-2.0 */
/* sherd witness: runs the program sherd-witness, which links nothing of the vault, in the place of this one. */
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/cosign.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OPT_NAME, OPT_ADDRESS, OPT_PORT, OPT_ANYWHERE, OPT_POLICY, OPT_CA_FILE, OPT_TIMEOUT };

static const struct cli_option options[] = {
    [OPT_NAME] = {"name", 0, "NAME", "init: the name of its key, such as witness.example.com/w1"},
    [OPT_ADDRESS] = {"address", 0, "ADDR", "run: listen on this address (127.0.0.1)"},
    [OPT_PORT] = {"port", 0, "N", "run: and port (7380); 0 for one that is free"},
    [OPT_ANYWHERE] = {"anywhere", 0, NULL, "run: other machines may reach the address; ask: plain http goes there"},
    [OPT_POLICY] = {"policy", 0, "FILE", "ask: logs, witnesses and quorum (C2SP tlog-policy); - is standard input"},
    [OPT_CA_FILE] = {"ca-file", 0, "FILE", "ask: trust these certificates, and not the system's"},
    [OPT_TIMEOUT] = {"timeout", 0, "MS", "ask: wait no longer for a witness (8000)"},
    {0},
};

/* Its command line: what was given, in that order. */
static void fill(const struct cli *cli, char **args, char (*words)[32])
{
    size_t count = 0;

    args[count++] = words[0];
    memcpy(words[0], "sherd-witness", sizeof("sherd-witness"));
    for (size_t i = 0; i < cli->given_count; i++) {
        const struct cli_given *given = &cli->given[i];

        (void)snprintf(words[i + 1], sizeof(words[i + 1]), "--%s", given->option->name);
        args[count++] = words[i + 1];
        if (given->option->arg != NULL)
            args[count++] = (char *)given->value;
    }
    for (int i = 0; i < cli->operand_count; i++)
        args[count++] = cli->operands[i];
}

static enum sherd_err run(struct cli *cli)
{
    const size_t args_max = 2 * cli->given_count + (size_t)cli->operand_count + 2;
    SHERD_CLEANUP(sherd_freep) char **args = sherd_alloc_array(args_max, sizeof(*args));
    SHERD_CLEANUP(sherd_freep) char(*words)[32] = sherd_alloc_array(cli->given_count + 1, sizeof(*words));
    char program[PATH_MAX];

    if (args == NULL || words == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_TRY(cli_witness_program(program));
    fill(cli, args, words);
    (void)execv(program, args);
    return sherd_fail_errno(SHERD_ERR_IO, "%s", program);
}

const struct cli_command cmd_witness = {
    .name = "witness",
    .operands = "init DIR | key DIR | add DIR VKEY | logs DIR | run DIR | ask DIR",
    .summary = "run a witness of ledgers, which cosigns what continues what it has seen",
    .notes = "A witness needs no vault, and should run on another machine than those whose ledgers it cosigns.\n"
             "`witness ask` asks the witnesses of a policy about the log in a directory, which need not be a vault's.",
    .options = options,
    .operand_min = 1,
    .operand_max = 3,
    .run = run,
};
