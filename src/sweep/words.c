#include "sweep/words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN_MOST = 60, WORD_MOST = 64 };

const char *gs_shown(const char *text, char out[72])
{
    size_t n = 0;
    for (; text[n] && n < SHOWN_MOST; n++) out[n] = (unsigned char)text[n] < 32 || text[n] == 127 ? ' ' : text[n];
    if (text[n]) {
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80) n--; /* not in the middle of a character */
        memcpy(out + n, "...", 3);
        n += 3;
    }
    out[n] = 0;
    return out;
}

static int least(int a, int b) { return a < b ? a : b; }

/* Optimal string alignment distance; both words have at most WORD_MOST bytes. */
static int distance(const char *a, const char *b)
{
    int n = (int)strlen(a), m = (int)strlen(b), row[3][WORD_MOST + 1];
    for (int j = 0; j <= m; j++) row[0][j] = j;
    for (int i = 1; i <= n; i++) {
        int *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= m; j++) {
            bool same = a[i - 1] == b[j - 1];
            now[j] = least(least(now[j - 1], before[j]) + 1, before[j - 1] + !same);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = least(now[j], earlier[j - 2] + 1);
        }
    }
    return row[n % 3][m];
}

const char *gs_word_nearest(const char *word, const char *const *list, int count)
{
    size_t length = strlen(word);
    if (!length || length > WORD_MOST) return NULL;
    int most = 1 + (int)length / 4, best = most + 1;
    const char *found = NULL;
    for (int i = 0; i < count; i++) {
        int d = distance(word, list[i]);
        if (d < best) best = d, found = list[i];
    }
    return found;
}
