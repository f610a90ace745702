/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's process: connections, who may do what, unsealing, idle limit. The main thread accepts and keeps the time;
 * each connection has a thread.
 *
 * Full service is for the owner of the vault's directory alone, as the kernel names it. Root is no exception: what root
 * did would leave files in the vault that its owner cannot open, and no script that happens to run as root shall have
 * the keys. It is no barrier against root, which can read any process.
 */
#include "anchor/agent/operators.h"
#include "anchor/agent/serve.h"
#include "anchor/embedded/embedded.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "cli/agent.h"
#include "cli/cli.h"
#include "cli/cosign.h"
#include "cli/rotation.h"
#include "cli/scrubbing.h"
#include "cryptor/vault.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Connections of all, of all who are not the owner, and of each of those. */
#define PEERS_MAX 64U
#define STRANGERS_MAX 16U
#define STRANGER_MAX 2U
/* A peer that is not the owner says what it wants in that time, each time. */
#define STRANGER_PATIENCE_MS 10000U
/* A sealed agent of which nobody wants anything ends. */
#define SEALED_S 900U
#define SECOND_NS ((uint64_t)1000000000)

struct peer {
    struct agent *agent;
    struct sherd_link *link;
    uid_t uid;
    bool uses; /* it has made a call of the anchor: as long as it is there, the agent is not idle */
    struct peer *next;
};

/* A key store that the owner named before the vault could be opened; lies in secret memory. */
struct waiting_key_store {
    char path[SHERD_KEY_STORE_PATH_SIZE];
    size_t password_bytes;
    uint8_t password[SHERD_KEY_STORE_PASSWORD_BYTES_MAX];
};

struct agent {
    const struct cli_agent_options *options;
    int wake;             /* an eventfd: the main thread looks again */
    pthread_mutex_t gate; /* one at a time unseals; guards operators and key_store. Taken before lock */
    struct sherd_operators *operators;
    struct waiting_key_store *key_store; /* NULL: none */
    bool unwitnessed;                    /* the owner said so; guarded by gate */
    pthread_mutex_t lock;                /* guards all that follows */
    pthread_cond_t left;
    struct sherd_vault *vault;       /* NULL while sealed */
    struct cli_rotation *rotation;   /* NULL while sealed, and where nobody wants it */
    struct cli_scrubbing *scrubbing; /* likewise */
    struct cli_cosigner *cosigner;   /* NULL while sealed */
    char seal[32];
    uint64_t idle_s;
    uint64_t used_ns;
    uint64_t unsealed_ns;
    bool stop;
    struct peer *peers;
    unsigned peer_count;
};

static void wake(struct agent *agent)
{
    const uint64_t one = 1;

    if (write(agent->wake, &one, sizeof(one)) < 0)
        return; /* it is awake already */
}

static struct agent *agent_of(void *arg)
{
    return ((struct peer *)arg)->agent;
}

static bool is_owner(const struct agent *agent, uid_t uid)
{
    return uid == agent->options->place.owner;
}

/* --- what peers ask for ------------------------------------------------------------------------------------------- */

static enum sherd_err host_enter(void *arg, uid_t uid, struct sherd_anchor **out_anchor)
{
    struct agent *agent = agent_of(arg);

    SHERD_ENSURE(is_owner(agent, uid), SHERD_ERR_DENIED,
                 "the agent serves the owner of the vault's directory, and nobody else, not even root");
    (void)pthread_mutex_lock(&agent->lock);
    struct sherd_vault *vault = agent->vault;
    agent->used_ns = sherd_clock()->monotonic_ns();
    ((struct peer *)arg)->uses = vault != NULL;
    (void)pthread_mutex_unlock(&agent->lock);
    SHERD_ENSURE(vault != NULL, SHERD_ERR_SEALED, "the vault is sealed: `sherd unseal`");
    *out_anchor = vault->anchor; /* which ends after the last peer */
    return SHERD_OK;
}

