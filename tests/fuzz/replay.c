/* Every file of the named folders through a fuzzing target, without a fuzzer: the seeds, and the inputs that once were findings. Seeds of
 * a form that is no longer taken would test nothing but the refusal. */
#include <dirent.h>

#include "fuzz.h"

enum { INPUT_MOST = 64 << 20 };

static int replay(const char *folder)
{
    int count = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *entry; d && (entry = readdir(d));) {
        char *path = gs_text("%s/%s", folder, entry->d_name), *data;
        size_t length;
        if (entry->d_name[0] != '.') {
            gs_err e;
            if (gs_file_read(path, INPUT_MOST, &data, &length, &e)) gs_die("%s", e.text);
            LLVMFuzzerTestOneInput((const uint8_t *)data, length);
            free(data);
            count++;
        }
        free(path);
    }
    if (d) closedir(d);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) count += replay(argv[i]);
    printf("1..1\n%sok 1 - %d inputs, %u of them sound\n", fuzz_taken ? "" : "not ", count, fuzz_taken);
    return fuzz_taken == 0;
}
