/*
 * Hammers the functions of rle.h with random, damaged and hostile input; the same input in every run. Built with
 * the sanitizers by `make sanitize`. All input lies in heap blocks of its exact size, so that a read beyond is seen.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rle.h"

enum { ROUNDS = 30000, LARGEST_SIDE = 40, LONGEST_TEXT = 60, MOST_POINTS = 12 };

static const rle nothing;
static uint64_t state = 20240229;
static unsigned long accepted, refused;

static uint32_t random_below(uint32_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return limit == 0 ? 0 : (uint32_t)(state >> 33) % limit;
}

static void fail(const char *what) {
    fprintf(stderr, "wrong: %s\n", what);
    abort();
}

static void *block(size_t size) {
    void *memory = malloc(size);
    if (memory == NULL) fail("no memory");
    return memory;
}

static int same(const rle *first, const rle *second) {
    if (first->height != second->height || first->width != second->width) return 0;
    if (first->count != second->count) return 0;
    return first->count == 0 || memcmp(first->runs, second->runs, first->count * sizeof *first->runs) == 0;
}

/* The sum of the runs is what every other function relies on. */
static void check_sum(const rle *mask) {
    uint64_t sum = 0;
    for (size_t index = 0; index < mask->count; index++) sum += mask->runs[index];
    if (sum != (uint64_t)mask->height * mask->width) fail("the runs do not fill the mask");
}

/* Text and pixels must lead back to the same mask, and area and bounds agree with the pixels. */
static void check_round_trips(const rle *mask) {
    size_t area = (size_t)mask->height * mask->width, room = rle_text_room(mask), ones = 0;
    rle copy = nothing;
    char *text = block(room), *exact;
    size_t size = rle_to_text(mask, text);
    if (size > room) fail("the text is longer than its room");
    exact = block(size);
    memcpy(exact, text, size);
    free(text);
    rle_status status = rle_from_text(&copy, mask->height, mask->width, exact, size);
    if (status != RLE_OK) fail("its own text is refused");
    if (!same(mask, &copy)) fail("text leads to another mask");
    free(exact);
    if (area <= 1u << 16) {
        uint8_t *pixels = block(area);
        rle_to_pixels(mask, pixels);
        for (size_t at = 0; at < area; at++) ones += pixels[at];
        if (ones != rle_area(mask)) fail("the area is not the number of ones");
        status = rle_from_pixels(&copy, mask->height, mask->width, pixels);
        if (status != RLE_OK) fail("its own pixels are refused");
        if (rle_area(&copy) != ones || rle_overlap(mask, &copy) != ones) fail("pixels lead to another mask");
        free(pixels);
    }
    rle_box box = rle_bounds(mask);
    if (box.x + box.width > mask->width || box.y + box.height > mask->height) fail("the bounds are outside");
    rle_free(&copy);
}

static void check(const rle *mask, rle_status status) {
    if (strlen(rle_message(status)) == 0) fail("no message");
    if (status != RLE_OK) {
        refused++;
        return;
    }
    accepted++;
    check_sum(mask);
    check_round_trips(mask);
}

static uint32_t random_side(void) {
    uint32_t kind = random_below(200);
    if (kind == 0) return UINT32_MAX - random_below(3);
    if (kind == 1) return 65536 + random_below(3);
    return random_below(LARGEST_SIDE);
}

static void try_text(void) {
    size_t size = random_below(LONGEST_TEXT);
    char *text = block(size);
    int is_any_byte = random_below(4) == 0;
    uint32_t first = is_any_byte ? 0 : 48, spread = is_any_byte ? 256 : 2u << random_below(6);
    for (size_t at = 0; at < size; at++) text[at] = (char)(first + random_below(spread));
    rle mask = nothing;
    rle_status status = rle_from_text(&mask, random_side(), random_side(), text, size);
    check(&mask, status);
    rle_free(&mask);
    free(text);
}

static void random_pixels(rle *mask, uint32_t height, uint32_t width) {
    size_t area = (size_t)height * width;
    uint8_t *pixels = block(area);
    uint32_t length = 1 + random_below(9);
    uint8_t value = 0;
    for (size_t at = 0; at < area; at++) pixels[at] = value = random_below(length) == 0 ? !value : value;
    check(mask, rle_from_pixels(mask, height, width, pixels));
    if (area > 0) {
        rle other = nothing;
        pixels[random_below((uint32_t)area)] = (uint8_t)(2 + random_below(254));
        rle_status status = rle_from_pixels(&other, height, width, pixels);
        if (status != RLE_NOT_BINARY) fail("a pixel of 2 is accepted");
        rle_free(&other);
    }
    free(pixels);
}