static void host_leave(void *arg)
{
    struct agent *agent = agent_of(arg);

    (void)pthread_mutex_lock(&agent->lock);
    agent->used_ns = sherd_clock()->monotonic_ns();
    (void)pthread_mutex_unlock(&agent->lock);
}

static void host_hello(void *arg, struct sherd_wire_hello *out_hello)
{
    struct agent *agent = agent_of(arg);
    struct sherd_secret_stat memory;

    sherd_secret_stat(&memory);
    out_hello->memory_locked = memory.locked;
    out_hello->memory_secret = memory.memfd_secret;
    (void)pthread_mutex_lock(&agent->lock);
    memcpy(out_hello->seal, agent->seal, sizeof(out_hello->seal));
    (void)pthread_mutex_unlock(&agent->lock);
}

static bool in_use(const struct agent *agent)
{
    for (const struct peer *peer = agent->peers; peer != NULL; peer = peer->next)
        if (peer->uses)
            return true;
    return false;
}

/* A rotation that is under way is work, too; one that waits is none. */
static bool rotates(const struct agent *agent)
{
    struct cli_rotation_status status;

    cli_rotation_look(agent->rotation, &status);
    return status.under_way;
}

/* When it ends if nothing happens; UINT64_MAX if it does not. The lock is held. */
static uint64_t deadline_ns(const struct agent *agent)
{
    const uint64_t limit_s = agent->vault == NULL ? SEALED_S : agent->idle_s;

    if (limit_s == 0 || in_use(agent) || rotates(agent))
        return UINT64_MAX;
    return agent->used_ns + limit_s * SECOND_NS;
}

/* What keys there are is for the owner alone. The lock is held. */
static void tell_rotation(const struct agent *agent, uid_t uid, struct sherd_wire_status *out_status)
{
    struct cli_rotation_status rotation;

    cli_rotation_look(agent->rotation, &rotation);
    out_status->rotates = !agent->options->no_rotation;
    out_status->rotating = rotation.under_way;
    out_status->rotated_s = (uint64_t)rotation.ended_s;
    if (uid != agent->options->place.owner)
        return;
    memcpy(out_status->rotated, rotation.what, sizeof(out_status->rotated));
    memcpy(out_status->rotation_error, rotation.error, sizeof(out_status->rotation_error));
}

/* What was found is for the owner alone. The book is read without the lock: only the agent's end closes a vault. */
static void tell_scrubbing(struct agent *agent, uid_t uid, struct sherd_wire_status *out_status)
{
    struct cli_scrubbing_status scrubbing;
    struct sherd_scrub_status book;

    (void)pthread_mutex_lock(&agent->lock);
    struct sherd_vault *vault = agent->vault;
    cli_scrubbing_look(agent->scrubbing, &scrubbing);
    (void)pthread_mutex_unlock(&agent->lock);
    out_status->scrubs = !agent->options->no_scrub;
    out_status->scrubbing = scrubbing.under_way;
    if (vault == NULL || uid != agent->options->place.owner)
        return;
    memcpy(out_status->scrub_error, scrubbing.error, sizeof(out_status->scrub_error));
    if (sherd_scrub_status(vault, &book) != SHERD_OK)
        return;
    out_status->scrub_known = !book.lost;
    out_status->scrubbed_s = (uint64_t)book.last.ended_s;
    out_status->scrub_open = book.open_count + book.dropped_count;
}

/* Whom the owner asks is for him alone. The lock is held. */
static void tell_outside(const struct agent *agent, uid_t uid, struct sherd_wire_status *out_status)
{
    struct cli_cosigner_status outside;

    cli_cosigner_look(agent->cosigner, &outside);
    out_status->witnesses = outside.witness_count;
    out_status->cosigners = outside.cosigner_count;
    out_status->cosigned_s = outside.cosigned_s;
    out_status->cosigned_size = outside.cosigned_size;
    if (uid == agent->options->place.owner)
        memcpy(out_status->outside_error, outside.error, sizeof(out_status->outside_error));
}

