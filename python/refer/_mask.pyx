# cython: language_level=3
"""One mask as run lengths, over the C functions of rle.h. `refer.mask` is the interface for users."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc


cdef extern from "rle.h" nogil:
    ctypedef struct rle:
        uint32_t height
        uint32_t width
        size_t count
        uint32_t *runs

    ctypedef struct rle_box:
        double x
        double y
        double width
        double height

    ctypedef enum rle_status:
        RLE_OK
        RLE_NO_MEMORY

    const char *rle_message(rle_status status)
    void rle_free(rle *mask)
    rle_status rle_from_pixels(rle *mask, uint32_t height, uint32_t width, const uint8_t *pixels)
    rle_status rle_from_runs(rle *mask, uint32_t height, uint32_t width, const int64_t *runs, size_t count)
    rle_status rle_from_text(rle *mask, uint32_t height, uint32_t width, const char *text, size_t size)
    rle_status rle_from_polygon(
        rle *mask, uint32_t height, uint32_t width, const double *coordinates, size_t points
    )
    rle_status rle_from_box(rle *mask, uint32_t height, uint32_t width, rle_box box)
    rle_status rle_merge(rle *mask, const rle *first, const rle *second, int intersect)
    rle_status rle_copy(rle *mask, const rle *other)
    void rle_to_pixels(const rle *mask, uint8_t *pixels)
    size_t rle_to_text(const rle *mask, char *text)
    size_t rle_text_room(const rle *mask)
    uint32_t rle_area(const rle *mask)
    rle_box rle_bounds(const rle *mask)
    uint32_t rle_overlap(const rle *first, const rle *second)
    double c_box_iou "rle_box_iou"(rle_box first, rle_box second, int over_first)


cdef class Mask:
    """A mask of `height` by `width` pixels. The `from_…` functions make it; one made by `Mask()` is empty."""

    cdef rle c

    def __dealloc__(self):
        rle_free(&self.c)

    @property
    def height(self):
        return self.c.height

    @property
    def width(self):
        return self.c.width

    def text(self):
        """The runs in COCO's compressed form."""
        cdef size_t room = rle_text_room(&self.c)
        cdef char *buffer = <char *>malloc(room) if room > 0 else NULL
        if buffer == NULL:
            raise MemoryError
        try:
            return PyBytes_FromStringAndSize(buffer, rle_to_text(&self.c, buffer))
        finally:
            free(buffer)

    def fill(self, pixels):
        """Write the pixels, column by column, into a buffer of exactly their number."""
        cdef Py_buffer view
        PyObject_GetBuffer(pixels, &view, PyBUF_WRITABLE)
        try:
            _expect(view.len, <size_t>self.c.height * self.c.width)
            with nogil:
                rle_to_pixels(&self.c, <uint8_t *>view.buf)
        finally:
            PyBuffer_Release(&view)

    def area(self):
        """Number of ones."""
        return rle_area(&self.c)

    def bounds(self):
        """The smallest box around the ones: x, y, width, height."""
        cdef rle_box box = rle_bounds(&self.c)
        return box.x, box.y, box.width, box.height

    def overlap(self, Mask other not None):
        """Number of pixels that are one in both."""
        if self.c.height != other.c.height or self.c.width != other.c.width:
            raise ValueError("the masks have different sizes")
        cdef uint32_t overlap
        with nogil:
            overlap = rle_overlap(&self.c, &other.c)
        return overlap


def from_pixels(uint32_t height, uint32_t width, pixels):
    """A mask of bytes 0 and 1, column by column."""
    cdef Mask mask = Mask()
    cdef Py_buffer view
    cdef rle_status status
    PyObject_GetBuffer(pixels, &view, PyBUF_SIMPLE)
    try:
        _expect(view.len, <size_t>height * width)
        with nogil:
            status = rle_from_pixels(&mask.c, height, width, <const uint8_t *>view.buf)
    finally:
        PyBuffer_Release(&view)
    return _checked(mask, status)


def from_runs(uint32_t height, uint32_t width, runs):
    """A mask of run lengths, a buffer of int64."""
    cdef Mask mask = Mask()
    cdef Py_buffer view
    cdef rle_status status
    PyObject_GetBuffer(runs, &view, PyBUF_SIMPLE)
    try:
        _expect(view.len % <Py_ssize_t>sizeof(int64_t), 0)
        with nogil:
            status = rle_from_runs(
                &mask.c, height, width, <const int64_t *>view.buf, view.len // <Py_ssize_t>sizeof(int64_t)
            )
    finally:
        PyBuffer_Release(&view)
    return _checked(mask, status)


def from_text(uint32_t height, uint32_t width, bytes text not None):
    """A mask of run lengths in COCO's compressed form."""
    cdef Mask mask = Mask()
    cdef const char *characters = text
    cdef size_t size = len(text)
    cdef rle_status status
    with nogil:
        status = rle_from_text(&mask.c, height, width, characters, size)
    return _checked(mask, status)


def from_polygon(uint32_t height, uint32_t width, coordinates):
    """The inside of a polygon, a buffer of float64 x0, y0, x1, y1, …"""
    cdef Mask mask = Mask()
    cdef Py_buffer view
    cdef rle_status status
    PyObject_GetBuffer(coordinates, &view, PyBUF_SIMPLE)
    try:
        _expect(view.len % <Py_ssize_t>(2 * sizeof(double)), 0)
        with nogil:
            status = rle_from_polygon(
                &mask.c, height, width, <const double *>view.buf, view.len // <Py_ssize_t>(2 * sizeof(double))
            )
    finally:
        PyBuffer_Release(&view)
    return _checked(mask, status)


def from_box(uint32_t image_height, uint32_t image_width, double x, double y, double width, double height):
    """The inside of a box."""
    cdef Mask mask = Mask()
    return _checked(mask, rle_from_box(&mask.c, image_height, image_width, rle_box(x, y, width, height)))


def merge(list masks not None, bint intersect):
    """Union or intersection of at least one mask."""
    cdef Mask merged = Mask()
    cdef Mask larger
    cdef Mask other = <Mask?>masks[0]
    cdef rle_status status = rle_copy(&merged.c, &other.c)
    for item in masks[1:]:
        _checked(merged, status)
        larger = Mask()
        other = <Mask?>item
        with nogil:
            status = rle_merge(&larger.c, &merged.c, &other.c, intersect)
        merged = larger
    return _checked(merged, status)


def box_iou(tuple first not None, tuple second not None, bint over_first):
    """Intersection over union of two boxes x, y, width, height, or over the first alone."""
    cdef double x, y, width, height
    x, y, width, height = first
    cdef rle_box one = rle_box(x, y, width, height)
    x, y, width, height = second
    return c_box_iou(one, rle_box(x, y, width, height), over_first)


cdef Mask _checked(Mask mask, rle_status status):
    if status == RLE_NO_MEMORY:
        raise MemoryError
    if status != RLE_OK:
        raise ValueError("the mask " + rle_message(status).decode())
    return mask


cdef int _expect(Py_ssize_t found, size_t wanted) except -1:
    if <size_t>found != wanted:
        raise ValueError(f"the buffer has the wrong size: {found} where {wanted} was expected")
    return 0
