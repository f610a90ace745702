/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the program ends before its time. Everything that a handler does is async-signal-safe: unlinkat, tcsetattr,
 * write, _exit, sigaction, raise. Handlers may run on any thread, so they never wait for the main one.
 */
#include "cli/cli.h"
#include "store/lmdb/lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#define DAMAGE_TEXT \
    "a compartment's file is damaged or was cut while it was read: run `sherd verify`, restore from a backup"

static volatile sig_atomic_t deferred;
static volatile sig_atomic_t caught;
static volatile sig_atomic_t temp_set;
static volatile sig_atomic_t echo_off;
static int temp_dir_fd;
static char temp_name[64];
static int tty_fd;
static struct termios tty_restore;
static const char *damage_line = "sherd: " DAMAGE_TEXT "\n";

void cli_harden(void)
{
    const struct rlimit none = {0, 0};

    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    /* A file of the vault must never get the number of a standard stream. Read-only, so that writing to it fails. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", O_RDONLY) != fd)
            _exit(CLI_EXIT_FAILURE);
}

static void tidy(void)
{
    if (echo_off)
        (void)tcsetattr(tty_fd, TCSANOW, &tty_restore);
    if (temp_set)
        (void)unlinkat(temp_dir_fd, temp_name, 0);
}

static void on_end(int number)
{
    const int saved_errno = errno;

    if (deferred && caught == 0) {
        caught = number;
    } else {
        struct sigaction action = {.sa_handler = SIG_DFL};
        tidy();
        (void)sigaction(number, &action, NULL);
        (void)raise(number); /* delivered when this handler returns */
    }
    errno = saved_errno;
}

/* A page of a mapped file that cannot be read, or an offset in it that leads nowhere. */
static void on_damage(int number)
{
    if (number != SIGFPE)
        sherd_lmdb_guard_fault(); /* if it was in reading a store, that read fails and the program goes on */
    tidy();
    if (write(STDERR_FILENO, damage_line, strlen(damage_line)) < 0) {
        /* nobody is there to be told; the exit code says it */
    }
    _exit(CLI_EXIT_TAMPERED);
}

static void install(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_flags = flags};
    struct sigaction old;

    action.sa_handler = handler;
    (void)sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN && handler == on_end)
        return; /* whoever started us wants it ignored: nohup, a job in the background */
    (void)sigaction(number, &action, NULL);
}

void cli_signals_install(bool json)
{
    static uint8_t stack[64 << 10];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};

    if (json)
        damage_line = "{\"error\": {\"code\": \"SHERD_ERR_TAMPERED\", \"exit\": 3, \"what\": \"sherd\", "
                      "\"detail\": \"" DAMAGE_TEXT "\"}}\n";
    (void)sigaltstack(&alternate, NULL);
    install(SIGBUS, on_damage, SA_ONSTACK | SA_NODEFER);
    install(SIGSEGV, on_damage, SA_ONSTACK | SA_NODEFER);
    install(SIGFPE, on_damage, SA_ONSTACK);
    install(SIGINT, on_end, 0);
    install(SIGTERM, on_end, 0);
    install(SIGHUP, on_end, 0);
    install(SIGPIPE, SIG_IGN, 0); /* the write fails, and says so */
    install(SIGXFSZ, SIG_IGN, 0);
}

void cli_signals_defer(void)
{
    deferred = 1;
}

int cli_signal_caught(void)
{
    return caught;
}

void cli_signal_raise(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};

    if (caught == 0)
        return;
    (void)sigaction(caught, &action, NULL);
    (void)raise(caught);
}

void cli_signals_temp(int dir_fd, const char *name)
{
    temp_set = 0;
    if (name == NULL)
        return;
    (void)snprintf(temp_name, sizeof(temp_name), "%s", name);
    temp_dir_fd = dir_fd;
    temp_set = 1;
}

void cli_signals_echo(int fd, const struct termios *restore)
{
    echo_off = 0;
    if (restore == NULL)
        return;
    tty_fd = fd;
    tty_restore = *restore;
    echo_off = 1;
}
