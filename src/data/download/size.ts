import {refused, type AttemptFailed} from './failure.js'

/** The refusal of a file that is not as long as it should be. */
export function wrongSize(url: URL, foundBytes: number | 'more', sizeBytes: number): AttemptFailed {
  const found = foundBytes === 'more' ? 'more' : `${foundBytes}`
  return refused(url, `the file has ${found} bytes, it should have ${sizeBytes}`, {
    code: 'E_DL_SIZE',
    next: 'The file may have been replaced, or cut: try another --mirror.',
  })
}
