import {BridgeCrashError} from '../bridge/errors.js'
import {readRegionImageIds} from '../data/regions.js'
import {DataError, printable} from '../errors.js'

/**
 * Python reads region stores where they lie; when one gets shorter meanwhile, the system ends Python by SIGBUS. Gives
 * the error that says so, or the given one where nothing of that kind happened.
 */
export function explainCrash(error: unknown, stores: readonly (string | null)[]): unknown {
  if (!(error instanceof BridgeCrashError) || error.pythonSignal !== 'SIGBUS') return error
  const cut = stores.find((store) => store !== null && readRegionImageIds(store) === undefined)
  if (cut === undefined || cut === null) return error
  return new DataError(`${printable(cut, 300)} got shorter while it was read.`, {
    code: 'E_STORE_CUT',
    next: 'Run the command again: the store is made anew. A training run goes on with --resume.',
    cause: error,
  })
}
