/** Why there are no kernels, as a clause. Nobody has to do anything about it: Paddle's own operators compute. */
export class NotBuilt extends Error {
  override name = 'NotBuilt' as const
}
