#include "rle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The compressed form writes a number in groups of 5 bits, lowest first, each as a printable character. */
enum { FIRST_CHARACTER = 48, GROUP_BITS = 5, GROUP_MASK = 31, SIGN_BIT = 16, MORE_BIT = 32 };
enum { LONGEST_NUMBER = 7 };

const char *rle_message(rle_status status) {
    switch (status) {
    case RLE_OK: return "is right";
    case RLE_NO_MEMORY: return "does not fit into memory";
    case RLE_TOO_LARGE: return "has more than 2147483647 pixels";
    case RLE_NOT_BINARY: return "holds other values than 0 and 1";
    case RLE_BAD_CHARACTER: return "has a character in its counts that does not belong there";
    case RLE_CUT_OFF: return "has counts that end inside a number";
    case RLE_LONG_NUMBER: return "has a number in its counts that is too long";
    case RLE_NEGATIVE: return "has a run of negative length";
    case RLE_BEYOND: return "has runs that go beyond its size";
    case RLE_SHORT: return "has runs that end before its size";
    case RLE_SIZES_DIFFER: return "has another size than the one before it";
    case RLE_NOT_FINITE: return "has a coordinate that is not a finite number";
    case RLE_FAR_AWAY: return "has a coordinate that is more than 10000000 pixels away";
    case RLE_NEGATIVE_BOX: return "has a negative width or height";
    case RLE_LONG_WALK: return "has a boundary of more than 53687091 pixels";
    }
    return "is wrong";
}

void rle_free(rle *mask) {
    free(mask->runs);
    memset(mask, 0, sizeof *mask);
}

static rle_status begin(rle *mask, uint32_t height, uint32_t width) {
    if ((uint64_t)height * width > RLE_LARGEST_AREA) return RLE_TOO_LARGE;
    mask->height = height;
    mask->width = width;
    mask->count = 0;
    return RLE_OK;
}

static rle_status push(rle *mask, uint32_t run) {
    if (mask->count == mask->capacity) {
        size_t capacity = mask->capacity < 16 ? 16 : mask->capacity + mask->capacity / 2;
        if (capacity > SIZE_MAX / sizeof *mask->runs) return RLE_NO_MEMORY;
        uint32_t *runs = realloc(mask->runs, capacity * sizeof *runs);
        if (runs == NULL) return RLE_NO_MEMORY;
        mask->runs = runs;
        mask->capacity = capacity;
    }
    mask->runs[mask->count++] = run;
    return RLE_OK;
}

static uint32_t pixel_count(const rle *mask) { return mask->height * mask->width; }

rle_status rle_from_pixels(rle *mask, uint32_t height, uint32_t width, const uint8_t *pixels) {
    rle_status status = begin(mask, height, width);
    uint32_t area = status == RLE_OK ? pixel_count(mask) : 0;
    uint32_t start = 0;
    uint8_t value = 0;
    for (uint32_t at = 0; at < area && status == RLE_OK; at++) {
        if (pixels[at] > 1) return RLE_NOT_BINARY;
        if (pixels[at] == value) continue;
        status = push(mask, at - start);
        start = at;
        value = pixels[at];
    }
    return status == RLE_OK ? push(mask, area - start) : status;
}

/* Takes one more run from outside, as long as it stays inside of the image. */
static rle_status push_checked(rle *mask, int64_t run, uint32_t *left) {
    if (run < 0) return RLE_NEGATIVE;
    if (run > *left) return RLE_BEYOND;
    *left -= (uint32_t)run;
    return push(mask, (uint32_t)run);
}

rle_status rle_from_runs(rle *mask, uint32_t height, uint32_t width, const int64_t *runs, size_t count) {
    rle_status status = begin(mask, height, width);
    if (status != RLE_OK) return status;
    uint32_t left = pixel_count(mask);
    for (size_t index = 0; index < count && status == RLE_OK; index++) {
        status = push_checked(mask, runs[index], &left);
    }
    return status == RLE_OK && left > 0 ? RLE_SHORT : status;
}

