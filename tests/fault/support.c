/* SPDX-License-Identifier: Apache-2.0 */
/* What the crash and fault tests share: see support.h. */
#include "support.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- folders ----------------------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1; /* what went by itself is no reason to leave the rest */
}

void tree_remove(const char *path)
{
    REQUIRE(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT, "%s: %s", path, strerror(errno));
}

static void file_copy(const char *from, const char *to, mode_t mode)
{
    static uint8_t block[65536];
    const int in = open(from, O_RDONLY | O_CLOEXEC);
    const int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    ssize_t got = 0;

    REQUIRE(in >= 0 && out >= 0, "%s to %s: %s", from, to, strerror(errno));
    while ((got = read(in, block, sizeof(block))) > 0)
        REQUIRE(write(out, block, (size_t)got) == got, "%s: %s", to, strerror(errno));
    REQUIRE(got == 0, "%s: %s", from, strerror(errno));
    (void)close(in);
    (void)close(out);
}

/* nftw() hands nothing on. */
static const char *copy_to;
static size_t copy_skip;

static int copy_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    char to[512];

    (void)ftw;
    (void)snprintf(to, sizeof(to), "%s%s", copy_to, path + copy_skip);
    if (kind == FTW_D)
        REQUIRE(mkdir(to, st->st_mode & 0777) == 0, "%s: %s", to, strerror(errno));
    else
        file_copy(path, to, st->st_mode & 0777);
    return 0;
}

void tree_copy(const char *from, const char *to)
{
    copy_to = to;
    copy_skip = strlen(from);
    REQUIRE(nftw(from, copy_one, 16, FTW_PHYS) == 0, "%s: %s", from, strerror(errno));
}

void place_make(struct place *place)
{
    struct sherd_buf key = sherd_buf_borrow(place->key, sizeof(place->key));

    const char *base = getenv("SHERD_FAULT_DIR");

    (void)snprintf(place->root, sizeof(place->root), "%s/sherd-fault-XXXXXX", base != NULL ? base : "/tmp");
    REQUIRE(mkdtemp(place->root) != NULL, "%s: %s", place->root, strerror(errno));
    (void)snprintf(place->vault, sizeof(place->vault), "%s/vault", place->root);
    REQUIRE_OK(sherd_key_file_new(&key));
    place->key_bytes = key.len;
}

void place_make_vault(struct place *place)
{
    place_make(place);
    const struct sherd_unseal unseal = place_unseal(place);
    REQUIRE_OK(sherd_vault_init(place->vault, &unseal, NULL));
}

void place_remove(const struct place *place)
{
    tree_remove(place->root);
}

struct sherd_unseal place_unseal(const struct place *place)
{
    return (struct sherd_unseal){.key_file = sherd_span_of(place->key, place->key_bytes)};
}

struct sherd_vault *place_open(const struct place *place)
{
    const struct sherd_unseal unseal = place_unseal(place);
    struct sherd_vault *vault = NULL;

    REQUIRE_OK(sherd_vault_open(place->vault, &unseal, NULL, &vault));
    return vault;
}

/* --- children ---------------------------------------------------------------------------------------------------- */

pid_t fork_child(void)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    const pid_t parent = getpid();

    (void)fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0, "fork: %s", strerror(errno));
    if (child != 0)
        return child;
    REQUIRE(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent, "the parent is gone");
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        (void)signal(crashes[i], SIG_DFL); /* cmocka would go on with the next test */
    return 0;
}

