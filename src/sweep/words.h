/* Words of the user's: showing them in a message, and finding what was meant. Local. */
#ifndef GS_SWEEP_WORDS_H
#define GS_SWEEP_WORDS_H

/* The text as a message can hold it: clipped, without control characters. Returns out. */
const char *gs_shown(const char *text, char out[72]);
/* The word of list (count) that is nearest by edit distance (insert, delete, replace, swap), or NULL: none is near. */
const char *gs_word_nearest(const char *word, const char *const *list, int count);
#endif
