/*
 * Masks as run lengths, the form of COCO: an image of height * width pixels, read column by column, is a list of
 * run lengths that begins with the zeros (a run of length 0 where the first pixel is a one).
 *
 * Written from the format's definition. Nothing here trusts its input: every length is checked before its use.
 */
#ifndef REFER_RLE_H
#define REFER_RLE_H

#include <stddef.h>
#include <stdint.h>

/* Pixels of the largest image: positions and run lengths then fit into 32 bits, with a sign too. */
#define RLE_LARGEST_AREA INT32_MAX
/* Coordinates beyond are no pixels of any image, and would overflow when they are scaled. */
#define RLE_FARTHEST_PX 1e7
/* Steps along a polygon's boundary, a fifth of a pixel each: some seconds of work. */
#define RLE_LONGEST_WALK 268435456

typedef struct {
    uint32_t height;
    uint32_t width;
    size_t count;
    size_t capacity;
    uint32_t *runs;
} rle;

typedef struct {
    double x, y, width, height;
} rle_box;

typedef enum {
    RLE_OK,
    RLE_NO_MEMORY,
    RLE_TOO_LARGE,
    RLE_NOT_BINARY,
    RLE_BAD_CHARACTER,
    RLE_CUT_OFF,
    RLE_LONG_NUMBER,
    RLE_NEGATIVE,
    RLE_BEYOND,
    RLE_SHORT,
    RLE_SIZES_DIFFER,
    RLE_NOT_FINITE,
    RLE_FAR_AWAY,
    RLE_NEGATIVE_BOX,
    RLE_LONG_WALK
} rle_status;

/* The end of a sentence that says what is wrong. */
const char *rle_message(rle_status status);

/*
 * Each maker fills `mask`, which must be all zeros or hold an earlier result; after a failure it can be filled
 * again, and it must be freed in any case.
 */
void rle_free(rle *mask);
rle_status rle_from_pixels(rle *mask, uint32_t height, uint32_t width, const uint8_t *pixels);
rle_status rle_from_runs(rle *mask, uint32_t height, uint32_t width, const int64_t *runs, size_t count);
rle_status rle_from_text(rle *mask, uint32_t height, uint32_t width, const char *text, size_t size);
/* `coordinates` are x0, y0, x1, y1, … of `points` corners; the last is joined to the first. */
rle_status rle_from_polygon(rle *mask, uint32_t height, uint32_t width, const double *coordinates,
                            size_t points);
rle_status rle_from_box(rle *mask, uint32_t height, uint32_t width, rle_box box);
/* Union, or intersection, of two masks of one size; `mask` is neither of them. */
rle_status rle_merge(rle *mask, const rle *first, const rle *second, int intersect);
rle_status rle_copy(rle *mask, const rle *other);

/* Writes height * width bytes of 0 and 1, column by column. */
void rle_to_pixels(const rle *mask, uint8_t *pixels);
/* Writes the compressed form and returns its size; `text` has room for rle_text_room() bytes. */
size_t rle_to_text(const rle *mask, char *text);
/* 0 where there would be more bytes than memory has addresses. */
size_t rle_text_room(const rle *mask);
uint32_t rle_area(const rle *mask);
/* The smallest box around the ones; all zeros where there are none. */
rle_box rle_bounds(const rle *mask);
/* Number of pixels that are one in both; the masks must have one size. */
uint32_t rle_overlap(const rle *first, const rle *second);
/* Intersection over union, or over the first box alone. */
double rle_box_iou(rle_box first, rle_box second, int over_first);

#endif