/* A right text with a few characters changed, left out or doubled. */
static void try_damaged_text(void) {
    rle mask = nothing, damaged = nothing;
    uint32_t height = random_below(LARGEST_SIDE), width = random_below(LARGEST_SIDE);
    random_pixels(&mask, height, width);
    char *text = block(rle_text_room(&mask));
    size_t size = rle_to_text(&mask, text);
    for (uint32_t change = 1 + random_below(3); change > 0 && size > 1; change--) {
        size_t at = random_below((uint32_t)size);
        uint32_t kind = random_below(3);
        if (kind == 0) text[at] = (char)random_below(256);
        if (kind == 1) text[at] ^= (char)(1 << random_below(6));
        if (kind == 2) memmove(text + at, text + at + 1, --size - at);
    }
    char *exact = block(size);
    memcpy(exact, text, size);
    check(&damaged, rle_from_text(&damaged, height, width, exact, size));
    free(exact);
    free(text);
    rle_free(&mask);
    rle_free(&damaged);
}

static void try_runs(void) {
    size_t count = random_below(20);
    int64_t *runs = block(count * sizeof *runs);
    uint32_t height = random_side(), width = random_side();
    uint64_t left = (uint64_t)height * width;
    for (size_t index = 0; index < count; index++) {
        runs[index] = random_below((uint32_t)(left % LARGEST_SIDE) + 1);
        if (index + 1 == count) runs[index] = (int64_t)(left & INT64_MAX);
        left -= (uint64_t)runs[index];
        if (random_below(60) == 0) runs[index] = (int64_t)(state ^ (state << 31));
    }
    rle mask = nothing;
    check(&mask, rle_from_runs(&mask, height, width, runs, count));
    rle_free(&mask);
    free(runs);
}

static double random_coordinate(void) {
    static const double odd[] = {NAN, INFINITY, -INFINITY, 1e300, -1e300, 1.1e7, 4e8, 0.1, -0.1, -0.0};
    if (random_below(30000) == 0) return 1e7; /* allowed, but a long walk */
    if (random_below(300) == 0) return odd[random_below(sizeof odd / sizeof *odd)];
    double scale = random_below(10) == 0 ? 1000 : LARGEST_SIDE + 20;
    double value = random_below(1u << 20) * scale / (1u << 20) - 10;
    return random_below(3) == 0 ? floor(value) : value;
}

static void try_polygon(void) {
    size_t points = random_below(MOST_POINTS);
    double *coordinates = block(2 * points * sizeof *coordinates);
    for (size_t at = 0; at < 2 * points; at++) {
        coordinates[at] = at > 1 && random_below(8) == 0 ? coordinates[at - 2] : random_coordinate();
    }
    rle mask = nothing;
    check(&mask, rle_from_polygon(&mask, random_side(), random_side(), coordinates, points));
    rle_free(&mask);
    free(coordinates);
    rle_box box = {random_coordinate(), random_coordinate(), random_coordinate(), random_coordinate()};
    check(&mask, rle_from_box(&mask, random_side(), random_side(), box));
    rle_free(&mask);
}

static void try_pair(void) {
    uint32_t height = random_below(LARGEST_SIDE), width = random_below(LARGEST_SIDE);
    rle one = nothing, other = nothing, all = nothing, both = nothing;
    random_pixels(&one, height, width);
    random_pixels(&other, height + (random_below(20) == 0), width);
    rle_status status = rle_merge(&all, &one, &other, 0);
    check(&all, status);
    check(&both, rle_merge(&both, &one, &other, 1));
    if ((status == RLE_OK) != (one.height == other.height)) fail("masks of different sizes are merged");
    if (status == RLE_OK) {
        uint32_t overlap = rle_overlap(&one, &other);
        if (rle_area(&both) != overlap) fail("the intersection is not the overlap");
        uint32_t sum = rle_area(&one) + rle_area(&other);
        if (rle_area(&all) + overlap != sum) fail("the union has the wrong area");
    }
    double iou = rle_box_iou(rle_bounds(&one), rle_bounds(&other), random_below(2) == 0);
    if (!(iou >= 0 && iou <= 1)) fail("an IoU lies outside of 0 to 1");
    rle_free(&one);
    rle_free(&other);
    rle_free(&all);
    rle_free(&both);
}

int main(void) {
    static void (*const tries[])(void) = {try_text, try_damaged_text, try_runs, try_polygon, try_pair};
    for (int round = 0; round < ROUNDS; round++) tries[random_below(sizeof tries / sizeof *tries)]();
    printf("%d rounds: %lu masks accepted, %lu refused\n", ROUNDS, accepted, refused);
    return 0;
}
