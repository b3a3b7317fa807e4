/** Something else that a server sends in place of a file, with the status and the name of the file. */
export type Impostor = {readonly code: string; readonly what: string; readonly next?: string}

const driveNext =
  'Try again later (a quota is lifted after about 24 hours), or get the file with a browser and pass --from FOLDER.'

/** So many bytes tell what a file is. */
export const headBytes = 2048

/** Names what stands in place of data, by its first bytes; no file that we fetch is a web page, XML or an error. */
export function findImpostor(head: Uint8Array): Impostor | undefined {
  const text = Buffer.from(head)
    .toString('latin1')
    .replace(/^(?:\xef\xbb\xbf|\s)+/, '')
  const lower = text.toLowerCase()
  if (/^(?:<!doctype html|<html|<head|<body)/.test(lower)) return describePage(lower)
  if (/^(?:<\?xml|<error>)/.test(lower)) {
    const reason = /<code>([a-z0-9]{1,60})<\/code>/i.exec(text)?.[1]
    return {code: 'E_DL_XML', what: `it sent an XML message${reason === undefined ? '' : ` (${reason})`}`}
  }
  if (/^\{\s*"error"\s*:/.test(lower)) return {code: 'E_DL_JSON', what: 'it sent a JSON error message'}
  if (lower.startsWith('version https://git-lfs')) {
    return {code: 'E_DL_POINTER', what: 'it sent a Git LFS pointer'}
  }
  return undefined
}

function describePage(page: string): Impostor {
  if (page.includes('quota exceeded') || page.includes('too many users have viewed')) {
    return {code: 'E_DL_HTML', what: "it sent Google Drive's page about an exceeded quota", next: driveNext}
  }
  if (page.includes('virus scan warning')) {
    return {code: 'E_DL_HTML', what: "it sent Google Drive's page about virus scanning", next: driveNext}
  }
  const title = /<title>([^<]{1,80})<\/title>/.exec(page)?.[1]
  return {
    code: 'E_DL_HTML',
    what: `it sent a web page${title === undefined ? '' : ` ("${title.trim()}")`}`,
    next: 'Open the address in a browser to see what it asks for, or pass --mirror or --from.',
  }
}
