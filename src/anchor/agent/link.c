/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over a socket: see link.h. */
#include "anchor/agent/link.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct sherd_link {
    int fd;
    unsigned first_ms;
    uint64_t requests; /* made so far */
    uint8_t *small_in; /* both in secret memory */
    uint8_t *small_out;
    uint8_t *keys_in; /* likewise, for lists with keys; for as long as the frame is needed */
    uint8_t *keys_out;
    struct sherd_buf large_in;
    struct sherd_buf large_out;
    struct sherd_buf small; /* over small_out or keys_out */
    struct sherd_buf *out;  /* small or large_out */
    struct sherd_wire writer;
};

enum sherd_err sherd_link_new(int fd, struct sherd_link **out_link)
{
    struct sherd_link *link = sherd_alloc(sizeof(*link));

    if (link == NULL) {
        (void)close(fd);
        return SHERD_ERR_NO_MEMORY;
    }
    link->fd = fd;
    link->large_in.max = SHERD_WIRE_FRAME_BYTES_MAX;
    link->large_out.max = SHERD_WIRE_FRAME_BYTES_MAX;
    link->small_in = sherd_secret_alloc(SHERD_WIRE_SMALL_BYTES_MAX);
    link->small_out = sherd_secret_alloc(SHERD_WIRE_SMALL_BYTES_MAX);
    if (link->small_in == NULL || link->small_out == NULL) {
        sherd_link_free(link);
        return SHERD_ERR_NO_MEMORY;
    }
    *out_link = link;
    return SHERD_OK;
}