/* Reads one number of the compressed form and moves `at` behind it. */
static rle_status read_number(const char *text, size_t size, size_t *at, int64_t *number) {
    uint64_t bits = 0;
    for (unsigned group = 0; group < LONGEST_NUMBER; group++) {
        if (*at == size) return RLE_CUT_OFF;
        int code = (unsigned char)text[(*at)++] - FIRST_CHARACTER;
        if (code < 0 || code > (MORE_BIT | GROUP_MASK)) return RLE_BAD_CHARACTER;
        bits |= (uint64_t)(code & GROUP_MASK) << (GROUP_BITS * group);
        if (code & MORE_BIT) continue;
        *number = (int64_t)bits - (code & SIGN_BIT ? (int64_t)1 << (GROUP_BITS * (group + 1)) : 0);
        return RLE_OK;
    }
    return RLE_LONG_NUMBER;
}

rle_status rle_from_text(rle *mask, uint32_t height, uint32_t width, const char *text, size_t size) {
    rle_status status = begin(mask, height, width);
    if (status != RLE_OK) return status;
    uint32_t left = pixel_count(mask);
    for (size_t at = 0; at < size && status == RLE_OK;) {
        int64_t number = 0;
        status = read_number(text, size, &at, &number);
        if (status != RLE_OK) return status;
        /* From the fourth run on, the difference to the run two before is written. */
        if (mask->count > 2) number += mask->runs[mask->count - 2];
        status = push_checked(mask, number, &left);
    }
    return status == RLE_OK && left > 0 ? RLE_SHORT : status;
}

size_t rle_text_room(const rle *mask) {
    return mask->count < SIZE_MAX / LONGEST_NUMBER ? mask->count * LONGEST_NUMBER + 1 : 0;
}

size_t rle_to_text(const rle *mask, char *text) {
    size_t size = 0;
    for (size_t index = 0; index < mask->count; index++) {
        int64_t number = mask->runs[index];
        if (index > 2) number -= mask->runs[index - 2];
        for (int more = 1; more;) {
            int group = (int)(number & GROUP_MASK);
            /* Rounds down, as a shift of a negative number does where C leaves it open. */
            number = (number - group) / (GROUP_MASK + 1);
            more = number != (group & SIGN_BIT ? -1 : 0);
            text[size++] = (char)(FIRST_CHARACTER + (more ? group | MORE_BIT : group));
        }
    }
    return size;
}

void rle_to_pixels(const rle *mask, uint8_t *pixels) {
    for (size_t index = 0; index < mask->count; index++) {
        memset(pixels, index & 1, mask->runs[index]);
        pixels += mask->runs[index];
    }
}

uint32_t rle_area(const rle *mask) {
    uint32_t area = 0;
    for (size_t index = 1; index < mask->count; index += 2) area += mask->runs[index];
    return area;
}

rle_box rle_bounds(const rle *mask) {
    rle_box box = {0, 0, 0, 0};
    uint32_t height = mask->height, start = 0;
    uint32_t left = UINT32_MAX, right = 0, top = UINT32_MAX, bottom = 0;
    for (size_t index = 0; index < mask->count; start += mask->runs[index++]) {
        if ((index & 1) == 0 || mask->runs[index] == 0) continue;
        uint32_t last = start + mask->runs[index] - 1;
        uint32_t first_column = start / height, last_column = last / height;
        int is_one_column = first_column == last_column;
        uint32_t first_row = is_one_column ? start % height : 0;
        uint32_t last_row = is_one_column ? last % height : height - 1;
        if (first_column < left) left = first_column;
        if (last_column > right) right = last_column;
        if (first_row < top) top = first_row;
        if (last_row > bottom) bottom = last_row;
    }
    if (left == UINT32_MAX) return box;
    box.x = left;
    box.y = top;
    box.width = right - left + 1;
    box.height = bottom - top + 1;
    return box;
}

/* A place in a mask: how much of the run is left, and what it is a run of. */
typedef struct {
    const rle *mask;
    size_t next;
    uint32_t left;
    int value;
} cursor;

/* Goes to the next run that has pixels; at the end nothing is left. */
static void settle(cursor *place) {
    while (place->left == 0 && place->next < place->mask->count) {
        place->value = place->next & 1;
        place->left = place->mask->runs[place->next++];
    }
}

