/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server, over libmicrohttpd: see server.h. Its own timeout is of silence only; who sends a byte now and then
 * is met by a thread that closes what has been at one request for too long.
 */
#include "net/server.h"
#include "base/clock.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS ((uint64_t)1000000000)
#define BACKLOG 64
/* Of one connection: request line, headers, what is read ahead. */
#define CONNECTION_BYTES ((size_t)16 << 10)
#define PATH_CHARS_MAX 1024U

/* One connection. */
struct caller {
    int fd; /* -1: free */
    bool closed;
    uint64_t since_ns; /* it is at its request */
};

struct sherd_server {
    struct sherd_server_options options;
    sherd_server_fn *answer;
    void *arg;
    struct MHD_Daemon *daemon;
    uint16_t port;
    pthread_mutex_t lock; /* guards all that follows */
    pthread_cond_t wake;
    pthread_t watch;
    bool watched;
    bool ending;
    struct caller *callers; /* options.connections_max of them */
};

/* A request that is being read. */
struct exchange {
    bool post;
    struct sherd_buf body;
};

/* --- answers ------------------------------------------------------------------------------------------------------ */

static enum MHD_Result send_bytes(struct MHD_Connection *connection, unsigned status, const char *type,
                                  struct sherd_span body)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.data,
                                                                    MHD_RESPMEM_MUST_COPY);

    if (response == NULL)
        return MHD_NO;
    enum MHD_Result done = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (done == MHD_YES && status == MHD_HTTP_METHOD_NOT_ALLOWED)
        done = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, POST");
    if (done == MHD_YES)
        done = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return done;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
    return send_bytes(connection, status, "text/plain; charset=utf-8", sherd_span_str(why));
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* How often a header stands there. */
struct header_count {
    const char *name;
    unsigned count;
};

static enum MHD_Result count_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_count *count = arg;

    (void)kind;
    (void)value;
    count->count += strcasecmp(name, count->name) == 0;
    return MHD_YES;
}

static unsigned header_count(struct MHD_Connection *connection, const char *name)
{
    struct header_count count = {.name = name};

    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, count_header, &count);
    return count.count;
}

/* What is ambiguous is refused before a byte of the body is read: others before us may have read it the other way. */
static bool is_ambiguous(struct MHD_Connection *connection)
{
    const unsigned lengths = header_count(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);
    const unsigned codings = header_count(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);

    return lengths + codings > 1 || header_count(connection, MHD_HTTP_HEADER_HOST) > 1;
}

static bool is_too_long(const struct sherd_server *server, struct MHD_Connection *connection)
{
    const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t length = 0;

    for (; text != NULL && *text >= '0' && *text <= '9' && length <= server->options.body_bytes_max; text++)
        length = length * 10 + (uint64_t)(*text - '0');
    return length > server->options.body_bytes_max;
}