void sherd_link_free(struct sherd_link *link)
{
    if (link == NULL)
        return;
    (void)close(link->fd);
    sherd_secret_free(link->small_in);
    sherd_secret_free(link->small_out);
    sherd_secret_free(link->keys_in);
    sherd_secret_free(link->keys_out);
    sherd_buf_done(&link->large_in);
    sherd_buf_done(&link->large_out);
    sherd_free(link);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static enum sherd_err connect_failed(const char *path)
{
    switch (errno) {
    case ENOENT:
    case ECONNREFUSED: /* what is left of an agent that was killed */
        return sherd_fail(SHERD_ERR_NOT_FOUND, "no agent runs for this vault");
    case EACCES:
    case EPERM: return sherd_fail(SHERD_ERR_DENIED, "the agent of this vault serves another user");
    default: return sherd_fail_errno(SHERD_ERR_IO, "the agent's socket %.120s", path);
    }
}

static enum sherd_err check_peer(int fd, uid_t uid)
{
    struct ucred peer = {0};
    socklen_t bytes = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
        return sherd_fail_errno(SHERD_ERR_IO, "the agent's socket");
    SHERD_ENSURE(peer.uid == uid, SHERD_ERR_DENIED,
                 "the agent's socket belongs to a process of another user than the vault: nothing was sent to it");
    return SHERD_OK;
}

enum sherd_err sherd_link_connect(const char *path, uid_t uid, struct sherd_link **out_link)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t len = strlen(path);

    SHERD_ENSURE(len < sizeof(address.sun_path), SHERD_ERR_LIMIT, "the path of the agent's socket is too long");
    memcpy(address.sun_path, path, len + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sherd_fail_errno(SHERD_ERR_IO, "a socket cannot be made");
    enum sherd_err err = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ? SHERD_OK
                                                                                              : connect_failed(path);
    if (err == SHERD_OK)
        err = check_peer(fd, uid);
    if (err != SHERD_OK) {
        (void)close(fd);
        return err;
    }
    return sherd_link_new(fd, out_link);
}

int sherd_link_fd(const struct sherd_link *link)
{
    return link->fd;
}

void sherd_link_patience(struct sherd_link *link, unsigned first_ms)
{
    link->first_ms = first_ms;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Begin a frame with room for its head. */
static struct sherd_wire *write_to(struct sherd_link *link, struct sherd_buf *out)
{
    static const uint8_t room[SHERD_WIRE_HEAD_SIZE] = {0};

    link->out = out;
    link->writer = sherd_wire_writer(out);
    if (sherd_buf_append(out, sherd_span_of(room, sizeof(room))) != SHERD_OK)
        link->writer.failed = true;
    return &link->writer;
}

struct sherd_wire *sherd_link_write(struct sherd_link *link, bool list)
{
    link->small = sherd_buf_borrow(link->small_out, SHERD_WIRE_SMALL_BYTES_MAX);
    sherd_buf_clear(&link->large_out);
    return write_to(link, list ? &link->large_out : &link->small);
}

struct sherd_wire *sherd_link_write_keys(struct sherd_link *link, size_t bytes_max)
{
    const size_t bytes = SHERD_WIRE_HEAD_SIZE + bytes_max;

    if (bytes <= SHERD_WIRE_SMALL_BYTES_MAX || bytes > SHERD_WIRE_FRAME_BYTES_MAX)
        return sherd_link_write(link, false); /* where it is too long, writing fails */
    sherd_secret_free(link->keys_out);
    link->keys_out = sherd_secret_alloc(bytes);
    link->small = sherd_buf_borrow(link->keys_out, link->keys_out != NULL ? bytes : 0);
    return write_to(link, &link->small);
}

size_t sherd_link_written(const struct sherd_link *link)
{
    return link->out->len - SHERD_WIRE_HEAD_SIZE;
}

uint8_t *sherd_link_message(struct sherd_link *link)
{
    return link->out->data + SHERD_WIRE_HEAD_SIZE;
}

/* Wait until the socket is ready. @return SHERD_OK; SHERD_ERR_BUSY: it was not in time; SHERD_ERR_IO */
static enum sherd_err wait_for(const struct sherd_link *link, short events, uint64_t deadline_ns)
{
    struct pollfd polled = {.fd = link->fd, .events = events};

    for (;;) {
        const uint64_t now_ns = sherd_clock()->monotonic_ns();
        const int left_ms = deadline_ns == UINT64_MAX ? -1
                            : deadline_ns > now_ns    ? (int)((deadline_ns - now_ns) / 1000000U) + 1
                                                      : 0;
        const int ready = poll(&polled, 1, left_ms);

        if (ready > 0)
            return SHERD_OK;
        if (ready == 0 && left_ms == 0)
            return sherd_fail(SHERD_ERR_BUSY, "the other end of the agent's socket does not answer");
        if (ready < 0 && errno != EINTR)
            return sherd_fail_errno(SHERD_ERR_IO, "the agent's socket");
    }
}

static uint64_t deadline_in(unsigned ms)
{
    return ms == 0 ? UINT64_MAX : sherd_clock()->monotonic_ns() + (uint64_t)ms * 1000000U;
}

static enum sherd_err stalled(enum sherd_err err)
{
    return err == SHERD_ERR_BUSY ? sherd_fail(SHERD_ERR_IO, "the other end of the agent's socket stopped in a message")
                                 : err;
}

static enum sherd_err send_all(const struct sherd_link *link, struct sherd_span bytes)
{
    const uint64_t deadline_ns = deadline_in(SHERD_LINK_STALL_MS);

    while (bytes.len > 0) {
        const ssize_t sent = send(link->fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent >= 0) {
            bytes = sherd_span_of(bytes.data + sent, bytes.len - (size_t)sent);
        } else if (errno == EAGAIN) {
            SHERD_TRY(stalled(wait_for(link, POLLOUT, deadline_ns)));
        } else if (errno != EINTR) {
            return sherd_fail(SHERD_ERR_IO, "the other end of the agent's socket is gone");
        }
    }
    return SHERD_OK;
}

enum sherd_err sherd_link_send(struct sherd_link *link, struct sherd_wire_head head)
{
    SHERD_TRY(sherd_wire_written(&link->writer));
    head.frame_bytes = (uint32_t)link->out->len;
    sherd_wire_head_encode(&head, link->out->data);
    const enum sherd_err err = send_all(link, sherd_buf_span(link->out));
    sherd_wipe(link->out->data, link->out->len);
    sherd_secret_free(link->keys_out);
    link->keys_out = NULL;
    return err;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Read until len of size bytes are there; more than that may come. */
static enum sherd_err receive_to(const struct sherd_link *link, uint8_t *block, size_t size, size_t wanted,
                                 uint64_t deadline_ns, size_t *len)
{
    while (*len < wanted) {
        const ssize_t got = recv(link->fd, block + *len, size - *len, MSG_DONTWAIT);

        if (got > 0) {
            *len += (size_t)got;
        } else if (got == 0) {
            return sherd_fail(*len == 0 ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO,
                              "the other end of the agent's socket has hung up");
        } else if (errno == EAGAIN) {
            SHERD_TRY(wait_for(link, POLLIN, deadline_ns));
        } else if (errno != EINTR) {
            return sherd_fail_errno(*len == 0 && errno == ECONNRESET ? SHERD_ERR_NOT_FOUND : SHERD_ERR_IO,
                                    "the agent's socket");
        }
    }
    return SHERD_OK;
}

/* Memory for a long frame: secret, where its list holds keys. */
static enum sherd_err make_room(struct sherd_link *link, const struct sherd_wire_head *head, uint8_t **out_block)
{
    const struct sherd_wire_call *shapes = sherd_wire_call_of(head->verb);

    SHERD_ENSURE(shapes != NULL, SHERD_ERR_IO, "the other end of the agent's socket breaks the protocol");
    if (shapes->call.keys) {
        link->keys_in = sherd_secret_alloc(head->frame_bytes);
        *out_block = link->keys_in;
        return link->keys_in != NULL ? SHERD_OK : SHERD_ERR_NO_MEMORY;
    }
    sherd_buf_clear(&link->large_in);
    SHERD_TRY(sherd_buf_reserve(&link->large_in, head->frame_bytes));
    link->large_in.len = head->frame_bytes; /* so that all of it is wiped */
    *out_block = link->large_in.data;
    return SHERD_OK;
}

/* A long frame: what came of it so far is moved. */
static enum sherd_err receive_large(struct sherd_link *link, const struct sherd_wire_head *head, size_t len,
                                    uint64_t deadline_ns, uint8_t **out_frame)
{
    uint8_t *block = NULL;

    SHERD_TRY(make_room(link, head, &block));
    memcpy(block, link->small_in, len);
    SHERD_TRY(stalled(receive_to(link, block, head->frame_bytes, head->frame_bytes, deadline_ns, &len)));
    *out_frame = block;
    return SHERD_OK;
}

enum sherd_err sherd_link_receive(struct sherd_link *link, struct sherd_wire_head *out_head,
                                  struct sherd_wire *out_message)
{
    struct sherd_wire_head head;
    size_t len = 0;

    sherd_wipe(link->small_in, SHERD_WIRE_SMALL_BYTES_MAX);
    sherd_secret_free(link->keys_in);
    link->keys_in = NULL;
    SHERD_TRY(receive_to(link, link->small_in, SHERD_WIRE_SMALL_BYTES_MAX, 1, deadline_in(link->first_ms), &len));
    const uint64_t deadline_ns = deadline_in(SHERD_LINK_STALL_MS);
    SHERD_TRY(stalled(receive_to(link, link->small_in, SHERD_WIRE_SMALL_BYTES_MAX, SHERD_WIRE_HEAD_SIZE, deadline_ns,
                                 &len)));
    SHERD_TRY(sherd_wire_head_decode(link->small_in, &head));
    SHERD_ENSURE(len <= head.frame_bytes, SHERD_ERR_IO,
                 "the other end of the agent's socket does not wait for answers");
    uint8_t *frame = link->small_in;
    if (head.frame_bytes <= SHERD_WIRE_SMALL_BYTES_MAX) {
        SHERD_TRY(stalled(receive_to(link, link->small_in, head.frame_bytes, head.frame_bytes, deadline_ns, &len)));
    } else {
        SHERD_TRY(receive_large(link, &head, len, deadline_ns, &frame));
    }
    *out_message = sherd_wire_reader(sherd_span_of(frame + SHERD_WIRE_HEAD_SIZE,
                                                   head.frame_bytes - SHERD_WIRE_HEAD_SIZE));
    *out_head = head;
    return SHERD_OK;
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

/* The failure that an answer tells. */
static enum sherd_err told(const struct sherd_wire_head *head, const struct sherd_wire *reply)
{
    char text[SHERD_FAIL_TEXT_SIZE] = "";
    const size_t len = reply->in.len < sizeof(text) - 1 ? reply->in.len : sizeof(text) - 1;

    if (len > 0)
        memcpy(text, reply->in.data, len);
    return sherd_fail(head->status, "%s", text); /* which makes control bytes harmless */
}

enum sherd_err sherd_link_call(struct sherd_link *link, enum sherd_wire_verb verb, struct sherd_wire *out_reply,
                               bool *out_broken)
{
    const struct sherd_wire_head call = {.request = ++link->requests, .verb = (uint16_t)verb};
    struct sherd_wire_head head;
    struct sherd_wire reply;

    *out_broken = false;
    SHERD_TRY(sherd_wire_written(&link->writer));
    *out_broken = true;
    const enum sherd_err sent = sherd_link_send(link, call);
    /* Also where it could not be sent: an agent that turns somebody away says why before it hangs up. */
    if (sherd_link_receive(link, &head, &reply) != SHERD_OK)
        return sherd_fail(SHERD_ERR_IO, "the agent ended or hung up: whether the call was carried out is not known");
    *out_broken = sent != SHERD_OK || head.request != call.request || head.verb != call.verb;
    if (head.status != SHERD_OK)
        return told(&head, &reply);
    SHERD_ENSURE(!*out_broken, SHERD_ERR_IO, "the other end of the agent's socket breaks the protocol");
    *out_reply = reply;
    return SHERD_OK;
}
