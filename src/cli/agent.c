/* SPDX-License-Identifier: Apache-2.0 */
/* The agent seen from outside: where it is, starting it, asking it. See agent.h; the process itself: agent_serve.c. */
#include "cli/agent.h"
#include "cli/cli.h"
#include "cli/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHARED_FOLDER "/tmp/sherd-"
/* How long an agent may take to begin to listen, and to end. */
#define START_MS 10000
#define END_MS 30000

/* --- where it is -------------------------------------------------------------------------------------------------- */

/*
 * By the directory itself and not by the vault's id: a copy of a vault has the same id, and an agent of its own. And
 * so that operators find it who may not look into the vault.
 */
static enum sherd_err name_socket(const struct stat *st, struct cli_agent_place *place)
{
    const int len = snprintf(place->socket, sizeof(place->socket), "%s/%" PRIxMAX "-%" PRIxMAX ".sock", place->folder,
                             (uintmax_t)st->st_dev, (uintmax_t)st->st_ino);

    if (len < 0 || (size_t)len >= sizeof(place->socket))
        return sherd_fail(
            SHERD_ERR_LIMIT,
            "the path of the runtime folder is too long for a socket: set XDG_RUNTIME_DIR to a shorter one");
    (void)snprintf(place->lock, sizeof(place->lock), "%.*s.lock", len - (int)strlen(".sock"), place->socket);
    return SHERD_OK;
}

enum sherd_err cli_agent_place(const char *vault, bool shared, struct cli_agent_place *out_place)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    struct cli_agent_place place = {0};
    struct stat st;
    int len = 0;

    if (realpath(vault, place.vault) == NULL || stat(place.vault, &st) != 0)
        return sherd_fail_errno(errno == ENOENT ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO, "%.120s", vault);
    place.owner = st.st_uid;
    place.shared = shared || runtime == NULL || runtime[0] != '/' || geteuid() != place.owner;
    if (place.shared)
        len = snprintf(place.folder, sizeof(place.folder), SHARED_FOLDER "%" PRIuMAX, (uintmax_t)place.owner);
    else
        len = snprintf(place.folder, sizeof(place.folder), "%s/sherd", runtime);
    if (len < 0 || (size_t)len >= sizeof(place.folder))
        return sherd_fail(
            SHERD_ERR_LIMIT,
            "the path of the runtime folder is too long for a socket: set XDG_RUNTIME_DIR to a shorter one");
    SHERD_TRY(name_socket(&st, &place));
    *out_place = place;
    return SHERD_OK;
}

enum sherd_err cli_agent_connect(const char *vault, struct cli_agent_place *out_place, struct sherd_link **out_link)
{
    struct cli_agent_place place;

    SHERD_TRY(cli_agent_place(vault, false, &place));
    enum sherd_err err = sherd_link_connect(place.socket, place.owner, out_link);
    if (err == SHERD_ERR_NOT_FOUND && !place.shared) {
        SHERD_TRY(cli_agent_place(vault, true, &place));
        err = sherd_link_connect(place.socket, place.owner, out_link);
    }
    SHERD_TRY(err);
    *out_place = place;
    return SHERD_OK;
}

/* --- starting it -------------------------------------------------------------------------------------------------- */

/* The folder is this user's, and nobody else puts anything into it. */
static enum sherd_err make_folder(const struct cli_agent_place *place)
{
    struct stat st;

    if (mkdir(place->folder, S_IRWXU) != 0 && errno != EEXIST)
        return sherd_fail_errno(SHERD_ERR_IO, "%s cannot be made, set XDG_RUNTIME_DIR to a directory of yours",
                                place->folder);
    if (lstat(place->folder, &st) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s", place->folder);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return sherd_fail(SHERD_ERR_DENIED,
                          "%s is not a directory that only you can write: remove it, or set "
                          "XDG_RUNTIME_DIR",
                          place->folder);
    if (place->shared && chmod(place->folder, S_IRWXU | S_IXGRP | S_IXOTH) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s", place->folder);
    return SHERD_OK;
}

/* The one who has the lock is the agent; what an agent that was killed has left is in nobody's way. */
static enum sherd_err take_place(const struct cli_agent_options *options, int *out_lock)
{
    const int lock = open(options->place.lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);

    if (lock < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "%s", options->place.lock);
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        (void)close(lock);
        return sherd_fail(SHERD_ERR_BUSY, "another agent runs for this vault");
    }
    (void)unlink(options->place.socket);
    *out_lock = lock;
    return SHERD_OK;
}

static enum sherd_err listen_at(const struct cli_agent_options *options, int *out_listening)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const mode_t mode = options->operators ? S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP | S_IROTH | S_IWOTH
                                           : S_IRUSR | S_IWUSR;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, options->place.socket, strlen(options->place.socket) + 1);
    (void)umask(S_IRWXG | S_IRWXO);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(options->place.socket, mode) != 0 || listen(fd, SOMAXCONN) != 0) {
        const enum sherd_err err = sherd_fail_errno(SHERD_ERR_IO, "%s", options->place.socket);

        if (fd >= 0)
            (void)close(fd);
        return err;
    }
    *out_listening = fd;
    return SHERD_OK;
}

/* Nothing of the terminal and the files of whoever started it stays open. */
static void detach(int *ready)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)setsid();
    if (chdir("/") != 0)
        _exit(CLI_EXIT_FAILURE);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)
        _exit(CLI_EXIT_FAILURE);
    if (*ready != STDERR_FILENO + 1 && dup2(*ready, STDERR_FILENO + 1) < 0)
        _exit(CLI_EXIT_FAILURE);
    *ready = STDERR_FILENO + 1;
    if (close_range(STDERR_FILENO + 2, ~0U, 0) != 0)
        _exit(CLI_EXIT_FAILURE);
    (void)fcntl(*ready, F_SETFD, FD_CLOEXEC);
}