static void host_status(void *arg, uid_t uid, struct sherd_wire_status *out_status,
                        struct sherd_wire_progress *out_progress, size_t max, size_t *out_count)
{
    struct agent *agent = agent_of(arg);
    const uint64_t now_ns = sherd_clock()->monotonic_ns();

    tell_scrubbing(agent, uid, out_status);
    (void)pthread_mutex_lock(&agent->gate);
    *out_count = sherd_operators_progress(agent->operators, out_progress, max);
    (void)pthread_mutex_lock(&agent->lock);
    const uint64_t end_ns = deadline_ns(agent);
    out_status->pid = (uint64_t)getpid();
    out_status->sealed = agent->vault == NULL;
    memcpy(out_status->seal, agent->seal, sizeof(out_status->seal));
    out_status->idle_s = agent->idle_s;
    if (agent->idle_s != 0)
        out_status->idle_left_s = end_ns == UINT64_MAX ? agent->idle_s
                                  : end_ns > now_ns    ? (end_ns - now_ns + SECOND_NS - 1) / SECOND_NS
                                                       : 0;
    out_status->unsealed_s = agent->vault != NULL ? (now_ns - agent->unsealed_ns) / SECOND_NS : 0;
    out_status->peers = agent->peer_count;
    out_status->operators = agent->options->operators;
    tell_outside(agent, uid, out_status);
    tell_rotation(agent, uid, out_status); /* all else is no secret to those who reach the socket */
    (void)pthread_mutex_unlock(&agent->lock);
    (void)pthread_mutex_unlock(&agent->gate);
}

/* --- unsealing ---------------------------------------------------------------------------------------------------- */

static bool is_unsealed(struct agent *agent)
{
    (void)pthread_mutex_lock(&agent->lock);
    const bool unsealed = agent->vault != NULL;
    (void)pthread_mutex_unlock(&agent->lock);
    return unsealed;
}

static void forget_key_store(struct agent *agent)
{
    sherd_secret_free(agent->key_store);
    agent->key_store = NULL;
}

static enum sherd_err take_key_store(struct agent *agent, uid_t uid, const struct sherd_wire_key_store *given)
{
    SHERD_ENSURE(is_owner(agent, uid), SHERD_ERR_DENIED,
                 "the key store is named by the owner of the vault's directory; others give shares");
    if (agent->key_store == NULL)
        agent->key_store = sherd_secret_alloc(sizeof(*agent->key_store));
    if (agent->key_store == NULL)
        return SHERD_ERR_NO_MEMORY;
    memcpy(agent->key_store->path, given->path, sizeof(agent->key_store->path));
    agent->key_store->password_bytes = given->password.len;
    memcpy(agent->key_store->password, given->password.data, given->password.len);
    return SHERD_OK;
}

static void wake_for_rotation(void *arg)
{
    wake(arg);
}

/* Without it the vault serves as well, and `sherd rekey --due` does by hand what is due. */
static struct cli_rotation *begin_rotation(struct agent *agent, struct sherd_vault *vault)
{
    struct cli_rotation *rotation = NULL;

    if (agent->options->no_rotation ||
        cli_rotation_new(vault, agent->options->rotation_rate, wake_for_rotation, agent, &rotation) != SHERD_OK)
        return NULL;
    return rotation;
}

/* The ledger has it before anything is served; where it cannot, nothing is. */
static enum sherd_err say_unsealed(struct sherd_vault **vault)
{
    char detail[SHERD_FAIL_TEXT_SIZE];

    const enum sherd_err err = sherd_anchor_unsealed((*vault)->anchor);
    if (err == SHERD_OK)
        return SHERD_OK;
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    sherd_vault_close(*vault);
    *vault = NULL;
    sherd_fail_restore(detail);
    return err;
}

/* Without it the vault serves as well, and `sherd policy cosign` does it by hand. */
static struct cli_cosigner *begin_cosigner(const struct agent *agent, struct sherd_vault *vault)
{
    struct cli_cosigner *cosigner = NULL;

    if (cli_cosigner_new(agent->options->place.vault, vault, &cosigner) != SHERD_OK)
        return NULL;
    return cosigner;
}

