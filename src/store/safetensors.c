/* safetensors: 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets}, "__metadata__": {key:
 * text}}, then the values, little-endian and without holes. Whatever comes from a file is checked before it is used. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gridshift/store.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the values are taken as they are in the file");

enum { PREFIX = 8, HEADER_MOST = 100000000 };                /* the format's own limit */
static const size_t FILE_MOST = (size_t)1 << 30;             /* a checkpoint here has some megabytes */
static const char META[] = "__metadata__";

static size_t width_of(const char *dtype)
{
    if (!strcmp(dtype, "F32")) return 4;
    return !strcmp(dtype, "F64") || !strcmp(dtype, "I64") ? 8 : 0;
}

/* -- reading ----------------------------------------------------------------------------------------------- */

typedef struct reader {
    const char *path;
    const char *data; /* after the header, borrowed */
    size_t length;    /* of data, bytes */
    size_t *begin;    /* (count): where each tensor begins in data */
    gs_st_file *out;
    gs_err *e;
} reader;

/* -> the number of elements, or -1 after an error. */
static int64_t read_shape(reader *r, const json_t *shape, gs_st_tensor *t)
{
    if (!json_is_array(shape) || json_array_size(shape) > 8)
        return gs_error(r->e, "%s: tensor %s: shape must be a list of at most 8 sizes", r->path, t->name);
    t->rank = (int)json_array_size(shape);
    int64_t elements = 1;
    for (int i = 0; i < t->rank; i++) {
        const json_t *size = json_array_get(shape, (size_t)i);
        t->shape[i] = json_is_integer(size) ? json_integer_value(size) : -1;
        if (t->shape[i] < 0 || __builtin_mul_overflow(elements, t->shape[i], &elements))
            return gs_error(r->e, "%s: tensor %s: size %d of the shape is not a usable number", r->path, t->name, i + 1);
    }
    return elements;
}

static int read_offsets(reader *r, const json_t *offsets, gs_st_tensor *t, size_t *begin)
{
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return gs_error(r->e, "%s: tensor %s: data_offsets must be two integers", r->path, t->name);
    int64_t first = json_integer_value(from), end = json_integer_value(to);
    if (first < 0 || end < first || (uint64_t)end > r->length)
        return gs_error(r->e, "%s: tensor %s: its bytes %lld to %lld are not inside the %zu bytes of data; the file is cut or damaged",
                        r->path, t->name, (long long)first, (long long)end, r->length);
    *begin = (size_t)first;
    t->bytes = (size_t)(end - first);
    return 0;
}

static int read_tensor(reader *r, const char *name, const json_t *entry)
{
    int at = r->out->count++;
    gs_st_tensor *t = &r->out->tensors[at];
    t->name = gs_text("%s", name);
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    size_t width = dtype ? width_of(dtype) : 0;
    if (!width)
        return gs_error(r->e, "%s: tensor %s: dtype %s is not F32, F64 or I64; convert it", r->path, name, dtype ? dtype : "(none)");
    memcpy(t->dtype, dtype, 4);
    int64_t elements = read_shape(r, json_object_get(entry, "shape"), t), bytes;
    if (elements < 0 || read_offsets(r, json_object_get(entry, "data_offsets"), t, &r->begin[at])) return -1;
    if (__builtin_mul_overflow(elements, (int64_t)width, &bytes) || (uint64_t)bytes != t->bytes)
        return gs_error(r->e, "%s: tensor %s: its shape and dtype do not need the %zu bytes that it has", r->path, name, t->bytes);
    return 0;
}

static int read_meta(reader *r, const json_t *meta)
{
    if (meta && !json_is_object(meta)) return gs_error(r->e, "%s: %s must be an object of texts", r->path, META);
    size_t count = json_object_size(meta);
    r->out->meta_keys = gs_alloc(count, sizeof(char *));
    r->out->meta_values = gs_alloc(count, sizeof(char *));
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)meta, key, value) {
        if (!json_is_string(value)) return gs_error(r->e, "%s: %s: %s is not a text", r->path, META, key);
        r->out->meta_keys[r->out->meta_count] = gs_text("%s", key);
        r->out->meta_values[r->out->meta_count++] = gs_text("%s", json_string_value(value));
    }
    return 0;
}

typedef struct span {
    size_t begin, bytes;
    const char *name;
} span;

static int by_place(const void *a, const void *b)
{
    const span *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes; /* an empty tensor before the one that begins there */
}

