/* ML-KEM-768 on the command line, for test clients in languages that have none. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mlkem.h"

static const char help[] =
    "usage: mlkem-helper keygen SEED     prints the encapsulation key, then the decapsulation key\n"
    "       mlkem-helper encaps EK M     prints the ciphertext, then the shared secret\n"
    "       mlkem-helper decaps          reads DK and CT from standard input, prints the secret\n"
    "\n"
    "ML-KEM-768 (FIPS 203). All values are hex, one a line. SEED is d || z (64 bytes), EK 1184,\n"
    "M 32, DK 2400, CT 1088 bytes. An operand given as - is read from standard input.\n"
    "Exit status: 0; 1 when a key is invalid; 2 when the command or an operand is wrong.\n";

static _Noreturn void die(int status, const char *what, const char *why)
{
    fprintf(stderr, "mlkem-helper: %s: %s\n", what, why);
    exit(status);
}

/* Decode exactly len bytes of hex from an argument, or from a line of standard input when it is
 * "-". */
static void read_hex(uint8_t *out, size_t len, const char *name, const char *arg)
{
    char line[2 * MLKEM_DK_LEN + 3];
    size_t n;

    if (strcmp(arg, "-") == 0) {
        if (!fgets(line, sizeof(line), stdin))
            die(2, name, "missing on standard input");
        line[strcspn(line, "\r\n")] = '\0';
        arg = line;
    }
    if (strlen(arg) != 2 * len || sodium_hex2bin(out, len, arg, 2 * len, NULL, &n, NULL) != 0 ||
        n != len)
        die(2, name, "not hex of the right length");
}

static void print_hex(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%02x", bytes[i]);
    putchar('\n');
}

static void check(int rc)
{
    if (rc < 0)
        die(1, "operation failed", strerror(-rc));
}

static void keygen(const char *seed_arg)
{
    uint8_t seed[MLKEM_SEED_LEN], ek[MLKEM_EK_LEN], dk[MLKEM_DK_LEN];

    read_hex(seed, sizeof(seed), "SEED", seed_arg);
    check(mlkem768_keygen(ek, dk, seed));
    print_hex(ek, sizeof(ek));
    print_hex(dk, sizeof(dk));
}

static void encaps(const char *ek_arg, const char *m_arg)
{
    uint8_t ek[MLKEM_EK_LEN], m[MLKEM_RANDOM_LEN], ct[MLKEM_CT_LEN], ss[MLKEM_SS_LEN];

    read_hex(ek, sizeof(ek), "EK", ek_arg);
    read_hex(m, sizeof(m), "M", m_arg);
    check(mlkem768_encaps(ct, ss, ek, m));
    print_hex(ct, sizeof(ct));
    print_hex(ss, sizeof(ss));
}

static void decaps(void)
{
    uint8_t dk[MLKEM_DK_LEN], ct[MLKEM_CT_LEN], ss[MLKEM_SS_LEN];

    read_hex(dk, sizeof(dk), "DK", "-");
    read_hex(ct, sizeof(ct), "CT", "-");
    check(mlkem768_decaps(ss, dk, ct));
    print_hex(ss, sizeof(ss));
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (strcmp(command, "--help") == 0)
        fputs(help, stdout);
    else if (strcmp(command, "keygen") == 0 && argc == 3)
        keygen(argv[2]);
    else if (strcmp(command, "encaps") == 0 && argc == 4)
        encaps(argv[2], argv[3]);
    else if (strcmp(command, "decaps") == 0 && argc == 2)
        decaps();
    else {
        fputs(help, stderr);
        return 2;
    }
    return 0;
}
