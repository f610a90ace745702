/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the requests to a witness: what it has cosigned only grows, and is what it shows. */
#include "crypto/init.h"
#include "ledger.h"
#include "witness/witness.h"
#include <stdio.h>
#include <unistd.h>

#define LOG_KEY "sherd.example/log+8a3742f1+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"

static struct sherd_witness *witness;
static char folder[64];

static void tidy(void)
{
    char path[128];
    static const char *const names[] = {"logs/77a61e392cc744b9b93fbeae7cd9444a3da35b8b9cda23612a059b4a4670b238", "logs",
                                        "key", "turn", ""};

    sherd_witness_close(witness);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        (void)remove(path);
    }
}

static void begin(void)
{
    (void)snprintf(folder, sizeof(folder), "%s/sherd-fuzz-witness-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (sherd_crypto_init() != SHERD_OK || mkdtemp(folder) == NULL ||
        sherd_witness_make(folder, "w2.example") != SHERD_OK || sherd_witness_open(folder, &witness) != SHERD_OK ||
        sherd_witness_log_add(witness, LOG_KEY) != SHERD_OK || atexit(tidy) != 0)
        abort();
}

static enum sherd_err take_size(void *arg, const struct sherd_witness_log *log)
{
    *(uint64_t *)arg = log->size;
    return SHERD_OK;
}

static uint64_t size_now(void)
{
    uint64_t size = 0;

    if (sherd_witness_log_each(witness, take_size, &size) != SHERD_OK)
        abort();
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sherd_witness_answer answer = {0};

    if (witness == NULL)
        begin();
    const uint64_t before = size_now();
    if (sherd_witness_add_checkpoint(witness, sherd_span_of(data, size), &answer) != SHERD_OK)
        abort();
    const uint64_t after = size_now();
    if (after < before || (answer.status != 200 && after != before) || answer.body.len == 0)
        abort();
    sherd_buf_done(&answer.body);
    return 0;
}
