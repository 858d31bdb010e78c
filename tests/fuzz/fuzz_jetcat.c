/* A jetcat that receives or sends files, and another that says anything. The session is the
 * input's; the files are real. What holds: nothing appears but plain names and their parts in the
 * directory, and a file that is complete is what its sender's hash says. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "fuzz.h"
#include "fuzz_input.h"
#include "fuzz_quiet.h"
#include "jetcat.h"

enum { SENT = 3000 };

static struct {
    struct input in;
    jmp_buf over;
    char hash[SHA256_TEXT]; /* of the file, as the sender said last */
    unsigned hashes;
} fz;

/* A program that fails ends, and leaves its memory to the system. The driver has options of its
 * own, libFuzzer would look for leaks after each input. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));
const char *__asan_default_options(void) __attribute__((weak));
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* ---- the session ---- */

int jp_socket_open(jp_socket *socket, int stream, const jp_stream_options *options)
{
    (void)socket;
    (void)options;
    return stream;
}

int jp_socket_write(jp_socket *socket, unsigned stream, const void *data, size_t size,
                    int64_t timeout)
{
    (void)socket;
    (void)stream;
    (void)timeout;
    FUZZ_CHECK(size > 0 && size <= 1 + CHUNK);
    if (*(const char *)data != 'd') {
        json_t *told = json_loadb(data, size, 0, NULL);

        FUZZ_CHECK(json_is_object(told));
        json_decref(told);
    }
    return 0;
}

static void note_hash(const uint8_t *message, size_t n)
{
    json_t *json = json_loadb((const char *)message, n, 0, NULL);
    const char *hash = json_string_value(json_object_get(json, "sha256"));

    if (hash)
        snprintf(fz.hash, sizeof(fz.hash), "%s", hash);
    fz.hashes += hash != NULL;
    json_decref(json);
}

/* The next message: its length, then its bytes. */
int jp_socket_read(jp_socket *socket, int stream, jp_received **received, int64_t timeout)
{
    size_t n = take16(&fz.in);
    jp_received *r;
    const uint8_t *at;

    (void)socket;
    (void)timeout;
    if (fz.in.p >= fz.in.end)
        return JP_RECEIVE_CLOSED;
    n = take_bytes(&fz.in, n, &at);
    r = calloc(1, sizeof(*r) + n);
    memcpy(r + 1, at, n);
    note_hash(at, n);
    *r = (jp_received){.data = r + 1, .size = n, .stream = (uint32_t)stream};
    *received = r;
    return 0;
}

void jp_received_free(jp_received *received)
{
    free(received);
}

jp_close jp_socket_closed(jp_socket *socket)
{
    (void)socket;
    return (jp_close){.reason = "so", .by = JP_CLOSED_BY_PEER};
}

int jp_socket_close(jp_socket *socket, uint64_t code, const char *reason)
{
    (void)socket;
    (void)code;
    (void)reason;
    return 0;
}

int jp_socket_finish(jp_socket *socket, int64_t timeout)
{
    (void)socket;
    (void)timeout;
    return 0;
}

void jp_socket_free(jp_socket *socket)
{
    (void)socket;
}

/* ---- the program's end ---- */

void tool_fail(const struct tool *t, enum tool_exit code, const char *format, ...)
{
    (void)t;
    (void)format;
    FUZZ_CHECK(code == TOOL_FAILED || code == TOOL_WRONG);
    longjmp(fz.over, 1);
}

void tool_fail_error(const struct tool *t, const char *what, int error)
{
    (void)t;
    (void)what;
    (void)error;
    longjmp(fz.over, 1);
}

void tool_print_json(json_t *object)
{
    json_decref(object);
}

/* ---- files ---- */

static char directory[] = "/dev/shm/fuzz-jetcat-XXXXXX", to_send[64];

static void remove_files(void)
{
    unlink(to_send);
    rmdir(directory);
}

static void write_file(const char *name, const uint8_t *bytes, size_t n)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s%s", directory, name);
    fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    FUZZ_CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
}

static void prepare(void)
{
    static uint8_t bytes[SENT];

    if (to_send[0])
        return;
    FUZZ_CHECK(mkdtemp(directory));
    snprintf(to_send, sizeof(to_send), "%s.send", directory);
    write_file(".send", bytes, sizeof(bytes));
    atexit(remove_files);
}

static void check_whole(int fd)
{
    static uint8_t buffer[FUZZ_INPUT_MAX];
    crypto_hash_sha256_state hash;
    char text[SHA256_TEXT];

    crypto_hash_sha256_init(&hash);
    hash_file(&hash, fd, UINT64_MAX, buffer, sizeof(buffer));
    hash_text(&hash, text);
    FUZZ_CHECK(strcmp(text, fz.hash) == 0);
    close(fd);
}