int in_child(void (*run)(void *arg), void *arg)
{
    int status = 0;

    const pid_t child = fork_child();
    if (child == 0) {
        run(arg);
        (void)fflush(NULL);
        _exit(0); /* a search for leaks at every end would take longer than all else */
    }
    REQUIRE(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* --- contents ---------------------------------------------------------------------------------------------------- */

/* SplitMix64, of Steele, Lea and Flood. */
uint64_t mix_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t mix_below(uint64_t *state, uint64_t limit)
{
    return mix_next(state) % limit;
}

void content_fill(uint64_t seed, uint8_t *block, size_t bytes)
{
    const uint64_t length = bytes;
    uint64_t state = seed;

    for (size_t at = CONTENT_BYTES_MIN; at < bytes; at += sizeof(state)) {
        const uint64_t word = mix_next(&state);

        memcpy(block + at, &word, bytes - at < sizeof(word) ? bytes - at : sizeof(word));
    }
    memcpy(block, &seed, sizeof(seed));
    memcpy(block + sizeof(seed), &length, sizeof(length));
}

bool content_is(struct sherd_span content, uint64_t *out_seed)
{
    uint64_t length = 0;
    uint64_t seed = 0;

    if (content.len < CONTENT_BYTES_MIN)
        return false;
    memcpy(&seed, content.data, sizeof(seed));
    memcpy(&length, content.data + sizeof(seed), sizeof(length));
    if (length != content.len)
        return false;
    uint8_t *expected = malloc(content.len);
    REQUIRE(expected != NULL, "no memory");
    content_fill(seed, expected, content.len);
    const bool same = memcmp(expected, content.data, content.len) == 0;
    free(expected);
    *out_seed = seed;
    return same;
}

void require_content(struct sherd_vault *vault, struct sherd_uuid id, uint64_t version, uint64_t seed, size_t bytes)
{
    struct sherd_buf content = {0};
    uint64_t found = 0;

    REQUIRE_OK(sherd_record_get(vault, id, version, &content));
    REQUIRE(content.len == bytes, "version %llu has %zu bytes, not %zu", (unsigned long long)version, content.len,
            bytes);
    REQUIRE(content_is(sherd_buf_span(&content), &found) && found == seed, "version %llu has other contents",
            (unsigned long long)version);
    sherd_buf_done(&content);
}

bool same_uuid(struct sherd_uuid a, struct sherd_uuid b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

/* --- whole vaults ------------------------------------------------------------------------------------------------ */

static void print_finding(void *arg, const struct sherd_finding *finding)
{
    (void)arg;
    fprintf(stderr, "finding in %s: %s\n", finding->compartment, finding->text);
}

struct sherd_verify_stat require_clean(struct sherd_vault *vault)
{
    const struct sherd_observer observer = {.finding = print_finding};
    struct sherd_verify_stat stat;

    REQUIRE_OK(sherd_vault_verify(vault, NULL, &observer, &stat));
    REQUIRE(stat.finding_count == 0, "%llu findings", (unsigned long long)stat.finding_count);
    return stat;
}

struct sherd_sweep_stat require_swept(struct sherd_vault *vault)
{
    const struct sherd_verify_stat before = require_clean(vault);
    struct sherd_sweep_stat announced;
    struct sherd_sweep_stat swept;
    struct sherd_sweep_stat again;

    REQUIRE_OK(sherd_vault_sweep(vault, true, &announced));
    REQUIRE_OK(sherd_vault_sweep(vault, false, &swept));
    REQUIRE(announced.map_count == swept.map_count && announced.fragment_count == swept.fragment_count,
            "a dry run announced %llu + %llu, %llu + %llu were removed", (unsigned long long)announced.map_count,
            (unsigned long long)announced.fragment_count, (unsigned long long)swept.map_count,
            (unsigned long long)swept.fragment_count);
    REQUIRE(before.orphan_count == swept.map_count + swept.fragment_count, "verify saw %llu orphans, %llu were swept",
            (unsigned long long)before.orphan_count, (unsigned long long)(swept.map_count + swept.fragment_count));
    REQUIRE_OK(sherd_vault_sweep(vault, false, &again));
    REQUIRE(again.map_count == 0 && again.fragment_count == 0 && again.unfinished_count == 0,
            "a second sweep removed %llu map entries, %llu fragments, %llu unfinished",
            (unsigned long long)again.map_count, (unsigned long long)again.fragment_count,
            (unsigned long long)again.unfinished_count);
    const struct sherd_verify_stat after = require_clean(vault);
    REQUIRE(after.record_count == before.record_count && after.version_count == before.version_count &&
                after.content_bytes == before.content_bytes && after.orphan_count == 0,
            "%llu records became %llu by sweeping", (unsigned long long)before.record_count,
            (unsigned long long)after.record_count);
    return swept;
}

unsigned long number_from_env(const char *name, unsigned long fallback)
{
    const char *text = getenv(name);
    char *end = NULL;

    if (text == NULL || *text == '\0')
        return fallback;
    const unsigned long number = strtoul(text, &end, 10);
    REQUIRE(*end == '\0', "%s=%s is no number", name, text);
    return number;
}
