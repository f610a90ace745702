/* SPDX-License-Identifier: Apache-2.0 */
/* One line on a terminal for work that takes longer than a second: bar, rate, time left; or JSON, for programs. */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define QUIET_NS UINT64_C(1000000000) /* nothing is shown before */
#define REDRAW_NS UINT64_C(200000000)

static struct {
    bool enabled;
    bool json;
    bool drawn;
    const char *label;
    uint64_t begin_ns;
    uint64_t drawn_ns;
} progress;

static unsigned terminal_columns(void)
{
    struct winsize size = {0};

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

void cli_progress_begin(const struct cli *cli, const char *label)
{
    progress.json = cli->progress_json;
    progress.enabled = !cli->quiet && (progress.json || isatty(STDERR_FILENO) == 1);
    progress.drawn = false;
    progress.label = label;
    progress.begin_ns = sherd_clock()->monotonic_ns();
    progress.drawn_ns = 0;
}

static void format_left(double seconds, char *out_text, size_t size)
{
    if (seconds < 5999.5)
        (void)snprintf(out_text, size, "%u:%02u left", (unsigned)(seconds + 0.5) / 60, (unsigned)(seconds + 0.5) % 60);
    else if (seconds < 359999.0)
        (void)snprintf(out_text, size, "%uh%02u left", (unsigned)seconds / 3600, (unsigned)seconds / 60 % 60);
    else
        (void)snprintf(out_text, size, "days left");
}

/* "put      52.4 MB of 1.0 GB   412.0 MB/s  0:02 left [#####     ]", cut to the width of the terminal. */
static void draw(uint64_t done, uint64_t total, double seconds)
{
    char done_text[CLI_SIZE_TEXT_SIZE];
    char total_text[CLI_SIZE_TEXT_SIZE];
    char rate_text[CLI_SIZE_TEXT_SIZE];
    char left[32] = "";
    char line[160];
    char bar[41] = "";
    const double rate = (double)done / seconds;
    const unsigned columns = terminal_columns();
    int len = 0;

    cli_format_size((double)done, done_text);
    cli_format_size((double)total, total_text);
    cli_format_size(rate, rate_text);
    if (total > 0 && rate > 0)
        format_left(total > done ? (double)(total - done) / rate : 0, left, sizeof(left));
    len = snprintf(line, sizeof(line), "%s  %s%s%s  %s/s  %s", progress.label, done_text, total > 0 ? " of " : "",
                   total > 0 ? total_text : "", rate_text, left);
    if (total > 0 && len > 0 && (unsigned)len + 16 < columns) {
        const size_t room = columns - (unsigned)len - 6 < sizeof(bar) - 1 ? columns - (unsigned)len - 6
                                                                          : sizeof(bar) - 1;
        const size_t filled = done >= total ? room : (size_t)((double)room * ((double)done / (double)total));
        memset(bar, '.', room);
        memset(bar, '#', filled);
        bar[room] = '\0';
    }
    (void)fprintf(stderr, "\r\033[K%.*s%s%s%s", (int)columns - 1, line, *bar != '\0' ? "  [" : "", bar,
                  *bar != '\0' ? "]" : "");
    (void)fflush(stderr);
}

/* Where there is no memory for a line, there is one the next time. */
static void print_json(uint64_t done, uint64_t total, double seconds)
{
    json_t *line = json_pack("{s:s, s:I, s:o, s:f}", "progress", progress.label, "done", (json_int_t)done, "total",
                             total > 0 ? json_integer((json_int_t)total) : json_null(), "seconds", seconds);

    if (line == NULL)
        return;
    (void)json_dumpf(line, stderr, JSON_COMPACT);
    (void)fputs("\n", stderr);
    json_decref(line);
}

void cli_progress_update(uint64_t done, uint64_t total)
{
    const uint64_t every_ns = progress.json ? QUIET_NS : REDRAW_NS;
    uint64_t now_ns = 0;

    if (!progress.enabled)
        return;
    now_ns = sherd_clock()->monotonic_ns();
    if (now_ns - progress.begin_ns < QUIET_NS || now_ns - progress.drawn_ns < every_ns)
        return;
    progress.drawn = !progress.json;
    progress.drawn_ns = now_ns;
    if (progress.json)
        print_json(done, total, (double)(now_ns - progress.begin_ns) / 1e9);
    else
        draw(done, total, (double)(now_ns - progress.begin_ns) / 1e9);
}

void cli_progress_clear(void)
{
    if (!progress.drawn)
        return;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
    progress.drawn = false;
}

double cli_progress_end(void)
{
    const double seconds = (double)(sherd_clock()->monotonic_ns() - progress.begin_ns) / 1e9;

    cli_progress_clear();
    progress.enabled = false;
    return seconds > 1e-9 ? seconds : 1e-9;
}