static enum MHD_Result begin(struct sherd_server *server, struct MHD_Connection *connection, const char *path,
                             const char *method, void **out_exchange)
{
    const bool post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;

    if (!post && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or POST\n");
    if (is_ambiguous(connection))
        return refuse(connection, MHD_HTTP_BAD_REQUEST, "ambiguous headers\n");
    if (strlen(path) > PATH_CHARS_MAX)
        return refuse(connection, MHD_HTTP_URI_TOO_LONG, "the path is too long\n");
    if (is_too_long(server, connection))
        return refuse(connection, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long\n");
    struct exchange *exchange = sherd_alloc(sizeof(*exchange));
    if (exchange == NULL)
        return MHD_NO;
    exchange->post = post;
    exchange->body.max = server->options.body_bytes_max;
    *out_exchange = exchange;
    return MHD_YES;
}

static enum MHD_Result end(struct sherd_server *server, struct MHD_Connection *connection, const char *path,
                           const struct exchange *exchange)
{
    const struct sherd_server_request request = {
        .post = exchange->post, .path = path, .body = sherd_buf_span(&exchange->body)};
    struct sherd_server_reply reply = {0};

    server->answer(server->arg, &request, &reply);
    const enum MHD_Result done = send_bytes(connection,
                                            reply.status != 0 ? reply.status : MHD_HTTP_INTERNAL_SERVER_ERROR,
                                            reply.type != NULL ? reply.type : "text/plain; charset=utf-8",
                                            sherd_buf_span(&reply.body));
    sherd_buf_done(&reply.body);
    return done;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *data, size_t *data_bytes, void **exchange)
{
    struct sherd_server *server = arg;

    (void)version;
    if (*exchange == NULL)
        return begin(server, connection, path, method, exchange);
    if (*data_bytes == 0)
        return end(server, connection, path, *exchange);
    struct exchange *reading = *exchange;
    if (sherd_buf_append(&reading->body, sherd_span_of(data, *data_bytes)) != SHERD_OK)
        return MHD_NO; /* it said a shorter length, or none: hung up on */
    *data_bytes = 0;
    return MHD_YES;
}

static struct caller *caller_of(struct sherd_server *server, int fd)
{
    for (unsigned i = 0; i < server->options.connections_max; i++)
        if (server->callers[i].fd == fd && !server->callers[i].closed)
            return &server->callers[i];
    return NULL;
}

static int fd_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info != NULL ? info->connect_fd : -1;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **exchange,
                         enum MHD_RequestTerminationCode how)
{
    struct sherd_server *server = arg;
    struct exchange *ended = *exchange;

    (void)how;
    if (ended != NULL) {
        sherd_buf_done(&ended->body);
        sherd_free(ended);
        *exchange = NULL;
    }
    (void)pthread_mutex_lock(&server->lock);
    struct caller *caller = caller_of(server, fd_of(connection));
    if (caller != NULL)
        caller->since_ns = sherd_clock()->monotonic_ns();
    (void)pthread_mutex_unlock(&server->lock);
}

/* --- who takes too long ------------------------------------------------------------------------------------------- */

static void on_connection(void *arg, struct MHD_Connection *connection, void **socket_arg,
                          enum MHD_ConnectionNotificationCode what)
{
    struct sherd_server *server = arg;

    (void)pthread_mutex_lock(&server->lock);
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        struct caller *free_one = caller_of(server, -1);

        if (free_one != NULL)
            *free_one = (struct caller){.fd = fd_of(connection), .since_ns = sherd_clock()->monotonic_ns()};
        *socket_arg = free_one;
    } else if (*socket_arg != NULL) {
        *(struct caller *)*socket_arg = (struct caller){.fd = -1};
    }
    (void)pthread_mutex_unlock(&server->lock);
}

/* The lock is held. A descriptor is its connection's for as long as that stands in the table. */
static void hang_up(struct sherd_server *server)
{
    const uint64_t now_ns = sherd_clock()->monotonic_ns();

    for (unsigned i = 0; i < server->options.connections_max; i++) {
        struct caller *caller = &server->callers[i];

        if (caller->fd < 0 || caller->closed || now_ns - caller->since_ns < server->options.request_s * SECOND_NS)
            continue;
        (void)shutdown(caller->fd, SHUT_RDWR);
        caller->closed = true;
    }
}

static void *watch(void *arg)
{
    struct sherd_server *server = arg;
    struct timespec until;

    (void)pthread_mutex_lock(&server->lock);
    while (!server->ending) {
        hang_up(server);
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        (void)pthread_cond_timedwait(&server->wake, &server->lock, &until);
    }
    (void)pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* --- the socket --------------------------------------------------------------------------------------------------- */

/* An address, and room for it. */
struct place {
    struct sockaddr_storage address;
    socklen_t bytes;
};

static bool place_of(const char *address, uint16_t port, struct place *out)
{
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)&out->address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&out->address;

    *out = (struct place){.bytes = sizeof(*four)};
    if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        return true;
    }
    if (inet_pton(AF_INET6, address, &six->sin6_addr) != 1)
        return false;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    out->bytes = sizeof(*six);
    return true;
}

bool sherd_server_is_loopback(const char *address)
{
    struct place place;

    if (!place_of(address, 0, &place))
        return false;
    if (place.address.ss_family == AF_INET)
        return (ntohl(((struct sockaddr_in *)(void *)&place.address)->sin_addr.s_addr) >> 24) == 127;
    return IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)(void *)&place.address)->sin6_addr);
}