/* Moves two places on by as much as the value of neither changes, and says how much that was. */
static uint32_t advance(cursor *first, cursor *second) {
    uint32_t step = first->left < second->left ? first->left : second->left;
    first->left -= step;
    second->left -= step;
    settle(first);
    settle(second);
    return step;
}

static int have_one_size(const rle *first, const rle *second) {
    return first->height == second->height && first->width == second->width;
}

rle_status rle_merge(rle *mask, const rle *first, const rle *second, int intersect) {
    if (!have_one_size(first, second)) return RLE_SIZES_DIFFER;
    rle_status status = begin(mask, first->height, first->width);
    cursor one = {first, 0, 0, 0}, other = {second, 0, 0, 0};
    uint32_t run = 0;
    int value = 0;
    settle(&one);
    settle(&other);
    while (one.left > 0 && other.left > 0 && status == RLE_OK) {
        int merged = intersect ? one.value && other.value : one.value || other.value;
        if (merged != value) {
            status = push(mask, run);
            run = 0;
            value = merged;
        }
        run += advance(&one, &other);
    }
    return status == RLE_OK ? push(mask, run) : status;
}

rle_status rle_copy(rle *mask, const rle *other) {
    rle_status status = begin(mask, other->height, other->width);
    for (size_t index = 0; index < other->count && status == RLE_OK; index++) {
        status = push(mask, other->runs[index]);
    }
    return status;
}

uint32_t rle_overlap(const rle *first, const rle *second) {
    cursor one = {first, 0, 0, 0}, other = {second, 0, 0, 0};
    uint32_t overlap = 0;
    settle(&one);
    settle(&other);
    while (one.left > 0 && other.left > 0) {
        int both = one.value && other.value;
        uint32_t step = advance(&one, &other);
        if (both) overlap += step;
    }
    return overlap;
}

double rle_box_iou(rle_box first, rle_box second, int over_first) {
    double width = fmin(first.x + first.width, second.x + second.width) - fmax(first.x, second.x);
    double height = fmin(first.y + first.height, second.y + second.height) - fmax(first.y, second.y);
    if (!(width > 0) || !(height > 0)) return 0;
    double overlap = width * height, first_area = first.width * first.height;
    double whole = over_first ? first_area : first_area + second.width * second.height - overlap;
    return overlap / whole;
}

/*
 * Polygons. The boundary is walked on a grid five times as fine as the pixels. Where it passes from one fine
 * column to the next at the middle of a pixel column, that column changes its value from the row there on.
 */
enum { FINENESS = 5 };

/* A walk along a boundary; `crossings` collects pixel positions, as a mask whose runs are not lengths yet. */
typedef struct {
    rle *crossings;
    int has_begun;
    int column, row;
} walk;

/* Where the fine coordinate lies in pixels, measured from the middle of the first one. */
static double pixel_of(int fine) { return (fine + 0.5) / FINENESS - 0.5; }

static rle_status step_to(walk *path, int column, int row) {
    rle_status status = RLE_OK;
    if (path->has_begun && column != path->column) {
        double height = path->crossings->height, width = path->crossings->width;
        double x = pixel_of(column < path->column ? column : column - 1);
        double y = ceil(fmin(fmax(pixel_of(row < path->row ? row : path->row), 0), height));
        if (x == floor(x) && x >= 0 && x < width) {
            status = push(path->crossings, (uint32_t)x * path->crossings->height + (uint32_t)y);
        }
    }
    path->has_begun = 1;
    path->column = column;
    path->row = row;
    return status;
}

/* One side of a polygon, on the fine grid. */
typedef struct {
    int from[2], to[2];
} side;

static int longer_way(const side *line, int *is_flat) {
    int across = abs(line->to[0] - line->from[0]), down = abs(line->to[1] - line->from[1]);
    *is_flat = across >= down;
    return *is_flat ? across : down;
}

