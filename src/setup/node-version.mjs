const lowest = [20, 19]

/**
 * Says in a sentence why this Node cannot run the program.
 *
 * @param {string} [version] such as `20.19.0`
 * @returns {string | undefined} nothing when it can
 */
export function unsupportedNode(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [lowestMajor = 0, lowestMinor = 0] = lowest
  if (major > lowestMajor || (major === lowestMajor && minor >= lowestMinor)) return undefined
  return `This is Node ${version}, but vilbert-ts needs Node ${lowest.join('.')} or newer.`
}