/* Sorted by place, each tensor begins where the last one ended, and the last one ends with the file. */
static int check_cover(reader *r)
{
    int count = r->out->count;
    span *spans = gs_alloc((size_t)count, sizeof *spans);
    for (int i = 0; i < count; i++) spans[i] = (span){r->begin[i], r->out->tensors[i].bytes, r->out->tensors[i].name};
    qsort(spans, (size_t)count, sizeof *spans, by_place);
    size_t end = 0;
    int failed = 0;
    for (int i = 0; i < count && !failed; i++) {
        if (spans[i].begin < end)
            failed = gs_error(r->e, "%s: tensors %s and %s overlap", r->path, spans[i - 1].name, spans[i].name);
        else if (spans[i].begin > end)
            failed = gs_error(r->e, "%s: %zu bytes before tensor %s belong to no tensor", r->path, spans[i].begin - end, spans[i].name);
        end = spans[i].begin + spans[i].bytes;
    }
    free(spans);
    if (!failed && end != r->length)
        failed = gs_error(r->e, "%s: the last %zu bytes belong to no tensor", r->path, r->length - end);
    return failed;
}

static bool aligned(const reader *r)
{
    for (int i = 0; i < r->out->count; i++)
        if ((uintptr_t)(r->data + r->begin[i]) % width_of(r->out->tensors[i].dtype)) return false;
    return true;
}

/* The values at addresses that suit their type: where they are, as in every file of ours, or else in a copy. Takes bytes over. */
static void align_values(reader *r, char *bytes)
{
    if (aligned(r)) {
        for (int i = 0; i < r->out->count; i++) r->out->tensors[i].data = r->data + r->begin[i];
        r->out->bytes = bytes;
        return;
    }
    size_t total = 0;
    for (int i = 0; i < r->out->count; i++) total += (r->out->tensors[i].bytes + 7) / 8 * 8;
    r->out->bytes = gs_alloc(total, 1);
    char *to = r->out->bytes;
    for (int i = 0; i < r->out->count; i++) {
        gs_st_tensor *t = &r->out->tensors[i];
        memcpy(to, r->data + r->begin[i], t->bytes);
        t->data = to;
        to += (t->bytes + 7) / 8 * 8;
    }
    free(bytes);
}

static int read_header(reader *r, const json_t *header)
{
    r->out->tensors = gs_alloc(json_object_size(header), sizeof(gs_st_tensor));
    if (read_meta(r, json_object_get(header, META))) return -1;
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)header, name, entry)
        if (strcmp(name, META) && read_tensor(r, name, entry)) return -1;
    return check_cover(r);
}

/* Takes bytes over when it succeeds. */
static int read_bytes(const char *path, char *bytes, size_t length, gs_st_file *out, gs_err *e)
{
    uint64_t size;
    if (length < PREFIX) return gs_error(e, "%s: %zu bytes are no safetensors file", path, length);
    memcpy(&size, bytes, PREFIX);
    if (size > HEADER_MOST || size > length - PREFIX)
        return gs_error(e, "%s: a header of %llu bytes does not fit a file of %zu; this is no safetensors file, or it is cut", path,
                        (unsigned long long)size, length);
    json_error_t why;
    json_t *header = json_loadb(bytes + PREFIX, (size_t)size, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(header)) {
        json_decref(header);
        return gs_error(e, "%s: the header is not a JSON object: %s", path, header ? "it is a list" : why.text);
    }
    reader r = {path, bytes + PREFIX + size, length - PREFIX - (size_t)size, NULL, out, e};
    r.begin = gs_alloc(json_object_size(header), sizeof *r.begin);
    int failed = read_header(&r, header);
    if (!failed) align_values(&r, bytes);
    free(r.begin);
    json_decref(header);
    return failed;
}

int gs_st_read_most(const char *path, size_t most, gs_st_file *out, gs_err *e)
{
    *out = (gs_st_file){0};
    char *bytes;
    size_t length;
    if (gs_file_read(path, most, &bytes, &length, e)) return -1;
    if (!read_bytes(path, bytes, length, out, e)) return 0;
    free(bytes);
    gs_st_free(out);
    return -1;
}

int gs_st_read(const char *path, gs_st_file *out, gs_err *e) { return gs_st_read_most(path, FILE_MOST, out, e); }

void gs_st_free(gs_st_file *f)
{
    for (int i = 0; i < f->count; i++) free(f->tensors[i].name);
    for (int i = 0; i < f->meta_count; i++) free(f->meta_keys[i]), free(f->meta_values[i]);
    free(f->tensors);
    free(f->meta_keys);
    free(f->meta_values);
    free(f->bytes);
    *f = (gs_st_file){0};
}

const gs_st_tensor *gs_st_find(const gs_st_file *f, const char *name)
{
    for (int i = 0; i < f->count; i++)
        if (!strcmp(f->tensors[i].name, name)) return &f->tensors[i];
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const gs_st_tensor *const *)a)->name, (*(const gs_st_tensor *const *)b)->name);
}

