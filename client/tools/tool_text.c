/* Text that somebody else wrote, on the terminal of our user. */
#include <stdio.h>
#include <string.h>

#include "tool.h"

/* What moves the cursor, begins an escape sequence, or turns the order of what is read. */
static bool is_obeyed(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

/* Bytes of the character it begins with (RFC 3629); 0: it is to be escaped. */
static unsigned character(const char *text)
{
    static const uint32_t least[] = {1, 0, 0x80, 0x800, 0x10000};
    const uint8_t *s = (const uint8_t *)text;
    unsigned n = s[0] < 0x80             ? 1
                 : (s[0] & 0xe0) == 0xc0 ? 2
                 : (s[0] & 0xf0) == 0xe0 ? 3
                 : (s[0] & 0xf8) == 0xf0 ? 4
                                         : 0;
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7fU >> n);

    for (unsigned i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || is_obeyed(c) ? 0 : n;
}

bool tool_is_plain(const char *text)
{
    unsigned n = 1;

    for (; *text && n; text += n)
        n = character(text);
    return n;
}

void tool_plain(char *out, size_t size, const char *text)
{
    enum { LONGEST = 4 }; /* of a character, and of "\xNN" */
    char *end = out + size;

    while (*text && end - out > LONGEST) {
        unsigned n = character(text);

        if (n) {
            memcpy(out, text, n);
            out += n;
            text += n;
        } else {
            out += sprintf(out, "\\x%02x", (uint8_t)*text++);
        }
    }
    *out = '\0';
}