/* In the child. What goes wrong is told through the pipe: a code, and the text. */
static void be_agent(const struct cli_agent_options *options, int ready)
{
    char told[1 + SHERD_FAIL_TEXT_SIZE] = {0};
    int lock = -1;
    int listening = -1;

    detach(&ready);
    enum sherd_err err = take_place(options, &lock);
    if (err == SHERD_OK)
        err = listen_at(options, &listening);
    told[0] = (char)err;
    if (err != SHERD_OK)
        (void)snprintf(told + 1, sizeof(told) - 1, "%s", sherd_err_detail());
    if (write(ready, told, sizeof(told)) < 0)
        _exit(CLI_EXIT_FAILURE);
    (void)close(ready);
    if (err == SHERD_OK)
        cli_agent_serve(options, listening);
    exit(err == SHERD_OK ? CLI_EXIT_OK : CLI_EXIT_FAILURE);
}

/* In the parent: wait for what the child says. */
static enum sherd_err hear(int ready)
{
    char told[1 + SHERD_FAIL_TEXT_SIZE];
    struct pollfd polled = {.fd = ready, .events = POLLIN};
    size_t len = 0;

    if (poll(&polled, 1, START_MS) <= 0)
        return sherd_fail(SHERD_ERR_IO, "the agent does not start");
    if (cli_read_full(ready, "the agent", told, sizeof(told), &len) != SHERD_OK || len != sizeof(told))
        return sherd_fail(SHERD_ERR_IO, "the agent ended before it began");
    if (told[0] == SHERD_OK || told[0] == SHERD_ERR_BUSY) /* BUSY: another one was first, and serves as well */
        return SHERD_OK;
    told[sizeof(told) - 1] = '\0';
    return sherd_fail((enum sherd_err)told[0], "%s", told + 1);
}

enum sherd_err cli_agent_start(const struct cli_agent_options *options)
{
    int pipes[2];

    SHERD_ENSURE(geteuid() == options->place.owner, SHERD_ERR_DENIED,
                 "only the owner of the vault's directory starts its agent: operators give their shares to it then");
    SHERD_TRY(make_folder(&options->place));
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "a pipe cannot be made");
    const pid_t child = fork();
    if (child == 0) {
        (void)close(pipes[0]);
        be_agent(options, pipes[1]);
    }
    (void)close(pipes[1]);
    const enum sherd_err err = child > 0 ? hear(pipes[0]) : sherd_fail_errno(SHERD_ERR_IO, "the agent cannot start");
    (void)close(pipes[0]);
    return err;
}

/* --- asking it ---------------------------------------------------------------------------------------------------- */

static enum sherd_err call(struct sherd_link *link, enum sherd_wire_verb verb, void *head, struct sherd_wire *out_reply)
{
    bool broken = false;

    sherd_wire_code(sherd_link_write(link, false), sherd_wire_call_of(verb)->call.head, head);
    return sherd_link_call(link, verb, out_reply, &broken);
}

enum sherd_err cli_agent_status(struct sherd_link *link, struct sherd_wire_status *out_status,
                                struct sherd_wire_progress *out_progress, size_t max, size_t *out_count)
{
    const struct sherd_wire_shape *shape = &sherd_wire_call_of(SHERD_WIRE_STATUS)->reply;
    struct sherd_wire reply;
    size_t count = 0;

    SHERD_TRY(call(link, SHERD_WIRE_STATUS, NULL, &reply));
    sherd_wire_code(&reply, shape->head, out_status);
    while (sherd_wire_more(&reply) && count < max)
        sherd_wire_code(&reply, shape->item, &out_progress[count++]);
    *out_count = count;
    return sherd_wire_read(&reply);
}

enum sherd_err cli_agent_unseal(struct sherd_link *link, const struct sherd_wire_unseal *unseal,
                                struct sherd_wire_unsealed *out_unsealed)
{
    struct sherd_wire_unseal head = *unseal;
    struct sherd_wire reply;

    SHERD_TRY(call(link, SHERD_WIRE_UNSEAL, &head, &reply));
    sherd_wire_code(&reply, sherd_wire_call_of(SHERD_WIRE_UNSEAL)->reply.head, out_unsealed);
    return sherd_wire_read(&reply);
}

static enum sherd_err wait_for_end(int process)
{
    struct pollfd polled = {.fd = process, .events = POLLIN};

    while (poll(&polled, 1, END_MS) <= 0)
        if (errno != EINTR)
            return sherd_fail(SHERD_ERR_BUSY, "the agent seals no sooner than a call that it is in ends");
    return SHERD_OK;
}

enum sherd_err cli_agent_seal(struct sherd_link *link)
{
    struct ucred peer = {0};
    socklen_t bytes = sizeof(peer);
    struct sherd_wire reply;

    if (getsockopt(sherd_link_fd(link), SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "the agent's socket");
    SHERD_CLEANUP(cli_fd_closep) int process = (int)syscall(SYS_pidfd_open, peer.pid, 0);
    SHERD_TRY(call(link, SHERD_WIRE_SEAL, NULL, &reply));
    SHERD_TRY(sherd_wire_read(&reply));
    return process >= 0 ? wait_for_end(process) : SHERD_OK; /* an old kernel: it ends, and nobody watches */
}