/* One that is behind what witnesses have seen is not taken for unsealed. */
static enum sherd_err open_current(const struct agent *agent, const struct sherd_unseal *unseal,
                                   const struct sherd_vault_open_options *options, struct sherd_vault **out_vault)
{
    struct sherd_vault *vault = NULL;

    SHERD_TRY(sherd_vault_open(agent->options->place.vault, unseal, options, &vault));
    const enum sherd_err err = cli_cosign_check(agent->options->place.vault, vault, agent->unwitnessed);
    if (err == SHERD_OK) {
        *out_vault = vault;
        return SHERD_OK;
    }
    char detail[SHERD_FAIL_TEXT_SIZE];

    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    sherd_vault_close(vault);
    sherd_fail_restore(detail);
    return err;
}

/* Without it `sherd scrub` does the same by hand. */
static struct cli_scrubbing *begin_scrubbing(struct agent *agent, struct sherd_vault *vault)
{
    const struct cli_scrubbing_options options = {.rate = agent->options->scrub_rate,
                                                  .every_s = agent->options->scrub_every_s};
    struct cli_scrubbing *scrubbing = NULL;

    if (agent->options->no_scrub || cli_scrubbing_new(vault, &options, &scrubbing) != SHERD_OK)
        return NULL;
    return scrubbing;
}

/* The vault has its own copy, once it is open; and what did not open it is not tried again. */
static enum sherd_err open_vault(struct agent *agent, const struct sherd_unseal *unseal)
{
    const struct waiting_key_store *waiting = agent->key_store;
    struct sherd_key_store_file key_store;
    struct sherd_vault_open_options options = {.threads = 1};
    struct sherd_vault *vault = NULL;

    if (waiting != NULL) {
        key_store.path = waiting->path[0] != 0 ? waiting->path : NULL;
        key_store.password = sherd_span_of(waiting->password, waiting->password_bytes);
        options.key_store = &key_store;
    }
    const enum sherd_err err = open_current(agent, unseal, &options, &vault);
    forget_key_store(agent);
    agent->unwitnessed = false; /* said of this time alone */
    SHERD_TRY(err);
    SHERD_TRY(say_unsealed(&vault));
    struct cli_rotation *rotation = begin_rotation(agent, vault);
    struct cli_scrubbing *scrubbing = begin_scrubbing(agent, vault);
    struct cli_cosigner *cosigner = begin_cosigner(agent, vault);
    (void)pthread_mutex_lock(&agent->lock);
    agent->vault = vault;
    agent->rotation = rotation;
    agent->scrubbing = scrubbing;
    agent->cosigner = cosigner;
    memcpy(agent->seal, vault->seal, sizeof(agent->seal));
    agent->unsealed_ns = sherd_clock()->monotonic_ns();
    agent->used_ns = agent->unsealed_ns;
    (void)pthread_mutex_unlock(&agent->lock);
    sherd_operators_forget(agent->operators, 0);
    wake(agent);
    return SHERD_OK;
}

static enum sherd_err check_shares(void *arg, struct sherd_span shares, struct sherd_wire_unsealed *out_progress)
{
    const struct agent *agent = arg;
    struct sherd_shares_progress progress;

    SHERD_TRY(sherd_shares_check(agent->options->place.vault, shares, &progress));
    out_progress->progress = (struct sherd_wire_progress){.seal = (uint8_t)progress.number,
                                                          .given = (uint8_t)progress.given,
                                                          .threshold = (uint8_t)progress.needed,
                                                          .count = (uint8_t)progress.count};
    memcpy(out_progress->holders, progress.holders, sizeof(out_progress->holders));
    memcpy(out_progress->missing, progress.missing, sizeof(out_progress->missing));
    return SHERD_OK;
}

/*
 * Enough shares, which were checked when they were given: what is wrong now is mostly the key store, and then they are
 * kept. Where it was named by somebody else before, that is no failure of who gives the last share.
 */