/* Each text with its closing 0 and each number with its width, so that no two files look alike. */
void gs_st_checksum(const gs_st_tensor *tensors, int count, const char *const *texts, int text_count, char hex[33])
{
    const gs_st_tensor **sorted = gs_alloc((size_t)count, sizeof *sorted);
    for (int i = 0; i < count; i++) sorted[i] = &tensors[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_name);
    gs_hasher *h = gs_hasher_open();
    for (int i = 0; i < text_count; i++) gs_hasher_add(h, texts[i], strlen(texts[i]) + 1);
    for (int i = 0; i < count; i++) {
        const gs_st_tensor *t = sorted[i];
        gs_hasher_add(h, t->name, strlen(t->name) + 1);
        gs_hasher_add(h, t->dtype, strlen(t->dtype) + 1);
        gs_hasher_add(h, t->shape, (size_t)t->rank * sizeof *t->shape);
        gs_hasher_add(h, t->data, t->bytes);
    }
    gs_hash_text(gs_hasher_close(&h), hex);
    free(sorted);
}

const char *gs_st_meta(const gs_st_file *f, const char *key)
{
    for (int i = 0; i < f->meta_count; i++)
        if (!strcmp(f->meta_keys[i], key)) return f->meta_values[i];
    return NULL;
}

/* -- writing ----------------------------------------------------------------------------------------------- */

/* Wider types first, so that all values are aligned; then by name, so that the bytes do not depend on the caller's order. */
static int by_width(const void *a, const void *b)
{
    const gs_st_tensor *x = *(const gs_st_tensor *const *)a, *y = *(const gs_st_tensor *const *)b;
    size_t wx = width_of(x->dtype), wy = width_of(y->dtype);
    return wx != wy ? (wx > wy ? -1 : 1) : strcmp(x->name, y->name);
}

/* Adds key: value and takes over value; fails on a key that is there already or is not UTF-8. */
static int add(json_t *object, const char *key, json_t *value, const char *path, gs_err *e)
{
    bool twice = json_object_get(object, key);
    if (!twice && !json_object_set_new(object, key, value)) return 0;
    if (twice) json_decref(value);
    return gs_error(e, "%s: cannot write %s: %s", path, key, twice ? "the name is there twice" : "it or its text is not UTF-8");
}

static json_t *header_entry(const gs_st_tensor *t, size_t begin)
{
    json_t *shape = json_array();
    for (int i = 0; i < t->rank; i++) json_array_append_new(shape, json_integer(t->shape[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype, "shape", shape, "data_offsets", (json_int_t)begin,
                     (json_int_t)(begin + t->bytes));
}

static int build_header(const char *path, json_t *header, const gs_st_tensor **sorted, int count, const char *const *keys,
                        const char *const *values, int meta_count, gs_err *e)
{
    json_t *meta = json_object();
    json_object_set_new(header, META, meta);
    for (int i = 0; i < meta_count; i++)
        if (add(meta, keys[i], json_string(values[i]), path, e)) return -1;
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (add(header, sorted[i]->name, header_entry(sorted[i], at), path, e)) return -1;
        at += sorted[i]->bytes;
    }
    return 0;
}

static int write_file(const char *path, const json_t *header, const gs_st_tensor **sorted, int count, gs_err *e)
{
    static const char blanks[8] = "        ";
    char *text = json_dumps(header, JSON_COMPACT);
    uint64_t length = strlen(text), padding = (8 - length % 8) % 8, total = length + padding;
    enum { HEAD = 3 };
    gs_part *parts = gs_alloc((size_t)count + HEAD, sizeof *parts);
    parts[0] = (gs_part){&total, PREFIX};
    parts[1] = (gs_part){text, length};
    parts[2] = (gs_part){blanks, padding};
    for (int i = 0; i < count; i++) parts[HEAD + i] = (gs_part){sorted[i]->data, sorted[i]->bytes};
    int failed = gs_file_write_parts(path, parts, HEAD + count, e);
    free(text);
    free(parts);
    return failed;
}

int gs_st_write(const char *path, const gs_st_tensor *tensors, int count, const char *const *meta_keys,
                const char *const *meta_values, int meta_count, gs_err *e)
{
    const gs_st_tensor **sorted = gs_alloc((size_t)count, sizeof *sorted);
    for (int i = 0; i < count; i++) sorted[i] = &tensors[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_width);
    json_t *header = json_object();
    int failed = build_header(path, header, sorted, count, meta_keys, meta_values, meta_count, e);
    if (!failed) failed = write_file(path, header, sorted, count, e);
    json_decref(header);
    free(sorted);
    return failed;
}
