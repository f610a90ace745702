/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client, over libcurl: see client.h. */
#include "net/client.h"
#include "base/mem.h"
#include "net/server.h"
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define WAIT_MS 1000

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

static void init_once(void)
{
    ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

/* --- where a request may go --------------------------------------------------------------------------------------- */

/* A part of an address. */
static bool part_is(CURLU *url, CURLUPart part, const char *text)
{
    char *value = NULL;
    const bool same = curl_url_get(url, part, &value, 0) == CURLUE_OK && strcmp(value, text) == 0;

    curl_free(value);
    return same;
}

/* The host in numbers is of this machine; names may lead anywhere. */
static bool is_here(CURLU *url)
{
    char *host = NULL;
    bool here = false;

    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        const size_t len = strlen(host);

        if (host[0] == '[' && len > 1) { /* IPv6 */
            host[len - 1] = '\0';
            here = sherd_server_is_loopback(host + 1);
        } else {
            here = sherd_server_is_loopback(host) || strcmp(host, "localhost") == 0;
        }
    }
    curl_free(host);
    return here;
}

/* @param[out] out_here  the server is on this machine. @return NULL: it may go there; else why not */
static const char *check_url(const char *text, bool plain_anywhere, bool *out_here)
{
    CURLU *url = curl_url();
    const char *why = NULL;

    if (url == NULL)
        return "there is no memory";
    if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK)
        why = "its address is none";
    else if (!part_is(url, CURLUPART_SCHEME, "https") && !part_is(url, CURLUPART_SCHEME, "http"))
        why = "its address is not of http or https";
    *out_here = why == NULL && is_here(url);
    if (why == NULL && !part_is(url, CURLUPART_SCHEME, "https") && !*out_here && !plain_anywhere)
        why = "plain http goes to this machine alone: use https";
    curl_url_cleanup(url);
    return why;
}

/* --- one request -------------------------------------------------------------------------------------------------- */

static size_t take_reply(char *data, size_t size, size_t count, void *arg)
{
    struct sherd_call *call = arg;

    return sherd_buf_append(&call->reply, sherd_span_of(data, size * count)) == SHERD_OK ? size * count : 0;
}

static void set_post(CURL *easy, const struct sherd_call *call, struct curl_slist *headers)
{
    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.len > 0 ? (const char *)call->body.data : "");
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
}

static bool set_up(CURL *easy, struct sherd_call *call, const struct sherd_call_limits *limits, bool here,
                   struct curl_slist *headers)
{
    bool good = curl_easy_setopt(easy, CURLOPT_URL, call->url) == CURLE_OK;

    good = good && curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
    good = good && curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
    good = good && curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
    good = good && curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    good = good && curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)limits->connect_ms) == CURLE_OK;
    good = good && curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)limits->total_ms) == CURLE_OK;
    good = good && curl_easy_setopt(easy, CURLOPT_USERAGENT, "sherd/" SHERD_VERSION) == CURLE_OK;
    good = good && curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_reply) == CURLE_OK;
    good = good && curl_easy_setopt(easy, CURLOPT_WRITEDATA, call) == CURLE_OK;
    good = good && curl_easy_setopt(easy, CURLOPT_PRIVATE, call) == CURLE_OK;
    if (here)
        good = good && curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK;
    if (limits->ca_file != NULL)
        good = good && curl_easy_setopt(easy, CURLOPT_CAINFO, limits->ca_file) == CURLE_OK;
    if (call->post)
        set_post(easy, call, headers);
    return good;
}

static void add_call(CURLM *multi, struct sherd_call *call, const struct sherd_call_limits *limits,
                     struct curl_slist *headers, CURL **out_easy)
{
    bool here = false;
    const char *why = check_url(call->url, limits->plain_anywhere, &here);

    *out_easy = why == NULL ? curl_easy_init() : NULL;
    if (why == NULL && (*out_easy == NULL || !set_up(*out_easy, call, limits, here, headers) ||
                        curl_multi_add_handle(multi, *out_easy) != CURLM_OK))
        why = "the request could not be made";
    (void)snprintf(call->error, sizeof(call->error), "%s", why != NULL ? why : "");
}

static void note_end(const CURLMsg *message)
{
    struct sherd_call *call = NULL;
    long status = 0;

    if (curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call) != CURLE_OK || call == NULL)
        return;
    if (message->data.result != CURLE_OK) {
        (void)snprintf(call->error, sizeof(call->error), "%.150s", curl_easy_strerror(message->data.result));
        return;
    }
    if (curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK)
        call->status = (unsigned)status;
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static void perform(CURLM *multi)
{
    int running = 1;
    int queued = 0;

    while (running > 0) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            break;
        if (running > 0 && curl_multi_poll(multi, NULL, 0, WAIT_MS, NULL) != CURLM_OK)
            break;
    }
    for (const CURLMsg *message; (message = curl_multi_info_read(multi, &queued)) != NULL;)
        if (message->msg == CURLMSG_DONE)
            note_end(message);
}

static void make_with(CURLM *multi, struct curl_slist *headers, struct sherd_call *calls, size_t count,
                      const struct sherd_call_limits *limits, CURL **easies)
{
    for (size_t i = 0; i < count; i++) {
        calls[i].status = 0;
        calls[i].error[0] = '\0';
        if (calls[i].url != NULL)
            add_call(multi, &calls[i], limits, headers, &easies[i]);
    }
    perform(multi);
    for (size_t i = 0; i < count; i++) {
        if (easies[i] == NULL)
            continue;
        (void)curl_multi_remove_handle(multi, easies[i]);
        curl_easy_cleanup(easies[i]);
        if (calls[i].status == 0 && calls[i].error[0] == '\0')
            (void)snprintf(calls[i].error, sizeof(calls[i].error), "there was no answer");
    }
}

enum sherd_err sherd_calls_make(struct sherd_call *calls, size_t count, const struct sherd_call_limits *limits)
{
    SHERD_CLEANUP(sherd_freep) CURL **easies = sherd_alloc_array(count, sizeof(*easies));

    if (easies == NULL)
        return SHERD_ERR_NO_MEMORY;
    SHERD_ENSURE(pthread_once(&once, init_once) == 0 && ready, SHERD_ERR_NO_MEMORY, "libcurl did not start");
    CURLM *multi = curl_multi_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    struct curl_slist *more = headers != NULL ? curl_slist_append(headers, "Content-Type: text/plain") : NULL;
    if (multi != NULL && more != NULL)
        make_with(multi, headers, calls, count, limits, easies);
    const bool made = multi != NULL && more != NULL;
    curl_slist_free_all(headers);
    (void)curl_multi_cleanup(multi);
    SHERD_ENSURE(made, SHERD_ERR_NO_MEMORY, "there is no memory for a request");
    return SHERD_OK;
}
