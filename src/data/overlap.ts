/** x1, y1, x2, y2 in pixels. */
export type Box = readonly [number, number, number, number]

/**
 * The largest IoU of any of the first `most` boxes (rows of 4) with `box`, in the +1 pixel convention of the
 * published code: a box that ends where it starts still covers one pixel.
 */
export function bestOverlap(boxes: Float32Array, [x1, y1, x2, y2]: Box, most: number): number {
  const area = (x2 - x1 + 1) * (y2 - y1 + 1)
  let best = 0
  for (let at = 0; at < Math.min(boxes.length, 4 * most); at += 4) {
    const left = boxes[at] ?? 0
    const top = boxes[at + 1] ?? 0
    const right = boxes[at + 2] ?? 0
    const bottom = boxes[at + 3] ?? 0
    const width = Math.max(0, Math.min(right, x2) - Math.max(left, x1) + 1)
    const height = Math.max(0, Math.min(bottom, y2) - Math.max(top, y1) + 1)
    const shared = width * height
    best = Math.max(best, shared / ((right - left + 1) * (bottom - top + 1) + area - shared))
  }
  return best
}