static enum sherd_err open_by_shares(struct agent *agent, struct sherd_span shares, unsigned seal, bool named_now)
{
    const struct sherd_unseal unseal = {.shares = shares};
    const bool named = agent->key_store != NULL;
    char detail[SHERD_FAIL_TEXT_SIZE];

    const enum sherd_err err = open_vault(agent, &unseal);
    if (err == SHERD_OK || (named && named_now))
        return err;
    if (!named && err != SHERD_ERR_SEALED) {
        sherd_operators_forget(agent->operators, seal);
        return err;
    }
    (void)snprintf(detail, sizeof(detail), "%s", sherd_err_detail());
    return sherd_fail(SHERD_ERR_SEALED, "there are enough shares, which wait for the key store: %.190s", detail);
}

/* Shares, mostly one; with the last one that is needed, all of them unseal. */
static enum sherd_err take_shares(struct agent *agent, const struct sherd_wire_unseal *unseal,
                                  struct sherd_wire_unsealed *out)
{
    struct sherd_span all;

    SHERD_TRY(sherd_operators_give(agent->operators, unseal->secret, check_shares, agent, out, &all));
    return all.len > 0 ? open_by_shares(agent, all, out->progress.seal, unseal->key_store.given) : SHERD_OK;
}

/* The key store alone: for shares that wait for it, or are yet to come. */
static enum sherd_err open_waiting(struct agent *agent)
{
    unsigned seal = 0;
    const struct sherd_span all = sherd_operators_ready(agent->operators, &seal);

    return all.len > 0 ? open_by_shares(agent, all, seal, true) : SHERD_OK;
}

static enum sherd_err unseal_by(struct agent *agent, uid_t uid, const struct sherd_wire_unseal *unseal,
                                struct sherd_wire_unsealed *out)
{
    struct sherd_unseal by = {0};

    if (unseal->key_store.given)
        SHERD_TRY(take_key_store(agent, uid, &unseal->key_store));
    if (unseal->kind == SHERD_WIRE_KEY_STORE)
        return open_waiting(agent);
    if (unseal->kind == SHERD_WIRE_SHARES)
        return take_shares(agent, unseal, out);
    SHERD_ENSURE(is_owner(agent, uid), SHERD_ERR_DENIED,
                 "a passphrase or key file is taken from the owner of the vault's directory; others give shares");
    if (unseal->kind == SHERD_WIRE_PASSPHRASE)
        by.passphrase = unseal->secret;
    else
        by.key_file = unseal->secret;
    return open_vault(agent, &by);
}

static enum sherd_err unseal_in_turn(struct agent *agent, uid_t uid, const struct sherd_wire_unseal *unseal,
                                     struct sherd_wire_unsealed *out)
{
    SHERD_TRY(sherd_operators_admit(agent->operators, uid));
    agent->unwitnessed = agent->unwitnessed || (is_owner(agent, uid) && unseal->unwitnessed);
    const enum sherd_err err = unseal_by(agent, uid, unseal, out);
    sherd_operators_tried(agent->operators, uid, err);
    return err;
}

static enum sherd_err host_unseal(void *arg, uid_t uid, const struct sherd_wire_unseal *unseal,
                                  struct sherd_wire_unsealed *out_unsealed)
{
    struct agent *agent = agent_of(arg);
    struct sherd_wire_unsealed unsealed = {0};

    (void)pthread_mutex_lock(&agent->gate);
    const bool sealed = !is_unsealed(agent);
    const enum sherd_err err = sealed ? unseal_in_turn(agent, uid, unseal, &unsealed)
                                      : SHERD_OK; /* somebody else did */
    (void)pthread_mutex_unlock(&agent->gate);
    SHERD_TRY(err);
    (void)pthread_mutex_lock(&agent->lock);
    if (sealed || is_owner(agent, uid)) /* shares for one that is unsealed do not keep it from ending */
        agent->used_ns = sherd_clock()->monotonic_ns();
    if (unseal->has_idle && is_owner(agent, uid))
        agent->idle_s = unseal->idle_s;
    (void)pthread_mutex_unlock(&agent->lock);
    wake(agent);
    unsealed.unsealed = is_unsealed(agent);
    *out_unsealed = unsealed;
    return SHERD_OK;
}