static enum sherd_err cannot_listen(int fd, const char *address, uint16_t port)
{
    const int code = errno;
    const enum sherd_err err = code == EADDRINUSE                ? SHERD_ERR_BUSY
                               : code == EACCES || code == EPERM ? SHERD_ERR_DENIED
                                                                 : SHERD_ERR_IO;

    if (fd >= 0)
        (void)close(fd);
    errno = code;
    return sherd_fail_errno(err, "cannot listen on %.80s, port %u", address, port);
}

static enum sherd_err listen_on(struct sherd_server *server, int *out_fd)
{
    const char *address = server->options.address;
    const int one = 1;
    struct place place;

    if (!place_of(address, server->options.port, &place))
        return sherd_fail(SHERD_ERR_INVALID, "%.80s is no IP address", address);
    const int fd = socket(place.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&place.address, place.bytes) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&place.address, &place.bytes) != 0)
        return cannot_listen(fd, address, server->options.port);
    server->port = place.address.ss_family == AF_INET
                       ? ntohs(((struct sockaddr_in *)(void *)&place.address)->sin_port)
                       : ntohs(((struct sockaddr_in6 *)(void *)&place.address)->sin6_port);
    *out_fd = fd;
    return SHERD_OK;
}

/* --- begin and end ------------------------------------------------------------------------------------------------ */

static enum sherd_err start_daemon(struct sherd_server *server)
{
    const struct sherd_server_options *options = &server->options;
    int fd = -1;

    SHERD_TRY(listen_on(server, &fd));
    server->daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, on_request, server,
                                      MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                      options->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->peer_max,
                                      MHD_OPTION_CONNECTION_TIMEOUT, options->request_s,
                                      MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_THREAD_POOL_SIZE,
                                      options->thread_count > 1 ? options->thread_count : 0U,
                                      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
                                      server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
    if (server->daemon != NULL)
        return SHERD_OK;
    (void)close(fd);
    return sherd_fail(SHERD_ERR_NO_MEMORY, "the HTTP server did not start");
}

static enum sherd_err start(struct sherd_server *server)
{
    server->callers = sherd_alloc_array(server->options.connections_max, sizeof(*server->callers));
    if (server->callers == NULL)
        return SHERD_ERR_NO_MEMORY;
    for (unsigned i = 0; i < server->options.connections_max; i++)
        server->callers[i].fd = -1;
    server->watched = pthread_create(&server->watch, NULL, watch, server) == 0;
    SHERD_ENSURE(server->watched, SHERD_ERR_NO_MEMORY, "no thread for the HTTP server");
    return start_daemon(server);
}

enum sherd_err sherd_server_start(const struct sherd_server_options *options, sherd_server_fn *answer, void *arg,
                                  struct sherd_server **out_server)
{
    struct sherd_server *server = sherd_alloc(sizeof(*server));

    if (server == NULL)
        return SHERD_ERR_NO_MEMORY;
    *server = (struct sherd_server){.options = *options, .answer = answer, .arg = arg};
    if (pthread_mutex_init(&server->lock, NULL) != 0 || pthread_cond_init(&server->wake, NULL) != 0) {
        sherd_free(server);
        return sherd_fail(SHERD_ERR_NO_MEMORY, "no lock for the HTTP server");
    }
    const enum sherd_err err = start(server);
    if (err != SHERD_OK) {
        sherd_server_stop(server);
        return err;
    }
    *out_server = server;
    return SHERD_OK;
}

uint16_t sherd_server_port(const struct sherd_server *server)
{
    return server->port;
}

void sherd_server_stop(struct sherd_server *server)
{
    if (server == NULL)
        return;
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
    (void)pthread_mutex_lock(&server->lock);
    server->ending = true;
    (void)pthread_cond_signal(&server->wake);
    (void)pthread_mutex_unlock(&server->lock);
    if (server->watched)
        (void)pthread_join(server->watch, NULL);
    (void)pthread_cond_destroy(&server->wake);
    (void)pthread_mutex_destroy(&server->lock);
    sherd_free(server->callers);
    sherd_free(server);
}
