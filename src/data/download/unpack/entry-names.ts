const longestName = 1024
const longestPartBytes = 255
const deviceName = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?$/i

/**
 * Why a name from outside is not a plain path below a folder, on any system; nothing when it is one. Slashes part
 * folders, and none is at either end.
 */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'it has no name'
  if (name.length > longestName) return 'its name is too long'
  if (/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u.test(name)) return 'its name holds control characters'
  if (name.includes('\\') || name.includes(':')) return 'its name holds a backslash or colon'
  if (name.startsWith('/')) return 'its name is an absolute path'
  for (const part of name.split('/')) {
    if (part === '..') return 'its name leads out of the folder'
    if (part === '' || part === '.') return 'its name has empty parts'
    if (/[. ]$/.test(part)) return 'its name has a part that ends in a dot or space'
    if (Buffer.byteLength(part) > longestPartBytes) return 'its name is too long'
    if (deviceName.test(part)) return 'its name is that of a device'
  }
  return undefined
}

/** Archives of a folder name it `./`, and entries of folders end in a slash. */
export function plainName(name: string): string {
  return name.replace(/^(?:\.\/)+/, '').replace(/\/$/, '')
}