static enum sherd_err host_seal(void *arg, uid_t uid)
{
    struct agent *agent = agent_of(arg);

    SHERD_ENSURE(is_owner(agent, uid), SHERD_ERR_DENIED,
                 "the agent is sealed by the owner of the vault's directory alone");
    (void)pthread_mutex_lock(&agent->lock);
    agent->stop = true;
    (void)pthread_mutex_unlock(&agent->lock);
    wake(agent);
    return SHERD_OK;
}

static const struct sherd_serve_host host = {
    .enter = host_enter,
    .leave = host_leave,
    .hello = host_hello,
    .status = host_status,
    .unseal = host_unseal,
    .seal = host_seal,
};

/* --- connections -------------------------------------------------------------------------------------------------- */

static void forget_peer(struct peer *peer)
{
    struct agent *agent = peer->agent;

    (void)pthread_mutex_lock(&agent->lock);
    for (struct peer **at = &agent->peers; *at != NULL; at = &(*at)->next)
        if (*at == peer) {
            *at = peer->next;
            break;
        }
    agent->peer_count--;
    if (peer->uses)
        agent->used_ns = sherd_clock()->monotonic_ns();
    sherd_link_free(peer->link);
    sherd_free(peer);
    (void)pthread_cond_signal(&agent->left);
    wake(agent);
    (void)pthread_mutex_unlock(&agent->lock);
}

static void *serve_peer(void *arg)
{
    struct peer *peer = arg;

    sherd_serve(peer->link, peer->uid, &host, peer);
    forget_peer(peer);
    return NULL;
}

/* May one more of that user come in? The lock is held. */
static bool has_room(const struct agent *agent, uid_t uid)
{
    unsigned strangers = 0;
    unsigned same = 0;

    for (const struct peer *peer = agent->peers; peer != NULL; peer = peer->next) {
        strangers += !is_owner(agent, peer->uid);
        same += peer->uid == uid;
    }
    if (is_owner(agent, uid))
        return same < PEERS_MAX - STRANGERS_MAX;
    return strangers < STRANGERS_MAX && same < STRANGER_MAX;
}

static enum sherd_err begin_peer(struct peer *peer)
{
    pthread_attr_t detached;
    pthread_t thread;

    if (pthread_attr_init(&detached) != 0)
        return sherd_fail(SHERD_ERR_NO_MEMORY, "no thread for one more connection");
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    const int failed = pthread_create(&thread, &detached, serve_peer, peer);
    (void)pthread_attr_destroy(&detached);
    SHERD_ENSURE(failed == 0, SHERD_ERR_NO_MEMORY, "no thread for one more connection");
    return SHERD_OK;
}

/* A connection that gets in. */
static void add_peer(struct agent *agent, struct sherd_link *link, uid_t uid)
{
    struct peer *peer = sherd_alloc(sizeof(*peer));

    if (peer == NULL) {
        sherd_link_free(link);
        return;
    }
    *peer = (struct peer){.agent = agent, .link = link, .uid = uid};
    (void)pthread_mutex_lock(&agent->lock);
    const bool room = has_room(agent, uid);
    peer->next = agent->peers;
    agent->peers = peer;
    agent->peer_count++;
    (void)pthread_mutex_unlock(&agent->lock);
    if (!is_owner(agent, uid))
        sherd_link_patience(link, STRANGER_PATIENCE_MS);
    if (room && begin_peer(peer) == SHERD_OK)
        return;
    if (!room)
        sherd_serve_refuse(link, sherd_fail(SHERD_ERR_BUSY, "too many connections to the agent: try again"));
    forget_peer(peer);
}