/* Walks along a side, whose points are always computed from the same end, whichever way it is walked. */
static rle_status walk_side(walk *path, const side *line) {
    int is_flat, length = longer_way(line, &is_flat), along = is_flat ? 0 : 1, across = 1 - along;
    int is_backward = line->from[along] > line->to[along];
    const int *start = is_backward ? line->to : line->from, *end = is_backward ? line->from : line->to;
    double slope = length == 0 ? 0 : (double)(end[across] - start[across]) / length;
    rle_status status = RLE_OK;
    for (int step = 0; step <= length && status == RLE_OK; step++) {
        int at = is_backward ? length - step : step;
        int main_way = start[along] + at;
        int side_way = (int)(start[across] + slope * at + 0.5);
        status = is_flat ? step_to(path, main_way, side_way) : step_to(path, side_way, main_way);
    }
    return status;
}

static rle_status to_fine(double coordinate, int *fine) {
    if (!isfinite(coordinate)) return RLE_NOT_FINITE;
    if (fabs(coordinate) > RLE_FARTHEST_PX) return RLE_FAR_AWAY;
    *fine = (int)(FINENESS * coordinate + 0.5);
    return RLE_OK;
}

static rle_status side_of(const double *coordinates, size_t points, size_t point, side *line) {
    const double *here = coordinates + 2 * point;
    const double *next = point + 1 < points ? here + 2 : coordinates;
    rle_status status = RLE_OK;
    for (int axis = 0; axis < 2 && status == RLE_OK; axis++) {
        status = to_fine(here[axis], &line->from[axis]);
        if (status == RLE_OK) status = to_fine(next[axis], &line->to[axis]);
    }
    return status;
}

/* What cannot be walked is refused before the first step. */
static rle_status check_polygon(const double *coordinates, size_t points) {
    uint64_t steps = 0;
    for (size_t point = 0; point < points; point++) {
        side line;
        int is_flat;
        rle_status status = side_of(coordinates, points, point, &line);
        if (status != RLE_OK) return status;
        steps += (uint64_t)longer_way(&line, &is_flat) + 1;
        if (steps > RLE_LONGEST_WALK) return RLE_LONG_WALK;
    }
    return RLE_OK;
}

static rle_status walk_polygon(walk *path, const double *coordinates, size_t points) {
    rle_status status = check_polygon(coordinates, points);
    for (size_t point = 0; point < points && status == RLE_OK; point++) {
        side line;
        status = side_of(coordinates, points, point, &line);
        if (status == RLE_OK) status = walk_side(path, &line);
    }
    return status;
}

static int compare(const void *first, const void *second) {
    uint32_t one = *(const uint32_t *)first, other = *(const uint32_t *)second;
    return (one > other) - (one < other);
}

/* The value changes at each position; where it changes twice it stays. */
static rle_status from_crossings(rle *mask, uint32_t *positions, size_t count) {
    uint32_t area = pixel_count(mask), start = 0;
    rle_status status = RLE_OK;
    if (count > 0) qsort(positions, count, sizeof *positions, compare);
    for (size_t index = 0; index < count && status == RLE_OK; index++) {
        if (index + 1 < count && positions[index] == positions[index + 1]) {
            index++;
            continue;
        }
        status = push(mask, positions[index] - start);
        start = positions[index];
    }
    int is_finished = start == area && mask->count > 0;
    return status == RLE_OK && !is_finished ? push(mask, area - start) : status;
}

rle_status rle_from_polygon(rle *mask, uint32_t height, uint32_t width, const double *coordinates,
                            size_t points) {
    rle_status status = begin(mask, height, width);
    if (status != RLE_OK) return status;
    rle crossings = {height, width, 0, 0, NULL};
    walk path = {&crossings, 0, 0, 0};
    status = walk_polygon(&path, coordinates, points);
    if (status == RLE_OK) status = from_crossings(mask, crossings.runs, crossings.count);
    rle_free(&crossings);
    return status;
}

rle_status rle_from_box(rle *mask, uint32_t height, uint32_t width, rle_box box) {
    double right = box.x + box.width, bottom = box.y + box.height;
    double corners[8] = {box.x, box.y, box.x, bottom, right, bottom, right, box.y};
    if (box.width < 0 || box.height < 0) return RLE_NEGATIVE_BOX;
    return rle_from_polygon(mask, height, width, corners, 4);
}
