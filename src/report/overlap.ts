import type {Box} from '../data/overlap.js'

/** A region counts as right when its IoU with the box that is meant is above this. */
export const minOverlap = 0.5

/**
 * IoU of two boxes in the +1 pixel convention, rounded to float32 as the evaluation stores it: a region that is right
 * there is right here.
 */
export function overlap(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]) + 1
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]) + 1
  const intersection = Math.max(width, 0) * Math.max(height, 0)
  return Math.fround(intersection / (area(a) + area(b) - intersection))
}

/** Pixels that a box covers; one that ends where it starts covers one. */
function area([x1, y1, x2, y2]: Box): number {
  return (x2 - x1 + 1) * (y2 - y1 + 1)
}