static void accept_one(struct agent *agent, int listening)
{
    const int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred peer = {0};
    socklen_t bytes = sizeof(peer);
    struct sherd_link *link = NULL;

    if (fd < 0)
        return; /* it has gone again, or there is no room for a descriptor: the next one may fare better */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) {
        (void)close(fd);
        return;
    }
    if (sherd_link_new(fd, &link) == SHERD_OK)
        add_peer(agent, link, peer.uid);
}

/* --- the main thread ---------------------------------------------------------------------------------------------- */

/* How long until it must look at the clock again, in ms; -1: not at all; -2: it is time to end. */
static int time_left_ms(struct agent *agent)
{
    const uint64_t now_ns = sherd_clock()->monotonic_ns();
    int left_ms = -2;

    (void)pthread_mutex_lock(&agent->lock);
    const uint64_t end_ns = deadline_ns(agent);
    if (!agent->stop && end_ns == UINT64_MAX)
        left_ms = -1;
    else if (!agent->stop && end_ns > now_ns)
        left_ms = (end_ns - now_ns) / 1000000U >= INT_MAX ? INT_MAX : (int)((end_ns - now_ns) / 1000000U) + 1;
    (void)pthread_mutex_unlock(&agent->lock);
    return left_ms;
}

/* Signals are for the main thread while it waits, and for nobody else: threads inherit that they are blocked. */
static void block_signals(sigset_t *before)
{
    sigset_t ends;

    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigaddset(&ends, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &ends, before);
}

static void run(struct agent *agent, int listening)
{
    struct pollfd polled[] = {{.fd = listening, .events = POLLIN}, {.fd = agent->wake, .events = POLLIN}};
    uint64_t woken = 0;
    sigset_t waiting;

    block_signals(&waiting);
    while (cli_signal_caught() == 0) {
        const int left_ms = time_left_ms(agent);
        const struct timespec left = {.tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000L};

        if (left_ms == -2)
            return;
        if (ppoll(polled, SHERD_COUNT_OF(polled), left_ms < 0 ? NULL : &left, &waiting) < 0)
            continue;
        if ((polled[0].revents & POLLIN) != 0)
            accept_one(agent, listening);
        if ((polled[1].revents & POLLIN) != 0 && read(agent->wake, &woken, sizeof(woken)) < 0)
            continue;
    }
}

/* Nobody gets in any more; calls that are under way end in order; then the keys are wiped. */
static void end(struct agent *agent)
{
    (void)unlink(agent->options->place.socket);
    (void)pthread_mutex_lock(&agent->lock);
    cli_rotation_stop(agent->rotation);
    cli_scrubbing_stop(agent->scrubbing);
    cli_cosigner_stop(agent->cosigner);
    while (agent->peers != NULL) {
        for (const struct peer *peer = agent->peers; peer != NULL; peer = peer->next)
            (void)shutdown(sherd_link_fd(peer->link), SHUT_RD);
        (void)pthread_cond_wait(&agent->left, &agent->lock);
    }
    (void)pthread_mutex_unlock(&agent->lock);
    cli_rotation_free(agent->rotation);
    cli_scrubbing_free(agent->scrubbing);
    if (agent->vault != NULL && sherd_anchor_sealed(agent->vault->anchor) != SHERD_OK)
        sherd_fail_restore(""); /* it ends nevertheless; what it gave out is noted, and the next one takes it */
    cli_cosigner_free(agent->cosigner);
    sherd_vault_close(agent->vault);
    sherd_operators_free(agent->operators);
    forget_key_store(agent);
    (void)close(agent->wake);
}

void cli_agent_serve(const struct cli_agent_options *options, int listening)
{
    struct agent agent = {
        .options = options, .idle_s = options->idle_s, .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    cli_signals_defer();
    agent.used_ns = sherd_clock()->monotonic_ns();
    if (agent.wake >= 0 && pthread_mutex_init(&agent.gate, NULL) == 0 && pthread_mutex_init(&agent.lock, NULL) == 0 &&
        pthread_cond_init(&agent.left, NULL) == 0 &&
        sherd_operators_new(options->place.owner, &agent.operators) == SHERD_OK)
        run(&agent, listening);
    (void)close(listening);
    end(&agent);
}