/* C0, DEL, or C1 in UTF-8. */
static bool has_controls(const char *name)
{
    for (const uint8_t *s = (const uint8_t *)name; *s; s++)
        if (*s < 0x20 || *s == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0))
            return true;
    return false;
}

static bool is_part(const char *name)
{
    static const char end[] = ".jetcat-part";
    size_t n = strlen(name);

    return name[0] == '.' && n >= sizeof(end) && strcmp(name + n + 1 - sizeof(end), end) == 0;
}

/* Every name is plain or a part's, every file a file; all are removed. With one hash told, it is
 * that of the file that is whole. */
static void clear(void)
{
    DIR *d = opendir(directory);
    struct dirent *entry;

    FUZZ_CHECK(d);
    while ((entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        FUZZ_CHECK(entry->d_type == DT_REG);
        FUZZ_CHECK(entry->d_name[0] != '.' || is_part(entry->d_name));
        FUZZ_CHECK(!has_controls(entry->d_name));
        if (fz.hashes == 1 && !is_part(entry->d_name))
            check_whole(openat(dirfd(d), entry->d_name, O_RDONLY));
        FUZZ_CHECK(unlinkat(dirfd(d), entry->d_name, 0) == 0);
    }
    closedir(d);
}

/* ---- a run ---- */

static void run(enum role role)
{
    static struct jetcat j;
    static const char *files[] = {to_send};

    j = (struct jetcat){.tool = {.name = "jetcat", .server = role == ROLE_SEND, .inbox = directory},
                        .role = role,
                        .files = files,
                        .n_files = 1,
                        .quiet = true};
    wire_greet(&j);
    if (role == ROLE_SEND)
        send_run(&j);
    else
        receive_run(&j);
    wire_end(&j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct quiet q;
    const uint8_t *at;
    unsigned how;
    size_t n;
    int first;

    prepare();
    fz.in = (struct input){data, data + size};
    fz.hashes = 0;
    how = take8(&fz.in);
    if (how & 2) { /* something of a file is there already */
        n = take_bytes(&fz.in, take8(&fz.in), &at);
        write_file("/.a.jetcat-part", at, n);
    }
    first = dup(STDIN_FILENO);
    quiet_begin(&q);
    if (__lsan_disable)
        __lsan_disable();
    if (setjmp(fz.over) == 0)
        run(how & 1 ? ROLE_SEND : ROLE_RECEIVE);
    if (__lsan_enable)
        __lsan_enable();
    quiet_end(&q);
    free(q.text);
    close_range((unsigned)first, ~0U, 0); /* what a program that failed left open */
    clear();
    return 0;
}

/* ---- seeds ---- */

static size_t put(uint8_t *out, const char *text)
{
    size_t n = strlen(text);

    be16_store(out, (uint16_t)n);
    memcpy(out + 2, text, n);
    return 2 + n;
}

/* A file of "abcabc", resumed, sent, refused. */
size_t fuzz_seed(unsigned index, uint8_t *out)
{
    static const char sha256[] =
        "{\"sha256\":\"bbb59da3af939f7af5f360f2ceb80a496e3bae1cd87dde426db0ae40677e1c2c\"}";
    static const char *const scripts[][7] = {
        {"{\"jetcat\":1,\"role\":\"send\"}", "{\"file\":\"a\",\"size\":6}", "{\"start\":0}", "dabc",
         "dabc", sha256, "{\"end\":true}"},
        {"{\"jetcat\":1,\"role\":\"send\"}", "{\"file\":\"a\",\"size\":6}", "{\"start\":3}", "dabc",
         sha256, "{\"end\":true}"},
        {"{\"jetcat\":1,\"role\":\"receive\"}", "{\"offset\":0,\"sha256\":\"e3b0\"}",
         "{\"done\":true}", "{\"done\":true}"},
        {"{\"jetcat\":1,\"role\":\"send\"}", "{\"file\":\"../a\",\"size\":6}"},
        {"{\"jetcat\":1,\"role\":\"send\"}", "{\"file\":\"a\",\"size\":6}", "{\"start\":6}", sha256,
         "{\"end\":true}"},
        {"{\"error\":\"no\"}"},
        {"{\"jetcat\":1,\"role\":\"send\"}", "{\"file\":\"a\\u009b31m\",\"size\":6}",
         "{\"start\":0}", "dabc"},
    };
    static const char *const parts[] = {"", "abc", "", "", "abcabcabc", "", ""};
    size_t n = 1;

    if (index >= sizeof(scripts) / sizeof(scripts[0]))
        return 0;
    out[0] = index == 2 ? 1 : 2;
    if (out[0] == 2) {
        out[n++] = (uint8_t)strlen(parts[index]);
        memcpy(out + n, parts[index], strlen(parts[index]));
        n += strlen(parts[index]);
    }
    for (unsigned i = 0; i < 7 && scripts[index][i]; i++)
        n += put(out + n, scripts[index][i]);
    return n;
}
