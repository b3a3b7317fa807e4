/** A measurement of the small model that takes seconds. */
export const smallBench = [
  'bench',
  '--set',
  'model=tiny',
  '--profiles',
  'sparse',
  '--rounds',
  '2',
  '--batch-size',
  '4',
  '--json',
]
